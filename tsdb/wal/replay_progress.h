/* replay_progress.h - how far the reading of the log is, for the log of the program: a line a second with percent and
 * what is left, by bytes of segments.
 *
 * Threads: one at a time.
 */
#ifndef FERULA_TSDB_REPLAY_PROGRESS_H
#define FERULA_TSDB_REPLAY_PROGRESS_H

#include "base/clock.h"
#include "base/log.h"
#include "base/vfs.h"

typedef struct replay_progress {
    fer_clock *clock;
    fer_log *log;
    uint64_t begun_ns, told_ns;
    uint64_t first, n; /* segment numbers first..first+n-1 */
    uint64_t *before;  /* n + 1: bytes of the segments before each; of all */
} replay_progress;

/* Sizes that cannot be had count as nothing: it is only told. */
void replay_progress_begin(replay_progress *p, vfs *fs, const char *wal_dir, fer_clock *clock,
                           fer_log *log);
void replay_progress_done(replay_progress *p);
/* A record at that place has been read. */
void replay_progress_at(replay_progress *p, uint64_t segment, uint64_t offset);

#endif

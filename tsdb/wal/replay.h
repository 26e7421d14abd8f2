/* replay.h - filling the head from chunks_head and the log at start.
 *
 * Lists the chunks of h->files, then reads the newest checkpoint and the segments behind it, Prometheus' as well as ours (FORMAT.md 12).
 * Damage is logged and counted and costs the records it touches; it never refuses the start.
 * Threads: one, before anybody else knows the head, and those it starts and ends (replay_lane.h).
 */
#ifndef FERULA_TSDB_REPLAY_H
#define FERULA_TSDB_REPLAY_H

#include "base/vfs.h"
#include "tsdb/head/head.h"
#include "tsdb/tsdb.h"
#include "tsdb/wal/wal.h"

typedef struct replay_stats {
    uint64_t samples;      /* in the log */
    uint64_t chunks;       /* of chunks_head that belong to series of the log */
    uint64_t old_samples;  /* read a second time, in a chunk, or older than the blocks */
    uint64_t late_samples; /* older than their series' newest and missing: put in their place */
    uint64_t unknown_refs; /* samples and deletions whose series is not in the log */
    uint64_t deletions;    /* intervals taken from the log */
    uint64_t skipped;      /* records of other kinds */
    uint64_t corruptions;
    uint64_t ooo_samples, ooo_chunks, wbl_corruptions; /* of samples out of order */
    wal_tear tear, wbl_tear;                           /* in the two logs */
    uint64_t ns;
} replay_stats;

typedef struct replay_source {
    vfs *fs;
    const char *wal_dir;
    const char *wbl_dir; /* of samples out of order, read after the other (wbl_replay.h) */
    fer_clock *clock;
    unsigned threads;                                         /* beside the caller's */
    void (*on_metadata)(void *arg, const metadata_family *m); /* may be NULL */
    void *on_metadata_arg;
} replay_source;

FER_MUST_CHECK fer_code replay_log(head *h, const replay_source *from, tsdb_progress *progress,
                                   replay_stats *ret, fer_err *err);

#endif

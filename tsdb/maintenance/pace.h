/* pace.h - long work on the disk gives way to those who write.
 *
 * A merge can keep the disk busy for minutes, and each write waits for a sync of the log on the same disk. So work
 * that nobody waits for asks here every few milliseconds: when the log was synced since it last asked, it rests
 * three times as long as it worked and so takes a quarter of the disk's time and of a core; when nobody writes it
 * goes on at full speed. What that gains: docs/compaction.md.
 *
 * Threads: one at a time.
 */
#ifndef FERULA_TSDB_PACE_H
#define FERULA_TSDB_PACE_H

#include "base/clock.h"

typedef struct pace {
    fer_clock *clock;
    uint64_t (*writes)(void *arg); /* how many have been made durable so far */
    void *arg;
    uint64_t begun_ns; /* the present spell of work */
    uint64_t seen;     /* writes when it began */
} pace;

/* Work begins. */
void pace_begin(pace *p);
/* Rests if it is time to; NULL never rests. Not under a lock that writes or queries take. */
void pace_point(pace *p);
/* The nanoseconds pace_point() would rest: 0 while the spell is short or nobody writes, which begins a new one. */
uint64_t pace_due(pace *p);

#endif

/* pace.h - long work on the disk gives way to those who write.
 *
 * Each write waits for a sync of the log on the disk that a merge keeps busy, and a disk has a tail: every so many bytes
 * the writes under way take many times as long as others. So such work asks here every few milliseconds. While the log is
 * being written it rests three times as long as it worked, and so takes a quarter of the disk's time and of a core; and
 * past its first 100 ms, unless somebody waits for it, it is spread evenly over the time it is given, so that what the
 * disk's tail hits is too small a share of the writes to be seen. When nobody writes it goes on at full speed. What that
 * gains: docs/compaction.md.
 *
 * Threads: one at a time.
 */
#ifndef FERULA_TSDB_PACE_H
#define FERULA_TSDB_PACE_H

#include <stdbool.h>

#include "base/clock.h"

typedef struct pace {
    fer_clock *clock;
    uint64_t (*writes)(void *arg); /* how many have been made durable so far */
    bool (*is_awaited)(void *arg); /* somebody waits for the work; may be NULL */
    void (*meanwhile)(void *arg);  /* before each rest; may be NULL */
    void *arg;
    uint64_t
        span_ns; /* how long the whole work may take while others write; 0: no longer than it needs */

    /* ---- pace_begin() ---- */
    uint64_t begun_ns;   /* the present spell of work */
    uint64_t worked_ns;  /* spells before it */
    uint64_t seen;       /* writes so far */
    uint64_t written_ns; /* when there were new ones */
    bool written;        /* there were since the work began */
    double done;         /* of the whole work before the spell */
} pace;

/* Work begins. */
void pace_begin(pace *p);
/* Rests if it is time to; NULL never rests. done: the share of the whole work behind it, 0 to 1. Not under a lock that writes
 * or queries take. */
void pace_point(pace *p, double done);
/* The nanoseconds pace_point() would rest: 0 while the spell is short or nobody writes. A spell that is not short ends. */
uint64_t pace_due(pace *p, double done);

#endif

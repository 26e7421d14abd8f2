/* query_times.h - quantiles of how long queries took lately: the newest 512 of the last ten minutes.
 *
 * One set a process, as a summary's window. Threads: any, without a lock: a quantile may see half of a note, which is a
 * time of the past ten minutes all the same. */
#ifndef FERULA_SERVER_API_QUERY_TIMES_H
#define FERULA_SERVER_API_QUERY_TIMES_H

#include <stddef.h>
#include <stdint.h>

typedef enum query_slice {
    QUERY_SLICE_INNER_EVAL,
    QUERY_SLICE_PREPARE,
    QUERY_SLICE_QUEUE,
    QUERY_SLICE_SORT,
    QUERY_SLICES
} query_slice;

enum { QUERY_TIMES_KEPT = 512 };

void query_times_note(query_slice slice, uint64_t ns, uint64_t now_ns);
/* ret[i] = the q[i] quantile in seconds, each with q ascending in 0..1; NaN without notes. */
void query_times_quantiles(query_slice slice, uint64_t now_ns, const double *q, size_t n,
                           double *ret);

#endif

/* point.h - the data points of OTLP, whichever kind, as their fields stand on the wire.
 *
 * Threads: pure.
 */
#ifndef FERULA_SERVER_OTLP_POINT_H
#define FERULA_SERVER_OTLP_POINT_H

#include <stdint.h>

#include "server/otlp/names.h"

/* Bytes that follow one another: a view while they do so in the message, else a copy. */
typedef struct otlp_run {
    fer_str s;
    bool copied;
} otlp_run;

typedef struct otlp_point {
    otlp_run attributes; /* fields that are messages KeyValue */
    otlp_run exemplars;  /* fields that are messages Exemplar */
    uint64_t time_ns, flags;
    double value;
    /* Histograms and summaries. */
    double sum;
    bool has_sum;
    uint64_t count;
    otlp_run counts, bounds; /* numbers of 64 bits */
    /* Exponential histograms; the buckets are messages Buckets. */
    int32_t scale;
    uint64_t zero_count;
    double zero_threshold;
    fer_str positive, negative;
} otlp_point;

enum { OTLP_NO_RECORDED_VALUE = 1 }; /* a bit of flags */

static inline int64_t otlp_ms(uint64_t ns)
{
    return (int64_t)ns / 1000000;
}

/* Reads a point of a metric of this kind. FER_CORRUPT for bytes that are none, FER_LIMIT from the arena. */
FER_MUST_CHECK fer_code otlp_read_point(fer_str msg, otlp_kind kind, fer_arena *a, otlp_point *ret);

#endif

/* hist_sample.h - a native histogram as it is stored: in chunks and in the write-ahead log.
 *
 * Integer and float histograms share one type. Buckets lie in spans, positive and negative ones apart. In an
 * integer histogram a bucket is the difference to the one before it (the first is itself); in a float histogram it
 * is its count. PromQL sees them widened (histogram.h). Only `sum` matters in a stale marker.
 *
 * Schemas: -4 to 8 exponential, -53 custom bounds; -9 to -5 and 9 to 52 are reserved: read, and reduced to 8 when
 * widened. Nothing here owns memory but where it says so.
 */
#ifndef FERULA_TSDB_HIST_SAMPLE_H
#define FERULA_TSDB_HIST_SAMPLE_H

#include <stdbool.h>

#include "base/arena.h"
#include "tsdb/histogram.h"

enum {
    HIST_SCHEMA_MAX = 8,
    HIST_SCHEMA_CUSTOM = -53,
    HIST_SCHEMA_RESERVED_MIN = -9,
    HIST_SCHEMA_RESERVED_MAX = 52
};

typedef union hist_num {
    uint64_t u; /* counts of integer histograms */
    int64_t i;  /* their buckets */
    double f;   /* all numbers of float histograms */
} hist_num;

enum { HIST_POS, HIST_NEG, HIST_SIDES };

typedef struct hist_side {
    const histogram_span
        *spans; /* the first offset from bucket 0, others from the end of the span before */
    const hist_num *buckets;
    uint32_t n_spans;
    uint32_t n_buckets; /* the sum of the spans' lengths */
} hist_side;

typedef struct hist_sample {
    bool is_float;
    uint8_t reset_hint; /* histogram_reset_hint */
    int32_t schema;
    uint32_t n_custom;
    double zero_threshold, sum;
    hist_num zero_count, count;
    hist_side side[HIST_SIDES];
    const double *custom; /* schema -53: upper bounds, ascending */
} hist_sample;

bool hist_schema_is_known(int32_t schema);
bool hist_is_stale(const hist_sample *s);
/* The sum of the spans' lengths, UINT64_MAX when a bucket's place does not fit 31 bits. */
uint64_t hist_count_buckets(const histogram_span *spans, uint32_t n);

/* As PromQL sees it, in the arena; spans and bounds stay shared with s unless a higher resolution was reduced.
 * NULL past the budget. */
const histogram *hist_widen(const hist_sample *s, fer_arena *a);
/* The way back, exact for what hist_widen() made of counts below 2^53. Spans and bounds stay shared with h; buckets are
 * in the arena. False past the budget. */
bool hist_narrow(const histogram *h, bool is_float, fer_arena *a, hist_sample *ret);
/* Brings a finer resolution than HIST_SCHEMA_MAX down to it; what s then points to is in the arena. False past the
 * budget. */
bool hist_lower(hist_sample *s, fer_arena *a);
/* Copies all that s points to into the arena; false past the budget. */
bool hist_copy(const hist_sample *s, fer_arena *a, hist_sample *ret);
/* Bytes hist_copy() takes. */
size_t hist_copy_bytes(const hist_sample *s);

#endif

/* hist_stats.h - what a native histogram tells about its observations.
 *
 * Inside exponential buckets values are taken to lie evenly on a logarithmic scale, inside the zero
 * bucket and custom ones evenly. The zero bucket ends at 0 on the side where there are no buckets.
 */
#ifndef FERULA_PROMQL_HIST_STATS_H
#define FERULA_PROMQL_HIST_STATS_H

#include "base/arena.h"
#include "base/buf.h"
#include "promql/hist_cursor.h"

typedef struct hist_bucket {
    double lower, upper, count;
} hist_bucket;

typedef struct hist_buckets {
    hist_bucket *b; /* ascending, empty ones included, the zero bucket when populated */
    size_t n, cap;
    struct hist_layout *layout; /* what the bounds were made of */
} hist_buckets;

/* FER_LIMIT past the arena's budget. The room is reused from call to call, the bounds too as long as histograms are laid
 * out alike. */
FER_MUST_CHECK fer_code hist_buckets_of(const histogram *h, fer_arena *a, hist_buckets *ret);

typedef enum hist_nan {
    HIST_NAN_NONE,
    HIST_NAN_SKEW,   /* observations of NaN count as the largest */
    HIST_NAN_RESULT, /* the quantile is one of them */
} hist_nan;

double hist_quantile(double q, const histogram *h, hist_nan *ret);
/* *ret_nan: there are NaN observations, in no fraction. */
double hist_fraction(double lower, double upper, const histogram *h, const hist_buckets *b,
                     bool *ret_nan);
double hist_variance(const histogram *h, const hist_buckets *b);
/* The part of a bucket at or below v, lower < v < upper. */
double hist_below(hist_bucket b, double v, bool linear);

/* As count_values() shows it: {count:3, sum:4.5, (1,2]:3}. `integers`: it was an integer histogram, whose counts
 * have no exponents. */
FER_MUST_CHECK fer_code hist_print(const histogram *h, bool integers, fer_arena *a, fer_buf *out);

#endif

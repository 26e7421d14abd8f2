/* func_bucket.h - quantiles and fractions from the buckets of a classic histogram.
 *
 * Buckets are cumulative: `count` observations at most `upper`.
 */
#ifndef FERULA_PROMQL_FUNC_BUCKET_H
#define FERULA_PROMQL_FUNC_BUCKET_H

#include <stdbool.h>
#include <stddef.h>

typedef struct bucket {
    double upper, count;
} bucket;

/* What had to be done to make the counts rise. */
typedef struct bucket_fix {
    bool forced;
    double min_bucket, max_bucket; /* upper bounds of the first and last bucket lifted */
    double max_diff;
} bucket_fix;

/* b[0..n), n > 0, ascending by upper bound (equal bounds in the order their counts are to be added);
 * changed by the call. NaN when the last bound is not +Inf, for fewer than two distinct bounds and for
 * no observations. */
double bucket_quantile(double q, bucket *b, size_t n, bucket_fix *ret);

/* The part of the observations between lower and upper, interpolated. */
double bucket_fraction(double lower, double upper, bucket *b, size_t n);

#endif

/* histogram_text.h - native histograms as test scripts write and compare them.
 *
 * The notation is {{key:value ...}} with the keys schema, sum, count, z_bucket, z_bucket_w, buckets,
 * offset, n_buckets, n_offset, custom_values, counter_reset_hint; lists are [1 2 3]; what is not
 * written is zero. (promql/promqltest/README.md of Prometheus describes it.)
 *
 * Everything made lies in the arena given. Threads: pure.
 */
#ifndef FERULA_PROMQLTEST_HISTOGRAM_TEXT_H
#define FERULA_PROMQLTEST_HISTOGRAM_TEXT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "tsdb/histogram.h"

enum { HISTOGRAM_SCHEMA_CUSTOM = -53 };

/* `text` is all between {{ and }}. *ret_hint_given: counter_reset_hint was written. */
FER_MUST_CHECK fer_code histogram_text_parse(fer_str text, fer_arena *a, histogram **ret,
                                             bool *ret_hint_given, fer_err *err);
/* {{...}}: keys that are zero left out, empty buckets between others written. */
void histogram_text_print(fer_buf *out, const histogram *h);

/* a + b, or a - b with sign -1, in the resolution of a. FER_INVALID when b is coarser than a, bounds
 * or kinds differ, or zero buckets of different width would have to be merged with others. */
FER_MUST_CHECK fer_code histogram_text_combine(const histogram *a, const histogram *b, double sign,
                                               fer_arena *arena, histogram **ret, fer_err *err);

/* Same schema, bounds and widths; counts and sums almost equal; buckets compared without the empty
 * ones. The counter reset hint counts only with compare_hint. */
bool histogram_text_same(const histogram *want, const histogram *got, bool compare_hint);

/* Compares as Prometheus' tests compare numbers: NaN equals NaN, stale markers equal each other only,
 * others within a relative 1e-6. */
bool almost_equal(double a, double b);

/* A populated bucket by its index (schema -53: position of its bound). */
typedef struct bucket {
    int64_t index;
    double count;
} bucket;
/* The buckets that are not zero, ascending; .n 0 and .v NULL past the arena's budget is not told apart
 * from none, so tests give arenas without budget. */
typedef struct bucket_list {
    bucket *v;
    size_t n;
} bucket_list;
bucket_list histogram_buckets(const histogram *h, bool negative, fer_arena *a);

#endif

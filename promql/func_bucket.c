/* func_bucket.c - classic histograms. */
#include "promql/func_bucket.h"

#include <float.h>
#include <math.h>

/* Relative differences between neighbours that are taken for rounding errors. */
static const double SMALL_DELTA = 1e-12;

/* Buckets with the same bound become one. */
static size_t merge_equal(bucket *b, size_t n)
{
    size_t last = 0;
    for (size_t i = 1; i < n; i++) {
        if (b[i].upper == b[last].upper)
            b[last].count += b[i].count;
        else
            b[++last] = b[i];
    }
    return last + 1;
}

static bool almost_equal(double a, double b)
{
    if (isnan(a) && isnan(b))
        return true;
    if (a == b)
        return true;
    double sum = fabs(a) + fabs(b), diff = fabs(a - b);
    if (a == 0 || b == 0 || sum < DBL_MIN)
        return diff < SMALL_DELTA * DBL_MIN;
    return diff / fmin(sum, DBL_MAX) < SMALL_DELTA;
}

/* Lifts counts that fall behind the one before; tiny differences silently, either way. */
static void make_monotonic(bucket *b, size_t n, bucket_fix *fix)
{
    *fix = (bucket_fix){.min_bucket = INFINITY, .max_bucket = -INFINITY};
    double prev = b[0].count;
    for (size_t i = 1; i < n; i++) {
        double count = b[i].count;
        if (count == prev)
            continue;
        if (almost_equal(prev, count)) {
            b[i].count = prev;
        } else if (count < prev) {
            b[i].count = prev;
            fix->forced = true;
            fix->min_bucket = b[i].upper < fix->min_bucket ? b[i].upper : fix->min_bucket;
            fix->max_bucket = b[i].upper > fix->max_bucket ? b[i].upper : fix->max_bucket;
            fix->max_diff = prev - count > fix->max_diff ? prev - count : fix->max_diff;
        } else {
            prev = count;
        }
    }
}

/* The first bucket but the last whose count reaches the rank, by halving; the last when none does.
 * (With NaN counts the result depends on the way of searching.) */
static size_t find_rank(const bucket *b, size_t n, double rank)
{
    size_t lo = 0, hi = n - 1;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (b[mid].count >= rank)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

double bucket_quantile(double q, bucket *b, size_t n, bucket_fix *ret)
{
    *ret = (bucket_fix){0};
    if (isnan(q))
        return NAN;
    if (q < 0)
        return -INFINITY;
    if (q > 1)
        return INFINITY;
    if (b[n - 1].upper != INFINITY)
        return NAN;
    n = merge_equal(b, n);
    make_monotonic(b, n, ret);
    if (n < 2 || b[n - 1].count == 0)
        return NAN;

    double rank = q * b[n - 1].count;
    size_t at = find_rank(b, n, rank);
    if (at == n - 1)
        return b[n - 2].upper;
    if (at == 0 && b[0].upper <= 0)
        return b[0].upper;
    double start = 0, count = b[at].count;
    if (at > 0) {
        start = b[at - 1].upper;
        count -= b[at - 1].count;
        rank -= b[at - 1].count;
    }
    return start + (b[at].upper - start) * (rank / count);
}

/* How many observations are at most v, v being inside (lower, upper). */
static double rank_within(double v, double lower, double upper, double before, double count)
{
    if (lower == -INFINITY)
        return count; /* nothing to interpolate in */
    return before + (count - before) * (v - lower) / (upper - lower);
}

/* The rank of v; `count` when it lies above all buckets. */
static double rank_of(double v, const bucket *b, size_t n)
{
    double lower = b[0].upper <= 0 ? -INFINITY : 0, before = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            lower = b[i - 1].upper;
        if (lower >= v)
            return before;
        if (b[i].upper > v)
            return rank_within(v, lower, b[i].upper, before, b[i].count);
        before = b[i].count;
    }
    return b[n - 1].count;
}

double bucket_fraction(double lower, double upper, bucket *b, size_t n)
{
    if (b[n - 1].upper != INFINITY)
        return NAN;
    n = merge_equal(b, n);
    double count = b[n - 1].count;
    if (count == 0 || isnan(lower) || isnan(upper))
        return NAN;
    if (lower >= upper)
        return 0;
    double from = rank_of(lower, b, n), to = rank_of(upper, b, n);
    from = from > count ? count : from;
    to = to > count ? count : to;
    return (to - from) / count;
}

/* func_quantile.c - the quantile of a set of numbers.
 *
 * Only two order statistics are wanted, so the numbers are partitioned (quickselect, median of three)
 * rather than sorted.
 */
#include <math.h>

#include "promql/func_range.h"

static inline void swap(double *a, double *b)
{
    double x = *a;
    *a = *b;
    *b = x;
}

/* Brings the k-th smallest of v[0..n) to its place, smaller ones before it. No NaN among them. */
static void select_kth(double *v, size_t n, size_t k)
{
    size_t lo = 0, hi = n - 1;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (v[mid] < v[lo])
            swap(&v[mid], &v[lo]);
        if (v[hi] < v[lo])
            swap(&v[hi], &v[lo]);
        if (v[hi] < v[mid])
            swap(&v[hi], &v[mid]);
        double pivot = v[mid];
        size_t i = lo, j = hi;
        for (;;) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i >= j)
                break;
            swap(&v[i++], &v[j--]);
        }
        /* v[lo..j] <= pivot <= v[j+1..hi] */
        if (k <= j)
            hi = j;
        else
            lo = j + 1;
    }
}

/* Moves NaNs to the front; how many there are. */
static size_t nans_first(double *v, size_t n)
{
    size_t nans = 0;
    for (size_t i = 0; i < n; i++)
        if (isnan(v[i]))
            swap(&v[i], &v[nans++]);
    return nans;
}

static double smallest(const double *v, size_t n)
{
    double m = v[0];
    for (size_t i = 1; i < n; i++)
        m = v[i] < m ? v[i] : m;
    return m;
}

/* Where between which order statistics the quantile lies; false when it does not depend on them. */
typedef struct rank {
    size_t lower, upper;
    double weight; /* of the upper one */
} rank;

static bool rank_of(double q, size_t n, rank *ret, double *ret_value)
{
    *ret_value = n == 0 || isnan(q) ? NAN : q < 0 ? -INFINITY : INFINITY;
    if (n == 0 || !(q >= 0 && q <= 1))
        return false;
    double r = q * ((double)n - 1);
    ret->lower = (size_t)floor(r);
    ret->upper = ret->lower + 1 < n ? ret->lower + 1 : n - 1;
    ret->weight = r - floor(r);
    return true;
}

double func_quantile(double q, double *v, size_t n)
{
    rank r;
    double value;
    if (!rank_of(q, n, &r, &value))
        return value;
    size_t nans = nans_first(v, n);
    if (r.lower >= nans)
        select_kth(v + nans, n - nans, r.lower - nans);
    double low = v[r.lower], high = low;
    if (r.upper != r.lower)
        high = r.upper < nans ? v[r.upper] : smallest(v + r.upper, n - r.upper);
    return low * (1 - r.weight) + high * r.weight;
}

double func_quantile_sorted(double q, const double *v, size_t n)
{
    rank r;
    double value;
    if (!rank_of(q, n, &r, &value))
        return value;
    return v[r.lower] * (1 - r.weight) + v[r.upper] * r.weight;
}

/* kahan.c - many compensated sums at once, in vectors of four.
 *
 * Each loop is compiled twice, for every x86-64 and for AVX2, and the machine decides at run time. The
 * operations on each number are the same as in kahan_add_to(), so are the results.
 */
#include "promql/kahan.h"

#include <stdbool.h>
#include <string.h>

#include "tsdb/samples.h"

#define INLINE static inline __attribute__((always_inline))

typedef double four __attribute__((vector_size(32)));
typedef int64_t four_bits __attribute__((vector_size(32)));
/* In memory, wherever it is. */
typedef double four_at __attribute__((vector_size(32), aligned(8), may_alias));

enum { FOUR = 4, VECTORS = KAHAN_LANES / FOUR };

/* By reference, as vectors have no ABI of their own without AVX. */
INLINE void add_four(four *sum, four *c, const four *x)
{
    const four_bits magnitude = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
    const four max = {DBL_MAX, DBL_MAX, DBL_MAX, DBL_MAX};
    four s = *sum, t = s + *x, y = t - s;
    four error = (s - (t - y)) + (*x - y);
    four compensation = *c + error, size = (four)((four_bits)t & magnitude);
    *c = (four)((four_bits)compensation & (four_bits)(size <= max));
    *sum = t;
}

INLINE void add_columns(double *sum, double *c, const double *v, size_t n)
{
    size_t i = 0;
    for (; i + FOUR <= n; i += FOUR) {
        four s = *(const four_at *)(sum + i), k = *(const four_at *)(c + i);
        four x = *(const four_at *)(v + i);
        add_four(&s, &k, &x);
        *(four_at *)(sum + i) = s;
        *(four_at *)(c + i) = k;
    }
    for (; i < n; i++)
        kahan_add_to(&sum[i], &c[i], v[i]);
}

/* For finite sums: what they become may be infinite or NaN, and so is the compensation then. With `larger` no sum is less than what is
 * added to it, so that the error is found by three operations less (T. J. Dekker, "A floating-point technique for extending the
 * available precision", 1971). */
INLINE void add_windows(four *sum, four *c, const double *v, const uint32_t *at, bool larger)
{
    for (size_t k = 0; k < VECTORS; k++, at += FOUR) {
        four s = sum[k], x = {v[at[0]], v[at[1]], v[at[2]], v[at[3]]}, t = s + x, y = t - s;
        c[k] += larger ? x - y : (s - (t - y)) + (x - y);
        sum[k] = t;
    }
}

/* The largest of n numbers, infinite where one is negative. */
INLINE double most_of(const double *v, size_t n)
{
    double most[FOUR] = {0};
    uint64_t signs = 0;
    for (size_t i = 0; i + FOUR <= n; i += FOUR)
        for (size_t k = 0; k < FOUR; k++) {
            most[k] = v[i + k] > most[k] ? v[i + k] : most[k];
            signs |= f64_bits(v[i + k]);
        }
    for (size_t i = n / FOUR * FOUR; i < n; i++) {
        most[0] = v[i] > most[0] ? v[i] : most[0];
        signs |= f64_bits(v[i]);
    }
    for (size_t k = 1; k < FOUR; k++)
        most[0] = most[k] > most[0] ? most[k] : most[0];
    return signs >> 63 == 0 ? most[0] : INFINITY;
}

/* What no number of the windows is more than. */
INLINE double most_in_windows(const double *v, const uint32_t *at, size_t len)
{
    size_t end = at[0] + len;
    for (size_t x = 1; x < KAHAN_LANES; x++)
        end = at[x] + len > end ? at[x] + len : end;
    /* Where windows share little, it takes as long as it saves. */
    return end - at[0] > 4 * len ? INFINITY : most_of(v + at[0], end - at[0]);
}

INLINE bool all_reach(const four *sum, double least)
{
    bool ret = true;
    for (size_t x = 0; x < KAHAN_LANES; x++)
        ret &= sum[x / FOUR][x % FOUR] >= least;
    return ret;
}

INLINE void sum_windows(const double *v, const uint32_t *at, size_t len, kahan *ret)
{
    enum { SOME = 8 };
    four sum[VECTORS], c[VECTORS];
    memset(sum, 0, sizeof sum);
    memset(c, 0, sizeof c);
    /* Sums of numbers that are not negative do not fall: once they have reached the largest, they are never less than the next one. */
    double most = most_in_windows(v, at, len);
    size_t j = 0;
    while (j < len && !all_reach(sum, most))
        for (size_t end = len - j < SOME ? len : j + SOME; j < end; j++)
            add_windows(sum, c, v + j, at, false);
    for (; j < len; j++)
        add_windows(sum, c, v + j, at, true);
    for (size_t x = 0; x < KAHAN_LANES; x++)
        ret[x] = (kahan){sum[x / FOUR][x % FOUR], c[x / FOUR][x % FOUR]};
}

INLINE void moments_of_windows(const double *v, const uint32_t *at, size_t len, kahan_moments *ret)
{
    four mean[VECTORS], mean_c[VECTORS], squares[VECTORS], squares_c[VECTORS];
    memset(mean, 0, sizeof mean);
    memset(mean_c, 0, sizeof mean_c);
    memset(squares, 0, sizeof squares);
    memset(squares_c, 0, sizeof squares_c);
    for (size_t j = 0; j < len; j++) {
        double n = (double)(j + 1);
        const four count = {n, n, n, n};
        for (size_t k = 0; k < VECTORS; k++) {
            const uint32_t *a = at + k * FOUR;
            four x = {v[a[0] + j], v[a[1] + j], v[a[2] + j], v[a[3] + j]};
            four delta = x - (mean[k] + mean_c[k]), step = delta / count;
            add_four(&mean[k], &mean_c[k], &step);
            four square = delta * (x - (mean[k] + mean_c[k]));
            add_four(&squares[k], &squares_c[k], &square);
        }
    }
    for (size_t x = 0; x < KAHAN_LANES; x++) {
        size_t k = x / FOUR, l = x % FOUR;
        ret[x] = (kahan_moments){{mean[k][l], mean_c[k][l]}, {squares[k][l], squares_c[k][l]}};
    }
}

#if defined(__x86_64__)

#define AVX2 __attribute__((target("avx2")))

AVX2 static void add_columns_avx2(double *sum, double *c, const double *v, size_t n)
{
    add_columns(sum, c, v, n);
}

AVX2 static void sum_windows_avx2(const double *v, const uint32_t *at, size_t len, kahan *ret)
{
    sum_windows(v, at, len, ret);
}

AVX2 static void moments_of_windows_avx2(const double *v, const uint32_t *at, size_t len,
                                         kahan_moments *ret)
{
    moments_of_windows(v, at, len, ret);
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

#else

static bool has_avx2(void)
{
    return false;
}

#define add_columns_avx2 add_columns
#define sum_windows_avx2 sum_windows
#define moments_of_windows_avx2 moments_of_windows

#endif

void kahan_add_columns(double *sum, double *c, const double *v, size_t n)
{
    if (has_avx2())
        add_columns_avx2(sum, c, v, n);
    else
        add_columns(sum, c, v, n);
}

void kahan_sum_windows(const double *v, const uint32_t *at, size_t len, kahan *ret)
{
    if (has_avx2())
        sum_windows_avx2(v, at, len, ret);
    else
        sum_windows(v, at, len, ret);
}

void kahan_moments_of_windows(const double *v, const uint32_t *at, size_t len, kahan_moments *ret)
{
    if (has_avx2())
        moments_of_windows_avx2(v, at, len, ret);
    else
        moments_of_windows(v, at, len, ret);
}

/* kahan.c - many compensated sums at once, in vectors of four.
 *
 * Each loop is compiled twice, for every x86-64 and for AVX2, and the machine decides at run time. The
 * operations on each number are the same as in kahan_add_to(), so are the results.
 */
#include "promql/kahan.h"

#include <stdbool.h>
#include <string.h>

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

INLINE void sum_windows(const double *v, const uint32_t *at, size_t len, kahan *ret)
{
    four sum[VECTORS], c[VECTORS];
    memset(sum, 0, sizeof sum);
    memset(c, 0, sizeof c);
    for (size_t j = 0; j < len; j++) {
        for (size_t k = 0; k < VECTORS; k++) {
            const uint32_t *a = at + k * FOUR;
            four x = {v[a[0] + j], v[a[1] + j], v[a[2] + j], v[a[3] + j]};
            add_four(&sum[k], &c[k], &x);
        }
    }
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

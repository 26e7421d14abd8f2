/* kahan.c - many compensated sums at once.
 *
 * Each loop is compiled twice, for every x86-64 and for AVX2, and the machine decides at run time. The
 * operations on each number are the same, so are the results.
 */
#include "promql/kahan.h"

#include <stdbool.h>

static inline __attribute__((always_inline)) void
add_columns(double *restrict sum, double *restrict c, const double *restrict v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        kahan_add_to(&sum[i], &c[i], v[i]);
}

static inline __attribute__((always_inline)) void
sum_windows(const double *restrict v, const uint32_t *at, size_t len, kahan *ret)
{
    double sum[KAHAN_LANES] = {0}, c[KAHAN_LANES] = {0};
    const double *p[KAHAN_LANES];
    for (size_t x = 0; x < KAHAN_LANES; x++)
        p[x] = v + at[x];
    for (size_t j = 0; j < len; j++) {
        double next[KAHAN_LANES];
        for (size_t x = 0; x < KAHAN_LANES; x++)
            next[x] = p[x][j];
        for (size_t x = 0; x < KAHAN_LANES; x++)
            kahan_add_to(&sum[x], &c[x], next[x]);
    }
    for (size_t x = 0; x < KAHAN_LANES; x++)
        ret[x] = (kahan){sum[x], c[x]};
}

#if defined(__x86_64__)

__attribute__((target("avx2"))) static void add_columns_avx2(double *sum, double *c,
                                                             const double *v, size_t n)
{
    add_columns(sum, c, v, n);
}

__attribute__((target("avx2"))) static void sum_windows_avx2(const double *v, const uint32_t *at,
                                                             size_t len, kahan *ret)
{
    sum_windows(v, at, len, ret);
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

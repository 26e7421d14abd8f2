/* kahan.h - compensated addition as Prometheus' results need it (FEATURES.md 3.7).
 *
 * Neumaier's variant of Kahan summation: A. Neumaier, "Rundungsfehleranalyse einiger Verfahren zur
 * Summation endlicher Summen", ZAMM 54 (1974). The compensation is forgotten once the sum is
 * infinite. Results depend on the order of operations: this is built with -ffp-contract=off.
 *
 * The compensation grows by the exact rounding error of each addition. Neumaier finds it with the
 * larger operand first; Knuth's TwoSum finds the same number without comparing, which lets several
 * sums be worked on at once. (A sum that is NaN stays NaN whatever its compensation.)
 */
#ifndef FERULA_PROMQL_KAHAN_H
#define FERULA_PROMQL_KAHAN_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>

typedef struct kahan {
    double sum, c;
} kahan;

static inline void kahan_add_to(double *sum, double *c, double x)
{
    double s = *sum, t = s + x;
    double y = t - s;
    double error = (s - (t - y)) + (x - y);
    double compensation = *c + error;
    *c = fabs(t) <= DBL_MAX ? compensation : 0;
    *sum = t;
}

static inline void kahan_add(kahan *k, double x)
{
    kahan_add_to(&k->sum, &k->c, x);
}

/* sum[i], c[i] += v[i]: n independent sums. */
void kahan_add_columns(double *sum, double *c, const double *v, size_t n);

/* Sums of KAHAN_LANES windows of `len` numbers each, v[at[x]..at[x]+len), every one from 0, no window before the first. Where a sum is
 * not finite its compensation means nothing. */
enum { KAHAN_LANES = 8 };
void kahan_sum_windows(const double *v, const uint32_t *at, size_t len, kahan *ret);

/* Welford's running mean and sum of squared differences, both compensated. */
typedef struct kahan_moments {
    kahan mean, squares;
} kahan_moments;

static inline void kahan_moments_add(kahan_moments *m, double count, double x)
{
    double delta = x - (m->mean.sum + m->mean.c);
    kahan_add(&m->mean, delta / count);
    kahan_add(&m->squares, delta * (x - (m->mean.sum + m->mean.c)));
}

/* The same of KAHAN_LANES windows, as kahan_sum_windows(). */
void kahan_moments_of_windows(const double *v, const uint32_t *at, size_t len, kahan_moments *ret);

#endif

/* kahan.h - compensated addition as Prometheus' results need it (FEATURES.md 3.7).
 *
 * Neumaier's variant of Kahan summation: A. Neumaier, "Rundungsfehleranalyse einiger Verfahren zur
 * Summation endlicher Summen", ZAMM 54 (1974). The compensation is forgotten once the sum is
 * infinite. Results depend on the order of operations: this is built with -ffp-contract=off.
 */
#ifndef FERULA_PROMQL_KAHAN_H
#define FERULA_PROMQL_KAHAN_H

#include <math.h>

typedef struct kahan {
    double sum, c;
} kahan;

static inline void kahan_add_to(double *sum, double *c, double x)
{
    double s = *sum;
    double t = s + x;
    double big = fabs(s) >= fabs(x) ? s : x;
    double small = fabs(s) >= fabs(x) ? x : s;
    double nc = *c + ((big - t) + small);
    *c = isinf(t) ? 0 : nc;
    *sum = t;
}

static inline void kahan_add(kahan *k, double x)
{
    kahan_add_to(&k->sum, &k->c, x);
}

#endif

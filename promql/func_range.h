/* func_range.h - functions over ranges: the arithmetic, for all steps of one series at a time.
 *
 * The samples are the series' floats without stale markers, decoded once; each step looks at its
 * window [lo, hi) of them, so neighbouring steps share what they have in common. A function fills
 * out[i] and sets bit i of `has` where it has a value; steps with an empty window have none.
 * Results equal Prometheus' bit for bit: the order of floating-point operations is part of each
 * function's meaning (docs/query.md).
 */
#ifndef FERULA_PROMQL_FUNC_RANGE_H
#define FERULA_PROMQL_FUNC_RANGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "promql/ast.h"

typedef struct windows {
    const int64_t *t; /* ms, ascending */
    const double *v;
    const int64_t *st; /* start timestamps, when the query uses them; else NULL */
    size_t n;

    size_t n_steps;
    const uint32_t *lo, *hi; /* per step */
    const int64_t *ref;      /* per step: the range's right end, inclusive */
    const int64_t *ts;       /* per step: evaluation time */
    int64_t range_ms;        /* the range is (ref - range_ms, ref] */
    double range_s;
    bool anchored, smoothed; /* then windows reach beyond the range */

    /* In the steps [even_from, even_to) windows are alike: they lie in their ranges in the same way, begin even_by samples behind that of the
     * step before and have as many samples. None need be told. */
    size_t even_from, even_to;
    uint32_t even_by;

    const double *args[2]; /* scalar arguments, per step */
    double *tmp;           /* room for n numbers */
    uint32_t *marks;       /* room for n indexes */
} windows;

typedef void (*range_fn)(const windows *w, double *out, uint64_t *has);

/* NULL when the function does not take a range. */
range_fn func_range(function_id id);
/* Functions that may be used with anchored and with smoothed. */
bool func_range_may_anchor(function_id id);
bool func_range_may_smooth(function_id id);

/* One file a family. */
void func_rate(const windows *w, double *out, uint64_t *has);
void func_increase(const windows *w, double *out, uint64_t *has);
void func_delta(const windows *w, double *out, uint64_t *has);
void func_irate(const windows *w, double *out, uint64_t *has);
void func_idelta(const windows *w, double *out, uint64_t *has);
void func_resets(const windows *w, double *out, uint64_t *has);
void func_changes(const windows *w, double *out, uint64_t *has);
void func_deriv(const windows *w, double *out, uint64_t *has);
void func_predict_linear(const windows *w, double *out, uint64_t *has);
void func_smoothing(const windows *w, double *out, uint64_t *has);

/* The quantile of n numbers, which are reordered: linear between the two neighbours of rank
 * q (n - 1), NaN sorting lowest. -Inf below 0, +Inf above 1, NaN for NaN or n = 0. */
double func_quantile(double q, double *v, size_t n);
/* The same of numbers in ascending order, NaN first. */
double func_quantile_sorted(double q, const double *v, size_t n);

/* w->marks[0..n_marks): indexes of counted samples; how many lie in each window behind its first sample. */
void func_count_marks(const windows *w, size_t n_marks, double *out, uint64_t *has);

/* A new start timestamp says that the counter began anew (FEATURES.md 3.5). */
bool func_start_reset(int64_t prev_st, int64_t prev_t, int64_t st, int64_t t);

#endif

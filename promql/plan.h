/* plan.h - a parsed query made ready for its times.
 *
 * The plan mirrors the expression without its parentheses. Making it folds start(), end(), range()
 * and step() to numbers, computes duration expressions, fixes @ start() and @ end(), and finds the
 * largest parts whose value cannot change from step to step (`once`): those are evaluated at one step
 * and repeated. The expression itself is not changed, so one tree serves many evaluations.
 */
#ifndef FERULA_PROMQL_PLAN_H
#define FERULA_PROMQL_PLAN_H

#include "promql/parse.h"

typedef struct plan plan;

struct plan {
    expr_kind kind; /* never EXPR_PAREN */
    value_type type;
    const expr *e; /* parentheses removed */
    src_range pos;
    uint32_t order; /* position in evaluation order: children before parents */
    bool invariant; /* the same at every step */
    bool once;      /* evaluate at the first step and repeat */

    double number; /* EXPR_NUMBER */
    plan **args;   /* aggregate: expression; binary: left, right; call: arguments */
    size_t n_args;
    plan *param; /* aggregate */

    /* selector, matrix (of its selector) and subquery */
    int64_t offset_ms;
    bool has_at;
    int64_t at_ms;
    int64_t range_ms;
    int64_t step_ms;   /* subquery, the default filled in */
    bool counts_only;  /* selector, matrix: of histograms only counts and sums are looked at */
    fer_str hint_func; /* innermost function or aggregation around a selector */
};

typedef struct plan_times {
    int64_t start_ms, end_ms;
    int64_t step_ms; /* 0: instant */
    int64_t default_subquery_step_ms;
} plan_times;

/* In the arena. FER_INVALID with Prometheus' text for durations out of bounds, FER_LIMIT past the
 * budget. */
FER_MUST_CHECK fer_code promql_prepare(const expr *e, const plan_times *t, fer_arena *a, plan **ret,
                                       fer_err *err);

/* Seconds as Go's Duration.Seconds() rounds them: whole seconds plus the rest, each rounded. */
static inline double ms_to_seconds(int64_t ms)
{
    int64_t whole = ms / 1000, rest_ns = ms % 1000 * 1000000;
    return (double)whole + (double)rest_ns / 1e9;
}

/* The value of a duration expression in ms (plan_duration.c). */
FER_MUST_CHECK fer_code plan_duration(const duration *d, const plan_times *t, bool may_be_negative,
                                      int64_t *ret_ms, fer_err *err);

#endif

/* result.h - the compact result of a query, built series by series in the query's arena. */
#ifndef FERULA_PROMQL_EXEC_RESULT_H
#define FERULA_PROMQL_EXEC_RESULT_H

#include "promql/exec/oper.h"

typedef struct result_builder {
    query *q;
    const grid *g;
    bool merge; /* one label set may come in several parts */
    lset_map map;
    result_series *series; /* in scratch until finished */
    size_t n, cap;
    int64_t *times; /* of all steps, shared by series without gaps */
} result_builder;

void result_begin(result_builder *b, query *q, const grid *g, bool merge);
FER_MUST_CHECK fer_code result_add(result_builder *b, const vec *v);
/* Points as they are. */
FER_MUST_CHECK fer_code result_add_points(result_builder *b, lset of, const int64_t *t,
                                          const double *v, const histogram *const *h, size_t n);
/* Moves the series to the result, by labels when `sorted`. */
FER_MUST_CHECK fer_code result_finish(result_builder *b, bool sorted, promql_result *ret);

/* A range vector by itself: the samples of a selector, or a subquery (raw_range.c). */
typedef struct raw_range raw_range;
FER_MUST_CHECK fer_code raw_range_build(query *q, const plan *p, eval_ctx ec, raw_range **ret);
FER_MUST_CHECK fer_code raw_range_run(raw_range *r, result_builder *b);

#endif

/* grouping.h - by() and without(): the labels of the group a series falls into. */
#ifndef FERULA_PROMQL_EXEC_GROUPING_H
#define FERULA_PROMQL_EXEC_GROUPING_H

#include "promql/exec/oper.h"

typedef struct grouping {
    bool without;
    lset_names names;
    lset_buf buf;
    lset_map map;  /* group label sets to group numbers */
    uint32_t last; /* found */
} grouping;

FER_MUST_CHECK fer_code grouping_make(query *q, const expr_aggregate *a, grouping *ret);
/* The operator whose series an aggregation groups; no more labels than that takes are asked of it. */
FER_MUST_CHECK fer_code grouping_input(query *q, const plan *p, eval_ctx ec, oper **ret);
/* The labels of the group of s, in g->buf. */
FER_MUST_CHECK fer_code grouping_labels(query *q, grouping *g, lset s);
/* The number of the group of s, *ret_new when s is its first series. */
FER_MUST_CHECK fer_code grouping_find(query *q, grouping *g, lset s, uint32_t *ret, bool *ret_new);
/* Groups of series of `of` cannot have a metric name, type or unit. */
bool grouping_nameless(const query *q, const grouping *g, const oper *of);

#endif

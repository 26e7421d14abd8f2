/* label_need.h - which labels of its series a part of a query looks at.
 *
 * What an aggregation leaves out nobody looks at, unless an operator between it and the selector does. Told at building
 * (eval_ctx.labels), it lets the storage leave out labels of a million series, their texts and ids.
 */
#ifndef FERULA_PROMQL_EXEC_LABEL_NEED_H
#define FERULA_PROMQL_EXEC_LABEL_NEED_H

#include "promql/exec/query.h"

/* The labels that grouping looks at, and those that make a metric. NULL past the budget. */
const label_choice *label_need_of(query *q, const expr_aggregate *a);
/* Whether the node's operators look at those alone that are asked of it; if not, it needs all. */
bool label_need_passes(const query *q, const plan *p);

#endif

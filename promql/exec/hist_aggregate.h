/* hist_aggregate.h - sum and avg of native histograms: one group's accumulators, per step.
 *
 * Floats and histograms do not add up: a step with both has no result and a warning, likewise one with
 * exponential and custom buckets.
 */
#ifndef FERULA_PROMQL_EXEC_HIST_AGGREGATE_H
#define FERULA_PROMQL_EXEC_HIST_AGGREGATE_H

#include "promql/exec/hist_column.h"

typedef struct hist_groups hist_groups;

/* `p` is the aggregation. */
FER_MUST_CHECK fer_code hist_groups_new(query *q, const plan *p, size_t n_steps, hist_groups **ret);
/* Adds the histograms of v and leaves in v what is to be added as floats. `has` tells, from step `from` to
 * `to`, where the group has floats. */
FER_MUST_CHECK fer_code hist_groups_add(hist_groups *g, vec *v, const uint64_t *has, size_t from,
                                        size_t to);
/* Joins the results with those of the floats. */
FER_MUST_CHECK fer_code hist_groups_give(hist_groups *g, hist_column *c, vec *out);

#endif

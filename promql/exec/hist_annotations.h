/* hist_annotations.h - what operators say about native histograms, in Prometheus' words.
 *
 * `by` found it, `at` gives the position shown (annotations.h). Metric names may be empty.
 */
#ifndef FERULA_PROMQL_EXEC_HIST_ANNOTATIONS_H
#define FERULA_PROMQL_EXEC_HIST_ANNOTATIONS_H

#include "promql/exec/lset.h"

#define ANNO_RULE FER_MUST_CHECK fer_code

/* Warnings. */
ANNO_RULE anno_mixed_floats(query *q, const plan *by, const plan *at, fer_str metric);
ANNO_RULE anno_mixed_floats_aggregation(query *q, const plan *by, const plan *at);
ANNO_RULE anno_mixed_schemas(query *q, const plan *by, const plan *at, fer_str metric);
ANNO_RULE anno_mixed_classic(query *q, const plan *by, const plan *at, fer_str metric);
ANNO_RULE anno_not_counter(query *q, const plan *by, const plan *at, fer_str metric);
ANNO_RULE anno_not_gauge(query *q, const plan *by, const plan *at, fer_str metric);
ANNO_RULE anno_incompatible_layout(query *q, const plan *by, const char *sign);
/* HIST_ bits; what is "addition", "subtraction" or "aggregation". Collisions are warnings, reconciled bounds
 * an info. */
ANNO_RULE anno_notes(query *q, const plan *by, const plan *at, unsigned notes, const char *what);

/* Infos. */
ANNO_RULE anno_ignored_in_aggregation(query *q, const plan *by, const plan *at, const char *name);
ANNO_RULE anno_ignored_in_range(query *q, const plan *by, const plan *at, fer_str metric);
ANNO_RULE anno_incompatible_types(query *q, const plan *by, const char *l, const char *sign,
                                  const char *r);
/* `about` up to the metric's name. */
ANNO_RULE anno_nan(query *q, const plan *by, const plan *at, const char *about, fer_str metric);

#undef ANNO_RULE

#endif

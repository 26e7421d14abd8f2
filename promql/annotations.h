/* annotations.h - warnings and infos of a query, as Prometheus words them (FEATURES.md 3.6).
 *
 * An annotation is known by its text without the position: the same text from two places is one
 * annotation, and the place evaluated last gives its position. Since operators run interleaved, the
 * order of evaluation is the plan's (`order`), not that of the calls.
 * Threads: one at a time. Memory: the arena's.
 */
#ifndef FERULA_PROMQL_ANNOTATIONS_H
#define FERULA_PROMQL_ANNOTATIONS_H

#include "promql/plan.h"
#include "tsdb/querier.h"

typedef struct annotations annotations;

typedef enum anno_kind { ANNO_WARNING, ANNO_INFO } anno_kind;

/* NULL past the budget. */
annotations *annotations_new(fer_arena *a);

/* `by` is the node that found it, `at` the node whose position is shown. Without a set, an NULL, all that add give
 * FER_UNSUPPORTED. */
FER_MUST_CHECK fer_code annotations_add(annotations *an, anno_kind kind, const plan *by,
                                        const plan *at, fer_err *err, const char *fmt, ...)
    FER_PRINTF(6, 7);

/* Buckets of a classic histogram had to be made monotonic. */
typedef struct anno_monotonic {
    int64_t min_ms, max_ms; /* evaluation times */
    double min_bucket, max_bucket, max_diff;
    uint64_t count; /* samples, less one */
} anno_monotonic;

/* `metric` may be empty. */
FER_MUST_CHECK fer_code annotations_add_monotonic(annotations *an, const plan *by, const plan *at,
                                                  fer_str metric, const anno_monotonic *m,
                                                  fer_err *err);

/* A sample says it started before the sample ahead of it ended; `count` windows were hit. */
FER_MUST_CHECK fer_code annotations_add_overlap(annotations *an, const plan *by, const plan *at,
                                                fer_str metric_quoted, uint64_t count,
                                                fer_err *err);

/* The texts with positions in `query`, warnings and infos apart, in the arena. */
FER_MUST_CHECK fer_code annotations_texts(const annotations *an, fer_str query, fer_arena *a,
                                          str_list *warnings, str_list *infos, fer_err *err);

#endif

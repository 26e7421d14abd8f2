/* source.h - the selections a query reads, each made once.
 *
 * Operators tell at building time what they will read (source_use); parts with the same matchers and
 * overlapping times share one selection. sources_open() then opens one querier over all of it and
 * selects. Decoded samples of a shared selection are kept for the other readers within a bound.
 */
#ifndef FERULA_PROMQL_EXEC_SOURCE_H
#define FERULA_PROMQL_EXEC_SOURCE_H

#include "promql/exec/lset.h"

struct source {
    source *next;
    const matcher *m;
    size_t nm;
    select_hints hints; /* mint and maxt: the union over the uses */
    selection *sel;     /* after sources_open() */
    uint32_t uses;
    samples *kept;   /* per series, when used more than once */
    uint32_t *reads; /* per series */
    size_t n_kept;
};

/* Where in a source one operator is, with its own buffer for samples. */
typedef struct source_cursor {
    source *s;
    size_t i;
    samples buf;
} source_cursor;

typedef struct source_range {
    int64_t mint, maxt; /* inclusive */
    int64_t step_ms;
    bool newest_only;           /* the newest sample is enough */
    const label_choice *labels; /* of eval_ctx */
} source_range;

/* Registers a reader and gives it a cursor at the first series. */
FER_MUST_CHECK fer_code source_use(query *q, const plan *p, const expr_selector *sel,
                                   source_range range, source_cursor *ret);
/* A cursor with a buffer of its own on an opened source that `of` alone reads, for another thread whose query is q. */
FER_MUST_CHECK fer_code cursor_copy(query *q, const source_cursor *of, source_cursor *ret);
FER_MUST_CHECK fer_code sources_open(query *q);
void sources_close(query *q);

/* Samples of the next series, perhaps more than asked for at both ends; FER_END. Valid until the
 * next call. The labels come from cursor_labels(). */
FER_MUST_CHECK fer_code cursor_next(query *q, source_cursor *c, const samples **ret);
/* Of the series cursor_next() just gave; valid until the next call on this source. */
FER_MUST_CHECK fer_code cursor_labels(query *q, source_cursor *c, lset *ret);

#endif

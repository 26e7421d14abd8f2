/* subquery.h - series of range vectors: of a selector, or of an expression evaluated at its own steps.
 *
 * Both come as arrays of samples without stale markers. A subquery whose series may come in parts
 * (oper.h) is put together in memory first; otherwise its series pass through one at a time.
 */
#ifndef FERULA_PROMQL_EXEC_SUBQUERY_H
#define FERULA_PROMQL_EXEC_SUBQUERY_H

#include "promql/exec/oper.h"
#include "promql/exec/source.h"

typedef struct range_series {
    lset labels; /* filled by range_input_labels() */
    const int64_t *t;
    const double *v;
    const histogram *const *h; /* NULL: floats only; else NULL for a float */
    const int64_t *st;         /* NULL: unknown */
    size_t n;
    bool drop_name;
} range_series;

typedef struct range_input range_input;

/* `p` is the matrix selector or subquery, evaluated for the steps of ec: windows end at
 * range_input_ref() of each. */
FER_MUST_CHECK fer_code range_input_new(query *q, const plan *p, eval_ctx ec, range_input **ret);
/* Another reader of the same series, for another thread whose query is q; `of` is of a selector. */
FER_MUST_CHECK fer_code range_input_copy(query *q, const range_input *of, range_input **ret);
/* Where it stands among the selected series; NULL for a subquery. */
source_cursor *range_input_cursor(range_input *in);
/* The right end of the window of step i. */
int64_t range_input_ref(const range_input *in, size_t i);
/* The next series, or FER_END; valid until the next call. */
FER_MUST_CHECK fer_code range_input_next(range_input *in, range_series *ret);
FER_MUST_CHECK fer_code range_input_labels(range_input *in, range_series *s);
/* Samples read by a subquery, to its parent's steps; call it at the end of the stream. */
void range_input_done(range_input *in);
bool range_input_is_subquery(const range_input *in);
/* Dropping metric names cannot make two series one. */
bool range_input_nameless(const range_input *in);

#endif

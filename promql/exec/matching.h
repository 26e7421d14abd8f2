/* matching.h - on() and ignoring(): which series of two vectors belong together.
 */
#ifndef FERULA_PROMQL_EXEC_MATCHING_H
#define FERULA_PROMQL_EXEC_MATCHING_H

#include "promql/exec/lset.h"

typedef struct matching {
    bool on;
    lset_names names; /* of on() or ignoring() */
} matching;

FER_MUST_CHECK fer_code matching_make(query *q, const expr_binary *b, matching *ret);

/* The labels by which a series is matched: those of on(), or all but those of ignoring() and the
 * metric name. */
static inline fer_code matching_signature(query *q, const matching *m, lset s, lset_buf *ret)
{
    return m->on ? lset_keep(q, ret, s, &m->names) : lset_drop(q, ret, s, &m->names, true);
}

#endif

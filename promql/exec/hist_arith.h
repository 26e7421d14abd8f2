/* hist_arith.h - one binary operator at one step, where a native histogram is on either side.
 *
 * Which annotation a step gets depends on the last pair of it that had any: `hist_remark` is remembered by
 * step and told at the end.
 */
#ifndef FERULA_PROMQL_EXEC_HIST_ARITH_H
#define FERULA_PROMQL_EXEC_HIST_ARITH_H

#include "promql/exec/hist_column.h"

typedef enum hist_remark {
    REMARK_NONE,
    REMARK_FLOAT_FLOAT, /* types that do not go together */
    REMARK_FLOAT_HISTOGRAM,
    REMARK_HISTOGRAM_FLOAT,
    REMARK_HISTOGRAM_HISTOGRAM,
    REMARK_LAYOUT, /* exponential with custom buckets */
    REMARK_COLLISION,
    REMARK_RECONCILED,
    REMARK_COUNT,
} hist_remark;

/* One side's value: h NULL for a float. */
typedef struct hist_operand {
    double v;
    const histogram *h;
} hist_operand;

typedef struct hist_outcome {
    bool there;    /* has an outcome; a comparison may still not keep it */
    bool keep;     /* the comparison holds */
    bool computed; /* the result is in the column's work histogram, else the left operand */
    hist_remark remark;
} hist_outcome;

/* At least one side is a histogram, or the operator takes no floats (trim). */
FER_MUST_CHECK fer_code hist_arith(query *q, hist_column *c, op kind, hist_operand l,
                                   hist_operand r, hist_outcome *ret);
FER_MUST_CHECK fer_code hist_remark_tell(query *q, const plan *p, hist_remark r);

#endif

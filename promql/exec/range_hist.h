/* range_hist.h - range functions over series with native histograms among their samples.
 *
 * Floats and histograms of a window are told apart: some functions take both, some ignore histograms with
 * an info, rate() and sums refuse a mixture with a warning. Series of floats alone never come here.
 */
#ifndef FERULA_PROMQL_EXEC_RANGE_HIST_H
#define FERULA_PROMQL_EXEC_RANGE_HIST_H

#include "promql/exec/hist_column.h"
#include "promql/func_range.h"

typedef struct range_hist range_hist;

typedef struct range_hist_series {
    windows w; /* all samples, all steps; v[] undefined where h[] is set */
    const histogram *const *h;
    size_t from, to; /* steps with a window */
    fer_str metric;  /* for annotations */
} range_hist_series;

/* `p` is the call. */
FER_MUST_CHECK fer_code range_hist_new(query *q, const plan *p, const grid *g, range_hist **ret);
/* Fills out's values, steps and histograms; the latter live until the next call. */
FER_MUST_CHECK fer_code range_hist_evaluate(range_hist *r, const range_hist_series *s, vec *out);

#endif

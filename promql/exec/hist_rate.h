/* hist_rate.h - rate(), increase(), delta(), irate(), idelta() over the native histograms of one window.
 *
 * As for floats (func_rate.c): the difference of the ends, resets made good, extrapolated by what the
 * counts of observations tell. Results are gauges.
 */
#ifndef FERULA_PROMQL_EXEC_HIST_RATE_H
#define FERULA_PROMQL_EXEC_HIST_RATE_H

#include "promql/exec/hist_column.h"

typedef struct hist_rate_window {
    query *q;
    const plan *p; /* the call */
    fer_str metric;
    hist *work;  /* where the result goes */
    hist *other; /* for a second one */

    const histogram *const *h;
    const int64_t *t, *st; /* st NULL: not used */
    size_t n;              /* at least one */
    int64_t start, end;    /* the range is (start, end] */
    double range_s;
    bool smoothed, counter, per_second;

    /* What is known of the whole series, of which h[0] is sample `at`; NULL: nothing. */
    const uint32_t
        *next_reset; /* the first sample at or behind each at which the counter was reset */
    size_t at;
    bool alike; /* all of one schema, no gauges */
} hist_rate_window;

/* *ret: there is a result in w->work. */
FER_MUST_CHECK fer_code hist_rate(const hist_rate_window *w, bool *ret);
/* With anchored or smoothed; the window then reaches beyond the range. */
FER_MUST_CHECK fer_code hist_rate_extended(const hist_rate_window *w, bool *ret);
/* Of the last two samples, of which there are two. */
FER_MUST_CHECK fer_code hist_rate_last_two(const hist_rate_window *w, bool *ret);

#endif

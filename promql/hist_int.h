/* hist_int.h - what hist_copy.c, hist_layout.c and hist_math.c share of a histogram being computed. Threads: as hist_math.h. */
#ifndef FERULA_PROMQL_HIST_INT_H
#define FERULA_PROMQL_HIST_INT_H

#include "promql/hist_math.h"

/* ---- hist_copy.c ---- */

/* Room for n buckets; what is there stays. FER_LIMIT: past the arena's budget. */
FER_MUST_CHECK fer_code hist_side_room(hist *h, hist_side *s, uint32_t n);
/* Takes custom bounds. FER_LIMIT likewise. */
FER_MUST_CHECK fer_code hist_set_custom(hist *h, const double *bounds, uint32_t n);
/* Whether the side was loaded from these spans. */
bool hist_same_spans(const hist_side *s, const histogram_span *spans, uint32_t n);

/* ---- hist_layout.c ---- */

/* Each span as long as it can be. */
void hist_join_spans(hist_side *s);
/* Drops empty buckets. */
void hist_compact_side(hist_side *s, bool compensated);
/* Widens the zero bucket until neither histogram has a populated bucket across its end; the count of the other's. */
kahan hist_reconcile_zero(hist *h, const histogram *other);

#endif

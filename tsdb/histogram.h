/* histogram.h - native histograms as PromQL sees them: float counts, absolute.
 *
 * Integer histograms are widened on reading. Schema -53 has custom bounds.
 */
#ifndef FERULA_TSDB_HISTOGRAM_H
#define FERULA_TSDB_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

typedef enum histogram_reset_hint {
    HISTOGRAM_RESET_UNKNOWN,
    HISTOGRAM_RESET,
    HISTOGRAM_NO_RESET,
    HISTOGRAM_GAUGE,
} histogram_reset_hint;

typedef struct histogram_span {
    int32_t offset;
    uint32_t length;
} histogram_span;

typedef struct histogram {
    int32_t schema;
    uint8_t reset_hint; /* histogram_reset_hint */
    uint32_t n_pos_spans, n_neg_spans, n_pos, n_neg, n_custom;
    double zero_threshold, zero_count, count, sum;
    const histogram_span *pos_spans, *neg_spans;
    const double *pos, *neg; /* absolute bucket counts */
    const double *custom;    /* schema -53: upper bounds, strictly increasing */
} histogram;

#endif

/* hist_merge.h - two histograms of one series side by side: the buckets of both, in one layout.
 *
 * Threads: pure. Ownership: hist_merge_done() frees what hist_merge_init() made.
 */
#ifndef FERULA_TSDB_HIST_MERGE_H
#define FERULA_TSDB_HIST_MERGE_H

#include "tsdb/hist_sample.h"

#define HIST_MISSING UINT32_MAX

/* The buckets that a or b have, ascending. */
typedef struct hist_merge {
    uint32_t n, n_spans;
    histogram_span *spans;
    uint32_t *a, *b; /* per bucket: its place in a and in b, or HIST_MISSING */
    bool a_lacks, b_lacks;
} hist_merge;

void hist_merge_init(hist_merge *m, const hist_side *a, const hist_side *b);
void hist_merge_done(hist_merge *m);
/* Whether a counter was reset between a and b: a bucket fell, or one that was in use is missing. */
bool hist_merge_is_reset(const hist_merge *m, const hist_side *a, const hist_side *b,
                         bool is_float);
/* Buckets in the merged layout: `places` is m->a or m->b, `in` the buckets they mean; out has room for m->n. */
void hist_merge_spread(const hist_merge *m, const uint32_t *places, const hist_num *in,
                       bool is_float, hist_num *out);

#endif

/* merge_querier.h - several queriers as one: the head and blocks.
 *
 * Series with equal labels become one, their samples in time order; of samples at one time Prometheus' choice
 * is taken. With more than one source series come sorted by labels, with one source in its own order, both
 * as in Prometheus. Threads, lifetime: as querier.h says.
 */
#ifndef FERULA_TSDB_MERGE_QUERIER_H
#define FERULA_TSDB_MERGE_QUERIER_H

#include "tsdb/query_warnings.h"

typedef struct merge_source {
    querier *q;
    int64_t begins; /* sources are tried in this order first: mostly that is time order */
} merge_source;

typedef struct merge_querier merge_querier;

/* Makes the querier, without sources yet; *ret_warnings is where they tell what they leave out. */
FER_MUST_CHECK fer_code merge_querier_new(const query_ctx *ctx, int64_t mint, int64_t maxt,
                                          size_t cap_sources, merge_querier **ret,
                                          query_warnings **ret_warnings, fer_err *err);
/* Takes the source, to be closed with the rest; at most cap_sources. The order counts where samples of one
 * time meet: Prometheus has the head first, then blocks by time. */
void merge_querier_add(merge_querier *m, merge_source source);
querier *merge_querier_base(merge_querier *m);

#endif

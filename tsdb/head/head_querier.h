/* head_querier.h - the head as a storage for queries (querier.h, DESIGN D10).
 *
 * A select takes the head's locks once: finds the series and pins each at one published commit
 * (head_pin.h). Reading takes no lock.
 */
#ifndef FERULA_TSDB_HEAD_QUERIER_H
#define FERULA_TSDB_HEAD_QUERIER_H

#include "tsdb/head/head.h"
#include "tsdb/querier.h"
#include "tsdb/query_warnings.h"

/* w is told what cannot be read; NULL: the querier's own warnings. */
FER_MUST_CHECK fer_code head_querier_open(head *h, const query_ctx *ctx, int64_t mint, int64_t maxt,
                                          query_warnings *w, querier **ret, fer_err *err);

#endif

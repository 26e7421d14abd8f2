/* block_querier.h - a block as a storage for queries (querier.h).
 *
 * A selection keeps the refs of its series; labels and samples are decoded from the mapping when asked for.
 * Damage costs its unit and a warning: a chunk, a series, and of a selection whose index is beyond use the block.
 * Chunks of encodings other than XOR (native histograms) are left out with a warning that names them.
 * Threads, lifetime: as querier.h says.
 */
#ifndef FERULA_TSDB_BLOCK_QUERIER_H
#define FERULA_TSDB_BLOCK_QUERIER_H

#include "tsdb/block/block.h"
#include "tsdb/query_warnings.h"

/* Holds a reference to the block until closed. Warnings go to w, and to the querier's own list when w is
 * NULL. */
FER_MUST_CHECK fer_code block_querier_open(block *b, const query_ctx *ctx, int64_t mint,
                                           int64_t maxt, query_warnings *w, querier **ret,
                                           fer_err *err);

#endif

/* compact_series.h - the chunks a series has in several blocks become those of one.
 *
 * without what is gone. All as Prometheus does it, byte for byte.
 * Threads: one at a time.
 */
#ifndef FERULA_TSDB_COMPACT_SERIES_H
#define FERULA_TSDB_COMPACT_SERIES_H

#include "tsdb/block/block.h"
#include "tsdb/block/block_write.h"
#include "tsdb/samples.h"

/* A series in one block. */
typedef struct series_part {
    const block_chunks *chunks;
    const index_chunk *c;
    size_t n;
    const tombstone *stones;
    size_t n_stones;
} series_part;

typedef struct series_compactor {
    int64_t mint, maxt; /* of the new block, both inside */
    fer_arena *arena;   /* of the present series */
    samples decoded;
    fer_account *acct;
} series_compactor;

void series_compactor_init(series_compactor *c, int64_t mint, int64_t maxt, fer_account *acct);
void series_compactor_done(series_compactor *c);
/* The chunks in time order, valid until the next call. FER_CORRUPT for damage; FER_UNSUPPORTED where
 * chunks with start timestamps would have to be decoded. */
FER_MUST_CHECK fer_code series_compactor_merge(series_compactor *c, const series_part *parts,
                                               size_t n, block_chunk **ret, size_t *ret_n,
                                               fer_err *err);

#endif

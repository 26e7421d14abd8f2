/* analyze_chunks.h - how full the chunks of a block are: samples, bytes and buckets a chunk. Threads: one. */
#ifndef FERULA_CMD_FERULATOOL_ANALYZE_CHUNKS_H
#define FERULA_CMD_FERULATOOL_ANALYZE_CHUNKS_H

#include "cmd/ferulatool/analyze_pairs.h"
#include "cmd/ferulatool/out.h"
#include "tsdb/block/block.h"

typedef struct chunk_fill {
    uint64_t chunks;
    tally float_samples, float_bytes;
    tally histogram_samples, histogram_bytes, histogram_buckets;
} chunk_fill;

void chunk_fill_done(chunk_fill *f);
/* Counts a chunk. FER_CORRUPT when its bytes are not what was written. */
FER_MUST_CHECK fer_code chunk_fill_add(chunk_fill *f, const block *b, uint64_t ref, fer_err *err);
void chunk_fill_print(const chunk_fill *f, tool_out *o);

#endif

/* verify_index.h - a block's index, and its chunks by way of it. Threads: one. */
#ifndef FERULA_CMD_FERULATOOL_VERIFY_INDEX_H
#define FERULA_CMD_FERULATOOL_VERIFY_INDEX_H

#include "cmd/ferulatool/verify.h"
#include "tsdb/block/block.h"

/* What a block was found to hold. */
typedef struct block_content {
    uint64_t series, chunks, samples, float_samples, histogram_samples;
    int64_t min_time, max_time; /* of its chunks, both inside */
    uint32_t *refs;             /* of its series, ascending */
    size_t cap_refs;
} block_content;

/* Checks the index and each chunk it names; meta may be NULL. `chunks_dir` is told in findings. */
void verify_index(verify *v, const char *path, const block_index *x, const block_chunks *chunks,
                  const char *chunks_dir, block_content *ret);
void block_content_done(block_content *c);
bool block_content_has(const block_content *c, uint64_t ref);

#endif

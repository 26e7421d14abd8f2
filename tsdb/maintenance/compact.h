/* compact.h - several blocks become one.
 *
 * A merge by labels over all blocks at once: memory holds a series, a number per symbol of each block, and what
 * writing a block holds (block_write.h). Blocks are only read; who calls puts the new one in their place.
 * Threads: any; blocks are immutable.
 */
#ifndef FERULA_TSDB_COMPACT_H
#define FERULA_TSDB_COMPACT_H

#include "base/cancel.h"
#include "tsdb/block/block.h"
#include "tsdb/maintenance/pace.h"
#include "tsdb/maintenance/spread.h"

typedef struct compact_options {
    vfs *fs;
    const char *dir; /* where the new block comes to be */
    fer_clock *clock;
    fer_rng *rng;
    fer_account *acct;        /* charged with what is held; may be NULL */
    uint64_t segment_bytes;   /* 0 = 512 MiB */
    chunk_spread *counts;     /* of chunks in blocks of level 1; may be NULL */
    const fer_cancel *cancel; /* asked every few dozen series; may be NULL */
    pace *pace;               /* as often; may be NULL */
} compact_options;

/* Merges blocks, given by min_time, leaving out what is deleted. The new block's meta is in the arena; when its
 * stats.samples is 0 nothing was left and there is no block. FER_CORRUPT, FER_UNSUPPORTED (compact_series.h),
 * FER_CANCELED, or what the disk says; then nothing is left behind, unless the disk does not let it go: ret->id tells the name
 * of the block once it has one, also then. */
FER_MUST_CHECK fer_code compact_blocks(const compact_options *o, block *const *v, size_t n,
                                       fer_arena *a, block_meta *ret, fer_err *err);
/* One block without what is deleted, as a block of its own: level 1, its parent the old one. Hints are views of
 * b's. */
FER_MUST_CHECK fer_code compact_rewrite(const compact_options *o, block *b, fer_arena *a,
                                        block_meta *ret, fer_err *err);

#endif

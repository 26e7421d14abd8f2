/* compact_plan.h - which blocks are to be merged next. Prometheus' choice (FORMAT: compaction).
 *
 * First blocks that overlap; else, leaving the newest block alone, those that fill a window of the next range of
 * time; else one block of which much is deleted. Blocks made for a purpose (hints) are only merged among their
 * own kind. Pure; threads: any.
 */
#ifndef FERULA_TSDB_COMPACT_PLAN_H
#define FERULA_TSDB_COMPACT_PLAN_H

#include "tsdb/block/block_meta.h"

enum { COMPACT_RANGES_MAX = 10, COMPACT_RANGE_FACTOR = 3 };

typedef struct compact_ranges {
    int64_t v[COMPACT_RANGES_MAX]; /* ms, ascending */
    size_t n;
} compact_ranges;

/* min, 3 min, 9 min, ... up to max; at least min itself. */
compact_ranges compact_ranges_of(int64_t min_ms, int64_t max_ms);

typedef struct plan_block {
    const block_meta *meta;
    bool
        held; /* somebody has asked that it stay as it is: it takes no part in windows and rewrites */
} plan_block;

typedef struct plan_options {
    compact_ranges ranges;
    bool no_overlapping; /* blocks that overlap stay as they are */
} plan_options;

/* Writes the positions in v of the blocks to merge into pick (room for n), by their min_time, and returns how
 * many: 0 when nothing is to be done. A single one is to be rewritten without what is deleted. */
size_t compact_plan(const plan_options *o, const plan_block *v, size_t n, size_t *pick);

#endif

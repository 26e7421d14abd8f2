/* compact_head.h - a range of the head becomes a block. Threads: as head_export.h. */
#ifndef FERULA_TSDB_COMPACT_HEAD_H
#define FERULA_TSDB_COMPACT_HEAD_H

#include "tsdb/head/head.h"
#include "tsdb/maintenance/compact.h"

/* Writes the samples in [mint, maxt). The block's meta is in the arena; with stats.samples 0 there is none. A failure is as that of
 * compact_blocks(). */
FER_MUST_CHECK fer_code compact_head(const compact_options *o, head *h, int64_t mint, int64_t maxt,
                                     fer_arena *a, block_meta *ret, fer_err *err);

/* The same for what is frozen of samples out of order (ooo_series.h). */
FER_MUST_CHECK fer_code compact_ooo(const compact_options *o, head *h, int64_t mint, int64_t maxt,
                                    fer_arena *a, block_meta *ret, fer_err *err);

/* Calls `write` with each range of that length, [mint, maxt), that times from min to max lie in, until one fails. */
typedef fer_code (*compact_range_fn)(void *arg, int64_t mint, int64_t maxt, fer_err *err);
FER_MUST_CHECK fer_code compact_each_range(int64_t range, int64_t min, int64_t max,
                                           compact_range_fn write, void *arg, fer_err *err);

#endif

/* maintenance_int.h - what the steps of maintenance share, and the steps.
 *
 * Threads: under the maintenance's mu, but for maintenance_is_stopped() and the counting.
 */
#ifndef FERULA_TSDB_MAINTENANCE_INT_H
#define FERULA_TSDB_MAINTENANCE_INT_H

#include "tsdb/maintenance/compact.h"
#include "tsdb/tsdb_int.h"

#define MAINTENANCE_PASS_NS UINT64_C(60000000000) /* from a pass to the next */

/* ---- what is told ---- */

/* Adds to one counter of what is told. */
#define MAINTENANCE_COUNT(db, field, by)                                                           \
    do {                                                                                           \
        fer_mutex_lock(&(db)->m.wake_mu);                                                          \
        (db)->m.told.field += (by);                                                                \
        fer_mutex_unlock(&(db)->m.wake_mu);                                                        \
    } while (0)

double maintenance_seconds(const tsdb *db, uint64_t begin_ns);
/* A block is being written. */
void maintenance_set_writing(tsdb *db, bool writing);
/* A block was written. */
void maintenance_count_run(tsdb *db, uint64_t begin_ns, const chunk_spread *chunks);

/* ---- how fast it works ---- */

bool maintenance_is_stopped(tsdb *db);
/* The head's oldest and newest time; false while it is empty. */
bool maintenance_head_times(head *h, int64_t *ret_min, int64_t *ret_max);
bool maintenance_head_spans(head *h, int64_t ms);
/* When the head spans more, it is cut. */
int64_t maintenance_cut_span(const head *h);
/* Of work on a block of the range, which is to be done before the head spans hurry_ms. */
compact_options maintenance_compaction(tsdb *db, int64_t range_ms, int64_t hurry_ms);

/* ---- the log ---- */

/* What is in the open batch, and these deletions (NULL: none), is durable and in force when it returns. FER_BUSY and what the disk says;
 * it may become durable later all the same. */
FER_MUST_CHECK fer_code maintenance_commit(tsdb *db, const tombstones *t, fer_err *err);

/* ---- the list of blocks ---- */

/* Opens the block just written (meta with samples; without there is none) and puts it in the place of those
 * in gone, whose folders then go. */
FER_MUST_CHECK fer_code maintenance_replace_blocks(tsdb *db, const block_meta *meta,
                                                   block *const *gone, size_t n, fer_err *err);
/* Behind the writing of a block, which tells its name also when it fails: what is left of one that is not to be goes with a
 * later pass. */
fer_code maintenance_written(tsdb *db, fer_code code, const block_meta *meta);

/* ---- the steps of a pass ---- */

/* The head becomes blocks while it spans more than one and a half ranges (cut.c). */
FER_MUST_CHECK fer_code cut_head(tsdb *db, fer_err *err);
/* What came out of order likewise, once the head was cut. When it fails all stays in the head and is written another time;
 * what has become blocks is there twice then. */
FER_MUST_CHECK fer_code cut_ooo(tsdb *db, fer_err *err);
/* Blocks become larger ones. Goes on past blocks that fail for their own sake. When the head can be cut, merging waits, and
 * after a merge that was spread over minutes the other steps come first (merge.c). */
FER_MUST_CHECK fer_code merge_blocks(tsdb *db, fer_err *err);
/* Blocks beyond retention go (expire.c). */
FER_MUST_CHECK fer_code expire_blocks(tsdb *db, fer_err *err);

#endif

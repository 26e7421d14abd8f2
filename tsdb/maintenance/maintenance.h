/* maintenance.h - what the database does by itself: the head becomes blocks, blocks become larger ones, old ones
 * go (docs/compaction.md).
 *
 * One pass is: remove what is replaced; cut the head while it spans more than one and a half block ranges, each time
 * write a block, make it visible, then forget its samples in memory and shorten the log; then the same with the samples out of
 * order, a block for each range they are in; merge blocks until
 * the planner has no more; delete what is beyond retention. A step that fails is told and tried again with the
 * next pass; the steps behind it go on. Between passes full chunks are written to chunks_head when many have come.
 *
 * Threads: passes, deletions and snapshots exclude each other by `mu`, held across I/O. It is taken before all
 * other locks of the store. While samples come in, a pass works slowly (pace.h) unless somebody waits for `mu`.
 */
#ifndef FERULA_TSDB_MAINTENANCE_H
#define FERULA_TSDB_MAINTENANCE_H

#include "base/cancel.h"
#include "base/thread.h"
#include "tsdb/block/block_meta.h"
#include "tsdb/maintenance/pace.h"
#include "tsdb/tsdb.h"

enum { RANK_MAINTENANCE = 70, RANK_MAINTENANCE_WAKE = 80 };

typedef struct maintenance {
    fer_mutex mu;
    ulid *held; /* blocks that this version cannot merge; under mu */
    size_t n_held;
    int64_t log_mint; /* the log is to be cut there; INT64_MIN: nothing to do. Under mu */
    bool ooo_due;     /* the head was cut: samples out of order are to become blocks. Under mu */
    fer_account acct; /* what compactions hold */
    uint64_t chunks_seen; /* begun in the head by the last time they were written out; under mu */
    pace pace;            /* under mu */
    int64_t
        hurry_ms; /* of the head: when it spans more, the present work is not spread. Under mu */
    bool awaited; /* a caller waits for what is done under mu */
    _Atomic int waiting; /* callers that wait for mu */
    fer_cancel cancel;

    fer_mutex wake_mu;
    /* ---- under wake_mu ---- */
    fer_cond wake;
    bool stop;
    tsdb_maintenance_stats told;
} maintenance;

void maintenance_init(maintenance *m, const tsdb_options *o);
void maintenance_done(maintenance *m);

/* Takes mu for a caller, for whom a pass under way hurries, as all that is done until the caller leaves. */
void maintenance_enter(maintenance *m);
void maintenance_leave(maintenance *m);

/* Samples out of order become blocks now, if there are some in [mint, maxt]. Under mu. */
FER_MUST_CHECK fer_code maintenance_cut_ooo(tsdb *db, int64_t mint, int64_t maxt, fer_err *err);

/* Block ranges, from the options. */
int64_t maintenance_max_block_ms(const tsdb_options *o);

#endif

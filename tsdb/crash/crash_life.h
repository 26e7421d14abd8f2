/* crash_life.h - a small database that lives, tick by tick, on a disk in memory, and keeps its ledger; for tests.
 *
 * A failure aborts with a text, unless the life is `tolerant`: then the disk may fail, what was not acknowledged is tried again
 * with the next tick, and life goes on. Threads: one.
 */
#ifndef FERULA_TSDB_CRASH_LIFE_H
#define FERULA_TSDB_CRASH_LIFE_H

#include "base/vfs_fault.h"
#include "tsdb/crash/crash_model.h"

#define LIFE_DIR "/data"
#define LIFE_SNAPSHOT_DIR LIFE_DIR "/snapshots/one"

typedef struct crash_life {
    vfs_fault *disk;
    test_db t;
    crash_model m;
    int tick; /* the next to write */
    bool tolerant;
    unsigned damaged; /* blocks that may be told as damaged */
    bool snapped;
    model_demands snapshot;   /* what it holds */
    uint64_t snapshot_at;     /* ops, when it was acknowledged */
    int told[MODEL_FAMILIES]; /* version that is in the log; 0: none, or it may be forgotten */
} crash_life;

/* The database is not open yet. */
void life_begin(crash_life *l, int n_series, int churn, int pad);
/* Goes on, closed, on another disk; frees the one before. */
void life_move(crash_life *l, vfs_fault *disk);
/* Begins another where a closed one stands, on a disk of its own. */
void life_fork(const crash_life *from, crash_life *to);
void life_end(crash_life *l);

void life_open(crash_life *l);
void life_close(crash_life *l);
/* Sends n ticks and commits each. */
void life_ticks(crash_life *l, int n);
/* Sends what of the ticks [from, to) was not sent, a request a tick, the last one first, and commits each. */
void life_late(crash_life *l, int from, int to);
/* Sends what of the series 0 to last at the ticks [from, to), which were deleted, had been acknowledged, likewise. */
void life_again(crash_life *l, int last, int from, int to);
/* What came out of order so far becomes chunks, which the next pass of maintenance writes to files. */
void life_make_chunks(crash_life *l);
/* Whether the series is sent at the tick. */
bool life_is_sent(const crash_model *m, int series, int tick);
/* Commits what is staged, trying for a while; false when that fails. */
bool life_commit(crash_life *l);
/* A pass of maintenance. */
void life_keep(crash_life *l);
void life_clean(crash_life *l);
void life_snapshot(crash_life *l);
/* Of a block that was damaged: its samples, those of the ticks [from, to), are gone. */
void life_forget(crash_life *l, int from, int to);
/* Ops so far. */
uint64_t life_ops(crash_life *l);
/* All series lose the ticks. */
model_span *life_span(crash_life *l, int from, int to);
/* Deletes the ticks [from, to) of the series 0 to last. */
void life_delete(crash_life *l, int last, int from, int to);

#endif

/* commit.h - group commit: batches staged by many requests, made durable and visible by one thread.
 *
 *   tsdb_stage() --> open batch --take--> waiting batches --write, fdatasync--> publish --> done()
 *                    (under mu)           (committer only)
 *
 * While one sync runs the next batch fills: batching needs no timer. A request's done stands in the batch
 * that was open when it was judged; batches become durable in order, so it waits for all it was judged
 * against, also when it stored nothing.
 *
 * When a write or sync fails nothing is rolled back: the log keeps the bytes and writes them to a new
 * segment at the next try (wal.h), tried again with growing pauses. Requests that waited FAILED_WAIT_NS
 * are told; their batch is published when it becomes durable all the same.
 *
 * Threads: what is under `mu` from any; step and run from one thread at a time.
 */
#ifndef FERULA_TSDB_COMMIT_H
#define FERULA_TSDB_COMMIT_H

#include "base/clock.h"
#include "tsdb/block/tombstones.h"
#include "tsdb/head/head.h"
#include "tsdb/head/ooo_series.h"
#include "tsdb/tsdb.h"
#include "tsdb/wal/record.h"
#include "tsdb/wal/wal.h"

/* WAL records back to back. */
typedef struct batch_records {
    fer_buf bytes;
    size_t *ends;
    size_t n, cap;
} batch_records;

/* In a batch_sample's slot: it is a histogram. */
#define BATCH_HIST 0x80000000U

typedef struct batch_sample {
    int64_t t;
    union {
        double v;
        const hist_sample *hist; /* in the batch's arena */
    };
    uint32_t slot;
} batch_sample;
_Static_assert(SLOT_MAX < BATCH_HIST, "a slot leaves the bit free");

/* A sample out of order. */
typedef struct batch_ooo {
    ooo_series *series;
    int64_t t;
    double v;
    const hist_sample *hist; /* in the batch's arena; NULL: a float, which is v */
} batch_ooo;

/* In the batch's arena. */
typedef struct batch_exemplar batch_exemplar;
struct batch_exemplar {
    batch_exemplar *next;
    labels series;
    exemplar e;
};

typedef struct batch_wait {
    tsdb_done_fn done;
    void *arg;
} batch_wait;

typedef struct batch batch;
struct batch {
    batch *next;
    batch_records series, samples, hists, exemplars, deletions; /* written in this order */
    bool markers_begun;
    batch_records ooo; /* of the log of samples out of order */
    batch_sample *s;
    size_t n, cap;
    batch_ooo *late;
    size_t n_late, cap_late;
    tombstones stones;
    fer_arena *arena; /* of histograms; NULL before the first */
    size_t arena_bytes, n_hists;
    struct batch_exemplar *first_exemplar, *last_exemplar;
    batch_wait *waits;
    size_t n_waits, cap_waits;
    uint32_t slots_end;       /* of the head when the batch was taken */
    size_t charged;           /* staged bytes it stands for */
    uint64_t failed_since_ns; /* 0: never failed */
};

typedef struct committer {
    head *h;
    wal *log_files; /* committer's thread only */
    wal *wbl;       /* that of samples out of order, likewise; NULL while there is none */
    fer_clock *clock;
    fer_log *log;
    wal_sync_mode sync;
    size_t limit_bytes;
    fer_account acct; /* staged and not yet durable */

    /* ---- under h->mu ---- */
    batch *open;
    fer_cond wake;
    bool stop;
    bool running;
    bool cut;     /* the next step ends the segment of the log */
    bool cut_wbl; /* the next step ends that of the wbl and draws a line (ooo_series.h) */
    wal *new_wbl; /* taken over by the next step */
    bool wbl_is_there;
    bool rest; /* the next step gives memory back */
    size_t staged_bytes;
    uint64_t commits;
    wal_stats wal_told; /* as of the last step */
    wal_stats wbl_told;
    uint64_t wbl_segment; /* the one that begins at the last line */

    /* ---- committer's thread only ---- */
    batch *first, *last; /* taken, not durable */
    batch *spare;
    unsigned failures; /* in a row */
    bool wbl_was_cut;  /* by this step */
    bool unsynced;     /* interval: written since the last sync */
    uint64_t synced_ns;
} committer;

void committer_init(committer *c, head *h, wal *w, const tsdb_options *o);
/* Everything that still waits is told `code`. Returns the log of samples out of order, NULL when it has none, for the caller
 * to close. */
wal *committer_done(committer *c, fer_code code);

/* ---- for staging, under h->mu ---- */

/* Whether the staging budget is used up. */
bool committer_is_full(const committer *c);
/* Ends the record begun, if any, when it has at least so many bytes; true when it did. */
bool batch_end_record(batch_records *r, size_t min_bytes);
/* Records of histograms staged so far come in the log before samples that are staged later; no record is begun. */
void batch_put_hists_first(batch *b);
/* Copies the histogram into the batch. */
void batch_add_hist(batch *b, uint32_t slot, int64_t t, const hist_sample *s);
/* A sample out of order; the histogram, NULL for a float, is copied. */
void batch_add_ooo(batch *b, ooo_series *s, int64_t t, double v, const hist_sample *hist);
/* Copies the exemplar and the labels of its series into the batch. */
void batch_add_exemplar(batch *b, labels series, const exemplar *e);
/* A request's end: its done waits for the open batch. */
void committer_add_wait(committer *c, tsdb_done_fn done, void *arg);
/* Deletions of published samples, into the open batch. */
void committer_add_stones(committer *c, const tombstone *v, size_t n);

/* Room for n more samples, behind those there are. */
static inline batch_sample *batch_room(batch *b, size_t n)
{
    if (b->cap - b->n < n) {
        size_t cap = b->cap == 0 ? 256 : b->cap * 2;
        b->cap = cap - b->n < n ? b->n + n : cap;
        b->s = fer_realloc(b->s, b->cap * sizeof *b->s);
    }
    return b->s + b->n;
}

static inline void batch_add_sample(batch *b, uint32_t slot, int64_t t, double v)
{
    *batch_room(b, 1) = (batch_sample){.t = t, .v = v, .slot = slot};
    b->n++;
}

/* ---- for the committer's thread ---- */

FER_MUST_CHECK fer_code committer_step(committer *c, size_t *ret_batches, fer_err *err);
void committer_run(committer *c);
void committer_stop(committer *c); /* any thread */
/* How many batches have been made durable. Any thread. */
uint64_t committer_commits(committer *c);
/* Markers (record.h) into the open batch, which goes with the next request; begun, added, ended. Under mu. */
void committer_add_marker(committer *c, uint64_t ref, uint64_t place);
void committer_end_markers(committer *c);
/* Takes the log of samples out of order, unless it has one: then it is left to the caller. Any thread. */
bool committer_give_wbl(committer *c, wal *wbl);
bool committer_has_wbl(committer *c);
/* Asks for a new segment of it, which has begun and a line is drawn when `cut_wbl` is false again. */
void committer_cut_wbl(committer *c);
/* Asks for the memory that is kept for the next batch; the committer's next step gives it back. Any thread. */
void committer_rest(committer *c);
/* Asks for a new segment of the log; the committer's next step ends the present one. Any thread. */
void committer_cut(committer *c);

#endif

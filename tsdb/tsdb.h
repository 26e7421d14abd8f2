/* tsdb.h - the database: open, write, read, keep, close. The face of libferula's storage.
 *
 * A data directory as Prometheus writes it (DESIGN D1). An open database starts no thread: the owner
 * gives it one for the committer by calling tsdb_run_committer(), or, in tests and simulations,
 * calls tsdb_commit_step() itself.
 *
 * Writing (DESIGN D3): a request is staged whole by tsdb_stage(): each row is judged against the
 * series' newest staged sample, good rows become WAL records of one batch, bad rows are reported and
 * cost nothing else. The committer writes and syncs whatever has been staged meanwhile, then makes
 * the batches visible, each as a whole, then calls their `done`. A staged batch is never rolled back.
 *
 * Threads: tsdb_stage and queriers from any thread; open and close from one.
 */
#ifndef FERULA_TSDB_TSDB_H
#define FERULA_TSDB_TSDB_H

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/vfs.h"
#include "tsdb/family.h"
#include "tsdb/head/exemplars.h"
#include "tsdb/head/ooo_delta.h"
#include "tsdb/hist_sample.h"
#include "tsdb/labels.h"
#include "tsdb/maintenance/spread.h"
#include "tsdb/querier.h"

typedef struct tsdb tsdb;

typedef enum wal_sync_mode { WAL_SYNC_GROUP, WAL_SYNC_INTERVAL, WAL_SYNC_NONE } wal_sync_mode;

typedef struct tsdb_options {
    const char *path;
    vfs *fs;
    fer_clock *clock;
    fer_rng *rng;
    fer_log *log;                /* may be NULL */
    fer_account *account;        /* the process' budget; the head draws on it. May be NULL */
    int64_t head_limit_bytes;    /* of the head's own account; 0 = only the parent limits */
    int64_t staging_limit_bytes; /* staged and not yet durable; 0 = 256 MiB */
    wal_sync_mode sync;
    uint64_t wal_segment_bytes; /* 0 = 128 MiB */
    int64_t min_block_ms;       /* 0 = 2 h: of a block cut from the head; chunk ranges */
    int64_t max_block_ms;       /* of a merged block; 0 = a tenth of the retention, 31 d at most */
    int64_t retention_ms;       /* 0 = none */
    uint64_t retention_bytes;   /* of blocks, logs and chunks of the head; 0 = none */
    double retention_percent;   /* of the disk; wins over retention_bytes; 0 = none */
    /* Of the time range of a block, what cutting or merging it may take while samples come in: so slowly it is
     * done then (tsdb/maintenance/pace.h). 0 = no longer than it needs. */
    double maintenance_share;
    bool keep_overlapping;        /* blocks that overlap are not merged */
    uint64_t chunk_segment_bytes; /* of blocks; 0 = 512 MiB */
    const char *
        delay_compact_file; /* Thanos' list of uploaded blocks: others of level 1 stay; NULL = none */
    size_t max_exemplars;   /* kept in memory; 0 = none: tsdb_set_max_exemplars() */
    unsigned
        replay_threads; /* started and ended by tsdb_open(), to read the log; 0 = the caller's alone */
    int64_t ooo_window_ms; /* tsdb_set_ooo_window() */
    /* Called by tsdb_run_maintenance() after each pass: a time to give back memory that is kept for later; may be NULL. */
    void (*on_rest)(void *arg);
    void *on_rest_arg;
    /* Called by tsdb_open() with what the log tells of families of metrics, of one perhaps several times: the last holds. May be NULL. */
    void (*on_metadata)(void *arg, const metadata_family *m);
    void *on_metadata_arg;
    bool no_lockfile;
    /* Takes no lock, makes, changes and removes no file; the log is read into memory. Nothing can be staged. */
    bool read_only;
} tsdb_options;

/* Opens the directory (made if absent, unless read_only), takes the lock, opens the blocks, replays the WAL. FER_BUSY when
 * another process holds the directory. Damage never refuses: what it hits is left out and told. The caller owns *ret: tsdb_close().
 * `progress` (may be NULL) is updated during replay, readable from other threads. */
typedef struct tsdb_progress {
    _Atomic uint64_t min, max, current; /* segment numbers, as status/walreplay */
} tsdb_progress;
FER_MUST_CHECK fer_code tsdb_open(const tsdb_options *o, tsdb_progress *progress, tsdb **ret,
                                  fer_err *err);
/* Commits what is staged, syncs, releases the lock. The handle is gone also on failure (then
 * something staged was not durable; its `done` was told). The committer must have returned. */
fer_code tsdb_close(tsdb *db, fer_err *err);

/* ---- writing ---- */

/* One sample with its series named by raw bytes of the wire (DESIGN D4). Equal fingerprints always mean
 * the same label set; different ones may mean the same too. The bytes are for the tsdb_labels_fn of their
 * request alone. */
typedef struct tsdb_row {
    fer_hash128 fp; /* made of tsdb_fingerprint()s */
    fer_str raw;
    int64_t t;
    double v;
} tsdb_row;

/* One native histogram likewise. */
typedef struct tsdb_hist_row {
    fer_hash128 fp;
    fer_str raw;
    int64_t t;
    hist_sample h;  /* views live until tsdb_stage_rows() returns */
    fer_str refuse; /* not empty: why it cannot be stored; else it is sound (hist_check.h) */
    size_t before;  /* so many of the request's float rows come before it */
} tsdb_hist_row;

/* One exemplar of a series that the head knows when all float and histogram rows of the request are judged. */
typedef struct tsdb_exemplar_row {
    fer_hash128 fp;
    fer_str raw;
    exemplar e; /* views as long as those of histograms */
} tsdb_exemplar_row;

/* Where a row's series began: a zero at that time, before the row, where the series has nothing as new. Never told about. */
typedef struct tsdb_start {
    int64_t t;  /* before the row's */
    size_t row; /* among the floats, or the histograms */
    bool of_hist;
} tsdb_start;

/* What a request carries; each kind in the order of the request. */
typedef struct tsdb_rows {
    const tsdb_row *floats;
    size_t n_floats;
    const tsdb_hist_row *hists;
    size_t n_hists;
    const tsdb_exemplar_row *exemplars;
    size_t n_exemplars;
    const tsdb_start *starts; /* in the order of their rows in the request */
    size_t n_starts;
    /* What goes into the log with a series of the family; `logged` is set where the head has one. */
    metadata_family *metadata;
    size_t n_metadata;
    /* Called for each float or histogram that is refused, in the order of the request, with its raw bytes; may be NULL. Under the head's lock:
     * see tsdb_labels_fn. */
    void (*on_reject)(void *arg, fer_str raw);
    void *on_reject_arg;
} tsdb_rows;

/* Turns a row's raw bytes into labels, unsorted, in the scratch arena; called only for fingerprints
 * the head does not know. FER_INVALID with a text makes the row a reported failure. Runs under the
 * head's lock: it must not call into the database or wait. */
typedef fer_code (*tsdb_labels_fn)(void *arg, fer_str raw, fer_arena *scratch, label **ret,
                                   size_t *ret_n, fer_err *err);

typedef enum tsdb_reject {
    REJECT_NONE = 0,
    REJECT_OUT_OF_ORDER,  /* "out of order sample" */
    REJECT_OUT_OF_BOUNDS, /* "out of bounds" */
    REJECT_TOO_FAR,       /* "out of bounds: timestamp is too far in the future" */
    REJECT_TOO_OLD,       /* "too old sample": beyond the window for samples out of order */
    REJECT_DUPLICATE,     /* "duplicate sample for timestamp" */
    REJECT_LABELS,        /* invalid label set */
    REJECT_LIMIT,         /* a new series beyond the head's budget */
    REJECT_HISTOGRAM,     /* a histogram that is not sound */
    REJECT_KINDS
} tsdb_reject;

enum { TSDB_REPORT_TEXTS = 10 };

typedef struct tsdb_report {
    uint64_t accepted;       /* stored, or equal to what is stored; histograms included */
    uint64_t hists_accepted; /* of those: histograms */
    uint64_t hists_rejected; /* of n_rejected */
    /* Exemplars are never among those above: what is not accepted is dropped. */
    uint64_t exemplars_accepted;
    uint64_t duplicate_equal; /* of those: nothing to store */
    uint64_t new_series;
    uint64_t rejected[REJECT_KINDS];
    uint64_t n_rejected;
    /* The first texts, "reason for series {labels}"; in the scratch arena. */
    fer_str texts[TSDB_REPORT_TEXTS];
    size_t n_texts;
} tsdb_report;

/* Called once, on the committer's thread, when all that the request was judged against is durable and
 * visible (FER_OK), or when the wait was given up (FER_IO, FER_NOSPACE: the batch is kept and will be
 * written, but was not durable when asked). Must not block and must not call into the database. */
typedef void (*tsdb_done_fn)(void *arg, fer_code code);

/* How much older than the newest sample of all a sample may be that comes behind the newest of its series; 0: none is
 * taken, those that were are kept. Any thread. */
FER_MUST_CHECK fer_code tsdb_set_ooo_window(tsdb *db, int64_t window_ms, fer_err *err);

/* How many exemplars are kept from now on; of too many the oldest are forgotten. Any thread. */
void tsdb_set_max_exemplars(tsdb *db, size_t max);

/* Whether the head knows the fingerprint of each row. Any thread. */
void tsdb_known(tsdb *db, const tsdb_row *rows, size_t n, bool *ret);

/* Stages the rows as one unit. scratch is used during the call and for report texts. Returns
 * FER_OK: `done` will be called exactly once (also when nothing was accepted); FER_BUSY: the staging
 * budget is used up or the log is failing and its backlog is full: nothing was taken, `done` is not
 * called, answer 503. */
FER_MUST_CHECK fer_code tsdb_stage(tsdb *db, const tsdb_row *rows, size_t n, tsdb_labels_fn parse,
                                   void *parse_arg, fer_arena *scratch, tsdb_report *report,
                                   tsdb_done_fn done, void *done_arg, fer_err *err);

/* The same for rows of all kinds. */
FER_MUST_CHECK fer_code tsdb_stage_rows(tsdb *db, const tsdb_rows *rows, tsdb_labels_fn parse,
                                        void *parse_arg, fer_arena *scratch, tsdb_report *report,
                                        tsdb_done_fn done, void *done_arg, fer_err *err);

/* The keyed hash for tsdb_row.fp. */
fer_hash128 tsdb_fingerprint(const tsdb *db, fer_str raw);

/* Runs group commit until tsdb_stop_committer(); then commits the rest and returns. */
void tsdb_run_committer(tsdb *db);
void tsdb_stop_committer(tsdb *db);
/* Commits what is staged now, on the calling thread; for owners without a committer thread.
 * Returns the result of write and sync; *ret_batches (may be NULL) tells how many became visible. */
fer_code tsdb_commit_step(tsdb *db, size_t *ret_batches, fer_err *err);

/* ---- keeping ---- */

/* Runs a pass of maintenance (maintenance.h) every minute, after failures sooner, until
 * tsdb_stop_maintenance(), which also ends a compaction that is under way. */
void tsdb_run_maintenance(tsdb *db);
void tsdb_stop_maintenance(tsdb *db);
/* One pass, on the calling thread; for owners without such a thread. Tells the first failure; all steps were
 * tried. */
fer_code tsdb_maintenance_step(tsdb *db, fer_err *err);

/* Links all blocks into dir, which is made and is on the same file system; with_head: and writes the samples
 * of the head as blocks beside them, those out of order in blocks of their own. Waits for the pass of maintenance that is under way. */
FER_MUST_CHECK fer_code tsdb_snapshot(tsdb *db, const char *dir, bool with_head, fer_err *err);
/* Deletes the samples in [mint, maxt] of the series that match; on return that is durable and in force. What cannot be
 * deleted is told, the first of it; the rest is deleted all the same. Waits for the pass of maintenance that is
 * under way, and for the committer; without one it commits on the calling thread. */
FER_MUST_CHECK fer_code tsdb_delete_series(tsdb *db, int64_t mint, int64_t maxt, const matcher *m,
                                           size_t nm, const fer_cancel *cancel, fer_err *err);
/* Writes blocks anew that have deletions, without what is deleted. Waits likewise. */
FER_MUST_CHECK fer_code tsdb_clean_tombstones(tsdb *db, fer_err *err);

typedef struct tsdb_maintenance_stats {
    uint64_t compactions, compactions_failed, compactions_triggered, vertical_compactions;
    uint64_t head_truncations;
    uint64_t checkpoints, checkpoints_failed;
    uint64_t time_retentions, size_retentions;
    chunk_spread chunks;              /* of blocks of level 1 */
    spread compaction_runs;           /* seconds each took */
    bool writing_block;               /* at the moment */
    uint64_t reloads, reloads_failed; /* changes of the list of blocks */
    double head_gc_seconds, wal_truncate_seconds, tombstone_cleanup_seconds;
    uint64_t wal_truncations, tombstone_cleanups; /* calls of tsdb_clean_tombstones() */
} tsdb_maintenance_stats;
void tsdb_maintenance_stats_get(tsdb *db, tsdb_maintenance_stats *ret);

/* ---- reading ---- */

/* The database as a storage for queriers; lives as long as db. */
storage *tsdb_storage(tsdb *db);

/* exemplar_store_select() on those that are durable. */
FER_MUST_CHECK fer_code tsdb_exemplars(tsdb *db, int64_t mint, int64_t maxt,
                                       const exemplar_matchers *sets, size_t n_sets, fer_arena *a,
                                       exemplar_series **ret, size_t *ret_n, fer_err *err);

/* ---- telling ---- */

void tsdb_exemplar_stats_get(tsdb *db, exemplar_stats *ret);

typedef struct tsdb_stats {
    uint64_t series, series_created, series_removed, chunks, chunks_created, chunks_removed;
    uint64_t samples_appended, hists_appended; /* floats; histograms */
    uint64_t out_of_order, out_of_bounds, duplicates, too_far, too_old;
    uint64_t hists_out_of_order, hists_too_old; /* of out_of_order, of too_old */
    uint64_t ooo_appended, ooo_hists_appended;  /* of those appended: out of order */
    uint64_t ooo_series;                        /* that have samples out of order */
    ooo_delta ooo_delta; /* of samples behind the head's newest, also refused ones */
    uint64_t wbl_segment, wbl_fsyncs, wbl_fsync_ns, wbl_pages, wbl_writes_failed, wbl_bytes_on_disk;
    uint64_t wbl_corruptions;
    uint64_t refused_series;    /* beyond the budget */
    int64_t min_time, max_time; /* INT64_MAX / INT64_MIN while empty */
    uint64_t label_pairs;
    uint64_t wal_segment, wal_fsyncs, wal_fsync_ns, wal_fsync_max_ns, wal_bytes, wal_records;
    uint64_t wal_pages, wal_writes_failed, wal_corruptions, wal_bytes_on_disk;
    uint64_t replay_ns, replay_unknown_refs;
    uint64_t commits;      /* group commits */
    uint64_t staged_bytes; /* not yet durable */
    int64_t head_bytes;    /* the head's account */
    int64_t head_limit_bytes;
    /* Parts of head_bytes, which is their sum. Other: exemplars, what is known of files of chunks_head, bytes that wait for readers,
     * refs that the log needs, labels that are being numbered anew. */
    int64_t bytes_series, bytes_labels, bytes_chunks, bytes_index, bytes_other;
    uint64_t blocks, blocks_damaged, blocks_bytes; /* served; not served; files of those served */
    int64_t blocks_min_time;                       /* INT64_MAX without blocks */
    int64_t blocks_max_time; /* of a sample in one; INT64_MIN without blocks */
    uint64_t chunks_mapped;  /* written to chunks_head since the start */
    uint64_t chunk_files_bytes, chunk_files_damages;
    bool clean_start;
} tsdb_stats;
void tsdb_stats_get(tsdb *db, tsdb_stats *ret);

/* Adds the names of the blocks that are damaged and not served; copies in the arena. */
FER_MUST_CHECK fer_code tsdb_damaged_blocks(tsdb *db, fer_arena *a, str_list *ret, fer_err *err);

/* The top lists of /api/v1/status/tsdb; names are copies in the arena. */
/* Calls fn for each block served, by min_time. */
struct block_meta;
void tsdb_each_block(tsdb *db, void (*fn)(void *arg, const struct block_meta *m), void *arg);

typedef struct tsdb_top {
    fer_str name;
    uint64_t value;
} tsdb_top;
typedef struct tsdb_cardinality {
    tsdb_top *series_by_metric, *values_by_label, *bytes_by_label, *series_by_pair;
    size_t n_series_by_metric, n_values_by_label, n_bytes_by_label, n_series_by_pair;
} tsdb_cardinality;
FER_MUST_CHECK fer_code tsdb_cardinality_get(tsdb *db, size_t limit, fer_arena *a,
                                             tsdb_cardinality *ret, fer_err *err);

#endif

/* cut.c - the head becomes blocks: what is in order, two hours at a time, then what came out of order. */
#include "tsdb/head/head_mmap.h"
#include "tsdb/head/ooo_series.h"
#include "tsdb/maintenance/compact_head.h"
#include "tsdb/maintenance/maintenance_int.h"
#include "tsdb/maintenance/truncate.h"
#include "tsdb/wal/wbl_truncate.h"

#define READER_LOOK_NS UINT64_C(10000000)

/* Shorter when maintenance is stopped. */
static void pause_ns(tsdb *db, uint64_t ns)
{
    fer_mutex_lock(&db->m.wake_mu);
    if (!db->m.stop)
        (void)fer_cond_wait_ns(&db->m.wake, &db->m.wake_mu, ns);
    fer_mutex_unlock(&db->m.wake_mu);
}

static uint64_t reader_mark(head *h)
{
    fer_mutex_lock(&h->publish);
    uint64_t mark = h->reader_seq;
    fer_mutex_unlock(&h->publish);
    return mark;
}

static bool has_reader_of(head *h, uint64_t mark)
{
    fer_mutex_lock(&h->publish);
    bool has = h->readers.next != &h->readers && h->readers.next->seq <= mark;
    fer_mutex_unlock(&h->publish);
    return has;
}

/* Those who listed the blocks before the new one was there find its samples in the head: they are waited for. */
static fer_code wait_for_readers(tsdb *db, fer_err *err)
{
    uint64_t mark = reader_mark(&db->h);
    while (has_reader_of(&db->h, mark)) {
        pause_ns(db, READER_LOOK_NS);
        if (maintenance_is_stopped(db))
            return fer_fail(err, FER_CANCELED, "maintenance was stopped");
    }
    return FER_OK;
}

static int64_t cut_end(int64_t mint, int64_t range)
{
    return mint / range * range + range;
}

typedef fer_code (*write_block_fn)(const compact_options *o, head *h, int64_t mint, int64_t maxt,
                                   fer_arena *a, block_meta *ret, fer_err *err);

static fer_code write_head_block(tsdb *db, write_block_fn write, int64_t mint, int64_t maxt,
                                 fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    chunk_spread chunks = {0};
    compact_options o = maintenance_compaction(db, maxt - mint, 2 * db->h.chunk_range_ms);
    o.counts = &chunks;
    block_meta meta = {0};
    uint64_t begin = db->o.clock->mono_ns(db->o.clock);
    maintenance_set_writing(db, true);
    fer_code code = maintenance_written(db, write(&o, &db->h, mint, maxt, a, &meta, err), &meta);
    maintenance_set_writing(db, false);
    FER_TRY(code);
    FER_TRY(maintenance_replace_blocks(db, &meta, NULL, 0, err));
    maintenance_count_run(db, begin, &chunks);
    if (meta.stats.samples != 0)
        LOGI(db->o.log,
             write == compact_ooo ? "Wrote a block of samples out of order"
                                  : "Wrote a block of the head",
             "ulid", meta.id.text, "mint", LOG_INT(mint), "maxt", LOG_INT(maxt), "series",
             LOG_INT(meta.stats.series), "samples", LOG_INT(meta.stats.samples));
    return FER_OK;
}

static void truncate_head(tsdb *db, int64_t mint)
{
    head_truncation t = {0};
    uint64_t begin = db->o.clock->mono_ns(db->o.clock);
    tsdb_truncate_head(db, mint, &t);
    MAINTENANCE_COUNT(db, head_truncations, 1);
    MAINTENANCE_COUNT(db, head_gc_seconds, maintenance_seconds(db, begin));
}

static fer_code truncate_log(tsdb *db, int64_t mint, fer_err *err)
{
    wal_truncation t;
    uint64_t begin = db->o.clock->mono_ns(db->o.clock);
    fer_code code = tsdb_truncate_wal(db, mint, &t, err);
    MAINTENANCE_COUNT(db, wal_truncations, 1);
    MAINTENANCE_COUNT(db, wal_truncate_seconds, maintenance_seconds(db, begin));
    MAINTENANCE_COUNT(db, checkpoints, t.done ? 1 : 0);
    MAINTENANCE_COUNT(db, checkpoints_failed, code != FER_OK ? 1 : 0);
    return code;
}

/* The log and chunks_head without what blocks hold. */
static fer_code shorten_logs(tsdb *db, fer_err *err)
{
    FER_TRY(truncate_log(db, db->m.log_mint, err));
    FER_TRY(head_mmap_truncate(&db->h, db->m.log_mint, err));
    db->m.log_mint = INT64_MIN;
    return FER_OK;
}

fer_code cut_head(tsdb *db, fer_err *err)
{
    int64_t mint, maxt;
    fer_code code = FER_OK;
    while (code == FER_OK && maintenance_head_spans(&db->h, maintenance_cut_span(&db->h)) &&
           !maintenance_is_stopped(db)) {
        (void)maintenance_head_times(&db->h, &mint, &maxt);
        int64_t end = cut_end(mint, db->h.chunk_range_ms);
        code = write_head_block(db, compact_head, mint, end, err);
        if (code != FER_OK && code != FER_CANCELED)
            MAINTENANCE_COUNT(db, compactions_failed, 1);
        if (code == FER_OK)
            code = wait_for_readers(db, err);
        if (code != FER_OK)
            break;
        truncate_head(db, end);
        db->m.log_mint = end;
        db->m.ooo_due = true;
    }
    if (db->m.log_mint ==
        INT64_MIN) /* else a cut of this pass, or an earlier one that failed behind it */
        return code;
    fer_code cut = shorten_logs(db, code == FER_OK ? err : NULL);
    return code == FER_OK ? cut : code;
}

/* ---- samples out of order become blocks ---- */

/* Whether the committer has ended the segment of their log that was asked for. */
static bool wbl_is_cut(committer *c, uint64_t *ret_segment, bool *ret_alone)
{
    fer_mutex_lock(&c->h->mu);
    bool done = !c->cut_wbl;
    *ret_alone = !c->running;
    *ret_segment = c->wbl_segment;
    fer_mutex_unlock(&c->h->mu);
    return done;
}

/* Ends the segment of their log with a line (ooo_series.h), if that can be done in a moment. *ret: the one that begins there. */
static fer_code cut_wbl(tsdb *db, uint64_t *ret, fer_err *err)
{
    enum { LOOKS = 1000 };
    bool alone;
    committer_cut_wbl(&db->c);
    for (unsigned i = 0; i < LOOKS && !maintenance_is_stopped(db); i++) {
        if (wbl_is_cut(&db->c, ret, &alone))
            return FER_OK;
        if (alone)
            FER_TRY(committer_step(&db->c, NULL, err));
        else
            pause_ns(db, READER_LOOK_NS);
    }
    return fer_fail(err, maintenance_is_stopped(db) ? FER_CANCELED : FER_BUSY,
                    "the log of samples out of order is not written");
}

static fer_code write_ooo_block(void *arg, int64_t mint, int64_t maxt, fer_err *err)
{
    tsdb *db = arg;
    fer_code code = write_head_block(db, compact_ooo, mint, maxt, err);
    if (code != FER_OK && code != FER_CANCELED)
        MAINTENANCE_COUNT(db, compactions_failed, 1);
    return code;
}

/* Into their log: a start does not take in again what chunks_head still has of them. Durable before the segments go that told it of
 * earlier ones, which may be deleted by now. */
static fer_code tell_done(tsdb *db, fer_err *err)
{
    head *h = &db->h;
    fer_mutex_lock(&h->publish);
    fer_mutex_lock(&h->mu);
    bool any = h->ooo->done_place != 0;
    if (any) {
        committer_add_marker(&db->c, 0, h->ooo->done_place);
        committer_end_markers(&db->c);
    }
    fer_mutex_unlock(&h->mu);
    fer_mutex_unlock(&h->publish);
    return any ? maintenance_commit(db, NULL, err) : FER_OK;
}

fer_code cut_ooo(tsdb *db, fer_err *err)
{
    int64_t min, max;
    if (!db->m.ooo_due || !committer_has_wbl(&db->c))
        return FER_OK;
    uint64_t segment;
    FER_TRY(cut_wbl(db, &segment, err));
    if (ooo_freeze(&db->h, &min, &max)) {
        fer_code code =
            compact_each_range(db->h.chunk_range_ms, min, max, write_ooo_block, db, err);
        if (code == FER_OK)
            code = wait_for_readers(db, err);
        if (code != FER_OK) {
            ooo_thaw(&db->h);
            return code;
        }
        (void)ooo_drop_frozen(&db->h);
        truncate_head(db, db->h.min_valid_time); /* series that had nothing else */
    }
    FER_TRY(tell_done(db, err));
    FER_TRY(wbl_remove_before(db->o.fs, db->wbl_dir, segment, err));
    db->m.ooo_due = false;
    return FER_OK;
}

fer_code maintenance_cut_ooo(tsdb *db, int64_t mint, int64_t maxt, fer_err *err)
{
    int64_t min, max;
    fer_mutex_lock(&db->h.publish);
    bool any = ooo_times(&db->h, &min, &max) && min <= maxt && max >= mint;
    fer_mutex_unlock(&db->h.publish);
    if (any)
        db->m.ooo_due = true; /* it may be already: the log still has what went into blocks */
    return cut_ooo(db, err);
}

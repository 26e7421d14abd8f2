/* maintenance.c - what the steps share, a pass over them, and the thread. */
#include "tsdb/maintenance/maintenance_int.h"

#include "tsdb/head/head_mmap.h"
#include "tsdb/head/ooo_mmap.h"

enum {
    CHUNKS_MANY = 16 << 10,
    SLOWEST_PART = 8 /* of the head's range: no work on a block takes longer for others' sake */
};
#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)
#define MAX_BLOCK_MS (31 * DAY_MS)
#define SECOND_NS 1000000000ULL
#define LOOK_EVERY_NS (2 * SECOND_NS)
#define BACKOFF_FIRST_NS SECOND_NS
#define BACKOFF_MAX_NS (60 * SECOND_NS)

void maintenance_init(maintenance *m, const tsdb_options *o)
{
    *m = (maintenance){.log_mint = INT64_MIN};
    fer_mutex_init(&m->mu, "maintenance", RANK_MAINTENANCE);
    fer_mutex_init(&m->wake_mu, "maintenance.wake", RANK_MAINTENANCE_WAKE);
    fer_cond_init(&m->wake);
    fer_account_init(&m->acct, "compaction", o->account, 0);
    fer_cancel_init(&m->cancel, o->clock, 0);
}

void maintenance_done(maintenance *m)
{
    fer_free(m->held);
    fer_cond_done(&m->wake);
    fer_mutex_done(&m->wake_mu);
    fer_mutex_done(&m->mu);
}

void tsdb_maintenance_stats_get(tsdb *db, tsdb_maintenance_stats *ret)
{
    fer_mutex_lock(&db->m.wake_mu);
    *ret = db->m.told;
    fer_mutex_unlock(&db->m.wake_mu);
}

double maintenance_seconds(const tsdb *db, uint64_t begin_ns)
{
    return (double)(db->o.clock->mono_ns(db->o.clock) - begin_ns) / (double)SECOND_NS;
}

void maintenance_set_writing(tsdb *db, bool writing)
{
    fer_mutex_lock(&db->m.wake_mu);
    db->m.told.writing_block = writing;
    fer_mutex_unlock(&db->m.wake_mu);
}

void maintenance_count_run(tsdb *db, uint64_t begin_ns, const chunk_spread *chunks)
{
    double seconds = maintenance_seconds(db, begin_ns);
    fer_mutex_lock(&db->m.wake_mu);
    tsdb_maintenance_stats *told = &db->m.told;
    told->compactions++;
    spread_add(&told->compaction_runs, &compaction_seconds_scale, seconds);
    spread_merge(&told->chunks.samples, &chunks->samples);
    spread_merge(&told->chunks.bytes, &chunks->bytes);
    spread_merge(&told->chunks.range_ms, &chunks->range_ms);
    fer_mutex_unlock(&db->m.wake_mu);
}

bool maintenance_is_stopped(tsdb *db)
{
    fer_mutex_lock(&db->m.wake_mu);
    bool stop = db->m.stop;
    fer_mutex_unlock(&db->m.wake_mu);
    return stop;
}

int64_t maintenance_max_block_ms(const tsdb_options *o)
{
    int64_t max = o->max_block_ms;
    if (max <= 0)
        max = o->retention_ms > 0 && o->retention_ms / 10 < MAX_BLOCK_MS ? o->retention_ms / 10
                                                                         : MAX_BLOCK_MS;
    int64_t min = o->min_block_ms;
    return max > min ? max : min;
}

void maintenance_enter(maintenance *m)
{
    atomic_fetch_add(&m->waiting, 1);
    fer_mutex_lock(&m->mu);
    atomic_fetch_sub(&m->waiting, 1);
    m->awaited = true;
}

void maintenance_leave(maintenance *m)
{
    m->awaited = false;
    fer_mutex_unlock(&m->mu);
}

/* ---- how fast it works ---- */

bool maintenance_head_times(head *h, int64_t *ret_min, int64_t *ret_max)
{
    fer_mutex_lock(&h->publish);
    *ret_min = h->min_time;
    *ret_max = h->max_time;
    fer_mutex_unlock(&h->publish);
    return *ret_min <= *ret_max;
}

bool maintenance_head_spans(head *h, int64_t ms)
{
    int64_t min, max;
    return maintenance_head_times(h, &min, &max) && (uint64_t)max - (uint64_t)min > (uint64_t)ms;
}

int64_t maintenance_cut_span(const head *h)
{
    return h->chunk_range_ms / 2 * 3;
}

static uint64_t commits_of(void *arg)
{
    return committer_commits(&((tsdb *)arg)->c);
}

static bool is_awaited(void *arg)
{
    tsdb *db = arg;
    return db->m.awaited || atomic_load(&db->m.waiting) != 0 ||
           maintenance_head_spans(&db->h, db->m.hurry_ms);
}

static void map_if_many(void *arg);

compact_options maintenance_compaction(tsdb *db, int64_t range_ms, int64_t hurry_ms)
{
    double most = (double)db->h.chunk_range_ms / SLOWEST_PART;
    double span = (double)range_ms * db->o.maintenance_share;
    db->m.hurry_ms = hurry_ms;
    db->m.pace = (pace){.clock = db->o.clock,
                        .writes = commits_of,
                        .is_awaited = is_awaited,
                        .meanwhile = map_if_many,
                        .arg = db,
                        .span_ns = (uint64_t)((span < most ? span : most) * 1e6)};
    pace_begin(&db->m.pace);
    return (compact_options){
        .fs = db->o.fs,
        .dir = db->path,
        .clock = db->o.clock,
        .rng = db->o.rng,
        .acct = &db->m.acct,
        .segment_bytes = db->o.chunk_segment_bytes,
        .cancel = &db->m.cancel,
        .pace = &db->m.pace,
    };
}

/* ---- the list of blocks ---- */

fer_code maintenance_replace_blocks(tsdb *db, const block_meta *meta, block *const *gone, size_t n,
                                    fer_err *err)
{
    block *b = NULL;
    if (meta->stats.samples != 0) {
        fer_code code = block_open(db->o.fs, db->path, meta->id.text, &db->blocks.acct, &b, err);
        if (code != FER_OK) {
            MAINTENANCE_COUNT(db, reloads_failed, 1);
            block_set_remove_later(&db->blocks, &meta->id);
            return code;
        }
    }
    block_set_replace(&db->blocks, &b, b != NULL, gone, n);
    MAINTENANCE_COUNT(db, reloads, 1);
    fer_code first = FER_OK;
    for (size_t i = 0; i < n; i++) {
        fer_code code =
            block_folder_remove(db->o.fs, db->path, gone[i]->name, first == FER_OK ? err : NULL);
        if (code != FER_OK)
            block_set_remove_later(&db->blocks, &gone[i]->meta.id);
        if (first == FER_OK)
            first = code;
    }
    return first;
}

fer_code maintenance_written(tsdb *db, fer_code code, const block_meta *meta)
{
    if ((code != FER_OK || meta->stats.samples == 0) && meta->id.text[0] != '\0')
        block_set_remove_later(&db->blocks, &meta->id);
    return code;
}

/* Chunks begun in the head so far; as many have become full but for those open. */
static uint64_t chunks_begun(tsdb *db)
{
    fer_mutex_lock(&db->h.publish);
    uint64_t n = db->h.n_chunks_created;
    fer_mutex_unlock(&db->h.publish);
    return n;
}

static void add_mark(void *arg, uint64_t ref, uint64_t place)
{
    committer_add_marker(arg, ref, place);
}

static void end_marks(void *arg)
{
    committer_end_markers(arg);
}

static fer_code map_chunks(tsdb *db, fer_err *err)
{
    db->m.chunks_seen = chunks_begun(db);
    FER_TRY(head_mmap_full_chunks(&db->h, err));
    if (!committer_has_wbl(&db->c))
        return FER_OK;
    return ooo_mmap_chunks(&db->h, &(ooo_marks){&db->c, add_mark, end_marks}, err);
}

static bool has_many_chunks(tsdb *db)
{
    return chunks_begun(db) - db->m.chunks_seen >= CHUNKS_MANY + db->h.published / 8;
}

static void log_failed_step(tsdb *db, const char *what, const fer_err *err)
{
    LOGE(db->o.log, "A step of maintenance failed", "step", what, "err", err->msg);
}

/* Samples that come much faster than time passes fill memory before the next pass. */
static void map_many_chunks(tsdb *db)
{
    fer_err e = {0};
    fer_mutex_lock(&db->m.mu);
    if (has_many_chunks(db) && map_chunks(db, &e) != FER_OK)
        log_failed_step(db, "writing chunks of the head", &e);
    fer_mutex_unlock(&db->m.mu);
}

/* The same in the midst of a step that takes long, for samples in order: those out of it may be in that step's hands. */
static void map_if_many(void *arg)
{
    tsdb *db = arg;
    fer_err e = {0};
    if (!has_many_chunks(db))
        return;
    db->m.chunks_seen = chunks_begun(db);
    if (head_mmap_full_chunks(&db->h, &e) != FER_OK)
        log_failed_step(db, "writing chunks of the head", &e);
}

/* ---- a pass, and the thread ---- */

static fer_code judge_blocks(tsdb *db, fer_err *err)
{
    (void)err;
    block_set_judge(&db->blocks, db->o.fs, db->path, db->o.log);
    return FER_OK;
}

fer_code tsdb_maintenance_step(tsdb *db, fer_err *err)
{
    static const struct {
        const char *what;
        fer_code (*run)(tsdb *db, fer_err *err);
    } steps[] = {
        {"looking after blocks that failed", judge_blocks},
        {"writing chunks of the head", map_chunks},
        {"cutting the head", cut_head},
        {"cutting samples out of order", cut_ooo},
        {"merging blocks", merge_blocks},
        {"retention", expire_blocks},
    };
    fer_code first = FER_OK;
    fer_mutex_lock(&db->m.mu);
    MAINTENANCE_COUNT(db, compactions_triggered, 1);
    fer_err local = {0};
    first = block_set_clean(&db->blocks, db->o.fs, db->path, &local);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        fer_err e = {0};
        fer_code code = steps[i].run(db, &e);
        if (code == FER_OK || code == FER_CANCELED)
            continue;
        log_failed_step(db, steps[i].what, &e);
        if (first == FER_OK) {
            first = code;
            local = e;
        }
    }
    fer_mutex_unlock(&db->m.mu);
    if (first != FER_OK && err != NULL)
        *err = local;
    return first;
}

/* Waits for a while; false: until the time given, or maintenance is stopped. */
static bool wait_until(tsdb *db, uint64_t until_ns)
{
    uint64_t now = db->o.clock->mono_ns(db->o.clock);
    if (now >= until_ns)
        return false;
    uint64_t left = until_ns - now;
    fer_mutex_lock(&db->m.wake_mu);
    if (!db->m.stop)
        (void)fer_cond_wait_ns(&db->m.wake, &db->m.wake_mu,
                               left < LOOK_EVERY_NS ? left : LOOK_EVERY_NS);
    bool stop = db->m.stop;
    fer_mutex_unlock(&db->m.wake_mu);
    return !stop;
}

/* What is kept for the next request, the largest that came maybe, is not kept for long. */
static void rest(tsdb *db)
{
    committer_rest(&db->c);
    if (db->o.on_rest != NULL)
        db->o.on_rest(db->o.on_rest_arg);
}

void tsdb_run_maintenance(tsdb *db)
{
    uint64_t backoff = 0;
    while (!maintenance_is_stopped(db)) {
        fer_code code = tsdb_maintenance_step(db, NULL);
        backoff = code == FER_OK ? 0 : backoff == 0 ? BACKOFF_FIRST_NS : backoff * 2;
        if (backoff > BACKOFF_MAX_NS)
            backoff = BACKOFF_MAX_NS;
        rest(db);
        uint64_t until =
            db->o.clock->mono_ns(db->o.clock) + (backoff == 0 ? MAINTENANCE_PASS_NS : backoff);
        while (wait_until(db, until))
            map_many_chunks(db);
    }
}

void tsdb_stop_maintenance(tsdb *db)
{
    fer_cancel_now(&db->m.cancel);
    fer_mutex_lock(&db->m.wake_mu);
    db->m.stop = true;
    fer_cond_broadcast(&db->m.wake);
    fer_mutex_unlock(&db->m.wake_mu);
}

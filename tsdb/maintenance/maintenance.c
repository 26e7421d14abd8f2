#include "tsdb/maintenance/maintenance.h"

#include <jansson.h>
#include <string.h>

#include "tsdb/block/block_check.h"
#include "tsdb/block/dir_file.h"
#include "tsdb/head/head_mmap.h"
#include "tsdb/head/ooo_mmap.h"
#include "tsdb/maintenance/compact.h"
#include "tsdb/maintenance/compact_head.h"
#include "tsdb/maintenance/compact_plan.h"
#include "tsdb/maintenance/retention.h"
#include "tsdb/maintenance/truncate.h"
#include "tsdb/tsdb_int.h"
#include "tsdb/wal/wbl_truncate.h"

enum { DELAY_FILE_BYTES_MAX = 64 << 20, CHUNKS_MANY = 16 << 10 };
#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)
#define MAX_BLOCK_MS (31 * DAY_MS)
#define SECOND_NS 1000000000ULL
#define PASS_EVERY_NS (60 * SECOND_NS)
#define LOOK_EVERY_NS (2 * SECOND_NS)
#define BACKOFF_FIRST_NS SECOND_NS
#define BACKOFF_MAX_NS (60 * SECOND_NS)
#define READER_LOOK_NS (10 * 1000000ULL)

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

/* Adds to one counter of what is told. */
#define COUNT(db, field, by)                                                                       \
    do {                                                                                           \
        fer_mutex_lock(&(db)->m.wake_mu);                                                          \
        (db)->m.told.field += (by);                                                                \
        fer_mutex_unlock(&(db)->m.wake_mu);                                                        \
    } while (0)

void tsdb_maintenance_stats_get(tsdb *db, tsdb_maintenance_stats *ret)
{
    fer_mutex_lock(&db->m.wake_mu);
    *ret = db->m.told;
    fer_mutex_unlock(&db->m.wake_mu);
}

static double seconds_since(const tsdb *db, uint64_t begin_ns)
{
    return (double)(db->o.clock->mono_ns(db->o.clock) - begin_ns) / (double)SECOND_NS;
}

static void set_writing(tsdb *db, bool writing)
{
    fer_mutex_lock(&db->m.wake_mu);
    db->m.told.writing_block = writing;
    fer_mutex_unlock(&db->m.wake_mu);
}

/* A block was written. */
static void count_run(tsdb *db, uint64_t begin_ns, const chunk_spread *chunks)
{
    double seconds = seconds_since(db, begin_ns);
    fer_mutex_lock(&db->m.wake_mu);
    tsdb_maintenance_stats *told = &db->m.told;
    told->compactions++;
    spread_add(&told->compaction_runs, &compaction_seconds_scale, seconds);
    spread_merge(&told->chunks.samples, &chunks->samples);
    spread_merge(&told->chunks.bytes, &chunks->bytes);
    spread_merge(&told->chunks.range_ms, &chunks->range_ms);
    fer_mutex_unlock(&db->m.wake_mu);
}

static bool is_stopped(tsdb *db)
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

static uint64_t commits_of(void *arg)
{
    return committer_commits(arg);
}

static compact_options compaction(tsdb *db)
{
    db->m.pace = (pace){.clock = db->o.clock, .writes = commits_of, .arg = &db->c};
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

/* Opens the block just written (meta with samples; without there is none) and puts it in the place of those
 * in gone, whose folders then go. */
static fer_code replace_blocks(tsdb *db, const block_meta *meta, block *const *gone, size_t n,
                               fer_err *err)
{
    block *b = NULL;
    if (meta->stats.samples != 0) {
        fer_code code = block_open(db->o.fs, db->path, meta->id.text, &db->blocks.acct, &b, err);
        if (code != FER_OK) {
            COUNT(db, reloads_failed, 1);
            block_set_remove_later(&db->blocks, &meta->id);
            return code;
        }
    }
    block_set_replace(&db->blocks, &b, b != NULL, gone, n);
    COUNT(db, reloads, 1);
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

/* Behind the writing of a block, which tells its name also when it fails: what is left of one that is not to be goes with a
 * later pass. */
static fer_code written(tsdb *db, fer_code code, const block_meta *meta)
{
    if ((code != FER_OK || meta->stats.samples == 0) && meta->id.text[0] != '\0')
        block_set_remove_later(&db->blocks, &meta->id);
    return code;
}

/* Writes a changed meta.json of a block and serves the block with it. */
static fer_code update_meta(tsdb *db, block *b, const block_meta *meta, fer_err *err)
{
    char path[PATH_MAX];
    block *fresh;
    FER_TRY(dir_file_path(path, db->path, b->name, err));
    FER_TRY(block_meta_store(db->o.fs, path, meta, err));
    FER_TRY(block_open(db->o.fs, db->path, b->name, &db->blocks.acct, &fresh, err));
    block_set_replace(&db->blocks, &fresh, 1, &b, 1);
    return FER_OK;
}

/* ---- the head becomes blocks ---- */

/* Whether the head spans more than one and a half ranges; *ret_mint is where it begins. */
static bool is_compactable(head *h, int64_t *ret_mint)
{
    fer_mutex_lock(&h->publish);
    int64_t min = h->min_time, max = h->max_time;
    fer_mutex_unlock(&h->publish);
    *ret_mint = min;
    return min <= max && (uint64_t)max - (uint64_t)min > (uint64_t)h->chunk_range_ms / 2 * 3;
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
        fer_mutex_lock(&db->m.wake_mu);
        if (!db->m.stop)
            (void)fer_cond_wait_ns(&db->m.wake, &db->m.wake_mu, READER_LOOK_NS);
        bool stop = db->m.stop;
        fer_mutex_unlock(&db->m.wake_mu);
        if (stop)
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
    compact_options o = compaction(db);
    o.counts = &chunks;
    block_meta meta = {0};
    uint64_t begin = db->o.clock->mono_ns(db->o.clock);
    set_writing(db, true);
    fer_code code = written(db, write(&o, &db->h, mint, maxt, a, &meta, err), &meta);
    set_writing(db, false);
    FER_TRY(code);
    FER_TRY(replace_blocks(db, &meta, NULL, 0, err));
    count_run(db, begin, &chunks);
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
    COUNT(db, head_truncations, 1);
    COUNT(db, head_gc_seconds, seconds_since(db, begin));
}

static fer_code truncate_log(tsdb *db, int64_t mint, fer_err *err)
{
    wal_truncation t;
    uint64_t begin = db->o.clock->mono_ns(db->o.clock);
    fer_code code = tsdb_truncate_wal(db, mint, &t, err);
    COUNT(db, wal_truncations, 1);
    COUNT(db, wal_truncate_seconds, seconds_since(db, begin));
    COUNT(db, checkpoints, t.done ? 1 : 0);
    COUNT(db, checkpoints_failed, code != FER_OK ? 1 : 0);
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

static fer_code cut_head(tsdb *db, fer_err *err)
{
    int64_t mint;
    fer_code code = FER_OK;
    while (code == FER_OK && is_compactable(&db->h, &mint) && !is_stopped(db)) {
        int64_t end = cut_end(mint, db->h.chunk_range_ms);
        code = write_head_block(db, compact_head, mint, end, err);
        if (code != FER_OK && code != FER_CANCELED)
            COUNT(db, compactions_failed, 1);
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

/* Ends the segment of their log, if that can be done in a moment. Returns the segment before which all samples are
 * published. */
static uint64_t cut_wbl(tsdb *db)
{
    enum { LOOKS = 200 };
    committer *c = &db->c;
    committer_cut_wbl(c);
    bool done = false;
    uint64_t segment = 0;
    for (unsigned i = 0; i < LOOKS && !done && !is_stopped(db); i++) {
        fer_mutex_lock(&c->h->mu);
        bool alone = !c->running;
        done = !c->cut_wbl || c->failures != 0;
        segment = c->wbl_segment;
        fer_mutex_unlock(&c->h->mu);
        if (done)
            break;
        if (alone) {
            fer_code code = committer_step(c, NULL, NULL);
            done = code != FER_OK; /* what is not cut now is cut with the next block */
            continue;
        }
        fer_mutex_lock(&db->m.wake_mu);
        if (!db->m.stop)
            (void)fer_cond_wait_ns(&db->m.wake, &db->m.wake_mu, READER_LOOK_NS);
        fer_mutex_unlock(&db->m.wake_mu);
    }
    return segment;
}

static int64_t range_floor(int64_t t, int64_t range)
{
    int64_t q = t / range;
    return (t % range < 0 ? q - 1 : q) * range;
}

static fer_code write_ooo_blocks(tsdb *db, int64_t min, int64_t max, fer_err *err)
{
    int64_t range = db->h.chunk_range_ms;
    for (int64_t t = range_floor(min, range); t <= max; t += range) {
        fer_code code = write_head_block(db, compact_ooo, t, t + range, err);
        if (code != FER_OK && code != FER_CANCELED)
            COUNT(db, compactions_failed, 1);
        FER_TRY(code);
        if (t > INT64_MAX - 2 * range)
            break;
    }
    return FER_OK;
}

/* Into their log: a start need not take in again what chunks_head still has of them. */
static void tell_done(tsdb *db)
{
    head *h = &db->h;
    fer_mutex_lock(&h->publish);
    fer_mutex_lock(&h->mu);
    if (h->ooo->done_place != 0) {
        committer_add_marker(&db->c, 0, h->ooo->done_place);
        committer_end_markers(&db->c);
    }
    fer_mutex_unlock(&h->mu);
    fer_mutex_unlock(&h->publish);
}

/* When it fails all stays in the head and is written another time; what has become blocks is there twice then. */
static fer_code cut_ooo(tsdb *db, fer_err *err)
{
    int64_t min, max;
    if (!db->m.ooo_due || !committer_has_wbl(&db->c))
        return FER_OK;
    uint64_t segment = cut_wbl(db);
    fer_code code = FER_OK;
    if (ooo_freeze(&db->h, &min, &max)) {
        code = write_ooo_blocks(db, min, max, err);
        if (code == FER_OK)
            code = wait_for_readers(db, err);
        if (code != FER_OK) {
            ooo_thaw(&db->h);
            return code;
        }
        (void)ooo_drop_frozen(&db->h);
        tell_done(db);
        truncate_head(db, db->h.min_valid_time); /* series that had nothing else */
    }
    db->m.ooo_due = false;
    return wbl_remove_before(db->o.fs, db->wbl_dir, segment, err);
}

fer_code maintenance_cut_ooo(tsdb *db, int64_t mint, int64_t maxt, fer_err *err)
{
    int64_t min, max;
    fer_mutex_lock(&db->h.publish);
    bool any = ooo_times(&db->h, &min, &max) && min <= maxt && max >= mint;
    fer_mutex_unlock(&db->h.publish);
    if (!any)
        return FER_OK;
    db->m.ooo_due = true;
    return cut_ooo(db, err);
}

/* Chunks begun in the head so far; as many have become full but for those open. */
static uint64_t chunks_begun(tsdb *db)
{
    fer_mutex_lock(&db->h.publish);
    uint64_t n = db->h.n_chunks_created;
    fer_mutex_unlock(&db->h.publish);
    return n;
}

static fer_code judge_blocks(tsdb *db, fer_err *err)
{
    (void)err;
    block_set_judge(&db->blocks, db->o.fs, db->path, db->o.log);
    return FER_OK;
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

/* Samples that come much faster than time passes fill memory before the next pass. */
static void map_many_chunks(tsdb *db)
{
    fer_err e = {0};
    fer_mutex_lock(&db->m.mu);
    uint64_t many = CHUNKS_MANY + db->h.published / 8;
    if (chunks_begun(db) - db->m.chunks_seen >= many && map_chunks(db, &e) != FER_OK)
        LOGE(db->o.log, "A step of maintenance failed", "step", "writing chunks of the head", "err",
             e.msg);
    fer_mutex_unlock(&db->m.mu);
}

/* ---- blocks become larger ones ---- */

static bool is_held(const maintenance *m, const char *name)
{
    for (size_t i = 0; i < m->n_held; i++)
        if (strcmp(m->held[i].text, name) == 0)
            return true;
    return false;
}

static void hold(maintenance *m, const char *name)
{
    m->held = fer_realloc(m->held, (m->n_held + 1) * sizeof *m->held);
    memcpy(m->held[m->n_held++].text, name, ULID_CHARS + 1);
}

/* The list of uploaded blocks, NULL when there is no such file or it cannot be read: then all wait. */
static json_t *load_uploaded(tsdb *db)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    fer_str text;
    if (vfs_read_all(db->o.fs, db->o.delay_compact_file, DELAY_FILE_BYTES_MAX, a, &text, NULL) !=
        FER_OK)
        return NULL;
    return json_loadb(text.p, text.n, 0, NULL);
}

static bool is_uploaded(const json_t *file, const char *name)
{
    const json_t *list = json_object_get(file, "uploaded");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *s = json_string_value(json_array_get(list, i));
        if (s != NULL && strcmp(s, name) == 0)
            return true;
    }
    return false;
}

/* Writes the blocks to merge to pick; returns how many. */
static size_t choose(tsdb *db, const block_list *l, block **pick)
{
    plan_options o = {.no_overlapping = db->o.keep_overlapping};
    o.ranges = compact_ranges_of(db->h.chunk_range_ms, maintenance_max_block_ms(&db->o));
    plan_block *v = fer_calloc(l->n + 1, sizeof *v);
    size_t *places = fer_calloc(l->n + 1, sizeof *places);
    bool delayed = db->o.delay_compact_file != NULL && db->o.delay_compact_file[0] != '\0';
    json_t *uploaded = delayed ? load_uploaded(db) : NULL;
    for (size_t i = 0; i < l->n; i++) {
        const block *b = l->v[i];
        v[i] = (plan_block){&b->meta, is_held(&db->m, b->name)};
        /* Else its end could pass for that of what was cut in order. */
        v[i].held |= block_meta_has_hint(&b->meta, STR("from-out-of-order")) &&
                     b->meta.max_time > block_set_end(&db->blocks);
        v[i].held |= delayed && b->meta.level == 1 && !is_uploaded(uploaded, b->name);
    }
    size_t n = compact_plan(&o, v, l->n, places);
    for (size_t i = 0; i < n; i++)
        pick[i] = l->v[places[i]];
    json_decref(uploaded);
    fer_free(places);
    fer_free(v);
    return n;
}

/* The block is not tried again, by Prometheus neither; it is served as far as it can be read. */
static void mark_failed(tsdb *db, block *b)
{
    block_meta meta = b->meta;
    fer_err err = {0};
    meta.failed = true;
    if (update_meta(db, b, &meta, &err) != FER_OK)
        LOGW(db->o.log, "A failed merge cannot be noted", "block", b->name, "err", err.msg);
}

/* Which of the blocks are damaged: they are marked, the others may be merged without them. Returns how many; all when it was
 * stopped, or when a mapping has failed, which the next pass looks after. */
static size_t mark_damaged(tsdb *db, block *const *v, size_t n)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        fer_err err = {0};
        fer_code code = block_check(v[i], &db->m.cancel, &err);
        if (code == FER_OK)
            continue;
        if (code != FER_CORRUPT || block_failed(v[i]))
            return n;
        LOGE(db->o.log, "A block is damaged; it is not merged with others", "block", v[i]->name,
             "err", err.msg);
        mark_failed(db, v[i]);
        found++;
    }
    return found;
}

/* A merge that failed: its blocks are not tried again, unless it was the disk or us. */
static void note_failure(tsdb *db, fer_code code, block *const *v, size_t n, const fer_err *why)
{
    COUNT(db, compactions_failed, 1);
    LOGE(db->o.log, "Blocks cannot be merged", "first", v[0]->name, "blocks", LOG_INT(n), "err",
         why->msg);
    if (code == FER_IO || code == FER_NOSPACE || code == FER_LIMIT)
        return;
    if (code == FER_CORRUPT && mark_damaged(db, v, n) != 0)
        return;
    for (size_t i = 0; i < n; i++) {
        if (code == FER_UNSUPPORTED)
            hold(&db->m, v[i]->name);
        else
            mark_failed(db, v[i]);
    }
}

static bool overlap(block *const *v, size_t n)
{
    int64_t end = v[0]->meta.max_time;
    for (size_t i = 1; i < n; i++) {
        if (v[i]->meta.min_time < end)
            return true;
        end = v[i]->meta.max_time;
    }
    return false;
}

/* The log may still hold the samples of the newest block. While the block is there, a start does not read them back: it
 * stays, with its deletions, until a newer one is there. */
static bool keeps_log_out(tsdb *db, block *const *v, size_t n)
{
    int64_t end = block_set_end(&db->blocks);
    for (size_t i = 0; i < n; i++)
        if (v[i]->meta.max_time >= end)
            return true;
    return false;
}

/* Nothing is left of the blocks: they are marked, so that also after a crash they are not served again. */
static fer_code mark_deletable(tsdb *db, block *const *v, size_t n, fer_err *err)
{
    for (size_t i = 0; i < n; i++) {
        char path[PATH_MAX];
        block_meta meta = v[i]->meta;
        meta.deletable = true;
        FER_TRY(dir_file_path(path, db->path, v[i]->name, err));
        FER_TRY(block_meta_store(db->o.fs, path, &meta, err));
    }
    return FER_OK;
}

static fer_code merge(tsdb *db, block *const *v, size_t n, bool *ret_more, fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    compact_options o = compaction(db);
    block_meta meta = {0};
    uint64_t begin = db->o.clock->mono_ns(db->o.clock);
    set_writing(db, true);
    fer_code code = written(db, compact_blocks(&o, v, n, a, &meta, err), &meta);
    set_writing(db, false);
    if (code != FER_OK) {
        fer_err why = *err;
        if (code != FER_CANCELED)
            note_failure(db, code, v, n, &why);
        return code;
    }
    count_run(db, begin, &(chunk_spread){0});
    COUNT(db, vertical_compactions, overlap(v, n) ? 1 : 0);
    LOGI(db->o.log, "Merged blocks", "blocks", LOG_INT(n), "mint", LOG_INT(meta.min_time), "maxt",
         LOG_INT(meta.max_time), "ulid", meta.stats.samples != 0 ? meta.id.text : "none", "samples",
         LOG_INT(meta.stats.samples));
    *ret_more = meta.stats.samples != 0 || !keeps_log_out(db, v, n);
    if (!*ret_more)
        return FER_OK;
    if (meta.stats.samples == 0)
        FER_TRY(mark_deletable(db, v, n, err));
    return replace_blocks(db, &meta, v, n, err);
}

static fer_code merge_once(tsdb *db, bool *ret_more, fer_err *err)
{
    block_list l = block_set_all(&db->blocks);
    block **pick = fer_calloc(l.n + 1, sizeof *pick);
    size_t n = choose(db, &l, pick);
    *ret_more = n != 0;
    fer_code code = n == 0 ? FER_OK : merge(db, pick, n, ret_more, err);
    fer_free(pick);
    block_list_done(&l);
    return code;
}

/* Goes on past blocks that fail for their own sake. The head comes first: when it can be cut, merging waits. */
static fer_code merge_blocks(tsdb *db, fer_err *err)
{
    fer_code first = FER_OK;
    bool more = true;
    int64_t mint;
    while (more && !is_stopped(db) && !is_compactable(&db->h, &mint)) {
        fer_err local = {0};
        fer_code code = merge_once(db, &more, &local);
        if (code == FER_OK)
            continue;
        if (first == FER_OK) {
            first = code;
            if (err != NULL)
                *err = local;
        }
        if (code != FER_CORRUPT && code != FER_INVALID && code != FER_UNSUPPORTED)
            break;
    }
    return first;
}

/* ---- deletions ---- */

static fer_code clean_block(tsdb *db, block *b, fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    chunk_spread chunks = {0};
    compact_options o = compaction(db);
    o.counts = &chunks;
    block_meta meta = {0};
    uint64_t begin = db->o.clock->mono_ns(db->o.clock);
    set_writing(db, true);
    fer_code code = written(db, compact_rewrite(&o, b, a, &meta, err), &meta);
    set_writing(db, false);
    FER_TRY(code);
    count_run(db, begin, &chunks);
    if (meta.stats.samples == 0 && keeps_log_out(db, &b, 1))
        return FER_OK;
    if (meta.stats.samples == 0)
        FER_TRY(mark_deletable(db, &b, 1, err));
    return replace_blocks(db, &meta, &b, 1, err);
}

fer_code tsdb_clean_tombstones(tsdb *db, fer_err *err)
{
    fer_mutex_lock(&db->m.mu);
    uint64_t begin = db->o.clock->mono_ns(db->o.clock);
    block_list l = block_set_all(&db->blocks);
    fer_code code = FER_OK;
    for (size_t i = 0; i < l.n && code == FER_OK; i++)
        if (l.v[i]->stones.n != 0)
            code = clean_block(db, l.v[i], err);
    block_list_done(&l);
    COUNT(db, tombstone_cleanups, 1);
    COUNT(db, tombstone_cleanup_seconds, seconds_since(db, begin));
    fer_mutex_unlock(&db->m.mu);
    return code;
}

/* ---- retention ---- */

typedef struct dir_sum {
    vfs *fs;
    const char *dir;
    uint64_t bytes;
} dir_sum;

static fer_code add_entry(void *arg, const char *name)
{
    dir_sum *d = arg;
    char path[PATH_MAX];
    vfs_stat st;
    if (dir_file_path(path, d->dir, name, NULL) != FER_OK ||
        vfs_stat_path(d->fs, path, &st, NULL) != FER_OK)
        return FER_OK;
    if (!st.is_dir) {
        d->bytes += st.size;
        return FER_OK;
    }
    dir_sum sub = {d->fs, path, 0};
    if (vfs_list(d->fs, path, add_entry, &sub, NULL) == FER_OK)
        d->bytes += sub.bytes;
    return FER_OK;
}

/* Of all files below; 0 where there is no such folder. */
static uint64_t folder_bytes(const tsdb *db, const char *name)
{
    char path[PATH_MAX];
    if (dir_file_path(path, db->path, name, NULL) != FER_OK)
        return 0;
    dir_sum d = {db->o.fs, path, 0};
    return vfs_list(db->o.fs, path, add_entry, &d, NULL) == FER_OK ? d.bytes : 0;
}

static retention_limits limits_of(const tsdb *db)
{
    retention_limits l = {db->o.retention_ms, db->o.retention_bytes};
    uint64_t unused, total;
    if (db->o.retention_percent > 0 &&
        vfs_free_bytes(db->o.fs, db->path, &unused, &total, NULL) == FER_OK && total != 0)
        l.size_bytes = (uint64_t)((double)total / 100 * db->o.retention_percent);
    return l;
}

static fer_code expire(tsdb *db, const block_list *l, const retention_cause *cause, fer_err *err)
{
    block **gone = fer_calloc(l->n + 1, sizeof *gone);
    size_t n = 0;
    bool by_time = false, by_size = false;
    for (size_t i = 0; i < l->n; i++) {
        if (cause[i] == KEPT)
            continue;
        by_time |= cause[i] == EXPIRED_BY_TIME;
        by_size |= cause[i] == EXPIRED_BY_SIZE;
        LOGI(db->o.log, "Deleting a block beyond retention", "block", l->v[i]->name, "because",
             cause[i] == EXPIRED_BY_TIME ? "time" : "size");
        gone[n++] = l->v[i];
    }
    COUNT(db, time_retentions, by_time ? 1 : 0);
    COUNT(db, size_retentions, by_size ? 1 : 0);
    fer_code code = replace_blocks(db, &(block_meta){0}, gone, n, err);
    fer_free(gone);
    return code;
}

static fer_code apply_retention(tsdb *db, fer_err *err)
{
    retention_limits limits = limits_of(db);
    retention_state state = {.now_ms = db->o.clock->wall_ms(db->o.clock)};
    if (limits.size_bytes != 0)
        state.other_bytes =
            folder_bytes(db, "wal") + folder_bytes(db, "wbl") + folder_bytes(db, "chunks_head");
    block_list l = block_set_all(&db->blocks);
    retention_cause *cause = fer_calloc(l.n + 1, sizeof *cause);
    fer_code code = FER_OK;
    if (retention_choose(&limits, &state, l.v, l.n, cause) != 0)
        code = expire(db, &l, cause, err);
    fer_free(cause);
    block_list_done(&l);
    return code;
}

/* ---- a pass, and the thread ---- */

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
        {"retention", apply_retention},
    };
    fer_code first = FER_OK;
    fer_mutex_lock(&db->m.mu);
    COUNT(db, compactions_triggered, 1);
    fer_err local = {0};
    first = block_set_clean(&db->blocks, db->o.fs, db->path, &local);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        fer_err e = {0};
        fer_code code = steps[i].run(db, &e);
        if (code == FER_OK || code == FER_CANCELED)
            continue;
        LOGE(db->o.log, "A step of maintenance failed", "step", steps[i].what, "err", e.msg);
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
    while (!is_stopped(db)) {
        fer_code code = tsdb_maintenance_step(db, NULL);
        backoff = code == FER_OK ? 0 : backoff == 0 ? BACKOFF_FIRST_NS : backoff * 2;
        if (backoff > BACKOFF_MAX_NS)
            backoff = BACKOFF_MAX_NS;
        rest(db);
        uint64_t until =
            db->o.clock->mono_ns(db->o.clock) + (backoff == 0 ? PASS_EVERY_NS : backoff);
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

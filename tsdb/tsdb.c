/* tsdb.c - opening, closing and the public calls; the work is done in head_*, stage, commit, replay. */
#include "tsdb/tsdb_int.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "tsdb/db_querier.h"
#include "tsdb/head/head_mmap.h"
#include "tsdb/head/ooo_series.h"
#include "tsdb/wal/checkpoint.h"
#include "tsdb/wal/stage.h"

enum { CLOSE_TRIES = 3 };
#define CHUNK_RANGE_MS_DEFAULT (INT64_C(2) * 60 * 60 * 1000)
#define CHUNK_RANGE_MS_MAX (INT64_C(31) * 24 * 60 * 60 * 1000)

/* ---- opening ---- */

static char *join(const char *dir, const char *name)
{
    size_t a = strlen(dir), b = strlen(name);
    char *p = fer_alloc(a + b + 2);
    memcpy(p, dir, a);
    p[a] = '/';
    memcpy(p + a + 1, name, b + 1);
    return p;
}

static fer_code take_lock(tsdb *db, fer_err *err)
{
    if (db->o.no_lockfile || db->o.read_only) {
        db->clean_start = true;
        return FER_OK;
    }
    char *path = join(db->path, "lock");
    db->clean_start = !vfs_exists(db->o.fs, path);
    fer_code code = vfs_lock(db->o.fs, path, &db->lock, err);
    fer_free(path);
    if (code == FER_OK && !db->clean_start)
        LOGW(db->o.log, "A lock file was there: the last owner did not close the directory", "path",
             db->path);
    return code;
}

static int64_t chunk_range(const tsdb_options *o)
{
    if (o->min_block_ms <= 0)
        return CHUNK_RANGE_MS_DEFAULT;
    return o->min_block_ms < CHUNK_RANGE_MS_MAX ? o->min_block_ms : CHUNK_RANGE_MS_MAX;
}

static void log_replay(const tsdb *db)
{
    LOGI(db->o.log, "The log has been read", "series", LOG_INT(db->h.n_slots), "samples",
         LOG_INT(db->replay.samples), "chunks", LOG_INT(db->replay.chunks), "duration_ms",
         LOG_INT(db->replay.ns / 1000000));
}

static void log_blocks(tsdb *db)
{
    block_set_stats st;
    block_set_stats_get(&db->blocks, &st);
    if (st.blocks + st.damaged != 0)
        LOGI(db->o.log, "The blocks have been opened", "blocks", LOG_INT(st.blocks), "damaged",
             LOG_INT(st.damaged), "bytes", LOG_INT(st.bytes));
}

/* What a crash left of a checkpoint is read by nobody. */
static void remove_unfinished_checkpoints(tsdb *db)
{
    fer_err err = {0};
    if (!db->o.read_only && vfs_exists(db->o.fs, db->wal_dir) &&
        checkpoint_remove_unfinished(db->o.fs, db->wal_dir, &err) != FER_OK)
        LOGW(db->o.log, "An unfinished checkpoint cannot be removed", "err", err.msg);
}

static fer_code open_wbl(tsdb *db, fer_err *err)
{
    wal *wbl;
    wal_options wo = {
        .segment_bytes = db->o.wal_segment_bytes, .clock = db->o.clock, .begun = true};
    FER_TRY(wal_open(db->o.fs, db->wbl_dir, &wo, db->o.log, &wbl, err));
    /* Two threads may set the window at once; nothing was written to this one. */
    return committer_give_wbl(&db->c, wbl) ? FER_OK : wal_close(wbl, err);
}

fer_code tsdb_set_ooo_window(tsdb *db, int64_t window_ms, fer_err *err)
{
    if (window_ms < 0)
        window_ms = 0;
    if (window_ms != 0 && !committer_has_wbl(&db->c))
        FER_TRY(open_wbl(db, err));
    fer_mutex_lock(&db->h.mu);
    db->h.ooo_window_ms = window_ms;
    fer_mutex_unlock(&db->h.mu);
    return FER_OK;
}

void tsdb_set_max_exemplars(tsdb *db, size_t max)
{
    exemplar_store_resize(db->h.exemplars, max);
}

static fer_code fill(tsdb *db, tsdb_progress *progress, fer_err *err)
{
    FER_TRY(block_set_load(&db->blocks, db->o.fs, db->path, db->o.log, err));
    log_blocks(db);
    remove_unfinished_checkpoints(db);
    db->h.min_valid_time = block_set_end(&db->blocks);
    char *chunks_dir = join(db->path, "chunks_head");
    fer_code code =
        chunks_head_open(db->o.fs, chunks_dir, 0, &db->h.acct, db->o.log, &db->h.files, err);
    fer_free(chunks_dir);
    if (code != FER_OK)
        return code;
    const replay_source from = {
        db->o.fs,          db->wal_dir,          db->wbl_dir, db->o.clock, db->o.replay_threads,
        db->o.on_metadata, db->o.on_metadata_arg};
    FER_TRY(replay_log(&db->h, &from, progress, &db->replay, err));
    log_replay(db);
    /* As Prometheus does: the log still has series whose samples are all in blocks. */
    head_truncation gone;
    head_truncate(&db->h, db->h.min_valid_time, &gone);
    if (db->o.read_only)
        return FER_OK;
    FER_TRY(wal_cut_tear(db->o.fs, db->wal_dir, &db->replay.tear, err));
    FER_TRY(wal_cut_tear(db->o.fs, db->wbl_dir, &db->replay.wbl_tear, err));
    wal_options wo = {.segment_bytes = db->o.wal_segment_bytes, .clock = db->o.clock};
    if (db->o.sync == WAL_SYNC_GROUP)
        wo.ahead_bytes = wal_ahead_bytes(wo.segment_bytes);
    FER_TRY(wal_open(db->o.fs, db->wal_dir, &wo, db->o.log, &db->w, err));
    committer_init(&db->c, &db->h, db->w, &db->o);
    if (vfs_exists(db->o.fs, db->wbl_dir))
        FER_TRY(open_wbl(db, err));
    return tsdb_set_ooo_window(db, db->o.ooo_window_ms, err);
}

static fer_code open_storage(storage *st, const query_ctx *ctx, int64_t mint, int64_t maxt,
                             querier **ret, fer_err *err)
{
    tsdb *db = (tsdb *)((char *)st - offsetof(tsdb, storage));
    return db_querier_open(&db->h, &db->blocks, ctx, mint, maxt, ret, err);
}

static void free_handle(tsdb *db)
{
    head_done(&db->h);
    block_set_done(&db->blocks);
    maintenance_done(&db->m);
    vfs_close(db->lock);
    fer_free(db->wal_dir);
    fer_free(db->wbl_dir);
    fer_free(db->path);
    fer_free(db);
}

/* Both logs, after a failure as well: `code`, else the first failure here, of which err is. */
static fer_code close_logs(tsdb *db, wal *wbl, fer_code code, fer_err *err)
{
    fer_code closed = wal_close(db->w, code == FER_OK ? err : NULL);
    if (code == FER_OK)
        code = closed;
    if (wbl != NULL)
        closed = wal_close(wbl, code == FER_OK ? err : NULL);
    return code == FER_OK ? closed : code;
}

fer_code tsdb_open(const tsdb_options *o, tsdb_progress *progress, tsdb **ret, fer_err *err)
{
    if (!o->read_only)
        FER_TRY(vfs_mkdir_all(o->fs, o->path, err));
    tsdb *db = fer_calloc(1, sizeof *db);
    db->o = *o;
    db->path = fer_memdup0(o->path, strlen(o->path));
    db->o.path = db->path;
    db->wal_dir = join(o->path, "wal");
    db->wbl_dir = join(o->path, "wbl");
    db->storage.open = open_storage;
    fer_hash_key key;
    o->rng->fill(o->rng, key.secret, sizeof key.secret);
    block_set_init(&db->blocks, o->account);
    maintenance_init(&db->m, &db->o);
    db->blocks.keep_unfinished = o->read_only;
    if (o->read_only) {
        vfs_read_only_init(&db->fs, o->fs);
        db->o.fs = &db->fs.base;
    }
    head_init(&db->h, o->account, o->head_limit_bytes, chunk_range(o), &key, o->log);
    db->h.exemplars = exemplar_store_new(o->max_exemplars, &db->h.key, &db->h.acct);

    fer_code code = take_lock(db, err);
    if (code == FER_OK)
        code = fill(db, progress, err);
    if (code != FER_OK) {
        if (db->w != NULL) /* then there is a committer */
            (void)close_logs(db, committer_done(&db->c, code), code, NULL);
        free_handle(db);
        return code;
    }
    *ret = db;
    return FER_OK;
}

/* ---- closing ---- */

static fer_code drop_lock(tsdb *db, fer_err *err)
{
    if (db->lock == NULL)
        return FER_OK;
    char *path = join(db->path, "lock");
    fer_code code = vfs_unlink(db->o.fs, path, err);
    fer_free(path);
    return code;
}

/* As Prometheus does: the next start need not encode them again. */
static void put_chunks_away(tsdb *db)
{
    fer_err err = {0};
    if (head_mmap_full_chunks(&db->h, &err) != FER_OK)
        LOGW(db->o.log, "Full chunks could not be written to chunks_head", "err", err.msg);
}

fer_code tsdb_close(tsdb *db, fer_err *err)
{
    if (db->o.read_only) {
        free_handle(db);
        return FER_OK;
    }
    fer_code code = FER_BUSY;
    for (int i = 0; i < CLOSE_TRIES && code != FER_OK; i++)
        code = committer_step(&db->c, NULL, err);
    wal *wbl = committer_done(&db->c, code);
    if (code == FER_OK)
        put_chunks_away(db);
    code = close_logs(db, wbl, code, err);
    /* A lock file left behind tells the next start that this end was not clean. */
    if (code == FER_OK)
        code = drop_lock(db, err);
    free_handle(db);
    return code;
}

/* ---- writing ---- */

fer_code tsdb_stage_rows(tsdb *db, const tsdb_rows *rows, tsdb_labels_fn parse, void *parse_arg,
                         fer_arena *scratch, tsdb_report *report, tsdb_done_fn done, void *done_arg,
                         fer_err *err)
{
    if (db->o.read_only)
        return fer_fail(err, FER_UNSUPPORTED, "the database is open for reading only");
    stage_request req = {
        *rows, parse, parse_arg, scratch, done, done_arg, db->o.clock->wall_ms(db->o.clock)};
    return stage_request_take(&db->c, &req, report, err);
}

fer_code tsdb_stage(tsdb *db, const tsdb_row *rows, size_t n, tsdb_labels_fn parse, void *parse_arg,
                    fer_arena *scratch, tsdb_report *report, tsdb_done_fn done, void *done_arg,
                    fer_err *err)
{
    const tsdb_rows floats = {.floats = rows, .n_floats = n};
    return tsdb_stage_rows(db, &floats, parse, parse_arg, scratch, report, done, done_arg, err);
}

void tsdb_known(tsdb *db, const tsdb_row *rows, size_t n, bool *ret)
{
    head *h = &db->h;
    uint32_t next = 0; /* slot behind the one found last: senders repeat their order */
    fer_mutex_lock(&h->mu);
    for (size_t i = 0; i < n; i++) {
        uint32_t slot = next;
        if (next >= h->n_slots || !fp_eq(head_stage_rec(h, next)->fp, rows[i].fp))
            slot = head_find_fp(h, rows[i].fp);
        ret[i] = slot != SLOT_NONE;
        next = ret[i] ? slot + 1 : next;
    }
    fer_mutex_unlock(&h->mu);
}

fer_hash128 tsdb_fingerprint(const tsdb *db, fer_str raw)
{
    return fer_hash_keyed(&db->h.key, raw.p, raw.n);
}

void tsdb_run_committer(tsdb *db)
{
    committer_run(&db->c);
}

void tsdb_stop_committer(tsdb *db)
{
    committer_stop(&db->c);
}

fer_code tsdb_commit_step(tsdb *db, size_t *ret_batches, fer_err *err)
{
    return committer_step(&db->c, ret_batches, err);
}

fer_code tsdb_exemplars(tsdb *db, int64_t mint, int64_t maxt, const exemplar_matchers *sets,
                        size_t n_sets, fer_arena *a, exemplar_series **ret, size_t *ret_n,
                        fer_err *err)
{
    return exemplar_store_select(db->h.exemplars, mint, maxt, sets, n_sets, a, ret, ret_n, err);
}

void tsdb_exemplar_stats_get(tsdb *db, exemplar_stats *ret)
{
    exemplar_stats_get(db->h.exemplars, ret);
}

storage *tsdb_storage(tsdb *db)
{
    return &db->storage;
}

/* ---- telling ---- */

static void published_stats(head *h, tsdb_stats *ret)
{
    fer_mutex_lock(&h->publish);
    ret->chunks_removed = h->n_chunks_removed;
    ret->chunks = h->n_chunks;
    ret->chunks_created = h->n_chunks_created;
    ret->min_time = h->min_time;
    ret->max_time = h->max_time;
    ret->chunks_mapped = h->n_chunks_mapped;
    ret->bytes_chunks = (int64_t)h->bytes_hist;
    fer_mutex_unlock(&h->publish);
}

static void wal_stats_of(const wal_stats *w, tsdb_stats *ret)
{
    ret->wal_segment = w->segment;
    ret->wal_fsyncs = w->fsyncs;
    ret->wal_fsync_ns = w->fsync_ns;
    ret->wal_fsync_max_ns = w->fsync_max_ns;
    ret->wal_bytes = w->bytes_written;
    ret->wal_records = w->records;
    ret->wal_pages = w->pages;
    ret->wal_writes_failed = w->writes_failed;
}

static void locked_stats(tsdb *db, tsdb_stats *ret)
{
    head *h = &db->h;
    fer_mutex_lock(&h->mu);
    ret->series_created = h->count.series_created;
    ret->series_removed = h->count.series_removed;
    ret->series = ret->series_created - ret->series_removed;
    ret->samples_appended = h->count.samples_appended;
    ret->hists_appended = h->count.hists_appended;
    ret->out_of_order = h->count.out_of_order;
    ret->out_of_bounds = h->count.out_of_bounds;
    ret->duplicates = h->count.duplicates;
    ret->too_far = h->count.too_far;
    ret->too_old = h->count.too_old;
    ret->hists_out_of_order = h->count.hists_out_of_order;
    ret->hists_too_old = h->count.hists_too_old;
    ret->ooo_appended = h->count.ooo_appended;
    ret->ooo_hists_appended = h->count.ooo_hists_appended;
    ret->ooo_delta = h->count.ooo_delta;
    ret->ooo_series = h->ooo->n;
    ret->wbl_segment = db->c.wbl_told.segment;
    ret->wbl_fsyncs = db->c.wbl_told.fsyncs;
    ret->wbl_fsync_ns = db->c.wbl_told.fsync_ns;
    ret->wbl_pages = db->c.wbl_told.pages;
    ret->wbl_writes_failed = db->c.wbl_told.writes_failed;
    ret->refused_series = h->count.refused_series;
    ret->label_pairs = h->names->dict.n_pairs;
    ret->commits = db->c.commits;
    ret->staged_bytes = db->c.staged_bytes;
    ret->bytes_series = h->bytes_series;
    ret->bytes_labels = head_dict_label_bytes(&h->names->dict) +
                        atomic_load_explicit(&h->names->labels.bytes, memory_order_relaxed);
    ret->bytes_index = head_dict_index_bytes(&h->names->dict) + h->by_fp.bytes +
                       h->names->by_labels.bytes + h->ooo->by_slot.bytes;
    wal_stats_of(&db->c.wal_told, ret);
    fer_mutex_unlock(&h->mu);
}

/* Sum of the sizes of the files in wal/, checkpoints excluded. */
typedef struct dir_size {
    vfs *fs;
    const char *dir;
    uint64_t bytes;
} dir_size;

static fer_code add_size(void *arg, const char *name)
{
    dir_size *d = arg;
    char *path = join(d->dir, name);
    vfs_stat st;
    if (vfs_stat_path(d->fs, path, &st, NULL) == FER_OK && !st.is_dir)
        d->bytes += st.size;
    fer_free(path);
    return FER_OK;
}

static void blocks_stats(tsdb *db, tsdb_stats *ret)
{
    block_set_stats st;
    block_set_stats_get(&db->blocks, &st);
    ret->blocks = st.blocks;
    ret->blocks_damaged = st.damaged;
    ret->blocks_bytes = st.bytes;
    ret->blocks_min_time = st.min_time;
    ret->blocks_max_time = st.max_time;
}

typedef struct name_list {
    fer_arena *a;
    str_list *names;
    fer_code code;
    fer_err *err;
} name_list;

static void add_name(void *arg, const damaged_block *d)
{
    name_list *l = arg;
    if (l->code == FER_OK)
        l->code = str_list_add(l->names, l->a, str_of(d->id.text), l->err);
}

fer_code tsdb_damaged_blocks(tsdb *db, fer_arena *a, str_list *ret, fer_err *err)
{
    name_list l = {a, ret, FER_OK, err};
    block_set_each_damaged(&db->blocks, INT64_MIN, INT64_MAX, add_name, &l);
    return l.code;
}

void tsdb_stats_get(tsdb *db, tsdb_stats *ret)
{
    *ret = (tsdb_stats){0};
    blocks_stats(db, ret);
    published_stats(&db->h, ret);
    locked_stats(db, ret);
    ret->bytes_chunks += atomic_load_explicit(&db->h.chunks.bytes, memory_order_relaxed);
    ret->head_bytes = fer_account_used(&db->h.acct);
    int64_t other = ret->head_bytes - ret->bytes_series - ret->bytes_labels - ret->bytes_chunks -
                    ret->bytes_index;
    ret->bytes_other = other > 0 ? other : 0; /* parts may grow while they are read */
    ret->head_limit_bytes = db->h.acct.limit_bytes;
    chunks_head_stats files;
    chunks_head_stats_get(db->h.files, &files);
    ret->chunk_files_bytes = files.bytes;
    ret->chunk_files_damages = files.damages;
    ret->wal_corruptions = db->replay.corruptions;
    ret->wbl_corruptions = db->replay.wbl_corruptions;
    ret->replay_ns = db->replay.ns;
    ret->replay_unknown_refs = db->replay.unknown_refs;
    ret->clean_start = db->clean_start;
    dir_size size = {db->o.fs, db->wal_dir, 0};
    if (vfs_list(db->o.fs, db->wal_dir, add_size, &size, NULL) == FER_OK)
        ret->wal_bytes_on_disk = size.bytes;
    size = (dir_size){db->o.fs, db->wbl_dir, 0};
    if (ret->wbl_fsyncs != 0 && vfs_list(db->o.fs, db->wbl_dir, add_size, &size, NULL) == FER_OK)
        ret->wbl_bytes_on_disk = size.bytes;
}

void tsdb_each_block(tsdb *db, void (*fn)(void *arg, const block_meta *m), void *arg)
{
    block_list all = block_set_all(&db->blocks);
    for (size_t i = 0; i < all.n; i++)
        fn(arg, &all.v[i]->meta);
    block_list_done(&all);
}

/* merge.c - blocks become larger ones, as the planner chooses, and blocks without what is deleted. */
#include <jansson.h>
#include <string.h>

#include "tsdb/block/block_check.h"
#include "tsdb/block/dir_file.h"
#include "tsdb/maintenance/compact_plan.h"
#include "tsdb/maintenance/maintenance_int.h"

enum { DELAY_FILE_BYTES_MAX = 64 << 20 };

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
    MAINTENANCE_COUNT(db, compactions_failed, 1);
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
    compact_options o = maintenance_compaction(db, v[n - 1]->meta.max_time - v[0]->meta.min_time,
                                               maintenance_cut_span(&db->h));
    block_meta meta = {0};
    uint64_t begin = db->o.clock->mono_ns(db->o.clock);
    maintenance_set_writing(db, true);
    fer_code code = maintenance_written(db, compact_blocks(&o, v, n, a, &meta, err), &meta);
    maintenance_set_writing(db, false);
    if (code != FER_OK) {
        fer_err why = *err;
        if (code != FER_CANCELED)
            note_failure(db, code, v, n, &why);
        return code;
    }
    maintenance_count_run(db, begin, &(chunk_spread){0});
    MAINTENANCE_COUNT(db, vertical_compactions, overlap(v, n) ? 1 : 0);
    LOGI(db->o.log, "Merged blocks", "blocks", LOG_INT(n), "mint", LOG_INT(meta.min_time), "maxt",
         LOG_INT(meta.max_time), "ulid", meta.stats.samples != 0 ? meta.id.text : "none", "samples",
         LOG_INT(meta.stats.samples));
    *ret_more = meta.stats.samples != 0 || !keeps_log_out(db, v, n);
    if (!*ret_more)
        return FER_OK;
    if (meta.stats.samples == 0)
        FER_TRY(mark_deletable(db, v, n, err));
    return maintenance_replace_blocks(db, &meta, v, n, err);
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

fer_code merge_blocks(tsdb *db, fer_err *err)
{
    fer_code first = FER_OK;
    bool more = true;
    uint64_t until = db->o.clock->mono_ns(db->o.clock) + MAINTENANCE_PASS_NS;
    while (more && !maintenance_is_stopped(db) &&
           !maintenance_head_spans(&db->h, maintenance_cut_span(&db->h)) &&
           db->o.clock->mono_ns(db->o.clock) < until) {
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
    compact_options o = maintenance_compaction(db, b->meta.max_time - b->meta.min_time,
                                               maintenance_cut_span(&db->h));
    o.counts = &chunks;
    block_meta meta = {0};
    uint64_t begin = db->o.clock->mono_ns(db->o.clock);
    maintenance_set_writing(db, true);
    fer_code code = maintenance_written(db, compact_rewrite(&o, b, a, &meta, err), &meta);
    maintenance_set_writing(db, false);
    FER_TRY(code);
    maintenance_count_run(db, begin, &chunks);
    if (meta.stats.samples == 0 && keeps_log_out(db, &b, 1))
        return FER_OK;
    if (meta.stats.samples == 0)
        FER_TRY(mark_deletable(db, &b, 1, err));
    return maintenance_replace_blocks(db, &meta, &b, 1, err);
}

fer_code tsdb_clean_tombstones(tsdb *db, fer_err *err)
{
    maintenance_enter(&db->m);
    uint64_t begin = db->o.clock->mono_ns(db->o.clock);
    block_list l = block_set_all(&db->blocks);
    fer_code code = FER_OK;
    for (size_t i = 0; i < l.n && code == FER_OK; i++)
        if (l.v[i]->stones.n != 0)
            code = clean_block(db, l.v[i], err);
    block_list_done(&l);
    MAINTENANCE_COUNT(db, tombstone_cleanups, 1);
    MAINTENANCE_COUNT(db, tombstone_cleanup_seconds, maintenance_seconds(db, begin));
    maintenance_leave(&db->m);
    return code;
}

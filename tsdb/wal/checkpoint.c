/* checkpoint.c - reads records, keeps what is needed, writes them with a WAL writer of its own. */
#include "tsdb/wal/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "tsdb/head/head_table.h"
#include "tsdb/wal/record.h"
#include "tsdb/wal/record_times.h"
#include "tsdb/wal/wal_dir.h"

enum { WRITE_BYTES = 1 << 20, METADATA_PER_RECORD = 1024 };

/* The newest metadata of a series. */
typedef struct metadata_item {
    uint64_t ref;
    size_t at; /* of the encoded entry, in the text */
    uint32_t bytes;
} metadata_item;

typedef struct metadata_set {
    head_table by_ref;
    metadata_item *v;
    uint32_t n, cap;
    fer_buf text;
} metadata_set;

typedef struct checkpointer {
    const checkpoint_request *req;
    checkpoint_stats *stats;
    wal *w;
    fer_buf out; /* the record being made */
    record_samples samples;
    bool begun;
    metadata_set meta;
    fer_err *err;
} checkpointer;

/* ---- metadata ---- */

static metadata_item *find_metadata(metadata_set *m, uint64_t ref)
{
    table_probe probe = head_table_probe(&m->by_ref, fer_hash_mix(0, ref));
    uint32_t i;
    while ((i = table_probe_next(&probe)) != TABLE_NONE)
        if (m->v[i].ref == ref)
            return &m->v[i];
    return NULL;
}

static metadata_item *make_metadata(metadata_set *m, uint64_t ref)
{
    metadata_item *item = find_metadata(m, ref);
    if (item != NULL)
        return item;
    if (m->n == m->cap) {
        uint32_t cap = m->cap == 0 ? 64 : m->cap * 2;
        m->v = fer_realloc(m->v, cap * sizeof *m->v);
        fer_account_force(m->by_ref.acct, (cap - m->cap) * sizeof *m->v);
        m->cap = cap;
    }
    head_table_insert(&m->by_ref, fer_hash_mix(0, ref), m->n);
    m->v[m->n] = (metadata_item){.ref = ref};
    return &m->v[m->n++];
}

static void metadata_done(metadata_set *m)
{
    fer_account_release(m->by_ref.acct, m->cap * sizeof *m->v);
    fer_free(m->v);
    head_table_done(&m->by_ref);
    fer_buf_done(&m->text);
}

/* ---- what is kept ---- */

static fer_code on_series(void *arg, uint64_t ref, labels ls)
{
    checkpointer *c = arg;
    if (!ref_set_has(c->req->keep, ref)) {
        c->stats->series_dropped++;
        return FER_OK;
    }
    if (!c->begun)
        record_series_begin(&c->out);
    c->begun = true;
    record_series_add(&c->out, ref, ls);
    c->stats->series_kept++;
    return FER_OK;
}

static fer_code on_sample(void *arg, uint64_t ref, int64_t t, double v)
{
    checkpointer *c = arg;
    if (t < c->req->mint) {
        c->stats->samples_dropped++;
        return FER_OK;
    }
    if (!c->begun)
        record_samples_begin(&c->samples, &c->out);
    c->begun = true;
    record_samples_add(&c->samples, &c->out, ref, t, v);
    c->stats->samples_kept++;
    return FER_OK;
}

static fer_code on_tombstone(void *arg, uint64_t ref, int64_t mint, int64_t maxt)
{
    checkpointer *c = arg;
    if (maxt < c->req->stones_mint || !ref_set_has(c->req->keep, ref)) {
        c->stats->others_dropped++;
        return FER_OK;
    }
    if (!c->begun)
        record_tombstones_begin(&c->out);
    c->begun = true;
    record_tombstones_add(&c->out, ref, mint, maxt);
    c->stats->others_kept++;
    return FER_OK;
}

static fer_code on_metadata(void *arg, const record_metadata *m)
{
    checkpointer *c = arg;
    if (!ref_set_has(c->req->keep, m->ref)) {
        c->stats->others_dropped++;
        return FER_OK;
    }
    size_t at = c->meta.text.n;
    record_metadata_add(&c->meta.text, m);
    if (c->meta.text.full)
        return fer_fail_budget(c->err, "the metadata of a checkpoint");
    metadata_item *item = make_metadata(&c->meta, m->ref);
    c->stats->others_dropped += item->bytes != 0;
    c->stats->others_kept += item->bytes == 0;
    item->at = at;
    item->bytes = (uint32_t)(c->meta.text.n - at);
    return FER_OK;
}

/* ---- records ---- */

static fer_code write_some(checkpointer *c, size_t above)
{
    if (wal_pending_bytes(c->w) <= above)
        return FER_OK;
    FER_TRY(wal_write(c->w, c->err));
    wal_relax(c->w); /* a failure gives up the whole checkpoint: nothing is written twice */
    return FER_OK;
}

static fer_code end_record(checkpointer *c)
{
    if (c->begun)
        wal_append(c->w, fer_buf_str(&c->out));
    c->begun = false;
    fer_buf_clear(&c->out);
    return write_some(c, WRITE_BYTES);
}

static void note_damage(checkpointer *c, uint64_t segment, uint64_t offset, const char *why)
{
    c->stats->damages++;
    LOGW(c->req->log, "A checkpoint passes over damage in the log", "segment", LOG_INT(segment),
         "offset", LOG_INT(offset), "err", why);
}

/* A record that is kept as it is or not at all. One that cannot be read is kept: this version may not know all
 * of its kinds. */
static fer_code take_whole(checkpointer *c, fer_str rec)
{
    int64_t newest;
    if (record_newest(rec, &newest) == FER_OK && newest < c->req->mint) {
        c->stats->others_dropped++;
        return FER_OK;
    }
    c->stats->others_kept++;
    wal_append(c->w, rec);
    return write_some(c, WRITE_BYTES);
}

static bool is_read(uint8_t type)
{
    return type == RECORD_SERIES || type == RECORD_SAMPLES || type == RECORD_TOMBSTONES ||
           type == RECORD_METADATA;
}

static fer_code on_record(void *arg, uint64_t segment, uint64_t offset, fer_str rec)
{
    checkpointer *c = arg;
    uint8_t type = record_type_of(rec);
    if (record_has_times(type))
        return take_whole(c, rec);
    if (!is_read(type)) {
        c->stats->others_dropped++;
        return FER_OK;
    }
    const record_visitor v = {c, on_series, on_sample, on_tombstone, on_metadata};
    fer_err err = {0};
    fer_code code = record_decode(rec, &v, &err);
    if (code == FER_CORRUPT)
        note_damage(c, segment, offset, err.msg); /* what stands before it is kept */
    else
        FER_TRY(code);
    return end_record(c);
}

static void on_damage(void *arg, const wal_damage *d)
{
    note_damage(arg, d->segment, d->offset, d->why);
}

static int by_place(const void *a, const void *b)
{
    const metadata_item *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

/* As it was told, the newest last: of a family it stands with several series, and a start takes the last. */
static fer_code write_metadata(checkpointer *c)
{
    if (c->meta.n != 0)
        qsort(c->meta.v, c->meta.n, sizeof *c->meta.v, by_place);
    for (uint32_t i = 0; i < c->meta.n;) {
        record_metadata_begin(&c->out);
        c->begun = true;
        for (uint32_t k = 0; k < METADATA_PER_RECORD && i < c->meta.n; k++, i++)
            fer_buf_put(&c->out, c->meta.text.p + c->meta.v[i].at, c->meta.v[i].bytes);
        FER_TRY(end_record(c));
    }
    return write_some(c, 0);
}

/* ---- files ---- */

static fer_code checkpoint_path(char ret[PATH_MAX], const char *dir, uint64_t number,
                                const char *suffix, fer_err *err)
{
    int n = snprintf(ret, PATH_MAX, "%s/checkpoint.%08" PRIu64 "%s", dir, number, suffix);
    if (n < 0 || n >= PATH_MAX)
        return fer_fail(err, FER_INVALID, "%s: the path is too long", dir);
    return FER_OK;
}

static fer_code fill(checkpointer *c)
{
    const checkpoint_request *req = c->req;
    FER_TRY(wal_read_until(req->fs, req->wal_dir, req->last, on_record, on_damage, c, c->err));
    FER_TRY(write_metadata(c));
    wal_stats st;
    wal_stats_get(c->w, &st);
    if (st.records == 0) { /* a checkpoint without a segment is not known to be read by all */
        record_samples_begin(&c->samples, &c->out);
        c->begun = true;
        FER_TRY(end_record(c));
    }
    return FER_OK;
}

/* Writes the segments of the checkpoint into dir, which is made; they are durable when it returns. */
static fer_code write_segments(const checkpoint_request *req, const char *dir,
                               checkpoint_stats *stats, fer_err *err)
{
    checkpointer c = {.req = req, .stats = stats, .err = err};
    FER_TRY(wal_open(req->fs, dir, &req->wal, req->log, &c.w, err));
    fer_buf_init(&c.out, SIZE_MAX / 2, NULL);
    fer_buf_init(&c.meta.text, SIZE_MAX / 2, req->acct);
    head_table_init(&c.meta.by_ref, req->acct);
    fer_code code = fill(&c);
    fer_code closed = wal_close(c.w, code == FER_OK ? err : NULL);
    metadata_done(&c.meta);
    fer_buf_done(&c.out);
    return code == FER_OK ? closed : code;
}

fer_code checkpoint_write(const checkpoint_request *req, checkpoint_stats *ret, fer_err *err)
{
    *ret = (checkpoint_stats){0};
    char tmp[PATH_MAX], path[PATH_MAX];
    FER_TRY(checkpoint_path(tmp, req->wal_dir, req->last, ".tmp", err));
    FER_TRY(checkpoint_path(path, req->wal_dir, req->last, "", err));
    if (vfs_exists(req->fs, tmp))
        FER_TRY(vfs_remove_all(req->fs, tmp, err));
    fer_code code = write_segments(req, tmp, ret, err);
    if (code == FER_OK)
        code = vfs_sync_dir(req->fs, tmp, err);
    if (code == FER_OK)
        code = vfs_rename(req->fs, tmp, path, err);
    if (code != FER_OK) {
        /* What cannot be removed now, the next checkpoint or start removes. */
        fer_code ignored = vfs_remove_all(req->fs, tmp, NULL);
        (void)ignored;
        return code;
    }
    return vfs_sync_dir(req->fs, req->wal_dir, err);
}

/* The newest checkpoint's number; false when there is none. */
static fer_code newest_checkpoint(vfs *fs, const char *dir, uint64_t *ret, bool *ret_any,
                                  fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    uint64_t *v;
    size_t n;
    FER_TRY(wal_list_checkpoints(fs, dir, a, &v, &n, err));
    *ret_any = n != 0;
    *ret = n == 0 ? 0 : v[n - 1];
    return FER_OK;
}

fer_code checkpoint_choose(vfs *fs, const char *wal_dir, uint64_t *ret_last, bool *ret_any,
                           fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    uint64_t newest, *seg;
    size_t n, from = 0;
    bool any;
    *ret_any = false;
    FER_TRY(newest_checkpoint(fs, wal_dir, &newest, &any, err));
    FER_TRY(wal_list(fs, wal_dir, a, &seg, &n, err));
    while (any && from < n && seg[from] <= newest)
        from++;
    if (n - from < 2)
        return FER_OK;
    uint64_t first = seg[from], last = seg[n - 1] - 1;
    *ret_last = first + (last - first) * 2 / 3;
    *ret_any = *ret_last > first;
    return FER_OK;
}

/* ---- tidying ---- */

static fer_code remove_segments(vfs *fs, const char *dir, uint64_t upto, uint64_t *ret_removed,
                                fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    uint64_t *seg;
    size_t n;
    char path[PATH_MAX];
    FER_TRY(wal_list(fs, dir, a, &seg, &n, err));
    for (size_t i = 0; i < n && seg[i] <= upto; i++) {
        FER_TRY(wal_segment_path(path, dir, seg[i], err));
        FER_TRY(vfs_unlink(fs, path, err));
        ++*ret_removed;
    }
    return FER_OK;
}

static fer_code remove_checkpoints(vfs *fs, const char *dir, uint64_t below, fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    uint64_t *v;
    size_t n;
    char path[PATH_MAX];
    FER_TRY(wal_list_checkpoints(fs, dir, a, &v, &n, err));
    for (size_t i = 0; i < n && v[i] < below; i++) {
        FER_TRY(checkpoint_path(path, dir, v[i], "", err));
        FER_TRY(vfs_remove_all(fs, path, err));
    }
    return FER_OK;
}

/* Names of unfinished checkpoints. */
typedef struct leftovers {
    fer_arena *a;
    const char *dir;
    fer_str path[16];
    size_t n;
} leftovers;

static fer_code note_leftover(void *arg, const char *name)
{
    leftovers *l = arg;
    fer_str s = str_of(name);
    if (l->n < sizeof l->path / sizeof *l->path && str_has_prefix(s, STR("checkpoint.")) &&
        str_has_suffix(s, STR(".tmp")))
        l->path[l->n++] = fer_arena_printf(l->a, "%s/%s", l->dir, name);
    return FER_OK;
}

fer_code checkpoint_remove_unfinished(vfs *fs, const char *dir, fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    leftovers l = {.a = a, .dir = dir};
    FER_TRY(vfs_list(fs, dir, note_leftover, &l, err));
    for (size_t i = 0; i < l.n; i++)
        FER_TRY(vfs_remove_all(fs, l.path[i].p, err));
    return FER_OK;
}

fer_code checkpoint_tidy(vfs *fs, const char *wal_dir, uint64_t *ret_removed, fer_err *err)
{
    uint64_t newest, removed = 0;
    bool any;
    FER_TRY(checkpoint_remove_unfinished(fs, wal_dir, err));
    FER_TRY(newest_checkpoint(fs, wal_dir, &newest, &any, err));
    if (any) {
        FER_TRY(vfs_sync_dir(
            fs, wal_dir, err)); /* its name may not be durable: whoever gave it may have failed */
        FER_TRY(remove_segments(fs, wal_dir, newest, &removed, err));
        FER_TRY(remove_checkpoints(fs, wal_dir, newest, err));
    }
    if (ret_removed != NULL)
        *ret_removed = removed;
    return FER_OK;
}

/* snapshot.c - a copy of the database that shares the files of its blocks. */
#include <string.h>

#include "tsdb/block/block_sums.h"
#include "tsdb/block/dir_file.h"
#include "tsdb/head/ooo_series.h"
#include "tsdb/maintenance/compact_head.h"
#include "tsdb/tsdb_int.h"

typedef struct link_job {
    vfs *fs;
    const char *from, *to;
    fer_err *err;
} link_job;

static fer_code link_one(void *arg, const char *name)
{
    const link_job *j = arg;
    char from[PATH_MAX], to[PATH_MAX];
    FER_TRY(dir_file_path(from, j->from, name, j->err));
    FER_TRY(dir_file_path(to, j->to, name, j->err));
    return vfs_link(j->fs, from, to, j->err);
}

static fer_code link_chunks(vfs *fs, const char *from, const char *to, fer_err *err)
{
    char from_chunks[PATH_MAX], to_chunks[PATH_MAX];
    FER_TRY(dir_file_path(from_chunks, from, "chunks", err));
    FER_TRY(dir_file_path(to_chunks, to, "chunks", err));
    FER_TRY(vfs_mkdir_all(fs, to_chunks, err));
    link_job j = {fs, from_chunks, to_chunks, err};
    FER_TRY(vfs_list(fs, from_chunks, link_one, &j, err));
    return vfs_sync_dir(fs, to_chunks, err);
}

static fer_code link_block(const tsdb *db, const char *name, const char *dir, fer_err *err)
{
    static const char *const files[] = {"meta.json", "index", "tombstones", BLOCK_SUMS_FILE};
    enum { TOMBSTONES = 2 };
    char from[PATH_MAX], to[PATH_MAX], file[PATH_MAX];
    FER_TRY(dir_file_path(from, db->path, name, err));
    FER_TRY(dir_file_path(to, dir, name, err));
    FER_TRY(link_chunks(db->o.fs, from, to, err));
    link_job j = {db->o.fs, from, to, err};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        FER_TRY(dir_file_path(file, from, files[i], err));
        vfs_stat st;
        fer_code code = vfs_stat_path(db->o.fs, file, &st, err);
        if (code == FER_NOTFOUND && i >= TOMBSTONES)
            continue; /* blocks made elsewhere may have none */
        FER_TRY(code);
        FER_TRY(link_one(&j, files[i]));
    }
    return vfs_sync_dir(db->o.fs, to, err);
}

/* Blocks of the head on their way. */
typedef struct head_job {
    head *h;
    compact_options o;
    fer_arena *a;
} head_job;

static fer_code write_in_order(head_job *j, fer_err *err)
{
    fer_mutex_lock(&j->h->publish);
    int64_t mint = j->h->min_time, maxt = j->h->max_time;
    fer_mutex_unlock(&j->h->publish);
    if (mint > maxt || maxt == INT64_MAX)
        return FER_OK;
    block_meta meta;
    return compact_head(&j->o, j->h, mint, maxt + 1, j->a, &meta, err);
}

static fer_code write_range(void *arg, int64_t mint, int64_t maxt, fer_err *err)
{
    const head_job *j = arg;
    block_meta meta;
    return compact_ooo(&j->o, j->h, mint, maxt, j->a, &meta, err);
}

/* They stay in the head. */
static fer_code write_out_of_order(head_job *j, fer_err *err)
{
    int64_t min, max;
    fer_mutex_lock(&j->h->publish);
    fer_mutex_lock(&j->h->mu);
    ooo_draw_line(j->h);
    fer_mutex_unlock(&j->h->mu);
    fer_mutex_unlock(&j->h->publish);
    if (!ooo_freeze(j->h, &min, &max))
        return FER_OK;
    fer_code code = compact_each_range(j->h->chunk_range_ms, min, max, write_range, j, err);
    ooo_thaw(j->h);
    return code;
}

static fer_code write_head(tsdb *db, const char *dir, fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    head_job j = {
        .h = &db->h,
        .o = {.fs = db->o.fs,
              .dir = dir,
              .clock = db->o.clock,
              .rng = db->o.rng,
              .acct = &db->m.acct,
              .segment_bytes = db->o.chunk_segment_bytes,
              .cancel = &db->m.cancel},
        .a = a,
    };
    FER_TRY(write_in_order(&j, err));
    return write_out_of_order(&j, err);
}

fer_code tsdb_snapshot(tsdb *db, const char *dir, bool with_head, fer_err *err)
{
    FER_TRY(vfs_mkdir_all(db->o.fs, dir, err));
    maintenance_enter(&db->m);
    block_list l = block_set_all(&db->blocks);
    fer_code code = FER_OK;
    for (size_t i = 0; i < l.n && code == FER_OK; i++)
        code = link_block(db, l.v[i]->name, dir, err);
    block_list_done(&l);
    if (code == FER_OK && with_head)
        code = write_head(db, dir, err);
    if (code == FER_OK)
        code = vfs_sync_dir(db->o.fs, dir, err);
    maintenance_leave(&db->m);
    return code;
}

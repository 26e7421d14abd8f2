/* expire.c - blocks beyond retention go. */
#include "tsdb/block/dir_file.h"
#include "tsdb/maintenance/maintenance_int.h"
#include "tsdb/maintenance/retention.h"

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
    MAINTENANCE_COUNT(db, time_retentions, by_time ? 1 : 0);
    MAINTENANCE_COUNT(db, size_retentions, by_size ? 1 : 0);
    fer_code code = maintenance_replace_blocks(db, &(block_meta){0}, gone, n, err);
    fer_free(gone);
    return code;
}

fer_code expire_blocks(tsdb *db, fer_err *err)
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

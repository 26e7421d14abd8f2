#include "tsdb/block/block_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tsdb/block/dir_file.h"

enum { NAME_BYTES = 64 };
#define QUARANTINE "quarantine"

void block_set_init(block_set *s, fer_account *parent)
{
    memset(s, 0, sizeof *s);
    fer_mutex_init(&s->mu, "blocks", RANK_BLOCKS);
    fer_account_init(&s->acct, "blocks", parent, 0);
}

void block_set_done(block_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        block_unref(s->v[i]);
    for (size_t i = 0; i < s->n_damaged; i++)
        fer_free(s->damaged[i].why);
    fer_free(s->v);
    fer_free(s->damaged);
    fer_free(s->replaced);
    fer_mutex_done(&s->mu);
}

/* ---- loading ---- */

typedef struct dir_names {
    char (*v)[NAME_BYTES];
    size_t n, cap;
} dir_names;

/* Names of blocks, and of what unfinished work on blocks is called. */
static fer_code note_name(void *arg, const char *name)
{
    dir_names *l = arg;
    char id[ULID_CHARS + 1];
    if (strlen(name) < ULID_CHARS || strlen(name) >= NAME_BYTES)
        return FER_OK;
    memcpy(id, name, ULID_CHARS);
    id[ULID_CHARS] = '\0';
    const char *end = name + ULID_CHARS;
    if (!ulid_is_valid(id) || (*end != '\0' && strcmp(end, ".tmp-for-creation") != 0 &&
                               strcmp(end, ".tmp-for-deletion") != 0 && strcmp(end, ".tmp") != 0))
        return FER_OK;
    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 32 : l->cap * 2;
        l->v = fer_realloc(l->v, l->cap * sizeof *l->v);
    }
    memcpy(l->v[l->n++], name, strlen(name) + 1);
    return FER_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void remove_unfinished(vfs *fs, const char *dir, const char *name, fer_log *log)
{
    char path[PATH_MAX];
    fer_err err = {0};
    fer_code code = dir_file_path(path, dir, name, &err);
    if (code == FER_OK)
        code = vfs_remove_all(fs, path, &err);
    if (code == FER_OK)
        LOGI(log, "Removed an unfinished block", "dir", name);
    else
        LOGW(log, "An unfinished block cannot be removed", "dir", name, "err", err.msg);
}

/* dir: where the folder lies. */
static damaged_block describe_damaged(vfs *fs, const char *dir, const char *name, const char *why)
{
    damaged_block d = {.why = fer_memdup0(why, strlen(why))};
    memcpy(d.id.text, name, sizeof d.id.text);
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    char path[PATH_MAX];
    block_meta meta;
    if (dir_file_path(path, dir, name, NULL) == FER_OK &&
        block_meta_load(fs, path, a, &meta, NULL) == FER_OK) {
        d.has_range = true;
        d.min_time = meta.min_time;
        d.max_time = meta.max_time;
    }
    return d;
}

static void add_damaged(block_set *s, const damaged_block *d)
{
    fer_mutex_lock(&s->mu);
    s->damaged = fer_realloc(s->damaged, (s->n_damaged + 1) * sizeof *s->damaged);
    s->damaged[s->n_damaged++] = *d;
    fer_mutex_unlock(&s->mu);
}

static bool is_damage(fer_code code)
{
    return code == FER_CORRUPT || code == FER_NOTFOUND;
}

/* A crash may leave a file that was to take the place of another. */
static void remove_stray(vfs *fs, const char *dir, const char *name, fer_log *log)
{
    static const char *const strays[] = {"meta.json.tmp", "tombstones.tmp"};
    char folder[PATH_MAX], path[PATH_MAX];
    for (size_t i = 0; i < sizeof strays / sizeof *strays; i++) {
        fer_err err = {0};
        if (dir_file_path(folder, dir, name, NULL) != FER_OK ||
            dir_file_path(path, folder, strays[i], NULL) != FER_OK || !vfs_exists(fs, path))
            continue;
        if (vfs_unlink(fs, path, &err) != FER_OK)
            LOGW(log, "An unfinished file cannot be removed", "file", path, "err", err.msg);
    }
}

static void load_block(block_set *s, vfs *fs, const char *dir, const char *name, fer_log *log)
{
    block *b;
    fer_err err = {0};
    fer_code code = block_open(fs, dir, name, &s->acct, &b, &err);
    if (code != FER_OK) {
        damaged_block d = describe_damaged(fs, dir, name, err.msg);
        d.to_move = is_damage(code);
        add_damaged(s, &d);
        LOGE(log, "A block is damaged and not served", "block", name, "err", err.msg);
        return;
    }
    s->v = fer_realloc(s->v, (s->n + 1) * sizeof(block *));
    s->v[s->n++] = b;
}

/* ---- quarantine ---- */

static fer_code move_aside(vfs *fs, const char *dir, const char *name, fer_err *err)
{
    char aside[PATH_MAX], from[PATH_MAX], to[PATH_MAX];
    FER_TRY(dir_file_path(aside, dir, QUARANTINE, err));
    FER_TRY(dir_file_path(from, dir, name, err));
    FER_TRY(dir_file_path(to, aside, name, err));
    FER_TRY(vfs_mkdir_all(fs, aside, err));
    FER_TRY(vfs_rename(fs, from, to, err));
    FER_TRY(vfs_sync_dir(fs, aside, err));
    return vfs_sync_dir(fs, dir, err);
}

/* Of what was found just now. A move that fails leaves the block where it is, not served; the next start tries again. */
static void move_damaged(block_set *s, vfs *fs, const char *dir, fer_log *log)
{
    for (size_t i = 0; i < s->n_damaged; i++) {
        damaged_block *d = &s->damaged[i];
        fer_err err = {0};
        if (!d->to_move)
            continue;
        d->aside = move_aside(fs, dir, d->id.text, &err) == FER_OK;
        if (d->aside)
            LOGE(log, "A damaged block was set aside; mended, it may be moved back", "block",
                 d->id.text, "to", QUARANTINE);
        else
            LOGE(log, "A damaged block cannot be set aside", "block", d->id.text, "err", err.msg);
        d->to_move = false;
    }
}

/* Blocks that were set aside before. */
static void note_aside(block_set *s, vfs *fs, const char *dir, fer_log *log)
{
    char aside[PATH_MAX];
    dir_names names = {0};
    if (dir_file_path(aside, dir, QUARANTINE, NULL) != FER_OK || !vfs_exists(fs, aside))
        return;
    fer_err err = {0};
    if (vfs_list(fs, aside, note_name, &names, &err) != FER_OK)
        LOGW(log, "The blocks set aside cannot be listed", "err", err.msg);
    if (names.n != 0)
        qsort(names.v, names.n, sizeof *names.v, by_name);
    for (size_t i = 0; i < names.n; i++) {
        if (names.v[i][ULID_CHARS] != '\0')
            continue;
        damaged_block d = describe_damaged(fs, aside, names.v[i], "set aside in " QUARANTINE "/");
        d.aside = true;
        add_damaged(s, &d);
        LOGW(log, "A damaged block is set aside and not served", "block", names.v[i], "in",
             QUARANTINE);
    }
    fer_free(names.v);
}

/* ---- what others replace ---- */

static bool is_parent(const block_set *s, const char *id)
{
    for (size_t i = 0; i < s->n; i++) {
        const block_meta *m = &s->v[i]->meta;
        for (size_t k = 0; k < m->n_parents; k++)
            if (strcmp(m->parents[k].id.text, id) == 0 && strcmp(m->id.text, id) != 0)
                return true;
    }
    return false;
}

void block_set_remove_later(block_set *s, const ulid *id)
{
    if (s->n_replaced == s->cap_replaced) {
        s->cap_replaced = s->cap_replaced == 0 ? 8 : s->cap_replaced * 2;
        s->replaced = fer_realloc(s->replaced, s->cap_replaced * sizeof *s->replaced);
    }
    s->replaced[s->n_replaced++] = *id;
}

/* Takes out what others replace. All are asked before one goes: a replaced block may itself name the blocks
 * it replaced. */
static void drop_replaced(block_set *s, fer_log *log)
{
    bool *gone = fer_calloc(s->n + s->n_damaged + 1, sizeof *gone);
    for (size_t i = 0; i < s->n; i++)
        gone[i] = s->v[i]->meta.deletable || is_parent(s, s->v[i]->meta.id.text);
    for (size_t i = 0; i < s->n_damaged; i++)
        gone[s->n + i] = is_parent(s, s->damaged[i].id.text);
    size_t kept = 0, had = s->n;
    for (size_t i = 0; i < had; i++) {
        if (!gone[i]) {
            s->v[kept++] = s->v[i];
            continue;
        }
        LOGI(log, "A block that has been replaced is not served", "block", s->v[i]->name);
        block_set_remove_later(s, &s->v[i]->meta.id);
        block_unref(s->v[i]);
    }
    s->n = kept;
    kept = 0;
    for (size_t i = 0; i < s->n_damaged; i++) {
        if (!gone[had + i]) {
            s->damaged[kept++] = s->damaged[i];
            continue;
        }
        block_set_remove_later(s, &s->damaged[i].id);
        fer_free(s->damaged[i].why);
    }
    s->n_damaged = kept;
    fer_free(gone);
}

static int by_time(const void *a, const void *b)
{
    const block_meta *x = &(*(block *const *)a)->meta, *y = &(*(block *const *)b)->meta;
    if (x->min_time != y->min_time)
        return x->min_time < y->min_time ? -1 : 1;
    return strcmp(x->id.text, y->id.text);
}

fer_code block_set_load(block_set *s, vfs *fs, const char *dir, fer_log *log, fer_err *err)
{
    dir_names names = {0};
    note_aside(s, fs, dir, log);
    fer_code code = vfs_list(fs, dir, note_name, &names, err);
    /* Names that a process gave before it died may not be durable; what is removed or served by them must not be
     * found under others after a power cut. */
    if (code == FER_OK && names.n != 0 && !s->keep_unfinished)
        code = vfs_sync_dir(fs, dir, err);
    if (code == FER_OK && names.n != 0) {
        qsort(names.v, names.n, sizeof *names.v, by_name);
        for (size_t i = 0; i < names.n; i++) {
            bool is_block = names.v[i][ULID_CHARS] == '\0';
            if (!s->keep_unfinished)
                (is_block ? remove_stray : remove_unfinished)(fs, dir, names.v[i], log);
            if (is_block)
                load_block(s, fs, dir, names.v[i], log);
        }
        drop_replaced(s, log);
        if (!s->keep_unfinished)
            move_damaged(s, fs, dir, log);
        if (s->n != 0)
            qsort(s->v, s->n, sizeof(block *), by_time);
    }
    fer_free(names.v);
    return code;
}

/* ---- changing ---- */

fer_code block_folder_remove(vfs *fs, const char *dir, const char *name, fer_err *err)
{
    char tmp_name[NAME_BYTES], path[PATH_MAX], tmp[PATH_MAX];
    snprintf(tmp_name, sizeof tmp_name, "%s.tmp-for-deletion", name);
    FER_TRY(dir_file_path(path, dir, name, err));
    FER_TRY(dir_file_path(tmp, dir, tmp_name, err));
    fer_code code = vfs_rename(fs, path, tmp, err);
    if (code != FER_OK && code != FER_NOTFOUND)
        return code;
    FER_TRY(vfs_sync_dir(fs, dir, err)); /* an earlier try may have failed there */
    return vfs_remove_all(fs, tmp, err); /* also what an earlier try has left */
}

static fer_code remove_all_of(vfs *fs, const char *dir, const char *name, fer_err *err)
{
    char tmp_name[NAME_BYTES], tmp[PATH_MAX];
    snprintf(tmp_name, sizeof tmp_name, "%s.tmp-for-creation", name);
    FER_TRY(dir_file_path(tmp, dir, tmp_name, err));
    FER_TRY(vfs_remove_all(fs, tmp, err));
    return block_folder_remove(fs, dir, name, err);
}

fer_code block_set_clean(block_set *s, vfs *fs, const char *dir, fer_err *err)
{
    fer_code first = FER_OK;
    size_t left = 0;
    for (size_t i = 0; i < s->n_replaced; i++) {
        fer_code code = remove_all_of(fs, dir, s->replaced[i].text, first == FER_OK ? err : NULL);
        if (code != FER_OK)
            s->replaced[left++] = s->replaced[i];
        if (first == FER_OK)
            first = code;
    }
    s->n_replaced = left;
    return first;
}

static bool is_among(const block *b, block *const *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (v[i] == b)
            return true;
    return false;
}

void block_set_replace(block_set *s, block *const *add, size_t n_add, block *const *gone,
                       size_t n_gone)
{
    fer_mutex_lock(&s->mu);
    block **old = s->v;
    size_t n_old = s->n;
    s->v = fer_alloc((n_old + n_add + 1) * sizeof *s->v);
    s->n = 0;
    for (size_t i = 0; i < n_old; i++)
        if (!is_among(old[i], gone, n_gone))
            s->v[s->n++] = old[i];
    for (size_t i = 0; i < n_add; i++)
        s->v[s->n++] = add[i];
    if (s->n != 0)
        qsort(s->v, s->n, sizeof(block *), by_time);
    s->changes++;
    fer_mutex_unlock(&s->mu);
    for (size_t i = 0; i < n_old; i++)
        if (is_among(old[i], gone, n_gone))
            block_unref(old[i]);
    fer_free(old);
}

static void judge(block_set *s, vfs *fs, const char *dir, block *b, fer_log *log)
{
    block *fresh;
    fer_err err = {0};
    fer_code code = block_open(fs, dir, b->name, &s->acct, &fresh, &err);
    if (code == FER_OK) {
        LOGW(log, "A block failed while it was read, and can be read again", "block", b->name);
        block_set_replace(s, &fresh, 1, &b, 1);
        return;
    }
    LOGE(log, "A block failed while it was read and is not served any more", "block", b->name,
         "err", err.msg);
    damaged_block d = describe_damaged(fs, dir, b->name, err.msg);
    d.has_range = true;
    d.min_time = b->meta.min_time;
    d.max_time = b->meta.max_time;
    d.aside = is_damage(code) && move_aside(fs, dir, b->name, &err) == FER_OK;
    if (is_damage(code) && !d.aside)
        LOGE(log, "A damaged block cannot be set aside", "block", b->name, "err", err.msg);
    add_damaged(s, &d);
    block_set_replace(s, NULL, 0, &b, 1);
}

void block_set_judge(block_set *s, vfs *fs, const char *dir, fer_log *log)
{
    block_list l = block_set_all(s);
    for (size_t i = 0; i < l.n; i++)
        if (block_failed(l.v[i]))
            judge(s, fs, dir, l.v[i], log);
    block_list_done(&l);
}

/* ---- asking ---- */

uint64_t block_set_changes(block_set *s)
{
    fer_mutex_lock(&s->mu);
    uint64_t n = s->changes;
    fer_mutex_unlock(&s->mu);
    return n;
}

block_list block_set_all(block_set *s)
{
    fer_mutex_lock(&s->mu);
    block_list l = {fer_alloc((s->n + 1) * sizeof(block *)), s->n};
    for (size_t i = 0; i < s->n; i++)
        l.v[i] = block_ref(s->v[i]);
    fer_mutex_unlock(&s->mu);
    return l;
}

void block_list_done(block_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        block_unref(l->v[i]);
    fer_free(l->v);
    *l = (block_list){0};
}

int64_t block_set_end(block_set *s)
{
    int64_t end = INT64_MIN;
    fer_mutex_lock(&s->mu);
    for (size_t i = 0; i < s->n; i++) {
        const block_meta *m = &s->v[i]->meta;
        if (m->max_time > end && !block_meta_has_hint(m, STR("from-out-of-order")) &&
            !block_meta_has_hint(m, STR("from-stale-series")) &&
            !block_meta_has_hint(m, STR("from-selected-series")))
            end = m->max_time;
    }
    fer_mutex_unlock(&s->mu);
    return end;
}

block **block_set_get(block_set *s, int64_t mint, int64_t maxt, fer_arena *a, size_t *ret_n)
{
    fer_mutex_lock(&s->mu);
    size_t n = 0;
    block **v = ARENA_ARRAY(a, block *, s->n);
    for (size_t i = 0; v != NULL && i < s->n; i++)
        if (block_overlaps(s->v[i], mint, maxt) && !block_failed(s->v[i]))
            v[n++] = block_ref(s->v[i]);
    fer_mutex_unlock(&s->mu);
    *ret_n = n;
    return v;
}

void block_set_each_damaged(block_set *s, int64_t mint, int64_t maxt,
                            void (*fn)(void *arg, const damaged_block *d), void *arg)
{
    fer_mutex_lock(&s->mu);
    for (size_t i = 0; i < s->n_damaged; i++) {
        const damaged_block *d = &s->damaged[i];
        if (!d->has_range || (d->min_time <= maxt && mint < d->max_time))
            fn(arg, d);
    }
    char lost[] = "bytes of its files were lost while they were mapped";
    for (size_t i = 0; i < s->n; i++) {
        const block_meta *m = &s->v[i]->meta;
        if (!block_overlaps(s->v[i], mint, maxt) || !block_failed(s->v[i]))
            continue;
        damaged_block d = {m->id, true, m->min_time, m->max_time, lost, false, false};
        fn(arg, &d);
    }
    fer_mutex_unlock(&s->mu);
}

void block_set_stats_get(block_set *s, block_set_stats *ret)
{
    fer_mutex_lock(&s->mu);
    *ret = (block_set_stats){
        .blocks = s->n, .damaged = s->n_damaged, .min_time = INT64_MAX, .max_time = INT64_MIN};
    for (size_t i = 0; i < s->n; i++) {
        ret->bytes += s->v[i]->file_bytes;
        if (s->v[i]->meta.min_time < ret->min_time)
            ret->min_time = s->v[i]->meta.min_time;
        if (s->v[i]->meta.max_time - 1 > ret->max_time)
            ret->max_time = s->v[i]->meta.max_time - 1;
    }
    fer_mutex_unlock(&s->mu);
}

/* chunks_head.c - the folder: files listed and mapped, the one that is written, those removed. */
#include "tsdb/head/chunks_head.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pages.h"
#include "tsdb/block/blockdir.h"
#include "tsdb/block/dir_file.h"
#include "tsdb/block/map_use.h"

enum {
    NAME_CHARS_MAX = 19,
    DATA_BYTES_MAX = 1 << 30,
    FILES_MAX = UINT16_MAX,
    CHECKED_SLOTS = 1 << 15,
    CHECKED_BYTES = CHECKED_SLOTS * sizeof(uint64_t)
};

static_assert(CHECKED_SLOTS == 1 << (64 - 49), "the hash is a slot");

typedef struct head_file {
    uint64_t number;            /* 0: given up before anything was in it */
    _Atomic(const uint8_t *) p; /* of the newest mapping; readers look at it without a lock */
    _Atomic uint64_t n;
    vfs_map map;
    map_use use;
    int64_t maxt;  /* of its chunks in order */
    uint32_t held; /* chunks_head_hold() */
} head_file;

struct chunks_head {
    vfs *fs;
    fer_log *log;
    fer_account *acct;
    char dir[PATH_MAX];
    uint64_t file_bytes;
    blockdir files; /* of head_file; place 1 is entry 0 */
    uint32_t first; /* entries before it have been removed */
    uint32_t n_old; /* entries that were there at opening */
    uint64_t last_number;
    file_out out;     /* of the last entry; out.f NULL: none is being written */
    uint64_t flushed; /* bytes of it that are chunks for good */
    vfs_map *left;
    size_t n_left, cap_left;
    _Atomic uint64_t n_files, bytes, damages;
    /* Chunks whose checksum was right and that were not forgotten since (map_use.h), each in the slot of its place; made with the
     * first file. */
    _Atomic uint64_t *checked;
};

static head_file *file_at(const chunks_head *c, uint32_t i)
{
    return blockdir_get(&c->files, i);
}

static fer_code file_path(const chunks_head *c, uint64_t number, char ret[PATH_MAX], fer_err *err)
{
    char name[NAME_CHARS_MAX + 2];
    snprintf(name, sizeof name, "%06" PRIu64, number);
    return dir_file_path(ret, c->dir, name, err);
}

static void count_damage(chunks_head *c)
{
    atomic_fetch_add_explicit(&c->damages, 1, memory_order_relaxed);
}

static void tell(chunks_head *c, uint64_t number, uint64_t offset, uint64_t lost, const char *why)
{
    count_damage(c);
    LOGW(c->log, "Damage in chunks_head; its samples come from the log", "file", LOG_INT(number),
         "offset", LOG_INT(offset), "lost_bytes", LOG_INT(lost), "err", why);
}

/* ---- mappings ---- */

static void leave(chunks_head *c, vfs_map m)
{
    if (m.p == NULL)
        return;
    if (c->n_left == c->cap_left) {
        c->cap_left = c->cap_left == 0 ? 8 : c->cap_left * 2;
        c->left = fer_realloc(c->left, c->cap_left * sizeof *c->left);
    }
    c->left[c->n_left++] = m;
}

static void set_map(chunks_head *c, head_file *f, vfs_map m)
{
    leave(c, f->map);
    atomic_fetch_add_explicit(&c->bytes, m.n - f->map.n, memory_order_relaxed);
    f->map = m;
    /* Whoever sees the new length sees the new bytes. */
    atomic_store_explicit(&f->p, m.p, memory_order_release);
    atomic_store_explicit(&f->n, m.n, memory_order_release);
}

static fer_code map_file(chunks_head *c, head_file *f, fer_err *err)
{
    char path[PATH_MAX];
    FER_TRY(file_path(c, f->number, path, err));
    FER_CLEANUP(vfs_closep) vfs_file *file = NULL;
    FER_TRY(vfs_open(c->fs, path, VFS_READ, &file, err));
    vfs_map m;
    FER_TRY(vfs_map_file(file, &m, err));
    set_map(c, f, m);
    return FER_OK;
}

static head_file *add_file(chunks_head *c, uint64_t number)
{
    head_file *f = fer_calloc(1, sizeof *f);
    if (c->checked == NULL) {
        c->checked = fer_pages_alloc(CHECKED_BYTES);
        fer_account_force(c->acct, CHECKED_BYTES);
    }
    f->number = number;
    f->maxt = INT64_MIN;
    fer_account_force(c->acct, sizeof *f);
    blockdir_put(&c->files, f);
    c->last_number = number;
    atomic_fetch_add_explicit(&c->n_files, 1, memory_order_relaxed);
    return f;
}

/* ---- opening ---- */

typedef struct number_list {
    uint64_t *v;
    size_t n, cap;
} number_list;

static fer_code note_number(void *arg, const char *name)
{
    number_list *l = arg;
    size_t n = strlen(name);
    if (n == 0 || n > NAME_CHARS_MAX || strspn(name, "0123456789") != n)
        return FER_OK;
    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 16 : l->cap * 2;
        l->v = fer_realloc(l->v, l->cap * sizeof *l->v);
    }
    l->v[l->n++] = strtoull(name, NULL, 10);
    return FER_OK;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* A crash may leave a last file without a header. It is no file: the next one to be written takes its place. */
static fer_code skip_unborn(chunks_head *c, number_list *l, fer_err *err)
{
    char path[PATH_MAX];
    FER_TRY(file_path(c, l->v[l->n - 1], path, err));
    FER_CLEANUP(vfs_closep) vfs_file *f = NULL;
    FER_TRY(vfs_open(c->fs, path, VFS_READ, &f, err));
    char head[4];
    size_t n;
    FER_TRY(vfs_pread(f, head, sizeof head, 0, &n, err));
    if (!head_file_is_unborn((fer_str){head, n}))
        return FER_OK;
    l->n--;
    c->last_number = l->v[l->n] - 1;
    return FER_OK;
}

static void open_files(chunks_head *c, number_list *l)
{
    fer_err err = {0};
    qsort(l->v, l->n, sizeof *l->v, by_number);
    if (skip_unborn(c, l, &err) != FER_OK)
        tell(c, l->v[l->n - 1], 0, 0, err.msg);
    for (size_t i = 0; i < l->n; i++) {
        if (i > 0 && l->v[i] != l->v[i - 1] + 1)
            tell(c, l->v[i], 0, 0, "files before it are missing");
        if (c->files.n == FILES_MAX / 2) {
            tell(c, l->v[i], 0, 0, "too many files");
            c->last_number = l->v[l->n - 1];
            break;
        }
        head_file *f = add_file(c, l->v[i]);
        if (map_file(c, f, &err) != FER_OK)
            tell(c, f->number, 0, 0, err.msg);
        else if (f->map.n == 0)
            tell(c, f->number, 0, 0, "an empty file");
    }
    c->n_old = c->files.n;
}

fer_code chunks_head_open(vfs *fs, const char *dir, uint64_t file_bytes, fer_account *acct,
                          fer_log *log, chunks_head **ret, fer_err *err)
{
    size_t n = strlen(dir);
    if (n >= PATH_MAX)
        return fer_fail(err, FER_LIMIT, "%s: the path is too long", dir);
    chunks_head *c = fer_calloc(1, sizeof *c);
    memcpy(c->dir, dir, n + 1);
    c->fs = fs;
    c->log = log;
    c->acct = acct;
    c->file_bytes = file_bytes == 0 ? HEAD_FILE_BYTES_DEFAULT : file_bytes;

    number_list l = {0};
    fer_err why = {0};
    if (vfs_exists(fs, dir)) {
        if (vfs_list(fs, dir, note_number, &l, &why) != FER_OK)
            tell(c, 0, 0, 0, why.msg);
        if (l.n != 0)
            open_files(c, &l);
    }
    fer_free(l.v);
    *ret = c;
    return FER_OK;
}

void chunks_head_close(chunks_head *c)
{
    if (c == NULL)
        return;
    file_out_abort(&c->out);
    for (uint32_t i = 0; i < c->files.n; i++)
        vfs_unmap(&file_at(c, i)->map);
    for (size_t i = 0; i < c->n_left; i++)
        vfs_unmap(&c->left[i]);
    fer_account_release(c->acct, c->files.n * sizeof(head_file));
    if (c->checked != NULL)
        fer_account_release(c->acct, CHECKED_BYTES);
    fer_free(c->left);
    fer_pages_free(c->checked, CHECKED_BYTES);
    blockdir_done(&c->files, 0);
    fer_free(c);
}

/* ---- reading ---- */

typedef struct walk {
    chunks_head *c;
    head_file *f;
    chunks_head_fn fn;
    void *arg;
    uint32_t place;
} walk;

static void walk_chunk(void *arg, const head_chunk *chunk)
{
    walk *w = arg;
    if (chunk->maxt > w->f->maxt && !chunk->out_of_order)
        w->f->maxt = chunk->maxt;
    w->fn(w->arg, chunk, w->place);
}

static void walk_damage(void *arg, const head_file_damage *d)
{
    walk *w = arg;
    tell(w->c, w->f->number, d->offset, d->lost_bytes, d->why);
}

void chunks_head_walk(chunks_head *c, chunks_head_fn fn, void *arg)
{
    for (uint32_t i = c->first; i < c->n_old; i++) {
        walk w = {c, file_at(c, i), fn, arg, i + 1};
        const vfs_map *m = &w.f->map;
        if (m->n > UINT32_MAX) {
            tell(c, w.f->number, 0, m->n, "a file of more than 4 GiB");
        } else if (m->n != 0) {
            head_file_visitor v = {&w, walk_chunk, walk_damage};
            head_file_scan((fer_str){(const char *)m->p, m->n}, &v);
            vfs_forget(m);
        }
    }
}

static void forget_checked(const chunks_head *c)
{
    for (size_t i = 0; i < CHECKED_SLOTS; i++)
        if (atomic_load_explicit(&c->checked[i], memory_order_relaxed) != 0)
            atomic_store_explicit(&c->checked[i], 0, memory_order_relaxed);
}

/* Where it is noted that the chunk at a place has been checked: as that number. */
static uint64_t place_number(head_place at)
{
    return (uint64_t)at.file << 32 | at.offset;
}

static _Atomic uint64_t *check_slot(const chunks_head *c, head_place at)
{
    return &c->checked[(place_number(at) * 0x9e3779b97f4a7c15U) >> 49];
}

void chunks_head_prefetch(const chunks_head *c, head_place at, uint32_t n)
{
    enum { LINE = 64, LINES_MAX = 4 };
    const char *p =
        (const char *)atomic_load_explicit(&file_at(c, at.file - 1)->p, memory_order_acquire);
    __builtin_prefetch((const void *)check_slot(c, at));
    for (uint32_t i = 0; i < n && i < LINES_MAX * LINE; i += LINE)
        __builtin_prefetch(p + at.offset + i);
}

fer_code chunks_head_get(const chunks_head *c, head_place at, uint32_t n, fer_str *ret,
                         fer_err *err)
{
    head_file *f = file_at(c, at.file - 1);
    uint64_t size = atomic_load_explicit(&f->n, memory_order_acquire);
    const char *p = (const char *)atomic_load_explicit(&f->p, memory_order_acquire);
    uint64_t place = place_number(at);
    _Atomic uint64_t *slot = check_slot(c, at);
    if (map_use_note(&f->use, at.offset, MAP_USE_HEAD_WINDOWS)) {
        vfs_forget(&(vfs_map){(const uint8_t *)p, size, c->fs, NULL});
        forget_checked(c);
    }
    if (atomic_load_explicit(slot, memory_order_relaxed) == place &&
        (uint64_t)at.offset + n <= size) {
        *ret = (fer_str){p + at.offset, n};
        return FER_OK;
    }
    if (!head_file_check((fer_str){p, size}, at.offset, n))
        return fer_fail(err, FER_CORRUPT,
                        "chunks_head/%06" PRIu64 " at %" PRIu32 ": checksum mismatch", f->number,
                        at.offset);
    atomic_store_explicit(slot, place, memory_order_relaxed);
    *ret = (fer_str){p + at.offset, n};
    return FER_OK;
}

uint64_t chunks_head_place(const chunks_head *c, head_place at, uint32_t n)
{
    return file_at(c, at.file - 1)->number << 32 | (at.offset - head_chunk_before(n));
}

/* ---- writing ---- */

static fer_code finish_file(chunks_head *c, fer_err *err)
{
    return c->out.f == NULL ? FER_OK : file_out_close(&c->out, err);
}

static fer_code begin_file(chunks_head *c, fer_err *err)
{
    char path[PATH_MAX];
    if (c->files.n == FILES_MAX)
        return fer_fail(err, FER_LIMIT, "more than %d files of chunks_head", FILES_MAX);
    FER_TRY(finish_file(c, err));
    FER_TRY(vfs_mkdir_all(c->fs, c->dir, err));
    FER_TRY(file_path(c, c->last_number + 1, path, err));
    FER_TRY(file_out_open(&c->out, c->fs, path, err));
    add_file(c, c->last_number + 1);
    c->flushed = 0;
    head_file_begin(&c->out);
    return vfs_sync_dir(c->fs, c->dir, err);
}

/* The file keeps what was flushed before. A file that never got its header is removed and its number used
 * again. */
static void give_up_file(chunks_head *c)
{
    if (c->out.f == NULL)
        return;
    char path[PATH_MAX];
    fer_code code = vfs_truncate(c->out.f, c->flushed, NULL);
    file_out_abort(&c->out);
    if (c->flushed == 0 && file_path(c, c->last_number, path, NULL) == FER_OK &&
        vfs_unlink(c->fs, path, NULL) == FER_OK) {
        file_at(c, c->files.n - 1)->number = 0;
        c->last_number--;
    } else if (code != FER_OK) {
        count_damage(c);
    }
}

static fer_code put(chunks_head *c, const head_chunk *chunk, head_place *ret, fer_err *err)
{
    if (chunk->data.n > DATA_BYTES_MAX)
        return fer_fail(err, FER_LIMIT, "a chunk of %zu bytes", chunk->data.n);
    uint64_t size = head_chunk_size(chunk->data.n);
    uint64_t pos = c->out.f == NULL ? 0 : file_out_pos(&c->out);
    if (c->out.f == NULL || (pos > HEAD_FILE_HEADER_BYTES && pos + size > c->file_bytes)) {
        if (c->out.f != NULL)
            FER_TRY(chunks_head_flush(c, err));
        FER_TRY(begin_file(c, err));
    }
    *ret = (head_place){c->files.n, head_file_put(&c->out, chunk)};
    head_file *f = file_at(c, c->files.n - 1);
    if (chunk->maxt > f->maxt && !chunk->out_of_order)
        f->maxt = chunk->maxt;
    return file_out_check(&c->out, err);
}

fer_code chunks_head_add(chunks_head *c, const head_chunk *chunk, head_place *ret, fer_err *err)
{
    fer_code code = put(c, chunk, ret, err);
    if (code != FER_OK)
        give_up_file(c);
    return code;
}

fer_code chunks_head_flush(chunks_head *c, fer_err *err)
{
    if (c->out.f == NULL || file_out_pos(&c->out) == c->flushed)
        return FER_OK;
    fer_code code = file_out_flush(&c->out, err);
    if (code == FER_OK)
        code = map_file(c, file_at(c, c->files.n - 1), err);
    if (code == FER_OK)
        c->flushed = file_out_pos(&c->out);
    else
        give_up_file(c);
    return code;
}

/* ---- removing ---- */

static fer_code remove_first(chunks_head *c, fer_err *err)
{
    head_file *f = file_at(c, c->first);
    char path[PATH_MAX];
    if (f->number != 0) {
        FER_TRY(file_path(c, f->number, path, err));
        fer_code code = vfs_unlink(c->fs, path, err);
        if (code != FER_OK && code != FER_NOTFOUND)
            return code;
        /* One at a time: were two on their way, a crash might leave the lower. */
        FER_TRY(vfs_sync_dir(c->fs, c->dir, err));
    }
    leave(c, f->map);
    atomic_fetch_sub_explicit(&c->bytes, f->map.n, memory_order_relaxed);
    atomic_fetch_sub_explicit(&c->n_files, 1, memory_order_relaxed);
    f->map = (vfs_map){0}; /* p stays: the readers of its time may still look at it */
    c->first++;
    return FER_OK;
}

/* Much of what readers looked at is in a block now. */
static void forget_all(const chunks_head *c)
{
    for (uint32_t i = c->first; i < c->files.n; i++)
        vfs_forget(&file_at(c, i)->map);
    if (c->checked != NULL)
        fer_pages_clear(c->checked, CHECKED_BYTES);
}

fer_code chunks_head_truncate(chunks_head *c, int64_t mint, fer_err *err)
{
    FER_TRY(chunks_head_flush(c, err));
    FER_TRY(finish_file(c, err));
    while (c->first < c->files.n && file_at(c, c->first)->maxt < mint &&
           file_at(c, c->first)->held == 0)
        FER_TRY(remove_first(c, err));
    forget_all(c);
    return FER_OK;
}

fer_code chunks_head_sync(chunks_head *c, fer_err *err)
{
    return c->out.f == NULL ? FER_OK : vfs_sync(c->out.f, err);
}

void chunks_head_hold(chunks_head *c, uint32_t file)
{
    file_at(c, file - 1)->held++;
}

void chunks_head_release(chunks_head *c, uint32_t file)
{
    file_at(c, file - 1)->held--;
}

bool chunks_head_has(const chunks_head *c, head_place at)
{
    return at.offset < file_at(c, at.file - 1)->map.n;
}

bool chunks_head_take_left(chunks_head *c, vfs_map *ret)
{
    if (c->n_left == 0)
        return false;
    *ret = c->left[--c->n_left];
    return true;
}

void chunks_head_stats_get(const chunks_head *c, chunks_head_stats *ret)
{
    ret->files = atomic_load_explicit(&c->n_files, memory_order_relaxed);
    ret->bytes = atomic_load_explicit(&c->bytes, memory_order_relaxed);
    ret->damages = atomic_load_explicit(&c->damages, memory_order_relaxed);
}

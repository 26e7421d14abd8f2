/* wal_dir.c - the files of a WAL directory: segments by number, checkpoints, reading all in order.
 *
 *   wal/00000004 00000005 ...            segments, numbered without gaps
 *   wal/checkpoint.00000003/00000000 ... stands for all segments up to its number
 *
 * Names that are not of this form, checkpoint.N.tmp among them, are left alone.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#include "tsdb/wal/wal_dir.h"
#include "tsdb/wal/wal_fetch.h"
#include "tsdb/wal/wal_scan.h"

/* ---- names ---- */

/* A number as "%08u" writes it: at least 8 digits, more only without leading zeros. */
static bool parse_number(fer_str s, uint64_t *ret)
{
    if (s.n < 8 || s.n > 18 || (s.n > 8 && s.p[0] == '0'))
        return false;
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(s.p[i] - '0');
    }
    *ret = v;
    return true;
}

/* Numbers behind a prefix, in a growing array. */
typedef struct listing {
    fer_str prefix;
    fer_arena *a;
    uint64_t *v;
    size_t n, cap;
} listing;

static fer_code note_name(void *arg, const char *name)
{
    listing *l = arg;
    fer_str s = str_of(name);
    uint64_t v;
    if (!str_has_prefix(s, l->prefix) || !parse_number(str_from(s, l->prefix.n), &v))
        return FER_OK;
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 64 : l->cap * 2;
        l->v = fer_arena_grow(l->a, l->v, l->cap * sizeof *l->v, cap * sizeof *l->v);
        if (l->v == NULL)
            return FER_LIMIT;
        l->cap = cap;
    }
    l->v[l->n++] = v;
    return FER_OK;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static fer_code list_numbers(vfs *fs, const char *dir, fer_str prefix, fer_arena *a, uint64_t **ret,
                             size_t *ret_n, fer_err *err)
{
    listing l = {.prefix = prefix, .a = a};
    fer_code code = vfs_list(fs, dir, note_name, &l, err);
    if (code == FER_LIMIT && l.v == NULL)
        return fer_fail_budget(err, "the list of WAL segments");
    FER_TRY(code);
    if (l.n > 1)
        qsort(l.v, l.n, sizeof *l.v, by_number);
    *ret = l.v;
    *ret_n = l.n;
    return FER_OK;
}

fer_code wal_list(vfs *fs, const char *dir, fer_arena *a, uint64_t **ret, size_t *ret_n,
                  fer_err *err)
{
    return list_numbers(fs, dir, STR(""), a, ret, ret_n, err);
}

fer_code wal_list_checkpoints(vfs *fs, const char *dir, fer_arena *a, uint64_t **ret, size_t *ret_n,
                              fer_err *err)
{
    return list_numbers(fs, dir, STR("checkpoint."), a, ret, ret_n, err);
}

static fer_code join_number(char ret[PATH_MAX], const char *dir, const char *prefix,
                            uint64_t number, fer_err *err)
{
    int n = snprintf(ret, PATH_MAX, "%s/%s%08" PRIu64, dir, prefix, number);
    if (n < 0 || n >= PATH_MAX)
        return fer_fail(err, FER_INVALID, "%s: the path is too long", dir);
    return FER_OK;
}

fer_code wal_segment_path(char ret[PATH_MAX], const char *dir, uint64_t segment, fer_err *err)
{
    return join_number(ret, dir, "", segment, err);
}

/* ---- files ---- */

typedef struct reading {
    vfs *fs;
    wal_scan *scan;
    wal_fetch *fetch;
    _Atomic uint64_t *current;
    uint64_t last; /* segments behind it are not read */
} reading;

static fer_code scan_bytes(wal_scan *s, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i += WAL_PAGE_BYTES)
        FER_TRY(wal_scan_page(s, p + i, n - i < WAL_PAGE_BYTES ? n - i : WAL_PAGE_BYTES));
    return FER_OK;
}

/* Reads a block again page by page: a bad sector costs its page. */
static fer_code scan_pages_apart(reading *r, vfs_file *f, const fetched *b, size_t n)
{
    for (size_t i = 0; i < n; i += WAL_PAGE_BYTES) {
        size_t got;
        fer_err err = {0};
        if (vfs_pread(f, b->p, WAL_PAGE_BYTES, b->at + i, &got, &err) == FER_OK)
            FER_TRY(scan_bytes(r->scan, b->p, got < n - i ? got : n - i));
        else
            wal_scan_lost_page(r->scan, n - i < WAL_PAGE_BYTES ? n - i : WAL_PAGE_BYTES, err.msg);
    }
    return FER_OK;
}

static fer_code scan_blocks(reading *r, vfs_file *f, uint64_t size)
{
    for (const fetched *b; (b = wal_fetch_next(r->fetch)) != NULL;) {
        uint64_t left = size - b->at;
        size_t want = left < FETCH_BLOCK_BYTES ? (size_t)left : FETCH_BLOCK_BYTES;
        if (b->code != FER_OK)
            FER_TRY(scan_pages_apart(r, f, b, want));
        else
            FER_TRY(scan_bytes(r->scan, b->p, b->n < want ? b->n : want));
    }
    return FER_OK;
}

static fer_code scan_file(reading *r, const char *path, uint64_t number, fer_err *err)
{
    FER_CLEANUP(vfs_closep) vfs_file *f = NULL;
    FER_TRY(vfs_open(r->fs, path, VFS_READ_ONCE, &f, err));
    uint64_t size;
    FER_TRY(vfs_size(f, &size, err));

    wal_scan_begin(r->scan, number, path);
    wal_fetch_begin(r->fetch, f, size);
    fer_code code = scan_blocks(r, f, size);
    wal_fetch_end(r->fetch);
    if (code == FER_OK)
        wal_scan_end(r->scan);
    return code;
}

/* ---- unfinished writes ---- */

void wal_note_tear(wal_tear *t, const wal_damage *d)
{
    if (d->torn && !d->unread)
        *t = (wal_tear){true, d->segment, d->offset};
}

/* A checkpoint's records go under its number, which is below those of all segments that count. */
static fer_code is_newest(vfs *fs, const char *dir, uint64_t segment, bool *ret, fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    uint64_t *v;
    size_t n;
    FER_TRY(wal_list_checkpoints(fs, dir, a, &v, &n, err));
    *ret = n == 0 || v[n - 1] < segment;
    FER_TRY(wal_list(fs, dir, a, &v, &n, err));
    *ret = *ret && n != 0 && v[n - 1] == segment;
    return FER_OK;
}

fer_code wal_cut_tear(vfs *fs, const char *dir, const wal_tear *t, fer_err *err)
{
    bool newest;
    if (!t->found)
        return FER_OK;
    FER_TRY(is_newest(fs, dir, t->segment, &newest, err));
    if (!newest)
        return FER_OK;
    char path[PATH_MAX];
    FER_CLEANUP(vfs_closep) vfs_file *f = NULL;
    FER_TRY(wal_segment_path(path, dir, t->segment, err));
    FER_TRY(vfs_open(fs, path, VFS_READ_WRITE, &f, err));
    FER_TRY(vfs_truncate(f, t->offset, err));
    return vfs_sync(f, err);
}

/* ---- the whole log ---- */

static void tell_gap(wal_scan *s, const char *dir, uint64_t first, uint64_t last)
{
    wal_damage d = {.path = dir, .segment = first};
    if (first == last)
        snprintf(d.why, sizeof d.why, "segment %" PRIu64 " is missing", first);
    else
        snprintf(d.why, sizeof d.why, "segments %" PRIu64 " to %" PRIu64 " are missing", first,
                 last);
    wal_scan_tell(s, &d);
}

static fer_code scan_segment(reading *r, const char *dir, uint64_t segment, uint64_t number,
                             fer_err *err)
{
    char path[PATH_MAX];
    FER_TRY(wal_segment_path(path, dir, segment, err));
    if (r->current != NULL)
        atomic_store(r->current, number);
    return scan_file(r, path, number, err);
}

/* All segments of a checkpoint, whose records go under its number. */
static fer_code scan_checkpoint(reading *r, const char *dir, uint64_t number, fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    char path[PATH_MAX];
    uint64_t *seg = NULL;
    size_t n = 0;
    FER_TRY(join_number(path, dir, "checkpoint.", number, err));
    FER_TRY(wal_list(r->fs, path, a, &seg, &n, err));
    for (size_t i = 0; i < n; i++) {
        uint64_t next = i == 0 ? 0 : seg[i - 1] + 1;
        if (seg[i] > next)
            tell_gap(r->scan, path, next, seg[i] - 1);
        FER_TRY(scan_segment(r, path, seg[i], number, err));
    }
    return FER_OK;
}

/* The segments behind a checkpoint; all, and from whatever number, if there is none: older ones may
 * have been let go. */
static fer_code scan_segments(reading *r, const char *dir, const uint64_t *checkpoint, fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    uint64_t *seg = NULL;
    size_t n = 0;
    FER_TRY(wal_list(r->fs, dir, a, &seg, &n, err));
    uint64_t next = checkpoint != NULL ? *checkpoint + 1 : n != 0 ? seg[0] : 0;
    for (size_t i = 0; i < n && seg[i] <= r->last; i++) {
        if (seg[i] < next)
            continue;
        if (seg[i] > next)
            tell_gap(r->scan, dir, next, seg[i] - 1);
        FER_TRY(scan_segment(r, dir, seg[i], seg[i], err));
        next = seg[i] + 1;
    }
    return FER_OK;
}

static fer_code scan_all(reading *r, const char *dir, fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    uint64_t *checkpoint = NULL;
    size_t n = 0;
    FER_TRY(wal_list_checkpoints(r->fs, dir, a, &checkpoint, &n, err));
    if (n == 0)
        return scan_segments(r, dir, NULL, err);
    FER_TRY(scan_checkpoint(r, dir, checkpoint[n - 1], err));
    return scan_segments(r, dir, &checkpoint[n - 1], err);
}

static fer_code read_dir(reading r, const char *dir, fer_err *err)
{
    r.fetch = wal_fetch_new();
    fer_code code = scan_all(&r, dir, err);
    wal_fetch_free(r.fetch);
    wal_scan_free(r.scan);
    return code;
}

fer_code wal_read(vfs *fs, const char *dir, wal_record_fn fn, wal_damage_fn damage, void *arg,
                  _Atomic uint64_t *progress_current, fer_err *err)
{
    reading r = {fs, wal_scan_new(fn, damage, arg), NULL, progress_current, UINT64_MAX};
    return read_dir(r, dir, err);
}

fer_code wal_read_until(vfs *fs, const char *dir, uint64_t last, wal_record_fn fn,
                        wal_damage_fn damage, void *arg, fer_err *err)
{
    reading r = {fs, wal_scan_new(fn, damage, arg), NULL, NULL, last};
    return read_dir(r, dir, err);
}

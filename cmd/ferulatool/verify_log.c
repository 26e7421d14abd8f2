/* verify_log.c - log segments and head chunks. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/ferulatool/verify.h"
#include "tsdb/block/dir_file.h"
#include "tsdb/head/chunks_head_file.h"
#include "tsdb/wal/record_hist.h"
#include "tsdb/wal/wal_dir.h"

enum { RECORD_TYPE_MAX = RECORD_FLOAT_HISTOGRAM_SAMPLES_V2 };

typedef struct file_check {
    verify *v;
    char path[PATH_MAX];
} file_check;

static void fail(verify *v, const char *path, const fer_err *err)
{
    verify_found(v, path, 0, "%s", err->msg);
}

/* ---- records ---- */

static fer_code on_series(void *arg, uint64_t ref, labels ls)
{
    const file_check *f = arg;
    for (size_t i = 1; i < ls.n; i++)
        if (str_cmp(ls.l[i - 1].name, ls.l[i].name) >= 0) {
            verify_found(f->v, f->path, 0, "series %" PRIu64 ": its labels are out of order", ref);
            break;
        }
    return FER_OK;
}

static fer_code on_sample(void *arg, uint64_t ref, int64_t t, double v)
{
    const file_check *f = arg;
    (void)ref, (void)t, (void)v;
    f->v->samples++;
    return FER_OK;
}

static fer_code on_tombstone(void *arg, uint64_t ref, int64_t mint, int64_t maxt)
{
    const file_check *f = arg;
    if (mint > maxt)
        verify_found(f->v, f->path, 0, "series %" PRIu64 ": a deletion ends before it begins", ref);
    return FER_OK;
}

static fer_code on_metadata(void *arg, const record_metadata *m)
{
    (void)arg, (void)m;
    return FER_OK;
}

static fer_code on_typed_sample(void *arg, uint64_t ref, int64_t t, int64_t st, double v)
{
    (void)st;
    return on_sample(arg, ref, t, v);
}

static fer_code on_histogram(void *arg, uint64_t ref, int64_t t, int64_t st, const hist_sample *s)
{
    const file_check *f = arg;
    (void)t, (void)st;
    if (!hist_schema_is_known(s->schema))
        verify_found(f->v, f->path, 0, "series %" PRIu64 ": a histogram of schema %" PRId32, ref,
                     s->schema);
    f->v->samples++;
    return FER_OK;
}

static fer_code decode(file_check *f, fer_str rec, fer_err *err)
{
    const record_visitor visitor = {f, on_series, on_sample, on_tombstone, on_metadata};
    const record_hist_visitor typed = {f, on_typed_sample, on_histogram, NULL};
    fer_code code = record_decode(rec, &visitor, err);
    if (code != FER_UNSUPPORTED)
        return code;
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    return record_hist_decode(rec, a, &typed, err);
}

static fer_code on_record(void *arg, uint64_t segment, uint64_t offset, fer_str rec)
{
    (void)segment;
    file_check *f = arg;
    fer_err err;
    f->v->records++;
    if (record_type_of(rec) > RECORD_TYPE_MAX || (rec.n != 0 && record_type_of(rec) == 0)) {
        verify_found(f->v, f->path, offset, "record: unknown type %d", record_type_of(rec));
        return FER_OK;
    }
    if (decode(f, rec, &err) != FER_OK)
        verify_found(f->v, f->path, offset, "record: %s", err.msg);
    return FER_OK;
}

static void on_damage(void *arg, const wal_damage *d)
{
    const file_check *f = arg;
    verify_found(f->v, f->path, d->offset, "%s; %" PRIu64 " bytes are lost%s", d->why,
                 d->lost_bytes,
                 d->torn ? " (nothing follows: maybe a write that never finished)" : "");
}

/* ---- segments ---- */

static void check_segment(verify *v, const char *dir, uint64_t number)
{
    file_check f = {.v = v};
    char name[32];
    fer_err err = {0};
    vfs_map map;
    snprintf(name, sizeof name, "%08" PRIu64, number);
    if (dir_file_path(f.path, dir, name, &err) != FER_OK ||
        dir_file_map(v->fs, dir, name, &map, &err) != FER_OK) {
        fail(v, dir, &err);
        return;
    }
    v->segments++;
    fer_str bytes = {(const char *)map.p, map.n};
    fer_code code = wal_read_segment(bytes, number, on_record, on_damage, &f);
    assert(code == FER_OK); /* on_record() never fails */
    (void)code;
    vfs_unmap(&map);
}

void verify_log(verify *v, const char *dir)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    uint64_t *numbers = NULL;
    size_t n = 0;
    fer_err err = {0};
    if (wal_list(v->fs, dir, a, &numbers, &n, &err) != FER_OK)
        fail(v, dir, &err);
    for (size_t i = 0; i < n; i++) {
        if (i != 0 && numbers[i] != numbers[i - 1] + 1)
            verify_found(v, dir, 0, "segments %08" PRIu64 " to %08" PRIu64 " are missing",
                         numbers[i - 1] + 1, numbers[i] - 1);
        check_segment(v, dir, numbers[i]);
    }
}

/* ---- chunks_head ---- */

static void on_head_chunk(void *arg, const head_chunk *c)
{
    const file_check *f = arg;
    verify_chunk(f->v, f->path, c->offset, c->encoding, c->data, c->mint, c->maxt);
}

static void on_head_damage(void *arg, const head_file_damage *d)
{
    const file_check *f = arg;
    verify_found(f->v, f->path, d->offset, "%s; %" PRIu64 " bytes are lost", d->why, d->lost_bytes);
}

typedef struct file_numbers {
    unsigned long *v;
    size_t n;
} file_numbers;

static fer_code note_file(void *arg, const char *name)
{
    enum { DIGITS = 6 };
    file_numbers *l = arg;
    if (strlen(name) != DIGITS || strspn(name, "0123456789") != DIGITS)
        return FER_OK;
    l->v = fer_realloc(l->v, (l->n + 1) * sizeof *l->v);
    l->v[l->n++] = strtoul(name, NULL, 10);
    return FER_OK;
}

static int by_number(const void *a, const void *b)
{
    unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;
    return (x > y) - (x < y);
}

static void check_head_file(verify *v, const char *dir, unsigned long number, bool last)
{
    file_check f = {.v = v};
    char name[32];
    fer_err err = {0};
    vfs_map map;
    snprintf(name, sizeof name, "%06lu", number);
    if (dir_file_path(f.path, dir, name, &err) != FER_OK ||
        dir_file_map(v->fs, dir, name, &map, &err) != FER_OK) {
        fail(v, dir, &err);
        return;
    }
    head_file_visitor visitor = {&f, on_head_chunk, on_head_damage};
    fer_str bytes = {(const char *)map.p, map.n};
    if (!last || !head_file_is_unborn(bytes))
        head_file_scan(bytes, &visitor);
    vfs_unmap(&map);
}

void verify_chunks_head(verify *v, const char *dir)
{
    file_numbers l = {0};
    fer_err err = {0};
    if (vfs_list(v->fs, dir, note_file, &l, &err) != FER_OK)
        fail(v, dir, &err);
    if (l.n != 0)
        qsort(l.v, l.n, sizeof *l.v, by_number);
    for (size_t i = 0; i < l.n; i++) {
        if (i != 0 && l.v[i] != l.v[i - 1] + 1)
            verify_found(v, dir, 0, "files %06lu to %06lu are missing", l.v[i - 1] + 1, l.v[i] - 1);
        check_head_file(v, dir, l.v[i], i + 1 == l.n);
    }
    fer_free(l.v);
}

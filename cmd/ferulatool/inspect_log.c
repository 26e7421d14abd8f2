/* inspect_log.c - log segments, checkpoints, and files of head chunks. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "cmd/ferulatool/db_path.h"
#include "cmd/ferulatool/inspect.h"
#include "cmd/ferulatool/inspect_chunk.h"
#include "tsdb/block/dir_file.h"
#include "tsdb/head/chunks_head_file.h"
#include "tsdb/wal/record_hist.h"
#include "tsdb/wal/wal_dir.h"

enum { TYPES = RECORD_FLOAT_HISTOGRAM_SAMPLES_V2 + 1, HEAD_NAME_DIGITS = 6 };

static const char *const type_names[TYPES] = {
    "unknown",
    "series",
    "samples",
    "tombstones",
    "exemplars",
    "mmap_markers",
    "metadata",
    "histogram_samples",
    "float_histogram_samples",
    "custom_histogram_samples",
    "custom_float_histogram_samples",
    "samples_v2",
    "histogram_samples_v2",
    "float_histogram_samples_v2",
};

typedef struct log_inspection {
    report r;
    char path[PATH_MAX]; /* of the file at hand */
    bool each;           /* a line for each record or chunk */
    bool samples;        /* and for each sample of a chunk */
    uint64_t wanted;     /* offset of the one record to show; UINT64_MAX: none */
    bool seen;           /* it was there */
    uint64_t records[TYPES], bytes, items;
    int64_t mint, maxt;
} log_inspection;

static uint8_t type_of(fer_str rec)
{
    uint8_t type = record_type_of(rec);
    return type < TYPES ? type : 0;
}

/* ---- what a record holds ---- */

static fer_code show_series(void *arg, uint64_t ref, labels ls)
{
    log_inspection *x = arg;
    report_begin(&x->r, "series");
    report_uint(&x->r, "ref", ref);
    report_labels(&x->r, "labels", ls);
    report_end(&x->r);
    return FER_OK;
}

static fer_code show_sample(void *arg, uint64_t ref, int64_t t, double v)
{
    log_inspection *x = arg;
    report_begin(&x->r, "sample");
    report_uint(&x->r, "ref", ref);
    report_int(&x->r, "time", t);
    report_float(&x->r, "value", v);
    report_end(&x->r);
    return FER_OK;
}

static fer_code show_tombstone(void *arg, uint64_t ref, int64_t mint, int64_t maxt)
{
    log_inspection *x = arg;
    report_begin(&x->r, "tombstone");
    report_uint(&x->r, "ref", ref);
    report_int(&x->r, "min_time", mint);
    report_int(&x->r, "max_time", maxt);
    report_end(&x->r);
    return FER_OK;
}

static fer_code show_metadata(void *arg, const record_metadata *m)
{
    log_inspection *x = arg;
    report_begin(&x->r, "metadata");
    report_uint(&x->r, "ref", m->ref);
    report_uint(&x->r, "type", m->type);
    report_text(&x->r, "unit", m->unit);
    report_text(&x->r, "help", m->help);
    if (m->family.n != 0)
        report_text(&x->r, "family", m->family);
    report_end(&x->r);
    return FER_OK;
}

/* Where the chunk of chunks_head is that has the samples; ref 0: up to there all are in blocks. */
static fer_code show_marker(void *arg, uint64_t ref, uint64_t place)
{
    log_inspection *x = arg;
    report_begin(&x->r, "marker");
    report_uint(&x->r, "ref", ref);
    report_uint(&x->r, "file", place >> 32);
    report_uint(&x->r, "offset", place & UINT32_MAX);
    report_end(&x->r);
    return FER_OK;
}

static void show_start(log_inspection *x, int64_t st)
{
    if (st != 0)
        report_int(&x->r, "start", st);
}

static fer_code show_sample_with_start(void *arg, uint64_t ref, int64_t t, int64_t st, double v)
{
    log_inspection *x = arg;
    report_begin(&x->r, "sample");
    report_uint(&x->r, "ref", ref);
    report_int(&x->r, "time", t);
    show_start(x, st);
    report_float(&x->r, "value", v);
    report_end(&x->r);
    return FER_OK;
}

static fer_code show_histogram(void *arg, uint64_t ref, int64_t t, int64_t st, const hist_sample *s)
{
    log_inspection *x = arg;
    FER_CLEANUP(fer_arena_freep) fer_arena *tmp = fer_arena_new(NULL, 0);
    report_begin(&x->r, "histogram");
    report_uint(&x->r, "ref", ref);
    report_int(&x->r, "time", t);
    show_start(x, st);
    report_int(&x->r, "schema", s->schema);
    report_uint(&x->r, "hint", s->reset_hint);
    if (hist_schema_is_known(s->schema))
        report_histogram(&x->r, hist_widen(s, tmp), !s->is_float);
    report_end(&x->r);
    return FER_OK;
}

static fer_code show_exemplar(void *arg, uint64_t ref, int64_t t, double v, labels ls)
{
    log_inspection *x = arg;
    report_begin(&x->r, "exemplar");
    report_uint(&x->r, "ref", ref);
    report_int(&x->r, "time", t);
    report_float(&x->r, "value", v);
    report_labels(&x->r, "labels", ls);
    report_end(&x->r);
    return FER_OK;
}

static void show_record(log_inspection *x, uint64_t offset, fer_str rec)
{
    report_begin(&x->r, "record");
    report_uint(&x->r, "offset", offset);
    report_text(&x->r, "type", str_of(type_names[type_of(rec)]));
    report_uint(&x->r, "bytes", rec.n);
    report_end(&x->r);
}

static void decode(log_inspection *x, uint64_t offset, fer_str rec)
{
    const record_visitor v = {x,          show_series, show_sample, show_tombstone, show_metadata,
                              show_marker};
    const record_hist_visitor typed = {x, show_sample_with_start, show_histogram, show_exemplar};
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    fer_err err;
    fer_code code = record_decode(rec, &v, &err);
    if (code == FER_UNSUPPORTED)
        code = record_hist_decode(rec, a, &typed, &err);
    if (code == FER_UNSUPPORTED) {
        report_begin(&x->r, "undecoded");
        report_text(&x->r, "what", STR("records of this type are not decoded by this version"));
        report_end(&x->r);
    } else if (code != FER_OK) {
        report_damage(&x->r, x->path, offset, err.msg);
    }
}

/* ---- segments ---- */

static fer_code on_record(void *arg, uint64_t segment, uint64_t offset, fer_str rec)
{
    (void)segment;
    log_inspection *x = arg;
    x->records[type_of(rec)]++;
    if (x->each)
        show_record(x, offset, rec);
    if (offset == x->wanted) {
        x->seen = true;
        show_record(x, offset, rec);
        decode(x, offset, rec);
    }
    return FER_OK;
}

static void on_damage(void *arg, const wal_damage *d)
{
    log_inspection *x = arg;
    char what[256];
    if (x->wanted != UINT64_MAX)
        return; /* only that record counts */
    snprintf(what, sizeof what, "%s; %" PRIu64 " bytes are lost%s", d->why, d->lost_bytes,
             d->torn ? " (nothing follows: maybe a write that never finished)" : "");
    report_damage(&x->r, x->path, d->offset, what);
}

static void show_totals(log_inspection *x)
{
    report_begin(&x->r, "segment");
    report_text(&x->r, "file", str_of(x->path));
    report_uint(&x->r, "bytes", x->bytes);
    for (size_t i = 0; i < TYPES; i++)
        if (x->records[i] != 0)
            report_uint(&x->r, type_names[i], x->records[i]);
    report_end(&x->r);
}

static fer_code read_segment(log_inspection *x, const char *path, fer_err *err)
{
    FER_CLEANUP(vfs_closep) vfs_file *f = NULL;
    vfs_map map;
    snprintf(x->path, sizeof x->path, "%s", path);
    memset(x->records, 0, sizeof x->records);
    FER_TRY(vfs_open(vfs_posix(), path, VFS_READ, &f, err));
    FER_TRY(vfs_map_file(f, &map, err));
    x->bytes = map.n;
    fer_code code =
        wal_read_segment((fer_str){(const char *)map.p, map.n}, 0, on_record, on_damage, x);
    vfs_unmap(&map);
    return code;
}

static void show_folder(log_inspection *x, const char *dir)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    uint64_t *numbers = NULL;
    size_t n = 0;
    fer_err err;
    char path[PATH_MAX];
    if (wal_list(vfs_posix(), dir, a, &numbers, &n, &err) != FER_OK)
        report_damage(&x->r, dir, 0, err.msg);
    for (size_t i = 0; i < n; i++) {
        if (i != 0 && numbers[i] != numbers[i - 1] + 1)
            report_damage(&x->r, dir, 0, "segments are missing before the next");
        if (wal_segment_path(path, dir, numbers[i], &err) != FER_OK ||
            read_segment(x, path, &err) != FER_OK)
            report_damage(&x->r, dir, 0, err.msg);
        else
            show_totals(x);
    }
}

static void show_checkpoints(log_inspection *x, const char *dir)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    uint64_t *numbers = NULL;
    size_t n = 0;
    char path[PATH_MAX];
    fer_err err;
    if (wal_list_checkpoints(vfs_posix(), dir, a, &numbers, &n, &err) != FER_OK)
        report_damage(&x->r, dir, 0, err.msg);
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/checkpoint.%08" PRIu64, dir, numbers[i]);
        report_begin(&x->r, "checkpoint");
        report_text(&x->r, "dir", str_of(path));
        report_end(&x->r);
        show_folder(x, path);
    }
}

/* ---- head chunks ---- */

static void on_chunk(void *arg, const head_chunk *c)
{
    log_inspection *x = arg;
    x->mint = x->items == 0 || c->mint < x->mint ? c->mint : x->mint;
    x->maxt = x->items == 0 || c->maxt > x->maxt ? c->maxt : x->maxt;
    x->items++;
    if (!x->each)
        return;
    report_begin(&x->r, "chunk");
    report_uint(&x->r, "series", c->series);
    report_uint(&x->r, "offset", c->offset);
    report_text(&x->r, "encoding", str_of(inspect_encoding_name(c->encoding)));
    report_bool(&x->r, "out_of_order", c->out_of_order);
    report_uint(&x->r, "bytes", c->data.n);
    report_int(&x->r, "min_time", c->mint);
    report_int(&x->r, "max_time", c->maxt);
    report_end(&x->r);
    if (x->samples && inspect_samples(&x->r, c->encoding, c->data) != FER_OK)
        report_damage(&x->r, x->path, c->offset, "the samples of the chunk do not decode");
}

static void on_head_damage(void *arg, const head_file_damage *d)
{
    log_inspection *x = arg;
    char what[256];
    snprintf(what, sizeof what, "%s; %" PRIu64 " bytes are lost", d->why, d->lost_bytes);
    report_damage(&x->r, x->path, d->offset, what);
}

static void show_head_file(log_inspection *x, const char *dir, const char *name)
{
    vfs_map map;
    fer_err err;
    if (dir_file_path(x->path, dir, name, &err) != FER_OK ||
        dir_file_map(vfs_posix(), dir, name, &map, &err) != FER_OK) {
        report_damage(&x->r, dir, 0, err.msg);
        return;
    }
    const head_file_visitor v = {x, on_chunk, on_head_damage};
    fer_str bytes = {(const char *)map.p, map.n};
    x->items = 0;
    x->mint = x->maxt = 0;
    if (!head_file_is_unborn(bytes))
        head_file_scan(bytes, &v);
    report_begin(&x->r, "file");
    report_text(&x->r, "file", str_of(x->path));
    report_uint(&x->r, "bytes", map.n);
    report_uint(&x->r, "chunks", x->items);
    report_int(&x->r, "min_time", x->mint);
    report_int(&x->r, "max_time", x->maxt);
    report_end(&x->r);
    vfs_unmap(&map);
}

typedef struct name_list {
    char (*v)[HEAD_NAME_DIGITS + 1];
    size_t n;
} name_list;

static fer_code note_name(void *arg, const char *name)
{
    name_list *l = arg;
    if (strlen(name) != HEAD_NAME_DIGITS || strspn(name, "0123456789") != HEAD_NAME_DIGITS)
        return FER_OK;
    l->v = fer_realloc(l->v, (l->n + 1) * sizeof *l->v);
    memcpy(l->v[l->n++], name, sizeof *l->v);
    return FER_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* ---- commands ---- */

static void begin(log_inspection *x, const cli_call *c, const char *each)
{
    *x = (log_inspection){.wanted = UINT64_MAX, .each = each != NULL && cli_is_set(c, each)};
    report_open(&x->r, cli_is_set(c, "json"));
}

int inspect_wal_run(const cli_call *c)
{
    log_inspection x;
    fer_err err;
    if (db_path_check(cli_arg_text(c, 0), &err) != FER_OK)
        return db_path_fail(&err);
    begin(&x, c, "records");
    show_checkpoints(&x, cli_arg_text(c, 0));
    show_folder(&x, cli_arg_text(c, 0));
    return report_close(&x.r);
}

int inspect_checkpoint_run(const cli_call *c)
{
    log_inspection x;
    fer_err err;
    if (db_path_check(cli_arg_text(c, 0), &err) != FER_OK)
        return db_path_fail(&err);
    begin(&x, c, "records");
    show_folder(&x, cli_arg_text(c, 0));
    return report_close(&x.r);
}

int inspect_segment_run(const cli_call *c)
{
    log_inspection x;
    fer_err err;
    begin(&x, c, "records");
    fer_code code = read_segment(&x, cli_arg_text(c, 0), &err);
    if (code == FER_OK)
        show_totals(&x);
    int exit_code = report_close(&x.r);
    return code == FER_OK ? exit_code : db_path_fail(&err);
}

int inspect_record_run(const cli_call *c)
{
    log_inspection x;
    fer_err err;
    begin(&x, c, NULL);
    fer_code code = FER_OK;
    if (!num_parse_u64(str_of(cli_arg_text(c, 1)), &x.wanted))
        code = fer_fail(&err, FER_INVALID, "invalid offset %s", cli_arg_text(c, 1));
    if (code == FER_OK)
        code = read_segment(&x, cli_arg_text(c, 0), &err);
    if (code == FER_OK && !x.seen)
        code = fer_fail(&err, FER_NOTFOUND, "no readable record begins at offset %s",
                        cli_arg_text(c, 1));
    int exit_code = report_close(&x.r);
    return code == FER_OK ? exit_code : db_path_fail(&err);
}

int inspect_chunks_head_run(const cli_call *c)
{
    log_inspection x;
    fer_err err;
    name_list l = {0};
    const char *dir = cli_arg_text(c, 0);
    if (db_path_check(dir, &err) != FER_OK)
        return db_path_fail(&err);
    begin(&x, c, "chunks");
    x.samples = cli_is_set(c, "samples");
    x.each |= x.samples;
    if (vfs_list(vfs_posix(), dir, note_name, &l, &err) != FER_OK)
        report_damage(&x.r, dir, 0, err.msg);
    if (l.n != 0)
        qsort(l.v, l.n, sizeof *l.v, by_name);
    for (size_t i = 0; i < l.n; i++)
        show_head_file(&x, dir, l.v[i]);
    fer_free(l.v);
    return report_close(&x.r);
}

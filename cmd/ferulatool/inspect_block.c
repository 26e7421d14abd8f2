/* inspect_block.c - a block's files, each by itself and all together. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "cmd/ferulatool/db_path.h"
#include "cmd/ferulatool/inspect.h"
#include "cmd/ferulatool/inspect_chunk.h"
#include "promql/parse.h"
#include "tsdb/block/block_select.h"
#include "tsdb/block/dir_file.h"

/* A block's folder, of which each file may be damaged. */
typedef struct inspection {
    report r;
    fer_arena *a;
    const char *dir;
    block b; /* index, chunks and stones as far as they could be opened */
    bool has_index, has_chunks;
} inspection;

static int refuse(const fer_err *err)
{
    return db_path_fail(err);
}

static void damage(inspection *x, const char *name, uint64_t offset, const char *what)
{
    char path[PATH_MAX];
    if (dir_file_path(path, x->dir, name, NULL) != FER_OK)
        path[0] = '\0';
    report_damage(&x->r, path, offset, what);
}

static bool open_index(inspection *x)
{
    fer_err err;
    x->has_index = block_index_open(&x->b.index, vfs_posix(), x->dir, NULL, &err) == FER_OK;
    if (!x->has_index)
        damage(x, "index", 0, err.msg);
    return x->has_index;
}

static bool open_chunks(inspection *x)
{
    fer_err err;
    char path[PATH_MAX];
    x->has_chunks = dir_file_path(path, x->dir, "chunks", &err) == FER_OK &&
                    block_chunks_open(&x->b.chunks, vfs_posix(), path, NULL, &err) == FER_OK;
    if (!x->has_chunks)
        damage(x, "chunks", 0, err.msg);
    return x->has_chunks;
}

static fer_code begin(inspection *x, const cli_call *c, fer_err *err)
{
    *x = (inspection){.dir = cli_arg_text(c, 0)};
    FER_TRY(db_path_check(x->dir, err));
    x->a = fer_arena_new(NULL, 0);
    const char *slash = strrchr(x->dir, '/');
    x->b.name = slash == NULL ? x->dir : slash + 1;
    report_open(&x->r, cli_is_set(c, "json"));
    return FER_OK;
}

static int end(inspection *x)
{
    if (x->has_index)
        block_index_close(&x->b.index);
    if (x->has_chunks)
        block_chunks_close(&x->b.chunks);
    fer_arena_free(x->a);
    return report_close(&x->r);
}

/* ---- meta ---- */

static void show_meta_lists(report *r, const block_meta *m)
{
    for (size_t i = 0; i < m->n_sources; i++) {
        report_begin(r, "source");
        report_text(r, "ulid", str_of(m->sources[i].text));
        report_end(r);
    }
    for (size_t i = 0; i < m->n_parents; i++) {
        report_begin(r, "parent");
        report_text(r, "ulid", str_of(m->parents[i].id.text));
        report_int(r, "min_time", m->parents[i].min_time);
        report_int(r, "max_time", m->parents[i].max_time);
        report_end(r);
    }
    for (size_t i = 0; i < m->n_hints; i++) {
        report_begin(r, "hint");
        report_text(r, "text", m->hints[i]);
        report_end(r);
    }
}

static void show_meta(inspection *x)
{
    block_meta m;
    fer_err err;
    report *r = &x->r;
    if (block_meta_load(vfs_posix(), x->dir, x->a, &m, &err) != FER_OK) {
        damage(x, "meta.json", 0, err.msg);
        return;
    }
    report_begin(r, "meta");
    report_text(r, "ulid", str_of(m.id.text));
    report_int(r, "min_time", m.min_time);
    report_int(r, "max_time", m.max_time);
    report_uint(r, "samples", m.stats.samples);
    report_uint(r, "float_samples", m.stats.float_samples);
    report_uint(r, "histogram_samples", m.stats.histogram_samples);
    report_uint(r, "series", m.stats.series);
    report_uint(r, "chunks", m.stats.chunks);
    report_uint(r, "tombstones", m.stats.tombstones);
    report_int(r, "level", m.level);
    report_bool(r, "deletable", m.deletable);
    report_bool(r, "failed", m.failed);
    report_end(r);
    show_meta_lists(r, &m);
}

/* ---- index ---- */

static void show_section(report *r, const char *name, uint64_t offset)
{
    report_begin(r, "section");
    report_text(r, "name", str_of(name));
    report_uint(r, "offset", offset);
    report_end(r);
}

static void show_index(inspection *x)
{
    const block_index *i = &x->b.index;
    report *r = &x->r;
    report_begin(r, "index");
    report_uint(r, "version", i->version);
    report_uint(r, "bytes", i->map.n);
    report_uint(r, "symbols", i->symbols.n);
    report_uint(r, "label_names", i->n_names - (i->all != 0));
    report_end(r);
    show_section(r, "symbols", i->toc.symbols);
    show_section(r, "series", i->toc.series);
    show_section(r, "label_indices", i->toc.label_indices);
    show_section(r, "postings", i->toc.postings);
    show_section(r, "label_indices_table", i->toc.label_indices_table);
    show_section(r, "postings_table", i->toc.postings_table);
}

static void show_names(inspection *x)
{
    const block_index *i = &x->b.index;
    for (size_t k = 0; k < i->n_names; k++) {
        if (i->names[k].text.n == 0)
            continue;
        report_begin(&x->r, "label");
        report_text(&x->r, "name", i->names[k].text);
        report_uint(&x->r, "values", i->names[k].n);
        report_end(&x->r);
    }
}

static void show_chunk_segments(inspection *x)
{
    for (size_t i = 0; i < x->b.chunks.n; i++) {
        report_begin(&x->r, "segment");
        report_uint(&x->r, "number", i + 1);
        report_uint(&x->r, "bytes", x->b.chunks.segments[i].n);
        report_end(&x->r);
    }
}

/* ---- series ---- */

static bool show_labels(inspection *x, uint64_t ref, index_series *s)
{
    label l[LABELS_MAX];
    size_t n = 0;
    uint32_t name, value;
    fer_code code = FER_OK;
    while (n < LABELS_MAX && (code = index_series_label(s, &name, &value)) == FER_OK) {
        if (block_symbols_text(&x->b.index.symbols, name, &l[n].name) != FER_OK ||
            block_symbols_text(&x->b.index.symbols, value, &l[n].value) != FER_OK)
            break;
        n++;
    }
    if (code != FER_END) {
        damage(x, "index", ref * INDEX_SERIES_ALIGN, "the labels of a series do not decode");
        return false;
    }
    report_begin(&x->r, "series");
    report_uint(&x->r, "ref", ref);
    report_labels(&x->r, "labels", (labels){l, n});
    return true;
}

static void show_series_chunks(inspection *x, index_series s)
{
    index_chunk c;
    while (index_series_chunk(&s, &c) == FER_OK) {
        report_begin(&x->r, "chunk");
        report_uint(&x->r, "ref", c.ref);
        report_uint(&x->r, "segment", (c.ref >> 32) + 1);
        report_uint(&x->r, "offset", c.ref & UINT32_MAX);
        report_int(&x->r, "min_time", c.mint);
        report_int(&x->r, "max_time", c.maxt);
        report_end(&x->r);
    }
}

static void show_series(inspection *x, uint64_t ref, bool chunks)
{
    index_series s;
    index_chunk c;
    fer_err err;
    uint64_t n = 0;
    int64_t first = 0, last = 0;
    fer_code code;
    if (block_index_series(&x->b.index, ref, &s, &err) != FER_OK) {
        damage(x, "index", ref * INDEX_SERIES_ALIGN, err.msg);
        return;
    }
    index_series labels_at = s;
    for (; (code = index_series_chunk(&s, &c)) == FER_OK; n++) {
        first = n == 0 ? c.mint : first;
        last = c.maxt;
    }
    if (code != FER_END) {
        damage(x, "index", ref * INDEX_SERIES_ALIGN, "the chunks of a series do not decode");
    }
    index_series chunks_at = labels_at;
    if (!show_labels(x, ref, &labels_at))
        return;
    report_uint(&x->r, "chunks", n);
    report_int(&x->r, "min_time", first);
    report_int(&x->r, "max_time", last);
    report_end(&x->r);
    if (chunks)
        show_series_chunks(x, chunks_at);
}

static void show_refs(inspection *x, const index_postings *l)
{
    for (size_t i = 0; i < l->n; i++)
        show_series(x, index_posting(l, i), false);
}

static fer_code selected_refs(inspection *x, const char *match, ref_list *ret, str_list *warnings,
                              fer_err *err)
{
    matcher *m = NULL;
    size_t nm = 0;
    query_ctx ctx = {.arena = x->a};
    if (match != NULL)
        FER_TRY(promql_parse_matchers(str_of(match), x->a, &m, &nm, err));
    return block_select(&x->b, x->a, NULL, query_warnings_new(&ctx, warnings), m, nm, ret, err);
}

/* ---- postings ---- */

static void show_values(inspection *x, size_t name)
{
    index_values v;
    fer_str value;
    uint64_t off;
    index_values_begin(&v, &x->b.index, name);
    while (index_values_next(&v, &value, &off) == FER_OK) {
        index_postings l;
        fer_err err;
        if (block_index_postings(&x->b.index, off, &l, &err) != FER_OK) {
            damage(x, "index", off, err.msg);
            continue;
        }
        report_begin(&x->r, "postings");
        report_text(&x->r, "value", value);
        report_uint(&x->r, "offset", off);
        report_uint(&x->r, "series", l.n);
        report_end(&x->r);
    }
}

static fer_code show_postings(inspection *x, const char *name, const char *value, fer_err *err)
{
    uint64_t off;
    index_postings l;
    size_t i = block_index_name(&x->b.index, str_of(name));
    if (i == INDEX_NONE)
        return fer_fail(err, FER_NOTFOUND, "there is no label %s", name);
    if (value == NULL) {
        show_values(x, i);
        return FER_OK;
    }
    if (block_index_value(&x->b.index, i, str_of(value), &off) != FER_OK)
        return fer_fail(err, FER_NOTFOUND, "there is no label %s with the value %s", name, value);
    if (block_index_postings(&x->b.index, off, &l, err) != FER_OK)
        damage(x, "index", off, err->msg);
    else
        show_refs(x, &l);
    return FER_OK;
}

/* ---- chunks, tombstones ---- */

static void show_chunk(inspection *x, uint64_t ref, bool with_samples)
{
    uint8_t encoding;
    fer_str data;
    fer_err err;
    if (block_chunks_get(&x->b.chunks, ref, &encoding, &data, &err) != FER_OK) {
        damage(x, "chunks", ref & UINT32_MAX, err.msg);
        return;
    }
    report_begin(&x->r, "chunk");
    report_uint(&x->r, "ref", ref);
    report_text(&x->r, "encoding", str_of(inspect_encoding_name(encoding)));
    report_uint(&x->r, "bytes", data.n);
    if (data.n >= 2)
        report_uint(&x->r, "samples", inspect_chunk_count(encoding, data));
    report_end(&x->r);
    if (with_samples && inspect_samples(&x->r, encoding, data) != FER_OK)
        damage(x, "chunks", ref & UINT32_MAX, "the samples of the chunk do not decode");
}

static void show_tombstones(inspection *x)
{
    tombstones t;
    fer_err err;
    tombstones_init(&t, NULL);
    if (tombstones_load(&t, vfs_posix(), x->dir, &err) != FER_OK)
        damage(x, "tombstones", 0, err.msg);
    for (size_t i = 0; i < t.n; i++) {
        report_begin(&x->r, "tombstone");
        report_uint(&x->r, "ref", t.v[i].ref);
        report_int(&x->r, "min_time", t.v[i].mint);
        report_int(&x->r, "max_time", t.v[i].maxt);
        report_end(&x->r);
    }
    tombstones_done(&t);
}

/* ---- commands ---- */

int inspect_block_run(const cli_call *c)
{
    inspection x;
    fer_err err;
    if (begin(&x, c, &err) != FER_OK)
        return refuse(&err);
    show_meta(&x);
    if (open_index(&x))
        show_index(&x);
    if (open_chunks(&x))
        show_chunk_segments(&x);
    show_tombstones(&x);
    return end(&x);
}

int inspect_meta_run(const cli_call *c)
{
    inspection x;
    fer_err err;
    if (begin(&x, c, &err) != FER_OK)
        return refuse(&err);
    show_meta(&x);
    return end(&x);
}

int inspect_index_run(const cli_call *c)
{
    inspection x;
    fer_err err;
    if (begin(&x, c, &err) != FER_OK)
        return refuse(&err);
    if (open_index(&x)) {
        show_index(&x);
        show_names(&x);
    }
    return end(&x);
}

int inspect_series_run(const cli_call *c)
{
    inspection x;
    fer_err err;
    if (begin(&x, c, &err) != FER_OK)
        return refuse(&err);
    ref_list refs = {0};
    str_list warnings = {0};
    int64_t limit = cli_int(c, "limit");
    int failed = 0;
    if (open_index(&x)) {
        fer_code code = selected_refs(&x, cli_text(c, "match"), &refs, &warnings, &err);
        if (code == FER_CORRUPT)
            damage(&x, "index", 0, err.msg);
        else if (code != FER_OK)
            failed = refuse(&err);
    }
    for (size_t i = 0; i < refs.n && (limit <= 0 || i < (size_t)limit); i++)
        show_series(&x, refs.v[i], cli_is_set(c, "chunks"));
    for (size_t i = 0; i < warnings.n; i++)
        report_damage(&x.r, x.dir, 0, warnings.v[i].p);
    int code = end(&x);
    return failed != 0 ? failed : code;
}

int inspect_postings_run(const cli_call *c)
{
    inspection x;
    fer_err err;
    if (begin(&x, c, &err) != FER_OK)
        return refuse(&err);
    int failed = 0;
    if (open_index(&x)) {
        const char *name = cli_arg_text(c, 1);
        if (name == NULL)
            show_names(&x);
        else if (show_postings(&x, name, cli_arg_text(c, 2), &err) != FER_OK)
            failed = refuse(&err);
    }
    int code = end(&x);
    return failed != 0 ? failed : code;
}

int inspect_chunk_run(const cli_call *c)
{
    inspection x;
    fer_err err;
    uint64_t ref;
    if (!num_parse_u64(str_of(cli_arg_text(c, 1)), &ref)) {
        fprintf(stderr, "invalid chunk ref %s\n", cli_arg_text(c, 1));
        return EXIT_FAILURE;
    }
    if (begin(&x, c, &err) != FER_OK)
        return refuse(&err);
    if (open_chunks(&x))
        show_chunk(&x, ref, cli_is_set(c, "samples"));
    return end(&x);
}

int inspect_tombstones_run(const cli_call *c)
{
    inspection x;
    fer_err err;
    if (begin(&x, c, &err) != FER_OK)
        return refuse(&err);
    show_tombstones(&x);
    return end(&x);
}

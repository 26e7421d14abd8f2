/* block_testing.h - for tests of blocks: golden folders copied to any file system, files changed, everything a
 * querier gives as text. Failures assert. */
#ifndef FERULA_TSDB_BLOCK_TESTING_H
#define FERULA_TSDB_BLOCK_TESTING_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/num.h"
#include "tsdb/block/dir_file.h"
#include "tsdb/block/file_out.h"
#include "tsdb/querier.h"

static inline void must(fer_code code, const fer_err *err)
{
    if (code != FER_OK)
        fail_msg("%s: %s", fer_code_name(code), err->msg);
}

static inline fer_str read_file(vfs *fs, const char *path, fer_arena *a)
{
    fer_err err = {0};
    fer_str s;
    must(vfs_read_all(fs, path, 1 << 30, a, &s, &err), &err);
    return s;
}

static inline void write_file(vfs *fs, const char *path, fer_str bytes)
{
    fer_err err = {0};
    file_out o;
    must(file_out_open(&o, fs, path, &err), &err);
    file_out_put(&o, bytes.p, bytes.n);
    must(file_out_close(&o, &err), &err);
}

typedef struct tree_copy {
    vfs *fs;
    const char *from, *to;
} tree_copy;

static inline fer_code copy_entry(void *arg, const char *name)
{
    const tree_copy *c = arg;
    fer_err err = {0};
    char from[PATH_MAX], to[PATH_MAX];
    must(dir_file_path(from, c->from, name, &err), &err);
    must(dir_file_path(to, c->to, name, &err), &err);
    vfs_stat st;
    must(vfs_stat_path(vfs_posix(), from, &st, &err), &err);
    if (st.is_dir) {
        must(vfs_mkdir_all(c->fs, to, &err), &err);
        tree_copy sub = {c->fs, from, to};
        must(vfs_list(vfs_posix(), from, copy_entry, &sub, &err), &err);
        return FER_OK;
    }
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    write_file(c->fs, to, read_file(vfs_posix(), from, a));
    return FER_OK;
}

/* Copies testdata/blocks/NAME to `to`. */
static inline void copy_golden(vfs *fs, const char *to, const char *name)
{
    char from[PATH_MAX];
    snprintf(from, sizeof from, FERULA_TESTDATA "/blocks/%s", name);
    fer_err err = {0};
    must(vfs_mkdir_all(fs, to, &err), &err);
    tree_copy c = {fs, from, to};
    must(vfs_list(vfs_posix(), from, copy_entry, &c, &err), &err);
}

typedef struct block_names {
    char v[64][32];
    size_t n;
} block_names;

static inline fer_code note_block(void *arg, const char *name)
{
    block_names *l = arg;
    if (strlen(name) == 26)
        memcpy(l->v[l->n++], name, 27);
    return FER_OK;
}

/* The blocks of a folder, by name. */
static inline block_names list_blocks(vfs *fs, const char *dir)
{
    block_names l = {0};
    fer_err err = {0};
    must(vfs_list(fs, dir, note_block, &l, &err), &err);
    for (size_t i = 0; i + 1 < l.n; i++)
        for (size_t k = i + 1; k < l.n; k++)
            if (strcmp(l.v[i], l.v[k]) > 0) {
                char tmp[32];
                memcpy(tmp, l.v[i], 32);
                memcpy(l.v[i], l.v[k], 32);
                memcpy(l.v[k], tmp, 32);
            }
    return l;
}

/* promtool 3.5 swallows the first two integer histograms of a series; of those in the golden blocks it shows these. */
static const int64_t DUMPED_HISTOGRAMS_MS = 1700011200000;

/* dump.txt of a golden folder. */
static inline void golden_dump(fer_buf *out, const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, FERULA_TESTDATA "/blocks/%s/dump.txt", name);
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    fer_buf_puts(out, read_file(vfs_posix(), path, a));
}

/* As promtool prints those of the golden blocks, which have positive buckets of schema 0. */
static inline void print_histogram(fer_buf *out, const histogram *h)
{
    assert_true(h->schema == 0 && h->n_neg == 0 && h->zero_count == 0 && h->n_pos_spans == 1);
    fer_buf_printf(out, "{count:%g, sum:%g", h->count, h->sum);
    for (uint32_t i = 0; i < h->n_pos; i++) {
        double upper = ldexp(1, h->pos_spans[0].offset + (int)i);
        if (h->pos[i] != 0)
            fer_buf_printf(out, ", (%g,%g]:%g", upper / 2, upper, h->pos[i]);
    }
    fer_buf_putc(out, '}');
}

/* Series i as promtool dumps it: a line a sample. */
static inline void dump_series(fer_buf *out, selection *s, size_t i, const syms *sy, int64_t mint,
                               int64_t maxt)
{
    fer_err err = {0};
    samples got;
    samples_init(&got, NULL);
    must(selection_read(s, i, mint, maxt, &got, &err), &err);
    size_t n;
    const label_id *ids = selection_labels(s, i, &n);
    assert_non_null(ids);
    label l[64];
    assert_true(n <= 64);
    for (size_t k = 0; k < n; k++)
        l[k] = (label){syms_text(sy, ids[k].name), syms_text(sy, ids[k].value)};
    for (size_t k = 0; k < got.n; k++) {
        char number[NUM_TEXT_MAX];
        bool is_histogram = got.h != NULL && got.h[k] != NULL;
        if (is_histogram && got.t[k] < DUMPED_HISTOGRAMS_MS)
            continue;
        labels_print(out, (labels){l, n});
        fer_buf_putc(out, ' ');
        if (is_histogram)
            print_histogram(out, got.h[k]);
        else
            fer_buf_put(out, number, num_format_g(number, got.v[k]));
        fer_buf_printf(out, " %lld\n", (long long)got.t[k]);
        assert_true(k == 0 || got.t[k] > got.t[k - 1]);
    }
    samples_done(&got);
}

/* All that matches, sorted by labels. */
static inline void dump_querier(fer_buf *out, querier *q, const matcher *m, size_t nm)
{
    fer_err err = {0};
    select_hints h = {.mint = q->mint, .maxt = q->maxt, .sorted = true};
    selection *s;
    must(querier_select(q, &h, m, nm, &s, &err), &err);
    for (size_t i = 0; i < s->n; i++)
        dump_series(out, s, i, q->ctx.syms, q->mint, q->maxt);
}

static inline void assert_same_text(const fer_buf *got, const fer_buf *want)
{
    size_t i = 0;
    while (i < got->n && i < want->n && got->p[i] == want->p[i])
        i++;
    if (i == got->n && i == want->n)
        return;
    while (i > 0 && got->p[i - 1] != '\n')
        i--;
    fail_msg("at byte %zu of %zu and %zu:\ngot  %.200s\nwant %.200s", i, got->n, want->n,
             got->p + i, want->p + i);
}

#endif

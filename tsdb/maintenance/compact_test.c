#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/vfs_fault.h"
#include "tsdb/block/block_testing.h"
#include "tsdb/block/block_write.h"
#include "tsdb/chunk/chunk_xor.h"
#include "tsdb/maintenance/compact.h"
#include "tsdb/tsdb_testing.h"

typedef struct fixture {
    vfs_fault *disk;
    vfs *fs;
    fer_arena *a;
    fer_clock_fake clock;
    fer_rng_seeded rng;
    compact_options o;
    block *v[8];
    size_t n;
} fixture;

static void begin(fixture *f)
{
    *f = (fixture){.a = fer_arena_new(NULL, 0)};
    fer_clock_fake_init(&f->clock, TEST_NOW);
    f->disk = vfs_fault_new(&f->clock.base);
    f->fs = vfs_fault_fs(f->disk);
    fer_rng_seeded_init(&f->rng, 1);
    f->o =
        (compact_options){.fs = f->fs, .dir = "/out", .clock = &f->clock.base, .rng = &f->rng.base};
    fer_err err = {0};
    must(vfs_mkdir_all(f->fs, "/out", &err), &err);
}

static void end(fixture *f)
{
    for (size_t i = 0; i < f->n; i++)
        block_unref(f->v[i]);
    fer_arena_free(f->a);
    vfs_fault_free(f->disk);
}

static int by_min_time(const void *a, const void *b)
{
    const block *x = *(block *const *)a, *y = *(block *const *)b;
    if (x->meta.min_time != y->meta.min_time)
        return x->meta.min_time < y->meta.min_time ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void open_all(fixture *f, const char *dir)
{
    block_names l = list_blocks(f->fs, dir);
    fer_err err = {0};
    for (size_t i = 0; i < l.n; i++)
        must(block_open(f->fs, dir, l.v[i], NULL, &f->v[f->n++], &err), &err);
    qsort(f->v, f->n, sizeof *f->v, by_min_time);
}

static void assert_same_bytes(fer_str got, fer_str want)
{
    size_t i = 0;
    while (i < got.n && i < want.n && got.p[i] == want.p[i])
        i++;
    if (i != got.n || i != want.n)
        fail_msg("they part at byte %zu of %zu and %zu", i, got.n, want.n);
}

static fer_str section(const block_index *x, uint64_t from, uint64_t to)
{
    return (fer_str){(const char *)x->map.p + from, (size_t)(to - from)};
}

static void assert_same_block(const block *got, const block *want)
{
    assert_int_equal(got->chunks.n, want->chunks.n);
    for (size_t i = 0; i < want->chunks.n; i++)
        assert_same_bytes(
            (fer_str){(const char *)got->chunks.segments[i].p, got->chunks.segments[i].n},
            (fer_str){(const char *)want->chunks.segments[i].p, want->chunks.segments[i].n});
    /* 3.5 writes label indices behind the series and their table behind the postings */
    const block_index *g = &got->index, *w = &want->index;
    assert_same_bytes(section(g, 0, g->toc.label_indices), section(w, 0, w->toc.label_indices));
    assert_same_bytes(section(g, (g->toc.postings + 3) & ~3ULL, g->toc.postings_table),
                      section(w, (w->toc.postings + 3) & ~3ULL, w->toc.label_indices_table));
    block_meta mg = got->meta, mw = want->meta;
    mg.id = mw.id;
    mw.stats.float_samples = mw.stats.samples; /* later versions tell it */
    fer_buf tg, tw;
    fer_buf_init(&tg, 1 << 20, NULL);
    fer_buf_init(&tw, 1 << 20, NULL);
    block_meta_print(&tg, &mg);
    block_meta_print(&tw, &mw);
    assert_same_text(&tg, &tw);
    fer_buf_done(&tg);
    fer_buf_done(&tw);
}

/* The folders hold what Prometheus 3.5 had and what it made of it. */
static void blocks_become_the_bytes_of_prometheus(void **state)
{
    (void)state;
    static const char *const goldens[] = {"compacted-overlaps-3.5", "compacted-windows-3.5"};
    for (size_t i = 0; i < 2; i++) {
        fixture f;
        begin(&f);
        fer_err err = {0};
        block_meta meta;
        block *got, *want;
        copy_golden(f.fs, "/golden", goldens[i]);
        open_all(&f, "/golden/in");
        assert_true(f.n >= 3);
        must(compact_blocks(&f.o, f.v, f.n, f.a, &meta, &err), &err);
        must(block_open(f.fs, "/out", meta.id.text, NULL, &got, &err), &err);
        must(block_open(f.fs, "/golden/out", list_blocks(f.fs, "/golden/out").v[0], NULL, &want,
                        &err),
             &err);
        assert_same_block(got, want);
        block_unref(got);
        block_unref(want);
        end(&f);
    }
}

/* ---- small blocks made here ---- */

static fer_code count_entry(void *arg, const char *name)
{
    (void)name;
    ++*(size_t *)arg;
    return FER_OK;
}

typedef struct made_chunk {
    int64_t first; /* samples at first, first + 1000, ... */
    size_t n;
} made_chunk;

static void make_block(fixture *f, const char *dir, int64_t mint, int64_t maxt,
                       const made_chunk *chunks, size_t n)
{
    fer_err err = {0};
    block_writer *w;
    ulid id = ulid_make(TEST_NOW, &f->rng.base);
    static const char *const symbols[] = {"__name__", "a", "b"};
    must(block_writer_open(f->fs, dir, &id, 0, NULL, &w, &err), &err);
    for (size_t i = 0; i < 3; i++)
        must(block_writer_symbol(w, str_of(symbols[i]), &err), &err);
    block_chunk out[4];
    for (size_t i = 0; i < n; i++) {
        uint8_t *bytes = fer_arena_calloc(f->a, 1, 8192);
        xor_appender x;
        xor_init(&x);
        for (size_t k = 0; k < chunks[i].n; k++)
            xor_append(&x, bytes, chunks[i].first + (int64_t)k * 1000, (double)k);
        out[i] = (block_chunk){chunks[i].first, x.t, CHUNK_XOR, {(char *)bytes, xor_bytes(&x)}};
    }
    must(block_writer_series(w, (const label_id[]){{0, 1}}, 1, out, n, &err), &err);
    must(block_writer_series(w, (const label_id[]){{0, 2}}, 1, out, 0, &err), &err);
    block_meta meta = {
        .min_time = mint, .max_time = maxt, .level = 1, .n_sources = 1, .sources = &id};
    must(block_writer_close(w, &meta, &err), &err);
    assert_int_equal(meta.stats.series, n != 0);
}

static void a_series_without_chunks_and_a_block_without_samples_are_not_written(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    make_block(&f, "/out", 0, 7200000, NULL, 0);
    assert_int_equal(list_blocks(f.fs, "/out").n, 0);
    make_block(&f, "/out", 0, 7200000, (const made_chunk[]){{0, 5}}, 1);
    open_all(&f, "/out");
    assert_int_equal(f.n, 1);
    assert_int_equal(f.v[0]->meta.stats.samples, 5);
    assert_int_equal(f.v[0]->index.symbols.n, 3);
    end(&f);
}

static void delete_first_series(block *b, int64_t mint, int64_t maxt)
{
    index_postings all;
    fer_err err = {0};
    must(block_index_postings(&b->index, b->index.all, &all, &err), &err);
    tombstones_add(&b->stones, index_posting(&all, 0), mint, maxt);
    tombstones_sort(&b->stones);
}

static void what_is_all_deleted_leaves_no_block(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    fer_err err = {0};
    block_meta meta;
    make_block(&f, "/in", 0, 7200000, (const made_chunk[]){{0, 5}, {10000, 5}}, 2);
    open_all(&f, "/in");
    delete_first_series(f.v[0], 0, 20000);
    must(compact_rewrite(&f.o, f.v[0], f.a, &meta, &err), &err);
    assert_int_equal(meta.stats.samples, 0);
    assert_false(vfs_exists(f.fs, "/out/meta.json"));
    assert_int_equal(list_blocks(f.fs, "/out").n, 0);
    end(&f);
}

static void a_rewritten_block_is_its_own_source(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    fer_err err = {0};
    block_meta meta;
    make_block(&f, "/in", 0, 7200000, (const made_chunk[]){{0, 5}, {10000, 5}}, 2);
    open_all(&f, "/in");
    delete_first_series(f.v[0], 2000, 11000);
    must(compact_rewrite(&f.o, f.v[0], f.a, &meta, &err), &err);
    assert_int_equal(meta.stats.samples, 5); /* 0 1 of the first, 12 13 14 of the second */
    assert_int_equal(meta.stats.chunks, 2);
    assert_int_equal(meta.level, 1);
    assert_string_equal(meta.sources[0].text, meta.id.text);
    assert_string_equal(meta.parents[0].id.text, f.v[0]->name);
    end(&f);
}

static void a_damaged_chunk_stops_the_merge_and_leaves_nothing(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    fer_err err = {0};
    block_meta meta;
    make_block(&f, "/in", 0, 7200000, (const made_chunk[]){{0, 5}}, 1);
    make_block(&f, "/in", 7200000, 14400000, (const made_chunk[]){{7200000, 5}}, 1);
    char path[PATH_MAX];
    snprintf(path, sizeof path, "/in/%s/chunks/000001", list_blocks(f.fs, "/in").v[1]);
    fer_str bytes = read_file(f.fs, path, f.a);
    ((char *)bytes.p)[bytes.n - 6] ^= 1;
    write_file(f.fs, path, bytes);
    open_all(&f, "/in");
    assert_int_equal(compact_blocks(&f.o, f.v, 2, f.a, &meta, &err), FER_CORRUPT);
    assert_non_null(strstr(err.msg, "checksum mismatch"));
    size_t left = 0;
    must(vfs_list(f.fs, "/out", count_entry, &left, &err), &err);
    assert_int_equal(left, 0);
    end(&f);
}

static void a_stopped_merge_leaves_nothing(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    fer_err err = {0};
    block_meta meta;
    fer_cancel stop;
    fer_cancel_init(&stop, &f.clock.base, 0);
    fer_cancel_now(&stop);
    f.o.cancel = &stop;
    make_block(&f, "/in", 0, 7200000, (const made_chunk[]){{0, 5}}, 1);
    open_all(&f, "/in");
    assert_int_equal(compact_blocks(&f.o, f.v, 1, f.a, &meta, &err), FER_CANCELED);
    size_t left = 0;
    must(vfs_list(f.fs, "/out", count_entry, &left, &err), &err);
    assert_int_equal(left, 0);
    end(&f);
}

static void identities_tell_their_time(void **state)
{
    (void)state;
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, 3);
    ulid a = ulid_make(1469918176385, &rng.base), b = ulid_make(1469918176386, &rng.base);
    assert_true(ulid_is_valid(a.text));
    assert_memory_equal(a.text, "01ARYZ6S41", 10); /* the example of the ULID specification */
    assert_true(strcmp(a.text, b.text) < 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_become_the_bytes_of_prometheus),
        cmocka_unit_test(a_series_without_chunks_and_a_block_without_samples_are_not_written),
        cmocka_unit_test(what_is_all_deleted_leaves_no_block),
        cmocka_unit_test(a_rewritten_block_is_its_own_source),
        cmocka_unit_test(a_damaged_chunk_stops_the_merge_and_leaves_nothing),
        cmocka_unit_test(a_stopped_merge_leaves_nothing),
        cmocka_unit_test(identities_tell_their_time),
    };
    return cmocka_run_group_tests_name("compact", tests, NULL, NULL);
}

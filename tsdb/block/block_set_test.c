/* block_set_test.c - the blocks of a directory: which are served, which are named, which go, while readers hold them. */
#include "tsdb/block/block_set.h"

#include <string.h>

#include "base/vfs_fault.h"
#include "tsdb/block/block_testing.h"
#include "tsdb/block/block_write.h"
#include "tsdb/chunk/chunk_xor.h"

#define HOUR_MS (INT64_C(60) * 60 * 1000)

typedef struct fixture {
    vfs_fault *f;
    vfs *fs;
    fer_rng_seeded rng;
    fer_account account;
    block_set set;
    fer_err err;
} fixture;

static void begin(fixture *f)
{
    memset(f, 0, sizeof *f);
    f->f = vfs_fault_new(NULL);
    f->fs = vfs_fault_fs(f->f);
    fer_rng_seeded_init(&f->rng, 1);
    fer_account_init(&f->account, "test", NULL, 0);
    must(vfs_mkdir_all(f->fs, "/data", &f->err), &f->err);
    block_set_init(&f->set, &f->account);
}

static void load(fixture *f)
{
    must(block_set_load(&f->set, f->fs, "/data", NULL, &f->err), &f->err);
}

static void end(fixture *f)
{
    block_set_done(&f->set);
    assert_int_equal(fer_account_used(&f->account), 0);
    vfs_fault_free(f->f);
}

/* A block of [hour, hour + 2) with one sample; what else meta says is the caller's. */
static ulid make_block(fixture *f, int64_t hour, block_meta meta)
{
    block_writer *w;
    ulid id = ulid_make(hour * HOUR_MS, &f->rng.base);
    must(block_writer_open(f->fs, "/data", &id, 0, NULL, &w, &f->err), &f->err);
    must(block_writer_symbol(w, STR("__name__"), &f->err), &f->err);
    must(block_writer_symbol(w, STR("a"), &f->err), &f->err);
    uint8_t bytes[2 * XOR_SAMPLE_BYTES_MAX] = {0};
    xor_appender x;
    xor_init(&x);
    xor_append(&x, bytes, hour * HOUR_MS, 1);
    block_chunk c = {hour * HOUR_MS, hour * HOUR_MS, CHUNK_XOR, {(char *)bytes, xor_bytes(&x)}};
    must(block_writer_series(w, (const label_id[]){{0, 1}}, 1, &c, 1, &f->err), &f->err);
    meta.min_time = hour * HOUR_MS;
    meta.max_time = (hour + 2) * HOUR_MS;
    meta.level = meta.n_parents == 0 ? 1 : 2;
    meta.sources = &id;
    meta.n_sources = 1;
    must(block_writer_close(w, &meta, &f->err), &f->err);
    return id;
}

static bool exists(fixture *f, const char *name, const char *end)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "/data/%s%s", name, end);
    return vfs_exists(f->fs, path);
}

static void damage(fixture *f, const char *name, const char *file)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "/data/%s/%s", name, file);
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    fer_str bytes = read_file(f->fs, path, a);
    ((char *)bytes.p)[0] ^= 1;
    write_file(f->fs, path, bytes);
}

static void blocks_come_by_time(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    ulid late = make_block(&f, 4, (block_meta){0}), early = make_block(&f, 0, (block_meta){0});
    ulid middle = make_block(&f, 2, (block_meta){0});
    must(vfs_mkdir_all(f.fs, "/data/wal", &f.err), &f.err);
    load(&f);
    block_list l = block_set_all(&f.set);
    assert_int_equal(l.n, 3);
    assert_string_equal(l.v[0]->name, early.text);
    assert_string_equal(l.v[1]->name, middle.text);
    assert_string_equal(l.v[2]->name, late.text);
    block_list_done(&l);
    block_set_stats st;
    block_set_stats_get(&f.set, &st);
    assert_true(st.blocks == 3 && st.damaged == 0 && st.bytes > 300);
    assert_int_equal(st.min_time, 0);
    assert_int_equal(st.max_time, 6 * HOUR_MS - 1);
    assert_int_equal(block_set_end(&f.set), 6 * HOUR_MS);
    end(&f);
}

static void a_range_gets_what_overlaps_it(void **state)
{
    (void)state;
    static const struct {
        int64_t mint, maxt;
        size_t n;
    } cases[] = {
        {0, 6 * HOUR_MS, 3},
        {2 * HOUR_MS, 2 * HOUR_MS, 1},
        {2 * HOUR_MS - 1, 2 * HOUR_MS, 2},
        {6 * HOUR_MS, 7 * HOUR_MS, 0},
        {-5, -1, 0},
        {INT64_MIN, INT64_MAX, 3},
    };
    fixture f;
    begin(&f);
    for (int64_t hour = 0; hour < 6; hour += 2)
        make_block(&f, hour, (block_meta){0});
    load(&f);
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n;
        block **v = block_set_get(&f.set, cases[i].mint, cases[i].maxt, a, &n);
        assert_non_null(v);
        assert_int_equal(n, cases[i].n);
        for (size_t k = 0; k < n; k++)
            block_unref(v[k]);
    }
    end(&f);
}

static void note(void *arg, const damaged_block *d)
{
    ulid *v = arg;
    memcpy(v, &d->id, sizeof *v);
}

static void a_damaged_block_is_named_and_set_aside(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    ulid bad = make_block(&f, 0, (block_meta){0}), worse = make_block(&f, 2, (block_meta){0});
    make_block(&f, 4, (block_meta){0});
    damage(&f, bad.text, "index");
    damage(&f, worse.text, "meta.json");
    load(&f);
    block_set_stats st;
    block_set_stats_get(&f.set, &st);
    assert_true(st.blocks == 1 && st.damaged == 2);
    ulid told = {0};
    block_set_each_damaged(&f.set, 0, HOUR_MS, note, &told);
    assert_string_equal(told.text, worse.text); /* the last of two: its time is not known */
    told = (ulid){0};
    block_set_each_damaged(&f.set, 5 * HOUR_MS, 6 * HOUR_MS, note, &told);
    assert_string_equal(told.text, worse.text);
    must(block_set_clean(&f.set, f.fs, "/data", &f.err), &f.err);
    assert_false(exists(&f, bad.text, "") || exists(&f, worse.text, ""));
    char aside[64];
    snprintf(aside, sizeof aside, "quarantine/%s", bad.text);
    assert_true(exists(&f, aside, "/index"));
    snprintf(aside, sizeof aside, "quarantine/%s", worse.text);
    assert_true(exists(&f, aside, "/meta.json"));
    end(&f);
}

static void what_others_replace_is_not_served_and_goes(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    ulid a = make_block(&f, 0, (block_meta){0}), b = make_block(&f, 2, (block_meta){0});
    block_parent parents[2] = {{a, 0, 2 * HOUR_MS}, {b, 2 * HOUR_MS, 4 * HOUR_MS}};
    ulid merged = make_block(&f, 0, (block_meta){.parents = parents, .n_parents = 2});
    block_parent older = {merged, 0, 2 * HOUR_MS};
    ulid newest = make_block(&f, 0, (block_meta){.parents = &older, .n_parents = 1});
    ulid empty = make_block(&f, 6, (block_meta){.deletable = true});
    damage(&f, b.text, "index"); /* damaged, and replaced all the same */
    load(&f);
    block_list l = block_set_all(&f.set);
    assert_int_equal(l.n, 1);
    assert_string_equal(l.v[0]->name, newest.text);
    block_list_done(&l);
    block_set_stats st;
    block_set_stats_get(&f.set, &st);
    assert_int_equal(st.damaged, 0);
    assert_true(exists(&f, a.text, "")); /* loading removes no block */
    must(block_set_clean(&f.set, f.fs, "/data", &f.err), &f.err);
    assert_false(exists(&f, a.text, "") || exists(&f, b.text, "") || exists(&f, merged.text, "") ||
                 exists(&f, empty.text, ""));
    assert_true(exists(&f, newest.text, ""));
    end(&f);
}

static void cleaning_that_fails_is_tried_again(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    ulid a = make_block(&f, 0, (block_meta){0});
    block_parent parent = {a, 0, 2 * HOUR_MS};
    make_block(&f, 0, (block_meta){.parents = &parent, .n_parents = 1});
    load(&f);
    vfs_fault_set(
        f.f, &(vfs_fault_rule){
                 .kind = VFS_CALL_ANY, .nth = 1, .from_then_on = true, .sys = 5, .path = a.text});
    assert_int_equal(block_set_clean(&f.set, f.fs, "/data", &f.err), FER_IO);
    vfs_fault_clear(f.f);
    assert_true(exists(&f, a.text, ""));
    must(block_set_clean(&f.set, f.fs, "/data", &f.err), &f.err);
    assert_false(exists(&f, a.text, ""));
    end(&f);
}

static void what_unfinished_work_left_goes_unless_told_to_stay(void **state)
{
    (void)state;
    static const char *const ends[] = {".tmp-for-creation", ".tmp-for-deletion", ".tmp"};
    static const char *const others[] = {"/data/01HF7YAT31JVQ2M1CPQ2M1CPQ2.mine",
                                         "/data/notes.tmp"};
    static const char name[] = "01HF7YAT31JVQ2M1CPQ2M1CPQ2";
    for (int keep = 1; keep >= 0; keep--) {
        fixture f;
        begin(&f);
        char path[PATH_MAX];
        for (size_t i = 0; i < 3; i++) {
            snprintf(path, sizeof path, "/data/%s%s/chunks", name, ends[i]);
            must(vfs_mkdir_all(f.fs, path, &f.err), &f.err);
        }
        for (size_t i = 0; i < 2; i++)
            must(vfs_mkdir_all(f.fs, others[i], &f.err), &f.err);
        f.set.keep_unfinished = keep;
        load(&f);
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(exists(&f, name, ends[i]), keep);
        for (size_t i = 0; i < 2; i++)
            assert_true(vfs_exists(f.fs, others[i]));
        end(&f);
    }
}

static void a_reader_keeps_what_is_replaced(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    ulid a = make_block(&f, 0, (block_meta){0});
    make_block(&f, 2, (block_meta){0});
    load(&f);
    block_list held = block_set_all(&f.set);
    ulid fresh = make_block(&f, 0, (block_meta){0});
    block *b;
    must(block_open(f.fs, "/data", fresh.text, &f.set.acct, &b, &f.err), &f.err);
    uint64_t changes = block_set_changes(&f.set);
    block_set_replace(&f.set, &b, 1, held.v, 1);
    assert_int_equal(block_set_changes(&f.set), changes + 1);
    must(block_folder_remove(f.fs, "/data", a.text, &f.err), &f.err);
    assert_false(exists(&f, a.text, "") || exists(&f, a.text, ".tmp-for-deletion"));
    must(block_folder_remove(f.fs, "/data", a.text, &f.err), &f.err); /* once more does no harm */
    block_list now = block_set_all(&f.set);
    assert_int_equal(now.n, 2);
    assert_string_equal(now.v[0]->name, fresh.text);
    block_list_done(&now);
    assert_string_equal(held.v[0]->name, a.text); /* and its meta and index can be read */
    assert_int_equal(held.v[0]->meta.stats.samples, 1);
    assert_true(block_bytes(held.v[0]) > 0);
    block_list_done(&held);
    end(&f);
}

static void what_came_out_of_order_does_not_say_where_the_head_begins(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    assert_int_equal(block_set_end(&f.set), INT64_MIN);
    make_block(&f, 0, (block_meta){0});
    fer_str hint = STR("from-out-of-order");
    make_block(&f, 8, (block_meta){.hints = &hint, .n_hints = 1});
    load(&f);
    assert_int_equal(block_set_end(&f.set), 2 * HOUR_MS);
    end(&f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_come_by_time),
        cmocka_unit_test(a_range_gets_what_overlaps_it),
        cmocka_unit_test(a_damaged_block_is_named_and_set_aside),
        cmocka_unit_test(what_others_replace_is_not_served_and_goes),
        cmocka_unit_test(cleaning_that_fails_is_tried_again),
        cmocka_unit_test(what_unfinished_work_left_goes_unless_told_to_stay),
        cmocka_unit_test(a_reader_keeps_what_is_replaced),
        cmocka_unit_test(what_came_out_of_order_does_not_say_where_the_head_begins),
    };
    return cmocka_run_group_tests_name("block_set", tests, NULL, NULL);
}

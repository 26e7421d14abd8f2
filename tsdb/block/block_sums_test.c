/* Any bit that flips in a block written by us is told, whatever its format covers; what may change is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/vfs_fault.h"
#include "tsdb/block/block_sums.h"
#include "tsdb/block/block_testing.h"
#include "tsdb/tsdb_int.h"
#include "tsdb/tsdb_testing.h"

#define MINUTE INT64_C(60000)
#define BEGIN (INT64_C(8744) * 54 * 60 * MINUTE)

typedef struct fixture {
    test_db t;
    vfs_fault *disk;
    char dir[PATH_MAX]; /* of the block */
    fer_arena *a;
    int told;
    char file[64]; /* told last */
} fixture;

/* A database with one block. */
static int make_block(void **state)
{
    fixture *f = fer_calloc(1, sizeof *f);
    f->disk = vfs_fault_new(NULL);
    f->a = fer_arena_new(NULL, 0);
    test_db_init_on(&f->t, vfs_fault_fs(f->disk), "/data");
    f->t.clock.wall = BEGIN;
    test_db_open(&f->t);
    for (int i = 0; i < 4 * 60; i++) {
        test_write1(&f->t, "__name__=a,kind=one", BEGIN + i * MINUTE, i);
        test_write1(&f->t, "__name__=a,kind=two", BEGIN + i * MINUTE, i * i);
        fer_clock_fake_advance(&f->t.clock, MINUTE);
    }
    must(tsdb_maintenance_step(f->t.db, &f->t.err), &f->t.err);
    block_names names = list_blocks(f->t.o.fs, "/data");
    assert_int_equal(names.n, 1);
    snprintf(f->dir, sizeof f->dir, "/data/%s", names.v[0]);
    *state = f;
    return 0;
}

static int drop_block(void **state)
{
    fixture *f = *state;
    test_db_done(&f->t);
    vfs_fault_free(f->disk);
    fer_arena_free(f->a);
    fer_free(f);
    return 0;
}

static void on_found(void *arg, const char *file, const char *what)
{
    fixture *f = arg;
    assert_true(what[0] != '\0');
    f->told++;
    snprintf(f->file, sizeof f->file, "%s", file);
}

/* How many files are told; a meta.json that is beyond reading counts as one. */
static int check(fixture *f)
{
    block_meta meta;
    bool read = block_meta_load(f->t.o.fs, f->dir, f->a, &meta, NULL) == FER_OK;
    f->told = 0;
    block_sums_check(f->t.o.fs, f->dir, read ? &meta : NULL, on_found, f);
    return f->told + !read;
}

static char *path_of(fixture *f, const char *name)
{
    static char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    return path;
}

static void every_flipped_bit_is_told(void **state)
{
    static const char *const files[] = {"index", "chunks/000001", BLOCK_SUMS_FILE};
    fixture *f = *state;
    assert_int_equal(check(f), 0);
    for (size_t k = 0; k < 3; k++) {
        fer_str whole = read_file(f->t.o.fs, path_of(f, files[k]), f->a);
        for (size_t i = 0; i < whole.n; i += 1 + whole.n / 400) {
            ((char *)whole.p)[i] ^= (char)(1 << i % 8);
            write_file(f->t.o.fs, path_of(f, files[k]), whole);
            assert_int_equal(check(f), 1);
            assert_string_equal(f->file, files[k]);
            ((char *)whole.p)[i] ^= (char)(1 << i % 8);
        }
        write_file(f->t.o.fs, path_of(f, files[k]), (fer_str){whole.p, whole.n - 1});
        assert_true(check(f) != 0);
        write_file(f->t.o.fs, path_of(f, files[k]), whole);
    }
    assert_int_equal(check(f), 0);
}

/* But for blanks, and for names that may be absent: `tombstones` of stats. */
static void of_meta_json_what_matters_is_told(void **state)
{
    fixture *f = *state;
    fer_str whole = read_file(f->t.o.fs, path_of(f, "meta.json"), f->a);
    size_t tried = 0, told = 0;
    for (size_t bit = 0; bit < whole.n * 8; bit++) {
        char *byte = (char *)whole.p + bit / 8;
        if (*byte == ' ' || *byte == '\t' || *byte == '\n')
            continue;
        *byte ^= (char)(1 << bit % 8);
        write_file(f->t.o.fs, path_of(f, "meta.json"), whole);
        tried++;
        told += check(f) != 0;
        *byte ^= (char)(1 << bit % 8);
    }
    assert_true(told * 100 >= tried * 99);
}

static void what_owners_change_is_not_told(void **state)
{
    fixture *f = *state;
    matcher m;
    must(matcher_make(f->a, MATCH_EQ, STR("kind"), STR("one"), &m, &f->t.err), &f->t.err);
    must(tsdb_delete_series(f->t.db, INT64_MIN, BEGIN + 10 * MINUTE, &m, 1, NULL, &f->t.err),
         &f->t.err);
    assert_int_equal(check(f), 0);
    block_meta meta;
    must(block_meta_load(f->t.o.fs, f->dir, f->a, &meta, &f->t.err), &f->t.err);
    assert_int_equal(meta.stats.tombstones, 1);
    meta.failed = true;
    must(block_meta_store(f->t.o.fs, f->dir, &meta, &f->t.err), &f->t.err);
    assert_int_equal(check(f), 0);
    must(vfs_unlink(f->t.o.fs, path_of(f, BLOCK_SUMS_FILE), &f->t.err), &f->t.err);
    assert_int_equal(check(f), 0);
}

static void snapshots_have_them(void **state)
{
    fixture *f = *state;
    must(tsdb_snapshot(f->t.db, "/data/snapshots/s", false, &f->t.err), &f->t.err);
    block_names names = list_blocks(f->t.o.fs, "/data/snapshots/s");
    snprintf(f->dir, sizeof f->dir, "/data/snapshots/s/%s", names.v[0]);
    assert_true(vfs_exists(f->t.o.fs, path_of(f, BLOCK_SUMS_FILE)));
    assert_int_equal(check(f), 0);
}

int main(void)
{
#define BLOCK(name) cmocka_unit_test_setup_teardown(name, make_block, drop_block)
    const struct CMUnitTest tests[] = {
        BLOCK(every_flipped_bit_is_told),
        BLOCK(of_meta_json_what_matters_is_told),
        BLOCK(what_owners_change_is_not_told),
        BLOCK(snapshots_have_them),
    };
    return cmocka_run_group_tests_name("block_sums", tests, NULL, NULL);
}

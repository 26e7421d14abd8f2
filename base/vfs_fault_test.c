/* The disk of the tests must itself be trusted: what it keeps, loses and refuses. */
#include "base/vfs_fault.h"

#include <errno.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

typedef struct fixture {
    vfs_fault *disk;
    vfs *fs;
} fixture;

static int setup(void **state)
{
    fixture *x = fer_calloc(1, sizeof *x);
    x->disk = vfs_fault_new(NULL);
    x->fs = vfs_fault_fs(x->disk);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    fixture *x = *state;
    vfs_fault_free(x->disk);
    fer_free(x);
    return 0;
}

static vfs_file *open_ok(fixture *x, const char *path, vfs_mode mode)
{
    vfs_file *f;
    assert_int_equal(vfs_open(x->fs, path, mode, &f, NULL), FER_OK);
    return f;
}

static void write_ok(vfs_file *f, const char *text, uint64_t off)
{
    assert_int_equal(vfs_pwrite(f, text, strlen(text), off, NULL), FER_OK);
}

/* A file whose bytes and name are durable. */
static void make_durable(fixture *x, const char *path, const char *text)
{
    vfs_file *f = open_ok(x, path, VFS_CREATE);
    write_ok(f, text, 0);
    assert_int_equal(vfs_sync(f, NULL), FER_OK);
    vfs_close(f);
    assert_int_equal(vfs_sync_dir(x->fs, "/", NULL), FER_OK);
}

static void assert_content(fixture *x, const char *path, const char *want)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    fer_str got;
    assert_int_equal(vfs_read_all(x->fs, path, 1 << 20, a, &got, NULL), FER_OK);
    assert_int_equal(got.n, strlen(want));
    assert_memory_equal(got.p, want, got.n);
    fer_arena_free(a);
}

static void a_crash_keeps_what_was_synced_and_no_more(void **state)
{
    fixture *x = *state;
    make_durable(x, "a", "hello");
    vfs_file *f = open_ok(x, "a", VFS_READ_WRITE);
    write_ok(f, " world", 5);
    vfs_close(f);
    assert_content(x, "a", "hello world");
    vfs_fault_crash(x->disk, NULL);
    assert_content(x, "a", "hello");
}

static void a_name_survives_only_with_its_directory_synced(void **state)
{
    fixture *x = *state;
    vfs_file *f = open_ok(x, "a", VFS_CREATE);
    write_ok(f, "x", 0);
    assert_int_equal(vfs_sync(f, NULL), FER_OK);
    vfs_close(f);
    vfs_fault_crash(x->disk, NULL);
    assert_false(vfs_exists(x->fs, "a"));
}

static void a_synced_name_without_synced_bytes_is_an_empty_file(void **state)
{
    fixture *x = *state;
    vfs_file *f = open_ok(x, "a", VFS_CREATE);
    write_ok(f, "x", 0);
    vfs_close(f);
    assert_int_equal(vfs_sync_dir(x->fs, ".", NULL), FER_OK);
    vfs_fault_crash(x->disk, NULL);
    assert_content(x, "a", "");
}

static void an_unsynced_rename_is_undone_whole(void **state)
{
    fixture *x = *state;
    make_durable(x, "old", "1");
    make_durable(x, "new", "2");
    assert_int_equal(vfs_rename(x->fs, "old", "new", NULL), FER_OK);
    assert_content(x, "new", "1");
    assert_false(vfs_exists(x->fs, "old"));
    vfs_fault_crash(x->disk, NULL);
    assert_content(x, "old", "1");
    assert_content(x, "new", "2");
    assert_int_equal(vfs_rename(x->fs, "old", "new", NULL), FER_OK);
    assert_int_equal(vfs_sync_dir(x->fs, "/", NULL), FER_OK);
    vfs_fault_crash(x->disk, NULL);
    assert_content(x, "new", "1");
    assert_false(vfs_exists(x->fs, "old"));
}

static void an_unsynced_unlink_comes_back(void **state)
{
    fixture *x = *state;
    make_durable(x, "a", "1");
    assert_int_equal(vfs_unlink(x->fs, "a", NULL), FER_OK);
    assert_false(vfs_exists(x->fs, "a"));
    vfs_fault_crash(x->disk, NULL);
    assert_content(x, "a", "1");
}

static void a_truncation_counts_once_synced(void **state)
{
    fixture *x = *state;
    make_durable(x, "a", "hello");
    vfs_file *f = open_ok(x, "a", VFS_READ_WRITE);
    assert_int_equal(vfs_truncate(f, 2, NULL), FER_OK);
    vfs_close(f);
    vfs_fault_crash(x->disk, NULL);
    assert_content(x, "a", "hello");

    f = open_ok(x, "a", VFS_READ_WRITE);
    assert_int_equal(vfs_truncate(f, 2, NULL), FER_OK);
    assert_int_equal(vfs_truncate(f, 4, NULL), FER_OK);
    assert_int_equal(vfs_sync(f, NULL), FER_OK);
    vfs_close(f);
    vfs_fault_crash(x->disk, NULL);
    uint8_t got[5];
    size_t n;
    f = open_ok(x, "a", VFS_READ);
    assert_int_equal(vfs_pread(f, got, sizeof got, 0, &n, NULL), FER_OK);
    vfs_close(f);
    assert_int_equal(n, 4);
    assert_memory_equal(got, "he\0\0", 4);
}

static void a_failed_sync_loses_its_pages_for_good(void **state)
{
    fixture *x = *state;
    make_durable(x, "a", "hello");
    vfs_file *f = open_ok(x, "a", VFS_READ_WRITE);
    write_ok(f, "J", 0);
    vfs_fault_set(x->disk, &(vfs_fault_rule){.kind = VFS_CALL_SYNC, .nth = 1, .sys = EIO});
    fer_err err;
    assert_int_equal(vfs_sync(f, &err), FER_IO);
    assert_string_equal(err.msg, "sync a: Input/output error");
    assert_int_equal(err.sys, EIO);
    assert_content(x, "a", "Jello"); /* reads still show it */
    assert_int_equal(vfs_sync(f, NULL), FER_OK);
    vfs_close(f);
    vfs_fault_crash(x->disk, NULL);
    assert_content(x, "a", "hello"); /* and the second sync saved nothing */
}

static void the_nth_call_fails_once_or_from_then_on(void **state)
{
    fixture *x = *state;
    vfs_fault_rule rule = {.kind = VFS_CALL_MKDIR, .nth = 2, .sys = ENOSPC};
    vfs_fault_set(x->disk, &rule);
    const vfs_ops *ops = x->fs->ops;
    assert_int_equal(ops->mkdir(x->fs, "a", NULL), FER_OK);
    assert_int_equal(ops->mkdir(x->fs, "b", NULL), FER_NOSPACE);
    assert_int_equal(ops->mkdir(x->fs, "b", NULL), FER_OK);
    assert_int_equal(vfs_fault_hits(x->disk), 1);
    rule.from_then_on = true;
    vfs_fault_set(x->disk, &rule);
    assert_int_equal(ops->mkdir(x->fs, "c", NULL), FER_OK);
    assert_int_equal(ops->mkdir(x->fs, "d", NULL), FER_NOSPACE);
    assert_int_equal(ops->mkdir(x->fs, "d", NULL), FER_NOSPACE);
    assert_true(vfs_exists(x->fs, "c"));
    assert_int_equal(vfs_fault_hits(x->disk), 2);
    vfs_fault_clear(x->disk);
    assert_int_equal(ops->mkdir(x->fs, "d", NULL), FER_OK);
    assert_int_equal(vfs_fault_count(x->disk, VFS_CALL_MKDIR), 7);
    assert_int_equal(vfs_fault_count(x->disk, VFS_CALL_ANY), 8);
}

static void every_kind_of_call_can_fail(void **state)
{
    fixture *x = *state;
    make_durable(x, "a", "1");
    const vfs_ops *ops = x->fs->ops;
    vfs_file *f = open_ok(x, "a", VFS_READ_WRITE), *g;
    vfs_stat st;
    vfs_map map;
    uint64_t u, v;
    size_t n;
    char c;
    vfs_fault_set(x->disk, &(vfs_fault_rule){VFS_CALL_ANY, 1, true, EIO, 0, NULL});
    assert_int_equal(ops->open(x->fs, "a", VFS_READ, &g, NULL), FER_IO);
    assert_int_equal(ops->stat(x->fs, "a", &st, NULL), FER_IO);
    assert_int_equal(ops->list(x->fs, "/", NULL, NULL, NULL), FER_IO);
    assert_int_equal(ops->mkdir(x->fs, "d", NULL), FER_IO);
    assert_int_equal(ops->rmdir(x->fs, "d", NULL), FER_IO);
    assert_int_equal(ops->unlink(x->fs, "a", NULL), FER_IO);
    assert_int_equal(ops->rename(x->fs, "a", "b", NULL), FER_IO);
    assert_int_equal(ops->link(x->fs, "a", "b", NULL), FER_IO);
    assert_int_equal(ops->sync_dir(x->fs, "/", NULL), FER_IO);
    assert_int_equal(ops->free_bytes(x->fs, "/", &u, &v, NULL), FER_IO);
    assert_int_equal(ops->lock(x->fs, "l", &g, NULL), FER_IO);
    assert_int_equal(ops->pread(f, &c, 1, 0, &n, NULL), FER_IO);
    assert_int_equal(ops->pwrite(f, "2", 1, 0, NULL), FER_IO);
    assert_int_equal(ops->sync(f, NULL), FER_IO);
    assert_int_equal(ops->truncate(f, 0, NULL), FER_IO);
    assert_int_equal(ops->size(f, &u, NULL), FER_IO);
    assert_int_equal(ops->map(f, &map, NULL), FER_IO);
    assert_int_equal(vfs_fault_hits(x->disk), 17);
    for (vfs_call k = 0; k < VFS_CALL_ANY; k++)
        assert_true(vfs_fault_count(x->disk, k) >= 1);
    vfs_fault_clear(x->disk);
    vfs_close(f);
    assert_content(x, "a", "1"); /* nothing of it happened */
    assert_false(vfs_exists(x->fs, "b"));
}

static void a_rule_may_name_a_path(void **state)
{
    fixture *x = *state;
    vfs_fault_set(x->disk, &(vfs_fault_rule){VFS_CALL_ANY, 1, true, EIO, 0, "wal/"});
    assert_int_equal(vfs_mkdir_all(x->fs, "wal", NULL), FER_OK);
    vfs_file *f;
    assert_int_equal(vfs_open(x->fs, "wal/0", VFS_CREATE, &f, NULL), FER_IO);
    vfs_close(open_ok(x, "other", VFS_CREATE));
    assert_int_equal(vfs_rename(x->fs, "other", "wal/1", NULL), FER_IO);
}

static void a_short_write_leaves_its_part(void **state)
{
    fixture *x = *state;
    vfs_file *f = open_ok(x, "a", VFS_CREATE);
    vfs_fault_set(x->disk,
                  &(vfs_fault_rule){.kind = VFS_CALL_PWRITE, .nth = 1, .sys = ENOSPC, .wrote = 3});
    assert_int_equal(vfs_pwrite(f, "abcdef", 6, 0, NULL), FER_NOSPACE);
    assert_content(x, "a", "abc");
    vfs_close(f);
}

static void a_full_disk_takes_what_fits(void **state)
{
    fixture *x = *state;
    vfs_fault_set_capacity(x->disk, 10);
    vfs_file *f = open_ok(x, "a", VFS_CREATE);
    assert_int_equal(vfs_pwrite(f, "abcdefg", 7, 0, NULL), FER_OK);
    vfs_file *g = open_ok(x, "b", VFS_CREATE);
    fer_err err;
    assert_int_equal(vfs_pwrite(g, "12345", 5, 0, &err), FER_NOSPACE);
    assert_string_equal(err.msg, "pwrite b: No space left on device");
    assert_content(x, "b", "123");
    uint64_t left, total;
    assert_int_equal(vfs_free_bytes(x->fs, "/", &left, &total, NULL), FER_OK);
    assert_int_equal(left, 0);
    assert_int_equal(total, 10);
    assert_int_equal(vfs_pwrite(f, "ABC", 3, 0, NULL), FER_OK); /* in place needs no room */
    vfs_close(f);
    assert_int_equal(vfs_unlink(x->fs, "a", NULL), FER_OK);
    assert_int_equal(vfs_pwrite(g, "12345", 5, 0, NULL), FER_OK);
    vfs_close(g);
}

static void files_have_limits(void **state)
{
    fixture *x = *state;
    vfs_fault_set_capacity(x->disk, 100);
    vfs_file *f = open_ok(x, "a", VFS_CREATE);
    assert_int_equal(vfs_truncate(f, 101, NULL), FER_NOSPACE);
    assert_int_equal(vfs_truncate(f, 100, NULL), FER_OK);
    assert_int_equal(vfs_pwrite(f, "x", 1, 100, NULL), FER_NOSPACE);
    assert_int_equal(vfs_truncate(f, UINT64_MAX, NULL), FER_IO);
    assert_int_equal(vfs_pwrite(f, "x", 1, UINT64_MAX, NULL), FER_IO);
    assert_int_equal(vfs_pwrite(f, "", 0, 0, NULL), FER_OK);
    vfs_close(f);
    assert_int_equal(vfs_rename(x->fs, "/", "b", NULL), FER_IO);
    assert_int_equal(vfs_rmdir(x->fs, "/", NULL), FER_IO);
}

static void files_open_at_a_crash_are_dead(void **state)
{
    fixture *x = *state;
    make_durable(x, "a", "1");
    vfs_file *f = open_ok(x, "a", VFS_READ_WRITE);
    vfs_file *lock;
    assert_int_equal(vfs_lock(x->fs, "lock", &lock, NULL), FER_OK);
    assert_int_equal(vfs_sync_dir(x->fs, "/", NULL), FER_OK);
    vfs_file *second;
    assert_int_equal(vfs_lock(x->fs, "lock", &second, NULL), FER_BUSY);
    vfs_fault_crash(x->disk, NULL);
    assert_int_equal(vfs_pwrite(f, "2", 1, 0, NULL), FER_IO);
    assert_int_equal(vfs_sync(f, NULL), FER_IO);
    vfs_close(f);
    assert_content(x, "a", "1");
    assert_int_equal(vfs_lock(x->fs, "lock", &second, NULL), FER_OK);
    vfs_close(lock); /* of the dead process: does not free the new one */
    vfs_file *third;
    assert_int_equal(vfs_lock(x->fs, "lock", &third, NULL), FER_BUSY);
    vfs_close(second);
    assert_int_equal(vfs_lock(x->fs, "lock", &third, NULL), FER_OK);
    vfs_close(third);
}

/* Over many seeds: synced bytes always stay; of the rest every byte is old or new, and all three
 * outcomes (all, nothing, something between) come up. */
static void chance_keeps_any_part_of_what_was_not_synced(void **state)
{
    enum { N = 20000 };
    fixture *x = *state;
    static char old[N], new[N], got[N + 1];
    memset(old, 'o', N);
    memset(new, 'n', N);
    unsigned seen_none = 0, seen_all = 0, seen_some = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        fer_rng_seeded rng;
        fer_rng_seeded_init(&rng, seed);
        vfs_file *f = open_ok(x, "a", VFS_TRUNCATE);
        assert_int_equal(vfs_pwrite(f, old, N, 0, NULL), FER_OK);
        assert_int_equal(vfs_sync(f, NULL), FER_OK);
        assert_int_equal(vfs_sync_dir(x->fs, "/", NULL), FER_OK);
        assert_int_equal(vfs_pwrite(f, new, N - 8192, 8192, NULL), FER_OK);
        vfs_close(f);
        vfs_fault_crash(x->disk, &rng.base);
        f = open_ok(x, "a", VFS_READ);
        size_t n, fresh = 0;
        assert_int_equal(vfs_pread(f, got, sizeof got, 0, &n, NULL), FER_OK);
        vfs_close(f);
        assert_int_equal(n, N);
        assert_memory_equal(got, old, 8192);
        for (size_t i = 8192; i < N; i++) {
            assert_true(got[i] == 'o' || got[i] == 'n');
            fresh += got[i] == 'n';
        }
        seen_none += fresh == 0;
        seen_all += fresh == N - 8192;
        seen_some += fresh > 0 && fresh < N - 8192;
    }
    assert_true(seen_none > 5 && seen_all > 5 && seen_some > 5);
}

/* a, then b, then a becomes c: what survives is always a first part of this. */
static void chance_keeps_names_in_order(void **state)
{
    fixture *x = *state;
    bool seen[4] = {false};
    for (uint64_t seed = 0; seed < 60; seed++) {
        fer_rng_seeded rng;
        fer_rng_seeded_init(&rng, seed);
        vfs_close(open_ok(x, "a", VFS_CREATE));
        vfs_close(open_ok(x, "b", VFS_CREATE));
        assert_int_equal(vfs_rename(x->fs, "a", "c", NULL), FER_OK);
        vfs_fault_crash(x->disk, &rng.base);
        bool a = vfs_exists(x->fs, "a"), b = vfs_exists(x->fs, "b"), c = vfs_exists(x->fs, "c");
        assert_false(a && c);
        if (c)
            assert_true(b);
        if (b)
            assert_true(a || c);
        seen[c ? 3 : b ? 2 : a ? 1 : 0] = true;
        assert_int_equal(vfs_remove_all(x->fs, "a", NULL), FER_OK);
        assert_int_equal(vfs_remove_all(x->fs, "b", NULL), FER_OK);
        assert_int_equal(vfs_remove_all(x->fs, "c", NULL), FER_OK);
        assert_int_equal(vfs_sync_dir(x->fs, "/", NULL), FER_OK);
    }
    for (size_t i = 0; i < 4; i++)
        assert_true(seen[i]);
}

static void changes_are_listed_in_order(void **state)
{
    fixture *x = *state;
    make_durable(x, "a", "xyz");
    assert_true(vfs_exists(x->fs, "a")); /* looking is not listed */
    assert_int_equal(vfs_rename(x->fs, "a", "b", NULL), FER_OK);
    assert_int_equal(vfs_unlink(x->fs, "a", NULL), FER_NOTFOUND);
    const vfs_fault_op *ops;
    assert_int_equal(vfs_fault_ops(x->disk, &ops), 6);
    assert_int_equal(ops[0].kind, VFS_CALL_OPEN);
    assert_int_equal(ops[1].kind, VFS_CALL_PWRITE);
    assert_int_equal(ops[1].n, 3);
    assert_int_equal(ops[2].kind, VFS_CALL_SYNC);
    assert_string_equal(ops[2].path, "a");
    assert_int_equal(ops[3].kind, VFS_CALL_SYNC_DIR);
    assert_int_equal(ops[4].kind, VFS_CALL_RENAME);
    assert_string_equal(ops[4].to, "b");
    assert_int_equal(ops[4].sys, 0);
    assert_int_equal(ops[5].sys, ENOENT);
}

static void a_mapping_is_a_copy(void **state)
{
    fixture *x = *state;
    make_durable(x, "a", "hello");
    vfs_file *f = open_ok(x, "a", VFS_READ_WRITE);
    vfs_map m;
    assert_int_equal(vfs_map_file(f, &m, NULL), FER_OK);
    write_ok(f, "J", 0);
    vfs_close(f);
    assert_int_equal(m.n, 5);
    assert_memory_equal(m.p, "hello", 5);
    vfs_unmap(&m);
    assert_null(m.p);
}

int main(void)
{
#define FS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        FS_TEST(a_crash_keeps_what_was_synced_and_no_more),
        FS_TEST(a_name_survives_only_with_its_directory_synced),
        FS_TEST(a_synced_name_without_synced_bytes_is_an_empty_file),
        FS_TEST(an_unsynced_rename_is_undone_whole),
        FS_TEST(an_unsynced_unlink_comes_back),
        FS_TEST(a_truncation_counts_once_synced),
        FS_TEST(a_failed_sync_loses_its_pages_for_good),
        FS_TEST(the_nth_call_fails_once_or_from_then_on),
        FS_TEST(every_kind_of_call_can_fail),
        FS_TEST(a_rule_may_name_a_path),
        FS_TEST(a_short_write_leaves_its_part),
        FS_TEST(a_full_disk_takes_what_fits),
        FS_TEST(files_have_limits),
        FS_TEST(files_open_at_a_crash_are_dead),
        FS_TEST(chance_keeps_any_part_of_what_was_not_synced),
        FS_TEST(chance_keeps_names_in_order),
        FS_TEST(changes_are_listed_in_order),
        FS_TEST(a_mapping_is_a_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

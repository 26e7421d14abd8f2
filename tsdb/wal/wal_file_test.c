/* wal_file_test.c - bytes appended in place, and what is behind them. */
#include "tsdb/wal/wal_file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/vfs_fault.h"

enum { AHEAD = 16 * VFS_BLOCK_BYTES, MAX = 64 * VFS_BLOCK_BYTES };

typedef struct fixture {
    vfs_fault *disk;
    vfs *fs;
    fer_arena *a;
    char *bytes; /* what may be appended */
} fixture;

static int setup(void **state)
{
    fixture *x = fer_calloc(1, sizeof *x);
    x->disk = vfs_fault_new(NULL);
    x->fs = vfs_fault_fs(x->disk);
    x->a = fer_arena_new(NULL, 0);
    x->bytes = fer_alloc(2 * (size_t)MAX);
    for (size_t i = 0; i < 2 * (size_t)MAX; i++)
        x->bytes[i] = (char)(1 + i * 7 % 250);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    fixture *x = *state;
    vfs_fault_free(x->disk);
    fer_arena_free(x->a);
    fer_free(x->bytes);
    fer_free(x);
    return 0;
}

static wal_file *create(fixture *x)
{
    wal_file *f;
    assert_int_equal(wal_file_create(x->fs, "log", AHEAD, MAX, &f, NULL), FER_OK);
    assert_int_equal(vfs_sync_dir(x->fs, ".", NULL), FER_OK);
    return f;
}

static void append(fixture *x, wal_file *f, size_t from, size_t n)
{
    assert_int_equal(wal_file_append(f, (fer_str){x->bytes + from, n}, NULL), FER_OK);
}

/* The file begins with what was appended, and ends in zeros. */
static fer_str assert_holds(fixture *x, size_t n)
{
    fer_str all;
    assert_int_equal(vfs_read_all(x->fs, "log", 2 * (size_t)MAX, x->a, &all, NULL), FER_OK);
    assert_true(all.n >= n);
    assert_memory_equal(all.p, x->bytes, n);
    for (size_t i = n; i < all.n; i++)
        assert_int_equal(all.p[i], 0);
    return all;
}

static void appends_of_any_size_stand_behind_each_other(void **state)
{
    fixture *x = *state;
    static const size_t sizes[] = {1,    4095,  1,    4096,   4097, 100,
                                   8192, 20000, 3000, 100000, 7,    12345};
    wal_file *f = create(x);
    size_t n = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        append(x, f, n, sizes[i]);
        n += sizes[i];
        assert_int_equal(assert_holds(x, n).n % VFS_BLOCK_BYTES, 0);
    }
    wal_file_trim(f);
    wal_file_close(f);
    assert_int_equal(assert_holds(x, n).n, n);
}

static void zeros_are_written_ahead_now_and_then_and_never_beyond_the_most(void **state)
{
    fixture *x = *state;
    wal_file *f = create(x);
    for (size_t n = 0; n < MAX; n += 512) {
        append(x, f, n, 512);
        size_t size = assert_holds(x, n + 512).n;
        assert_true(size <= MAX);
    }
    /* twice the appends, were each to grow the file */
    assert_in_range(vfs_fault_count(x->disk, VFS_CALL_PWRITE), MAX / 512, MAX / 512 + 10);
    append(x, f, MAX, 5000); /* a record longer than a segment */
    assert_holds(x, MAX + 5000);
    wal_file_close(f);
}

static void what_is_synced_survives_a_crash(void **state)
{
    fixture *x = *state;
    wal_file *f = create(x);
    append(x, f, 0, 10000);
    assert_int_equal(wal_file_sync(f, NULL), FER_OK);
    append(x, f, 10000, 5000);
    vfs_fault_crash(x->disk, NULL);
    wal_file_close(f);
    assert_holds(x, 10000);
}

static void a_disk_too_full_for_zeros_still_takes_bytes(void **state)
{
    fixture *x = *state;
    wal_file *f = create(x);
    vfs_fault_set(x->disk, &(vfs_fault_rule){.kind = VFS_CALL_PWRITE, .nth = 1, .sys = ENOSPC});
    append(x, f, 0, 10000);
    append(x, f, 10000, 10000);
    wal_file_trim(f);
    wal_file_close(f);
    assert_int_equal(assert_holds(x, 20000).n, 20000);
}

static void a_machine_s_file_holds_the_same(void **state)
{
    fixture *x = *state;
    char dir[] = "/tmp/wal-file-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/log", dir);
    wal_file *f;
    assert_int_equal(wal_file_create(vfs_posix(), path, AHEAD, MAX, &f, NULL), FER_OK);
    append(x, f, 0, 5000);
    append(x, f, 5000, 50000);
    assert_int_equal(wal_file_sync(f, NULL), FER_OK);
    wal_file_trim(f);
    wal_file_close(f);
    fer_str all;
    assert_int_equal(vfs_read_all(vfs_posix(), path, MAX, x->a, &all, NULL), FER_OK);
    assert_int_equal(all.n, 55000);
    assert_memory_equal(all.p, x->bytes, 55000);
    assert_int_equal(vfs_remove_all(vfs_posix(), dir, NULL), FER_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(appends_of_any_size_stand_behind_each_other, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            zeros_are_written_ahead_now_and_then_and_never_beyond_the_most, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_synced_survives_a_crash, setup, teardown),
        cmocka_unit_test_setup_teardown(a_disk_too_full_for_zeros_still_takes_bytes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_machine_s_file_holds_the_same, setup, teardown),
    };
    return cmocka_run_group_tests_name("wal_file", tests, NULL, NULL);
}

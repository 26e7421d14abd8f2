#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/vfs_read_only.h"

static void everything_can_be_read_and_nothing_changed(void **state)
{
    (void)state;
    char dir[] = "/tmp/vfs-read-only-XXXXXX", file[64], other[64];
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/file", dir);
    snprintf(other, sizeof other, "%s/other", dir);
    vfs_file *f;
    assert_int_equal(vfs_open(vfs_posix(), file, VFS_CREATE, &f, NULL), FER_OK);
    assert_int_equal(vfs_pwrite(f, "bytes", 5, 0, NULL), FER_OK);
    vfs_close(f);

    vfs_read_only ro;
    vfs_read_only_init(&ro, vfs_posix());
    vfs *fs = &ro.base;
    vfs_stat st;
    vfs_map map;
    uint64_t left, all;
    assert_int_equal(vfs_open(fs, file, VFS_READ, &f, NULL), FER_OK);
    assert_int_equal(vfs_map_file(f, &map, NULL), FER_OK);
    assert_memory_equal(map.p, "bytes", 5);
    vfs_forget(&map);
    assert_memory_equal(map.p, "bytes", 5); /* read anew */
    vfs_unmap(&map);
    vfs_close(f);
    assert_int_equal(vfs_stat_path(fs, file, &st, NULL), FER_OK);
    assert_int_equal(st.size, 5);
    assert_int_equal(vfs_free_bytes(fs, dir, &left, &all, NULL), FER_OK);

    static const vfs_mode modes[] = {VFS_CREATE, VFS_TRUNCATE, VFS_READ_WRITE};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        assert_int_equal(vfs_open(fs, modes[i] == VFS_CREATE ? other : file, modes[i], &f, NULL),
                         FER_UNSUPPORTED);
    fer_err err;
    assert_int_equal(vfs_unlink(fs, file, &err), FER_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "/file: open for reading only"));
    assert_int_equal(vfs_rename(fs, file, other, NULL), FER_UNSUPPORTED);
    assert_int_equal(vfs_link(fs, file, other, NULL), FER_UNSUPPORTED);
    assert_int_equal(vfs_mkdir_all(fs, other, NULL), FER_UNSUPPORTED);
    assert_int_equal(vfs_rmdir(fs, dir, NULL), FER_UNSUPPORTED);
    assert_int_equal(vfs_sync_dir(fs, dir, NULL), FER_UNSUPPORTED);
    assert_int_equal(vfs_lock(fs, other, &f, NULL), FER_UNSUPPORTED);
    assert_int_equal(vfs_remove_all(fs, dir, NULL), FER_UNSUPPORTED);

    assert_true(vfs_exists(fs, file));
    assert_false(vfs_exists(fs, other));
    assert_int_equal(vfs_stat_path(fs, file, &st, NULL), FER_OK);
    assert_int_equal(st.size, 5);
    assert_int_equal(vfs_remove_all(vfs_posix(), dir, NULL), FER_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_can_be_read_and_nothing_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

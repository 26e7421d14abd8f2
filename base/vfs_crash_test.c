/* What a crash can leave must be found, all of it, and nothing that it cannot leave. */
#include "base/vfs_crash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { BYTES = 1500 };

typedef struct outcome {
    bool absent, empty, short_, zeros, holed, whole, old; /* seen of the file "new" */
    size_t images;
} outcome;

static void note_outcome(outcome *o, vfs_fault *disk)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    fer_str s;
    o->images++;
    if (vfs_read_all(vfs_fault_fs(disk), "d/new", 1 << 20, a, &s, NULL) != FER_OK) {
        o->absent = true;
    } else if (s.n == 3) {
        o->old = true;
    } else if (s.n == 0) {
        o->empty = true;
    } else if (s.n < BYTES) {
        o->short_ = true;
        assert_int_equal(s.n % 512, 0);
    } else {
        assert_int_equal(s.n, BYTES);
        bool first = s.p[0] == 'x', last = s.p[BYTES - 1] == 'x';
        o->whole |= first && last && memchr(s.p, 0, s.n) == NULL;
        o->holed |= !first && last;
        o->zeros |= !first && !last;
    }
    fer_arena_free(a);
}

typedef enum step_kind { WITHOUT_SYNC = 0, WITH_SYNC = 1 } step_kind;

/* Writes d/new.tmp and puts it in the place of d/new, which holds "old". */
static void replace(vfs *fs, step_kind sync)
{
    vfs_file *f;
    uint8_t bytes[BYTES];
    memset(bytes, 'x', sizeof bytes);
    assert_int_equal(vfs_open(fs, "d/new.tmp", VFS_CREATE, &f, NULL), FER_OK);
    assert_int_equal(vfs_pwrite(f, bytes, sizeof bytes, 0, NULL), FER_OK);
    if (sync == WITH_SYNC)
        assert_int_equal(vfs_sync(f, NULL), FER_OK);
    vfs_close(f);
    assert_int_equal(vfs_rename(fs, "d/new.tmp", "d/new", NULL), FER_OK);
    if (sync == WITH_SYNC)
        assert_int_equal(vfs_sync_dir(fs, "d", NULL), FER_OK);
}

static vfs_fault *with_an_old_file(void)
{
    vfs_fault *f = vfs_fault_new(NULL);
    vfs *fs = vfs_fault_fs(f);
    vfs_file *file;
    assert_int_equal(vfs_mkdir_all(fs, "d", NULL), FER_OK);
    assert_int_equal(vfs_open(fs, "d/new", VFS_CREATE, &file, NULL), FER_OK);
    assert_int_equal(vfs_pwrite(file, "old", 3, 0, NULL), FER_OK);
    vfs_close(file);
    vfs_fault *settled = vfs_crash_settled(f, NULL);
    vfs_fault_free(f);
    return settled;
}

/* All disks that crashes leave; what is seen behind the last op apart. */
static void enumerate(step_kind sync, vfs_crash_depth depth, outcome *during, outcome *after)
{
    vfs_fault *f = with_an_old_file();
    vfs_crash *c = vfs_crash_new(f, depth);
    vfs_fault_record(f);
    replace(vfs_fault_fs(f), sync);
    const vfs_fault_op *ops;
    size_t n = vfs_fault_ops(f, &ops);
    *during = *after = (outcome){0};
    for (size_t i = 0; i <= n; i++) {
        if (i > 0)
            vfs_crash_apply(c, &ops[i - 1]);
        vfs_crash_image image;
        while (vfs_crash_next(c, i == n, NULL, &image)) {
            note_outcome(i == n ? after : during, image.disk);
            vfs_fault_free(image.disk);
        }
    }
    assert_true(vfs_crash_equal(c) > 0);
    vfs_crash_free(c);
    vfs_fault_free(f);
}

static void a_synced_replacement_is_old_or_new(void **state)
{
    (void)state;
    outcome during, after;
    for (vfs_crash_depth d = CRASH_SHORT; d <= CRASH_FULL; d++) {
        enumerate(WITH_SYNC, d, &during, &after);
        assert_true(during.old && during.whole);
        assert_false(during.absent || during.empty || during.short_ || during.zeros ||
                     during.holed);
        assert_true(after.whole && after.images == 1);
        assert_false(after.old);
    }
}

static void without_syncs_anything_may_be_there(void **state)
{
    (void)state;
    outcome during, after;
    enumerate(WITHOUT_SYNC, CRASH_FULL, &during, &after);
    assert_true(after.old && after.empty && after.short_ && after.zeros && after.holed &&
                after.whole);
    assert_false(after.absent); /* a rename is one change */
    enumerate(WITHOUT_SYNC, CRASH_SHORT, &during, &after);
    assert_true(after.old && after.empty && after.short_ && after.zeros && after.whole);
}

static bool has(vfs_fault *f, const char *path)
{
    return vfs_exists(vfs_fault_fs(f), path);
}

/* Changes of different directories, and of one, may survive in any order. */
static void changes_survive_in_any_order(void **state)
{
    (void)state;
    vfs_fault *f = with_an_old_file();
    vfs_crash *c = vfs_crash_new(f, CRASH_FULL);
    vfs_fault_record(f);
    vfs *fs = vfs_fault_fs(f);
    vfs_file *file;
    assert_int_equal(vfs_open(fs, "d/a", VFS_CREATE, &file, NULL), FER_OK);
    vfs_close(file);
    assert_int_equal(vfs_link(fs, "d/a", "d/b", NULL), FER_OK);
    assert_int_equal(vfs_unlink(fs, "d/new", NULL), FER_OK);
    const vfs_fault_op *ops;
    size_t n = vfs_fault_ops(f, &ops);
    for (size_t i = 0; i < n; i++)
        vfs_crash_apply(c, &ops[i]);
    bool seen[8] = {0};
    vfs_crash_image image;
    while (vfs_crash_next(c, 0, NULL, &image)) {
        seen[has(image.disk, "d/a") + 2 * has(image.disk, "d/b") + 4 * has(image.disk, "d/new")] =
            true;
        vfs_fault_free(image.disk);
    }
    static const int want[] = {0 /* only the unlink */, 2, 1, 4, 5, 6, 7, 3};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        assert_true(seen[want[i]]);
    vfs_crash_free(c);
    vfs_fault_free(f);
}

/* A file moved to another directory is in one of them, also when only one of them was synced. */
static void a_rename_between_directories_is_one_change(void **state)
{
    (void)state;
    for (int synced = 0; synced < 3; synced++) {
        vfs_fault *f = with_an_old_file();
        vfs *fs = vfs_fault_fs(f);
        vfs_crash *c = vfs_crash_new(f, CRASH_FULL);
        vfs_fault_record(f);
        assert_int_equal(vfs_mkdir_all(fs, "e", NULL), FER_OK);
        assert_int_equal(vfs_rename(fs, "d/new", "e/new", NULL), FER_OK);
        if (synced != 0)
            assert_int_equal(vfs_sync_dir(fs, synced == 1 ? "d" : "e", NULL), FER_OK);
        const vfs_fault_op *ops;
        size_t n = vfs_fault_ops(f, &ops);
        for (size_t i = 0; i < n; i++)
            vfs_crash_apply(c, &ops[i]);
        vfs_crash_image image;
        bool old = false, new = false;
        while (vfs_crash_next(c, 0, NULL, &image)) {
            assert_true(has(image.disk, "d/new") != has(image.disk, "e/new"));
            old |= has(image.disk, "d/new");
            new |= has(image.disk, "e/new");
            vfs_fault_free(image.disk);
        }
        assert_true(new);
        assert_true(old == (synced == 0));
        vfs_crash_free(c);
        vfs_fault_free(f);
    }
}

/* When only the process dies, reads show all, and a later power cut still takes what was never synced. */
static void the_cache_outlives_the_process(void **state)
{
    (void)state;
    vfs_fault *f = with_an_old_file();
    replace(vfs_fault_fs(f), WITHOUT_SYNC);
    vfs_fault *killed = vfs_crash_killed(f, NULL);
    outcome o = {0};
    note_outcome(&o, killed);
    assert_true(o.whole);
    vfs_fault_crash(killed, NULL);
    note_outcome(&o, killed);
    assert_true(o.old);
    vfs_fault_free(killed);
    vfs_fault_free(f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_synced_replacement_is_old_or_new),
        cmocka_unit_test(without_syncs_anything_may_be_there),
        cmocka_unit_test(changes_survive_in_any_order),
        cmocka_unit_test(a_rename_between_directories_is_one_change),
        cmocka_unit_test(the_cache_outlives_the_process),
    };
    return cmocka_run_group_tests_name("vfs_crash", tests, NULL, NULL);
}

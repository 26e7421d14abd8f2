/* The calls of vfs.h, on the machine's file system and on the disk of the tests alike: one list of
 * promises, two implementations. */
#include "base/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/vfs_fault.h"

typedef struct fixture {
    vfs *fs;
    vfs_fault *disk; /* NULL: the machine's */
    char dir[64];
    char path[8][160];
    unsigned next;
} fixture;

static int setup_posix(void **state)
{
    fixture *x = fer_calloc(1, sizeof *x);
    x->fs = vfs_posix();
    snprintf(x->dir, sizeof x->dir, "/tmp/ferula-vfs-XXXXXX");
    *state = x;
    return mkdtemp(x->dir) == NULL;
}

static int setup_fault(void **state)
{
    fixture *x = fer_calloc(1, sizeof *x);
    x->disk = vfs_fault_new(fer_clock_system());
    x->fs = vfs_fault_fs(x->disk);
    snprintf(x->dir, sizeof x->dir, "/t");
    *state = x;
    return vfs_mkdir_all(x->fs, x->dir, NULL) != FER_OK;
}

static int teardown(void **state)
{
    fixture *x = *state;
    fer_err err;
    if (vfs_remove_all(x->fs, x->dir, &err) != FER_OK || vfs_exists(x->fs, x->dir))
        return 1;
    if (x->disk != NULL)
        vfs_fault_free(x->disk);
    fer_free(x);
    return 0;
}

/* A path in the test's directory; the last 8 stay valid. */
static const char *in(fixture *x, const char *name)
{
    char *p = x->path[x->next++ % 8];
    snprintf(p, sizeof x->path[0], "%s/%s", x->dir, name);
    return p;
}

static void put(fixture *x, const char *name, const char *text)
{
    vfs_file *f;
    assert_int_equal(vfs_open(x->fs, in(x, name), VFS_TRUNCATE, &f, NULL), FER_OK);
    assert_int_equal(vfs_pwrite(f, text, strlen(text), 0, NULL), FER_OK);
    vfs_close(f);
}

static void assert_content(fixture *x, const char *name, const char *want)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    fer_str got;
    assert_int_equal(vfs_read_all(x->fs, in(x, name), 1 << 20, a, &got, NULL), FER_OK);
    assert_string_equal(got.p, want); /* there is a NUL behind it */
    assert_int_equal(got.n, strlen(want));
}

static void modes_of_opening(void **state)
{
    fixture *x = *state;
    vfs_file *f = (vfs_file *)1;
    fer_err err;
    assert_int_equal(vfs_open(x->fs, in(x, "a"), VFS_READ, &f, &err), FER_NOTFOUND);
    assert_int_equal(err.sys, ENOENT);
    char want[256];
    snprintf(want, sizeof want, "open %s: No such file or directory", in(x, "a"));
    assert_string_equal(err.msg, want);
    assert_ptr_equal(f, (vfs_file *)1);
    assert_int_equal(vfs_open(x->fs, in(x, "a"), VFS_READ_WRITE, &f, NULL), FER_NOTFOUND);
    assert_int_equal(vfs_open(x->fs, in(x, "a"), VFS_CREATE, &f, NULL), FER_OK);
    assert_int_equal(vfs_pwrite(f, "hello", 5, 0, NULL), FER_OK);
    vfs_close(f);
    assert_int_equal(vfs_open(x->fs, in(x, "a"), VFS_CREATE, &f, NULL), FER_EXISTS);
    assert_int_equal(vfs_open(x->fs, in(x, "a"), VFS_READ, &f, NULL), FER_OK);
    assert_int_equal(vfs_pwrite(f, "x", 1, 0, NULL), FER_IO);
    vfs_close(f);
    assert_content(x, "a", "hello");
    assert_int_equal(vfs_open(x->fs, in(x, "a"), VFS_READ_WRITE, &f, NULL), FER_OK);
    assert_int_equal(vfs_pwrite(f, "J", 1, 0, NULL), FER_OK);
    vfs_close(f);
    assert_content(x, "a", "Jello");
    assert_int_equal(vfs_open(x->fs, in(x, "a"), VFS_TRUNCATE, &f, NULL), FER_OK);
    vfs_close(f);
    assert_content(x, "a", "");
    assert_int_equal(vfs_open(x->fs, in(x, "no/a"), VFS_CREATE, &f, NULL), FER_NOTFOUND);
    assert_int_equal(vfs_open(x->fs, in(x, "a/b"), VFS_CREATE, &f, NULL), FER_IO);
    assert_int_equal(vfs_open(x->fs, x->dir, VFS_READ_WRITE, &f, NULL), FER_IO);
    vfs_close(NULL);
}

static void reads_end_with_the_file_and_holes_are_zero(void **state)
{
    fixture *x = *state;
    FER_CLEANUP(vfs_closep) vfs_file *f = NULL;
    assert_int_equal(vfs_open(x->fs, in(x, "a"), VFS_CREATE, &f, NULL), FER_OK);
    assert_int_equal(vfs_pwrite(f, "abc", 3, 5000, NULL), FER_OK);
    uint64_t size;
    assert_int_equal(vfs_size(f, &size, NULL), FER_OK);
    assert_int_equal(size, 5003);
    char got[16];
    size_t n = 77;
    assert_int_equal(vfs_pread(f, got, 4, 4999, &n, NULL), FER_OK);
    assert_int_equal(n, 4);
    assert_memory_equal(got, "\0abc", 4);
    assert_int_equal(vfs_pread(f, got, sizeof got, 5001, &n, NULL), FER_OK);
    assert_int_equal(n, 2);
    assert_int_equal(vfs_pread(f, got, sizeof got, 5003, &n, NULL), FER_OK);
    assert_int_equal(n, 0);
    assert_int_equal(vfs_pread(f, got, sizeof got, 99999, &n, NULL), FER_OK);
    assert_int_equal(n, 0);
    assert_int_equal(vfs_truncate(f, 5001, NULL), FER_OK);
    assert_int_equal(vfs_truncate(f, 5003, NULL), FER_OK);
    assert_int_equal(vfs_pread(f, got, sizeof got, 5000, &n, NULL), FER_OK);
    assert_int_equal(n, 3);
    assert_memory_equal(got, "a\0\0", 3);
    assert_int_equal(vfs_sync(f, NULL), FER_OK);
}

/* Of a file: the system's cache holds none of it. */
static void forget_cached(fixture *x, const char *name)
{
    if (x->disk != NULL)
        return;
    int fd = open(in(x, name), O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fdatasync(fd), 0);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    close(fd);
}

static void expect_block(vfs_file *f, void *room, uint64_t off, const char *bytes, size_t n)
{
    size_t got = SIZE_MAX;
    assert_int_equal(vfs_pread(f, room, VFS_BLOCK_BYTES, off, &got, NULL), FER_OK);
    assert_int_equal(got, n);
    assert_memory_equal(room, bytes, n);
}

/* Cached or not, with an end in the middle of a block. */
static void a_file_is_read_once(void **state)
{
    fixture *x = *state;
    char bytes[2 * VFS_BLOCK_BYTES + 5];
    _Alignas(VFS_BLOCK_BYTES) char room[VFS_BLOCK_BYTES];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i / 3);
    FER_CLEANUP(vfs_closep) vfs_file *f = NULL;
    assert_int_equal(vfs_open(x->fs, in(x, "none"), VFS_READ_ONCE, &f, NULL), FER_NOTFOUND);
    assert_int_equal(vfs_open(x->fs, in(x, "a"), VFS_CREATE, &f, NULL), FER_OK);
    assert_int_equal(vfs_pwrite(f, bytes, sizeof bytes, 0, NULL), FER_OK);
    for (int cached = 1; cached >= 0; cached--) {
        vfs_close(f);
        if (!cached)
            forget_cached(x, "a");
        assert_int_equal(vfs_open(x->fs, in(x, "a"), VFS_READ_ONCE, &f, NULL), FER_OK);
        expect_block(f, room, VFS_BLOCK_BYTES, bytes + VFS_BLOCK_BYTES, VFS_BLOCK_BYTES);
        expect_block(f, room, (uint64_t)2 * VFS_BLOCK_BYTES, bytes + (size_t)2 * VFS_BLOCK_BYTES,
                     5);
        expect_block(f, room, 0, bytes, VFS_BLOCK_BYTES);
        expect_block(f, room, (uint64_t)3 * VFS_BLOCK_BYTES, bytes, 0);
    }
}

static blkcnt_t blocks_of(fixture *x, const char *name)
{
    struct stat st;
    assert_int_equal(stat(in(x, name), &st), 0);
    return st.st_blocks;
}

static void reserved_places_do_not_show_and_go_with_truncate(void **state)
{
    fixture *x = *state;
    FER_CLEANUP(vfs_closep) vfs_file *f = NULL;
    uint64_t size;
    assert_int_equal(vfs_open(x->fs, in(x, "a"), VFS_CREATE, &f, NULL), FER_OK);
    assert_int_equal(vfs_pwrite(f, "four", 4, 0, NULL), FER_OK);
    bool reserved =
        vfs_reserve(f, 4, 1 << 20); /* not every file system can, and the tests' does not */
    vfs_write_back(f, 0, 4);
    assert_int_equal(vfs_size(f, &size, NULL), FER_OK);
    assert_int_equal(size, 4);
    if (!reserved)
        return;
    assert_true(blocks_of(x, "a") * 512 >= 1 << 20);
    assert_int_equal(vfs_truncate(f, 4, NULL), FER_OK);
    assert_true(blocks_of(x, "a") * 512 < 1 << 20);
}

static void maps_show_the_whole_file(void **state)
{
    fixture *x = *state;
    put(x, "a", "mapped");
    put(x, "empty", "");
    vfs_file *f;
    vfs_map m;
    assert_int_equal(vfs_open(x->fs, in(x, "a"), VFS_READ, &f, NULL), FER_OK);
    assert_int_equal(vfs_map_file(f, &m, NULL), FER_OK);
    vfs_close(f); /* the mapping outlives the file */
    assert_int_equal(m.n, 6);
    assert_memory_equal(m.p, "mapped", 6);
    vfs_unmap(&m);
    assert_null(m.p);
    assert_int_equal(vfs_open(x->fs, in(x, "empty"), VFS_READ, &f, NULL), FER_OK);
    assert_int_equal(vfs_map_file(f, &m, NULL), FER_OK);
    vfs_close(f);
    assert_null(m.p);
    assert_int_equal(m.n, 0);
    vfs_unmap(&m);
}

static void stat_tells_size_kind_and_time(void **state)
{
    fixture *x = *state;
    int64_t before = fer_clock_system()->wall_ms(fer_clock_system());
    put(x, "a", "123");
    vfs_stat st;
    assert_int_equal(vfs_stat_path(x->fs, in(x, "a"), &st, NULL), FER_OK);
    assert_int_equal(st.size, 3);
    assert_false(st.is_dir);
    assert_true(st.mtime_ms >= before - 2000 && st.mtime_ms <= before + 60000);
    assert_int_equal(vfs_stat_path(x->fs, x->dir, &st, NULL), FER_OK);
    assert_true(st.is_dir);
    assert_int_equal(vfs_stat_path(x->fs, in(x, "no"), &st, NULL), FER_NOTFOUND);
    assert_true(vfs_exists(x->fs, in(x, "a")));
    assert_false(vfs_exists(x->fs, in(x, "no")));
}

typedef struct listing {
    char names[256];
    unsigned n;
    fer_code answer;
} listing;

static fer_code add_name(void *arg, const char *name)
{
    listing *l = arg;
    size_t n = strlen(l->names);
    snprintf(l->names + n, sizeof l->names - n, "%s;", name);
    l->n++;
    return l->answer;
}

static void listing_names_all_and_stops_when_told(void **state)
{
    fixture *x = *state;
    put(x, "a", "");
    put(x, "b", "");
    assert_int_equal(vfs_mkdir_all(x->fs, in(x, "c"), NULL), FER_OK);
    listing l = {.answer = FER_OK};
    assert_int_equal(vfs_list(x->fs, x->dir, add_name, &l, NULL), FER_OK);
    assert_int_equal(l.n, 3);
    assert_non_null(strstr(l.names, "a;"));
    assert_non_null(strstr(l.names, "b;"));
    assert_non_null(strstr(l.names, "c;"));
    l = (listing){.answer = FER_CANCELED};
    assert_int_equal(vfs_list(x->fs, x->dir, add_name, &l, NULL), FER_CANCELED);
    assert_int_equal(l.n, 1);
    assert_int_equal(vfs_list(x->fs, in(x, "no"), add_name, &l, NULL), FER_NOTFOUND);
    assert_int_equal(vfs_list(x->fs, in(x, "a"), add_name, &l, NULL), FER_IO);
}

static void directories_are_made_with_those_above(void **state)
{
    fixture *x = *state;
    assert_int_equal(vfs_mkdir_all(x->fs, in(x, "p/q//r/"), NULL), FER_OK);
    vfs_stat st;
    assert_int_equal(vfs_stat_path(x->fs, in(x, "p/q/r"), &st, NULL), FER_OK);
    assert_true(st.is_dir);
    assert_int_equal(vfs_mkdir_all(x->fs, in(x, "p/q/r"), NULL), FER_OK); /* again */
    assert_int_equal(x->fs->ops->mkdir(x->fs, in(x, "p"), NULL), FER_EXISTS);
    put(x, "file", "");
    fer_err err;
    assert_int_equal(vfs_mkdir_all(x->fs, in(x, "file"), &err), FER_IO);
    assert_int_equal(err.sys, ENOTDIR);
    assert_int_equal(vfs_mkdir_all(x->fs, in(x, "file/d"), &err), FER_IO);
    assert_int_equal(vfs_mkdir_all(x->fs, "", &err), FER_NOTFOUND);
}

static void names_move_and_double(void **state)
{
    fixture *x = *state;
    put(x, "a", "1");
    put(x, "b", "2");
    assert_int_equal(vfs_link(x->fs, in(x, "a"), in(x, "b"), NULL), FER_EXISTS);
    assert_int_equal(vfs_link(x->fs, in(x, "a"), in(x, "c"), NULL), FER_OK);
    assert_int_equal(vfs_rename(x->fs, in(x, "a"), in(x, "b"), NULL), FER_OK);
    assert_content(x, "b", "1");
    assert_content(x, "c", "1");
    assert_false(vfs_exists(x->fs, in(x, "a")));
    assert_int_equal(vfs_rename(x->fs, in(x, "a"), in(x, "d"), NULL), FER_NOTFOUND);
    assert_int_equal(vfs_unlink(x->fs, in(x, "b"), NULL), FER_OK);
    assert_content(x, "c", "1"); /* the other name stays */

    assert_int_equal(vfs_mkdir_all(x->fs, in(x, "dir/sub"), NULL), FER_OK);
    assert_int_equal(vfs_mkdir_all(x->fs, in(x, "full/sub"), NULL), FER_OK);
    fer_err err;
    assert_int_equal(vfs_rename(x->fs, in(x, "dir"), in(x, "full"), &err), FER_IO);
    assert_int_equal(err.sys, ENOTEMPTY);
    assert_int_equal(vfs_rename(x->fs, in(x, "c"), in(x, "full"), &err), FER_IO);
    assert_int_equal(err.sys, EISDIR);
    assert_int_equal(vfs_rename(x->fs, in(x, "full"), in(x, "c"), &err), FER_IO);
    assert_int_equal(err.sys, ENOTDIR);
    assert_int_equal(vfs_rename(x->fs, in(x, "dir"), in(x, "full/sub"), NULL), FER_OK);
    assert_true(vfs_exists(x->fs, in(x, "full/sub/sub")));
    assert_int_equal(vfs_sync_dir(x->fs, in(x, "full"), NULL), FER_OK);
    assert_int_equal(vfs_sync_dir(x->fs, in(x, "no"), NULL), FER_NOTFOUND);
    assert_int_equal(vfs_sync_dir(x->fs, in(x, "c"), NULL), FER_IO);
}

static void removal(void **state)
{
    fixture *x = *state;
    assert_int_equal(vfs_mkdir_all(x->fs, in(x, "d/e/f"), NULL), FER_OK);
    put(x, "d/1", "1");
    put(x, "d/e/2", "2");
    fer_err err;
    assert_int_equal(vfs_rmdir(x->fs, in(x, "d"), &err), FER_IO);
    assert_int_equal(err.sys, ENOTEMPTY);
    assert_int_equal(vfs_rmdir(x->fs, in(x, "d/1"), &err), FER_IO);
    assert_int_equal(vfs_unlink(x->fs, in(x, "d"), &err), FER_IO);
    assert_int_equal(vfs_rmdir(x->fs, in(x, "d/e/f"), NULL), FER_OK);
    assert_int_equal(vfs_remove_all(x->fs, in(x, "d"), NULL), FER_OK);
    assert_false(vfs_exists(x->fs, in(x, "d")));
    assert_int_equal(vfs_remove_all(x->fs, in(x, "d"), NULL), FER_OK); /* absent is fine */
    assert_int_equal(vfs_unlink(x->fs, in(x, "d"), NULL), FER_NOTFOUND);
}

static void an_unlinked_file_lives_until_closed(void **state)
{
    fixture *x = *state;
    put(x, "a", "still here");
    vfs_file *f;
    assert_int_equal(vfs_open(x->fs, in(x, "a"), VFS_READ, &f, NULL), FER_OK);
    assert_int_equal(vfs_unlink(x->fs, in(x, "a"), NULL), FER_OK);
    char got[32];
    size_t n;
    assert_int_equal(vfs_pread(f, got, sizeof got, 0, &n, NULL), FER_OK);
    assert_int_equal(n, 10);
    vfs_close(f);
}

static void one_holder_of_a_lock(void **state)
{
    fixture *x = *state;
    vfs_file *a, *b;
    fer_err err;
    assert_int_equal(vfs_lock(x->fs, in(x, "lock"), &a, NULL), FER_OK);
    assert_int_equal(vfs_lock(x->fs, in(x, "lock"), &b, &err), FER_BUSY);
    char want[256];
    snprintf(want, sizeof want, "lock %s: held by another process", in(x, "lock"));
    assert_string_equal(err.msg, want);
    vfs_close(a);
    assert_int_equal(vfs_lock(x->fs, in(x, "lock"), &b, NULL), FER_OK);
    vfs_close(b);
}

static void what_directories_refuse(void **state)
{
    fixture *x = *state;
    assert_int_equal(vfs_mkdir_all(x->fs, in(x, "d"), NULL), FER_OK);
    vfs_file *f;
    fer_err err;
    char c;
    size_t n;
    vfs_map m;
    assert_int_equal(vfs_open(x->fs, in(x, "d"), VFS_READ, &f, NULL), FER_OK);
    assert_int_equal(vfs_pread(f, &c, 1, 0, &n, &err), FER_IO);
    assert_int_equal(err.sys, EISDIR);
    vfs_close(f);
    assert_int_equal(vfs_open(x->fs, in(x, "d"), VFS_CREATE, &f, NULL), FER_EXISTS);
    assert_int_equal(vfs_lock(x->fs, in(x, "d"), &f, &err), FER_IO);
    assert_int_equal(err.sys, EISDIR);
    assert_int_equal(vfs_link(x->fs, in(x, "d"), in(x, "e"), &err), FER_IO);
    assert_int_equal(err.sys, EPERM);
    assert_int_equal(vfs_rename(x->fs, in(x, "d"), in(x, "d"), NULL), FER_OK);
    assert_true(vfs_exists(x->fs, in(x, "d")));
    if (x->disk != NULL) { /* the machine maps some kinds of directories */
        assert_int_equal(vfs_open(x->fs, in(x, "d"), VFS_READ, &f, NULL), FER_OK);
        assert_int_equal(vfs_map_file(f, &m, NULL), FER_IO);
        vfs_close(f);
    }
}

static void paths_through_nothing(void **state)
{
    fixture *x = *state;
    vfs_stat st;
    put(x, "file", "");
    assert_int_equal(vfs_stat_path(x->fs, "", &st, NULL), FER_NOTFOUND);
    assert_int_equal(vfs_stat_path(x->fs, in(x, "no/such"), &st, NULL), FER_NOTFOUND);
    assert_int_equal(vfs_stat_path(x->fs, in(x, "file/x"), &st, NULL), FER_IO);
    assert_int_equal(vfs_stat_path(x->fs, in(x, ".//./file"), &st, NULL), FER_OK);
    assert_int_equal(vfs_rename(x->fs, in(x, "file"), in(x, "no/x"), NULL), FER_NOTFOUND);
    assert_int_equal(vfs_link(x->fs, in(x, "file"), in(x, "no/x"), NULL), FER_NOTFOUND);
    assert_int_equal(vfs_rmdir(x->fs, in(x, "no"), NULL), FER_NOTFOUND);
    assert_int_equal(vfs_remove_all(x->fs, in(x, "no/x"), NULL), FER_OK);
}

static void room_is_told(void **state)
{
    fixture *x = *state;
    uint64_t left = 0, total = 0;
    assert_int_equal(vfs_free_bytes(x->fs, x->dir, &left, &total, NULL), FER_OK);
    assert_true(total > 0 && left <= total);
    assert_int_equal(vfs_free_bytes(x->fs, in(x, "no"), &left, &total, NULL), FER_NOTFOUND);
}

static void reading_all_has_a_limit(void **state)
{
    fixture *x = *state;
    put(x, "a", "12345");
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    fer_str got = STR("before");
    fer_err err;
    assert_int_equal(vfs_read_all(x->fs, in(x, "a"), 4, a, &got, &err), FER_LIMIT);
    char want[256];
    snprintf(want, sizeof want, "read %s: file is larger than 4 bytes", in(x, "a"));
    assert_string_equal(err.msg, want);
    assert_true(str_eq(got, STR("before")));
    assert_int_equal(vfs_read_all(x->fs, in(x, "a"), 5, a, &got, &err), FER_OK);
    assert_true(str_eq(got, STR("12345")));
    assert_int_equal(vfs_read_all(x->fs, in(x, "no"), 5, a, &got, &err), FER_NOTFOUND);
    FER_CLEANUP(fer_arena_freep) fer_arena *tight = fer_arena_new(NULL, 1);
    assert_int_equal(vfs_read_all(x->fs, in(x, "a"), 5, tight, &got, &err), FER_LIMIT);
}

/* Only on the machine: the disk of the tests knows no symbolic links. */
static void removal_does_not_follow_links(void **state)
{
    fixture *x = *state;
    assert_int_equal(vfs_mkdir_all(x->fs, in(x, "keep"), NULL), FER_OK);
    put(x, "keep/a", "1");
    assert_int_equal(vfs_mkdir_all(x->fs, in(x, "gone"), NULL), FER_OK);
    assert_int_equal(symlink(in(x, "keep"), in(x, "gone/link")), 0);
    assert_int_equal(vfs_remove_all(x->fs, in(x, "gone"), NULL), FER_OK);
    assert_content(x, "keep/a", "1");
}

/* Only on the machine: /dev/full is a disk without room. */
static void a_full_device_is_told(void **state)
{
    fixture *x = *state;
    vfs_file *f;
    fer_err err;
    assert_int_equal(vfs_open(x->fs, "/dev/full", VFS_READ_WRITE, &f, NULL), FER_OK);
    assert_int_equal(vfs_pwrite(f, "x", 1, 0, &err), FER_NOSPACE);
    assert_string_equal(err.msg, "write /dev/full: No space left on device");
    vfs_close(f);
}

/* Only on the disk of the tests: what mkdir_all has made survives a crash. */
static void made_directories_are_durable(void **state)
{
    fixture *x = *state;
    assert_int_equal(vfs_mkdir_all(x->fs, "r/s/t", NULL), FER_OK);
    vfs_fault_crash(x->disk, NULL);
    assert_true(vfs_exists(x->fs, "r/s/t"));
}

/* Whichever call fails, removing says so or removes; and a second try finishes. */
static void removal_survives_any_failing_call(void **state)
{
    fixture *x = *state;
    for (uint64_t nth = 1;; nth++) {
        assert_int_equal(vfs_mkdir_all(x->fs, "/t/d/e", NULL), FER_OK);
        put(x, "d/1", "1");
        put(x, "d/e/2", "2");
        vfs_fault_set(x->disk, &(vfs_fault_rule){VFS_CALL_ANY, nth, false, EIO, 0, NULL});
        fer_code code = vfs_remove_all(x->fs, "/t/d", NULL);
        bool hit = vfs_fault_hits(x->disk) != 0;
        vfs_fault_clear(x->disk);
        if (code == FER_OK)
            assert_false(vfs_exists(x->fs, "/t/d"));
        else
            assert_true(hit);
        assert_int_equal(vfs_remove_all(x->fs, "/t/d", NULL), FER_OK);
        assert_false(vfs_exists(x->fs, "/t/d"));
        if (!hit)
            break;
    }
}

int main(void)
{
#define BOTH(name)                                                                                 \
    {#name " (posix)", name, setup_posix, teardown, NULL},                                         \
    {                                                                                              \
#name " (fault)", name, setup_fault, teardown, NULL                                        \
    }
    const struct CMUnitTest tests[] = {
        BOTH(modes_of_opening),
        BOTH(reads_end_with_the_file_and_holes_are_zero),
        BOTH(a_file_is_read_once),
        BOTH(reserved_places_do_not_show_and_go_with_truncate),
        BOTH(maps_show_the_whole_file),
        BOTH(stat_tells_size_kind_and_time),
        BOTH(listing_names_all_and_stops_when_told),
        BOTH(directories_are_made_with_those_above),
        BOTH(names_move_and_double),
        BOTH(removal),
        BOTH(an_unlinked_file_lives_until_closed),
        BOTH(one_holder_of_a_lock),
        BOTH(what_directories_refuse),
        BOTH(paths_through_nothing),
        BOTH(room_is_told),
        BOTH(reading_all_has_a_limit),
        cmocka_unit_test_setup_teardown(removal_does_not_follow_links, setup_posix, teardown),
        cmocka_unit_test_setup_teardown(a_full_device_is_told, setup_posix, teardown),
        cmocka_unit_test_setup_teardown(made_directories_are_durable, setup_fault, teardown),
        cmocka_unit_test_setup_teardown(removal_survives_any_failing_call, setup_fault, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

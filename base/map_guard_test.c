/* Files cut short under their mappings, read by many threads. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/map_guard.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/vfs.h"

enum { FILE_BYTES = 1 << 20, THREADS = 4, ROUNDS = 50 };

static vfs_map map_new_file(const char *path, vfs_file **ret)
{
    fer_err err = {0};
    char *bytes = fer_alloc(FILE_BYTES);
    vfs_map m;
    memset(bytes, 7, FILE_BYTES);
    assert_int_equal(vfs_open(vfs_posix(), path, VFS_TRUNCATE, ret, &err), FER_OK);
    assert_int_equal(vfs_pwrite(*ret, bytes, FILE_BYTES, 0, &err), FER_OK);
    assert_int_equal(vfs_map_file(*ret, &m, &err), FER_OK);
    fer_free(bytes);
    return m;
}

static void path_of(char out[64], int i)
{
    snprintf(out, 64, "/tmp/ferula-map-guard-%d-%d", (int)getpid(), i);
}

static uint64_t sum(const vfs_map *m)
{
    uint64_t n = 0;
    for (size_t i = 0; i < m->n; i += 512)
        n += m->p[i];
    return n;
}

static void a_file_cut_short_reads_as_zeros_and_is_told(void **state)
{
    (void)state;
    map_guard_install(); /* in the test: cmocka has a handler of its own */
    char path[64], other_path[64];
    vfs_file *f, *other_file;
    fer_err err = {0};
    path_of(path, 0);
    path_of(other_path, 1);
    vfs_map m = map_new_file(path, &f), other = map_new_file(other_path, &other_file);
    assert_int_equal(sum(&m), FILE_BYTES / 512 * 7);
    assert_false(vfs_map_failed(&m));
    assert_int_equal(vfs_truncate(f, 5000, &err), FER_OK);
    assert_int_equal(m.p[100], 7); /* nothing is lost of it yet */
    assert_false(vfs_map_failed(&m));
    assert_int_equal(m.p[FILE_BYTES - 1], 0);
    assert_true(vfs_map_failed(&m));
    assert_int_equal(sum(&m), 0);
    assert_int_equal(sum(&other), FILE_BYTES / 512 * 7);
    assert_false(vfs_map_failed(&other));
    vfs_unmap(&m);
    vfs_unmap(&other);
    vfs_close(f);
    m = map_new_file(path, &f); /* the place of the one that failed is used again */
    assert_false(vfs_map_failed(&m));
    vfs_unmap(&m);
    vfs_close(f);
    vfs_close(other_file);
    unlink(path);
    unlink(other_path);
}

typedef struct reader {
    const vfs_map *m;
    _Atomic int *go;
    bool wrong;
} reader;

/* What was read is right, or the mapping is known to have failed. */
static void read_on(void *arg)
{
    reader *r = arg;
    while (atomic_load(r->go) == 0)
        ;
    for (int i = 0; i < 20; i++) {
        uint64_t got = sum(r->m);
        if (got != FILE_BYTES / 512 * 7 && !vfs_map_failed(r->m))
            r->wrong = true;
    }
}

static void many_may_read_it_meanwhile(void **state)
{
    (void)state;
    map_guard_install();
    char path[64];
    path_of(path, 2);
    for (int round = 0; round < ROUNDS; round++) {
        vfs_file *f;
        fer_err err = {0};
        vfs_map m = map_new_file(path, &f);
        _Atomic int go = 0;
        fer_thread threads[THREADS];
        reader readers[THREADS];
        for (int i = 0; i < THREADS; i++) {
            readers[i] = (reader){&m, &go, false};
            assert_int_equal(fer_thread_start(&threads[i], "reader", read_on, &readers[i], &err),
                             FER_OK);
        }
        atomic_store(&go, 1);
        assert_int_equal(vfs_truncate(f, (uint64_t)round * 20000, &err), FER_OK);
        for (int i = 0; i < THREADS; i++) {
            fer_thread_join(&threads[i]);
            assert_false(readers[i].wrong);
        }
        vfs_unmap(&m);
        vfs_close(f);
    }
    unlink(path);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void other_faults_end_the_process(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        map_guard_install();
        raise(SIGBUS);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGBUS);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_cut_short_reads_as_zeros_and_is_told),
        cmocka_unit_test(many_may_read_it_meanwhile),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        cmocka_unit_test(other_faults_end_the_process),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

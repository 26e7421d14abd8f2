/* wal_fetch_test.c - blocks come in order, whatever the disk gives and wherever the reading ends. */
#include "tsdb/wal/wal_fetch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/vfs_fault.h"

enum { WHOLE = FETCH_BLOCKS + 2 }; /* blocks of the longest file */

typedef struct fixture {
    vfs_fault *disk;
    wal_fetch *w;
    uint64_t size;
    vfs_file *f;
} fixture;

static int setup(void **state)
{
    fixture *x = fer_calloc(1, sizeof *x);
    x->disk = vfs_fault_new(NULL);
    x->w = wal_fetch_new();
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    fixture *x = *state;
    wal_fetch_free(x->w);
    vfs_fault_free(x->disk);
    fer_free(x);
    return 0;
}

static uint8_t byte_at(uint64_t at)
{
    return (uint8_t)(at / 1000 + at / FETCH_BLOCK_BYTES);
}

static void begin(fixture *x, uint64_t size)
{
    vfs *fs = vfs_fault_fs(x->disk);
    uint8_t *bytes = fer_alloc(size + 1);
    for (uint64_t i = 0; i < size; i++)
        bytes[i] = byte_at(i);
    vfs_file *f;
    assert_int_equal(vfs_open(fs, "log", VFS_TRUNCATE, &f, NULL), FER_OK);
    assert_int_equal(vfs_pwrite(f, bytes, size, 0, NULL), FER_OK);
    vfs_close(f);
    fer_free(bytes);
    assert_int_equal(vfs_open(fs, "log", VFS_READ_ONCE, &x->f, NULL), FER_OK);
    x->size = size;
    wal_fetch_begin(x->w, x->f, size);
}

static void end(fixture *x)
{
    wal_fetch_end(x->w);
    vfs_close(x->f);
}

static fetched *expect_block(fixture *x, uint64_t number)
{
    fetched *b = wal_fetch_next(x->w);
    assert_non_null(b);
    assert_int_equal(b->at, number * FETCH_BLOCK_BYTES);
    if (b->code != FER_OK)
        return b;
    uint64_t left = x->size - b->at;
    assert_int_equal(b->n, left < FETCH_BLOCK_BYTES ? left : FETCH_BLOCK_BYTES);
    for (size_t i = 0; i < b->n; i++)
        if (b->p[i] != byte_at(b->at + i))
            fail_msg("byte %zu of block %llu", i, (unsigned long long)number);
    return b;
}

static void files_come_whole_and_in_order(void **state)
{
    fixture *x = *state;
    static const uint64_t sizes[] = {0,
                                     1,
                                     FETCH_BLOCK_BYTES,
                                     FETCH_BLOCK_BYTES + 1,
                                     FETCH_BLOCKS * (uint64_t)FETCH_BLOCK_BYTES,
                                     WHOLE * (uint64_t)FETCH_BLOCK_BYTES - 77};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        begin(x, sizes[i]);
        for (uint64_t n = 0; n * FETCH_BLOCK_BYTES < sizes[i]; n++)
            assert_int_equal(expect_block(x, n)->code, FER_OK);
        assert_null(wal_fetch_next(x->w));
        assert_null(wal_fetch_next(x->w));
        end(x);
    }
}

static void reading_may_end_anywhere(void **state)
{
    fixture *x = *state;
    for (uint64_t stop = 0; stop <= WHOLE; stop++) {
        begin(x, WHOLE * (uint64_t)FETCH_BLOCK_BYTES);
        for (uint64_t n = 0; n < stop; n++)
            assert_int_equal(expect_block(x, n)->code, FER_OK);
        end(x);
    }
}

static void a_block_that_cannot_be_read_is_told_and_the_rest_follows(void **state)
{
    fixture *x = *state;
    const vfs_fault_rule rule = {.kind = VFS_CALL_PREAD, .nth = 3, .sys = EIO};
    vfs_fault_set(x->disk, &rule);
    begin(x, WHOLE * (uint64_t)FETCH_BLOCK_BYTES);
    for (uint64_t n = 0; n < WHOLE; n++) {
        const fetched *b = expect_block(x, n);
        assert_int_equal(b->code, n == 2 ? FER_IO : FER_OK);
        if (n != 2)
            continue;
        size_t got;
        assert_int_equal(vfs_pread(x->f, b->p, VFS_BLOCK_BYTES, b->at, &got, NULL), FER_OK);
        assert_int_equal(b->p[0], byte_at(b->at));
    }
    assert_null(wal_fetch_next(x->w));
    end(x);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(files_come_whole_and_in_order),
        TEST(reading_may_end_anywhere),
        TEST(a_block_that_cannot_be_read_is_told_and_the_rest_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The log written and read back: framing at every boundary, segments, compression, reopening. */
#include "tsdb/wal/wal_testing.h"

#include <stdio.h>

#include "base/varint.h"
#include "base/vfs_fault.h"

enum { PAYLOAD = WAL_PAGE_BYTES - WAL_HEADER_BYTES };

typedef struct fixture {
    vfs_fault *disk;
    vfs *fs;
    fer_buf scratch;
    rec_list read;
} fixture;

static int setup(void **state)
{
    fixture *x = fer_calloc(1, sizeof *x);
    x->disk = vfs_fault_new(NULL);
    x->fs = vfs_fault_fs(x->disk);
    fer_buf_init(&x->scratch, SIZE_MAX / 2, NULL);
    rec_list_init(&x->read);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    fixture *x = *state;
    vfs_fault_free(x->disk);
    fer_buf_done(&x->scratch);
    rec_list_done(&x->read);
    fer_free(x);
    return 0;
}

static wal *open_wal(fixture *x, wal_options o)
{
    wal *w;
    fer_err err = {0};
    if (wal_open(x->fs, "data/wal", &o, NULL, &w, &err) != FER_OK)
        fail_msg("%s", err.msg);
    return w;
}

static void write_ok(wal *w)
{
    fer_err err = {0};
    if (wal_write(w, &err) != FER_OK)
        fail_msg("%s", err.msg);
}

static void close_ok(wal *w)
{
    fer_err err = {0};
    if (wal_close(w, &err) != FER_OK)
        fail_msg("%s", err.msg);
}

static void assert_read(fixture *x, uint64_t from, const size_t *sizes, size_t n)
{
    rec_list_read(&x->read, x->fs, "data/wal");
    if (x->read.n_damage != 0)
        fail_msg("damage at %d: %s", (int)x->read.damage[0].offset, x->read.damage[0].why);
    assert_int_equal(x->read.n, n);
    for (size_t i = 0; i < n; i++) {
        fer_str want = make_rec(&x->scratch, from + i, sizes[i]), got = rec_at(&x->read, i);
        assert_int_equal(got.n, want.n);
        assert_memory_equal(got.p, want.p, want.n);
    }
}

static fer_str segment_bytes(fixture *x, uint64_t number, fer_arena *a)
{
    char path[64];
    snprintf(path, sizeof path, "data/wal/%08d", (int)number);
    fer_str s;
    fer_err err = {0};
    if (vfs_read_all(x->fs, path, 1u << 30, a, &s, &err) != FER_OK)
        fail_msg("%s", err.msg);
    return s;
}

static size_t count_segments(fixture *x, uint64_t *ret_last)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    uint64_t *v;
    size_t n;
    assert_int_equal(wal_list(x->fs, "data/wal", a, &v, &n, NULL), FER_OK);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(v[i], v[0] + i);
    if (ret_last != NULL)
        *ret_last = n == 0 ? 0 : v[n - 1];
    fer_arena_free(a);
    return n;
}

/* ---- framing ---- */

static void a_small_record_has_prometheus_bytes(void **state)
{
    fixture *x = *state;
    wal *w = open_wal(x, (wal_options){0});
    wal_append(w, STR("123456789"));
    wal_append(w, STR(""));
    close_ok(w);
    fer_arena *a = fer_arena_new(NULL, 0);
    fer_str s = segment_bytes(x, 0, a);
    static const char want[] = "\1\0\11\xe3\x06\x92\x83"
                               "123456789"
                               "\1\0\0\0\0\0\0";
    assert_int_equal(s.n, WAL_PAGE_BYTES); /* filled up at the end */
    assert_memory_equal(s.p, want, sizeof want - 1);
    for (size_t i = sizeof want - 1; i < s.n; i++)
        assert_int_equal(s.p[i], 0);
    fer_arena_free(a);
}

/* Two records whose sizes are around whole pages, so that the second begins anywhere near the end of
 * a page, its last 7 bytes included. */
static void records_around_page_ends_come_back(void **state)
{
    fixture *x = *state;
    static const long around[] = {PAYLOAD, 2L * PAYLOAD, 3L * PAYLOAD, WAL_PAGE_BYTES};
    for (size_t i = 0; i < sizeof around / sizeof *around; i++) {
        for (long d = -17; d <= 9; d++) {
            for (size_t k = 0; k < 3; k++) {
                size_t sizes[] = {(size_t)(around[i] + d),
                                  (size_t[]){8, PAYLOAD, 2 * PAYLOAD + 1}[k], 9};
                wal *w = open_wal(x, (wal_options){0});
                for (size_t r = 0; r < 3; r++) {
                    wal_append(w, make_rec(&x->scratch, r, sizes[r]));
                    if (d % 2 == 0)
                        write_ok(w);
                }
                close_ok(w);
                assert_read(x, 0, sizes, 3);
                assert_int_equal(vfs_remove_all(x->fs, "data", NULL), FER_OK);
            }
        }
    }
}

static void the_last_bytes_of_a_page_hold_no_header(void **state)
{
    fixture *x = *state;
    fer_arena *a = fer_arena_new(NULL, 0);
    for (size_t left = 0; left < 10; left++) {
        wal *w = open_wal(x, (wal_options){0});
        wal_append(w, make_rec(&x->scratch, 1, PAYLOAD - left));
        wal_append(w, make_rec(&x->scratch, 2, 20));
        close_ok(w);
        const uint8_t *p = (const uint8_t *)segment_bytes(x, left, a).p;
        if (left < WAL_HEADER_BYTES) { /* unused; the record begins on the next page */
            for (size_t i = 1; i <= left; i++)
                assert_int_equal(p[WAL_PAGE_BYTES - i], 0);
            assert_int_equal(p[WAL_PAGE_BYTES], 1);
        } else { /* a first fragment of the 0 to 2 bytes there are */
            assert_int_equal(p[WAL_PAGE_BYTES - left], 2);
            assert_int_equal(be16_get(p + WAL_PAGE_BYTES - left + 1), left - WAL_HEADER_BYTES);
            assert_int_equal(p[WAL_PAGE_BYTES], 4);
        }
    }
    fer_arena_free(a);
}

static void reading_can_be_stopped(void **state)
{
    fixture *x = *state;
    wal *w = open_wal(x, (wal_options){0});
    for (uint64_t i = 0; i < 5; i++)
        wal_append(w, make_rec(&x->scratch, i, i == 1 ? 100000 : 10));
    close_ok(w);
    for (size_t stop = 1; stop <= 5; stop++) {
        rec_list_clear(&x->read);
        x->read.stop_at = stop;
        assert_int_equal(wal_read(x->fs, "data/wal", rec_list_take, NULL, &x->read, NULL, NULL),
                         FER_CANCELED);
        assert_int_equal(x->read.n, stop);
    }
}

/* ---- segments ---- */

static void nothing_is_made_before_the_first_write(void **state)
{
    fixture *x = *state;
    close_ok(open_wal(x, (wal_options){0}));
    assert_int_equal(count_segments(x, NULL), 0);
    wal *w = open_wal(x, (wal_options){0});
    assert_int_equal(wal_write(w, NULL), FER_OK);
    assert_int_equal(wal_sync(w, NULL), FER_OK);
    assert_int_equal(count_segments(x, NULL), 0);
    close_ok(w);
}

static void every_opening_begins_a_segment(void **state)
{
    fixture *x = *state;
    size_t sizes[5] = {10, 20, 30, 40, 50};
    for (uint64_t i = 0; i < 5; i++) {
        wal *w = open_wal(x, (wal_options){0});
        wal_append(w, make_rec(&x->scratch, i, sizes[i]));
        close_ok(w);
    }
    uint64_t last;
    assert_int_equal(count_segments(x, &last), 5);
    assert_int_equal(last, 4);
    assert_read(x, 0, sizes, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(x->read.v[i].segment, i);
}

static void a_new_segment_is_behind_those_of_a_checkpoint(void **state)
{
    fixture *x = *state;
    assert_int_equal(vfs_mkdir_all(x->fs, "data/wal/checkpoint.00000007", NULL), FER_OK);
    assert_int_equal(vfs_mkdir_all(x->fs, "data/wal/checkpoint.00000012.tmp", NULL), FER_OK);
    wal *w = open_wal(x, (wal_options){0});
    wal_append(w, STR("12345678"));
    close_ok(w);
    uint64_t last;
    assert_int_equal(count_segments(x, &last), 1);
    assert_int_equal(last, 8);
}

static void segments_are_cut_where_a_record_does_not_fit(void **state)
{
    fixture *x = *state;
    /* exactly full; one byte too many; fits no segment; small again */
    size_t sizes[] = {2 * PAYLOAD - 7 - 100, 100, 2 * PAYLOAD, 2 * PAYLOAD + 1,
                      5 * PAYLOAD,           8,   2 * PAYLOAD};
    size_t n = sizeof sizes / sizeof *sizes;
    for (int batch = 0; batch < 2; batch++) {
        wal *w = open_wal(x, (wal_options){.segment_bytes = 2 * WAL_PAGE_BYTES});
        for (uint64_t i = 0; i < n; i++) {
            wal_append(w, make_rec(&x->scratch, i, sizes[i]));
            if (batch == 0)
                write_ok(w);
        }
        write_ok(w);
        wal_stats s;
        wal_stats_get(w, &s);
        assert_int_equal(s.segment, 5);
        assert_int_equal(s.records, n);
        close_ok(w);
        assert_read(x, 0, sizes, n);
        static const uint64_t segment[] = {0, 0, 1, 2, 3, 4, 5};
        for (size_t i = 0; i < n; i++)
            assert_int_equal(x->read.v[i].segment, segment[i]);
        assert_int_equal(vfs_remove_all(x->fs, "data", NULL), FER_OK);
    }
}

/* Many sizes through small segments: each segment but oversized ones within its size, whole pages. */
static void segments_keep_their_size(void **state)
{
    fixture *x = *state;
    enum { N = 400 };
    size_t sizes[N];
    wal *w = open_wal(x, (wal_options){.segment_bytes = 3 * WAL_PAGE_BYTES});
    for (uint64_t i = 0; i < N; i++) {
        sizes[i] = 8 + i * 2654435761u % 40000;
        wal_append(w, make_rec(&x->scratch, i, sizes[i]));
        if (i % 7 == 0)
            write_ok(w);
    }
    close_ok(w);
    assert_read(x, 0, sizes, N);
    uint64_t last;
    count_segments(x, &last);
    assert_true(last > 80);
    fer_arena *a = fer_arena_new(NULL, 0);
    for (uint64_t i = 0; i <= last; i++) {
        size_t bytes = segment_bytes(x, i, a).n;
        assert_int_equal(bytes % WAL_PAGE_BYTES, 0);
        assert_in_range(bytes, WAL_PAGE_BYTES, 3 * WAL_PAGE_BYTES);
    }
    fer_arena_free(a);
}

static void a_batch_is_one_write_and_one_sync(void **state)
{
    fixture *x = *state;
    wal *w = open_wal(x, (wal_options){0});
    wal_append(w, STR("12345678"));
    write_ok(w);
    for (int round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < 200; i++)
            wal_append(w, make_rec(&x->scratch, i, 500));
        uint64_t calls = vfs_fault_count(x->disk, VFS_CALL_ANY);
        uint64_t writes = vfs_fault_count(x->disk, VFS_CALL_PWRITE);
        write_ok(w);
        assert_int_equal(vfs_fault_count(x->disk, VFS_CALL_PWRITE), writes + 1);
        assert_true(wal_pending_bytes(w) > 100000);
        assert_int_equal(wal_sync(w, NULL), FER_OK);
        assert_int_equal(wal_pending_bytes(w), 0);
        assert_int_equal(wal_sync(w, NULL), FER_OK); /* nothing due */
        assert_int_equal(vfs_fault_count(x->disk, VFS_CALL_ANY), calls + 2);
    }
    wal_stats s;
    wal_stats_get(w, &s);
    assert_int_equal(s.records, 601);
    assert_int_equal(s.fsyncs, 3);
    assert_int_equal(s.writes_failed, 0);
    assert_int_equal(s.pages, s.bytes_written / WAL_PAGE_BYTES);
    close_ok(w);
}

static void relaxing_forgets_what_was_written_only(void **state)
{
    fixture *x = *state;
    size_t sizes[] = {100, 200};
    wal *w = open_wal(x, (wal_options){0});
    wal_append(w, make_rec(&x->scratch, 0, sizes[0]));
    write_ok(w);
    wal_append(w, make_rec(&x->scratch, 1, sizes[1]));
    wal_relax(w);
    assert_in_range(wal_pending_bytes(w), 200, 210);
    close_ok(w);
    assert_read(x, 0, sizes, 2);
}

static void options_are_checked(void **state)
{
    fixture *x = *state;
    fer_err err = {0};
    wal *w;
    wal_options o = {.segment_bytes = WAL_PAGE_BYTES + 1};
    assert_int_equal(wal_open(x->fs, "data/wal", &o, NULL, &w, &err), FER_INVALID);
    assert_string_equal(err.msg, "WAL segment size 32769 is not a multiple of 32768");

    static char path[5000];
    memset(path, 'a', sizeof path - 1);
    assert_true(wal_open(x->fs, path, &(wal_options){0}, NULL, &w, NULL) != FER_OK);
    memset(path, '/', sizeof path - 1);
    assert_true(wal_open(x->fs, path, &(wal_options){0}, NULL, &w, NULL) != FER_OK);
}

static void directories_may_end_in_slashes_or_stand_alone(void **state)
{
    fixture *x = *state;
    static const char *const dirs[] = {"alone", "below//one//", "./here"};
    for (size_t i = 0; i < 3; i++) {
        wal *w;
        assert_int_equal(wal_open(x->fs, dirs[i], &(wal_options){0}, NULL, &w, NULL), FER_OK);
        wal_append(w, STR("12345678"));
        close_ok(w);
        rec_list_read(&x->read, x->fs, dirs[i]);
        assert_int_equal(x->read.n, 1);
    }
}

static void a_long_queue_is_written_in_parts(void **state)
{
    fixture *x = *state;
    enum { N = 60 };
    size_t sizes[N];
    wal *w = open_wal(x, (wal_options){.segment_bytes = 16u << 20});
    for (uint64_t i = 0; i < N; i++) {
        sizes[i] = 500000 + i;
        wal_append(w, make_rec(&x->scratch, i, sizes[i]));
    }
    assert_true(wal_pending_bytes(w) > 30000000);
    uint64_t writes = vfs_fault_count(x->disk, VFS_CALL_PWRITE);
    write_ok(w);
    assert_in_range(vfs_fault_count(x->disk, VFS_CALL_PWRITE) - writes, 7, 9);
    assert_int_equal(wal_sync(w, NULL), FER_OK);
    assert_int_equal(wal_pending_bytes(w), 0);
    close_ok(w);
    assert_read(x, 0, sizes, N);
}

/* ---- compression ---- */

static void compressed_records_come_back_and_are_smaller(void **state)
{
    fixture *x = *state;
    fer_arena *a = fer_arena_new(NULL, 0);
    size_t sizes[] = {8, 9, 14, 100, 3000, 40000, 100000, 8, 200000, 5000, 12, 1 << 20, 77};
    size_t n = sizeof sizes / sizeof *sizes, total[3];
    static const uint8_t flag[] = {0, 8, 16};
    for (wal_compression c = WAL_PLAIN; c <= WAL_ZSTD; c++) {
        wal *w = open_wal(x, (wal_options){.compression = c});
        for (uint64_t i = 0; i < n; i++) {
            wal_append(w, make_rec(&x->scratch, i, sizes[i]));
            if (i % 2 == 0)
                write_ok(w);
        }
        wal_append(w, STR(""));
        close_ok(w);
        rec_list_read(&x->read, x->fs, "data/wal");
        assert_int_equal(x->read.n, n + 1);
        assert_int_equal(x->read.v[n].n, 0);
        x->read.n--;
        fer_str s = segment_bytes(x, 0, a);
        total[c] = s.n;
        for (size_t i = 0; i < n; i++) {
            assert_true(str_eq(rec_at(&x->read, i), make_rec(&x->scratch, i, sizes[i])));
            uint8_t packed = (uint8_t)s.p[x->read.v[i].offset] & 24;
            bool shrinks = i % 3 == 0 && sizes[i] > 50; /* make_rec */
            assert_int_equal(packed, shrinks ? flag[c] : 0);
        }
        assert_int_equal(vfs_remove_all(x->fs, "data", NULL), FER_OK);
    }
    assert_true(total[WAL_SNAPPY] < total[WAL_PLAIN]);
    assert_true(total[WAL_ZSTD] <= total[WAL_SNAPPY]);
    fer_arena_free(a);
}

int main(void)
{
#define WITH_DISK(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_DISK(a_small_record_has_prometheus_bytes),
        WITH_DISK(records_around_page_ends_come_back),
        WITH_DISK(the_last_bytes_of_a_page_hold_no_header),
        WITH_DISK(reading_can_be_stopped),
        WITH_DISK(nothing_is_made_before_the_first_write),
        WITH_DISK(every_opening_begins_a_segment),
        WITH_DISK(a_new_segment_is_behind_those_of_a_checkpoint),
        WITH_DISK(segments_are_cut_where_a_record_does_not_fit),
        WITH_DISK(segments_keep_their_size),
        WITH_DISK(a_batch_is_one_write_and_one_sync),
        WITH_DISK(relaxing_forgets_what_was_written_only),
        WITH_DISK(options_are_checked),
        WITH_DISK(directories_may_end_in_slashes_or_stand_alone),
        WITH_DISK(a_long_queue_is_written_in_parts),
        WITH_DISK(compressed_records_come_back_and_are_smaller),
    };
    return cmocka_run_group_tests_name("wal", tests, NULL, NULL);
}

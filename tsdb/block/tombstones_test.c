#include "tsdb/block/tombstones.h"

#include "base/crc32c.h"
#include "base/varint.h"
#include "base/vfs_fault.h"
#include "tsdb/block/block_testing.h"

static void expect(const tombstones *t, uint64_t ref, const char *want)
{
    char got[256] = "";
    size_t n;
    const tombstone *v = tombstones_of(t, ref, &n);
    for (size_t i = 0; i < n; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%lld..%lld ", (long long)v[i].mint,
                 (long long)v[i].maxt);
    assert_string_equal(got, want);
}

static void intervals_that_meet_become_one(void **state)
{
    (void)state;
    fer_account acct;
    fer_account_init(&acct, "test", NULL, 0);
    tombstones t;
    tombstones_init(&t, &acct);
    tombstones_add(&t, 2, 10, 20);
    tombstones_add(&t, 1, 5, 6);
    tombstones_add(&t, 2, 21, 30);
    tombstones_add(&t, 2, 15, 16);
    tombstones_add(&t, 2, 32, 40);
    tombstones_add(&t, 2, -7, 3);
    tombstones_add(&t, 9, 0, INT64_MAX);
    tombstones_add(&t, 9, 5, 6);
    tombstones_sort(&t);
    expect(&t, 1, "5..6 ");
    expect(&t, 2, "-7..3 10..30 32..40 ");
    expect(&t, 3, "");
    expect(&t, 9, "0..9223372036854775807 ");
    assert_true(fer_account_used(&acct) > 0);
    tombstones_done(&t);
    assert_int_equal(fer_account_used(&acct), 0);
}

static void make(tombstones *t, fer_buf *bytes)
{
    tombstones_init(t, NULL);
    for (uint64_t i = 0; i < 20; i++)
        tombstones_add(t, i * 77, (int64_t)i * -1000, (int64_t)i * 1000 + 5);
    tombstones_add(t, UINT64_MAX, INT64_MIN, INT64_MAX);
    tombstones_sort(t);
    fer_buf_init(bytes, 1 << 20, NULL);
    tombstones_print(bytes, t);
}

static void written_is_read(void **state)
{
    (void)state;
    fer_err err = {0};
    tombstones t, got;
    fer_buf bytes;
    make(&t, &bytes);
    tombstones_init(&got, NULL);
    must(tombstones_parse(&got, fer_buf_str(&bytes), &err), &err);
    assert_int_equal(got.n, t.n);
    for (size_t i = 0; i < t.n; i++)
        assert_memory_equal(&got.v[i], &t.v[i], sizeof *t.v);
    tombstones_done(&got);

    for (size_t cut = 0; cut < bytes.n; cut++) {
        assert_int_equal(tombstones_parse(&got, (fer_str){bytes.p, cut}, &err), FER_CORRUPT);
        assert_int_equal(got.n, 0);
    }
    for (size_t i = 0; i < bytes.n * 8; i++) {
        bytes.p[i / 8] = (char)(bytes.p[i / 8] ^ 1 << i % 8);
        assert_int_equal(tombstones_parse(&got, fer_buf_str(&bytes), &err), FER_CORRUPT);
        bytes.p[i / 8] = (char)(bytes.p[i / 8] ^ 1 << i % 8);
    }
    /* Bytes that do not decode, under a checksum that is right. */
    static const uint8_t half[] = {0x01, 0x30, 0xba, 0x30, 1, 0x80, 0, 0, 0, 0};
    uint8_t bad[sizeof half];
    memcpy(bad, half, sizeof half);
    be32_put(bad + 6, crc32c(0, bad + 5, 1));
    assert_int_equal(tombstones_parse(&got, (fer_str){(char *)bad, sizeof bad}, &err), FER_CORRUPT);
    tombstones_done(&got);
    tombstones_done(&t);
    fer_buf_done(&bytes);
}

static void none_is_nine_bytes_as_prometheus_writes_it(void **state)
{
    (void)state;
    tombstones t;
    tombstones_init(&t, NULL);
    fer_buf bytes;
    fer_buf_init(&bytes, 100, NULL);
    tombstones_print(&bytes, &t);
    assert_int_equal(bytes.n, 9);
    assert_memory_equal(bytes.p, "\x01\x30\xba\x30\x01\0\0\0\0", 9);
    fer_buf_done(&bytes);
    tombstones_done(&t);
}

static void files(void **state)
{
    (void)state;
    fer_err err = {0};
    vfs_fault *f = vfs_fault_new(NULL);
    vfs *fs = vfs_fault_fs(f);
    must(vfs_mkdir_all(fs, "/b", &err), &err);
    tombstones got, t;
    fer_buf bytes;
    tombstones_init(&got, NULL);
    must(tombstones_load(&got, fs, "/b", &err), &err);
    assert_int_equal(got.n, 0);
    make(&t, &bytes);
    must(tombstones_store(&t, fs, "/b", &err), &err);
    vfs_fault_crash(f, NULL);
    must(tombstones_load(&got, fs, "/b", &err), &err);
    assert_int_equal(got.n, t.n);
    tombstones_done(&got);
    tombstones_done(&t);
    fer_buf_done(&bytes);
    vfs_fault_free(f);
}

static void prometheus_files_are_read(void **state)
{
    (void)state;
    static const char *const names[] = {"prometheus-2.42", "prometheus-3.5"};
    for (size_t i = 0; i < 2; i++) {
        char dir[PATH_MAX], path[PATH_MAX];
        snprintf(dir, sizeof dir, FERULA_TESTDATA "/blocks/%s", names[i]);
        block_names l = list_blocks(vfs_posix(), dir);
        size_t n = 0;
        for (size_t k = 0; k < l.n; k++) {
            tombstones t;
            fer_err err = {0};
            tombstones_init(&t, NULL);
            snprintf(path, sizeof path, "%s/%s", dir, l.v[k]);
            must(tombstones_load(&t, vfs_posix(), path, &err), &err);
            n += t.n;
            tombstones_done(&t);
        }
        assert_int_equal(n, 5); /* as the numTombstones of both meta.json say */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals_that_meet_become_one),
        cmocka_unit_test(written_is_read),
        cmocka_unit_test(none_is_nine_bytes_as_prometheus_writes_it),
        cmocka_unit_test(files),
        cmocka_unit_test(prometheus_files_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

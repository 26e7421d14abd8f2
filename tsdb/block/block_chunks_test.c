#include "tsdb/block/block_chunks.h"

#include "base/vfs_fault.h"
#include "tsdb/block/block_testing.h"

enum { CHUNKS = 200 };

typedef struct disk_fixture {
    vfs_fault *f;
    vfs *fs;
    fer_err err;
    uint64_t refs[CHUNKS];
    char data[CHUNKS][300];
    size_t n[CHUNKS];
} disk_fixture;

static void begin(disk_fixture *d)
{
    memset(d, 0, sizeof *d);
    d->f = vfs_fault_new(NULL);
    d->fs = vfs_fault_fs(d->f);
    for (size_t i = 0; i < CHUNKS; i++) {
        d->n[i] = i * 37 % 300;
        memset(d->data[i], (int)i + 1, d->n[i]);
    }
}

static uint8_t encoding_of(size_t i)
{
    return (uint8_t)(1 + i % 3);
}

static void write_all(disk_fixture *d, uint64_t segment_bytes, size_t per_series)
{
    chunk_writer *w;
    must(chunk_writer_open(d->fs, "/chunks", segment_bytes, &w, &d->err), &d->err);
    for (size_t i = 0; i < CHUNKS; i++) {
        if (i % per_series == 0)
            chunk_writer_series(w);
        must(chunk_writer_add(w, encoding_of(i), (fer_str){d->data[i], d->n[i]}, &d->refs[i],
                              &d->err),
             &d->err);
    }
    must(chunk_writer_close(w, &d->err), &d->err);
}

/* How many chunks can be read; those that can are what was written. */
static size_t count_readable(disk_fixture *d)
{
    block_chunks c;
    size_t good = 0;
    must(block_chunks_open(&c, d->fs, "/chunks", NULL, &d->err), &d->err);
    for (size_t i = 0; i < CHUNKS; i++) {
        uint8_t encoding;
        fer_str data;
        fer_code code = block_chunks_get(&c, d->refs[i], &encoding, &data, &d->err);
        if (code == FER_OK) {
            assert_int_equal(encoding, encoding_of(i));
            assert_true(str_eq(data, (fer_str){d->data[i], d->n[i]}));
            good++;
        } else {
            assert_int_equal(code, FER_CORRUPT);
        }
    }
    block_chunks_close(&c);
    return good;
}

static void written_is_read_and_durable(void **state)
{
    (void)state;
    static disk_fixture d;
    begin(&d);
    write_all(&d, 0, 7);
    vfs_fault_crash(d.f, NULL);
    assert_int_equal(count_readable(&d), CHUNKS);
    assert_int_equal(d.refs[0], 8);
    vfs_fault_free(d.f);
}

static void segments_end_between_chunks(void **state)
{
    (void)state;
    static disk_fixture d;
    begin(&d);
    write_all(&d, 1000, 3);
    assert_int_equal(count_readable(&d), CHUNKS);
    fer_arena *a = fer_arena_new(NULL, 0);
    for (uint64_t k = 1; k <= d.refs[CHUNKS - 1] >> 32; k++) {
        char path[64];
        snprintf(path, sizeof path, "/chunks/%06u", (unsigned)k);
        size_t n = read_file(d.fs, path, a).n;
        assert_true(n > 600 && n <= 1000);
    }
    fer_arena_free(a);
    vfs_fault_free(d.f);
}

/* Of one series all chunks count with the longest length field before a cut is decided. */
static void a_large_chunk_gets_a_segment_of_its_own(void **state)
{
    (void)state;
    vfs_fault *f = vfs_fault_new(NULL);
    fer_err err = {0};
    char big[500] = {0};
    chunk_writer *w;
    uint64_t ref[4];
    must(chunk_writer_open(vfs_fault_fs(f), "/chunks", 200, &w, &err), &err);
    chunk_writer_series(w);
    must(chunk_writer_add(w, 1, (fer_str){big, 500}, &ref[0], &err), &err);
    must(chunk_writer_add(w, 1, (fer_str){big, 10}, &ref[1], &err), &err);
    chunk_writer_series(w);
    must(chunk_writer_add(w, 1, (fer_str){big, 500}, &ref[2], &err), &err);
    chunk_writer_series(w);
    must(chunk_writer_add(w, 1, (fer_str){big, 10}, &ref[3], &err), &err);
    must(chunk_writer_close(w, &err), &err);
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(ref[i], i << 32 | 8);
    vfs_fault_free(f);
}

static void a_flipped_bit_costs_one_chunk_and_a_header_its_segment(void **state)
{
    (void)state;
    static disk_fixture d;
    begin(&d);
    write_all(&d, 8000, 3);
    fer_arena *a = fer_arena_new(NULL, 0);
    fer_str whole = read_file(d.fs, "/chunks/000001", a);
    size_t first = 0;
    while (first < CHUNKS && d.refs[first] >> 32 == 0)
        first++;
    char *copy = fer_memdup0(whole.p, whole.n);
    for (size_t i = 0; i < whole.n; i += i < 8 ? 1 : 5) {
        copy[i] = (char)(copy[i] ^ 1 << i % 8);
        write_file(d.fs, "/chunks/000001", (fer_str){copy, whole.n});
        size_t lost = CHUNKS - count_readable(&d);
        assert_int_equal(lost, i < 5 ? first : i < 8 ? 0 : 1);
        copy[i] = whole.p[i];
    }
    for (size_t cut = 0; cut < whole.n; cut += 41) {
        char *exact = fer_memdup0(whole.p, cut);
        write_file(d.fs, "/chunks/000001", (fer_str){exact, cut});
        size_t good = 0;
        while (good < first && (size_t)d.refs[good] + d.n[good] + 6 + (d.n[good] > 127) <= cut)
            good++;
        assert_int_equal(count_readable(&d), CHUNKS - first + (cut < 8 ? 0 : good));
        fer_free(exact);
    }
    fer_free(copy);
    fer_arena_free(a);
    vfs_fault_free(d.f);
}

static void foreign_refs_are_refused(void **state)
{
    (void)state;
    static disk_fixture d;
    begin(&d);
    write_all(&d, 0, 3);
    block_chunks c;
    must(block_chunks_open(&c, d.fs, "/chunks", NULL, &d.err), &d.err);
    uint64_t end = block_chunks_bytes(&c);
    const uint64_t refs[] = {0, 7, end, end - 1, UINT32_MAX, UINT64_C(1) << 32 | 8, UINT64_MAX};
    for (size_t i = 0; i < sizeof refs / sizeof *refs; i++) {
        uint8_t encoding;
        fer_str data;
        assert_int_equal(block_chunks_get(&c, refs[i], &encoding, &data, &d.err), FER_CORRUPT);
    }
    block_chunks_close(&c);
    vfs_fault_free(d.f);
}

static void a_failing_disk_is_told(void **state)
{
    (void)state;
    static disk_fixture d;
    begin(&d);
    write_all(&d, 1000, 3);
    uint64_t calls = vfs_fault_count(d.f, VFS_CALL_ANY);
    vfs_fault_free(d.f);
    for (uint64_t nth = 1; nth <= calls; nth += nth < 20 ? 1 : 7) {
        begin(&d);
        vfs_fault_set(d.f, &(vfs_fault_rule){.kind = VFS_CALL_ANY, .nth = nth, .sys = 28});
        chunk_writer *w = NULL;
        fer_code code = chunk_writer_open(d.fs, "/chunks", 1000, &w, &d.err);
        for (size_t i = 0; i < CHUNKS && code == FER_OK; i++) {
            if (i % 3 == 0)
                chunk_writer_series(w);
            code = chunk_writer_add(w, encoding_of(i), (fer_str){d.data[i], d.n[i]}, &d.refs[i],
                                    &d.err);
        }
        if (code != FER_OK)
            chunk_writer_abort(w);
        else
            code = chunk_writer_close(w, &d.err);
        vfs_fault_clear(d.f);
        if (code == FER_OK) /* a look whether the directory is there may fail */
            assert_int_equal(count_readable(&d), CHUNKS);
        else
            assert_int_equal(code, FER_NOSPACE);
        vfs_fault_free(d.f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_is_read_and_durable),
        cmocka_unit_test(segments_end_between_chunks),
        cmocka_unit_test(a_large_chunk_gets_a_segment_of_its_own),
        cmocka_unit_test(a_flipped_bit_costs_one_chunk_and_a_header_its_segment),
        cmocka_unit_test(foreign_refs_are_refused),
        cmocka_unit_test(a_failing_disk_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Full chunks leave memory: what is read stays the same, now, through restarts, and when files are damaged or cannot
 * be written. */
#include "tsdb/head/head_mmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/vfs_fault.h"
#include "tsdb/block/block_testing.h"
#include "tsdb/tsdb_int.h"
#include "tsdb/tsdb_testing.h"
#include "tsdb/wal/record.h"

enum { SERIES = 30, SAMPLES = 500 };
#define T0 (TEST_NOW - 16000000)

typedef struct mem_db {
    vfs_fault *f;
    test_db t;
} mem_db;

static int make_db(void **state)
{
    mem_db *d = fer_calloc(1, sizeof *d);
    d->f = vfs_fault_new(NULL);
    test_db_init_on(&d->t, vfs_fault_fs(d->f), "/data");
    test_db_open(&d->t);
    *state = d;
    return 0;
}

static int drop_db(void **state)
{
    mem_db *d = *state;
    test_db_done(&d->t);
    vfs_fault_free(d->f);
    fer_free(d);
    return 0;
}

static double value_of(int i, int k)
{
    return i % 3 == 0 ? k * i : (k * 7919 + i * 104729) % 10007 / 64.0;
}

static void write_some(test_db *t, int from, int to)
{
    static char raw[SERIES][32];
    tsdb_row rows[SERIES];
    for (int k = from; k < to; k++) {
        for (int i = 0; i < SERIES; i++) {
            snprintf(raw[i], sizeof raw[i], "__name__=m,i=%d", i);
            rows[i] = test_row(t, raw[i], T0 + k * 15000 + i, value_of(i, k));
        }
        test_write(t, rows, SERIES);
    }
}

/* Everything there is, samples [0, to) of each series, but for n_missing of them. */
static void expect_all(test_query *q, int to, size_t n_missing)
{
    selection *s = test_select(q, NULL, 0, false);
    samples got;
    samples_init(&got, NULL);
    assert_int_equal(s->n, SERIES);
    size_t n = 0;
    for (int i = 0; i < SERIES; i++) {
        char want[32];
        snprintf(want, sizeof want, "__name__=m,i=%d", i);
        assert_string_equal(test_labels(q, s, (size_t)i), want);
        samples_clear(&got);
        assert_int_equal(selection_read(s, (size_t)i, INT64_MIN, INT64_MAX, &got, NULL), FER_OK);
        n += got.n;
        for (size_t x = 0; x < got.n; x++) {
            int k = (int)((got.t[x] - T0) / 15000);
            assert_true(got.t[x] == T0 + k * 15000 + i && got.v[x] == value_of(i, k));
            assert_true(x == 0 || got.t[x] > got.t[x - 1]);
        }
    }
    assert_int_equal(n, (size_t)SERIES * (size_t)to - n_missing);
    samples_done(&got);
}

static void expect_now(test_db *t, int to, size_t n_missing, size_t warnings)
{
    test_query q;
    test_query_begin(&q, t->db, INT64_MIN, INT64_MAX);
    expect_all(&q, to, n_missing);
    assert_int_equal(q.q->warnings.n, warnings);
    test_query_end(&q);
}

static void map_all(test_db *t)
{
    must(head_mmap_full_chunks(&t->db->h, &t->err), &t->err);
}

static uint64_t mapped(test_db *t)
{
    tsdb_stats st;
    tsdb_stats_get(t->db, &st);
    return st.chunks_mapped;
}

/* Full chunks whose bytes are in the slab. */
static size_t count_in_memory(const head *h)
{
    size_t n = 0;
    for (uint32_t slot = 0; slot < h->n_slots; slot++) {
        slab_ref full = head_pub_rec(h, slot)->full;
        const full_list *list = full == 0 ? NULL : slab_ptr(&h->chunks, full);
        for (uint32_t i = 0; list != NULL && i < list->n; i++)
            n += list->c[i].file == 0;
    }
    return n;
}

static void chunks_leave_memory_and_reading_stays_the_same(void **state)
{
    test_db *t = &((mem_db *)*state)->t;
    write_some(t, 0, SAMPLES);
    assert_true(count_in_memory(&t->db->h) >= SERIES * (SAMPLES / 240));
    test_query q;
    test_query_begin(&q, t->db, INT64_MIN, INT64_MAX);
    expect_all(&q, SAMPLES, 0);
    map_all(t);
    assert_true(mapped(t) >= SERIES * (SAMPLES / 240));
    expect_all(&q, SAMPLES, 0);
    test_query_end(&q);
    assert_int_equal(count_in_memory(&t->db->h), 0);
    expect_now(t, SAMPLES, 0, 0);

    /* A second pass finds nothing; later chunks go by themselves. */
    uint64_t first = mapped(t);
    map_all(t);
    assert_int_equal(mapped(t), first);
    write_some(t, SAMPLES, SAMPLES + 300);
    map_all(t);
    assert_true(mapped(t) > first);
    expect_now(t, SAMPLES + 300, 0, 0);
}

static void a_restart_reads_chunks_back_and_goes_on(void **state)
{
    test_db *t = &((mem_db *)*state)->t;
    int n = 0;
    for (int round = 0; round < 4; round++) {
        write_some(t, n, n + 170);
        n += 170;
        map_all(t);
        uint64_t chunks = t->db->h.n_chunks;
        test_db_reopen(t);
        assert_true(t->db->replay.chunks >= SERIES * (unsigned)(n / 240));
        assert_int_equal(t->db->h.n_chunks, chunks);
        assert_int_equal(t->db->replay.late_samples, 0);
        expect_now(t, n, 0, 0);
    }
    tsdb_stats st;
    tsdb_stats_get(t->db, &st);
    assert_int_equal(st.chunk_files_damages, 0);
}

/* A series whose newest sample is in a file knows it: the same again is no news, another value is refused. */
static void the_newest_sample_may_be_in_a_file(void **state)
{
    test_db *t = &((mem_db *)*state)->t;
    write_some(t, 0, 130);
    head *h = &t->db->h;
    fer_mutex_lock(&h->publish);
    for (uint32_t slot = 0; slot < SERIES; slot++)
        head_finish_chunk(h, head_pub_rec(h, slot));
    fer_mutex_unlock(&h->publish);
    map_all(t);
    expect_now(t, 130, 0, 0);
    test_db_reopen(t);
    expect_now(t, 130, 0, 0);
    tsdb_row row = test_row(t, "__name__=m,i=1", T0 + 129 * 15000 + 1, value_of(1, 129));
    test_write(t, &row, 1);
    assert_int_equal(t->report.duplicate_equal, 1);
    row.v += 1;
    test_write(t, &row, 1);
    assert_int_equal(t->report.rejected[REJECT_DUPLICATE], 1);
    write_some(t, 130, 140);
    expect_now(t, 140, 0, 0);
}

static void flip(test_db *t, const char *path, size_t at)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    fer_str file = read_file(t->o.fs, path, a);
    char *copy = fer_memdup0(file.p, file.n);
    assert_true(at < file.n);
    copy[at] = (char)(copy[at] ^ 4);
    write_file(t->o.fs, path, (fer_str){copy, file.n});
    fer_free(copy);
    fer_arena_free(a);
}

static void damage_in_a_file_costs_nothing_as_the_log_has_it(void **state)
{
    test_db *t = &((mem_db *)*state)->t;
    write_some(t, 0, SAMPLES);
    map_all(t);
    uint64_t late = 0;
    static const size_t at[] = {100, 300, 2000, 9000, 4};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        test_db_close(t);
        flip(t, "/data/chunks_head/000001", at[i]);
        test_db_open(t);
        tsdb_stats st;
        tsdb_stats_get(t->db, &st);
        assert_int_equal(st.chunk_files_damages, 1);
        late += t->db->replay.late_samples;
        expect_now(t, SAMPLES, 0, 0);
        map_all(t);
        expect_now(t, SAMPLES, 0, 0);
        test_db_close(t);
        flip(t, "/data/chunks_head/000001", at[i]);
        test_db_open(t);
        expect_now(t, SAMPLES, 0, 0);
    }
    assert_true(late > 100); /* of chunks before others that are whole */
}

/* On the machine's own file system the mapping shows what happens to the file. */
static void damage_under_way_costs_a_chunk_and_is_told(void **state)
{
    (void)state;
    test_db t;
    test_db_init(&t);
    test_db_open(&t);
    write_some(&t, 0, SAMPLES);
    map_all(&t);
    char path[300];
    snprintf(path, sizeof path, "%s/chunks_head/000001", t.path);
    const full_list *list = slab_ptr(&t.db->h.chunks, head_pub_rec(&t.db->h, 4)->full);
    vfs_file *f;
    must(vfs_open(t.o.fs, path, VFS_READ_WRITE, &f, &t.err), &t.err);
    must(vfs_pwrite(f, "\x55\xaa\x55", 3, list->c[0].at + 40, &t.err), &t.err);
    vfs_close(f);
    samples lost;
    samples_init(&lost, NULL);
    for (int k = 0; k < SAMPLES; k++)
        if (T0 + k * 15000 + 4 <= full_maxt(&list->c[0]))
            assert_int_equal(samples_add(&lost, k, 0), FER_OK);
    expect_now(&t, SAMPLES, lost.n, 1);
    samples_done(&lost);
    test_db_reopen(&t);
    expect_now(&t, SAMPLES, 0, 0);
    test_db_done(&t);
}

static void a_full_disk_leaves_chunks_in_memory(void **state)
{
    mem_db *d = *state;
    test_db *t = &d->t;
    write_some(t, 0, SAMPLES);
    for (uint64_t nth = 1; nth <= 8; nth++) {
        vfs_fault_set(d->f, &(vfs_fault_rule){.kind = VFS_CALL_ANY,
                                              .nth = nth,
                                              .sys = 28,
                                              .from_then_on = true,
                                              .path = "chunks_head"});
        fer_err err = {0};
        uint64_t before = mapped(t);
        fer_code code = head_mmap_full_chunks(&t->db->h, &err);
        vfs_fault_clear(d->f);
        assert_true(code == FER_OK || (code == FER_NOSPACE && mapped(t) == before));
        expect_now(t, SAMPLES, 0, 0);
    }
    map_all(t);
    assert_true(mapped(t) >= SERIES * (SAMPLES / 240));
    expect_now(t, SAMPLES, 0, 0);
    test_db_reopen(t);
    assert_true(t->db->replay.chunks >= SERIES * (SAMPLES / 240));
    expect_now(t, SAMPLES, 0, 0);
}

static void append_records(test_db *t, const fer_buf *records, const size_t *ends, size_t n)
{
    wal *w;
    must(wal_open(t->o.fs, "/data/wal", &(wal_options){0}, NULL, &w, &t->err), &t->err);
    for (size_t i = 0; i < n; i++) {
        size_t from = i == 0 ? 0 : ends[i - 1];
        wal_append(w, (fer_str){records->p + from, ends[i] - from});
    }
    must(wal_write(w, &t->err), &t->err);
    must(wal_close(w, &t->err), &t->err);
}

/* What a deletion took away does not come back with the files, and the series' chunks are not written again beside
 * those that are there. */
static void deletions_in_the_log_hold_for_files(void **state)
{
    test_db *t = &((mem_db *)*state)->t;
    write_some(t, 0, SAMPLES);
    map_all(t);
    test_db_close(t);
    fer_buf b;
    fer_buf_init(&b, 1000, NULL);
    fer_buf_putc(&b, RECORD_TOMBSTONES);
    uint8_t body[8 + 2 * VARINT_MAX];
    be64_put(body, 6); /* the series i=5 */
    size_t n = 8 + varint_put(body + 8, T0);
    n += varint_put(body + n, T0 + 9 * 15000 + 5);
    fer_buf_put(&b, body, n);
    size_t end = b.n;
    append_records(t, &b, &end, 1);
    fer_buf_done(&b);
    for (int round = 0; round < 3; round++) {
        test_db_open(t);
        expect_now(t, SAMPLES, 10, 0);
        map_all(t);
        assert_int_equal(mapped(t), 0);
        test_db_close(t);
    }
    test_db_open(t);
}

/* Prometheus may forget a series and meet it again under another ref. */
static void chunks_under_two_refs_are_one_series(void **state)
{
    test_db *t = &((mem_db *)*state)->t;
    write_some(t, 0, SAMPLES);
    map_all(t);
    test_db_close(t);

    chunks_head *c;
    must(chunks_head_open(t->o.fs, "/data/chunks_head", 0, NULL, NULL, &c, &t->err), &t->err);
    uint8_t bytes[64] = {0};
    xor_appender app;
    xor_init(&app);
    /* One sample is there already, one is between two, one is new. */
    int64_t old = T0 + 20 * 15000 + 2, new = T0 + SAMPLES * 15000 + 2;
    xor_append(&app, bytes, old, 77);
    xor_append(&app, bytes, old + 7, 1);
    xor_append(&app, bytes, new, value_of(2, SAMPLES));
    head_chunk foreign = {.series = 900,
                          .mint = old,
                          .maxt = new,
                          .encoding = CHUNK_XOR,
                          .data = {(char *)bytes, xor_bytes(&app)}};
    head_place at;
    must(chunks_head_add(c, &foreign, &at, &t->err), &t->err);
    must(chunks_head_flush(c, &t->err), &t->err);
    chunks_head_close(c);
    label l[] = {{STR("__name__"), STR("m")}, {STR("i"), STR("2")}};
    fer_buf b;
    fer_buf_init(&b, 1000, NULL);
    record_series_begin(&b);
    record_series_add(&b, 900, (labels){l, 2});
    size_t end = b.n;
    append_records(t, &b, &end, 1);
    fer_buf_done(&b);

    test_db_open(t);
    test_query q;
    char want[64];
    snprintf(want, sizeof want, "%lld:1", (long long)old + 7);
    test_query_begin(&q, t->db, old + 1, old + 8);
    assert_string_equal(test_samples(&q, "__name__=m,i=2"), want);
    test_query_end(&q);
    tsdb_stats st;
    tsdb_stats_get(t->db, &st);
    assert_int_equal(st.series, SERIES);
    assert_int_equal(t->db->replay.late_samples, 2);
    /* New refs begin above those of the files. */
    test_write1(t, "__name__=new", TEST_NOW, 1);
    assert_int_equal(head_ref(&t->db->h, SERIES), 901);
}

static void truncation_takes_whole_files_below_a_time(void **state)
{
    test_db *t = &((mem_db *)*state)->t;
    write_some(t, 0, 260);
    map_all(t);
    must(head_mmap_truncate(&t->db->h, T0, &t->err), &t->err);
    write_some(t, 260, SAMPLES);
    map_all(t);
    expect_now(t, SAMPLES, 0, 0);
    assert_true(vfs_exists(t->o.fs, "/data/chunks_head/000001"));
    assert_true(vfs_exists(t->o.fs, "/data/chunks_head/000002"));
    must(head_mmap_truncate(&t->db->h, T0 + 260 * 15000, &t->err), &t->err);
    assert_false(vfs_exists(t->o.fs, "/data/chunks_head/000001"));
    assert_true(vfs_exists(t->o.fs, "/data/chunks_head/000002"));
    test_db_reopen(t); /* the log has what the file had */
    expect_now(t, SAMPLES, 0, 0);
}

int main(void)
{
#define DB(name) cmocka_unit_test_setup_teardown(name, make_db, drop_db)
    const struct CMUnitTest tests[] = {
        DB(chunks_leave_memory_and_reading_stays_the_same),
        DB(a_restart_reads_chunks_back_and_goes_on),
        DB(the_newest_sample_may_be_in_a_file),
        DB(damage_in_a_file_costs_nothing_as_the_log_has_it),
        cmocka_unit_test(damage_under_way_costs_a_chunk_and_is_told),
        DB(a_full_disk_leaves_chunks_in_memory),
        DB(deletions_in_the_log_hold_for_files),
        DB(chunks_under_two_refs_are_one_series),
        DB(truncation_takes_whole_files_below_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

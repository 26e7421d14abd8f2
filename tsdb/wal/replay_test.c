/* Logs read back: Prometheus' own, and ours with things missing, doubled and strange. */
#include "tsdb/wal/replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tsdb/tsdb_int.h"
#include "tsdb/tsdb_testing.h"
#include "tsdb/wal/record.h"
#include "tsdb/wal/wal.h"

/* ---- directories that Prometheus wrote, against what its promtool lists of them ---- */

typedef struct line {
    char *labels;
    int64_t t;
    double v;
} line;

typedef struct listing {
    line *v;
    size_t n;
} listing;

enum { LINES_MAX = 20000 };

static int by_labels_and_time(const void *a, const void *b)
{
    const line *x = a, *y = b;
    int c = strcmp(x->labels, y->labels);
    return c != 0 ? c : (x->t > y->t) - (x->t < y->t);
}

static void add_line(listing *l, char *text, int64_t t, double v)
{
    assert_true(l->n < LINES_MAX);
    l->v[l->n++] = (line){text, t, v};
}

/* `{labels} value time` a line; the value of a histogram is `{count:N, ...}`, of which N is taken. */
static void read_dump(listing *l, const char *name, fer_arena *a)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s/dump.txt", FERULA_TESTDATA, name);
    fer_str s;
    assert_int_equal(vfs_read_all(vfs_posix(), path, 10 << 20, a, &s, NULL), FER_OK);
    char *save = NULL;
    char *text = (char *)fer_arena_dup(a, s).p;
    for (char *p = strtok_r(text, "\n", &save); p != NULL; p = strtok_r(NULL, "\n", &save)) {
        char *time = strrchr(p, ' ');
        *time++ = '\0';
        char *count = strstr(p, " {count:");
        char *value = count != NULL ? count : strrchr(p, ' ');
        *value++ = '\0';
        if (count != NULL)
            value += strlen("{count:");
        add_line(l, p, strtoll(time, NULL, 10), strtod(value, NULL));
    }
}

static char *labels_text(test_query *q, selection *s, size_t i)
{
    size_t n;
    const label_id *ids = selection_labels(s, i, &n);
    label l[64];
    for (size_t k = 0; k < n; k++)
        l[k] = (label){syms_text(q->ctx.syms, ids[k].name), syms_text(q->ctx.syms, ids[k].value)};
    fer_buf b;
    fer_buf_init(&b, 1 << 20, NULL);
    labels_print(&b, (labels){l, n});
    char *text = (char *)fer_arena_dup(q->arena, fer_buf_str(&b)).p;
    fer_buf_done(&b);
    return text;
}

static void list_database(listing *l, test_query *q)
{
    selection *s = test_select(q, NULL, 0, true);
    samples got;
    samples_init(&got, NULL);
    for (size_t i = 0; i < s->n; i++) {
        char *text = labels_text(q, s, i);
        samples_clear(&got);
        assert_int_equal(selection_read(s, i, INT64_MIN, INT64_MAX, &got, NULL), FER_OK);
        for (size_t k = 0; k < got.n; k++)
            add_line(l, text, got.t[k],
                     got.type != NULL && got.type[k] != SAMPLE_FLOAT ? got.h[k]->count : got.v[k]);
    }
    samples_done(&got);
}

static void copy_dir(const char *from, const char *to);

static fer_code copy_entry(void *arg, const char *name)
{
    const char **dirs = arg;
    char from[600], to[600];
    snprintf(from, sizeof from, "%s/%s", dirs[0], name);
    snprintf(to, sizeof to, "%s/%s", dirs[1], name);
    vfs_stat st;
    assert_int_equal(vfs_stat_path(vfs_posix(), from, &st, NULL), FER_OK);
    if (st.is_dir) {
        copy_dir(from, to);
        return FER_OK;
    }
    fer_arena *a = fer_arena_new(NULL, 0);
    fer_str bytes;
    vfs_file *f;
    assert_int_equal(vfs_read_all(vfs_posix(), from, 100 << 20, a, &bytes, NULL), FER_OK);
    assert_int_equal(vfs_open(vfs_posix(), to, VFS_CREATE, &f, NULL), FER_OK);
    assert_int_equal(vfs_pwrite(f, bytes.p, bytes.n, 0, NULL), FER_OK);
    vfs_close(f);
    fer_arena_free(a);
    return FER_OK;
}

static void copy_dir(const char *from, const char *to)
{
    const char *dirs[] = {from, to};
    assert_int_equal(vfs_mkdir_all(vfs_posix(), to, NULL), FER_OK);
    assert_int_equal(vfs_list(vfs_posix(), from, copy_entry, dirs, NULL), FER_OK);
}

static bool same_value(double a, double b)
{
    return f64_bits(a) == f64_bits(b) || (a != a && b != b);
}

static void expect_same(listing *got, listing *want)
{
    qsort(got->v, got->n, sizeof *got->v, by_labels_and_time);
    qsort(want->v, want->n, sizeof *want->v, by_labels_and_time);
    for (size_t i = 0; i < got->n && i < want->n; i++)
        if (by_labels_and_time(&got->v[i], &want->v[i]) != 0 ||
            !same_value(got->v[i].v, want->v[i].v))
            fail_msg("line %zu: %s %lld %.17g, promtool has %s %lld %.17g", i, got->v[i].labels,
                     (long long)got->v[i].t, got->v[i].v, want->v[i].labels,
                     (long long)want->v[i].t, want->v[i].v);
    assert_int_equal(got->n, want->n);
}

static const char *chunks_of(const test_db *t)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/chunks_head", t->path);
    return path;
}

static void a_directory_of_prometheus_is_served_and_continued(void **state)
{
    const char *name = *state;
    test_db t;
    char from[512];
    test_db_init(&t);
    snprintf(from, sizeof from, "%s/%s", FERULA_TESTDATA, name);
    copy_dir(from, t.path);
    fer_clock_fake_advance(&t.clock, INT64_C(200000000000)); /* beyond the samples' times */

    fer_arena *a = fer_arena_new(NULL, 0);
    listing want = {ARENA_ARRAY(a, line, LINES_MAX), 0}, got = {ARENA_ARRAY(a, line, LINES_MAX), 0};
    read_dump(&want, name, a);
    if (strstr(name, "all-records") !=
        NULL) { /* promtool leaves two samples out that Prometheus answers */
        static char labels_of[] =
            "{__name__=\"latency_seconds\", instance=\"127.0.0.1:41705\", job=\"page\"}";
        add_line(&want, labels_of, INT64_C(1795258740854), 0);
        add_line(&want, labels_of, INT64_C(1795258741354), 3);
    }
    assert_true(want.n > 90);
    test_db_open(&t);
    for (int round = 0; round < 2; round++) {
        test_query q;
        test_query_begin(&q, t.db, INT64_MIN, INT64_MAX);
        got.n = 0;
        list_database(&got, &q);
        expect_same(&got, &want);
        test_query_end(&q);

        tsdb_stats st;
        tsdb_stats_get(t.db, &st);
        assert_int_equal(st.wal_corruptions + st.chunk_files_damages, 0);
        assert_true((t.db->replay.chunks != 0) == vfs_exists(t.o.fs, chunks_of(&t)));
        if (round == 0) {
            test_write1(&t, "__name__=ours", st.max_time + 1, 7);
            add_line(&want, "{__name__=\"ours\"}", st.max_time + 1, 7);
            test_db_reopen(&t);
        }
    }
    fer_arena_free(a);
    test_db_done(&t);
}

/* ---- logs of our own making ---- */

typedef struct log_maker {
    test_db t;
    wal *w;
    fer_buf rec;
} log_maker;

static int make_log(void **state)
{
    log_maker *m = fer_calloc(1, sizeof *m);
    test_db_init(&m->t);
    char dir[300];
    snprintf(dir, sizeof dir, "%s/wal", m->t.path);
    fer_buf_init(&m->rec, 1 << 20, NULL);
    assert_int_equal(wal_open(vfs_posix(), dir, &(wal_options){0}, NULL, &m->w, NULL), FER_OK);
    *state = m;
    return 0;
}

static int drop_log(void **state)
{
    log_maker *m = *state;
    fer_buf_done(&m->rec);
    test_db_done(&m->t);
    fer_free(m);
    return 0;
}

static void put(log_maker *m)
{
    wal_append(m->w, fer_buf_str(&m->rec));
    fer_buf_clear(&m->rec);
}

static void put_series(log_maker *m, uint64_t ref, const char *raw)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    label *l;
    size_t n;
    assert_int_equal(test_parse(NULL, str_of(raw), a, &l, &n, NULL), FER_OK);
    record_series_begin(&m->rec);
    record_series_add(&m->rec, ref, (labels){l, n});
    put(m);
    fer_arena_free(a);
}

static void put_sample(log_maker *m, uint64_t ref, int64_t t, double v)
{
    record_samples s;
    record_samples_begin(&s, &m->rec);
    record_samples_add(&s, &m->rec, ref, t, v);
    put(m);
}

static void open_log(log_maker *m)
{
    assert_int_equal(wal_write(m->w, NULL), FER_OK);
    assert_int_equal(wal_close(m->w, NULL), FER_OK);
    test_db_open(&m->t);
}

static void samples_written_twice_with_gaps_in_the_first_copy_are_all_there(void **state)
{
    log_maker *m = *state;
    put_series(m, 1, "__name__=a");
    put_series(m, 2, "__name__=b");
    enum { N = 700 };
    for (int i = 0; i < N; i++) {
        if (i % 7 != 3) /* what a failed sync dropped */
            put_sample(m, 1, i * 1000, i * 0.5);
        if (i < 100 || i > 300)
            put_sample(m, 2, i * 1000, -i);
    }
    for (int i = 50; i < N; i++) {
        put_sample(m, 1, i * 1000, i * 0.5);
        put_sample(m, 2, i * 1000, -i);
    }
    put_sample(m, 1, 3000, 77); /* missing before the second copy began */
    put_sample(m, 1, 4000, 77); /* there already: the first counts */
    put_sample(m, 1, N * 1000, 1);
    open_log(m);

    test_query q;
    test_query_begin(&q, m->t.db, INT64_MIN, INT64_MAX);
    selection *s = test_select(&q, NULL, 0, true);
    samples got;
    samples_init(&got, NULL);
    assert_int_equal(selection_read(s, 0, INT64_MIN, INT64_MAX, &got, NULL), FER_OK);
    int missing = 0;
    for (int i = 0; i < N; i++) {
        if (i % 7 == 3 && i < 50 && i != 3) {
            missing++;
            continue;
        }
        assert_int_equal(got.t[i - missing], i * 1000);
        assert_true(got.v[i - missing] == (i == 3 ? 77 : i * 0.5));
    }
    assert_int_equal(got.n, (size_t)(N + 1 - missing));
    samples_clear(&got);
    assert_int_equal(selection_read(s, 1, INT64_MIN, INT64_MAX, &got, NULL), FER_OK);
    assert_int_equal(got.n, N);
    for (int i = 0; i < N; i++)
        assert_true(got.t[i] == i * 1000 && got.v[i] == -i);
    samples_done(&got);
    test_query_end(&q);
    assert_int_equal(m->t.db->replay.late_samples, N / 7 - 50 / 7 + 1 + 201);
}

static void a_series_under_two_refs_is_one(void **state)
{
    log_maker *m = *state;
    put_series(m, 10, "__name__=a,b=c");
    put_sample(m, 10, 1000, 1);
    put_series(m, 99, "__name__=a,b=c");
    put_sample(m, 99, 2000, 2);
    put_sample(m, 10, 3000, 3);
    open_log(m);
    test_expect(&m->t, "__name__=a,b=c", "1000:1 2000:2 3000:3");
    tsdb_stats st;
    tsdb_stats_get(m->t.db, &st);
    assert_int_equal(st.series, 1);
}

static void refs_out_of_order_and_far_apart_are_kept(void **state)
{
    log_maker *m = *state;
    static const uint64_t refs[] = {7, 8, 3, UINT64_C(1) << 40, 9, 1};
    char raw[32];
    for (size_t i = 0; i < sizeof refs / sizeof *refs; i++) {
        snprintf(raw, sizeof raw, "__name__=m%d", (int)refs[i] & 15);
        put_series(m, refs[i], raw);
        put_sample(m, refs[i], 1000, (double)i);
    }
    open_log(m);
    test_query q;
    test_query_begin(&q, m->t.db, INT64_MIN, INT64_MAX);
    selection *s = test_select(&q, NULL, 0, false);
    static const char *const in_ref_order[] = {"__name__=m1", "__name__=m3", "__name__=m7",
                                               "__name__=m8", "__name__=m9", "__name__=m0"};
    assert_int_equal(s->n, 6);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(test_labels(&q, s, i), in_ref_order[i]);
    test_query_end(&q);
    /* New refs begin above all. */
    test_write1(&m->t, "__name__=new", 2000, 1);
    assert_int_equal(head_ref(&m->t.db->h, 6), (UINT64_C(1) << 40) + 1);
    test_db_reopen(&m->t);
    test_expect(&m->t, "__name__=new", "2000:1");
    test_expect(&m->t, "__name__=m3", "1000:2");
}

static void samples_of_unknown_refs_are_counted_and_their_refs_not_given_out(void **state)
{
    log_maker *m = *state;
    put_series(m, 1, "__name__=a");
    put_sample(m, 500, 1000, 1);
    put_sample(m, 1, 1000, 2);
    open_log(m);
    test_expect(&m->t, "__name__=a", "1000:2");
    tsdb_stats st;
    tsdb_stats_get(m->t.db, &st);
    assert_int_equal(st.replay_unknown_refs, 1);
    test_write1(&m->t, "__name__=new", 2000, 1);
    assert_int_equal(head_ref(&m->t.db->h, 1), 501);
}

static void deletions_in_the_log_are_applied(void **state)
{
    log_maker *m = *state;
    put_series(m, 1, "__name__=a");
    put_series(m, 2, "__name__=b");
    for (int i = 0; i < 10; i++) {
        put_sample(m, 1, i, i);
        put_sample(m, 2, i, i);
    }
    fer_buf_putc(&m->rec, RECORD_TOMBSTONES);
    static const char all_of_2_and_3_to_5_of_1[] = "\0\0\0\0\0\0\0\1\x06\x0a"
                                                   "\0\0\0\0\0\0\0\2\0\x80\x01";
    fer_buf_put(&m->rec, all_of_2_and_3_to_5_of_1, sizeof all_of_2_and_3_to_5_of_1 - 1);
    put(m);
    open_log(m);
    test_expect(&m->t, "__name__=a", "0:0 1:1 2:2 6:6 7:7 8:8 9:9");
    test_expect(&m->t, "__name__=b", "");
    test_write1(&m->t, "__name__=b", 10, 1);
    test_expect(&m->t, "__name__=b", "10:1");
}

static void strange_records_do_not_stop_the_start(void **state)
{
    log_maker *m = *state;
    put_series(m, 1, "__name__=a");
    put_sample(m, 1, 1000, 1);
    put(m);                    /* empty */
    fer_buf_putc(&m->rec, 77); /* no such type */
    put(m);
    fer_buf_puts(&m->rec, STR("\x01\x01\x02")); /* cut short */
    put(m);
    put_series(m, 2, "z=1,__name__=unsorted,e=");
    put_sample(m, 2, 1000, 2);
    put_series(m, 3, "a=1,a=2");
    put_sample(m, 1, 2000, 2);
    open_log(m);
    test_expect(&m->t, "__name__=a", "1000:1 2000:2");
    test_expect(&m->t, "__name__=unsorted,z=1", "1000:2");
    tsdb_stats st;
    tsdb_stats_get(m->t.db, &st);
    assert_int_equal(st.series, 2);
    assert_int_equal(st.wal_corruptions, 2);
}

int main(void)
{
#define GOLDEN(name)                                                                               \
    {                                                                                              \
        "prometheus_" name, a_directory_of_prometheus_is_served_and_continued, NULL, NULL,         \
            (void *)("wal/prometheus-" name)                                                       \
    }
#define CHUNKS(name)                                                                               \
    {                                                                                              \
        "chunks_head_" name, a_directory_of_prometheus_is_served_and_continued, NULL, NULL,        \
            (void *)("chunks_head/prometheus-" name)                                               \
    }
#define LOG(name) cmocka_unit_test_setup_teardown(name, make_log, drop_log)
    const struct CMUnitTest tests[] = {
        GOLDEN("2.42-plain"),
        GOLDEN("2.42-snappy"),
        GOLDEN("3.5-plain"),
        GOLDEN("3.5-snappy"),
        GOLDEN("3.5-zstd"),
        GOLDEN("3.5-checkpoint"),
        GOLDEN("3.5-all-records"),
        CHUNKS("2.42"),
        CHUNKS("3.5"),
        LOG(samples_written_twice_with_gaps_in_the_first_copy_are_all_there),
        LOG(a_series_under_two_refs_is_one),
        LOG(refs_out_of_order_and_far_apart_are_kept),
        LOG(samples_of_unknown_refs_are_counted_and_their_refs_not_given_out),
        LOG(deletions_in_the_log_are_applied),
        LOG(strange_records_do_not_stop_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

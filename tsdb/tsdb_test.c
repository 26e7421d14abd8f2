/* What users of tsdb.h see: accepted, refused, durable, visible, found. */
#include "tsdb/tsdb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tsdb/tsdb_testing.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define UP "__name__=up,job=a"

static int setup(void **state)
{
    test_db *t = fer_calloc(1, sizeof *t);
    test_db_init(t);
    test_db_open(t);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    test_db_done(*state);
    fer_free(*state);
    return 0;
}

static void assert_reported(const test_db *t, tsdb_reject why, const char *text)
{
    assert_int_equal(t->report.n_rejected, 1);
    assert_int_equal(t->report.rejected[why], 1);
    assert_int_equal(t->report.n_texts, 1);
    assert_string_equal(t->report.texts[0].p, text);
}

/* ---- writing ---- */

static void what_is_written_is_read_back_also_after_a_restart(void **state)
{
    test_db *t = *state;
    test_write1(t, UP, 1000, 1);
    test_write1(t, "__name__=up,job=b", 1000, 2.5);
    test_write1(t, UP, 2000, -1);
    for (int i = 0; i < 3; i++) {
        test_expect(t, UP, "1000:1 2000:-1");
        test_expect(t, "__name__=up,job=b", "1000:2.5");
        test_db_reopen(t);
    }
    test_write1(t, UP, 3000, 4);
    test_db_reopen(t);
    test_expect(t, UP, "1000:1 2000:-1 3000:4");
}

static void nothing_is_visible_before_it_is_committed(void **state)
{
    test_db *t = *state;
    test_write1(t, UP, 1000, 1);
    tsdb_row rows[] = {test_row(t, UP, 2000, 2), test_row(t, "__name__=new", 2000, 2)};
    unsigned done = t->n_done;
    assert_int_equal(test_stage(t, rows, 2), FER_OK);
    assert_int_equal(t->report.accepted, 2);
    assert_int_equal(t->report.new_series, 1);
    assert_int_equal(t->n_done, done);
    test_expect(t, UP, "1000:1");
    test_expect(t, "__name__=new", "");

    test_query q;
    test_query_begin(&q, t->db, INT64_MIN, INT64_MAX);
    str_list values = {0};
    assert_int_equal(querier_label_values(q.q, STR("__name__"), NULL, 0, 0, &values, NULL), FER_OK);
    assert_int_equal(values.n, 1);
    test_query_end(&q);

    test_commit(t);
    assert_int_equal(t->n_done, done + 1);
    test_expect(t, UP, "1000:1 2000:2");
    test_expect(t, "__name__=new", "2000:2");
}

static void an_equal_sample_stores_nothing_but_waits_for_what_it_equals(void **state)
{
    test_db *t = *state;
    tsdb_row row = test_row(t, UP, 1000, 1);
    assert_int_equal(test_stage(t, &row, 1), FER_OK);
    assert_int_equal(test_stage(t, &row, 1), FER_OK);
    assert_int_equal(t->report.accepted, 1);
    assert_int_equal(t->report.duplicate_equal, 1);
    assert_int_equal(t->n_done, 0);
    test_commit(t);
    assert_int_equal(t->n_done, 2);
    test_write(t, &row, 1); /* also when nothing is on its way */
    test_expect(t, UP, "1000:1");

    double stale = f64_of_bits(STALE_NAN_BITS), nan = f64_of_bits(NORMAL_NAN_BITS);
    test_write1(t, UP, 2000, stale);
    row = test_row(t, UP, 2000, stale);
    test_write(t, &row, 1);
    assert_int_equal(t->report.duplicate_equal, 1);
    row = test_row(t, UP, 2000, nan); /* equal means equal bits */
    test_write(t, &row, 1);
    assert_int_equal(t->report.rejected[REJECT_DUPLICATE], 1);
}

static void bad_samples_are_named_in_prometheus_words(void **state)
{
    test_db *t = *state;
    int64_t now = TEST_NOW, hour = 60 * 60 * 1000;
    test_write1(t, UP, now, 1);

    tsdb_row row = test_row(t, UP, now, 2);
    test_write(t, &row, 1);
    assert_reported(
        t, REJECT_DUPLICATE,
        "duplicate sample for timestamp 1700000000000; overrides not allowed: existing 1, new "
        "value 2 for series {__name__=\"up\", job=\"a\"}");
    row = test_row(t, UP, now - 1, 1);
    test_write(t, &row, 1);
    assert_reported(t, REJECT_OUT_OF_ORDER,
                    "out of order sample for series {__name__=\"up\", job=\"a\"}");
    row = test_row(t, UP, now - hour - 1, 1);
    test_write(t, &row, 1);
    assert_reported(t, REJECT_OUT_OF_BOUNDS,
                    "out of bounds for series {__name__=\"up\", job=\"a\"}");
    row = test_row(t, "__name__=old", now - hour - 1, 1);
    test_write(t, &row, 1);
    assert_reported(t, REJECT_OUT_OF_BOUNDS, "out of bounds for series {__name__=\"old\"}");
    row = test_row(t, UP, now + 600001, 1);
    test_write(t, &row, 1);
    assert_reported(t, REJECT_TOO_FAR,
                    "out of bounds: timestamp is too far in the future for series "
                    "{__name__=\"up\", job=\"a\"}");
    test_write1(t, "__name__=edge", now - hour, 1);
    test_write1(t, UP, now + 600000, 1);

    tsdb_stats st;
    tsdb_stats_get(t->db, &st);
    assert_int_equal(st.series, 2); /* a refused sample makes no series */
    assert_int_equal(st.duplicates, 1);
    assert_int_equal(st.out_of_order, 1);
    assert_int_equal(st.out_of_bounds, 2);
    assert_int_equal(st.too_far, 1);
    assert_int_equal(st.samples_appended, 3);
    assert_int_equal(st.min_time, now - hour);
    assert_int_equal(st.max_time, now + 600000);
}

static void good_rows_of_a_request_survive_bad_ones(void **state)
{
    test_db *t = *state;
    tsdb_row rows[] = {
        test_row(t, "__name__=a", 1000, 1), test_row(t, "job=nameless", 1000, 1),
        test_row(t, "broken", 1000, 1),     test_row(t, "__name__=a,x=1,x=2", 1000, 1),
        test_row(t, "__name__=b", 1000, 1), test_row(t, "__name__=a", 500, 1),
    };
    test_write(t, rows, COUNT(rows));
    assert_int_equal(t->report.accepted, 2);
    assert_int_equal(t->report.n_rejected, 4);
    assert_int_equal(t->report.rejected[REJECT_LABELS], 3);
    assert_int_equal(t->report.rejected[REJECT_OUT_OF_ORDER], 1);
    assert_int_equal(t->report.n_texts, 4);
    assert_non_null(strstr(t->report.texts[0].p, " for series {job=\"nameless\"}"));
    test_expect(t, "__name__=a", "1000:1");
    test_expect(t, "__name__=b", "1000:1");
}

/* More rows than a record and a block of series take, in the order of the series, with others among them. */
enum { MANY = 10000 };

static void make_rows(test_db *t, char (*raw)[24], tsdb_row *rows, int64_t ts, double v)
{
    for (int i = 0; i < MANY; i++) {
        snprintf(raw[i], sizeof raw[i], "__name__=m,i=%05d", i);
        rows[i] = test_row(t, raw[i], ts, v + i);
    }
}

static void expect_many(test_db *t, int64_t begin)
{
    static const struct {
        const char *raw;
        bool second, third;
        int v;
    } odd[] = {
        {"__name__=m,i=03000", false, true, 3000}, {"__name__=m,i=03001", false, true, 3001},
        {"__name__=m,i=03002", false, true, 3002}, {"__name__=m,i=03003", false, true, 3003},
        {"__name__=m,i=03004", false, true, 3004}, {"__name__=m,i=03005", true, true, 3005},
        {"__name__=m,i=04095", true, true, 4095},  {"__name__=m,i=04096", true, true, 4096},
        {"__name__=m,i=06000", true, true, 6000},  {"__name__=m,i=06001", true, true, 6001},
        {"__name__=m,i=08191", true, true, 8191},  {"__name__=m,i=09999", true, true, 9999},
    };
    for (size_t k = 0; k < COUNT(odd); k++) {
        fer_buf want;
        fer_buf_init(&want, 1000, NULL);
        for (int round = 0; round < 3; round++)
            if (round == 0 || (round == 1 ? odd[k].second : odd[k].third))
                fer_buf_printf(&want, "%s%lld:%d", want.n == 0 ? "" : " ",
                               (long long)begin + round * 15000, odd[k].v + round);
        fer_buf_putc(&want, '\0');
        test_expect(t, odd[k].raw, want.p);
        fer_buf_done(&want);
    }
}

static void rows_in_the_order_of_their_series_and_others_among_them(void **state)
{
    test_db *t = *state;
    int64_t begin = TEST_NOW, hour = 60 * 60 * 1000;
    char(*raw)[24] = fer_alloc(MANY * sizeof *raw);
    tsdb_row *rows = fer_alloc(MANY * sizeof *rows);
    make_rows(t, raw, rows, begin, 0);
    test_write(t, rows, MANY);
    assert_int_equal(t->report.accepted, MANY);

    make_rows(t, raw, rows, begin + 15000, 1);
    rows[3000].t = begin - 1;
    rows[3001].t = begin + 600001;
    rows[3002].t = begin - hour - 1;
    rows[3003].t = begin; /* other value */
    rows[3004] = test_row(t, raw[3004], begin, 3004);
    tsdb_row first = rows[6000];
    rows[6000] = rows[6001];
    rows[6001] = first;
    test_write(t, rows, MANY);
    assert_int_equal(t->report.accepted, MANY - 4);
    assert_int_equal(t->report.duplicate_equal, 1);
    assert_int_equal(t->report.rejected[REJECT_OUT_OF_ORDER], 1);
    assert_int_equal(t->report.rejected[REJECT_TOO_FAR], 1);
    assert_int_equal(t->report.rejected[REJECT_OUT_OF_BOUNDS], 1);
    assert_int_equal(t->report.rejected[REJECT_DUPLICATE], 1);

    make_rows(t, raw, rows, begin + 30000, 2);
    test_write(t, rows, MANY);
    assert_int_equal(t->report.accepted, MANY);
    tsdb_stats st;
    tsdb_stats_get(t->db, &st);
    assert_int_equal(st.samples_appended, 3 * MANY - 5);
    for (int round = 0; round < 2; round++) {
        expect_many(t, begin);
        test_db_reopen(t);
    }
    fer_free(rows);
    fer_free(raw);
}

static void texts_are_bounded_counts_are_not(void **state)
{
    test_db *t = *state;
    tsdb_row rows[50];
    for (size_t i = 0; i < COUNT(rows); i++)
        rows[i] = test_row(t, "broken", 1000, 1);
    test_write(t, rows, COUNT(rows));
    assert_int_equal(t->report.n_rejected, 50);
    assert_int_equal(t->report.n_texts, TSDB_REPORT_TEXTS);
}

static void a_fresh_head_takes_any_past_time(void **state)
{
    test_db *t = *state;
    test_write1(t, UP, -1000, 1);
    test_write1(t, "__name__=newer", 1000000, 1);
    tsdb_row row = test_row(t, UP, 1000000, 2);
    test_write(t, &row, 1);
    test_expect(t, UP, "-1000:1 1000000:2");
    row = test_row(t, "__name__=older", -10000000, 2);
    test_write(t, &row, 1);
    assert_int_equal(t->report.rejected[REJECT_OUT_OF_BOUNDS], 1);
}

/* ---- series ---- */

typedef struct counting_parse {
    unsigned calls;
} counting_parse;

static fer_code count_and_parse(void *arg, fer_str raw, fer_arena *scratch, label **ret,
                                size_t *ret_n, fer_err *err)
{
    ((counting_parse *)arg)->calls++;
    return test_parse(NULL, raw, scratch, ret, ret_n, err);
}

static void ignore_done(void *arg, fer_code code)
{
    (void)arg;
    (void)code;
}

static unsigned parses_of(test_db *t, const char *raw, int64_t ts)
{
    counting_parse c = {0};
    tsdb_row row = test_row(t, raw, ts, 1);
    assert_int_equal(tsdb_stage(t->db, &row, 1, count_and_parse, &c, t->scratch, &t->report,
                                ignore_done, NULL, NULL),
                     FER_OK);
    assert_int_equal(t->report.accepted, 1);
    test_commit(t);
    return c.calls;
}

static void other_spellings_of_a_label_set_are_the_same_series(void **state)
{
    test_db *t = *state;
    assert_int_equal(parses_of(t, "__name__=up,a=1,b=2", 1), 1);
    assert_int_equal(parses_of(t, "b=2,a=1,__name__=up", 2), 1);
    assert_int_equal(parses_of(t, "a=1,b=2,c=,__name__=up", 3), 1);
    /* Each is remembered. */
    assert_int_equal(parses_of(t, "b=2,a=1,__name__=up", 4), 0);
    assert_int_equal(parses_of(t, "__name__=up,a=1,b=2", 5), 0);
    assert_int_equal(parses_of(t, "a=1,b=2,c=,__name__=up", 6), 0);
    test_expect(t, "__name__=up,a=1,b=2", "1:1 2:1 3:1 4:1 5:1 6:1");
    test_db_reopen(t);
    assert_int_equal(parses_of(t, "b=2,a=1,__name__=up", 7), 1);
    assert_int_equal(parses_of(t, "b=2,a=1,__name__=up", 8), 0);
    test_expect(t, "__name__=up,a=1,b=2", "1:1 2:1 3:1 4:1 5:1 6:1 7:1 8:1");
}

static void spellings_remembered_are_bounded(void **state)
{
    test_db *t = *state;
    char raw[64];
    enum { SPELLINGS = 40 };
    for (int i = 0; i < SPELLINGS; i++) {
        snprintf(raw, sizeof raw, "__name__=up,empty%d=", i);
        assert_int_equal(parses_of(t, raw, i), 1);
    }
    /* The first and the newest are known, those between were forgotten. */
    unsigned parses = parses_of(t, "__name__=up,empty0=", 100);
    assert_int_equal(parses, 0);
    assert_int_equal(parses_of(t, raw, 101), 0);
    for (int i = 1; i < SPELLINGS; i++) {
        snprintf(raw, sizeof raw, "__name__=up,empty%d=", i);
        parses += parses_of(t, raw, 200 + i);
    }
    assert_true(parses >= SPELLINGS - 10);
    tsdb_stats st;
    tsdb_stats_get(t->db, &st);
    assert_int_equal(st.series, 1);
}

static void new_series_beyond_the_limit_are_refused_known_ones_go_on(void **state)
{
    test_db *t = *state;
    test_db_close(t);
    t->o.head_limit_bytes = 4 << 20;
    test_db_open(t);
    char raw[128];
    int n = 0;
    for (;; n++) {
        snprintf(raw, sizeof raw, "__name__=series,number=%d,pad=%060d", n, n);
        tsdb_row row = test_row(t, raw, 1000, 1);
        test_write(t, &row, 1);
        if (t->report.accepted == 0)
            break;
    }
    assert_true(n > 1000);
    assert_int_equal(t->report.rejected[REJECT_LIMIT], 1);
    assert_non_null(strstr(t->report.texts[0].p, "memory limit of 4194304 bytes"));
    assert_non_null(strstr(t->report.texts[0].p, " for series {__name__=\"series\", number="));
    for (int ts = 2000; ts < 2300; ts++)
        test_write1(t,
                    "__name__=series,number=0,pad="
                    "000000000000000000000000000000000000000000000000000000000000",
                    ts, ts * 0.1);
    tsdb_stats st;
    tsdb_stats_get(t->db, &st);
    assert_int_equal(st.series, n);
    assert_int_equal(st.refused_series, 1);
    assert_true(st.head_bytes <= (4 << 20) + (256 << 10));
    t->o.head_limit_bytes = 0;
    test_db_reopen(t); /* what was taken comes back, whatever the limit */
    tsdb_stats_get(t->db, &st);
    assert_int_equal(st.series, n);
}

static void every_byte_of_the_head_is_on_the_account(void **state)
{
    test_db *t = *state;
    test_db_close(t);
    fer_account root;
    fer_account_init(&root, "process", NULL, 0);
    t->o.account = &root;
    test_db_open(t);
    for (int i = 0; i < 2000; i++) {
        char raw[64];
        snprintf(raw, sizeof raw, "__name__=m%d,i=%d", i % 10, i);
        test_write1(t, raw, 1000, i);
    }
    tsdb_stats st;
    tsdb_stats_get(t->db, &st);
    assert_int_equal(st.head_bytes, fer_account_used(&root));
    assert_int_equal(st.head_bytes,
                     st.bytes_series + st.bytes_labels + st.bytes_chunks + st.bytes_index);
    assert_int_equal(st.bytes_other, 0);
    tsdb_row row = test_row(t, "__name__=m1,i=1", 2000, 1);
    assert_int_equal(test_stage(t, &row, 1), FER_OK);
    assert_true(fer_account_used(&root) > st.head_bytes);
    test_commit(t);
    test_db_close(t);
    assert_int_equal(fer_account_used(&root), 0);
    t->o.account = NULL;
    test_db_open(t);
}

static void staging_past_its_budget_is_refused_whole(void **state)
{
    test_db *t = *state;
    test_db_close(t);
    t->o.staging_limit_bytes = 1000;
    test_db_open(t);
    tsdb_row rows[100];
    for (size_t i = 0; i < COUNT(rows); i++)
        rows[i] = test_row(t, UP, 1000 + (int64_t)i, 1);
    assert_int_equal(test_stage(t, rows, 100),
                     FER_OK); /* one request always fits an empty budget */
    tsdb_row one = test_row(t, UP, 5000, 1);
    assert_int_equal(test_stage(t, &one, 1), FER_BUSY);
    test_commit(t);
    assert_int_equal(t->n_done, 1);
    test_write(t, &one, 1);
    tsdb_stats st;
    tsdb_stats_get(t->db, &st);
    assert_int_equal(st.staged_bytes, 0);
    assert_int_equal(st.samples_appended, 101);
}

/* ---- the directory ---- */

static void a_directory_has_one_owner(void **state)
{
    test_db *t = *state;
    tsdb_stats st;
    tsdb_stats_get(t->db, &st);
    assert_true(st.clean_start);
    char lock[300];
    snprintf(lock, sizeof lock, "%s/lock", t->path);
    assert_true(vfs_exists(t->o.fs, lock));
    tsdb *other = NULL;
    fer_err err;
    assert_int_equal(tsdb_open(&t->o, NULL, &other, &err), FER_BUSY);
    test_db_close(t);
    assert_false(vfs_exists(t->o.fs, lock));

    vfs_file *left;
    assert_int_equal(vfs_open(t->o.fs, lock, VFS_CREATE, &left, NULL), FER_OK);
    vfs_close(left);
    test_db_open(t);
    tsdb_stats_get(t->db, &st);
    assert_false(st.clean_start);
}

static void progress_of_replay_is_told(void **state)
{
    test_db *t = *state;
    for (int i = 0; i < 3; i++) {
        test_write1(t, UP, i, i);
        test_db_reopen(t);
    }
    test_db_close(t);
    tsdb_progress p = {0};
    assert_int_equal(tsdb_open(&t->o, &p, &t->db, NULL), FER_OK);
    assert_int_equal(atomic_load(&p.min), 0);
    assert_int_equal(atomic_load(&p.max), 2);
    assert_int_equal(atomic_load(&p.current), atomic_load(&p.max));
}

static void refs_go_on_behind_those_of_the_log(void **state)
{
    test_db *t = *state;
    test_write1(t, "__name__=a", 1000, 1);
    test_write1(t, "__name__=b", 1000, 2);
    test_db_reopen(t);
    test_write1(t, "__name__=c", 1000, 3);
    test_db_reopen(t);
    test_expect(t, "__name__=a", "1000:1");
    test_expect(t, "__name__=b", "1000:2");
    test_expect(t, "__name__=c", "1000:3");
}

/* ---- telling ---- */

static uint64_t value_of(const tsdb_top *top, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(top[i].name, str_of(name)))
            return top[i].value;
    return UINT64_MAX;
}

static void cardinality_lists_the_largest_first(void **state)
{
    test_db *t = *state;
    for (int i = 0; i < 30; i++) {
        char raw[64];
        snprintf(raw, sizeof raw, "__name__=m%d,i=%02d,job=x", i % 3 == 0, i);
        test_write1(t, raw, 1000, i);
    }
    tsdb_cardinality c;
    assert_int_equal(tsdb_cardinality_get(t->db, 2, t->scratch, &c, NULL), FER_OK);
    assert_int_equal(c.n_series_by_metric, 2);
    assert_string_equal(c.series_by_metric[0].name.p, "m0");
    assert_int_equal(c.series_by_metric[0].value, 20);
    assert_int_equal(c.series_by_metric[1].value, 10);
    assert_int_equal(c.n_values_by_label, 2);
    assert_string_equal(c.values_by_label[0].name.p, "i");
    assert_int_equal(c.values_by_label[0].value, 30);
    assert_string_equal(c.series_by_pair[0].name.p, "job=x");
    assert_int_equal(c.series_by_pair[0].value, 30);
    assert_int_equal(tsdb_cardinality_get(t->db, 100, t->scratch, &c, NULL), FER_OK);
    assert_int_equal(c.n_values_by_label, 3);
    assert_int_equal(c.n_series_by_pair, 33);
    assert_int_equal(value_of(c.bytes_by_label, c.n_bytes_by_label, "i"), 30 * 5);
    assert_int_equal(value_of(c.bytes_by_label, c.n_bytes_by_label, "job"), 30 * 6);
    assert_string_equal(c.bytes_by_label[0].name.p, "__name__");
    assert_int_equal(c.bytes_by_label[0].value, 30 * 12); /* as a Prometheus 3.5 told it */
    assert_int_equal(value_of(c.series_by_pair, c.n_series_by_pair, "i=07"), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read_back_also_after_a_restart),
        TEST(nothing_is_visible_before_it_is_committed),
        TEST(an_equal_sample_stores_nothing_but_waits_for_what_it_equals),
        TEST(bad_samples_are_named_in_prometheus_words),
        TEST(good_rows_of_a_request_survive_bad_ones),
        TEST(rows_in_the_order_of_their_series_and_others_among_them),
        TEST(texts_are_bounded_counts_are_not),
        TEST(a_fresh_head_takes_any_past_time),
        TEST(other_spellings_of_a_label_set_are_the_same_series),
        TEST(spellings_remembered_are_bounded),
        TEST(new_series_beyond_the_limit_are_refused_known_ones_go_on),
        TEST(every_byte_of_the_head_is_on_the_account),
        TEST(staging_past_its_budget_is_refused_whole),
        TEST(a_directory_has_one_owner),
        TEST(progress_of_replay_is_told),
        TEST(refs_go_on_behind_those_of_the_log),
        TEST(cardinality_lists_the_largest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

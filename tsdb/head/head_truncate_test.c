/* The head forgets: chunks and series that end before a time, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tsdb/maintenance/truncate.h"
#include "tsdb/tsdb_testing.h"

#define RANGE INT64_C(7200000)
#define T0 (TEST_NOW / RANGE * RANGE - RANGE)

static int open_db(void **state)
{
    test_db *t = fer_calloc(1, sizeof *t);
    test_db_init(t);
    fer_clock_fake_advance(&t->clock, 24 * 3600 * 1000);
    t->o.sync = WAL_SYNC_NONE;
    test_db_open(t);
    *state = t;
    return 0;
}

static int close_db(void **state)
{
    test_db_done(*state);
    fer_free(*state);
    return 0;
}

static tsdb_stats stats_of(test_db *t)
{
    tsdb_stats st;
    tsdb_stats_get(t->db, &st);
    return st;
}

static void expect_count(test_db *t, const char *raw, size_t want)
{
    test_query q;
    test_query_begin(&q, t->db, INT64_MIN, INT64_MAX);
    const char *got = test_samples(&q, raw);
    size_t n = *got != '\0';
    for (; *got != '\0'; got++)
        n += *got == ' ';
    assert_int_equal(n, want);
    test_query_end(&q);
}

/* Two ranges of 2 h, a sample a minute. */
static void write_ranges(test_db *t, const char *raw, int minutes)
{
    for (int i = 0; i < minutes; i++)
        test_write1(t, raw, T0 + i * INT64_C(60000), i);
}

static void chunks_before_mint_go_and_series_with_samples_stay(void **state)
{
    test_db *t = *state;
    write_ranges(t, "__name__=a", 240);
    expect_count(t, "__name__=a", 240);
    head_truncation ht;
    tsdb_truncate_head(t->db, T0 + 119 * INT64_C(60000), &ht); /* in a chunk */
    uint64_t chunks = stats_of(t).chunks;
    tsdb_truncate_head(t->db, T0 + RANGE, &ht);
    assert_true(ht.chunks_removed >= 1);
    assert_int_equal(ht.series_removed, 0);
    expect_count(t, "__name__=a", 120);
    tsdb_stats st = stats_of(t);
    assert_int_equal(st.series, 1);
    assert_true(st.chunks < chunks);
    assert_int_equal(st.chunks_created, st.chunks + st.chunks_removed);
    assert_int_equal(st.min_time, T0 + RANGE);
    assert_int_equal(st.max_time, T0 + 239 * INT64_C(60000));
    test_write1(t, "__name__=a", T0 + 2 * RANGE, 1);
    expect_count(t, "__name__=a", 121);
}

static void series_without_samples_go_and_come_back_as_new_ones(void **state)
{
    test_db *t = *state;
    test_write1(t, "__name__=old,x=1", T0, 1);
    test_write1(t, "x=1,__name__=old", T0 + 1, 2); /* another spelling */
    test_write1(t, "__name__=old,x=2", T0, 1);
    test_write1(t, "__name__=new,x=1", T0 + RANGE, 1);
    uint64_t last_ref = t->db->h.last_ref;
    head_truncation ht;
    tsdb_truncate_head(t->db, T0 + RANGE, &ht);
    assert_int_equal(ht.series_removed, 2);
    tsdb_stats st = stats_of(t);
    assert_int_equal(st.series, 1);
    assert_int_equal(st.series_removed, 2);
    assert_int_equal(st.chunks, 1);
    test_expect(t, "__name__=old,x=1", "");
    expect_count(t, "__name__=new,x=1", 1);

    for (int i = 0; i < 2; i++) {
        const char *spelling = i == 0 ? "x=1,__name__=old" : "__name__=old,x=1";
        tsdb_row row = test_row(t, spelling, T0 + RANGE + i, 5);
        test_write(t, &row, 1);
        assert_int_equal(t->report.new_series, i == 0);
    }
    expect_count(t, "__name__=old,x=1", 2);
    assert_true(t->db->h.last_ref > last_ref);
    test_db_reopen(t);
    expect_count(t, "__name__=old,x=1", 4); /* the log still has the others */
}

static void samples_before_mint_are_out_of_bounds(void **state)
{
    test_db *t = *state;
    test_write1(t, "__name__=a", T0 + 100, 1);
    head_truncation ht;
    tsdb_truncate_head(t->db, T0 + 100, &ht);
    tsdb_row row = test_row(t, "__name__=b", T0 + 99, 1);
    assert_int_equal(test_stage(t, &row, 1), FER_OK);
    assert_int_equal(t->report.rejected[REJECT_OUT_OF_BOUNDS], 1);
    test_commit(t);
    test_write1(t, "__name__=b", T0 + 100, 1);
}

static void a_series_with_a_staged_sample_stays(void **state)
{
    test_db *t = *state;
    test_write1(t, "__name__=a", T0, 1);
    tsdb_row rows[] = {test_row(t, "__name__=a", T0 + 50, 2),
                       test_row(t, "__name__=b", T0 + 60, 3)};
    assert_int_equal(test_stage(t, rows, 2), FER_OK);
    head_truncation ht;
    tsdb_truncate_head(t->db, T0 + 100, &ht);
    assert_int_equal(ht.series_removed, 0);
    test_commit(t);
    assert_int_equal(stats_of(t).series, 2);
    tsdb_truncate_head(t->db, T0 + 100, &ht);
    assert_int_equal(ht.series_removed, 2);
    tsdb_stats st = stats_of(t);
    assert_int_equal(st.series, 0);
    assert_int_equal(st.chunks, 0);
    assert_true(st.min_time == INT64_MAX && st.max_time == INT64_MIN);
}

static void readers_keep_what_they_pinned(void **state)
{
    test_db *t = *state;
    write_ranges(t, "__name__=a,l=x", 300);
    test_query q;
    test_query_begin(&q, t->db, INT64_MIN, INT64_MAX);
    selection *sel = test_select(&q, NULL, 0, false);
    head_truncation ht;
    tsdb_truncate_head(t->db, T0 + 10 * RANGE, &ht);
    assert_int_equal(ht.series_removed, 1);
    for (int i = 0; i < 50; i++) {
        char raw[32];
        snprintf(raw, sizeof raw, "__name__=other,i=%d", i);
        tsdb_row row = test_row(t, raw, T0 + 10 * RANGE, 1);
        test_write(t, &row, 1);
    }
    assert_int_equal(sel->n, 1);
    assert_string_equal(test_labels(&q, sel, 0), "__name__=a,l=x");
    samples got;
    samples_init(&got, NULL);
    assert_int_equal(selection_read(sel, 0, INT64_MIN, INT64_MAX, &got, NULL), FER_OK);
    assert_int_equal(got.n, 300);
    for (int i = 0; i < 300; i++)
        assert_true(got.t[i] == T0 + i * INT64_C(60000) && got.v[i] == i);
    samples_done(&got);
    test_query_end(&q);
    test_expect(t, "__name__=a,l=x", "");
}

/* Who gives up samples that a new block holds waits for the readers that may not know the block. */
static void a_querier_is_a_reader_before_it_selects(void **state)
{
    test_db *t = *state;
    head *h = &t->db->h;
    test_query q;
    assert_ptr_equal(h->readers.next, &h->readers);
    test_query_begin(&q, t->db, INT64_MIN, INT64_MAX);
    assert_ptr_not_equal(h->readers.next, &h->readers);
    test_query_end(&q);
    assert_ptr_equal(h->readers.next, &h->readers);
}

/* Their samples may be in later segments: a checkpoint keeps the series until those are gone. */
static void refs_of_removed_series_are_kept_for_the_log(void **state)
{
    test_db *t = *state;
    head *h = &t->db->h;
    test_write1(t, "__name__=a", T0, 1);
    test_write1(t, "__name__=b", T0, 1);
    test_write1(t, "__name__=c", T0 + RANGE, 1);
    h->wal_segment = 7;
    head_truncation ht;
    tsdb_truncate_head(t->db, T0 + RANGE, &ht);
    for (uint64_t segment = 5; segment < 9; segment++) {
        ref_set set;
        ref_set_init(&set, NULL);
        head_kept_refs(h, segment, T0 + RANGE, &set);
        assert_int_equal(ref_set_has(&set, 1), segment < 7);
        assert_int_equal(ref_set_has(&set, 2), segment < 7);
        assert_true(ref_set_has(&set, 3));
        ref_set_done(&set);
    }
    head_forget_gone(h, 6, T0 + RANGE);
    assert_int_equal(h->n_gone, 1);
    head_forget_gone(h, 7, T0 + RANGE);
    assert_int_equal(h->n_gone, 0);
}

enum { CHURN = 20000, STABLE = 10 };

/* One sample of each of n series at t, `what` in their names and values. */
static void write_many(test_db *t, const char *what, int n, int64_t at)
{
    enum { BATCH = 500 };
    static char raw[BATCH][128];
    static tsdb_row rows[BATCH];
    for (int i = 0; i < n; i += BATCH) {
        int k = 0;
        for (; k < BATCH && i + k < n; k++) {
            snprintf(raw[k], sizeof raw[k], "__name__=%s,i=%d,pod=%s-%d-of-a-deployment", what,
                     i + k, what, i + k);
            rows[k] = test_row(t, raw[k], at, i + k);
        }
        test_write(t, rows, (size_t)k);
    }
}

static void churn_gives_its_memory_back(void **state)
{
    test_db *t = *state;
    head *h = &t->db->h;
    write_many(t, "stable", STABLE, T0);
    int64_t before = stats_of(t).head_bytes;
    uint32_t slots = 0;
    for (int round = 1; round <= 4; round++) {
        char what[16];
        snprintf(what, sizeof what, "churn%d", round);
        int64_t at = T0 + round * RANGE;
        write_many(t, what, CHURN, at);
        write_many(t, "stable", STABLE, at + 1);
        assert_true(stats_of(t).head_bytes > 3 * before);
        head_truncation ht;
        tsdb_truncate_head(t->db, at + 1, &ht);
        assert_int_equal(ht.series_removed, CHURN);
        tsdb_stats st = stats_of(t);
        assert_int_equal(st.series, STABLE);
        assert_int_equal(st.label_pairs, 1 + 2 * STABLE);
        if (st.head_bytes > before + before / 5)
            fail_msg("%lld bytes, %lld before", (long long)st.head_bytes, (long long)before);
        assert_true(slots == 0 || h->n_slots == slots); /* used again */
        slots = h->n_slots;
    }
    test_query q;
    test_query_begin(&q, t->db, INT64_MIN, INT64_MAX);
    str_list names = {0};
    assert_int_equal(querier_label_values(q.q, STR("__name__"), NULL, 0, 0, &names, NULL), FER_OK);
    assert_int_equal(names.n, 1);
    assert_int_equal(test_select(&q, NULL, 0, false)->n, STABLE);
    test_query_end(&q);
}

/* Slots are used again by newer series; readers see refs ascend all the same. */
static void series_in_used_slots_come_in_order_of_refs(void **state)
{
    test_db *t = *state;
    static const char *const kept[] = {"__name__=m,s=1", "__name__=m,s=4"};
    for (int i = 0; i < 6; i++) {
        char raw[32];
        snprintf(raw, sizeof raw, "__name__=m,s=%d", i);
        tsdb_row row = test_row(t, raw, T0, i);
        test_write(t, &row, 1);
    }
    for (int i = 0; i < 2; i++)
        test_write1(t, kept[i], T0 + RANGE, 1);
    head_truncation ht;
    tsdb_truncate_head(t->db, T0 + RANGE, &ht);
    assert_int_equal(ht.series_removed, 4);
    uint32_t slots = t->db->h.n_slots;
    static const char *const fresh[] = {"__name__=m,s=a", "__name__=m,s=b", "__name__=m,s=c",
                                        "__name__=m,s=d", "__name__=m,s=e"};
    for (int i = 0; i < 5; i++)
        test_write1(t, fresh[i], T0 + RANGE, i);
    assert_int_equal(t->db->h.n_slots, slots + 1);
    assert_int_equal(stats_of(t).series, 7);
    for (int how = 0; how < 3; how++) {
        static const char *all[1][3] = {{"__name__", "=", "m"}};
        static const char *regex[1][3] = {{"s", "=~", ".+"}};
        test_query q;
        test_query_begin(&q, t->db, INT64_MIN, INT64_MAX);
        selection *sel = test_select(&q, how == 1 ? regex : all, how == 2 ? 0 : 1, false);
        assert_int_equal(sel->n, 7);
        for (size_t i = 0; i < 7; i++)
            assert_string_equal(test_labels(&q, sel, i), i < 2 ? kept[i] : fresh[i - 2]);
        select_hints h = {.mint = INT64_MIN, .maxt = INT64_MAX, .labels_only = true};
        assert_int_equal(querier_select(q.q, &h, NULL, 0, &sel, NULL), FER_OK);
        assert_int_equal(sel->n, 7);
        for (size_t i = 0; i < 7; i++)
            assert_string_equal(test_labels(&q, sel, i), i < 2 ? kept[i] : fresh[i - 2]);
        test_query_end(&q);
    }
    test_db_reopen(t);
    for (int i = 0; i < 5; i++)
        expect_count(t, fresh[i], 1);
}

/* A series staged in a used slot shows nothing before its commit, and its name neither. */
static void a_staged_series_in_a_used_slot_is_not_seen(void **state)
{
    test_db *t = *state;
    test_write1(t, "__name__=a", T0, 1);
    test_write1(t, "__name__=b", T0 + RANGE, 1);
    head_truncation ht;
    tsdb_truncate_head(t->db, T0 + RANGE, &ht);
    tsdb_row row = test_row(t, "__name__=c", T0 + RANGE, 1);
    assert_int_equal(test_stage(t, &row, 1), FER_OK);
    assert_int_equal(t->db->h.n_slots, 2);
    for (size_t want = 1; want <= 2; want++) {
        test_query q;
        test_query_begin(&q, t->db, INT64_MIN, INT64_MAX);
        str_list names = {0}, matching = {0};
        matcher m;
        assert_int_equal(querier_label_values(q.q, STR("__name__"), NULL, 0, 0, &names, NULL),
                         FER_OK);
        assert_int_equal(names.n, want);
        assert_int_equal(matcher_make(q.arena, MATCH_RE, STR("__name__"), STR(".+"), &m, NULL),
                         FER_OK);
        assert_int_equal(querier_label_values(q.q, STR("__name__"), &m, 1, 0, &matching, NULL),
                         FER_OK);
        assert_int_equal(matching.n, want);
        assert_int_equal(test_select(&q, NULL, 0, false)->n, want);
        test_query_end(&q);
        test_commit(t);
    }
}

int main(void)
{
#define ON_DB(f) cmocka_unit_test_setup_teardown(f, open_db, close_db)
    const struct CMUnitTest tests[] = {
        ON_DB(chunks_before_mint_go_and_series_with_samples_stay),
        ON_DB(series_without_samples_go_and_come_back_as_new_ones),
        ON_DB(samples_before_mint_are_out_of_bounds),
        ON_DB(a_series_with_a_staged_sample_stays),
        ON_DB(readers_keep_what_they_pinned),
        ON_DB(a_querier_is_a_reader_before_it_selects),
        ON_DB(churn_gives_its_memory_back),
        ON_DB(series_in_used_slots_come_in_order_of_refs),
        ON_DB(a_staged_series_in_a_used_slot_is_not_seen),
        ON_DB(refs_of_removed_series_are_kept_for_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

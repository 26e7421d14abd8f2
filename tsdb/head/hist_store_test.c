/* hist_store_test.c - native histograms from staging to blocks: what a Prometheus stored that was sent the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tsdb/block/block_select.h"
#include "tsdb/head/head_mmap.h"
#include "tsdb/hist_check.h"
#include "tsdb/hist_testing.h"
#include "tsdb/maintenance/compact_head.h"
#include "tsdb/tsdb_int.h"
#include "tsdb/tsdb_testing.h"

enum { ROWS_MAX = 64, DAY_MS = 86400 * 1000 };

static void on_done(void *arg, fer_code code)
{
    *(fer_code *)arg = code;
}

static void stage(test_db *t, const tsdb_rows *rows)
{
    fer_code done = FER_BUSY;
    fer_arena_reset(t->scratch);
    must(tsdb_stage_rows(t->db, rows, test_parse, NULL, t->scratch, &t->report, on_done, &done,
                         &t->err),
         &t->err);
    test_commit(t);
    assert_int_equal(done, FER_OK);
}

static tsdb_hist_row hist_row(test_db *t, const char *raw, int64_t ts, const hist_sample *h)
{
    return (tsdb_hist_row){
        .fp = tsdb_fingerprint(t->db, str_of(raw)), .raw = str_of(raw), .t = ts, .h = *h};
}

static void write_hist(test_db *t, const char *raw, int64_t ts, const hist_sample *h)
{
    tsdb_hist_row row = hist_row(t, raw, ts, h);
    const tsdb_rows rows = {.hists = &row, .n_hists = 1};
    stage(t, &rows);
}

/* ---- what Prometheus was sent ---- */

typedef struct setting {
    test_db t;
    sent sent;
    char raw[SENT_SERIES_MAX][64];
} setting;

static int by_time(const void *a, const void *b)
{
    int64_t x = ((const tsdb_hist_row *)a)->t, y = ((const tsdb_hist_row *)b)->t;
    return (x > y) - (x < y);
}

/* In order of time, a few in a request. */
static void write_all(setting *s)
{
    size_t n = 0;
    tsdb_hist_row *v = fer_calloc(SENT_SERIES_MAX * SENT_SAMPLES_MAX, sizeof *v);
    for (size_t i = 0; i < s->sent.n; i++)
        for (size_t k = 0; k < s->sent.series[i].n; k++, n++) {
            const sent_sample *x = &s->sent.series[i].v[k];
            v[n] = hist_row(&s->t, s->raw[i], x->t, &x->s);
            assert_int_equal(hist_check(&x->s, &s->t.err), FER_OK);
        }
    qsort(v, n, sizeof *v, by_time);
    for (size_t from = 0; from < n; from += ROWS_MAX) {
        const tsdb_rows rows = {.hists = v + from,
                                .n_hists = n - from < ROWS_MAX ? n - from : ROWS_MAX};
        stage(&s->t, &rows);
        assert_int_equal(s->t.report.hists_accepted, rows.n_hists);
    }
    fer_free(v);
}

static void setting_init(setting *s)
{
    test_db_init(&s->t);
    fer_clock_fake_advance(&s->t.clock, DAY_MS);
    test_db_open(&s->t);
    sent_init(&s->sent);
    for (size_t i = 0; i < s->sent.n; i++)
        snprintf(s->raw[i], sizeof s->raw[i], "__name__=%s", s->sent.series[i].name);
    write_all(s);
}

static void setting_done(setting *s)
{
    test_db_done(&s->t);
    sent_done(&s->sent);
}

static void expect_sent(setting *s)
{
    test_query q;
    test_query_begin(&q, s->t.db, INT64_MIN, INT64_MAX);
    for (size_t i = 0; i < s->sent.n; i++) {
        const sent_series *want = &s->sent.series[i];
        const char *m[1][3] = {{"__name__", "=", want->name}};
        selection *sel = test_select(&q, m, 1, true);
        samples got;
        samples_init(&got, NULL);
        assert_int_equal(sel->n, 1);
        must(selection_read(sel, 0, INT64_MIN, INT64_MAX, &got, &s->t.err), &s->t.err);
        assert_int_equal(got.n, want->n);
        for (size_t k = 0; k < got.n; k++) {
            assert_int_equal(got.t[k], want->v[k].t);
            assert_int_equal(got.type[k],
                             want->v[k].s.is_float ? SAMPLE_FLOAT_HISTOGRAM : SAMPLE_HISTOGRAM);
            assert_same_histogram(got.h[k], hist_widen(&want->v[k].s, s->sent.a));
        }
        samples_done(&got);
    }
    test_query_end(&q);
}

static void what_was_staged_is_read_and_survives_restarts(void **state)
{
    (void)state;
    setting s;
    setting_init(&s);
    expect_sent(&s);
    test_db_close(&s.t);
    test_db_open(&s.t);
    expect_sent(&s); /* of chunks_head, which closing writes, and the log */
    char path[300];
    snprintf(path, sizeof path, "%s/chunks_head", s.t.path);
    test_db_close(&s.t);
    must(vfs_remove_all(s.t.o.fs, path, &s.t.err), &s.t.err);
    test_db_open(&s.t);
    expect_sent(&s); /* of the log alone */
    setting_done(&s);
}

static void chunks_leave_memory_and_are_read_all_the_same(void **state)
{
    (void)state;
    setting s;
    setting_init(&s);
    tsdb_stats before, after;
    tsdb_stats_get(s.t.db, &before);
    size_t slab_bytes = (size_t)atomic_load(&s.t.db->h.chunks.bytes);
    assert_true((size_t)before.bytes_chunks > slab_bytes + 1000); /* open chunks, beside the slab */
    must(head_mmap_full_chunks(&s.t.db->h, &s.t.err), &s.t.err);
    tsdb_stats_get(s.t.db, &after);
    assert_true(after.chunks_mapped > 40);
    assert_true(after.bytes_chunks <= before.bytes_chunks);
    expect_sent(&s);
    setting_done(&s);
}

/* ---- blocks ---- */

static block *open_only_block(const char *dir)
{
    fer_err err = {0};
    block *b;
    block_names names = list_blocks(vfs_posix(), dir);
    assert_int_equal(names.n, 1);
    must(block_open(vfs_posix(), dir, names.v[0], NULL, &b, &err), &err);
    return b;
}

static void expect_same_series(const block *a, uint64_t ref_a, const block *b, uint64_t ref_b)
{
    fer_err err = {0};
    index_series x, y;
    index_chunk c, d;
    uint32_t name, value;
    char flags[2] = {0, 0};
    must(block_index_series(&a->index, ref_a, &x, &err), &err);
    must(block_index_series(&b->index, ref_b, &y, &err), &err);
    while (index_series_label(&x, &name, &value) == FER_OK)
        ;
    while (index_series_label(&y, &name, &value) == FER_OK)
        ;
    while (index_series_chunk(&x, &c) == FER_OK) {
        uint8_t enc_c, enc_d;
        fer_str bytes_c, bytes_d;
        assert_int_equal(flags[0], flags[1]);
        assert_int_equal(index_series_chunk(&y, &d), FER_OK);
        assert_int_equal(c.mint, d.mint);
        assert_int_equal(c.maxt, d.maxt);
        must(block_chunks_get(&a->chunks, c.ref, &enc_c, &bytes_c, &err), &err);
        must(block_chunks_get(&b->chunks, d.ref, &enc_d, &bytes_d, &err), &err);
        assert_int_equal(enc_c, enc_d);
        assert_int_equal(bytes_c.n, bytes_d.n);
        assert_memory_equal(bytes_c.p, bytes_d.p, 2);
        assert_memory_equal(bytes_c.p + 3, bytes_d.p + 3, bytes_c.n - 3);
        flags[0] = bytes_c.p[2];
        flags[1] = bytes_d.p[2];
    }
    /* Prometheus writes the open chunk, the last, anew and forgets whether it began with a reset. */
    assert_true(flags[0] == flags[1] || flags[1] == 0);
    assert_int_equal(index_series_chunk(&y, &d), FER_END);
}

static void a_block_of_the_head_has_the_chunks_prometheus_wrote(void **state)
{
    (void)state;
    setting s;
    setting_init(&s);
    char dir[300];
    snprintf(dir, sizeof dir, "%s/snapshot", s.t.path);
    must(tsdb_snapshot(s.t.db, dir, true, &s.t.err), &s.t.err);
    block *ours = open_only_block(dir);
    block *theirs = open_only_block(FERULA_TESTDATA "/histograms/prometheus-3.5");
    ref_list x, y;
    must(block_select(ours, s.sent.a, NULL, NULL, NULL, 0, &x, &s.t.err), &s.t.err);
    must(block_select(theirs, s.sent.a, NULL, NULL, NULL, 0, &y, &s.t.err), &s.t.err);
    assert_int_equal(x.n, y.n);
    for (size_t i = 0; i < x.n; i++)
        expect_same_series(ours, x.v[i], theirs, y.v[i]);
    assert_int_equal(ours->meta.stats.histogram_samples, 1330);
    assert_int_equal(ours->meta.stats.float_samples, 0);
    block_unref(ours);
    block_unref(theirs);
    setting_done(&s);
}

/* Blocks that overlap with each other and with the head: read as one, then merged into one. */
static void a_cut_through_chunks_keeps_every_histogram(void **state)
{
    (void)state;
    setting s;
    setting_init(&s);
    tsdb_stats st;
    tsdb_stats_get(s.t.db, &st);
    int64_t middle = st.min_time + (st.max_time - st.min_time) / 10;
    compact_options o = {.fs = s.t.o.fs, .dir = s.t.path, .clock = s.t.o.clock, .rng = s.t.o.rng};
    block_meta a, b;
    must(compact_head(&o, &s.t.db->h, st.min_time, middle, s.sent.a, &a, &s.t.err), &s.t.err);
    must(compact_head(&o, &s.t.db->h, middle, st.max_time + 1, s.sent.a, &b, &s.t.err), &s.t.err);
    assert_int_equal(a.stats.histogram_samples + b.stats.histogram_samples, 1330);
    assert_true(a.stats.histogram_samples > 100 && b.stats.histogram_samples > 100);
    must(compact_head(&o, &s.t.db->h, middle - 600 * 1000, middle + 600 * 1000, s.sent.a, &b,
                      &s.t.err),
         &s.t.err);
    test_db_reopen(&s.t); /* blocks and head, all of them merged when read */
    expect_sent(&s);
    assert_int_equal(tsdb_maintenance_step(s.t.db, &s.t.err), FER_OK);
    tsdb_maintenance_stats ms;
    tsdb_maintenance_stats_get(s.t.db, &ms);
    assert_true(ms.vertical_compactions > 0);
    expect_sent(&s);
    setting_done(&s);
}

/* ---- rules ---- */

/* An integer histogram with three buckets of n, 2n and n observations, zero bucket n. */
typedef struct simple {
    histogram_span span;
    hist_num buckets[3];
} simple;

static hist_sample make_simple(simple *x, uint64_t n)
{
    x->span = (histogram_span){0, 3};
    x->buckets[0].i = (int64_t)n;
    x->buckets[1].i = (int64_t)n;
    x->buckets[2].i = -(int64_t)n;
    return (hist_sample){.schema = 1,
                         .zero_threshold = 0.001,
                         .zero_count.u = n,
                         .count.u = 5 * n,
                         .sum = (double)n * 7,
                         .side[HIST_POS] = {&x->span, x->buckets, 1, 3}};
}

static const char *type_names[] = {"float", "hist", "fhist"};

/* "t:float t:hist ..." of the series, stale ones with a '!'. */
static const char *kinds(test_db *t, const char *name, char *out, size_t n)
{
    test_query q;
    test_query_begin(&q, t->db, INT64_MIN, INT64_MAX);
    const char *m[1][3] = {{"__name__", "=", name}};
    selection *sel = test_select(&q, m, 1, true);
    samples got;
    samples_init(&got, NULL);
    out[0] = '\0';
    if (sel->n == 1)
        must(selection_read(sel, 0, INT64_MIN, INT64_MAX, &got, &t->err), &t->err);
    for (size_t i = 0; i < got.n; i++) {
        int type = got.type == NULL ? 0 : got.type[i];
        bool is_stale = sample_is_stale(type == 0 ? got.v[i] : got.h[i]->sum);
        size_t at = strlen(out);
        snprintf(out + at, n - at, "%s%lld:%s%s", at == 0 ? "" : " ",
                 (long long)(got.t[i] - TEST_NOW), type_names[type], is_stale ? "!" : "");
    }
    samples_done(&got);
    test_query_end(&q);
    return out;
}

static void a_series_changes_its_type_and_keeps_its_order_in_the_log(void **state)
{
    (void)state;
    test_db t;
    simple x, y;
    char text[256];
    test_db_init(&t);
    test_db_open(&t);
    hist_sample a = make_simple(&x, 1), b = make_simple(&y, 2),
                f = {.is_float = true, .count.f = 1, .zero_count.f = 1};
    tsdb_row floats[2] = {test_row(&t, "__name__=m", TEST_NOW, 1),
                          test_row(&t, "__name__=m", TEST_NOW + 3, 4)};
    tsdb_hist_row hists[3] = {hist_row(&t, "__name__=m", TEST_NOW + 1, &a),
                              hist_row(&t, "__name__=m", TEST_NOW + 2, &b),
                              hist_row(&t, "__name__=m", TEST_NOW + 4, &f)};
    hists[0].before = hists[1].before = 1;
    hists[2].before = 2;
    const tsdb_rows rows = {floats, 2, hists, 3};
    stage(&t, &rows);
    assert_int_equal(t.report.accepted, 5);
    assert_int_equal(t.report.n_rejected, 0);
    static const char want[] = "0:float 1:hist 2:hist 3:float 4:fhist";
    assert_string_equal(kinds(&t, "m", text, sizeof text), want);
    for (int k = 0; k < 2; k++) {
        test_db_reopen(&t);
        assert_string_equal(kinds(&t, "m", text, sizeof text), want);
        assert_int_equal(t.db->replay.late_samples, 0);
    }
    test_db_done(&t);
}

static void a_stale_float_behind_a_histogram_is_a_stale_histogram(void **state)
{
    (void)state;
    test_db t;
    simple x;
    char text[256];
    test_db_init(&t);
    test_db_open(&t);
    hist_sample a = make_simple(&x, 1);
    write_hist(&t, "__name__=m", TEST_NOW, &a);
    test_write1(&t, "__name__=m", TEST_NOW + 1, f64_of_bits(STALE_NAN_BITS));
    test_write1(&t, "__name__=m", TEST_NOW + 1, f64_of_bits(STALE_NAN_BITS));
    write_hist(&t, "__name__=m", TEST_NOW + 2, &a);
    assert_string_equal(kinds(&t, "m", text, sizeof text), "0:hist 1:hist! 2:hist");
    test_db_reopen(&t);
    assert_string_equal(kinds(&t, "m", text, sizeof text), "0:hist 1:hist! 2:hist");
    test_db_done(&t);
}

static void expect_text(test_db *t, tsdb_reject why, const char *text)
{
    assert_int_equal(t->report.rejected[why], 1);
    assert_int_equal(t->report.n_texts, 1);
    assert_true(str_eq(t->report.texts[0], str_of(text)));
}

static void old_and_doubled_histograms_are_judged_as_floats_are(void **state)
{
    (void)state;
    test_db t;
    simple x, y;
    test_db_init(&t);
    test_db_open(&t);
    hist_sample a = make_simple(&x, 1), b = make_simple(&y, 2);
    write_hist(&t, "__name__=m", TEST_NOW, &a);
    for (int k = 0; k < 2; k++) {
        write_hist(&t, "__name__=m", TEST_NOW, &a);
        assert_int_equal(t.report.duplicate_equal, 1);
        write_hist(&t, "__name__=m", TEST_NOW, &b);
        expect_text(&t, REJECT_DUPLICATE,
                    "duplicate sample for timestamp for series {__name__=\"m\"}");
        write_hist(&t, "__name__=m", TEST_NOW - 1, &b);
        expect_text(&t, REJECT_OUT_OF_ORDER, "out of order sample for series {__name__=\"m\"}");
        tsdb_row row = test_row(&t, "__name__=m", TEST_NOW, 3);
        test_write(&t, &row, 1);
        expect_text(&t, REJECT_DUPLICATE,
                    "duplicate sample for timestamp 1700000000000; overrides not allowed: existing "
                    "is a histogram, new value 3 for series {__name__=\"m\"}");
        test_db_reopen(&t);
    }
    write_hist(&t, "__name__=m", TEST_NOW + 3600 * 1000, &b);
    expect_text(&t, REJECT_TOO_FAR,
                "out of bounds: timestamp is too far in the future for series {__name__=\"m\"}");
    test_db_done(&t);
}

static void a_refused_histogram_costs_only_itself(void **state)
{
    (void)state;
    test_db t;
    simple x;
    test_db_init(&t);
    test_db_open(&t);
    hist_sample a = make_simple(&x, 1);
    tsdb_hist_row hists[2] = {hist_row(&t, "__name__=bad", TEST_NOW, &a),
                              hist_row(&t, "__name__=good", TEST_NOW, &a)};
    hists[0].refuse = STR("reason");
    const tsdb_rows rows = {.hists = hists, .n_hists = 2};
    stage(&t, &rows);
    expect_text(&t, REJECT_HISTOGRAM, "reason for series {__name__=\"bad\"}");
    assert_int_equal(t.report.hists_accepted, 1);
    assert_int_equal(t.report.hists_rejected, 1);
    assert_int_equal(t.report.new_series, 1);
    test_db_done(&t);
}

static void what_is_not_sound_has_prometheus_words(void **state)
{
    (void)state;
    simple x;
    fer_err err = {0};
    hist_sample a = make_simple(&x, 1);
    assert_int_equal(hist_check(&a, &err), FER_OK);
    a.count.u = 6;
    assert_int_equal(hist_check(&a, &err), FER_INVALID);
    assert_string_equal(err.msg,
                        "5 observations found in buckets, but the Count field is 6: histogram's "
                        "observation count should equal the number of observations found in the "
                        "buckets (in absence of NaN)");
    a.sum = f64_of_bits(NORMAL_NAN_BITS);
    assert_int_equal(hist_check(&a, &err), FER_OK);
    a = make_simple(&x, 1);
    x.buckets[2].i = -3;
    assert_int_equal(hist_check(&a, &err), FER_INVALID);
    assert_string_equal(err.msg,
                        "positive side: bucket number 3 has observation count of -1: histogram has "
                        "a bucket whose observation count is negative");
    a = make_simple(&x, 1);
    x.span.length = 4;
    assert_int_equal(hist_check(&a, &err), FER_INVALID);
    assert_string_equal(err.msg, "positive side: spans need 4 buckets, have 3 buckets: histogram "
                                 "spans specify different number of buckets than provided");
    a = make_simple(&x, 1);
    a.schema = 53;
    assert_int_equal(hist_check(&a, &err), FER_INVALID);
    const double bounds[] = {1, 1};
    a = make_simple(&x, 1);
    a.schema = HIST_SCHEMA_CUSTOM;
    a.custom = bounds;
    a.n_custom = 2;
    assert_int_equal(hist_check(&a, &err), FER_INVALID);
    assert_string_equal(err.msg, "custom buckets: previous bound is 1.000000 and current is "
                                 "1.000000: histogram custom bounds must be in strictly increasing "
                                 "order");
    a.n_custom = 1;
    assert_int_equal(hist_check(&a, &err), FER_INVALID);
    assert_string_equal(err.msg,
                        "custom buckets: only 1 custom bounds defined which is insufficient to "
                        "cover total span length of 3: histogram custom bounds are too few");
}

static void a_large_histogram_is_kept_whole(void **state)
{
    (void)state;
    enum { BUCKETS = 20000 };
    test_db t;
    char text[256];
    test_db_init(&t);
    test_db_open(&t);
    hist_num *buckets = fer_calloc(BUCKETS, sizeof *buckets);
    histogram_span span = {0, BUCKETS};
    for (size_t i = 0; i < BUCKETS; i++)
        buckets[i].f = (double)i / 3;
    hist_sample h = {.is_float = true, .side[HIST_POS] = {&span, buckets, 1, BUCKETS}};
    for (int k = 0; k < 3; k++) {
        h.reset_hint =
            k == 1 ? HISTOGRAM_RESET : HISTOGRAM_RESET_UNKNOWN; /* the next is a new chunk */
        write_hist(&t, "__name__=m", TEST_NOW + k, &h);
    }
    fer_free(buckets);
    for (int k = 0; k < 2; k++) {
        assert_string_equal(kinds(&t, "m", text, sizeof text), "0:fhist 1:fhist 2:fhist");
        test_db_reopen(&t);
    }
    test_db_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_staged_is_read_and_survives_restarts),
        cmocka_unit_test(chunks_leave_memory_and_are_read_all_the_same),
        cmocka_unit_test(a_block_of_the_head_has_the_chunks_prometheus_wrote),
        cmocka_unit_test(a_cut_through_chunks_keeps_every_histogram),
        cmocka_unit_test(a_series_changes_its_type_and_keeps_its_order_in_the_log),
        cmocka_unit_test(a_stale_float_behind_a_histogram_is_a_stale_histogram),
        cmocka_unit_test(old_and_doubled_histograms_are_judged_as_floats_are),
        cmocka_unit_test(a_refused_histogram_costs_only_itself),
        cmocka_unit_test(what_is_not_sound_has_prometheus_words),
        cmocka_unit_test(a_large_histogram_is_kept_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

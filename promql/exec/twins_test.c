/* twins_test.c - aggregations over a database that leaves out labels nobody looks at: what they add up, and which series
 * they refuse as the same without their metric. */
#include "promql/exec/twins.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "promql/promql.h"
#include "tsdb/tsdb_int.h"
#include "tsdb/tsdb_testing.h"

#define MINUTE INT64_C(60000)
#define BEGIN (INT64_C(8744) * 54 * 60 * MINUTE)
#define SAME "vector cannot contain metrics with the same labelset"

enum { CUT_MINUTE = 120, MINUTES = 200 };

/* b and c differ in labels from a; of d one is like one of a, of e one in __type__ alone; f ends early and is like one of a. */
static const char *const series[] = {
    "__name__=a,job=x,pod=1",
    "__name__=a,job=x,pod=2",
    "__name__=a,job=y,pod=3",
    "__name__=b,job=y,pod=4",
    "__name__=b,pod=5",
    "__name__=c,job=x,pod=1,zone=z",
    "__name__=d,job=y,pod=6",
    "__name__=d,job=x,pod=2",
    "__name__=e,__type__=gauge,job=w,pod=1",
    "__name__=e,__type__=counter,job=w,pod=1",
    "__name__=f,job=y,pod=3",
};
enum { SERIES = sizeof series / sizeof *series, ENDS = SERIES - 1, ENDS_AT = 20 };

/* One sample a minute, the value the number of the series + 1. */
static void live(test_db *t, int from, int to)
{
    for (int i = from; i < to; i++) {
        tsdb_row rows[SERIES];
        size_t n = 0;
        for (size_t k = 0; k < SERIES; k++)
            if (k != ENDS || i < ENDS_AT)
                rows[n++] = test_row(t, series[k], BEGIN + i * MINUTE, (double)k + 1);
        test_write(t, rows, n);
        fer_clock_fake_advance(&t->clock, MINUTE);
    }
}

static int setup(void **state)
{
    test_db *t = fer_calloc(1, sizeof *t);
    test_db_init(t);
    t->clock.wall = BEGIN;
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

static void print_result(const promql_result *r, const syms *names, fer_buf *out)
{
    for (size_t i = 0; i < r->n_series; i++) {
        label l[8];
        for (uint32_t k = 0; k < r->series[i].n_labels; k++)
            l[k] = (label){syms_text(names, r->series[i].labels[k].name),
                           syms_text(names, r->series[i].labels[k].value)};
        fer_buf_puts(out, i == 0 ? STR("") : STR("; "));
        labels_print_metric(out, (labels){l, r->series[i].n_labels});
        fer_buf_printf(out, " %g", r->series[i].v[0]);
    }
}

/* "{job="x"} 2; ..." at a minute, or the error's text. */
static void expect_at(test_db *t, int minute, const char *text, const char *want)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    promql_limits limits = {0};
    query_ctx ctx = {.arena = a, .syms = syms_new(a)};
    promql_params p = {.text = str_of(text), .start_ms = BEGIN + minute * MINUTE};
    promql_result *r;
    fer_err err = {0};
    fer_buf out;
    fer_buf_init(&out, 1 << 16, NULL);
    assert_int_equal(promql_parse(p.text, &limits.features, a, &p.e, &err), FER_OK);
    if (promql_exec(&limits, tsdb_storage(t->db), &ctx, &p, &r, &err) == FER_OK)
        print_result(r, ctx.syms, &out);
    else
        fer_buf_puts(&out, str_of(err.msg));
    fer_buf_putc(&out, '\0');
    assert_string_equal(out.p, want);
    fer_buf_done(&out);
}

/* At a minute before which all series but f have ten samples in ten minutes. */
static void expect_all(test_db *t, int minute)
{
    static const char *const cases[][2] = {
        {"sum by (job) (count_over_time(a[10m]))", "{job=\"x\"} 20; {job=\"y\"} 10"},
        {"sum(count_over_time({__name__=~'a|b|c'}[10m]))", "{} 60"},
        {"sum by (job) (sum_over_time({__name__=~'a|b|c'}[10m]))",
         "{job=\"x\"} 90; {job=\"y\"} 70; {} 50"},
        {"sum without (pod) (sum_over_time({__name__=~'a|b|c'}[10m]))",
         "{job=\"x\"} 30; {job=\"y\"} 70; {} 50; {job=\"x\", zone=\"z\"} 60"},
        {"max by (job) (sum_over_time({__name__=~'a|b'}[10m]) * 2 > 30)",
         "{job=\"x\"} 40; {job=\"y\"} 80; {} 100"},
        {"quantile by (job) (1, sum_over_time({__name__=~'a|b'}[10m]))",
         "{job=\"x\"} 20; {job=\"y\"} 40; {} 50"},
        {"avg by (job) (-abs(sum_over_time(a[10m])))", "{job=\"x\"} -15; {job=\"y\"} -30"},
        {"count_values by (job) ('n', count_over_time(a[10m]))",
         "{job=\"x\", n=\"10\"} 2; {job=\"y\", n=\"10\"} 1"},
        /* two that are the same */
        {"sum by (job) (count_over_time({__name__=~'a|d'}[10m]))", SAME},
        {"sum(count_over_time({__name__=~'a|b|c|d'}[10m]))", SAME},
        {"sum without (pod) (count_over_time({__name__=~'a|d'}[10m]))", SAME},
        {"quantile by (pod) (0.5, count_over_time({__name__=~'a|d'}[10m]))", SAME},
        {"count(count_over_time({__name__=~'a|d'}[10m]) * 2 > 1)", SAME},
        {"count(count_over_time(e[10m]))", SAME},
        {"count(abs({__name__=~'a|d'}))", SAME},
        {"count_over_time({__name__=~'a|d'}[10m])", SAME},
        /* one of which has no samples in the range, or which keep their names */
        {"sum by (job) (count_over_time({__name__=~'a|f'}[10m]))",
         "{job=\"x\"} 20; {job=\"y\"} 10"},
        {"sum by (job) ({__name__=~'a|d'})", "{job=\"x\"} 11; {job=\"y\"} 10"},
        {"count by (__name__) (last_over_time({__name__=~'a|d'}[10m]))", "a 3; d 2"},
        {"count(count by (__type__) (e))", "{} 2"},
        {"count without (__type__) (last_over_time(e[10m]))", "{job=\"w\", pod=\"1\"} 2"},
        {"sum by (job) (a) / sum without (pod) (a)", "{job=\"x\"} 1; {job=\"y\"} 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_at(t, minute, cases[i][0], cases[i][1]);
}

static void in_the_head(void **state)
{
    test_db *t = *state;
    live(t, 0, MINUTES);
    expect_all(t, CUT_MINUTE + 4);
    test_db_reopen(t);
    expect_all(t, CUT_MINUTE + 4);
}

static void in_the_head_and_a_block(void **state)
{
    test_db *t = *state;
    tsdb_stats st;
    live(t, 0, MINUTES);
    assert_int_equal(tsdb_maintenance_step(t->db, &t->err), FER_OK);
    tsdb_stats_get(t->db, &st);
    assert_int_equal(st.blocks, 1);
    expect_all(t, CUT_MINUTE + 4); /* from both */
    expect_all(t, CUT_MINUTE + 60);
    expect_all(t, CUT_MINUTE - 10);
}

/* More series than are looked at ahead, some of them without a rate, and a clash at a distance. */
static void among_many(void **state)
{
    enum { MANY = 300, LIKE = 101 };
    test_db *t = *state;
    static char raw[MANY + 1][64];
    for (int i = 0; i < MANY; i++)
        snprintf(raw[i], sizeof raw[i], "__name__=m%d,job=j%d,pod=%d", i % 7, i % 3, i);
    snprintf(raw[MANY], sizeof raw[MANY], "__name__=like,job=j%d,pod=%d", LIKE % 3, LIKE);
    for (int minute = 0; minute < 10; minute++) {
        tsdb_row rows[MANY + 1];
        size_t n = 0;
        for (int i = 0; i <= MANY; i++)
            if (minute == 0 || i % 5 != LIKE % 5)
                rows[n++] = test_row(t, raw[i], BEGIN + minute * MINUTE, 1);
        test_write(t, rows, n);
        fer_clock_fake_advance(&t->clock, MINUTE);
    }
    expect_at(t, 9, "count(delta({__name__=~'m.*'}[10m]))", "{} 240");
    expect_at(t, 9, "count(count_over_time({__name__=~'m.*'}[11m]))", "{} 300");
    expect_at(t, 9, "count(count_over_time({__name__=~'m.*|like'}[11m]))", SAME);
    expect_at(t, 9, "count(delta({__name__=~'m.*|like'}[10m]))", "{} 241");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(in_the_head, setup, teardown),
        cmocka_unit_test_setup_teardown(in_the_head_and_a_block, setup, teardown),
        cmocka_unit_test_setup_teardown(among_many, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "promql/promqltest/promqltest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "promql/parse.h"
#include "promql/promqltest/variants.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- runs ---- */

typedef struct reports {
    fer_buf failed, skipped;
} reports;

static void note_failure(void *arg, uint32_t line, fer_str query, const char *msg)
{
    reports *r = arg;
    fer_buf_printf(&r->failed, "%u %.*s: %s\n", line, STR_FMT(query), msg);
}

static void note_skip(void *arg, uint32_t line, fer_str query, const char *reason)
{
    reports *r = arg;
    fer_buf_printf(&r->skipped, "%u %.*s: %s\n", line, STR_FMT(query), reason);
}

static void assert_run(const char *text, const char *score, const char *failed, const char *skipped)
{
    reports r;
    fer_buf_init(&r.failed, 10000, NULL);
    fer_buf_init(&r.skipped, 10000, NULL);
    const promqltest_options o = {.failed = note_failure, .skipped = note_skip, .arg = &r};
    promqltest_score s;
    fer_err err = {0};
    if (promqltest_run(str_of(text), &o, &s, &err) != FER_OK)
        fail_msg("%s", err.msg);
    fer_buf b;
    fer_buf_init(&b, 10000, NULL);
    promqltest_print(&b, &s);
    fer_buf_putc(&b, '\0');
    fer_buf_putc(&r.failed, '\0');
    fer_buf_putc(&r.skipped, '\0');
    assert_string_equal(r.failed.p, failed);
    assert_string_equal(r.skipped.p, skipped);
    assert_string_equal(b.p, score);
    fer_buf_done(&b);
    fer_buf_done(&r.failed);
    fer_buf_done(&r.skipped);
}

static void right_expectations_pass(void **state)
{
    (void)state;
    assert_run("load 1m\n a{b=\"c\"} 1 2 3\n\n"
               "eval instant at 2m a\n a{b=\"c\"} 3\n\n"
               "eval range from 0 to 2m step 1m a + 1\n {b=\"c\"} 2 3 4\n\n"
               "eval instant at 0 1 + 1\n 2\n\n"
               "clear\neval instant at 2m a\n",
               "4/4 passed, 0 failed, 0 skipped", "", "");
}

static void wrong_expectations_fail(void **state)
{
    (void)state;
    assert_run("load 1m\n a 1 2 3\n\n"
               "eval instant at 2m a\n a 4\n\n"
               "eval range from 0 to 2m step 1m a\n a 1 2\n\n"
               "eval instant at 2m a\n b 3\n\n"
               "eval instant at 2m a\n\n"
               "eval instant at 2m a\n expect warn\n a 3\n\n"
               "eval instant at 2m a\n expect fail\n\n"
               "eval instant at 2m a +\n a 3\n\n"
               "eval instant at 2m time()\n 119\n\n"
               "eval instant at 2m a\n a 3\n",
               "1/9 passed, 8 failed, 0 skipped",
               "4 a: a: expected 4, got 3\n"
               "7 a: a: values at other times than expected: 1@0 2@60000 3@120000\n"
               "10 a: unexpected series a with 3@120000\n"
               "13 a: unexpected series a with 3@120000\n"
               "15 a: expected warning, got none\n"
               "19 a: an error was expected, the query went well\n"
               "22 a +: error: 1:4: parse error: unexpected end of input\n"
               "25 time(): expected scalar 119, got 120\n",
               "");
}

static void expected_failures_pass(void **state)
{
    (void)state;
    assert_run(
        "load 1m\n a{i=\"1\"} 1\n a{i=\"2\"} 1\n\n"
        "eval instant at 0 a + on () a\n expect fail regex: many-to-many\n\n"
        "eval_fail range from 0 to 1m step 1m label_replace(a, \"i\", \"\", \"\", \"\")\n\n"
        "eval instant at 0 a +\n expect fail msg: 1:4: parse error: unexpected end of input\n\n"
        "eval instant at 0 a + on () vector(1)\n expect fail msg: other\n",
        "3/4 passed, 1 failed, 0 skipped",
        "13 a + on () vector(1): another error than expected: multiple matches for labels: "
        "many-to-one matching must be explicit (group_left/group_right)\n",
        "");
}

static void histograms_are_compared_as_floats_are(void **state)
{
    (void)state;
    assert_run("load 1m\n h {{count:1 sum:2 buckets:[1]}}x5\n f 1x5\n\n"
               "eval instant at 2m h\n h {{count:1 sum:2 buckets:[1]}}\n\n"
               "eval instant at 2m h\n h {{count:1 sum:2 buckets:[2]}}\n\n"
               "eval instant at 2m f\n f {{count:1}}\n\n"
               "eval instant at 2m h\n h 1\n",
               "1/4 passed, 3 failed, 0 skipped",
               "8 h: h: expected {{schema:0 count:1 sum:2 buckets:[2]}}, got {{schema:0 count:1 "
               "sum:2 counter_reset_hint:not_reset buckets:[1]}}\n"
               "11 f: f: expected {{schema:0 count:1}}, got 1\n"
               "14 h: h: expected 1, got {{schema:0 count:1 sum:2 counter_reset_hint:not_reset "
               "buckets:[1]}}\n",
               "");
}

static void a_wrong_script_is_told_and_what_ran_is_counted(void **state)
{
    (void)state;
    const promqltest_options o = {0};
    promqltest_score s;
    fer_err err;
    assert_int_equal(
        promqltest_run(STR("eval instant at 0 1\n 1\n\neval instant at 0 1\n 2\n\nfoo\n"), &o, &s,
                       &err),
        FER_INVALID);
    assert_string_equal(err.msg, "line 7: unknown command \"foo\"");
    assert_int_equal(s.passed, 1);
    assert_int_equal(s.failed, 1);
}

static void scores_add_up(void **state)
{
    (void)state;
    promqltest_score a = {10, 5, 2, 3, {{"x", 1}, {"y", 2}}, 2};
    const promqltest_score b = {4, 1, 1, 2, {{"y", 1}, {"z", 1}}, 2};
    promqltest_add(&a, &b);
    fer_buf text;
    fer_buf_init(&text, 1000, NULL);
    promqltest_print(&text, &a);
    fer_buf_putc(&text, '\0');
    assert_string_equal(text.p, "6/14 passed, 3 failed, 5 skipped (x: 1, y: 3, z: 1)");
    fer_buf_done(&text);

    for (int i = 0; i < 2 * PROMQLTEST_REASONS_MAX; i++) {
        promqltest_score more = {.n_reasons = 1, .reasons = {{"", 1}}};
        snprintf(more.reasons[0].text, PROMQLTEST_REASON_BYTES_MAX, "reason %d", i);
        promqltest_add(&a, &more);
    }
    assert_int_equal(a.n_reasons, PROMQLTEST_REASONS_MAX);
    assert_string_equal(a.reasons[PROMQLTEST_REASONS_MAX - 1].text, "other");
}

/* ---- variants ---- */

static expr *parse(fer_arena *a, const char *text)
{
    const promql_features all = {true, true, true, true, true, true, true};
    expr *e;
    fer_err err = {0};
    if (promql_parse(str_of(text), &all, a, &e, &err) != FER_OK)
        fail_msg("%s: %s", text, err.msg);
    return e;
}

static void fixing_the_time_sets_what_is_free(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out; /* NULL: the query tells the time */
    } t[] = {
        {"a", "a @ 5.000"},
        {"a @ 7", "a @ 7.000"},
        {"sum(a offset 1m) + count_over_time(b[1m])",
         "sum(a @ 5.000 offset 1m) + count_over_time(b[1m] @ 5.000)"},
        {"max_over_time(a[1m:10s])", "max_over_time(a[1m:10s] @ 5.000)"},
        {"max_over_time((a @ 3)[1m:10s] @ 7)", "max_over_time((a @ 3.000)[1m:10s] @ 7.000)"},
        {"topk(scalar(a), b)", "topk(scalar(a @ 5.000), b @ 5.000)"},
        {"time() + a", NULL},
        {"sum(hour(a))", NULL},
        {"max_over_time(timestamp(a)[1m:])", NULL},
        {"-(a)", "-(a @ 5.000)"},
    };
    for (size_t i = 0; i < COUNT(t); i++) {
        FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
        expr *e = parse(a, t[i].in);
        assert_int_equal(expr_fix_time(e, 5000), t[i].out != NULL);
        if (t[i].out == NULL)
            continue;
        fer_buf b;
        fer_buf_init(&b, 1000, NULL);
        promql_print(&b, e);
        fer_buf_putc(&b, '\0');
        assert_string_equal(b.p, t[i].out);
        fer_buf_done(&b);
    }
}

static void dependence_on_the_range_is_seen(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        bool depends;
    } t[] = {
        {"a @ start()", true},
        {"count_over_time(a[1m] @ end())", true},
        {"sum_over_time(a[step()])", true},
        {"a offset (range() / 2)", true},
        {"max_over_time(a[5m:step() * 2])", true},
        {"vector(end())", true},
        {"sum_over_time(a[1m + 1s])", false},
        {"time() + a @ 5 offset 3m", false},
    };
    for (size_t i = 0; i < COUNT(t); i++) {
        FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
        if (expr_depends_on_range(parse(a, t[i].query)) != t[i].depends)
            fail_msg("%s", t[i].query);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_expectations_pass),
        cmocka_unit_test(wrong_expectations_fail),
        cmocka_unit_test(expected_failures_pass),
        cmocka_unit_test(histograms_are_compared_as_floats_are),
        cmocka_unit_test(a_wrong_script_is_told_and_what_ran_is_counted),
        cmocka_unit_test(scores_add_up),
        cmocka_unit_test(fixing_the_time_sets_what_is_free),
        cmocka_unit_test(dependence_on_the_range_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

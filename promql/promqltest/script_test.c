#include "promql/promqltest/script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

typedef struct fixture {
    fer_arena *a;
    script s;
} fixture;

static const command *read_one(fixture *f, const char *text)
{
    fer_err err = {0};
    f->a = fer_arena_new(NULL, 0);
    if (script_parse(str_of(text), f->a, &f->s, &err) != FER_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(f->s.n, 1);
    return &f->s.v[0];
}

static void assert_str(fer_str got, const char *want)
{
    if (!str_eq(got, str_of(want)))
        fail_msg("got %.*s, expected %s", STR_FMT(got), want);
}

static void commands_are_read_in_order(void **state)
{
    (void)state;
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    script s;
    assert_int_equal(script_parse(STR("# a comment\n\nload 5m\n\ta 1 2\n  b{c=\"d\"}\t0+1x3\r\n\n"
                                      "eval instant at 1m a\n\ta 1\n\nclear\n  load_with_nhcb 30s\n"
                                      "\tx_bucket{le=\"1\"} 1\n"
                                      "eval_is_inside_the_load 1\n\n"
                                      "eval range from 0 to 1m30s step 30s sum by (c) (a)"),
                                  a, &s, NULL),
                     FER_OK);
    assert_int_equal(s.n, 5);
    assert_int_equal(s.v[0].kind, COMMAND_LOAD);
    assert_int_equal(s.v[0].line, 3);
    assert_int_equal(s.v[0].load.step_ms, 300000);
    assert_int_equal(s.v[0].load.n_series, 2);
    assert_int_equal(s.v[0].load.series[1].line, 5);
    assert_int_equal(s.v[0].load.series[1].values.n, 4);
    assert_str(labels_get(s.v[0].load.series[1].metric, STR("c")), "d");
    assert_false(s.v[0].load.with_nhcb);
    assert_int_equal(s.v[1].kind, COMMAND_EVAL);
    assert_int_equal(s.v[2].kind, COMMAND_CLEAR);
    assert_true(s.v[3].load.with_nhcb);
    assert_int_equal(s.v[3].load.n_series, 2);
    assert_true(s.v[4].eval.range);
    assert_int_equal(s.v[4].eval.time.end_ms, 90000);
    assert_int_equal(s.v[4].eval.time.step_ms, 30000);
    assert_str(s.v[4].eval.query, "sum by (c) (a)");
}

static void a_comment_ends_a_block(void **state)
{
    (void)state;
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    script s;
    fer_err err;
    assert_int_equal(script_parse(STR("load 1m\n a 1\n # so b stands alone\n b 1\n"), a, &s, &err),
                     FER_INVALID);
    assert_string_equal(err.msg, "line 4: unknown command \"b\"");
    assert_int_equal(s.n, 1);
}

static void the_last_line_of_a_series_counts(void **state)
{
    (void)state;
    fixture f;
    const load_command *c = &read_one(&f, "load 1m\n a 1 2\n b 1\n a 3\n")->load;
    assert_int_equal(c->n_series, 2);
    assert_int_equal(c->series[0].values.n, 1);
    assert_true(c->series[0].values.v[0].v == 3);
    fer_arena_free(f.a);
}

static void start_timestamps_stand_beside_their_series(void **state)
{
    (void)state;
    fixture f;
    const load_command *c = &read_one(&f, "load 1m\n a{b=\"c\"}@st -1mx1\n a{b=\"c\"} 1 2\n")->load;
    assert_int_equal(c->n_series, 1);
    assert_int_equal(c->n_starts, 1);
    assert_int_equal(c->starts[0].offsets.n, 2);
    assert_true(labels_eq(c->starts[0].metric, c->series[0].metric));
    fer_arena_free(f.a);
}

static void expected_results_are_read(void **state)
{
    (void)state;
    fixture f;
    const eval_command *e = &read_one(&f, "eval instant at 10s  foo or bar\n expect ordered\n"
                                          " {a=\"1\", empty=\"\"} 3\n foo {{count:2}}\n")
                                 ->eval;
    assert_int_equal(e->time.start_ms, 10000);
    assert_str(e->query, "foo or bar");
    assert_true(e->ordered);
    assert_int_equal(e->n_series, 2);
    assert_int_equal(e->series[0].metric.n, 1);
    assert_true(e->series[1].values.v[0].h->count == 2);
    fer_arena_free(f.a);

    e = &read_one(&f, "eval instant at 0 1\n -1.5e3\n")->eval;
    assert_true(e->has_scalar && e->scalar == -1500);
    fer_arena_free(f.a);

    e = &read_one(&f, "eval instant at 0 \"a\"\n expect string \"a\\n\"\n")->eval;
    assert_true(e->has_string);
    assert_str(e->string, "a\n");
    fer_arena_free(f.a);

    e = &read_one(&f, "eval instant at 1m x[1m]\n"
                      " expect range vector from 10s to 1m step 10s\n x 1 _ 3\n")
             ->eval;
    assert_true(e->has_range_vector);
    assert_int_equal(e->range_vector.start_ms, 10000);
    assert_int_equal(e->series[0].values.n, 3);
    fer_arena_free(f.a);
}

static void expectations_compare_texts_or_search_them(void **state)
{
    (void)state;
    fixture f;
    const eval_command *e =
        &read_one(&f, "eval instant at 0 x\n expect warn msg: a warning (1:1)\n"
                      " expect warn regex: w[a-z]+g\n expect no_info\n expect fail\n")
             ->eval;
    size_t at = 0;
    const expectation *x = eval_expectation(e, EXPECT_WARN, &at);
    assert_true(expectation_met(x, STR("a warning (1:1)")));
    assert_false(expectation_met(x, STR("a warning")));
    x = eval_expectation(e, EXPECT_WARN, &at);
    assert_true(expectation_met(x, STR("some warning\nmore")));
    assert_false(expectation_met(x, STR("none")));
    assert_null(eval_expectation(e, EXPECT_WARN, &at));
    assert_true(eval_expects(e, EXPECT_NO_INFO));
    assert_true(eval_expects(e, EXPECT_FAIL));
    assert_false(eval_expects(e, EXPECT_INFO));
    fer_arena_free(f.a);
}

static void older_forms_mean_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        expect_kind kind;
    } t[] = {{"eval_fail instant at 0 x", EXPECT_FAIL},
             {"eval_warn range from 0 to 1s step 1s x", EXPECT_WARN},
             {"eval_info instant at 0 x", EXPECT_INFO}};
    fixture f;
    for (size_t i = 0; i < COUNT(t); i++) {
        assert_true(eval_expects(&read_one(&f, t[i].text)->eval, t[i].kind));
        fer_arena_free(f.a);
    }
    assert_true(read_one(&f, "eval_ordered instant at 0 x")->eval.ordered);
    fer_arena_free(f.a);

    const eval_command *e =
        &read_one(&f, "eval_fail instant at 0 x\n expected_fail_message too bad\n"
                      " expected_fail_regexp b.d$\n")
             ->eval;
    size_t at = 0;
    while (true) {
        const expectation *x = eval_expectation(e, EXPECT_FAIL, &at);
        if (x == NULL)
            break;
        assert_true(expectation_met(x, STR("too bad")));
    }
    assert_int_equal(e->n_expect, 3);
    fer_arena_free(f.a);
}

static void wrong_scripts_are_told_by_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *msg;
    } t[] = {
        {"foo", "line 1: unknown command \"foo\""},
        {"\nclear all", "line 2: unknown command \"clear\""},
        {"load", "line 1: empty duration string"},
        {"load 5x", "line 1: unknown unit \"x\" in duration \"5x\""},
        {"load 0s", "line 1: the step of a load must be above 0"},
        {"load 1m\n a{b=\"c\" 1", "line 2: labels are not closed: a{b=\"c\" 1"},
        {"load 1m\n a 1 x", "line 2: bad value \"x\""},
        {"eval at 1m x", "line 1: expected: eval instant or eval range"},
        {"eval_foo instant at 1m x", "line 1: unknown command \"eval_foo\""},
        {"eval instant at 1m", "line 1: eval without a query"},
        {"eval range from 1m to 0s step 1s x", "line 1: the range ends before it begins"},
        {"eval range from 0 to 1m step 0s x", "line 1: the step must be above 0"},
        {"eval range from 0 step 0s x", "line 1: expected: to <time> step <duration>"},
        {"eval instant at 0 x\n x", "line 2: expected series without values"},
        {"eval instant at 0 x\n x 1 2", "line 2: an instant query gives one value a series"},
        {"eval instant at 0 x\n x@st 0", "line 2: start timestamps can only be loaded"},
        {"eval instant at 0 x\n expect luck", "line 2: unknown expectation \"luck\""},
        {"eval instant at 0 x\n expect warn text",
         "line 2: expected msg: or regex:, found \"text\""},
        {"eval instant at 0 x\n expect no_warn msg:x", "line 2: unexpected \"msg:x\""},
        {"eval instant at 0 x\n expect string 5", "line 2: expected a quoted string, found 5"},
    };
    for (size_t i = 0; i < COUNT(t); i++) {
        FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
        script s;
        fer_err err = {0};
        if (script_parse(str_of(t[i].text), a, &s, &err) == FER_OK)
            fail_msg("accepted: %s", t[i].text);
        assert_string_equal(err.msg, t[i].msg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_read_in_order),
        cmocka_unit_test(a_comment_ends_a_block),
        cmocka_unit_test(the_last_line_of_a_series_counts),
        cmocka_unit_test(start_timestamps_stand_beside_their_series),
        cmocka_unit_test(expected_results_are_read),
        cmocka_unit_test(expectations_compare_texts_or_search_them),
        cmocka_unit_test(older_forms_mean_the_same),
        cmocka_unit_test(wrong_scripts_are_told_by_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

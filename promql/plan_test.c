/* plan_test.c - what the plan finds out before a query runs. */
#include "promql/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

typedef struct fixture {
    fer_arena *a;
    promql_features features;
    plan_times t;
    fer_err err;
} fixture;

static int setup(void **state)
{
    fixture *f = fer_calloc(1, sizeof *f);
    f->a = fer_arena_new(NULL, 0);
    f->features = (promql_features){.experimental_functions = true};
    f->t = (plan_times){
        .start_ms = 100000, .end_ms = 400000, .step_ms = 30000, .default_subquery_step_ms = 60000};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    fer_arena_free(f->a);
    fer_free(f);
    return 0;
}

static plan *prepare(fixture *f, const char *text)
{
    expr *e;
    plan *p;
    assert_int_equal(promql_parse(str_of(text), &f->features, f->a, &e, &f->err), FER_OK);
    if (promql_prepare(e, &f->t, f->a, &p, &f->err) != FER_OK)
        return NULL;
    return p;
}

static void parts_that_stand_still_are_found_at_their_top(void **state)
{
    fixture *f = *state;
    assert_true(prepare(f, "x @ 10")->once);
    assert_true(prepare(f, "sum(rate(x[5m] @ start())) * 2")->once);
    assert_true(prepare(f, "vector(1)")->once);
    assert_false(prepare(f, "x")->once);
    assert_false(prepare(f, "1")->once); /* a number needs no saving */

    plan *p = prepare(f, "x + (y @ 10 * 2)");
    assert_false(p->once);
    assert_false(p->args[0]->once);
    assert_true(p->args[1]->once);
    assert_false(p->args[1]->args[0]->once); /* its parent is */
}

static void functions_of_time_do_not_stand_still(void **state)
{
    fixture *f = *state;
    assert_false(prepare(f, "time()")->invariant);
    assert_false(prepare(f, "hour(x @ 10)")->invariant);
    assert_true(prepare(f, "hour(x @ 10)")->args[0]->once);
    assert_false(prepare(f, "predict_linear(x[5m] @ 10, 60)")->invariant);
    assert_true(prepare(f, "timestamp(x @ 10)")->once);
    assert_false(prepare(f, "timestamp(abs(x @ 10))")->invariant);
}

static void the_inside_of_a_subquery_is_evaluated_once_when_it_can_be(void **state)
{
    fixture *f = *state;
    plan *p = prepare(f, "sum_over_time((x @ 10)[5m:1m])");
    assert_false(p->once);
    assert_int_equal(p->args[0]->kind, EXPR_SUBQUERY);
    assert_true(p->args[0]->args[0]->once);
}

static void times_of_the_query_become_numbers(void **state)
{
    fixture *f = *state;
    assert_true(prepare(f, "start()")->number == 100);
    assert_true(prepare(f, "end()")->number == 400);
    assert_true(prepare(f, "range()")->number == 300);
    assert_true(prepare(f, "step()")->number == 30);
    f->t.end_ms = f->t.start_ms;
    assert_true(prepare(f, "step()")->number == 0);
    assert_int_equal(prepare(f, "x @ end()")->at_ms, 100000);
}

static void durations_are_worked_out(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *text;
        int64_t range, offset, step;
    } cases[] = {
        {"rate(x[5m] offset 1m)", 300000, 60000, 0},
        {"rate(x[5m + step()])", 330000, 0, 0},
        {"rate(x[range() / 2] offset -step())", 150000, -30000, 0},
        {"rate(x[max_of(1m, step())])", 60000, 0, 0},
        {"rate(x[2 ^ 3 % 5])", 3000, 0, 0},
        {"rate(x[5m:])", 300000, 0, 60000},
        {"rate(x[5m:step()*2] offset (1m - 90s))", 300000, -30000, 60000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        plan *p = prepare(f, cases[i].text);
        assert_non_null(p);
        assert_int_equal(p->args[0]->range_ms, cases[i].range);
        assert_int_equal(p->args[0]->offset_ms, cases[i].offset);
        assert_int_equal(p->args[0]->step_ms, cases[i].step);
    }
}

static void impossible_durations_are_refused_with_their_place(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *text, *err;
    } cases[] = {
        {"rate(x[step() - 1m])", "7:18: duration must be greater than 0"},
        {"rate(x[1m / (step() - 30)])", "7:25: division by zero"},
        {"rate(x[1m % (step() - 30)])", "7:25: modulo by zero"},
        {"rate(x[step() ^ 100])", "7:19: duration is out of range"},
        {"rate(x[step() ^ 1000])", "7:20: duration is NaN or infinite"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(prepare(f, cases[i].text));
        assert_int_equal(f->err.code, FER_INVALID);
        assert_string_equal(f->err.msg, cases[i].err);
    }
}

static void selectors_know_the_function_around_them(void **state)
{
    fixture *f = *state;
    plan *p = prepare(f, "sum(rate(x[5m])) + y");
    assert_true(str_eq(p->args[0]->args[0]->args[0]->hint_func, STR("rate")));
    assert_true(str_eq(p->args[1]->hint_func, STR("")));
    assert_true(str_eq(prepare(f, "sum((x))")->args[0]->hint_func, STR("sum")));
}

static void seconds_are_rounded_as_go_rounds_them(void **state)
{
    assert_true(ms_to_seconds(300000) == 300);
    assert_true(ms_to_seconds(1500) == 1.5);
    assert_true(ms_to_seconds(1100) == 1 + 0.1);
    assert_true(ms_to_seconds(-1500) == -1.5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(parts_that_stand_still_are_found_at_their_top),
        TEST(functions_of_time_do_not_stand_still),
        TEST(the_inside_of_a_subquery_is_evaluated_once_when_it_can_be),
        TEST(times_of_the_query_become_numbers),
        TEST(durations_are_worked_out),
        TEST(impossible_durations_are_refused_with_their_place),
        TEST(selectors_know_the_function_around_them),
        TEST(seconds_are_rounded_as_go_rounds_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

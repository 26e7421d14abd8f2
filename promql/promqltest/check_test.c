#include "promql/promqltest/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { SERIES_MAX = 4, POINTS_MAX = 4 };

/* A result written by hand: series{a="<letter>"}, times a minute apart. */
typedef struct fixture {
    fer_arena *a;
    syms *syms;
    label_id ids[SERIES_MAX][2];
    int64_t t[SERIES_MAX][POINTS_MAX];
    double v[SERIES_MAX][POINTS_MAX];
    result_series series[SERIES_MAX];
    promql_result r;
} fixture;

static int set_up(void **state)
{
    static fixture f;
    memset(&f, 0, sizeof f);
    f.a = fer_arena_new(NULL, 0);
    f.syms = syms_new(f.a);
    f.r.series = f.series;
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    fer_arena_free(f->a);
    return 0;
}

static void add_series(fixture *f, char letter, const char *values)
{
    size_t i = f->r.n_series++;
    f->ids[i][0] =
        (label_id){syms_intern(f->syms, STR("__name__")), syms_intern(f->syms, STR("s"))};
    f->ids[i][1] =
        (label_id){syms_intern(f->syms, STR("a")), syms_intern(f->syms, (fer_str){&letter, 1})};
    seq s;
    assert_int_equal(notation_values(str_of(values), f->a, &s, NULL), FER_OK);
    uint32_t n = 0;
    for (size_t k = 0; k < s.n; k++) {
        if (!s.v[k].present)
            continue;
        f->t[i][n] = (int64_t)k * 60000;
        f->v[i][n++] = s.v[k].v;
    }
    f->series[i] = (result_series){f->ids[i], 2, n, f->t[i], f->v[i], NULL};
}

static const eval_command *eval_of(fixture *f, const char *text)
{
    script s;
    fer_err err = {0};
    if (script_parse(str_of(text), f->a, &s, &err) != FER_OK)
        fail_msg("%s", err.msg);
    return &s.v[0].eval;
}

static void assert_result(fixture *f, const char *text, const char *msg)
{
    fer_err err = {0};
    fer_code code = check_result(eval_of(f, text), &f->r, f->syms, &err);
    assert_string_equal(err.msg, msg);
    assert_int_equal(code, msg[0] == '\0' ? FER_OK : FER_INVALID);
}

static void vectors_are_sets_unless_ordered(void **state)
{
    fixture *f = *state;
    f->r.type = VALUE_VECTOR;
    add_series(f, 'x', "1");
    add_series(f, 'b', "2");
    assert_result(f, "eval instant at 0 q\n s{a=\"b\"} 2\n s{a=\"x\"} 1.0000001", "");
    assert_result(f, "eval instant at 0 q\n expect ordered\n s{a=\"x\"} 1\n s{a=\"b\"} 2", "");
    assert_result(f, "eval instant at 0 q\n expect ordered\n s{a=\"b\"} 2\n s{a=\"x\"} 1",
                  "s{a=\"x\"}: expected at position 2, was at 1");
    assert_result(f, "eval instant at 0 q\n s{a=\"b\"} 2", "unexpected series s{a=\"x\"} with 1@0");
    assert_result(f, "eval instant at 0 q\n s{a=\"b\"} 2\n s{a=\"x\"} 1\n {} 1",
                  "missing series {}");
    assert_result(f, "eval instant at 0 q\n s{a=\"b\"} 3\n s{a=\"x\"} 1",
                  "s{a=\"b\"}: expected 3, got 2");
    assert_result(f, "eval instant at 0 q\n s{a=\"b\"} {{count:1}}\n s{a=\"x\"} 1",
                  "s{a=\"b\"}: expected {{schema:0 count:1}}, got 2");
    assert_result(f, "eval instant at 0 q\n 5", "expected a scalar, got a vector");
}

static void a_series_twice_in_a_result_is_wrong(void **state)
{
    fixture *f = *state;
    f->r.type = VALUE_VECTOR;
    add_series(f, 'x', "1");
    add_series(f, 'x', "1");
    assert_result(f, "eval instant at 0 q\n s{a=\"x\"} 1",
                  "series twice in the result: s{a=\"x\"} with 1@0");
}

static void matrices_have_their_values_at_their_times(void **state)
{
    fixture *f = *state;
    f->r.type = VALUE_MATRIX;
    add_series(f, 'b', "1 _ 3");
    add_series(f, 'x', "4 5 6");
    assert_result(f, "eval range from 0 to 2m step 1m q\n s{a=\"x\"} 4 5 6\n s{a=\"b\"} 1 _ 3", "");
    assert_result(f, "eval range from 0 to 2m step 1m q\n s{a=\"x\"} 4 5 6\n s{a=\"b\"} 1 3",
                  "s{a=\"b\"}: values at other times than expected: 1@0 3@120000");
    assert_result(f, "eval range from 0 to 2m step 1m q\n s{a=\"x\"} 4 5 7\n s{a=\"b\"} 1 _ 3",
                  "s{a=\"x\"}: expected 7, got 6 at 120000 ms");
    assert_result(f, "eval range from 0 to 1m step 1m q\n s{a=\"x\"} 4 5 6\n s{a=\"b\"} 1 _ 3",
                  "3 values expected, more than the range has steps");
    assert_result(f,
                  "eval instant at 2m q[2m1ms]\n expect range vector from 0 to 2m step 1m\n"
                  " s{a=\"x\"} 4 5 6\n s{a=\"b\"} 1 _ 3",
                  "");
}

static void an_unsorted_matrix_is_wrong(void **state)
{
    fixture *f = *state;
    f->r.type = VALUE_MATRIX;
    add_series(f, 'x', "4");
    add_series(f, 'b', "1");
    assert_result(f, "eval range from 0 to 0 step 1m q\n s{a=\"x\"} 4\n s{a=\"b\"} 1",
                  "the series of the matrix are not sorted by labels");
}

static void scalars_and_strings_compare(void **state)
{
    fixture *f = *state;
    f->r.type = VALUE_SCALAR;
    f->r.scalar = 2.5;
    assert_result(f, "eval instant at 0 q\n 2.5", "");
    assert_result(f, "eval instant at 0 q\n 2", "expected scalar 2, got 2.5");
    f->r.type = VALUE_STRING;
    f->r.string = STR("x");
    assert_result(f, "eval instant at 0 q\n expect string \"x\"", "");
    assert_result(f, "eval instant at 0 q\n expect string \"y\"",
                  "expected string \"y\", got \"x\"");
}

static void a_step_of_a_range_query_is_compared_without_order(void **state)
{
    fixture *f = *state;
    f->r.type = VALUE_MATRIX;
    add_series(f, 'b', "1 _ 3");
    add_series(f, 'x', "4 5 6");
    fer_err err = {0};
    const eval_command *e =
        eval_of(f, "eval instant at 1m q\n expect ordered\n s{a=\"x\"} 6\n s{a=\"b\"} 3");
    assert_int_equal(check_step(e, &f->r, 120000, f->syms, &err), FER_OK);
    assert_int_equal(check_step(e, &f->r, 60000, f->syms, &err), FER_INVALID);
    assert_string_equal(err.msg, "s{a=\"x\"}: expected 6, got 5");

    f->r.n_series = 0;
    e = eval_of(f, "eval instant at 1m q\n 5");
    assert_int_equal(check_step(e, &f->r, 60000, f->syms, &err), FER_INVALID);
    add_series(f, 'x', "4 5 6");
    f->series[0].n_labels = 0;
    assert_int_equal(check_step(e, &f->r, 60000, f->syms, &err), FER_OK);
}

static void assert_annotations(fixture *f, const char *text, const char *msg)
{
    fer_err err = {0};
    fer_code code = check_annotations(eval_of(f, text), &f->r, &err);
    assert_string_equal(err.msg, msg);
    assert_int_equal(code, msg[0] == '\0' ? FER_OK : FER_INVALID);
}

static void annotations_are_compared_where_expected(void **state)
{
    fixture *f = *state;
    assert_annotations(f, "eval instant at 0 q\n expect no_warn\n expect no_info", "");
    assert_annotations(f, "eval instant at 0 q\n expect warn", "expected warning, got none");
    assert_int_equal(str_list_add(&f->r.warnings, f->a, STR("one (1:1)"), NULL), FER_OK);
    assert_int_equal(str_list_add(&f->r.warnings, f->a, STR("two (1:1)"), NULL), FER_OK);
    assert_annotations(f, "eval instant at 0 q", "");
    assert_annotations(f, "eval instant at 0 q\n expect warn\n expect no_info", "");
    assert_annotations(f, "eval instant at 0 q\n expect no_warn", "unexpected warning: one (1:1)");
    assert_annotations(f, "eval instant at 0 q\n expect warn msg: one (1:1)",
                       "unexpected warning: two (1:1)");
    assert_annotations(f,
                       "eval instant at 0 q\n expect warn msg: one (1:1)\n"
                       " expect warn regex: two",
                       "");
    assert_annotations(f, "eval instant at 0 q\n expect warn regex: three",
                       "warning expected, got another: one (1:1)");
    assert_annotations(f, "eval instant at 0 q\n expect info", "expected info, got none");
}

static void failures_are_compared_with_their_text(void **state)
{
    fixture *f = *state;
    fer_err err = {0};
    const char *query = "eval instant at 0 q\n expect fail msg: too bad\n expect fail regex: b.d";
    assert_int_equal(check_failure(eval_of(f, query), "too bad", &err), FER_OK);
    assert_int_equal(check_failure(eval_of(f, query), "bad", &err), FER_INVALID);
    assert_string_equal(err.msg, "another error than expected: bad");
    assert_int_equal(check_failure(eval_of(f, "eval instant at 0 q\n expect fail"), "bad", &err),
                     FER_OK);
    assert_int_equal(check_failure(eval_of(f, "eval instant at 0 q"), "bad", &err), FER_INVALID);
    assert_string_equal(err.msg, "error: bad");
}

#define WITH_FIXTURE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(vectors_are_sets_unless_ordered),
        WITH_FIXTURE(a_series_twice_in_a_result_is_wrong),
        WITH_FIXTURE(matrices_have_their_values_at_their_times),
        WITH_FIXTURE(an_unsorted_matrix_is_wrong),
        WITH_FIXTURE(scalars_and_strings_compare),
        WITH_FIXTURE(a_step_of_a_range_query_is_compared_without_order),
        WITH_FIXTURE(annotations_are_compared_where_expected),
        WITH_FIXTURE(failures_are_compared_with_their_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

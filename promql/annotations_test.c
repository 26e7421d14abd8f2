/* annotations_test.c - one annotation a text, at the place evaluated last. */
#include "promql/annotations.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define QUERY "rate(a[5m])\n  + rate(b[5m])"

static const expr nothing = {.kind = EXPR_CALL};

static void the_same_text_is_one_annotation(void **state)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    annotations *an = annotations_new(a);
    plan first = {.e = &nothing, .pos = {0, 11}, .order = 1};
    plan second = {.e = &nothing, .pos = {16, 27}, .order = 2};
    str_list warnings = {0}, infos = {0};
    fer_err err;
    /* Found in the other order than evaluated. */
    assert_int_equal(annotations_add(an, ANNO_INFO, &second, &second, &err, "about %d", 1), FER_OK);
    assert_int_equal(annotations_add(an, ANNO_INFO, &first, &first, &err, "about %d", 1), FER_OK);
    assert_int_equal(annotations_add(an, ANNO_WARNING, &first, &first, &err, "about %d", 1),
                     FER_OK);
    assert_int_equal(annotations_texts(an, STR(QUERY), a, &warnings, &infos, &err), FER_OK);
    assert_int_equal(infos.n, 1);
    assert_true(str_eq(infos.v[0], STR("PromQL info: about 1 (2:5)")));
    assert_int_equal(warnings.n, 1);
    assert_true(str_eq(warnings.v[0], STR("PromQL warning: about 1 (1:1)")));
    fer_arena_free(a);
}

static void monotonic_fixes_are_summed_up(void **state)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    annotations *an = annotations_new(a);
    plan p = {.e = &nothing, .pos = {0, 11}};
    str_list warnings = {0}, infos = {0};
    fer_err err;
    anno_monotonic m = {
        .min_ms = 60000, .max_ms = 60000, .min_bucket = 2, .max_bucket = 2, .max_diff = 1.234};
    assert_int_equal(annotations_add_monotonic(an, &p, &p, STR(""), &m, &err), FER_OK);
    m = (anno_monotonic){
        .min_ms = 120000, .max_ms = 120000, .min_bucket = 0.5, .max_bucket = 0.5, .max_diff = 1};
    assert_int_equal(annotations_add_monotonic(an, &p, &p, STR(""), &m, &err), FER_OK);
    assert_int_equal(annotations_texts(an, STR(QUERY), a, &warnings, &infos, &err), FER_OK);
    assert_int_equal(infos.n, 1);
    assert_string_equal(
        infos.v[0].p,
        "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see "
        "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile), "
        "from "
        "buckets 0.5 to 2, with a max diff of 1.2, over 2 samples from 1970-01-01T00:01:00Z to "
        "1970-01-01T00:02:00Z (1:1)");
    fer_arena_free(a);
}

static void too_many_texts_are_dropped_not_kept(void **state)
{
    fer_arena *a = fer_arena_new(NULL, 1 << 20);
    annotations *an = annotations_new(a);
    plan p = {.e = &nothing};
    str_list warnings = {0}, infos = {0};
    fer_err err;
    for (int i = 0; i < 5000; i++)
        assert_int_equal(annotations_add(an, ANNO_INFO, &p, &p, &err, "text %d", i), FER_OK);
    assert_int_equal(annotations_texts(an, STR("x"), a, &warnings, &infos, &err), FER_OK);
    assert_int_equal(infos.n, 1000);
    fer_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_text_is_one_annotation),
        cmocka_unit_test(monotonic_fixes_are_summed_up),
        cmocka_unit_test(too_many_texts_are_dropped_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

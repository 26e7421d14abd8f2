#include "promql/promqltest/histogram_text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tsdb/samples.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static histogram *read_text(fer_arena *a, const char *text)
{
    histogram *h;
    bool hint;
    fer_err err = {0};
    if (histogram_text_parse(str_of(text), a, &h, &hint, &err) != FER_OK)
        fail_msg("%s: %s", text, err.msg);
    return h;
}

static void every_key_is_read(void **state)
{
    (void)state;
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    histogram *h =
        read_text(a, "schema:3 sum:-2.5 count:12 z_bucket:2 z_bucket_w:0.001 offset:-2 "
                     "buckets:[1 2 0 1] n_offset:1 n_buckets:[4 2] counter_reset_hint:gauge");
    assert_int_equal(h->schema, 3);
    assert_true(h->sum == -2.5 && h->count == 12 && h->zero_count == 2 &&
                h->zero_threshold == 0.001);
    assert_int_equal(h->reset_hint, HISTOGRAM_GAUGE);
    assert_int_equal(h->n_pos_spans, 1);
    assert_int_equal(h->pos_spans[0].offset, -2);
    assert_int_equal(h->pos_spans[0].length, 4);
    assert_true(h->pos[1] == 2);
    assert_int_equal(h->neg_spans[0].offset, 1);
    assert_true(h->neg[0] == 4);

    h = read_text(a, "schema:-53 custom_values:[-2 3.5] buckets:[1 0 2] count:Inf sum:NaN");
    assert_int_equal(h->n_custom, 2);
    assert_true(h->custom[0] == -2 && h->custom[1] == 3.5);
    assert_true(isinf(h->count) && isnan(h->sum));
}

static void whether_the_hint_was_written_is_told(void **state)
{
    (void)state;
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    histogram *h;
    bool hint;
    assert_int_equal(histogram_text_parse(STR(""), a, &h, &hint, NULL), FER_OK);
    assert_false(hint);
    assert_int_equal(histogram_text_parse(STR("counter_reset_hint:unknown"), a, &h, &hint, NULL),
                     FER_OK);
    assert_true(hint);
    assert_int_equal(h->reset_hint, HISTOGRAM_RESET_UNKNOWN);
}

static void printing_reads_back(void **state)
{
    (void)state;
    static const char *const t[] = {
        "{{schema:0}}",
        ("{{schema:3 count:12 sum:-2.5 counter_reset_hint:reset z_bucket:2 z_bucket_w:0.001 "
         "offset:-2 buckets:[1 2 0 1] n_offset:1 n_buckets:[4 2]}}"),
        "{{schema:-53 count:3 sum:5 custom_values:[-2 3.5] offset:1 buckets:[3]}}",
        "{{schema:0 count:+Inf sum:NaN}}",
    };
    for (size_t i = 0; i < COUNT(t); i++) {
        FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
        fer_str inside = str_head(str_from(str_of(t[i]), 2), strlen(t[i]) - 4);
        histogram *h;
        bool hint;
        assert_int_equal(histogram_text_parse(inside, a, &h, &hint, NULL), FER_OK);
        fer_buf b;
        fer_buf_init(&b, 10000, NULL);
        histogram_text_print(&b, h);
        fer_buf_putc(&b, '\0');
        assert_string_equal(b.p, t[i]);
        fer_buf_done(&b);
    }
}

static void sameness_ignores_layout_and_tiny_errors(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool same;
    } t[] = {
        {"buckets:[0 1 2 0] count:3", "offset:1 buckets:[1 2] count:3", true},
        {"buckets:[1 2] count:3", "buckets:[1 2.0000001] count:3", true},
        {"buckets:[1 2] count:3", "buckets:[1 2.001] count:3", false},
        {"buckets:[1 2]", "offset:1 buckets:[1 2]", false},
        {"buckets:[1 2]", "buckets:[1 2 1]", false},
        {"n_buckets:[1]", "buckets:[1]", false},
        {"schema:1", "schema:2", false},
        {"z_bucket_w:0.1", "z_bucket_w:0.2", false},
        {"z_bucket:1", "z_bucket:2", false},
        {"sum:NaN", "sum:NaN", true},
        {"sum:NaN", "sum:1", false},
        {"schema:-53 custom_values:[1 2]", "schema:-53 custom_values:[1 2]", true},
        {"schema:-53 custom_values:[1 2]", "schema:-53 custom_values:[1 3]", false},
        {"schema:-53 custom_values:[1 2]", "schema:-53 custom_values:[1]", false},
    };
    for (size_t i = 0; i < COUNT(t); i++) {
        FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
        if (histogram_text_same(read_text(a, t[i].a), read_text(a, t[i].b), true) != t[i].same)
            fail_msg("%s and %s", t[i].a, t[i].b);
    }
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    histogram *gauge = read_text(a, "counter_reset_hint:gauge"), *unknown = read_text(a, "");
    assert_true(histogram_text_same(unknown, gauge, false));
    assert_false(histogram_text_same(unknown, gauge, true));
}

static void adding_works_in_the_coarser_resolution(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b, *sum;
    } t[] = {
        {"sum:1 count:2 buckets:[1 1]", "sum:2 count:3 offset:3 buckets:[1 2]",
         "sum:3 count:5 buckets:[1 1 0 1 2]"},
        {"schema:-1 sum:4 count:1 buckets:[1] offset:1", "sum:4 count:4 buckets:[2 2] offset:1",
         "schema:-1 count:5 sum:8 offset:1 buckets:[5]"},
        {"n_buckets:[1 2]", "n_buckets:[1 0 5]", "n_buckets:[2 2 5]"},
        {"z_bucket:2 z_bucket_w:0.001 buckets:[1]", "", "z_bucket:2 z_bucket_w:0.001 buckets:[1]"},
        {"schema:-53 custom_values:[5 10] buckets:[1]",
         "schema:-53 custom_values:[5 10] buckets:[0 0 2]",
         "schema:-53 custom_values:[5 10] buckets:[1 0 2]"},
    };
    for (size_t i = 0; i < COUNT(t); i++) {
        FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
        histogram *sum;
        assert_int_equal(
            histogram_text_combine(read_text(a, t[i].a), read_text(a, t[i].b), 1, a, &sum, NULL),
            FER_OK);
        assert_true(histogram_text_same(read_text(a, t[i].sum), sum, true));
    }
}

static void numbers_compare_as_in_prometheus_tests(void **state)
{
    (void)state;
    const double stale = f64_of_bits(STALE_NAN_BITS);
    assert_true(almost_equal(1, 1 + 1e-7));
    assert_false(almost_equal(1, 1 + 1e-5));
    assert_true(almost_equal(1e300, 1e300 * (1 + 1e-7)));
    assert_true(almost_equal(NAN, NAN));
    assert_true(almost_equal(INFINITY, INFINITY));
    assert_false(almost_equal(INFINITY, -INFINITY));
    assert_false(almost_equal(INFINITY, 1e308));
    assert_false(almost_equal(0, 1e-12));
    assert_true(almost_equal(0, -0.0));
    assert_true(almost_equal(stale, stale));
    assert_false(almost_equal(stale, NAN));
    assert_false(almost_equal(1, NAN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(whether_the_hint_was_written_is_told),
        cmocka_unit_test(printing_reads_back),
        cmocka_unit_test(sameness_ignores_layout_and_tiny_errors),
        cmocka_unit_test(adding_works_in_the_coarser_resolution),
        cmocka_unit_test(numbers_compare_as_in_prometheus_tests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

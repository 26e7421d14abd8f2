/* histogram_json_test.c - the text of native histograms in answers. */
#include "server/api/histogram_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void assert_json(const histogram *h, const char *want)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    hist_buckets room = {0};
    fer_buf out;
    fer_buf_init(&out, 10000, NULL);
    assert_int_equal(histogram_json(&out, h, a, &room), FER_OK);
    fer_buf_putc(&out, '\0');
    assert_string_equal(out.p, want);
    fer_buf_done(&out);
}

static void buckets_tell_which_ends_belong_to_them(void **state)
{
    (void)state;
    static const histogram_span pos = {0, 3}, neg = {1, 1};
    static const double counts[] = {1, 0, 2.5}, below[] = {3};
    histogram h = {.count = 10.5,
                   .sum = -1,
                   .zero_threshold = 0.001,
                   .zero_count = 4,
                   .n_pos_spans = 1,
                   .pos_spans = &pos,
                   .n_pos = 3,
                   .pos = counts,
                   .n_neg_spans = 1,
                   .neg_spans = &neg,
                   .n_neg = 1,
                   .neg = below};
    assert_json(&h, "{\"count\":\"10.5\",\"sum\":\"-1\",\"buckets\":[[1,\"-2\",\"-1\",\"3\"],"
                    "[3,\"-0.001\",\"0.001\",\"4\"],[0,\"0.5\",\"1\",\"1\"],"
                    "[0,\"2\",\"4\",\"2.5\"]]}");
}

static void custom_buckets_end_at_their_bounds(void **state)
{
    (void)state;
    static const histogram_span span = {0, 3};
    static const double counts[] = {1, 2, 3}, bounds[] = {-1, 5};
    histogram h = {.schema = HISTOGRAM_CUSTOM,
                   .count = 6,
                   .sum = 7,
                   .n_pos_spans = 1,
                   .pos_spans = &span,
                   .n_pos = 3,
                   .pos = counts,
                   .n_custom = 2,
                   .custom = bounds};
    assert_json(&h, "{\"count\":\"6\",\"sum\":\"7\",\"buckets\":[[3,\"-Inf\",\"-1\",\"1\"],"
                    "[0,\"-1\",\"5\",\"2\"],[0,\"5\",\"+Inf\",\"3\"]]}");
}

static void an_empty_histogram_has_no_buckets(void **state)
{
    (void)state;
    histogram h = {0};
    assert_json(&h, "{\"count\":\"0\",\"sum\":\"0\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_tell_which_ends_belong_to_them),
        cmocka_unit_test(custom_buckets_end_at_their_bounds),
        cmocka_unit_test(an_empty_histogram_has_no_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

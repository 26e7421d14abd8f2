/* hist_math_test.c - native histograms added, reduced, compared and cut, by hand. */
#include "promql/hist_math.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "promql/hist_stats.h"
#include "tsdb/samples.h"

typedef struct fixture {
    fer_arena *a;
    hist h;
    unsigned notes;
} fixture;

static int setup(void **state)
{
    static fixture f;
    f = (fixture){.a = fer_arena_new(NULL, 0)};
    hist_init(&f.h, f.a);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fer_arena_free(((fixture *)*state)->a);
    return 0;
}

#define COUNTS(...)                                                                                \
    .pos = (const double[]){__VA_ARGS__}, .n_pos = sizeof((double[]){__VA_ARGS__}) / sizeof(double)
#define NEGATIVE(...)                                                                              \
    .neg = (const double[]){__VA_ARGS__}, .n_neg = sizeof((double[]){__VA_ARGS__}) / sizeof(double)
#define SPANS(...)                                                                                 \
    .pos_spans = (const histogram_span[]){__VA_ARGS__},                                            \
    .n_pos_spans = sizeof((histogram_span[]){__VA_ARGS__}) / sizeof(histogram_span)
#define BOUNDS(...)                                                                                \
    .schema = HISTOGRAM_CUSTOM, .custom = (const double[]){__VA_ARGS__},                           \
    .n_custom = sizeof((double[]){__VA_ARGS__}) / sizeof(double)

static void assert_buckets(const hist_side *s, size_t n, const int32_t *index, const double *v)
{
    assert_int_equal(s->n, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(s->index[i], index[i]);
        assert_true(s->v[i] == v[i]);
    }
}

#define ASSERT_BUCKETS(side, n, index, v)                                                          \
    assert_buckets((side), (n), (const int32_t[])index, (const double[])v)
#define LIST(...)                                                                                  \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static void bounds_are_powers_of_two(void **state)
{
    (void)state;
    assert_true(hist_bound(0, 0, NULL, 0) == 1);
    assert_true(hist_bound(-3, 0, NULL, 0) == 0.125);
    assert_true(hist_bound(2, -1, NULL, 0) == 16);
    assert_true(hist_bound(1, 1, NULL, 0) == 0x1.6a09e667f3bccp+0); /* as Prometheus has it */
    assert_true(hist_bound(1024, 0, NULL, 0) == 0x1.fffffffffffffp+1023);
    assert_true(hist_bound(1025, 0, NULL, 0) == INFINITY);
    assert_true(hist_bound(64, -4, NULL, 0) == 0x1.fffffffffffffp+1023);
    assert_true(hist_bound(-2, HISTOGRAM_CUSTOM, NULL, 0) == -INFINITY);
    assert_true(hist_bound(0, HISTOGRAM_CUSTOM, (const double[]){7}, 1) == 7);
    assert_true(hist_bound(1, HISTOGRAM_CUSTOM, (const double[]){7}, 1) == INFINITY);
}

static void buckets_of_both_are_in_the_sum(void **state)
{
    fixture *f = *state;
    histogram a = {.count = 4, .sum = 5, SPANS({0, 2}, {3, 1}), COUNTS(1, 2, 1)};
    histogram b = {.count = 3, .sum = 2, SPANS({-2, 1}, {2, 2}), COUNTS(1, 1, 1)};
    const histogram *sum;
    assert_int_equal(hist_load(&f->h, &a), FER_OK);
    assert_int_equal(hist_add(&f->h, &b, &f->notes), FER_OK);
    assert_true(f->h.count.sum == 7 && f->h.sum.sum == 7);
    ASSERT_BUCKETS(&f->h.pos, 5, LIST(-2, 0, 1, 2, 5), LIST(1, 1, 3, 1, 1));
    assert_int_equal(hist_store(&f->h, f->a, &sum), FER_OK);
    assert_int_equal(sum->n_pos_spans, 3);
    assert_int_equal(sum->pos_spans[1].offset, 1);
    assert_int_equal(sum->pos_spans[1].length, 3);
    assert_int_equal(sum->pos_spans[2].offset, 2);

    assert_int_equal(hist_sub(&f->h, sum, &f->notes), FER_OK);
    hist_compact(&f->h);
    assert_int_equal(f->h.pos.n, 0);
    assert_int_equal(f->notes, 0);
}

static void assert_spans(const histogram *h, uint32_t n, const histogram_span *want)
{
    assert_int_equal(h->n_pos_spans, n);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(h->pos_spans[i].offset, want[i].offset);
        assert_int_equal(h->pos_spans[i].length, want[i].length);
    }
}

/* Prometheus leaves two spans without a gap between them where the first has grown up to the second. */
static void spans_that_meet_stay_two_until_compacted(void **state)
{
    fixture *f = *state;
    histogram a = {SPANS({1, 1}), COUNTS(1)}, b = {SPANS({-2, 4}), COUNTS(1, 2, 3, 4)};
    histogram ahead = {SPANS({0, 1}), COUNTS(1)}, odd = {SPANS({3, 1}, {0, 2}), COUNTS(1, 1, 1)};
    const histogram *sum;
    assert_int_equal(hist_load(&f->h, &a), FER_OK);
    assert_int_equal(hist_sum(&f->h, &b, &f->notes), FER_OK);
    hist_settle(&f->h);
    ASSERT_BUCKETS(&f->h.pos, 4, LIST(-2, -1, 0, 1), LIST(1, 2, 3, 5));
    assert_int_equal(hist_store(&f->h, f->a, &sum), FER_OK);
    assert_spans(sum, 2, (const histogram_span[]){{-2, 3}, {0, 1}});
    hist_compact(&f->h);
    assert_int_equal(hist_store(&f->h, f->a, &sum), FER_OK);
    assert_spans(sum, 1, (const histogram_span[]){{-2, 4}});

    assert_int_equal(hist_load(&f->h, &a), FER_OK); /* the span behind grows */
    assert_int_equal(hist_add(&f->h, &ahead, &f->notes), FER_OK);
    assert_int_equal(hist_store(&f->h, f->a, &sum), FER_OK);
    assert_spans(sum, 1, (const histogram_span[]){{0, 2}});
    assert_int_equal(hist_load(&f->h, &odd), FER_OK); /* as it was stored */
    assert_int_equal(hist_add(&f->h, &odd, &f->notes), FER_OK);
    ASSERT_BUCKETS(&f->h.pos, 3, LIST(3, 4, 5), LIST(2, 2, 2));
    assert_int_equal(hist_store(&f->h, f->a, &sum), FER_OK);
    assert_spans(sum, 2, (const histogram_span[]){{3, 1}, {0, 2}});
}

/* Histograms laid out alike are added and compared without a look at their spans: the same results. */
static void equal_layouts_give_what_others_give(void **state)
{
    fixture *f = *state;
    const histogram_span one = {0, 1};
    histogram a = {.zero_threshold = 0.25,
                   SPANS({-1, 2}, {1, 2}),
                   COUNTS(1e16, 2, 3, 4),
                   NEGATIVE(7),
                   .neg_spans = &one,
                   .n_neg_spans = 1};
    histogram b = {.zero_threshold = 0.25,
                   SPANS({-1, 1}, {0, 1}, {1, 2}),
                   COUNTS(1, 1, 1, 1),
                   NEGATIVE(2),
                   .neg_spans = &one,
                   .n_neg_spans = 1};
    histogram same = b;
    same.pos_spans = a.pos_spans;
    same.n_pos_spans = a.n_pos_spans;
    for (int compensated = 0; compensated < 2; compensated++) {
        fer_code (*add)(hist *, const histogram *, unsigned *) = compensated ? hist_sum : hist_add;
        hist other;
        hist_init(&other, f->a);
        assert_int_equal(hist_load(&f->h, &a), FER_OK);
        assert_int_equal(hist_load(&other, &a), FER_OK);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(add(&f->h, &same, &f->notes), FER_OK);
            assert_int_equal(add(&other, &b, &f->notes), FER_OK);
        }
        hist_settle(&f->h);
        hist_settle(&other);
        for (uint32_t i = 0; i < 4; i++)
            assert_true(f->h.pos.v[i] == other.pos.v[i]);
        assert_true(f->h.pos.v[0] == (compensated ? 1e16 + 2 : 1e16));
        assert_true(f->h.neg.v[0] == 11);
    }
    assert_true(histogram_was_reset(&same, &a) && histogram_was_reset(&b, &a));
    assert_false(histogram_was_reset(&same, &b));
    same.neg = (const double[]){1};
    assert_true(histogram_was_reset(&same, &b));
}

static void different_schemas_meet_in_the_coarser(void **state)
{
    fixture *f = *state;
    histogram coarse = {.schema = -1, SPANS({1, 1}), COUNTS(5)};
    histogram fine = {.schema = 1, SPANS({1, 4}), COUNTS(1, 2, 3, 4)};
    assert_int_equal(hist_load(&f->h, &fine), FER_OK);
    assert_int_equal(hist_add(&f->h, &coarse, &f->notes), FER_OK);
    assert_int_equal(f->h.schema, -1);
    ASSERT_BUCKETS(&f->h.pos, 1, LIST(1), LIST(15));
    assert_int_equal(hist_load(&f->h, &coarse), FER_OK);
    assert_int_equal(hist_sum(&f->h, &fine, &f->notes), FER_OK);
    hist_settle(&f->h);
    ASSERT_BUCKETS(&f->h.pos, 1, LIST(1), LIST(15));
}

static void a_wider_zero_bucket_takes_in_what_it_covers(void **state)
{
    fixture *f = *state;
    histogram narrow = {.zero_threshold = 0.25, .zero_count = 1, SPANS({-1, 3}), COUNTS(2, 3, 4)};
    histogram wide = {.zero_threshold = 0.75, .zero_count = 10};
    assert_int_equal(hist_load(&f->h, &narrow), FER_OK);
    assert_int_equal(hist_add(&f->h, &wide, &f->notes), FER_OK);
    /* 0.75 lies inside (0.5, 1], which is populated, so the bucket goes as well. */
    assert_true(f->h.zero_threshold == 1);
    assert_true(f->h.zero.sum == 16);
    ASSERT_BUCKETS(&f->h.pos, 1, LIST(1), LIST(4));
}

static void custom_bounds_are_reduced_to_the_common_ones(void **state)
{
    fixture *f = *state;
    histogram a = {BOUNDS(1, 2, 4), SPANS({0, 4}), COUNTS(1, 2, 3, 4)};
    histogram b = {BOUNDS(2, 3), SPANS({0, 3}), COUNTS(10, 20, 30)};
    histogram exponential = {.schema = 0};
    assert_int_equal(hist_load(&f->h, &a), FER_OK);
    assert_int_equal(hist_add(&f->h, &exponential, &f->notes), FER_INVALID);
    assert_int_equal(hist_add(&f->h, &b, &f->notes), FER_OK);
    assert_int_equal(f->notes, HIST_RECONCILED);
    assert_int_equal(f->h.n_custom, 1);
    assert_true(f->h.custom[0] == 2);
    ASSERT_BUCKETS(&f->h.pos, 2, LIST(0, 1), LIST(13, 57));
}

static void small_numbers_survive_large_ones_in_a_sum(void **state)
{
    fixture *f = *state;
    static const double sums[] = {1, 1e100, 1, -1e100};
    histogram h = {.sum = sums[0]};
    assert_int_equal(hist_load(&f->h, &h), FER_OK);
    for (size_t i = 1; i < 4; i++) {
        h.sum = sums[i];
        assert_int_equal(hist_sum(&f->h, &h, &f->notes), FER_OK);
    }
    hist_settle(&f->h);
    assert_true(f->h.sum.sum == 2);
}

static void a_mean_does_not_overflow(void **state)
{
    fixture *f = *state;
    hist_mean m;
    histogram h = {.count = 1.5e308, .sum = 6, SPANS({0, 1}), COUNTS(3)};
    hist_mean_init(&m, f->a);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(hist_mean_add(&m, &h, &f->notes), FER_OK);
    hist_mean_finish(&m);
    assert_true(fabs(m.h.count.sum / 1.5e308 - 1) < 1e-15);
    assert_true(m.h.sum.sum == 6);
    ASSERT_BUCKETS(&m.h.pos, 1, LIST(0), LIST(3));
}

static void contradicting_hints_collide(void **state)
{
    fixture *f = *state;
    histogram reset = {.reset_hint = HISTOGRAM_RESET}, none = {.reset_hint = HISTOGRAM_NO_RESET};
    histogram gauge = {.reset_hint = HISTOGRAM_GAUGE};
    assert_int_equal(hist_load(&f->h, &reset), FER_OK);
    assert_int_equal(hist_add(&f->h, &none, &f->notes), FER_OK);
    assert_int_equal(f->notes, HIST_COLLISION);
    assert_int_equal(f->h.reset_hint, HISTOGRAM_RESET_UNKNOWN);
    assert_int_equal(hist_add(&f->h, &gauge, &f->notes), FER_OK);
    assert_int_equal(f->h.reset_hint, HISTOGRAM_GAUGE);
}

static void resets_are_found_in_any_bucket(void **state)
{
    (void)state;
    histogram before = {.count = 4, SPANS({0, 3}), COUNTS(1, 2, 1)};
    histogram more = {.count = 5, SPANS({0, 4}), COUNTS(1, 2, 1, 1)};
    histogram less = {.count = 6, SPANS({0, 3}), COUNTS(1, 1, 4)};
    histogram gone = {.count = 6, SPANS({1, 2}), COUNTS(2, 4)};
    histogram coarse = {.schema = -1, .count = 4, SPANS({0, 2}), COUNTS(1, 3)};
    histogram finer = {.schema = 1, .count = 9};
    assert_false(histogram_was_reset(&more, &before));
    assert_true(histogram_was_reset(&before, &more));
    assert_true(histogram_was_reset(&less, &before));
    assert_true(histogram_was_reset(&gone, &before));
    assert_false(histogram_was_reset(&coarse, &before));
    assert_true(histogram_was_reset(&finer, &before));
    less.reset_hint = HISTOGRAM_NO_RESET;
    assert_false(histogram_was_reset(&less, &before));
    more.reset_hint = HISTOGRAM_RESET;
    assert_true(histogram_was_reset(&more, &before));
}

static void resets_of_custom_buckets_are_found_between_common_bounds(void **state)
{
    (void)state;
    histogram before = {.count = 15, BOUNDS(2, 4, 6), SPANS({0, 4}), COUNTS(1, 2, 5, 7)};
    histogram moved = {.count = 15, BOUNDS(2, 3, 4, 6), SPANS({0, 5}), COUNTS(1, 0, 1, 5, 8)};
    histogram grown = {.count = 16, BOUNDS(2, 3, 4, 6), SPANS({0, 5}), COUNTS(1, 1, 1, 6, 7)};
    assert_true(histogram_was_reset(&moved, &before));
    assert_false(histogram_was_reset(&grown, &before));
}

static void layouts_differ_where_an_empty_bucket_is_told(void **state)
{
    (void)state;
    histogram a = {.count = 1, SPANS({0, 1}), COUNTS(1)};
    histogram b = {.count = 1, SPANS({0, 2}), COUNTS(1, 0)};
    histogram c = {.count = 1, SPANS({0, 0}, {0, 1}), COUNTS(1)};
    assert_false(histogram_same(&a, &b));
    assert_true(histogram_same(&a, &c));
}

static void spans_that_promise_too_much_end_early(void **state)
{
    fixture *f = *state;
    histogram h = {SPANS({0, 9}), COUNTS(1, 2)};
    histogram back = {SPANS({3, 1}, {-2, 1}), COUNTS(1, 2)};
    assert_int_equal(hist_load(&f->h, &h), FER_OK);
    ASSERT_BUCKETS(&f->h.pos, 2, LIST(0, 1), LIST(1, 2));
    assert_int_equal(hist_load(&f->h, &back), FER_OK);
    ASSERT_BUCKETS(&f->h.pos, 1, LIST(3), LIST(1));
}

static void quantiles_and_fractions_undo_each_other(void **state)
{
    fixture *f = *state;
    histogram h = {.count = 24,
                   .sum = 100,
                   .zero_count = 4,
                   .zero_threshold = 0.001,
                   SPANS({0, 2}, {1, 2}),
                   COUNTS(2, 3, 1, 4),
                   .neg_spans = (const histogram_span[]){{0, 2}, {1, 2}},
                   .n_neg_spans = 2,
                   NEGATIVE(2, 3, 1, 4)};
    hist_buckets b = {0};
    assert_int_equal(hist_buckets_of(&h, f->a, &b), FER_OK);
    assert_int_equal(b.n, 9);
    for (int i = 1; i < 100; i++) {
        double q = i / 100.0;
        hist_nan nan;
        bool left_out;
        double v = hist_quantile(q, &h, &nan);
        assert_int_equal(nan, HIST_NAN_NONE);
        assert_true(fabs(hist_fraction(-INFINITY, v, &h, &b, &left_out) - q) < 1e-12);
        assert_false(left_out);
    }
}

static void a_cut_keeps_one_side(void **state)
{
    fixture *f = *state;
    histogram h = {.count = 34,
                   .sum = 123.75,
                   .zero_count = 1,
                   .zero_threshold = 0.001,
                   SPANS({0, 4}),
                   COUNTS(2, 4, 8, 16),
                   .neg_spans = (const histogram_span[]){{0, 2}},
                   .n_neg_spans = 1,
                   NEGATIVE(1, 2)};
    assert_int_equal(hist_load(&f->h, &h), FER_OK);
    hist_trim(&f->h, INFINITY, true);
    assert_true(f->h.sum.sum == 123.75); /* nothing went */
    hist_trim(&f->h, 2, true);
    assert_true(f->h.count.sum == 10);
    ASSERT_BUCKETS(&f->h.pos, 2, LIST(0, 1), LIST(2, 4));
    hist_trim(&f->h, 0, false);
    assert_true(f->h.count.sum == 6.5);
    assert_int_equal(f->h.neg.n, 0);
}

static void memory_past_the_budget_is_told(void **state)
{
    (void)state;
    fer_arena *a = fer_arena_new(NULL, 4096);
    hist h;
    static const double counts[2000] = {1};
    histogram big = {.pos = counts, .n_pos = 2000, SPANS({0, 2000})};
    hist_init(&h, a);
    assert_int_equal(hist_load(&h, &big), FER_LIMIT);
    fer_arena_free(a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bounds_are_powers_of_two),
        TEST(buckets_of_both_are_in_the_sum),
        TEST(spans_that_meet_stay_two_until_compacted),
        TEST(equal_layouts_give_what_others_give),
        TEST(different_schemas_meet_in_the_coarser),
        TEST(a_wider_zero_bucket_takes_in_what_it_covers),
        TEST(custom_bounds_are_reduced_to_the_common_ones),
        TEST(small_numbers_survive_large_ones_in_a_sum),
        TEST(a_mean_does_not_overflow),
        TEST(contradicting_hints_collide),
        TEST(resets_are_found_in_any_bucket),
        TEST(resets_of_custom_buckets_are_found_between_common_bounds),
        TEST(layouts_differ_where_an_empty_bucket_is_told),
        TEST(spans_that_promise_too_much_end_early),
        TEST(quantiles_and_fractions_undo_each_other),
        TEST(a_cut_keeps_one_side),
        TEST(memory_past_the_budget_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

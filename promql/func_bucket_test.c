/* func_bucket_test.c - quantiles and fractions of classic histograms, by hand. */
#include "promql/func_bucket.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define QUANTILE(q, fix, ...)                                                                      \
    bucket_quantile((q), (bucket[])__VA_ARGS__, sizeof((bucket[])__VA_ARGS__) / sizeof(bucket),    \
                    (fix))
#define FRACTION(l, u, ...)                                                                        \
    bucket_fraction((l), (u), (bucket[])__VA_ARGS__, sizeof((bucket[])__VA_ARGS__) / sizeof(bucket))
#define BUCKETS                                                                                    \
    {                                                                                              \
        {1, 10}, {2, 30}, {4, 40},                                                                 \
        {                                                                                          \
            INFINITY, 50                                                                           \
        }                                                                                          \
    }

static void quantiles_are_interpolated_within_a_bucket(void **state)
{
    bucket_fix fix;
    assert_true(QUANTILE(0.1, &fix, BUCKETS) == 0.5);
    assert_true(QUANTILE(0.4, &fix, BUCKETS) == 1.5);
    assert_true(QUANTILE(0.7, &fix, BUCKETS) == 3);
    assert_true(QUANTILE(0.9, &fix, BUCKETS) == 4); /* the top bucket has no end */
    assert_false(fix.forced);
    assert_true(QUANTILE(-0.1, &fix, BUCKETS) == -INFINITY);
    assert_true(QUANTILE(1.1, &fix, BUCKETS) == INFINITY);
    assert_true(isnan(QUANTILE(NAN, &fix, BUCKETS)));
}

static void without_a_last_bucket_or_observations_there_is_no_quantile(void **state)
{
    bucket_fix fix;
    assert_true(isnan(QUANTILE(0.5, &fix, {{1, 10}, {2, 20}})));
    assert_true(isnan(QUANTILE(0.5, &fix, {{INFINITY, 20}})));
    assert_true(isnan(QUANTILE(0.5, &fix, {{1, 0}, {INFINITY, 0}})));
}

static void a_first_bucket_below_zero_is_its_own_bound(void **state)
{
    bucket_fix fix;
    assert_true(QUANTILE(0.1, &fix, {{-1, 10}, {0, 20}, {INFINITY, 20}}) == -1);
    assert_true(QUANTILE(0.75, &fix, {{-1, 10}, {0, 20}, {INFINITY, 20}}) == -0.5);
}

static void equal_bounds_are_one_bucket(void **state)
{
    bucket_fix fix;
    assert_true(QUANTILE(0.5, &fix, {{1, 5}, {1, 5}, {INFINITY, 20}}) == 1);
}

static void falling_counts_are_lifted_and_told(void **state)
{
    bucket_fix fix;
    assert_true(QUANTILE(0.5, &fix, {{1, 10}, {2, 8}, {4, 9.5}, {INFINITY, 20}}) == 1);
    assert_true(fix.forced);
    assert_true(fix.min_bucket == 2 && fix.max_bucket == 4 && fix.max_diff == 2);
    /* A rounding error is mended without a word, in both directions. */
    assert_true(QUANTILE(1, &fix, {{1, 1e9}, {2, 1e9 - 1e-4}, {INFINITY, 1e9 + 1e-4}}) == 1);
    assert_false(fix.forced);
}

static void fractions_lie_between_ranks(void **state)
{
    assert_true(FRACTION(0, 1, BUCKETS) == 0.2);
    assert_true(FRACTION(1, 2, BUCKETS) == 0.4);
    assert_true(FRACTION(1.5, 3, BUCKETS) == 0.3);
    assert_true(FRACTION(-INFINITY, INFINITY, BUCKETS) == 1);
    assert_true(FRACTION(2, 1, BUCKETS) == 0);
    assert_true(FRACTION(4, INFINITY, BUCKETS) == 0.2);
    assert_true(isnan(FRACTION(NAN, 1, BUCKETS)));
    assert_true(isnan(FRACTION(0, 1, {{1, 10}})));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_interpolated_within_a_bucket),
        cmocka_unit_test(without_a_last_bucket_or_observations_there_is_no_quantile),
        cmocka_unit_test(a_first_bucket_below_zero_is_its_own_bound),
        cmocka_unit_test(equal_bounds_are_one_bucket),
        cmocka_unit_test(falling_counts_are_lifted_and_told),
        cmocka_unit_test(fractions_lie_between_ranks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

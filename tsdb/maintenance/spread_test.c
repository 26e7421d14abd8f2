/* spread_test.c - numbers fall where Prometheus' buckets have them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tsdb/maintenance/spread.h"

static void a_bound_belongs_to_what_is_below(void **state)
{
    (void)state;
    static const spread_scale scale = {4, 1.5, 3}; /* 4, 6, 9 */
    static const double values[] = {-1, 4, 4.5, 6, 9, 9.5, 1000};
    spread t = {0};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        spread_add(&t, &scale, values[i]);
    assert_int_equal(t.counts[0], 2);
    assert_int_equal(t.counts[1], 2);
    assert_int_equal(t.counts[2], 1);
    assert_int_equal(t.counts[SPREAD_BOUNDS_MAX], 2);
    assert_int_equal(t.n, 7);
    assert_true(t.sum == 1032);
    spread twice = t;
    spread_merge(&twice, &t);
    assert_int_equal(twice.counts[1], 4);
    assert_int_equal(twice.n, 14);
    assert_true(twice.sum == 2064);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bound_belongs_to_what_is_below),
    };
    return cmocka_run_group_tests_name("spread", tests, NULL, NULL);
}

/* scan_test.c - one sample among many is seen, wherever it is. */
#include "promql/scan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tsdb/samples.h"

enum { MOST = 70 };

static void a_stale_marker_is_found_at_any_place(void **state)
{
    double v[MOST] = {0};
    for (size_t n = 0; n <= MOST; n++) {
        for (size_t i = 0; i < n; i++)
            v[i] = i % 2 == 0 ? NAN : (double)i;
        assert_false(scan_any_stale(v, n));
        for (size_t i = 0; i < n; i++) {
            double was = v[i];
            v[i] = f64_of_bits(STALE_NAN_BITS);
            assert_true(scan_any_stale(v, n));
            v[i] = was;
        }
    }
}

static void a_fall_is_found_at_any_place(void **state)
{
    double v[MOST] = {0};
    for (size_t n = 0; n <= MOST; n++) {
        for (size_t i = 0; i < n; i++)
            v[i] = (double)(i / 2);
        assert_false(scan_any_fall(v, n));
        for (size_t i = 1; i < n; i++) {
            double was = v[i];
            v[i] = -1;
            assert_true(scan_any_fall(v, n));
            v[i] = NAN; /* neither below nor above */
            assert_false(scan_any_fall(v, n));
            v[i] = was;
        }
    }
}

static void an_uneven_distance_is_found_at_any_place(void **state)
{
    int64_t t[MOST] = {0};
    for (size_t n = 0; n <= MOST; n++) {
        for (size_t i = 0; i < n; i++)
            t[i] = INT64_MIN + (int64_t)i * 15000;
        assert_true(scan_is_even(t, n, 15000));
        assert_int_equal(scan_is_even(t, n, 14999), n < 2);
        for (size_t i = 0; n > 1 && i < n; i++) {
            t[i]++;
            assert_false(scan_is_even(t, n, 15000));
            t[i]--;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stale_marker_is_found_at_any_place),
        cmocka_unit_test(a_fall_is_found_at_any_place),
        cmocka_unit_test(an_uneven_distance_is_found_at_any_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

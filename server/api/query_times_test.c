/* query_times_test.c - quantiles of a window that moves. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <math.h>

#include "server/api/query_times.h"

#define MINUTE_NS (UINT64_C(60) * 1000 * 1000 * 1000)

static const double q[] = {0.5, 0.9, 0.99, 1};

static void expect(uint64_t now_ns, double half, double ninety, double ninety_nine, double all)
{
    double got[4], want[] = {half, ninety, ninety_nine, all};
    query_times_quantiles(QUERY_SLICE_SORT, now_ns, q, 4, got);
    for (int i = 0; i < 4; i++)
        assert_true(isnan(want[i]) ? isnan(got[i]) : fabs(got[i] - want[i]) < 1e-12);
}

static void the_newest_of_ten_minutes_count(void **state)
{
    (void)state;
    expect(MINUTE_NS, NAN, NAN, NAN, NAN);
    query_times_note(QUERY_SLICE_SORT, 2000000000, MINUTE_NS);
    expect(MINUTE_NS, 2, 2, 2, 2);
    for (uint64_t i = 1; i <= 99; i++)
        query_times_note(QUERY_SLICE_SORT, i * 1000000, 5 * MINUTE_NS);
    expect(6 * MINUTE_NS, 0.050, 0.090, 0.099, 2);
    expect(12 * MINUTE_NS, 0.050, 0.090, 0.099, 0.099); /* the first is too old */
    expect(16 * MINUTE_NS, NAN, NAN, NAN, NAN);
    for (uint64_t i = 0; i < 2 * QUERY_TIMES_KEPT; i++)
        query_times_note(QUERY_SLICE_SORT, i < QUERY_TIMES_KEPT ? 9000000000 : 1000000,
                         17 * MINUTE_NS);
    expect(17 * MINUTE_NS, 0.001, 0.001, 0.001, 0.001); /* the newest 512 */
    double none;
    query_times_quantiles(QUERY_SLICE_QUEUE, 17 * MINUTE_NS, q, 1, &none);
    assert_true(isnan(none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_of_ten_minutes_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

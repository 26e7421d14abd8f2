/* func_date_test.c - the calendar, against the C library's over its range. */
#include "promql/func_date.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "base/rng.h"

static void dates_equal_the_librarys(void **state)
{
    fer_rng_seeded r;
    fer_rng_seeded_init(&r, 1);
    for (size_t i = 0; i < 20000; i++) {
        int64_t t = (int64_t)(fer_rng_seeded_next(&r) % 400000000000) - 200000000000;
        time_t c = (time_t)t;
        struct tm tm;
        assert_non_null(gmtime_r(&c, &tm));
        double v = (double)t;
        assert_true(func_date(FN_YEAR, v) == tm.tm_year + 1900);
        assert_true(func_date(FN_MONTH, v) == tm.tm_mon + 1);
        assert_true(func_date(FN_DAY_OF_MONTH, v) == tm.tm_mday);
        assert_true(func_date(FN_DAY_OF_YEAR, v) == tm.tm_yday + 1);
        assert_true(func_date(FN_DAY_OF_WEEK, v) == tm.tm_wday);
        assert_true(func_date(FN_HOUR, v) == tm.tm_hour);
        assert_true(func_date(FN_MINUTE, v) == tm.tm_min);
    }
}

static void february_follows_the_leap_years(void **state)
{
    assert_true(func_date(FN_DAYS_IN_MONTH, 951782400) == 29);  /* 2000-02-29 */
    assert_true(func_date(FN_DAYS_IN_MONTH, 1045958400) == 28); /* 2003-02-23 */
    assert_true(func_date(FN_DAYS_IN_MONTH, 4107456000) == 28); /* 2100-02-28 */
    assert_true(func_date(FN_DAYS_IN_MONTH, 1456790399) == 29);
}

static void fractions_are_cut_and_no_value_traps(void **state)
{
    assert_true(func_date(FN_MINUTE, 59.9) == 0);
    assert_true(func_date(FN_YEAR, -0.5) == 1970);
    static const double odd[] = {NAN, INFINITY, -INFINITY, 1e300, -1e300, 9.3e18};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        assert_true(func_date(FN_YEAR, odd[i]) == func_date(FN_YEAR, NAN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_equal_the_librarys),
        cmocka_unit_test(february_follows_the_leap_years),
        cmocka_unit_test(fractions_are_cut_and_no_value_traps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* logarithm_test.c - logarithms as Go has them: where the C library's last digits differ, and at the ends. */
#include "promql/logarithm.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rng.h"

/* The values on the right are answers of Prometheus 3.5; glibc's differ from each in the last digits. */
static void last_digits_are_gos(void **state)
{
    assert_true(go_log(1.7284324918154677) == 0.54721492368132729);
    assert_true(go_log(2.4582096909391571) == 0.89943331708173702);
    assert_true(go_log2(12.707342581627341) == 3.6675904536995096);
    assert_true(go_log2(0.07804514476733139) == -3.6795473056557118);
    assert_true(go_log10(0.013893574323847699) == -1.8571860113229006);
    assert_true(go_log10(0.00018440982552101539) == -3.7342159430661339);
}

static void ends_of_the_range(void **state)
{
    double (*const logs[])(double) = {go_log, go_log2, go_log10};
    for (size_t i = 0; i < 3; i++) {
        assert_true(isnan(logs[i](-1)));
        assert_true(isnan(logs[i](-INFINITY)));
        assert_true(isnan(logs[i](NAN)));
        assert_true(logs[i](0) == -INFINITY);
        assert_true(logs[i](-0.0) == -INFINITY);
        assert_true(logs[i](INFINITY) == INFINITY);
        assert_true(logs[i](1) == 0);
    }
    assert_true(go_log2(0x1p-1074) == -1074);
    assert_true(go_log2(0x1p1023) == 1023);
    assert_true(isnan(go_exp2(NAN)));
    assert_true(go_exp2(-INFINITY) == 0);
    assert_true(go_exp2(INFINITY) == INFINITY);
    assert_true(go_exp2(1024) == INFINITY);
    assert_true(go_exp2(1023) == 0x1p1023);
    assert_true(go_exp2(-1074) == 0x1p-1074);
    assert_true(go_exp2(-1074.1) == 0);
}

static bool near(double a, double b)
{
    return fabs(a - b) <= 2 * DBL_EPSILON * fmax(fabs(b), 1); /* beside 1, Go loses digits */
}

static void all_are_near_the_librarys(void **state)
{
    fer_rng_seeded r;
    fer_rng_seeded_init(&r, 1);
    for (size_t i = 0; i < 100000; i++) {
        double part = (double)(fer_rng_seeded_next(&r) >> 11) * 0x1p-53;
        double v = exp(part * 1400 - 700), e = part * 2000 - 1000;
        assert_true(near(go_log(v), log(v)));
        assert_true(near(go_log2(v), log2(v)));
        assert_true(near(go_log10(v), log10(v)));
        assert_true(near(go_exp2(e) / exp2(e), 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_digits_are_gos),
        cmocka_unit_test(ends_of_the_range),
        cmocka_unit_test(all_are_near_the_librarys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/shortest.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

static double of_bits(uint64_t b)
{
    double v;
    memcpy(&v, &b, sizeof v);
    return v;
}

static double read_back(uint64_t digits, int exponent)
{
    char text[64];
    snprintf(text, sizeof text, "%" PRIu64 "e%d", digits, exponent);
    return strtod(text, NULL);
}

/* The C library's correctly rounded text with so many digits is the nearest decimal of that length. */
static double with_digits(double v, int n, uint64_t *ret_digits)
{
    char text[64], plain[32];
    snprintf(text, sizeof text, "%.*e", n - 1, v);
    size_t k = 0;
    for (const char *p = text; *p != 'e'; p++)
        if (*p != '.')
            plain[k++] = *p;
    plain[k] = '\0';
    *ret_digits = strtoull(plain, NULL, 10);
    return strtod(text, NULL);
}

static int length_of(uint64_t digits)
{
    char text[32];
    return snprintf(text, sizeof text, "%" PRIu64, digits);
}

static void check(double v)
{
    int exponent;
    uint64_t digits = shortest_of(v, &exponent), nearest;
    if (read_back(digits, exponent) != v || digits % 10 == 0)
        fail_msg("%a: %" PRIu64 "e%d", v, digits, exponent);
    int n = length_of(digits);
    if (n > 1 && with_digits(v, n - 1, &nearest) == v)
        fail_msg("%a: %" PRIu64 " is not the shortest", v, digits);
    with_digits(v, n, &nearest);
    /* Where the middle below is nearer, the nearest decimal may be on that side and not read back. */
    if (digits != nearest && frexp(v, &exponent) != 0.5)
        fail_msg("%a: %" PRIu64 " instead of %" PRIu64, v, digits, nearest);
}

static void digits_are_the_fewest_and_the_nearest(void **state)
{
    fer_rng_seeded r;
    fer_rng_seeded_init(&r, 7);
    for (int i = 0; i < 100000; i++) {
        double any = fabs(of_bits(fer_rng_seeded_next(&r)));
        if (isfinite(any) && any != 0)
            check(any);
        check((double)(fer_rng_seeded_next(&r) % 1000000 + 1) / 1000);
        check((double)(fer_rng_seeded_next(&r) >> (i % 64) | 1));
    }
}

/* At a power of two the distance to the number below is half of that to the number above. */
static void powers_of_two_and_their_neighbours(void **state)
{
    for (int e = -1074; e <= 1023; e++) {
        double v = ldexp(1, e);
        check(v);
        check(nextafter(v, INFINITY));
        if (e > -1074)
            check(nextafter(v, 0));
    }
}

static void ends_of_the_range(void **state)
{
    static const struct {
        double v;
        uint64_t digits;
        int exponent;
    } rows[] = {
        {4.9406564584124654e-324, 5, -324},
        {DBL_MIN, 22250738585072014, -324},
        {DBL_MAX, 17976931348623157, 292},
        {9007199254740993.0, 9007199254740992, 0},
        {0x1p-44, 5684341886080802, -29},
        {9.5367431640625e-7, 95367431640625, -20},
        {1, 1, 0},
        {1e23, 1, 23},
        {2e-323, 2, -323},
        {0.3, 3, -1},
        {0.1 + 0.2, 30000000000000004, -17},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int exponent;
        assert_int_equal(shortest_of(rows[i].v, &exponent), rows[i].digits);
        assert_int_equal(exponent, rows[i].exponent);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digits_are_the_fewest_and_the_nearest),
        cmocka_unit_test(powers_of_two_and_their_neighbours),
        cmocka_unit_test(ends_of_the_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

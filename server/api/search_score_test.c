/* search_score_test.c - scores computed by hand. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <math.h>
#include <string.h>

#include "server/api/search_score.h"

static search_text of(const char *s)
{
    search_text t = {.n = strlen(s)};
    for (size_t i = 0; i < t.n; i++)
        t.r[i] = (unsigned char)s[i];
    return t;
}

static void expect(double got, double want)
{
    if (fabs(got - want) > 1e-9)
        fail_msg("%.12f, not %.12f", got, want);
}

static void substrings_are_better_early(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        double want; /* below 0: none */
    } cases[] = {
        {"up", "up", 1},          {"up", "upper", 1}, {"up", "group", 1 - 0.9 * 3 / 3},
        {"up", "xupxx", 1 - 0.3}, {"up", "u_p", -1},  {"upper", "up", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        search_text p = of(cases[i].pattern), t = of(cases[i].text);
        double got = -1;
        assert_int_equal(search_substring(&p, &t, &got), cases[i].want >= 0);
        expect(got, cases[i].want);
    }
}

static void subsequences_are_better_in_runs(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        double want; /* 0: none */
    } cases[] = {
        {"http", "http", 1},
        {"http", "http_requests", 1},
        {"ab", "xab", 0.999 * (4 - 1.0 / 3) / 4},
        {"ab", "axb", 0.999 * (2 - 1.0 / 3) / 4},
        {"ab", "axbab", 0.999 * (4 - 3.0 / 5) / 4}, /* the later run is better */
        {"ab", "xabxx", 0.999 * (4 - 1.0 / 5 - 0.5 * 2 / 5) / 4},
        {"ab", "ba", 0},
        {"abc", "ab", 0},
        {"a", "xxa", 0.999 * (1 - 2.0 / 3)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        search_text p = of(cases[i].pattern), t = of(cases[i].text);
        double got;
        assert_int_equal(search_subsequence(&p, &t, &got), cases[i].want > 0);
        expect(got, cases[i].want);
    }
}

static void jaro_winkler_as_published(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        double want;
    } cases[] = {
        {"MARTHA", "MARHTA", 0.9611111111111},
        {"DIXON", "DICKSONX", 0.8133333333333},
        {"DWAYNE", "DUANE", 0.84},
        {"abc", "abc", 1},
        {"abc", "xyz", 0},
        {"", "", 1},
        {"a", "", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        search_text a = of(cases[i].a), b = of(cases[i].b);
        if (fabs(search_jaro_winkler(&a, &b) - cases[i].want) > 1e-9)
            fail_msg("%s %s: %.12f", cases[i].a, cases[i].b, search_jaro_winkler(&a, &b));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(substrings_are_better_early),
        cmocka_unit_test(subsequences_are_better_in_runs),
        cmocka_unit_test(jaro_winkler_as_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Number text. The expected texts were printed by Prometheus 3.5 (federation writes 'g', query
 * results JSON, count_values 'f'); reading is compared with the C library's strtod. */
#include "base/num.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"

static void assert_text(const char *got, size_t n, const char *want)
{
    if (n != strlen(want) || memcmp(got, want, n) != 0)
        fail_msg("got %.*s, want %s", (int)n, got, want);
}

static void floats_print_as_in_prometheus(void **state)
{
    static const struct {
        double v;
        const char *g, *json, *om, *f;
    } rows[] = {
        {0, "0", "0", "0.0", "0"},
        {-0.0, "-0", "-0", "0.0", "-0"},
        {1, "1", "1", "1.0", "1"},
        {-1, "-1", "-1", "-1.0", "-1"},
        {100, "100", "100", "100.0", "100"},
        {999999, "999999", "999999", "999999.0", "999999"},
        {999999.5, "999999.5", "999999.5", "999999.5", "999999.5"},
        {1e6, "1e+06", "1000000", "1e+06", "1000000"},
        {1234567, "1.234567e+06", "1234567", "1.234567e+06", "1234567"},
        {12345678.5, "1.23456785e+07", "12345678.5", "1.23456785e+07", "12345678.5"},
        {0.1, "0.1", "0.1", "0.1", "0.1"},
        {0.1 + 0.2, "0.30000000000000004", "0.30000000000000004", "0.30000000000000004",
         "0.30000000000000004"},
        {0.0001, "0.0001", "0.0001", "0.0001", "0.0001"},
        {0.00012345, "0.00012345", "0.00012345", "0.00012345", "0.00012345"},
        {0.00001, "1e-05", "0.00001", "1e-05", "0.00001"},
        {1.5e-5, "1.5e-05", "0.000015", "1.5e-05", "0.000015"},
        {1e-6, "1e-06", "0.000001", "1e-06", "0.000001"},
        {9.9e-7, "9.9e-07", "9.9e-07", "9.9e-07", "0.00000099"},
        {1e-7, "1e-07", "1e-07", "1e-07", "0.0000001"},
        {-1e-9, "-1e-09", "-1e-09", "-1e-09", "-0.000000001"},
        {1e20, "1e+20", "100000000000000000000", "1e+20", "100000000000000000000"},
        {123456789012345678901.0, "1.2345678901234568e+20", "123456789012345680000",
         "1.2345678901234568e+20", "123456789012345680000"},
        {9.999999999999999e20, "9.999999999999999e+20", "999999999999999900000",
         "9.999999999999999e+20", "999999999999999900000"},
        {1e21, "1e+21", "1e+21", "1e+21", "1000000000000000000000"},
        {1.5e21, "1.5e+21", "1.5e+21", "1.5e+21", "1500000000000000000000"},
        {9007199254740991, "9.007199254740991e+15", "9007199254740991", "9.007199254740991e+15",
         "9007199254740991"},
        {9007199254740994, "9.007199254740994e+15", "9007199254740994", "9.007199254740994e+15",
         "9007199254740994"},
        {18014398509481988, "1.8014398509481988e+16", "18014398509481988", "1.8014398509481988e+16",
         "18014398509481988"},
        {18446744073709551616.0, "1.8446744073709552e+19", "18446744073709552000",
         "1.8446744073709552e+19", "18446744073709552000"},
        {NAN, "NaN", "NaN", "NaN", "NaN"},
        {INFINITY, "+Inf", "+Inf", "+Inf", "+Inf"},
        {-INFINITY, "-Inf", "-Inf", "-Inf", "-Inf"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char buf[NUM_TEXT_MAX];
        assert_text(buf, num_format_g(buf, rows[i].v), rows[i].g);
        assert_text(buf, num_format_json(buf, rows[i].v), rows[i].json);
        assert_text(buf, num_format_om(buf, rows[i].v), rows[i].om);
        assert_text(buf, num_format_f(buf, rows[i].v), rows[i].f);
    }
}

static void exponents_have_a_sign_and_two_digits(void **state)
{
    static const struct {
        double v;
        const char *e;
    } rows[] = {
        {0, "0e+00"},
        {-0.0, "-0e+00"},
        {1, "1e+00"},
        {-12.5, "-1.25e+01"},
        {1e100, "1e+100"},
        {5e-324, "5e-324"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {DBL_MIN, "2.2250738585072014e-308"},
        {NAN, "NaN"},
        {-INFINITY, "-Inf"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char buf[NUM_TEXT_MAX];
        assert_text(buf, num_format_e(buf, rows[i].v), rows[i].e);
    }
}

static double of_bits(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static uint64_t to_bits(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static void assert_reads_back(const char *buf, size_t n, double v)
{
    assert_true(n <= NUM_TEXT_MAX);
    double back;
    if (!num_parse_f64((fer_str){buf, n}, &back) || to_bits(back) != to_bits(v))
        fail_msg("%.17g printed as %.*s reads back otherwise", v, (int)n, buf);
}

/* Every finite double, whatever its bits, comes back from each of its texts; and no text of fewer
 * digits would do. */
static void any_double_reads_back_from_its_text(void **state)
{
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, 1);
    for (int i = 0; i < 200000; i++) {
        double v = of_bits(fer_rng_seeded_next(&rng));
        if (i % 4 == 1)
            v = of_bits(fer_rng_seeded_next(&rng) & 0x800fffffffffffffULL); /* denormal */
        if (i % 4 == 2)
            v = (double)(int64_t)fer_rng_seeded_next(&rng) / 1000;
        if (!isfinite(v))
            continue;
        char buf[NUM_TEXT_MAX], shorter[64];
        assert_reads_back(buf, num_format_f(buf, v), v);
        assert_reads_back(buf, num_format_g(buf, v), v);
        size_t n = num_format_e(buf, v);
        assert_reads_back(buf, n, v);
        int digits = 0;
        for (size_t k = 0; k < n && buf[k] != 'e'; k++)
            digits += buf[k] >= '0' && buf[k] <= '9';
        if (digits > 1) {
            snprintf(shorter, sizeof shorter, "%.*e", digits - 2, v);
            assert_true(strtod(shorter, NULL) != v);
        }
    }
}

static void reading_agrees_with_strtod(void **state)
{
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, 2);
    for (int i = 0; i < 200000; i++) {
        char text[128];
        uint64_t a = fer_rng_seeded_next(&rng), b = fer_rng_seeded_next(&rng);
        int e = (int)(b % 700) - 350;
        if (i % 3 == 0)
            snprintf(text, sizeof text, "%s%" PRIu64 ".%" PRIu64 "e%d", a % 2 ? "-" : "", a >> 20,
                     b, e);
        else if (i % 3 == 1)
            snprintf(text, sizeof text, "%.*e", (int)(b % 40), of_bits(a & 0x7fefffffffffffffULL));
        else
            snprintf(text, sizeof text, "0x%" PRIx64 ".%" PRIx64 "p%d", a >> (b % 64),
                     b >> (a % 64), (int)(b % 2400) - 1250);
        double want = strtod(text, NULL), got = 0;
        bool ok = num_parse_f64(str_of(text), &got);
        if (ok != (bool)isfinite(want) || to_bits(got) != to_bits(want))
            fail_msg("%s: got %.17g, want %.17g", text, got, want);
    }
}

/* Halfway cases in the last bit, where one rounding too many shows. */
static void hexadecimal_rounds_once_to_even(void **state)
{
    static const struct {
        const char *text;
        double want;
    } rows[] = {
        {"0x1p0", 1},
        {"0X1P+4", 16},
        {"-0x.8p1", -1},
        {"0x1.p0", 1},
        {"0x1.00000000000008p0", 1},
        {"0x1.000000000000080000000000000000001p0", 0x1.0000000000001p0},
        {"0x1.00000000000018p0", 0x1.0000000000002p0},
        {"0x1p-1074", 5e-324},
        {"0x1p-1075", 0},
        {"0x1.8p-1075", 5e-324},
        {"0x1.0000000000001p-1075", 5e-324},
        {"0x1p-1076", 0},
        {"0x0.00000000000008p-1022", 0},
        {"0x0.000000000000081p-1022", 5e-324},
        {"0x1.fffffffffffff7p1023", DBL_MAX},
        {"0x0p99999999999999", 0},
        {"0x1p-99999999999999", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double got;
        assert_true(num_parse_f64(str_of(rows[i].text), &got));
        if (to_bits(got) != to_bits(rows[i].want))
            fail_msg("%s: got %a, want %a", rows[i].text, got, rows[i].want);
    }
}

static void names_of_numbers_are_read_in_any_case(void **state)
{
    static const char *const infinite[] = {"inf", "Inf", "+INF", "infinity", "+Infinity", "iNf"};
    for (size_t i = 0; i < sizeof infinite / sizeof *infinite; i++) {
        double v;
        assert_true(num_parse_f64(str_of(infinite[i]), &v));
        assert_true(v == INFINITY);
    }
    double v;
    assert_true(num_parse_f64(STR("-inf"), &v));
    assert_true(v == -INFINITY);
    assert_true(num_parse_f64(STR("NaN"), &v) && isnan(v));
    assert_true(num_parse_f64(STR("nan"), &v) && isnan(v));
    assert_true(num_parse_f64(STR("-0"), &v) && to_bits(v) == 1ULL << 63);
}

static void what_is_no_number_is_refused(void **state)
{
    static const char *const texts[] = {
        "",      " ",     "+",    "-",     ".",     "e",         "e5",      "1e",
        "1e+",   "1e-",   "--1",  "+-1",   "1 ",    " 1",        "1x",      "0x",
        "0x1",   "0xp1",  "0x1p", "0x1p+", "0x.p1", "1_000",     "0x_1p0",  "1.2.3",
        "1e5.0", "1e5e5", "+nan", "-nan",  "infin", "infinityx", "in",      "nanx",
        "1,5",   "１",    "0b1",  "0o7",   "1p5",   ".e1",       "0x1.8e1", "1f",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double v = 7;
        if (num_parse_f64(str_of(texts[i]), &v) || v != 7)
            fail_msg("accepted: %s", texts[i]);
    }
}

static void out_of_range_is_told_with_infinity(void **state)
{
    static const char *const texts[] = {"1e309", "1.7976931348623159e308", "1e99999999999999999999",
                                        "0x1p1024", "0x1.fffffffffffff8p1023"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double v;
        assert_false(num_parse_f64(str_of(texts[i]), &v));
        assert_true(v == INFINITY);
    }
    double v;
    assert_false(num_parse_f64(STR("-1e309"), &v));
    assert_true(v == -INFINITY);
    assert_true(num_parse_f64(STR("1e-400"), &v)); /* too small is zero */
    assert_true(v == 0);
}

/* The bytes behind the slice must not count; under a sanitizer reading them stops the test. */
static void a_number_ends_where_its_slice_ends(void **state)
{
    static const char text[] = "-123.456e+07";
    double want;
    assert_true(num_parse_f64(str_of(text), &want));
    assert_true(want == -123.456e7);
    for (size_t n = 0; n < sizeof text - 1; n++) {
        char *exact = malloc(n == 0 ? 1 : n);
        memcpy(exact, text, n);
        double v;
        bool ok = num_parse_f64((fer_str){exact, n}, &v);
        bool complete = n == 12 || n == 11 || (n >= 2 && n <= 8); /* not "", "-", "...e", "...e+" */
        assert_int_equal(ok, complete);
        free(exact);
    }
}

static void integers_of_every_length_print(void **state)
{
    for (uint64_t power = 1; power <= UINT64_MAX / 10; power *= 10) {
        const uint64_t near[] = {power - 1, power, power + 1, power * 7 + power / 3};
        for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
            char buf[NUM_TEXT_MAX], text[32];
            snprintf(text, sizeof text, "%" PRIu64, near[i]);
            assert_text(buf, num_format_u64(buf, near[i]), text);
            if (near[i] > (UINT64_C(1) << 53))
                continue;
            assert_text(buf, num_format_f(buf, (double)near[i]), text);
            snprintf(text, sizeof text, "-%" PRIu64, near[i]);
            assert_text(buf, num_format_f(buf, -(double)near[i]), text);
        }
    }
}

static void integers_print_and_read_to_their_limits(void **state)
{
    char buf[NUM_TEXT_MAX];
    assert_text(buf, num_format_i64(buf, 0), "0");
    assert_text(buf, num_format_i64(buf, -7), "-7");
    assert_text(buf, num_format_i64(buf, INT64_MIN), "-9223372036854775808");
    assert_text(buf, num_format_i64(buf, INT64_MAX), "9223372036854775807");
    assert_text(buf, num_format_u64(buf, UINT64_MAX), "18446744073709551615");

    int64_t i;
    assert_true(num_parse_i64(STR("-9223372036854775808"), &i) && i == INT64_MIN);
    assert_true(num_parse_i64(STR("9223372036854775807"), &i) && i == INT64_MAX);
    assert_true(num_parse_i64(STR("+5"), &i) && i == 5);
    assert_true(num_parse_i64(STR("-0"), &i) && i == 0);
    uint64_t u;
    assert_true(num_parse_u64(STR("18446744073709551615"), &u) && u == UINT64_MAX);
    assert_true(num_parse_u64(STR("007"), &u) && u == 7);

    static const char *const bad[] = {"",
                                      "+",
                                      "-",
                                      "--1",
                                      "-+1",
                                      "+-1",
                                      "1 ",
                                      " 1",
                                      "1a",
                                      "0x1",
                                      "1.0",
                                      "1e3",
                                      "18446744073709551616",
                                      "99999999999999999999999"};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        i = 7;
        u = 7;
        assert_false(num_parse_i64(str_of(bad[k]), &i));
        assert_false(num_parse_u64(str_of(bad[k]), &u));
        assert_true(i == 7 && u == 7);
    }
    assert_false(num_parse_i64(STR("9223372036854775808"), &i));
    assert_false(num_parse_i64(STR("-9223372036854775809"), &i));
    assert_false(num_parse_u64(STR("-1"), &u));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_print_as_in_prometheus),
        cmocka_unit_test(exponents_have_a_sign_and_two_digits),
        cmocka_unit_test(any_double_reads_back_from_its_text),
        cmocka_unit_test(reading_agrees_with_strtod),
        cmocka_unit_test(hexadecimal_rounds_once_to_even),
        cmocka_unit_test(names_of_numbers_are_read_in_any_case),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(out_of_range_is_told_with_infinity),
        cmocka_unit_test(a_number_ends_where_its_slice_ends),
        cmocka_unit_test(integers_of_every_length_print),
        cmocka_unit_test(integers_print_and_read_to_their_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

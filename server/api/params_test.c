/* params_test.c - times and durations as the API takes them (recorded from Prometheus 3.5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/api/params.h"

static void times_in_all_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"0", 0},
        {"1700000000", 1700000000000},
        {"1700000000.123", 1700000000123},
        {"1700000000.1239", 1700000000124},
        {"1.7e9", 1700000000000},
        {"-1.5", -1500},
        {"1_0", 10000},
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-21T10:11:12.345Z", 1795255872345},
        {"2026-11-21T10:11:12+02:00", 1795248672000},
        {"2024-02-29T23:59:59.999999999Z", 1709251199999},
        {"9223372036854775.807", API_MAX_TIME_MS},
        {"-9.3e15", API_MIN_TIME_MS},
        {"+Inf", API_MAX_TIME_MS},
        {"-292273086-05-16T16:47:06Z", API_MIN_TIME_MS},
        {"-62167219200", -62167219200000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ms = 1;
        fer_err err = {0};
        if (api_parse_time(str_of(cases[i].text), &ms, &err) != FER_OK || ms != cases[i].ms)
            fail_msg("%s: %lld (%s)", cases[i].text, (long long)ms, err.msg);
    }
}

static void what_is_no_time_is_named(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "abc",
                                      "2026-11-21",
                                      "2026-13-21T10:11:12Z",
                                      "2023-02-29T00:00:00Z",
                                      "2026-11-21T10:11:12",
                                      "1__0",
                                      "_1",
                                      "1m",
                                      "2026-11-21T24:00:00Z"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t ms = 7;
        fer_err err = {0};
        assert_int_equal(api_parse_time(str_of(bad[i]), &ms, &err), FER_INVALID);
        assert_int_equal(ms, 7);
        assert_non_null(strstr(err.msg, "to a valid timestamp"));
    }
}

static void durations_in_all_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"15", 15000},  {"0.5", 500},      {"1m0s", 60000}, {"1h30m", 5400000},
        {"500ms", 500}, {"1w", 604800000}, {"-1", -1000},   {"604800", 604800000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ms = 1;
        fer_err err = {0};
        if (api_parse_duration(str_of(cases[i].text), &ms, &err) != FER_OK || ms != cases[i].ms)
            fail_msg("%s: %lld (%s)", cases[i].text, (long long)ms, err.msg);
    }
    int64_t ms;
    fer_err err;
    assert_int_equal(api_parse_duration(STR("x"), &ms, &err), FER_INVALID);
    assert_string_equal(err.msg, "cannot parse \"x\" to a valid duration");
    assert_int_equal(api_parse_duration(STR("1e30"), &ms, &err), FER_INVALID);
    assert_string_equal(err.msg, "cannot parse \"1e30\" to a valid duration. It overflows int64");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_in_all_forms),
        cmocka_unit_test(what_is_no_time_is_named),
        cmocka_unit_test(durations_in_all_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

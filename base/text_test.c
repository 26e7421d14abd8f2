/* Quoted text, JSON and durations. Expected spellings and messages were given by Prometheus 3.5:
 * format_query for quoting, query results for JSON, promtool check config for durations. */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/utf8.h"

typedef void (*writer)(fer_buf *out, fer_str s);

static void assert_written(writer write, fer_str in, const char *want)
{
    fer_buf out;
    fer_buf_init(&out, 1 << 16, NULL);
    write(&out, in);
    assert_false(out.full);
    if (!str_eq(fer_buf_str(&out), str_of(want)))
        fail_msg("got %.*s, want %s", STR_FMT(out), want);
    fer_buf_done(&out);
}

static void quotes_as_go(void **state)
{
    assert_written(text_quote, STR(""), "\"\"");
    assert_written(text_quote, STR("plain /text"), "\"plain /text\"");
    assert_written(text_quote, STR("<>&'\"\\"), "\"<>&'\\\"\\\\\"");
    assert_written(text_quote, STR("\a\b\f\n\r\t\v"), "\"\\a\\b\\f\\n\\r\\t\\v\"");
    assert_written(text_quote, STR("\0\x01\x1f\x7f"), "\"\\x00\\x01\\x1f\\x7f\"");
    assert_written(text_quote, STR("\xff\xc3\x28\xed\xa0\x80"), "\"\\xff\\xc3(\\xed\\xa0\\x80\"");
    assert_written(text_quote, STR("é😀\xef\xbf\xbd\u0300"), "\"é😀\xef\xbf\xbd\u0300\"");
    assert_written(text_quote, STR("\u00a0\u00ad\u200b\u2028\ufeff\u061c\u3000\u2003\uffff"),
                   "\"\\u00a0\\u00ad\\u200b\\u2028\\ufeff\\u061c\\u3000\\u2003\\uffff\"");
    assert_written(text_quote, STR("\xc2\x85\xee\x80\x80"), "\"\\u0085\\ue000\"");
    assert_written(text_quote, STR("\U000e0001\U0001fbff\U0002fffe"),
                   "\"\\U000e0001\\U0001fbff\\U0002fffe\"");
    assert_written(text_quote, STR("a\xc3"), "\"a\\xc3\""); /* cut in the middle */
}

static void json_as_the_api_writes_label_text(void **state)
{
    assert_written(text_json_plain, STR(""), "\"\"");
    assert_written(text_json_plain, STR("<>&\b\f\u2028\u2029\x7f\x01\n\r\t\"/\\é😀"),
                   "\"<>&\\u0008\\u000c\u2028\u2029\x7f\\u0001\\n\\r\\t\\\"/\\\\é😀\"");
    assert_written(text_json_plain, STR("\v\0"), "\"\\u000b\\u0000\"");
    assert_written(text_json_plain,
                   STR("a\xff"
                       "b"),
                   "\"a\xef\xbf\xbd"
                   "b\"");
}

static void json_as_the_api_writes_other_text(void **state)
{
    assert_written(text_json, STR("<>&\b\f\u2028\u2029\x7f\x01\n\r\t\"/\\é😀"),
                   "\"\\u003c\\u003e\\u0026\\b\\f\\u2028\\u2029\x7f\\u0001\\n\\r\\t\\\"/\\\\é😀\"");
    assert_written(text_json, STR("\v"), "\"\\u000b\"");
    assert_written(text_json, STR("a\xff\xc3"), "\"a\\ufffd\\ufffd\"");
}

static void a_full_buffer_is_told(void **state)
{
    fer_buf out;
    fer_buf_init(&out, 4, NULL);
    text_quote(&out, STR("long enough"));
    assert_true(out.full);
    fer_buf_done(&out);
}

static void durations_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"0", 0},
        {"0s", 0},
        {"0d", 0},
        {"1ms", 1},
        {"1s", 1000},
        {"01s", 1000},
        {"1m", 60000},
        {"1h30m", 5400000},
        {"1d", 86400000},
        {"1w1d", 8 * 86400000LL},
        {"1s0ms", 1000},
        {"1m1ms", 60001},
        {"1y", 365 * 86400000LL},
        {"1y2w3d4h5m6s7ms", (365 + 17) * 86400000LL + 14706007},
        {"292y24w", (292 * 365 + 24 * 7) * 86400000LL},
        {"106751d", 106751 * 86400000LL},
        {"9223372036s", 9223372036000},
        {"9223372036854ms", 9223372036854},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t ms = -1;
        fer_err err;
        if (text_parse_duration(str_of(rows[i].text), &ms, &err) != FER_OK)
            fail_msg("%s: %s", rows[i].text, err.msg);
        assert_int_equal(ms, rows[i].ms);
    }
}

static void bad_durations_have_the_words_of_prometheus(void **state)
{
    static const char *const rows[][2] = {
        {"", "empty duration string"},
        {"1", "not a valid duration string: \"1\""},
        {"00", "not a valid duration string: \"00\""},
        {"s", "not a valid duration string: \"s\""},
        {" 1s", "not a valid duration string: \" 1s\""},
        {"-1s", "not a valid duration string: \"-1s\""},
        {"30m1h", "not a valid duration string: \"30m1h\""},
        {"1h1h", "not a valid duration string: \"1h1h\""},
        {"a\"b", "not a valid duration string: \"a\\\"b\""},
        {"é", "not a valid duration string: \"é\""},
        {"1.5s", "unknown unit \".\" in duration \"1.5s\""},
        {"1s\n", "unknown unit \"s\\n\" in duration \"1s\\n\""},
        {"1sé", "unknown unit \"sé\" in duration \"1sé\""},
        {"293y", "duration out of range"},
        {"9999999999999y", "duration out of range"},
        {"106752d", "duration out of range"},
        {"9223372037s", "duration out of range"},
        {"9223372036855ms", "duration out of range"},
        {"9223372036s855ms", "duration out of range"},
        {"99999999999999999999s", "not a valid duration string: \"99999999999999999999s\""},
        {"18446744073709551616s", "not a valid duration string: \"18446744073709551616s\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t ms = 7;
        fer_err err;
        assert_int_equal(text_parse_duration(str_of(rows[i][0]), &ms, &err), FER_INVALID);
        assert_string_equal(err.msg, rows[i][1]);
        assert_int_equal(ms, 7);
    }
}

static void assert_duration(int64_t ms, const char *want)
{
    fer_buf out;
    fer_buf_init(&out, 64, NULL);
    text_format_duration(&out, ms);
    if (!str_eq(fer_buf_str(&out), str_of(want)))
        fail_msg("%lld: got %.*s, want %s", (long long)ms, STR_FMT(out), want);
    fer_buf_done(&out);
}

static void durations_print_shortest_but_only_whole_years_and_weeks(void **state)
{
    static const int64_t day = 86400000;
    assert_duration(0, "0s");
    assert_duration(1, "1ms");
    assert_duration(1001, "1s1ms");
    assert_duration(60000, "1m");
    assert_duration(90000, "1m30s");
    assert_duration(5400000, "1h30m");
    assert_duration(day, "1d");
    assert_duration(7 * day, "1w");
    assert_duration(8 * day, "8d");
    assert_duration(7 * day + 1000, "7d1s");
    assert_duration(15 * day, "15d");
    assert_duration(104 * 7 * day, "104w");
    assert_duration(365 * day, "1y");
    assert_duration(366 * day, "366d");
    assert_duration(730 * day, "2y");
    assert_duration(365 * day + 1, "365d1ms");
    assert_duration(-5400000, "-1h30m");
    assert_duration(INT64_MIN, "-106751991167d7h12m55s808ms");
}

static void any_duration_reads_back(void **state)
{
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, 1);
    for (int i = 0; i < 20000; i++) {
        int64_t ms = (int64_t)(fer_rng_seeded_next(&rng) % 9223372036854ULL);
        ms >>= fer_rng_seeded_next(&rng) % 43;
        fer_buf out;
        fer_buf_init(&out, 64, NULL);
        text_format_duration(&out, ms);
        int64_t back;
        assert_int_equal(text_parse_duration(fer_buf_str(&out), &back, NULL), FER_OK);
        assert_int_equal(back, ms);
        fer_buf_done(&out);
    }
}

static void distances(void **state)
{
    assert_int_equal(text_distance(STR(""), STR("")), 0);
    assert_int_equal(text_distance(STR("abc"), STR("")), 3);
    assert_int_equal(text_distance(STR(""), STR("abc")), 3);
    assert_int_equal(text_distance(STR("kitten"), STR("sitting")), 3);
    assert_int_equal(text_distance(STR("rate"), STR("irate")), 1);
    assert_int_equal(text_distance(STR("summ"), STR("sum")), 1);
    assert_int_equal(text_distance(STR("ab"), STR("ba")), 2);
    assert_int_equal(text_distance(STR("flaw"), STR("lawn")), 2);
    char a[65];
    memset(a, 'a', sizeof a);
    assert_int_equal(text_distance((fer_str){a, 64}, STR("a")), 63);
    assert_true(text_distance((fer_str){a, 65}, STR("a")) > 1000);
}

static void bytes_have_binary_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
        const char *printed;
    } cases[] = {
        {"0", 0, "0B"},
        {"512MB", 512 << 20, "512MiB"},
        {"1.5GiB", INT64_C(3) << 29, "1GiB512MiB"},
        {"1KB", 1024, "1KiB"},
        {"7EB", INT64_C(7) << 60, "7EiB"},
        {"513KiB1MiB", 1537 << 10, "1MiB513KiB"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t v;
        fer_buf out;
        fer_buf_init(&out, 64, NULL);
        assert_true(text_parse_bytes(str_of(cases[i].text), &v));
        assert_int_equal(v, cases[i].bytes);
        text_format_bytes(&out, (int64_t)v);
        assert_true(str_eq(fer_buf_str(&out), str_of(cases[i].printed)));
        fer_buf_done(&out);
    }
    static const char *const bad[] = {"",    "5",   "MB",     "1XB",  "1 MB",
                                      "-1B", "8EB", "1.2.3B", "1KB2", "7EB1EB"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t v = 1;
        assert_false(text_parse_bytes(str_of(bad[i]), &v));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_have_binary_units),
        cmocka_unit_test(quotes_as_go),
        cmocka_unit_test(json_as_the_api_writes_label_text),
        cmocka_unit_test(json_as_the_api_writes_other_text),
        cmocka_unit_test(a_full_buffer_is_told),
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(bad_durations_have_the_words_of_prometheus),
        cmocka_unit_test(durations_print_shortest_but_only_whole_years_and_weeks),
        cmocka_unit_test(any_duration_reads_back),
        cmocka_unit_test(distances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

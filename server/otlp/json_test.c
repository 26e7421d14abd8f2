/* The JSON form: what is refused, and where; what is skipped. */
#include "server/otlp/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void check_error(const char *json, const char *expected)
{
    fer_buf msg;
    fer_err err = {0};
    fer_buf_init(&msg, 1 << 20, NULL);
    assert_int_equal(otlp_json_to_protobuf(str_of(json), &msg, &err), FER_INVALID);
    assert_string_equal(err.msg, expected);
    fer_buf_done(&msg);
}

/* The message has these bytes but for the lengths, which are five bytes long. */
static void check_bytes(const char *json, fer_str expected)
{
    fer_buf msg;
    fer_err err = {0};
    fer_buf_init(&msg, 1 << 20, NULL);
    if (otlp_json_to_protobuf(str_of(json), &msg, &err) != FER_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(msg.n, expected.n);
    assert_memory_equal(msg.p, expected.p, expected.n);
    fer_buf_done(&msg);
}

static void test_errors_name_the_byte(void **state)
{
    (void)state;
    check_error("", "json: an object is expected at byte 0");
    check_error("[]", "json: an object is expected at byte 0");
    check_error("{\"resourceMetrics\":{}}", "json: a list is expected at byte 19");
    check_error("{\"resourceMetrics\":[{]}", "json: a string is expected at byte 21");
    check_error("{\"resourceMetrics\":[]} x",
                "json: something stands behind the request at byte 23");
    check_error("{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":3}]}]}]}",
                "json: a string is expected at byte 57");
    check_error("{\"a", "json: the string does not end at byte 3");
    check_error("{\"a\":\"\\x\"}", "json: unknown escape in a string at byte 8");
    check_error("{\"a\":nope}", "json: a number is expected at byte 5");
}

static void test_depth_is_bounded(void **state)
{
    (void)state;
    char text[1024] = "{\"x\":";
    memset(text + 5, '[', 1000);
    fer_buf msg;
    fer_err err;
    fer_buf_init(&msg, 1 << 20, NULL);
    assert_int_equal(otlp_json_to_protobuf((fer_str){text, 1005}, &msg, &err), FER_INVALID);
    assert_string_equal(err.msg, "json: nested too deeply at byte 68");
    fer_buf_done(&msg);
}

static void test_unknown_names_and_nulls_are_skipped(void **state)
{
    (void)state;
    check_bytes("{\"x\":[1,{\"y\":\"z\"},null,true,-1.5e3],\"resourceMetrics\":null}", STR(""));
    check_bytes(" { \"resource_metrics\" : [ { } ] } ", STR("\x0a\x80\x80\x80\x80\x00"));
}

#define ONE(inner) "{\"resourceMetrics\":[{\"schemaUrl\":" inner "}]}"

static void test_texts(void **state)
{
    (void)state;
    check_bytes(ONE("\"a\\n\\\"\\u00fc\\ud83d\\ude00\\ud800x\""),
                STR("\x0a\x93\x80\x80\x80\x00\x1a\x8d\x80\x80\x80\x00"
                    "a\n\"\xc3\xbc\xf0\x9f\x98\x80\xef\xbf\xbdx"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_name_the_byte),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_unknown_names_and_nulls_are_skipped),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

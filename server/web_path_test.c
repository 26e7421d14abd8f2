/* web_path_test.c - prefixes by URL and flag. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
/* clang-format on */

#include "base/mem.h"
#include "server/web_path.h"

static void prefixes_come_from_flag_or_url(void **state)
{
    (void)state;
    static const struct {
        const char *url, *prefix, *want;
    } cases[] = {
        {"", "", ""},
        {"", "/", ""},
        {"", "/prom", "/prom"},
        {"", "prom/x/", "/prom/x"},
        {"http://host:9090", "", ""},
        {"http://host:9090/", "", ""},
        {"http://host:9090/a/b/", "", "/a/b"},
        {"https://host/a?x=/y", "", "/a"},
        {"https://host/a#b", "", "/a"},
        {"http://host/a", "/", ""},
        {"http://host/a", "/b", "/b"},
        {"/only/path", "", "/only/path"},
        {"http://host", "///", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *got;
        assert_int_equal(web_path_new(cases[i].url, cases[i].prefix, &got, NULL), FER_OK);
        assert_string_equal(got, cases[i].want);
        fer_free(got);
    }
    fer_err err;
    char *none;
    assert_int_equal(web_path_new("\"http://host\"", "", &none, &err), FER_INVALID);
    assert_string_equal(
        err.msg, "parse external URL \"http://host\": URL must not begin or end with quotes");
}

static void what_is_no_url_is_told_as_by_prometheus(void **state)
{
    (void)state;
    static const struct {
        const char *url, *fault;
    } cases[] = {
        {":9090/x", "missing protocol scheme"},
        {"10.0.0.1:9090", "first path segment in URL cannot contain colon"},
        {"my_host:9090/x", "first path segment in URL cannot contain colon"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fer_err err;
        char *none, want[128];
        snprintf(want, sizeof want, "parse external URL %s: %s", cases[i].url, cases[i].fault);
        assert_int_equal(web_path_new(cases[i].url, "", &none, &err), FER_INVALID);
        assert_string_equal(err.msg, want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes_come_from_flag_or_url),
        cmocka_unit_test(what_is_no_url_is_told_as_by_prometheus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

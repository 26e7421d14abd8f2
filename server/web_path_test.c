/* web_path_test.c - prefixes by URL and flag. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes_come_from_flag_or_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

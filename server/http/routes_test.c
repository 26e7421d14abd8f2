/* routes_test.c - which route serves a path. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "server/http/routes.h"

static const http_route table[] = {
    {.path = "/", .methods = HTTP_GET},
    {.path = "/a", .methods = HTTP_GET | HTTP_OPTIONS},
    {.path = "/a", .methods = HTTP_POST, .handler = "post"},
    {.path = "/label/:name/values", .methods = HTTP_GET},
    {.path = "/label/fixed/values", .methods = HTTP_PUT},
    {.path = "/end/:x", .methods = HTTP_GET},
    {.path = "/label/*", .methods = HTTP_OPTIONS},
};

static const struct {
    const char *path;
    http_method method;
    long want;
    const char *wild;
    unsigned allowed;
} cases[] = {
    {"/", HTTP_GET, 0, "", 0},
    {"/", HTTP_POST, -1, "", HTTP_GET},
    {"/a", HTTP_GET, 1, "", 0},
    {"/a", HTTP_POST, 2, "", 0},
    {"/a", HTTP_PUT, -1, "", HTTP_GET | HTTP_POST},
    {"/a", HTTP_HEAD, -1, "", HTTP_GET | HTTP_POST},
    {"/%61", HTTP_GET, 1, "", 0},
    {"/a/", HTTP_GET, -1, "", 0},
    {"/aa", HTTP_GET, -1, "", 0},
    {"//a", HTTP_GET, -1, "", 0},
    {"a", HTTP_GET, -1, "", 0},
    {"", HTTP_GET, -1, "", 0},
    {"*", HTTP_OPTIONS, -1, "", 0},
    {"/label/x/values", HTTP_GET, 3, "x", 0},
    {"/label/%C3%A4%2Fb/values", HTTP_GET, 3, "%C3%A4%2Fb", 0},
    {"/label/x/values", HTTP_PUT, -1, "", HTTP_GET},
    {"/label//values", HTTP_GET, -1, "", 0},
    {"/label/x", HTTP_GET, -1, "", 0},
    {"/label/x/y/values", HTTP_GET, -1, "", 0},
    {"/label/x/values/", HTTP_GET, -1, "", 0},
    {"/label/x/values", HTTP_OPTIONS, 6, "", 0},
    {"/label/fixed/values", HTTP_OPTIONS, 6, "", 0},
    {"/label/", HTTP_OPTIONS, 6, "", 0},
    {"/label", HTTP_OPTIONS, -1, "", 0},
    {"/label/any/thing", HTTP_PUT, -1, "", 0},
    {"/label/x%2Fvalues", HTTP_GET, -1, "", 0},
    {"/label/fixed/values", HTTP_PUT, 4, "", 0},
    {"/end/y", HTTP_GET, 5, "y", 0},
    {"/end/", HTTP_GET, -1, "", 0},
    {"/end", HTTP_GET, -1, "", 0},
};

static void paths_find_their_routes(void **state)
{
    (void)state;
    http_routes rs = {0};
    http_routes_add(&rs, table, 2);
    http_routes_add(&rs, table + 2, sizeof table / sizeof *table - 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fer_str wild = {0};
        unsigned allowed = 0;
        long got = http_routes_find(&rs, str_of(cases[i].path), cases[i].method, &wild, &allowed);
        if (got != cases[i].want || (got >= 0 && !str_eq(wild, str_of(cases[i].wild))) ||
            (got < 0 && allowed != cases[i].allowed))
            fail_msg("%s: route %ld, wild <%.*s>, allowed %u", cases[i].path, got, STR_FMT(wild),
                     allowed);
    }
    assert_string_equal(rs.v[2].route.handler, "post");
    assert_string_equal(rs.v[3].route.handler, "/label/:name/values");
    http_routes_done(&rs);
}

static void allow_lists_methods_in_order(void **state)
{
    (void)state;
    fer_buf b;
    fer_buf_init(&b, 100, NULL);
    http_methods_text(HTTP_POST | HTTP_GET | HTTP_OPTIONS, &b);
    assert_true(str_eq(fer_buf_str(&b), STR("GET, OPTIONS, POST")));
    fer_buf_done(&b);
    assert_int_equal(http_method_of(STR("DELETE")), HTTP_DELETE);
    assert_int_equal(http_method_of(STR("get")), HTTP_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_find_their_routes),
        cmocka_unit_test(allow_lists_methods_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

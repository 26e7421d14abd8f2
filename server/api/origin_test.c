/* origin_test.c - which origins are the server's own. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "server/api/origin.h"

static void own_origins_have_the_host_that_was_asked(void **state)
{
    (void)state;
    static const struct {
        const char *external, *origin, *host;
        bool own;
    } cases[] = {
        {"", "http://a:9090", "a:9090", true},
        {"", "https://A.example", "a.EXAMPLE", true},
        {"", "http://a", "a:9090", false},
        {"", "http://a:9090.evil", "a:9090", false},
        {"", "http://b", "a", false},
        {"", "null", "", false},
        {"", "a", "a", false},
        {"", "://", "", false},
        {"https://prom.example/x", "https://prom.example", "10.0.0.1:9090", true},
        {"https://prom.example/x", "https://other.example", "10.0.0.1:9090", false},
        {"/x", "http://a", "b", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        origin_policy *p;
        assert_int_equal(origin_policy_new("", cases[i].external, &p, NULL), FER_OK);
        if (origin_is_own(p, str_of(cases[i].origin), str_of(cases[i].host)) != cases[i].own)
            fail_msg("%s at %s", cases[i].origin, cases[i].host);
        origin_policy_free(p);
    }
}

static void a_bad_expression_names_the_flag(void **state)
{
    (void)state;
    fer_err err;
    origin_policy *p;
    assert_int_equal(origin_policy_new("(", "", &p, &err), FER_INVALID);
    assert_true(str_has_prefix(str_of(err.msg), STR("--web.cors.origin: error parsing regexp")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_origins_have_the_host_that_was_asked),
        cmocka_unit_test(a_bad_expression_names_the_flag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* federate_format_test.c - what an Accept header asks for, and names written that way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/api/federate_format.h"

static name_escaping federate_escaping(fer_str accept, bool *ret_protobuf)
{
    name_escaping e;
    exposition x = federate_negotiate(accept, ret_protobuf == NULL ? 0 : OFFER_PROTOBUF, &e);
    if (ret_protobuf != NULL)
        *ret_protobuf = x == EXPOSE_PROTOBUF;
    return e;
}

static void the_best_text_clause_chooses(void **state)
{
    (void)state;
    const struct {
        const char *accept;
        name_escaping expected;
    } cases[] = {
        {"", ESCAPE_UNDERSCORES},
        {"*/*", ESCAPE_UNDERSCORES},
        {"text/plain;version=0.0.4;escaping=allow-utf-8", ESCAPE_NONE},
        {"text/plain; version=1.0.0; escaping=values", ESCAPE_VALUES},
        {"text/plain;escaping=nonsense", ESCAPE_UNDERSCORES},
        {"text/plain;q=0.5;escaping=dots,text/plain;q=0.9;escaping=values", ESCAPE_VALUES},
        {"text/plain;q=x;escaping=dots,text/plain;q=0.1;escaping=values", ESCAPE_VALUES},
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8", ESCAPE_NONE},
        {"text/plain;version=2;escaping=dots", ESCAPE_DOTS},
        {"text/*;q=0.2,text/html;escaping=dots;q=0.1", ESCAPE_UNDERSCORES},
        {";;,;=;,,q=", ESCAPE_UNDERSCORES},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (federate_escaping(str_of(cases[i].accept), NULL) != cases[i].expected)
            fail_msg("%s", cases[i].accept);
}

#define PROTOBUF "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily"

static void protobuf_is_taken_where_it_is_preferred(void **state)
{
    (void)state;
    const struct {
        const char *accept;
        bool protobuf;
        name_escaping e;
    } cases[] = {
        {"", false, ESCAPE_UNDERSCORES},
        {PROTOBUF ";encoding=delimited;escaping=dots", true, ESCAPE_DOTS},
        {PROTOBUF ";encoding=text", false, ESCAPE_UNDERSCORES},
        {PROTOBUF, false, ESCAPE_UNDERSCORES},
        {"application/vnd.google.protobuf;encoding=delimited", false, ESCAPE_UNDERSCORES},
        {PROTOBUF ";encoding=delimited;q=0.5,text/plain;version=0.0.4;q=0.7", false,
         ESCAPE_UNDERSCORES},
        {PROTOBUF ";encoding=delimited;q=0.8,text/plain;version=0.0.4;q=0.7", true,
         ESCAPE_UNDERSCORES},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool protobuf;
        name_escaping e = federate_escaping(str_of(cases[i].accept), &protobuf);
        if (protobuf != cases[i].protobuf || e != cases[i].e)
            fail_msg("%s", cases[i].accept);
    }
}

static void clauses_beyond_the_limit_are_not_read(void **state)
{
    (void)state;
    fer_buf accept;
    fer_buf_init(&accept, 1 << 16, NULL);
    for (int i = 0; i < 1000; i++)
        fer_buf_puts(&accept, STR("a/b;q=0.1,"));
    fer_buf_puts(&accept, STR("text/plain;escaping=dots"));
    assert_int_equal(federate_escaping(fer_buf_str(&accept), NULL), ESCAPE_UNDERSCORES);
    fer_buf_done(&accept);
}

static void names_are_escaped_as_asked(void **state)
{
    (void)state;
    const struct {
        name_escaping e;
        const char *name, *expected;
    } cases[] = {
        {ESCAPE_UNDERSCORES, "a_b:c1", "a_b:c1"},
        {ESCAPE_VALUES, "a_b:c1", "a_b:c1"},
        {ESCAPE_DOTS, "a_b:c1", "a_b:c1"},
        {ESCAPE_UNDERSCORES, "gr\u00f6\u00dfe.x", "gr__e_x"},
        {ESCAPE_DOTS, "gr\u00f6\u00dfe.x_y", "gr____e_dot_x__y"},
        {ESCAPE_VALUES, "gr\u00f6\u00dfe.x_y", "U__gr_f6__df_e_2e_x__y"},
        {ESCAPE_NONE, "gr\u00f6\u00dfe.x", "gr\u00f6\u00dfe.x"},
        {ESCAPE_UNDERSCORES, "1a", "_a"},
        {ESCAPE_VALUES, "1a", "U___31_a"},
        {ESCAPE_VALUES, "\xff", "U___fffd_"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fer_buf out;
        fer_buf_init(&out, 1024, NULL);
        federate_put_name(&out, cases[i].e, str_of(cases[i].name));
        if (!str_eq(fer_buf_str(&out), str_of(cases[i].expected)))
            fail_msg("%s: %.*s", cases[i].name, (int)out.n, out.p);
        fer_buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_text_clause_chooses),
        cmocka_unit_test(protobuf_is_taken_where_it_is_preferred),
        cmocka_unit_test(clauses_beyond_the_limit_are_not_read),
        cmocka_unit_test(names_are_escaped_as_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

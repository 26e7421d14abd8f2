/* form_test.c - queries and form bodies as Go's net/url reads them. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "base/buf.h"
#include "server/http/form.h"

/* want: "name=value|" for each pair. error: NULL when there must be none. */
static const struct {
    const char *text, *want, *error;
} cases[] = {
    {"", "", NULL},
    {"a=b", "a=b|", NULL},
    {"a", "a=|", NULL},
    {"=b", "=b|", NULL},
    {"a=b=c", "a=b=c|", NULL},
    {"a=1&a=2&b", "a=1|a=2|b=|", NULL},
    {"&&a=1&&", "a=1|", NULL},
    {"a+b=c+d", "a b=c d|", NULL},
    {"%61%3D=%26%2b+", "a==&+ |", NULL},
    {"match[]=%7Bjob%3D%22x%22%7D", "match[]={job=\"x\"}|", NULL},
    {"q={a=~\"b|c\"}", "q={a=~\"b|c\"}|", NULL},
    {"q=\xc3\xa4%C3%A4", "q=\xc3\xa4\xc3\xa4|", NULL},
    {"a=1&b=%zz&c=3", "a=1|c=3|", "invalid URL escape \"%zz\""},
    {"%zzz=1&b=%yy", "", "invalid URL escape \"%zz\""},
    {"a=%", "", "invalid URL escape \"%\""},
    {"a=%4", "", "invalid URL escape \"%4\""},
    {"a=1%4&b=2", "b=2|", "invalid URL escape \"%4\""},
    {"a=1;b=2&c=3", "c=3|", "invalid semicolon separator in query"},
    {"a=%3B", "a=;|", NULL},
};

static void pairs_are_read_as_go_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fer_arena *a = fer_arena_new(NULL, 0);
        fer_err err = {0};
        http_form f = {0};
        /* A copy of its own, so that ASan sees a look past the end. */
        size_t n = strlen(cases[i].text);
        char *copy = fer_alloc(n);
        memcpy(copy, cases[i].text, n);
        fer_code code = http_form_parse(&f, (fer_str){copy, n}, a, &err);
        if (cases[i].error == NULL) {
            assert_int_equal(code, FER_OK);
        } else {
            assert_int_equal(code, FER_INVALID);
            assert_string_equal(err.msg, cases[i].error);
        }
        fer_buf b;
        fer_buf_init(&b, 4096, NULL);
        for (size_t k = 0; k < f.n; k++)
            fer_buf_printf(&b, "%.*s=%.*s|", STR_FMT(f.pairs[k].name), STR_FMT(f.pairs[k].value));
        fer_buf_putc(&b, '\0');
        assert_string_equal(b.p, cases[i].want);
        fer_buf_done(&b);
        fer_free(copy);
        fer_arena_free(a);
    }
}

static void parameters_are_counted(void **state)
{
    (void)state;
    fer_buf b;
    fer_buf_init(&b, 1 << 20, NULL);
    for (int i = 0; i < HTTP_FORM_PAIRS_MAX; i++)
        fer_buf_puts(&b, STR("a&"));
    fer_arena *a = fer_arena_new(NULL, 0);
    http_form f = {0};
    assert_int_equal(http_form_parse(&f, fer_buf_str(&b), a, NULL), FER_OK);
    fer_buf_puts(&b, STR("b"));
    f = (http_form){0};
    assert_int_equal(http_form_parse(&f, fer_buf_str(&b), a, NULL), FER_LIMIT);
    fer_arena_free(a);
    fer_buf_done(&b);
}

static void a_full_arena_is_told(void **state)
{
    (void)state;
    fer_account tight;
    fer_account_init(&tight, "tight", NULL, 64);
    fer_arena *a = fer_arena_new(&tight, 0);
    http_form f = {0};
    fer_err err = {0};
    assert_int_equal(http_form_parse(&f, STR("a=b&c=%20d"), a, &err), FER_LIMIT);
    assert_true(err.msg[0] != '\0');
    fer_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_are_read_as_go_does),
        cmocka_unit_test(parameters_are_counted),
        cmocka_unit_test(a_full_arena_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

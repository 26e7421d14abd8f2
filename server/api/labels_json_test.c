#include "server/api/labels_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { LABELS = 40 };

typedef struct fixture {
    fer_arena *a;
    syms *s;
    labels_json j;
    fer_buf out;
} fixture;

/* Puts labels of "name=value,...". */
static void put(fixture *f, const char *text)
{
    label_id l[LABELS];
    size_t n = 0;
    for (fer_str rest = str_of(text); rest.n != 0; n++) {
        size_t eq = strcspn(rest.p, "="), end = strcspn(rest.p, ",");
        l[n] = (label_id){syms_intern(f->s, str_head(rest, eq)),
                          syms_intern(f->s, str_from(str_head(rest, end), eq + 1))};
        rest = str_from(rest, end + 1);
    }
    fer_buf_clear(&f->out);
    labels_json_put(&f->j, &f->out, f->s, l, n);
    fer_buf_putc(&f->out, '\0');
}

/* Each is written as it would be without those before. */
static void sets_are_written_whole_whatever_stood_before(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "{}"},
        {"a=b", "{\"a\":\"b\"}"},
        {"a=b,c=d", "{\"a\":\"b\",\"c\":\"d\"}"},
        {"a=b,c=d,e=f", "{\"a\":\"b\",\"c\":\"d\",\"e\":\"f\"}"},
        {"a=b,c=e,e=f", "{\"a\":\"b\",\"c\":\"e\",\"e\":\"f\"}"},
        {"a=b,d=e", "{\"a\":\"b\",\"d\":\"e\"}"},
        {"a=b", "{\"a\":\"b\"}"},
        {"a=c", "{\"a\":\"c\"}"},
        {"", "{}"},
        {"a=c", "{\"a\":\"c\"}"},
        {"a=<\">,c=d", "{\"a\":\"\\u003c\\\"\\u003e\",\"c\":\"d\"}"},
        {"a=<\">,c=e", "{\"a\":\"\\u003c\\\"\\u003e\",\"c\":\"e\"}"},
        /* the third time copied; one value under two names */
        {"a=1,p=x", "{\"a\":\"1\",\"p\":\"x\"}"},
        {"a=2,p=x", "{\"a\":\"2\",\"p\":\"x\"}"},
        {"a=3,p=x", "{\"a\":\"3\",\"p\":\"x\"}"},
        {"a=1,p=x,q=x", "{\"a\":\"1\",\"p\":\"x\",\"q\":\"x\"}"},
        {"a=2,q=x", "{\"a\":\"2\",\"q\":\"x\"}"},
        {"a=1,q=x", "{\"a\":\"1\",\"q\":\"x\"}"},
        {"a=2,q=x", "{\"a\":\"2\",\"q\":\"x\"}"},
        {"a=2,p=x", "{\"a\":\"2\",\"p\":\"x\"}"},
    };
    fixture f = {.a = fer_arena_new(NULL, 0)};
    f.s = syms_new(f.a);
    fer_buf_init(&f.out, 1 << 20, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(&f, cases[i][0]);
        assert_string_equal(f.out.p, cases[i][1]);
    }
    labels_json_done(&f.j);
    fer_buf_done(&f.out);
    fer_arena_free(f.a);
}

/* Also those that are too long to be copied in one piece. */
static void labels_that_come_again_and_again_are_whole(void **state)
{
    (void)state;
    fixture f = {.a = fer_arena_new(NULL, 0)};
    f.s = syms_new(f.a);
    fer_buf_init(&f.out, 1 << 20, NULL);
    for (int i = 0; i < 400; i++) {
        char text[200], want[220], filler[100] = "";
        memset(filler, 'x', (size_t)(i % 80));
        snprintf(text, sizeof text, "a=%d,b=%s%d", i, filler, i % 80);
        snprintf(want, sizeof want, "{\"a\":\"%d\",\"b\":\"%s%d\"}", i, filler, i % 80);
        put(&f, text);
        assert_string_equal(f.out.p, want);
    }
    labels_json_done(&f.j);
    fer_buf_done(&f.out);
    fer_arena_free(f.a);
}

static void sets_of_many_labels_fit(void **state)
{
    (void)state;
    fixture f = {.a = fer_arena_new(NULL, 0)};
    f.s = syms_new(f.a);
    fer_buf_init(&f.out, 1 << 20, NULL);
    char text[LABELS * 8] = "a=1", want[LABELS * 12] = "{\"a\":\"1\"";
    put(&f, text);
    for (int i = 10; i < 10 + LABELS - 1; i++) {
        snprintf(text + strlen(text), 8, ",b%d=%d", i, i);
        snprintf(want + strlen(want), 12, ",\"b%d\":\"%d\"", i, i);
    }
    strncat(want, "}", 2);
    put(&f, text);
    assert_string_equal(f.out.p, want);
    labels_json_done(&f.j);
    fer_buf_done(&f.out);
    fer_arena_free(f.a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_written_whole_whatever_stood_before),
        cmocka_unit_test(labels_that_come_again_and_again_are_whole),
        cmocka_unit_test(sets_of_many_labels_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

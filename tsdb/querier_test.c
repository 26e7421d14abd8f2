#include "tsdb/querier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_list_keeps_copies_in_order(void **state)
{
    (void)state;
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    str_list l = {0};
    char text[16];
    for (int i = 0; i < 100; i++) {
        int n = snprintf(text, sizeof text, "warning %d", i);
        assert_int_equal(str_list_add(&l, a, (fer_str){text, (size_t)n}, NULL), FER_OK);
    }
    assert_int_equal(l.n, 100);
    assert_true(str_eq(l.v[0], STR("warning 0")));
    assert_true(str_eq(l.v[99], STR("warning 99")));
}

static void a_list_past_the_budget_says_so(void **state)
{
    (void)state;
    fer_account acct;
    fer_account_init(&acct, "query", NULL, 16 * 1024);
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(&acct, 0);
    str_list l = {0};
    fer_code code = FER_OK;
    size_t added = 0;
    for (; code == FER_OK && added < 100000; added++)
        code = str_list_add(&l, a, STR("a text of some length"), NULL);
    assert_int_equal(code, FER_LIMIT);
    assert_int_equal(l.n, added - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_keeps_copies_in_order),
        cmocka_unit_test(a_list_past_the_budget_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

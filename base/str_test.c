#include "base/str.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static int sign(int v)
{
    return (v > 0) - (v < 0);
}

static void order_is_bytewise_with_prefixes_first(void **state)
{
    static const fer_str sorted[] = {
        {NULL, 0}, {"\0", 1}, {"\0\0", 2}, {"A", 1},        {"a", 1},    {"a\0", 2},
        {"ab", 2}, {"b", 1},  {"\x7f", 1}, {"\xc3\xa9", 2}, {"\xff", 1},
    };
    enum { N = sizeof sorted / sizeof *sorted };
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < N; k++) {
            assert_int_equal(sign(str_cmp(sorted[i], sorted[k])), sign(i - k));
            assert_int_equal(str_eq(sorted[i], sorted[k]), i == k);
        }
    }
    assert_true(str_eq((fer_str){NULL, 0}, STR("")));
}

static void prefixes_and_suffixes(void **state)
{
    assert_true(str_has_prefix(STR("abc"), STR("ab")));
    assert_true(str_has_prefix(STR("abc"), STR("abc")));
    assert_true(str_has_prefix(STR("abc"), (fer_str){NULL, 0}));
    assert_true(str_has_prefix((fer_str){NULL, 0}, STR("")));
    assert_false(str_has_prefix(STR("abc"), STR("abcd")));
    assert_false(str_has_prefix(STR("abc"), STR("b")));
    assert_true(str_has_suffix(STR("abc"), STR("bc")));
    assert_true(str_has_suffix(STR("abc"), STR("")));
    assert_false(str_has_suffix(STR("abc"), STR("ab")));
    assert_false(str_has_suffix(STR("abc"), STR("xabc")));
}

static void cuts(void **state)
{
    assert_true(str_eq(str_from(STR("abc"), 1), STR("bc")));
    assert_true(str_eq(str_from(STR("abc"), 3), STR("")));
    assert_true(str_eq(str_from(STR("abc"), 99), STR("")));
    assert_true(str_eq(str_head(STR("abc"), 2), STR("ab")));
    assert_true(str_eq(str_head(STR("abc"), 99), STR("abc")));
    assert_int_equal(STR("a\0b").n, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_bytewise_with_prefixes_first),
        cmocka_unit_test(prefixes_and_suffixes),
        cmocka_unit_test(cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

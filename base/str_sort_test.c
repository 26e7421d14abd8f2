#include "base/str_sort.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"

enum { MANY = 3000 };

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const fer_str *)a, *(const fer_str *)b);
}

static void assert_same(const fer_str *a, const fer_str *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_true(str_eq(a[i], b[i]));
}

static void check(const fer_str *v, size_t n)
{
    fer_str *want = fer_alloc((n + 1) * sizeof *want), *got = fer_alloc((n + 1) * sizeof *got);
    memcpy(want, v, n * sizeof *v);
    memcpy(got, v, n * sizeof *v);
    if (n != 0)
        qsort(want, n, sizeof *want, by_text);
    str_sort(got, n);
    assert_same(got, want, n);
    fer_free(want);
    fer_free(got);
}

static size_t pick(fer_rng_seeded *r, size_t n)
{
    return (size_t)(fer_rng_seeded_next(r) % n);
}

/* Texts of `alphabet` letters, zero among them, behind one of `prefixes` common beginnings. */
static void random_texts(uint64_t seed, size_t n, size_t prefix, size_t prefixes, unsigned alphabet)
{
    fer_rng_seeded r;
    fer_rng_seeded_init(&r, seed);
    fer_str *v = fer_alloc((n + 1) * sizeof *v);
    char *all = fer_alloc(n * (prefix + 24) + 1), *at = all;
    for (size_t i = 0; i < n; i++) {
        size_t len = prefix + pick(&r, 24);
        memset(at, 'a' + (int)pick(&r, prefixes), prefix);
        for (size_t k = prefix; k < len; k++)
            at[k] = (char)pick(&r, alphabet);
        v[i] = (fer_str){at, len};
        at += len;
    }
    check(v, n);
    fer_free(all);
    fer_free(v);
}

static void any_texts_are_sorted(void **state)
{
    static const unsigned alphabets[] = {1, 2, 256};
    for (uint64_t seed = 0; seed < 3; seed++) {
        random_texts(seed, 0, 0, 1, 2);
        random_texts(seed, 1, 0, 1, 2);
        random_texts(seed, 40, 3, 2, alphabets[seed]);
        random_texts(seed, MANY, 0, 1, alphabets[seed]);
        random_texts(seed, MANY, 13, 3, alphabets[seed]);
    }
}

static void prefixes_beyond_the_depth_are_sorted(void **state)
{
    random_texts(1, 200, 5000, 1, 2);
    random_texts(2, 200, 5000, 2, 256);
}

static void lists_are_united(void **state)
{
    fer_str a[] = {STR(""), STR("a"), STR("c"), STR("d")},
            b[] = {STR("a"), STR("b"), STR("d"), STR("e")};
    fer_str want[] = {STR(""), STR("a"), STR("b"), STR("c"), STR("d"), STR("e")}, got[8];
    assert_int_equal(str_unite(a, 4, b, 4, got), 6);
    assert_same(got, want, 6);
    assert_int_equal(str_unite(a, 4, NULL, 0, got), 4);
    assert_same(got, a, 4);
    assert_int_equal(str_unite(NULL, 0, b, 4, got), 4);
    assert_same(got, b, 4);
}

static void a_list_tells_whether_it_contains_another(void **state)
{
    fer_str a[] = {STR(""), STR("a"), STR("c"), STR("d")}, b[] = {STR("a"), STR("d")},
            c[] = {STR("a"), STR("b")}, e[] = {STR("d"), STR("e")};
    assert_true(str_contain_all(a, 4, a, 4));
    assert_true(str_contain_all(a, 4, b, 2));
    assert_true(str_contain_all(a, 4, NULL, 0));
    assert_true(str_contain_all(NULL, 0, NULL, 0));
    assert_false(str_contain_all(a, 4, c, 2));
    assert_false(str_contain_all(a, 4, e, 2));
    assert_false(str_contain_all(b, 2, a, 4));
    assert_false(str_contain_all(NULL, 0, b, 2));
}

static void the_order_of_equal_texts_is_kept(void **state)
{
    fer_str v[100];
    uint32_t order[100];
    static char letters[] = "qwertyuiopa";
    for (size_t i = 0; i < 100; i++)
        v[i] = (fer_str){letters + i * 7 % 10, i % 2};
    str_sort_order(v, 100, order);
    for (size_t i = 1; i < 100; i++) {
        int c = str_cmp(v[order[i - 1]], v[order[i]]);
        assert_true(c < 0 || (c == 0 && order[i - 1] < order[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_texts_are_sorted),
        cmocka_unit_test(prefixes_beyond_the_depth_are_sorted),
        cmocka_unit_test(lists_are_united),
        cmocka_unit_test(a_list_tells_whether_it_contains_another),
        cmocka_unit_test(the_order_of_equal_texts_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

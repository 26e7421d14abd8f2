#include "tsdb/syms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void equal_texts_have_equal_ids(void **state)
{
    (void)state;
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    syms *s = syms_new(a);
    assert_int_equal(syms_intern(s, STR("")), 0);
    uint32_t up = syms_intern(s, STR("up"));
    uint32_t nul = syms_intern(s, STR("u\0p"));
    assert_int_not_equal(up, nul);
    assert_int_equal(syms_intern_stable(s, STR("up")), up);
    assert_int_equal(syms_find(s, STR("up")), up);
    assert_true(syms_find(s, STR("down")) == SYM_NONE);
    assert_true(str_eq(syms_text(s, nul), STR("u\0p")));
    assert_int_equal(syms_count(s), 3);
}

static void ids_stay_dense_and_texts_safe_while_it_grows(void **state)
{
    (void)state;
    enum { N = 20000 };
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    syms *s = syms_new(a);
    char text[32];
    for (uint32_t i = 1; i < N; i++) {
        int n = snprintf(text, sizeof text, "value-%u", i);
        assert_int_equal(syms_intern(s, (fer_str){text, (size_t)n}), i);
    }
    memset(text, 'x', sizeof text); /* texts were copied */
    for (uint32_t i = 1; i < N; i++) {
        int n = snprintf(text, sizeof text, "value-%u", i);
        assert_int_equal(syms_find(s, (fer_str){text, (size_t)n}), i);
        assert_true(str_eq(syms_text(s, i), (fer_str){text, (size_t)n}));
    }
    assert_int_equal(syms_count(s), N);
}

static void stable_text_is_kept_by_reference(void **state)
{
    (void)state;
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    syms *s = syms_new(a);
    static const char pinned[] = "pinned";
    uint32_t id = syms_intern_stable(s, str_of(pinned));
    assert_ptr_equal(syms_text(s, id).p, pinned);
}

static void an_added_text_gets_an_id_of_its_own_and_is_not_found(void **state)
{
    (void)state;
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    syms *s = syms_new(a);
    uint32_t known = syms_intern(s, STR("a")), added = syms_add_stable(s, STR("a"));
    assert_int_not_equal(added, known);
    assert_true(str_eq(syms_text(s, added), STR("a")));
    assert_int_equal(syms_find(s, STR("a")), known);
    assert_int_not_equal(syms_add_stable(s, STR("b")), SYM_NONE);
    assert_int_equal(syms_find(s, STR("b")), SYM_NONE);
    label_id x = {known, known}, y = {known, added};
    assert_int_equal(label_ids_cmp(s, &x, 1, &y, 1), 0);
}

static void past_the_budget_known_texts_still_answer(void **state)
{
    (void)state;
    fer_account acct;
    fer_account_init(&acct, "query", NULL, 64 * 1024);
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(&acct, 0);
    syms *s = syms_new(a);
    char text[32];
    uint32_t i = 1;
    for (;; i++) {
        int n = snprintf(text, sizeof text, "value-%u", i);
        if (syms_intern(s, (fer_str){text, (size_t)n}) == SYM_NONE)
            break;
        assert_true(i < 100000);
    }
    assert_int_equal(syms_count(s), i);
    for (uint32_t k = 1; k < i; k++) {
        int n = snprintf(text, sizeof text, "value-%u", k);
        assert_int_equal(syms_intern(s, (fer_str){text, (size_t)n}), k);
    }
}

static void label_sets_order_by_text_not_by_id(void **state)
{
    (void)state;
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    syms *s = syms_new(a);
    uint32_t z = syms_intern(s, STR("z")), b = syms_intern(s, STR("b")),
             n = syms_intern(s, STR("n"));
    const label_id nz[] = {{n, z}}, nb[] = {{n, b}}, nb_zb[] = {{n, b}, {z, b}};
    assert_true(label_ids_cmp(s, nb, 1, nz, 1) < 0);
    assert_true(label_ids_cmp(s, nz, 1, nb, 1) > 0);
    assert_int_equal(label_ids_cmp(s, nz, 1, nz, 1), 0);
    assert_true(label_ids_cmp(s, nb, 1, nb_zb, 2) < 0);
    assert_true(label_ids_cmp(s, nb_zb, 2, nz, 1) < 0);
    assert_true(label_ids_cmp(s, nb, 0, nb, 1) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_texts_have_equal_ids),
        cmocka_unit_test(ids_stay_dense_and_texts_safe_while_it_grows),
        cmocka_unit_test(stable_text_is_kept_by_reference),
        cmocka_unit_test(an_added_text_gets_an_id_of_its_own_and_is_not_found),
        cmocka_unit_test(past_the_budget_known_texts_still_answer),
        cmocka_unit_test(label_sets_order_by_text_not_by_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

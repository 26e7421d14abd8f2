#include "base/arena.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"

static void allocations_are_aligned_and_apart(void **state)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, 1);
    struct {
        unsigned char *p;
        size_t n;
    } got[2000];
    for (size_t i = 0; i < 2000; i++) {
        got[i].n = fer_rng_seeded_next(&rng) % (i % 50 == 0 ? 400000 : 300);
        got[i].p = fer_arena_alloc(a, got[i].n);
        assert_non_null(got[i].p);
        assert_int_equal((uintptr_t)got[i].p % 16, 0);
        memset(got[i].p, (int)(i & 0xff), got[i].n);
    }
    for (size_t i = 0; i < 2000; i++) {
        for (size_t k = 0; k < got[i].n; k++)
            assert_true(got[i].p[k] == (i & 0xff));
    }
}

static void calloc_zeroes_and_refuses_overflow(void **state)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    memset(fer_arena_alloc(a, 1000), 0xff, 1000);
    fer_arena_reset(a);
    unsigned char *p = fer_arena_calloc(a, 10, 100); /* the same bytes again */
    for (int i = 0; i < 1000; i++)
        assert_int_equal(p[i], 0);
    assert_null(fer_arena_calloc(a, SIZE_MAX / 2, 3));
    assert_null(fer_arena_alloc(a, SIZE_MAX));
    assert_null(fer_arena_grow(a, NULL, 0, SIZE_MAX));
}

static void growing_keeps_the_bytes(void **state)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    char *p = fer_arena_grow(a, NULL, 0, 10);
    memcpy(p, "0123456789", 10);
    char *q = fer_arena_grow(a, p, 10, 100); /* the last block: in place */
    assert_ptr_equal(p, q);
    char *other = fer_arena_alloc(a, 8);
    char *r = fer_arena_grow(a, q, 100, 200); /* not the last: moved */
    assert_ptr_not_equal(q, r);
    assert_memory_equal(r, "0123456789", 10);
    memset(r, 'r', 200);
    memset(other, 'o', 8);
    assert_int_equal(r[199], 'r');
    assert_ptr_equal(fer_arena_grow(a, r, 200, 100), r); /* never shrinks */
    r = fer_arena_grow(a, r, 200, 1 << 20);
    assert_int_equal(r[199], 'r');
}

static void budgets_are_kept(void **state)
{
    fer_account acct;
    fer_account_init(&acct, "query", NULL, 100000);
    fer_arena *a = fer_arena_new(&acct, 0);
    size_t total = 0;
    void *last = NULL;
    for (void *p; (p = fer_arena_alloc(a, 1000)) != NULL; last = p)
        total += 1000;
    assert_non_null(last);
    assert_true(total > 50000 && total <= 100000);
    assert_true(fer_account_used(&acct) <= 100000);
    assert_int_equal(fer_account_used(&acct), fer_arena_bytes(a));
    assert_null(fer_arena_grow(a, last, 1000, 90000)); /* and the old block stays */
    memset(last, 1, 1000);
    assert_null(fer_arena_dup(a, (fer_str){last, 1000}).p);
    assert_null(fer_arena_printf(a, "%1000d", 1).p);
    assert_null(fer_arena_calloc(a, 1, 1000));
    fer_arena_reset(a);
    assert_true(fer_account_used(&acct) <= 4096);
    assert_non_null(fer_arena_alloc(a, 1000));
    fer_arena_free(a);
    assert_int_equal(fer_account_used(&acct), 0);
}

static void a_limit_of_its_own(void **state)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 10000);
    assert_null(fer_arena_alloc(a, 10001));
    assert_non_null(fer_arena_alloc(a, 9000)); /* nearly all of it at once */
    assert_null(fer_arena_alloc(a, 9000));
    assert_true(fer_arena_bytes(a) <= 10000);
}

static void text_is_copied_with_a_nul(void **state)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    fer_str s = fer_arena_dup(a, STR("abc"));
    assert_int_equal(s.n, 3);
    assert_string_equal(s.p, "abc");
    s = fer_arena_dup(a, (fer_str){NULL, 0});
    assert_string_equal(s.p, "");
    s = fer_arena_printf(a, "%s-%05d", "x", 42);
    assert_string_equal(s.p, "x-00042");
    assert_int_equal(s.n, 7);
    s = fer_arena_printf(a, "%100000d", 7);
    assert_int_equal(s.n, 100000);
    assert_int_equal(s.p[99999], '7');
}

static char order[8];
static size_t order_n;

static void note(void *arg)
{
    order[order_n++] = *(char *)arg;
}

static void closers_run_last_first_and_once(void **state)
{
    char a = 'a', b = 'b', c = 'c';
    order_n = 0;
    fer_arena *arena = fer_arena_new(NULL, 0);
    assert_true(fer_arena_on_close(arena, note, &a));
    assert_true(fer_arena_on_close(arena, note, &b));
    fer_arena_reset(arena);
    assert_int_equal(order_n, 2);
    assert_memory_equal(order, "ba", 2);
    assert_true(fer_arena_on_close(arena, note, &c));
    fer_arena_free(arena);
    assert_int_equal(order_n, 3);
    assert_int_equal(order[2], 'c');

    order_n = 0;
    arena = fer_arena_new(NULL, 1);
    assert_false(fer_arena_on_close(arena, note, &a)); /* no room: not run either */
    fer_arena_free(arena);
    assert_int_equal(order_n, 0);
    fer_arena_free(NULL);
}

static void reset_gives_memory_back_but_keeps_a_block(void **state)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    assert_int_equal(fer_arena_bytes(a), 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++)
            assert_non_null(fer_arena_alloc(a, 1000));
        assert_true(fer_arena_bytes(a) >= 1000000);
        fer_arena_reset(a);
        assert_true(fer_arena_bytes(a) > 0 && fer_arena_bytes(a) <= 4096);
    }
}

static void the_budget_error_names_the_consumer(void **state)
{
    fer_err err;
    assert_int_equal(fer_fail_budget(&err, "query"), FER_LIMIT);
    assert_string_equal(err.msg, "query: memory budget used up");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_aligned_and_apart),
        cmocka_unit_test(calloc_zeroes_and_refuses_overflow),
        cmocka_unit_test(growing_keeps_the_bytes),
        cmocka_unit_test(budgets_are_kept),
        cmocka_unit_test(a_limit_of_its_own),
        cmocka_unit_test(text_is_copied_with_a_nul),
        cmocka_unit_test(closers_run_last_first_and_once),
        cmocka_unit_test(reset_gives_memory_back_but_keeps_a_block),
        cmocka_unit_test(the_budget_error_names_the_consumer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

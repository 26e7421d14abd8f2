/* Sets of refs against an array of bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rng.h"
#include "tsdb/wal/ref_set.h"

enum { REFS = 2000 };

static void members_are_found(void **state)
{
    (void)state;
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, 7);
    for (int round = 0; round < 50; round++) {
        bool in[REFS] = {0};
        fer_account acct;
        fer_account_init(&acct, "test", NULL, 0);
        ref_set set;
        ref_set_init(&set, &acct);
        for (int i = 0; i < round; i++) {
            uint64_t first = fer_rng_seeded_next(&rng) % REFS;
            uint64_t last = first + fer_rng_seeded_next(&rng) % 20;
            last = last < REFS ? last : REFS - 1;
            ref_set_add(&set, first, last);
            for (uint64_t r = first; r <= last; r++)
                in[r] = true;
        }
        ref_set_seal(&set);
        for (uint64_t r = 0; r < REFS; r++)
            assert_int_equal(ref_set_has(&set, r), in[r]);
        for (int i = 0; i < REFS; i++) {
            uint64_t r = fer_rng_seeded_next(&rng) % REFS;
            assert_int_equal(ref_set_has(&set, r), in[r]);
        }
        ref_set_done(&set);
        assert_int_equal(fer_account_used(&acct), 0);
    }
}

static void refs_in_order_take_one_range(void **state)
{
    (void)state;
    ref_set set;
    ref_set_init(&set, NULL);
    for (uint64_t r = 5; r < 100000; r++)
        ref_set_add(&set, r, r);
    ref_set_add(&set, UINT64_MAX, UINT64_MAX);
    ref_set_seal(&set);
    assert_int_equal(set.n, 2);
    assert_true(ref_set_has(&set, UINT64_MAX));
    assert_false(ref_set_has(&set, 4));
    assert_true(ref_set_has(&set, 5));
    ref_set_done(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_found),
        cmocka_unit_test(refs_in_order_take_one_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

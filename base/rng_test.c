#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void the_kernel_gives_different_bytes(void **state)
{
    fer_rng *r = fer_rng_system();
    unsigned char a[64] = {0}, b[64] = {0}, zero[64] = {0};
    r->fill(r, a, sizeof a);
    r->fill(r, b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a, zero, sizeof a);
    assert_memory_not_equal(a + 32, zero, 32); /* to the end */
    r->fill(r, a, 0);
}

/* The values of splitmix64 from seed 1234567, as published with xoshiro's reference code. */
static void a_seed_gives_the_same_numbers_for_ever(void **state)
{
    static const uint64_t want[] = {6457827717110365317u, 3203168211198807973u,
                                    9817491932198370423u, 4593380528125082431u,
                                    16408922859458223821u};
    fer_rng_seeded r;
    fer_rng_seeded_init(&r, 1234567);
    for (size_t i = 0; i < 5; i++)
        assert_true(fer_rng_seeded_next(&r) == want[i]);
    fer_rng_seeded_init(&r, 1234567);
    assert_true(fer_rng_u64(&r.base) == want[0]);
}

static void filling_takes_exactly_the_bytes_asked_for(void **state)
{
    for (size_t n = 0; n < 20; n++) {
        fer_rng_seeded r;
        fer_rng_seeded_init(&r, 9);
        unsigned char got[32];
        memset(got, 0xaa, sizeof got);
        r.base.fill(&r.base, got, n);
        for (size_t i = n; i < sizeof got; i++)
            assert_int_equal(got[i], 0xaa);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernel_gives_different_bytes),
        cmocka_unit_test(a_seed_gives_the_same_numbers_for_ever),
        cmocka_unit_test(filling_takes_exactly_the_bytes_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/key_sort.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"

static int by_key(const void *a, const void *b)
{
    const key_item *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* n keys that have no bits but those of `mask`, some of them equal. */
static void check(uint64_t seed, size_t n, uint64_t mask)
{
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, seed);
    key_item *v = fer_alloc((3 * n + 1) * sizeof *v), *want = v + n, *tmp = v + 2 * n;
    uint64_t differ = 0;
    for (size_t i = 0; i < n; i++) {
        bool again = i != 0 && fer_rng_seeded_next(&rng) % 4 == 0;
        v[i] = (key_item){again ? v[i / 2].key : fer_rng_seeded_next(&rng) & mask, (uint32_t)i};
        want[i] = v[i];
        differ |= v[i].key ^ v[0].key;
    }
    if (n != 0)
        qsort(want, n, sizeof *want, by_key);
    key_sort(v, tmp, n, differ);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(v[i].at, want[i].at);
        if (i != 0) /* keys may be others, but tell as much */
            assert_int_equal(v[i].key > v[i - 1].key, want[i].key > want[i - 1].key);
    }
    fer_free(v);
}

static void few_and_many_keys_of_any_bits_are_sorted_and_equal_ones_keep_their_order(void **state)
{
    (void)state;
    static const uint64_t masks[] = {
        0, 1, UINT64_C(1) << 63, 0x5f5f5f0000, 0xf00f00f00f00f00f, UINT64_MAX};
    static const size_t counts[] = {0, 1, 2, 40, 50, 3000};
    for (size_t m = 0; m < sizeof masks / sizeof *masks; m++)
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
            check(m * 10 + c, counts[c], masks[m]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_and_many_keys_of_any_bits_are_sorted_and_equal_ones_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

/* XXH64 with seed 0, values of the reference implementation; they are stored, so they must stay. */
static void xxh64_is_xxh64(void **state)
{
    assert_true(fer_hash64("", 0) == 0xef46db3751d8e999u);
    assert_true(fer_hash64(NULL, 0) == 0xef46db3751d8e999u);
    assert_true(fer_hash64("a", 1) == 0xd24ec4f1a98c6e5bu);
    assert_true(fer_hash64("abc", 3) == 0x44bc2cf5ad770999u);
}

static bool same(fer_hash128 a, fer_hash128 b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

static void keyed_hashes_depend_on_every_bit_and_on_the_key(void **state)
{
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, 1);
    fer_hash_key k1, k2;
    rng.base.fill(&rng.base, &k1, sizeof k1);
    rng.base.fill(&rng.base, &k2, sizeof k2);
    unsigned char text[300];
    rng.base.fill(&rng.base, text, sizeof text);
    for (size_t n = 1; n <= sizeof text; n += 13) {
        fer_hash128 h = fer_hash_keyed(&k1, text, n);
        assert_true(same(h, fer_hash_keyed(&k1, text, n)));
        assert_false(same(h, fer_hash_keyed(&k2, text, n)));
        for (size_t bit = 0; bit < n * 8; bit++) {
            text[bit / 8] ^= (unsigned char)(1u << bit % 8);
            assert_false(same(h, fer_hash_keyed(&k1, text, n)));
            text[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
    }
    assert_true(same(fer_hash_keyed(&k1, "", 0), fer_hash_keyed(&k1, "x", 0)));
}

static void mixing_spreads_small_integers(void **state)
{
    unsigned low[256] = {0}, high[256] = {0};
    for (uint64_t i = 0; i < 65536; i++) {
        uint64_t h = fer_hash_mix(0, i);
        low[h & 255]++;
        high[h >> 56]++;
    }
    for (int i = 0; i < 256; i++) { /* 256 each; 5 sigma is 80 */
        assert_true(low[i] > 150 && low[i] < 370);
        assert_true(high[i] > 150 && high[i] < 370);
    }
    assert_true(fer_hash_mix(fer_hash_mix(0, 1), 2) != fer_hash_mix(fer_hash_mix(0, 2), 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xxh64_is_xxh64),
        cmocka_unit_test(keyed_hashes_depend_on_every_bit_and_on_the_key),
        cmocka_unit_test(mixing_spreads_small_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

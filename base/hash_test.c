#include "base/hash_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
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

static void fill(fer_rng_seeded *rng, void *p, size_t n)
{
    rng->base.fill(&rng->base, p, n);
}

static void keyed_hashes_depend_on_every_bit_and_on_the_key(void **state)
{
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, 1);
    fer_hash_key k1, k2;
    fill(&rng, &k1, sizeof k1);
    fill(&rng, &k2, sizeof k2);
    unsigned char text[1300];
    fill(&rng, text, sizeof text);
    for (hash_form form = HASH_XXH3; form <= hash_best_form(); form++) {
        for (size_t n = 1; n <= sizeof text; n += n < 300 ? 13 : 97) {
            fer_hash128 h = hash_keyed_by(form, &k1, text, n);
            assert_true(same(h, hash_keyed_by(form, &k1, text, n)));
            assert_false(same(h, hash_keyed_by(form, &k2, text, n)));
            for (size_t bit = 0; bit < n * 8; bit++) {
                text[bit / 8] ^= (unsigned char)(1u << bit % 8);
                assert_false(same(h, hash_keyed_by(form, &k1, text, n)));
                text[bit / 8] ^= (unsigned char)(1u << bit % 8);
            }
        }
    }
    assert_true(same(fer_hash_keyed(&k1, "", 0), fer_hash_keyed(&k1, "x", 0)));
}

static int by_value(const void *a, const void *b)
{
    const fer_hash128 *x = a, *y = b;
    if (x->lo != y->lo)
        return x->lo < y->lo ? -1 : 1;
    return (x->hi > y->hi) - (x->hi < y->hi);
}

/* Texts that a sum of blocks could take for each other: of one byte throughout, with blocks in another place, with bytes
 * that stand where the last block looks twice. */
static void texts_of_equal_blocks_differ(void **state)
{
    enum { BYTES = 1200, TEXTS = BYTES + 64 * 63 / 2 };
    static fer_hash128 h[TEXTS];
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, 3);
    fer_hash_key key;
    fill(&rng, &key, sizeof key);
    unsigned char text[BYTES];
    for (hash_form form = HASH_XXH3; form <= hash_best_form(); form++) {
        size_t n = 0;
        memset(text, 'a', sizeof text);
        for (size_t i = 1; i <= BYTES; i++)
            h[n++] = hash_keyed_by(form, &key, text, i);
        for (size_t i = 0; i < 64; i++) {
            for (size_t j = 0; j < i; j++) { /* two blocks that are others */
                memset(text + i * 16, 'b', 16);
                memset(text + j * 16, 'b', 16);
                h[n++] = hash_keyed_by(form, &key, text, 1024 + 7);
                memset(text + i * 16, 'a', 16);
                memset(text + j * 16, 'a', 16);
            }
        }
        assert_int_equal(n, TEXTS);
        qsort(h, n, sizeof *h, by_value);
        for (size_t i = 1; i < n; i++)
            assert_false(same(h[i - 1], h[i]));
    }
}

static void both_widths_of_aes_agree_and_read_no_byte_beyond(void **state)
{
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, 4);
    fer_hash_key key;
    fill(&rng, &key, sizeof key);
    for (size_t n = 1; n < 1200; n++) {
        unsigned char *text = fer_alloc(n); /* of its very size, for sanitizers */
        fill(&rng, text, n);
        fer_hash128 h = fer_hash_keyed(&key, text, n);
        for (hash_form form = HASH_AES; form <= hash_best_form(); form++)
            assert_true(same(h, hash_keyed_by(form, &key, text, n)));
        fer_free(text);
    }
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
        cmocka_unit_test(texts_of_equal_blocks_differ),
        cmocka_unit_test(both_widths_of_aes_agree_and_read_no_byte_beyond),
        cmocka_unit_test(mixing_spreads_small_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

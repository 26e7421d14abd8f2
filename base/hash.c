/* hash.c - xxHash, inlined, and sums of AES where the processor has it.
 *
 * A keyed hash of HASH_AES_MIN bytes or more is a sum (xor) of blocks of 16 bytes, each xored with a mask of its place and put through
 * four rounds of AES with random round keys. For two different texts the sums are equal with a probability of at most 2^-113, whoever
 * chooses the texts without knowing the key: blocks that differ go in at random, and four rounds take a difference to any other
 * with no more than that (Keliher and Sui, IET Information Security 1(2), 2007; as a hash: Minematsu and Tsunoo, FSE 2006).
 *
 *   sum   = four(length ^ length_mask)
 *   sum  ^= four(block i ^ masks[i % HASH_MASKS])   the last block: the last 16 bytes, of which some may be those of the one before
 *   sum   = four(sum)                               after each HASH_MASKS blocks, more following
 *
 * Both widths give the same. Shorter texts and other processors: XXH3.
 */
#define XXH_INLINE_ALL
#include "base/hash.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <xxhash.h>

#include "base/hash_int.h"

uint64_t fer_hash64(const void *p, size_t n)
{
    assert(p != NULL || n == 0);
    return XXH64(p, n, 0);
}

static fer_hash128 by_xxh3(const fer_hash_key *key, const void *p, size_t n)
{
    XXH128_hash_t h = XXH3_128bits_withSecret(p, n, key->secret, sizeof key->secret);
    return (fer_hash128){h.low64, h.high64};
}

#ifdef __x86_64__

#include <cpuid.h>
#include <immintrin.h>

#define AES __attribute__((target("aes")))
#define WIDE_AES __attribute__((target("aes,avx2,vaes")))

enum {
    BLOCK = 16,
    PIECE = 4 * BLOCK, /* what is read at once */
    MASK_BYTES = HASH_MASKS * BLOCK,
    CPUID_7_ECX_VAES = 1 << 9
};
_Static_assert(HASH_MASKS % 4 == 0, "a piece's masks are behind each other");

/* What is left of a text, and where in the masks its next block's is. */
typedef struct rest {
    const uint8_t *p;
    size_t n;
    size_t mask; /* bytes */
} rest;

AES static inline __m128i load(const void *p)
{
    return _mm_loadu_si128(p);
}

AES static inline __m128i four(const fer_hash_key *key, __m128i x)
{
    for (size_t i = 0; i < sizeof key->rounds; i += BLOCK)
        x = _mm_aesenc_si128(x, load(key->rounds + i));
    return x;
}

AES static inline __m128i block(const fer_hash_key *key, const uint8_t *p, size_t mask)
{
    return four(key, _mm_xor_si128(load(p), load(key->masks + mask)));
}

/* Whether the masks of the pieces begin anew, with the sum put through once more. */
static inline bool next_piece(rest *r)
{
    r->p += PIECE;
    r->n -= PIECE;
    r->mask += PIECE;
    if (r->mask != MASK_BYTES)
        return false;
    r->mask = 0;
    return true;
}

/* The pieces before the last bytes, of which at least one is left. */
AES static inline __m128i add_pieces(const fer_hash_key *key, __m128i sum, rest *r)
{
    while (r->n > PIECE) {
        __m128i a = block(key, r->p, r->mask);
        __m128i b = block(key, r->p + BLOCK, r->mask + BLOCK);
        __m128i c = block(key, r->p + (size_t)2 * BLOCK, r->mask + (size_t)2 * BLOCK);
        __m128i d = block(key, r->p + (size_t)3 * BLOCK, r->mask + (size_t)3 * BLOCK);
        sum = _mm_xor_si128(sum, _mm_xor_si128(_mm_xor_si128(a, b), _mm_xor_si128(c, d)));
        if (next_piece(r))
            sum = four(key, sum);
    }
    return sum;
}

WIDE_AES static inline __m256i two_blocks(const fer_hash_key *key, const uint8_t *p, size_t mask)
{
    __m256i x = _mm256_xor_si256(_mm256_loadu_si256((const void *)p),
                                 _mm256_loadu_si256((const void *)(key->masks + mask)));
    for (size_t i = 0; i < sizeof key->rounds; i += BLOCK)
        x = _mm256_aesenc_epi128(x, _mm256_broadcastsi128_si256(load(key->rounds + i)));
    return x;
}

WIDE_AES static inline __m128i add_pieces_wide(const fer_hash_key *key, __m128i sum, rest *r)
{
    while (r->n > PIECE) {
        __m256i ab = two_blocks(key, r->p, r->mask);
        __m256i cd = two_blocks(key, r->p + (size_t)2 * BLOCK, r->mask + (size_t)2 * BLOCK);
        __m256i both = _mm256_xor_si256(ab, cd);
        __m128i halves =
            _mm_xor_si128(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
        sum = _mm_xor_si128(sum, halves);
        if (next_piece(r))
            sum = four(key, sum);
    }
    return sum;
}

AES static inline __m128i begin_sum(const fer_hash_key *key, size_t n)
{
    return four(key, _mm_xor_si128(_mm_cvtsi64_si128((int64_t)n), load(key->length_mask)));
}

/* The last 1 to PIECE bytes of a text that has BLOCK or more. */
AES static inline fer_hash128 end_sum(const fer_hash_key *key, __m128i sum, rest r)
{
    for (; r.n > BLOCK; r.n -= BLOCK, r.p += BLOCK, r.mask += BLOCK)
        sum = _mm_xor_si128(sum, block(key, r.p, r.mask));
    sum = _mm_xor_si128(sum, block(key, r.p + r.n - BLOCK, r.mask));
    fer_hash128 h;
    memcpy(&h, &sum, sizeof h);
    return h;
}

AES static fer_hash128 by_aes(const fer_hash_key *key, const void *p, size_t n)
{
    rest r = {p, n, 0};
    __m128i sum = add_pieces(key, begin_sum(key, n), &r);
    return end_sum(key, sum, r);
}

WIDE_AES static fer_hash128 by_wide_aes(const fer_hash_key *key, const void *p, size_t n)
{
    rest r = {p, n, 0};
    __m128i sum = add_pieces_wide(key, begin_sum(key, n), &r);
    return end_sum(key, sum, r);
}

static hash_form find_form(void)
{
    unsigned a, b, c = 0, d;
    if (!__builtin_cpu_supports("aes"))
        return HASH_XXH3;
    if (!__builtin_cpu_supports("avx2") || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return HASH_AES;
    return (c & CPUID_7_ECX_VAES) != 0 ? HASH_WIDE_AES : HASH_AES;
}

#else

static fer_hash128 by_aes(const fer_hash_key *key, const void *p, size_t n)
{
    return by_xxh3(key, p, n);
}

static fer_hash128 by_wide_aes(const fer_hash_key *key, const void *p, size_t n)
{
    return by_xxh3(key, p, n);
}

static hash_form find_form(void)
{
    return HASH_XXH3;
}

#endif

hash_form hash_best_form(void)
{
    static atomic_int found; /* form + 1 */
    int form = atomic_load_explicit(&found, memory_order_relaxed);
    if (form == 0) {
        form = (int)find_form() + 1;
        atomic_store_explicit(&found, form, memory_order_relaxed);
    }
    return (hash_form)(form - 1);
}

fer_hash128 hash_keyed_by(hash_form form, const fer_hash_key *key, const void *p, size_t n)
{
    if (n < HASH_AES_MIN || form == HASH_XXH3)
        return by_xxh3(key, p, n);
    return form == HASH_WIDE_AES ? by_wide_aes(key, p, n) : by_aes(key, p, n);
}

fer_hash128 fer_hash_keyed(const fer_hash_key *key, const void *p, size_t n)
{
    return hash_keyed_by(hash_best_form(), key, p, n);
}

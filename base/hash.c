/* hash.c - xxHash, inlined. */
#define XXH_INLINE_ALL
#include <assert.h>
#include <xxhash.h>

#include "base/hash.h"

uint64_t fer_hash64(const void *p, size_t n)
{
    assert(p != NULL || n == 0);
    return XXH64(p, n, 0);
}

fer_hash128 fer_hash_keyed(const fer_hash_key *key, const void *p, size_t n)
{
    XXH128_hash_t h = XXH3_128bits_withSecret(p, n, key->secret, sizeof key->secret);
    return (fer_hash128){h.low64, h.high64};
}

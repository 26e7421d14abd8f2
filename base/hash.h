/* hash.h - XXH64 and a keyed 128-bit hash. */
#ifndef FERULA_BASE_HASH_H
#define FERULA_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct fer_hash128 {
    uint64_t lo, hi;
} fer_hash128;

/* XXH64 with seed 0: stable across versions and machines. */
uint64_t fer_hash64(const void *p, size_t n);

enum { HASH_MASKS = 32 }; /* blocks of 16 bytes that have one of their own */

/* A process secret for fer_hash_keyed, filled once at start. */
typedef struct fer_hash_key {
    uint8_t secret[192]; /* of XXH3 */
    uint8_t rounds[64];  /* of AES, as the rest */
    uint8_t length_mask[16];
    uint8_t masks[HASH_MASKS * 16];
} fer_hash_key;

/* A 128-bit hash under a secret: hostile input cannot aim at collisions. By AES or by XXH3-128 (hash.c), so not the same on every
 * machine, nor across runs. */
fer_hash128 fer_hash_keyed(const fer_hash_key *key, const void *p, size_t n);

/* Mixes a value into a running hash; for ids and small integers. */
static inline uint64_t fer_hash_mix(uint64_t h, uint64_t v)
{
    h ^= v + 0x9e3779b97f4a7c15ULL + (h << 6) + (h >> 2);
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93ULL;
    h ^= h >> 32;
    return h;
}

#endif

/* hash.h - XXH64 and keyed 128-bit XXH3 (xxHash). */
#ifndef FERULA_BASE_HASH_H
#define FERULA_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct fer_hash128 {
    uint64_t lo, hi;
} fer_hash128;

/* XXH64 with seed 0: stable across versions and machines. */
uint64_t fer_hash64(const void *p, size_t n);

/* A process secret for fer_hash_keyed; 192 bytes, filled once at start. */
typedef struct fer_hash_key {
    uint8_t secret[192];
} fer_hash_key;

/* XXH3-128 under a secret: hostile input cannot aim at collisions. Not stable across runs. */
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

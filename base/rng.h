/* rng.h - randomness as a table (DESIGN D2). */
#ifndef FERULA_BASE_RNG_H
#define FERULA_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct fer_rng fer_rng;
struct fer_rng {
    void (*fill)(fer_rng *r, void *p, size_t n);
};

/* The kernel's generator (getrandom). Static; any thread. */
fer_rng *fer_rng_system(void);

/* splitmix64 from a seed; for tests and generators. One thread at a time. */
typedef struct fer_rng_seeded {
    fer_rng base;
    uint64_t state;
} fer_rng_seeded;
void fer_rng_seeded_init(fer_rng_seeded *r, uint64_t seed);
uint64_t fer_rng_seeded_next(fer_rng_seeded *r);

static inline uint64_t fer_rng_u64(fer_rng *r)
{
    uint64_t v;
    r->fill(r, &v, sizeof v);
    return v;
}

#endif

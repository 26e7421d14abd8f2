/* rng.c - the kernel's random bytes, and a seeded generator (splitmix64, Steele et al., OOPSLA 2014). */
#include "base/rng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static void system_fill(fer_rng *r, void *p, size_t n)
{
    (void)r;
    char *at = p;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            abort(); /* Linux 3.17 and later never refuse this call */
        at += got;
        n -= (size_t)got;
    }
}

fer_rng *fer_rng_system(void)
{
    static fer_rng rng = {system_fill};
    return &rng;
}

uint64_t fer_rng_seeded_next(fer_rng_seeded *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static void seeded_fill(fer_rng *r, void *p, size_t n)
{
    char *at = p;
    while (n > 0) {
        uint64_t v = fer_rng_seeded_next((fer_rng_seeded *)r);
        size_t part = n < sizeof v ? n : sizeof v;
        memcpy(at, &v, part);
        at += part;
        n -= part;
    }
}

void fer_rng_seeded_init(fer_rng_seeded *r, uint64_t seed)
{
    r->base.fill = seeded_fill;
    r->state = seed;
}

/* shortest.c
 *
 * v = c x 2^q. Decimals between the middles to the neighbours of v read back as v. With the power of ten 10^k that is
 * just below the width of that interval, at least one multiple of 10^k lies in it and at most one of 10^(k+1), which is
 * shorter. So v and the middles, times four so that the middles are whole, are scaled by 10^-k: rounded so that the last bit
 * is set where anything was cut off, they compare with multiples as the exact numbers do. For that 128 bits of 10^-k suffice.
 *
 * The powers are worked out at the first use, in some 20 us: exact products and quotients of fives, cut to their first 128
 * bits and rounded up.
 */
#include "base/shortest.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

/* 10^-k for the k of all doubles. */
enum { POWER_MIN = -292, POWER_MAX = 324, LIMBS = 16 };

typedef struct power {
    uint64_t hi, lo; /* the highest bit is set; what it is worth: floor_log2_pow10() */
} power;

static power powers[POWER_MAX - POWER_MIN + 1];
static pthread_once_t powers_made = PTHREAD_ONCE_INIT;

/* ---- powers of ten ---- */

/* A number of 64 * LIMBS bits, the lowest first. */
typedef struct big {
    uint64_t limb[LIMBS];
} big;

static void times_five(big *b)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < LIMBS; i++) {
        wide x = (wide)b->limb[i] * 5 + carry;
        b->limb[i] = (uint64_t)x;
        carry = (uint64_t)(x >> 64);
    }
}

/* Rounded down; so is what comes of several divisions one behind the other. */
static void over_five(big *b)
{
    uint64_t rest = 0;
    for (size_t i = LIMBS; i-- > 0;) {
        wide x = (wide)rest << 64 | b->limb[i];
        b->limb[i] = (uint64_t)(x / 5);
        rest = (uint64_t)(x % 5);
    }
}

/* The first 128 bits, rounded up unless `exact` and nothing is behind them. */
static power first_bits(const big *b, bool exact)
{
    size_t top = LIMBS - 1;
    while (b->limb[top] == 0)
        top--;
    unsigned shift = (unsigned)__builtin_clzll(b->limb[top]);
    uint64_t part[3]; /* the three highest limbs */
    for (size_t i = 0; i < 3; i++)
        part[i] = top >= i ? b->limb[top - i] : 0;
    power p = {part[0], part[1]};
    uint64_t rest = part[2];
    if (shift != 0) {
        p.hi = part[0] << shift | part[1] >> (64 - shift);
        p.lo = part[1] << shift | part[2] >> (64 - shift);
        rest = part[2] << shift;
    }
    for (size_t i = 3; i <= top; i++)
        rest |= b->limb[top - i];
    if (!exact || rest != 0) {
        p.lo++;
        p.hi += p.lo == 0;
    }
    return p;
}

static void make_powers(void)
{
    big b = {{1}};
    for (int n = 0; n <= POWER_MAX; n++) {
        powers[n - POWER_MIN] = first_bits(&b, true);
        times_five(&b);
    }
    b = (big){{0}};
    b.limb[LIMBS - 1] = UINT64_C(1) << 63;
    for (int n = -1; n >= POWER_MIN; n--) {
        over_five(&b);
        powers[n - POWER_MIN] = first_bits(&b, false);
    }
}

/* ---- logarithms, exact for the exponents of doubles ---- */

static int floor_log10_pow2(int e)
{
    return (e * 1262611) >> 22;
}

static int floor_log10_three_quarters_of_pow2(int e)
{
    return (e * 1262611 - 524031) >> 22;
}

static int floor_log2_pow10(int e)
{
    return (e * 1741647) >> 19;
}

/* ---- digits ---- */

/* The upper 64 bits of the product of 192, the last set when bits behind it are. */
static inline uint64_t scaled(power p, uint64_t c)
{
    wide low = (wide)p.lo * c, high = (wide)p.hi * c + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* Most have no zeros at the end, or many. */
static inline uint64_t without_zeros(uint64_t d, int *exponent)
{
    static const struct {
        uint64_t by;
        int zeros;
    } steps[] = {{100000000, 8}, {10000, 4}, {100, 2}, {10, 1}};
    if (d % 10 != 0)
        return d;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        while (d % steps[i].by == 0) {
            d /= steps[i].by;
            *exponent += steps[i].zeros;
        }
    return d;
}

uint64_t shortest_of(double v, int *ret_exponent)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    int biased = (int)(bits >> 52 & 0x7ff);
    uint64_t c = biased == 0 ? fraction : fraction | UINT64_C(1) << 52;
    int q = biased == 0 ? -1074 : biased - 1075;
    /* Below a power of two numbers lie closer. */
    bool closer = fraction == 0 && biased > 1;
    int k = closer ? floor_log10_three_quarters_of_pow2(q) : floor_log10_pow2(q);
    int shift = q + floor_log2_pow10(-k) + 1;

    (void)pthread_once(&powers_made, make_powers);
    power p = powers[-k - POWER_MIN];
    uint64_t odd = c & 1; /* its middles read back as a neighbour */
    uint64_t lower = scaled(p, (4 * c - 2 + closer) << shift) + odd;
    uint64_t middle = scaled(p, (4 * c) << shift);
    uint64_t upper = scaled(p, (4 * c + 2) << shift) - odd;

    uint64_t d = middle / 4; /* rounded down */
    uint64_t tens = d / 10;
    bool low_in = lower <= 40 * tens, high_in = 40 * tens + 40 <= upper;
    *ret_exponent = k + 1;
    if (tens != 0 && low_in != high_in)
        return without_zeros(tens + high_in, ret_exponent);
    *ret_exponent = k;
    low_in = lower <= 4 * d;
    high_in = 4 * d + 4 <= upper;
    bool up = low_in != high_in ? high_in : middle > 4 * d + 2 || (middle == 4 * d + 2 && (d & 1));
    return without_zeros(d + up, ret_exponent);
}

#include "base/key_sort.h"

#include <string.h>

enum { DIGIT_BITS = 8, DIGITS = 256, FEW = 48 };

static void sort_few(key_item *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        key_item x = v[i];
        size_t k = i;
        for (; k > 0 && v[k - 1].key > x.key; k--)
            v[k] = v[k - 1];
        v[k] = x;
    }
}

/* By one digit; `at` begins as the count of each value. */
static void distribute(const key_item *from, key_item *to, size_t n, unsigned shift, uint32_t *at)
{
    uint32_t sum = 0;
    for (size_t d = 0; d < DIGITS; d++) {
        uint32_t count = at[d];
        at[d] = sum;
        sum += count;
    }
    for (size_t i = 0; i < n; i++)
        to[at[from[i].key >> shift & (DIGITS - 1)]++] = from[i];
}

/* ---- keys whose bits that matter lie far apart, as those of digits in a text do ---- */

/* Bits that lie together, and how far they move down. */
typedef struct bit_run {
    uint64_t bits; /* where they go */
    unsigned down;
} bit_run;

/* The runs of bits that are set, moved together; how many. */
static unsigned find_runs(uint64_t bits, bit_run *runs)
{
    unsigned n = 0, used = 0;
    while (bits != 0) {
        uint64_t lowest = bits & (0 - bits), run = bits & ~(bits + lowest);
        unsigned down = (unsigned)__builtin_ctzll(bits) - used;
        runs[n++] = (bit_run){run >> down, down};
        used += (unsigned)__builtin_popcountll(run);
        bits &= ~run;
    }
    return n;
}

/* Moves the bits that matter together. Those that do now. */
static uint64_t pack(key_item *v, size_t n, uint64_t differ)
{
    bit_run runs[32];
    unsigned n_runs = find_runs(differ, runs);
    uint64_t all = 0;
    for (unsigned k = 0; k < n_runs; k++)
        all |= runs[k].bits;
    for (size_t i = 0; i < n; i++) {
        uint64_t key = v[i].key, packed = 0;
        for (unsigned k = 0; k < n_runs; k++)
            packed |= key >> runs[k].down & runs[k].bits;
        v[i].key = packed;
    }
    return all;
}

/* Where the digits begin that matter; how many. */
static unsigned find_digits(uint64_t differ, unsigned *shifts)
{
    unsigned n = 0;
    while (differ != 0) {
        unsigned shift = (unsigned)__builtin_ctzll(differ);
        shifts[n++] = shift;
        differ &= ~((uint64_t)(DIGITS - 1) << shift);
    }
    return n;
}

void key_sort(key_item *v, key_item *tmp, size_t n, uint64_t differ)
{
    if (n <= FEW) {
        sort_few(v, n);
        return;
    }
    unsigned shifts[64 / DIGIT_BITS];
    unsigned digits = find_digits(differ, shifts);
    if (digits > (unsigned)(__builtin_popcountll(differ) + DIGIT_BITS - 1) / DIGIT_BITS)
        digits = find_digits(pack(v, n, differ), shifts);
    uint32_t counts[64 / DIGIT_BITS][DIGITS] = {0};
    for (size_t i = 0; i < n; i++)
        for (unsigned k = 0; k < digits; k++)
            counts[k][v[i].key >> shifts[k] & (DIGITS - 1)]++;
    key_item *from = v, *to = tmp;
    for (unsigned k = 0; k < digits; k++) {
        distribute(from, to, n, shifts[k], counts[k]);
        key_item *swap = from;
        from = to;
        to = swap;
    }
    if (from != v)
        memcpy(v, from, n * sizeof *v);
}

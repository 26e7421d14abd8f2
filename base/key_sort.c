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

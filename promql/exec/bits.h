/* bits.h - which steps of a vector hold a value: one bit a step, 64 to a word.
 *
 * Bits behind the last step are zero in every map. Loops over values go by runs of present steps, so
 * that a series without gaps is one plain loop.
 */
#ifndef FERULA_PROMQL_EXEC_BITS_H
#define FERULA_PROMQL_EXEC_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline size_t bits_words(size_t n)
{
    return n / 64 + (n % 64 != 0);
}

static inline bool bits_get(const uint64_t *b, size_t i)
{
    return (b[i / 64] >> (i % 64)) & 1;
}

static inline void bits_set(uint64_t *b, size_t i)
{
    b[i / 64] |= UINT64_C(1) << (i % 64);
}

/* All in [from, to). */
static inline void bits_set_range(uint64_t *b, size_t from, size_t to)
{
    while (from < to) {
        size_t n = 64 - from % 64 < to - from ? 64 - from % 64 : to - from;
        b[from / 64] |= ~UINT64_C(0) >> (64 - n) << (from % 64);
        from += n;
    }
}

static inline void bits_clear(uint64_t *b, size_t i)
{
    b[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

static inline void bits_put(uint64_t *b, size_t i, bool on)
{
    b[i / 64] |= (uint64_t)on << (i % 64);
}

static inline void bits_zero(uint64_t *b, size_t n)
{
    memset(b, 0, bits_words(n) * sizeof *b);
}

static inline void bits_fill(uint64_t *b, size_t n)
{
    memset(b, 0xff, bits_words(n) * sizeof *b);
    if (n % 64 != 0)
        b[n / 64] = (UINT64_C(1) << (n % 64)) - 1;
}

static inline void bits_copy(uint64_t *to, const uint64_t *from, size_t n)
{
    memcpy(to, from, bits_words(n) * sizeof *to);
}

static inline void bits_or(uint64_t *to, const uint64_t *from, size_t n)
{
    for (size_t w = 0; w < bits_words(n); w++)
        to[w] |= from[w];
}

static inline void bits_and(uint64_t *to, const uint64_t *from, size_t n)
{
    for (size_t w = 0; w < bits_words(n); w++)
        to[w] &= from[w];
}

static inline void bits_and_not(uint64_t *to, const uint64_t *from, size_t n)
{
    for (size_t w = 0; w < bits_words(n); w++)
        to[w] &= ~from[w];
}

static inline void bits_not(uint64_t *b, size_t n)
{
    for (size_t w = 0; w < bits_words(n); w++)
        b[w] = ~b[w];
    if (n % 64 != 0)
        b[n / 64] &= (UINT64_C(1) << (n % 64)) - 1;
}

static inline bool bits_any(const uint64_t *b, size_t n)
{
    for (size_t w = 0; w < bits_words(n); w++)
        if (b[w] != 0)
            return true;
    return false;
}

static inline size_t bits_count(const uint64_t *b, size_t n)
{
    size_t c = 0;
    for (size_t w = 0; w < bits_words(n); w++)
        c += (size_t)__builtin_popcountll(b[w]);
    return c;
}

/* The first step where both hold a value; n when there is none. */
static inline size_t bits_first_common(const uint64_t *a, const uint64_t *b, size_t n)
{
    for (size_t w = 0; w < bits_words(n); w++)
        if ((a[w] & b[w]) != 0)
            return w * 64 + (size_t)__builtin_ctzll(a[w] & b[w]);
    return n;
}

/* The first set (clear) step at or after i; n when there is none. */
static inline size_t bits_next(const uint64_t *b, size_t i, size_t n)
{
    if (i >= n)
        return n;
    size_t w = i / 64;
    uint64_t x = b[w] & (~UINT64_C(0) << (i % 64));
    while (x == 0) {
        if (++w == bits_words(n))
            return n;
        x = b[w];
    }
    return w * 64 + (size_t)__builtin_ctzll(x);
}

static inline size_t bits_next_clear(const uint64_t *b, size_t i, size_t n)
{
    if (i >= n)
        return n;
    size_t w = i / 64;
    uint64_t x = ~b[w] & (~UINT64_C(0) << (i % 64));
    while (x == 0) {
        if (++w == bits_words(n))
            return n;
        x = ~b[w];
    }
    i = w * 64 + (size_t)__builtin_ctzll(x);
    return i < n ? i : n;
}

/* A run [from, to) of set steps. */
typedef struct bits_run {
    size_t from, to;
} bits_run;

/* The first run at or after r->to; false when there is none. Begin with {0}. */
static inline bool bits_next_run(const uint64_t *b, size_t n, bits_run *r)
{
    r->from = bits_next(b, r->to, n);
    r->to = bits_next_clear(b, r->from, n);
    return r->from < n;
}

#endif

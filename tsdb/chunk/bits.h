/* bits.h - bit streams, most significant bit first, and the number codes that chunks share.
 *
 * Reading is bounded: past the end a reader gives zeros and its `bad` is set and stays; callers check it once a
 * sample. Writing grows the bytes as it needs; they belong to the writer's owner (fer_free(out->p)).
 *
 * varbit, for small numbers mostly: as many ones as the class says, a zero (none after eight ones), then the payload:
 *
 *    ones      0  1  2  3  4   5   6   7   8
 *    payload   0  3  6  9  12  18  25  56  64 bits
 *
 * Unsigned, a payload of k bits holds 0 .. 2^k - 1; signed -(2^(k-1) - 1) .. 2^(k-1), modulo 2^k. The smallest
 * class that holds the number is written.
 *
 * window, for floats (docs/formats/chunk_xor.md, "value code"): the bits that differ from the value before.
 * Threads: pure; one user of a stream at a time.
 */
#ifndef FERULA_TSDB_BITS_H
#define FERULA_TSDB_BITS_H

#include <stdint.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/varint.h"

/* ---- reading ---- */

typedef struct bits_in {
    const uint8_t *p;
    size_t n, pos; /* bits */
    bool bad;      /* something was read past the end, or a code was impossible */
} bits_in;

static inline bits_in bits_in_of(fer_str s)
{
    return (bits_in){.p = (const uint8_t *)s.p, .n = s.n * 8};
}

static inline size_t bits_left(const bits_in *in)
{
    return in->n - in->pos;
}

/* At least 57 bits from the position on, zeros behind the end. */
static inline uint64_t bits_peek(const bits_in *in)
{
    const uint8_t *p = in->p + in->pos / 8;
    size_t left = in->n / 8 - in->pos / 8;
    if (__builtin_expect(left >= 8, 1))
        return be64_get(p) << (in->pos % 8);
    uint64_t w = 0;
    for (size_t i = 0; i < left; i++)
        w |= (uint64_t)p[i] << (56 - 8 * i);
    return w << (in->pos % 8);
}

static inline bool bits_skip(bits_in *in, unsigned k)
{
    if (k <= bits_left(in)) {
        in->pos += k;
        return true;
    }
    in->bad = true;
    in->pos = in->n;
    return false;
}

/* k bits; k <= 64. */
static inline uint64_t bits_get(bits_in *in, unsigned k)
{
    if (k == 0)
        return 0;
    if (k > 57) {
        uint64_t high = bits_get(in, k - 32);
        return high << 32 | bits_get(in, 32);
    }
    uint64_t w = bits_peek(in);
    return bits_skip(in, k) ? w >> (64 - k) : 0;
}

/* How many ones come next, `max` at most; they and the zero behind them (none after max ones) are taken. */
static inline unsigned bits_ones(bits_in *in, unsigned max)
{
    uint64_t w = ~bits_peek(in);
    unsigned ones = w == 0 ? max : (unsigned)__builtin_clzll(w);
    if (ones > max)
        ones = max;
    return bits_skip(in, ones + (ones < max)) ? ones : 0;
}

/* Passes over k bits that are zero; false, and nothing passed, where one is not, or k is 0 or above 57. Where they mostly are, what is
 * read behind them does not wait for them: the processor guesses it. */
static inline bool bits_skip_zeros(bits_in *in, unsigned k)
{
    if (k - 1 >= 57 || bits_peek(in) >> (64 - k) != 0 || k > bits_left(in))
        return false;
    in->pos += k;
    return true;
}

static inline unsigned varbit_payload(unsigned ones)
{
    static const uint8_t payload[] = {0, 3, 6, 9, 12, 18, 25, 56, 64};
    return payload[ones];
}

static inline uint64_t bits_varbit_uint(bits_in *in)
{
    return bits_get(in, varbit_payload(bits_ones(in, 8)));
}

static inline int64_t bits_varbit_int(bits_in *in)
{
    unsigned k = varbit_payload(bits_ones(in, 8));
    uint64_t v = bits_get(in, k);
    if (k != 0 && k != 64 && v > UINT64_C(1) << (k - 1))
        v -= UINT64_C(1) << k;
    return (int64_t)v;
}

/* A reader for many short codes one behind the other, in registers: the bits of one decide where the next begins, so what is
 * on that path decides how fast it is. So bits are kept inverted: ones in front are counted as zeros without another step.
 * Filled, it has bits for BITS_FILL codes; the bytes to fill it with are known before the codes ahead have been read. */
enum { BITS_FILL = 3 };
typedef struct bits_fast {
    const uint8_t *p, *end; /* what comes behind the bits in w */
    uint64_t w;             /* `n` bits, the next one first, and some of those at p */
    unsigned n;
} bits_fast;

/* False near the end. */
static inline bool bits_fill(bits_fast *f)
{
    if (f->end - f->p < 8)
        return false;
    f->w |= ~be64_get(f->p) >> f->n;
    f->p += (63 - f->n) / 8;
    f->n |= 56;
    return true;
}

/* From where the reader stands; behind some codes bits_fast_done() lets it follow. */
static inline bits_fast bits_fast_of(const bits_in *in)
{
    bits_fast f = {.p = in->p + in->pos / 8, .end = in->p + in->n / 8};
    if (bits_fill(&f)) {
        f.w <<= in->pos % 8;
        f.n -= (unsigned)(in->pos % 8);
    }
    return f;
}

static inline void bits_fast_done(bits_in *in, const bits_fast *f)
{
    if (f->n != 0)
        in->pos = (size_t)(f->p - in->p) * 8 - f->n;
}

/* A signed varbit number of one of the five classes that take 17 bits at most; false for another one. */
static inline bool bits_fast_varbit(bits_fast *f, int64_t *ret)
{
    unsigned ones = f->w == 0 ? 64 : (unsigned)__builtin_clzll(f->w);
    unsigned bits = 4 * ones + 1, payload = 3 * ones;
    if (__builtin_expect(ones > 4, 0))
        return false;
    /* The payload inverted and 1 more is the number with the other sign, in two's complement; without payload it is 0. */
    uint64_t negated = (uint64_t)((int64_t)f->w >> (64 - bits)) + 1;
    *ret = -((int64_t)(negated << (-payload & 63)) >> (-payload & 63));
    f->w <<= bits;
    f->n -= bits;
    return true;
}

/* A LEB128 integer, its bytes wherever they fall. */
static inline uint64_t bits_uvarint(bits_in *in)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t b = bits_get(in, 8);
        if (shift == 63 && b > 1)
            break;
        v |= (b & 0x7f) << shift;
        if (b < 0x80)
            return v;
    }
    in->bad = true;
    return 0;
}

static inline int64_t bits_varint(bits_in *in)
{
    return zigzag_get(bits_uvarint(in));
}

enum { BITS_NO_WINDOW = 0xff };

/* Where the bits lay that differed last. */
typedef struct bits_window {
    uint8_t leading; /* BITS_NO_WINDOW: none yet */
    uint8_t trailing;
} bits_window;

/* The differing bits in the window told last; bad when there is none. */
static inline uint64_t bits_in_window(bits_in *in, const bits_window *w)
{
    if (w->leading == BITS_NO_WINDOW) {
        in->bad = true;
        return 0;
    }
    return bits_get(in, 64U - w->leading - w->trailing) << w->trailing;
}

/* A window and the bits in it. */
static inline uint64_t bits_new_window(bits_in *in, bits_window *w)
{
    unsigned leading = (unsigned)bits_get(in, 5);
    unsigned sig = (unsigned)bits_get(in, 6);
    if (sig == 0)
        sig = 64;
    if (leading + sig > 64) {
        in->bad = true;
        return 0;
    }
    *w = (bits_window){(uint8_t)leading, (uint8_t)(64 - leading - sig)};
    return bits_in_window(in, w);
}

/* The value code: what the bits of the value before are to be XORed with. Most have the window told last. */
static inline uint64_t bits_xor(bits_in *in, bits_window *w)
{
    enum { AT_ONCE = 57 - 2 }; /* bits behind the code's first two */
    uint64_t next = bits_peek(in);
    unsigned sig = 64U - w->leading - w->trailing; /* far above 64 without a window */
    if (next >> 62 == 2 && sig <= AT_ONCE && sig + 2 <= bits_left(in)) {
        in->pos += sig + 2;
        return next << 2 >> (64 - sig) << w->trailing;
    }
    switch (bits_ones(in, 2)) {
    case 0:
        return 0;
    case 1:
        return bits_in_window(in, w);
    default:
        return bits_new_window(in, w);
    }
}

/* ---- writing ---- */

typedef struct bits_out {
    uint8_t *p;
    size_t n;   /* bits */
    size_t cap; /* bytes; those behind n are zero or never read */
} bits_out;

static inline size_t bits_bytes(const bits_out *out)
{
    return (out->n + 7) / 8;
}

/* The lower k bits of v, the others being zero; k <= 64. */
static inline void bits_put(bits_out *out, uint64_t v, unsigned k)
{
    if (k > 56) {
        bits_put(out, v >> 32, k - 32);
        bits_put(out, v & UINT32_MAX, 32);
        return;
    }
    if (out->cap < out->n / 8 + 8) {
        out->cap = (out->n / 8 + 8) * 2;
        out->p = fer_realloc(out->p, out->cap);
    }
    uint8_t *at = out->p + out->n / 8;
    unsigned used = out->n % 8;
    uint64_t w = used == 0 ? 0 : (uint64_t)*at << 56;
    be64_put(at, k == 0 ? w : w | v << (64 - used - k));
    out->n += k;
}

static inline void bits_put_ones(bits_out *out, unsigned ones, unsigned max)
{
    uint64_t v = (UINT64_C(1) << ones) - 1;
    if (ones == max)
        bits_put(out, v, ones);
    else
        bits_put(out, v << 1, ones + 1);
}

static inline void bits_put_varbit_uint(bits_out *out, uint64_t v)
{
    unsigned ones = 0;
    while (ones < 8 && v >> varbit_payload(ones) != 0)
        ones++;
    bits_put_ones(out, ones, 8);
    bits_put(out, v, varbit_payload(ones));
}

/* How many bits the payload of a signed number needs. */
static inline unsigned varbit_int_bits(int64_t v)
{
    uint64_t less = (uint64_t)v - 1; /* a number in two's complement */
    less = (less ^ (0 - (less >> 63))) << 1 | 1;
    return v == 0 ? 0 : 64 - (unsigned)__builtin_clzll(less);
}

/* The class whose payload has that many bits. */
static inline unsigned varbit_ones(unsigned bits)
{
    static const uint8_t ones[65] = {0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 5,
                                     5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7, 7,
                                     7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
                                     7, 7, 7, 7, 7, 7, 8, 8, 8, 8, 8, 8, 8, 8};
    return ones[bits];
}

/* A signed varbit number of a class below VARBIT_LONG in one piece: its bits, of which there are *ret_bits. */
enum { VARBIT_LONG = 7 };
static inline uint64_t varbit_int_code(int64_t v, unsigned ones, unsigned *ret_bits)
{
    unsigned k = varbit_payload(ones);
    *ret_bits = ones + 1 + k;
    return ((UINT64_C(2) << ones) - 2) << k | ((uint64_t)v & ((UINT64_C(1) << k) - 1));
}

static inline void bits_put_varbit_int(bits_out *out, int64_t v)
{
    unsigned ones = varbit_ones(varbit_int_bits(v)), bits;
    if (ones < VARBIT_LONG) {
        uint64_t code = varbit_int_code(v, ones, &bits);
        bits_put(out, code, bits);
        return;
    }
    bool whole = ones != VARBIT_LONG; /* 64 bits, or 56 */
    bits_put_ones(out, whole ? 8 : VARBIT_LONG, 8);
    bits_put(out, whole ? (uint64_t)v : (uint64_t)v & (UINT64_MAX >> 8), whole ? 64 : 56);
}

/* A writer of signed varbit numbers one behind the other: what is not yet a whole byte stays in a register. */
typedef struct bits_run {
    uint8_t *p;
    uint64_t w; /* `n` bits, below 8, which come first at p */
    unsigned n;
} bits_run;

/* Room for at least `extra` bytes behind the last. */
static inline void bits_need(bits_out *out, size_t extra)
{
    size_t need = out->n / 8 + extra;
    if (out->cap >= need)
        return;
    out->cap = need + need / 4;
    out->p = fer_realloc(out->p, out->cap);
}

/* For `count` numbers at most. */
static inline bits_run bits_run_begin(bits_out *out, size_t count)
{
    enum { CODE_BYTES_MAX = 9, STORE_BYTES = 8 };
    bits_need(out, count * CODE_BYTES_MAX + STORE_BYTES);
    bits_run r = {.p = out->p + out->n / 8, .n = out->n % 8};
    r.w = r.n == 0 ? 0 : (uint64_t)*r.p << 56;
    return r;
}

/* 1 <= k <= 56. */
static inline void bits_run_put(bits_run *r, uint64_t v, unsigned k)
{
    r->n += k;
    r->w |= v << (64 - r->n);
    be64_put(r->p, r->w);
    r->p += r->n / 8;
    r->w <<= r->n & ~7U;
    r->n %= 8;
}

static inline void bits_run_varbit_int(bits_run *r, int64_t v)
{
    unsigned ones = varbit_ones(varbit_int_bits(v)), bits;
    if (__builtin_expect(ones < VARBIT_LONG, 1)) {
        uint64_t code = varbit_int_code(v, ones, &bits);
        bits_run_put(r, code, bits);
        return;
    }
    bits_run_put(r, ones == 8 ? 0xff : 0xfe, 8);
    if (ones == 8)
        bits_run_put(r, (uint64_t)v >> 56, 8);
    bits_run_put(r, (uint64_t)v & (UINT64_MAX >> 8), 56);
}

static inline void bits_run_end(bits_out *out, const bits_run *r)
{
    out->n = (size_t)(r->p - out->p) * 8 + r->n;
}

/* The value code of `delta`, the differing bits. */
static inline void bits_put_xor(bits_out *out, bits_window *w, uint64_t delta)
{
    if (delta == 0) {
        bits_put(out, 0, 1);
        return;
    }
    unsigned leading = (unsigned)__builtin_clzll(delta);
    unsigned trailing = (unsigned)__builtin_ctzll(delta);
    if (leading > 31)
        leading = 31;
    if (w->leading != BITS_NO_WINDOW && leading >= w->leading && trailing >= w->trailing) {
        bits_put(out, 2, 2);
        bits_put(out, delta >> w->trailing, 64U - w->leading - w->trailing);
        return;
    }
    unsigned sig = 64 - leading - trailing;
    bits_put(out, UINT64_C(3) << 11 | leading << 6 | (sig & 63), 13);
    bits_put(out, delta >> trailing, sig);
    *w = (bits_window){(uint8_t)leading, (uint8_t)trailing};
}

#endif

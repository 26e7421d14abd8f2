/* The XOR chunk, bit by bit:
 *
 *    u16 be   number of samples
 *    sample 0   varint t, u64 value bits
 *    sample 1   uvarint t - t0, value code
 *    sample n   dod code, value code
 *    zero bits to the end of the last byte
 *
 *    dod code: the change of the distance between timestamps
 *      0                          none
 *      10 14b | 110 17b | 1110 20b   k bits hold -(2^(k-1) - 1) .. 2^(k-1), modulo 2^k
 *      1111 64b                   any
 *
 *    value code: bits of this value XOR bits of the one before
 *      0                          none differ
 *      10 bits                    the differing bits lie in the window of the last 11 code
 *      11 lead5 sig6 bits         a new window: `lead` zeros, then `sig` bits (0 means 64)
 *
 * Writing gathers bits in a 64-bit word that begins with the open byte of the stream, and stores
 * whole words. Reading loads 8 bytes at the bit position: at least 57 bits are valid after the shift,
 * enough for any code but a 64-bit payload. A sample takes at most SAMPLE_BITS_MAX bits, so bounds
 * are checked once a sample while that many are left; what remains is copied to a padded buffer and
 * read from there.
 */
#include "tsdb/chunk/chunk_xor.h"

#include <assert.h>

#include "base/varint.h"

enum {
    HEADER_BYTES = 2,
    NO_WINDOW = 0xff,
    SAMPLE_BITS_MAX = 80 + 77, /* of any but the first sample */
    BITS_AT_ONCE = 57,         /* that a load has at least */
    /* From the byte a sample begins in, no field of it is loaded from further on than this. */
    SAMPLE_LOAD_BYTES = (7 + SAMPLE_BITS_MAX + 7) / 8 + 8,
    TAIL_BYTES = 2 * SAMPLE_LOAD_BYTES
};

/* ---- writing ---- */

typedef struct bit_writer {
    uint8_t *p;     /* where word goes */
    uint64_t word;  /* its upper `n` bits are taken, the rest is zero */
    unsigned n;     /* below 64 */
    unsigned words; /* stored so far */
} bit_writer;

static inline void store_be64(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
}

/* The lower k bits of v, the others being zero; 1 <= k <= 64. */
static inline void put(bit_writer *w, uint64_t v, unsigned k)
{
    unsigned end = w->n + k;
    if (end < 64) {
        w->word |= v << (64 - end);
        w->n = end;
        return;
    }
    unsigned over = end - 64;
    store_be64(w->p, w->word | v >> over);
    w->p += 8;
    w->words++;
    w->word = over == 0 ? 0 : v << (64 - over);
    w->n = over;
}

/* Stores what is left. A whole word fits the promised room but for the third of an append. */
static inline void put_end(bit_writer *w)
{
    if (w->words < 2) {
        store_be64(w->p, w->word);
        return;
    }
    for (unsigned i = 0; i * 8 < w->n; i++)
        w->p[i] = (uint8_t)(w->word >> (56 - 8 * i));
}

static void put_varint(bit_writer *w, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(w, p[i], 8);
}

static inline bool dod_fits(int64_t dod, unsigned k)
{
    return dod >= -((INT64_C(1) << (k - 1)) - 1) && dod <= INT64_C(1) << (k - 1);
}

/* A code that is not written yet, so that the next may go with it: its k bits, below 40 of them. */
typedef struct code_bits {
    uint64_t v;
    unsigned k;
} code_bits;

static inline code_bits dod_code(bit_writer *w, int64_t dod)
{
    uint64_t u = (uint64_t)dod;
    if (__builtin_expect(dod == 0, 1))
        return (code_bits){0, 1};
    if (dod_fits(dod, 14))
        return (code_bits){UINT64_C(2) << 14 | (u & 0x3fff), 16};
    if (dod_fits(dod, 17))
        return (code_bits){UINT64_C(6) << 17 | (u & 0x1ffff), 20};
    if (dod_fits(dod, 20))
        return (code_bits){UINT64_C(14) << 20 | (u & 0xfffff), 24};
    put(w, 15, 4);
    put(w, u, 64);
    return (code_bits){0, 0};
}

/* The value behind the code before it. */
static inline void put_value(bit_writer *w, code_bits before, xor_appender *a, double v)
{
    uint64_t delta = f64_bits(v) ^ f64_bits(a->v);
    if (delta == 0) {
        put(w, before.v << 1, before.k + 1);
        return;
    }
    unsigned leading = (unsigned)__builtin_clzll(delta);
    unsigned trailing = (unsigned)__builtin_ctzll(delta);
    if (leading > XOR_LEADING_MAX)
        leading = XOR_LEADING_MAX;

    if (a->leading != NO_WINDOW && leading >= a->leading && trailing >= a->trailing) {
        put(w, before.v << 2 | 2, before.k + 2);
        put(w, delta >> a->trailing, 64U - a->leading - a->trailing);
        return;
    }
    unsigned sig = 64 - leading - trailing;
    put(w, before.v << 13 | UINT64_C(3) << 11 | leading << 6 | (sig & 63), before.k + 13);
    put(w, delta >> trailing, sig);
    a->leading = (uint8_t)leading;
    a->trailing = (uint8_t)trailing;
}

void xor_init(xor_appender *a)
{
    *a = (xor_appender){.bits = HEADER_BYTES * 8, .leading = NO_WINDOW};
}

void xor_append_at(xor_appender *a, uint8_t open, uint8_t *out, int64_t t, double v)
{
    assert(a->n < XOR_SAMPLES_MAX);
    static const code_bits nothing = {0, 0};
    bit_writer w = {.p = out, .word = (uint64_t)open << 56, .n = a->bits % 8};
    uint64_t delta = (uint64_t)t - (uint64_t)a->t;
    uint8_t varint[VARINT_MAX];
    if (__builtin_expect(a->n >= 2, 1)) {
        put_value(&w, dod_code(&w, (int64_t)(delta - a->t_delta)), a, v);
    } else if (a->n == 1) {
        put_varint(&w, varint, uvarint_put(varint, delta));
        put_value(&w, nothing, a, v);
    } else {
        put_varint(&w, varint, varint_put(varint, t));
        put(&w, f64_bits(v), 64);
        delta = 0;
    }
    put_end(&w);

    a->bits = a->bits / 8 * 8 + w.words * 64 + w.n;
    a->t = t;
    a->v = v;
    a->t_delta = delta;
    a->n++;
}

void xor_append(xor_appender *a, uint8_t *buf, int64_t t, double v)
{
    uint8_t *open = buf + a->bits / 8;
    xor_append_at(a, *open, open, t, v);
    be16_put(buf, a->n);
}

/* ---- reading ---- */

/* State between samples: the appender's, but for the position. */
typedef struct xor_state {
    int64_t t;
    uint64_t v;
    uint64_t delta;
    unsigned leading, trailing;
} xor_state;

/* At least 57 bits from bit position pos, then garbage. Needs 8 bytes from pos / 8 on. */
static inline uint64_t peek(const uint8_t *p, size_t pos)
{
    uint64_t w;
    memcpy(&w, p + pos / 8, sizeof w);
    return __builtin_bswap64(w) << (pos % 8);
}

/* k bits at pos; 1 <= k <= 64. */
static inline uint64_t bits_at(const uint8_t *p, size_t pos, unsigned k)
{
    if (__builtin_expect(k <= BITS_AT_ONCE, 1))
        return peek(p, pos) >> (64 - k);
    return peek(p, pos) >> 32 << (k - 32) | peek(p, pos + 32) >> (96 - k);
}

/* A dod of k bits, whose code lies at the top of w behind `prefix` bits. */
static inline int64_t dod_of(uint64_t w, unsigned prefix, unsigned k)
{
    int64_t dod = (int64_t)(w << prefix >> (64 - k));
    return dod > INT64_C(1) << (k - 1) ? dod - (INT64_C(1) << k) : dod;
}

/* Moves the time on; returns the bits of the code. */
static inline unsigned read_dod(xor_state *s, const uint8_t *p, size_t pos, uint64_t w)
{
    unsigned used;
    int64_t dod;
    if (w >> 63 == 0) {
        return 1;
    } else if (w >> 62 == 2) {
        dod = dod_of(w, 2, 14);
        used = 16;
    } else if (w >> 61 == 6) {
        dod = dod_of(w, 3, 17);
        used = 20;
    } else if (w >> 60 == 14) {
        dod = dod_of(w, 4, 20);
        used = 24;
    } else {
        dod = (int64_t)bits_at(p, pos + 4, 64);
        used = 68;
    }
    s->delta += (uint64_t)dod;
    return used;
}

/* Reads the value code at pos, whose first 13 bits are at the top of w; returns the position behind
 * it, 0 for an impossible code. */
static inline size_t read_value(xor_state *s, const uint8_t *p, size_t pos, uint64_t w)
{
    if (w >> 63 == 0)
        return pos + 1;
    if (w >> 62 == 2) {
        if (__builtin_expect(s->leading == NO_WINDOW, 0))
            return 0;
        pos += 2;
    } else {
        unsigned leading = w << 2 >> 59;
        unsigned sig = w << 7 >> 58;
        if (sig == 0)
            sig = 64;
        if (__builtin_expect(leading + sig > 64, 0))
            return 0;
        s->leading = leading;
        s->trailing = 64 - leading - sig;
        pos += 13;
    }
    unsigned sig = 64 - s->leading - s->trailing;
    s->v ^= bits_at(p, pos, sig) << s->trailing;
    return pos + sig;
}

/* The time as far from the last as that from the one before; false: it is no later. */
static inline bool same_distance(xor_state *s)
{
    int64_t t = (int64_t)((uint64_t)s->t + s->delta);
    bool later = t > s->t;
    s->t = t;
    return later;
}

/* Reads a sample from the third on. Returns the position behind it, 0 when it is impossible. Most come at the
 * distance of the one before, with a value whose bits lie in w: these are told by their first three bits. */
static inline size_t read_sample(xor_state *s, const uint8_t *p, size_t pos)
{
    uint64_t w = peek(p, pos);
    unsigned sig = 64 - s->leading - s->trailing; /* of the window; far above 64 without one */
    if (__builtin_expect(w >> 61 == 2 && sig <= BITS_AT_ONCE - 3, 1)) {
        s->v ^= w << 3 >> (64 - sig) << s->trailing;
        return same_distance(s) ? pos + 3 + sig : 0;
    }
    unsigned leading = w << 3 >> 59;
    sig = w << 8 >> 58;
    if (w >> 61 == 3 && sig - 1 < BITS_AT_ONCE - 14 && leading + sig <= 64) {
        s->leading = leading;
        s->trailing = 64 - leading - sig;
        s->v ^= w << 14 >> (64 - sig) << s->trailing;
        return same_distance(s) ? pos + 14 + sig : 0;
    }
    unsigned used = read_dod(s, p, pos, w);
    pos += used;
    if (__builtin_expect(!same_distance(s), 0))
        return 0;
    return read_value(s, p, pos, used <= 24 ? w << used : peek(p, pos));
}

/* Reads the first sample (i 0) or the second (1); byte by byte, with bounds. Both times are varints
 * on byte boundaries. FER_CORRUPT as read_sample. */
static fer_code read_early_sample(xor_state *s, unsigned i, fer_str chunk, size_t *pos)
{
    fer_rd r = rd_of(str_from(chunk, *pos / 8));
    const uint8_t *begin = r.p;
    if (i == 0) {
        FER_TRY(rd_varint(&r, &s->t));
        FER_TRY(rd_be64(&r, &s->v));
        *pos += (size_t)(r.p - begin) * 8;
        return FER_OK;
    }
    FER_TRY(rd_uvarint(&r, &s->delta));
    int64_t t = (int64_t)((uint64_t)s->t + s->delta);
    if (t <= s->t)
        return FER_CORRUPT;

    uint8_t padded[24] = {0}; /* the value code, 77 bits at most, and room to load from */
    size_t left = rd_left(&r) < 10 ? rd_left(&r) : 10;
    memcpy(padded, r.p, left);
    size_t used = read_value(s, padded, 0, peek(padded, 0));
    if (used == 0 || used > left * 8)
        return FER_CORRUPT;
    s->t = t;
    *pos += (size_t)(r.p - begin) * 8 + used;
    return FER_OK;
}

/* Where decoded samples go; t and v have room for every sample asked for. */
typedef struct xor_sink {
    int64_t mint, maxt;
    int64_t *t;
    double *v;
    size_t n;
} xor_sink;

/* False: nothing later is wanted. */
static inline bool deliver(xor_sink *out, const xor_state *s)
{
    if (s->t > out->maxt)
        return false;
    out->t[out->n] = s->t;
    out->v[out->n] = f64_of_bits(s->v);
    out->n += s->t >= out->mint;
    return true;
}

/* Reads up to n samples from the third on. *pos begins at the next sample and ends behind the last.
 * FER_END when a sample lies past the sink's maxt. */
static fer_code read_samples(xor_state *state, fer_str chunk, size_t n, size_t *ret_pos,
                             xor_sink *out)
{
    const uint8_t *p = (const uint8_t *)chunk.p;
    xor_state s = *state;
    xor_sink sink = *out;
    size_t pos = *ret_pos;
    fer_code code = FER_OK;

    size_t i = 0;
    while (i < n && chunk.n - pos / 8 >= SAMPLE_LOAD_BYTES) {
        size_t next = read_sample(&s, p, pos);
        if (__builtin_expect(next == 0, 0)) {
            code = FER_CORRUPT;
            break;
        }
        pos = next;
        i++;
        if (!deliver(&sink, &s)) {
            code = FER_END;
            break;
        }
    }

    uint8_t tail[TAIL_BYTES] = {0};
    size_t from = pos / 8;
    size_t end = (chunk.n - from) * 8; /* in the tail's bits */
    if (code == FER_OK && i < n)
        memcpy(tail, p + from, chunk.n - from);
    for (size_t at = pos % 8; code == FER_OK && i < n; i++) {
        size_t next = read_sample(&s, tail, at);
        if (next == 0 || next > end) {
            code = FER_CORRUPT;
            break;
        }
        at = next;
        pos = from * 8 + at;
        if (!deliver(&sink, &s))
            code = FER_END;
    }

    *state = s;
    *out = sink;
    *ret_pos = pos;
    return code;
}

/* Reads n samples of the whole chunk into the sink. */
static fer_code read_chunk(xor_state *s, fer_str chunk, size_t n, size_t *pos, xor_sink *out)
{
    *s = (xor_state){.leading = NO_WINDOW};
    *pos = HEADER_BYTES * 8;
    for (unsigned i = 0; i < 2 && i < n; i++) {
        FER_TRY(read_early_sample(s, i, chunk, pos));
        if (!deliver(out, s))
            return FER_END;
    }
    return n <= 2 ? FER_OK : read_samples(s, chunk, n - 2, pos, out);
}

fer_code xor_decode(fer_str chunk, uint32_t n, int64_t mint, int64_t maxt, samples *out)
{
    if (chunk.n < HEADER_BYTES)
        return FER_CORRUPT;
    if (n == 0)
        n = be16_get((const uint8_t *)chunk.p);
    /* A sample takes two bits at least: a count that lies reserves no more than the bytes allow. */
    size_t room = chunk.n * 4 < n ? chunk.n * 4 : n;
    FER_TRY(samples_reserve(out, room + 1));

    xor_state s;
    size_t pos;
    xor_sink sink = {.mint = mint, .maxt = maxt, .t = out->t + out->n, .v = out->v + out->n};
    fer_code code = read_chunk(&s, chunk, n, &pos, &sink);
    samples_commit_floats(out, sink.n);
    return code == FER_END ? FER_OK : code;
}

fer_code xor_resume(xor_appender *a, fer_str chunk)
{
    if (chunk.n < HEADER_BYTES)
        return FER_CORRUPT;
    uint16_t n = be16_get((const uint8_t *)chunk.p);
    xor_state s;
    size_t pos;
    int64_t t;
    double v;
    /* mint past every sample: each is written to the same place and none kept. */
    xor_sink nowhere = {.mint = INT64_MAX, .maxt = INT64_MAX, .t = &t, .v = &v};
    FER_TRY(read_chunk(&s, chunk, n, &pos, &nowhere));
    if ((pos + 7) / 8 != chunk.n)
        return FER_CORRUPT;
    if (pos % 8 != 0 && (uint8_t)((uint8_t)chunk.p[pos / 8] << (pos % 8)) != 0)
        return FER_CORRUPT;

    *a = (xor_appender){
        .t = s.t,
        .v = f64_of_bits(s.v),
        .t_delta = s.delta,
        .bits = (uint32_t)pos,
        .n = n,
        .leading = (uint8_t)s.leading,
        .trailing = (uint8_t)s.trailing,
    };
    return FER_OK;
}

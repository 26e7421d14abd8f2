/* Bit by bit:
 *
 *    u16 be number of samples, u8 start timestamps (chunk_st.h)
 *    sample 0   varint t, 64 bits of the value
 *    sample 1   uvarint t - t0, then value code A
 *    sample n   0                     no change of the distance in time, nor of the value
 *               10, code B            the distance is the same
 *               110 13b, code A | 1110 20b, code A | 11110 64b, code A
 *                                     its change, two's complement
 *               11111                 the distance is the same; a stale marker
 *    each then with its start timestamp's field
 *
 *    code A   0 no change | 10 bits in the window | 110 a new window | 111 a stale marker
 *    code B   0 bits in the window | 1 a new window
 *
 * Values are XORed with the last one that is no stale marker, 0 if there is none.
 */
#include "tsdb/chunk/chunk_xor2.h"

#include "tsdb/chunk/chunk_st.h"

enum { XOR2_HEADER_BYTES = 3 };

typedef struct xor2_state {
    bits_in in;
    int64_t t;
    uint64_t delta;
    uint64_t value, baseline; /* bits */
    bits_window window;
    chunk_st starts;
} xor2_state;

static void take(xor2_state *s, uint64_t change)
{
    s->baseline ^= change;
    s->value = s->baseline;
}

static void read_code_a(xor2_state *s)
{
    switch (bits_ones(&s->in, 3)) {
    case 0:
        s->value = s->baseline;
        break;
    case 1:
        take(s, bits_in_window(&s->in, &s->window));
        break;
    case 2:
        take(s, bits_new_window(&s->in, &s->window));
        break;
    default:
        s->value = STALE_NAN_BITS;
        break;
    }
}

static void read_code_b(xor2_state *s)
{
    bool is_new = bits_get(&s->in, 1) != 0;
    take(s, is_new ? bits_new_window(&s->in, &s->window) : bits_in_window(&s->in, &s->window));
}

/* k bits in two's complement. */
static uint64_t get_signed(bits_in *in, unsigned k)
{
    uint64_t v = bits_get(in, k);
    if (k < 64 && v >> (k - 1) != 0)
        v -= UINT64_C(1) << k;
    return v;
}

static void read_first(xor2_state *s)
{
    s->t = bits_varint(&s->in);
    s->value = bits_get(&s->in, 64);
    s->baseline = s->value == STALE_NAN_BITS ? 0 : s->value;
}

static void read_later(xor2_state *s)
{
    unsigned ones = bits_ones(&s->in, 5);
    if (ones >= 2 && ones <= 4)
        s->delta += get_signed(&s->in, ones == 2 ? 13 : ones == 3 ? 20 : 64);
    s->t = (int64_t)((uint64_t)s->t + s->delta);
    if (ones == 0)
        s->value = s->baseline;
    else if (ones == 1)
        read_code_b(s);
    else if (ones == 5)
        s->value = STALE_NAN_BITS;
    else
        read_code_a(s);
}

/* FER_CORRUPT past the end, for an impossible code, or when time does not grow. */
static fer_code read_sample(xor2_state *s, uint32_t i)
{
    int64_t before = s->t;
    if (i == 0) {
        read_first(s);
    } else if (i == 1) {
        s->delta = bits_uvarint(&s->in);
        s->t = (int64_t)((uint64_t)s->t + s->delta);
        read_code_a(s);
    } else {
        read_later(s);
    }
    chunk_st_read(&s->starts, &s->in, i, s->t, before);
    return s->in.bad || (i > 0 && s->t <= before) ? FER_CORRUPT : FER_OK;
}

fer_code xor2_decode(fer_str chunk, uint32_t n, int64_t mint, int64_t maxt, samples *out)
{
    if (chunk.n < XOR2_HEADER_BYTES)
        return FER_CORRUPT;
    const uint8_t *p = (const uint8_t *)chunk.p;
    xor2_state s = {
        .in = bits_in_of(str_from(chunk, XOR2_HEADER_BYTES)),
        .window = {BITS_NO_WINDOW, 0},
        .starts = chunk_st_of(p[2]),
    };
    if (n == 0)
        n = be16_get(p);
    for (uint32_t i = 0; i < n; i++) {
        FER_TRY(read_sample(&s, i));
        if (s.t > maxt)
            return FER_OK;
        if (s.t < mint)
            continue;
        FER_TRY(samples_add(out, s.t, f64_of_bits(s.value)));
        FER_TRY(samples_set_start(out, out->n - 1, s.starts.st));
    }
    return FER_OK;
}

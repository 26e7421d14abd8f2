/* Samples behind the header and the layout:
 *
 *    integer   sample 0   varbit t, varbit uint count, varbit uint zero count, f64 sum, varbit of each bucket
 *              sample n   of t, count and zero count the change of the change as varbit; sum by value code; then each
 *                         bucket's change of the change as varbit
 *    float     sample 0   varbit t, f64 of count, zero count, sum and each bucket
 *              sample n   varbit change of t's change; the others by value code, each with its own window
 *
 * No bucket follows a stale sum. With start timestamps each sample ends with its field (chunk_st.h).
 */
#include "tsdb/chunk/chunk_hist.h"

/* ---- numbers ---- */

static void get_change(bits_in *in, hist_num *v, hist_code *c, bool is_float)
{
    if (is_float) {
        v->u ^= bits_xor(in, &c->window);
        return;
    }
    c->delta += (uint64_t)bits_varbit_int(in);
    v->u += c->delta;
}

/* What the next nine bits begin with: a varbit number of the three shortest classes, or bits 0. */
typedef struct short_code {
    int16_t value;
    uint8_t bits;
} short_code;

enum { SHORT_BITS = 9 };

#define CODE4(value, bits)                                                                         \
    {(value), (bits)}, {(value), (bits)}, {(value), (bits)},                                       \
    {                                                                                              \
        (value), (bits)                                                                            \
    }
#define CODE16(value, bits)                                                                        \
    CODE4(value, bits), CODE4(value, bits), CODE4(value, bits), CODE4(value, bits)
#define CODE64(value, bits)                                                                        \
    CODE16(value, bits), CODE16(value, bits), CODE16(value, bits), CODE16(value, bits)
#define CODES4(first)                                                                              \
    {(first), 9}, {(first) + 1, 9}, {(first) + 2, 9},                                              \
    {                                                                                              \
        (first) + 3, 9                                                                             \
    }
#define CODES16(first) CODES4(first), CODES4((first) + 4), CODES4((first) + 8), CODES4((first) + 12)

/* 0; 10 and three bits, -3 to 4; 110 and six bits, -31 to 32; others. */
static const short_code short_codes[1 << SHORT_BITS] = {
    CODE64(0, 1), CODE64(0, 1), CODE64(0, 1), CODE64(0, 1),  CODE16(0, 5),  CODE16(1, 5),
    CODE16(2, 5), CODE16(3, 5), CODE16(4, 5), CODE16(-3, 5), CODE16(-2, 5), CODE16(-1, 5),
    CODES16(0),   CODES16(16),  {32, 9},      {-31, 9},      {-30, 9},      {-29, 9},
    CODES4(-28),  CODES4(-24),  CODES4(-20),  CODES16(-16),  CODE64(0, 0),
};

/* The number that the `left` bits in front of w begin with, and its bits; 0 when they may be too few. */
static unsigned code_of(uint64_t w, size_t left, int64_t *ret)
{
    short_code s = short_codes[w >> (64 - SHORT_BITS)];
    *ret = s.value;
    if (s.bits != 0 || w >> 57 == 0x7f) /* a short one, or of the longest classes */
        return s.bits;
    unsigned ones = (unsigned)__builtin_clzll(~w), k = varbit_payload(ones), bits = ones + 1 + k;
    int64_t v = (int64_t)(w << (ones + 1) >> (64 - k));
    *ret = v > INT64_C(1) << (k - 1) ? v - (INT64_C(1) << k) : v;
    return bits <= left ? bits : 0;
}

/* The changes of integer buckets, most of which are short: several to a look at the bytes. */
static void get_buckets(bits_in *in, hist_num *v, hist_code *c, uint32_t n)
{
    for (uint32_t i = 0; i < n && !in->bad;) {
        uint64_t w = bits_peek(in);
        size_t all = bits_left(in) < 57 ? bits_left(in) : 57, left = all;
        for (; i < n && left >= SHORT_BITS; i++) {
            int64_t change;
            unsigned bits = code_of(w, left, &change);
            if (bits == 0)
                break;
            w <<= bits;
            left -= bits;
            c[i].delta += (uint64_t)change;
            v[i].u += c[i].delta;
        }
        in->pos += all - left;
        if (left == all) { /* a long one, or the end of the bytes */
            get_change(in, &v[i], &c[i], false);
            i++;
        }
    }
}

static void get_sum(bits_in *in, hist_state *s)
{
    s->last.sum = f64_of_bits(f64_bits(s->last.sum) ^ bits_xor(in, &s->sum.window));
}

/* ---- samples ---- */

static fer_code make_room(hist_iter *it)
{
    for (int k = 0; k < HIST_SIDES; k++) {
        uint32_t n = it->state.last.side[k].n_buckets;
        it->state.values[k] = fer_arena_alloc(it->arena, n * sizeof *it->state.values[k]);
        it->state.codes[k] = fer_arena_alloc(it->arena, n * sizeof *it->state.codes[k]);
        if (it->state.values[k] == NULL || it->state.codes[k] == NULL)
            return FER_LIMIT;
        hist_codes_init(it->state.codes[k], n);
        it->state.last.side[k].buckets = it->state.values[k];
    }
    return FER_OK;
}

static fer_code read_first(hist_iter *it)
{
    hist_state *s = &it->state;
    bits_in *in = &it->in;
    bool is_float = it->is_float;
    FER_TRY(hist_layout_get(in, &s->last, it->arena));
    s->t = bits_varbit_int(in);
    s->last.count.u = is_float ? bits_get(in, 64) : bits_varbit_uint(in);
    s->last.zero_count.u = is_float ? bits_get(in, 64) : bits_varbit_uint(in);
    s->last.sum = f64_of_bits(bits_get(in, 64));
    /* A bucket takes a bit at least, 64 in a float histogram: a layout that lies gets no memory. */
    uint64_t buckets =
        (uint64_t)s->last.side[HIST_POS].n_buckets + s->last.side[HIST_NEG].n_buckets;
    if (in->bad || buckets * (is_float ? 64 : 1) > bits_left(in))
        return FER_CORRUPT;
    FER_TRY(make_room(it));
    for (int k = 0; k < HIST_SIDES; k++)
        for (uint32_t i = 0; i < s->last.side[k].n_buckets; i++)
            s->values[k][i].u = is_float ? bits_get(in, 64) : (uint64_t)bits_varbit_int(in);
    return FER_OK;
}

static void read_later(hist_iter *it)
{
    hist_state *s = &it->state;
    bits_in *in = &it->in;
    s->t_delta += (uint64_t)bits_varbit_int(in);
    s->t = (int64_t)((uint64_t)s->t + s->t_delta);
    get_change(in, &s->last.count, &s->count, it->is_float);
    get_change(in, &s->last.zero_count, &s->zero_count, it->is_float);
    get_sum(in, s);
    if (hist_is_stale(&s->last))
        return;
    for (int k = 0; k < HIST_SIDES; k++) {
        uint32_t n = s->last.side[k].n_buckets;
        if (!it->is_float)
            get_buckets(in, s->values[k], s->codes[k], n);
        for (uint32_t i = 0; it->is_float && i < n && !in->bad; i++)
            get_change(in, &s->values[k][i], &s->codes[k][i], true);
    }
}

static histogram_reset_hint hint_of(const hist_iter *it)
{
    if (it->header == HIST_HEADER_GAUGE)
        return HISTOGRAM_GAUGE;
    /* Whether the chunk before is still there nobody knows: so the first says nothing. */
    return it->i == 0 ? HISTOGRAM_RESET_UNKNOWN : HISTOGRAM_NO_RESET;
}

static void show(hist_iter *it)
{
    const hist_sample *last = &it->state.last;
    if (hist_is_stale(last)) {
        it->sample = (hist_sample){.is_float = it->is_float, .sum = last->sum};
    } else {
        it->sample = *last;
        it->sample.reset_hint = (uint8_t)hint_of(it);
    }
    it->t = it->state.t;
}

fer_code hist_iter_init(hist_iter *it, uint8_t encoding, fer_str chunk, uint32_t n,
                        fer_arena *arena)
{
    assert(chunk_is_histogram(encoding));
    if (chunk.n < HIST_HEADER_BYTES)
        return FER_CORRUPT;
    const uint8_t *p = (const uint8_t *)chunk.p;
    bool has_starts = encoding == CHUNK_HISTOGRAM_ST || encoding == CHUNK_FLOAT_HISTOGRAM_ST;
    bool is_float = encoding == CHUNK_FLOAT_HISTOGRAM || encoding == CHUNK_FLOAT_HISTOGRAM_ST;
    uint32_t count = be16_get(p);
    *it = (hist_iter){
        .n = has_starts ? count & ((1U << CHUNK_ST_COUNT_BITS) - 1) : count,
        .header = (has_starts ? p[0] : p[2]) & HIST_HEADER_GAUGE,
        .is_float = is_float,
        .has_starts = has_starts,
        .arena = arena,
        .in = bits_in_of(str_from(chunk, HIST_HEADER_BYTES)),
        .starts = chunk_st_of(p[2]),
    };
    if (n != 0)
        it->n = n;
    hist_state_init(&it->state, is_float);
    return FER_OK;
}

fer_code hist_iter_next(hist_iter *it)
{
    if (it->i == it->n)
        return FER_END;
    int64_t prev_t = it->state.t;
    if (it->i == 0)
        FER_TRY(read_first(it));
    else
        read_later(it);
    if (it->has_starts)
        chunk_st_read(&it->starts, &it->in, it->i, it->state.t, prev_t);
    if (it->in.bad || (it->i > 0 && it->state.t <= prev_t))
        return FER_CORRUPT;
    it->st = it->starts.st;
    show(it);
    it->i++;
    return FER_OK;
}

/* ---- into arrays ---- */

static fer_code deliver(const hist_iter *it, samples *out)
{
    const histogram *h = hist_widen(&it->sample, it->arena);
    if (h == NULL)
        return FER_LIMIT;
    sample_type type = it->is_float ? SAMPLE_FLOAT_HISTOGRAM : SAMPLE_HISTOGRAM;
    FER_TRY(samples_add_histogram(out, it->t, type, h));
    return samples_set_start(out, out->n - 1, it->st);
}

fer_code hist_decode(uint8_t encoding, fer_str chunk, uint32_t n, int64_t mint, int64_t maxt,
                     samples *out)
{
    hist_iter it;
    FER_TRY(hist_iter_init(&it, encoding, chunk, n, samples_arena(out)));
    fer_code code;
    while ((code = hist_iter_next(&it)) == FER_OK && it.t <= maxt)
        if (it.t >= mint)
            FER_TRY(deliver(&it, out));
    return code == FER_END ? FER_OK : code;
}

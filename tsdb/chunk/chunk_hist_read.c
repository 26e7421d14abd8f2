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
#include "tsdb/chunk/chunk_hist_step.h"

/* The changes of integer buckets, most of which are short. */
static void get_buckets(bits_in *in, hist_num *v, uint64_t *deltas, uint32_t n)
{
    for (uint32_t i = 0; i < n && !in->bad;) {
        bits_fast f = bits_fast_of(in);
        int64_t change;
        bool is_short = true;
        while (is_short && i < n && bits_fill(&f))
            for (unsigned k = 0;
                 k < BITS_FILL && i < n && (is_short = bits_fast_varbit(&f, &change)); k++, i++) {
                deltas[i] += (uint64_t)change;
                v[i].u += deltas[i];
            }
        bits_fast_done(in, &f);
        if (i < n) { /* a long one, or near the end of the bytes */
            deltas[i] += (uint64_t)bits_varbit_int(in);
            v[i].u += deltas[i];
            i++;
        }
    }
}

static fer_code make_room(hist_iter *it)
{
    for (int k = 0; k < HIST_SIDES; k++) {
        uint32_t n = it->state.last.side[k].n_buckets;
        it->state.values[k] = fer_arena_alloc(it->arena, n * sizeof *it->state.values[k]);
        void *codes = fer_arena_alloc(it->arena, hist_codes_bytes(it->is_float, n));
        if (it->state.values[k] == NULL || codes == NULL)
            return FER_LIMIT;
        it->state.codes[k] = hist_codes_of(codes, it->is_float, n);
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

static void read_buckets(hist_iter *it)
{
    hist_state *s = &it->state;
    bits_in *in = &it->in;
    for (int k = 0; k < HIST_SIDES; k++) {
        uint32_t n = s->last.side[k].n_buckets;
        if (!it->is_float)
            get_buckets(in, s->values[k], s->codes[k].deltas, n);
        for (uint32_t i = 0; it->is_float && i < n && !in->bad; i++)
            hist_float_get(in, &s->values[k][i], &s->codes[k].windows[i]);
    }
}

static void show(hist_iter *it)
{
    const hist_sample *last = &it->state.last;
    if (hist_is_stale(last)) {
        it->sample = (hist_sample){.is_float = it->is_float, .sum = last->sum};
    } else {
        it->sample = *last;
        it->sample.reset_hint = (uint8_t)hist_step_hint(it);
    }
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
    if (it->i == 0) {
        FER_TRY(read_first(it));
    } else {
        hist_step_begin(it);
        if (!hist_is_stale(&it->state.last))
            read_buckets(it);
    }
    FER_TRY(hist_step_end(it, prev_t));
    show(it);
    it->i++;
    return FER_OK;
}

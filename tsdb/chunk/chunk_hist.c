/* Writing. The stream is told in chunk_hist_read.c; here is what may follow what.
 *
 * A sample is judged against the last one: whether it may share the chunk, and whether the counter was reset in
 * between. If it may, its buckets and the chunk's are laid side by side (hist_merge.h): where the chunk lacks some,
 * it is decoded and written anew in the wider layout; where the sample lacks some, it gets zeros.
 */
#include "tsdb/chunk/chunk_hist.h"

#include "tsdb/hist_merge.h"

struct hist_chunk {
    bits_out out; /* header included */
    uint16_t n;
    uint8_t header; /* hist_header */
    hist_state state;
    char *numbers; /* owned: all that the state points to, in one piece */
};

/* ---- memory ---- */

static void release(hist_chunk *c)
{
    fer_free(c->numbers);
    fer_free(c->out.p);
}

void hist_chunk_free(hist_chunk *c)
{
    if (c == NULL)
        return;
    release(c);
    fer_free(c);
}

/* The next n bytes of a block, and what fills them up to a whole word. */
static void *take(char **at, size_t n)
{
    void *ret = *at;
    *at += (n + 7) & ~(size_t)7;
    return ret;
}

static void *take_copy(char **at, const void *p, size_t n)
{
    return n == 0 ? NULL : memcpy(take(at, n), p, n);
}

/* Bytes of what the state of a chunk with the layout of s points to, at most. */
static size_t numbers_bytes(const hist_sample *s)
{
    size_t n = hist_copy_bytes(s);
    for (int k = 0; k < HIST_SIDES; k++)
        n += hist_codes_bytes(s->is_float, s->side[k].n_buckets) + 7;
    return n;
}

static void take_layout(hist_chunk *c, const hist_sample *s)
{
    hist_state *state = &c->state;
    hist_sample *last = &state->last;
    char *at = c->numbers = fer_alloc(numbers_bytes(s));
    *last = *s;
    for (int k = 0; k < HIST_SIDES; k++) {
        const hist_side *side = &s->side[k];
        uint32_t n = side->n_buckets;
        state->values[k] = take_copy(&at, side->buckets, n * sizeof *side->buckets);
        void *codes = take(&at, hist_codes_bytes(s->is_float, n));
        state->codes[k] = hist_codes_of(codes, s->is_float, n);
        last->side[k].spans = take_copy(&at, side->spans, side->n_spans * sizeof *side->spans);
        last->side[k].buckets = state->values[k];
    }
    last->custom = take_copy(&at, s->custom, s->n_custom * sizeof *s->custom);
}

/* ---- numbers ---- */

static void put_integer(bits_out *out, hist_num *v, uint64_t *delta, hist_num now)
{
    uint64_t d = now.u - v->u;
    bits_put_varbit_int(out, (int64_t)(d - *delta));
    *delta = d;
    *v = now;
}

static void put_float(bits_out *out, hist_num *v, bits_window *w, hist_num now)
{
    bits_put_xor(out, w, now.u ^ v->u);
    *v = now;
}

static void put_count(bits_out *out, hist_num *v, hist_code *c, hist_num now, bool is_float)
{
    if (is_float)
        put_float(out, v, &c->window, now);
    else
        put_integer(out, v, &c->delta, now);
}

static void put_integers(bits_out *out, hist_num *v, uint64_t *deltas, const hist_num *now,
                         uint32_t n)
{
    bits_run run = bits_run_begin(out, n);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t d = now[i].u - v[i].u;
        bits_run_varbit_int(&run, (int64_t)(d - deltas[i]));
        deltas[i] = d;
        v[i] = now[i];
    }
    bits_run_end(out, &run);
}

static void put_buckets(bits_out *out, hist_state *state, const hist_sample *s)
{
    for (int k = 0; k < HIST_SIDES; k++) {
        const hist_side *side = &s->side[k];
        if (!s->is_float)
            put_integers(out, state->values[k], state->codes[k].deltas, side->buckets,
                         side->n_buckets);
        for (uint32_t i = 0; s->is_float && i < side->n_buckets; i++)
            put_float(out, &state->values[k][i], &state->codes[k].windows[i], side->buckets[i]);
    }
}

/* ---- samples: s has the chunk's layout ---- */

static void put_first(hist_chunk *c, int64_t t, const hist_sample *s)
{
    bits_out *out = &c->out;
    hist_layout_put(out, s);
    take_layout(c, s);
    bits_put_varbit_int(out, t);
    if (s->is_float) {
        bits_put(out, s->count.u, 64);
        bits_put(out, s->zero_count.u, 64);
    } else {
        bits_put_varbit_uint(out, s->count.u);
        bits_put_varbit_uint(out, s->zero_count.u);
    }
    bits_put(out, f64_bits(s->sum), 64);
    for (int k = 0; k < HIST_SIDES; k++)
        for (uint32_t i = 0; i < s->side[k].n_buckets; i++)
            if (s->is_float)
                bits_put(out, s->side[k].buckets[i].u, 64);
            else
                bits_put_varbit_int(out, s->side[k].buckets[i].i);
    c->state.t = t;
}

static void put_later(hist_chunk *c, int64_t t, const hist_sample *s)
{
    hist_state *state = &c->state;
    bits_out *out = &c->out;
    uint64_t t_delta = (uint64_t)t - (uint64_t)state->t;
    bits_put_varbit_int(out, (int64_t)(t_delta - state->t_delta));
    state->t_delta = t_delta;
    state->t = t;
    if (hist_is_stale(s) && !s->is_float) {
        bits_put_varbit_int(out, 0); /* no change of the counts, and none is kept: only stale */
        bits_put_varbit_int(out, 0); /* markers can follow */
    } else {
        put_count(out, &state->last.count, &state->count, s->count, s->is_float);
        put_count(out, &state->last.zero_count, &state->zero_count, s->zero_count, s->is_float);
    }
    bits_put_xor(out, &state->sum.window, f64_bits(s->sum) ^ f64_bits(state->last.sum));
    state->last.sum = s->sum;
    put_buckets(out, state, s);
}

/* Of a stale marker only the sum is kept. */
static void put_sample(hist_chunk *c, int64_t t, const hist_sample *s)
{
    assert(c->n < UINT16_MAX && (c->n == 0 || t > c->state.t));
    const hist_sample stale = {.is_float = s->is_float, .sum = s->sum};
    if (hist_is_stale(s))
        s = &stale;
    if (c->n == 0)
        put_first(c, t, s);
    else
        put_later(c, t, s);
    c->n++;
    be16_put(c->out.p, c->n);
}

/* An empty chunk in c. */
static void begin(hist_chunk *c, uint8_t header, bool is_float)
{
    *c = (hist_chunk){.header = header};
    hist_state_init(&c->state, is_float);
    bits_put(&c->out, 0, 16);
    bits_put(&c->out, header, 8);
}

/* ---- what may follow ---- */

typedef struct verdict {
    bool fits;
    uint8_t header; /* of a chunk that would begin with the sample */
} verdict;

static bool has_same_bounds(const hist_sample *a, const hist_sample *b)
{
    if (a->n_custom != b->n_custom)
        return false;
    for (uint32_t i = 0; i < a->n_custom; i++)
        if (a->custom[i] != b->custom[i])
            return false;
    return true;
}

static bool is_less(hist_num a, hist_num b, bool is_float)
{
    return is_float ? a.f < b.f : a.u < b.u;
}

static bool has_same_spans(const hist_sample *a, const hist_sample *b)
{
    for (int k = 0; k < HIST_SIDES; k++) {
        const hist_side *x = &a->side[k], *y = &b->side[k];
        if (x->n_spans != y->n_spans)
            return false;
        if (x->n_spans != 0 && memcmp(x->spans, y->spans, x->n_spans * sizeof *x->spans) != 0)
            return false;
    }
    return true;
}

/* Whether a bucket of b has less than that of a, in one layout. Counts of integers are not negative, so their differences do
 * not overflow. */
static bool is_bucket_less(const hist_side *a, const hist_side *b, bool is_float)
{
    uint64_t more = 0, below = 0;
    for (uint32_t i = 0; i < a->n_buckets; i++) {
        if (is_float && b->buckets[i].f < a->buckets[i].f)
            return true;
        more += b->buckets[i].u - a->buckets[i].u;
        below |= more; /* has the sign once any had it */
    }
    return !is_float && (int64_t)below < 0;
}

static bool is_bucket_reset(const hist_sample *a, const hist_sample *b)
{
    bool is_reset = false;
    if (has_same_spans(a, b))
        return is_bucket_less(&a->side[HIST_POS], &b->side[HIST_POS], a->is_float) ||
               is_bucket_less(&a->side[HIST_NEG], &b->side[HIST_NEG], a->is_float);
    for (int k = 0; k < HIST_SIDES && !is_reset; k++) {
        hist_merge m;
        hist_merge_init(&m, &a->side[k], &b->side[k]);
        is_reset = hist_merge_is_reset(&m, &a->side[k], &b->side[k], a->is_float);
        hist_merge_done(&m);
    }
    return is_reset;
}

static bool has_same_scale(const hist_sample *a, const hist_sample *b)
{
    return a->schema == b->schema && a->zero_threshold == b->zero_threshold;
}

static verdict judge_counter(const hist_chunk *c, const hist_sample *s)
{
    const hist_sample *last = &c->state.last;
    const verdict reset = {false, HIST_HEADER_RESET};
    if (c->header == HIST_HEADER_GAUGE)
        return (verdict){false, HIST_HEADER_NOT_RESET};
    if (s->reset_hint == HISTOGRAM_RESET)
        return reset;
    if (hist_is_stale(s))
        return (verdict){true, HIST_HEADER_NOT_RESET};
    if (hist_is_stale(last))
        return (verdict){false, HIST_HEADER_UNKNOWN};
    if (is_less(s->count, last->count, s->is_float))
        return reset;
    if (!has_same_scale(last, s))
        return (verdict){false, HIST_HEADER_UNKNOWN};
    if ((s->schema == HIST_SCHEMA_CUSTOM && !has_same_bounds(last, s)) ||
        is_less(s->zero_count, last->zero_count, s->is_float) || is_bucket_reset(last, s))
        return reset;
    return (verdict){true, HIST_HEADER_NOT_RESET};
}

static verdict judge_gauge(const hist_chunk *c, const hist_sample *s)
{
    const hist_sample *last = &c->state.last;
    if (c->header != HIST_HEADER_GAUGE)
        return (verdict){false, HIST_HEADER_GAUGE};
    bool fits = hist_is_stale(s) || (!hist_is_stale(last) && has_same_scale(last, s) &&
                                     (s->schema != HIST_SCHEMA_CUSTOM || has_same_bounds(last, s)));
    return (verdict){fits, HIST_HEADER_GAUGE};
}

static verdict judge(const hist_chunk *c, const hist_sample *s)
{
    return s->reset_hint == HISTOGRAM_GAUGE ? judge_gauge(c, s) : judge_counter(c, s);
}

/* The header of a chunk whose first sample did not go where the one before is. Float histograms know fewer answers. */
static uint8_t header_behind(const hist_chunk *prev, const hist_sample *s)
{
    if (s->reset_hint == HISTOGRAM_GAUGE)
        return HIST_HEADER_GAUGE;
    if (s->reset_hint == HISTOGRAM_RESET)
        return HIST_HEADER_RESET;
    if (prev == NULL)
        return HIST_HEADER_UNKNOWN;
    uint8_t header = judge_counter(prev, s).header;
    return s->is_float && header == HIST_HEADER_UNKNOWN ? HIST_HEADER_NOT_RESET : header;
}

/* The header of a chunk that begins because its first sample did not fit. */
static uint8_t header_instead(verdict v, const hist_sample *s)
{
    return s->is_float && v.header == HIST_HEADER_NOT_RESET ? HIST_HEADER_UNKNOWN : v.header;
}

/* ---- layouts that widen ---- */

/* The sample in the layout that takes in the chunk's buckets. */
typedef struct widened {
    hist_sample s;
    hist_merge merge[HIST_SIDES];
    hist_num *buckets[HIST_SIDES];
    bool chunk_lacks, sample_lacks;
} widened;

/* The spans of a side: the chunk's, when it lacks nothing; else the sample's own, unless it lacks something as well. A
 * gauge that lacks anything takes the merged spans on both sides. */
static void choose_spans(widened *w, const hist_chunk *c, int k)
{
    const hist_merge *m = &w->merge[k];
    hist_side *side = &w->s.side[k];
    bool is_gauge = w->s.reset_hint == HISTOGRAM_GAUGE;
    if (!w->chunk_lacks) {
        side->spans = c->state.last.side[k].spans;
        side->n_spans = c->state.last.side[k].n_spans;
    } else if (m->b_lacks || (is_gauge && w->sample_lacks)) {
        side->spans = m->spans;
        side->n_spans = m->n_spans;
    }
}

static void widen_init(widened *w, const hist_chunk *c, const hist_sample *s)
{
    *w = (widened){.s = *s};
    for (int k = 0; k < HIST_SIDES; k++) {
        hist_merge_init(&w->merge[k], &c->state.last.side[k], &s->side[k]);
        w->chunk_lacks |= w->merge[k].a_lacks;
        w->sample_lacks |= w->merge[k].b_lacks;
    }
    for (int k = 0; k < HIST_SIDES; k++) {
        const hist_merge *m = &w->merge[k];
        w->buckets[k] = fer_alloc(m->n * sizeof *w->buckets[k]);
        hist_merge_spread(m, m->b, s->side[k].buckets, s->is_float, w->buckets[k]);
        w->s.side[k].buckets = w->buckets[k];
        w->s.side[k].n_buckets = m->n;
        choose_spans(w, c, k);
    }
}

static void widen_done(widened *w)
{
    for (int k = 0; k < HIST_SIDES; k++) {
        hist_merge_done(&w->merge[k]);
        fer_free(w->buckets[k]);
    }
}

/* Writes the chunk anew with the layout of w. */
static void recode(hist_chunk *c, const widened *w)
{
    hist_chunk wide;
    begin(&wide, c->header, w->s.is_float);
    FER_CLEANUP(fer_arena_freep) fer_arena *arena = fer_arena_new(NULL, 0);
    hist_num *buckets[HIST_SIDES];
    for (int k = 0; k < HIST_SIDES; k++)
        buckets[k] = fer_alloc(w->merge[k].n * sizeof *buckets[k]);

    hist_iter it;
    fer_code code = hist_iter_init(&it, hist_chunk_encoding(c), hist_chunk_bytes(c), 0, arena);
    while (code == FER_OK && (code = hist_iter_next(&it)) == FER_OK) {
        hist_sample s = it.sample;
        for (int k = 0; k < HIST_SIDES; k++) {
            hist_merge_spread(&w->merge[k], w->merge[k].a, s.side[k].buckets, s.is_float,
                              buckets[k]);
            s.side[k] = w->s.side[k];
            s.side[k].buckets = buckets[k];
        }
        put_sample(&wide, it.t, &s);
    }
    assert(code == FER_END); /* we wrote it */
    for (int k = 0; k < HIST_SIDES; k++)
        fer_free(buckets[k]);
    release(c);
    *c = wide;
}

/* ---- the face ---- */

static hist_chunk *new_chunk(uint8_t header, int64_t t, const hist_sample *s)
{
    hist_chunk *c = fer_alloc(sizeof *c);
    begin(c, header, s->is_float);
    put_sample(c, t, s);
    return c;
}

hist_chunk *hist_chunk_new(const hist_chunk *prev, int64_t t, const hist_sample *s)
{
    assert(prev == NULL || prev->state.last.is_float == s->is_float);
    return new_chunk(header_behind(prev, s), t, s);
}

hist_chunk *hist_chunk_append(hist_chunk *c, int64_t t, const hist_sample *s)
{
    assert(c->state.last.is_float == s->is_float);
    verdict v = judge(c, s);
    if (!v.fits)
        return new_chunk(header_instead(v, s), t, s);
    if (hist_is_stale(s) || has_same_spans(&c->state.last, s)) {
        put_sample(c, t, s);
        return c;
    }
    widened w;
    widen_init(&w, c, s);
    if (w.chunk_lacks)
        recode(c, &w);
    put_sample(c, t, &w.s);
    widen_done(&w);
    return c;
}

static void prefetch(const void *p, size_t n)
{
    enum { LINE = 64, LINES_MAX = 16 };
    for (size_t at = 0; at < n && at < (size_t)LINE * LINES_MAX; at += LINE)
        __builtin_prefetch((const char *)p + at, 1);
}

void hist_chunk_prefetch(const hist_chunk *c)
{
    prefetch(c, sizeof *c);
}

void hist_chunk_prefetch_numbers(const hist_chunk *c)
{
    prefetch(c->numbers, numbers_bytes(&c->state.last));
    __builtin_prefetch(c->out.p, 1); /* the count */
    __builtin_prefetch(c->out.p + c->out.n / 8, 1);
}

uint8_t hist_chunk_encoding(const hist_chunk *c)
{
    return c->state.last.is_float ? CHUNK_FLOAT_HISTOGRAM : CHUNK_HISTOGRAM;
}

fer_str hist_chunk_bytes(const hist_chunk *c)
{
    return (fer_str){(const char *)c->out.p, bits_bytes(&c->out)};
}

uint32_t hist_chunk_count(const hist_chunk *c)
{
    return c->n;
}

const hist_sample *hist_chunk_last(const hist_chunk *c, int64_t *ret_t)
{
    *ret_t = c->state.t;
    return &c->state.last;
}

size_t hist_chunk_memory(const hist_chunk *c)
{
    return sizeof *c + c->out.cap + numbers_bytes(&c->state.last);
}

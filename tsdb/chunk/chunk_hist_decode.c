/* chunk_hist_decode.c - whole chunks of histograms into arrays, as PromQL sees them.
 *
 * The samples of a chunk have one layout, which they share; their counts lie in rows. An integer bucket is stored as a difference thrice
 * over: to the bucket before, to the sample before, and to what that one differed by. Sums do not mind their order, so of each bucket
 * its count and what the count grew by last are kept where the reader has the bucket and its last difference, and one pass over a
 * sample's codes gives its row.
 */
#include "tsdb/chunk/chunk_hist_step.h"

enum { ROWS = 16 }; /* made at a time */

typedef struct columns {
    hist_iter it;
    samples *out;
    histogram like; /* what samples have in common */
    histogram *h;   /* the next sample's */
    double *row;    /* its positive buckets, and behind them the negative ones */
    uint32_t n_row, rows_left;
} columns;

/* ---- a row ---- */

#define INLINE static inline __attribute__((always_inline))

INLINE void put_count(hist_num *count, uint64_t *growth, uint64_t more, double *ret)
{
    *growth += more;
    count->u += *growth;
    *ret = (double)count->i;
}

INLINE void next_counts(bits_in *in, hist_num *count, uint64_t *growth, uint32_t n, double *ret)
{
    uint64_t more = 0; /* by which this bucket's count grows faster */
    if (bits_skip_zeros(in, n)) {
        for (uint32_t i = 0; i < n; i++) /* all grow as before */
            put_count(&count[i], &growth[i], 0, &ret[i]);
        return;
    }
    for (uint32_t i = 0; i < n && !in->bad;) {
        bits_fast f = bits_fast_of(in);
        int64_t change;
        bool is_short = true;
        while (is_short && i < n && bits_fill(&f))
            for (unsigned k = 0;
                 k < BITS_FILL && i < n && (is_short = bits_fast_varbit(&f, &change)); k++, i++)
                put_count(&count[i], &growth[i], more += (uint64_t)change, &ret[i]);
        bits_fast_done(in, &f);
        if (i < n) { /* a long one, or near the end of the bytes */
            more += (uint64_t)bits_varbit_int(in);
            put_count(&count[i], &growth[i], more, &ret[i]);
            i++;
        }
    }
}

#if defined(__x86_64__)

/* The bits of a code decide where the next one begins: here each instruction of that path counts. */
__attribute__((target("bmi,bmi2,lzcnt"))) static void
next_counts_bmi(bits_in *in, hist_num *count, uint64_t *growth, uint32_t n, double *ret)
{
    next_counts(in, count, growth, n, ret);
}

static bool has_bmi(void)
{
    return __builtin_cpu_supports("bmi2"); /* whoever has it has lzcnt */
}

#else

#define next_counts_bmi next_counts

static bool has_bmi(void)
{
    return false;
}

#endif

static void next_floats(bits_in *in, hist_num *value, bits_window *w, uint32_t n, double *ret)
{
    for (uint32_t i = 0; i < n && !in->bad; i++) {
        hist_float_get(in, &value[i], &w[i]);
        ret[i] = value[i].f;
    }
}

static void read_row(columns *c)
{
    hist_state *s = &c->it.state;
    double *ret = c->row;
    for (int k = 0; k < HIST_SIDES; k++) {
        uint32_t n = s->last.side[k].n_buckets;
        if (c->it.is_float)
            next_floats(&c->it.in, s->values[k], s->codes[k].windows, n, ret);
        else if (has_bmi())
            next_counts_bmi(&c->it.in, s->values[k], s->codes[k].deltas, n, ret);
        else
            next_counts(&c->it.in, s->values[k], s->codes[k].deltas, n, ret);
        ret += n;
    }
}

/* ---- samples ---- */

static histogram layout_of(const hist_sample *s)
{
    const hist_side *pos = &s->side[HIST_POS], *neg = &s->side[HIST_NEG];
    return (histogram){.schema = s->schema,
                       .n_pos_spans = pos->n_spans,
                       .n_neg_spans = neg->n_spans,
                       .n_pos = pos->n_buckets,
                       .n_neg = neg->n_buckets,
                       .n_custom = s->n_custom,
                       .zero_threshold = s->zero_threshold,
                       .pos_spans = pos->spans,
                       .neg_spans = neg->spans,
                       .custom = s->custom};
}

static fer_code more_rows(columns *c)
{
    uint32_t left = c->it.n - c->it.i, n = left < ROWS ? left : ROWS;
    c->h = fer_arena_alloc(c->it.arena, n * sizeof *c->h);
    c->row = fer_arena_alloc(c->it.arena, (size_t)n * c->n_row * sizeof *c->row);
    c->rows_left = n;
    if (c->h == NULL || c->row == NULL)
        return FER_LIMIT;
    return samples_reserve_histograms(c->out, n);
}

/* From the first sample's differences between buckets to counts. */
static void begin_columns(columns *c)
{
    hist_state *s = &c->it.state;
    c->like = layout_of(&s->last);
    c->n_row = c->like.n_pos + c->like.n_neg;
    for (int k = 0; k < HIST_SIDES && !c->it.is_float; k++) {
        uint32_t n = s->last.side[k].n_buckets;
        for (uint32_t i = 1; i < n; i++)
            s->values[k][i].u += s->values[k][i - 1].u;
    }
}

static fer_code next_row(columns *c)
{
    hist_iter *it = &c->it;
    int64_t prev_t = it->state.t;
    if (it->i == it->n)
        return FER_END;
    if (c->rows_left == 0)
        FER_TRY(more_rows(c));
    hist_step_begin(it);
    if (!sample_is_stale(it->state.last.sum))
        read_row(c);
    return hist_step_end(it, prev_t);
}

static fer_code deliver(columns *c, const histogram *h)
{
    samples *out = c->out;
    out->t[out->n] = c->it.t;
    out->h[out->n] = h;
    samples_commit_histogram(out, c->it.is_float ? SAMPLE_FLOAT_HISTOGRAM : SAMPLE_HISTOGRAM);
    return c->it.st == 0 ? FER_OK : samples_set_start(out, out->n - 1, c->it.st);
}

static fer_code deliver_row(columns *c)
{
    const hist_sample *last = &c->it.state.last;
    histogram *h = c->h++;
    if (sample_is_stale(last->sum)) {
        *h = (histogram){.sum = last->sum};
    } else {
        *h = c->like;
        h->reset_hint = (uint8_t)hist_step_hint(&c->it);
        h->zero_count = c->it.is_float ? last->zero_count.f : (double)last->zero_count.u;
        h->count = c->it.is_float ? last->count.f : (double)last->count.u;
        h->sum = last->sum;
        h->pos = c->row;
        h->neg = c->row + c->like.n_pos;
    }
    c->row += c->n_row;
    c->rows_left--;
    return deliver(c, h);
}

static fer_code deliver_widened(columns *c)
{
    const histogram *h = hist_widen(&c->it.sample, c->it.arena);
    FER_TRY(samples_reserve_histograms(c->out, 1));
    return h == NULL ? FER_LIMIT : deliver(c, h);
}

/* Of a resolution that has to be reduced, one by one. */
static fer_code decode_reserved(columns *c, int64_t mint, int64_t maxt)
{
    fer_code code;
    while ((code = hist_iter_next(&c->it)) == FER_OK && c->it.t <= maxt)
        if (c->it.t >= mint)
            FER_TRY(deliver_widened(c));
    return code;
}

static fer_code decode_rows(columns *c, int64_t mint, int64_t maxt)
{
    fer_code code;
    begin_columns(c);
    for (; (code = next_row(c)) == FER_OK && c->it.t <= maxt; c->it.i++)
        if (c->it.t >= mint)
            FER_TRY(deliver_row(c));
    return code;
}

fer_code hist_decode(uint8_t encoding, fer_str chunk, uint32_t n, int64_t mint, int64_t maxt,
                     samples *out)
{
    columns c = {.out = out};
    FER_TRY(hist_iter_init(&c.it, encoding, chunk, n, samples_arena(out)));
    fer_code code = hist_iter_next(&c.it);
    if (code == FER_OK && c.it.t <= maxt) {
        if (c.it.t >= mint)
            FER_TRY(deliver_widened(&c));
        bool reserved = c.it.state.last.schema > HIST_SCHEMA_MAX;
        code = reserved ? decode_reserved(&c, mint, maxt) : decode_rows(&c, mint, maxt);
    }
    return code == FER_END ? FER_OK : code;
}

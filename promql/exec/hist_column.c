/* hist_column.c - columns of native histograms. */
#include "promql/exec/hist_column.h"

static void close_arena(void *arg)
{
    fer_arena_free(arg);
}

fer_code hist_checked(query *q, fer_code c)
{
    return c == FER_LIMIT ? query_no_memory(q) : c;
}

fer_code hist_column_begin(query *q, hist_column *c, size_t n)
{
    if (c->h == NULL) {
        c->h = QUERY_ARRAY(q, const histogram *, n);
        c->a = fer_arena_new(q->ctx.acct, 0);
        if (c->h == NULL || !fer_arena_on_close(q->scratch, close_arena, c->a)) {
            fer_arena_free(c->a);
            return query_no_memory(q);
        }
    } else {
        memset(c->h, 0, n * sizeof *c->h);
        fer_arena_reset(c->a);
    }
    hist_init(&c->work, c->a);
    return FER_OK;
}

fer_code hist_column_put(query *q, hist_column *c, size_t i)
{
    return hist_checked(q, hist_store(&c->work, c->a, &c->h[i]));
}

bool vec_drop_histograms(vec *v, size_t n_steps)
{
    bool any = false;
    if (v->h == NULL)
        return false;
    for (size_t i = bits_next(v->has, v->from, n_steps); i < n_steps;
         i = bits_next(v->has, i + 1, n_steps))
        if (v->h[i] != NULL) {
            bits_clear(v->has, i);
            any = true;
        }
    v->h = NULL;
    return any;
}

void vec_drop_floats(vec *v, size_t n_steps)
{
    if (v->h == NULL) {
        bits_zero(v->has, n_steps);
        return;
    }
    for (size_t i = bits_next(v->has, v->from, n_steps); i < n_steps;
         i = bits_next(v->has, i + 1, n_steps))
        if (v->h[i] == NULL)
            bits_clear(v->has, i);
}

uint64_t histogram_weight(const histogram *h)
{
    /* A structure of 168 bytes, 8 for each span, bucket and bound, 8 for the time. */
    uint64_t parts = (uint64_t)h->n_pos_spans + h->n_neg_spans + h->n_pos + h->n_neg + h->n_custom;
    return (168 + 8 * parts + 8) / 16;
}

uint64_t samples_weight(const histogram *const *h, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; h != NULL && i < n; i++)
        sum += h[i] == NULL ? 1 : histogram_weight(h[i]);
    return h == NULL ? n : sum;
}

void counter_add_steps(counter *c, const vec *v, size_t n_steps)
{
    if (v->h == NULL && c->total_at == NULL && c->read_at == NULL) {
        size_t n = bits_count(v->has, n_steps);
        c->total += n;
        c->read += n;
        return;
    }
    for (size_t i = bits_next(v->has, 0, n_steps); i < n_steps;
         i = bits_next(v->has, i + 1, n_steps)) {
        const histogram *h = vec_histogram(v, i);
        uint64_t n = h == NULL ? 1 : histogram_weight(h);
        c->total += n;
        c->read += n;
        if (c->total_at != NULL)
            c->total_at[i] += n;
        if (c->read_at != NULL)
            c->read_at[i] += n;
    }
}

/* Resets are looked for as long as the samples still have their buckets. */
static uint8_t hint_of(const histogram *h, const histogram *before)
{
    if (h->reset_hint != HISTOGRAM_RESET_UNKNOWN || before == NULL)
        return h->reset_hint;
    return histogram_was_reset(h, before) ? HISTOGRAM_RESET : HISTOGRAM_NO_RESET;
}

fer_code hist_view_counts(query *q, hist_view *v, const samples *in, const histogram *const **ret)
{
    if (!query_grow(q, &v->room, &v->room_cap, in->n, sizeof *v->room) ||
        !query_grow(q, &v->h, &v->h_cap, in->n, sizeof *v->h))
        return QUERY_NOMEM(q);
    const histogram *before = NULL;
    for (size_t i = 0; i < in->n; i++) {
        const histogram *h = in->type[i] == SAMPLE_FLOAT ? NULL : in->h[i];
        v->h[i] = NULL;
        if (h == NULL)
            continue;
        bool stale = sample_is_stale(h->sum);
        v->room[i] = (histogram){.schema = h->schema, .count = h->count, .sum = h->sum};
        v->room[i].reset_hint = stale ? h->reset_hint : hint_of(h, before);
        v->h[i] = &v->room[i];
        if (!stale)
            before = h;
    }
    *ret = v->h;
    return FER_OK;
}

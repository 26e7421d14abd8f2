#include "tsdb/hist_sample.h"

#include "tsdb/samples.h"

bool hist_schema_is_known(int32_t schema)
{
    return schema == HIST_SCHEMA_CUSTOM ||
           (schema >= HIST_SCHEMA_RESERVED_MIN && schema <= HIST_SCHEMA_RESERVED_MAX);
}

bool hist_is_stale(const hist_sample *s)
{
    return sample_is_stale(s->sum);
}

uint64_t hist_count_buckets(const histogram_span *spans, uint32_t n)
{
    int64_t at = 0;
    uint64_t buckets = 0;
    for (uint32_t i = 0; i < n; i++) {
        at += spans[i].offset;
        if (at < INT32_MIN || at + spans[i].length > INT32_MAX)
            return UINT64_MAX;
        at += spans[i].length;
        buckets += spans[i].length;
    }
    return buckets;
}

/* Absolute counts; NULL past the budget. */
static double *widen_buckets(const hist_sample *s, const hist_side *side, fer_arena *a)
{
    double *counts = fer_arena_alloc(a, side->n_buckets * sizeof *counts);
    if (counts == NULL)
        return NULL;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < side->n_buckets; i++) {
        sum += side->buckets[i].u;
        counts[i] = s->is_float ? side->buckets[i].f : (double)(int64_t)sum;
    }
    return counts;
}

/* Adds up buckets that a schema lower by `steps` does not tell apart; `counts` shrinks in place. Every step halves
 * the resolution: buckets 2i - 1 and 2i become i. Returns the spans, NULL past the budget. */
static const histogram_span *reduce(const hist_side *side, unsigned steps, double *counts,
                                    uint32_t *ret_spans, uint32_t *ret_buckets, fer_arena *a)
{
    /* Each bucket begins one span at most. */
    histogram_span *spans = fer_arena_alloc(a, side->n_buckets * sizeof *spans);
    if (spans == NULL)
        return NULL;
    uint32_t n = 0, n_spans = 0, from = 0;
    int64_t at = 0, last = 0;
    for (uint32_t i = 0; i < side->n_spans; i++) {
        at += side->spans[i].offset;
        for (uint32_t k = 0; k < side->spans[i].length; k++, at++, from++) {
            int64_t index = ((at - 1) >> (steps > 62 ? 62 : steps)) + 1;
            if (n > 0 && index == last) {
                counts[n - 1] += counts[from];
                continue;
            }
            int64_t gap = n == 0 ? index : index - last - 1;
            if (n == 0 || gap != 0)
                spans[n_spans++] = (histogram_span){(int32_t)gap, 0};
            spans[n_spans - 1].length++;
            counts[n++] = counts[from];
            last = index;
        }
    }
    *ret_spans = n_spans;
    *ret_buckets = n;
    return spans;
}

static bool widen_side(const hist_sample *s, const hist_side *side, unsigned steps, fer_arena *a,
                       const histogram_span **spans, uint32_t *n_spans, const double **counts,
                       uint32_t *n)
{
    double *v = widen_buckets(s, side, a);
    *counts = v;
    *n = side->n_buckets;
    *spans = side->spans;
    *n_spans = side->n_spans;
    if (v != NULL && steps != 0)
        *spans = reduce(side, steps, v, n_spans, n, a);
    return v != NULL && (*spans != NULL || *n_spans == 0);
}

const histogram *hist_widen(const hist_sample *s, fer_arena *a)
{
    histogram *h = ARENA_NEW(a, histogram);
    if (h == NULL)
        return NULL;
    bool is_fine = s->schema > HIST_SCHEMA_MAX;
    unsigned steps = is_fine ? (unsigned)(s->schema - HIST_SCHEMA_MAX) : 0;
    *h = (histogram){
        .schema = is_fine ? HIST_SCHEMA_MAX : s->schema,
        .reset_hint = s->reset_hint,
        .n_custom = s->n_custom,
        .zero_threshold = s->zero_threshold,
        .zero_count = s->is_float ? s->zero_count.f : (double)s->zero_count.u,
        .count = s->is_float ? s->count.f : (double)s->count.u,
        .sum = s->sum,
        .custom = s->custom,
    };
    if (!widen_side(s, &s->side[HIST_POS], steps, a, &h->pos_spans, &h->n_pos_spans, &h->pos,
                    &h->n_pos) ||
        !widen_side(s, &s->side[HIST_NEG], steps, a, &h->neg_spans, &h->n_neg_spans, &h->neg,
                    &h->n_neg))
        return NULL;
    return h;
}

static bool narrow_side(const histogram_span *spans, uint32_t n_spans, const double *counts,
                        uint32_t n, bool is_float, fer_arena *a, hist_side *ret)
{
    hist_num *buckets = fer_arena_alloc(a, n * sizeof *buckets);
    if (buckets == NULL)
        return false;
    int64_t before = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (is_float) {
            buckets[i].f = counts[i];
            continue;
        }
        int64_t count = (int64_t)counts[i];
        buckets[i].u = (uint64_t)count - (uint64_t)before;
        before = count;
    }
    *ret = (hist_side){spans, buckets, n_spans, n};
    return true;
}

bool hist_narrow(const histogram *h, bool is_float, fer_arena *a, hist_sample *ret)
{
    *ret = (hist_sample){.is_float = is_float,
                         .reset_hint = h->reset_hint,
                         .schema = h->schema,
                         .n_custom = h->n_custom,
                         .zero_threshold = h->zero_threshold,
                         .sum = h->sum,
                         .custom = h->custom};
    if (is_float) {
        ret->zero_count.f = h->zero_count;
        ret->count.f = h->count;
    } else {
        ret->zero_count.u = (uint64_t)h->zero_count;
        ret->count.u = (uint64_t)h->count;
    }
    return narrow_side(h->pos_spans, h->n_pos_spans, h->pos, h->n_pos, is_float, a,
                       &ret->side[HIST_POS]) &&
           narrow_side(h->neg_spans, h->n_neg_spans, h->neg, h->n_neg, is_float, a,
                       &ret->side[HIST_NEG]);
}

bool hist_lower(hist_sample *s, fer_arena *a)
{
    if (s->schema <= HIST_SCHEMA_MAX)
        return true;
    const histogram *h = hist_widen(s, a);
    return h != NULL && hist_narrow(h, s->is_float, a, s);
}

static bool copy_array(fer_arena *a, const void *p, size_t bytes, const void **ret)
{
    *ret = NULL;
    if (bytes == 0)
        return true;
    void *to = fer_arena_alloc(a, bytes);
    if (to == NULL)
        return false;
    *ret = memcpy(to, p, bytes);
    return true;
}

bool hist_copy(const hist_sample *s, fer_arena *a, hist_sample *ret)
{
    *ret = *s;
    const void *p;
    for (int k = 0; k < HIST_SIDES; k++) {
        const hist_side *side = &s->side[k];
        if (!copy_array(a, side->spans, side->n_spans * sizeof *side->spans, &p))
            return false;
        ret->side[k].spans = p;
        if (!copy_array(a, side->buckets, side->n_buckets * sizeof *side->buckets, &p))
            return false;
        ret->side[k].buckets = p;
    }
    if (!copy_array(a, s->custom, s->n_custom * sizeof *s->custom, &p))
        return false;
    ret->custom = p;
    return true;
}

size_t hist_copy_bytes(const hist_sample *s)
{
    size_t n = s->n_custom * sizeof *s->custom;
    for (int k = 0; k < HIST_SIDES; k++)
        n += s->side[k].n_spans * sizeof *s->side[k].spans +
             s->side[k].n_buckets * sizeof *s->side[k].buckets;
    return n;
}

/* hist_layout.c - empty buckets, coarser schemas, wider zero buckets. */
#include "promql/hist_int.h"

/* ---- layout ---- */

void hist_join_spans(hist_side *s)
{
    s->as_loaded = false;
    for (uint32_t i = 0; i < s->n; i++)
        s->start[i] = i == 0 || s->index[i] != s->index[i - 1] + 1;
}

static bool is_empty(const hist_side *s, uint32_t i, bool compensated)
{
    return s->v[i] == 0 && !(compensated && s->c[i] != 0);
}

static bool any_empty(const hist_side *s, bool compensated)
{
    unsigned empty = 0;
    for (uint32_t i = 0; !compensated && i < s->n; i++)
        empty |= s->v[i] == 0;
    for (uint32_t i = 0; compensated && i < s->n; i++)
        empty |= is_empty(s, i, true);
    return empty != 0;
}

/* Each span has buckets, and there is a gap before it. */
static bool spans_are_compact(const hist_side *s)
{
    for (uint32_t k = 0; s->as_loaded && k < s->n_spans; k++)
        if (s->spans[k].length == 0 || (k > 0 && s->spans[k].offset == 0))
            return false;
    for (uint32_t i = 1; !s->as_loaded && i < s->n; i++)
        if (s->start[i] && s->index[i] == s->index[i - 1] + 1)
            return false;
    return true;
}

void hist_compact_side(hist_side *s, bool compensated)
{
    uint32_t n = 0;
    if (!any_empty(s, compensated) && spans_are_compact(s))
        return;
    for (uint32_t i = 0; i < s->n; i++) {
        if (is_empty(s, i, compensated))
            continue;
        s->index[n] = s->index[i];
        s->v[n] = s->v[i];
        s->c[n++] = s->c[i];
    }
    s->n = n;
    hist_join_spans(s);
}

void hist_compact(hist *h)
{
    hist_compact_side(&h->pos, h->compensated);
    hist_compact_side(&h->neg, h->compensated);
}

static void reduce_side(hist_side *s, int32_t shift, bool compensated)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        int32_t index = hist_coarser(s->index[i], shift);
        if (n == 0 || s->index[n - 1] != index) {
            s->index[n] = index;
            s->v[n] = s->v[i];
            s->c[n++] = s->c[i];
        } else if (compensated) {
            kahan_add_to(&s->v[n - 1], &s->c[n - 1], s->v[i]);
            kahan_add_to(&s->v[n - 1], &s->c[n - 1], s->c[i]);
        } else {
            s->v[n - 1] += s->v[i];
        }
    }
    s->n = n;
    hist_join_spans(s);
}

void hist_reduce(hist *h, int32_t schema)
{
    if (schema >= h->schema || schema == HISTOGRAM_CUSTOM)
        return;
    reduce_side(&h->pos, h->schema - schema, h->compensated);
    reduce_side(&h->neg, h->schema - schema, h->compensated);
    h->schema = schema;
}

/* ---- zero buckets ---- */

/* The buckets of a stored histogram or of one being computed. */
typedef struct walk {
    hist_cursor cur;
    const hist_side *side; /* NULL: cur */
    uint32_t at;
    int32_t index;
    double count, comp;
} walk;

static bool walk_next(walk *w)
{
    if (w->side == NULL) {
        if (!hist_cursor_next(&w->cur))
            return false;
        w->index = w->cur.index;
        w->count = w->cur.count;
        return true;
    }
    if (w->at == w->side->n)
        return false;
    w->index = w->side->index[w->at];
    w->count = w->side->v[w->at];
    w->comp = w->side->c[w->at++];
    return true;
}

/* Adds the buckets below the threshold; true when it cuts a populated one, then *threshold is its end. */
static bool swallow(walk w, int32_t schema, bool compensated, kahan *zero, double *threshold)
{
    while (walk_next(&w) && hist_bound((int64_t)w.index - 1, schema, NULL, 0) < *threshold) {
        double end = hist_bound(w.index, schema, NULL, 0);
        kahan_add(zero, w.count);
        if (compensated)
            kahan_add(zero, w.comp);
        if (end <= *threshold)
            continue;
        if (w.count == 0)
            return false;
        *threshold = end;
        return true;
    }
    return false;
}

static kahan widen(kahan zero, walk pos, walk neg, int32_t schema, bool compensated,
                   double *threshold)
{
    kahan z = zero;
    do { /* a bucket cut on the negative side changes what the positive side gives */
        z.sum = zero.sum;
        swallow(pos, schema, compensated, &z, threshold);
    } while (swallow(neg, schema, compensated, &z, threshold));
    return z;
}

kahan histogram_widen_zero(const histogram *h, double *threshold)
{
    kahan zero = {h->zero_count, 0};
    if (*threshold == h->zero_threshold)
        return zero;
    walk pos = {.cur = hist_cursor_of(h, false)}, neg = {.cur = hist_cursor_of(h, true)};
    return widen(zero, pos, neg, h->schema, false, threshold);
}

static void clear_inside(hist_side *s, int32_t schema, double threshold)
{
    for (uint32_t i = 0; i < s->n; i++) {
        if (hist_bound((int64_t)s->index[i] - 1, schema, NULL, 0) >= threshold)
            return;
        s->v[i] = s->c[i] = 0;
    }
}

static void widen_own_zero(hist *h, double threshold)
{
    walk pos = {.side = &h->pos}, neg = {.side = &h->neg};
    kahan z = widen(h->zero, pos, neg, h->schema, h->compensated, &threshold);
    h->zero = h->compensated ? z : (kahan){z.sum, 0};
    h->zero_threshold = threshold;
    clear_inside(&h->pos, h->schema, threshold);
    clear_inside(&h->neg, h->schema, threshold);
    hist_compact(h);
}

kahan hist_reconcile_zero(hist *h, const histogram *other)
{
    kahan zero = {other->zero_count, 0};
    double threshold = other->zero_threshold;
    while (threshold < h->zero_threshold || threshold > h->zero_threshold) {
        if (threshold < h->zero_threshold) {
            threshold = h->zero_threshold;
            zero = histogram_widen_zero(other, &threshold);
        }
        if (threshold > h->zero_threshold)
            widen_own_zero(h, threshold);
    }
    return zero;
}

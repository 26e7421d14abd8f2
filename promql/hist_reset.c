/* hist_reset.c - comparing native histograms: counter resets, equality. */
#include "promql/hist_math.h"
#include "tsdb/samples.h"

/* Buckets in a coarser schema, those inside the zero bucket skipped. */
typedef struct seen {
    hist_cursor c;
    int32_t schema, shift;
    double threshold;
    bool custom, outside;
    int32_t index;
    double count;
} seen;

static seen seen_of(const histogram *h, bool negative, const histogram *like)
{
    return (seen){.c = hist_cursor_of(h, negative),
                  .schema = like->schema,
                  .shift = h->schema - like->schema,
                  .threshold = like->zero_threshold,
                  .custom = histogram_is_custom(like)};
}

static bool seen_next(seen *s)
{
    while (hist_cursor_merged(&s->c, s->shift, &s->index, &s->count)) {
        s->outside =
            s->outside || s->custom || !(hist_bound(s->index, s->schema, NULL, 0) <= s->threshold);
        if (s->outside)
            return true;
    }
    return false;
}

/* The same spans, well formed: counts stand for the same buckets. */
static bool same_layout(const histogram *a, const histogram *b, bool negative)
{
    uint32_t n = negative ? a->n_neg_spans : a->n_pos_spans;
    uint32_t counts = negative ? a->n_neg : a->n_pos, told = 0;
    const histogram_span *x = negative ? a->neg_spans : a->pos_spans;
    const histogram_span *y = negative ? b->neg_spans : b->pos_spans;
    if (n != (negative ? b->n_neg_spans : b->n_pos_spans) ||
        counts != (negative ? b->n_neg : b->n_pos))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        if (x[i].offset != y[i].offset || x[i].length != y[i].length ||
            (i > 0 && x[i].offset < 0) || x[i].length > counts - told)
            return false;
        told += x[i].length;
    }
    return told == counts;
}

static bool any_less(const double *a, const double *b, uint32_t n)
{
    bool less = false;
    for (uint32_t i = 0; i < n; i++)
        less |= a[i] < b[i];
    return less;
}

/* A populated bucket of `before` is gone, or any holds less. */
static bool side_shrank(const histogram *now, const histogram *before, bool negative)
{
    seen a = seen_of(now, negative, now), b = seen_of(before, negative, now);
    bool more = seen_next(&a);
    /* The first one is outside the zero bucket: so are all. */
    if (b.shift == 0 && more && a.c.at == 1 && same_layout(now, before, negative))
        return any_less(negative ? now->neg : now->pos, negative ? before->neg : before->pos,
                        negative ? now->n_neg : now->n_pos);
    while (seen_next(&b)) {
        while (more && a.index < b.index)
            more = seen_next(&a);
        bool there = more && a.index == b.index;
        if (there ? a.count < b.count : b.count != 0)
            return true;
    }
    return false;
}

/* Observations in the buckets that end at or below the bound, from where the cursor stands. */
static double up_to(hist_cursor *c, bool *more, const histogram *h, double bound)
{
    double sum = 0;
    while (*more && hist_bound(c->index, h->schema, h->custom, h->n_custom) <= bound) {
        sum += c->count;
        *more = hist_cursor_next(c);
    }
    return sum;
}

/* Compares what lies between two bounds that both have. */
static bool custom_shrank(const histogram *now, const histogram *before)
{
    hist_cursor a = hist_cursor_of(now, false), b = hist_cursor_of(before, false);
    bool more_a = hist_cursor_next(&a), more_b = hist_cursor_next(&b);
    for (uint32_t i = 0, j = 0; i <= now->n_custom && j <= before->n_custom;) {
        double x = hist_bound(i, HISTOGRAM_CUSTOM, now->custom, now->n_custom);
        double y = hist_bound(j, HISTOGRAM_CUSTOM, before->custom, before->n_custom);
        if (x == y && up_to(&a, &more_a, now, x) < up_to(&b, &more_b, before, x))
            return true;
        i += x <= y;
        j += !(x < y);
    }
    return false;
}

static bool same_bounds(const histogram *a, const histogram *b)
{
    if (a->n_custom != b->n_custom)
        return false;
    for (uint32_t i = 0; i < a->n_custom; i++)
        if (a->custom[i] != b->custom[i])
            return false;
    return true;
}

bool histogram_was_reset(const histogram *now, const histogram *before)
{
    if (now->reset_hint == HISTOGRAM_RESET || now->reset_hint == HISTOGRAM_NO_RESET)
        return now->reset_hint == HISTOGRAM_RESET;
    if (now->count < before->count)
        return true;
    if (histogram_is_custom(now)) {
        if (!histogram_is_custom(before))
            return true;
        if (!same_bounds(now, before))
            return custom_shrank(now, before);
    }
    /* Only a counter that begins anew becomes finer. */
    if (now->schema > before->schema || now->zero_threshold < before->zero_threshold)
        return true;
    double threshold = now->zero_threshold;
    kahan zero = histogram_widen_zero(before, &threshold);
    if (threshold != now->zero_threshold || now->zero_count < zero.sum)
        return true;
    return side_shrank(now, before, false) || side_shrank(now, before, true);
}

static bool same_side(const histogram *a, const histogram *b, bool negative)
{
    hist_cursor x = hist_cursor_of(a, negative), y = hist_cursor_of(b, negative);
    for (;;) {
        bool more = hist_cursor_next(&x);
        if (more != hist_cursor_next(&y))
            return false;
        if (!more)
            return true;
        if (x.index != y.index || f64_bits(x.count) != f64_bits(y.count))
            return false;
    }
}

bool histogram_same(const histogram *a, const histogram *b)
{
    return a->schema == b->schema && f64_bits(a->count) == f64_bits(b->count) &&
           f64_bits(a->sum) == f64_bits(b->sum) && (!histogram_is_custom(a) || same_bounds(a, b)) &&
           a->zero_threshold == b->zero_threshold &&
           f64_bits(a->zero_count) == f64_bits(b->zero_count) && same_side(a, b, false) &&
           same_side(a, b, true);
}

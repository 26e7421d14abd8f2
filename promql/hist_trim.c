/* hist_trim.c - the observations of a native histogram on one side of a cut.
 *
 * A bucket the cut goes through gives the part interpolation tells. One without an end there is kept or
 * dropped whole, as nothing is known about where its observations lie. The sum is estimated from the
 * middles of what stays, and only if anything went.
 */
#include <math.h>

#include "promql/hist_math.h"
#include "promql/hist_stats.h"

typedef struct trim {
    double cut;
    bool below, custom;
    kahan total; /* sum: observations kept; c: their estimated sum */
    bool changed;
} trim;

/* What stays of a bucket: how many observations, and where on average. */
typedef struct rest {
    double count, middle;
} rest;

static double middle_of(const trim *t, double lower, double upper, bool negative)
{
    if (isinf(lower)) {
        if (isinf(upper))
            return 0;
        return upper > 0 ? upper / 2 : upper;
    }
    if (isinf(upper))
        return lower;
    if (t->custom)
        return (lower + upper) / 2;
    double middle = sqrt(fabs(lower * upper));
    return negative ? -middle : middle;
}

/* The lowest custom bucket; where its end is positive, it is taken to begin at 0. */
static rest cut_lowest(const trim *t, hist_bucket b)
{
    bool positive = b.upper > 0 && !isinf(b.upper);
    if (t->below) {
        if (t->cut > 0 && positive)
            return (rest){b.count * t->cut / b.upper, t->cut / 2};
        if (b.upper <= 0)
            return (rest){b.count, t->cut};
    } else if (t->cut >= 0 && positive) {
        return (rest){b.count * (1 - t->cut / b.upper), (t->cut + b.upper) / 2};
    }
    return (rest){0, 0};
}

static rest cut_highest(const trim *t, hist_bucket b)
{
    return !t->below && t->cut >= b.lower ? (rest){b.count, t->cut} : (rest){0, 0};
}

static rest cut_bucket(const trim *t, hist_bucket b, bool negative)
{
    if (b.lower == -INFINITY)
        return cut_lowest(t, b);
    if (b.upper == INFINITY)
        return cut_highest(t, b);
    double under = b.count * hist_below(b, t->cut, t->custom);
    if (t->below)
        return (rest){under, middle_of(t, b.lower, t->cut, negative)};
    return (rest){b.count - under, middle_of(t, t->cut, b.upper, negative)};
}

static rest rest_of(const trim *t, hist_bucket b, bool negative)
{
    if (t->below ? b.upper <= t->cut : b.lower >= t->cut)
        return (rest){b.count, middle_of(t, b.lower, b.upper, negative)};
    if (t->below ? b.lower < t->cut : b.upper > t->cut)
        return cut_bucket(t, b, negative);
    return (rest){0, 0};
}

static void keep(trim *t, rest r)
{
    t->total.sum += r.count;
    t->total.c += r.middle * r.count;
}

/* Whether any bucket is populated. */
static bool trim_side(const hist *h, trim *t, hist_side *s, bool negative)
{
    bool populated = false;
    for (uint32_t i = 0; i < s->n; i++) {
        double end = hist_bound(s->index[i], h->schema, h->custom, h->n_custom);
        double start = hist_bound((int64_t)s->index[i] - 1, h->schema, h->custom, h->n_custom);
        if (s->v[i] == 0)
            continue;
        populated = true;
        hist_bucket b =
            negative ? (hist_bucket){-end, -start, s->v[i]} : (hist_bucket){start, end, s->v[i]};
        rest r = rest_of(t, b, negative);
        keep(t, r);
        t->changed = t->changed || r.count != s->v[i];
        s->v[i] = r.count;
    }
    return populated;
}

static void trim_zero(hist *h, trim *t, bool has_pos, bool has_neg)
{
    double lower = has_pos && !has_neg ? 0 : -h->zero_threshold;
    double upper = has_neg && !has_pos ? 0 : h->zero_threshold;
    rest r = {h->zero.sum, (lower + upper) / 2};
    bool none = t->below ? t->cut <= lower : t->cut >= upper;
    bool all = t->below ? t->cut >= upper : t->cut <= lower;
    if (t->below ? none : none && !all)
        r = (rest){0, 0};
    else if (!all && t->below)
        r = (rest){h->zero.sum * ((t->cut - lower) / (upper - lower)), (lower + t->cut) / 2};
    else if (!all)
        r = (rest){h->zero.sum * ((upper - t->cut) / (upper - lower)), (t->cut + upper) / 2};
    t->changed = t->changed || h->zero.sum != r.count;
    h->zero.sum = r.count;
    keep(t, r);
}

void hist_trim(hist *h, double cut, bool below)
{
    trim t = {.cut = cut, .below = below, .custom = h->schema == HISTOGRAM_CUSTOM};
    bool has_pos = trim_side(h, &t, &h->pos, false), has_neg = trim_side(h, &t, &h->neg, true);
    if (h->zero.sum > 0)
        trim_zero(h, &t, has_pos, has_neg);
    if (!t.changed)
        return;
    h->count.sum = t.total.sum;
    h->sum.sum = t.total.c;
    hist_compact(h);
}

/* hist_stats.c - quantiles, fractions and variance of native histograms. */
#include "promql/hist_stats.h"

#include <math.h>
#include <string.h>

#include "base/num.h"
#include "promql/kahan.h"
#include "promql/logarithm.h"

static void turn_around(hist_bucket *b, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        hist_bucket x = b[i];
        b[i] = b[n - 1 - i];
        b[n - 1 - i] = x;
    }
}

static hist_bucket bucket_of(const histogram *h, int64_t index, bool negative, double count)
{
    double end = hist_bound(index, h->schema, h->custom, h->n_custom);
    double start = hist_bound(index - 1, h->schema, h->custom, h->n_custom);
    if (start > 0 && start < h->zero_threshold)
        start = h->zero_threshold;
    return negative ? (hist_bucket){-end, -start, count} : (hist_bucket){start, end, count};
}

static void put_side(const histogram *h, bool negative, hist_buckets *to)
{
    for (hist_cursor c = hist_cursor_of(h, negative); hist_cursor_next(&c);)
        to->b[to->n++] = bucket_of(h, c.index, negative, c.count);
}

/* ---- buckets ---- */

/* The layout of the buckets made last; arrays are copies. */
typedef struct hist_layout {
    int32_t schema;
    uint32_t n_pos, n_neg, n_pos_spans, n_neg_spans, n_custom;
    bool has_zero;
    double zero_threshold;
    histogram_span *spans; /* positive ones, then negative ones */
    double *custom;
    size_t spans_cap, custom_cap;
    size_t negative, positive; /* buckets made of either side */
} hist_layout;

static bool same_bytes(const void *a, const void *b, size_t n)
{
    return n == 0 || memcmp(a, b, n) == 0;
}

static bool is_layout_of(const hist_layout *l, const histogram *h)
{
    return l->schema == h->schema && l->n_pos == h->n_pos && l->n_neg == h->n_neg &&
           l->n_pos_spans == h->n_pos_spans && l->n_neg_spans == h->n_neg_spans &&
           l->n_custom == h->n_custom && l->has_zero == (h->zero_count > 0) &&
           l->zero_threshold == h->zero_threshold &&
           same_bytes(l->spans, h->pos_spans, h->n_pos_spans * sizeof *l->spans) &&
           (h->n_neg_spans == 0 || same_bytes(l->spans + l->n_pos_spans, h->neg_spans,
                                              h->n_neg_spans * sizeof *l->spans)) &&
           same_bytes(l->custom, h->custom, h->n_custom * sizeof *l->custom);
}

/* False past the budget. */
static bool note_layout(hist_layout *l, const histogram *h, fer_arena *a)
{
    size_t n = (size_t)h->n_pos_spans + h->n_neg_spans;
    if (n > l->spans_cap) {
        l->spans = fer_arena_alloc(a, n * 2 * sizeof *l->spans);
        l->spans_cap = l->spans == NULL ? 0 : n * 2;
    }
    if (h->n_custom > l->custom_cap) {
        l->custom = fer_arena_alloc(a, h->n_custom * sizeof *l->custom);
        l->custom_cap = l->custom == NULL ? 0 : h->n_custom;
    }
    if (n > l->spans_cap || h->n_custom > l->custom_cap)
        return false;
    l->schema = h->schema;
    l->n_pos = h->n_pos;
    l->n_neg = h->n_neg;
    l->n_pos_spans = h->n_pos_spans;
    l->n_neg_spans = h->n_neg_spans;
    l->n_custom = h->n_custom;
    l->has_zero = h->zero_count > 0;
    l->zero_threshold = h->zero_threshold;
    if (h->n_pos_spans > 0)
        memcpy(l->spans, h->pos_spans, h->n_pos_spans * sizeof *l->spans);
    if (h->n_neg_spans > 0)
        memcpy(l->spans + h->n_pos_spans, h->neg_spans, h->n_neg_spans * sizeof *l->spans);
    if (h->n_custom > 0)
        memcpy(l->custom, h->custom, h->n_custom * sizeof *l->custom);
    return true;
}

/* The bounds stay. */
static void put_counts(const histogram *h, hist_buckets *to)
{
    const hist_layout *l = to->layout;
    hist_bucket *b = to->b;
    for (size_t i = l->negative; i-- > 0; b++)
        b->count = h->neg[i];
    if (l->has_zero)
        (b++)->count = h->zero_count;
    for (size_t i = 0; i < l->positive; i++)
        b[i].count = h->pos[i];
}

fer_code hist_buckets_of(const histogram *h, fer_arena *a, hist_buckets *ret)
{
    if (ret->layout == NULL && (ret->layout = ARENA_NEW(a, hist_layout)) == NULL)
        return FER_LIMIT;
    hist_layout *l = ret->layout;
    if (ret->b != NULL && is_layout_of(l, h)) {
        put_counts(h, ret);
        return FER_OK;
    }
    if (!note_layout(l, h, a))
        return FER_LIMIT;
    size_t most = (size_t)h->n_pos + h->n_neg + 1;
    if (ret->b == NULL || most > ret->cap) {
        ret->b = fer_arena_alloc(a, most * 2 * sizeof *ret->b);
        if (ret->b == NULL)
            return FER_LIMIT;
        ret->cap = most * 2;
    }
    ret->n = 0;
    put_side(h, true, ret);
    turn_around(ret->b, ret->n);
    l->negative = ret->n;
    if (h->zero_count > 0)
        ret->b[ret->n++] = (hist_bucket){-h->zero_threshold, h->zero_threshold, h->zero_count};
    size_t before = ret->n;
    put_side(h, false, ret);
    l->positive = ret->n - before;
    return FER_OK;
}

/* ---- quantiles ---- */

/* The buckets in ascending order, of which only the one looked for needs its bounds: negative ones, the populated zero
 * bucket, positive ones. */
typedef struct ranks {
    const histogram *h;
    size_t negative, positive; /* buckets that can be read */
    size_t n;
} ranks;

/* How many of the n counts the spans tell of, as far as they are well formed. */
static size_t readable(const histogram *h, bool negative)
{
    uint32_t n = negative ? h->n_neg : h->n_pos,
             n_spans = negative ? h->n_neg_spans : h->n_pos_spans;
    const histogram_span *spans = negative ? h->neg_spans : h->pos_spans;
    int64_t index = 0;
    size_t told = 0;
    for (uint32_t k = 0; k < n_spans; k++) {
        index += spans[k].offset;
        told += spans[k].length;
        if ((k > 0 && spans[k].offset < 0) || index < INT32_MIN ||
            index + spans[k].length > INT32_MAX)
            break;
        index += spans[k].length;
        if (k + 1 == n_spans)
            return told < n ? told : n;
    }
    told = 0;
    for (hist_cursor c = hist_cursor_of(h, negative); hist_cursor_next(&c);)
        told++;
    return told;
}

static ranks ranks_of(const histogram *h)
{
    ranks r = {.h = h, .negative = readable(h, true), .positive = readable(h, false)};
    r.n = r.negative + (h->zero_count > 0) + r.positive;
    return r;
}

static double count_at(const ranks *r, size_t i)
{
    size_t behind = r->n - r->positive;
    if (i >= behind)
        return r->h->pos[i - behind];
    return i < r->negative ? r->h->neg[r->negative - 1 - i] : r->h->zero_count;
}

static hist_bucket bucket_at(const ranks *r, size_t i)
{
    const histogram *h = r->h;
    size_t behind = r->n - r->positive;
    bool negative = i < r->negative;
    if (!negative && i < behind)
        return (hist_bucket){-h->zero_threshold, h->zero_threshold, h->zero_count};
    const histogram_span *s = negative ? h->neg_spans : h->pos_spans;
    size_t left = negative ? r->negative - 1 - i : i - behind;
    int64_t index = s->offset;
    for (; left >= s->length; index += s->offset) {
        left -= s->length;
        index += s->length;
        s++;
    }
    return bucket_of(h, index + (int64_t)left, negative, count_at(r, i));
}

/* The bucket that holds the rank, counted from the lower (`up`) or the upper end; *count of those up to it. The last one
 * when none does. */
static size_t find_rank(const ranks *r, bool up, double rank, double *count)
{
    size_t at = 0;
    *count = 0;
    for (size_t i = 0; i < r->n; i++) {
        at = up ? i : r->n - 1 - i;
        double in_it = count_at(r, at);
        *count += in_it;
        if (in_it != 0 && *count >= rank)
            break;
    }
    return at;
}

/* Where all else is on one side, the zero bucket ends at 0. */
static hist_bucket one_sided(const histogram *h, hist_bucket b)
{
    if (h->n_neg == 0 && h->n_pos > 0)
        b.lower = 0;
    else if (h->n_pos == 0 && h->n_neg > 0)
        b.upper = 0;
    return b;
}

/* The value at a rank inside a bucket. */
static double interpolate(const histogram *h, hist_bucket b, double rank)
{
    double part = rank / b.count;
    if (histogram_is_custom(h) || (b.lower <= 0 && b.upper >= 0))
        return b.lower + (b.upper - b.lower) * part;
    double lower = go_log2(fabs(b.lower)), upper = go_log2(fabs(b.upper));
    if (b.lower > 0)
        return go_exp2(lower + (upper - lower) * part);
    return -go_exp2(upper + (lower - upper) * (1 - part));
}

double hist_quantile(double q, const histogram *h, hist_nan *ret)
{
    *ret = HIST_NAN_NONE;
    if (q < 0)
        return -INFINITY;
    if (q > 1)
        return INFINITY;
    if (h->count == 0 || isnan(q))
        return NAN;

    /* Ranks are counted from the nearer end; observations of NaN have no bucket and lie behind all. */
    bool up = isnan(h->sum) || q < 0.5;
    ranks r = ranks_of(h);
    double rank = (up ? q : 1 - q) * h->count, count;
    size_t at = find_rank(&r, up, rank, &count);
    hist_bucket x = {0};
    if (r.n > 0)
        x = bucket_at(&r, at);
    if (histogram_is_custom(h)) {
        if (x.lower == -INFINITY) {
            if (x.upper <= 0)
                return x.upper;
            x.lower = 0;
        } else if (x.upper == INFINITY) {
            return x.lower;
        }
    } else if (x.lower < 0 && x.upper > 0) {
        x = one_sided(h, x);
    }
    if (count > h->count)
        count = h->count;
    if (count < rank) {
        if (!isnan(h->sum))
            return x.upper;
        *ret = HIST_NAN_RESULT;
        return NAN;
    }
    rank = up ? rank - (count - x.count) : count - rank;
    if (isnan(h->sum)) { /* Prometheus goes on with the last bucket */
        for (size_t i = at + 1; i < r.n; i++)
            count += count_at(&r, i);
        if (at + 1 < r.n)
            x = bucket_at(&r, r.n - 1);
        if (count < h->count)
            *ret = HIST_NAN_SKEW;
    }
    return interpolate(h, x, rank);
}

/* ---- fractions ---- */

double hist_below(hist_bucket b, double v, bool linear)
{
    if (linear)
        return (v - b.lower) / (b.upper - b.lower);
    double lower = go_log2(fabs(b.lower)), upper = go_log2(fabs(b.upper)), at = go_log2(fabs(v));
    return v > 0 ? (at - lower) / (upper - lower) : 1 - (at - upper) / (lower - upper);
}

/* How many observations lie below v, *set when a bucket told; else v is above all. */
static double rank_of(double v, const histogram *h, const hist_buckets *b, bool *set)
{
    double rank = 0;
    *set = true;
    for (size_t i = 0; i < b->n; i++) {
        hist_bucket x = b->b[i];
        bool zero = x.lower <= 0 && x.upper >= 0;
        if (zero)
            x = one_sided(h, x);
        if (x.lower >= v)
            return rank;
        if (x.upper > v) {
            bool linear = histogram_is_custom(h) || zero;
            if (linear && x.lower == -INFINITY)
                return x.count; /* nothing to interpolate in */
            return rank + x.count * hist_below(x, v, linear);
        }
        rank += x.count;
    }
    *set = false;
    return rank;
}

double hist_fraction(double lower, double upper, const histogram *h, const hist_buckets *b,
                     bool *ret_nan)
{
    *ret_nan = false;
    if (h->count == 0 || isnan(lower) || isnan(upper))
        return NAN;
    if (lower >= upper)
        return 0;
    bool has_from, has_to;
    double from = rank_of(lower, h, b, &has_from), to = rank_of(upper, h, b, &has_to);
    double count = h->count;
    if (isnan(h->sum)) {
        count = 0;
        for (size_t i = 0; i < b->n; i++)
            count += b->b[i].count;
        *ret_nan = count < h->count;
    }
    from = !has_from || from > count ? count : from;
    to = !has_to || to > count ? count : to;
    return (to - from) / h->count;
}

double hist_variance(const histogram *h, const hist_buckets *b)
{
    double mean = h->sum / h->count;
    kahan sum = {0, 0};
    for (size_t i = 0; i < b->n; i++) {
        hist_bucket x = b->b[i];
        double v;
        if (x.count == 0)
            continue;
        if (histogram_is_custom(h))
            v = (x.upper + x.lower) / 2.0;
        else if (x.lower <= 0 && x.upper >= 0)
            v = 0;
        else
            v = x.upper < 0 ? -sqrt(x.upper * x.lower) : sqrt(x.upper * x.lower);
        double delta = v - mean;
        kahan_add(&sum, x.count * delta * delta);
    }
    return (sum.sum + sum.c) / h->count;
}

/* ---- text ---- */

static void put_number(fer_buf *out, double v)
{
    char text[NUM_TEXT_MAX];
    fer_buf_put(out, text, num_format_g(text, v));
}

static void put_count(fer_buf *out, double v, bool integers)
{
    if (integers)
        fer_buf_printf(out, "%.0f", v);
    else
        put_number(out, v);
}

static void put_bucket(fer_buf *out, hist_bucket b, bool lower_in, bool upper_in, bool integers)
{
    fer_buf_puts(out, lower_in ? STR(", [") : STR(", ("));
    put_number(out, b.lower);
    fer_buf_putc(out, ',');
    put_number(out, b.upper);
    fer_buf_puts(out, upper_in ? STR("]:") : STR("):"));
    put_count(out, b.count, integers);
}

fer_code hist_print(const histogram *h, bool integers, fer_arena *a, fer_buf *out)
{
    hist_buckets l = {0};
    histogram plain = *h; /* the bounds of buckets are not cut at the zero bucket */
    plain.zero_count = 0;
    plain.zero_threshold = 0;
    FER_TRY(hist_buckets_of(&plain, a, &l));
    fer_buf_puts(out, STR("{count:"));
    put_count(out, h->count, integers);
    fer_buf_puts(out, STR(", sum:"));
    put_number(out, h->sum);
    bool custom = histogram_is_custom(h), zero_put = custom || h->zero_count == 0;
    hist_bucket zero = {-h->zero_threshold, h->zero_threshold, h->zero_count};
    for (size_t i = 0; i <= l.n; i++) {
        if (!zero_put && (i == l.n || l.b[i].lower >= 0)) {
            put_bucket(out, zero, true, true, integers);
            zero_put = true;
        }
        if (i == l.n || l.b[i].count == 0)
            continue;
        bool first = custom && l.b[i].lower == -INFINITY;
        put_bucket(out, l.b[i], custom ? first : l.b[i].lower < 0, custom || l.b[i].upper > 0,
                   integers);
    }
    fer_buf_putc(out, '}');
    return FER_OK;
}

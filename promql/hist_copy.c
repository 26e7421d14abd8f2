/* hist_copy.c - histograms become computed ones and stored ones again; the memory of both. */
#include "promql/hist_int.h"

#include <string.h>

void hist_init(hist *h, fer_arena *a)
{
    *h = (hist){.a = a};
}

/* ---- memory ---- */

static void *grown(fer_arena *a, void *p, uint32_t n, uint32_t cap, size_t size)
{
    void *to = fer_arena_alloc(a, cap * size);
    if (to != NULL && p != NULL)
        memcpy(to, p, n * size);
    return to;
}

fer_code hist_side_room(hist *h, hist_side *s, uint32_t n)
{
    if (s->index != NULL && n <= s->cap)
        return FER_OK;
    uint32_t cap = n < UINT32_MAX / 2 && n < s->cap * 2 ? s->cap * 2 : n;
    int32_t *index = grown(h->a, s->index, s->n, cap, sizeof *index);
    double *v = grown(h->a, s->v, s->n, cap, sizeof *v);
    double *c = grown(h->a, s->c, s->n, cap, sizeof *c);
    bool *start = grown(h->a, s->start, s->n, cap, sizeof *start);
    if (index == NULL || v == NULL || c == NULL || start == NULL)
        return FER_LIMIT;
    s->index = index;
    s->v = v;
    s->c = c;
    s->start = start;
    s->cap = cap;
    return FER_OK;
}

fer_code hist_set_custom(hist *h, const double *bounds, uint32_t n)
{
    if (n > h->custom_cap) {
        double *to = fer_arena_alloc(h->a, n * sizeof *to);
        if (to == NULL)
            return FER_LIMIT;
        h->custom = to;
        h->custom_cap = n;
    }
    if (n > 0)
        memcpy(h->custom, bounds, n * sizeof *bounds);
    h->n_custom = n;
    return FER_OK;
}

/* ---- copies ---- */

static fer_code keep_spans(hist *h, hist_side *s, const histogram_span *spans, uint32_t n)
{
    if (n > s->spans_cap) {
        histogram_span *to = fer_arena_alloc(h->a, n * sizeof *to);
        if (to == NULL)
            return FER_LIMIT;
        s->spans = to;
        s->spans_cap = n;
    }
    if (n > 0)
        memcpy(s->spans, spans, n * sizeof *spans);
    s->n_spans = n;
    return FER_OK;
}

/* Indexes for n counts; false when the spans are malformed. */
static bool lay_out(hist_side *s, uint32_t n)
{
    int64_t index = 0;
    uint32_t at = 0;
    for (uint32_t k = 0; k < s->n_spans; k++) {
        histogram_span span = s->spans[k];
        index += span.offset;
        if ((k > 0 && span.offset < 0) || span.length > n - at ||
            index + span.length - 1 > INT32_MAX)
            return false;
        for (uint32_t i = 0; i < span.length; i++, at++) {
            s->index[at] = (int32_t)index++;
            s->start[at] = i == 0;
        }
    }
    return at == n;
}

/* Malformed spans: what can be read of them. */
static void load_slowly(hist_side *s, hist_cursor c)
{
    s->as_loaded = false;
    for (s->n = 0; hist_cursor_next(&c); s->n++) {
        s->index[s->n] = c.index;
        s->v[s->n] = c.count;
        s->start[s->n] = c.in_span == 1;
    }
}

bool hist_same_spans(const hist_side *s, const histogram_span *spans, uint32_t n)
{
    if (n != s->n_spans)
        return false;
    uint32_t differ = 0;
    for (uint32_t i = 0; i < n; i++)
        differ |= ((uint32_t)s->spans[i].offset ^ (uint32_t)spans[i].offset) |
                  (s->spans[i].length ^ spans[i].length);
    return differ == 0;
}

static fer_code load_side(hist *h, hist_side *s, const histogram *from, bool negative)
{
    uint32_t n = negative ? from->n_neg : from->n_pos;
    uint32_t n_spans = negative ? from->n_neg_spans : from->n_pos_spans;
    const histogram_span *spans = negative ? from->neg_spans : from->pos_spans;
    const double *counts = negative ? from->neg : from->pos;
    bool laid_out = s->as_loaded && s->n == n && hist_same_spans(s, spans, n_spans);
    if (!laid_out) {
        s->n = 0;
        FER_TRY(hist_side_room(h, s, n));
        FER_TRY(keep_spans(h, s, spans, n_spans));
        s->as_loaded = lay_out(s, n);
    }
    s->first_end = NAN; /* the schema may be another */
    if (!s->as_loaded) {
        load_slowly(s, hist_cursor_of(from, negative));
        return FER_OK;
    }
    s->n = n;
    if (n > 0)
        memcpy(s->v, counts, n * sizeof *s->v);
    return FER_OK;
}

fer_code hist_load(hist *h, const histogram *from)
{
    h->schema = from->schema;
    h->reset_hint = from->reset_hint;
    h->compensated = false;
    h->zero_threshold = from->zero_threshold;
    h->zero = (kahan){from->zero_count, 0};
    h->count = (kahan){from->count, 0};
    h->sum = (kahan){from->sum, 0};
    FER_TRY(hist_set_custom(h, from->custom, from->n_custom));
    FER_TRY(load_side(h, &h->pos, from, false));
    return load_side(h, &h->neg, from, true);
}

static fer_code assign_side(hist *h, hist_side *to, const hist_side *from)
{
    to->n = 0;
    FER_TRY(hist_side_room(h, to, from->n));
    FER_TRY(keep_spans(h, to, from->spans, from->as_loaded ? from->n_spans : 0));
    to->as_loaded = from->as_loaded;
    to->first_end = from->first_end;
    to->n = from->n;
    if (from->n > 0) {
        memcpy(to->index, from->index, from->n * sizeof *to->index);
        memcpy(to->v, from->v, from->n * sizeof *to->v);
        memcpy(to->c, from->c, from->n * sizeof *to->c);
        memcpy(to->start, from->start, from->n * sizeof *to->start);
    }
    return FER_OK;
}

fer_code hist_assign(hist *to, const hist *from)
{
    to->schema = from->schema;
    to->reset_hint = from->reset_hint;
    to->compensated = from->compensated;
    to->zero_threshold = from->zero_threshold;
    to->zero = from->zero;
    to->count = from->count;
    to->sum = from->sum;
    FER_TRY(hist_set_custom(to, from->custom, from->n_custom));
    FER_TRY(assign_side(to, &to->pos, &from->pos));
    return assign_side(to, &to->neg, &from->neg);
}

static uint32_t count_spans(const hist_side *s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; !s->as_loaded && i < s->n; i++)
        n += i == 0 || s->start[i];
    return s->as_loaded ? s->n_spans : n;
}

static void put_spans(const hist_side *s, histogram_span *to)
{
    if (s->as_loaded) {
        for (uint32_t i = 0; i < s->n_spans; i++)
            to[i] = s->spans[i];
        return;
    }
    uint32_t n = 0;
    int64_t end = 0; /* of the span before */
    for (uint32_t i = 0; i < s->n; end = (int64_t)s->index[i++] + 1) {
        if (i == 0 || s->start[i])
            to[n++] = (histogram_span){(int32_t)(s->index[i] - end), 0};
        to[n - 1].length++;
    }
}

/* A histogram in one piece with the arrays it names the sizes of, all of which are filled by the caller; NULL past the
 * budget. */
typedef struct arrays {
    double *pos, *neg, *custom;
    histogram_span *pos_spans, *neg_spans;
} arrays;

static histogram *with_arrays(fer_arena *a, const histogram *of, arrays *ret)
{
    size_t numbers = (size_t)of->n_pos + of->n_neg + of->n_custom;
    size_t spans = (size_t)of->n_pos_spans + of->n_neg_spans;
    histogram *h =
        fer_arena_alloc(a, sizeof *h + numbers * sizeof(double) + spans * sizeof(histogram_span));
    if (h == NULL)
        return NULL;
    ret->pos = (double *)(h + 1);
    ret->neg = ret->pos + of->n_pos;
    ret->custom = ret->neg + of->n_neg;
    ret->pos_spans = (histogram_span *)(ret->custom + of->n_custom);
    ret->neg_spans = ret->pos_spans + of->n_pos_spans;
    *h = *of;
    h->pos = ret->pos;
    h->neg = ret->neg;
    h->custom = ret->custom;
    h->pos_spans = ret->pos_spans;
    h->neg_spans = ret->neg_spans;
    return h;
}

static void copy(void *to, const void *from, size_t bytes)
{
    if (bytes > 0)
        memcpy(to, from, bytes);
}

fer_code hist_store(const hist *h, fer_arena *a, const histogram **ret)
{
    arrays to;
    histogram like = {
        .schema = h->schema,
        .reset_hint = h->reset_hint,
        .zero_threshold = h->zero_threshold,
        .zero_count = h->zero.sum,
        .count = h->count.sum,
        .sum = h->sum.sum,
        .n_pos_spans = count_spans(&h->pos),
        .n_neg_spans = count_spans(&h->neg),
        .n_pos = h->pos.n,
        .n_neg = h->neg.n,
        .n_custom = h->n_custom,
    };
    if ((*ret = with_arrays(a, &like, &to)) == NULL)
        return FER_LIMIT;
    copy(to.pos, h->pos.v, h->pos.n * sizeof *to.pos);
    copy(to.neg, h->neg.v, h->neg.n * sizeof *to.neg);
    copy(to.custom, h->custom, h->n_custom * sizeof *to.custom);
    put_spans(&h->pos, to.pos_spans);
    put_spans(&h->neg, to.neg_spans);
    return FER_OK;
}

fer_code histogram_copy(const histogram *h, fer_arena *a, const histogram **ret)
{
    arrays to;
    if ((*ret = with_arrays(a, h, &to)) == NULL)
        return FER_LIMIT;
    copy(to.pos, h->pos, h->n_pos * sizeof *to.pos);
    copy(to.neg, h->neg, h->n_neg * sizeof *to.neg);
    copy(to.custom, h->custom, h->n_custom * sizeof *to.custom);
    copy(to.pos_spans, h->pos_spans, h->n_pos_spans * sizeof *to.pos_spans);
    copy(to.neg_spans, h->neg_spans, h->n_neg_spans * sizeof *to.neg_spans);
    return FER_OK;
}

/* hist_math.c - adding, scaling and reducing native histograms. */
#include "promql/hist_math.h"

#include <math.h>
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

/* Room for n buckets; what is there stays. */
static fer_code side_room(hist *h, hist_side *s, uint32_t n)
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

static fer_code set_custom(hist *h, const double *bounds, uint32_t n)
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

static bool same_spans(const hist_side *s, const histogram_span *spans, uint32_t n)
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
    bool laid_out = s->as_loaded && s->n == n && same_spans(s, spans, n_spans);
    if (!laid_out) {
        s->n = 0;
        FER_TRY(side_room(h, s, n));
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
    FER_TRY(set_custom(h, from->custom, from->n_custom));
    FER_TRY(load_side(h, &h->pos, from, false));
    return load_side(h, &h->neg, from, true);
}

static fer_code assign_side(hist *h, hist_side *to, const hist_side *from)
{
    to->n = 0;
    FER_TRY(side_room(h, to, from->n));
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
    FER_TRY(set_custom(to, from->custom, from->n_custom));
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

/* ---- layout ---- */

/* Each span as long as it can be. */
static void join_spans(hist_side *s)
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

static void compact_side(hist_side *s, bool compensated)
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
    join_spans(s);
}

void hist_compact(hist *h)
{
    compact_side(&h->pos, h->compensated);
    compact_side(&h->neg, h->compensated);
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
    join_spans(s);
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

/* Widens the zero bucket until neither histogram has a populated bucket across its end; the count of the
 * other's. */
static kahan reconcile_zero(hist *h, const histogram *other)
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

/* ---- buckets ---- */

/* How the buckets of an operand are taken. */
typedef struct operand {
    int32_t schema, shift;
    double threshold; /* buckets ending here or below are in the zero bucket */
    bool custom, negate, compensated;
} operand;

/* The next bucket of the operand in the schema of the sum. */
static bool next_operand(hist_cursor *c, const operand *o, int32_t *index, kahan *ret)
{
    if (!o->compensated || o->shift == 0) {
        ret->c = 0;
        return hist_cursor_merged(c, o->shift, index, &ret->sum);
    }
    if (!hist_cursor_next(c))
        return false;
    *index = hist_coarser(c->index, o->shift);
    *ret = (kahan){c->count, 0};
    for (hist_cursor ahead = *c; hist_cursor_next(&ahead); *c = ahead) {
        if (hist_coarser(ahead.index, o->shift) != *index)
            break;
        kahan_add(ret, ahead.count);
    }
    return true;
}

static void add_to_bucket(hist_side *s, uint32_t i, kahan x, bool compensated)
{
    if (!compensated) {
        s->v[i] += x.sum;
        return;
    }
    kahan_add_to(&s->v[i], &s->c[i], x.sum);
    if (x.c != 0)
        kahan_add_to(&s->v[i], &s->c[i], x.c);
}

/* Puts the sorted buckets [n, all) among the sorted ones before. */
static fer_code merge_new(hist *h, hist_side *s, uint32_t n, uint32_t all)
{
    hist_side to = {0};
    FER_TRY(side_room(h, &to, all + all / 4));
    uint32_t i = 0, j = n;
    for (; to.n < all; to.n++) {
        bool old = j == all || (i < n && s->index[i] < s->index[j]);
        uint32_t from = old ? i++ : j++;
        to.index[to.n] = s->index[from];
        to.v[to.n] = s->v[from];
        to.c[to.n] = s->c[from];
        to.start[to.n] = s->start[from];
    }
    to.spans = s->spans;
    to.spans_cap = s->spans_cap;
    *s = to;
    return FER_OK;
}

/* A bucket behind all n that were there, i being the first of those with a higher index. It lengthens the span that
 * ends before it, or else the one that begins behind it; two spans between which no gap is left stay two. */
static fer_code add_bucket(hist *h, hist_side *s, uint32_t n, uint32_t i, int32_t index, kahan x)
{
    bool follows =
        (i > 0 && s->index[i - 1] == index - 1) || (s->n > n && s->index[s->n - 1] == index - 1);
    FER_TRY(side_room(h, s, s->n + 1));
    if (!follows && i < n && s->index[i] == index + 1)
        s->start[i] = false;
    s->index[s->n] = index;
    s->v[s->n] = x.sum;
    s->c[s->n] = x.c;
    s->start[s->n++] = !follows;
    s->as_loaded = false;
    return FER_OK;
}

/* Adds n counts to the buckets from `at` on. */
static void add_run(hist_side *s, uint32_t at, const double *counts, uint32_t n, const operand *o)
{
    double sign = o->negate ? -1 : 1, *v = s->v + at;
    if (o->compensated && !o->negate)
        kahan_add_columns(v, s->c + at, counts, n);
    else if (o->compensated)
        for (uint32_t i = 0; i < n; i++)
            kahan_add_to(&v[i], &s->c[at + i], -counts[i]);
    else
        for (uint32_t i = 0; i < n; i++)
            v[i] += sign * counts[i];
}

static bool may_add_same(hist_side *s, const operand *o)
{
    if (o->custom || s->n == 0)
        return true;
    if (isnan(s->first_end))
        s->first_end = hist_bound(s->index[0], o->schema, NULL, 0);
    return s->first_end > o->threshold;
}

/* The buckets of a side that are still to be passed: those of operands come in the same order. */
typedef struct rest {
    uint32_t at, n; /* of n; new ones are put behind */
} rest;

static fer_code add_one(hist *h, hist_side *s, rest *r, int32_t index, kahan x, const operand *o)
{
    if (o->negate)
        x = (kahan){-x.sum, -x.c};
    while (r->at < r->n && s->index[r->at] < index)
        r->at++;
    if (r->at == r->n || s->index[r->at] != index)
        return add_bucket(h, s, r->n, r->at, index, x);
    add_to_bucket(s, r->at, x, o->compensated);
    return FER_OK;
}

static fer_code put_in_order(hist *h, hist_side *s, uint32_t n)
{
    bool behind = s->n == n || n == 0 || s->index[n] > s->index[n - 1];
    return behind ? FER_OK : merge_new(h, s, n, s->n);
}

static fer_code add_other(hist *h, hist_side *s, hist_cursor c, const operand *o)
{
    rest r = {0, s->n};
    int32_t index;
    kahan x;
    bool inside = !o->custom;
    while (next_operand(&c, o, &index, &x)) {
        inside = inside && hist_bound(index, o->schema, NULL, 0) <= o->threshold;
        if (!inside)
            FER_TRY(add_one(h, s, &r, index, x, o));
    }
    return put_in_order(h, s, r.n);
}

/* The operand's spans are well formed, and none of its buckets is in the zero bucket. */
static bool is_plain(const histogram_span *spans, uint32_t n_spans, uint32_t n, const operand *o)
{
    int64_t index = 0, first = 0;
    uint32_t told = 0;
    for (uint32_t k = 0; k < n_spans; k++) {
        index += spans[k].offset;
        if ((k > 0 && spans[k].offset < 0) || spans[k].length > n - told)
            return false;
        first = told == 0 ? index : first;
        told += spans[k].length;
        index += spans[k].length;
    }
    return told == n && first >= INT32_MIN && index - 1 <= INT32_MAX &&
           (o->custom || hist_bound(first, o->schema, NULL, 0) > o->threshold);
}

/* As a side's indexes ascend, a span's buckets are all there when its first and its last are as far apart. */
static bool has_run(const hist_side *s, const rest *r, int64_t index, uint32_t n)
{
    return n > 0 && n <= r->n - r->at && s->index[r->at] == index &&
           s->index[r->at + n - 1] == index + n - 1;
}

static fer_code add_spans(hist *h, hist_side *s, const histogram_span *spans, uint32_t n_spans,
                          const double *counts, const operand *o)
{
    rest r = {0, s->n};
    int64_t index = 0;
    for (uint32_t k = 0; k < n_spans; k++) {
        uint32_t n = spans[k].length;
        index += spans[k].offset;
        while (r.at < r.n && s->index[r.at] < index)
            r.at++;
        bool there = has_run(s, &r, index, n);
        if (there)
            add_run(s, r.at, counts, n, o);
        for (uint32_t i = 0; !there && i < n; i++)
            FER_TRY(add_one(h, s, &r, (int32_t)(index + i), (kahan){counts[i], 0}, o));
        r.at += there ? n : 0;
        index += n;
        counts += n;
    }
    return put_in_order(h, s, r.n);
}

static fer_code add_side(hist *h, hist_side *s, const histogram *other, bool negative,
                         const operand *o)
{
    const histogram_span *spans = negative ? other->neg_spans : other->pos_spans;
    uint32_t n_spans = negative ? other->n_neg_spans : other->n_pos_spans;
    uint32_t n = negative ? other->n_neg : other->n_pos;
    const double *counts = negative ? other->neg : other->pos;
    if (o->shift == 0 && s->as_loaded && s->n == n && same_spans(s, spans, n_spans) &&
        may_add_same(s, o))
        add_run(s, 0, counts, n, o);
    else if (o->shift == 0 && is_plain(spans, n_spans, n, o))
        return add_spans(h, s, spans, n_spans, counts, o);
    else
        return add_other(h, s, hist_cursor_of(other, negative), o);
    return FER_OK;
}

/* ---- custom bounds ---- */

static bool same_bounds(const double *a, uint32_t na, const double *b, uint32_t nb)
{
    if (na != nb)
        return false;
    for (uint32_t i = 0; i < na; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

/* The bounds both have. */
static uint32_t intersect(const double *a, uint32_t na, const double *b, uint32_t nb, double *ret)
{
    uint32_t n = 0, i = 0, j = 0;
    while (i < na && j < nb) {
        if (a[i] < b[j]) {
            i++;
        } else if (a[i] == b[j]) {
            ret[n++] = a[i++];
            j++;
        } else {
            j++;
        }
    }
    return n;
}

/* The buckets of a histogram with other bounds, each to the one that ends at or behind its end. */
typedef struct mapping {
    const double *from, *to;
    uint32_t n_from, n_to, at;
} mapping;

static uint32_t map_index(mapping *m, int32_t index)
{
    if (index < 0 || (uint32_t)index >= m->n_from)
        return m->n_to;
    while (m->at < m->n_to && m->to[m->at] < m->from[index])
        m->at++;
    return m->at;
}

static fer_code add_reconciled(hist *h, const histogram *other, bool negate)
{
    uint32_t least = h->n_custom < other->n_custom ? h->n_custom : other->n_custom;
    double *bounds = fer_arena_alloc(h->a, (least + 1) * sizeof *bounds);
    hist_side to = {0};
    if (bounds == NULL)
        return FER_LIMIT;
    uint32_t n = intersect(h->custom, h->n_custom, other->custom, other->n_custom, bounds);
    FER_TRY(side_room(h, &to, n + 1));
    for (to.n = 0; to.n <= n; to.n++) {
        to.index[to.n] = (int32_t)to.n;
        to.v[to.n] = to.c[to.n] = 0;
        to.start[to.n] = to.n == 0;
    }
    mapping own = {h->custom, bounds, h->n_custom, n, 0};
    for (uint32_t i = 0; i < h->pos.n; i++) {
        uint32_t at = map_index(&own, h->pos.index[i]);
        kahan_add_to(&to.v[at], &to.c[at], h->pos.v[i]);
        if (h->compensated)
            kahan_add_to(&to.v[at], &to.c[at], h->pos.c[i]);
    }
    mapping others = {other->custom, bounds, other->n_custom, n, 0};
    for (hist_cursor c = hist_cursor_of(other, false); hist_cursor_next(&c);) {
        uint32_t at = map_index(&others, c.index);
        kahan_add_to(&to.v[at], &to.c[at], negate ? -c.count : c.count);
    }
    compact_side(&to, true);
    to.spans = h->pos.spans;
    to.spans_cap = h->pos.spans_cap;
    h->pos = to;
    return set_custom(h, bounds, n);
}

/* ---- adding ---- */

/* What the sum may say about resets; true when the operands contradict each other. */
static bool merge_hints(hist *h, uint8_t other)
{
    if (other == h->reset_hint || h->reset_hint == HISTOGRAM_GAUGE)
        return false;
    if (other == HISTOGRAM_GAUGE) {
        h->reset_hint = HISTOGRAM_GAUGE;
        return false;
    }
    bool collision = h->reset_hint != HISTOGRAM_RESET_UNKNOWN && other != HISTOGRAM_RESET_UNKNOWN;
    h->reset_hint = HISTOGRAM_RESET_UNKNOWN;
    return collision;
}

static void add_number(kahan *to, kahan x, bool compensated)
{
    if (!compensated) {
        to->sum += x.sum;
        return;
    }
    kahan_add(to, x.sum);
    if (x.c != 0)
        kahan_add(to, x.c);
}

static void begin_compensation(hist *h)
{
    if (h->compensated)
        return;
    h->compensated = true;
    for (uint32_t i = 0; i < h->pos.n; i++)
        h->pos.c[i] = 0;
    for (uint32_t i = 0; i < h->neg.n; i++)
        h->neg.c[i] = 0;
}

static fer_code combine(hist *h, const histogram *other, bool negate, bool compensated,
                        unsigned *notes)
{
    bool custom = histogram_is_custom(other);
    double sign = negate ? -1 : 1;
    if (custom != (h->schema == HISTOGRAM_CUSTOM))
        return FER_INVALID;
    if (merge_hints(h, other->reset_hint))
        *notes |= HIST_COLLISION;
    if (compensated)
        begin_compensation(h);
    if (!custom) {
        kahan zero = reconcile_zero(h, other);
        add_number(&h->zero, (kahan){sign * zero.sum, sign * zero.c}, compensated);
    }
    add_number(&h->count, (kahan){sign * other->count, 0}, compensated);
    add_number(&h->sum, (kahan){sign * other->sum, 0}, compensated);
    if (custom && !same_bounds(h->custom, h->n_custom, other->custom, other->n_custom)) {
        *notes |= HIST_RECONCILED;
        return add_reconciled(h, other, negate);
    }
    hist_reduce(h, other->schema);
    operand o = {.schema = h->schema,
                 .shift = other->schema - h->schema,
                 .threshold = h->zero_threshold,
                 .custom = custom,
                 .negate = negate,
                 .compensated = compensated};
    FER_TRY(add_side(h, &h->pos, other, false, &o));
    return custom ? FER_OK : add_side(h, &h->neg, other, true, &o);
}

fer_code hist_add(hist *h, const histogram *other, unsigned *notes)
{
    return combine(h, other, false, false, notes);
}

fer_code hist_sub(hist *h, const histogram *other, unsigned *notes)
{
    return combine(h, other, true, false, notes);
}

fer_code hist_sum(hist *h, const histogram *other, unsigned *notes)
{
    return combine(h, other, false, true, notes);
}

static bool adds_side_plainly(hist_side *s, const histogram *x, bool negative, const operand *o)
{
    return s->as_loaded && s->n == (negative ? x->n_neg : x->n_pos) &&
           same_spans(s, negative ? x->neg_spans : x->pos_spans,
                      negative ? x->n_neg_spans : x->n_pos_spans) &&
           may_add_same(s, o);
}

/* What is laid out as x is added number by number. */
static bool adds_plainly(hist *h, const histogram *x)
{
    operand o = {.schema = h->schema,
                 .threshold = h->zero_threshold,
                 .custom = h->schema == HISTOGRAM_CUSTOM};
    return x->schema == h->schema && x->zero_threshold == h->zero_threshold &&
           same_bounds(h->custom, h->n_custom, x->custom, x->n_custom) &&
           adds_side_plainly(&h->pos, x, false, &o) && adds_side_plainly(&h->neg, x, true, &o);
}

/* They share what tells their layout, as the histograms of a chunk do. */
static bool shares_layout(const histogram *x, const histogram *y)
{
    return x->pos_spans == y->pos_spans && x->neg_spans == y->neg_spans && x->custom == y->custom &&
           x->n_pos_spans == y->n_pos_spans && x->n_neg_spans == y->n_neg_spans &&
           x->n_pos == y->n_pos && x->n_neg == y->n_neg && x->n_custom == y->n_custom &&
           x->schema == y->schema && x->zero_threshold == y->zero_threshold;
}

static void sum_plainly(hist *h, const histogram *x, unsigned *notes)
{
    if (merge_hints(h, x->reset_hint))
        *notes |= HIST_COLLISION;
    if (h->schema != HISTOGRAM_CUSTOM)
        kahan_add(&h->zero, x->zero_count);
    kahan_add(&h->count, x->count);
    kahan_add(&h->sum, x->sum);
    kahan_add_columns(h->pos.v, h->pos.c, x->pos, x->n_pos);
    if (x->n_neg != 0)
        kahan_add_columns(h->neg.v, h->neg.c, x->neg, x->n_neg);
}

fer_code hist_sum_all(hist *h, const histogram *const *x, size_t n, unsigned *notes)
{
    const histogram *plain = NULL;
    FER_TRY(hist_load(h, x[0]));
    for (size_t i = 1; i < n; i++) {
        if (plain != NULL && shares_layout(x[i], plain)) {
            sum_plainly(h, x[i], notes);
            continue;
        }
        FER_TRY(hist_sum(h, x[i], notes));
        plain = adds_plainly(h, x[i]) ? x[i] : NULL;
    }
    return FER_OK;
}

static void settle_side(const hist *h, hist_side *s)
{
    bool inside = h->schema != HISTOGRAM_CUSTOM;
    for (uint32_t i = 0; i < s->n; i++) {
        inside = inside && hist_bound(s->index[i], h->schema, NULL, 0) <= h->zero_threshold;
        if (!inside)
            s->v[i] += s->c[i];
    }
}

void hist_settle(hist *h)
{
    if (!h->compensated)
        return;
    h->compensated = false;
    h->zero.sum += h->zero.c;
    h->count.sum += h->count.c;
    h->sum.sum += h->sum.c;
    settle_side(h, &h->pos);
    settle_side(h, &h->neg);
}

/* ---- scaling ---- */

static void scale_side(hist_side *s, double factor, bool compensated)
{
    for (uint32_t i = 0; i < s->n; i++)
        s->v[i] *= factor;
    for (uint32_t i = 0; compensated && i < s->n; i++)
        s->c[i] *= factor;
}

static void divide_side(hist_side *s, double by, bool compensated)
{
    if (by == 0) {
        s->n = 0;
        join_spans(s);
    }
    for (uint32_t i = 0; i < s->n; i++)
        s->v[i] /= by;
    for (uint32_t i = 0; compensated && i < s->n; i++)
        s->c[i] /= by;
}

void hist_scale(hist *h, double factor)
{
    kahan *numbers[] = {&h->zero, &h->count, &h->sum};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        numbers[i]->sum *= factor;
        numbers[i]->c *= factor;
    }
    hist_side *sides[] = {&h->pos, &h->neg};
    for (size_t k = 0; k < 2; k++)
        scale_side(sides[k], factor, h->compensated);
    if (factor < 0)
        h->reset_hint = HISTOGRAM_GAUGE;
}

void hist_divide(hist *h, double by)
{
    kahan *numbers[] = {&h->zero, &h->count, &h->sum};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        numbers[i]->sum /= by;
        numbers[i]->c /= by;
    }
    hist_side *sides[] = {&h->pos, &h->neg};
    for (size_t k = 0; k < 2; k++)
        divide_side(sides[k], by, h->compensated);
    if (by < 0)
        h->reset_hint = HISTOGRAM_GAUGE;
}

static bool any_infinite(const double *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (isinf(v[i]))
            return true;
    return false;
}

fer_code hist_between(hist *h, const histogram *x, int64_t tx, const histogram *y, int64_t ty,
                      int64_t t, bool counter, unsigned *taken, unsigned *added)
{
    double part = (double)(t - tx) / (double)(ty - tx);
    if (histogram_is_custom(x) != histogram_is_custom(y))
        return FER_INVALID;
    if (t == tx)
        return hist_load(h, x);
    FER_TRY(hist_load(h, y));
    if (t == ty)
        return FER_OK;
    if (counter && histogram_was_reset(y, x)) {
        hist_scale(h, part);
        return FER_OK;
    }
    FER_TRY(hist_sub(h, x, taken));
    hist_scale(h, part);
    return hist_add(h, x, added);
}

bool hist_overflows(const hist *h)
{
    return isinf(h->zero.sum) || isinf(h->count.sum) || isinf(h->sum.sum) ||
           any_infinite(h->pos.v, h->pos.n) || any_infinite(h->neg.v, h->neg.n) ||
           any_infinite(h->custom, h->n_custom);
}

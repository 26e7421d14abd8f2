/* hist_math.c - adding and scaling native histograms. */
#include "promql/hist_int.h"

#include <math.h>
#include <string.h>

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
    FER_TRY(hist_side_room(h, &to, all + all / 4));
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
    FER_TRY(hist_side_room(h, s, s->n + 1));
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
    if (o->shift == 0 && s->as_loaded && s->n == n && hist_same_spans(s, spans, n_spans) &&
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
    FER_TRY(hist_side_room(h, &to, n + 1));
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
    hist_compact_side(&to, true);
    to.spans = h->pos.spans;
    to.spans_cap = h->pos.spans_cap;
    h->pos = to;
    return hist_set_custom(h, bounds, n);
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
        kahan zero = hist_reconcile_zero(h, other);
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
           hist_same_spans(s, negative ? x->neg_spans : x->pos_spans,
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
        hist_join_spans(s);
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

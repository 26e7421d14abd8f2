/* topk.c - topk, bottomk, limitk, limit_ratio: some of the series, with their own labels.
 *
 * topk and its kin keep at most k entries a group and step. The label sets of series that got in once
 * are kept, their values only where they are in. limit_ratio decides by the hash of a series' labels
 * and streams.
 */
#include "promql/exec/topk.h"

#include <math.h>

#include "base/num.h"
#include "promql/exec/grouping.h"
#include "promql/exec/hist_column.h"

typedef struct heap {
    topk_entry *e;
    const histogram **h; /* limitk, where there are any: of e[] */
    uint32_t n, cap, h_cap;
} heap;

/* An entry that stayed, when the result is given out series by series. */
typedef struct placed {
    uint32_t series, step;
    double v;
    const histogram *h;
} placed;

typedef struct topk_op {
    oper o;
    oper *of, *param;
    const double *k;
    agg kind;
    grouping by;
    heap **groups; /* n_steps heaps each */
    size_t groups_cap;

    lset *series; /* label sets of candidates */
    bool *drop_names;
    size_t n_series, series_cap, drop_cap;

    placed *result;
    size_t n_result, next;
    bool started;
    vec out;
    const histogram **h; /* of out, when there are any */
    label *texts;        /* limit_ratio: a series' labels as text */
    size_t texts_cap;
} topk_op;

static fer_code fail_value(query *q, const char *what, double v)
{
    char text[NUM_TEXT_MAX];
    int n = (int)num_format_g(text, v);
    return query_fail(q, "Scalar value %.*s %s int64", n, text, what);
}

/* *ret_none: no step asks for anything. */
static fer_code check_k(topk_op *t, bool *ret_none)
{
    FER_TRY(oper_scalar(t->param, &t->k));
    double min = INFINITY, max = -INFINITY;
    bool nan = false;
    for (size_t i = 0; i < t->o.g->n; i++) {
        nan = nan || isnan(t->k[i]);
        min = t->k[i] < min ? t->k[i] : min;
        max = t->k[i] > max ? t->k[i] : max;
    }
    *ret_none = !nan && max < 1;
    if (*ret_none)
        return FER_OK;
    if (nan)
        return query_fail(t->o.q, "Parameter value is NaN");
    if (min <= -9223372036854775808.0)
        return fail_value(t->o.q, "underflows", min);
    if (max >= 9223372036854774784.0)
        return fail_value(t->o.q, "overflows", max);
    return FER_OK;
}

static fer_code drain(oper *of)
{
    vec v;
    fer_code c;
    while ((c = oper_next(of, &v)) == FER_OK)
        ;
    return c == FER_END ? FER_OK : c;
}

/* Puts the value into the heap if it belongs there; *ret whether it did. */
static fer_code offer(topk_op *t, heap *h, uint64_t k, topk_entry e, bool *ret)
{
    bool bottom = t->kind == AGG_BOTTOMK;
    *ret = false;
    if (h->n < k) {
        size_t cap = h->cap;
        if (!query_grow(t->o.q, &h->e, &cap, h->n + 1, sizeof *h->e))
            return QUERY_NOMEM(t->o.q);
        h->cap = (uint32_t)cap;
        FER_TRY(query_hold(t->o.q, 1));
        if (t->kind == AGG_LIMITK)
            h->e[h->n] = e;
        else
            topk_push(h->e, h->n, bottom, e);
        h->n++;
        *ret = true;
    } else if (t->kind != AGG_LIMITK && topk_beats_top(h->e, bottom, e.v)) {
        topk_replace_top(h->e, h->n, bottom, e);
        *ret = true;
    }
    return FER_OK;
}

static fer_code keep_labels(topk_op *t, const vec *v)
{
    query *q = t->o.q;
    if (!query_grow(q, &t->series, &t->series_cap, t->n_series + 1, sizeof *t->series) ||
        !query_grow(q, &t->drop_names, &t->drop_cap, t->n_series + 1, sizeof *t->drop_names))
        return QUERY_NOMEM(q);
    t->series[t->n_series] = lset_dup(q, v->labels);
    t->drop_names[t->n_series] = v->drop_name;
    if (t->series[t->n_series].l == NULL)
        return QUERY_NOMEM(q);
    t->n_series++;
    return FER_OK;
}

/* As the value of the entry put in last. */
static fer_code keep_histogram(topk_op *t, heap *h, const histogram *value)
{
    query *q = t->o.q;
    size_t cap = h->h_cap;
    if (!query_grow(q, &h->h, &cap, h->n, sizeof *h->h))
        return QUERY_NOMEM(q);
    memset(h->h + h->h_cap, 0, (cap - h->h_cap) * sizeof *h->h);
    h->h_cap = (uint32_t)cap;
    return hist_checked(q, histogram_copy(value, q->scratch, &h->h[h->n - 1]));
}

static const histogram *histogram_of(const heap *h, size_t i)
{
    return i < h->h_cap ? h->h[i] : NULL;
}

static fer_code ignore_histograms(topk_op *t, vec *v)
{
    const char *name = t->kind == AGG_TOPK ? "topk" : "bottomk";
    bool asked = false;
    for (size_t i = 0; i < t->o.g->n; i++)
        asked = asked || (t->k[i] >= 1 && bits_get(v->has, i) && vec_histogram(v, i) != NULL);
    vec_drop_histograms(v, t->o.g->n);
    return asked ? anno_ignored_in_aggregation(t->o.q, t->o.p, t->o.p, name) : FER_OK;
}

static fer_code take(topk_op *t, const vec *v)
{
    query *q = t->o.q;
    uint32_t at;
    bool is_new, used = false;
    FER_TRY(grouping_find(q, &t->by, v->labels, &at, &is_new));
    if (is_new) {
        if (!query_grow(q, &t->groups, &t->groups_cap, at + 1, sizeof *t->groups))
            return QUERY_NOMEM(q);
        t->groups[at] = QUERY_ARRAY(q, heap, t->o.g->n);
        if (t->groups[at] == NULL)
            return QUERY_NOMEM(q);
    }
    for (bits_run run = {0}; bits_next_run(v->has, t->o.g->n, &run);) {
        size_t from = run.from, to = run.to;
        for (size_t i = from; i < to; i++) {
            if (!(t->k[i] >= 1))
                continue;
            bool in;
            FER_TRY(offer(t, &t->groups[at][i], (uint64_t)t->k[i],
                          (topk_entry){v->v[i], (uint32_t)t->n_series}, &in));
            used = used || in;
            if (in && vec_histogram(v, i) != NULL)
                FER_TRY(keep_histogram(t, &t->groups[at][i], v->h[i]));
        }
    }
    return used ? keep_labels(t, v) : FER_OK;
}

/* ---- giving out ---- */

static size_t count_entries(const topk_op *t, size_t *ret_largest)
{
    size_t n = 0;
    *ret_largest = 0;
    for (size_t g = 0; g < t->by.map.n; g++)
        for (size_t i = 0; i < t->o.g->n; i++) {
            n += t->groups[g][i].n;
            *ret_largest = t->groups[g][i].n > *ret_largest ? t->groups[g][i].n : *ret_largest;
        }
    return n;
}

/* With one step: group by group, best first. */
static fer_code order_by_value(topk_op *t, size_t largest)
{
    topk_entry *tmp = QUERY_ARRAY(t->o.q, topk_entry, largest);
    if (tmp == NULL)
        return QUERY_NOMEM(t->o.q);
    for (size_t g = 0; g < t->by.map.n; g++) {
        heap *h = t->groups[g];
        if (t->kind != AGG_LIMITK)
            topk_sort(h->e, h->n, t->kind == AGG_BOTTOMK, tmp);
        for (size_t i = 0; i < h->n; i++)
            t->result[t->n_result++] = (placed){h->e[i].series, 0, h->e[i].v, histogram_of(h, i)};
    }
    return FER_OK;
}

/* With several: series by series, by counting. */
static fer_code order_by_series(topk_op *t)
{
    size_t *at = QUERY_ARRAY(t->o.q, size_t, t->n_series + 1);
    if (at == NULL)
        return QUERY_NOMEM(t->o.q);
    for (size_t g = 0; g < t->by.map.n; g++)
        for (size_t i = 0; i < t->o.g->n; i++)
            for (size_t j = 0; j < t->groups[g][i].n; j++)
                at[t->groups[g][i].e[j].series + 1]++;
    for (size_t i = 1; i <= t->n_series; i++)
        at[i] += at[i - 1];
    t->n_result = at[t->n_series];
    for (size_t g = 0; g < t->by.map.n; g++)
        for (size_t i = 0; i < t->o.g->n; i++)
            for (size_t j = 0; j < t->groups[g][i].n; j++) {
                const heap *h = &t->groups[g][i];
                topk_entry e = h->e[j];
                t->result[at[e.series]++] =
                    (placed){e.series, (uint32_t)i, e.v, histogram_of(h, j)};
            }
    return FER_OK;
}

static fer_code start(topk_op *t)
{
    query *q = t->o.q;
    bool none = false;
    FER_TRY(check_k(t, &none));
    if (none)
        return drain(t->of);
    vec v;
    fer_code c;
    while ((c = oper_next(t->of, &v)) == FER_OK) {
        FER_TRY(query_work(q, t->o.g->n));
        if (v.h != NULL && t->kind != AGG_LIMITK)
            FER_TRY(ignore_histograms(t, &v));
        FER_TRY(take(t, &v));
    }
    if (c != FER_END)
        return c;
    size_t largest, n = count_entries(t, &largest);
    t->result = QUERY_ARRAY(q, placed, n);
    if (t->result == NULL || !vec_alloc(q, &t->out, t->o.g->n))
        return QUERY_NOMEM(q);
    return t->o.g->n == 1 ? order_by_value(t, largest) : order_by_series(t);
}

static fer_code give_histogram(topk_op *t, const placed *p)
{
    size_t n = t->o.g->n;
    if (p->h == NULL && t->out.h == NULL)
        return FER_OK;
    if (t->h == NULL && (t->h = QUERY_ARRAY(t->o.q, const histogram *, n)) == NULL)
        return QUERY_NOMEM(t->o.q);
    if (t->out.h == NULL)
        memset(t->h, 0, n * sizeof *t->h);
    t->out.h = t->h;
    t->h[p->step] = p->h;
    return FER_OK;
}

static fer_code topk_next(oper *o, vec *ret)
{
    topk_op *t = (topk_op *)o;
    if (!t->started)
        FER_TRY(start(t));
    t->started = true;
    if (t->next == t->n_result)
        return FER_END;
    FER_TRY(query_work(o->q, 1));
    uint32_t series = t->result[t->next].series;
    bits_zero(t->out.has, o->g->n);
    t->out.h = NULL;
    for (; t->next < t->n_result && t->result[t->next].series == series; t->next++) {
        t->out.v[t->result[t->next].step] = t->result[t->next].v;
        bits_set(t->out.has, t->result[t->next].step);
        FER_TRY(give_histogram(t, &t->result[t->next]));
    }
    t->out.labels = t->series[series];
    t->out.drop_name = t->drop_names[series];
    *ret = t->out;
    return FER_OK;
}

/* ---- limit_ratio ---- */

static fer_code warn_ratio(topk_op *t, double r, double to)
{
    char text[NUM_TEXT_MAX];
    int n = (int)num_format_g(text, r);
    return annotations_add(t->o.q->annos, ANNO_WARNING, t->o.p, t->o.p->param, t->o.q->err,
                           "ratio value should be between -1 and 1, got %.*s, capping to %d", n,
                           text, (int)to);
}

static fer_code check_ratio(topk_op *t, bool *ret_none)
{
    FER_TRY(oper_scalar(t->param, &t->k));
    double min = INFINITY, max = -INFINITY;
    for (size_t i = 0; i < t->o.g->n; i++) {
        if (isnan(t->k[i]))
            return query_fail(t->o.q, "Ratio value is NaN");
        min = t->k[i] < min ? t->k[i] : min;
        max = t->k[i] > max ? t->k[i] : max;
    }
    *ret_none = min == 0 && max == 0;
    if (max > 1)
        FER_TRY(warn_ratio(t, max, 1));
    if (min < -1)
        FER_TRY(warn_ratio(t, min, -1));
    return FER_OK;
}

/* A series' place in [0, 1): its labels' hash over the largest. */
static fer_code place_of(topk_op *t, lset s, double *ret)
{
    query *q = t->o.q;
    if (!query_grow(q, &t->texts, &t->texts_cap, s.n + 1, sizeof *t->texts))
        return QUERY_NOMEM(q);
    for (size_t i = 0; i < s.n; i++)
        t->texts[i] =
            (label){syms_text(q->ctx.syms, s.l[i].name), syms_text(q->ctx.syms, s.l[i].value)};
    *ret = (double)labels_hash((labels){t->texts, s.n}) / 18446744073709551615.0;
    return FER_OK;
}

static bool in_ratio(double ratio, double place)
{
    double r = ratio > 1 ? 1 : ratio < -1 ? -1 : ratio;
    return r >= 0 ? place < r : place >= 1.0 + r;
}

static fer_code ratio_next(oper *o, vec *ret)
{
    topk_op *t = (topk_op *)o;
    if (!t->started) {
        bool none = false;
        FER_TRY(check_ratio(t, &none));
        t->started = true;
        if (none)
            FER_TRY(drain(t->of));
        if (none)
            return FER_END;
    }
    do {
        double place = 0;
        FER_TRY(oper_next(t->of, ret));
        FER_TRY(query_work(o->q, o->g->n));
        FER_TRY(place_of(t, ret->labels, &place));
        for (size_t i = 0; i < o->g->n; i++)
            if (!in_ratio(t->k[i], place))
                bits_clear(ret->has, i);
    } while (!bits_any(ret->has, o->g->n));
    return FER_OK;
}

fer_code topk_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    agg kind = p->e->u.aggregate.op;
    topk_op *t = oper_new(q, sizeof *t, p, ec.g, kind == AGG_LIMIT_RATIO ? ratio_next : topk_next);
    if (t == NULL)
        return QUERY_NOMEM(q);
    t->kind = kind;
    FER_TRY(grouping_make(q, &p->e->u.aggregate, &t->by));
    FER_TRY(oper_build(q, p->param, ec, &t->param));
    FER_TRY(oper_build(q, p->args[0], ec, &t->of));
    t->o.unique = t->of->unique;
    t->o.nameless = t->of->nameless;
    *ret = &t->o;
    return FER_OK;
}

/* aggregate.c - sum, avg, count, min, max, group, stddev, stdvar.
 *
 * Groups x steps accumulators; the input streams through in storage order, which is the order of
 * Prometheus' additions. Sums start from 0 rather than from the first value: that changes at most the
 * sign of a zero, which the last addition of the compensation loses in both.
 */
#include "promql/exec/grouping.h"
#include "promql/exec/hist_aggregate.h"
#include "promql/kahan.h"

/* What the columns hold:
 *   sum            a sum, b compensation
 *   avg            a sum, b compensation, count; after an overflow a mean, b its compensation
 *   min, max       a
 *   count          count
 *   stddev, stdvar a sum of squares, b mean, count
 *
 * They reach from the first to the last step at which the group has been seen, and grow when a series
 * lives longer: groups that come and go cost their own time only.
 */
typedef struct group {
    double *a, *b, *count; /* [i - from] */
    uint64_t *has;
    uint64_t *overflowed; /* avg: steps that went over to updating the mean; NULL until needed */
    size_t from, to;      /* multiples of 64, or the end */
    hist_groups *hists;   /* sum, avg: histograms; NULL until there is one */
    bool drop_name;
} group;

typedef struct aggregate_op {
    oper o;
    oper *of;
    agg kind;
    grouping by;
    group *groups;
    size_t cap, next;
    bool done;
    vec out;
    hist_column made;
} aggregate_op;

static bool grow_column(query *q, double **column, const group *old, const group *x, double fill)
{
    size_t n = x->to - x->from;
    double *c = QUERY_ARRAY(q, double, n);
    if (c == NULL)
        return false;
    for (size_t i = 0; fill != 0 && i < n; i++)
        c[i] = fill;
    if (*column != NULL)
        memcpy(c + (old->from - x->from), *column, (old->to - old->from) * sizeof *c);
    *column = c;
    return true;
}

static bool grow_bits(query *q, uint64_t **bits, const group *old, const group *x)
{
    uint64_t *b = QUERY_ARRAY(q, uint64_t, bits_words(x->to - x->from));
    if (b == NULL)
        return false;
    if (*bits != NULL)
        bits_copy(b + (old->from - x->from) / 64, *bits, old->to - old->from);
    *bits = b;
    return true;
}

/* Makes the columns reach over [from, to), and further by half of what they were. */
static fer_code reach(aggregate_op *g, group *x, size_t from, size_t to)
{
    query *q = g->o.q;
    size_t n = g->o.g->n;
    bool is_new = x->has == NULL;
    if (!is_new && from >= x->from && to <= x->to)
        return FER_OK;
    group old = *x;
    size_t slack = is_new ? 0 : (x->to - x->from) / 128 * 64;
    if (is_new || from < x->from)
        x->from = from > slack ? from - slack : 0;
    if (is_new || to > x->to)
        x->to = to + slack < n ? to + slack : n;
    x->to = (x->to + 63) / 64 * 64 < n ? (x->to + 63) / 64 * 64 : n;

    agg k = g->kind;
    bool extreme = k == AGG_MIN || k == AGG_MAX, variance = k == AGG_STDDEV || k == AGG_STDVAR;
    bool ok = grow_bits(q, &x->has, &old, x);
    if (k != AGG_COUNT && k != AGG_GROUP) /* NaN gives way to anything */
        ok = ok && grow_column(q, &x->a, &old, x, extreme ? NAN : 0);
    if (k == AGG_SUM || k == AGG_AVG || variance)
        ok = ok && grow_column(q, &x->b, &old, x, 0);
    if (k == AGG_COUNT || k == AGG_AVG || variance)
        ok = ok && grow_column(q, &x->count, &old, x, 0);
    if (x->overflowed != NULL)
        ok = ok && grow_bits(q, &x->overflowed, &old, x);
    if (!ok)
        return QUERY_NOMEM(q);
    query_release(q, old.to - old.from);
    return query_hold(q, x->to - x->from);
}

/* The next value of a mean whose sum would overflow. */
static void update_mean(group *x, size_t i, double v)
{
    double f = (x->count[i] - 1) / x->count[i];
    kahan k = {f * x->a[i], f * x->b[i]};
    kahan_add(&k, v / x->count[i]);
    x->a[i] = k.sum;
    x->b[i] = k.c;
}

/* The columns and v begin at the same step from here on. */
static fer_code add_avg(aggregate_op *g, group *x, const double *v, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (x->count[i]++ == 0) {
            x->a[i] = v[i];
            continue;
        }
        if (x->overflowed != NULL && bits_get(x->overflowed, i)) {
            update_mean(x, i, v[i]);
            continue;
        }
        kahan k = {x->a[i], x->b[i]};
        kahan_add(&k, v[i]);
        if (!isinf(k.sum)) {
            x->a[i] = k.sum;
            x->b[i] = k.c;
            continue;
        }
        if (x->overflowed == NULL)
            x->overflowed = QUERY_ARRAY(g->o.q, uint64_t, bits_words(x->to - x->from));
        if (x->overflowed == NULL)
            return QUERY_NOMEM(g->o.q);
        bits_set(x->overflowed, i);
        x->a[i] /= x->count[i] - 1;
        x->b[i] /= x->count[i] - 1;
        update_mean(x, i, v[i]);
    }
    return FER_OK;
}

static void add_min(group *x, const double *v, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        x->a[i] = x->a[i] > v[i] || isnan(x->a[i]) ? v[i] : x->a[i];
}

static void add_max(group *x, const double *v, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        x->a[i] = x->a[i] < v[i] || isnan(x->a[i]) ? v[i] : x->a[i];
}

/* B. P. Welford, "Note on a method for calculating corrected sums of squares", 1962. */
static void add_variance(group *x, const double *v, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (x->count[i]++ == 0) {
            x->b[i] = v[i];
            x->a[i] = isfinite(v[i]) ? 0 : NAN;
            continue;
        }
        double delta = v[i] - x->b[i];
        x->b[i] += delta / x->count[i];
        x->a[i] += delta * (v[i] - x->b[i]);
    }
}

static fer_code add(aggregate_op *g, group *x, const vec *series)
{
    size_t n = series->to - x->from, at = series->from - x->from;
    const double *v = series->v + x->from;
    const uint64_t *has = series->has + x->from / 64;
    bits_or(x->has + at / 64, has + at / 64, n - at);
    x->drop_name = x->drop_name || series->drop_name;
    for (size_t from = bits_next(has, at, n), to; from < n; from = bits_next(has, to, n)) {
        to = bits_next_clear(has, from, n);
        switch (g->kind) {
        case AGG_SUM:
            kahan_add_columns(x->a + from, x->b + from, v + from, to - from);
            break;
        case AGG_AVG:
            FER_TRY(add_avg(g, x, v, from, to));
            break;
        case AGG_MIN:
            add_min(x, v, from, to);
            break;
        case AGG_MAX:
            add_max(x, v, from, to);
            break;
        case AGG_COUNT:
            for (size_t i = from; i < to; i++)
                x->count[i]++;
            break;
        case AGG_STDDEV:
        case AGG_STDVAR:
            add_variance(x, v, from, to);
            break;
        default:
            break;
        }
    }
    return FER_OK;
}

static bool takes_histograms(agg kind)
{
    return kind == AGG_SUM || kind == AGG_AVG || kind == AGG_COUNT || kind == AGG_GROUP;
}

static fer_code ignore_histograms(aggregate_op *g, vec *v)
{
    if (!vec_drop_histograms(v, g->o.g->n))
        return FER_OK;
    return anno_ignored_in_aggregation(g->o.q, g->o.p, g->o.p->args[0], agg_text(g->kind));
}

/* Takes the histograms out of the series, so that add() sees floats. */
static fer_code add_histograms(aggregate_op *g, group *x, vec *v)
{
    query *q = g->o.q;
    if (g->kind != AGG_SUM && g->kind != AGG_AVG)
        return FER_OK;
    if (x->hists == NULL)
        FER_TRY(hist_groups_new(q, g->o.p, g->o.g->n, &x->hists));
    return hist_groups_add(x->hists, v, x->has, x->from, x->to);
}

static fer_code take_all(aggregate_op *g)
{
    query *q = g->o.q;
    vec v;
    fer_code c;
    while ((c = oper_next(g->of, &v)) == FER_OK) {
        uint32_t at;
        bool is_new;
        FER_TRY(query_work(q, v.to - v.from));
        if (v.h != NULL && !takes_histograms(g->kind)) {
            FER_TRY(ignore_histograms(g, &v));
            if (!bits_any(v.has, g->o.g->n))
                continue;
        }
        FER_TRY(grouping_find(q, &g->by, v.labels, &at, &is_new));
        if (is_new) {
            if (!query_grow(q, &g->groups, &g->cap, at + 1, sizeof *g->groups))
                return QUERY_NOMEM(q);
            g->groups[at] = (group){0};
        }
        FER_TRY(reach(g, &g->groups[at], v.from, v.to));
        if (v.h != NULL || g->groups[at].hists != NULL)
            FER_TRY(add_histograms(g, &g->groups[at], &v));
        FER_TRY(add(g, &g->groups[at], &v));
    }
    return c == FER_END ? FER_OK : c;
}

static double result(const aggregate_op *g, const group *x, size_t i)
{
    switch (g->kind) {
    case AGG_SUM:
        return x->a[i] + x->b[i];
    case AGG_AVG:
        if (x->overflowed != NULL && bits_get(x->overflowed, i))
            return x->a[i] + x->b[i];
        return x->a[i] / x->count[i] + x->b[i] / x->count[i];
    case AGG_COUNT:
        return x->count[i];
    case AGG_STDVAR:
        return x->a[i] / x->count[i];
    case AGG_STDDEV:
        return sqrt(x->a[i] / x->count[i]);
    case AGG_GROUP:
        return 1;
    default:
        return x->a[i];
    }
}

static fer_code give(aggregate_op *g, vec *ret)
{
    oper *o = &g->o;
    const group *x = &g->groups[g->next];
    size_t n = x->to - x->from;
    FER_TRY(query_work(o->q, n));
    for (size_t i = 0; i < n; i++)
        g->out.v[x->from + i] = result(g, x, i);
    bits_zero(g->out.has, o->g->n);
    bits_copy(g->out.has + x->from / 64, x->has, n);
    g->out.from = x->from;
    g->out.to = x->to;
    g->out.labels = g->by.map.keys[g->next++];
    g->out.drop_name = x->drop_name;
    g->out.h = NULL;
    if (x->hists != NULL)
        FER_TRY(hist_groups_give(x->hists, &g->made, &g->out));
    *ret = g->out;
    return FER_OK;
}

static fer_code aggregate_next(oper *o, vec *ret)
{
    aggregate_op *g = (aggregate_op *)o;
    if (!g->done) {
        FER_TRY(take_all(g));
        if (!vec_alloc(o->q, &g->out, o->g->n))
            return QUERY_NOMEM(o->q);
    }
    g->done = true;
    do {
        if (g->next == g->by.map.n)
            return FER_END;
        FER_TRY(give(g, ret));
    } while (!bits_any(ret->has, o->g->n)); /* a group may be nothing but contradictions */
    return FER_OK;
}

fer_code aggregate_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    aggregate_op *g = oper_new(q, sizeof *g, p, ec.g, aggregate_next);
    if (g == NULL)
        return QUERY_NOMEM(q);
    g->kind = p->e->u.aggregate.op;
    FER_TRY(grouping_make(q, &p->e->u.aggregate, &g->by));
    FER_TRY(grouping_input(q, p, ec, &g->of));
    g->o.unique = true;
    g->o.nameless = grouping_nameless(q, &g->by, g->of);
    *ret = &g->o;
    return FER_OK;
}

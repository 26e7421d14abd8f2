/* aggregate.c - sum, avg, count, min, max, group, stddev, stdvar.
 *
 * Groups x steps accumulators; the input streams through in storage order, which is the order of
 * Prometheus' additions. Sums start from 0 rather than from the first value: that changes at most the
 * sign of a zero, which the last addition of the compensation loses in both.
 */
#include "promql/exec/grouping.h"
#include "promql/kahan.h"

/* What the columns hold:
 *   sum            a sum, b compensation
 *   avg            a sum, b compensation, count; after an overflow a mean, b its compensation
 *   min, max       a
 *   count          count
 *   stddev, stdvar a sum of squares, b mean, count
 */
typedef struct group {
    double *a, *b, *count;
    uint64_t *has;
    uint64_t *overflowed; /* avg: steps that went over to updating the mean; NULL until needed */
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
} aggregate_op;

static fer_code group_init(aggregate_op *g, group *x)
{
    query *q = g->o.q;
    size_t n = g->o.g->n;
    bool two =
        g->kind == AGG_SUM || g->kind == AGG_AVG || g->kind == AGG_STDDEV || g->kind == AGG_STDVAR;
    bool counts = g->kind == AGG_AVG || g->kind == AGG_COUNT || g->kind == AGG_STDDEV ||
                  g->kind == AGG_STDVAR;
    *x = (group){.has = QUERY_ARRAY(q, uint64_t, bits_words(n)), .a = QUERY_ARRAY(q, double, n)};
    if (two)
        x->b = QUERY_ARRAY(q, double, n);
    if (counts)
        x->count = QUERY_ARRAY(q, double, n);
    if (x->has == NULL || x->a == NULL || (two && x->b == NULL) || (counts && x->count == NULL))
        return QUERY_NOMEM(q);
    for (size_t i = 0; (g->kind == AGG_MIN || g->kind == AGG_MAX) && i < n; i++)
        x->a[i] = NAN; /* gives way to anything */
    return query_hold(q, n);
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
            x->overflowed = QUERY_ARRAY(g->o.q, uint64_t, bits_words(g->o.g->n));
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

static fer_code add(aggregate_op *g, group *x, const vec *v)
{
    size_t n = g->o.g->n;
    bits_or(x->has, v->has, n);
    x->drop_name = x->drop_name || v->drop_name;
    BITS_RUNS(v->has, n, from, to)
    {
        switch (g->kind) {
        case AGG_SUM:
            kahan_add_columns(x->a + from, x->b + from, v->v + from, to - from);
            break;
        case AGG_AVG:
            FER_TRY(add_avg(g, x, v->v, from, to));
            break;
        case AGG_MIN:
            add_min(x, v->v, from, to);
            break;
        case AGG_MAX:
            add_max(x, v->v, from, to);
            break;
        case AGG_COUNT:
            for (size_t i = from; i < to; i++)
                x->count[i]++;
            break;
        case AGG_STDDEV:
        case AGG_STDVAR:
            add_variance(x, v->v, from, to);
            break;
        default:
            break;
        }
    }
    return FER_OK;
}

static fer_code take_all(aggregate_op *g)
{
    query *q = g->o.q;
    vec v;
    fer_code c;
    while ((c = oper_next(g->of, &v)) == FER_OK) {
        uint32_t at;
        bool is_new;
        FER_TRY(query_work(q, g->o.g->n));
        FER_TRY(grouping_find(q, &g->by, v.labels, &at, &is_new));
        if (is_new) {
            if (!query_grow(q, &g->groups, &g->cap, at + 1, sizeof *g->groups))
                return QUERY_NOMEM(q);
            FER_TRY(group_init(g, &g->groups[at]));
        }
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

static fer_code aggregate_next(oper *o, vec *ret)
{
    aggregate_op *g = (aggregate_op *)o;
    if (!g->done)
        FER_TRY(take_all(g));
    g->done = true;
    if (g->next == g->by.map.n)
        return FER_END;
    group *x = &g->groups[g->next];
    FER_TRY(query_work(o->q, o->g->n));
    for (size_t i = 0; i < o->g->n; i++)
        x->a[i] = result(g, x, i);
    *ret = (vec){
        .labels = g->by.map.keys[g->next], .v = x->a, .has = x->has, .drop_name = x->drop_name};
    g->next++;
    return FER_OK;
}

fer_code aggregate_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    aggregate_op *g = oper_new(q, sizeof *g, p, ec.g, aggregate_next);
    if (g == NULL)
        return QUERY_NOMEM(q);
    g->kind = p->e->u.aggregate.op;
    FER_TRY(grouping_make(q, &p->e->u.aggregate, &g->by));
    FER_TRY(oper_build(q, p->args[0], ec, &g->of));
    g->o.unique = true;
    g->o.nameless = grouping_nameless(q, &g->by, g->of);
    *ret = &g->o;
    return FER_OK;
}

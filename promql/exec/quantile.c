/* quantile.c - the quantile aggregation: all values of a group at a step have to be at hand. */
#include <math.h>

#include "base/num.h"
#include "promql/exec/grouping.h"
#include "promql/exec/hist_column.h"
#include "promql/func_range.h"

/* Steps gathered together, so that the rows are read by cache lines. */
enum { TILE_STEPS = 8 };

typedef struct row {
    struct row *next;
    kept k;
} row;

typedef struct group {
    row *first, *last;
    size_t n;
    bool drop_name;
} group;

typedef struct quantile_op {
    oper o;
    oper *of, *param;
    const double *phi;
    grouping by;
    group *groups;
    size_t cap, next;
    bool done;
    vec out;
    double *tile; /* TILE_STEPS columns of the largest group's size */
    size_t largest;
} quantile_op;

static fer_code warn(quantile_op *g, double phi)
{
    char text[NUM_TEXT_MAX];
    int n = (int)num_format_g(text, phi);
    return annotations_add(g->o.q->annos, ANNO_WARNING, g->o.p, g->o.p->param, g->o.q->err,
                           "quantile value should be between 0 and 1, got %.*s", n, text);
}

static fer_code check_param(quantile_op *g)
{
    double min = INFINITY, max = -INFINITY;
    bool nan = false;
    FER_TRY(oper_scalar(g->param, &g->phi));
    for (size_t i = 0; i < g->o.g->n; i++) {
        nan = nan || isnan(g->phi[i]);
        min = g->phi[i] < min ? g->phi[i] : min;
        max = g->phi[i] > max ? g->phi[i] : max;
    }
    if (nan)
        return warn(g, NAN);
    if (max > 1)
        FER_TRY(warn(g, max));
    if (min < 0)
        FER_TRY(warn(g, min));
    return FER_OK;
}

static fer_code keep(quantile_op *g, group *x, const vec *v)
{
    row *r = QUERY_NEW(g->o.q, row);
    if (r == NULL)
        return QUERY_NOMEM(g->o.q);
    if (x->last == NULL)
        x->first = r;
    else
        x->last->next = r;
    x->last = r;
    x->n++;
    x->drop_name = x->drop_name || v->drop_name;
    g->largest = x->n > g->largest ? x->n : g->largest;
    return kept_take(g->o.q, &r->k, v);
}

static fer_code take_all(quantile_op *g)
{
    query *q = g->o.q;
    vec v;
    fer_code c;
    FER_TRY(check_param(g));
    while ((c = oper_next(g->of, &v)) == FER_OK) {
        uint32_t at;
        bool is_new;
        FER_TRY(query_work(q, v.to - v.from));
        if (vec_drop_histograms(&v, g->o.g->n))
            FER_TRY(anno_ignored_in_aggregation(q, g->o.p, g->o.p->args[0], "quantile"));
        if (!bits_any(v.has, g->o.g->n))
            continue;
        FER_TRY(grouping_find(q, &g->by, v.labels, &at, &is_new));
        if (is_new) {
            if (!query_grow(q, &g->groups, &g->cap, at + 1, sizeof *g->groups))
                return QUERY_NOMEM(q);
            g->groups[at] = (group){0};
        }
        FER_TRY(keep(g, &g->groups[at], &v));
    }
    if (c != FER_END)
        return c;
    g->tile = QUERY_ARRAY(q, double, g->largest *TILE_STEPS);
    return g->tile == NULL || !vec_alloc(q, &g->out, g->o.g->n) ? QUERY_NOMEM(q) : FER_OK;
}

static void evaluate_tile(quantile_op *g, const group *x, size_t from, size_t to)
{
    size_t n[TILE_STEPS] = {0};
    for (const row *r = x->first; r != NULL; r = r->next)
        for (size_t i = from; i < to; i++)
            if (kept_has(&r->k, i))
                g->tile[(i - from) * g->largest + n[i - from]++] = r->k.v[i - r->k.from];
    for (size_t i = from; i < to; i++) {
        if (n[i - from] == 0)
            continue;
        g->out.v[i] = func_quantile(g->phi[i], g->tile + (i - from) * g->largest, n[i - from]);
        bits_set(g->out.has, i);
    }
}

static fer_code quantile_next(oper *o, vec *ret)
{
    quantile_op *g = (quantile_op *)o;
    if (!g->done)
        FER_TRY(take_all(g));
    g->done = true;
    if (g->next == g->by.map.n)
        return FER_END;
    const group *x = &g->groups[g->next];
    bits_zero(g->out.has, o->g->n);
    for (size_t i = 0; i < o->g->n; i += TILE_STEPS) {
        FER_TRY(query_work(o->q, x->n * TILE_STEPS));
        evaluate_tile(g, x, i, i + TILE_STEPS < o->g->n ? i + TILE_STEPS : o->g->n);
    }
    g->out.labels = g->by.map.keys[g->next++];
    g->out.drop_name = x->drop_name;
    *ret = g->out;
    return FER_OK;
}

fer_code quantile_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    quantile_op *g = oper_new(q, sizeof *g, p, ec.g, quantile_next);
    if (g == NULL)
        return QUERY_NOMEM(q);
    FER_TRY(grouping_make(q, &p->e->u.aggregate, &g->by));
    FER_TRY(oper_build(q, p->param, ec, &g->param));
    FER_TRY(grouping_input(q, p, ec, &g->of));
    g->o.unique = true;
    g->o.nameless = grouping_nameless(q, &g->by, g->of);
    *ret = &g->o;
    return FER_OK;
}

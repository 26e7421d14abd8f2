/* map.c - functions that turn each value of an instant vector into another: abs() to year().
 */
#include "promql/exec/hist_column.h"
#include "promql/func_date.h"
#include "promql/func_math.h"
#include "promql/hist_stats.h"

enum { MAP_SCALARS_MAX = 2 };

typedef struct map_op {
    oper o;
    oper *of; /* NULL for minute() and the like without argument */
    function_id id;
    math_fn math;
    oper *scalars[MAP_SCALARS_MAX];
    const double *args[MAP_SCALARS_MAX];
    size_t n_scalars;
    vec own;
    bool done;
    hist_buckets buckets; /* of the histogram at hand */
} map_op;

static void clamp(const double *lo, const double *hi, vec *v)
{
    for (size_t i = v->from; i < v->to; i++) {
        double min = lo == NULL ? -INFINITY : lo[i];
        double max = hi == NULL ? INFINITY : hi[i];
        if (max < min)
            bits_clear(v->has, i);
        else
            v->v[i] = go_max(min, go_min(max, v->v[i]));
    }
}

static void round_to(const double *nearest, vec *v)
{
    for (size_t i = v->from; i < v->to; i++) {
        double inverse = 1.0 / (nearest == NULL ? 1 : nearest[i]);
        v->v[i] = floor(v->v[i] * inverse + 0.5) / inverse;
    }
}

static void apply(map_op *m, vec *v)
{
    size_t n = m->o.g->n;
    switch (m->id) {
    case FN_CLAMP:
        clamp(m->args[0], m->args[1], v);
        return;
    case FN_CLAMP_MIN:
        clamp(m->args[0], NULL, v);
        return;
    case FN_CLAMP_MAX:
        clamp(NULL, m->args[0], v);
        return;
    case FN_ROUND:
        round_to(m->args[0], v);
        return;
    case FN_VECTOR:
        return;
    case FN_TIMESTAMP:
        for (size_t i = v->from; i < v->to; i++)
            v->v[i] = (double)grid_at(m->o.g, i) / 1000;
        return;
    default:
        break;
    }
    for (bits_run run = {0}; bits_next_run(v->has, n, &run);) {
        size_t from = run.from, to = run.to;
        for (size_t i = from; i < to; i++)
            v->v[i] = m->math != NULL ? m->math(v->v[i]) : func_date(m->id, v->v[i]);
    }
}

static fer_code map_next(oper *o, vec *ret)
{
    map_op *m = (map_op *)o;
    for (size_t i = 0; i < m->n_scalars; i++)
        if (m->args[i] == NULL)
            FER_TRY(oper_scalar(m->scalars[i], &m->args[i]));
    do {
        FER_TRY(oper_next(m->of, ret));
        FER_TRY(query_work(o->q, o->g->n));
        if (m->id == FN_TIMESTAMP)
            ret->h = NULL;
        vec_drop_histograms(ret, o->g->n);
        apply(m, ret);
    } while (!bits_any(ret->has, o->g->n));
    return FER_OK;
}

static int64_t whole_seconds(int64_t ms)
{
    return ms / 1000;
}

/* hour() of the step's own time. */
static fer_code date_now_next(oper *o, vec *ret)
{
    map_op *m = (map_op *)o;
    if (m->done)
        return FER_END;
    m->done = true;
    if (!vec_alloc(o->q, &m->own, o->g->n))
        return QUERY_NOMEM(o->q);
    bits_fill(m->own.has, o->g->n);
    for (size_t i = 0; i < o->g->n; i++)
        m->own.v[i] = func_date(m->id, (double)whole_seconds(grid_at(o->g, i)));
    *ret = m->own;
    return FER_OK;
}

/* histogram_count() and its kin, which floats are nothing to. */
static bool histograms_only(function_id id)
{
    switch (id) {
    case FN_HISTOGRAM_COUNT:
    case FN_HISTOGRAM_SUM:
    case FN_HISTOGRAM_AVG:
    case FN_HISTOGRAM_STDDEV:
    case FN_HISTOGRAM_STDVAR:
        return true;
    default:
        return false;
    }
}

static fer_code value_of(map_op *m, const histogram *h, double *ret)
{
    query *q = m->o.q;
    switch (m->id) {
    case FN_HISTOGRAM_COUNT:
        *ret = h->count;
        return FER_OK;
    case FN_HISTOGRAM_SUM:
        *ret = h->sum;
        return FER_OK;
    case FN_HISTOGRAM_AVG:
        *ret = h->sum / h->count;
        return FER_OK;
    default:
        break;
    }
    FER_TRY(hist_checked(q, hist_buckets_of(h, q->scratch, &m->buckets)));
    FER_TRY(query_work(q, m->buckets.n));
    *ret = hist_variance(h, &m->buckets);
    if (m->id == FN_HISTOGRAM_STDDEV)
        *ret = sqrt(*ret);
    return FER_OK;
}

static fer_code histogram_next(oper *o, vec *ret)
{
    map_op *m = (map_op *)o;
    size_t n = o->g->n;
    do {
        FER_TRY(oper_next(m->of, ret));
        FER_TRY(query_work(o->q, n));
        vec_drop_floats(ret, n);
        for (size_t i = bits_next(ret->has, 0, n); i < n; i = bits_next(ret->has, i + 1, n))
            FER_TRY(value_of(m, ret->h[i], &ret->v[i]));
        ret->h = NULL;
    } while (!bits_any(ret->has, n));
    return FER_OK;
}

/* start_timestamp() of anything but a selector. */
static fer_code none_next(oper *o, vec *ret)
{
    map_op *m = (map_op *)o;
    fer_code c;
    do {
        c = oper_next(m->of, ret);
    } while (c == FER_OK);
    return c;
}

fer_code map_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    map_op *m = oper_new(q, sizeof *m, p, ec.g, p->n_args == 0 ? date_now_next : map_next);
    if (m == NULL)
        return QUERY_NOMEM(q);
    m->id = p->e->u.call.fn->id;
    m->math = func_math(m->id);
    m->o.unique = m->o.nameless = true;
    *ret = &m->o;
    if (p->n_args == 0)
        return FER_OK;
    if (histograms_only(m->id))
        m->o.next = histogram_next;
    if (m->id == FN_START_TIMESTAMP)
        m->o.next = none_next;
    FER_TRY(oper_build(q, p->args[0], ec, &m->of));
    for (size_t i = 1; i < p->n_args && i <= MAP_SCALARS_MAX; i++)
        FER_TRY(oper_build(q, p->args[i], ec, &m->scalars[m->n_scalars++]));
    m->o.unique = m->of->unique;
    m->o.nameless = m->of->nameless;
    if (m->id == FN_VECTOR)
        return FER_OK;
    return drop_metric_build(q, p, ec, &m->o, ret);
}

/* unary.c - the sign before a scalar or a vector. */
#include "promql/exec/hist_column.h"

typedef struct unary_op {
    oper o;
    oper *of;
    hist_column made;
} unary_op;

static fer_code negate_histograms(unary_op *u, vec *v)
{
    query *q = u->o.q;
    FER_TRY(hist_column_begin(q, &u->made, u->o.g->n));
    for (size_t i = v->from; i < v->to; i++) {
        if (!bits_get(v->has, i) || v->h[i] == NULL)
            continue;
        FER_TRY(hist_checked(q, hist_load(&u->made.work, v->h[i])));
        hist_scale(&u->made.work, -1);
        FER_TRY(hist_column_put(q, &u->made, i));
    }
    v->h = u->made.h;
    return FER_OK;
}

static fer_code negate_next(oper *o, vec *ret)
{
    FER_TRY(oper_next(((unary_op *)o)->of, ret));
    FER_TRY(query_work(o->q, ret->to - ret->from));
    for (size_t i = ret->from; i < ret->to; i++)
        ret->v[i] = -ret->v[i];
    return ret->h == NULL ? FER_OK : negate_histograms((unary_op *)o, ret);
}

fer_code unary_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    oper *of;
    FER_TRY(oper_build(q, p->args[0], ec, &of));
    if (p->e->u.unary.op != OP_SUB) {
        *ret = of;
        return FER_OK;
    }
    unary_op *u = oper_new(q, sizeof *u, p, ec.g, negate_next);
    if (u == NULL)
        return QUERY_NOMEM(q);
    u->of = of;
    u->o.unique = of->unique;
    u->o.nameless = of->nameless;
    if (p->type == VALUE_SCALAR) {
        *ret = &u->o;
        return FER_OK;
    }
    return drop_metric_build(q, p, ec, &u->o, ret);
}

/* drop.c - taking the metric name off, with the check that no two series become one at a step. */
#include "promql/exec/oper.h"

typedef struct drop_op {
    oper o;
    oper *of;
    lset_buf labels;
    lset_guard guard;
} drop_op;

static fer_code drop_next(oper *o, vec *ret)
{
    drop_op *d = (drop_op *)o;
    FER_TRY(oper_next(d->of, ret));
    FER_TRY(lset_drop_metric(o->q, &d->labels, ret->labels));
    ret->labels = lset_of(&d->labels);
    return oper_fail_behind(d->of, lset_guard_add(o->q, &d->guard, ret->labels, ret->has));
}

static fer_code mark_next(oper *o, vec *ret)
{
    drop_op *d = (drop_op *)o;
    FER_TRY(oper_next(d->of, ret));
    ret->drop_name = true;
    return FER_OK;
}

fer_code drop_metric_build(query *q, const plan *p, eval_ctx ec, oper *of, oper **ret)
{
    bool delayed = q->limits->features.delayed_name_removal;
    if (of->nameless && of->unique && !delayed) {
        *ret = of;
        return FER_OK;
    }
    drop_op *d = oper_new(q, sizeof *d, p, ec.g, delayed ? mark_next : drop_next);
    if (d == NULL)
        return QUERY_NOMEM(q);
    d->of = of;
    d->o.unique = delayed && of->unique;
    d->o.nameless = !delayed;
    lset_guard_init(&d->guard, ec.g->n);
    *ret = &d->o;
    return FER_OK;
}

/* binary_scalar.c - operators between a vector and a scalar.
 *
 * A comparison without `bool` keeps the vector's own value, on whichever side it stands.
 */
#include "promql/exec/arith.h"
#include "promql/exec/oper.h"

typedef struct vector_scalar_op {
    oper o;
    oper *vector, *scalar;
    op kind;
    bool scalar_left, return_bool;
    const double *s;
    uint64_t *keep;
} vector_scalar_op;

static fer_code apply(vector_scalar_op *b, vec *v)
{
    size_t n = v->to - v->from;
    double *x = v->v + v->from;
    const double *s = b->s + v->from, *l = b->scalar_left ? s : x, *r = b->scalar_left ? x : s;
    if (!op_is_comparison(b->kind)) {
        arith(b->kind, l, r, x, n);
        return FER_OK;
    }
    compare(b->kind, l, r, b->keep, n);
    if (b->return_bool) {
        for (size_t i = 0; i < n; i++)
            x[i] = bits_get(b->keep, i);
    } else {
        bits_and(v->has + v->from / 64, b->keep, n);
    }
    return FER_OK;
}

static fer_code vector_scalar_next(oper *o, vec *ret)
{
    vector_scalar_op *b = (vector_scalar_op *)o;
    if (b->s == NULL) {
        FER_TRY(oper_scalar(b->scalar, &b->s));
        b->keep = QUERY_ARRAY(o->q, uint64_t, bits_words(o->g->n));
        if (b->keep == NULL)
            return QUERY_NOMEM(o->q);
    }
    do {
        FER_TRY(oper_next(b->vector, ret));
        FER_TRY(query_work(o->q, o->g->n));
        FER_TRY(apply(b, ret));
    } while (!bits_any(ret->has, o->g->n));
    return FER_OK;
}

/* The trim operators cut histograms; floats have no place in them. */
static fer_code trim_next(oper *o, vec *ret)
{
    vector_scalar_op *b = (vector_scalar_op *)o;
    fer_code c;
    while ((c = oper_next(b->vector, ret)) == FER_OK)
        FER_TRY(binary_incompatible(o->q, o->p));
    return c;
}

fer_code binary_scalar_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    vector_scalar_op *b = oper_new(q, sizeof *b, p, ec.g, vector_scalar_next);
    if (b == NULL)
        return QUERY_NOMEM(q);
    b->kind = p->e->u.binary.op;
    b->return_bool = p->e->u.binary.return_bool;
    b->scalar_left = p->args[0]->type == VALUE_SCALAR;
    FER_TRY(oper_build(q, p->args[b->scalar_left ? 1 : 0], ec, &b->vector));
    FER_TRY(oper_build(q, p->args[b->scalar_left ? 0 : 1], ec, &b->scalar));
    if (b->kind == OP_TRIM_LOWER || b->kind == OP_TRIM_UPPER)
        b->o.next = trim_next;
    b->o.unique = b->vector->unique;
    b->o.nameless = b->vector->nameless;
    *ret = &b->o;
    if (op_is_comparison(b->kind) && !b->return_bool)
        return FER_OK;
    return drop_metric_build(q, p, ec, &b->o, ret);
}

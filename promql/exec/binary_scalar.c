/* binary_scalar.c - operators between a vector and a scalar.
 *
 * A comparison without `bool` keeps the vector's own value, on whichever side it stands.
 */
#include "promql/exec/arith.h"
#include "promql/exec/hist_arith.h"

typedef struct vector_scalar_op {
    oper o;
    oper *vector, *scalar;
    op kind;
    bool scalar_left, return_bool;
    const double *s;
    uint64_t *keep;
    hist_column made;
} vector_scalar_op;

static bool is_trim(op kind)
{
    return kind == OP_TRIM_LOWER || kind == OP_TRIM_UPPER;
}

/* The steps with a histogram, and all steps of a trim operator: the scalar is never a histogram, so that
 * no comparison holds. What is left is floats. */
static fer_code apply_histograms(vector_scalar_op *b, vec *v)
{
    query *q = b->o.q;
    FER_TRY(hist_column_begin(q, &b->made, b->o.g->n));
    for (size_t i = bits_next(v->has, v->from, v->to); i < v->to;
         i = bits_next(v->has, i + 1, v->to)) {
        hist_operand x = {v->v[i], vec_histogram(v, i)}, s = {b->s[i], NULL};
        hist_outcome y;
        if (x.h == NULL && !is_trim(b->kind))
            continue;
        FER_TRY(
            hist_arith(q, &b->made, b->kind, b->scalar_left ? s : x, b->scalar_left ? x : s, &y));
        FER_TRY(hist_remark_tell(q, b->o.p, y.remark));
        if (y.there)
            FER_TRY(hist_column_put(q, &b->made, i));
        else
            bits_clear(v->has, i);
    }
    v->h = b->made.h;
    return FER_OK;
}

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
        if (ret->h != NULL || is_trim(b->kind))
            FER_TRY(apply_histograms(b, ret));
        FER_TRY(apply(b, ret));
    } while (!bits_any(ret->has, o->g->n));
    return FER_OK;
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
    b->o.unique = b->vector->unique;
    b->o.nameless = b->vector->nameless;
    *ret = &b->o;
    if (is_trim(b->kind) || (op_is_comparison(b->kind) && !b->return_bool))
        return FER_OK;
    return drop_metric_build(q, p, ec, &b->o, ret);
}

/* scalar.c - scalar expressions: numbers, time(), pi(), scalar(), min_of(), arithmetic.
 *
 * A scalar operator gives one series without labels that is present at every step.
 */
#include "promql/exec/arith.h"
#include "promql/exec/hist_column.h"
#include "promql/func_math.h"

typedef struct scalar_op {
    oper o;
    oper *args[2];
    vec out;
    bool done;
} scalar_op;

/* The value of the one series present at a step; NaN for none or several. */
static fer_code from_vector(scalar_op *s)
{
    size_t n = s->o.g->n;
    uint64_t *many = QUERY_ARRAY(s->o.q, uint64_t, bits_words(n));
    uint64_t *seen = QUERY_ARRAY(s->o.q, uint64_t, bits_words(n));
    if (many == NULL || seen == NULL)
        return QUERY_NOMEM(s->o.q);
    vec v;
    fer_code c;
    while ((c = oper_next(s->args[0], &v)) == FER_OK) {
        FER_TRY(query_work(s->o.q, n));
        vec_drop_histograms(&v, n);
        for (bits_run run = {0}; bits_next_run(v.has, n, &run);) {
            size_t from = run.from, to = run.to;
            memcpy(s->out.v + from, v.v + from, (to - from) * sizeof *v.v);
        }
        for (size_t w = 0; w < bits_words(n); w++)
            many[w] |= seen[w] & v.has[w];
        bits_or(seen, v.has, n);
    }
    if (c != FER_END)
        return c;
    for (size_t i = 0; i < n; i++)
        if (!bits_get(seen, i) || bits_get(many, i))
            s->out.v[i] = NAN;
    return FER_OK;
}

static fer_code of_call(scalar_op *s)
{
    size_t n = s->o.g->n;
    double *out = s->out.v;
    const double *a = NULL, *b = NULL;
    switch (s->o.p->e->u.call.fn->id) {
    case FN_TIME:
        for (size_t i = 0; i < n; i++)
            out[i] = (double)grid_at(s->o.g, i) / 1000;
        return FER_OK;
    case FN_PI:
        for (size_t i = 0; i < n; i++)
            out[i] = M_PI;
        return FER_OK;
    case FN_SCALAR:
        return from_vector(s);
    case FN_MIN_OF:
        FER_TRY(oper_scalar(s->args[0], &a));
        FER_TRY(oper_scalar(s->args[1], &b));
        for (size_t i = 0; i < n; i++)
            out[i] = go_min(a[i], b[i]);
        return FER_OK;
    case FN_MAX_OF:
        FER_TRY(oper_scalar(s->args[0], &a));
        FER_TRY(oper_scalar(s->args[1], &b));
        for (size_t i = 0; i < n; i++)
            out[i] = go_max(a[i], b[i]);
        return FER_OK;
    default:
        return query_fail(s->o.q, "unhandled function \"%s\"", s->o.p->e->u.call.fn->name);
    }
}

static fer_code of_binary(scalar_op *s)
{
    const double *l, *r;
    size_t n = s->o.g->n;
    FER_TRY(oper_scalar(s->args[0], &l));
    FER_TRY(oper_scalar(s->args[1], &r));
    op k = s->o.p->e->u.binary.op;
    if (!op_is_comparison(k)) {
        arith(k, l, r, s->out.v, n);
        return FER_OK;
    }
    uint64_t *keep = QUERY_ARRAY(s->o.q, uint64_t, bits_words(n));
    if (keep == NULL)
        return QUERY_NOMEM(s->o.q);
    compare(k, l, r, keep, n);
    for (size_t i = 0; i < n; i++)
        s->out.v[i] = bits_get(keep, i);
    return FER_OK;
}

static fer_code evaluate(scalar_op *s)
{
    switch (s->o.p->kind) {
    case EXPR_NUMBER:
        for (size_t i = 0; i < s->o.g->n; i++)
            s->out.v[i] = s->o.p->number;
        return FER_OK;
    case EXPR_CALL:
        return of_call(s);
    default:
        return of_binary(s);
    }
}

static fer_code scalar_next(oper *o, vec *ret)
{
    scalar_op *s = (scalar_op *)o;
    if (s->done)
        return FER_END;
    s->done = true;
    if (!vec_alloc(o->q, &s->out, o->g->n))
        return QUERY_NOMEM(o->q);
    bits_fill(s->out.has, o->g->n);
    FER_TRY(query_work(o->q, o->g->n));
    FER_TRY(evaluate(s));
    *ret = s->out;
    return FER_OK;
}

fer_code scalar_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    scalar_op *s = oper_new(q, sizeof *s, p, ec.g, scalar_next);
    if (s == NULL)
        return QUERY_NOMEM(q);
    for (size_t i = 0; i < p->n_args && i < 2 && p->kind != EXPR_NUMBER; i++)
        FER_TRY(oper_build(q, p->args[i], ec, &s->args[i]));
    s->o.unique = s->o.nameless = true;
    *ret = &s->o;
    return FER_OK;
}

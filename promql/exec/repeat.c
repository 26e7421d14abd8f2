/* repeat.c - what cannot change from step to step is evaluated at the first one and repeated. */
#include "promql/exec/oper.h"

typedef struct repeat_op {
    oper o;
    oper *of;
    grid g; /* one step */
    counter count, seen;
    counter *parent;
    vec out;
    const histogram **h;
} repeat_op;

/* Each step counts as if it had been evaluated; samples were read once. */
static void pass_on_counts(repeat_op *r)
{
    size_t n = r->o.g->n;
    uint64_t total = r->count.total - r->seen.total, read = r->count.read - r->seen.read;
    r->seen = r->count;
    r->parent->total += total * n;
    for (size_t i = 0; r->parent->total_at != NULL && i < n; i++)
        r->parent->total_at[i] += total;
    r->parent->read += read;
    if (r->parent->read_at != NULL)
        r->parent->read_at[0] += read;
}

static fer_code repeat_next(oper *o, vec *ret)
{
    repeat_op *r = (repeat_op *)o;
    size_t n = o->g->n;
    if (r->out.v == NULL && !vec_alloc(o->q, &r->out, n))
        return QUERY_NOMEM(o->q);
    vec v;
    fer_code c = oper_next(r->of, &v);
    pass_on_counts(r);
    if (c != FER_OK)
        return c;
    FER_TRY(query_work(o->q, n));
    for (size_t i = 0; i < n; i++)
        r->out.v[i] = v.v[0];
    r->out.h = NULL;
    if (v.h != NULL && v.h[0] != NULL) {
        if (r->h == NULL && (r->h = QUERY_ARRAY(o->q, const histogram *, n)) == NULL)
            return QUERY_NOMEM(o->q);
        for (size_t i = 0; i < n; i++)
            r->h[i] = v.h[0];
        r->out.h = r->h;
    }
    bits_fill(r->out.has, n);
    r->out.labels = v.labels;
    r->out.drop_name = v.drop_name;
    *ret = r->out;
    return FER_OK;
}

fer_code repeat_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    repeat_op *r = oper_new(q, sizeof *r, p, ec.g, repeat_next);
    if (r == NULL)
        return QUERY_NOMEM(q);
    r->g = (grid){ec.g->start, ec.g->step, 1};
    r->parent = ec.count;
    FER_TRY(oper_build(q, p, (eval_ctx){.g = &r->g, .count = &r->count}, &r->of));
    r->o.unique = r->of->unique;
    r->o.nameless = r->of->nameless;
    *ret = &r->o;
    return FER_OK;
}

/* setop.c - and, or, unless: by matching signature and step.
 *
 * and, unless: the right side is reduced to the steps at which each signature is there; the left side
 * streams. or: the left side streams while its signatures are noted, then the right one.
 */
#include "promql/exec/matching.h"
#include "promql/exec/oper.h"

typedef struct setop {
    oper o;
    oper *l, *r;
    op kind;
    matching m;
    lset_steps steps;
    lset_buf sig;
    bool started, left_done;
} setop;

fer_code matching_make(query *q, const expr_binary *b, matching *ret)
{
    ret->on = b->on;
    return lset_names_make(q, b->labels, b->n_labels, &ret->names);
}

static fer_code note(setop *s, const vec *v)
{
    query *q = s->o.q;
    uint64_t *steps;
    FER_TRY(query_work(q, 1));
    FER_TRY(matching_signature(q, &s->m, v->labels, &s->sig));
    FER_TRY(lset_steps_add(q, &s->steps, lset_of(&s->sig), &steps));
    bits_or(steps, v->has, s->o.g->n);
    return FER_OK;
}

static fer_code note_right(setop *s)
{
    vec v;
    fer_code c;
    while ((c = oper_next(s->r, &v)) == FER_OK)
        FER_TRY(note(s, &v));
    return c == FER_END ? FER_OK : c;
}

static fer_code restrict_to(setop *s, vec *v, bool present)
{
    FER_TRY(query_work(s->o.q, 1));
    FER_TRY(matching_signature(s->o.q, &s->m, v->labels, &s->sig));
    const uint64_t *steps = lset_steps_find(&s->steps, lset_of(&s->sig));
    if (steps == NULL && present)
        bits_zero(v->has, s->o.g->n);
    else if (steps != NULL && present)
        bits_and(v->has, steps, s->o.g->n);
    else if (steps != NULL)
        bits_and_not(v->has, steps, s->o.g->n);
    return FER_OK;
}

static fer_code filter_next(oper *o, vec *ret)
{
    setop *s = (setop *)o;
    if (!s->started)
        FER_TRY(oper_fail_behind(s->l, note_right(s)));
    s->started = true;
    do {
        FER_TRY(oper_next(s->l, ret));
        FER_TRY(restrict_to(s, ret, s->kind == OP_AND));
    } while (!bits_any(ret->has, o->g->n));
    return FER_OK;
}

static fer_code or_next(oper *o, vec *ret)
{
    setop *s = (setop *)o;
    if (!s->left_done) {
        fer_code c = oper_next(s->l, ret);
        if (c == FER_OK)
            return note(s, ret);
        if (c != FER_END)
            return c;
        s->left_done = true;
    }
    do {
        FER_TRY(oper_next(s->r, ret));
        FER_TRY(restrict_to(s, ret, false));
    } while (!bits_any(ret->has, o->g->n));
    return FER_OK;
}

fer_code setop_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    const expr_binary *b = &p->e->u.binary;
    setop *s = oper_new(q, sizeof *s, p, ec.g, b->op == OP_OR ? or_next : filter_next);
    if (s == NULL)
        return QUERY_NOMEM(q);
    s->kind = b->op;
    s->steps.n_steps = ec.g->n;
    FER_TRY(matching_make(q, b, &s->m));
    FER_TRY(oper_build(q, p->args[0], ec, &s->l));
    FER_TRY(oper_build(q, p->args[1], ec, &s->r));
    s->o.unique = s->l->unique && b->op != OP_OR;
    s->o.nameless = s->l->nameless && (b->op != OP_OR || s->r->nameless);
    *ret = &s->o;
    return FER_OK;
}

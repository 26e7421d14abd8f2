/* absent.c - absent() and absent_over_time(): 1 at the steps where nothing is there. */
#include "promql/exec/oper.h"

typedef struct absent_op {
    oper o;
    oper *of;
    bool done, drop_name;
    vec out;
    lset_buf labels;
} absent_op;

static fer_code absent_next(oper *o, vec *ret)
{
    absent_op *a = (absent_op *)o;
    size_t n = o->g->n;
    if (a->done)
        return FER_END;
    a->done = true;
    if (!vec_alloc(o->q, &a->out, n))
        return QUERY_NOMEM(o->q);
    vec v;
    fer_code c;
    while ((c = oper_next(a->of, &v)) == FER_OK) {
        FER_TRY(query_work(o->q, 1));
        bits_or(a->out.has, v.has, n);
    }
    if (c != FER_END)
        return c;
    bits_not(a->out.has, n);
    if (!bits_any(a->out.has, n))
        return FER_END;
    for (size_t i = 0; i < n; i++)
        a->out.v[i] = 1;
    a->out.labels = lset_of(&a->labels);
    a->out.drop_name = a->drop_name;
    *ret = a->out;
    return FER_OK;
}

/* Prometheus' index moves matchers that only take series away behind the others, for absent() too. */
static bool takes_away(const expr_selector *s, const matcher *m)
{
    bool must_be_set = false;
    for (size_t i = 0; i < s->n_matchers; i++)
        must_be_set = must_be_set || (str_eq(s->matchers[i].name, m->name) &&
                                      !matcher_matches_empty(&s->matchers[i]));
    return must_be_set && (m->type == MATCH_NE || m->type == MATCH_NRE) && matcher_matches_empty(m);
}

/* Those of the matchers that take away, or those that do not: the last one of a name decides. */
static fer_code put_labels(query *q, const expr_selector *s, bool away, lset_buf *ret)
{
    for (size_t i = 0; i < s->n_matchers; i++) {
        const matcher *m = &s->matchers[i];
        if (str_eq(m->name, STR("__name__")) || takes_away(s, m) != away)
            continue;
        bool seen = false;
        for (size_t j = 0; j < i; j++)
            seen =
                seen || (s->matchers[j].type == MATCH_EQ && str_eq(s->matchers[j].name, m->name));
        uint32_t name = query_sym(q, m->name);
        uint32_t value = m->type == MATCH_EQ && !seen ? query_sym(q, m->value) : 0;
        if (name == SYM_NONE || value == SYM_NONE)
            return QUERY_NOMEM(q);
        FER_TRY(lset_put(q, ret, name, value));
    }
    return FER_OK;
}

/* The labels a selector says to be equal to something, once each; a label that is then matched in
 * another way as well is left out. */
static fer_code labels_of_selector(query *q, const expr_selector *s, lset_buf *ret)
{
    FER_TRY(put_labels(q, s, false, ret));
    return put_labels(q, s, true, ret);
}

fer_code absent_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    absent_op *a = oper_new(q, sizeof *a, p, ec.g, absent_next);
    if (a == NULL)
        return QUERY_NOMEM(q);
    const plan *arg = p->args[0];
    if (p->e->u.call.fn->id == FN_ABSENT)
        FER_TRY(oper_build(q, arg, ec, &a->of));
    else
        FER_TRY(range_build(q, p, ec, &a->of));
    if (arg->kind == EXPR_SELECTOR)
        FER_TRY(labels_of_selector(q, &arg->e->u.selector, &a->labels));
    if (arg->kind == EXPR_MATRIX)
        FER_TRY(labels_of_selector(q, &arg->e->u.matrix.selector->u.selector, &a->labels));
    a->o.unique = true;
    lset of = lset_of(&a->labels);
    a->o.nameless = lset_get(of, q->sym_type) == 0 && lset_get(of, q->sym_unit) == 0;
    a->drop_name =
        p->e->u.call.fn->id == FN_ABSENT_OVER_TIME && q->limits->features.delayed_name_removal;
    *ret = &a->o;
    return FER_OK;
}

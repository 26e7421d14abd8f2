/* label_need.c */
#include "promql/exec/label_need.h"

#include "promql/func_math.h"

static const fer_str metric_names[] = {{"__name__", 8}, {"__type__", 8}, {"__unit__", 8}};
enum { METRIC_NAMES = sizeof metric_names / sizeof *metric_names };

static bool makes_metric(fer_str name)
{
    for (size_t i = 0; i < METRIC_NAMES; i++)
        if (str_eq(name, metric_names[i]))
            return true;
    return false;
}

const label_choice *label_need_of(query *q, const expr_aggregate *a)
{
    label_choice *c = QUERY_NEW(q, label_choice);
    fer_str *names = QUERY_ARRAY(q, fer_str, a->n_grouping + METRIC_NAMES);
    if (c == NULL || names == NULL)
        return NULL;
    *c = (label_choice){.names = names, .others = a->without};
    for (size_t i = 0; i < a->n_grouping; i++)
        if (!makes_metric(a->grouping[i]))
            names[c->n++] = a->grouping[i];
    for (size_t i = 0; i < METRIC_NAMES && !a->without; i++)
        names[c->n++] = metric_names[i];
    return c;
}

static const plan *vector_of(const plan *p)
{
    return p->args[0]->type == VALUE_VECTOR ? p->args[0] : p->args[1];
}

/* rate(x[5m]) and its kin. */
static bool is_range_function(const plan *p)
{
    if (p->kind != EXPR_CALL || p->e->u.call.fn->id == FN_ABSENT_OVER_TIME)
        return false;
    for (size_t i = 0; i < p->n_args; i++)
        if (p->args[i]->kind == EXPR_MATRIX)
            return true;
    return false;
}

static bool is_math(const plan *p)
{
    return p->kind == EXPR_CALL && p->n_args == 1 && func_math(p->e->u.call.fn->id) != NULL;
}

/* A comparison or trim operator between a vector and a scalar leaves the name. */
static bool keeps_name(op kind, bool return_bool)
{
    return kind == OP_TRIM_LOWER || kind == OP_TRIM_UPPER ||
           (op_is_comparison(kind) && !return_bool);
}

/* Whether dropping names from what the node gives needs no look at its labels; of a node that passes. */
static bool drops_freely(const query *q, const plan *p)
{
    if (q->limits->features.delayed_name_removal)
        return true;
    if (is_range_function(p))
        return p->e->u.call.fn->id != FN_LAST_OVER_TIME &&
               p->e->u.call.fn->id != FN_FIRST_OVER_TIME;
    return p->kind != EXPR_SELECTOR && drops_freely(q, vector_of(p));
}

bool label_need_passes(const query *q, const plan *p)
{
    if (p->kind == EXPR_SELECTOR || is_range_function(p))
        return true;
    if (p->type != VALUE_VECTOR)
        return false;
    if (p->kind == EXPR_UNARY || is_math(p))
        return label_need_passes(q, p->args[0]) && drops_freely(q, p->args[0]);
    if (p->kind != EXPR_BINARY || p->args[0]->type == p->args[1]->type)
        return false;
    return label_need_passes(q, vector_of(p)) &&
           (keeps_name(p->e->u.binary.op, p->e->u.binary.return_bool) ||
            drops_freely(q, vector_of(p)));
}

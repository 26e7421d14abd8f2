#include "promql/promqltest/variants.h"

void expr_visit(expr *e, bool (*fn)(void *arg, expr *e), void *arg)
{
    if (e == NULL || !fn(arg, e))
        return;
    switch (e->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_SELECTOR:
        break;
    case EXPR_MATRIX:
        expr_visit(e->u.matrix.selector, fn, arg);
        break;
    case EXPR_SUBQUERY:
        expr_visit(e->u.subquery.e, fn, arg);
        break;
    case EXPR_CALL:
        for (size_t i = 0; i < e->u.call.n_args; i++)
            expr_visit(e->u.call.args[i], fn, arg);
        break;
    case EXPR_AGGREGATE:
        expr_visit(e->u.aggregate.param, fn, arg);
        expr_visit(e->u.aggregate.e, fn, arg);
        break;
    case EXPR_BINARY:
        expr_visit(e->u.binary.l, fn, arg);
        expr_visit(e->u.binary.r, fn, arg);
        break;
    case EXPR_UNARY:
        expr_visit(e->u.unary.e, fn, arg);
        break;
    case EXPR_PAREN:
        expr_visit(e->u.paren, fn, arg);
        break;
    }
}

/* ---- fixing the time ---- */

static bool tells_time(function_id id)
{
    switch (id) {
    case FN_DAYS_IN_MONTH:
    case FN_DAY_OF_MONTH:
    case FN_DAY_OF_WEEK:
    case FN_DAY_OF_YEAR:
    case FN_END:
    case FN_HOUR:
    case FN_MINUTE:
    case FN_MONTH:
    case FN_PREDICT_LINEAR:
    case FN_RANGE:
    case FN_START:
    case FN_STEP:
    case FN_TIME:
    case FN_TIMESTAMP:
    case FN_YEAR:
        return true;
    default:
        return false;
    }
}

static bool see_time_functions(void *arg, expr *e)
{
    bool *found = arg;
    *found = *found || (e->kind == EXPR_CALL && tells_time(e->u.call.fn->id));
    return !*found;
}

static void set_time(modifiers *m, int64_t at_ms)
{
    if (m->at != AT_NONE)
        return;
    m->at = AT_TIME;
    m->at_ms = at_ms;
}

static bool fix_node(void *arg, expr *e)
{
    const int64_t *at_ms = arg;
    if (e->kind == EXPR_SELECTOR)
        set_time(&e->u.selector.mod, *at_ms);
    if (e->kind == EXPR_SUBQUERY)
        set_time(&e->u.subquery.mod, *at_ms);
    return e->kind != EXPR_SUBQUERY;
}

bool expr_fix_time(expr *e, int64_t at_ms)
{
    bool found = false;
    expr_visit(e, see_time_functions, &found);
    if (!found)
        expr_visit(e, fix_node, &at_ms);
    return !found;
}

/* ---- dependence on the range ---- */

static bool duration_depends(const duration_expr *d)
{
    if (d == NULL)
        return false;
    return d->op == DUR_STEP || d->op == DUR_RANGE || duration_depends(d->l) ||
           duration_depends(d->r);
}

static bool modifiers_depend(const modifiers *m)
{
    return m->at == AT_START || m->at == AT_END || duration_depends(m->offset.e);
}

static bool see_range(void *arg, expr *e)
{
    bool *found = arg;
    switch (e->kind) {
    case EXPR_CALL: {
        function_id id = e->u.call.fn->id;
        *found = *found || id == FN_START || id == FN_END || id == FN_RANGE || id == FN_STEP;
        break;
    }
    case EXPR_SELECTOR:
        *found = *found || modifiers_depend(&e->u.selector.mod);
        break;
    case EXPR_MATRIX:
        *found = *found || duration_depends(e->u.matrix.range.e);
        break;
    case EXPR_SUBQUERY:
        *found = *found || modifiers_depend(&e->u.subquery.mod) ||
                 duration_depends(e->u.subquery.range.e) || duration_depends(e->u.subquery.step.e);
        break;
    default:
        break;
    }
    return !*found;
}

bool expr_depends_on_range(expr *e)
{
    bool found = false;
    expr_visit(e, see_range, &found);
    return found;
}

/* plan.c - from the expression tree to the plan: folding, times, what is the same at every step. */
#include "promql/plan.h"

typedef struct planner {
    const plan_times *t;
    fer_arena *a;
    fer_err *err;
    uint32_t order;
} planner;

/* `wrap`: whether evaluating the part once is worth a step of its own; range vectors and literals
 * are handled by whoever holds them. */
static fer_code make(planner *pl, const expr *e, fer_str hint, plan **ret, bool *ret_wrap);

static fer_code no_memory(planner *pl)
{
    fer_fail_budget(pl->err, "query plan");
    return FER_LIMIT;
}

static const expr *unparen(const expr *e)
{
    while (e != NULL && e->kind == EXPR_PAREN)
        e = e->u.paren;
    return e;
}

static fer_code resolve_modifiers(planner *pl, const modifiers *m, plan *p)
{
    FER_TRY(plan_duration(&m->offset, pl->t, true, &p->offset_ms, pl->err));
    p->has_at = m->at != AT_NONE;
    switch (m->at) {
    case AT_NONE:
        break;
    case AT_TIME:
        p->at_ms = m->at_ms;
        break;
    case AT_START:
        p->at_ms = pl->t->start_ms;
        break;
    case AT_END:
        p->at_ms = pl->t->end_ms;
        break;
    }
    return FER_OK;
}

static fer_code make_selector(planner *pl, fer_str hint, plan *p, bool *ret_wrap)
{
    FER_TRY(resolve_modifiers(pl, &p->e->u.selector.mod, p));
    p->hint_func = hint;
    p->invariant = p->has_at;
    *ret_wrap = p->has_at;
    return FER_OK;
}

static fer_code make_matrix(planner *pl, fer_str hint, plan *p)
{
    FER_TRY(plan_duration(&p->e->u.matrix.range, pl->t, false, &p->range_ms, pl->err));
    FER_TRY(resolve_modifiers(pl, &p->e->u.matrix.selector->u.selector.mod, p));
    p->hint_func = hint;
    p->invariant = p->has_at;
    return FER_OK;
}

static fer_code alloc_args(planner *pl, plan *p, size_t n)
{
    p->n_args = n;
    p->args = ARENA_ARRAY(pl->a, plan *, n == 0 ? 1 : n);
    return p->args == NULL ? no_memory(pl) : FER_OK;
}

static fer_code make_subquery(planner *pl, fer_str hint, plan *p)
{
    const expr_subquery *s = &p->e->u.subquery;
    bool wrap = false;
    FER_TRY(alloc_args(pl, p, 1));
    FER_TRY(make(pl, s->e, hint, &p->args[0], &wrap));
    p->args[0]->once = p->args[0]->invariant;

    FER_TRY(plan_duration(&s->range, pl->t, false, &p->range_ms, pl->err));
    FER_TRY(plan_duration(&s->step, pl->t, false, &p->step_ms, pl->err));
    if (p->step_ms == 0)
        p->step_ms = pl->t->default_subquery_step_ms;
    FER_TRY(resolve_modifiers(pl, &s->mod, p));
    p->invariant = p->has_at;
    return FER_OK;
}

/* Functions whose result follows the evaluation time even when their arguments stand still. */
static bool follows_time(function_id id)
{
    switch (id) {
    case FN_DAYS_IN_MONTH:
    case FN_DAY_OF_MONTH:
    case FN_DAY_OF_WEEK:
    case FN_DAY_OF_YEAR:
    case FN_HOUR:
    case FN_MINUTE:
    case FN_MONTH:
    case FN_YEAR:
    case FN_PREDICT_LINEAR:
    case FN_TIME:
    case FN_TIMESTAMP:
        return true;
    default:
        return false;
    }
}

static bool fold_query_time(const planner *pl, function_id id, double *ret)
{
    const plan_times *t = pl->t;
    switch (id) {
    case FN_START:
        *ret = (double)t->start_ms / 1000;
        return true;
    case FN_END:
        *ret = (double)t->end_ms / 1000;
        return true;
    case FN_RANGE:
        *ret = ms_to_seconds(t->end_ms - t->start_ms);
        return true;
    case FN_STEP:
        *ret = t->start_ms == t->end_ms ? 0 : ms_to_seconds(t->step_ms);
        return true;
    default:
        return false;
    }
}

static fer_code make_call(planner *pl, plan *p, bool *ret_wrap)
{
    const expr_call *c = &p->e->u.call;
    if (fold_query_time(pl, c->fn->id, &p->number)) {
        p->kind = EXPR_NUMBER;
        p->invariant = true;
        return FER_OK;
    }
    FER_TRY(alloc_args(pl, p, c->n_args));
    bool all_invariant = true, wrap = false;
    bool raw_times =
        c->fn->id == FN_TIMESTAMP; /* timestamp(x @ t): sample times, they stand still */
    for (size_t i = 0; i < c->n_args; i++) {
        FER_TRY(make(pl, c->args[i], str_of(c->fn->name), &p->args[i], &wrap));
        p->args[i]->once = wrap;
        all_invariant = all_invariant && p->args[i]->invariant;
        raw_times = raw_times && p->args[i]->invariant && p->args[i]->kind == EXPR_SELECTOR;
    }
    p->invariant = (all_invariant && !follows_time(c->fn->id)) || raw_times;
    *ret_wrap = p->invariant;
    for (size_t i = 0; i < c->n_args && p->invariant; i++)
        p->args[i]->once = false; /* the call as a whole is */
    return FER_OK;
}

static fer_code make_aggregate(planner *pl, plan *p, bool *ret_wrap)
{
    const expr_aggregate *g = &p->e->u.aggregate;
    fer_str hint = str_of(agg_text(g->op));
    if (g->param != NULL) {
        bool wrap = false;
        FER_TRY(make(pl, g->param, hint, &p->param, &wrap));
        p->param->once = wrap;
    }
    FER_TRY(alloc_args(pl, p, 1));
    FER_TRY(make(pl, g->e, hint, &p->args[0], ret_wrap));
    p->invariant = p->args[0]->invariant;
    return FER_OK;
}

static fer_code make_binary(planner *pl, plan *p, bool *ret_wrap)
{
    bool wrap_l = false, wrap_r = false;
    FER_TRY(alloc_args(pl, p, 2));
    FER_TRY(make(pl, p->e->u.binary.l, (fer_str){"", 0}, &p->args[0], &wrap_l));
    FER_TRY(make(pl, p->e->u.binary.r, (fer_str){"", 0}, &p->args[1], &wrap_r));
    p->invariant = p->args[0]->invariant && p->args[1]->invariant;
    *ret_wrap = p->invariant;
    if (!p->invariant) {
        p->args[0]->once = wrap_l;
        p->args[1]->once = wrap_r;
    }
    return FER_OK;
}

static fer_code make_unary(planner *pl, fer_str hint, plan *p, bool *ret_wrap)
{
    FER_TRY(alloc_args(pl, p, 1));
    FER_TRY(make(pl, p->e->u.unary.e, hint, &p->args[0], ret_wrap));
    p->invariant = p->args[0]->invariant;
    return FER_OK;
}

static fer_code make_node(planner *pl, fer_str hint, plan *p, bool *ret_wrap)
{
    switch (p->kind) {
    case EXPR_NUMBER:
        p->number = p->e->u.number.v;
        p->invariant = true;
        return FER_OK;
    case EXPR_STRING:
        p->invariant = true;
        return FER_OK;
    case EXPR_SELECTOR:
        return make_selector(pl, hint, p, ret_wrap);
    case EXPR_MATRIX:
        return make_matrix(pl, hint, p);
    case EXPR_SUBQUERY:
        return make_subquery(pl, hint, p);
    case EXPR_CALL:
        return make_call(pl, p, ret_wrap);
    case EXPR_AGGREGATE:
        return make_aggregate(pl, p, ret_wrap);
    case EXPR_BINARY:
        return make_binary(pl, p, ret_wrap);
    case EXPR_UNARY:
        return make_unary(pl, hint, p, ret_wrap);
    case EXPR_PAREN:
        break;
    }
    return fer_fail(pl->err, FER_INVALID, "unhandled expression");
}

static fer_code make(planner *pl, const expr *e, fer_str hint, plan **ret, bool *ret_wrap)
{
    plan *p = ARENA_NEW(pl->a, plan);
    if (p == NULL)
        return no_memory(pl);
    p->e = unparen(e);
    p->kind = p->e->kind;
    p->type = p->e->type;
    p->pos = p->e->pos;
    *ret_wrap = false;
    FER_TRY(make_node(pl, hint, p, ret_wrap));
    p->order = pl->order++;
    *ret = p;
    return FER_OK;
}

/* Below histogram_count() and its kin selectors need no buckets, unless something between them or further
 * up does; a subquery needs them to find counter resets. */
static void mark_counts(plan *p, bool counts)
{
    bool needs_buckets = p->kind == EXPR_SUBQUERY;
    if (p->kind == EXPR_BINARY)
        needs_buckets = p->e->u.binary.op == OP_TRIM_LOWER || p->e->u.binary.op == OP_TRIM_UPPER;
    if (p->kind == EXPR_CALL) {
        function_id id = p->e->u.call.fn->id;
        counts =
            counts || id == FN_HISTOGRAM_COUNT || id == FN_HISTOGRAM_SUM || id == FN_HISTOGRAM_AVG;
        needs_buckets = id == FN_HISTOGRAM_QUANTILE || id == FN_HISTOGRAM_QUANTILES ||
                        id == FN_HISTOGRAM_FRACTION;
    }
    if (needs_buckets)
        return;
    p->counts_only = counts;
    for (size_t i = 0; i < p->n_args; i++)
        mark_counts(p->args[i], counts);
    if (p->param != NULL)
        mark_counts(p->param, false);
}

fer_code promql_prepare(const expr *e, const plan_times *t, fer_arena *a, plan **ret, fer_err *err)
{
    planner pl = {.t = t, .a = a, .err = err};
    plan *p = NULL;
    bool wrap = false;
    FER_TRY(make(&pl, e, (fer_str){"", 0}, &p, &wrap));
    p->once = wrap;
    mark_counts(p, false);
    *ret = p;
    return FER_OK;
}

/* promql.c - one query from its tree to its result. */
#include "promql/promql.h"

#include "promql/exec/result.h"
#include "promql/exec/source.h"

enum { LOOKBACK_MS = 5 * 60 * 1000, SUBQUERY_STEP_MS = 60 * 1000, MAX_SAMPLES = 50 * 1000 * 1000 };

typedef struct run {
    query q;
    plan *p;
    grid g;
    counter count;
    oper *of;
    raw_range *raw;
    uint64_t t0, t_prepared, t_evaluated; /* ns */
} run;

static plan_times times_of(const promql_limits *l, const promql_params *p)
{
    return (plan_times){
        .start_ms = p->start_ms,
        .end_ms = p->step_ms == 0 ? p->start_ms : p->end_ms,
        .step_ms = p->step_ms,
        .default_subquery_step_ms =
            l->default_subquery_step_ms > 0 ? l->default_subquery_step_ms : SUBQUERY_STEP_MS,
    };
}

static fer_code check_type(const promql_params *p, fer_err *err)
{
    value_type t = p->e->type;
    if (p->step_ms != 0 && t != VALUE_VECTOR && t != VALUE_SCALAR)
        return fer_fail(err, FER_INVALID,
                        "invalid expression type \"%s\" for range query, must be Scalar or instant "
                        "Vector",
                        value_type_text(t));
    return FER_OK;
}

fer_code promql_check(const promql_limits *limits, const promql_params *p, fer_arena *a,
                      fer_err *err)
{
    plan_times t = times_of(limits, p);
    plan *made;
    FER_TRY(check_type(p, err));
    return promql_prepare(p->e, &t, a, &made, err);
}

static uint64_t now_ns(void)
{
    fer_clock *c = fer_clock_system();
    return c->mono_ns(c);
}

static fer_code known_symbols(query *q)
{
    q->sym_name = query_sym(q, STR("__name__"));
    q->sym_type = query_sym(q, STR("__type__"));
    q->sym_unit = query_sym(q, STR("__unit__"));
    q->sym_le = query_sym(q, STR("le"));
    bool ok = q->sym_name != SYM_NONE && q->sym_type != SYM_NONE && q->sym_unit != SYM_NONE &&
              q->sym_le != SYM_NONE;
    return ok ? FER_OK : QUERY_NOMEM(q);
}

static fer_code begin(run *r, const promql_limits *limits, storage *st, const query_ctx *ctx,
                      const promql_params *p, fer_err *err)
{
    query *q = &r->q;
    q->limits = limits;
    q->params = p;
    q->st = st;
    q->ctx = *ctx;
    q->err = err;
    q->mint = INT64_MAX;
    q->maxt = INT64_MIN;
    q->max_samples = limits->max_samples != 0 ? limits->max_samples : MAX_SAMPLES;
    q->lookback_ms = p->lookback_ms > 0        ? p->lookback_ms
                     : limits->lookback_ms > 0 ? limits->lookback_ms
                                               : LOOKBACK_MS;
    q->scratch = fer_arena_new(ctx->acct, 0);
    q->annos = annotations_new(q->scratch);
    if (q->annos == NULL)
        return fer_fail_budget(err, "query");
    return known_symbols(q);
}

static fer_code per_step_counts(run *r)
{
    if (!r->q.limits->features.per_step_stats)
        return FER_OK;
    r->count.total_at = ARENA_ARRAY(r->q.ctx.arena, uint64_t, r->g.n);
    r->count.read_at = ARENA_ARRAY(r->q.ctx.arena, uint64_t, r->g.n);
    if (r->count.total_at == NULL || r->count.read_at == NULL)
        return fer_fail_budget(r->q.err, "query");
    return FER_OK;
}

static fer_code prepare(run *r)
{
    query *q = &r->q;
    const promql_params *p = q->params;
    plan_times t = times_of(q->limits, p);
    FER_TRY(query_check(q));
    FER_TRY(check_type(p, q->err));
    FER_TRY(promql_prepare(p->e, &t, q->scratch, &r->p, q->err));
    FER_TRY(query_grid(q, t.start_ms, t.end_ms, p->step_ms == 0 ? 1 : p->step_ms, &r->g));
    FER_TRY(per_step_counts(r));
    eval_ctx ec = {.g = &r->g, .count = &r->count};
    if (r->p->kind == EXPR_MATRIX || r->p->kind == EXPR_SUBQUERY)
        FER_TRY(raw_range_build(q, r->p, ec, &r->raw));
    else if (r->p->kind != EXPR_STRING)
        FER_TRY(oper_build(q, r->p, ec, &r->of));
    return sources_open(q);
}

static fer_code collect(run *r, result_builder *b)
{
    if (r->raw != NULL)
        return raw_range_run(r->raw, b);
    query *q = &r->q;
    bool delayed = q->limits->features.delayed_name_removal;
    lset_buf stripped = {0};
    vec v;
    fer_code c;
    while ((c = oper_next(r->of, &v)) == FER_OK) {
        FER_TRY(query_work(q, r->g.n));
        if (delayed && v.drop_name) {
            FER_TRY(lset_drop_metric(q, &stripped, v.labels));
            v.labels = lset_of(&stripped);
        }
        FER_TRY(oper_fail_behind(r->of, result_add(b, &v)));
    }
    return c == FER_END ? FER_OK : c;
}

static bool keeps_order(const plan *p)
{
    if (p->kind == EXPR_AGGREGATE)
        return p->e->u.aggregate.op == AGG_TOPK || p->e->u.aggregate.op == AGG_BOTTOMK;
    if (p->kind != EXPR_CALL)
        return false;
    function_id id = p->e->u.call.fn->id;
    return id == FN_SORT || id == FN_SORT_DESC || id == FN_SORT_BY_LABEL ||
           id == FN_SORT_BY_LABEL_DESC;
}

static fer_code evaluate(run *r, promql_result *ret)
{
    query *q = &r->q;
    bool instant = q->params->step_ms == 0;
    ret->t = r->g.start;
    ret->type = instant ? r->p->type : VALUE_MATRIX;
    if (r->p->kind == EXPR_STRING) {
        ret->string = fer_arena_dup(q->ctx.arena, r->p->e->u.string);
        return ret->string.p == NULL ? fer_fail_budget(q->err, "query result") : FER_OK;
    }
    if (ret->type == VALUE_SCALAR) {
        const double *v;
        FER_TRY(oper_scalar(r->of, &v));
        ret->scalar = v[0];
        return FER_OK;
    }
    result_builder b;
    bool merge = r->raw == NULL && (!r->of->unique || q->limits->features.delayed_name_removal);
    result_begin(&b, q, &r->g, merge);
    FER_TRY(collect(r, &b));
    FER_TRY(query_check(q));
    r->t_evaluated = now_ns();
    ret->ordered = instant && keeps_order(r->p);
    return result_finish(&b, ret->type == VALUE_MATRIX, ret);
}

static fer_code add_warnings(run *r, promql_result *ret)
{
    query *q = &r->q;
    FER_TRY(annotations_texts(q->annos, q->params->text, q->ctx.arena, &ret->warnings, &ret->infos,
                              q->err));
    for (size_t i = 0; q->querier != NULL && i < q->querier->warnings.n; i++)
        FER_TRY(str_list_add(&ret->warnings, q->ctx.arena, q->querier->warnings.v[i], q->err));
    return FER_OK;
}

static void take_stats(run *r, promql_stats *s)
{
    uint64_t end = now_ns();
    s->total_samples = r->count.total;
    s->samples_read = r->count.read;
    s->peak_samples = r->q.peak;
    s->total_per_step = r->count.total_at;
    s->read_per_step = r->count.read_at;
    s->n_steps = r->count.total_at == NULL ? 0 : r->g.n;
    if (r->t_evaluated == 0)
        r->t_evaluated = end;
    s->prepare_ns = r->t_prepared - r->t0;
    s->inner_eval_ns = r->t_evaluated - r->t_prepared;
    s->sort_ns = end - r->t_evaluated;
}

static fer_code run_query(run *r, promql_result *ret)
{
    r->t0 = now_ns();
    FER_TRY(prepare(r));
    r->t_prepared = now_ns();
    FER_TRY(evaluate(r, ret));
    FER_TRY(add_warnings(r, ret));
    take_stats(r, &ret->stats);
    return FER_OK;
}

fer_code promql_exec(const promql_limits *limits, storage *st, const query_ctx *ctx,
                     const promql_params *p, promql_result **ret, fer_err *err)
{
    run r = {0};
    fer_err own;
    promql_result *result = ARENA_NEW(ctx->arena, promql_result);
    if (result == NULL)
        return fer_fail_budget(err, "query result");
    fer_code c = begin(&r, limits, st, ctx, p, err == NULL ? &own : err);
    if (c == FER_OK)
        c = run_query(&r, result);
    fer_arena_free(r.q.scratch);
    sources_close(&r.q);
    if (c == FER_OK)
        *ret = result;
    return c;
}

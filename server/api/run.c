/* run.c - per-request reading state. */
#include "server/api/run.h"

#include "server/config/live.h"

query_run *query_run_new(app *a, http_req *r, int64_t timeout_ms)
{
    query_run *q = fer_calloc(1, sizeof *q);
    q->a = a;
    fer_account_init(&q->acct, "query", &a->memory_queries, 0);
    q->arena = fer_arena_new(&q->acct, 0);
    q->config = live_config_take(a->config);
    q->limits = a->limits;
    q->limits.default_subquery_step_ms = config_evaluation_interval_ms(q->config);
    fer_cancel *token = http_req_cancel(r);
    if (timeout_ms < 0)
        timeout_ms = 0;
    else if (timeout_ms == 0 || timeout_ms > a->o.query_timeout_ms)
        timeout_ms = a->o.query_timeout_ms;
    token->clock = a->clock;
    token->deadline_ns = a->clock->mono_ns(a->clock) + (uint64_t)timeout_ms * 1000000u;
    q->ctx = (query_ctx){
        .arena = q->arena,
        .acct = &q->acct,
        .syms = syms_new(q->arena),
        .cancel = token,
    };
    return q;
}

void query_run_free(query_run *q)
{
    if (q == NULL)
        return;
    fer_arena_free(q->arena);
    config_free(q->config);
    fer_free(q);
}

static bool all_match_empty(const match_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (!matcher_matches_empty(&s->m[i]))
            return false;
    return true;
}

fer_code api_selectors(query_run *q, http_req *r, match_set **ret, size_t *ret_n, fer_err *err)
{
    const fer_str *texts;
    size_t n = http_req_params(r, "match[]", &texts);
    match_set *sets = ARENA_ARRAY(q->arena, match_set, n);
    if (sets == NULL)
        return fer_fail_budget(err, "match[]");
    for (size_t i = 0; i < n; i++) {
        FER_TRY(promql_parse_selector(texts[i], q->arena, &sets[i].m, &sets[i].n, err));
    }
    *ret = sets;
    *ret_n = n;
    return FER_OK;
}

fer_code api_matchers(query_run *q, http_req *r, match_set **ret, size_t *ret_n, fer_err *err)
{
    FER_TRY(api_selectors(q, r, ret, ret_n, err));
    for (size_t i = 0; i < *ret_n; i++)
        if (all_match_empty(&(*ret)[i]))
            return fer_fail(err, FER_INVALID,
                            "match[] must contain at least one non-empty matcher");
    return FER_OK;
}

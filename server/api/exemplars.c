/* exemplars.c - the parameters of a call for exemplars, checked as Prometheus checks them. */
#include "server/api/exemplars.h"

#include "server/api/params.h"
#include "server/api/reply.h"
#include "server/api/run.h"

/* Whether the query reads any series. The parser bounds the depth. */
static bool has_selector(const expr *e)
{
    switch (e->kind) {
    case EXPR_SELECTOR:
    case EXPR_MATRIX:
        return true;
    case EXPR_SUBQUERY:
        return has_selector(e->u.subquery.e);
    case EXPR_CALL:
        for (size_t i = 0; i < e->u.call.n_args; i++)
            if (has_selector(e->u.call.args[i]))
                return true;
        return false;
    case EXPR_AGGREGATE:
        return has_selector(e->u.aggregate.e) ||
               (e->u.aggregate.param != NULL && has_selector(e->u.aggregate.param));
    case EXPR_BINARY:
        return has_selector(e->u.binary.l) || has_selector(e->u.binary.r);
    case EXPR_UNARY:
        return has_selector(e->u.unary.e);
    case EXPR_PAREN:
        return has_selector(e->u.paren);
    default:
        return false;
    }
}

static fer_code check_times(http_req *r, fer_err *err)
{
    int64_t start, end;
    FER_TRY(api_time_param(r, "start", API_MIN_TIME_MS, &start, err));
    FER_TRY(api_time_param(r, "end", API_MAX_TIME_MS, &end, err));
    if (end < start)
        return fer_fail(err, FER_INVALID, "end timestamp must not be before start timestamp");
    return FER_OK;
}

void api_query_exemplars(http_req *r, void *arg)
{
    app *a = arg;
    fer_err err;
    if (check_times(r, &err) != FER_OK) {
        api_error(r, API_BAD_DATA, "%s", err.msg);
        return;
    }
    expr *e;
    query_run *run = query_run_new(a, r, 0);
    if (promql_parse(http_req_param(r, "query"), &a->limits.features, run->arena, &e, &err) !=
        FER_OK)
        api_error(r, API_BAD_DATA, "%s", err.msg);
    else if (!has_selector(e))
        http_reply(r, 204, NULL, (fer_str){NULL, 0});
    else
        api_data(r, "[]");
    query_run_free(run);
}

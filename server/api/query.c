/* query.c - instant and range queries: parameters, gate, engine, answer. */
#include "server/api/query.h"

#include "base/thread.h"
#include "server/api/active.h"
#include "server/api/client_costs.h"
#include "server/api/gate.h"
#include "server/api/params.h"
#include "server/api/query_log.h"
#include "server/api/query_times.h"
#include "server/api/reply.h"
#include "server/api/result_json.h"

enum { POINTS_MAX = 11000 };

typedef struct query_request {
    bool range;
    fer_str text;
    int64_t start_ms, end_ms, step_ms;
    int64_t timeout_ms, lookback_ms;
    uint64_t limit;
    fer_str stats;
} query_request;

static _Atomic uint64_t total_count, total_samples, total_queue_ns, total_prepare_ns, total_eval_ns,
    total_sort_ns, total_cpu_ns, total_read, total_peak_bytes, total_failed, total_canceled,
    total_timed_out;

void api_query_totals(query_totals *ret)
{
    *ret = (query_totals){
        .count = atomic_load(&total_count),
        .samples = atomic_load(&total_samples),
        .queue_s = (double)atomic_load(&total_queue_ns) / 1e9,
        .prepare_s = (double)atomic_load(&total_prepare_ns) / 1e9,
        .inner_eval_s = (double)atomic_load(&total_eval_ns) / 1e9,
        .sort_s = (double)atomic_load(&total_sort_ns) / 1e9,
        .cpu_s = (double)atomic_load(&total_cpu_ns) / 1e9,
        .samples_read = atomic_load(&total_read),
        .peak_bytes = atomic_load(&total_peak_bytes),
        .failed = atomic_load(&total_failed),
        .canceled = atomic_load(&total_canceled),
        .timed_out = atomic_load(&total_timed_out),
    };
}

static fer_code duration_param(http_req *r, const char *name, int64_t *ret, fer_err *err)
{
    fer_str s = http_req_param(r, name);
    *ret = 0;
    if (s.n == 0)
        return FER_OK;
    fer_code c = api_parse_duration(s, ret, err);
    if (c != FER_OK)
        fer_err_prefix(err, "invalid parameter \"%s\"", name);
    return c;
}

static fer_code required_time(http_req *r, const char *name, int64_t *ret, fer_err *err)
{
    fer_code c = api_parse_time(http_req_param(r, name), ret, err);
    if (c != FER_OK)
        fer_err_prefix(err, "invalid parameter \"%s\"", name);
    return c;
}

static fer_code range_params(http_req *r, query_request *q, fer_err *err)
{
    FER_TRY(required_time(r, "start", &q->start_ms, err));
    FER_TRY(required_time(r, "end", &q->end_ms, err));
    if (q->end_ms < q->start_ms)
        return fer_fail(err, FER_INVALID,
                        "invalid parameter \"end\": end timestamp must not be before start time");
    if (api_parse_duration(http_req_param(r, "step"), &q->step_ms, err) != FER_OK) {
        fer_err_prefix(err, "invalid parameter \"step\"");
        return FER_INVALID;
    }
    if (q->step_ms <= 0)
        return fer_fail(
            err, FER_INVALID,
            "invalid parameter \"step\": zero or negative query resolution step widths are not "
            "accepted. Try a positive integer");
    uint64_t span = (uint64_t)q->end_ms - (uint64_t)q->start_ms;
    if (span / (uint64_t)q->step_ms > POINTS_MAX)
        return fer_fail(
            err, FER_INVALID,
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
            "resolution (?step=XX)");
    return FER_OK;
}

static fer_code instant_params(app *a, http_req *r, query_request *q, fer_err *err)
{
    FER_TRY(api_time_param(r, "time", a->clock->wall_ms(a->clock), &q->start_ms, err));
    q->end_ms = q->start_ms;
    return FER_OK;
}

static fer_code read_params(app *a, http_req *r, query_request *q, fer_err *err)
{
    q->text = http_req_param(r, "query");
    q->stats = http_req_param(r, "stats");
    FER_TRY(api_limit_param(r, &q->limit, err));
    FER_TRY(q->range ? range_params(r, q, err) : instant_params(a, r, q, err));
    FER_TRY(duration_param(r, "timeout", &q->timeout_ms, err));
    if (q->timeout_ms == 0 && http_req_param(r, "timeout").n != 0)
        q->timeout_ms = -1;
    fer_str lookback = http_req_param(r, "lookback_delta");
    if (lookback.n != 0 && api_parse_duration(lookback, &q->lookback_ms, err) != FER_OK) {
        fer_err_prefix(err, "error parsing lookback delta duration");
        return FER_INVALID;
    }
    if (q->lookback_ms < 0)
        q->lookback_ms = 0;
    return FER_OK;
}

static promql_params params_of(const query_request *q, expr *e)
{
    return (promql_params){
        .text = q->text,
        .e = e,
        .start_ms = q->start_ms,
        .end_ms = q->end_ms,
        .step_ms = q->step_ms,
        .lookback_ms = q->lookback_ms,
    };
}

static fer_code parse_query(query_run *run, const query_request *q, expr **ret, fer_err *err)
{
    FER_TRY(promql_parse(q->text, &run->a->limits.features, run->arena, ret, err));
    promql_params p = params_of(q, *ret);
    return promql_check(&run->limits, &p, run->arena, err);
}

/* Cuts the series beyond the limit and says so. */
static fer_code apply_limit(query_run *run, promql_result *res, uint64_t limit, fer_err *err)
{
    bool list = res->type == VALUE_VECTOR || res->type == VALUE_MATRIX;
    if (limit == 0 || !list || res->n_series <= limit)
        return FER_OK;
    res->n_series = limit;
    return str_list_add(&res->warnings, run->arena, API_TRUNCATED, err);
}

/* Query workers that a query may borrow, as long as no more are at work than there are processors. */
typedef struct query_helpers {
    promql_helpers base;
    http_server *http;
    unsigned processors;
} query_helpers;

static bool lend_worker(promql_helpers *h, void (*run)(void *arg), void *arg)
{
    const query_helpers *of = (const query_helpers *)h;
    return http_server_lend(of->http, of->processors, run, arg);
}

static bool may_keep_worker(promql_helpers *h)
{
    const query_helpers *of = (const query_helpers *)h;
    return http_server_may_keep(of->http, of->processors);
}

static query_helpers helpers_of(const app *a)
{
    return (query_helpers){
        .base = {.max = a->processors - 1, .lend = lend_worker, .keep = may_keep_worker},
        .http = a->http,
        .processors = a->processors};
}

/* One query between its arrival and its result. */
typedef struct attempt {
    query_run *run;
    const query_request *q;
    expr *e;
    active_query active;
    uint64_t client;
    uint64_t t0, t1, t2; /* came, was let in, ended */
    uint64_t cpu_ns;
} attempt;

/* Waits for a place and evaluates. */
static fer_code evaluate(attempt *at, promql_result **ret, fer_err *err)
{
    query_run *run = at->run;
    app *a = run->a;
    at->t0 = at->t1 = at->t2 = a->clock->mono_ns(a->clock);
    fer_code c = fer_cancel_check(run->ctx.cancel);
    if (c == FER_OK)
        c = query_gate_enter(a->gate, at->client, run->ctx.cancel);
    at->t1 = at->t2 = a->clock->mono_ns(a->clock);
    if (c != FER_OK)
        return fer_fail(err, c,
                        c == FER_TIMEOUT ? "query timed out in query queue"
                                         : "query was canceled in query queue");
    active_start(a->active, &at->active);
    query_helpers helpers = helpers_of(a);
    promql_params p = params_of(at->q, at->e);
    p.helpers = &helpers.base;
    uint64_t cpu = fer_thread_cpu_ns();
    c = promql_exec(&run->limits, tsdb_storage(app_db(a)), &run->ctx, &p, ret, err);
    at->cpu_ns = fer_thread_cpu_ns() - cpu + atomic_load(&helpers.base.cpu_ns);
    at->t2 = a->clock->mono_ns(a->clock);
    return c;
}

static void count_end(const attempt *at, fer_code c, const promql_stats *s)
{
    uint64_t now = at->t2;
    atomic_fetch_add(&total_count, 1);
    atomic_fetch_add(&total_queue_ns, at->t1 - at->t0);
    atomic_fetch_add(&total_cpu_ns, at->cpu_ns);
    atomic_fetch_add(&total_peak_bytes, (uint64_t)fer_account_peak(&at->run->acct));
    query_times_note(QUERY_SLICE_QUEUE, at->t1 - at->t0, now);
    if (c != FER_OK) {
        atomic_fetch_add(c == FER_CANCELED  ? &total_canceled
                         : c == FER_TIMEOUT ? &total_timed_out
                                            : &total_failed,
                         1);
        return;
    }
    atomic_fetch_add(&total_samples, s->total_samples);
    atomic_fetch_add(&total_read, s->samples_read);
    atomic_fetch_add(&total_prepare_ns, s->prepare_ns);
    atomic_fetch_add(&total_eval_ns, s->inner_eval_ns);
    atomic_fetch_add(&total_sort_ns, s->sort_ns);
    query_times_note(QUERY_SLICE_PREPARE, s->prepare_ns, now);
    query_times_note(QUERY_SLICE_INNER_EVAL, s->inner_eval_ns, now);
    query_times_note(QUERY_SLICE_SORT, s->sort_ns, now);
}

/* s NULL: it failed. */
static void fill_stats(const attempt *at, const promql_stats *s, result_stats *st)
{
    st->queue_s = (double)(at->t1 - at->t0) / 1e9;
    st->eval_total_s = (double)(at->t2 - at->t1) / 1e9;
    st->exec_total_s = (double)(at->t2 - at->t0) / 1e9;
    st->cpu_s = (double)at->cpu_ns / 1e9;
    st->peak_bytes = (uint64_t)fer_account_peak(&at->run->acct);
    if (s == NULL)
        return;
    st->prepare_s = (double)s->prepare_ns / 1e9;
    st->inner_eval_s = (double)s->inner_eval_ns / 1e9;
    st->sort_s = (double)s->sort_ns / 1e9;
}

static fer_str host_of(fer_str remote)
{
    size_t n = remote.n;
    while (n > 0 && remote.p[n - 1] != ':')
        n--;
    if (n > 2 && remote.p[0] == '[')
        return (fer_str){remote.p + 1, n - 3};
    return (fer_str){remote.p, n == 0 ? remote.n : n - 1};
}

static void log_query(http_req *r, const attempt *at, const result_stats *st,
                      const promql_stats *counts, const fer_err *err)
{
    app *a = at->run->a;
    const query_request *q = at->q;
    if (!query_log_enabled(a->query_log))
        return;
    result_stats whole = *st;
    fer_buf stats;
    whole.cost_shown = true;
    fer_buf_init(&stats, 1 << 20, NULL);
    result_stats_put(&stats, &whole, counts, q->start_ms, q->step_ms);
    query_log_line line = {
        .query = q->text,
        .error = counts == NULL ? str_of(err->msg) : (fer_str){"", 0},
        .start_ms = q->start_ms,
        .end_ms = q->end_ms,
        .step_ms = q->step_ms,
        .stats = fer_buf_str(&stats),
        .client_ip = host_of(http_req_remote(r)),
        .path = http_req_path(r),
        .method = http_req_method(r) == HTTP_POST ? "POST" : "GET",
    };
    query_log_write(a->query_log, &line);
    fer_buf_done(&stats);
}

/* Runs within the gate and tells it everywhere; fills the timings. */
static fer_code execute(http_req *r, query_run *run, const query_request *q, expr *e,
                        promql_result **ret, result_stats *st, fer_err *err)
{
    app *a = run->a;
    attempt at = {.run = run,
                  .q = q,
                  .e = e,
                  .client = client_key(r),
                  .active = {.text = q->text,
                             .client = client_name(r),
                             .path = http_req_path(r),
                             .start_ms = q->start_ms,
                             .end_ms = q->end_ms,
                             .step_ms = q->step_ms,
                             .token = http_req_cancel(r),
                             .account = &run->acct}};
    active_add(a->active, &at.active);
    fer_code c = evaluate(&at, ret, err);
    bool was_let_in = at.active.running;
    active_remove(a->active, &at.active);
    if (was_let_in)
        query_gate_leave(a->gate);
    client_costs_add(a->costs, at.client, at.cpu_ns);
    const promql_stats *counts = c == FER_OK ? &(*ret)->stats : NULL;
    count_end(&at, c, counts);
    fill_stats(&at, counts, st);
    log_query(r, &at, st, counts, err);
    return c;
}

static void run_query(http_req *r, app *a, query_request *q)
{
    fer_err err = {0};
    if (read_params(a, r, q, &err) != FER_OK) {
        api_error(r, API_BAD_DATA, "%s", err.msg);
        return;
    }
    query_run *run = query_run_new(a, r, q->timeout_ms);
    expr *e;
    if (parse_query(run, q, &e, &err) != FER_OK) {
        api_error(r, API_BAD_DATA, "invalid parameter \"query\": %s", err.msg);
        query_run_free(run);
        return;
    }
    promql_result *res;
    result_stats st = {
        .shown = q->stats.n != 0,
        .per_step = a->limits.features.per_step_stats && str_eq(q->stats, STR("all")),
        .cost_shown = str_eq(q->stats, STR("all")),
    };
    fer_code c = execute(r, run, q, e, &res, &st, &err);
    if (c == FER_OK)
        c = apply_limit(run, res, q->limit, &err);
    if (c != FER_OK) {
        api_exec_error(r, c, &err);
        query_run_free(run);
        return;
    }
    result_send(r, run, res, &st, q->start_ms, q->step_ms);
}

void api_query(http_req *r, void *arg)
{
    query_request q = {.range = false};
    run_query(r, arg, &q);
}

void api_query_range(http_req *r, void *arg)
{
    query_request q = {.range = true};
    run_query(r, arg, &q);
}

/* shapes.c - small and empty answers. */
#include "server/api/shapes.h"

#include "base/num.h"
#include "base/text.h"
#include "server/api/params.h"
#include "server/api/reply.h"
#include "server/api/run.h"
#include "server/remote/write.h"

typedef struct metadata_answer {
    fer_buf out;
    int64_t left; /* families still to tell; -1 all */
    bool any;
    bool per_metric_none; /* limit_per_metric=0 */
} metadata_answer;

static bool put_family(void *arg, const metadata_family *m)
{
    metadata_answer *w = arg;
    if (w->left == 0)
        return false;
    if (w->left > 0)
        w->left--;
    if (w->any)
        fer_buf_putc(&w->out, ',');
    w->any = true;
    text_json(&w->out, m->family);
    fer_buf_printf(&w->out, ":[");
    if (!w->per_metric_none) {
        fer_buf_printf(&w->out, "{\"type\":\"%s\",\"unit\":", metadata_type_name(m->type));
        text_json(&w->out, m->unit);
        fer_buf_puts(&w->out, STR(",\"help\":"));
        text_json(&w->out, m->help);
        fer_buf_putc(&w->out, '}');
    }
    fer_buf_putc(&w->out, ']');
    return true;
}

static bool count_param(http_req *r, const char *name, int64_t *ret)
{
    fer_str s = http_req_param(r, name);
    *ret = -1;
    if (s.n == 0 || num_parse_i64(s, ret))
        return true;
    api_error(r, API_BAD_DATA, "%s must be a number", name);
    return false;
}

void api_metadata(http_req *r, void *arg)
{
    app *a = arg;
    metadata_answer w = {.any = false};
    int64_t per_metric;
    if (!count_param(r, "limit", &w.left) || !count_param(r, "limit_per_metric", &per_metric))
        return;
    w.per_metric_none = per_metric == 0;
    if (w.left <= 0) /* 0 means no limit here, as in Prometheus */
        w.left = -1;
    api_begin(&w.out);
    fer_buf_putc(&w.out, '{');
    metadata_store_each(rw_metadata_store(a->receiver), http_req_param(r, "metric"), put_family,
                        &w);
    fer_buf_putc(&w.out, '}');
    api_end(r, &w.out, NULL);
}

void api_query_exemplars(http_req *r, void *arg)
{
    app *a = arg;
    int64_t start, end;
    fer_err err;
    fer_code c = api_time_param(r, "start", API_MIN_TIME_MS, &start, &err);
    if (c == FER_OK)
        c = api_time_param(r, "end", API_MAX_TIME_MS, &end, &err);
    if (c != FER_OK) {
        api_error(r, API_BAD_DATA, "%s", err.msg);
        return;
    }
    if (end < start) {
        api_error(r, API_BAD_DATA,
                  "invalid parameter \"end\": end timestamp must not be before start timestamp");
        return;
    }
    expr *e;
    query_run *run = query_run_new(a, r, 0);
    if (promql_parse(http_req_param(r, "query"), &a->limits.features, run->arena, &e, &err) !=
        FER_OK)
        api_error(r, API_BAD_DATA, "%s", err.msg);
    else
        api_data(r, "[]");
    query_run_free(run);
}

void api_rules(http_req *r, void *arg)
{
    (void)arg;
    api_data(r, "{\"groups\":[]}");
}

void api_alerts(http_req *r, void *arg)
{
    (void)arg;
    api_data(r, "{\"alerts\":[]}");
}

void api_targets(http_req *r, void *arg)
{
    (void)arg;
    fer_str state = http_req_param(r, "state");
    bool active_only = str_eq(state, STR("active"));
    api_data(r, active_only
                    ? "{\"activeTargets\":[],\"droppedTargets\":[],\"droppedTargetCounts\":null}"
                    : "{\"activeTargets\":[],\"droppedTargets\":[],\"droppedTargetCounts\":{}}");
}

void api_targets_metadata(http_req *r, void *arg)
{
    (void)arg;
    api_data(r, "[]");
}

void api_scrape_pools(http_req *r, void *arg)
{
    (void)arg;
    api_data(r, "{\"scrapePools\":[]}");
}

void api_alertmanagers(http_req *r, void *arg)
{
    (void)arg;
    api_data(r, "{\"activeAlertmanagers\":[],\"droppedAlertmanagers\":[]}");
}

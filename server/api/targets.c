/* targets.c - the parameters of the calls for targets. */
#include "server/api/targets.h"

#include "base/num.h"
#include "base/text.h"
#include "server/api/params.h"
#include "server/api/reply.h"
#include "server/api/run.h"

void api_targets(http_req *r, void *arg)
{
    (void)arg;
    fer_str state = http_req_param(r, "state");
    bool dropped = state.n == 0 || api_is_word(state, "any") || api_is_word(state, "dropped");
    api_data(r, dropped
                    ? "{\"activeTargets\":[],\"droppedTargets\":[],\"droppedTargetCounts\":{}}"
                    : "{\"activeTargets\":[],\"droppedTargets\":[],\"droppedTargetCounts\":null}");
}

void api_targets_metadata(http_req *r, void *arg)
{
    int64_t limit;
    fer_str text = http_req_param(r, "limit"), match = http_req_param(r, "match_target");
    if (text.n != 0 && !num_parse_i64(text, &limit)) {
        api_error(r, API_BAD_DATA, "limit must be a number");
        return;
    }
    fer_err err;
    matcher *m;
    size_t n;
    query_run *run = query_run_new(arg, r, 0);
    if (match.n == 0 || promql_parse_matchers(match, run->arena, &m, &n, &err) == FER_OK)
        api_data(r, "[]");
    else
        api_error(r, API_BAD_DATA, "invalid parameter \"match_target\": %s", err.msg);
    query_run_free(run);
}

void api_scrape_pools(http_req *r, void *arg)
{
    (void)arg;
    api_data(r, "{\"scrapePools\":[]}");
}

/* What Prometheus says of the parameter scrapePool when no pool has that name, as here none has. */
static void no_such_pool(http_req *r, fer_str pool)
{
    fer_buf quoted;
    fer_buf_init(&quoted, 1 << 20, NULL);
    text_quote(&quoted, pool);
    api_error(r, API_BAD_DATA, "error retrieving scrape config: scrape pool %.*s not found",
              STR_FMT(fer_buf_str(&quoted)));
    fer_buf_done(&quoted);
}

void api_scrape_pool_config(http_req *r, void *arg)
{
    (void)arg;
    fer_str pool = http_req_param(r, "scrapePool");
    if (pool.n == 0)
        api_error(r, API_BAD_DATA, "no scrapePool parameter provided");
    else
        no_such_pool(r, pool);
}

void api_relabel_steps(http_req *r, void *arg)
{
    (void)arg;
    fer_str pool = http_req_param(r, "scrapePool");
    if (pool.n == 0)
        api_error(r, API_BAD_DATA, "no scrapePool parameter provided");
    else if (http_req_param(r, "labels").n == 0)
        api_error(r, API_BAD_DATA, "no labels parameter provided");
    else
        no_such_pool(r, pool);
}

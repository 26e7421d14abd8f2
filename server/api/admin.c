#include "server/api/admin.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>

#include "base/rng.h"
#include "server/api/active.h"
#include "server/api/params.h"
#include "server/api/reply.h"
#include "server/api/run.h"

static bool enabled(http_req *r, const app *a)
{
    if (!a->o.enable_admin_api)
        api_error(r, API_UNAVAILABLE, "admin APIs disabled");
    return a->o.enable_admin_api;
}

/* The database, or NULL when the request has been answered. */
static tsdb *admitted(http_req *r, app *a)
{
    if (!enabled(r, a))
        return NULL;
    tsdb *db = app_db(a);
    if (db == NULL)
        api_error(r, API_UNAVAILABLE, "TSDB not ready");
    return db;
}

/* False when the parameters are wrong and the request has been answered. Nothing is deleted then, also of selectors
 * before the wrong one. */
static bool deletion_params(http_req *r, query_run *run, match_set **sets, size_t *n,
                            int64_t *start_ms, int64_t *end_ms)
{
    const fer_str *unused;
    fer_err err;
    const char *before = "";
    fer_code c = http_req_parse_form(r, &err);
    if (c != FER_OK)
        before = "error parsing form values: ";
    if (c == FER_OK && http_req_params(r, "match[]", &unused) == 0)
        c = fer_fail(&err, FER_INVALID, "no match[] parameter provided");
    if (c == FER_OK)
        c = api_time_param(r, "start", API_MIN_TIME_MS, start_ms, &err);
    if (c == FER_OK)
        c = api_time_param(r, "end", API_MAX_TIME_MS, end_ms, &err);
    if (c == FER_OK) {
        before = "invalid parameter \"match[]\": ";
        c = api_selectors(run, r, sets, n, &err);
    }
    if (c != FER_OK)
        api_error(r, API_BAD_DATA, "%s%s", before, err.msg);
    return c == FER_OK;
}

void api_admin_delete_series(http_req *r, void *arg)
{
    app *a = arg;
    tsdb *db = admitted(r, a);
    if (db == NULL)
        return;
    query_run *run = query_run_new(a, r, 0);
    match_set *sets;
    size_t n;
    int64_t start_ms, end_ms;
    if (deletion_params(r, run, &sets, &n, &start_ms, &end_ms)) {
        fer_err err = {0};
        fer_code c = FER_OK;
        for (size_t i = 0; i < n && c == FER_OK; i++)
            c = tsdb_delete_series(db, start_ms, end_ms, sets[i].m, sets[i].n, run->ctx.cancel,
                                   &err);
        if (c != FER_OK)
            api_error(r, API_INTERNAL, "%s", err.msg);
        else
            http_reply(r, 204, NULL, (fer_str){NULL, 0});
    }
    query_run_free(run);
}

void api_admin_clean_tombstones(http_req *r, void *arg)
{
    fer_err err;
    tsdb *db = admitted(r, arg);
    if (db == NULL)
        return;
    if (tsdb_clean_tombstones(db, &err) != FER_OK)
        api_error(r, API_INTERNAL, "%s", err.msg);
    else
        http_reply(r, 204, NULL, (fer_str){NULL, 0});
}

/* What Go's strconv.ParseBool takes; absent is false. */
static bool parse_bool(fer_str s, bool *ret)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
    static const char *const no[] = {"", "0", "f", "F", "FALSE", "false", "False"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (str_eq(s, str_of(yes[i])))
            return *ret = true;
    *ret = false;
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (str_eq(s, str_of(no[i])))
            return true;
    return false;
}

/* 20060102T150405Z-0123456789abcdef */
static void make_name(char *out, size_t n, int64_t now_ms)
{
    time_t now = (time_t)(now_ms / 1000);
    struct tm tm;
    char when[32];
    gmtime_r(&now, &tm);
    size_t len = strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", &tm);
    when[len] = '\0';
    snprintf(out, n, "%s-%016" PRIx64, when, fer_rng_u64(fer_rng_system()) >> 1);
}

void api_admin_snapshot(http_req *r, void *arg)
{
    app *a = arg;
    tsdb *db = admitted(r, a);
    if (db == NULL)
        return;
    bool skip_head;
    fer_str text = http_req_param(r, "skip_head");
    if (!parse_bool(text, &skip_head)) {
        api_error(r, API_BAD_DATA,
                  "invalid parameter \"skip_head\": unable to parse boolean: "
                  "strconv.ParseBool: parsing \"%.*s\": invalid syntax",
                  STR_FMT(text));
        return;
    }
    char name[64], dir[PATH_MAX];
    fer_err err;
    make_name(name, sizeof name, a->clock->wall_ms(a->clock));
    int n = snprintf(dir, sizeof dir, "%s/snapshots/%s", a->o.data_path, name);
    if (n < 0 || (size_t)n >= sizeof dir) {
        api_error(r, API_INTERNAL, "create snapshot directory: the path is too long");
        return;
    }
    if (tsdb_snapshot(db, dir, !skip_head, &err) != FER_OK) {
        api_error(r, API_INTERNAL, "create snapshot: %s", err.msg);
        return;
    }
    char json[96];
    snprintf(json, sizeof json, "{\"name\":\"%s\"}", name);
    api_data(r, json);
}

void api_admin_queries(http_req *r, void *arg)
{
    app *a = arg;
    fer_buf out;
    if (!enabled(r, a))
        return;
    api_begin(&out);
    active_put(a->active, &out);
    api_end(r, &out, NULL);
}

/* Decimal digits; 0 for anything else, which no query has. */
static uint64_t parse_id(fer_str s)
{
    uint64_t id = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || i >= 18)
            return 0;
        id = id * 10 + (uint64_t)(s.p[i] - '0');
    }
    return id;
}

void api_admin_kill_query(http_req *r, void *arg)
{
    app *a = arg;
    if (!enabled(r, a))
        return;
    if (active_kill(a->active, parse_id(http_req_wildcard(r))))
        http_reply(r, 204, NULL, (fer_str){NULL, 0});
    else
        api_error(r, API_NOT_FOUND, "no such query is under way");
}

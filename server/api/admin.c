#include "server/api/admin.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>

#include "base/rng.h"
#include "server/api/reply.h"

/* The database, or NULL when the request has been answered. */
static tsdb *admitted(http_req *r, app *a)
{
    if (!a->o.enable_admin_api) {
        api_error(r, API_UNAVAILABLE, "admin APIs disabled");
        return NULL;
    }
    tsdb *db = app_db(a);
    if (db == NULL)
        api_error(r, API_UNAVAILABLE, "TSDB not ready");
    return db;
}

void api_admin_delete_series(http_req *r, void *arg)
{
    if (admitted(r, arg) != NULL)
        api_error(r, API_EXECUTION, "deleting series is not in this version");
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
                  "invalid parameter \"skip_head\": unable to parse boolean 'skip_head' argument: "
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

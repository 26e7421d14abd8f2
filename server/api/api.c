/* api.c - the table of routes. */
#include "server/api/api.h"

#include "server/api/admin.h"
#include "server/api/exemplars.h"
#include "server/api/federate.h"
#include "server/api/labels.h"
#include "server/api/metadata.h"
#include "server/api/notifications.h"
#include "server/api/openapi.h"
#include "server/api/parse_query.h"
#include "server/api/query.h"
#include "server/api/rules.h"
#include "server/api/search.h"
#include "server/api/status.h"
#include "server/api/targets.h"
#include "server/api/web.h"
#include "server/otlp/receive.h"
#include "server/remote/read.h"
#include "server/remote/write.h"

enum { GET = HTTP_GET, GET_POST = HTTP_GET | HTTP_POST, GET_HEAD = HTTP_GET | HTTP_HEAD };
enum {
    FORM_BYTES_MAX = 1024 * 1024,
    READ_BYTES_MAX = 4 * 1024 * 1024,
    WRITE_BYTES_MAX = 32 * 1024 * 1024
};

/* OPTIONS on any path of the API: origin.c has added what there is to say. */
static void preflight(http_req *r, void *arg)
{
    (void)arg;
    http_reply(r, 204, NULL, (fer_str){NULL, 0});
}

void api_register(app *a)
{
    const http_route routes[] = {
        {"/", GET, HTTP_ON_LOOP, web_start_page, a, 0, "/"},
        {"/-/healthy", GET_HEAD, HTTP_ON_LOOP, web_healthy, a, 0, "/-/healthy"},
        {"/-/ready", GET_HEAD, HTTP_ON_LOOP, web_ready, a, 0, "/-/ready"},
        {"/-/quit", GET, HTTP_ON_LOOP, web_lifecycle_get, a, 0, "/-/quit"},
        {"/-/quit", HTTP_POST | HTTP_PUT, HTTP_ON_LOOP, web_quit, a, 0, "/-/quit"},
        {"/-/reload", GET, HTTP_ON_LOOP, web_lifecycle_get, a, 0, "/-/reload"},
        {"/-/reload", HTTP_POST | HTTP_PUT, HTTP_QUERY, web_reload, a, 0, "/-/reload"},
        {"/federate", GET, HTTP_QUERY, web_federate, a, 0, "/federate"},
        {"/metrics", GET, HTTP_ON_LOOP, web_metrics, a, 0, "/metrics"},
        {"/version", GET, HTTP_ON_LOOP, api_version, a, 0, "/version"},

        {"/api/v1/write", HTTP_POST, HTTP_INGEST, rw_handle, a, WRITE_BYTES_MAX, "/api/v1/write"},
        {"/api/v1/otlp/v1/metrics", HTTP_POST, HTTP_INGEST, otlp_handle, a, WRITE_BYTES_MAX,
         "/api/v1/otlp/v1/metrics"},
        {"/api/v1/read", HTTP_POST, HTTP_QUERY, rr_handle, a, READ_BYTES_MAX, "/api/v1/read"},

        {"/api/v1/query", GET_POST, HTTP_QUERY, api_query, a, FORM_BYTES_MAX, "/api/v1/query"},
        {"/api/v1/query_range", GET_POST, HTTP_QUERY, api_query_range, a, FORM_BYTES_MAX,
         "/api/v1/query_range"},
        {"/api/v1/query_exemplars", GET_POST, HTTP_QUERY, api_query_exemplars, a, FORM_BYTES_MAX,
         "/api/v1/query_exemplars"},
        {"/api/v1/format_query", GET_POST, HTTP_QUERY, api_format_query, a, FORM_BYTES_MAX,
         "/api/v1/format_query"},
        {"/api/v1/parse_query", GET_POST, HTTP_QUERY, api_parse_query, a, FORM_BYTES_MAX,
         "/api/v1/parse_query"},
        {"/api/v1/series", HTTP_DELETE, HTTP_QUERY, api_series_delete, a, 0, "/api/v1/series"},
        {"/api/v1/series", GET_POST, HTTP_QUERY, api_series, a, FORM_BYTES_MAX, "/api/v1/series"},
        {"/api/v1/labels", GET_POST, HTTP_QUERY, api_labels, a, FORM_BYTES_MAX, "/api/v1/labels"},
        {"/api/v1/label/:name/values", GET, HTTP_QUERY, api_label_values, a, 0,
         "/api/v1/label/:name/values"},
        {"/api/v1/search/metric_names", GET_POST, HTTP_QUERY, api_search_metric_names, a,
         FORM_BYTES_MAX, "/api/v1/search/metric_names"},
        {"/api/v1/search/label_names", GET_POST, HTTP_QUERY, api_search_label_names, a,
         FORM_BYTES_MAX, "/api/v1/search/label_names"},
        {"/api/v1/search/label_values", GET_POST, HTTP_QUERY, api_search_label_values, a,
         FORM_BYTES_MAX, "/api/v1/search/label_values"},
        {"/api/v1/metadata", GET, HTTP_QUERY, api_metadata, a, 0, "/api/v1/metadata"},

        {"/api/v1/notifications", GET, HTTP_ON_LOOP, api_notifications, a, 0,
         "/api/v1/notifications"},
        {"/api/v1/notifications/live", GET, HTTP_ON_LOOP, api_notifications_live, a, 0,
         "/api/v1/notifications/live"},
        {"/api/v1/openapi.yaml", GET, HTTP_QUERY, api_openapi, a, 0, "/api/v1/openapi.yaml"},
        {"/api/v1/rules", GET, HTTP_QUERY, api_rules, a, 0, "/api/v1/rules"},
        {"/api/v1/alerts", GET, HTTP_QUERY, api_alerts, a, 0, "/api/v1/alerts"},
        {"/api/v1/targets", GET, HTTP_QUERY, api_targets, a, 0, "/api/v1/targets"},
        {"/api/v1/targets/metadata", GET, HTTP_QUERY, api_targets_metadata, a, 0,
         "/api/v1/targets/metadata"},
        {"/api/v1/targets/relabel_steps", GET, HTTP_QUERY, api_relabel_steps, a, 0,
         "/api/v1/targets/relabel_steps"},
        {"/api/v1/scrape_pools", GET, HTTP_QUERY, api_scrape_pools, a, 0, "/api/v1/scrape_pools"},
        {"/api/v1/scrape_pools/config", GET, HTTP_QUERY, api_scrape_pool_config, a, 0,
         "/api/v1/scrape_pools/config"},
        {"/api/v1/alertmanagers", GET, HTTP_QUERY, api_alertmanagers, a, 0,
         "/api/v1/alertmanagers"},

        {"/api/v1/status/buildinfo", GET, HTTP_QUERY, api_status_buildinfo, a, 0,
         "/api/v1/status/buildinfo"},
        {"/api/v1/status/runtimeinfo", GET, HTTP_QUERY, api_status_runtimeinfo, a, 0,
         "/api/v1/status/runtimeinfo"},
        {"/api/v1/status/flags", GET, HTTP_QUERY, api_status_flags, a, 0, "/api/v1/status/flags"},
        {"/api/v1/status/config", GET, HTTP_QUERY, api_status_config, a, 0,
         "/api/v1/status/config"},
        {"/api/v1/status/tsdb", GET, HTTP_QUERY, api_status_tsdb, a, 0, "/api/v1/status/tsdb"},
        {"/api/v1/status/tsdb/blocks", GET, HTTP_QUERY, api_status_blocks, a, 0,
         "/api/v1/status/tsdb/blocks"},
        {"/api/v1/status/self_metrics", GET, HTTP_QUERY, api_self_metrics, a, 0,
         "/api/v1/status/self_metrics"},
        {"/api/v1/features", GET, HTTP_QUERY, api_features, a, 0, "/api/v1/features"},
        {"/api/v1/status/walreplay", GET, HTTP_ON_LOOP, api_status_walreplay, a, 0,
         "/api/v1/status/walreplay"},

        {"/api/v1/*", HTTP_OPTIONS, HTTP_ON_LOOP, preflight, a, 0, "/api/v1/*path"},
        {"/api/v1/admin/tsdb/delete_series", HTTP_POST | HTTP_PUT, HTTP_QUERY,
         api_admin_delete_series, a, FORM_BYTES_MAX, "/api/v1/admin/tsdb/delete_series"},
        {"/api/v1/admin/tsdb/clean_tombstones", HTTP_POST | HTTP_PUT, HTTP_QUERY,
         api_admin_clean_tombstones, a, FORM_BYTES_MAX, "/api/v1/admin/tsdb/clean_tombstones"},
        {"/api/v1/admin/tsdb/snapshot", HTTP_POST | HTTP_PUT, HTTP_QUERY, api_admin_snapshot, a,
         FORM_BYTES_MAX, "/api/v1/admin/tsdb/snapshot"},
        {"/api/v1/admin/queries", GET, HTTP_ON_LOOP, api_admin_queries, a, 0,
         "/api/v1/admin/queries"},
        {"/api/v1/admin/queries/:id", HTTP_DELETE | HTTP_POST, HTTP_ON_LOOP, api_admin_kill_query,
         a, 0, "/api/v1/admin/queries/:id"},
    };
    http_server_routes(a->http, routes, sizeof routes / sizeof *routes);
}

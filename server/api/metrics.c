/* metrics.c - /metrics: Prometheus' own names for what exists here, and ferula_* for what only we have.
 *
 * The page is made in the classic text format 0.0.4, which is also what is answered unless a client asks for more (the Thanos
 * sidecar reads it whole: CLIENTS.md 3.1); the others are made of it.
 */
#include "server/api/federate_format.h"
#include "server/api/metrics_format.h"
#include "server/api/metrics_rooms.h"
#include "server/api/metrics_text.h"
#include "server/api/status.h"
#include "server/api/web.h"
#include "server/config/live.h"
#include "server/machine.h"

enum { METRICS_BYTES_MAX = 16 * 1024 * 1024 };

static void put_process(fer_buf *out, const app *a)
{
    metrics_counter(out, "process_cpu_seconds_total",
                    "Total user and system CPU time spent in seconds.", machine_cpu_seconds());
    metrics_gauge(out, "process_max_fds", "Maximum number of open file descriptors.",
                  (double)machine_max_fds());
    metrics_gauge(out, "process_open_fds", "Number of open file descriptors.",
                  (double)machine_open_fds());
    metrics_gauge(out, "process_resident_memory_bytes", "Resident memory size in bytes.",
                  (double)machine_resident_bytes());
    metrics_gauge(out, "process_start_time_seconds",
                  "Start time of the process since unix epoch in seconds.",
                  (double)a->start_ms / 1000);
    metrics_gauge(out, "process_virtual_memory_bytes", "Virtual memory size in bytes.",
                  (double)machine_virtual_bytes());
}

static void put_server(fer_buf *out, app *a)
{
    live_config_state loaded = live_config_state_get(a->config);
    metrics_head(out, "gauge", "prometheus_build_info",
                 "A metric with a constant '1' value labeled by version, revision and branch.");
    fer_buf_printf(
        out, "prometheus_build_info{branch=\"ferula\",revision=\"ferula-%s\",version=\"%s\"} 1\n",
        a->o.version, API_PROMETHEUS_VERSION);
    metrics_gauge(out, "prometheus_config_last_reload_success_timestamp_seconds",
                  "Timestamp of the last successful configuration reload.",
                  (double)loaded.loaded_ms / 1000);
    metrics_gauge(out, "prometheus_config_last_reload_successful",
                  "Whether the last configuration reload attempt was successful.", loaded.ok);
    metrics_gauge(
        out, "prometheus_ready",
        "Whether startup was fully completed and the server is ready for normal operation.",
        app_db(a) != NULL);
}

void metrics_page(fer_buf *out, app *a)
{
    put_process(out, a);
    put_server(out, a);
    metrics_put_serving(out, a);
    metrics_put_queries(out, a);
    metrics_put_idle(out);
    tsdb *db = app_db(a);
    if (db != NULL)
        metrics_put_store(out, a, db);
}

void web_metrics(http_req *r, void *arg)
{
    name_escaping e; /* of no name here */
    exposition x =
        federate_negotiate(http_req_header(r, "Accept"), OFFER_PROTOBUF | OFFER_OPENMETRICS, &e);
    fer_buf page, out;
    fer_buf_init(&page, METRICS_BYTES_MAX, NULL);
    metrics_page(&page, arg);
    if (x == EXPOSE_TEXT) {
        http_reply_buf(r, 200, federate_content_type(x, e), &page);
        return;
    }
    fer_buf_init(&out, METRICS_BYTES_MAX, NULL);
    if (x == EXPOSE_PROTOBUF)
        metrics_put_protobuf(&out, fer_buf_str(&page));
    else
        metrics_put_openmetrics(&out, fer_buf_str(&page));
    fer_buf_done(&page);
    http_reply_buf(r, 200, federate_content_type(x, e), &out);
}

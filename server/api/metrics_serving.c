/* metrics_serving.c - what /metrics tells of requests: queries, HTTP, readers, remote write, OTLP. */
#include <inttypes.h>
#include <stdio.h>

#include "server/api/federate.h"
#include "server/api/gate.h"
#include "server/api/metrics_rooms.h"
#include "server/api/metrics_text.h"
#include "server/api/query.h"
#include "server/api/query_times.h"
#include "server/otlp/receive.h"
#include "server/remote/write.h"
#include "server/web_gate.h"

enum { HANDLERS_MAX = 128 };

static void put_slice(fer_buf *out, app *a, const char *name, const char *slice, query_slice kind,
                      double sum, uint64_t count)
{
    static const double q[] = {0.5, 0.9, 0.99};
    double v[3];
    query_times_quantiles(kind, a->clock->mono_ns(a->clock), q, 3, v);
    for (int i = 0; i < 3; i++) {
        fer_buf_printf(out, "%s{slice=\"%s\",quantile=\"", name, slice);
        fer_buf_puts(out, str_of(i == 0 ? "0.5" : i == 1 ? "0.9" : "0.99"));
        fer_buf_puts(out, STR("\"} "));
        metrics_number(out, v[i]);
    }
    fer_buf_printf(out, "%s_sum{slice=\"%s\"} ", name, slice);
    metrics_number(out, sum);
    fer_buf_printf(out, "%s_count{slice=\"%s\"} %" PRIu64 "\n", name, slice, count);
}

static void put_engine(fer_buf *out, app *a)
{
    query_totals t;
    api_query_totals(&t);
    metrics_gauge(out, "prometheus_engine_queries",
                  "The current number of queries being executed or waiting.",
                  query_gate_running(a->gate));
    metrics_gauge(out, "prometheus_engine_queries_concurrent_max",
                  "The max number of concurrent queries.", query_gate_max(a->gate));
    const char *name = "prometheus_engine_query_duration_seconds";
    metrics_head(out, "summary", name, "Query timings");
    const struct {
        const char *slice;
        query_slice kind;
        double sum;
    } slices[] = {{"inner_eval", QUERY_SLICE_INNER_EVAL, t.inner_eval_s},
                  {"prepare_time", QUERY_SLICE_PREPARE, t.prepare_s},
                  {"queue_time", QUERY_SLICE_QUEUE, t.queue_s},
                  {"result_sort", QUERY_SLICE_SORT, t.sort_s}};
    for (size_t i = 0; i < sizeof slices / sizeof *slices; i++)
        put_slice(out, a, name, slices[i].slice, slices[i].kind, slices[i].sum, t.count);
    metrics_counter(out, "prometheus_engine_query_samples_total",
                    "The total number of samples loaded by all queries.", (double)t.samples);
}

static void put_route_counts(fer_buf *out, const http_route_stats *st, size_t n)
{
    const char *name = "prometheus_http_requests_total";
    metrics_head(out, "counter", name, "Counter of HTTP requests.");
    for (size_t i = 0; i < n; i++) {
        for (int code = 100; code < 600; code++) {
            if (st[i].by_status[code] == 0)
                continue;
            fer_buf_printf(out, "%s{code=\"%d\",handler=\"%s\"} ", name, code, st[i].handler);
            metrics_number(out, (double)st[i].by_status[code]);
        }
    }
}

/* One histogram family over all routes. */
static void put_route_histogram(fer_buf *out, const char *name, const char *help,
                                const http_route_stats *st, size_t n, const char *const *bounds,
                                size_t n_bounds, bool durations)
{
    metrics_head(out, "histogram", name, help);
    for (size_t i = 0; i < n; i++) {
        if (st[i].count == 0)
            continue;
        const uint64_t *buckets = durations ? st[i].duration_buckets : st[i].size_buckets;
        for (size_t k = 0; k <= n_bounds; k++)
            fer_buf_printf(out, "%s_bucket{handler=\"%s\",le=\"%s\"} %" PRIu64 "\n", name,
                           st[i].handler, k < n_bounds ? bounds[k] : "+Inf", buckets[k]);
        fer_buf_printf(out, "%s_sum{handler=\"%s\"} ", name, st[i].handler);
        metrics_number(out, durations ? st[i].duration_sum : st[i].size_sum);
        fer_buf_printf(out, "%s_count{handler=\"%s\"} %" PRIu64 "\n", name, st[i].handler,
                       buckets[n_bounds]);
    }
}

static void put_http(fer_buf *out, const app *a)
{
    static const char *const seconds[] = {"0.1", "0.2", "0.4", "1", "3", "8", "20", "60", "120"};
    static const char *const sizes[] = {"100",   "1000",  "10000", "100000",
                                        "1e+06", "1e+07", "1e+08", "1e+09"};
    http_route_stats *st = fer_calloc(HANDLERS_MAX, sizeof *st);
    size_t n = http_server_route_stats(a->http, st, HANDLERS_MAX);
    put_route_counts(out, st, n);
    put_route_histogram(out, "prometheus_http_request_duration_seconds",
                        "Histogram of latencies for HTTP requests.", st, n, seconds,
                        HTTP_DURATION_BUCKETS, true);
    put_route_histogram(out, "prometheus_http_response_size_bytes",
                        "Histogram of response size for HTTP requests.", st, n, sizes,
                        HTTP_SIZE_BUCKETS, false);
    fer_free(st);
    http_stats h;
    http_server_stats(a->http, &h);
    metrics_gauge(out, "ferula_http_connections", "Open connections.", (double)h.connections);
    metrics_counter(out, "ferula_http_connections_accepted_total", "Connections accepted.",
                    (double)h.accepted);
    metrics_counter(out, "ferula_http_bad_requests_total", "Requests refused by the HTTP parser.",
                    (double)h.bad_requests);
    metrics_counter(out, "ferula_http_timeouts_total",
                    "Connections closed because the peer was too slow.", (double)h.timeouts);
}

static void put_handshakes(fer_buf *out, const http_stats *h)
{
    char reason[64];
    metrics_counter(out, "ferula_tls_handshakes_total", "TLS handshakes done.",
                    (double)h->handshakes);
    metrics_head(out, "counter", "ferula_tls_handshake_errors_total",
                 "TLS handshakes that came to nothing.");
    for (int i = 0; i < HTTP_HANDSHAKE_ERRORS; i++) {
        snprintf(reason, sizeof reason, "reason=\"%s\"", http_handshake_error_name(i));
        metrics_labelled(out, "ferula_tls_handshake_errors_total", reason,
                         (double)h->handshake_errors[i]);
    }
}

/* What --web.config.file brings. */
static void put_gate(fer_buf *out, const app *a)
{
    web_gate_stats g;
    http_stats h;
    if (a->gatekeeper == NULL)
        return;
    http_server_stats(a->http, &h);
    web_gate_stats_get(a->gatekeeper, &g);
    put_handshakes(out, &h);
    metrics_head(out, "counter", "ferula_auth_requests_total", "Requests by their password.");
    metrics_labelled(out, "ferula_auth_requests_total", "result=\"accepted\"",
                     (double)g.auth.accepted);
    metrics_labelled(out, "ferula_auth_requests_total", "result=\"refused\"",
                     (double)g.auth.refused);
    metrics_labelled(out, "ferula_auth_requests_total", "result=\"busy\"", (double)g.auth.busy);
    metrics_counter(out, "ferula_auth_checks_total", "Passwords checked by bcrypt.",
                    (double)g.auth.checks);
    metrics_counter(out, "ferula_auth_check_seconds_total", "Time of the checks.",
                    g.auth.check_seconds);
    metrics_counter(out, "ferula_web_config_errors_total",
                    "Requests refused because the web configuration file is wrong.",
                    (double)g.config_errors);
    metrics_counter(out, "ferula_web_rate_limited_total", "Requests refused by the rate limit.",
                    (double)g.limited);
}

static void put_readers(fer_buf *out, app *a)
{
    uint64_t errors, warnings;
    web_federate_totals(&errors, &warnings);
    metrics_counter(out, "prometheus_web_federation_errors_total",
                    "Total number of errors that occurred while sending federation responses.",
                    (double)errors);
    metrics_counter(out, "prometheus_web_federation_warnings_total",
                    "Total number of warnings that occurred while sending federation responses.",
                    (double)warnings);
    metrics_gauge(
        out, "prometheus_remote_read_handler_queries",
        "The current number of remote read queries that are either in execution or queued on the "
        "handler.",
        query_gate_running(a->read_gate));
    metrics_gauge(out, "prometheus_api_notification_active_subscribers",
                  "The current number of active notification subscribers.",
                  atomic_load(&a->notification_subscribers));
}

static void put_receiver(fer_buf *out, const app *a)
{
    rw_stats st;
    rw_stats_get(a->receiver, &st);
    metrics_counter(
        out, "prometheus_api_remote_write_invalid_labels_samples_total",
        "The total number of received remote write samples and histogram samples which were "
        "rejected due to invalid labels.",
        (double)st.invalid_labels);
    metrics_counter(out, "ferula_remote_write_requests_total", "Remote-write requests received.",
                    (double)st.requests);
    metrics_counter(out, "ferula_remote_write_samples_total", "Samples accepted from remote write.",
                    (double)st.samples);
    metrics_counter(out, "ferula_remote_write_rejected_samples_total",
                    "Samples of remote write that could not be stored.",
                    (double)st.rejected_samples);
    metrics_counter(out, "ferula_remote_write_histograms_total",
                    "Native histograms accepted from remote write.", (double)st.histograms);
    metrics_counter(out, "ferula_remote_write_exemplars_total",
                    "Exemplars accepted from remote write.", (double)st.exemplars);
    metrics_counter(out, "ferula_remote_write_dropped_exemplars_total",
                    "Exemplars received and not stored.", (double)st.exemplars_dropped);
    otlp_stats otlp;
    otlp_stats_get(a->otlp, &otlp);
    metrics_counter(out, "ferula_otlp_requests_total", "OTLP requests received.",
                    (double)otlp.requests);
    metrics_counter(out, "ferula_otlp_samples_total", "Samples accepted from OTLP.",
                    (double)otlp.samples);
    metrics_counter(out, "ferula_otlp_refused_points_total",
                    "Data points of OTLP that could not be stored.", (double)otlp.refused_points);
}

void metrics_put_serving(fer_buf *out, app *a)
{
    put_engine(out, a);
    put_http(out, a);
    put_gate(out, a);
    put_readers(out, a);
    put_receiver(out, a);
}

/* metrics_query.c - what /metrics tells of the query log and of what queries have cost. */
#include "server/api/active.h"
#include "server/api/client_costs.h"
#include "server/api/metrics_rooms.h"
#include "server/api/metrics_text.h"
#include "server/api/query.h"
#include "server/api/query_log.h"

void metrics_put_queries(fer_buf *out, app *a)
{
    query_totals t;
    active_counts now = active_count(a->active);
    api_query_totals(&t);
    metrics_gauge(out, "prometheus_engine_query_log_enabled", "State of the query log.",
                  query_log_enabled(a->query_log));
    metrics_counter(out, "prometheus_engine_query_log_failures_total",
                    "The number of query log failures.", (double)query_log_failures(a->query_log));
    metrics_counter(out, "ferula_query_cpu_seconds_total", "CPU time spent in evaluating queries.",
                    t.cpu_s);
    metrics_counter(out, "ferula_query_samples_read_total", "Samples that queries have read.",
                    (double)t.samples_read);
    metrics_counter(out, "ferula_query_memory_bytes_total",
                    "Bytes that queries have held at most, summed over queries.",
                    (double)t.peak_bytes);
    metrics_gauge(out, "ferula_queries_waiting", "Queries that wait for a place.",
                  (double)now.waiting);
    metrics_gauge(out, "ferula_queries_running", "Queries that are evaluated.",
                  (double)now.running);
    metrics_counter(out, "ferula_queries_killed_total", "Queries ended through the admin API.",
                    (double)now.killed);
    metrics_gauge(out, "ferula_query_clients", "Clients whose cost is known.",
                  (double)client_costs_count(a->costs));
    const char *name = "ferula_queries_failed_total";
    metrics_head(out, "counter", name, "Queries that did not end well.");
    metrics_labelled(out, name, "reason=\"canceled\"", (double)t.canceled);
    metrics_labelled(out, name, "reason=\"error\"", (double)t.failed);
    metrics_labelled(out, name, "reason=\"timeout\"", (double)t.timed_out);
}

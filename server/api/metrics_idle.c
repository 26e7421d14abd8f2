/* metrics_idle.c - what dashboards and the rules of prometheus-mixin ask for and is 0 here. */
#include "server/api/metrics_rooms.h"

static const struct {
    const char *name, *help;
} counters[] = {
    {"prometheus_engine_query_log_failures_total", "The number of query log failures."},
    {"prometheus_sd_kubernetes_failures_total", "The number of failed WATCH/LIST requests."},
    {"prometheus_target_scrape_pool_exceeded_label_limits_total",
     "Total number of times scrape pools hit the label limits, during sync or config reload."},
    {"prometheus_target_scrape_pool_exceeded_target_limit_total",
     "Total number of times scrape pools hit the target limit, during sync or config reload."},
    {"prometheus_target_scrape_pool_reloads_failed_total",
     "Total number of failed scrape pool reloads."},
    {"prometheus_target_scrape_pools_failed_total",
     "Total number of scrape pool creations that failed."},
    {"prometheus_target_scrapes_exceeded_body_size_limit_total",
     "Total number of scrapes that hit the body size limit"},
    {"prometheus_target_scrapes_exceeded_sample_limit_total",
     "Total number of scrapes that hit the sample limit and were rejected."},
    {"prometheus_target_scrapes_sample_duplicate_timestamp_total",
     "Total number of samples rejected due to duplicate timestamps but different values."},
    {"prometheus_target_scrapes_sample_out_of_bounds_total",
     "Total number of samples rejected due to timestamp falling outside of the time bounds."},
    {"prometheus_target_scrapes_sample_out_of_order_total",
     "Total number of samples rejected due to not being out of the expected order."},
    {"prometheus_template_text_expansion_failures_total",
     "The total number of template text expansion failures."},
};

void metrics_put_idle(fer_buf *out)
{
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        fer_buf_printf(out, "# HELP %s %s\n# TYPE %s counter\n%s 0\n", counters[i].name,
                       counters[i].help, counters[i].name, counters[i].name);
    fer_buf_puts(out, STR("# HELP prometheus_engine_query_log_enabled State of the query log.\n"
                          "# TYPE prometheus_engine_query_log_enabled gauge\n"
                          "prometheus_engine_query_log_enabled 0\n"));
}

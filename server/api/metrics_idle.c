/* metrics_idle.c - what dashboards and the rules of prometheus-mixin ask for and is 0 here. */
#include "server/api/metrics_rooms.h"
#include "server/api/metrics_text.h"

static const struct {
    const char *name, *help;
} counters[] = {
    {"prometheus_notifications_dropped_total",
     "Total number of alerts dropped due to errors when sending to Alertmanager."},
    {"prometheus_remote_storage_samples_in_total",
     "Samples in to remote storage, compare to samples out for queue managers."},
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

/* Gauges that stay where they are. */
static const struct {
    const char *name, *help;
    double value;
} gauges[] = {
    {"prometheus_notifications_alertmanagers_discovered",
     "The number of alertmanagers discovered and active.", 0},
    {"prometheus_notifications_queue_length", "The number of alert notifications in the queue.", 0},
    {"prometheus_notifications_queue_capacity", "The capacity of the alert notifications queue.",
     10000},
    {"prometheus_remote_storage_highest_timestamp_in_seconds",
     "Highest timestamp that has come into the remote storage via the Appender interface, in "
     "seconds since epoch. Initialized to 0 when no data has been received yet.",
     0},
};

/* Families that have a line for each rule group, target, scrape job or remote end: none here. */
static const struct {
    const char *type, *name, *help;
} empty[] = {
    {"counter", "prometheus_notifications_errors_total", "Alerts that could not be sent."},
    {"counter", "prometheus_notifications_sent_total", "Alerts sent."},
    {"counter", "prometheus_rule_evaluation_failures_total", "Evaluations of rules that failed."},
    {"counter", "prometheus_rule_evaluations_total", "Evaluations of rules."},
    {"gauge", "prometheus_rule_group_interval_seconds", "The interval of a rule group."},
    {"counter", "prometheus_rule_group_iterations_missed_total",
     "Evaluations of a rule group left out because one before took too long."},
    {"gauge", "prometheus_rule_group_last_duration_seconds",
     "How long the last evaluation of a rule group took."},
    {"gauge", "prometheus_rule_group_last_evaluation_timestamp_seconds",
     "When a rule group was evaluated last."},
    {"gauge", "prometheus_rule_group_rules", "Rules of a group."},
    {"gauge", "prometheus_sd_discovered_targets", "Targets found by service discovery."},
    {"counter", "prometheus_sd_refresh_failures_total", "Failures of service discovery."},
    {"summary", "prometheus_target_interval_length_seconds", "Time between two scrapes."},
    {"gauge", "prometheus_target_metadata_cache_entries", "Metadata kept for a scrape job."},
    {"counter", "prometheus_target_sync_failed_total", "Targets that could not be set up."},
    {"summary", "prometheus_target_sync_length_seconds", "Time taken to set up targets."},
    {"gauge", "prometheus_wal_watcher_current_segment", "The segment that a sender reads."},
    {"counter", "prometheus_remote_storage_samples_total", "Samples sent."},
    {"counter", "prometheus_remote_storage_samples_failed_total", "Samples refused for good."},
    {"counter", "prometheus_remote_storage_samples_dropped_total", "Samples not sent on purpose."},
    {"counter", "prometheus_remote_storage_samples_retried_total", "Samples sent again."},
    {"gauge", "prometheus_remote_storage_samples_pending", "Samples waiting to be sent."},
    {"counter", "prometheus_remote_storage_enqueue_retries_total",
     "Times that a queue of samples was full."},
    {"counter", "prometheus_remote_storage_bytes_total", "Bytes of samples sent."},
    {"counter", "prometheus_remote_storage_metadata_bytes_total", "Bytes of metadata sent."},
    {"gauge", "prometheus_remote_storage_queue_highest_timestamp_seconds",
     "The newest timestamp in a queue."},
    {"gauge", "prometheus_remote_storage_queue_highest_sent_timestamp_seconds",
     "The newest timestamp sent."},
    {"histogram", "prometheus_remote_storage_sent_batch_duration_seconds",
     "Time taken to send a batch."},
    {"gauge", "prometheus_remote_storage_shards", "Shards of a queue."},
    {"gauge", "prometheus_remote_storage_shards_desired", "Shards that a queue would like."},
    {"gauge", "prometheus_remote_storage_shards_max", "The most shards of a queue."},
    {"gauge", "prometheus_remote_storage_shards_min", "The fewest shards of a queue."},
    {"gauge", "prometheus_remote_storage_shard_capacity", "Samples that a shard holds."},
};

void metrics_put_idle(fer_buf *out)
{
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        metrics_counter(out, counters[i].name, counters[i].help, 0);
    for (size_t i = 0; i < sizeof gauges / sizeof *gauges; i++)
        metrics_gauge(out, gauges[i].name, gauges[i].help, gauges[i].value);
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
        metrics_head(out, empty[i].type, empty[i].name, empty[i].help);
}

/* metrics.c - /metrics: Prometheus' own names for what exists here, and ferula_* for what only we have.
 *
 * Classic text format 0.0.4 (the Thanos sidecar parses it whole: CLIENTS.md 3.1).
 */
#include <inttypes.h>

#include "base/num.h"
#include "server/api/federate.h"
#include "server/api/federate_format.h"
#include "server/api/gate.h"
#include "server/api/metrics_idle.h"
#include "server/api/query.h"
#include "server/api/query_times.h"
#include "server/api/status.h"
#include "server/api/web.h"
#include "server/config/live.h"
#include "server/machine.h"
#include "server/otlp/receive.h"
#include "server/remote/write.h"

enum { METRICS_BYTES_MAX = 16 * 1024 * 1024, HANDLERS_MAX = 128 };

static void head(fer_buf *out, const char *type, const char *name, const char *help)
{
    fer_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void number(fer_buf *out, double v)
{
    if (fer_buf_room(out, NUM_TEXT_MAX + 1) == NULL)
        return;
    out->n += num_format_g(out->p + out->n, v);
    out->p[out->n++] = '\n';
}

static void gauge(fer_buf *out, const char *name, const char *help, double v)
{
    head(out, "gauge", name, help);
    fer_buf_printf(out, "%s ", name);
    number(out, v);
}

static void counter(fer_buf *out, const char *name, const char *help, double v)
{
    head(out, "counter", name, help);
    fer_buf_printf(out, "%s ", name);
    number(out, v);
}

static void labelled(fer_buf *out, const char *name, const char *label_text, double v)
{
    fer_buf_printf(out, "%s{%s} ", name, label_text);
    number(out, v);
}

static void put_process(fer_buf *out, const app *a)
{
    counter(out, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
            machine_cpu_seconds());
    gauge(out, "process_max_fds", "Maximum number of open file descriptors.",
          (double)machine_max_fds());
    gauge(out, "process_open_fds", "Number of open file descriptors.", (double)machine_open_fds());
    gauge(out, "process_resident_memory_bytes", "Resident memory size in bytes.",
          (double)machine_resident_bytes());
    gauge(out, "process_start_time_seconds",
          "Start time of the process since unix epoch in seconds.", (double)a->start_ms / 1000);
    gauge(out, "process_virtual_memory_bytes", "Virtual memory size in bytes.",
          (double)machine_virtual_bytes());
}

static void put_server(fer_buf *out, app *a)
{
    live_config_state loaded = live_config_state_get(a->config);
    head(out, "gauge", "prometheus_build_info",
         "A metric with a constant '1' value labeled by version, revision and branch.");
    fer_buf_printf(
        out, "prometheus_build_info{branch=\"ferula\",revision=\"ferula-%s\",version=\"%s\"} 1\n",
        a->o.version, API_PROMETHEUS_VERSION);
    gauge(out, "prometheus_config_last_reload_success_timestamp_seconds",
          "Timestamp of the last successful configuration reload.",
          (double)loaded.loaded_ms / 1000);
    gauge(out, "prometheus_config_last_reload_successful",
          "Whether the last configuration reload attempt was successful.", loaded.ok);
    gauge(out, "prometheus_ready",
          "Whether startup was fully completed and the server is ready for normal operation.",
          app_db(a) != NULL);
}

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
        number(out, v[i]);
    }
    fer_buf_printf(out, "%s_sum{slice=\"%s\"} ", name, slice);
    number(out, sum);
    fer_buf_printf(out, "%s_count{slice=\"%s\"} %" PRIu64 "\n", name, slice, count);
}

static void put_engine(fer_buf *out, app *a)
{
    query_totals t;
    api_query_totals(&t);
    gauge(out, "prometheus_engine_queries",
          "The current number of queries being executed or waiting.", query_gate_running(a->gate));
    gauge(out, "prometheus_engine_queries_concurrent_max", "The max number of concurrent queries.",
          query_gate_max(a->gate));
    const char *name = "prometheus_engine_query_duration_seconds";
    head(out, "summary", name, "Query timings");
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
    counter(out, "prometheus_engine_query_samples_total",
            "The total number of samples loaded by all queries.", (double)t.samples);
}

static void put_route_counts(fer_buf *out, const http_route_stats *st, size_t n)
{
    const char *name = "prometheus_http_requests_total";
    head(out, "counter", name, "Counter of HTTP requests.");
    for (size_t i = 0; i < n; i++) {
        for (int code = 100; code < 600; code++) {
            if (st[i].by_status[code] == 0)
                continue;
            fer_buf_printf(out, "%s{code=\"%d\",handler=\"%s\"} ", name, code, st[i].handler);
            number(out, (double)st[i].by_status[code]);
        }
    }
}

/* One histogram family over all routes. */
static void put_route_histogram(fer_buf *out, const char *name, const char *help,
                                const http_route_stats *st, size_t n, const char *const *bounds,
                                size_t n_bounds, bool durations)
{
    head(out, "histogram", name, help);
    for (size_t i = 0; i < n; i++) {
        if (st[i].count == 0)
            continue;
        const uint64_t *buckets = durations ? st[i].duration_buckets : st[i].size_buckets;
        for (size_t k = 0; k <= n_bounds; k++)
            fer_buf_printf(out, "%s_bucket{handler=\"%s\",le=\"%s\"} %" PRIu64 "\n", name,
                           st[i].handler, k < n_bounds ? bounds[k] : "+Inf", buckets[k]);
        fer_buf_printf(out, "%s_sum{handler=\"%s\"} ", name, st[i].handler);
        number(out, durations ? st[i].duration_sum : st[i].size_sum);
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
    gauge(out, "ferula_http_connections", "Open connections.", (double)h.connections);
    counter(out, "ferula_http_connections_accepted_total", "Connections accepted.",
            (double)h.accepted);
    counter(out, "ferula_http_bad_requests_total", "Requests refused by the HTTP parser.",
            (double)h.bad_requests);
    counter(out, "ferula_http_timeouts_total", "Connections closed because the peer was too slow.",
            (double)h.timeouts);
}

static void put_readers(fer_buf *out, app *a)
{
    uint64_t errors, warnings;
    web_federate_totals(&errors, &warnings);
    counter(out, "prometheus_web_federation_errors_total",
            "Total number of errors that occurred while sending federation responses.",
            (double)errors);
    counter(out, "prometheus_web_federation_warnings_total",
            "Total number of warnings that occurred while sending federation responses.",
            (double)warnings);
    gauge(out, "prometheus_remote_read_handler_queries",
          "The current number of remote read queries that are either in execution or queued on the "
          "handler.",
          query_gate_running(a->read_gate));
    gauge(out, "prometheus_api_notification_active_subscribers",
          "The current number of active notification subscribers.",
          atomic_load(&a->notification_subscribers));
}

static void put_receiver(fer_buf *out, const app *a)
{
    rw_stats st;
    rw_stats_get(a->receiver, &st);
    counter(out, "prometheus_api_remote_write_invalid_labels_samples_total",
            "The total number of received remote write samples and histogram samples which were "
            "rejected due to invalid labels.",
            (double)st.invalid_labels);
    counter(out, "ferula_remote_write_requests_total", "Remote-write requests received.",
            (double)st.requests);
    counter(out, "ferula_remote_write_samples_total", "Samples accepted from remote write.",
            (double)st.samples);
    counter(out, "ferula_remote_write_rejected_samples_total",
            "Samples of remote write that could not be stored.", (double)st.rejected_samples);
    counter(out, "ferula_remote_write_histograms_total",
            "Native histograms accepted from remote write.", (double)st.histograms);
    counter(out, "ferula_remote_write_exemplars_total", "Exemplars accepted from remote write.",
            (double)st.exemplars);
    counter(out, "ferula_remote_write_dropped_exemplars_total",
            "Exemplars received and not stored.", (double)st.exemplars_dropped);
    otlp_stats otlp;
    otlp_stats_get(a->otlp, &otlp);
    counter(out, "ferula_otlp_requests_total", "OTLP requests received.", (double)otlp.requests);
    counter(out, "ferula_otlp_samples_total", "Samples accepted from OTLP.", (double)otlp.samples);
    counter(out, "ferula_otlp_refused_points_total",
            "Data points of OTLP that could not be stored.", (double)otlp.refused_points);
}

static void put_exemplars(fer_buf *out, tsdb *db)
{
    exemplar_stats st;
    tsdb_exemplar_stats_get(db, &st);
    counter(out, "prometheus_tsdb_exemplar_exemplars_appended_total",
            "Total number of appended exemplars.", (double)st.appended);
    gauge(out, "prometheus_tsdb_exemplar_exemplars_in_storage",
          "Number of exemplars currently in circular storage.", (double)st.exemplars);
    gauge(out, "prometheus_tsdb_exemplar_series_with_exemplars_in_storage",
          "Number of series with exemplars currently in circular storage.", (double)st.series);
    gauge(out, "prometheus_tsdb_exemplar_last_exemplars_timestamp_seconds",
          "The timestamp of the oldest exemplar stored in circular storage.",
          (double)st.oldest_t / 1000);
    gauge(out, "prometheus_tsdb_exemplar_max_exemplars",
          "Total number of exemplars the exemplar storage can store, resizeable.", (double)st.max);
    counter(out, "prometheus_tsdb_exemplar_out_of_order_exemplars_total",
            "Total number of out of order exemplar ingestion failed attempts.",
            (double)st.out_of_order);
}

static void put_head(fer_buf *out, const tsdb_stats *st)
{
    bool empty = st->min_time == INT64_MAX;
    double lowest = empty ? 9223372036854775807.0 : (double)st->min_time;
    double oldest = st->blocks != 0 ? (double)st->blocks_min_time : lowest;
    gauge(out, "prometheus_tsdb_head_series", "Total number of series in the head block.",
          (double)st->series);
    counter(out, "prometheus_tsdb_head_series_created_total",
            "Total number of series created in the head", (double)st->series_created);
    counter(out, "prometheus_tsdb_head_series_removed_total",
            "Total number of series removed in the head", (double)st->series_removed);
    gauge(out, "prometheus_tsdb_head_chunks", "Total number of chunks in the head block.",
          (double)st->chunks);
    counter(out, "prometheus_tsdb_head_chunks_created_total",
            "Total number of chunks created in the head", (double)st->chunks_created);
    counter(out, "prometheus_tsdb_head_chunks_removed_total",
            "Total number of chunks removed in the head", (double)st->chunks_removed);
    gauge(out, "prometheus_tsdb_head_min_time",
          "Minimum time bound of the head block. The unit is decided by the library consumer.",
          lowest);
    gauge(out, "prometheus_tsdb_head_min_time_seconds", "Minimum time bound of the head block.",
          lowest / 1000);
    gauge(out, "prometheus_tsdb_head_max_time",
          "Maximum timestamp of the head block. The unit is decided by the library consumer.",
          empty ? 0 : (double)st->max_time);
    gauge(out, "prometheus_tsdb_head_max_time_seconds", "Maximum timestamp of the head block.",
          empty ? 0 : (double)st->max_time / 1000);
    gauge(out, "prometheus_tsdb_lowest_timestamp",
          "Lowest timestamp value stored in the database. The unit is decided by the library "
          "consumer.",
          oldest);
    gauge(out, "prometheus_tsdb_lowest_timestamp_seconds",
          "Lowest timestamp value stored in the database.", oldest / 1000);
    head(out, "counter", "prometheus_tsdb_head_samples_appended_total",
         "Total number of appended samples.");
    labelled(out, "prometheus_tsdb_head_samples_appended_total", "type=\"float\"",
             (double)st->samples_appended);
    labelled(out, "prometheus_tsdb_head_samples_appended_total", "type=\"histogram\"",
             (double)st->hists_appended);
    head(out, "counter", "prometheus_tsdb_out_of_order_samples_total",
         "Total number of out of order samples ingestion failed attempts due to out of order being "
         "disabled.");
    labelled(out, "prometheus_tsdb_out_of_order_samples_total", "type=\"float\"",
             (double)st->out_of_order);
    head(out, "counter", "prometheus_tsdb_out_of_bound_samples_total",
         "Total number of out of bound samples ingestion failed attempts with out of order support "
         "disabled.");
    labelled(out, "prometheus_tsdb_out_of_bound_samples_total", "type=\"float\"",
             (double)(st->out_of_bounds + st->too_far));
    gauge(out, "prometheus_tsdb_clean_start",
          "-1: lockfile is disabled. 0: a lockfile from a previous execution was replaced. 1: "
          "lockfile creation was clean",
          st->clean_start);
    gauge(out, "prometheus_tsdb_data_replay_duration_seconds",
          "Time taken to replay the data on disk.", (double)st->replay_ns / 1e9);
    gauge(out, "prometheus_tsdb_blocks_loaded", "Number of currently loaded data blocks",
          (double)st->blocks);
    gauge(out, "prometheus_tsdb_storage_blocks_bytes",
          "The number of bytes that are currently used for local storage by all blocks.",
          (double)st->blocks_bytes);
    counter(out, "prometheus_tsdb_mmap_chunks_total",
            "Total number of chunks that were memory-mapped.", (double)st->chunks_mapped);
    counter(out, "prometheus_tsdb_mmap_chunk_corruptions_total",
            "Total number of memory-mapped chunk corruptions.", (double)st->chunk_files_damages);
    gauge(out, "prometheus_tsdb_head_chunks_storage_size_bytes",
          "Size of the chunks_head directory.", (double)st->chunk_files_bytes);
    gauge(out, "ferula_tsdb_blocks_damaged", "Number of blocks that are damaged and not served.",
          (double)st->blocks_damaged);
}

static void put_damaged(fer_buf *out, tsdb *db)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    str_list l = {0};
    if (tsdb_damaged_blocks(db, a, &l, NULL) != FER_OK || l.n == 0)
        return;
    head(out, "gauge", "ferula_tsdb_block_damaged",
         "1 for each block that is damaged and not served.");
    for (size_t i = 0; i < l.n; i++) {
        char text[64];
        snprintf(text, sizeof text, "block=\"%.*s\"", STR_FMT(l.v[i]));
        labelled(out, "ferula_tsdb_block_damaged", text, 1);
    }
}

static void summary(fer_buf *out, const char *name, const char *help, double sum, uint64_t count)
{
    head(out, "summary", name, help);
    fer_buf_printf(out, "%s_sum ", name);
    number(out, sum);
    fer_buf_printf(out, "%s_count %" PRIu64 "\n", name, count);
}

/* One without buckets but the last. */
static void put_times(fer_buf *out, const char *name, const char *help, double sum, uint64_t count)
{
    head(out, "histogram", name, help);
    fer_buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum ", name, count, name);
    number(out, sum);
    fer_buf_printf(out, "%s_count %" PRIu64 "\n", name, count);
}

/* A histogram; the range of chunks is in ms, whatever its name says, as in Prometheus. */
static void put_spread(fer_buf *out, const char *name, const char *help, const spread *t,
                       const spread_scale *scale)
{
    head(out, "histogram", name, help);
    uint64_t below = 0;
    double bound = scale->first;
    for (size_t i = 0; i < scale->n; i++, bound *= scale->factor) {
        char text[NUM_TEXT_MAX];
        below += t->counts[i];
        fer_buf_printf(out, "%s_bucket{le=\"%.*s\"} %" PRIu64 "\n", name,
                       (int)num_format_g(text, bound), text, below);
    }
    fer_buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum ", name, t->n, name);
    number(out, t->sum);
    fer_buf_printf(out, "%s_count %" PRIu64 "\n", name, t->n);
}

static void put_compactions(fer_buf *out, const tsdb_maintenance_stats *st)
{
    counter(out, "prometheus_tsdb_compactions_total",
            "Total number of compactions that were executed for the partition.",
            (double)st->compactions);
    counter(out, "prometheus_tsdb_compactions_failed_total",
            "Total number of compactions that failed for the partition.",
            (double)st->compactions_failed);
    counter(out, "prometheus_tsdb_compactions_triggered_total",
            "Total number of triggered compactions for the partition.",
            (double)st->compactions_triggered);
    counter(out, "prometheus_tsdb_compactions_skipped_total",
            "Total number of skipped compactions due to disabled auto compaction.", 0);
    counter(out, "prometheus_tsdb_vertical_compactions_total",
            "Total number of compactions done on overlapping blocks.",
            (double)st->vertical_compactions);
    gauge(out, "prometheus_tsdb_compaction_populating_block",
          "Set to 1 when a block is currently being written to the disk.", st->writing_block);
    put_spread(out, "prometheus_tsdb_compaction_duration_seconds", "Duration of compaction runs",
               &st->compaction_runs, &compaction_seconds_scale);
    put_spread(out, "prometheus_tsdb_compaction_chunk_samples",
               "Final number of samples on their first compaction", &st->chunks.samples,
               &chunk_samples_scale);
    put_spread(out, "prometheus_tsdb_compaction_chunk_size_bytes",
               "Final size of chunks on their first compaction", &st->chunks.bytes,
               &chunk_bytes_scale);
    put_spread(out, "prometheus_tsdb_compaction_chunk_range_seconds",
               "Final time range of chunks on their first compaction", &st->chunks.range_ms,
               &chunk_range_scale);
    put_times(out, "prometheus_tsdb_tombstone_cleanup_seconds",
              "The time taken to recompact blocks to remove tombstones.",
              st->tombstone_cleanup_seconds, st->tombstone_cleanups);
    counter(out, "prometheus_tsdb_head_truncations_total",
            "Total number of head truncations attempted.", (double)st->head_truncations);
    counter(out, "prometheus_tsdb_head_truncations_failed_total",
            "Total number of head truncations that failed.", 0);
    summary(out, "prometheus_tsdb_head_gc_duration_seconds",
            "Runtime of garbage collection in the head block.", st->head_gc_seconds,
            st->head_truncations);
    counter(out, "prometheus_tsdb_checkpoint_creations_total",
            "Total number of checkpoint creations attempted.",
            (double)(st->checkpoints + st->checkpoints_failed));
    counter(out, "prometheus_tsdb_checkpoint_creations_failed_total",
            "Total number of checkpoint creations that failed.", (double)st->checkpoints_failed);
    counter(out, "prometheus_tsdb_checkpoint_deletions_total",
            "Total number of checkpoint deletions attempted.", (double)st->checkpoints);
    counter(out, "prometheus_tsdb_checkpoint_deletions_failed_total",
            "Total number of checkpoint deletions that failed.", 0);
    counter(out, "prometheus_tsdb_wal_truncations_total",
            "Total number of write log truncations attempted.",
            (double)(st->wal_truncations + st->checkpoints_failed));
    counter(out, "prometheus_tsdb_wal_truncations_failed_total",
            "Total number of write log truncations that failed.", (double)st->checkpoints_failed);
    summary(out, "prometheus_tsdb_wal_truncate_duration_seconds", "Duration of WAL truncation.",
            st->wal_truncate_seconds, st->wal_truncations);
    counter(out, "prometheus_tsdb_reloads_total",
            "Number of times the database reloaded block data from disk.",
            (double)(st->reloads + st->reloads_failed));
    counter(out, "prometheus_tsdb_reloads_failures_total",
            "Number of times the database failed to reloadBlocks block data from disk.",
            (double)st->reloads_failed);
    counter(out, "prometheus_tsdb_time_retentions_total",
            "The number of times that blocks were deleted because the maximum time limit was "
            "exceeded.",
            (double)st->time_retentions);
    counter(out, "prometheus_tsdb_size_retentions_total",
            "The number of times that blocks were deleted because the maximum number of bytes was "
            "exceeded.",
            (double)st->size_retentions);
}

static void put_limits(fer_buf *out, const app *a)
{
    gauge(out, "prometheus_tsdb_retention_limit_bytes",
          "Max number of bytes to be retained in the tsdb blocks, configured 0 means disabled",
          (double)a->o.retention_bytes);
    gauge(out, "prometheus_tsdb_retention_limit_percentage",
          "Max percentage of total storage space to be retained in the tsdb blocks, configured 0 "
          "means disabled",
          a->o.retention_percent);
    gauge(out, "prometheus_tsdb_retention_limit_seconds", "How long to retain samples in storage.",
          (double)a->o.retention_ms / 1000);
}

static void put_wal(fer_buf *out, const tsdb_stats *st)
{
    head(out, "summary", "prometheus_tsdb_wal_fsync_duration_seconds",
         "Duration of write log fsync.");
    fer_buf_puts(out, STR("prometheus_tsdb_wal_fsync_duration_seconds_sum "));
    number(out, (double)st->wal_fsync_ns / 1e9);
    fer_buf_printf(out, "prometheus_tsdb_wal_fsync_duration_seconds_count %" PRIu64 "\n",
                   st->wal_fsyncs);
    counter(out, "prometheus_tsdb_wal_completed_pages_total", "Total number of completed pages.",
            (double)st->wal_pages);
    gauge(out, "prometheus_tsdb_wal_segment_current",
          "Write log segment index that TSDB is currently writing to.", (double)st->wal_segment);
    counter(out, "prometheus_tsdb_wal_writes_failed_total",
            "Total number of write log writes that failed.", (double)st->wal_writes_failed);
    gauge(out, "prometheus_tsdb_wal_storage_size_bytes", "Size of the write log directory.",
          (double)st->wal_bytes_on_disk);
    counter(out, "prometheus_tsdb_wal_corruptions_total", "Total number of WAL corruptions.",
            (double)st->wal_corruptions);
    counter(out, "ferula_wal_commits_total", "Group commits: one write and at most one sync each.",
            (double)st->commits);
    gauge(out, "ferula_wal_staged_bytes", "Bytes accepted and not yet durable.",
          (double)st->staged_bytes);
}

static void put_ledger(fer_buf *out, const app *a, const tsdb_stats *st)
{
    const fer_account *accounts[] = {&a->memory, &a->memory_head, &a->memory_ingest,
                                     &a->memory_queries, &a->memory_http};
    head(out, "gauge", "ferula_memory_used_bytes", "Bytes drawn on the memory ledger.");
    for (size_t i = 0; i < sizeof accounts / sizeof *accounts; i++) {
        fer_buf_printf(out, "ferula_memory_used_bytes{account=\"%s\"} ", accounts[i]->name);
        number(out, (double)fer_account_used(accounts[i]));
    }
    head(out, "gauge", "ferula_memory_limit_bytes",
         "Limits of the memory ledger; 0 where only the parent limits.");
    for (size_t i = 0; i < sizeof accounts / sizeof *accounts; i++) {
        fer_buf_printf(out, "ferula_memory_limit_bytes{account=\"%s\"} ", accounts[i]->name);
        number(out, (double)accounts[i]->limit_bytes);
    }
    head(out, "gauge", "ferula_head_bytes", "Bytes of the head by part.");
    labelled(out, "ferula_head_bytes", "part=\"series\"", (double)st->bytes_series);
    labelled(out, "ferula_head_bytes", "part=\"labels\"", (double)st->bytes_labels);
    labelled(out, "ferula_head_bytes", "part=\"chunks\"", (double)st->bytes_chunks);
    labelled(out, "ferula_head_bytes", "part=\"index\"", (double)st->bytes_index);
    counter(out, "ferula_head_refused_series_total", "New series refused at the memory limit.",
            (double)st->refused_series);
}

void metrics_page(fer_buf *out, app *a)
{
    put_process(out, a);
    put_server(out, a);
    put_engine(out, a);
    put_http(out, a);
    put_readers(out, a);
    put_receiver(out, a);
    metrics_idle_put(out);
    if (app_db(a) != NULL) {
        tsdb_stats st;
        tsdb_stats_get(app_db(a), &st);
        put_head(out, &st);
        put_damaged(out, app_db(a));
        put_exemplars(out, app_db(a));
        put_wal(out, &st);
        tsdb_maintenance_stats ms;
        tsdb_maintenance_stats_get(app_db(a), &ms);
        put_compactions(out, &ms);
        put_limits(out, a);
        put_ledger(out, a, &st);
    }
}

void web_metrics(http_req *r, void *arg)
{
    fer_buf out;
    fer_buf_init(&out, METRICS_BYTES_MAX, NULL);
    metrics_page(&out, arg);
    name_escaping e = federate_escaping(http_req_header(r, "Accept"), NULL); /* of no name here */
    http_reply_buf(r, 200, federate_content_type(e, false), &out);
}

/* metrics_store.c - what /metrics tells of the database: head, log, blocks, maintenance, memory. */
#include <inttypes.h>
#include <stdio.h>

#include "server/api/metrics_rooms.h"
#include "server/api/metrics_text.h"

static void put_exemplars(fer_buf *out, tsdb *db)
{
    exemplar_stats st;
    tsdb_exemplar_stats_get(db, &st);
    metrics_counter(out, "prometheus_tsdb_exemplar_exemplars_appended_total",
                    "Total number of appended exemplars.", (double)st.appended);
    metrics_gauge(out, "prometheus_tsdb_exemplar_exemplars_in_storage",
                  "Number of exemplars currently in circular storage.", (double)st.exemplars);
    metrics_gauge(out, "prometheus_tsdb_exemplar_series_with_exemplars_in_storage",
                  "Number of series with exemplars currently in circular storage.",
                  (double)st.series);
    metrics_gauge(out, "prometheus_tsdb_exemplar_last_exemplars_timestamp_seconds",
                  "The timestamp of the oldest exemplar stored in circular storage.",
                  (double)st.oldest_t / 1000);
    metrics_gauge(out, "prometheus_tsdb_exemplar_max_exemplars",
                  "Total number of exemplars the exemplar storage can store, resizeable.",
                  (double)st.max);
    metrics_counter(out, "prometheus_tsdb_exemplar_out_of_order_exemplars_total",
                    "Total number of out of order exemplar ingestion failed attempts.",
                    (double)st.out_of_order);
}

/* A counter of samples by kind. */
static void put_kinds(fer_buf *out, const char *name, const char *help, uint64_t floats,
                      uint64_t hists)
{
    metrics_head(out, "counter", name, help);
    metrics_labelled(out, name, "type=\"float\"", (double)floats);
    metrics_labelled(out, name, "type=\"histogram\"", (double)hists);
}

static void put_head(fer_buf *out, const tsdb_stats *st)
{
    bool empty = st->min_time == INT64_MAX;
    double lowest = empty ? 9223372036854775807.0 : (double)st->min_time;
    double oldest = st->blocks != 0 ? (double)st->blocks_min_time : lowest;
    metrics_gauge(out, "prometheus_tsdb_head_series", "Total number of series in the head block.",
                  (double)st->series);
    metrics_counter(out, "prometheus_tsdb_head_series_created_total",
                    "Total number of series created in the head", (double)st->series_created);
    metrics_counter(out, "prometheus_tsdb_head_series_removed_total",
                    "Total number of series removed in the head", (double)st->series_removed);
    metrics_gauge(out, "prometheus_tsdb_head_chunks", "Total number of chunks in the head block.",
                  (double)st->chunks);
    metrics_counter(out, "prometheus_tsdb_head_chunks_created_total",
                    "Total number of chunks created in the head", (double)st->chunks_created);
    metrics_counter(out, "prometheus_tsdb_head_chunks_removed_total",
                    "Total number of chunks removed in the head", (double)st->chunks_removed);
    metrics_gauge(
        out, "prometheus_tsdb_head_min_time",
        "Minimum time bound of the head block. The unit is decided by the library consumer.",
        lowest);
    metrics_gauge(out, "prometheus_tsdb_head_min_time_seconds",
                  "Minimum time bound of the head block.", lowest / 1000);
    metrics_gauge(
        out, "prometheus_tsdb_head_max_time",
        "Maximum timestamp of the head block. The unit is decided by the library consumer.",
        empty ? 0 : (double)st->max_time);
    metrics_gauge(out, "prometheus_tsdb_head_max_time_seconds",
                  "Maximum timestamp of the head block.", empty ? 0 : (double)st->max_time / 1000);
    metrics_gauge(
        out, "prometheus_tsdb_lowest_timestamp",
        "Lowest timestamp value stored in the database. The unit is decided by the library "
        "consumer.",
        oldest);
    metrics_gauge(out, "prometheus_tsdb_lowest_timestamp_seconds",
                  "Lowest timestamp value stored in the database.", oldest / 1000);
    put_kinds(out, "prometheus_tsdb_head_samples_appended_total",
              "Total number of appended samples.", st->samples_appended, st->hists_appended);
    put_kinds(out, "prometheus_tsdb_out_of_order_samples_total",
              "Total number of out of order samples ingestion failed attempts due to out of order "
              "being disabled.",
              st->out_of_order - st->hists_out_of_order, st->hists_out_of_order);
    metrics_head(
        out, "counter", "prometheus_tsdb_out_of_bound_samples_total",
        "Total number of out of bound samples ingestion failed attempts with out of order support "
        "disabled.");
    metrics_labelled(out, "prometheus_tsdb_out_of_bound_samples_total", "type=\"float\"",
                     (double)(st->out_of_bounds + st->too_far));
    metrics_gauge(
        out, "prometheus_tsdb_clean_start",
        "-1: lockfile is disabled. 0: a lockfile from a previous execution was replaced. 1: "
        "lockfile creation was clean",
        st->clean_start);
    metrics_gauge(out, "prometheus_tsdb_data_replay_duration_seconds",
                  "Time taken to replay the data on disk.", (double)st->replay_ns / 1e9);
    metrics_gauge(out, "prometheus_tsdb_blocks_loaded", "Number of currently loaded data blocks",
                  (double)st->blocks);
    metrics_gauge(out, "prometheus_tsdb_storage_blocks_bytes",
                  "The number of bytes that are currently used for local storage by all blocks.",
                  (double)st->blocks_bytes);
    metrics_counter(out, "prometheus_tsdb_mmap_chunks_total",
                    "Total number of chunks that were memory-mapped.", (double)st->chunks_mapped);
    metrics_counter(out, "prometheus_tsdb_mmap_chunk_corruptions_total",
                    "Total number of memory-mapped chunk corruptions.",
                    (double)st->chunk_files_damages);
    metrics_gauge(out, "prometheus_tsdb_head_chunks_storage_size_bytes",
                  "Size of the chunks_head directory.", (double)st->chunk_files_bytes);
    metrics_gauge(out, "ferula_tsdb_blocks_damaged",
                  "Number of blocks that are damaged and not served.", (double)st->blocks_damaged);
}

static void put_ooo_delta(fer_buf *out, const ooo_delta *d)
{
    static const char name[] = "prometheus_tsdb_sample_ooo_delta";
    uint64_t n = 0;
    metrics_head(
        out, "histogram", name,
        "Delta in seconds by which a sample is considered out of order (reported regardless of OOO "
        "time window and whether sample is accepted or not).");
    for (size_t i = 0; i < OOO_DELTA_BOUNDS; i++) {
        n += d->counts[i];
        fer_buf_printf(out, "%s_bucket{le=\"", name);
        fer_buf_printf(out, "%.0f\"} %" PRIu64 "\n", ooo_delta_bounds[i], n);
    }
    fer_buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum ", name, d->n, name);
    metrics_number(out, d->sum);
    fer_buf_printf(out, "%s_count %" PRIu64 "\n", name, d->n);
}

/* Samples out of order. */
static void put_ooo(fer_buf *out, const tsdb_stats *st)
{
    put_kinds(out, "prometheus_tsdb_too_old_samples_total",
              "Total number of out of order samples ingestion failed attempts with out of support "
              "enabled, but sample outside of time window.",
              st->too_old - st->hists_too_old, st->hists_too_old);
    put_kinds(out, "prometheus_tsdb_head_out_of_order_samples_appended_total",
              "Total number of appended out of order samples.", st->ooo_appended,
              st->ooo_hists_appended);
    put_ooo_delta(out, &st->ooo_delta);
    metrics_gauge(out, "ferula_tsdb_head_out_of_order_series",
                  "Series of the head that have samples out of order.", (double)st->ooo_series);
    metrics_summary(out, "prometheus_tsdb_out_of_order_wbl_fsync_duration_seconds",
                    "Duration of write log fsync.", (double)st->wbl_fsync_ns / 1e9, st->wbl_fsyncs);
    metrics_counter(out, "prometheus_tsdb_out_of_order_wbl_completed_pages_total",
                    "Total number of completed pages.", (double)st->wbl_pages);
    metrics_gauge(out, "prometheus_tsdb_out_of_order_wbl_segment_current",
                  "Write log segment index that TSDB is currently writing to.",
                  (double)st->wbl_segment);
    metrics_counter(out, "prometheus_tsdb_out_of_order_wbl_writes_failed_total",
                    "Total number of write log writes that failed.", (double)st->wbl_writes_failed);
    metrics_gauge(out, "prometheus_tsdb_out_of_order_wbl_storage_size_bytes",
                  "Size of the write log directory.", (double)st->wbl_bytes_on_disk);
}

static void put_damaged(fer_buf *out, tsdb *db)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    str_list l = {0};
    if (tsdb_damaged_blocks(db, a, &l, NULL) != FER_OK || l.n == 0)
        return;
    metrics_head(out, "gauge", "ferula_tsdb_block_damaged",
                 "1 for each block that is damaged and not served.");
    for (size_t i = 0; i < l.n; i++) {
        char text[64];
        snprintf(text, sizeof text, "block=\"%.*s\"", STR_FMT(l.v[i]));
        metrics_labelled(out, "ferula_tsdb_block_damaged", text, 1);
    }
}

static void put_compactions(fer_buf *out, const tsdb_maintenance_stats *st)
{
    metrics_counter(out, "prometheus_tsdb_compactions_total",
                    "Total number of compactions that were executed for the partition.",
                    (double)st->compactions);
    metrics_counter(out, "prometheus_tsdb_compactions_failed_total",
                    "Total number of compactions that failed for the partition.",
                    (double)st->compactions_failed);
    metrics_counter(out, "prometheus_tsdb_compactions_triggered_total",
                    "Total number of triggered compactions for the partition.",
                    (double)st->compactions_triggered);
    metrics_counter(out, "prometheus_tsdb_compactions_skipped_total",
                    "Total number of skipped compactions due to disabled auto compaction.", 0);
    metrics_counter(out, "prometheus_tsdb_vertical_compactions_total",
                    "Total number of compactions done on overlapping blocks.",
                    (double)st->vertical_compactions);
    metrics_gauge(out, "prometheus_tsdb_compaction_populating_block",
                  "Set to 1 when a block is currently being written to the disk.",
                  st->writing_block);
    metrics_spread(out, "prometheus_tsdb_compaction_duration_seconds",
                   "Duration of compaction runs", &st->compaction_runs, &compaction_seconds_scale);
    metrics_spread(out, "prometheus_tsdb_compaction_chunk_samples",
                   "Final number of samples on their first compaction", &st->chunks.samples,
                   &chunk_samples_scale);
    metrics_spread(out, "prometheus_tsdb_compaction_chunk_size_bytes",
                   "Final size of chunks on their first compaction", &st->chunks.bytes,
                   &chunk_bytes_scale);
    metrics_spread(out, "prometheus_tsdb_compaction_chunk_range_seconds",
                   "Final time range of chunks on their first compaction", &st->chunks.range_ms,
                   &chunk_range_scale);
    metrics_times(out, "prometheus_tsdb_tombstone_cleanup_seconds",
                  "The time taken to recompact blocks to remove tombstones.",
                  st->tombstone_cleanup_seconds, st->tombstone_cleanups);
    metrics_counter(out, "prometheus_tsdb_head_truncations_total",
                    "Total number of head truncations attempted.", (double)st->head_truncations);
    metrics_counter(out, "prometheus_tsdb_head_truncations_failed_total",
                    "Total number of head truncations that failed.", 0);
    metrics_summary(out, "prometheus_tsdb_head_gc_duration_seconds",
                    "Runtime of garbage collection in the head block.", st->head_gc_seconds,
                    st->head_truncations);
    metrics_counter(out, "prometheus_tsdb_checkpoint_creations_total",
                    "Total number of checkpoint creations attempted.",
                    (double)(st->checkpoints + st->checkpoints_failed));
    metrics_counter(out, "prometheus_tsdb_checkpoint_creations_failed_total",
                    "Total number of checkpoint creations that failed.",
                    (double)st->checkpoints_failed);
    metrics_counter(out, "prometheus_tsdb_checkpoint_deletions_total",
                    "Total number of checkpoint deletions attempted.", (double)st->checkpoints);
    metrics_counter(out, "prometheus_tsdb_checkpoint_deletions_failed_total",
                    "Total number of checkpoint deletions that failed.", 0);
    metrics_counter(out, "prometheus_tsdb_wal_truncations_total",
                    "Total number of write log truncations attempted.",
                    (double)(st->wal_truncations + st->checkpoints_failed));
    metrics_counter(out, "prometheus_tsdb_wal_truncations_failed_total",
                    "Total number of write log truncations that failed.",
                    (double)st->checkpoints_failed);
    metrics_summary(out, "prometheus_tsdb_wal_truncate_duration_seconds",
                    "Duration of WAL truncation.", st->wal_truncate_seconds, st->wal_truncations);
    metrics_counter(out, "prometheus_tsdb_reloads_total",
                    "Number of times the database reloaded block data from disk.",
                    (double)(st->reloads + st->reloads_failed));
    metrics_counter(out, "prometheus_tsdb_reloads_failures_total",
                    "Number of times the database failed to reloadBlocks block data from disk.",
                    (double)st->reloads_failed);
    metrics_counter(
        out, "prometheus_tsdb_time_retentions_total",
        "The number of times that blocks were deleted because the maximum time limit was "
        "exceeded.",
        (double)st->time_retentions);
    metrics_counter(
        out, "prometheus_tsdb_size_retentions_total",
        "The number of times that blocks were deleted because the maximum number of bytes was "
        "exceeded.",
        (double)st->size_retentions);
}

static void put_limits(fer_buf *out, const app *a)
{
    metrics_gauge(
        out, "prometheus_tsdb_retention_limit_bytes",
        "Max number of bytes to be retained in the tsdb blocks, configured 0 means disabled",
        (double)a->o.retention_bytes);
    metrics_gauge(
        out, "prometheus_tsdb_retention_limit_percentage",
        "Max percentage of total storage space to be retained in the tsdb blocks, configured 0 "
        "means disabled",
        a->o.retention_percent);
    metrics_gauge(out, "prometheus_tsdb_retention_limit_seconds",
                  "How long to retain samples in storage.", (double)a->o.retention_ms / 1000);
}

static void put_wal(fer_buf *out, const tsdb_stats *st)
{
    metrics_summary(out, "prometheus_tsdb_wal_fsync_duration_seconds",
                    "Duration of write log fsync.", (double)st->wal_fsync_ns / 1e9, st->wal_fsyncs);
    metrics_counter(out, "prometheus_tsdb_wal_completed_pages_total",
                    "Total number of completed pages.", (double)st->wal_pages);
    metrics_gauge(out, "prometheus_tsdb_wal_segment_current",
                  "Write log segment index that TSDB is currently writing to.",
                  (double)st->wal_segment);
    metrics_counter(out, "prometheus_tsdb_wal_writes_failed_total",
                    "Total number of write log writes that failed.", (double)st->wal_writes_failed);
    metrics_gauge(out, "prometheus_tsdb_wal_storage_size_bytes", "Size of the write log directory.",
                  (double)st->wal_bytes_on_disk);
    metrics_counter(out, "prometheus_tsdb_wal_corruptions_total",
                    "Total number of WAL corruptions.", (double)st->wal_corruptions);
    metrics_counter(out, "ferula_wal_commits_total",
                    "Group commits: one write and at most one sync each.", (double)st->commits);
    metrics_gauge(out, "ferula_wal_staged_bytes", "Bytes accepted and not yet durable.",
                  (double)st->staged_bytes);
}

static void put_ledger(fer_buf *out, const app *a, const tsdb_stats *st)
{
    const fer_account *accounts[] = {&a->memory, &a->memory_head, &a->memory_ingest,
                                     &a->memory_queries, &a->memory_http};
    metrics_head(out, "gauge", "ferula_memory_used_bytes", "Bytes drawn on the memory ledger.");
    for (size_t i = 0; i < sizeof accounts / sizeof *accounts; i++) {
        fer_buf_printf(out, "ferula_memory_used_bytes{account=\"%s\"} ", accounts[i]->name);
        metrics_number(out, (double)fer_account_used(accounts[i]));
    }
    metrics_head(out, "gauge", "ferula_memory_limit_bytes",
                 "Limits of the memory ledger; 0 where only the parent limits.");
    for (size_t i = 0; i < sizeof accounts / sizeof *accounts; i++) {
        fer_buf_printf(out, "ferula_memory_limit_bytes{account=\"%s\"} ", accounts[i]->name);
        metrics_number(out, (double)accounts[i]->limit_bytes);
    }
    metrics_head(out, "gauge", "ferula_head_bytes", "Bytes of the head by part.");
    metrics_labelled(out, "ferula_head_bytes", "part=\"series\"", (double)st->bytes_series);
    metrics_labelled(out, "ferula_head_bytes", "part=\"labels\"", (double)st->bytes_labels);
    metrics_labelled(out, "ferula_head_bytes", "part=\"chunks\"", (double)st->bytes_chunks);
    metrics_labelled(out, "ferula_head_bytes", "part=\"index\"", (double)st->bytes_index);
    metrics_labelled(out, "ferula_head_bytes", "part=\"other\"", (double)st->bytes_other);
    metrics_counter(out, "ferula_head_refused_series_total",
                    "New series refused at the memory limit.", (double)st->refused_series);
}

void metrics_put_store(fer_buf *out, app *a, tsdb *db)
{
    tsdb_stats st;
    tsdb_stats_get(db, &st);
    put_head(out, &st);
    put_damaged(out, db);
    put_exemplars(out, db);
    put_wal(out, &st);
    put_ooo(out, &st);
    tsdb_maintenance_stats ms;
    tsdb_maintenance_stats_get(db, &ms);
    put_compactions(out, &ms);
    put_limits(out, a);
    put_ledger(out, a, &st);
}

/* query_bench.c - what queries cost over the head, without network and JSON.
 *
 * Fills a database with three metrics of `series` series each: counters, gauges, and classic
 * histograms of ten buckets; six hours at 15 s. Prints for each query the CPU time of one evaluation
 * (repeated for at least --seconds), its series and points, and the memory it held.
 *
 *     query_bench [--series=N] [--samples=N] [--seconds=N] [--query=TEXT] [--step=MS] [--threads=N] [--dir=PATH]
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/option.h"
#include "promql/helpers_testing.h"
#include "promql/promql.h"
#include "tsdb/tsdb.h"

enum { RAW_BYTES = 256, INTERVAL_MS = 15000, BATCH = 2000, METRICS = 3, BUCKETS = 10 };

#define START_MS INT64_C(1700000000000)

typedef struct bench {
    uint64_t series, samples;
    double seconds;
    const char *dir, *query;
    int64_t step_ms;
    uint64_t threads; /* for queries to borrow */
    testing_helpers *helpers;
    tsdb *db;
    char *raw; /* RAW_BYTES per series */
    tsdb_row *rows;
} bench;

static double seconds_of(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double cpu_seconds(void)
{
    return seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

static double wall_seconds(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

/* ---- data ---- */

static void make_raw(char *raw, uint64_t metric, uint64_t i)
{
    static const char *const bounds[BUCKETS] = {"0.005", "0.01", "0.05", "0.1", "0.25",
                                                "0.5",   "1",    "2.5",  "10",  "+Inf"};
    static const char *const names[METRICS] = {"bench_requests_total", "bench_temperature",
                                               "bench_duration_seconds_bucket"};
    uint64_t pod = metric == 2 ? i / BUCKETS : i;
    int n = snprintf(raw, RAW_BYTES,
                     "__name__=%s,cluster=eu-west-1-production,container=main,env=production,"
                     "instance=10.0.%" PRIu64 ".%" PRIu64 ":9100,job=job-%" PRIu64,
                     names[metric], pod >> 8, pod & 255, pod % 20);
    if (metric == 2)
        n += snprintf(raw + n, RAW_BYTES - (size_t)n, ",le=%s", bounds[i % BUCKETS]);
    snprintf(raw + n, RAW_BYTES - (size_t)n, ",pod=service-%05" PRIu64 "-7d9f8b6c5", pod);
}

static fer_code parse(void *arg, fer_str raw, fer_arena *scratch, label **ret, size_t *ret_n,
                      fer_err *err)
{
    label *l = ARENA_ARRAY(scratch, label, 16);
    size_t n = 0;
    while (raw.n != 0) {
        const char *comma = memchr(raw.p, ',', raw.n);
        fer_str item = str_head(raw, comma == NULL ? raw.n : (size_t)(comma - raw.p));
        raw = str_from(raw, item.n + (comma != NULL));
        size_t at = (size_t)((const char *)memchr(item.p, '=', item.n) - item.p);
        l[n++] = (label){str_head(item, at), str_from(item, at + 1)};
    }
    *ret = l;
    *ret_n = n;
    return FER_OK;
}

static void on_done(void *arg, fer_code code)
{
    if (code != FER_OK)
        exit(1);
}

/* Counters with a reset now and then, a wandering gauge, cumulative buckets. */
static double value_of(uint64_t metric, uint64_t i, uint64_t round)
{
    uint64_t x = (i * 2654435761u + round * 40503u) >> 4;
    if (metric == 0)
        return (double)((round + i) % 700 * (i % 97 + 1) + x % 5);
    if (metric == 1)
        return (double)(x % 1000) * 0.25;
    return (double)(round * (i % BUCKETS + 1) * (i / BUCKETS % 13 + 1));
}

static void fill(bench *b)
{
    uint64_t n = b->series * METRICS;
    fer_arena *scratch = fer_arena_new(NULL, 0);
    b->raw = fer_alloc(n * RAW_BYTES);
    b->rows = fer_calloc(n, sizeof *b->rows);
    for (uint64_t i = 0; i < n; i++) {
        make_raw(b->raw + i * RAW_BYTES, i / b->series, i % b->series);
        b->rows[i].raw = str_of(b->raw + i * RAW_BYTES);
        b->rows[i].fp = tsdb_fingerprint(b->db, b->rows[i].raw);
    }
    for (uint64_t round = 0; round < b->samples; round++) {
        for (uint64_t i = 0; i < n; i++) {
            b->rows[i].t = START_MS + (int64_t)round * INTERVAL_MS;
            b->rows[i].v = value_of(i / b->series, i % b->series, round);
        }
        for (uint64_t i = 0; i < n; i += BATCH) {
            tsdb_report report;
            fer_err err;
            uint64_t m = n - i < BATCH ? n - i : BATCH;
            fer_arena_reset(scratch);
            if (tsdb_stage(b->db, b->rows + i, m, parse, NULL, scratch, &report, on_done, NULL,
                           &err) != FER_OK ||
                report.accepted != m || tsdb_commit_step(b->db, NULL, NULL) != FER_OK) {
                fprintf(stderr, "not stored\n");
                exit(1);
            }
        }
    }
    fer_arena_free(scratch);
}

/* ---- queries ---- */

typedef struct outcome {
    size_t series;
    uint64_t points, total_samples;
    int64_t peak_bytes;
} outcome;

static outcome evaluate(bench *b, fer_str text, int64_t step_ms)
{
    fer_account acct;
    fer_account_init(&acct, "query", NULL, 0);
    fer_arena *a = fer_arena_new(&acct, 0);
    fer_err err = {0};
    promql_limits limits = {.max_samples = UINT64_MAX / 2};
    int64_t end = START_MS + (int64_t)(b->samples - 1) * INTERVAL_MS;
    promql_params p = {.text = text, .end_ms = end, .step_ms = step_ms};
    p.helpers = b->helpers == NULL ? NULL : testing_helpers_of(b->helpers);
    p.start_ms = step_ms == 0 ? end : START_MS;
    query_ctx ctx = {.arena = a, .acct = &acct, .syms = syms_new(a)};
    promql_result *r;
    if (promql_parse(text, &limits.features, a, &p.e, &err) != FER_OK ||
        promql_exec(&limits, tsdb_storage(b->db), &ctx, &p, &r, &err) != FER_OK) {
        fprintf(stderr, "%.*s: %s\n", STR_FMT(text), err.msg);
        exit(1);
    }
    outcome o = {.series = r->n_series, .total_samples = r->stats.total_samples};
    for (size_t i = 0; i < r->n_series; i++)
        o.points += r->series[i].n;
    fer_arena_free(a);
    o.peak_bytes = fer_account_peak(&acct);
    return o;
}

static void measure(bench *b, const char *text, int64_t step_ms)
{
    outcome o = evaluate(b, str_of(text), step_ms);
    double from = cpu_seconds(), spent = 0, begun = wall_seconds();
    uint64_t runs = 0;
    do {
        evaluate(b, str_of(text), step_ms);
        runs++;
        spent = cpu_seconds() - from;
    } while (spent < b->seconds);
    double wall = wall_seconds() - begun;
    printf("%9.2f ms CPU %9.2f ms %8zu series %9" PRIu64 " points %8.2f MiB  %s%s\n",
           spent / (double)runs * 1e3, wall / (double)runs * 1e3, o.series, o.points,
           (double)o.peak_bytes / 1048576, text, step_ms == 0 ? " (instant)" : "");
    fflush(stdout);
}

static void run(bench *b)
{
    static const char *const ranges[] = {
        "sum(rate(bench_requests_total[5m]))",
        "sum by (job) (rate(bench_requests_total[5m]))",
        "histogram_quantile(0.9, sum by (le) (rate(bench_duration_seconds_bucket[5m])))",
        "avg_over_time(bench_temperature[1h])",
        "sum(sum_over_time(bench_temperature[1h]))",
        "max(max_over_time(bench_temperature[1h]))",
        "sum(rate(bench_requests_total[1h]))",
        "avg by (job) (bench_temperature)",
        "topk(5, bench_temperature)",
        "quantile(0.9, bench_temperature)",
        "bench_requests_total / bench_temperature",
        "sum(bench_requests_total) / count(bench_requests_total)",
        "bench_temperature > 200 and bench_requests_total",
        "max_over_time(rate(bench_requests_total{job=\"job-1\"}[5m])[30m:1m])",
        "bench_temperature",
        "stddev_over_time(bench_temperature{job=\"job-1\"}[1h])",
        "quantile_over_time(0.9, bench_temperature{job=\"job-1\"}[1h])",
    };
    static const char *const instants[] = {
        "count({__name__!=\"\"})",
        "sum by (job) (rate(bench_requests_total[5m]))",
        "bench_temperature * 2",
        "topk(10, rate(bench_requests_total[5m]))",
    };
    if (b->query != NULL) {
        measure(b, b->query, b->step_ms);
        return;
    }
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        measure(b, ranges[i], b->step_ms);
    for (size_t i = 0; i < sizeof instants / sizeof *instants; i++)
        measure(b, instants[i], 0);
}

static int bench_main(bench *b)
{
    tsdb_options o = {.path = b->dir,
                      .fs = vfs_posix(),
                      .clock = fer_clock_system(),
                      .rng = fer_rng_system(),
                      .sync = WAL_SYNC_NONE};
    fer_err err;
    if (tsdb_open(&o, NULL, &b->db, &err) != FER_OK)
        return fprintf(stderr, "%s\n", err.msg), 1;
    double from = cpu_seconds();
    fill(b);
    printf("%" PRIu64 " series x %" PRIu64 " samples written in %.1f s of CPU\n",
           b->series * METRICS, b->samples, cpu_seconds() - from);
    if (b->threads != 0)
        b->helpers = testing_helpers_new((unsigned)b->threads, 0);
    run(b);
    testing_helpers_free(b->helpers);
    fer_free(b->raw);
    fer_free(b->rows);
    return tsdb_close(b->db, &err) == FER_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    bench b = {.series = 1400, .samples = 1440, .seconds = 0.3, .step_ms = 60000};
    for (int i = 1; i < argc; i++) {
        const char *v;
        if (option(argv[i], "--series", &v))
            b.series = strtoull(v, NULL, 10);
        else if (option(argv[i], "--samples", &v))
            b.samples = strtoull(v, NULL, 10);
        else if (option(argv[i], "--seconds", &v))
            b.seconds = strtod(v, NULL);
        else if (option(argv[i], "--step", &v))
            b.step_ms = strtoll(v, NULL, 10);
        else if (option(argv[i], "--threads", &v))
            b.threads = strtoull(v, NULL, 10);
        else if (option(argv[i], "--query", &v))
            b.query = v;
        else if (option(argv[i], "--dir", &v))
            b.dir = v;
        else
            return fprintf(stderr, "unknown option %s\n", argv[i]), 2;
    }
    char tmp[] = "/tmp/query-bench-XXXXXX";
    if (b.dir == NULL && (b.dir = mkdtemp(tmp)) == NULL)
        return perror("mkdtemp"), 1;
    int status = bench_main(&b);
    if (b.dir == tmp && vfs_remove_all(vfs_posix(), tmp, NULL) != FER_OK)
        return 1;
    return status;
}

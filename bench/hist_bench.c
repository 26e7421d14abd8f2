/* hist_bench.c - what a native histogram costs from the wire to the head: 20 buckets, remote write 1.0.
 *
 * One thread scans requests of 500 series each, stages and commits them; with wal-sync=none, as the disk is not what is
 * measured. Prints CPU time (user and system) per histogram, by step.
 *
 *     hist_bench [--series=N] [--samples=N]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/remote/rw1.h"
#include "server/remote/rw_hist.h"
#include "tsdb/tsdb_testing.h"

enum { BUCKETS = 20, BATCH = 500, INTERVAL_MS = 15000, LABELS = 10 };

typedef struct bench {
    test_db t;
    uint64_t series, samples;
    fer_buf *requests; /* of one round */
    rw_request q;
    double scan, stage, commit;
} bench;

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

/* ---- requests ---- */

static void put_label(fer_buf *out, fer_buf *tmp, fer_str name, const char *value)
{
    fer_buf_clear(tmp);
    pb_put_bytes(tmp, 1, name);
    pb_put_bytes(tmp, 2, str_of(value));
    pb_put_bytes(out, 1, fer_buf_str(tmp));
}

/* Each bucket grows by some observations a round. */
static hist_sample make_histogram(uint64_t series, uint64_t round, histogram_span *spans,
                                  hist_num *buckets)
{
    uint64_t sum = 0, before = 0;
    for (uint64_t i = 0; i < BUCKETS; i++) {
        uint64_t count = 5 + i + round * (1 + (series + i * i) % 7);
        buckets[i].u = count - before;
        before = count;
        sum += count;
    }
    spans[0] = (histogram_span){-8, BUCKETS / 2};
    spans[1] = (histogram_span){2, BUCKETS / 2};
    return (hist_sample){.schema = 3,
                         .zero_threshold = 0x1p-128,
                         .count.u = sum,
                         .sum = (double)sum * 0.37 + (double)round,
                         .side[HIST_POS] = {spans, buckets, 2, BUCKETS}};
}

static void put_series(fer_buf *out, uint64_t series, uint64_t round, fer_buf tmp[4])
{
    static const char *const names[LABELS] = {"__name__",  "cluster",  "container", "env",
                                              "handler",   "instance", "job",       "method",
                                              "namespace", "pod"};
    histogram_span spans[2];
    hist_num buckets[BUCKETS];
    fer_buf_clear(&tmp[0]);
    for (int i = 0; i < LABELS; i++) {
        char value[64];
        snprintf(value, sizeof value, "%s-%" PRIu64 "-of-a-usual-length", names[i],
                 i == 0 || i == LABELS - 1 ? series : series % 50);
        put_label(&tmp[0], &tmp[1], str_of(names[i]), value);
    }
    hist_sample h = make_histogram(series, round, spans, buckets);
    fer_buf_clear(&tmp[2]);
    rw_put_histogram(&tmp[2], TEST_NOW + (int64_t)round * INTERVAL_MS, &h, &tmp[3]);
    pb_put_bytes(&tmp[0], 4, fer_buf_str(&tmp[2]));
    pb_put_bytes(out, 1, fer_buf_str(&tmp[0]));
}

static void make_requests(bench *b, uint64_t round)
{
    fer_buf tmp[4];
    for (int i = 0; i < 4; i++)
        fer_buf_init(&tmp[i], 1 << 20, NULL);
    for (uint64_t i = 0; i < b->series; i++) {
        if (i % BATCH == 0)
            fer_buf_clear(&b->requests[i / BATCH]);
        put_series(&b->requests[i / BATCH], i, round, tmp);
    }
    for (int i = 0; i < 4; i++)
        fer_buf_done(&tmp[i]);
}

/* ---- the server's part ---- */

static fer_hash128 fingerprint(const void *arg, fer_str raw)
{
    return tsdb_fingerprint(arg, raw);
}

static void on_done(void *arg, fer_code code)
{
    (void)arg;
    if (code != FER_OK)
        die("not durable", fer_code_name(code));
}

static void receive(bench *b, fer_str request)
{
    fer_err err = {0};
    double begun = cpu_seconds();
    if (rw1_scan(request, fingerprint, b->t.db, &b->q, &err) != FER_OK)
        die("scan", err.msg);
    double scanned = cpu_seconds();
    const tsdb_rows rows = {.hists = b->q.hists, .n_hists = b->q.n_hists};
    fer_arena_reset(b->t.scratch);
    if (tsdb_stage_rows(b->t.db, &rows, rw1_labels, NULL, b->t.scratch, &b->t.report, on_done, b,
                        &err) != FER_OK)
        die("stage", err.msg);
    if (b->t.report.hists_accepted != rows.n_hists)
        die("refused", b->t.report.n_texts != 0 ? b->t.report.texts[0].p : "no reason");
    double staged = cpu_seconds();
    test_commit(&b->t);
    b->scan += scanned - begun;
    b->stage += staged - scanned;
    b->commit += cpu_seconds() - staged;
}

static void run(bench *b)
{
    uint64_t n_requests = (b->series + BATCH - 1) / BATCH;
    b->requests = fer_calloc(n_requests, sizeof *b->requests);
    for (uint64_t i = 0; i < n_requests; i++)
        fer_buf_init(&b->requests[i], 1 << 24, NULL);
    for (uint64_t round = 0; round < b->samples; round++) {
        fer_clock_fake_advance(&b->t.clock, INTERVAL_MS);
        make_requests(b, round);
        if (round == 1) /* the series are there */
            b->scan = b->stage = b->commit = 0;
        for (uint64_t i = 0; i < n_requests; i++)
            receive(b, fer_buf_str(&b->requests[i]));
    }
    for (uint64_t i = 0; i < n_requests; i++)
        fer_buf_done(&b->requests[i]);
    fer_free(b->requests);
}

int main(int argc, char **argv)
{
    bench b = {.series = 5000, .samples = 120};
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--series=", 9) == 0)
            b.series = strtoull(argv[i] + 9, NULL, 10);
        else if (strncmp(argv[i], "--samples=", 10) == 0)
            b.samples = strtoull(argv[i] + 10, NULL, 10);
        else
            die(argv[i], "no such flag");
    }
    test_db_init(&b.t);
    b.t.o.sync = WAL_SYNC_NONE;
    test_db_open(&b.t);
    rw_request_init(&b.q, NULL);
    run(&b);
    double n = (double)(b.series * (b.samples - 1)) * 1e-9;
    printf("histograms of %d buckets: %.0f ns CPU each (scan %.0f, stage %.0f, commit %.0f)\n",
           BUCKETS, (b.scan + b.stage + b.commit) / n, b.scan / n, b.stage / n, b.commit / n);
    tsdb_stats st;
    tsdb_stats_get(b.t.db, &st);
    printf("head: %.0f bytes a series\n", (double)st.head_bytes / (double)b.series);
    rw_request_done(&b.q);
    test_db_done(&b.t);
    return 0;
}

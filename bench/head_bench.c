/* head_bench.c - what a sample and a series cost in the head, without network and decoding.
 *
 * One thread stages batches of 2,000 samples and commits each, or with --thread a committer thread does.
 * Series carry 10 labels of about 220 bytes. Prints CPU time (user and system) per sample, split into
 * staging and committing, what a new series costs, resident bytes per series, and the head's own
 * account by part.
 *
 *     head_bench [--series=N] [--samples=N] [--batch=N] [--sync=group|interval|none] [--thread]
 *                [--no-replay] [--replay-threads=N] [--dir=PATH]
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/thread.h"
#include "bench/option.h"
#include "tsdb/head/head_mmap.h"
#include "tsdb/maintenance/truncate.h"
#include "tsdb/tsdb_int.h"

typedef struct bench {
    uint64_t series, samples, batch;
    wal_sync_mode sync;
    bool thread, no_replay;
    unsigned replay_threads;
    const char *dir;
    tsdb *db;
    char *raw; /* RAW_BYTES per series */
    tsdb_row *rows;
    fer_mutex mu;
    fer_cond told;
    uint64_t waiting; /* requests without an answer; under mu */
} bench;

enum {
    RAW_BYTES = 320,
    INTERVAL_MS = 15000,
    IN_FLIGHT = 2 /* requests, as of a sender with two connections */
};

/* Ends without running what other threads may still need. */
static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    _Exit(1);
}

static double cpu_seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double wall_seconds(void)
{
    return (double)fer_clock_system()->mono_ns(fer_clock_system()) * 1e-9;
}

static double resident_bytes(void)
{
    unsigned long total = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%lu %lu", &total, &resident) != 2)
        resident = 0;
    if (f != NULL)
        (void)fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

/* The labels of series i: metrics of a fleet of pods, each pod its own instance. */
static void make_raw(char *raw, uint64_t i)
{
    uint64_t pod = i / 100, metric = i % 100;
    snprintf(
        raw, RAW_BYTES,
        "__name__=container_bench_metric_number_%02" PRIu64 "_total,cluster=eu-west-1-production,"
        "container=main,env=production,instance=10.%" PRIu64 ".%" PRIu64 ".%" PRIu64 ":9100,"
        "job=kubernetes-pods,namespace=team-%" PRIu64 ",node=node-%04" PRIu64 ".example.internal,"
        "pod=service-%05" PRIu64 "-7d9f8b6c5-x%04" PRIu64 ",zone=eu-west-1a",
        metric, pod >> 16 & 255, pod >> 8 & 255, pod & 255, pod % 50, pod / 30, pod,
        pod * 7919 % 9973);
}

static fer_code parse(void *arg, fer_str raw, fer_arena *scratch, label **ret, size_t *ret_n,
                      fer_err *err)
{
    (void)arg;
    (void)err;
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
    bench *b = arg;
    if (code != FER_OK)
        die("not durable", fer_code_name(code));
    fer_mutex_lock(&b->mu);
    b->waiting--;
    fer_mutex_unlock(&b->mu);
    fer_cond_signal(&b->told);
}

static void wait_for_answers(bench *b, uint64_t at_most)
{
    fer_mutex_lock(&b->mu);
    while (b->waiting > at_most)
        fer_cond_wait(&b->told, &b->mu);
    fer_mutex_unlock(&b->mu);
}

static void stage(bench *b, fer_arena *scratch, uint64_t from, uint64_t n)
{
    tsdb_report report;
    fer_err err;
    fer_arena_reset(scratch);
    fer_mutex_lock(&b->mu);
    b->waiting++;
    fer_mutex_unlock(&b->mu);
    fer_code code;
    while ((code = tsdb_stage(b->db, b->rows + from, n, parse, NULL, scratch, &report, on_done, b,
                              &err)) == FER_BUSY)
        usleep(1000);
    if (code != FER_OK || report.accepted != n)
        die("refused", code != FER_OK ? err.msg : report.texts[0].p);
}

/* A value as counters and gauges have it. */
static double value_of(uint64_t series, uint64_t round)
{
    return series % 3 == 0 ? (double)(round * (series % 97 + 1))
                           : (double)((series * 31 + round * 17) % 1000) * 0.25;
}

static void committer_main(void *arg)
{
    tsdb_run_committer(((bench *)arg)->db);
}

typedef struct costs {
    double cpu, stage, commit, wall;
    double slowest; /* CPU seconds of one request, staged and committed */
} costs;

/* One sample of every series. */
static void run_round(bench *b, uint64_t round, fer_arena *scratch, costs *c)
{
    for (uint64_t i = 0; i < b->series; i++) {
        b->rows[i].t = 1700000000000 + (int64_t)round * INTERVAL_MS;
        b->rows[i].v = value_of(i, round);
    }
    double cpu = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID), wall = wall_seconds();
    for (uint64_t i = 0; i < b->series; i += b->batch) {
        uint64_t n = b->series - i < b->batch ? b->series - i : b->batch;
        double at = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
        stage(b, scratch, i, n);
        double staged = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
        c->stage += staged - at;
        if (!b->thread) {
            fer_code code = tsdb_commit_step(b->db, NULL, NULL);
            if (code != FER_OK)
                die("commit", fer_code_name(code));
            c->commit += cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - staged;
        }
        double took = cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - at;
        c->slowest = took > c->slowest ? took : c->slowest;
        wait_for_answers(b, IN_FLIGHT);
    }
    wait_for_answers(b, 0);
    c->cpu += cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    c->wall += wall_seconds() - wall;
}

static void print_costs(const char *what, const costs *c, double n)
{
    printf(
        "%-14s %7.1f ns CPU a sample (stage %.1f, commit %.1f), %.2f M samples/s, slowest request "
        "%.1f ms of CPU\n",
        what, c->cpu / n * 1e9, c->stage / n * 1e9, c->commit / n * 1e9, n / c->wall * 1e-6,
        c->slowest * 1e3);
}

static void print_memory(const bench *b, double before)
{
    tsdb_stats st;
    tsdb_stats_get(b->db, &st);
    double n = (double)b->series;
    printf("resident       %7.1f bytes a series; on the account %.1f: series %.1f, labels %.1f, "
           "chunks %.1f, "
           "index %.1f\n",
           (resident_bytes() - before) / n, (double)st.head_bytes / n, (double)st.bytes_series / n,
           (double)st.bytes_labels / n, (double)st.bytes_chunks / n, (double)st.bytes_index / n);
    printf("log            %7.1f bytes a sample, %" PRIu64 " commits, %" PRIu64
           " syncs of %.0f us\n",
           (double)st.wal_bytes / (n * (double)b->samples), st.commits, st.wal_fsyncs,
           st.wal_fsyncs == 0 ? 0.0 : (double)st.wal_fsync_ns / (double)st.wal_fsyncs * 1e-3);
}

/* Selects by one matcher and reads all samples. */
static void measure_select(bench *b, const char *what, matcher_type type, const char *value)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    query_ctx ctx = {.arena = a, .syms = syms_new(a)};
    matcher m;
    querier *q;
    selection *sel;
    select_hints h = {.mint = INT64_MIN, .maxt = INT64_MAX};
    if (matcher_make(a, type, STR("__name__"), str_of(value), &m, NULL) != FER_OK ||
        storage_querier(tsdb_storage(b->db), &ctx, INT64_MIN, INT64_MAX, &q, NULL) != FER_OK)
        die(what, "no querier");
    double begun = wall_seconds();
    if (querier_select(q, &h, &m, 1, &sel, NULL) != FER_OK)
        die(what, "select failed");
    double selected = wall_seconds();
    for (size_t i = 0, n; i < sel->n; i++)
        if (selection_labels(sel, i, &n) == NULL)
            die(what, "no labels");
    double labelled = wall_seconds();
    samples got;
    samples_init(&got, NULL);
    size_t read = 0;
    for (size_t i = 0; i < sel->n; i++, read += got.n) {
        samples_clear(&got);
        if (selection_read(sel, i, INT64_MIN, INT64_MAX, &got, NULL) != FER_OK)
            die(what, "no samples");
    }
    double done = wall_seconds();
    samples_done(&got);
    printf("%-14s %zu series in %.2f ms (%.0f ns each), labels %.0f ns a series, samples %.1f ns "
           "each\n",
           what, sel->n, (selected - begun) * 1e3, (selected - begun) / (double)sel->n * 1e9,
           (labelled - selected) / (double)sel->n * 1e9, (done - labelled) / (double)read * 1e9);
    querier_close(q);
    fer_arena_free(a);
}

static void open_db(bench *b)
{
    tsdb_options o = {.path = b->dir,
                      .fs = vfs_posix(),
                      .clock = fer_clock_system(),
                      .rng = fer_rng_system(),
                      .sync = b->sync,
                      .replay_threads = b->replay_threads};
    fer_err err;
    if (tsdb_open(&o, NULL, &b->db, &err) != FER_OK)
        die("database", err.msg);
}

static void prepare(bench *b)
{
    b->raw = fer_alloc(b->series * RAW_BYTES);
    b->rows = fer_calloc(b->series, sizeof *b->rows);
    size_t bytes = 0;
    for (uint64_t i = 0; i < b->series; i++) {
        make_raw(b->raw + i * RAW_BYTES, i);
        b->rows[i].raw = str_of(b->raw + i * RAW_BYTES);
        bytes += b->rows[i].raw.n;
    }
    double made = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (uint64_t i = 0; i < b->series; i++)
        b->rows[i].fp = tsdb_fingerprint(b->db, b->rows[i].raw);
    printf("%" PRIu64 " series x %" PRIu64 ", %.0f bytes of labels; fingerprint %.1f ns\n",
           b->series, b->samples, (double)bytes / (double)b->series,
           (cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - made) / (double)b->series * 1e9);
}

static void measure_replay(bench *b)
{
    double cpu = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID), wall = wall_seconds();
    open_db(b);
    printf("replay         %7.1f ns CPU a sample, %.2f s\n",
           (cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (double)(b->series * b->samples) * 1e9,
           wall_seconds() - wall);
}

/* What it takes to forget all series, and what is left then. */
static void measure_forgetting(bench *b, double before)
{
    double cpu = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
    head_truncation ht;
    tsdb_truncate_head(b->db, INT64_MAX, &ht);
    cpu = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    tsdb_stats st;
    tsdb_stats_get(b->db, &st);
    printf("all gone       %7.1f ns CPU a series; on the account %.2f MiB, resident %.1f MiB more "
           "than "
           "before\n",
           cpu / (double)ht.series_removed * 1e9, (double)st.head_bytes / (1 << 20),
           (resident_bytes() - before) / (1 << 20));
}

/* Full chunks leave memory for chunks_head. */
static void measure_mapping(bench *b, double before)
{
    fer_err err = {0};
    tsdb_stats st;
    double cpu = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
    if (head_mmap_full_chunks(&b->db->h, &err) != FER_OK)
        die("chunks_head", err.msg);
    cpu = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    tsdb_stats_get(b->db, &st);
    double n = (double)b->series;
    printf("mapped         %7.1f ns CPU a chunk; then chunks %.1f bytes a series, resident %.1f\n",
           st.chunks_mapped == 0 ? 0.0 : cpu / (double)st.chunks_mapped * 1e9,
           (double)st.bytes_chunks / n, (resident_bytes() - before) / n);
}

static void run(bench *b)
{
    fer_mutex_init(&b->mu, "bench", 0);
    fer_cond_init(&b->told);
    open_db(b);
    prepare(b);
    fer_thread commits;
    if (b->thread && fer_thread_start(&commits, "committer", committer_main, b, NULL) != FER_OK)
        die("committer", "no thread");
    fer_arena *scratch = fer_arena_new(NULL, 0);
    double before = resident_bytes();
    costs first = {0}, rest = {0};
    run_round(b, 0, scratch, &first);
    print_costs("new series", &first, (double)b->series);
    for (uint64_t round = 1; round < b->samples; round++)
        run_round(b, round, scratch, &rest);
    if (b->samples > 1)
        print_costs("known series", &rest, (double)(b->series * (b->samples - 1)));
    print_memory(b, before);
    measure_select(b, "select one", MATCH_EQ, "container_bench_metric_number_42_total");
    measure_select(b, "select regex", MATCH_RE, "container_bench.*_1._total|x");
    measure_select(b, "select all", MATCH_RE, ".+");
    if (b->thread) {
        tsdb_stop_committer(b->db);
        fer_thread_join(&commits);
    }
    fer_arena_free(scratch);
    measure_mapping(b, before);
    measure_forgetting(b, before);
    fer_err err;
    for (bool replayed = b->no_replay;; replayed = true) {
        if (tsdb_close(b->db, &err) != FER_OK)
            die("database", err.msg);
        if (replayed)
            break;
        measure_replay(b);
    }
    fer_free(b->rows);
    fer_free(b->raw);
    fer_cond_done(&b->told);
    fer_mutex_done(&b->mu);
}

int main(int argc, char **argv)
{
    bench b = {.series = 100000, .samples = 200, .batch = 2000};
    for (int i = 1; i < argc; i++) {
        const char *v;
        if (option(argv[i], "--series", &v))
            b.series = strtoull(v, NULL, 10);
        else if (option(argv[i], "--samples", &v))
            b.samples = strtoull(v, NULL, 10);
        else if (option(argv[i], "--batch", &v))
            b.batch = strtoull(v, NULL, 10);
        else if (option(argv[i], "--replay-threads", &v))
            b.replay_threads = (unsigned)strtoul(v, NULL, 10);
        else if (option(argv[i], "--dir", &v))
            b.dir = v;
        else if (option(argv[i], "--sync", &v))
            b.sync = strcmp(v, "none") == 0       ? WAL_SYNC_NONE
                     : strcmp(v, "interval") == 0 ? WAL_SYNC_INTERVAL
                                                  : WAL_SYNC_GROUP;
        else if (strcmp(argv[i], "--thread") == 0)
            b.thread = true;
        else if (strcmp(argv[i], "--no-replay") == 0)
            b.no_replay = true;
        else
            return fprintf(stderr, "unknown option %s\n", argv[i]), 2;
    }
    char tmp[] = "/tmp/head-bench-XXXXXX";
    if (b.dir == NULL && (b.dir = mkdtemp(tmp)) == NULL)
        return perror("mkdtemp"), 1;
    run(&b);
    if (b.dir == tmp && vfs_remove_all(vfs_posix(), tmp, NULL) != FER_OK)
        return 1;
    return 0;
}

/* wal_bench.c - what the log takes a sample and a commit: written only, synced, synced and written in place (wal_file.h); with each
 * compression.
 *
 *     wal_bench [--batch=N] [--commits=N] [--dir=PATH]
 *
 * A commit is one record of `batch` samples: consecutive series, one time, counters with jitter (as bench/loadgen sends them)
 * or random values. CPU is user and system time of this thread.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/rng.h"
#include "bench/option.h"
#include "tsdb/wal/record.h"
#include "tsdb/wal/wal.h"

typedef struct bench {
    uint64_t batch, commits;
    const char *dir;
} bench;

typedef enum values { COUNTERS, RANDOM } values;
typedef enum way { WRITTEN, SYNCED, IN_PLACE } way;

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double wall_seconds(void)
{
    return (double)fer_clock_system()->mono_ns(fer_clock_system()) * 1e-9;
}

static double value_of(values kind, uint64_t i, uint64_t k, fer_rng_seeded *r)
{
    uint64_t x = fer_rng_seeded_next(r), slope = 1 + i % 97;
    if (kind == COUNTERS)
        return (double)(i % 1000 + k * slope + x % slope);
    return (double)x / 3e9;
}

static void make_record(const bench *b, values kind, uint64_t k, fer_rng_seeded *r, fer_buf *out)
{
    record_samples s;
    fer_buf_clear(out);
    record_samples_begin(&s, out);
    for (uint64_t i = 0; i < b->batch; i++)
        record_samples_add(&s, out, i + 1, 1700000000000 + (int64_t)k * 15000,
                           value_of(kind, i, k, r));
}

static void empty_dir(const char *dir)
{
    fer_err err;
    if (vfs_remove_all(vfs_posix(), dir, &err) != FER_OK)
        die("remove", err.msg);
}

static void measure(const bench *b, values kind, wal_compression compression, way how)
{
    static const char *const names[] = {"plain", "snappy", "zstd"};
    static const char *const ways[] = {"written", "synced", "in place"};
    fer_err err;
    wal *w;
    fer_buf record;
    fer_rng_seeded r;
    fer_rng_seeded_init(&r, 1);
    fer_buf_init(&record, SIZE_MAX / 2, NULL);
    const wal_options o = {.compression = compression,
                           .ahead_bytes = how == IN_PLACE ? wal_ahead_bytes(0) : 0};
    empty_dir(b->dir);
    if (wal_open(vfs_posix(), b->dir, &o, NULL, &w, &err) != FER_OK)
        die("log", err.msg);
    double cpu = 0, wall = 0;
    for (uint64_t k = 0; k < b->commits; k++) {
        make_record(b, kind, k, &r, &record);
        double cpu_begin = cpu_seconds(), begin = wall_seconds();
        wal_append(w, fer_buf_str(&record));
        if (wal_write(w, &err) != FER_OK || (how != WRITTEN && wal_sync(w, &err) != FER_OK))
            die("log", err.msg);
        if (how == WRITTEN)
            wal_relax(w);
        cpu += cpu_seconds() - cpu_begin;
        wall += wall_seconds() - begin;
    }
    wal_stats st;
    wal_stats_get(w, &st);
    double n = (double)b->commits, samples = n * (double)b->batch;
    printf("%-9s %-7s %-9s %8.1f us CPU, %8.1f us a commit; %7.2f ns CPU, %6.2f bytes a sample\n",
           kind == COUNTERS ? "counters" : "random", names[compression], ways[how], cpu / n * 1e6,
           wall / n * 1e6, cpu / samples * 1e9, (double)st.bytes_written / samples);
    if (wal_close(w, &err) != FER_OK)
        die("log", err.msg);
    fer_buf_done(&record);
    empty_dir(b->dir);
}

int main(int argc, char **argv)
{
    bench b = {.batch = 2000, .commits = 2000, .dir = "wal-bench"};
    for (int i = 1; i < argc; i++) {
        const char *v;
        if (option(argv[i], "--batch", &v))
            b.batch = strtoull(v, NULL, 10);
        else if (option(argv[i], "--commits", &v))
            b.commits = strtoull(v, NULL, 10);
        else if (option(argv[i], "--dir", &v))
            b.dir = v;
        else
            return fprintf(stderr, "unknown option %s\n", argv[i]), 2;
    }
    for (int kind = COUNTERS; kind <= RANDOM; kind++)
        for (int how = WRITTEN; how <= IN_PLACE; how++)
            for (int c = WAL_PLAIN; c <= WAL_ZSTD; c++)
                measure(&b, (values)kind, (wal_compression)c, (way)how);
    return 0;
}

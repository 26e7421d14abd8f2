#include "bench/load_series.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t z = a * 0x9e3779b97f4a7c15ULL + b;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

/* Every twentieth series is a bucket of a classic histogram: its le has this place, from 0. */
static const char *const bounds[] = {"0.1", "0.5", "1", "5", "+Inf"};
enum { BOUNDS = sizeof bounds / sizeof *bounds };

static bool is_bucket(uint64_t i)
{
    return i % LOAD_METRICS == LOAD_METRICS - 1;
}

load_type load_type_of(load_kind kind, uint64_t i)
{
    static const load_type mixed[] = {LOAD_INT_HIST, LOAD_FLOAT_HIST, LOAD_CUSTOM_HIST, LOAD_FLOAT};
    if (kind == LOAD_MIXED)
        return mixed[i % 4];
    return kind == LOAD_HISTOGRAMS ? LOAD_INT_HIST : LOAD_FLOAT;
}

/* Grows by 1 + i % 97 a sample, with jitter below that; buckets grow the faster the higher their bound. */
double load_value(uint64_t i, uint64_t k)
{
    uint64_t slope = 1 + i % 97;
    uint64_t v = i % 1000 + k * slope + mix(i, k) % slope;
    return (double)(is_bucket(i) ? v * (1 + i / LOAD_METRICS % BOUNDS) : v);
}

uint64_t load_bucket(uint64_t i, uint64_t k, uint64_t b)
{
    return 5 + b + k * (1 + (i + b * b) % 7);
}

void load_trace(uint64_t i, uint64_t k, char *ret)
{
    snprintf(ret, LOAD_TRACE_CHARS + 1, "%016" PRIx64, mix(k, i));
}

typedef struct sink {
    load_label_fn fn;
    void *arg;
} sink;

static void put_numbered(const sink *to, const char *name, const char *fmt, unsigned long v)
    __attribute__((format(printf, 3, 0)));

static void put_numbered(const sink *to, const char *name, const char *fmt, unsigned long v)
{
    char value[96];
    snprintf(value, sizeof value, fmt, v);
    to->fn(to->arg, name, value);
}

void load_labels(uint64_t i, uint64_t generation, load_label_fn fn, void *arg)
{
    const sink to = {fn, arg};
    put_numbered(&to, "__name__", "bench_http_requests_%02lu_total", i % LOAD_METRICS);
    put_numbered(&to, "cluster", "production-eu-%02lu", i / 50000 % 4);
    put_numbered(&to, "container", "application-%02lu", i / 20 % 10);
    put_numbered(&to, "endpoint", "metrics-%lu", i / 20 % 2);
    put_numbered(&to, "instance", "10.1.%lu.17:9100", i / 20 % 250);
    put_numbered(&to, "job", "kubernetes-service-%03lu", i / 200 % 100);
    if (is_bucket(i))
        fn(arg, "le", bounds[i / LOAD_METRICS % BOUNDS]);
    fn(arg, "method", i % 2 == 0 ? "GET" : "POST");
    put_numbered(&to, "namespace", "team-%02lu-backend", i / 1000 % 30);
    put_numbered(&to, "pod", "application-5d8f7c9b4d-%08lx", generation << 32 | i);
    if (!is_bucket(i))
        put_numbered(&to, "status", "%lu", 200 + i % 5);
}

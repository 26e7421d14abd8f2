/* stats.c - counters with one writer: the loop. */
#include "server/http/stats.h"

#include "base/mem.h"
#include "server/http/int.h"

enum { STATUSES = 16 }; /* different ones told apart for each handler */

struct http_handler_counts {
    const char *name;
    _Atomic int status[STATUSES]; /* 0: free */
    _Atomic uint64_t by_status[STATUSES];
    _Atomic uint64_t durations[HTTP_DURATION_BUCKETS + 1];
    _Atomic uint64_t sizes[HTTP_SIZE_BUCKETS + 1];
    _Atomic double duration_sum, size_sum;
    _Atomic uint64_t count;
};

static const double duration_bounds[HTTP_DURATION_BUCKETS] = {.1, .2, .4, 1, 3, 8, 20, 60, 120};

static size_t handler_index(http_stats_table *t, const char *name)
{
    for (size_t i = 0; i < t->n_handlers; i++)
        if (strcmp(t->handlers[i].name, name) == 0)
            return i;
    t->handlers[t->n_handlers].name = name;
    return t->n_handlers++;
}

void http_stats_build(http_stats_table *t, const http_routes *rs)
{
    http_stats_done(t);
    t->handlers = fer_calloc(rs->n, sizeof *t->handlers);
    t->of_route = fer_calloc(rs->n, sizeof *t->of_route);
    for (size_t i = 0; i < rs->n; i++)
        t->of_route[i] = handler_index(t, rs->v[i].route.handler);
}

void http_stats_done(http_stats_table *t)
{
    fer_free(t->handlers);
    fer_free(t->of_route);
    t->handlers = NULL;
    t->of_route = NULL;
    t->n_handlers = 0;
}

static void add_double(_Atomic double *sum, double v)
{
    atomic_store_explicit(sum, atomic_load_explicit(sum, memory_order_relaxed) + v,
                          memory_order_relaxed);
}

static void note_status(http_handler_counts *h, int status)
{
    size_t i = 0;
    for (; i < STATUSES - 1; i++) {
        int s = atomic_load_explicit(&h->status[i], memory_order_relaxed);
        if (s == status)
            break;
        if (s == 0) {
            atomic_store_explicit(&h->status[i], status, memory_order_relaxed);
            break;
        }
    }
    http_count(&h->by_status[i]);
}

void http_stats_note(http_stats_table *t, long route, int status, uint64_t duration_ns,
                     uint64_t bytes)
{
    if (route < 0)
        return;
    http_handler_counts *h = &t->handlers[t->of_route[route]];
    double seconds = (double)duration_ns / 1e9;
    int i = 0;
    while (i < HTTP_DURATION_BUCKETS && seconds > duration_bounds[i])
        i++;
    http_count(&h->durations[i]);
    double bound = 100;
    for (i = 0; i < HTTP_SIZE_BUCKETS && (double)bytes > bound; i++)
        bound *= 10;
    http_count(&h->sizes[i]);
    add_double(&h->duration_sum, seconds);
    add_double(&h->size_sum, (double)bytes);
    note_status(h, status);
    http_count(&h->count);
}

static void copy_cumulative(uint64_t *ret, const _Atomic uint64_t *from, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += atomic_load_explicit(&from[i], memory_order_relaxed);
        ret[i] = sum;
    }
}

size_t http_server_route_stats(const http_server *s, http_route_stats *ret, size_t max)
{
    size_t n = s->stats.n_handlers < max ? s->stats.n_handlers : max;
    for (size_t k = 0; k < n; k++) {
        const http_handler_counts *h = &s->stats.handlers[k];
        memset(&ret[k], 0, sizeof ret[k]);
        ret[k].handler = h->name;
        for (size_t i = 0; i < STATUSES; i++) {
            int status = atomic_load_explicit(&h->status[i], memory_order_relaxed);
            if (status > 0 && status < 600)
                ret[k].by_status[status] =
                    atomic_load_explicit(&h->by_status[i], memory_order_relaxed);
        }
        copy_cumulative(ret[k].duration_buckets, h->durations, HTTP_DURATION_BUCKETS + 1);
        copy_cumulative(ret[k].size_buckets, h->sizes, HTTP_SIZE_BUCKETS + 1);
        ret[k].duration_sum = atomic_load_explicit(&h->duration_sum, memory_order_relaxed);
        ret[k].size_sum = atomic_load_explicit(&h->size_sum, memory_order_relaxed);
        ret[k].count = atomic_load_explicit(&h->count, memory_order_relaxed);
    }
    return n;
}

void http_server_stats(const http_server *s, http_stats *ret)
{
    const http_stats_table *t = &s->stats;
    *ret = (http_stats){
        .connections = atomic_load_explicit(&t->connections, memory_order_relaxed),
        .accepted = atomic_load_explicit(&t->accepted, memory_order_relaxed),
        .refused = atomic_load_explicit(&t->refused, memory_order_relaxed),
        .bad_requests = atomic_load_explicit(&t->bad_requests, memory_order_relaxed),
        .timeouts = atomic_load_explicit(&t->timeouts, memory_order_relaxed),
        .bodies_bytes = (uint64_t)fer_account_used(&s->bodies),
        .handshakes = atomic_load_explicit(&t->handshakes, memory_order_relaxed),
    };
    for (size_t i = 0; i < HTTP_HANDSHAKE_ERRORS; i++)
        ret->handshake_errors[i] =
            atomic_load_explicit(&t->handshake_errors[i], memory_order_relaxed);
}

const char *http_handshake_error_name(http_handshake_error e)
{
    static const char *const names[HTTP_HANDSHAKE_ERRORS] = {"config", "plain_http", "protocol",
                                                             "left", "timeout"};
    return names[e];
}

/* stats.h - counters of the server and of its routes.
 *
 * Threads: written by the loop, read by any.
 */
#ifndef FERULA_SERVER_HTTP_STATS_H
#define FERULA_SERVER_HTTP_STATS_H

#include <stdatomic.h>

#include "server/http/routes.h"

typedef struct http_handler_counts http_handler_counts;

typedef struct http_stats_table {
    http_handler_counts *handlers; /* one for each name */
    size_t n_handlers;
    size_t *of_route; /* index into handlers */
    _Atomic uint64_t connections, accepted, refused, bad_requests, timeouts;
    _Atomic uint64_t handshakes, handshake_errors[HTTP_HANDSHAKE_ERRORS];
} http_stats_table;

void http_stats_build(http_stats_table *t, const http_routes *rs);
void http_stats_done(http_stats_table *t);
/* An answer on the route. */
void http_stats_note(http_stats_table *t, long route, int status, uint64_t duration_ns,
                     uint64_t bytes);

static inline void http_count(_Atomic uint64_t *n)
{
    atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
}

#endif

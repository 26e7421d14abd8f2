/* query.h - /api/v1/query and /api/v1/query_range. Handlers; arg is the app. */
#ifndef FERULA_SERVER_API_QUERY_H
#define FERULA_SERVER_API_QUERY_H

#include "server/app.h"

void api_query(http_req *r, void *arg);
void api_query_range(http_req *r, void *arg);

/* Totals over all queries, for /metrics. */
typedef struct query_totals {
    uint64_t count;
    uint64_t samples;
    double queue_s, prepare_s, inner_eval_s, sort_s;
    double cpu_s;
    uint64_t samples_read, peak_bytes; /* sums */
    uint64_t failed, canceled, timed_out;
} query_totals;
void api_query_totals(query_totals *ret);

#endif

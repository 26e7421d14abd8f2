/* result_json.h - a query result as JSON, piece by piece as the socket drains (DESIGN D8). */
#ifndef FERULA_SERVER_API_RESULT_JSON_H
#define FERULA_SERVER_API_RESULT_JSON_H

#include "server/api/run.h"

typedef struct result_stats {
    bool shown;    /* stats was asked for */
    bool per_step; /* stats=all and the feature is on */
    double eval_total_s, sort_s, prepare_s, inner_eval_s, queue_s, exec_total_s;
    bool cost_shown; /* stats=all */
    double cpu_s;    /* of the threads that evaluated it */
    uint64_t peak_bytes;
} result_stats;

/* Appends the object that stands behind "stats". counts NULL: the query failed. */
void result_stats_put(fer_buf *out, const result_stats *s, const promql_stats *counts,
                      int64_t start_ms, int64_t step_ms);

/* Sends the result; takes over run (freed when the answer is out). The times are
 * those of the query, step_ms 0 for an instant. */
void result_send(http_req *r, query_run *run, const promql_result *res, const result_stats *stats,
                 int64_t start_ms, int64_t step_ms);

#endif

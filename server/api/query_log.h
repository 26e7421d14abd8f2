/* query_log.h - global.query_log_file: a line of JSON for each query, as Prometheus writes it.
 *
 *   {"time":"...","level":"INFO","source":"query_log.c","msg":"promql query logged","params":{"end":...},"stats":{...},
 *    "httpRequest":{"clientIP":"127.0.0.1","method":"GET","path":"/api/v1/query"}}
 *
 * What only we tell stands in stats.cost. The file is opened anew with each configuration, so a log that has been moved
 * away is begun again by a reload. Threads: any.
 */
#ifndef FERULA_SERVER_API_QUERY_LOG_H
#define FERULA_SERVER_API_QUERY_LOG_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

typedef struct query_log query_log;

query_log *query_log_new(fer_clock *clock);
void query_log_free(query_log *l); /* NULL is fine */
/* Appends to the file from now on; "": no log. FER_IO when it cannot be opened; then what was in force stays. */
FER_MUST_CHECK fer_code query_log_open(query_log *l, fer_str path, fer_err *err);
bool query_log_enabled(query_log *l);
uint64_t query_log_failures(query_log *l);

typedef struct query_log_line {
    fer_str query, error; /* error empty: it went well */
    int64_t start_ms, end_ms, step_ms;
    fer_str stats; /* a JSON object */
    fer_str client_ip, path;
    const char *method;
} query_log_line;
void query_log_write(query_log *l, const query_log_line *line);

#endif

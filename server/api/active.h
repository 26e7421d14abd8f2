/* active.h - the queries under way: who asks what since when, and how to end one.
 *
 * While a query runs its text also stands in the file `queries.active` of the data directory, which has a place of 1,000
 * bytes for each query that may run at once; a start after a crash tells in the log which were running. The file is
 * that of Prometheus: "[", then in each place {"query":"up","timestamp_sec":1700000000}, zeros and ",". It is written,
 * not mapped: a full disk costs an entry, not the process.
 *
 * Threads: any. A query is found and canceled under the lock that its end takes as well.
 */
#ifndef FERULA_SERVER_API_ACTIVE_H
#define FERULA_SERVER_API_ACTIVE_H

#include "base/buf.h"
#include "base/cancel.h"
#include "base/log.h"
#include "base/vfs.h"

typedef struct active_queries active_queries;

/* Of its caller, from active_add() to active_remove(); what is above the line is filled before. */
typedef struct active_query {
    fer_str text, client, path;
    int64_t start_ms, end_ms, step_ms;
    fer_cancel *token;
    const fer_account *account;
    /* ---- */
    struct active_query *next, *prev;
    uint64_t id;
    int64_t since_ms;
    uint64_t since_ns;
    size_t place; /* in the file, from 1; 0: none */
    bool running, killed;
} active_query;

/* At most so many run at once. */
active_queries *active_queries_new(size_t max_running, fer_clock *clock, fer_log *log);
void active_queries_free(active_queries *a); /* NULL is fine */
/* Reads what an earlier process left in the file, tells it in the log, and writes the file anew. Without a file, should
 * that fail (told in the log), the list works all the same. Once, before the first query. */
void active_queries_open(active_queries *a, vfs *fs, const char *dir);

void active_add(active_queries *a, active_query *q);   /* waits */
void active_start(active_queries *a, active_query *q); /* runs */
void active_remove(active_queries *a, active_query *q);

/* Cancels its token; false when no such query is under way. */
bool active_kill(active_queries *a, uint64_t id);
/* Appends a JSON list, oldest first. */
void active_put(active_queries *a, fer_buf *out);

typedef struct active_counts {
    size_t waiting, running;
    uint64_t killed; /* ever */
} active_counts;
active_counts active_count(active_queries *a);

#endif

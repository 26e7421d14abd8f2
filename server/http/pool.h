/* pool.h - worker threads with a bounded queue (DESIGN D8).
 *
 * Two lanes: new work, which may be refused when too much waits, and urgent work (the next piece of
 * an answer half sent), which is never refused and goes first. One thread more than asked for serves
 * the urgent lane alone, so that long queries cannot hold up answers already begun.
 * Threads: all functions from any thread; new and free by the owner.
 */
#ifndef FERULA_SERVER_HTTP_POOL_H
#define FERULA_SERVER_HTTP_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct http_workers http_workers;

/* Embedded in what is to be done; untouched by the pool once run. */
typedef struct http_job http_job;
struct http_job {
    http_job *next;
    void (*run)(http_job *j);
    uint64_t client; /* who is served by it, for http_workers_order(); 0: nobody in particular */
};

/* name: at most 12 bytes, static. `urgent`: whether there is an urgent lane. `nice`: of the threads (base/thread.h). */
FER_MUST_CHECK fer_code http_workers_new(const char *name, unsigned threads, size_t queue_max,
                                         bool urgent, int nice, http_workers **ret, fer_err *err);
/* From now on that new work goes first whose client has the least cost; of equal cost, what came first. `cost` is called
 * with the queue's lock held. Before the first job. */
typedef double (*http_cost_fn)(uint64_t client, void *arg);
void http_workers_order(http_workers *w, http_cost_fn cost, void *arg);
/* Runs what is queued, then ends the threads. NULL is fine. */
void http_workers_free(http_workers *w);
/* Has each thread give back the memory that is kept for it, as soon as it has nothing to do. */
void http_workers_rest(http_workers *w);
/* False when the queue is full. */
FER_MUST_CHECK bool http_workers_add(http_workers *w, http_job *j);
void http_workers_add_urgent(http_workers *w, http_job *j);
/* Calls run(arg) soon on a thread that has nothing to do; false when there is none, or when most_busy are at work. */
FER_MUST_CHECK bool http_workers_lend(http_workers *w, size_t most_busy, void (*run)(void *arg),
                                      void *arg);
/* Whether nothing new waits for a thread and at most most_busy are at work. */
bool http_workers_relaxed(http_workers *w, size_t most_busy);
/* Whether the calling thread is one of w's. */
bool http_workers_inside(const http_workers *w);
size_t http_workers_waiting(http_workers *w);

#endif

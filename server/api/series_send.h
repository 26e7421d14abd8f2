/* series_send.h - series as JSON, piece by piece as the socket drains (DESIGN D8).
 *
 * An answer of a million series is never whole in memory. Nothing can fail once it has begun but the connection: the
 * list is complete before, and no querier is open any more, so that a slow client holds the run's memory alone.
 * Threads: a worker; the pieces are made on workers, one at a time.
 */
#ifndef FERULA_SERVER_API_SERIES_SEND_H
#define FERULA_SERVER_API_SERIES_SEND_H

#include "server/api/run.h"

/* Labels of a series, by ids of the run's symbols. */
typedef struct label_set {
    const label_id *l;
    size_t n;
} label_set;

/* Series in the order of the answer: a selection whose labels are in_memory, or sets (s NULL). */
typedef struct series_list {
    selection *s;
    const label_set *v;
    size_t n;
    str_list warnings;
} series_list;

/* Takes over run, which is freed when the answer is out; the list is of its arena. */
void series_send(http_req *r, query_run *run, const series_list *series);

#endif

/* labels_send.h - names, values and series as JSON, piece by piece as the socket drains (DESIGN D8).
 *
 * An answer of a million values is never whole in memory. Nothing can fail once it has begun but the connection: the
 * list is complete before.
 * Threads: a worker; the pieces are made on workers, one at a time.
 */
#ifndef FERULA_SERVER_API_LABELS_SEND_H
#define FERULA_SERVER_API_LABELS_SEND_H

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
} series_list;

/* Both take over run and q, which are freed when the answer is out, and tell q's warnings. The texts live as long as q,
 * the list as long as the run's arena. */
void labels_send_texts(http_req *r, query_run *run, querier *q, const str_list *texts);
void labels_send_series(http_req *r, query_run *run, querier *q, const series_list *series);

#endif

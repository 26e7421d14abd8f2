/* write.h - POST /api/v1/write: the remote-write receiver.
 *
 * Answers (REMOTE.md section 1, DESIGN section 4): 204 when everything is durable; 400 with the first
 * reasons and the counts when something of the request cannot be stored, the rest being durable by
 * then; 415 for other encodings and types; 503 with Retry-After when memory or disk run short.
 *
 * Also keeps the metadata that remote write 1.0 sends, for /api/v1/metadata.
 * Threads: the handler runs on ingest workers, any number at once.
 */
#ifndef FERULA_SERVER_REMOTE_WRITE_H
#define FERULA_SERVER_REMOTE_WRITE_H

#include "server/app.h"
#include "server/remote/metadata.h"

rw_receiver *rw_receiver_new(app *a);
void rw_receiver_free(rw_receiver *w);
/* Gives back the memory kept for later requests. Any thread. */
void rw_receiver_rest(rw_receiver *w);
/* http_handler; arg is the app. */
void rw_handle(http_req *r, void *arg);

typedef struct rw_stats {
    uint64_t requests, samples, histograms, exemplars; /* stored */
    uint64_t rejected_samples, invalid_labels, exemplars_dropped;
    uint64_t metadata;
} rw_stats;
void rw_stats_get(const rw_receiver *w, rw_stats *ret);

/* What senders told about metric families. */
metadata_store *rw_metadata_store(rw_receiver *w);

#endif

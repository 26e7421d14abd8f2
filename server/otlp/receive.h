/* receive.h - POST /api/v1/otlp/v1/metrics: the OTLP receiver.
 *
 * Source: OTLP specification 1.x, "OTLP/HTTP Response"; REMOTE.md section 6. Answers: 200 when everything is
 * durable; 200 with a partial success, which names the first reasons, when some points can never be stored and the
 * rest is durable; 400 when nothing of the request can be; 413 for one too large; 503 with Retry-After when memory or disk run
 * short. These have a Status, in the form of the request, as their body.
 * Threads: the handler runs on ingest workers, any number at once.
 */
#ifndef FERULA_SERVER_OTLP_RECEIVE_H
#define FERULA_SERVER_OTLP_RECEIVE_H

#include "server/app.h"

otlp_receiver *otlp_receiver_new(app *a);
void otlp_receiver_free(otlp_receiver *o);
/* Gives back the memory kept for later requests. Any thread. */
void otlp_receiver_rest(otlp_receiver *o);
/* http_handler; arg is the app. */
void otlp_handle(http_req *r, void *arg);

typedef struct otlp_stats {
    uint64_t requests, samples, refused_points;
} otlp_stats;
void otlp_stats_get(const otlp_receiver *o, otlp_stats *ret);

#endif

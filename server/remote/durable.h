/* durable.h - an answer that goes out when the request is durable.
 *
 * Two sides finish it, in either order: the handler, which prepares the answer, and the committer, which tells
 * how the batch went; the later one sends it.
 */
#ifndef FERULA_SERVER_REMOTE_DURABLE_H
#define FERULA_SERVER_REMOTE_DURABLE_H

#include <stdatomic.h>

#include "server/http/http.h"

typedef struct durable_reply durable_reply;
struct durable_reply {
    http_req *r;
    /* Sends the answer that the handler prepared: called when outcome is FER_OK. */
    void (*send)(durable_reply *d);
    /* Sends a 503 otherwise, as reply_busy() does where it is NULL. */
    void (*refuse)(durable_reply *d, const char *why);
    fer_code outcome;
    _Atomic int sides;
};

void durable_reply_init(durable_reply *d, http_req *r, void (*send)(durable_reply *d));
/* tsdb_done_fn; arg is the durable_reply. */
void durable_reply_committed(void *arg, fer_code outcome);
/* The handler's side. Afterwards the reply is not its own any more. */
void durable_reply_prepared(durable_reply *d);

/* Of a 503: when to try again, in seconds. */
#define BUSY_RETRY_AFTER "5"

/* 503 with Retry-After. */
void reply_busy(http_req *r, const char *why);

#endif

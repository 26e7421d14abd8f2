/* read.h - POST /api/v1/read: remote read, as samples or as a stream of XOR chunks.
 *
 * Answers as Prometheus (REMOTE.md section 5): external labels of the configuration are added to the series
 * and taken out of the matchers. A stream is made from storage as the socket drains (DESIGN D8); chunks are
 * made anew from the samples between start and end, at most 120 each, so that any client reads them.
 * Native histograms are not read yet.
 *
 * A request holds one of --storage.remote.read-concurrent-limit places until its answer has gone out.
 * Threads: query workers.
 */
#ifndef FERULA_SERVER_REMOTE_READ_H
#define FERULA_SERVER_REMOTE_READ_H

#include "server/app.h"

/* http_handler; arg is the app. */
void rr_handle(http_req *r, void *arg);

#endif

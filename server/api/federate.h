/* federate.h - GET /federate: the newest sample of each series that some match[] selects.
 *
 * As Prometheus 3.5 answers it: protobuf where the Accept header prefers it, else text format 0.0.4 (no OpenMetrics),
 * names escaped as it asks, floats untyped, external labels and instance="" added where a series lacks them. Stale
 * series are left out, and native histograms from text.
 * Threads: query workers.
 */
#ifndef FERULA_SERVER_API_FEDERATE_H
#define FERULA_SERVER_API_FEDERATE_H

#include "server/app.h"

/* Of all requests so far: failures but of parameters, and warnings of the storage. */
void web_federate_totals(uint64_t *ret_errors, uint64_t *ret_warnings);

/* http_handler; arg is the app. */
void web_federate(http_req *r, void *arg);

#endif

/* gate.h - at most so many queries at once (--query.max-concurrency); the rest wait in order.
 *
 * Threads: any; a waiter blocks its worker. */
#ifndef FERULA_SERVER_API_GATE_H
#define FERULA_SERVER_API_GATE_H

#include "base/cancel.h"
#include "base/err.h"

typedef struct query_gate query_gate;

query_gate *query_gate_new(unsigned max);
void query_gate_free(query_gate *g);
/* Waits for a place. FER_CANCELED or FER_TIMEOUT by the token (checked at least each 50 ms). */
FER_MUST_CHECK fer_code query_gate_enter(query_gate *g, const fer_cancel *c);
void query_gate_leave(query_gate *g);
unsigned query_gate_max(const query_gate *g);
unsigned query_gate_running(query_gate *g);

#endif

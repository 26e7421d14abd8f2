/* gate.h - at most so many queries at once (--query.max-concurrency); of the rest goes first whose client has cost least
 * lately, and of one client's who came first.
 *
 * Threads: any; a waiter blocks its worker. */
#ifndef FERULA_SERVER_API_GATE_H
#define FERULA_SERVER_API_GATE_H

#include "base/cancel.h"
#include "base/err.h"
#include "server/api/client_costs.h"

typedef struct query_gate query_gate;

/* costs NULL: in order of arrival. */
query_gate *query_gate_new(unsigned max, client_costs *costs);
void query_gate_free(query_gate *g);
/* Waits for a place. FER_CANCELED or FER_TIMEOUT by the token (checked at least each 50 ms). */
FER_MUST_CHECK fer_code query_gate_enter(query_gate *g, uint64_t client, const fer_cancel *c);
void query_gate_leave(query_gate *g);
unsigned query_gate_max(const query_gate *g);
unsigned query_gate_running(query_gate *g);
size_t query_gate_waiting(query_gate *g);

#endif

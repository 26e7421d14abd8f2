/* client_costs.h - what clients have cost lately, so that who has used least goes first.
 *
 * A client is told by the header X-Scope-OrgID, else X-Dashboard-Uid, else by its address without the port; it is known
 * by a hash of that. Its cost is the CPU time of its queries, halved each minute. Only so many clients are kept: the
 * cheapest of those that share a few places is forgotten for a new one, which thus begins at nothing.
 *
 * Threads: any. The lock is a leaf, taken also under the lock of a pool's queue.
 */
#ifndef FERULA_SERVER_API_CLIENT_COSTS_H
#define FERULA_SERVER_API_CLIENT_COSTS_H

#include "server/http/http.h"

typedef struct client_costs client_costs;

enum { CLIENT_COST_HALF_LIFE_MS = 60000 };

client_costs *client_costs_new(fer_clock *clock);
void client_costs_free(client_costs *c); /* NULL is fine */

/* Who asks, as text ("tenant-1", "127.0.0.1"); lives as long as the request. */
fer_str client_name(const http_req *r);
/* A hash of the name; never 0. */
uint64_t client_key(const http_req *r);

void client_costs_add(client_costs *c, uint64_t key, uint64_t cpu_ns);
/* Nanoseconds; 0 for a client not known. */
double client_costs_of(client_costs *c, uint64_t key);
/* Clients known now. */
size_t client_costs_count(client_costs *c);

#endif

/* gate.c - a list of who waits, in order of arrival. */
#include "server/api/gate.h"

#include <assert.h>

#include "base/mem.h"
#include "base/thread.h"

enum { CHECK_NS = 50 * 1000 * 1000 };

typedef struct waiter waiter;
struct waiter {
    waiter *next;
    uint64_t client;
};

struct query_gate {
    fer_mutex mu;
    fer_cond changed;
    client_costs *costs; /* may be NULL */
    unsigned max, running;
    waiter *first, **last; /* in order of arrival */
};

query_gate *query_gate_new(unsigned max, client_costs *costs)
{
    query_gate *g = fer_calloc(1, sizeof *g);
    fer_mutex_init(&g->mu, "query gate", 0);
    fer_cond_init(&g->changed);
    g->costs = costs;
    g->max = max == 0 ? 1 : max;
    g->last = &g->first;
    return g;
}

void query_gate_free(query_gate *g)
{
    if (g == NULL)
        return;
    fer_cond_done(&g->changed);
    fer_mutex_done(&g->mu);
    fer_free(g);
}

static void drop(query_gate *g, waiter *w)
{
    waiter **at = &g->first;
    while (*at != w) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = w->next;
    if (g->last == &w->next)
        g->last = at;
}

/* Who goes next, of those that wait. */
static const waiter *next_one(query_gate *g)
{
    const waiter *best = g->first;
    if (g->costs == NULL || best->next == NULL)
        return best;
    double least = client_costs_of(g->costs, best->client);
    for (const waiter *w = best->next; w != NULL; w = w->next) {
        double cost = client_costs_of(g->costs, w->client);
        if (cost < least && w->client != best->client) {
            least = cost;
            best = w;
        }
    }
    return best;
}

fer_code query_gate_enter(query_gate *g, uint64_t client, const fer_cancel *c)
{
    waiter w = {.client = client};
    fer_code code = FER_OK;
    fer_mutex_lock(&g->mu);
    *g->last = &w;
    g->last = &w.next;
    while (g->running >= g->max || next_one(g) != &w) {
        code = fer_cancel_check(c);
        if (code != FER_OK)
            break;
        fer_cond_wait_ns(&g->changed, &g->mu, CHECK_NS);
    }
    drop(g, &w);
    if (code == FER_OK)
        g->running++;
    fer_cond_broadcast(&g->changed);
    fer_mutex_unlock(&g->mu);
    return code;
}

void query_gate_leave(query_gate *g)
{
    fer_mutex_lock(&g->mu);
    g->running--;
    fer_cond_broadcast(&g->changed);
    fer_mutex_unlock(&g->mu);
}

unsigned query_gate_max(const query_gate *g)
{
    return g->max;
}

unsigned query_gate_running(query_gate *g)
{
    fer_mutex_lock(&g->mu);
    unsigned n = g->running;
    fer_mutex_unlock(&g->mu);
    return n;
}

size_t query_gate_waiting(query_gate *g)
{
    size_t n = 0;
    fer_mutex_lock(&g->mu);
    for (const waiter *w = g->first; w != NULL; w = w->next)
        n++;
    fer_mutex_unlock(&g->mu);
    return n;
}

/* client_costs.c - a table of a fixed size with a few places for each hash. */
#include "server/api/client_costs.h"

#include <math.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/thread.h"
#include "server/http/ranks.h"

enum { GROUPS = 256, PLACES = 8 };

typedef struct place {
    uint64_t key; /* 0: free */
    double cost;  /* ns, as of at_ns */
    uint64_t at_ns;
} place;

struct client_costs {
    fer_clock *clock;
    fer_mutex mu;
    place groups[GROUPS][PLACES];
};

client_costs *client_costs_new(fer_clock *clock)
{
    client_costs *c = fer_calloc(1, sizeof *c);
    c->clock = clock;
    fer_mutex_init(&c->mu, "client costs", HTTP_RANK_CLIENT_COSTS);
    return c;
}

void client_costs_free(client_costs *c)
{
    if (c == NULL)
        return;
    fer_mutex_done(&c->mu);
    fer_free(c);
}

/* "127.0.0.1:43210" and "[::1]:43210" without the port. */
static fer_str host_of(fer_str remote)
{
    size_t n = remote.n;
    while (n > 0 && remote.p[n - 1] != ':')
        n--;
    return (fer_str){remote.p, n == 0 ? remote.n : n - 1};
}

fer_str client_name(const http_req *r)
{
    static const char *const headers[] = {"X-Scope-OrgID", "X-Dashboard-Uid"};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        fer_str s = http_req_header(r, headers[i]);
        if (s.n != 0)
            return s;
    }
    return host_of(http_req_remote(r));
}

uint64_t client_key(const http_req *r)
{
    fer_str name = client_name(r);
    uint64_t key = fer_hash64(name.p, name.n);
    return key == 0 ? 1 : key;
}

static double now_cost(const place *p, uint64_t now_ns)
{
    double age_ms = now_ns > p->at_ns ? (double)(now_ns - p->at_ns) / 1e6 : 0;
    return p->cost * exp2(-age_ms / CLIENT_COST_HALF_LIFE_MS);
}

static place *find(client_costs *c, uint64_t key)
{
    place *group = c->groups[key % GROUPS];
    for (size_t i = 0; i < PLACES; i++)
        if (group[i].key == key)
            return &group[i];
    return NULL;
}

static place *find_or_make(client_costs *c, uint64_t key, uint64_t now_ns)
{
    place *p = find(c, key), *group = c->groups[key % GROUPS];
    if (p != NULL)
        return p;
    p = &group[0];
    for (size_t i = 1; i < PLACES; i++)
        if (now_cost(&group[i], now_ns) < now_cost(p, now_ns))
            p = &group[i];
    *p = (place){.key = key, .at_ns = now_ns};
    return p;
}

void client_costs_add(client_costs *c, uint64_t key, uint64_t cpu_ns)
{
    fer_mutex_lock(&c->mu);
    uint64_t now = c->clock->mono_ns(c->clock);
    place *p = find_or_make(c, key, now);
    p->cost = now_cost(p, now) + (double)cpu_ns;
    p->at_ns = now;
    fer_mutex_unlock(&c->mu);
}

double client_costs_of(client_costs *c, uint64_t key)
{
    fer_mutex_lock(&c->mu);
    const place *p = find(c, key);
    double cost = p == NULL ? 0 : now_cost(p, c->clock->mono_ns(c->clock));
    fer_mutex_unlock(&c->mu);
    return cost;
}

size_t client_costs_count(client_costs *c)
{
    size_t n = 0;
    fer_mutex_lock(&c->mu);
    for (size_t i = 0; i < GROUPS; i++)
        for (size_t k = 0; k < PLACES; k++)
            n += c->groups[i][k].key != 0;
    fer_mutex_unlock(&c->mu);
    return n;
}

/* web_gate.c - the hooks of the HTTP server, from the web configuration. */
#include "server/web_gate.h"

#include <stdatomic.h>

#include "server/config/web_live.h"
#include "server/tls/live.h"
#include "server/tls/session.h"

/* Tokens come one each interval, at most `burst` are kept. In units of time: credit grows with the clock. */
typedef struct rate_limit {
    uint64_t interval_ns, credit_max_ns; /* interval 0: no limit */
    uint64_t credit_ns, last_ns;
} rate_limit;

struct web_gate {
    web_live *config;
    tls_live *tls; /* NULL: plain HTTP */
    fer_log *log;
    rate_limit rate;
    _Atomic(basic_auth *) auth; /* NULL until there are users */
    _Atomic uint64_t limited, config_errors;
    uint64_t told_generation; /* the error of this one is in the log */
};

/* ---- rate ---- */

static void rate_init(rate_limit *l, const web_config *c)
{
    enum { NS_PER_S = 1000000000 };
    uint64_t burst = c->rate_burst > 0 ? (uint64_t)c->rate_burst : 0;
    if (c->rate_interval_ns <= 0)
        return;
    l->interval_ns = (uint64_t)c->rate_interval_ns;
    bool fits = burst < UINT64_MAX / 2 / l->interval_ns;
    l->credit_max_ns = fits ? burst * l->interval_ns : UINT64_MAX / 2;
    l->credit_ns = l->credit_max_ns;
    l->last_ns = fer_clock_system()->mono_ns(fer_clock_system());
}

static bool rate_allows(rate_limit *l)
{
    if (l->interval_ns == 0)
        return true;
    uint64_t now = fer_clock_system()->mono_ns(fer_clock_system());
    l->credit_ns += now - l->last_ns;
    l->last_ns = now;
    if (l->credit_ns > l->credit_max_ns)
        l->credit_ns = l->credit_max_ns;
    if (l->credit_ns < l->interval_ns)
        return false;
    l->credit_ns -= l->interval_ns;
    return true;
}

/* ---- requests ---- */

static basic_auth *auth_of(web_gate *g, fer_err *err)
{
    basic_auth *a = atomic_load_explicit(&g->auth, memory_order_acquire);
    if (a == NULL && basic_auth_new(&a, err) == FER_OK)
        atomic_store_explicit(&g->auth, a, memory_order_release);
    return a;
}

static int fail(web_gate *g, uint64_t generation, const fer_err *err)
{
    atomic_fetch_add_explicit(&g->config_errors, 1, memory_order_relaxed);
    if (g->told_generation != generation)
        LOGE(g->log, "Unable to parse configuration", "err", err->msg, "file",
             web_live_place(g->config));
    g->told_generation = generation;
    return 500;
}

static int admit(http_req *r, void *arg)
{
    web_gate *g = arg;
    const web_config *c;
    uint64_t generation;
    fer_err err;
    if (web_live_get(g->config, &c, &generation, &err) != FER_OK)
        return fail(g, generation, &err);
    if (!rate_allows(&g->rate)) {
        atomic_fetch_add_explicit(&g->limited, 1, memory_order_relaxed);
        return 429;
    }
    for (size_t i = 0; i < c->headers.n; i++)
        http_resp_header(r, c->headers.v[i].name.p, c->headers.v[i].value);
    if (c->users.n == 0)
        return 0;
    basic_auth *a = auth_of(g, &err);
    return a == NULL ? fail(g, generation, &err) : basic_auth_check(a, c, r);
}

/* ---- connections ---- */

static tls_session *secure(void *arg)
{
    web_gate *g = arg;
    tls_context *x;
    fer_err err;
    return tls_live_get(g->tls, &x, &err) == FER_OK ? tls_session_new(x) : NULL;
}

/* ---- life ---- */

static fer_code open_gate(web_gate *g, fer_err *err)
{
    const web_config *c;
    tls_context *x;
    FER_TRY(web_live_get(g->config, &c, NULL, err));
    rate_init(&g->rate, c);
    if (g->rate.interval_ns != 0)
        LOGI(g->log, "Rate Limiter is enabled.", "burst", LOG_INT(c->rate_burst), "interval_ns",
             LOG_INT(c->rate_interval_ns));
    if (web_config_wants_tls(c)) {
        g->tls = tls_live_new(g->config, g->log);
        FER_TRY(tls_live_get(g->tls, &x, err));
    }
    return c->users.n == 0 || auth_of(g, err) != NULL ? FER_OK : FER_UNSUPPORTED;
}

fer_code web_gate_new(const char *path, fer_log *log, web_gate **ret, fer_err *err)
{
    web_gate *g = fer_calloc(1, sizeof *g);
    g->log = log;
    g->config = web_live_new(path);
    fer_code c = open_gate(g, err);
    if (c != FER_OK) {
        fer_err_prefix(err, "%s", web_live_place(g->config));
        web_gate_free(g);
        return c;
    }
    LOGI(log, g->tls != NULL ? "TLS is enabled." : "TLS is disabled.", "http2", "false");
    *ret = g;
    return FER_OK;
}

void web_gate_free(web_gate *g)
{
    if (g == NULL)
        return;
    basic_auth_free(atomic_load(&g->auth));
    tls_live_free(g->tls);
    web_live_free(g->config);
    fer_free(g);
}

void web_gate_guard(web_gate *g, http_options *o)
{
    o->admit = admit;
    o->admit_arg = g;
    o->secure = g->tls != NULL ? secure : NULL;
    o->secure_arg = g;
}

bool web_gate_asks_who(web_gate *g)
{
    const web_config *c;
    if (g == NULL || web_live_get(g->config, &c, NULL, NULL) != FER_OK)
        return false;
    return c->users.n != 0 ||
           (g->tls != NULL && str_eq(c->tls.client_auth_type, STR("RequireAndVerifyClientCert")));
}

void web_gate_stats_get(web_gate *g, web_gate_stats *ret)
{
    basic_auth *a = atomic_load_explicit(&g->auth, memory_order_acquire);
    *ret = (web_gate_stats){
        .passwords = a != NULL,
        .limited = atomic_load_explicit(&g->limited, memory_order_relaxed),
        .config_errors = atomic_load_explicit(&g->config_errors, memory_order_relaxed),
    };
    if (a != NULL)
        basic_auth_stats_get(a, &ret->auth);
}

/* server.c - the loop: listeners, the reply queue, time, and the end. */
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/http/int.h"
#include "server/http/ranks.h"

enum {
    TICK_MS = 100,
    EVICT_AFTER_MS = 100,
    HEAD_SCRATCH_BYTES = 64 * 1024,
    FREE_WAIT_MS = 5000, /* for replies owed when the server is freed */
};

/* ---- options ---- */

static unsigned cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : (unsigned)n;
}

static uint64_t or_default(uint64_t v, uint64_t fallback)
{
    return v != 0 ? v : fallback;
}

static http_options with_defaults(const http_options *given)
{
    http_options o = *given;
    o.max_connections = (unsigned)or_default(o.max_connections, 512);
    o.head_max_bytes = or_default(o.head_max_bytes, 32 * 1024);
    o.headers_max = (unsigned)or_default(o.headers_max, 100);
    o.head_timeout_ms = or_default(o.head_timeout_ms, 10 * 1000);
    o.idle_timeout_ms = or_default(o.idle_timeout_ms, 5 * 60 * 1000);
    o.stall_timeout_ms = or_default(o.stall_timeout_ms, 30 * 1000);
    o.body_budget_bytes = or_default(o.body_budget_bytes, 256 * 1024 * 1024);
    unsigned many = 2 * cores() < 4 ? 4 : 2 * cores();
    o.query_workers = (unsigned)or_default(o.query_workers, many > 64 ? 64 : many);
    o.ingest_workers = (unsigned)or_default(o.ingest_workers, cores() > 16 ? 16 : cores());
    o.queue_max = or_default(o.queue_max, 1024);
    if (o.clock == NULL)
        o.clock = fer_clock_system();
    return o;
}

/* ---- connections in, and room for them ---- */

void http_idle_add(http_conn *c)
{
    http_server *s = c->s;
    c->in_idle = true;
    c->idle_since_ms = uv_now(&s->loop);
    c->idle_next = NULL;
    c->idle_prev = s->idle_last;
    if (s->idle_last != NULL)
        s->idle_last->idle_next = c;
    else
        s->idle_first = c;
    s->idle_last = c;
}

void http_idle_remove(http_conn *c)
{
    http_server *s = c->s;
    c->in_idle = false;
    if (c->idle_prev != NULL)
        c->idle_prev->idle_next = c->idle_next;
    else
        s->idle_first = c->idle_next;
    if (c->idle_next != NULL)
        c->idle_next->idle_prev = c->idle_prev;
    else
        s->idle_last = c->idle_prev;
    c->idle_prev = c->idle_next = NULL;
}

bool http_server_crowded(const http_server *s)
{
    for (size_t i = 0; i < s->n_listeners; i++)
        if (s->listeners[i].waiting)
            return true;
    return false;
}

/* A connection that gives way to a new one: the oldest idle, else one that hardly moves. Who has only
 * just become idle is spared: its next request may be in the socket already. */
static http_conn *to_evict(http_server *s)
{
    uint64_t now = uv_now(&s->loop);
    if (s->idle_first != NULL && now - s->idle_first->idle_since_ms >= EVICT_AFTER_MS)
        return s->idle_first;
    http_conn *slow = NULL;
    for (http_conn *c = s->conns; c != NULL; c = c->next)
        if (http_conn_too_slow(c, now))
            slow = c; /* the list is newest first */
    return slow;
}

static bool make_room(http_server *s)
{
    if (s->n_conns < s->o.max_connections)
        return true;
    http_conn *c = to_evict(s);
    if (c == NULL)
        return false;
    http_count(&s->stats.refused);
    http_conn_close(c);
    return s->n_conns < s->o.max_connections;
}

static void count_connections(http_server *s)
{
    atomic_store_explicit(&s->stats.connections, s->n_conns, memory_order_relaxed);
}

static void update_tick(http_server *s);

/* While `waiting`, libuv holds one accepted socket and asks the kernel for no more. */
static void accept_waiting(http_listener *l)
{
    if (!l->waiting || !l->open || !make_room(l->s) || !l->waiting)
        return;
    l->waiting = false;
    http_conn_accept(l->s, (uv_stream_t *)&l->tcp);
    count_connections(l->s);
    update_tick(l->s);
}

static void on_connection(uv_stream_t *stream, int status)
{
    http_listener *l = stream->data;
    if (status < 0) {
        LOGW(l->s->o.log, "cannot accept a connection", "err", uv_strerror(status));
        return;
    }
    l->waiting = true;
    accept_waiting(l);
}

static void on_tick(uv_timer_t *timer);
static void end_loop_when_done(http_server *s);

static void update_tick(http_server *s)
{
    bool active = uv_is_active((uv_handle_t *)&s->tick);
    if (s->n_conns == 0 && active)
        uv_timer_stop(&s->tick);
    if (s->n_conns == 0 || active)
        return;
    uint64_t shortest = s->o.head_timeout_ms;
    if (shortest > s->o.stall_timeout_ms)
        shortest = s->o.stall_timeout_ms;
    if (shortest > s->o.idle_timeout_ms)
        shortest = s->o.idle_timeout_ms;
    uint64_t ms = shortest / 4 < TICK_MS ? shortest / 4 + 1 : TICK_MS;
    uv_timer_start(&s->tick, on_tick, ms, ms);
}

static void on_tick(uv_timer_t *timer)
{
    http_server *s = timer->data;
    uint64_t now = uv_now(&s->loop);
    for (http_conn *c = s->conns, *next; c != NULL; c = next) {
        next = c->next;
        http_conn_check_peer(c);
        if (c->state != HTTP_CONN_CLOSED)
            http_conn_tick(c, now);
    }
    for (size_t i = 0; i < s->n_listeners; i++)
        accept_waiting(&s->listeners[i]);
    update_tick(s);
}

void http_server_conn_ended(http_server *s)
{
    count_connections(s);
    if (s->stopping) {
        end_loop_when_done(s);
        return;
    }
    for (size_t i = 0; i < s->n_listeners; i++)
        accept_waiting(&s->listeners[i]);
    update_tick(s);
}

http_workers *http_server_pool(http_server *s, http_pool pool)
{
    return pool == HTTP_INGEST ? s->ingest : s->query;
}

bool http_server_lend(http_server *s, unsigned most_busy, void (*run)(void *arg), void *arg)
{
    return http_workers_lend(s->query, most_busy, run, arg);
}

bool http_server_may_keep(http_server *s, unsigned most_busy)
{
    return http_workers_relaxed(s->query, most_busy);
}

/* ---- replies from other threads ---- */

/* The loop is gone: what comes back now has nobody to go to. */
static void post_late(http_req *r)
{
    http_server *s = r->s;
    if (r->streaming) {
        r->streaming = false;
        if (r->producer.free != NULL)
            r->producer.free(r->producer.arg);
    }
    http_req_recycle(r);
    fer_mutex_lock(&s->replies_mu);
    atomic_fetch_sub(&s->live, 1);
    fer_cond_signal(&s->replies_cond);
    fer_mutex_unlock(&s->replies_mu);
}

/* Not uv_async_send(): where the loop wakes before that returns, older libuv spins until it has. */
static void wake_loop(http_server *s)
{
    uint64_t one = 1;
    ssize_t n = write(s->wake_fd, &one, sizeof one);
    (void)n; /* full: it wakes anyway */
}

void http_post(http_req *r)
{
    http_server *s = r->s;
    uv_thread_t self = uv_thread_self();
    if (uv_thread_equal(&self, &s->loop_thread) && s->running) {
        http_loop_take(r);
        return;
    }
    r->next = NULL;
    atomic_fetch_add(&s->posting, 1);
    fer_mutex_lock(&s->replies_mu);
    bool late = s->loop_gone, first = s->replies == NULL;
    if (!late) {
        *s->replies_tail = r;
        s->replies_tail = &r->next;
    }
    fer_mutex_unlock(&s->replies_mu);
    if (late)
        post_late(r);
    else if (first)
        wake_loop(s);
    atomic_fetch_sub(&s->posting, 1);
}

static void take_replies(http_server *s)
{
    fer_mutex_lock(&s->replies_mu);
    http_req *list = s->replies;
    s->replies = NULL;
    s->replies_tail = &s->replies;
    fer_mutex_unlock(&s->replies_mu);
    while (list != NULL) {
        http_req *r = list;
        list = r->next;
        http_loop_take(r);
    }
}

/* ---- stopping ---- */

static void close_handle(uv_handle_t *h)
{
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static void close_listeners(http_server *s)
{
    for (size_t i = 0; i < s->n_listeners; i++) {
        if (s->listeners[i].open)
            close_handle((uv_handle_t *)&s->listeners[i].tcp);
        s->listeners[i].open = s->listeners[i].waiting = false;
    }
}

/* With the last handle closed uv_run() returns. */
static void end_loop_when_done(http_server *s)
{
    if (!s->stopping || s->n_conns != 0)
        return;
    close_handle((uv_handle_t *)&s->wake);
    close_handle((uv_handle_t *)&s->tick);
    close_handle((uv_handle_t *)&s->grace);
    for (size_t i = 0; i < s->n_signals; i++)
        close_handle((uv_handle_t *)&s->signals[i]->handle);
}

static void close_all(http_server *s)
{
    while (s->conns != NULL)
        http_conn_close(s->conns);
    end_loop_when_done(s);
}

static void on_grace_over(uv_timer_t *timer)
{
    http_server *s = timer->data;
    if (s->n_conns != 0)
        LOGW(s->o.log, "requests cut off by the stop", "connections", LOG_INT(s->n_conns));
    close_all(s);
}

static void begin_stop(http_server *s)
{
    s->stopping = true;
    close_listeners(s);
    for (http_conn *c = s->conns, *next; c != NULL; c = next) {
        next = c->next;
        http_conn_stop(c);
    }
    uint64_t grace = atomic_load(&s->grace_ms);
    if (grace == 0)
        close_all(s);
    else
        uv_timer_start(&s->grace, on_grace_over, grace, 0);
    end_loop_when_done(s);
}

/* With the pools, which stand as long as the loop runs. */
static void rest(http_server *s)
{
    fer_mem_rest();
    http_workers_rest(s->query);
    http_workers_rest(s->ingest);
}

static void on_wake(uv_poll_t *wake, int status, int events)
{
    (void)status;
    (void)events;
    http_server *s = wake->data;
    uint64_t times;
    ssize_t n = read(s->wake_fd, &times, sizeof times);
    (void)n; /* nothing there: somebody saw to it before */
    take_replies(s);
    if (s->running && atomic_exchange(&s->rest, false))
        rest(s);
    if (atomic_load(&s->stop) && !s->stopping)
        begin_stop(s);
    end_loop_when_done(s);
}

static void tell_loop(http_server *s, _Atomic bool *what)
{
    fer_mutex_lock(&s->replies_mu);
    atomic_store(what, true);
    if (!s->loop_gone)
        wake_loop(s);
    fer_mutex_unlock(&s->replies_mu);
}

void http_server_stop(http_server *s, uint64_t grace_ms)
{
    atomic_store(&s->grace_ms, grace_ms);
    tell_loop(s, &s->stop);
}

void http_server_rest(http_server *s)
{
    tell_loop(s, &s->rest);
}

bool http_server_stopping(const http_server *s)
{
    return atomic_load(&s->stop);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    http_signal *sig = handle->data;
    sig->fn(sig->arg, signum);
}

fer_code http_server_on_signal(http_server *s, int signum, void (*fn)(void *arg, int signum),
                               void *arg, fer_err *err)
{
    http_signal *sig = fer_calloc(1, sizeof *sig);
    sig->fn = fn;
    sig->arg = arg;
    int rc = uv_signal_init(&s->loop, &sig->handle);
    assert(rc == 0);
    sig->handle.data = sig;
    s->signals = fer_realloc(s->signals, (s->n_signals + 1) * sizeof(http_signal *));
    s->signals[s->n_signals++] = sig;
    rc = uv_signal_start(&sig->handle, on_signal, signum);
    if (rc != 0)
        return fer_fail(err, FER_IO, "cannot watch signal %d: %s", signum, uv_strerror(rc));
    return FER_OK;
}

/* ---- life ---- */

static fer_code open_listeners(http_server *s, fer_err *err)
{
    s->listeners = fer_calloc(s->o.n_listen, sizeof *s->listeners);
    for (size_t i = 0; i < s->o.n_listen; i++) {
        http_listener *l = &s->listeners[s->n_listeners++];
        l->s = s;
        l->open = true;
        FER_TRY(http_listen(&s->loop, &l->tcp, s->o.listen[i], on_connection, &l->port, err));
        l->tcp.data = l;
    }
    return FER_OK;
}

static void init_handles(http_server *s)
{
    int rc = uv_poll_init(&s->loop, &s->wake, s->wake_fd);
    if (rc == 0)
        rc = uv_timer_init(&s->loop, &s->tick);
    if (rc == 0)
        rc = uv_timer_init(&s->loop, &s->grace);
    s->wake.data = s->tick.data = s->grace.data = s;
    if (rc == 0)
        rc = uv_poll_start(&s->wake, UV_READABLE, on_wake);
    assert(rc == 0);
}

/* "/x/" and "x" become "/x"; "/" and NULL become "". */
static char *clean_prefix(const char *given)
{
    fer_str p = given == NULL ? STR("") : str_of(given);
    while (p.n != 0 && p.p[0] == '/')
        p = str_from(p, 1);
    while (p.n != 0 && p.p[p.n - 1] == '/')
        p.n--;
    char *ret = fer_alloc(p.n + 2);
    snprintf(ret, p.n + 2, "%s%.*s", p.n == 0 ? "" : "/", STR_FMT(p));
    return ret;
}

fer_code http_server_new(const http_options *o, http_server **ret, fer_err *err)
{
    http_server *s = fer_calloc(1, sizeof *s);
    s->o = with_defaults(o);
    int rc = uv_loop_init(&s->loop);
    if (rc != 0) {
        fer_free(s);
        return fer_fail(err, FER_IO, "cannot make an event loop: %s", uv_strerror(rc));
    }
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->wake_fd < 0) {
        rc = errno;
        uv_loop_close(&s->loop);
        fer_free(s);
        return fer_fail(err, FER_IO, "cannot make an event descriptor: %s",
                        uv_strerror(uv_translate_sys_error(rc)));
    }
    /* A peer that is gone is an error of the write, not a reason to die. */
    signal(SIGPIPE, SIG_IGN);
    s->prefix = clean_prefix(o->route_prefix);
    s->read_buf = fer_alloc(HTTP_READ_BYTES);
    if (o->secure != NULL) {
        s->plain_buf = fer_alloc(HTTP_READ_BYTES);
        s->seal_buf = fer_alloc(HTTP_READ_BYTES);
    }
    fer_buf_init(&s->head, HEAD_SCRATCH_BYTES, NULL);
    fer_account_init(&s->bodies, "http_bodies", s->o.account, (int64_t)s->o.body_budget_bytes);
    fer_mutex_init(&s->replies_mu, "http_replies", HTTP_RANK_REPLIES);
    fer_cond_init(&s->replies_cond);
    s->replies_tail = &s->replies;
    init_handles(s);
    fer_code code = open_listeners(s, err);
    if (code != FER_OK) {
        http_server_free(s);
        return code;
    }
    *ret = s;
    return FER_OK;
}

void http_server_routes(http_server *s, const http_route *routes, size_t n)
{
    http_routes_add(&s->routes, routes, n);
    http_stats_build(&s->stats, &s->routes);
}

uint16_t http_server_port(const http_server *s, size_t i)
{
    return s->listeners[i].port;
}

/* Runs the loop until every handle is closed, then lets go of it. */
static void run_loop_to_its_end(http_server *s)
{
    uv_run(&s->loop, UV_RUN_DEFAULT);
    fer_mutex_lock(&s->replies_mu);
    s->loop_gone = true;
    fer_mutex_unlock(&s->replies_mu);
    take_replies(s);
    s->running = false;
    int rc = uv_loop_close(&s->loop);
    assert(rc == 0);
}

fer_code http_server_run(http_server *s, fer_err *err)
{
    FER_TRY(http_workers_new("http-query", s->o.query_workers, s->o.queue_max, true,
                             s->o.query_nice, &s->query, err));
    if (s->o.client_cost != NULL)
        http_workers_order(s->query, s->o.client_cost, s->o.client_cost_arg);
    FER_TRY(http_workers_new("http-ingest", s->o.ingest_workers, s->o.queue_max, false, 0,
                             &s->ingest, err));
    s->loop_thread = uv_thread_self();
    s->running = true;
    run_loop_to_its_end(s);
    return FER_OK;
}

/* Requests that are still with a handler will be replied to: the memory must stand until then. */
static bool wait_for_replies(http_server *s)
{
    fer_mutex_lock(&s->replies_mu);
    bool in_time = true;
    while (atomic_load(&s->live) != 0 && in_time)
        in_time = fer_cond_wait_ns(&s->replies_cond, &s->replies_mu,
                                   (uint64_t)FREE_WAIT_MS * 1000 * 1000);
    size_t left = atomic_load(&s->live);
    fer_mutex_unlock(&s->replies_mu);
    if (left != 0)
        LOGE(s->o.log, "requests were never replied to", "requests", LOG_INT(left));
    while (atomic_load(&s->posting) !=
           0) /* replied, and about to wake a loop that needed no waking */
        sched_yield();
    return left == 0;
}

void http_server_end_handlers(http_server *s)
{
    http_workers_free(s->query);
    http_workers_free(s->ingest);
    s->query = s->ingest = NULL;
}

void http_server_free(http_server *s)
{
    if (s == NULL)
        return;
    if (!s->loop_gone) { /* never run */
        s->stopping = true;
        close_listeners(s);
        end_loop_when_done(s);
        run_loop_to_its_end(s);
    }
    http_server_end_handlers(s);
    if (!wait_for_replies(s))
        return;
    while (s->free_reqs != NULL) {
        http_req *r = s->free_reqs;
        s->free_reqs = r->next;
        http_req_free(r);
    }
    for (size_t i = 0; i < s->n_signals; i++)
        fer_free(s->signals[i]);
    fer_free(s->signals);
    fer_free(s->listeners);
    close(s->wake_fd);
    fer_cond_done(&s->replies_cond);
    fer_mutex_done(&s->replies_mu);
    http_routes_done(&s->routes);
    http_stats_done(&s->stats);
    fer_buf_done(&s->head);
    fer_free(s->read_buf);
    fer_free(s->plain_buf);
    fer_free(s->seal_buf);
    fer_free(s->prefix);
    fer_free(s);
}

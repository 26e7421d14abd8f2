/* conn.c - one connection: its bytes in, its answers out, its timeouts. Loop thread.
 *
 *            first byte         head complete          body complete
 *     IDLE ------------> HEAD ----------------> BODY ----------------> BUSY
 *      ^ ^                 \_______ no body ________________________/   |
 *      | |                                                              | answered
 *      | +---- body thrown away ---- DRAIN <--- refused, body to come --+
 *      +----------------------------------------------------------------+
 *     any --- last answer queued ---> LINGER --- sent and read, or late ---> CLOSED
 *
 * Requests are served one at a time. Bytes that arrive meanwhile (pipelining) are kept, at most
 * HTTP_PENDING_BYTES of them; then reading stops and the kernel holds the peer back. Reading goes on
 * until then so that a client that leaves is noticed and its request cancelled.
 *
 * Nothing here recurses: an answer given from within conn_run() (instant handlers, refusals) only
 * changes the state, and conn_run() goes on.
 */
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

#include "server/http/int.h"

static void conn_run(http_conn *c, const char *p, size_t n);

static uint64_t now_ms(const http_conn *c)
{
    return uv_now(&c->s->loop);
}

/* ---- waiting and time ---- */

size_t http_conn_queued(const http_conn *c)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
}

static void update_idle(http_conn *c)
{
    bool idle =
        (c->state == HTTP_CONN_IDLE || c->state == HTTP_CONN_HEAD) && http_conn_queued(c) == 0;
    if (idle && !c->in_idle)
        http_idle_add(c);
    else if (!idle && c->in_idle)
        http_idle_remove(c);
}

static void begin_receiving(http_conn *c)
{
    c->window_received = c->received;
    c->last_received_ms = now_ms(c);
    c->deadline_ms = now_ms(c) + c->s->o.stall_timeout_ms;
}

static bool shakes_hands(const http_conn *c)
{
    return c->secure != NULL && !http_secure_open(c->secure);
}

static void set_state(http_conn *c, http_conn_state state)
{
    c->state = state;
    switch (state) {
    case HTTP_CONN_IDLE:
        c->deadline_ms =
            now_ms(c) + (shakes_hands(c) ? c->s->o.head_timeout_ms : c->s->o.idle_timeout_ms);
        break;
    case HTTP_CONN_HEAD:
        c->deadline_ms = now_ms(c) + c->s->o.head_timeout_ms;
        break;
    case HTTP_CONN_BODY:
    case HTTP_CONN_DRAIN:
        begin_receiving(c);
        break;
    case HTTP_CONN_BUSY:
    case HTTP_CONN_LINGER:
    case HTTP_CONN_CLOSED:
        c->deadline_ms = 0;
        break;
    }
    update_idle(c);
}

/* Bytes a peer must move in one stall timeout. */
static uint64_t rate_bytes(const http_conn *c)
{
    return c->s->o.stall_timeout_ms * HTTP_RATE_BYTES_PER_S / 1000;
}

/* ---- the end ---- */

static void on_closed(uv_handle_t *h)
{
    http_conn *c = h->data;
    http_parser_free(c->parser);
    http_secure_free(c->secure);
    fer_free(c->pending);
    fer_account_release(c->s->o.account, HTTP_CONN_CHARGE_BYTES);
    fer_free(c);
}

static void stop_reading(http_conn *c)
{
    if (!c->reading)
        return;
    uv_read_stop((uv_stream_t *)&c->tcp);
    c->reading = false;
}

void http_conn_close(http_conn *c)
{
    http_server *s = c->s;
    if (c->state == HTTP_CONN_CLOSED)
        return;
    set_state(c, HTTP_CONN_CLOSED);
    http_req *r = c->req;
    c->req = NULL;
    if (r != NULL) {
        r->conn = NULL;
        atomic_store_explicit(&r->gone, true, memory_order_relaxed);
        fer_cancel_now(&r->cancel);
        if (!r->away && r->streaming)
            http_stream_abort(r);
        else if (!r->away)
            http_req_drop(r);
    }
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        s->conns = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    s->n_conns--;
    if (c->secure != NULL)
        http_secure_bye(c, false);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
    http_server_conn_ended(s);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    http_conn *c = req->data;
    if (c->state == HTTP_CONN_CLOSED)
        return;
    if (status < 0 || c->clean || c->eof)
        http_conn_close(c);
    else
        c->deadline_ms = now_ms(c) + HTTP_LINGER_MS;
}

/* Closing a socket with unread bytes would destroy the answer on its way: so the sending side is
 * shut, and what still comes is read and thrown away for a while. */
void http_conn_linger(http_conn *c)
{
    fer_free(c->pending);
    c->clean = c->clean && c->pending_n == 0;
    c->pending = NULL;
    c->pending_at = c->pending_n = 0;
    set_state(c, HTTP_CONN_LINGER);
    if (http_conn_queued(c) == 0 && (c->clean || c->eof)) {
        http_conn_close(c);
        return;
    }
    if (c->secure != NULL)
        http_secure_bye(c, true);
    if (c->state == HTTP_CONN_CLOSED)
        return;
    c->shutdown.data = c;
    if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shutdown) != 0)
        http_conn_close(c);
}

/* ---- bytes out ---- */

typedef struct pending_write {
    uv_write_t req;
    http_conn *c;
    fer_buf own;
    uv_buf_t bufs[4];
    char small[];
} pending_write;

static void on_written(uv_write_t *req, int status)
{
    pending_write *w = req->data;
    http_conn *c = w->c;
    fer_buf_done(&w->own);
    fer_free(w);
    if (c->state == HTTP_CONN_CLOSED)
        return;
    if (status < 0) {
        http_conn_close(c);
        return;
    }
    size_t queued = http_conn_queued(c);
    if (queued == 0)
        c->write_deadline_ms = 0;
    http_req *r = c->req;
    if (r != NULL && !r->away && r->streaming && r->rest_until_ms == 0 &&
        queued < HTTP_OUT_HIGH_BYTES / 2)
        http_stream_next(r);
    update_idle(c);
    conn_run(c, NULL, 0);
}

/* What the socket did not take at once. Everything but *own is copied: it is small. */
static void queue_rest(http_conn *c, const uv_buf_t *bufs, unsigned n, size_t sent, fer_buf *own)
{
    size_t small = 0;
    for (unsigned i = 0; i < n; i++)
        if (own == NULL || bufs[i].base != own->p)
            small += bufs[i].len;
    pending_write *w = fer_alloc(sizeof *w + small);
    w->req.data = w;
    w->c = c;
    w->own = own != NULL ? *own : (fer_buf){0};
    char *at = w->small;
    unsigned k = 0;
    for (unsigned i = 0; i < n; i++) {
        size_t skip = sent < bufs[i].len ? sent : bufs[i].len;
        sent -= skip;
        uv_buf_t rest = uv_buf_init(bufs[i].base + skip, (unsigned)(bufs[i].len - skip));
        if (rest.len == 0)
            continue;
        if (own == NULL || bufs[i].base != own->p) {
            memcpy(at, rest.base, rest.len);
            rest.base = at;
            at += rest.len;
        }
        w->bufs[k++] = rest;
    }
    if (c->write_deadline_ms == 0) {
        c->write_deadline_ms = now_ms(c) + c->s->o.stall_timeout_ms;
        c->last_sent_ms = now_ms(c);
        c->window_sent = c->last_sent = c->queued - http_conn_queued(c);
    }
    int rc = uv_write(&w->req, (uv_stream_t *)&c->tcp, w->bufs, k, on_written);
    assert(rc == 0); /* it only fails for handles that are not open */
}

bool http_conn_write_raw(http_conn *c, const uv_buf_t *bufs, unsigned n, fer_buf *own)
{
    size_t total = 0;
    for (unsigned i = 0; i < n; i++)
        total += bufs[i].len;
    int rc = uv_try_write((uv_stream_t *)&c->tcp, bufs, n);
    if (rc < 0 && rc != UV_EAGAIN) {
        if (own != NULL)
            fer_buf_done(own);
        http_conn_close(c);
        return false;
    }
    size_t sent = rc < 0 ? 0 : (size_t)rc;
    c->queued += sent;
    if (sent == total) {
        if (own != NULL)
            fer_buf_done(own);
        return true;
    }
    queue_rest(c, bufs, n, sent, own);
    c->queued += total - sent;
    update_idle(c);
    return true;
}

bool http_conn_write(http_conn *c, const uv_buf_t *bufs, unsigned n, fer_buf *own)
{
    return c->secure == NULL ? http_conn_write_raw(c, bufs, n, own)
                             : http_secure_write(c, bufs, n, own);
}

/* ---- requests ---- */

static void dispatch(http_conn *c)
{
    http_req *r = c->req;
    http_server *s = c->s;
    const http_route *route = &s->routes.v[r->route].route;
    set_state(c, HTTP_CONN_BUSY);
    r->dispatched = true;
    r->away = true;
    atomic_fetch_add(&s->live, 1);
    if (c->eof)
        fer_cancel_now(&r->cancel);
    if (route->pool == HTTP_ON_LOOP) {
        http_run_handler(&r->job);
        return;
    }
    r->job.run = http_run_handler;
    r->job.client = s->o.client == NULL ? 0 : s->o.client(r);
    if (!http_workers_add(http_server_pool(s, route->pool), &r->job)) {
        http_count(&s->stats.refused);
        http_resp_header(r, "Retry-After", STR("1"));
        http_reply_own(r, 503, "too many requests are waiting");
    }
}

/* Says no on behalf of the server; the connection ends with it. */
static void refuse_and_close(http_conn *c, int status, const char *text)
{
    http_req *r = c->req;
    r->keep_alive = false;
    c->clean = false;
    if (status == 503)
        http_resp_header(r, "Retry-After", STR("1"));
    set_state(c, HTTP_CONN_BUSY);
    http_reply_own(r, status, text);
}

static void refuse_malformed(http_conn *c)
{
    const char *text;
    int status = http_parser_failure(c->parser, &text);
    http_count(&c->s->stats.bad_requests);
    if (status == 503)
        http_count(&c->s->stats.refused);
    refuse_and_close(c, status, text);
}

/* Before an answer that comes without the body having been read: small bodies will be thrown away,
 * for others the connection ends. */
static void before_early_answer(http_conn *c)
{
    const http_head *h = http_parser_head(c->parser);
    if (h->expect_continue || (!h->chunked && h->length > HTTP_DRAIN_BYTES)) {
        c->req->keep_alive = false;
        c->clean = false;
    }
    set_state(c, HTTP_CONN_BUSY);
}

static void not_found(http_req *r)
{
    http_reply_text(r, 404, "404 page not found");
}

/* OPTIONS is always allowed, and answered here where no route does. */
static void not_allowed(http_req *r, unsigned methods)
{
    fer_buf allow;
    fer_buf_init(&allow, 128, NULL);
    http_methods_text(methods | HTTP_OPTIONS, &allow);
    http_resp_header(r, "Allow", fer_buf_str(&allow));
    fer_buf_done(&allow);
    if (r->method == HTTP_OPTIONS)
        http_reply(r, 200, NULL, (fer_str){"", 0});
    else
        http_reply_text(r, 405, "Method Not Allowed");
}

static void not_ready(http_req *r)
{
    http_resp_header(r, "X-Prometheus-Stopping", r->s->stopping ? STR("true") : STR("false"));
    http_reply(r, 503, "text/plain; charset=utf-8", STR("Service Unavailable"));
}

/* Removes the route prefix from *path; false when it is not there. */
static bool without_prefix(const http_server *s, fer_str *path)
{
    fer_str prefix = str_of(s->prefix);
    if (!str_has_prefix(*path, prefix))
        return false;
    fer_str rest = str_from(*path, prefix.n);
    if (rest.n == 0 && prefix.n != 0)
        rest = STR("/");
    *path = rest;
    return rest.n != 0 && rest.p[0] == '/';
}

/* Finds the route of a complete head. False when the request has been answered instead. */
static bool route_request(http_conn *c, const http_head *h)
{
    http_server *s = c->s;
    http_req *r = c->req;
    fer_str path = h->path, wild;
    if (str_eq(path, STR("*"))) {
        before_early_answer(c);
        http_reply(r, 200, NULL, (fer_str){"", 0});
        return false;
    }
    if (!without_prefix(s, &path)) {
        before_early_answer(c);
        if (str_eq(path, STR("/")))
            http_resp_header(r, "Location", str_of(s->prefix));
        if (str_eq(path, STR("/")))
            http_reply_text(r, 302, "Found");
        else
            not_found(r);
        return false;
    }
    unsigned allowed;
    r->route = http_routes_find(&s->routes, path, r->method, &wild, &allowed);
    if (r->route < 0) {
        before_early_answer(c);
        if (allowed != 0)
            not_allowed(r, allowed);
        else
            not_found(r);
        return false;
    }
    bool ok = http_unescape(path, false, r->head, &r->path, NULL) == FER_OK &&
              http_unescape(wild, false, r->head, &r->wildcard, NULL) == FER_OK;
    if (!ok)
        refuse_and_close(c, 503, "out of memory for requests");
    return ok;
}

static void begin_body(http_conn *c, const http_head *h)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    http_req *r = c->req;
    r->body_max = c->s->routes.v[r->route].route.body_max;
    if (!h->chunked)
        http_req_body_expect(r, (size_t)h->length);
    bool ask = h->expect_continue && (h->chunked || h->length != 0);
    http_parser_body(c->parser, http_req_body_add, r);
    set_state(c, HTTP_CONN_BODY);
    if (ask) {
        uv_buf_t buf = uv_buf_init((char *)go_on, sizeof go_on - 1);
        http_conn_write(c, &buf, 1, NULL);
    }
}

/* Why a request with a body would be refused when it is complete, so that it is said now, before the body; NULL: it
 * would not. */
static const char *overload(const http_conn *c, const http_head *h, http_pool pool)
{
    http_server *s = c->s;
    if (pool == HTTP_ON_LOOP || (!h->chunked && h->length == 0))
        return NULL;
    if (http_workers_waiting(http_server_pool(s, pool)) >= s->o.queue_max)
        return "too many requests are waiting";
    uint64_t bodies =
        (uint64_t)fer_account_used(&s->bodies); /* and a length within the route's bounds */
    bool fits = h->chunked || bodies + h->length <= s->o.body_budget_bytes;
    return fits ? NULL : "too many request bodies in flight";
}

static void take_request(http_conn *c)
{
    http_server *s = c->s;
    http_req *r = c->req;
    const http_head *h = http_parser_head(c->parser);
    if (!route_request(c, h))
        return;
    const http_route *route = &s->routes.v[r->route].route;
    const char *refusal = overload(c, h, route->pool);
    if (route->pool != HTTP_ON_LOOP && s->o.ready != NULL && !s->o.ready(s->o.ready_arg)) {
        before_early_answer(c);
        not_ready(r);
    } else if (!h->chunked && h->length > route->body_max) {
        before_early_answer(c);
        http_reply_own(r, 413, "");
    } else if (refusal != NULL) {
        http_count(&s->stats.refused);
        before_early_answer(c);
        http_resp_header(r, "Retry-After", STR("1"));
        http_reply_own(r, 503, refusal);
    } else {
        begin_body(c, h);
    }
}

static void admit(http_conn *c, int status)
{
    if (status == 0) {
        take_request(c);
    } else if (status == HTTP_ADMIT_LATER) {
        set_state(c, HTTP_CONN_BUSY);
        c->req->away = c->req->dispatched = true;
        atomic_fetch_add(&c->s->live, 1);
    } else {
        before_early_answer(c);
        http_reply_text(c->req, status, "%s", http_status_text(status));
    }
}

void http_conn_admitted(http_conn *c, int status)
{
    admit(c, status);
    conn_run(c, NULL, 0);
}

static void got_head(http_conn *c)
{
    const http_options *o = &c->s->o;
    if (!http_req_fill(c->req, http_parser_head(c->parser), c->remote))
        refuse_and_close(c, 503, "out of memory for requests");
    else
        admit(c, o->admit == NULL ? 0 : o->admit(c->req, o->admit_arg));
}

static void begin_request(http_conn *c)
{
    c->req = http_req_take(c->s);
    c->req->conn = c;
    c->req->minor = 1;
    http_parser_next(c->parser, c->req->head);
    c->clean = true;
    set_state(c, HTTP_CONN_HEAD);
}

void http_conn_answered(http_conn *c, bool close)
{
    if (http_parser_state(c->parser) == HTTP_PARSE_GOT_HEAD && !close)
        http_parser_body(c->parser, NULL, NULL);
    if (close)
        http_conn_linger(c);
    else if (http_parser_state(c->parser) == HTTP_PARSE_BODY)
        set_state(c, HTTP_CONN_DRAIN);
    else
        set_state(c, HTTP_CONN_IDLE);
    conn_run(c, NULL, 0);
}

/* ---- bytes in ---- */

static bool may_parse(const http_conn *c)
{
    return c->state != HTTP_CONN_BUSY && http_conn_queued(c) < HTTP_OUT_PIPELINE_BYTES;
}

static void feed(http_conn *c, const char **p, size_t *n)
{
    size_t used = http_parser_feed(c->parser, *p, *n);
    *p += used;
    *n -= used;
}

/* One move of the state machine; false when nothing more can be done with the bytes at hand. */
static bool move(http_conn *c, const char **p, size_t *n)
{
    switch (c->state) {
    case HTTP_CONN_IDLE:
        if (*n == 0)
            return false;
        begin_request(c);
        return true;
    case HTTP_CONN_HEAD:
    case HTTP_CONN_BODY:
    case HTTP_CONN_DRAIN:
        feed(c, p, n);
        break;
    case HTTP_CONN_BUSY:
        return false;
    case HTTP_CONN_LINGER:
    case HTTP_CONN_CLOSED:
        *n = 0;
        return false;
    }
    switch (http_parser_state(c->parser)) {
    case HTTP_PARSE_GOT_HEAD:
        got_head(c);
        return true;
    case HTTP_PARSE_DONE:
        if (c->state == HTTP_CONN_DRAIN)
            set_state(c, HTTP_CONN_IDLE);
        else
            dispatch(c);
        return true;
    case HTTP_PARSE_FAILED:
        if (c->state == HTTP_CONN_DRAIN)
            http_conn_linger(c);
        else
            refuse_malformed(c);
        return true;
    default:
        break;
    }
    if (c->state == HTTP_CONN_DRAIN && c->received - c->window_received > HTTP_DRAIN_BYTES)
        http_conn_linger(c);
    return false;
}

/* Keeps what cannot be looked at yet. */
static void keep_pending(http_conn *c, const char *p, size_t n)
{
    if (n == 0)
        return;
    if (c->pending == NULL)
        c->pending = fer_alloc(HTTP_PENDING_BYTES);
    if (c->pending_at != 0) {
        memmove(c->pending, c->pending + c->pending_at, c->pending_n);
        c->pending_at = 0;
    }
    assert(p != NULL && n <= HTTP_PENDING_BYTES - c->pending_n);
    memcpy(c->pending + c->pending_n, p, n);
    c->pending_n += n;
}

static void run_pending(http_conn *c)
{
    while (c->pending_n != 0 && may_parse(c) && c->state != HTTP_CONN_CLOSED) {
        const char *p = c->pending + c->pending_at;
        size_t n = c->pending_n;
        bool more = move(c, &p, &n);
        if (c->pending != NULL) { /* http_conn_linger() may have dropped it */
            c->pending_at = (size_t)(p - c->pending);
            c->pending_n = n;
        }
        if (!more)
            break;
    }
    if (c->pending_n == 0) {
        fer_free(c->pending);
        c->pending = NULL;
        c->pending_at = 0;
    }
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf);
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

void http_conn_update_reading(http_conn *c)
{
    if (c->eof || c->state == HTTP_CONN_CLOSED)
        return;
    bool want =
        c->pending_n < HTTP_PENDING_BYTES && (c->secure == NULL || !http_secure_holds(c->secure));
    if (!want) {
        stop_reading(c);
    } else if (!c->reading) {
        c->reading = true;
        if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0)
            http_conn_close(c);
    }
}

/* Works through the bytes kept and those given, as far as the state allows. */
static void conn_run(http_conn *c, const char *p, size_t n)
{
    if (c->processing) {
        assert(n == 0);
        return;
    }
    c->processing = true;
    run_pending(c);
    while (c->pending_n == 0 && may_parse(c) && move(c, &p, &n))
        ;
    if (c->state != HTTP_CONN_CLOSED && c->state != HTTP_CONN_LINGER)
        keep_pending(c, p, n);
    c->processing = false;
    if (c->eof && c->pending_n == 0 && c->state != HTTP_CONN_BUSY && c->state != HTTP_CONN_LINGER &&
        c->state != HTTP_CONN_CLOSED)
        http_conn_linger(c);
    if (c->secure != NULL)
        http_secure_go_on(c);
    http_conn_update_reading(c);
}

void http_conn_room(http_conn *c, char *scratch, uv_buf_t *ret)
{
    uint64_t left = http_parser_body_left(c->parser);
    size_t n = HTTP_READ_BYTES;
    char *p = scratch;
    if (c->pending_n != 0)
        n = HTTP_PENDING_BYTES - c->pending_n;
    else if (c->state == HTTP_CONN_BODY && left != 0)
        p = http_req_body_room(c->req, (size_t)left, &n);
    *ret = uv_buf_init(p, p == NULL ? 0 : (unsigned)n);
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    (void)hint;
    http_conn *c = h->data;
    if (c->secure == NULL)
        http_conn_room(c, c->s->read_buf, buf);
    else
        *buf = uv_buf_init(c->s->read_buf, HTTP_READ_BYTES);
}

/* The peer sends no more. It may still read: what is being answered is cancelled, but an answer that
 * comes is sent. */
void http_conn_peer_ended(http_conn *c)
{
    stop_reading(c);
    c->eof = true;
    if (c->req != NULL)
        fer_cancel_now(&c->req->cancel);
    if (c->state == HTTP_CONN_LINGER && http_conn_queued(c) == 0)
        http_conn_close(c);
    else
        conn_run(c, NULL, 0);
}

void http_conn_no_room(http_conn *c)
{
    http_count(&c->s->stats.refused);
    refuse_and_close(c, 503, "too many request bodies in flight");
}

void http_conn_received(http_conn *c, const char *p, size_t n, bool in_place)
{
    c->received += n;
    c->last_received_ms = now_ms(c);
    if (!in_place) {
        conn_run(c, p, n);
        return;
    }
    c->req->body_n += n;
    http_parser_body_filled(c->parser, n);
    if (http_parser_state(c->parser) == HTTP_PARSE_DONE)
        conn_run(c, NULL, 0);
}

void http_conn_opened(http_conn *c)
{
    if (c->state == HTTP_CONN_IDLE)
        set_state(c, HTTP_CONN_IDLE); /* with another deadline */
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    http_conn *c = stream->data;
    if (got == 0 || c->state == HTTP_CONN_CLOSED)
        return;
    if (got == UV_ENOBUFS) {
        http_conn_no_room(c);
        return;
    }
    if (got == UV_EOF) {
        if (shakes_hands(c))
            http_secure_failed(c, HTTP_HANDSHAKE_LEFT, "EOF");
        http_conn_peer_ended(c);
        return;
    }
    if (got < 0) {
        http_conn_close(c);
        return;
    }
    if (c->secure == NULL)
        http_conn_received(c, buf->base, (size_t)got, buf->base != c->s->read_buf);
    else
        http_secure_received(c, buf->base, (size_t)got);
}

/* ---- from the server ---- */

void http_conn_accept(http_server *s, uv_stream_t *listener)
{
    http_conn *c = fer_calloc(1, sizeof *c);
    c->s = s;
    fer_account_force(s->o.account, HTTP_CONN_CHARGE_BYTES);
    int rc = uv_tcp_init(&s->loop, &c->tcp);
    assert(rc == 0);
    c->tcp.data = c;
    rc = uv_accept(listener, (uv_stream_t *)&c->tcp);
    if (rc != 0) {
        uv_close((uv_handle_t *)&c->tcp, on_closed);
        return;
    }
    http_parse_limits limits = {s->o.head_max_bytes, s->o.headers_max, HTTP_FRAMING_BYTES};
    c->parser = http_parser_new(&limits);
    if (s->o.secure != NULL)
        c->secure = http_secure_new(s->o.account);
    struct sockaddr_storage peer;
    int len = sizeof peer;
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&peer, &len) == 0)
        http_address_text((struct sockaddr *)&peer, c->remote, sizeof c->remote);
    uv_tcp_nodelay(&c->tcp, 1);
    c->next = s->conns;
    if (s->conns != NULL)
        s->conns->prev = c;
    s->conns = c;
    s->n_conns++;
    http_count(&s->stats.accepted);
    set_state(c, HTTP_CONN_IDLE);
    http_conn_update_reading(c);
}

void http_conn_stop(http_conn *c)
{
    if ((c->state == HTTP_CONN_IDLE || c->state == HTTP_CONN_HEAD) && http_conn_queued(c) == 0)
        http_conn_close(c);
    else if (c->state == HTTP_CONN_IDLE || c->state == HTTP_CONN_HEAD ||
             c->state == HTTP_CONN_DRAIN)
        http_conn_linger(c);
}

void http_conn_check_peer(http_conn *c)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    uv_os_fd_t fd;
    if (c->reading || c->eof || c->state == HTTP_CONN_CLOSED ||
        uv_fileno((uv_handle_t *)&c->tcp, &fd) != 0 ||
        getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return;
    if (info.tcpi_state == TCP_CLOSE)
        http_conn_close(c);
    else if (info.tcpi_state != TCP_ESTABLISHED && c->req != NULL)
        fer_cancel_now(&c->req->cancel);
}

static void late(http_conn *c)
{
    http_count(&c->s->stats.timeouts);
    if (c->state == HTTP_CONN_HEAD || c->state == HTTP_CONN_BODY)
        refuse_and_close(c, 408, "");
    else
        http_conn_close(c);
}

static void tick_write(http_conn *c, uint64_t now)
{
    uint64_t sent = c->queued - http_conn_queued(c);
    if (sent != c->last_sent) {
        c->last_sent = sent;
        c->last_sent_ms = now;
    }
    if (now < c->write_deadline_ms)
        return;
    uint64_t next = c->last_sent_ms + c->s->o.stall_timeout_ms;
    if (sent - c->window_sent < rate_bytes(c) || next <= now) {
        http_count(&c->s->stats.timeouts);
        http_conn_close(c);
        return;
    }
    c->window_sent = sent;
    c->write_deadline_ms = next;
}

void http_conn_tick(http_conn *c, uint64_t now)
{
    if (c->state == HTTP_CONN_BUSY)
        http_stream_tick(c->req, now);
    if (c->state == HTTP_CONN_CLOSED)
        return;
    if (c->write_deadline_ms != 0) {
        tick_write(c, now);
        return;
    }
    if (c->deadline_ms == 0 || now < c->deadline_ms)
        return;
    bool receiving = c->state == HTTP_CONN_BODY || c->state == HTTP_CONN_DRAIN;
    uint64_t next = c->last_received_ms + c->s->o.stall_timeout_ms;
    if (receiving && c->received - c->window_received >= rate_bytes(c) && next > now) {
        c->window_received = c->received;
        c->deadline_ms = next;
        return;
    }
    if (c->state == HTTP_CONN_IDLE && shakes_hands(c))
        http_secure_failed(c, HTTP_HANDSHAKE_TIMEOUT, "i/o timeout");
    if (c->state == HTTP_CONN_IDLE || c->state == HTTP_CONN_LINGER)
        http_conn_close(c);
    else
        late(c);
}

bool http_conn_too_slow(const http_conn *c, uint64_t now)
{
    uint64_t stall = c->s->o.stall_timeout_ms, patience_ms = stall / 6;
    if (c->write_deadline_ms != 0) /* begun stall ago at the latest */
        return now + stall - c->write_deadline_ms > patience_ms &&
               c->queued - http_conn_queued(c) - c->window_sent <
                   HTTP_RATE_BYTES_PER_S * patience_ms / 1000;
    if (c->state == HTTP_CONN_BODY || c->state == HTTP_CONN_DRAIN)
        return now + stall - c->deadline_ms > patience_ms &&
               c->received - c->window_received < HTTP_RATE_BYTES_PER_S * patience_ms / 1000;
    return c->state == HTTP_CONN_LINGER;
}

/* http.h - HTTP/1.1 on one libuv loop (DESIGN D8, D12): connections, requests, responses, pools.
 *
 * The loop thread owns the sockets and does nothing that blocks. A request is parsed (llhttp, strict),
 * routed when its headers are complete, its body collected within the route's limits, and handed to
 * the route's pool: a handler runs on a worker thread, or on the loop when the route says it is
 * instant. A handler ends by http_reply*(); it may return first and reply later from any thread.
 *
 * Large answers are pulled: http_reply_stream() gives a producer that is called, on a worker thread,
 * for the next piece only as the socket drains.
 *
 * When the client goes away the request's cancel token is set; a reply to it is dropped. A client
 * that only ends its sending side cancels as well (as in Go), but is still answered.
 */
#ifndef FERULA_SERVER_HTTP_HTTP_H
#define FERULA_SERVER_HTTP_HTTP_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"

typedef struct http_server http_server;
typedef struct http_req http_req;
typedef struct tls_session tls_session; /* server/tls/session.h */

typedef enum http_method {
    HTTP_GET = 1 << 0,
    HTTP_HEAD = 1 << 1,
    HTTP_POST = 1 << 2,
    HTTP_PUT = 1 << 3,
    HTTP_DELETE = 1 << 4,
    HTTP_OPTIONS = 1 << 5,
    HTTP_OTHER = 1 << 6,
} http_method;

typedef enum http_pool {
    HTTP_ON_LOOP, /* instant handlers only */
    HTTP_QUERY,   /* query workers */
    HTTP_INGEST,  /* ingest workers */
} http_pool;

typedef void (*http_handler)(http_req *r, void *arg);

typedef struct http_route {
    const char
        *path; /* "/api/v1/query"; one segment may be a wildcard: "/api/v1/label/:name/values";
                       * "/x/" with a star behind it takes what no other route does */
    unsigned methods; /* http_method bits; others get 405 with Allow. HEAD only where listed */
    http_pool pool;
    http_handler fn;
    void *arg;
    size_t body_max;     /* bytes as received; 0 = 1 MiB; beyond it 413 */
    const char *handler; /* label of the metrics; NULL = path */
} http_route;

typedef struct http_options {
    const char **listen; /* "0.0.0.0:9090", ":9090", "[::1]:9090"; port 0 takes a free one */
    size_t n_listen;
    unsigned max_connections;  /* across all listeners; 0 = 512 */
    size_t head_max_bytes;     /* request line and headers; 0 = 32 KiB; beyond it 431 */
    unsigned headers_max;      /* 0 = 100 */
    uint64_t head_timeout_ms;  /* to receive the headers; 0 = 10 s; 408 */
    uint64_t idle_timeout_ms;  /* kept-alive connection without a request; 0 = 5 min */
    uint64_t stall_timeout_ms; /* a peer that neither sends nor drains; 0 = 30 s */
    size_t
        body_budget_bytes; /* of all bodies in flight; 0 = 256 MiB; beyond it 503 + Retry-After */
    unsigned query_workers, ingest_workers; /* 0 = by the cores */
    int query_nice; /* of the query workers: 0 to 19, the higher the sooner they give way */
    size_t
        queue_max; /* requests waiting for one pool's workers; 0 = 1024; beyond it 503 + Retry-After */
    fer_account *account;     /* connections and bodies are charged here; may be NULL */
    const char *route_prefix; /* "" or "/x" */
    fer_clock *clock;
    fer_log *log;
    /* Asked before any route not marked instant-on-loop runs; false answers 503 "Service Unavailable"
     * with X-Prometheus-Stopping. NULL = always ready. */
    bool (*ready)(void *arg);
    void *ready_arg;
    /* Asked before each handler, on its thread: may add headers, or reply itself and return false.
     * NULL = none. */
    bool (*before)(http_req *r, void *arg);
    void *before_arg;
    /* Asked on the loop for each complete head, before its route is looked for: may add headers. 0 goes on, a status refuses
     * with that status' text, HTTP_ADMIT_LATER waits for http_admit(). NULL = everybody. */
    int (*admit)(http_req *r, void *arg);
    void *admit_arg;
    /* TLS: asked on the loop at the first byte of each connection for its session; NULL refuses the connection. NULL = plain
     * HTTP. */
    tls_session *(*secure)(void *arg);
    void *secure_arg;
    /* Of the requests that wait for query workers goes first whose client has the least cost; of one client's, and of
     * equals, who came first. `client` (on the loop) says whose a request is, not 0; `cost` is asked each time a worker
     * is free, any thread. NULL = order of arrival. */
    uint64_t (*client)(const http_req *r);
    double (*client_cost)(uint64_t client, void *arg);
    void *client_cost_arg;
} http_options;

enum { HTTP_ADMIT_LATER = -1 };
/* What admit put off: 0 or a status. Any thread, once. Until then the request is the caller's, who may read it and add headers. */
void http_admit(http_req *r, int status);

/* Binds and listens (a failure names the address); serves nothing before http_server_run(). */
FER_MUST_CHECK fer_code http_server_new(const http_options *o, http_server **ret, fer_err *err);
/* Copies the routes. Before run only. Paths not routed get 404. */
void http_server_routes(http_server *s, const http_route *routes, size_t n);
/* Runs the loop on the calling thread until http_server_stop(). */
FER_MUST_CHECK fer_code http_server_run(http_server *s, fer_err *err);
/* Any thread, and from http_server_on_signal() functions: stop accepting, finish requests in flight (at most grace_ms),
 * then run() returns. */
void http_server_stop(http_server *s, uint64_t grace_ms);
bool http_server_stopping(const http_server *s);
/* Lends a query worker: calls run(arg) soon on one that has nothing to do; false when there is none, or when most_busy are at work
 * already. Any thread. */
FER_MUST_CHECK bool http_server_lend(http_server *s, unsigned most_busy, void (*run)(void *arg),
                                     void *arg);
/* Whether one that was lent may stay: no request waits for a worker, and at most most_busy are at work. Any thread. */
bool http_server_may_keep(http_server *s, unsigned most_busy);
/* Has the loop and the workers without work give back the memory that the allocator keeps for them. Any thread. */
void http_server_rest(http_server *s);
/* After run() has returned: lets the handlers that its grace cut off end, and those still queued. They were told that nobody
 * waits any more; what they work on must stand until then. */
void http_server_end_handlers(http_server *s);
/* After run() has returned (or was never called). Ends the handlers, then waits (5 s at most)
 * for the replies still owed: whoever gives them must still run. NULL is fine. */
void http_server_free(http_server *s);
/* The port actually bound by listener i. */
uint16_t http_server_port(const http_server *s, size_t i);
/* Calls fn on the loop thread when the signal arrives (before run). */
FER_MUST_CHECK fer_code http_server_on_signal(http_server *s, int signum,
                                              void (*fn)(void *arg, int signum), void *arg,
                                              fer_err *err);

/* ---- the request; valid until the reply has been given ---- */

http_method http_req_method(const http_req *r);
fer_str http_req_path(const http_req *r);                     /* decoded, prefix removed */
fer_str http_req_header(const http_req *r, const char *name); /* any case; empty when absent */
fer_str http_req_wildcard(const http_req *r);                 /* decoded text of the :segment */
fer_str http_req_body(const http_req *r);
fer_str http_req_remote(const http_req *r); /* "127.0.0.1:43210" */
fer_arena *http_req_arena(http_req *r);     /* dies with the request; 64 MiB at most */
fer_cancel *http_req_cancel(http_req *r);
/* The connection is closed: nobody gets the reply. */
bool http_req_gone(const http_req *r);
uint64_t http_req_received_ns(const http_req *r); /* mono, when the headers were complete */

/* Parameters of the URL query and, for POST/PUT with x-www-form-urlencoded, of the body: form values
 * come first, as Go's Request.Form. Parsed once on first use. */
fer_str http_req_param(http_req *r, const char *name); /* first value, or empty */
bool http_req_has_param(http_req *r, const char *name);
size_t http_req_params(http_req *r, const char *name, const fer_str **ret); /* all values */
/* FER_INVALID when the query or form text is malformed (bad % escape), in Go's words. */
FER_MUST_CHECK fer_code http_req_parse_form(http_req *r, fer_err *err);

/* ---- the response ---- */

/* Adds a header to the coming reply (copied; line ends become spaces). Content-Length, Date
 * and Connection are the server's own, and it adds Accept-Encoding to Vary. A Content-Encoding given here is sent as it is, and the
 * body not compressed again. */
void http_resp_header(http_req *r, const char *name, fer_str value);

/* Exactly one of these ends a request; any thread. Bytes are copied unless `owned`. gzip is applied
 * when the client accepts it and `content_type` is compressible text. content_type NULL: none. */
void http_reply(http_req *r, int status, const char *content_type, fer_str body);
void http_reply_text(http_req *r, int status, const char *fmt, ...)
    FER_PRINTF(3, 4); /* text/plain; charset=utf-8, newline added as Go's http.Error */
/* Takes over the buffer's bytes (buf is left empty). */
void http_reply_buf(http_req *r, int status, const char *content_type, fer_buf *body);

typedef struct http_producer {
    /* Appends the next piece (some 64 KiB) to out; sets *done with the last. One that appends nothing and
     * is not done is asked again half a second later, unless the client is gone. Another result than FER_OK cuts the connection.
     * Worker threads, one call at a time. */
    fer_code (*next)(void *arg, fer_buf *out, bool *done);
    void (*free)(void *arg); /* once, also when the client went away */
    void *arg;
} http_producer;
/* The request and its arena live on until the producer is freed. Short results (128 KiB) go out with
 * a Content-Length, longer ones chunked. next() may be called before this returns. */
void http_reply_stream(http_req *r, int status, const char *content_type, const http_producer *p);

/* ---- telling ---- */

enum { HTTP_DURATION_BUCKETS = 9, HTTP_SIZE_BUCKETS = 8 };
typedef struct http_route_stats {
    const char *handler;
    uint64_t by_status[600]; /* index = status code */
    /* Buckets are cumulative, as they are exposed. */
    uint64_t duration_buckets[HTTP_DURATION_BUCKETS + 1]; /* .1 .2 .4 1 3 8 20 60 120 s, +Inf */
    double duration_sum;
    uint64_t size_buckets[HTTP_SIZE_BUCKETS + 1]; /* 100 * 10^i bytes, +Inf */
    double size_sum;
    uint64_t count;
} http_route_stats;
/* One row for each handler name, in the order of the routes; how many were filled. Any thread. */
size_t http_server_route_stats(const http_server *s, http_route_stats *ret, size_t max);
/* Why a TLS handshake came to nothing. */
typedef enum http_handshake_error {
    HTTP_HANDSHAKE_CONFIG,     /* no certificate, or the configuration is wrong */
    HTTP_HANDSHAKE_PLAIN_HTTP, /* a request without TLS */
    HTTP_HANDSHAKE_PROTOCOL, /* no common version or cipher, a certificate refused by either side, no TLS at all */
    HTTP_HANDSHAKE_LEFT, /* the peer ended the connection */
    HTTP_HANDSHAKE_TIMEOUT,
    HTTP_HANDSHAKE_ERRORS
} http_handshake_error;

typedef struct http_stats {
    uint64_t connections, accepted, refused, bad_requests, timeouts;
    uint64_t bodies_bytes;
    uint64_t handshakes, handshake_errors[HTTP_HANDSHAKE_ERRORS]; /* of TLS */
} http_stats;
/* "config", "plain_http", ...; static. */
const char *http_handshake_error_name(http_handshake_error e);
void http_server_stats(const http_server *s, http_stats *ret);

#endif

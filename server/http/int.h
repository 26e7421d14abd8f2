/* int.h - what the server's files share: the server, its connections, its requests.
 *
 * Ownership. The loop thread owns the server's loop part, every connection, and each request while it
 * is received. Dispatching hands the request to a worker (pool queue); giving a reply hands it back
 * (reply queue). In between the loop touches only `conn`, `gone` and `cancel` of it.
 *
 *   received --dispatch--> handler --http_reply--> loop writes --> recycled
 *                             |                      ^   |
 *                             +-http_reply_stream----+   v  while the socket drains
 *                                                 next step on a worker
 */
#ifndef FERULA_SERVER_HTTP_INT_H
#define FERULA_SERVER_HTTP_INT_H

#include <uv.h>

#include "base/thread.h"
#include "server/http/form.h"
#include "server/http/gzip.h"
#include "server/http/http.h"
#include "server/http/parse.h"
#include "server/http/pool.h"
#include "server/http/routes.h"
#include "server/http/stats.h"

typedef struct http_conn http_conn;
typedef struct http_secure http_secure;

enum {
    HTTP_READ_BYTES = 16 * 1024,          /* one read of a head or of a chunked body */
    HTTP_PENDING_BYTES = HTTP_READ_BYTES, /* read ahead of a request in flight */
    HTTP_OUT_HIGH_BYTES = 1024 * 1024,    /* queued on one connection: producers rest */
    HTTP_REST_MS = 500,                   /* before a producer that had nothing is asked again */
    HTTP_OUT_PIPELINE_BYTES = 256 * 1024, /* queued: the next pipelined request waits */
    HTTP_FIRST_BYTES = 128 * 1024, /* of a streamed answer: if that is all, it is no stream */
    HTTP_PIECE_BYTES = 256 * 1024, /* of what follows, and twice as much each time */
    HTTP_PIECE_MOST_BYTES = 1024 * 1024,
    HTTP_PIECE_MAX_BYTES = 64 * 1024 * 1024,
    HTTP_DRAIN_BYTES = 256 * 1024, /* of a refused body, to keep the connection */
    HTTP_FRAMING_BYTES = 8 * 1024,
    HTTP_ARENA_BYTES = 64 * 1024 * 1024,
    HTTP_CONN_CHARGE_BYTES = 2048, /* told to the account for each connection */
    HTTP_LINGER_MS = 1000,
    HTTP_RATE_BYTES_PER_S = 1024, /* slower peers count as stalled */
    HTTP_REQS_KEPT = 16,
    HTTP_REMOTE_BYTES = 56,
};

/* ---- requests ---- */

typedef enum http_reply_kind {
    HTTP_REPLY_WHOLE,
    HTTP_REPLY_FIRST, /* of a stream; more pieces follow */
    HTTP_REPLY_PIECE,
    HTTP_REPLY_LAST,
    HTTP_REPLY_CUT,     /* the producer failed */
    HTTP_REPLY_DROPPED, /* nobody listens any more */
    HTTP_REPLY_ADMIT,   /* none yet: http_admit() */
} http_reply_kind;

struct http_req {
    http_job job;
    http_req *next; /* in the reply queue or the free list */
    http_server *s;
    http_conn *conn;   /* loop only; NULL once the connection is closed */
    _Atomic bool gone; /* the connection is closed */
    bool dispatched;
    long route; /* index; -1 before routing and for what is not routed */
    /* The head has an arena of its own, bounded by the head's limits and charged to nobody: a server
     * at its memory limit still says that it is healthy. */
    fer_arena *head;
    fer_arena *arena; /* for handlers; NULL until asked for */
    fer_cancel cancel;
    uint64_t received_ns;

    http_method method;
    unsigned minor;
    bool keep_alive, accepts_gzip;
    fer_str path, wildcard, query;
    const http_field *fields;
    size_t n_fields;
    char remote[HTTP_REMOTE_BYTES];

    char *body; /* body_max: bytes it has, or a chunked one may have */
    size_t body_n, body_cap, body_charged;
    size_t body_max;

    http_form form;
    bool form_read;
    fer_code form_code;
    fer_err *form_err; /* in the arena; NULL: no text */

    http_reply_kind reply;
    int status;
    fer_buf headers; /* "Name: value" lines */
    fer_buf out;     /* the body, or its next piece, as sent */
    bool own_encoding, compressible, gzipped, chunked;
    uint64_t out_bytes;     /* of body, so far */
    http_producer producer; /* of a stream */
    size_t piece_bytes;     /* of its next piece, but the first */
    http_gzip *gzip;
    bool streaming;         /* the producer has not been freed */
    bool dry;               /* the producer had nothing more when last asked */
    uint64_t rest_until_ms; /* loop only: when a dry one is asked again; 0 = it need not wait */
    bool away;              /* loop only: with a handler or a producer's step, and will be posted */
};

http_req *http_req_take(http_server *s);
/* Ends whatever the request still holds; loop thread, or nobody's any more. */
void http_req_recycle(http_req *r);
/* Ends one taken from the free list. */
void http_req_free(http_req *r);
/* Takes method, path, fields... from the parsed head. False when the arena is full. */
bool http_req_fill(http_req *r, const http_head *h, const char *remote);
/* Frees what only handlers use: arena, body, form. On the thread that gives the reply. */
void http_req_release(http_req *r);
/* A body of known length comes: its buffer begins at that, but for very large ones. */
void http_req_body_expect(http_req *r, size_t n);
/* Room for the next bytes of the body, n of them wanted; NULL when the budget refuses. At least one
 * byte of room, at most n. */
char *http_req_body_room(http_req *r, size_t n, size_t *ret_n);
/* http_body_sink for chunked bodies and for bytes read before the body's buffer stood. */
int http_req_body_add(void *req, const char *p, size_t n);

/* ---- replies ---- */

const char *http_status_text(int status);
/* On the loop: recycles a request that is not away. */
void http_req_drop(http_req *r);
/* On the loop: what has come back from a handler or a producer's step. */
void http_loop_take(http_req *r);
/* Hands r to the loop from whatever thread this is. */
void http_post(http_req *r);
/* http_job of a queued handler. */
void http_run_handler(http_job *j);
/* Ends the stream of a request whose client is gone, on a worker. */
void http_stream_abort(http_req *r);
/* Asks for the stream's next piece. */
void http_stream_next(http_req *r);
/* Asks a producer that had nothing, when it is time to. */
void http_stream_tick(http_req *r, uint64_t now_ms);
/* The server's own refusals, as Go's net/http words them: "400 Bad Request: text". */
void http_reply_own(http_req *r, int status, const char *text);

/* ---- connections ---- */

typedef enum http_conn_state {
    HTTP_CONN_IDLE,   /* no byte of a request */
    HTTP_CONN_HEAD,   /* receiving a head */
    HTTP_CONN_BODY,   /* receiving a body */
    HTTP_CONN_BUSY,   /* a request is being served */
    HTTP_CONN_DRAIN,  /* answered; the rest of its body is thrown away */
    HTTP_CONN_LINGER, /* the last answer is given; waits for it to be sent and read */
    HTTP_CONN_CLOSED,
} http_conn_state;

struct http_conn {
    uv_tcp_t tcp;
    uv_shutdown_t shutdown;
    http_server *s;
    http_secure *secure;              /* TLS; NULL: none */
    http_conn *prev, *next;           /* of all */
    http_conn *idle_prev, *idle_next; /* of those that may be closed for others, oldest first */
    bool in_idle;
    uint64_t idle_since_ms;
    http_conn_state state;
    bool processing; /* conn_run is on the stack */
    bool reading;    /* uv_read_start() is in force */
    bool eof;        /* the peer sends no more */
    bool clean;      /* every byte of the last request has been read */
    http_parser *parser;
    http_req *req;
    char *pending;
    size_t pending_at, pending_n;
    uint64_t deadline_ms; /* of the state; 0 = none */
    uint64_t received, window_received, last_received_ms;
    uint64_t write_deadline_ms; /* 0 = nothing queued */
    uint64_t queued, window_sent, last_sent, last_sent_ms;
    char remote[HTTP_REMOTE_BYTES];
};

/* Takes the connection waiting at the listener. */
void http_conn_accept(http_server *s, uv_stream_t *listener);
/* At once; a request being served goes on without it. */
void http_conn_close(http_conn *c);
/* Stop of the server: closes what serves nobody. */
void http_conn_stop(http_conn *c);
/* Timeouts. */
void http_conn_tick(http_conn *c, uint64_t now_ms);
/* Peers that are gone are noticed although nothing is read. */
void http_conn_check_peer(http_conn *c);
/* True when it may be closed in favour of a new connection although it is not idle. */
bool http_conn_too_slow(const http_conn *c, uint64_t now_ms);
/* Sends bufs in order; takes over *own, which backs one of them (NULL: none). False when the
 * connection is closed by it. */
bool http_conn_write(http_conn *c, const uv_buf_t *bufs, unsigned n, fer_buf *own);
size_t http_conn_queued(const http_conn *c);
/* http_admit() has been called: 0 or a status. */
void http_conn_admitted(http_conn *c, int status);
/* The request of c has been answered whole; the connection goes on, or ends when `close`. */
void http_conn_answered(http_conn *c, bool close);

/* For secure.c. */

/* Where the next bytes of the peer go: a body of known length straight into its place, all else to `scratch`. Empty when there
 * is no room now; base NULL when the budget refuses. */
void http_conn_room(http_conn *c, char *scratch, uv_buf_t *ret);
/* n bytes have come to where http_conn_room() said; `in_place`: that was not scratch. */
void http_conn_received(http_conn *c, const char *p, size_t n, bool in_place);
/* The budget has refused the body. */
void http_conn_no_room(http_conn *c);
void http_conn_peer_ended(http_conn *c);
/* What is queued is sent, then the connection ends. */
void http_conn_linger(http_conn *c);
/* Reads from the socket, or not, as there is room. */
void http_conn_update_reading(http_conn *c);
/* The handshake is done: requests may come. */
void http_conn_opened(http_conn *c);
/* http_conn_write() below TLS. */
bool http_conn_write_raw(http_conn *c, const uv_buf_t *bufs, unsigned n, fer_buf *own);

/* ---- TLS (secure.c) ----
 *
 * Between the socket and a connection whose `secure` is not NULL. Without TLS nothing of this is called.
 */

http_secure *http_secure_new(fer_account *account);
void http_secure_free(http_secure *x); /* NULL is fine */
/* Bytes from the socket. */
void http_secure_received(http_conn *c, const char *p, size_t n);
/* There may be room again for what was held back. */
void http_secure_go_on(http_conn *c);
/* Whether bytes are held back until there is room. */
bool http_secure_holds(const http_secure *x);
bool http_secure_open(const http_secure *x); /* the handshake is done */
bool http_secure_write(http_conn *c, const uv_buf_t *bufs, unsigned n, fer_buf *own);
/* Says that nothing more will be sent; `queued`: behind what still waits, else at once or not at all. */
void http_secure_bye(http_conn *c, bool queued);
/* Counts a handshake that did not succeed. */
void http_secure_failed(http_conn *c, http_handshake_error e, const char *why);

/* ---- the server ---- */

typedef struct http_listener {
    uv_tcp_t tcp;
    http_server *s;
    uint16_t port;
    bool waiting; /* a connection waits to be accepted */
    bool open;
} http_listener;

typedef struct http_signal {
    uv_signal_t handle;
    void (*fn)(void *arg, int signum);
    void *arg;
} http_signal;

struct http_server {
    http_options o; /* with the defaults filled in */
    char *prefix;
    uv_loop_t loop;
    int wake_fd; /* an eventfd: replies wait, a rest, or the stop */
    uv_poll_t wake;
    uv_timer_t tick, grace;
    http_listener *listeners;
    size_t n_listeners;
    http_signal **signals;
    size_t n_signals;
    http_routes routes;
    http_workers *query, *ingest;
    uv_thread_t loop_thread;
    bool running;

    http_conn *conns;
    http_conn *idle_first, *idle_last;
    unsigned n_conns;
    http_req *free_reqs;
    unsigned n_free_reqs;
    fer_account bodies;
    char *read_buf;
    char *plain_buf,
        *seal_buf; /* of TLS: what was read, decrypted; what is to be encrypted as one record. NULL without */
    uint64_t handshake_told_ms; /* when a failed one was last in the log */
    fer_buf head;               /* scratch of the reply being written */
    int64_t date_s;
    char date[32];
    _Atomic size_t live;    /* requests dispatched and not recycled */
    _Atomic size_t posting; /* threads within http_post() */

    fer_mutex replies_mu; /* guards what follows */
    fer_cond replies_cond;
    http_req *replies, **replies_tail;
    bool loop_gone;

    _Atomic bool rest; /* http_server_rest() was called */
    _Atomic bool stop;
    _Atomic uint64_t grace_ms;
    bool stopping; /* the loop has begun to */

    http_stats_table stats;
};

http_workers *http_server_pool(http_server *s, http_pool pool);
/* A connection has ended: another may be waiting. */
void http_server_conn_ended(http_server *s);
void http_idle_add(http_conn *c);
void http_idle_remove(http_conn *c);
/* Whether connections wait for a free place. */
bool http_server_crowded(const http_server *s);

/* listen.c: parses "host:port", binds and listens; err as Go's net.Listen words it. */
FER_MUST_CHECK fer_code http_listen(uv_loop_t *loop, uv_tcp_t *tcp, const char *address,
                                    uv_connection_cb cb, uint16_t *ret_port, fer_err *err);
/* "127.0.0.1:80" or "[::1]:80". */
void http_address_text(const struct sockaddr *sa, char *buf, size_t n);

#endif

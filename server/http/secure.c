/* secure.c - TLS between a connection and its socket. Loop thread.
 *
 *     socket -> on_read -> http_secure_received -> pump: decrypt -> http_conn_received
 *     http_conn_write -> http_secure_write: encrypt -> http_conn_write_raw -> socket
 *
 * The connection decides how much it takes: what is decrypted goes where http_conn_room() says, and when there is no room the
 * rest waits encrypted (x->held) and the socket is not read. Handshakes run here, on the loop: docs/server.md has their cost.
 */
#include <assert.h>
#include <stdio.h>

#include "server/http/int.h"
#include "server/tls/session.h"

enum {
    FIRST_BYTES = 5, /* of a record: what tells a request without TLS */
    TELL_EVERY_MS = 1000,
    RECORD_BYTES_EXTRA =
        512, /* more than a record, or what a handshake says of its own, adds to 16 KiB */
    HANDSHAKE_BYTES_MAX = 256 * 1024,
    CHARGE_BYTES = 15 * 1024, /* told to the account for each; measured: OpenSSL's when idle */
};

struct http_secure {
    fer_account *account;
    tls_session *session; /* NULL until the first byte */
    char *held;           /* read from the socket and not decrypted; NULL: none */
    size_t held_n;
    char first[FIRST_BYTES];
    unsigned first_n;
    bool open;    /* the handshake is done */
    bool over;    /* nothing of the peer is looked at any more */
    bool failed;  /* and has been counted */
    bool pumping; /* pump() is on the stack */
    bool waits;   /* for room */
};

http_secure *http_secure_new(fer_account *account)
{
    http_secure *x = fer_calloc(1, sizeof *x);
    x->account = account;
    fer_account_force(account, CHARGE_BYTES);
    return x;
}

void http_secure_free(http_secure *x)
{
    if (x == NULL)
        return;
    tls_session_free(x->session);
    fer_account_release(x->account, CHARGE_BYTES);
    fer_free(x->held);
    fer_free(x);
}

bool http_secure_holds(const http_secure *x)
{
    return x->waits;
}

bool http_secure_open(const http_secure *x)
{
    return x->open;
}

/* ---- out ---- */

/* Sends what has been encrypted; false when the connection is closed by it. */
static bool send_sealed(http_conn *c, fer_buf *sealed)
{
    if (sealed->n == 0) {
        fer_buf_done(sealed);
        return true;
    }
    uv_buf_t buf = uv_buf_init(sealed->p, (unsigned)sealed->n);
    return http_conn_write_raw(c, &buf, 1, sealed);
}

typedef struct sealer {
    http_conn *c;
    size_t n; /* in seal_buf */
    fer_buf out;
    bool ok;
} sealer;

static void seal_collected(sealer *s)
{
    s->ok = s->ok && tls_session_write(s->c->secure->session, s->c->s->seal_buf, s->n, &s->out);
    s->n = 0;
}

/* Small pieces share a record, large ones are encrypted from where they are. */
static void seal(sealer *s, const char *p, size_t n)
{
    while (n != 0 && s->ok) {
        if (s->n == 0 && n >= HTTP_READ_BYTES) {
            size_t whole = n - n % HTTP_READ_BYTES;
            s->ok = tls_session_write(s->c->secure->session, p, whole, &s->out);
            p += whole;
            n -= whole;
            continue;
        }
        size_t part = HTTP_READ_BYTES - s->n < n ? HTTP_READ_BYTES - s->n : n;
        memcpy(s->c->s->seal_buf + s->n, p, part);
        s->n += part;
        p += part;
        n -= part;
        if (s->n == HTTP_READ_BYTES)
            seal_collected(s);
    }
}

bool http_secure_write(http_conn *c, const uv_buf_t *bufs, unsigned n, fer_buf *own)
{
    size_t total = 0;
    for (unsigned i = 0; i < n; i++)
        total += bufs[i].len;
    sealer s = {.c = c, .ok = c->secure->session != NULL};
    size_t sealed = total + (total / HTTP_READ_BYTES + 2) * RECORD_BYTES_EXTRA;
    fer_buf_init(&s.out, sealed, NULL);
    (void)fer_buf_room(&s.out, sealed);
    for (unsigned i = 0; i < n; i++)
        seal(&s, bufs[i].base, bufs[i].len);
    if (s.n != 0)
        seal_collected(&s);
    if (own != NULL)
        fer_buf_done(own);
    s.out.acct = c->s->o.account;
    fer_account_force(s.out.acct, s.out.cap);
    if (s.ok)
        return send_sealed(c, &s.out);
    fer_buf_done(&s.out);
    http_conn_close(c);
    return false;
}

void http_secure_bye(http_conn *c, bool queued)
{
    http_secure *x = c->secure;
    if (x->session == NULL || !x->open)
        return;
    fer_buf out;
    fer_buf_init(&out, HANDSHAKE_BYTES_MAX, NULL);
    tls_session_close(x->session, &out);
    if (queued) {
        send_sealed(c, &out);
        return;
    }
    if (out.n != 0 && http_conn_queued(c) == 0) {
        uv_buf_t buf = uv_buf_init(out.p, (unsigned)out.n);
        int rc = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
        (void)rc; /* the connection ends either way */
    }
    fer_buf_done(&out);
}

/* ---- handshakes that fail ---- */

void http_secure_failed(http_conn *c, http_handshake_error e, const char *why)
{
    http_server *s = c->s;
    uint64_t now = uv_now(&s->loop);
    if (c->secure->failed)
        return;
    c->secure->failed = true;
    http_count(&s->stats.handshake_errors[e]);
    LOGD(s->o.log, "TLS handshake error", "remote", c->remote, "err", why);
    if (e == HTTP_HANDSHAKE_LEFT || e == HTTP_HANDSHAKE_TIMEOUT ||
        (s->handshake_told_ms != 0 && now - s->handshake_told_ms < TELL_EVERY_MS))
        return;
    s->handshake_told_ms = now;
    LOGW(s->o.log, "TLS handshake error", "remote", c->remote, "err", why);
}

static bool begins_as_http(const http_secure *x)
{
    static const char begins[][FIRST_BYTES + 1] = {"GET /", "HEAD ", "POST ", "PUT /", "OPTIO"};
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (x->first_n == FIRST_BYTES && memcmp(x->first, begins[i], FIRST_BYTES) == 0)
            return true;
    return false;
}

/* Says `text` below TLS and ends the connection. */
static void end_with(http_conn *c, const char *text, size_t n)
{
    c->secure->over = true;
    c->clean = false;
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)text, (unsigned)n);
    if (http_conn_write_raw(c, &buf, 1, NULL))
        http_conn_linger(c);
}

static void handshake_failed(http_conn *c, fer_buf *alert)
{
    static const char plain[] = "HTTP/1.0 400 Bad Request\r\n\r\n"
                                "Client sent an HTTP request to an HTTPS server.\n";
    http_secure *x = c->secure;
    if (begins_as_http(x)) {
        http_secure_failed(c, HTTP_HANDSHAKE_PLAIN_HTTP,
                           "client sent an HTTP request to an HTTPS server");
        end_with(c, plain, sizeof plain - 1);
    } else {
        const char *why = tls_session_reason(x->session);
        http_secure_failed(c, HTTP_HANDSHAKE_PROTOCOL, *why == '\0' ? "the peer gave up" : why);
        end_with(c, alert->p == NULL ? "" : alert->p, alert->n);
    }
}

/* There is no certificate to show: an alert, "internal error". */
static void no_session(http_conn *c)
{
    static const char alert[] = {0x15, 3, 3, 0, 2, 2, 80};
    http_secure_failed(c, HTTP_HANDSHAKE_CONFIG, "no TLS configuration");
    end_with(c, alert, sizeof alert);
}

/* ---- in ---- */

static bool goes_on(const http_conn *c)
{
    return c->state != HTTP_CONN_CLOSED && !c->secure->over;
}

/* One step of the handshake; whether reading can go on. */
static bool shake_hands(http_conn *c)
{
    http_secure *x = c->secure;
    fer_buf out;
    fer_buf_init(&out, HANDSHAKE_BYTES_MAX, NULL);
    tls_state state = tls_session_handshake(x->session, &out);
    if (state == TLS_OK || state == TLS_MORE) {
        bool alive = send_sealed(c, &out);
        if (!alive || state == TLS_MORE)
            return false;
        x->open = true;
        http_count(&c->s->stats.handshakes);
        http_conn_opened(c);
        return true;
    }
    handshake_failed(c, &out);
    fer_buf_done(&out);
    return false;
}

/* Decrypts once; whether there may be more. */
static bool decrypt(http_conn *c)
{
    http_secure *x = c->secure;
    uv_buf_t room;
    http_conn_room(c, c->s->plain_buf, &room);
    if (room.base == NULL) {
        http_conn_no_room(c);
        return true;
    }
    if (room.len == 0) {
        x->waits = true;
        return false;
    }
    fer_buf out;
    fer_buf_init(&out, HANDSHAKE_BYTES_MAX, NULL);
    size_t n = 0;
    tls_state state = tls_session_read(x->session, room.base, room.len, &n, &out);
    if (!send_sealed(c, &out))
        return false;
    switch (state) {
    case TLS_OK:
        http_conn_received(c, room.base, n, room.base != c->s->plain_buf);
        return true;
    case TLS_MORE:
        return false;
    case TLS_CLOSED:
        x->over = true;
        http_conn_peer_ended(c);
        return false;
    case TLS_FAILED:
        break;
    }
    x->over = true;
    http_conn_close(c);
    return false;
}

static void pump(http_conn *c)
{
    http_secure *x = c->secure;
    x->pumping = true;
    x->waits = false;
    bool more = x->open || shake_hands(c);
    while (more && goes_on(c))
        more = decrypt(c);
    x->pumping = false;
}

/* What the session has not looked at is kept: the caller's bytes go away. */
static void keep_rest(http_secure *x, const char *p, size_t n)
{
    char *was = x->held;
    x->held = n == 0 ? NULL : fer_memdup0(p, n);
    x->held_n = n;
    fer_free(was);
}

static void run(http_conn *c, const char *p, size_t n)
{
    http_secure *x = c->secure;
    tls_session_feed(x->session, p, n);
    pump(c);
    size_t left = tls_session_take_back(x->session);
    if (x->over || left == 0)
        keep_rest(x, NULL, 0);
    else if (p != x->held || left != n)
        keep_rest(x, p + n - left, left);
}

static void note_first(http_secure *x, const char *p, size_t n)
{
    while (x->first_n < FIRST_BYTES && n-- != 0)
        x->first[x->first_n++] = *p++;
}

void http_secure_received(http_conn *c, const char *p, size_t n)
{
    http_secure *x = c->secure;
    if (x->over)
        return;
    assert(x->held == NULL && !x->waits);
    note_first(x, p, n);
    if (x->session == NULL)
        x->session = c->s->o.secure(c->s->o.secure_arg);
    if (x->session == NULL)
        no_session(c);
    else
        run(c, p, n);
    if (c->state != HTTP_CONN_CLOSED)
        http_conn_update_reading(c);
}

void http_secure_go_on(http_conn *c)
{
    http_secure *x = c->secure;
    if (x->waits && !x->pumping && goes_on(c))
        run(c, x->held, x->held_n);
}

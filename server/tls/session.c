/* session.c - OpenSSL over two buffers.
 *
 * The BIO reads from the slice that was fed and writes to the buffer of the call: no bytes are copied but by OpenSSL, and
 * between calls nothing is kept.
 */
#include "server/tls/session.h"

#include <assert.h>
#include <limits.h>

#include "server/tls/context_int.h"

struct tls_session {
    SSL *ssl;
    tls_context *context;
    fer_str in;   /* fed and not used up */
    fer_buf *out; /* of the call on the stack */
    bool failed;
    const char *reason;
};

/* ---- the BIO ---- */

static int bio_read(BIO *b, char *p, int n)
{
    tls_session *s = openssl.BIO_get_data(b);
    openssl.BIO_clear_flags(b, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
    if (s->in.n == 0) {
        openssl.BIO_set_flags(b, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
        return -1;
    }
    size_t got = (size_t)n < s->in.n ? (size_t)n : s->in.n;
    memcpy(p, s->in.p, got);
    s->in = str_from(s->in, got);
    return (int)got;
}

static int bio_write(BIO *b, const char *p, int n)
{
    tls_session *s = openssl.BIO_get_data(b);
    openssl.BIO_clear_flags(b, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
    if (s->out == NULL)
        return -1;
    fer_buf_put(s->out, p, (size_t)n);
    return s->out->full ? -1 : n;
}

static long bio_ctrl(BIO *b, int what, long n, void *p)
{
    (void)b;
    (void)n;
    (void)p;
    return what == BIO_CTRL_FLUSH;
}

/* Made once and kept, as the libraries are. */
static BIO_METHOD *bio_method(void)
{
    static BIO_METHOD *method;
    if (method != NULL)
        return method;
    method = openssl.BIO_meth_new(BIO_TYPE_SOURCE_SINK, "slices");
    if (method == NULL)
        return NULL;
    openssl.BIO_meth_set_read(method, bio_read);
    openssl.BIO_meth_set_write(method, bio_write);
    openssl.BIO_meth_set_ctrl(method, bio_ctrl);
    return method;
}

/* ---- life ---- */

tls_session *tls_session_new(tls_context *x)
{
    BIO_METHOD *method = bio_method();
    BIO *b = method == NULL ? NULL : openssl.BIO_new(method);
    SSL *ssl = b == NULL ? NULL : openssl.SSL_new(x->ctx);
    if (ssl == NULL) {
        if (b != NULL)
            openssl.BIO_free(b);
        openssl.ERR_clear_error();
        return NULL;
    }
    tls_session *s = fer_calloc(1, sizeof *s);
    s->ssl = ssl;
    s->context = tls_context_ref(x);
    s->reason = "";
    openssl.BIO_set_data(b, s);
    openssl.BIO_set_init(b, 1);
    openssl.SSL_set_bio(ssl, b, b);
    openssl.SSL_set_accept_state(ssl);
    return s;
}

void tls_session_free(tls_session *s)
{
    if (s == NULL)
        return;
    openssl.SSL_free(s->ssl);
    tls_context_unref(s->context);
    fer_free(s);
}

/* ---- bytes ---- */

void tls_session_feed(tls_session *s, const char *p, size_t n)
{
    assert(s->in.n == 0);
    s->in = (fer_str){p, n};
}

size_t tls_session_take_back(tls_session *s)
{
    size_t left = s->in.n;
    s->in = (fer_str){0};
    return left;
}

static void fail(tls_session *s)
{
    const char *why = openssl.ERR_reason_error_string(openssl.ERR_peek_error());
    s->failed = true;
    s->reason = why == NULL ? "" : why;
    openssl.ERR_clear_error();
}

/* What a result of SSL_read() and its kind means. */
static tls_state state_of(tls_session *s, int rc)
{
    if (rc > 0)
        return TLS_OK;
    switch (openssl.SSL_get_error(s->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return TLS_MORE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_CLOSED;
    default:
        fail(s);
        return TLS_FAILED;
    }
}

tls_state tls_session_handshake(tls_session *s, fer_buf *out)
{
    if (s->failed)
        return TLS_FAILED;
    openssl.ERR_clear_error();
    s->out = out;
    tls_state state = state_of(s, openssl.SSL_do_handshake(s->ssl));
    s->out = NULL;
    return state;
}

tls_state tls_session_read(tls_session *s, char *p, size_t n, size_t *ret_n, fer_buf *out)
{
    if (s->failed)
        return TLS_FAILED;
    openssl.ERR_clear_error();
    s->out = out;
    int rc = openssl.SSL_read(s->ssl, p, n < INT_MAX ? (int)n : INT_MAX);
    tls_state state = state_of(s, rc);
    s->out = NULL;
    if (state == TLS_OK)
        *ret_n = (size_t)rc;
    return state;
}

bool tls_session_write(tls_session *s, const char *p, size_t n, fer_buf *out)
{
    openssl.ERR_clear_error();
    s->out = out;
    while (n != 0 && !s->failed) {
        int rc = openssl.SSL_write(s->ssl, p, n < INT_MAX ? (int)n : INT_MAX);
        if (state_of(s, rc) != TLS_OK) {
            if (!s->failed)
                fail(s);
            break;
        }
        p += rc;
        n -= (size_t)rc;
    }
    s->out = NULL;
    return !s->failed;
}

void tls_session_close(tls_session *s, fer_buf *out)
{
    if (s->failed)
        return;
    openssl.ERR_clear_error();
    s->out = out;
    openssl.SSL_shutdown(s->ssl);
    s->out = NULL;
    openssl.ERR_clear_error();
}

const char *tls_session_reason(const tls_session *s)
{
    return s->reason;
}

/* session.h - TLS of one connection without its socket: bytes of the peer in, bytes for the peer out.
 *
 * What goes out is appended to the `out` of each call. OpenSSL's own buffers are given back whenever they are empty.
 *
 * Threads: one at a time.
 */
#ifndef FERULA_SERVER_TLS_SESSION_H
#define FERULA_SERVER_TLS_SESSION_H

#include "base/buf.h"
#include "server/tls/context.h"

typedef struct tls_session tls_session;

typedef enum tls_state {
    TLS_OK,
    TLS_MORE,   /* the peer's next bytes are needed; all that were fed are used up */
    TLS_CLOSED, /* the peer has said that it sends no more */
    TLS_FAILED, /* for good; an alert may stand in out */
} tls_state;

/* Takes a reference to x. NULL when OpenSSL has no memory. */
tls_session *tls_session_new(tls_context *x);
void tls_session_free(tls_session *s); /* NULL is fine */

/* The peer's next bytes; they stay where they are until they are used up. None may be left of those before. */
void tls_session_feed(tls_session *s, const char *p, size_t n);
/* Forgets those that have not been looked at; how many that were, from the end. */
size_t tls_session_take_back(tls_session *s);

tls_state tls_session_handshake(tls_session *s, fer_buf *out);
/* Decrypts up to n bytes, n not 0; *ret_n with TLS_OK. */
tls_state tls_session_read(tls_session *s, char *p, size_t n, size_t *ret_n, fer_buf *out);
/* False: the session has failed, or out is full. */
bool tls_session_write(tls_session *s, const char *p, size_t n, fer_buf *out);
/* close_notify, where that can be said. */
void tls_session_close(tls_session *s, fer_buf *out);

/* Why it failed; "" when OpenSSL gives no reason. Valid for good. */
const char *tls_session_reason(const tls_session *s);

#endif

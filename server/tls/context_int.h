/* context_int.h - for session.c. */
#ifndef FERULA_SERVER_TLS_CONTEXT_INT_H
#define FERULA_SERVER_TLS_CONTEXT_INT_H

#include "server/tls/context.h"
#include "server/tls/openssl.h"

struct tls_context {
    unsigned refs;
    SSL_CTX *ctx;
    bool verifies; /* certificates of clients against the CAs */
    bool checks_sans;
    fer_arena *a;
    web_texts sans; /* in the arena */
};

#endif

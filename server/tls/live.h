/* live.h - the context new connections get: made anew when the web configuration or a file it names has changed.
 *
 * While only the certificate, the key or the CA cannot be read (a rotation half done), new connections go on with the last
 * good ones, and the log says so; what the configuration itself says is never outlived.
 *
 * Threads: one at a time.
 */
#ifndef FERULA_SERVER_TLS_LIVE_H
#define FERULA_SERVER_TLS_LIVE_H

#include "base/log.h"
#include "server/config/web_live.h"
#include "server/tls/context.h"

typedef struct tls_live tls_live;

/* `config` must outlive it. */
tls_live *tls_live_new(web_live *config, fer_log *log);
void tls_live_free(tls_live *l); /* NULL is fine */
/* Costs four stat() when nothing has changed. *ret is valid until the next call. */
FER_MUST_CHECK fer_code tls_live_get(tls_live *l, tls_context **ret, fer_err *err);

#endif

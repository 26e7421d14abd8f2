/* context.h - what TLS connections have in common: certificate and key, versions, ciphers, what clients must show.
 *
 * Made of a web configuration and the files it names; errors have the texts of Go's crypto/tls, as Prometheus shows them.
 *
 * Threads: one at a time; counted, since connections may outlive the configuration they came in by.
 */
#ifndef FERULA_SERVER_TLS_CONTEXT_H
#define FERULA_SERVER_TLS_CONTEXT_H

#include "server/config/web_config.h"

typedef struct tls_context tls_context;

/* FER_INVALID "TLS config is not present" when the configuration asks for none. The caller owns *ret: tls_context_unref(). */
FER_MUST_CHECK fer_code tls_context_new(const web_config *c, tls_context **ret, fer_err *err);
tls_context *tls_context_ref(tls_context *x);
void tls_context_unref(tls_context *x); /* NULL is fine */

/* Checks a web configuration file and, where it asks for TLS, the files it names; as the toolkit's Validate(). *ret_line may be
 * NULL. */
FER_MUST_CHECK fer_code tls_check_file(const char *path, int *ret_line, fer_err *err);

#endif

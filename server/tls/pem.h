/* pem.h - whether a PEM text has what it is given for; where not, what it has is told in the words of Go's tls.X509KeyPair. */
#ifndef FERULA_SERVER_TLS_PEM_H
#define FERULA_SERVER_TLS_PEM_H

#include "base/err.h"
#include "base/str.h"

/* FER_INVALID where there is no certificate (no private key). */
FER_MUST_CHECK fer_code pem_check_certificate(fer_str text, fer_err *err);
FER_MUST_CHECK fer_code pem_check_key(fer_str text, fer_err *err);

#endif

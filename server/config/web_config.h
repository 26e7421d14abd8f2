/* web_config.h - the file of --web.config.file, in the format of Prometheus' exporter-toolkit: TLS, headers of
 * answers, users, rate limit. Parsed strictly; errors have the toolkit's texts.
 *
 * Nothing but the file itself is read here: certificates are for server/tls/context.h.
 *
 * Threads: immutable once loaded.
 */
#ifndef FERULA_SERVER_CONFIG_WEB_CONFIG_H
#define FERULA_SERVER_CONFIG_WEB_CONFIG_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

/* A cipher suite by Go's name; `openssl` is NULL for those of TLS 1.3, which are always on. */
typedef struct web_cipher {
    const char *name, *openssl;
} web_cipher;

/* 0: not given. */
typedef enum web_tls_version {
    WEB_TLS_DEFAULT,
    WEB_TLS10,
    WEB_TLS11,
    WEB_TLS12,
    WEB_TLS13
} web_tls_version;

typedef struct web_texts {
    fer_str *v;
    size_t n;
} web_texts;

typedef struct web_pair {
    fer_str name, value;
} web_pair;

typedef struct web_pairs {
    web_pair *v;
    size_t n;
} web_pairs;

typedef struct web_tls_config {
    fer_str cert, key, client_ca; /* PEM inline; n 0: none */
    fer_str cert_file, key_file,
        client_ca_file; /* relative to the file's folder; NUL behind them; n 0: none */
    fer_str client_auth_type;
    web_texts client_allowed_sans;
    bool checks_sans;           /* client_allowed_sans is there, maybe empty */
    const web_cipher **ciphers; /* in the order given */
    size_t n_ciphers;
    const char **curves; /* OpenSSL's names */
    size_t n_curves;
    web_tls_version min, max;
    bool prefer_server_ciphers;
} web_tls_config;

typedef struct web_config {
    fer_arena *a; /* holds all of it */
    web_tls_config tls;
    bool http2;               /* read and without effect: TLS connections speak HTTP/1.1 */
    web_pairs headers;        /* for every answer */
    web_pairs users;          /* name and bcrypt hash */
    int64_t rate_interval_ns; /* 0: no limit */
    int64_t rate_burst;
} web_config;

/* An empty file is a configuration without effect. The caller owns *ret. *ret_line tells where the fault lies, 0 when that is
 * not known; may be NULL. */
FER_MUST_CHECK fer_code web_config_load(const char *path, web_config **ret, int *ret_line,
                                        fer_err *err);
/* The same of the text of a file, which lies at `path` or might. */
FER_MUST_CHECK fer_code web_config_parse(fer_str text, const char *path, web_config **ret,
                                         int *ret_line, fer_err *err);
void web_config_free(web_config *c); /* NULL is fine */

/* Whether any key asks for TLS. */
bool web_config_wants_tls(const web_config *c);
/* The hash of a user; n is 0 for one that is not there. */
fer_str web_config_hash(const web_config *c, fer_str user);

#endif

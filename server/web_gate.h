/* web_gate.h - what --web.config.file says, in force: TLS for connections; headers, rate limit and passwords for requests.
 *
 * The file is looked at for each request and each handshake and read again when it has changed. While it is wrong, requests get
 * 500 and handshakes fail, as with Prometheus. Whether the listeners speak TLS, and the rate limit, are settled at the start.
 *
 * Threads: the hooks run on the server's loop; web_gate_stats() anywhere; the rest by the owner.
 */
#ifndef FERULA_SERVER_WEB_GATE_H
#define FERULA_SERVER_WEB_GATE_H

#include "server/auth/basic_auth.h"
#include "server/http/http.h"

typedef struct web_gate web_gate;

/* Checks the file, the certificates it names, and says in the log whether TLS is on. The error names file and line. */
FER_MUST_CHECK fer_code web_gate_new(const char *path, fer_log *log, web_gate **ret, fer_err *err);
/* After the HTTP server has been freed. NULL is fine. */
void web_gate_free(web_gate *g);

/* Sets admit, and secure where TLS is on. */
void web_gate_guard(web_gate *g, http_options *o);
/* Whether a client must show who it is: by password, or by a certificate that is verified. NULL: no. */
bool web_gate_asks_who(web_gate *g);

typedef struct web_gate_stats {
    bool passwords; /* there have been users since the start */
    basic_auth_stats auth;
    uint64_t limited;       /* requests refused by the rate limit */
    uint64_t config_errors; /* requests refused for a wrong file */
} web_gate_stats;
void web_gate_stats_get(web_gate *g, web_gate_stats *ret);

#endif

/* basic_auth.h - names and passwords, checked by bcrypt on a thread of its own (DESIGN D8).
 *
 * Pairs that have been checked are remembered, right and wrong ones apart, by a keyed hash (HMAC-SHA-256 with a key of this
 * process) of name, password and the user's hash: a changed hash is checked again. So steady clients cost bcrypt once. Requests
 * with the same pair wait for one check together. At most BASIC_AUTH_QUEUE pairs wait; beyond that requests are refused with 503.
 * A name that is not there costs the same check against a hash nobody has, at the cost of some user that is.
 *
 * Threads: basic_auth_check() on the server's loop; the rest by the owner.
 */
#ifndef FERULA_SERVER_AUTH_BASIC_AUTH_H
#define FERULA_SERVER_AUTH_BASIC_AUTH_H

#include "server/config/web_config.h"
#include "server/http/http.h"

enum { BASIC_AUTH_QUEUE = 16, BASIC_AUTH_REMEMBERED = 128 };

typedef struct basic_auth basic_auth;

FER_MUST_CHECK fer_code basic_auth_new(basic_auth **ret, fer_err *err);
/* After the HTTP server has been freed. NULL is fine. */
void basic_auth_free(basic_auth *a);

/* For http_options.admit: 0, 401 (WWW-Authenticate is added), 503, or HTTP_ADMIT_LATER. */
int basic_auth_check(basic_auth *a, const web_config *c, http_req *r);

typedef struct basic_auth_stats {
    uint64_t accepted, refused; /* requests with a right pair, and all others */
    uint64_t checks;            /* by bcrypt */
    uint64_t busy;              /* refused with 503 */
    double check_seconds;
} basic_auth_stats;
/* Any thread. */
void basic_auth_stats_get(basic_auth *a, basic_auth_stats *ret);

/* "Basic bmFtZTpwYXNz" into name and password, in the arena; false when it is no such thing. As Go's Request.BasicAuth(). */
bool basic_auth_parse(fer_str header, fer_arena *a, fer_str *ret_name, fer_str *ret_password);

#endif

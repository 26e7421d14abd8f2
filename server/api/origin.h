/* origin.h - what pages of other origins may do: CORS, and who may change the server's state.
 *
 * --web.cors.origin is an anchored regular expression of origins that may read answers under /api/v1/; they get
 * Prometheus' CORS headers. Without it no other origin may (Prometheus: any). Requests that change something (admin
 * calls, lifecycle, writes) are refused with 403 when a browser says that another origin sent them.
 *
 * Threads: immutable after origin_policy_new(). */
#ifndef FERULA_SERVER_API_ORIGIN_H
#define FERULA_SERVER_API_ORIGIN_H

#include "server/http/http.h"

typedef struct origin_policy origin_policy;

/* cors "": none. external_url: pages of its host count as the server's own; may be "". FER_INVALID for a bad
 * expression. The caller owns *ret: origin_policy_free(). */
FER_MUST_CHECK fer_code origin_policy_new(const char *cors, const char *external_url,
                                          origin_policy **ret, fer_err *err);
void origin_policy_free(origin_policy *p); /* NULL is fine */

/* http_options.before, with the policy as arg: adds headers; false when the request was refused. */
bool origin_check(http_req *r, void *policy);

/* Whether a page of `origin` belongs to the server that was asked as `host` (the Host header). */
bool origin_is_own(const origin_policy *p, fer_str origin, fer_str host);

#endif

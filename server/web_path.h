/* web_path.h - under which path the server answers: --web.external-url and --web.route-prefix. */
#ifndef FERULA_SERVER_WEB_PATH_H
#define FERULA_SERVER_WEB_PATH_H

#include "base/err.h"

/* The route prefix: the given one, or else the path of the external URL; "" or "/x" without a slash at its end.
 * Either may be "". FER_INVALID for a URL in quotes, and for what Go takes for none, such as "10.0.0.1:9090". The caller owns *ret: fer_free(). */
FER_MUST_CHECK fer_code web_path_new(const char *external_url, const char *route_prefix, char **ret,
                                     fer_err *err);

#endif

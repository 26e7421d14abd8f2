/* routes.h - from a request's path and method to its route.
 *
 * Paths are compared segment by segment after decoding, so "%2F" never separates segments. A route
 * with a wildcard segment loses against one without, and one for all paths beneath another against both. Several routes may share a path with different
 * methods.
 * Threads: filled before the server runs, read by the loop.
 */
#ifndef FERULA_SERVER_HTTP_ROUTES_H
#define FERULA_SERVER_HTTP_ROUTES_H

#include "base/buf.h"
#include "server/http/http.h"

typedef struct http_routes {
    struct http_route_entry {
        http_route route;
        fer_str path;
        bool wild;    /* has a wildcard segment */
        bool beneath; /* ends in a star: path is what stands before it */
    } * v;
    size_t n;
} http_routes;

/* Copies the routes, not the texts they point to. Sets body_max and handler where not given. */
void http_routes_add(http_routes *rs, const http_route *routes, size_t n);
void http_routes_done(http_routes *rs);

/* Index into v of the route for path (prefix removed, undecoded) and method. When none: -1, and
 * *ret_allowed has the methods but OPTIONS that this path does serve (0: unknown path). *ret_wild is the undecoded
 * text of the wildcard segment, or empty. */
long http_routes_find(const http_routes *rs, fer_str path, http_method method, fer_str *ret_wild,
                      unsigned *ret_allowed);

/* Appends "GET, OPTIONS, POST": the value of Allow. */
void http_methods_text(unsigned methods, fer_buf *out);
http_method http_method_of(fer_str name);

#endif

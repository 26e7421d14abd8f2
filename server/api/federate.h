/* federate.h - GET /federate: the newest sample of each series that some match[] selects, as metric text.
 *
 * As Prometheus 3.5 answers it: text format 0.0.4 whatever is asked for (it has no OpenMetrics here either;
 * its protobuf is not offered), names escaped as the Accept header asks, all types untyped, external labels and
 * instance="" added where a series lacks them. Stale series and native histograms are left out.
 * Threads: query workers.
 */
#ifndef FERULA_SERVER_API_FEDERATE_H
#define FERULA_SERVER_API_FEDERATE_H

#include "server/app.h"

/* How names beyond [a-zA-Z_:][a-zA-Z0-9_:]* are written. */
typedef enum name_escaping {
    ESCAPE_UNDERSCORES, /* each such character: _ */
    ESCAPE_DOTS,        /* _: __, a dot: _dot_, others: __ */
    ESCAPE_VALUES,      /* U__ in front; _: __, others: _hex_ */
    ESCAPE_NONE,        /* quoted, as it is */
} name_escaping;

/* The escaping that an Accept header asks for: that of the best text/plain, or of the last clause tried. */
name_escaping federate_escaping(fer_str accept);
/* Content-Type of text with names so escaped. */
const char *federate_content_type(name_escaping e);
/* Appends a name so escaped; ESCAPE_NONE: as it is, not quoted. */
void federate_put_name(fer_buf *out, name_escaping e, fer_str name);

/* Of all requests so far: failures but of parameters, and warnings of the storage. */
void web_federate_totals(uint64_t *ret_errors, uint64_t *ret_warnings);

/* http_handler; arg is the app. */
void web_federate(http_req *r, void *arg);

#endif

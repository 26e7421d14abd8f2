/* federate_format.h - what a reader of metrics takes: text, protobuf or OpenMetrics, and how names beyond ASCII are written.
 * Pure. */
#ifndef FERULA_SERVER_API_FEDERATE_FORMAT_H
#define FERULA_SERVER_API_FEDERATE_FORMAT_H

#include "base/buf.h"

/* How names beyond [a-zA-Z_:][a-zA-Z0-9_:]* are written. */
typedef enum name_escaping {
    ESCAPE_UNDERSCORES, /* each such character: _ */
    ESCAPE_DOTS,        /* _: __, a dot: _dot_, others: __ */
    ESCAPE_VALUES,      /* U__ in front; _: __, others: _hex_ */
    ESCAPE_NONE,        /* quoted, as it is */
} name_escaping;

typedef enum exposition {
    EXPOSE_TEXT,     /* 0.0.4 */
    EXPOSE_PROTOBUF, /* io.prometheus.client.MetricFamily, delimited */
    EXPOSE_OPENMETRICS_0_0_1,
    EXPOSE_OPENMETRICS_1_0_0,
} exposition;
enum { OFFER_PROTOBUF = 1, OFFER_OPENMETRICS = 2 };

/* The best clause of an Accept header that is text or among the offers (bits); text where there is none. The escaping it asks
 * for goes to *ret, else that of the last clause tried. After expfmt.Negotiate of Prometheus' Go library. */
exposition federate_negotiate(fer_str accept, unsigned offers, name_escaping *ret);
/* Content-Type with names so escaped. */
const char *federate_content_type(exposition x, name_escaping e);
/* Appends a name so escaped; ESCAPE_NONE: as it is, not quoted. */
void federate_put_name(fer_buf *out, name_escaping e, fer_str name);

#endif

/* federate_format.h - what a reader of metrics takes: text or protobuf, and how names beyond ASCII are written.
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

/* The escaping that an Accept header asks for: that of the best clause for text/plain or, unless ret_protobuf is NULL,
 * delimited protobuf; else of the last clause tried. */
name_escaping federate_escaping(fer_str accept, bool *ret_protobuf);
/* Content-Type with names so escaped. */
const char *federate_content_type(name_escaping e, bool protobuf);
/* Appends a name so escaped; ESCAPE_NONE: as it is, not quoted. */
void federate_put_name(fer_buf *out, name_escaping e, fer_str name);

#endif

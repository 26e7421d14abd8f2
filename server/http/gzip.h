/* gzip.h - answers compressed as they are produced, and whether a client wants that.
 *
 * Threads: one at a time for each stream.
 */
#ifndef FERULA_SERVER_HTTP_GZIP_H
#define FERULA_SERVER_HTTP_GZIP_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Accept-Encoding (RFC 9110 section 12.5.3) allows gzip: named, or by "*", with q above 0. */
bool http_accepts_gzip(fer_str accept_encoding);
/* Text worth compressing, by its Content-Type. */
bool http_compressible(fer_str content_type);

typedef struct http_gzip http_gzip;

/* size_hint: bytes to come in all, as a choice of window; 0 = unknown. NULL when zlib cannot
 * allocate. The caller owns the result: http_gzip_free(). */
http_gzip *http_gzip_new(size_t size_hint);
void http_gzip_free(http_gzip *z); /* NULL is fine */
/* Appends what is ready of the compressed form of in; `last` ends the stream, once.
 * FER_LIMIT when out is full. */
FER_MUST_CHECK fer_code http_gzip_add(http_gzip *z, fer_str in, bool last, fer_buf *out);

#endif

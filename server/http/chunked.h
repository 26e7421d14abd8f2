/* chunked.h - the framing of chunked bodies (RFC 9112 section 7.1), byte by byte.
 *
 * Ours and not llhttp's, because llhttp's versions disagree on extensions and on what trailers may do to the
 * connection. No white space around sizes and extensions, CRLF only; extensions and trailers are checked and forgotten.
 * What is not data is framing: each chunk may have HTTP_CHUNK_FRAMING bytes of it for nothing, the whole body
 * `framing_max` more.
 */
#ifndef FERULA_SERVER_HTTP_CHUNKED_H
#define FERULA_SERVER_HTTP_CHUNKED_H

#include <stddef.h>
#include <stdint.h>

enum { HTTP_CHUNK_FRAMING = 24 }; /* 16 digits of the size and two line ends, roughly */

typedef enum http_chunked_result {
    HTTP_CHUNKED_MORE,
    HTTP_CHUNKED_DONE,
    HTTP_CHUNKED_MALFORMED,
    HTTP_CHUNKED_TOO_MUCH, /* framing */
    HTTP_CHUNKED_REFUSED,  /* by the sink; see status */
} http_chunked_result;

/* Zeroed before the first byte. */
typedef struct http_chunked {
    int state;
    int status;    /* of the sink */
    uint64_t left; /* of the chunk's data; its size while that is read */
    uint64_t framing, chunks;
} http_chunked;

/* Consumes up to n bytes, *used of them; fewer than n only when the result is not MORE. `sink` (may be NULL) takes the data
 * and returns 0, or a status that refuses it. */
http_chunked_result http_chunked_feed(http_chunked *c, const char *data, size_t n,
                                      uint64_t framing_max,
                                      int (*sink)(void *arg, const char *p, size_t n), void *arg,
                                      size_t *used);

#endif

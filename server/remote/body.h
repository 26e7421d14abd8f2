/* body.h - from the body of a request to the message in it.
 *
 * Threads: a decoder belongs to one request at a time.
 */
#ifndef FERULA_SERVER_REMOTE_BODY_H
#define FERULA_SERVER_REMOTE_BODY_H

#include "base/arena.h"
#include "base/buf.h"

typedef enum rw_encoding {
    RW_SNAPPY, /* the block format */
    RW_ZSTD,   /* frames of RFC 8878, windows up to 8 MiB */
    RW_GZIP,   /* members of RFC 1952 */
} rw_encoding;

/* What a decoder keeps from body to body; {0} is an empty one. */
typedef struct rw_decoder {
    void *zstd;
} rw_decoder;

void rw_decoder_done(rw_decoder *d);

/* The body -> bytes in out (cleared first), at most out->max of them. A size the body announces is
 * checked before memory is taken; where none is announced memory grows with the bytes. FER_INVALID: not
 * what the encoding says, or too large; FER_LIMIT: out's account. */
FER_MUST_CHECK fer_code rw_decode(rw_decoder *d, rw_encoding e, fer_str body, fer_buf *out,
                                  fer_err *err);

#endif

/* chunk_xor.h - float chunks, encoding 1 (FORMAT.md section 6; Gorilla, VLDB 2015).
 *
 * Bytes are Prometheus': u16 sample count, then a bit stream, MSB first. The appender's state lives
 * with its owner (the head's series); the bytes grow in a buffer the owner gives, so that buffers
 * can be slabs and readers can copy a length and the open bits.
 * Threads: pure; one appender at a time.
 */
#ifndef FERULA_TSDB_CHUNK_XOR_H
#define FERULA_TSDB_CHUNK_XOR_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "tsdb/samples.h"

enum {
    CHUNK_XOR = 1,
    XOR_SAMPLE_BYTES_MAX = 19,  /* most bytes one append can add */
    XOR_CHUNK_BYTES_SOFT = 1024 /* a chunk is cut when it could pass this */
};

typedef struct xor_appender {
    int64_t t;        /* last timestamp */
    double v;         /* last value */
    uint64_t t_delta;
    uint32_t bits;    /* bits used in the stream, header included */
    uint16_t n;       /* samples */
    uint8_t leading;  /* 0xff: no window yet */
    uint8_t trailing;
} xor_appender;

void xor_init(xor_appender *a);
/* Writes one sample at the end of buf, which has at least XOR_SAMPLE_BYTES_MAX bytes of room behind
 * xor_bytes(a) and holds zeros there (bits are or-ed in); updates the count in the header. */
void xor_append(xor_appender *a, uint8_t *buf, int64_t t, double v);
/* Bytes in use, header included. */
static inline size_t xor_bytes(const xor_appender *a)
{
    return (a->bits + 7) / 8;
}
/* Rebuilds the appender's state by reading a chunk. FER_CORRUPT when it does not decode. */
FER_MUST_CHECK fer_code xor_resume(xor_appender *a, fer_str chunk);

/* Appends the samples of the chunk with mint <= t <= maxt to out. FER_CORRUPT when the bytes end
 * early (samples before that are delivered), FER_LIMIT from out's account. `n` samples at most are
 * decoded (the header's count if n is 0): a reader of a growing chunk passes what it pinned. */
FER_MUST_CHECK fer_code xor_decode(fer_str chunk, uint32_t n, int64_t mint, int64_t maxt,
                                   samples *out);

#endif

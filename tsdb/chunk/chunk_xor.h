/* chunk_xor.h - float chunks, encoding 1 (docs/formats/chunk_xor.md; Gorilla, VLDB 2015, section 4.1).
 *
 * Bytes are Prometheus': u16 sample count, then a bit stream, MSB first. The appender's state lives
 * with its owner (the head's series); the bytes grow in a buffer the owner gives, so that buffers
 * can be slabs and readers can copy a length and the open bits.
 *
 * What may change in a buffer after a sample is published (n samples, L = xor_bytes bytes): bytes 0
 * and 1, the count, which later appends overwrite; and byte L-1 if the stream ends inside it: later
 * appends set bits that no published sample uses. Bytes 2..L-2 never change, and bytes from L on
 * belong to the appender. So a reader that pinned (n, L) takes its copy of byte L-1 under the lock
 * that the appender holds (a full copy of the bytes is as good), may read the rest without, and
 * passes n to xor_decode() instead of trusting the header.
 *
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
    /* Most bytes one append can add: a second sample 2^63 ms or more behind the first takes a
     * 10-byte delta and 77 bits. */
    XOR_SAMPLE_BYTES_MAX = 20,
    XOR_CHUNK_BYTES_SOFT = 1024,  /* a chunk is cut when it could pass this */
    XOR_SAMPLES_MAX = UINT16_MAX, /* what the count can tell */
    XOR_LEADING_MAX = 31,         /* zeros in front of a window that are told */
    XOR_SHORT_BITS = 56           /* with the open byte in front they fit one word */
};

typedef struct xor_appender {
    int64_t t;        /* last timestamp */
    double v;         /* last value */
    uint64_t t_delta; /* between the last two timestamps */
    uint32_t bits;    /* bits used in the stream, header included */
    uint16_t n;       /* samples */
    uint8_t leading;  /* 0xff: no window yet */
    uint8_t trailing;
} xor_appender;

void xor_init(xor_appender *a);
/* Writes one sample at the end of buf, which has at least XOR_SAMPLE_BYTES_MAX bytes of room behind
 * xor_bytes(a) and holds zeros there; updates the count in the header. Fewer than XOR_SAMPLES_MAX
 * samples are in the chunk. The room behind the new xor_bytes(a) holds zeros again. */
void xor_append(xor_appender *a, uint8_t *buf, int64_t t, double v);
/* The same for a stream that lies elsewhere. `open` is its last byte, or 0 where a->bits ends on a byte; out gets the
 * bytes from that one on and has room for XOR_SAMPLE_BYTES_MAX + 8. The count in the header is not written. */
void xor_append_at(xor_appender *a, uint8_t open, uint8_t *out, int64_t t, double v);
/* The code of one sample, where it has at most XOR_SHORT_BITS bits, as nearly all from the third on have: returns how many, and
 * them, as the lower bits of *ret; the appender has moved on. 0: nothing has changed, xor_append_at() must be taken. */
static inline unsigned xor_append_short(xor_appender *a, int64_t t, double v, uint64_t *ret)
{
    uint64_t delta = (uint64_t)t - (uint64_t)a->t;
    int64_t dod = (int64_t)(delta - a->t_delta);
    uint64_t x = f64_bits(v) ^ f64_bits(a->v);
    uint64_t code = 0;
    unsigned k = 1;
    if (dod != 0) {
        code = UINT64_C(2) << 14 | ((uint64_t)dod & 0x3fff);
        k = 16;
    }
    if (a->n < 2 || dod <= -(INT64_C(1) << 13) || dod > INT64_C(1) << 13)
        return 0;
    if (x == 0) {
        code <<= 1;
        k++;
    } else {
        unsigned leading = (unsigned)__builtin_clzll(x), trailing = (unsigned)__builtin_ctzll(x);
        leading = leading < XOR_LEADING_MAX ? leading : XOR_LEADING_MAX;
        bool in_window = leading >= a->leading && trailing >= a->trailing; /* never without one */
        if (in_window) {
            leading = a->leading;
            trailing = a->trailing;
        }
        unsigned sig = 64 - leading - trailing;
        code = in_window ? code << 2 | 2 : code << 13 | 3 << 11 | leading << 6 | sig;
        k += (in_window ? 2 : 13) + sig;
        if (k > XOR_SHORT_BITS)
            return 0;
        code = code << sig | x >> trailing;
        a->leading = (uint8_t)leading;
        a->trailing = (uint8_t)trailing;
    }
    a->bits += k;
    a->t = t;
    a->v = v;
    a->t_delta = delta;
    a->n++;
    *ret = code;
    return k;
}
/* Bytes in use, header included. */
static inline size_t xor_bytes(const xor_appender *a)
{
    return (a->bits + 7) / 8;
}
/* Rebuilds the appender's state by reading a chunk, which then can be appended to where its padding
 * bits are zero. FER_CORRUPT when it does not decode, or bytes or bits follow the last sample. */
FER_MUST_CHECK fer_code xor_resume(xor_appender *a, fer_str chunk);

/* Appends the samples of the chunk with mint <= t <= maxt to out, reading no further than the first
 * sample past maxt. `n` samples at most are decoded (the header's count if n is 0): a reader of a
 * growing chunk passes what it pinned. FER_CORRUPT when the bytes end early, when a code is
 * impossible or time does not grow: samples before that are delivered. FER_LIMIT from out's
 * account. */
FER_MUST_CHECK fer_code xor_decode(fer_str chunk, uint32_t n, int64_t mint, int64_t maxt,
                                   samples *out);

#endif

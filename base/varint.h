/* varint.h - LEB128 integers and big-endian fixed integers, with bounds.
 *
 * Encoding as Go's encoding/binary: 7 bits a byte, low group first; signed
 * values zigzag. At most 10 bytes; a value that does not fit 64 bits, or bytes
 * that end early, read as FER_CORRUPT with the cursor and *ret untouched.
 * (https://protobuf.dev/programming-guides/encoding/#varints)
 */
#ifndef FERULA_BASE_VARINT_H
#define FERULA_BASE_VARINT_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum { VARINT_MAX = 10 };

/* Write to p, which has room for VARINT_MAX bytes; return the bytes used. */
static inline size_t uvarint_put(uint8_t *p, uint64_t v)
{
    size_t n = 0;
    if (v < 0x4000) { /* as most are: without a loop */
        bool two = v >= 0x80;
        p[0] = (uint8_t)(two ? v | 0x80 : v);
        p[1] = (uint8_t)(v >> 7);
        return 1 + (size_t)two;
    }
    while (v >= 0x80) {
        p[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    p[n++] = (uint8_t)v;
    return n;
}

static inline uint64_t zigzag_put(int64_t v)
{
    return ((uint64_t)v << 1) ^ -(uint64_t)(v < 0);
}

static inline int64_t zigzag_get(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static inline size_t varint_put(uint8_t *p, int64_t v)
{
    return uvarint_put(p, zigzag_put(v));
}

static inline size_t uvarint_size(uint64_t v)
{
    size_t n = 1;
    while (v >= 0x80) {
        v >>= 7;
        n++;
    }
    return n;
}

static inline uint32_t be32_get(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t be64_get(const uint8_t *p)
{
    return (uint64_t)be32_get(p) << 32 | be32_get(p + 4);
}

static inline uint16_t be16_get(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline void be16_put(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void be32_put(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static inline void be64_put(uint8_t *p, uint64_t v)
{
    be32_put(p, (uint32_t)(v >> 32));
    be32_put(p + 4, (uint32_t)v);
}

/* A reading cursor over bytes it does not own. */
typedef struct fer_rd {
    const uint8_t *p;
    const uint8_t *end;
} fer_rd;

static inline fer_rd rd_of(fer_str s)
{
    const uint8_t *p = (const uint8_t *)s.p;
    /* It may be NULL, to which not even 0 may be added. */
    const uint8_t *end = s.n == 0 ? p : p + s.n;
    return (fer_rd){p, end};
}

static inline size_t rd_left(const fer_rd *r)
{
    return (size_t)(r->end - r->p);
}

static inline fer_code rd_uvarint(fer_rd *r, uint64_t *ret)
{
    const uint8_t *p = r->p;
    uint64_t v = 0;
    if (rd_left(r) >= 2) { /* short ones without the loop */
        bool two = p[0] >= 0x80;
        if (!two || p[1] < 0x80) {
            *ret = two ? (p[0] & 0x7fU) | (unsigned)p[1] << 7 : p[0];
            r->p = p + 1 + two;
            return FER_OK;
        }
    }
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (p == r->end)
            return FER_CORRUPT;
        uint8_t b = *p++;
        if (shift == 63 && b > 1)
            return FER_CORRUPT;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            r->p = p;
            *ret = v;
            return FER_OK;
        }
    }
    return FER_CORRUPT;
}

static inline fer_code rd_varint(fer_rd *r, int64_t *ret)
{
    uint64_t v;
    FER_TRY(rd_uvarint(r, &v));
    *ret = zigzag_get(v);
    return FER_OK;
}

static inline fer_code rd_u8(fer_rd *r, uint8_t *ret)
{
    if (r->p == r->end)
        return FER_CORRUPT;
    *ret = *r->p++;
    return FER_OK;
}

static inline fer_code rd_be32(fer_rd *r, uint32_t *ret)
{
    if (rd_left(r) < 4)
        return FER_CORRUPT;
    *ret = be32_get(r->p);
    r->p += 4;
    return FER_OK;
}

static inline fer_code rd_be64(fer_rd *r, uint64_t *ret)
{
    if (rd_left(r) < 8)
        return FER_CORRUPT;
    *ret = be64_get(r->p);
    r->p += 8;
    return FER_OK;
}

/* The next n bytes, as a view of the cursor's bytes. */
static inline fer_code rd_bytes(fer_rd *r, uint64_t n, fer_str *ret)
{
    if (n > rd_left(r))
        return FER_CORRUPT;
    *ret = (fer_str){(const char *)r->p, (size_t)n};
    r->p += n;
    return FER_OK;
}

/* uvarint length, then that many bytes. */
static inline fer_code rd_str(fer_rd *r, fer_str *ret)
{
    fer_rd save = *r;
    uint64_t n;
    FER_TRY(rd_uvarint(r, &n));
    fer_code c = rd_bytes(r, n, ret);
    if (c != FER_OK)
        *r = save;
    return c;
}

#endif

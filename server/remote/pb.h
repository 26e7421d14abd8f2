/* pb.h - reading and writing protobuf wire format field by field, without building messages.
 *
 * Source: https://protobuf.dev/programming-guides/encoding/ . Groups (wire types 3 and 4) are refused,
 * unknown fields are the caller's to skip, repeated scalar fields keep the last value.
 */
#ifndef FERULA_SERVER_REMOTE_PB_H
#define FERULA_SERVER_REMOTE_PB_H

#include "base/buf.h"
#include "base/varint.h"

typedef enum pb_type { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 } pb_type;

typedef struct pb_field {
    uint32_t num;
    pb_type type;
    uint64_t u;           /* varint, fixed64, fixed32 */
    fer_str bytes;        /* PB_BYTES */
    const uint8_t *start; /* of the field's tag */
} pb_field;

/* Reads the next field. FER_END at the end of the message, FER_CORRUPT for bytes that are none. */
static inline fer_code pb_next(fer_rd *r, pb_field *ret)
{
    if (r->p == r->end)
        return FER_END;
    ret->start = r->p;
    uint64_t tag;
    if (*r->p < 0x80)
        tag = *r->p++;
    else
        FER_TRY(rd_uvarint(r, &tag));
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
        return FER_CORRUPT;
    ret->num = (uint32_t)(tag >> 3);
    ret->type = (pb_type)(tag & 7);
    switch (ret->type) {
    case PB_VARINT:
        return rd_uvarint(r, &ret->u);
    case PB_BYTES:
        return rd_str(r, &ret->bytes);
    case PB_FIXED64:
        if (rd_left(r) < 8)
            return FER_CORRUPT;
        memcpy(&ret->u, r->p, 8); /* little-endian, as all machines we run on */
        r->p += 8;
        return FER_OK;
    case PB_FIXED32: {
        if (rd_left(r) < 4)
            return FER_CORRUPT;
        uint32_t v;
        memcpy(&v, r->p, 4);
        ret->u = v;
        r->p += 4;
        return FER_OK;
    }
    default:
        return FER_CORRUPT;
    }
}

/* Takes a field of bytes with this tag, of one byte, and fewer than 128 bytes, as nearly all are. False, and nothing taken, where
 * another field stands, or none that is whole. */
static inline bool pb_take_short(fer_rd *r, uint8_t tag, fer_str *ret)
{
    if (rd_left(r) < 2 || r->p[0] != tag || r->p[1] >= 0x80 || rd_left(r) - 2 < r->p[1])
        return false;
    *ret = (fer_str){(const char *)r->p + 2, r->p[1]};
    r->p += 2 + ret->n;
    return true;
}

/* Writing: fields of one level; numbers that are zero are left out, as proto3 has it. */
static inline void pb_put_varint(fer_buf *out, uint64_t v)
{
    uint8_t bytes[VARINT_MAX];
    fer_buf_put(out, bytes, uvarint_put(bytes, v));
}

static inline void pb_put_tag(fer_buf *out, uint32_t num, pb_type type)
{
    pb_put_varint(out, num << 3 | type);
}

static inline void pb_put_int(fer_buf *out, uint32_t num, int64_t v)
{
    if (v == 0)
        return;
    pb_put_tag(out, num, PB_VARINT);
    pb_put_varint(out, (uint64_t)v);
}

static inline void pb_put_bytes(fer_buf *out, uint32_t num, fer_str bytes)
{
    pb_put_tag(out, num, PB_BYTES);
    pb_put_varint(out, bytes.n);
    fer_buf_puts(out, bytes);
}

/* What pb_put_int() and pb_put_bytes() write. */
static inline size_t pb_size_int(uint32_t num, int64_t v)
{
    return v == 0 ? 0 : uvarint_size(num << 3) + uvarint_size((uint64_t)v);
}

static inline size_t pb_size_bytes(uint32_t num, fer_str bytes)
{
    return uvarint_size(num << 3) + uvarint_size(bytes.n) + bytes.n;
}

#endif

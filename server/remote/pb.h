/* pb.h - reading protobuf wire format field by field, without building messages.
 *
 * Source: https://protobuf.dev/programming-guides/encoding/ . Groups (wire types 3 and 4) are refused,
 * unknown fields are the caller's to skip, repeated scalar fields keep the last value.
 */
#ifndef FERULA_SERVER_REMOTE_PB_H
#define FERULA_SERVER_REMOTE_PB_H

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

#endif

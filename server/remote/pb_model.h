/* pb_model.h - test double: what the models of rw1.c and rw2.c share. */
#ifndef FERULA_SERVER_REMOTE_PB_MODEL_H
#define FERULA_SERVER_REMOTE_PB_MODEL_H

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/varint.h"

static inline fer_hash128 model_fingerprint(const void *arg, fer_str raw)
{
    (void)arg;
    uint64_t h = fer_hash64(raw.p, raw.n);
    return (fer_hash128){h, fer_hash_mix(h, raw.n)};
}

#define MODEL_CHECK(cond)                                                                          \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: differs from protobuf-c: %s\n", __FILE__, __LINE__, #cond);    \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Takes a varint off the front; false where there is none. */
static inline bool model_varint(fer_str *s, uint64_t *ret)
{
    uint64_t v = 0;
    for (size_t i = 0; i < s->n && i < VARINT_MAX; i++) {
        unsigned char byte = (unsigned char)s->p[i];
        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            *s = str_from(*s, i + 1);
            *ret = v;
            return i < VARINT_MAX - 1 || byte <= 1;
        }
    }
    return false;
}

/* Whether a known field of a message of this kind has its wire type and, where it is a known message, is
 * legal itself. */
typedef bool (*model_known_fn)(int kind, uint64_t num, uint64_t type, fer_str bytes);

/* Legal by the encoding's own rules: field numbers from 1 to 2^29 - 1, no groups, nothing cut. (protobuf-c
 * is laxer about field numbers.) */
static inline bool model_legal(fer_str msg, int kind, model_known_fn known)
{
    while (msg.n != 0) {
        uint64_t tag, n = 0;
        if (!model_varint(&msg, &tag) || tag >> 3 == 0 || tag >> 3 >= 1u << 29)
            return false;
        uint64_t type = tag & 7;
        if (type == 0   ? !model_varint(&msg, &n)
            : type == 2 ? !model_varint(&msg, &n)
                        : type != 1 && type != 5)
            return false;
        size_t skip = type == 0 ? 0 : type == 1 ? 8 : type == 5 ? 4 : n;
        if (skip > msg.n || !known(kind, tag >> 3, type, str_head(msg, skip)))
            return false;
        msg = str_from(msg, skip);
    }
    return true;
}

/* The bytes of a packed field of varints. */
static inline bool model_packed(fer_str bytes)
{
    uint64_t v;
    while (bytes.n != 0)
        if (!model_varint(&bytes, &v))
            return false;
    return true;
}

static inline bool model_known_in_span(int kind, uint64_t num, uint64_t type, fer_str bytes)
{
    (void)kind;
    (void)bytes;
    return num > 2 || type == 0;
}

/* Fields of a Histogram, known up to last_field. */
static inline bool model_known_in_histogram(uint64_t last_field, uint64_t num, uint64_t type,
                                            fer_str bytes)
{
    if (num > last_field)
        return true;
    switch (num) {
    case 2:
    case 3:
    case 5:
    case 7:
        return type == 1;
    case 8:
    case 11:
        return type == 2 && model_legal(bytes, 0, model_known_in_span);
    case 9:
    case 12:
        return type == 0 || (type == 2 && model_packed(bytes));
    case 10:
    case 13:
    case 16:
        return type == 1 || (type == 2 && bytes.n % 8 == 0);
    default:
        return type == 0;
    }
}

static inline bool has_nul(fer_str s)
{
    return s.n != 0 && memchr(s.p, 0, s.n) != NULL;
}

#endif

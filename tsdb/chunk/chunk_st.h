/* chunk_st.h - start timestamps inside chunks of encodings 4, 5 and 6 (docs/formats/chunk_start.md): reading.
 *
 * The header byte tells whether the first sample has one (bit 7) and the first sample, 1 to 127, whose start
 * differs from the one before (bits 0 to 6; 0: none). From that sample on every sample has a field.
 */
#ifndef FERULA_TSDB_CHUNK_ST_H
#define FERULA_TSDB_CHUNK_ST_H

#include "tsdb/chunk/bits.h"

typedef struct chunk_st {
    int64_t st;    /* of the sample read last, ms; 0: not set */
    uint64_t diff; /* how long before the previous sample's time it lies */
    uint8_t changes_at;
    bool first_known;
} chunk_st;

static inline chunk_st chunk_st_of(uint8_t header)
{
    return (chunk_st){.changes_at = header & 0x7f, .first_known = header >> 7 != 0};
}

/* Reads what follows sample i, whose time is t; that of the sample before is prev_t. */
static inline void chunk_st_read(chunk_st *s, bits_in *in, uint32_t i, int64_t t, int64_t prev_t)
{
    if (i == 0) {
        if (s->first_known)
            s->st = (int64_t)((uint64_t)t - (uint64_t)bits_varint(in));
        return;
    }
    if (s->changes_at == 0 || i < s->changes_at)
        return;
    uint64_t field = (uint64_t)bits_varbit_int(in);
    s->diff = i == s->changes_at ? field : s->diff + field;
    s->st = (int64_t)((uint64_t)prev_t - s->diff);
}

#endif

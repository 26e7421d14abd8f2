#include "cmd/ferulatool/histogram_chunk.h"

#include <stdbool.h>

#include "base/varint.h"

enum { HEADER_BYTES = 3, PREFIX_MAX = 8, THRESHOLD_RAW = 255, RAW_BITS = 64 };

typedef struct bits {
    fer_str s;
    size_t at; /* bit */
    bool ended;
} bits;

static uint64_t take(bits *b, unsigned n)
{
    uint64_t v = 0;
    if (b->at + n > 8 * b->s.n) {
        b->ended = true;
        return 0;
    }
    for (; n != 0; n--, b->at++)
        v = v << 1 | ((uint8_t)b->s.p[b->at / 8] >> (7 - b->at % 8) & 1U);
    return v;
}

/* Ones up to a zero, eight at most, tell how many bits follow. The sign of signed numbers does not matter here. */
static uint64_t take_number(bits *b)
{
    static const uint8_t widths[PREFIX_MAX + 1] = {0, 3, 6, 9, 12, 18, 25, 56, 64};
    unsigned ones = 0;
    while (ones < PREFIX_MAX && take(b, 1) == 1)
        ones++;
    return take(b, widths[ones]);
}

static uint64_t take_spans(bits *b)
{
    uint64_t buckets = 0;
    uint64_t n = take_number(b);
    for (uint64_t i = 0; i < n && !b->ended; i++) {
        buckets += take_number(b); /* the length */
        take_number(b);            /* the gap before */
    }
    return buckets;
}

fer_code histogram_chunk_buckets(fer_str data, uint64_t *ret, fer_err *err)
{
    bits b = {.s = data, .at = 8 * HEADER_BYTES};
    if (take(&b, 8) == THRESHOLD_RAW)
        take(&b, RAW_BITS);
    take_number(&b); /* the schema */
    uint64_t positive = take_spans(&b);
    uint64_t negative = take_spans(&b);
    if (b.ended)
        return fer_fail(err, FER_CORRUPT, "the layout of a histogram chunk does not decode");
    *ret = (positive + negative) * be16_get((const uint8_t *)data.p);
    return FER_OK;
}

/* unsnappy.c - tag by tag.
 *
 *   block    uvarint length, then elements to its end
 *   element  tag byte: kind in the lower two bits, 6 bits above them
 *     literal   0   6 bits: length - 1, or 60..63: that in 1..4 bytes; then the bytes
 *     copy      1   3 bits: length - 4, 3 bits: offset / 256; a byte: offset % 256
 *               2   6 bits: length - 1; offset in 2 bytes
 *               3   6 bits: length - 1; offset in 4 bytes
 *   Integers are little-endian; a copy may reach into what it writes itself.
 *
 * Away from both ends bytes are moved 16 at a time, more than there are: what is written too far is written
 * over by the next element. The kinds are told apart by branches, on purpose: the processor then goes on with the next
 * tag before this one has been read. Room is judged for many elements at once, by the most that each may read and write.
 */
#include "base/unsnappy.h"

#include <stdint.h>

enum {
    STEP = 16,
    COPY_MAX = 64,     /* bytes of a copy */
    SHORT_LITERAL = 60 /* bytes of a literal whose length is in its tag */
};

typedef struct element {
    size_t n, offset; /* offset: 0 of a literal */
} element;

typedef struct span {
    const uint8_t *in, *in_end;
    uint8_t *begin, *out, *out_end;
} span;

/* Through a register: what is read may have been written just now. */
static inline void move16(uint8_t *to, const uint8_t *from)
{
    struct {
        uint64_t low, high;
    } v;
    memcpy(&v, from, STEP);
    memcpy(to, &v, STEP);
}

/* One half after the other: the second may read what the first wrote. */
static inline void move32(uint8_t *to, const uint8_t *from)
{
    move16(to, from);
    move16(to + STEP, from + STEP);
}

/* Reads the tag at s->in, of which `have` bytes may be read. False when it is cut
 * short. */
static inline bool read_tag(span *s, size_t have, element *ret)
{
    const uint8_t *p = s->in;
    unsigned tag = p[0];
    size_t more; /* bytes behind the tag */
    switch (tag & 3) {
    case 0:
        ret->n = (size_t)(tag >> 2) + 1;
        ret->offset = 0;
        more = ret->n > SHORT_LITERAL ? ret->n - SHORT_LITERAL : 0;
        break;
    case 1:
        if (have < 2)
            return false;
        ret->n = (size_t)(tag >> 2 & 7) + 4;
        ret->offset = (size_t)(tag >> 5) << 8 | p[1];
        s->in = p + 2;
        return true;
    case 2:
        if (have < 3)
            return false;
        ret->n = (size_t)(tag >> 2) + 1;
        ret->offset = (size_t)p[2] << 8 | p[1];
        s->in = p + 3;
        return true;
    default:
        ret->n = (size_t)(tag >> 2) + 1;
        more = 4;
        break;
    }
    if (have < 1 + more)
        return false;
    size_t v = 0;
    for (size_t i = more; i > 0; i--)
        v = v << 8 | p[i];
    if ((tag & 3) == 3)
        ret->offset = v;
    else if (more != 0)
        ret->n = v + 1;
    s->in = p + 1 + more;
    return true;
}

/* Any element, with regard to both ends. */
static bool put_exactly(span *s, const element *e, bool literal)
{
    if ((size_t)(s->out_end - s->out) < e->n)
        return false;
    if (literal) {
        if ((size_t)(s->in_end - s->in) < e->n)
            return false;
        memcpy(s->out, s->in, e->n);
        s->in += e->n;
    } else {
        for (size_t i = 0; i < e->n; i++)
            s->out[i] = s->out[(ptrdiff_t)i - (ptrdiff_t)e->offset];
    }
    s->out += e->n;
    return true;
}

static inline bool is_behind_begin(const span *s, size_t offset)
{
    return offset - 1 < (size_t)(s->out - s->begin); /* 0 is not either */
}

/* Any element; at least one byte is left. */
static bool read_any(span *s)
{
    bool literal = (*s->in & 3) == 0;
    element e;
    return read_tag(s, (size_t)(s->in_end - s->in), &e) &&
           (literal || is_behind_begin(s, e.offset)) && put_exactly(s, &e, literal);
}

/* Elements there is certainly room for, to read and to write too far. */
static size_t safe_elements(const span *s)
{
    if (s->out - s->begin < STEP)
        return 0;
    size_t in = (size_t)(s->in_end - s->in) / (1 + STEP);
    size_t out = (size_t)(s->out_end - s->out) / COPY_MAX;
    return in < out ? in : out;
}

/* Reads safe elements that are common: copies in two forms from STEP bytes back or more, short literals. Stops at another. True
 * when there were some, and all were common. */
static bool read_common(span *s)
{
    size_t left = safe_elements(s);
    if (left == 0)
        return false;
    const uint8_t *in = s->in, *stepped = s->begin + STEP;
    uint8_t *out = s->out;
    for (; left != 0; left--) {
        unsigned tag = in[0];
        size_t n; /* bytes of the element, less one */
        if ((tag & 3) == 2) {
            n = tag >> 2;
            size_t offset = (size_t)in[2] << 8 | in[1];
            if (offset - STEP > (size_t)(out - stepped))
                break;
            const uint8_t *from = out - offset;
            move32(out, from);
            if (n >= (size_t)2 * STEP)
                move32(out + (size_t)2 * STEP, from + (size_t)2 * STEP);
            in += 3;
        } else if ((tag & 3) == 0) {
            n = tag >> 2;
            if (n >= STEP)
                break;
            move16(out, in + 1);
            in += 2 + n;
        } else {
            n = (tag >> 2 & 7) + 3;
            size_t offset = (size_t)(tag & 0xe0) << 3 | in[1];
            if ((tag & 3) == 3 || offset - STEP > (size_t)(out - stepped))
                break;
            move16(out, out - offset);
            in += 2;
        }
        out += 1 + n;
    }
    s->in = in;
    s->out = out;
    return left == 0;
}

bool unsnappy(fer_str block, char *out, size_t n)
{
    span s = {.in = (const uint8_t *)block.p, .in_end = (const uint8_t *)block.p + block.n};
    s.begin = s.out = (uint8_t *)out;
    s.out_end = s.begin + n;
    while (s.in != s.in_end && *s.in++ >= 0x80) /* the length, which the caller read */
        ;
    while (s.in != s.in_end) {
        if (!read_any(&s))
            return false;
        while (read_common(&s))
            ;
    }
    return s.out == s.out_end;
}

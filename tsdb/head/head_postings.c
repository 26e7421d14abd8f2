/* head_postings.c - blocks of varint distances.
 *
 *    block:  u32 next block (0: the last), u16 bytes used, u16 bytes there are, then the distances
 *
 * The first distance is the first slot plus 1. A distance of 0 announces a slot that is not above the one
 * before: it follows as it is.
 */
#include "tsdb/head/head_postings.h"

#include <assert.h>
#include <string.h>

#include "base/varint.h"

#define BEFORE_FIRST UINT32_MAX

typedef struct block {
    slab_ref next;
    uint16_t used, cap;
    uint8_t bytes[];
} block;

static slab_ref new_block(slab *s, size_t payload)
{
    slab_ref ref = slab_alloc(s, sizeof(block) + payload);
    *(block *)slab_ptr(s, ref) = (block){.cap = (uint16_t)(slab_size(s, ref) - sizeof(block))};
    return ref;
}

/* Room for n more bytes in the tail block. */
static block *room(slab *s, postings *p, size_t n)
{
    block *b = slab_ptr(s, p->tail);
    if ((size_t)b->used + n <= b->cap)
        return b;

    size_t size = sizeof *b + b->cap;
    if (size >= POSTINGS_BLOCK_BYTES || p->head != p->tail) {
        slab_ref ref = new_block(s, POSTINGS_BLOCK_BYTES - sizeof(block));
        b->next = ref;
        p->tail = ref;
        return slab_ptr(s, ref);
    }
    slab_ref ref = new_block(s, size + size / 4 + n - sizeof(block));
    block *bigger = slab_ptr(s, ref);
    memcpy(bigger->bytes, b->bytes, b->used);
    bigger->used = b->used;
    slab_free(s, p->tail);
    p->head = p->tail = ref;
    return bigger;
}

/* Both varints, or the second if `jump` is false, in one block. */
static void put(slab *s, postings *p, bool jump, uint32_t v)
{
    uint8_t bytes[1 + VARINT_MAX] = {0};
    size_t n = jump + uvarint_put(bytes + jump, v);
    block *b = room(s, p, n);
    memcpy(b->bytes + b->used, bytes, n);
    b->used = (uint16_t)(b->used + n);
}

/* A distance of one byte in a block with room, as most are. */
static inline bool put_short(const slab *s, const postings *p, uint32_t slot)
{
    uint32_t distance = slot - p->last;
    if (p->n < 2 || distance == 0 || distance >= 0x80)
        return false;
    block *b = slab_ptr(s, p->tail);
    if (b->used == b->cap)
        return false;
    b->bytes[b->used++] = (uint8_t)distance;
    return true;
}

void postings_add(slab *s, postings *p, uint32_t slot)
{
    if (p->n > 0 && !put_short(s, p, slot)) {
        if (p->n == 1) {
            p->head = p->tail = new_block(s, 8);
            put(s, p, false, p->last + 1);
        }
        if (slot > p->last)
            put(s, p, false, slot - p->last);
        else
            put(s, p, true, slot);
    }
    p->last = slot;
    p->n++;
}

static inline const uint8_t *get(const uint8_t *at, uint32_t *ret)
{
    uint32_t v = *at++;
    if (v >= 0x80) {
        v &= 0x7f;
        for (unsigned shift = 7;; shift += 7) {
            uint8_t b = *at++;
            v |= (uint32_t)(b & 0x7f) << shift;
            if (b < 0x80)
                break;
        }
    }
    *ret = v;
    return at;
}

/* The slot behind *slot. */
static inline const uint8_t *get_slot(const uint8_t *at, uint32_t *slot)
{
    uint32_t distance;
    at = get(at, &distance);
    if (distance == 0)
        return get(at, slot);
    *slot += distance;
    return at;
}

uint32_t postings_read(const slab *s, const postings *p, uint32_t below, uint32_t *out)
{
    if (p->n <= 1) {
        if (p->n == 0 || p->last >= below)
            return 0;
        out[0] = p->last;
        return 1;
    }
    uint32_t n = 0, slot = BEFORE_FIRST;
    for (slab_ref ref = p->head; ref != 0;) {
        const block *b = slab_ptr(s, ref);
        for (const uint8_t *at = b->bytes, *end = at + b->used; at < end;) {
            at = get_slot(at, &slot);
            if (slot < below)
                out[n++] = slot;
        }
        ref = b->next;
    }
    return n;
}

uint32_t postings_mark(const slab *s, const postings *p, uint32_t below, uint64_t *bits)
{
    if (p->n <= 1) {
        if (p->n == 0 || p->last >= below)
            return 0;
        bits[p->last / 64] |= UINT64_C(1) << (p->last % 64);
        return 1;
    }
    uint32_t n = 0, slot = BEFORE_FIRST;
    for (slab_ref ref = p->head; ref != 0;) {
        const block *b = slab_ptr(s, ref);
        for (const uint8_t *at = b->bytes, *end = at + b->used; at < end;) {
            at = get_slot(at, &slot);
            if (slot >= below)
                continue;
            bits[slot / 64] |= UINT64_C(1) << (slot % 64);
            n++;
        }
        ref = b->next;
    }
    return n;
}

bool postings_any(const slab *s, const postings *p, bool (*fn)(const void *arg, uint32_t slot),
                  const void *arg)
{
    if (p->n <= 1)
        return p->n != 0 && fn(arg, p->last);
    uint32_t slot = BEFORE_FIRST;
    for (slab_ref ref = p->head; ref != 0;) {
        const block *b = slab_ptr(s, ref);
        for (const uint8_t *at = b->bytes, *end = at + b->used; at < end;) {
            at = get_slot(at, &slot);
            if (fn(arg, slot))
                return true;
        }
        ref = b->next;
    }
    return false;
}

/* head_postings.h - lists of series slots, one per label pair.
 *
 * Lists only grow at their end. Slots mostly come ascending (a slot used again does not): varint distances in
 * slab blocks. A list of one slot needs no block. Blocks grow by copying up to POSTINGS_BLOCK_BYTES, then
 * further ones are chained, so that a long list is never copied.
 * Threads: under the head's lock.
 */
#ifndef FERULA_TSDB_HEAD_POSTINGS_H
#define FERULA_TSDB_HEAD_POSTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "tsdb/head/slab.h"

enum { POSTINGS_BLOCK_BYTES = 1024 };

typedef struct postings {
    uint32_t n;    /* slots in the list */
    uint32_t last; /* added; undefined while n is 0 */
    slab_ref head; /* blocks, when n > 1 */
    slab_ref tail;
} postings;

/* slot is not in the list. */
void postings_add(slab *s, postings *p, uint32_t slot);
/* Writes all slots below `below`, in the order they were added, to out, which has room for p->n; returns how many. */
uint32_t postings_read(const slab *s, const postings *p, uint32_t below, uint32_t *out);
/* Sets a bit per slot below `below` in a bitmap of at least that many bits; returns how many slots. */
uint32_t postings_mark(const slab *s, const postings *p, uint32_t below, uint64_t *bits);
/* Whether fn is true for one of the slots; those in front are asked first. */
bool postings_any(const slab *s, const postings *p, bool (*fn)(const void *arg, uint32_t slot),
                  const void *arg);

#endif

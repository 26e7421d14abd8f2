/* heap_order.h - a binary heap of small numbers, for merging a few sorted sources.
 *
 * The plain textbook heap: of equal items it gives whichever its shape brings up. Prometheus merges with the
 * same, and which of several samples at one time counts follows from it, so the shape matters here
 * (docs/formats/block.md, merging). Threads: one at a time.
 */
#ifndef FERULA_TSDB_HEAP_ORDER_H
#define FERULA_TSDB_HEAP_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct heap_order {
    uint32_t *v; /* v[0] is least; room for all items is the owner's */
    size_t n;
    bool (*less)(void *arg, uint32_t a, uint32_t b);
    void *arg;
} heap_order;

static inline void heap_swap(heap_order *h, size_t i, size_t j)
{
    uint32_t x = h->v[i];
    h->v[i] = h->v[j];
    h->v[j] = x;
}

static inline void heap_push(heap_order *h, uint32_t item)
{
    size_t i = h->n++;
    h->v[i] = item;
    for (; i != 0 && h->less(h->arg, h->v[i], h->v[(i - 1) / 2]); i = (i - 1) / 2)
        heap_swap(h, i, (i - 1) / 2);
}

/* n > 0. */
static inline uint32_t heap_pop(heap_order *h)
{
    size_t i = 0;
    heap_swap(h, 0, --h->n);
    for (size_t kid; (kid = 2 * i + 1) < h->n; i = kid) {
        if (kid + 1 < h->n && h->less(h->arg, h->v[kid + 1], h->v[kid]))
            kid++;
        if (!h->less(h->arg, h->v[kid], h->v[i]))
            break;
        heap_swap(h, i, kid);
    }
    return h->v[h->n];
}

#endif

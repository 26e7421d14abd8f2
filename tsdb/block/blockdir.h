/* blockdir.h - up to 65536 blocks of memory by number, that never move.
 *
 * The head's records live in blocks found through this two-level directory, so that a reader who
 * learned a number under a lock may use it without one while the owner adds blocks.
 * Threads: put and done under the owner's lock.
 */
#ifndef FERULA_TSDB_BLOCKDIR_H
#define FERULA_TSDB_BLOCKDIR_H

#include <assert.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/pages.h"

enum { BLOCKDIR_BLOCKS = 65536 };

typedef struct blockdir {
    void **top[256];
    uint32_t n; /* blocks put, numbered from 0 */
} blockdir;

static inline void *blockdir_get(const blockdir *d, uint32_t i)
{
    return d->top[i >> 8][i & 255];
}

/* Adds block number d->n, which blockdir_done() frees. */
static inline void blockdir_put(blockdir *d, void *memory)
{
    assert(d->n < BLOCKDIR_BLOCKS);
    if (d->top[d->n >> 8] == NULL)
        d->top[d->n >> 8] = fer_calloc(256, sizeof(void *));
    d->top[d->n >> 8][d->n & 255] = memory;
    d->n++;
}

/* Blocks are of fer_pages_alloc(page_block_bytes), or of fer_alloc() where that is 0. */
static inline void blockdir_done(blockdir *d, size_t page_block_bytes)
{
    for (uint32_t i = 0; i < d->n; i++) {
        if (page_block_bytes != 0)
            fer_pages_free(blockdir_get(d, i), page_block_bytes);
        else
            fer_free(blockdir_get(d, i));
    }
    for (uint32_t i = 0; i < 256; i++) {
        fer_free(d->top[i]);
        d->top[i] = NULL;
    }
    d->n = 0;
}

#endif

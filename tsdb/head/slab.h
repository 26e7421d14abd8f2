/* slab.h - small byte strings by handle: the head's labels, postings and chunk bytes.
 *
 * Items of up to SLAB_ITEM_MAX bytes live in regions of whole pages (base/pages.h), each of one size class (steps of at
 * most an eighth); a class begins with small regions and goes on with 64 KiB. A larger item has a region of its own. A
 * handle is 32 bits: region number and 8-byte unit in it, so that records hold four bytes instead of a pointer and
 * 32 GiB are in reach. Items never move; a region goes back to the system when its last item is freed, but for one per
 * class.
 *
 * Items that grow leave their class for the next, but not all do, and the few that stay would keep all its regions. So a region that was
 * full once and of which a quarter is free again is sparse: it hands out nothing while another of its class has room, and whoever
 * writes to an item in it puts the item elsewhere (slab_is_sparse()), until it is empty.
 *
 * Threads: alloc and free under the owner's lock. slab_ptr() needs no lock for a handle that reached
 * the thread through one: the directory never moves.
 */
#ifndef FERULA_TSDB_SLAB_H
#define FERULA_TSDB_SLAB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

typedef uint32_t slab_ref; /* 0: none */

enum {
    SLAB_ITEM_MAX = 8192,
    SLAB_UNIT_BYTES = 8,
    SLAB_REGION_BYTES = 64 * 1024,
    SLAB_CLASSES = 64,
    SLAB_LARGE = SLAB_CLASSES, /* the class of items beyond SLAB_ITEM_MAX */
    SLAB_LARGE_MAX = 1 << 30,
    SLAB_PAGE_REGIONS = 1024,
    SLAB_PAGES = 512,
    SLAB_SPARES = 16
};

typedef struct slab_region {
    uint8_t *p;
    uint32_t next,
        prev; /* among the regions of the class that have room, or the sparse ones; 0 ends */
    uint32_t bytes;
    uint16_t live;      /* items in use */
    uint16_t fresh;     /* items handed out at least once: those behind were never used */
    uint16_t free_unit; /* first freed item, as unit + 1; each holds the next one's */
    uint8_t cls;
    bool sparse;
} slab_region;

typedef struct slab {
    slab_region *pages[SLAB_PAGES];
    uint32_t room[SLAB_CLASSES];    /* first region with room; 0 none */
    uint32_t sparse[SLAB_CLASSES];  /* first sparse region */
    uint32_t regions[SLAB_CLASSES]; /* of the class */
    uint32_t next_region;           /* the lowest number never used; the first is 1 */
    uint32_t page_step;   /* pages of numbers from one of its own to the next: 1 but for parts */
    uint32_t free_region; /* numbers given back, linked by next */
    uint8_t *spare[SLAB_SPARES]; /* of a part: memory of regions that were emptied, for the next */
    uint32_t n_spare;
    bool is_part;
    fer_account *acct;
    _Atomic int64_t bytes; /* held from the system */
} slab;

void slab_init(slab *s, fer_account *acct);
void slab_done(slab *s);

/* At least n bytes (1 <= n <= SLAB_LARGE_MAX), 8-byte aligned, uninitialised. Charges the account past
 * its limit too: the caller asks for room before it lets users grow the head. */
slab_ref slab_alloc(slab *s, size_t n);
void slab_free(slab *s, slab_ref ref); /* 0 is fine */
/* Gives back the empty region that class cls, of SLAB_CLASSES, may have kept. */
void slab_trim(slab *s, unsigned cls);
/* Makes part k of n, so that n threads can fill the slab at once, each a part of its own. A part's handles are good for it
 * and, once all parts are joined, for s; it knows no items of s and of other parts. s is left alone until then. */
void slab_split(const slab *s, slab *part, uint32_t k, uint32_t n);
/* Moves all items of a part to the slab it was split from. */
void slab_join(slab *s, slab *part);
/* Bytes the item can hold. */
size_t slab_size(const slab *s, slab_ref ref);
/* What slab_alloc(n) would hold. */
size_t slab_round(size_t n);

static inline slab_region *slab_region_of(const slab *s, uint32_t number)
{
    return &s->pages[number / SLAB_PAGE_REGIONS][number % SLAB_PAGE_REGIONS];
}

/* Whether the item lies in a sparse region: it had better be moved to another of the same size. */
static inline bool slab_is_sparse(const slab *s, slab_ref ref)
{
    return slab_region_of(s, ref >> 13)->sparse;
}

static inline void *slab_ptr(const slab *s, slab_ref ref)
{
    return slab_region_of(s, ref >> 13)->p + (size_t)(ref & 8191) * SLAB_UNIT_BYTES;
}

#endif

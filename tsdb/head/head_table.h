/* head_table.h - hash to u32 map of the head: fingerprints, canonical label sets, dictionary entries.
 *
 * An entry is 8 bytes: 32 bits of the hash and the value; the caller compares the rest (several values
 * may stand under one hash). 256 independent segments grow by a quarter each, so that no insertion
 * moves more than a 256th of the table and memory stays close to what it holds.
 * Threads: under the owner's lock.
 */
#ifndef FERULA_TSDB_HEAD_TABLE_H
#define FERULA_TSDB_HEAD_TABLE_H

#include <stdint.h>

#include "base/mem.h"

enum { TABLE_SEGMENTS = 256 };
#define TABLE_NONE UINT32_MAX

typedef struct table_entry {
    uint32_t tag;
    uint32_t value; /* TABLE_NONE: empty */
} table_entry;

typedef struct table_segment {
    table_entry *e;
    uint32_t n, cap;
} table_segment;

typedef struct head_table {
    table_segment seg[TABLE_SEGMENTS];
    fer_account *acct;
    int64_t bytes;
} head_table;

/* A walk over the values under one hash. */
typedef struct table_probe {
    const table_segment *seg;
    uint32_t at, tag;
} table_probe;

void head_table_init(head_table *t, fer_account *acct);
void head_table_done(head_table *t);
void head_table_insert(head_table *t, uint64_t hash, uint32_t value);
/* The pair must be there. */
void head_table_remove(head_table *t, uint64_t hash, uint32_t value);

/* Gives back what segment i, of TABLE_SEGMENTS, holds far beyond its entries. */
void head_table_shrink(head_table *t, uint32_t i);

static inline uint32_t table_home(uint32_t tag, uint32_t cap)
{
    return (uint32_t)(((uint64_t)tag * cap) >> 32);
}

static inline table_probe head_table_probe(const head_table *t, uint64_t hash)
{
    const table_segment *seg = &t->seg[hash >> 56];
    uint32_t tag = (uint32_t)hash;
    return (table_probe){seg, table_home(tag, seg->cap), tag};
}

/* The next value, or TABLE_NONE. */
static inline uint32_t table_probe_next(table_probe *p)
{
    const table_segment *seg = p->seg;
    if (seg->cap == 0)
        return TABLE_NONE;
    for (;;) {
        const table_entry *e = &seg->e[p->at];
        if (e->value == TABLE_NONE)
            return TABLE_NONE;
        p->at = p->at + 1 == seg->cap ? 0 : p->at + 1;
        if (e->tag == p->tag)
            return e->value;
    }
}

static inline void head_table_prefetch(const head_table *t, uint64_t hash)
{
    const table_segment *seg = &t->seg[hash >> 56];
    __builtin_prefetch(&seg->e[table_home((uint32_t)hash, seg->cap)]);
}

#endif

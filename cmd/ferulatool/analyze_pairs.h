/* analyze_pairs.h - label pairs of a block, counted by symbols, and the largest of many things.
 *
 * Threads: one.
 */
#ifndef FERULA_CMD_FERULATOOL_ANALYZE_PAIRS_H
#define FERULA_CMD_FERULATOOL_ANALYZE_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is known of a pair, or, with value 0, of a name. */
typedef struct pair_count {
    uint32_t name, value; /* symbols */
    uint64_t series;      /* 0: an empty place of the table */
    uint64_t uncovered; /* ms, over its series, of the block's time without their samples; wraps */
} pair_count;

/* Open addressing, at most two thirds full. */
typedef struct pair_table {
    pair_count *v;
    size_t n, cap;
} pair_table;

void pair_table_done(pair_table *t);
/* Counts a series that has the pair. */
void pair_table_add(pair_table *t, uint32_t name, uint32_t value, uint64_t uncovered);

/* NULL when no series has it. */
const pair_count *pair_table_find(const pair_table *t, uint32_t name, uint32_t value);

typedef struct top_item {
    uint64_t metric;
    uint32_t name, value;
} top_item;

/* The `limit` largest metrics put; of equal ones those of the smallest symbols. */
typedef struct top_items {
    top_item *v;
    size_t n, cap, limit;
} top_items;

void top_items_init(top_items *t, size_t limit);
void top_items_done(top_items *t);
void top_items_put(top_items *t, top_item item);
/* Largest first; nothing is put any more. */
void top_items_sort(top_items *t);

/* How often each number came up. */
typedef struct tally_count {
    uint64_t value, times; /* times 0: an empty place */
} tally_count;

typedef struct tally {
    tally_count *v;
    size_t n, cap;
} tally;

void tally_done(tally *t);
void tally_add(tally *t, uint64_t value);

#endif

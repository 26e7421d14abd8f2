/* key_sort.h - sorting by 64-bit keys: radix, the least significant byte first, or insertion where they are few.
 *
 * Threads: any, each on lists of its own.
 */
#ifndef FERULA_BASE_KEY_SORT_H
#define FERULA_BASE_KEY_SORT_H

#include <stddef.h>
#include <stdint.h>

typedef struct key_item {
    uint64_t key;
    uint32_t at; /* whose key it is */
} key_item;

/* Sorts v[0..n) by key; equal ones keep their order. tmp has room for n. `differ` has each bit set in which two of the
 * keys differ: the others are passed over. Keys may become others, of the same order and as equal to each other. */
void key_sort(key_item *v, key_item *tmp, size_t n, uint64_t differ);

#endif

/* str_sort.h - sorting and uniting lists of texts in the order of their bytes (str_cmp).
 *
 * Threads: any, each on lists of its own.
 */
#ifndef FERULA_BASE_STR_SORT_H
#define FERULA_BASE_STR_SORT_H

#include <stdint.h>

#include "base/str.h"

/* Sets order[0..n) to the places of the texts, ascending; equal ones keep their order. There are fewer
 * than 2^32. Takes 32 bytes a text for the while, unless they are in order already. */
void str_sort_order(const fer_str *v, size_t n, uint32_t *order);
/* Sorts v[0..n) in place; takes 32 bytes a text for the while, unless they are in order already. */
void str_sort(fer_str *v, size_t n);
/* Whether all of b are in a, both ascending without repetitions. */
bool str_contain_all(const fer_str *a, size_t an, const fer_str *b, size_t bn);
/* Writes the union of two ascending lists without repetitions to `to`, which has room for both; how many. */
size_t str_unite(const fer_str *a, size_t an, const fer_str *b, size_t bn, fer_str *to);

#endif

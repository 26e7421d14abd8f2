/* str_sort.h - sorting and uniting lists of texts in the order of their bytes (str_cmp).
 *
 * Threads: any, each on lists of its own.
 */
#ifndef FERULA_BASE_STR_SORT_H
#define FERULA_BASE_STR_SORT_H

#include "base/str.h"

/* Sorts v[0..n) in place; takes 48 bytes a text for the while, unless they are in order already. */
void str_sort(fer_str *v, size_t n);
/* str_sort(), then each text once; how many are left. */
size_t str_sort_unique(fer_str *v, size_t n);
/* Writes the union of two ascending lists without repetitions to `to`, which has room for both; how many. */
size_t str_unite(const fer_str *a, size_t an, const fer_str *b, size_t bn, fer_str *to);

#endif

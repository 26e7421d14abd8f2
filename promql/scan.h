/* scan.h - what holds for all samples of a series, by one look at each.
 *
 * Threads: any.
 */
#ifndef FERULA_PROMQL_SCAN_H
#define FERULA_PROMQL_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Some are stale markers. */
bool scan_any_stale(const double *v, size_t n);
/* Some are below the one before. */
bool scan_any_fall(const double *v, size_t n);
/* Each comes `each` after the one before, modulo 2^64. */
bool scan_is_even(const int64_t *t, size_t n, int64_t each);

#endif

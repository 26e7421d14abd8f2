/* shortest.h - the fewest decimal digits of a double.
 *
 * Source: R. Giulietti, "The Schubfach way to render doubles", 2021.
 * Threads: any.
 */
#ifndef FERULA_BASE_SHORTEST_H
#define FERULA_BASE_SHORTEST_H

#include <stdint.h>

enum { SHORTEST_DIGITS_MAX = 17 };

/* Of the decimals that read back as v (finite, above zero) those with the fewest digits; of them the one nearest to v, of two as near the
 * even one. It is digits x 10^*ret_exponent; the digits do not end in zero. */
uint64_t shortest_of(double v, int *ret_exponent);

#endif

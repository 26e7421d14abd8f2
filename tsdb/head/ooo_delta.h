/* ooo_delta.h - how far samples were behind the head's newest: a histogram with Prometheus' bounds.
 *
 * Threads: one at a time.
 */
#ifndef FERULA_TSDB_OOO_DELTA_H
#define FERULA_TSDB_OOO_DELTA_H

#include <stddef.h>
#include <stdint.h>

enum { OOO_DELTA_BOUNDS = 7 };
/* Seconds. */
static const double ooo_delta_bounds[OOO_DELTA_BOUNDS] = {600,   1800,  3600, 7200,
                                                          10800, 21600, 43200};

typedef struct ooo_delta {
    uint64_t
        counts[OOO_DELTA_BOUNDS + 1]; /* up to the bound, above the one before; last: the rest */
    uint64_t n;
    double sum; /* seconds */
} ooo_delta;

static inline void ooo_delta_add(ooo_delta *d, int64_t ms)
{
    double seconds = (double)ms / 1000;
    size_t i = 0;
    while (i < OOO_DELTA_BOUNDS && seconds > ooo_delta_bounds[i])
        i++;
    d->counts[i]++;
    d->n++;
    d->sum += seconds;
}

#endif

/* spread.h - how many of many numbers lie where: a histogram with bounds that grow by a factor.
 *
 * Threads: one at a time.
 */
#ifndef FERULA_TSDB_SPREAD_H
#define FERULA_TSDB_SPREAD_H

#include <stddef.h>
#include <stdint.h>

enum { SPREAD_BOUNDS_MAX = 14 };

typedef struct spread {
    uint64_t counts[SPREAD_BOUNDS_MAX +
                    1]; /* up to and with the bound, above the one before; last: the rest */
    uint64_t n;
    double sum;
} spread;

/* Bounds first, first * factor, ... */
typedef struct spread_scale {
    double first, factor;
    size_t n;
} spread_scale;

void spread_add(spread *t, const spread_scale *s, double v);
/* Adds all of other, which is of the same scale. */
void spread_merge(spread *t, const spread *other);

/* Of chunks in blocks of level 1, on Prometheus' scales. */
typedef struct chunk_spread {
    spread samples, bytes, range_ms;
} chunk_spread;
extern const spread_scale chunk_samples_scale, chunk_bytes_scale, chunk_range_scale;
/* Seconds that writing or merging blocks took. */
extern const spread_scale compaction_seconds_scale;

#endif

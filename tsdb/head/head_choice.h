/* head_choice.h - some labels of many series, without a look at the others.
 *
 * Which pairs are of the names asked for is told by a bit a pair, since the pairs' records of a million series are far away
 * from the processor. So is which are of __name__, __type__ and __unit__, so that series are compared without those by
 * the ids of their pairs.
 *
 * Threads: made under mu; then any, while the names are kept.
 */
#ifndef FERULA_TSDB_HEAD_CHOICE_H
#define FERULA_TSDB_HEAD_CHOICE_H

#include "tsdb/head/head.h"
#include "tsdb/querier.h"

typedef struct head_choice {
    const uint64_t *wanted, *metric; /* bits by pair */
} head_choice;

/* Whether that takes less than looking at all labels of so many series. */
bool head_choice_pays(const head_names *names, size_t n_series);
/* False past the arena's budget. */
bool head_choice_make(const head_names *names, const label_choice *c, fer_arena *a,
                      head_choice *ret);

/* A hash of the pairs of a series that are no metric's, whatever their order, and whether two series have the same. */
uint64_t head_rest_hash(const head_names *names, const head_choice *c, slab_ref series);
bool head_rest_equal(const head_names *names, const head_choice *c, slab_ref x, slab_ref y);

static inline bool head_choice_has(const uint64_t *bits, uint32_t pair)
{
    return bits[pair / 64] >> (pair % 64) & 1;
}

#endif

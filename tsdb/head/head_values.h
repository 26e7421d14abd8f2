/* head_values.h - the values of a label name in their order, which the name keeps for who asks next.
 *
 * A name lists its pairs as they came. Who asks for all values sorts them, without the locks, and leaves the pairs in
 * the order found; from then on only what has come since is sorted, and merged.
 */
#ifndef FERULA_TSDB_HEAD_HEAD_VALUES_H
#define FERULA_TSDB_HEAD_HEAD_VALUES_H

#include "tsdb/head/head.h"
#include "tsdb/querier.h"

/* Whether a reader may see a pair. */
typedef bool (*head_pair_visible)(const head *h, const dict_pair *p);

/* The pairs of a name. */
typedef struct head_values {
    const head_names *names;
    uint32_t name;
    uint32_t *pairs;   /* in tmp: those a reader may see, then the others */
    uint32_t n, n_all; /* how many may be seen; all */
    uint32_t in_order; /* so many first ones are in the order of their values */
    uint32_t reorders; /* of the name, when they were read */
} head_values;

/* Reads the pairs there are. Under publish and mu. FER_LIMIT. */
FER_MUST_CHECK fer_code head_values_read(const head *h, uint32_t name, head_pair_visible visible,
                                         fer_arena *tmp, head_values *ret, fer_err *err);
/* Their texts in order: the list in `keep`, the texts those of the names, which the caller keeps. Takes mu for a moment, to
 * leave the order with the name. FER_LIMIT. */
FER_MUST_CHECK fer_code head_values_sort(const head_values *v, head *h, fer_arena *keep,
                                         fer_arena *tmp, str_list *ret, fer_err *err);

#endif

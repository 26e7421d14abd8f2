/* head_order.h - series of the head in the order of their labels.
 *
 * Each pair that occurs gets its rank among them by name and value; a series is then a row of ranks, and texts are looked
 * at once a pair, not once a series.
 * Threads: any; no lock, as the names are kept by the caller.
 */
#ifndef FERULA_TSDB_HEAD_ORDER_H
#define FERULA_TSDB_HEAD_ORDER_H

#include "base/arena.h"
#include "tsdb/head/head.h"

typedef struct ranked_pair {
    fer_str value;
    uint32_t name; /* its id in the dictionary */
} ranked_pair;

typedef struct head_rows {
    ranked_pair *pairs; /* by rank */
    uint32_t n_pairs;
    uint32_t *v;      /* of each series how many labels it has, and their ranks */
    uint32_t *begins; /* where the row of a series begins */
} head_rows;

/* Sets order[0..n) to the places of `of`, ascending by labels (labels_cmp); equal ones keep their order. of: labels of
 * series in these names. Rows and the texts of values are of `keep`: 4 bytes a label and 8 a series; the rest of tmp: 32
 * bytes a series and some 100 a pair. */
FER_MUST_CHECK fer_code head_order(const head_names *names, const slab_ref *of, size_t n,
                                   fer_arena *keep, fer_arena *tmp, uint32_t *order, head_rows *ret,
                                   fer_err *err);

#endif

/* head_order.h - series of the head in the order of their labels.
 *
 * Threads: any; no lock, as the names are kept by the caller.
 */
#ifndef FERULA_TSDB_HEAD_ORDER_H
#define FERULA_TSDB_HEAD_ORDER_H

#include "base/arena.h"
#include "tsdb/head/head.h"

/* Sets order[0..n) to the places of v, ascending by labels (labels_cmp); equal ones keep their order. v: labels of
 * series in these names. Takes some 4 bytes a label and 16 a series of tmp. */
FER_MUST_CHECK fer_code head_order(const head_names *names, const slab_ref *v, size_t n,
                                   fer_arena *tmp, uint32_t *order, fer_err *err);

#endif

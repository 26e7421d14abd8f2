/* head_order.h - series of the head in the order of their labels.
 *
 * The pairs that occur are ranked by name and value, so that series are compared by rows of ranks, not by texts.
 * Threads: any; no lock, as the names are kept by the caller.
 */
#ifndef FERULA_TSDB_HEAD_ORDER_H
#define FERULA_TSDB_HEAD_ORDER_H

#include "tsdb/head/head_rows.h"

/* As head_rows_read(), the numbers being ranks; and sets order[0..n) to the places of `of`, ascending by labels (labels_cmp);
 * equal ones keep their order. Takes 32 bytes of tmp a series and some 60 a pair. */
FER_MUST_CHECK fer_code head_order(const head_names *names, const slab_ref *of, size_t n,
                                   fer_arena *keep, fer_arena *tmp, uint32_t *order, head_rows *ret,
                                   fer_err *err);

#endif

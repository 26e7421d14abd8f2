/* head_ordered.h - series of the head in the order of their labels, for who asks for labels alone (select_hints.labels_only).
 *
 * Sorting ranks the pairs (head_order.h); what it leaves, a row of ranks a series, is all that is kept. Nothing is pinned.
 */
#ifndef FERULA_TSDB_HEAD_ORDERED_H
#define FERULA_TSDB_HEAD_ORDERED_H

#include "tsdb/head/head_view.h"

/* The series of these labels, n of them, in their order. FER_LIMIT past the budget. No lock; the view's names stand. */
FER_MUST_CHECK fer_code head_ordered_new(names_view *view, const query_ctx *ctx,
                                         const slab_ref *series, size_t n, fer_arena *tmp,
                                         selection **ret, fer_err *err);

#endif

/* head_listing.h - series of the head for who asks for labels alone (select_hints.labels_only).
 *
 * A row of numbers a series (head_order.h) is all that is kept; nothing is pinned, and all labels are in memory.
 */
#ifndef FERULA_TSDB_HEAD_LISTING_H
#define FERULA_TSDB_HEAD_LISTING_H

#include "tsdb/head/head_view.h"

/* The series of these labels, n of them, as they come or in the order of labels. FER_LIMIT past the budget. No lock; the
 * view's names stand. */
FER_MUST_CHECK fer_code head_listing_new(names_view *view, const query_ctx *ctx,
                                         const slab_ref *series, size_t n, bool sorted,
                                         fer_arena *tmp, selection **ret, fer_err *err);

#endif

/* block_select.h - from matchers to the series of a block that satisfy all.
 *
 * As in the head (head_select.h): each matcher is a set of values, the smallest set that asks gives the
 * candidates, the others are applied by their postings or by the candidates' labels, whichever is cheaper.
 * A damaged postings list is passed over by way of labels, so it costs time and a warning but no series; a
 * damaged series costs itself.
 */
#ifndef FERULA_TSDB_BLOCK_SELECT_H
#define FERULA_TSDB_BLOCK_SELECT_H

#include "base/cancel.h"
#include "tsdb/block/block.h"
#include "tsdb/matcher.h"
#include "tsdb/query_warnings.h"

typedef struct ref_list {
    uint32_t *v;
    size_t n;
} ref_list;

/* Ascending refs (which is the order of labels), in tmp. FER_LIMIT, FER_CANCELED, FER_TIMEOUT; FER_CORRUPT when
 * even the list of all series is damaged. */
FER_MUST_CHECK fer_code block_select(const block *b, fer_arena *tmp, const fer_cancel *cancel,
                                     query_warnings *warnings, const matcher *m, size_t nm,
                                     ref_list *ret, fer_err *err);

#endif

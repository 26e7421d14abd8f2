/* head_rows.h - label sets of many series of the head as rows of numbers.
 *
 * Each pair that occurs gets a number, in the order in which they are met, and its text is looked at once.
 * Threads: any; no lock, as the names are kept by the caller.
 */
#ifndef FERULA_TSDB_HEAD_ROWS_H
#define FERULA_TSDB_HEAD_ROWS_H

#include "base/arena.h"
#include "tsdb/head/head.h"

typedef struct row_pair {
    fer_str value;
    uint32_t name; /* its id in the dictionary */
} row_pair;

typedef struct head_rows {
    row_pair *pairs; /* by number */
    uint32_t n_pairs;
    uint32_t
        *v; /* of each series how many labels it has, and their numbers; one behind the other */
    uint32_t *begins; /* where the row of a series begins */
    size_t n_columns; /* the most labels of a series */
} head_rows;

/* of: labels of n series in these names. All of *ret is of `keep`: 4 bytes a label and 4 a series, 24 and its value's text a
 * pair. FER_LIMIT. */
FER_MUST_CHECK fer_code head_rows_read(const head_names *names, const slab_ref *of, size_t n,
                                       fer_arena *keep, fer_arena *tmp, head_rows *ret,
                                       fer_err *err);

#endif

/* twins.h - two series of a selection that are one without their metric name, type and unit, which is an error.
 *
 * Series of one metric differ without it as well. So nothing is looked up until there is a second metric; then a table holds
 * of each series its number and some bits of a hash, 6 bytes for each of the selection. Those that hash alike are compared.
 */
#ifndef FERULA_PROMQL_EXEC_TWINS_H
#define FERULA_PROMQL_EXEC_TWINS_H

#include "promql/exec/source.h"

/* What a series loses with its name. */
typedef struct metric_id {
    uint32_t name, type, unit;
} metric_id;

enum { TWINS_AHEAD = 16 }; /* series */

/* Begins as zeros. */
typedef struct twins {
    metric_id metric; /* of all series so far */
    uint64_t *given;  /* which those are, until there is a second metric; NULL: none yet */
    uint32_t
        *slots; /* NULL: one metric. Number + 1 of a series, above it bits of its hash; 0: free */
    size_t n_slots;
    uint32_t number_mask;
    uint64_t ahead[TWINS_AHEAD]; /* hashes of the series before `hashed` */
    size_t hashed;
    lset_buf rest, other;
} twins;

/* Adds the series that cursor_next() just gave, above those added before; `of` is as cursor_labels() gave it, and may
 * be no longer valid afterwards. FER_INVALID "vector cannot contain metrics with the same labelset". */
FER_MUST_CHECK fer_code twins_add(query *q, twins *t, const source_cursor *at, lset of);

#endif

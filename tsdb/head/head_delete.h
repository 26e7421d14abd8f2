/* head_delete.h - deletions of the head: which are in force, and which a request asks for.
 *
 * Samples stay where they are until head_truncate(); who reads leaves out what the intervals of a series cover.
 * The intervals are a set that never changes, replaced as a whole: a reader takes the present one when it
 * pins its series.
 *
 * Threads: as each call says.
 */
#ifndef FERULA_TSDB_HEAD_DELETE_H
#define FERULA_TSDB_HEAD_DELETE_H

#include "base/cancel.h"
#include "tsdb/block/tombstones.h"
#include "tsdb/head/head.h"
#include "tsdb/matcher.h"

typedef struct head_stones {
    _Atomic uint32_t refs;
    tombstones t; /* by the refs of series, sorted */
} head_stones;

/* The present ones, NULL when there are none. Under publish. */
head_stones *head_stones_take(const head *h);
void head_stones_drop(head_stones *s); /* NULL is fine; any thread */

/* In force from now on. Takes publish. */
void head_stones_add(head *h, const tombstone *v, size_t n);
/* Gives up those that end before mint. Takes publish. */
void head_stones_truncate(head *h, int64_t mint);
void head_stones_done(head *h); /* with the head */

/* Adds, sorted, what a deletion of [mint, maxt] takes of the series that match: no further than their published
 * samples go. FER_LIMIT, FER_CANCELED, FER_TIMEOUT. Takes both locks. */
FER_MUST_CHECK fer_code head_stones_find(head *h, int64_t mint, int64_t maxt, const matcher *m,
                                         size_t nm, const fer_cancel *cancel, tombstones *ret,
                                         fer_err *err);

#endif

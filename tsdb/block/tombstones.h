/* tombstones.h - deletions of a block: per series ref, closed intervals of time that are gone.
 *
 * Bytes on disk: docs/formats/block.md. In memory one array, sorted by ref and time; the intervals of a
 * ref neither overlap nor touch. Threads: readers any; changes one at a time.
 */
#ifndef FERULA_TSDB_TOMBSTONES_H
#define FERULA_TSDB_TOMBSTONES_H

#include <stdint.h>

#include "base/buf.h"
#include "base/vfs.h"
#include "tsdb/samples.h"

typedef struct tombstone {
    uint64_t ref;
    int64_t mint, maxt; /* ms, both ends gone */
} tombstone;

typedef struct tombstones {
    tombstone *v;
    size_t n, cap;
    fer_account *acct; /* charged with the array; may be NULL */
} tombstones;

void tombstones_init(tombstones *t, fer_account *acct);
void tombstones_done(tombstones *t);
/* Takes an interval in; tombstones_sort() before the next look-up. */
void tombstones_add(tombstones *t, uint64_t ref, int64_t mint, int64_t maxt);
/* Sorts, and joins intervals of a ref that overlap or touch. */
void tombstones_sort(tombstones *t);
/* All of `more`, likewise. */
void tombstones_add_all(tombstones *t, const tombstone *more, size_t n);
/* The intervals of a ref, ascending; NULL with *ret_n 0 when there are none. */
const tombstone *tombstones_of(const tombstones *t, uint64_t ref, size_t *ret_n);

/* Of the intervals of one ref: whether one of them has all of [mint, maxt], or any of it. */
bool tombstones_cover(const tombstone *v, size_t n, int64_t mint, int64_t maxt);
bool tombstones_touch(const tombstone *v, size_t n, int64_t mint, int64_t maxt);
/* Takes the samples, from `from` on, that they cover out. */
void tombstones_apply(const tombstone *v, size_t n, samples *s, size_t from);

/* Adds what the bytes of a file say, sorted. FER_CORRUPT, and nothing added, when they are damaged. */
FER_MUST_CHECK fer_code tombstones_parse(tombstones *t, fer_str bytes, fer_err *err);
void tombstones_print(fer_buf *out, const tombstones *t);

/* A missing file is no tombstones. */
FER_MUST_CHECK fer_code tombstones_load(tombstones *t, vfs *fs, const char *dir, fer_err *err);
/* Replaces dir/tombstones: after a crash the old or the new is there. */
FER_MUST_CHECK fer_code tombstones_store(const tombstones *t, vfs *fs, const char *dir,
                                         fer_err *err);

#endif

/* truncate.h - the head and the log forget what blocks hold (FORMAT.md 13).
 *
 * Threads: one at a time, any but the committer; writing, queries and commits go on meanwhile.
 */
#ifndef FERULA_TSDB_TRUNCATE_H
#define FERULA_TSDB_TRUNCATE_H

#include "tsdb/tsdb_int.h"
#include "tsdb/wal/checkpoint.h"

/* Removes from the head what is before mint, which a block holds: head_truncate(). Logs what went. */
void tsdb_truncate_head(tsdb *db, int64_t mint, head_truncation *ret);

typedef struct wal_truncation {
    bool done; /* there were segments worth it */
    uint64_t checkpoint, segments_removed;
    checkpoint_stats kept;
} wal_truncation;

/* Asks for a new segment; turns the older two thirds of the log into a checkpoint of what is at or after
 * mint, and deletes them. What an earlier call could not delete goes too. */
FER_MUST_CHECK fer_code tsdb_truncate_wal(tsdb *db, int64_t mint, wal_truncation *ret,
                                          fer_err *err);

#endif

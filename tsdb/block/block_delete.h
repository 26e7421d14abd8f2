/* block_delete.h - series of a block, or some time of them, deleted: intervals in its file of tombstones.
 *
 * Chunks and index stay as they are. The file of tombstones is replaced as a whole, then meta.json, which counts
 * them: after a crash the old or the new intervals are in force.
 * Threads: one change of a block at a time; readers keep the block they have.
 */
#ifndef FERULA_TSDB_BLOCK_DELETE_H
#define FERULA_TSDB_BLOCK_DELETE_H

#include "base/cancel.h"
#include "tsdb/block/block.h"
#include "tsdb/matcher.h"

/* Deletes [mint, maxt], no further than their chunks go, of the series that match. *ret: the block with what is
 * deleted, one reference, the folder opened anew; NULL when nothing matches. FER_CORRUPT when the block's index does not
 * tell which series match. */
FER_MUST_CHECK fer_code block_delete(vfs *fs, const char *dir, const block *b, int64_t mint,
                                     int64_t maxt, const matcher *m, size_t nm,
                                     const fer_cancel *cancel, fer_account *acct, block **ret,
                                     fer_err *err);

#endif

/* block_sums.h - ferula.sums: checksums of a block as a whole, for whoever verifies it. Others ignore the file, and it may be
 * deleted; blocks written by others have none.
 *
 *     ferula.sums 1
 *     8c4f00d1 18273 index
 *     0a1b2c3d 655360 chunks/000001
 *     77e01f42 0 meta.json
 *     5e5c3c51
 *
 * CRC-32C and size of each file that never changes; of meta.json, which owners of the directory change, the CRC of what
 * stays (deletions counted and marks left out, in our layout); last, that of the lines above. It so covers what no
 * checksum of the format does: the version of the index, padding, lengths, times and names in meta.json.
 * Threads: any.
 */
#ifndef FERULA_TSDB_BLOCK_SUMS_H
#define FERULA_TSDB_BLOCK_SUMS_H

#include "tsdb/block/block_meta.h"

#define BLOCK_SUMS_FILE "ferula.sums"

/* Of the block in dir, whose files are complete. Durable on return but for the name. */
FER_MUST_CHECK fer_code block_sums_store(vfs *fs, const char *dir, const block_meta *meta,
                                         fer_err *err);
/* Calls fn for each file that is not as it was, or cannot be read; not at all when there are no sums. meta NULL: it is not
 * looked at. */
typedef void (*block_sums_fn)(void *arg, const char *file, const char *what);
void block_sums_check(vfs *fs, const char *dir, const block_meta *meta, block_sums_fn fn,
                      void *arg);

#endif

/* block.h - a block: a folder that holds the samples of a range of time and never changes.
 *
 * Opened once, shared by count: whoever reads it holds a reference, and its mappings end with the last
 * one. Tombstones are those of the moment of opening.
 * Threads: any.
 */
#ifndef FERULA_TSDB_BLOCK_H
#define FERULA_TSDB_BLOCK_H

#include <stdatomic.h>

#include "tsdb/block/block_chunks.h"
#include "tsdb/block/block_index.h"
#include "tsdb/block/block_meta.h"
#include "tsdb/block/tombstones.h"

typedef struct block {
    _Atomic uint32_t refs;
    fer_arena *arena; /* of meta and name */
    const char *name; /* of the folder */
    block_meta meta;
    block_index index;
    block_chunks chunks;
    tombstones stones;
    uint64_t file_bytes; /* all its files together, as of opening */
} block;

/* Opens dir/name. FER_CORRUPT, FER_NOTFOUND or what the disk says, with a text that does not name the block.
 * *ret has one reference. */
FER_MUST_CHECK fer_code block_open(vfs *fs, const char *dir, const char *name, fer_account *acct,
                                   block **ret, fer_err *err);
block *block_ref(block *b);
void block_unref(block *b); /* NULL is fine */

/* Whether the block holds times of [mint, maxt]; its own range is half open. */
static inline bool block_overlaps(const block *b, int64_t mint, int64_t maxt)
{
    return b->meta.min_time <= maxt && mint < b->meta.max_time;
}

/* Whether bytes of it were lost under its mappings: what was read of it since it was opened is not to be believed. Asked
 * after reading. */
bool block_failed(const block *b);

/* For one pass over much: the mapped bytes need not stay in memory (vfs_forget). */
void block_forget(const block *b);

/* Bytes of index and chunks. */
uint64_t block_bytes(const block *b);

#endif

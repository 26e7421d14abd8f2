/* block_write.h - writes a block: symbols, then series in order, then meta.json.
 *
 * The block grows in <ulid>.tmp-for-creation; every file and the folder are durable before it takes its name,
 * and the name is durable before close returns. So after a crash there is the whole block or a folder that the
 * next start removes. Memory: what the writers of index and chunks hold (block_index_write.h) and the chunk
 * list of one series.
 * Threads: one at a time.
 */
#ifndef FERULA_TSDB_BLOCK_WRITE_H
#define FERULA_TSDB_BLOCK_WRITE_H

#include "base/mem.h"
#include "tsdb/block/block_index.h"
#include "tsdb/block/block_meta.h"
#include "tsdb/maintenance/spread.h"
#include "tsdb/syms.h"

typedef struct block_chunk {
    int64_t mint, maxt; /* ms, both inside */
    uint8_t encoding;
    fer_str data; /* as in a segment; begins with the number of samples */
} block_chunk;

typedef struct block_writer block_writer;

/* Begins dir/<id>. acct (may be NULL) is charged with what is held; segment_bytes 0: 512 MiB. The caller owns
 * *ret: block_writer_close() or block_writer_abort(). */
FER_MUST_CHECK fer_code block_writer_open(vfs *fs, const char *dir, const ulid *id,
                                          uint64_t segment_bytes, fer_account *acct,
                                          block_writer **ret, fer_err *err);
/* From now on chunks are counted in t, which outlives the writer; NULL: they are not. */
void block_writer_count(block_writer *w, chunk_spread *t);
/* Ascending; the first is number 0. All come before the first series. */
FER_MUST_CHECK fer_code block_writer_symbol(block_writer *w, fer_str text, fer_err *err);
/* Ascending by labels, labels as symbol numbers; chunks ascend and do not overlap. Without chunks the series
 * is left out. */
FER_MUST_CHECK fer_code block_writer_series(block_writer *w, const label_id *pairs, size_t n,
                                            const block_chunk *chunks, size_t n_chunks,
                                            fer_err *err);
/* Ends the block: meta's id and stats are filled in, the rest is the caller's. Without a single sample there is
 * no block: FER_OK, nothing on disk, meta->stats.samples is 0. The handle is gone also on failure, and then
 * nothing is left but what the next start removes. */
FER_MUST_CHECK fer_code block_writer_close(block_writer *w, block_meta *meta, fer_err *err);
/* Removes what was written; NULL is fine. */
void block_writer_abort(block_writer *w);

#endif

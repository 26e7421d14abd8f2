/* block_index_write.h - writes an index (version 2) in one pass, with bounded memory.
 *
 * In order: all symbols, all series, finish. For the same input the bytes are Prometheus' (docs/formats/block.md).
 * Held in memory: a buffer, a counter per label name, places of every 32nd symbol, and while postings are
 * written 8 bytes per series of the largest name, or 32 MiB where that is more.
 *
 * Every call may fail with what the disk says; FER_INVALID when the order is not kept, FER_LIMIT past what
 * the format can tell. After a failure only abort is of use.
 * Threads: one at a time.
 */
#ifndef FERULA_TSDB_BLOCK_INDEX_WRITE_H
#define FERULA_TSDB_BLOCK_INDEX_WRITE_H

#include "base/vfs.h"
#include "tsdb/block/block_index.h"
#include "tsdb/syms.h"

typedef struct index_writer index_writer;

/* Creates dir/index, and dir/index_tmp_po while it works. acct (may be NULL) is charged with what is held.
 * The caller owns *ret: index_writer_close() or index_writer_abort(). */
FER_MUST_CHECK fer_code index_writer_open(vfs *fs, const char *dir, fer_account *acct,
                                          index_writer **ret, fer_err *err);
/* Ascending; the first is number 0. Symbols that no series uses are fine. */
FER_MUST_CHECK fer_code index_writer_symbol(index_writer *w, fer_str text, fer_err *err);
/* Ascending by labels; labels as symbol numbers, ascending by name. Chunks ascend and do not overlap. */
FER_MUST_CHECK fer_code index_writer_series(index_writer *w, const label_id *pairs, size_t n,
                                            const index_chunk *chunks, size_t n_chunks,
                                            fer_err *err);
/* Writes postings and tables; the file is durable. The handle is gone also on failure. */
FER_MUST_CHECK fer_code index_writer_close(index_writer *w, fer_err *err);
/* Leaves the unfinished file; NULL is fine. */
void index_writer_abort(index_writer *w);

#endif

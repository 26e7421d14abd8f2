/* chunks_head.h - chunks_head/000001, 000002, ...: chunks of the head that take no more samples, out of memory.
 *
 * All samples in them are in the log as well, until the log is cut below their time: so nothing here needs to
 * be durable, and damage costs time at start and memory, not samples. It is told and counted, and never
 * refuses a start. Files are mapped; a chunk's CRC is checked when the directory is opened and each time
 * it is asked for. Bytes on disk: docs/formats/chunks_head.md.
 *
 * Numbers of files ascend without a gap and only the lowest are removed: Prometheus does not start otherwise.
 * A file that was there at opening is never written to.
 *
 * Threads: chunks_head_get() any, for places learned under a lock after they were flushed; the rest one at
 * a time, chunks_head_stats_get() excepted.
 */
#ifndef FERULA_TSDB_CHUNKS_HEAD_H
#define FERULA_TSDB_CHUNKS_HEAD_H

#include "base/log.h"
#include "base/vfs.h"
#include "tsdb/head/chunks_head_file.h"

#define HEAD_FILE_BYTES_DEFAULT (UINT64_C(128) << 20)

typedef struct chunks_head chunks_head;

/* Where a chunk's data lies. */
typedef struct head_place {
    uint32_t file; /* which of the files since opening, from 1 to UINT16_MAX */
    uint32_t offset;
} head_place;

/* Maps the files of dir, which need not be there. file_bytes 0: 128 MiB. Files that cannot be read are
 * told. The caller owns *ret: chunks_head_close(). */
FER_MUST_CHECK fer_code chunks_head_open(vfs *fs, const char *dir, uint64_t file_bytes,
                                         fer_account *acct, fer_log *log, chunks_head **ret,
                                         fer_err *err);
/* Readers must have gone. What was added and not flushed is dropped. NULL is fine. */
void chunks_head_close(chunks_head *c);

/* Visits the chunks that were there at opening, file by file; tells what is damaged. */
typedef void (*chunks_head_fn)(void *arg, const head_chunk *c, uint32_t file);
void chunks_head_walk(chunks_head *c, chunks_head_fn fn, void *arg);

/* The n bytes of data at a place, a view of the mapping; FER_CORRUPT when they are not what was written. */
FER_MUST_CHECK fer_code chunks_head_get(const chunks_head *c, head_place at, uint32_t n,
                                        fer_str *ret, fer_err *err);

/* Has the processor fetch what chunks_head_get() will look at, and the beginning of the data. */
void chunks_head_prefetch(const chunks_head *c, head_place at, uint32_t n);

/* How a marker of the log names a chunk of n bytes of data: the number of its file << 32 | where its record begins. */
uint64_t chunks_head_place(const chunks_head *c, head_place at, uint32_t n);

/* Writes a chunk; it can be read after the next flush. When this or the flush fails, those added before for
 * which chunks_head_has() is false are gone, and the next chunk begins another file. */
FER_MUST_CHECK fer_code chunks_head_add(chunks_head *c, const head_chunk *chunk, head_place *ret,
                                        fer_err *err);
FER_MUST_CHECK fer_code chunks_head_flush(chunks_head *c, fer_err *err);
/* What was flushed is durable. */
FER_MUST_CHECK fer_code chunks_head_sync(chunks_head *c, fer_err *err);
/* For chunks of samples out of order, whose times do not keep a file: it stays while it is held. */
void chunks_head_hold(chunks_head *c, uint32_t file);
void chunks_head_release(chunks_head *c, uint32_t file);
bool chunks_head_has(const chunks_head *c, head_place at);
/* Removes the files, from the lowest, whose chunks in order all end before mint and that nobody holds; what is added next goes to a new file.
 * What readers brought into memory of the others is forgotten.
 * No chunk in them may be asked for by readers that begin from now on. */
FER_MUST_CHECK fer_code chunks_head_truncate(chunks_head *c, int64_t mint, fer_err *err);
/* A mapping that flush or truncate left behind, for the caller to unmap when the readers of its time have
 * gone; false when there is none. Those not taken are unmapped at the end. */
bool chunks_head_take_left(chunks_head *c, vfs_map *ret);

typedef struct chunks_head_stats {
    uint64_t files, bytes;
    uint64_t damages; /* seen since opening */
} chunks_head_stats;
/* Any thread. */
void chunks_head_stats_get(const chunks_head *c, chunks_head_stats *ret);

#endif

/* block_chunks.h - the chunk segments of a block: chunks/000001, 000002, ...
 *
 * The reader maps all segments and checks a chunk's CRC when it is asked for, so damage costs the chunk
 * it lies in. What it brought into memory and has checked it forgets now and then (map_use.h). The writer streams: it holds one buffer. Bytes on disk: docs/formats/block.md.
 *
 * A chunk's ref is its segment's index (0 for 000001) << 32 | offset.
 * Threads: a reader any; a writer one at a time.
 */
#ifndef FERULA_TSDB_BLOCK_CHUNKS_H
#define FERULA_TSDB_BLOCK_CHUNKS_H

#include "base/mem.h"
#include "base/str.h"
#include "base/vfs.h"
#include "tsdb/block/map_use.h"

enum { CHUNK_SEGMENT_HEADER_BYTES = 8, CHUNK_BYTES_MAX = 1 << 30 };
#define CHUNK_SEGMENT_BYTES_DEFAULT (UINT64_C(512) << 20)

/* ---- reading ---- */

typedef struct block_chunks {
    vfs_map *segments;
    map_use *uses; /* of the segments */
    size_t n;
    fer_account *acct;
} block_chunks;

/* Maps the segments in dir. Their bytes are not looked at yet. */
FER_MUST_CHECK fer_code block_chunks_open(block_chunks *c, vfs *fs, const char *dir,
                                          fer_account *acct, fer_err *err);
void block_chunks_close(block_chunks *c);
/* The chunk's encoding and data, a view of the mapping; FER_CORRUPT when they are not what was written. */
FER_MUST_CHECK fer_code block_chunks_get(const block_chunks *c, uint64_t ref, uint8_t *ret_encoding,
                                         fer_str *ret_data, fer_err *err);
/* The same, with the checksum checked in any case: for who writes the bytes elsewhere under a new one. */
FER_MUST_CHECK fer_code block_chunks_get_anew(const block_chunks *c, uint64_t ref,
                                              uint8_t *ret_encoding, fer_str *ret_data,
                                              fer_err *err);
/* Bytes of all segments. */
uint64_t block_chunks_bytes(const block_chunks *c);

/* ---- writing ---- */

typedef struct chunk_writer chunk_writer;

/* Writes below dir, which is made and must hold no segments. segment_bytes 0: 512 MiB. The caller owns *ret:
 * chunk_writer_close() or chunk_writer_abort(). */
FER_MUST_CHECK fer_code chunk_writer_open(vfs *fs, const char *dir, uint64_t segment_bytes,
                                          chunk_writer **ret, fer_err *err);
/* The chunks that follow are of another series. Segments end where Prometheus ends them, which depends on
 * which chunks belong together. */
void chunk_writer_series(chunk_writer *w);
FER_MUST_CHECK fer_code chunk_writer_add(chunk_writer *w, uint8_t encoding, fer_str data,
                                         uint64_t *ret_ref, fer_err *err);
/* All segments and the directory are durable. The handle is gone also on failure. */
FER_MUST_CHECK fer_code chunk_writer_close(chunk_writer *w, fer_err *err);
void chunk_writer_abort(chunk_writer *w);

#endif

/* verify.h - every checksum and invariant of a data directory, read only.
 *
 * A finding names a file, an offset in it, and what is wrong there; checking goes on behind it. What no check
 * covers is listed in docs/ferulatool.md.
 * Threads: one.
 */
#ifndef FERULA_CMD_FERULATOOL_VERIFY_H
#define FERULA_CMD_FERULATOOL_VERIFY_H

#include "base/vfs.h"
#include "tsdb/chunk/chunk_xor.h"

typedef void (*verify_fn)(void *arg, const char *file, uint64_t offset, const char *what);

typedef struct verify {
    vfs *fs;
    verify_fn found; /* texts live during the call */
    void *arg;
    uint64_t findings;
    uint64_t blocks, series, chunks, samples, segments, records; /* looked at */
    samples decoded;                                             /* of the chunk at hand */
} verify;

void verify_begin(verify *v, vfs *fs, verify_fn found, void *arg);
void verify_end(verify *v);

/* A data directory: its blocks, logs, checkpoints and chunks_head. */
void verify_dir(verify *v, const char *dir);
/* A block's folder, whose name is its ULID. */
void verify_block(verify *v, const char *dir);
/* A folder of log segments: wal, wbl, a checkpoint. */
void verify_log(verify *v, const char *dir);
/* A folder of head chunks. */
void verify_chunks_head(verify *v, const char *dir);

/* ---- for the parts ---- */

void verify_found(verify *v, const char *file, uint64_t offset, const char *fmt, ...)
    FER_PRINTF(4, 5);
/* A chunk's samples against the times it is said to have; counts them. Returns how many there are. */
uint64_t verify_chunk(verify *v, const char *file, uint64_t offset, uint8_t encoding, fer_str data,
                      int64_t mint, int64_t maxt);

#endif

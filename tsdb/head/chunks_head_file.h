/* chunks_head_file.h - the bytes of one file of chunks_head: read from front to back, and written.
 *
 * Bytes on disk: docs/formats/chunks_head.md. Nothing here does I/O but through the file_out it is given.
 * Threads: pure.
 */
#ifndef FERULA_TSDB_CHUNKS_HEAD_FILE_H
#define FERULA_TSDB_CHUNKS_HEAD_FILE_H

#include "base/str.h"
#include "tsdb/block/file_out.h"

enum {
    HEAD_FILE_HEADER_BYTES = 8,
    /* Series ref, two times, encoding, the longest length, CRC: nothing shorter may end a file. */
    HEAD_CHUNK_AROUND_MAX = 8 + 8 + 8 + 1 + 5 + 4
};

typedef struct head_chunk {
    uint64_t series; /* ref */
    int64_t mint, maxt;
    fer_str data;
    uint32_t offset; /* of data in its file */
    uint8_t encoding;
    bool out_of_order;
} head_chunk;

/* Bytes that are no chunk: [offset, offset + lost_bytes). */
typedef struct head_file_damage {
    uint64_t offset, lost_bytes;
    const char *why;
} head_file_damage;

typedef struct head_file_visitor {
    void *arg;
    void (*chunk)(void *arg, const head_chunk *c);
    void (*damage)(void *arg, const head_file_damage *d);
} head_file_visitor;

/* Visits the chunks of a file of at most 4 GiB in order, each with its CRC checked. A chunk that fails it is
 * skipped where a whole chunk or the end follows; else the rest of the file is one damage. */
void head_file_scan(fer_str file, const head_file_visitor *v);

/* Whether this is a file that was begun and got no header: no chunk was ever in it. */
bool head_file_is_unborn(fer_str file);

/* The data at [offset, offset + n) if the chunk around it still has the CRC it was written with. */
bool head_file_check(fer_str file, uint32_t offset, uint32_t n);

void head_file_begin(file_out *o);
/* What head_file_put() will write for so many bytes of data. */
uint64_t head_chunk_size(size_t data_bytes);
/* Bytes of a chunk's record in front of its data. */
uint32_t head_chunk_before(size_t data_bytes);
/* Returns the offset of the data. */
uint32_t head_file_put(file_out *o, const head_chunk *c);

#endif

/* wal_fetch.h - a file in blocks, from begin to end, read ahead of whom they are for.
 *
 * A thread of its own reads, so that the disk works on while records are taken in; where it cannot be had, the calls read.
 * What the system's cache does not hold does not go there either (VFS_READ_ONCE): the log is read once, and was
 * mostly written past it. Memory: FETCH_BLOCKS blocks, whole pages from the kernel.
 *
 * Threads: one at a time, beside its own.
 */
#ifndef FERULA_TSDB_WAL_FETCH_H
#define FERULA_TSDB_WAL_FETCH_H

#include "base/vfs.h"

enum { FETCH_BLOCK_BYTES = 1024 * 1024, FETCH_BLOCKS = 4 };

typedef struct wal_fetch wal_fetch;

typedef struct fetched {
    uint8_t *p;  /* FETCH_BLOCK_BYTES, at the begin of a page */
    uint64_t at; /* in the file */
    size_t n;    /* bytes read; fewer than a block only at the end of the file */
    fer_code
        code; /* other than FER_OK: nothing was read, and the reading goes on behind the block */
} fetched;

wal_fetch *wal_fetch_new(void);
void wal_fetch_free(wal_fetch *w); /* NULL is fine */

/* Begins with a file, opened as VFS_READ_ONCE, which outlives wal_fetch_end(). */
void wal_fetch_begin(wal_fetch *w, vfs_file *f, uint64_t size);
/* The next block, the caller's until the next call, who may also use it to read the file again; NULL behind the last. */
fetched *wal_fetch_next(wal_fetch *w);
/* Done with the file, wherever the reading is. */
void wal_fetch_end(wal_fetch *w);

#endif

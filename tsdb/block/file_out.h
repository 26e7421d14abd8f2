/* file_out.h - a file written from front to back through a buffer, with a running CRC-32C.
 *
 * The first failure is kept and told by file_out_check() and file_out_close(): writers put many small
 * things and check once in a while. Threads: one at a time.
 */
#ifndef FERULA_TSDB_FILE_OUT_H
#define FERULA_TSDB_FILE_OUT_H

#include "base/str.h"
#include "base/vfs.h"

typedef struct file_out {
    vfs_file *f;
    uint8_t *buf;
    size_t n;          /* bytes in buf */
    uint64_t flushed;  /* bytes in the file */
    uint64_t settled;  /* bytes that the disk has taken */
    uint64_t reserved; /* bytes that have their place on it */
    uint32_t crc;      /* over what was put since it was last set to 0 */
    fer_code failed;
    fer_err err;
} file_out;

/* Creates or empties the file. */
FER_MUST_CHECK fer_code file_out_open(file_out *o, vfs *fs, const char *path, fer_err *err);
void file_out_put(file_out *o, const void *p, size_t n);
void file_out_puts(file_out *o, fer_str s); /* uvarint length, then the bytes */
void file_out_u8(file_out *o, uint8_t v);
void file_out_be32(file_out *o, uint32_t v);
void file_out_be64(file_out *o, uint64_t v);
void file_out_uvarint(file_out *o, uint64_t v);
void file_out_varint(file_out *o, int64_t v);
/* Zeros up to a multiple of `align`. */
void file_out_pad(file_out *o, unsigned align);

static inline uint64_t file_out_pos(const file_out *o)
{
    return o->flushed + o->n;
}

/* Writes over bytes put before; the running CRC does not see it. */
void file_out_patch(file_out *o, uint64_t off, const void *p, size_t n);
/* All that was put is in the file, not yet durable. */
FER_MUST_CHECK fer_code file_out_flush(file_out *o, fer_err *err);
/* The first failure so far. */
FER_MUST_CHECK fer_code file_out_check(const file_out *o, fer_err *err);
/* Flushes, syncs, closes. */
FER_MUST_CHECK fer_code file_out_close(file_out *o, fer_err *err);
/* Closes without finishing; the file stays as it is. Fine on a closed one. */
void file_out_abort(file_out *o);

#endif

/* wal_file.c - whole blocks over zeros.
 *
 *     file   [ whole blocks | a part of one | zeros ]
 *            0                  end         there
 *
 * The part is kept, and written again, with what follows it, by the next append.
 */
#include "tsdb/wal/wal_file.h"

#include <assert.h>

#include "base/mem.h"
#include "base/zeros.h"

enum { WRITE_BYTES = 256 * 1024 }; /* one write in place: more are several */

struct wal_file {
    vfs_file *file;
    uint64_t end;
    /* ---- in place ---- */
    uint64_t ahead_bytes, bytes_max;
    uint64_t there; /* bytes of the file */
    bool ahead_failed;
    char *memory;               /* NULL before the first write */
    char *blocks;               /* in it: WRITE_BYTES, aligned */
    char part[VFS_BLOCK_BYTES]; /* of the block that end lies in */
};

fer_code wal_file_create(vfs *fs, const char *path, uint64_t ahead_bytes, uint64_t bytes_max,
                         wal_file **ret, fer_err *err)
{
    vfs_file *file;
    FER_TRY(vfs_open(fs, path, ahead_bytes == 0 ? VFS_CREATE : VFS_CREATE_DIRECT, &file, err));
    wal_file *f = fer_calloc(1, sizeof *f);
    f->file = file;
    f->ahead_bytes = ahead_bytes;
    f->bytes_max = bytes_max;
    *ret = f;
    return FER_OK;
}

void wal_file_close(wal_file *f)
{
    if (f == NULL)
        return;
    vfs_close(f->file);
    fer_free(f->memory);
    fer_free(f);
}

static uint64_t round_up(uint64_t n)
{
    return (n + VFS_BLOCK_BYTES - 1) / VFS_BLOCK_BYTES * VFS_BLOCK_BYTES;
}

static void need_blocks(wal_file *f)
{
    if (f->memory != NULL)
        return;
    f->memory = fer_alloc(WRITE_BYTES + VFS_BLOCK_BYTES);
    f->blocks = f->memory + (VFS_BLOCK_BYTES - (uintptr_t)f->memory % VFS_BLOCK_BYTES);
}

/* Writes zeros before an append that would pass the end of the file. When they cannot be written, the append tells whether
 * the disk is full, and goes on without. */
static void write_ahead(wal_file *f, uint64_t upto)
{
    if (upto <= f->there || f->ahead_failed)
        return;
    uint64_t goal = round_up(upto) + f->ahead_bytes;
    if (goal > f->bytes_max)
        goal = f->bytes_max;
    while (f->there < goal && !f->ahead_failed) {
        uint64_t left = goal - f->there;
        size_t n = left < FER_ZEROS_BYTES ? (size_t)left : FER_ZEROS_BYTES;
        f->ahead_failed = vfs_pwrite(f->file, fer_zeros(), n, f->there, NULL) != FER_OK;
        if (!f->ahead_failed)
            f->there += n;
    }
}

/* As many bytes as one write takes, in place. Returns how many. */
static fer_code append_blocks(wal_file *f, fer_str bytes, size_t *ret, fer_err *err)
{
    size_t part = (size_t)(f->end % VFS_BLOCK_BYTES);
    size_t n = bytes.n < WRITE_BYTES - part ? bytes.n : WRITE_BYTES - part;
    size_t whole = (size_t)round_up(part + n);
    memcpy(f->blocks, f->part, part);
    memcpy(f->blocks + part, bytes.p, n);
    memset(f->blocks + part + n, 0, whole - part - n);
    uint64_t begin = f->end - part;
    FER_TRY(vfs_pwrite(f->file, f->blocks, whole, begin, err));
    f->end += n;
    if (begin + whole > f->there)
        f->there = begin + whole;
    size_t rest = (size_t)(f->end % VFS_BLOCK_BYTES);
    memcpy(f->part, f->blocks + (part + n - rest), rest);
    *ret = n;
    return FER_OK;
}

fer_code wal_file_append(wal_file *f, fer_str bytes, fer_err *err)
{
    if (f->ahead_bytes == 0) {
        FER_TRY(vfs_pwrite(f->file, bytes.p, bytes.n, f->end, err));
        f->there = f->end += bytes.n;
        return FER_OK;
    }
    need_blocks(f);
    write_ahead(f, f->end + bytes.n);
    while (bytes.n != 0) {
        size_t n;
        FER_TRY(append_blocks(f, bytes, &n, err));
        bytes = str_from(bytes, n);
    }
    return FER_OK;
}

fer_code wal_file_sync(wal_file *f, fer_err *err)
{
    return vfs_sync(f->file, err);
}

fer_code wal_file_cut(wal_file *f, uint64_t size, fer_err *err)
{
    assert(size <= f->end);
    return vfs_truncate(f->file, size, err);
}

void wal_file_trim(wal_file *f)
{
    if (f->there > f->end && vfs_truncate(f->file, f->end, NULL) == FER_OK)
        f->there = f->end;
}

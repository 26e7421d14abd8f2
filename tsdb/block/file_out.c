#include "tsdb/block/file_out.h"

#include <string.h>

#include "base/crc32c.h"
#include "base/varint.h"

enum { BUF_BYTES = 64 * 1024, SETTLE_BYTES = 256 * 1024, RESERVE_BYTES = 16 * 1024 * 1024 };

fer_code file_out_open(file_out *o, vfs *fs, const char *path, fer_err *err)
{
    memset(o, 0, sizeof *o);
    FER_TRY(vfs_open(fs, path, VFS_TRUNCATE, &o->f, err));
    o->buf = fer_alloc(BUF_BYTES);
    return FER_OK;
}

static void write_at(file_out *o, const void *p, size_t n, uint64_t off)
{
    if (o->failed == FER_OK && n != 0)
        o->failed = vfs_pwrite(o->f, p, n, off, &o->err);
}

/* A long file goes to the disk as it grows, into blocks reserved ahead: the log's syncs, which go on meanwhile, would
 * otherwise wait for all of it, or for the journal to take the new blocks together with their data (docs/compaction.md). */
static void append(file_out *o, const void *p, size_t n)
{
    if (o->flushed + n > SETTLE_BYTES && o->flushed + n > o->reserved &&
        vfs_reserve(o->f, o->flushed, n + RESERVE_BYTES))
        o->reserved = o->flushed + n + RESERVE_BYTES;
    write_at(o, p, n, o->flushed);
    o->flushed += n;
    if (o->flushed - o->settled >= SETTLE_BYTES) {
        vfs_write_back(o->f, o->settled, o->flushed - o->settled);
        o->settled = o->flushed;
    }
}

static void flush(file_out *o)
{
    append(o, o->buf, o->n);
    o->n = 0;
}

void file_out_put(file_out *o, const void *p, size_t n)
{
    if (n == 0)
        return;
    o->crc = crc32c(o->crc, p, n);
    if (n > BUF_BYTES - o->n)
        flush(o);
    if (n > BUF_BYTES) {
        append(o, p, n);
        return;
    }
    memcpy(o->buf + o->n, p, n);
    o->n += n;
}

void file_out_puts(file_out *o, fer_str s)
{
    file_out_uvarint(o, s.n);
    file_out_put(o, s.p, s.n);
}

void file_out_u8(file_out *o, uint8_t v)
{
    file_out_put(o, &v, 1);
}

void file_out_be32(file_out *o, uint32_t v)
{
    uint8_t p[4];
    be32_put(p, v);
    file_out_put(o, p, sizeof p);
}

void file_out_be64(file_out *o, uint64_t v)
{
    uint8_t p[8];
    be64_put(p, v);
    file_out_put(o, p, sizeof p);
}

void file_out_uvarint(file_out *o, uint64_t v)
{
    uint8_t p[VARINT_MAX];
    file_out_put(o, p, uvarint_put(p, v));
}

void file_out_varint(file_out *o, int64_t v)
{
    uint8_t p[VARINT_MAX];
    file_out_put(o, p, varint_put(p, v));
}

void file_out_pad(file_out *o, unsigned align)
{
    while (file_out_pos(o) % align != 0)
        file_out_u8(o, 0);
}

void file_out_patch(file_out *o, uint64_t off, const void *p, size_t n)
{
    flush(o);
    write_at(o, p, n, off);
}

fer_code file_out_check(const file_out *o, fer_err *err)
{
    if (o->failed != FER_OK && err != NULL)
        *err = o->err;
    return o->failed;
}

fer_code file_out_flush(file_out *o, fer_err *err)
{
    flush(o);
    return file_out_check(o, err);
}

void file_out_abort(file_out *o)
{
    vfs_close(o->f);
    fer_free(o->buf);
    o->f = NULL;
    o->buf = NULL;
}

fer_code file_out_close(file_out *o, fer_err *err)
{
    flush(o);
    if (o->failed == FER_OK && o->reserved > o->flushed)
        o->failed = vfs_truncate(o->f, o->flushed, &o->err);
    if (o->failed == FER_OK)
        o->failed = vfs_sync(o->f, &o->err);
    file_out_abort(o);
    return file_out_check(o, err);
}

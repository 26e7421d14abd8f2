/* block_chunks.c
 *
 *    0            4      5       8
 *    +------------+------+-------+------------------+----------+-------------+----------+-----
 *    | 0x85bd40dd | 0x01 | 0 0 0 | uvarint length   | encoding | data        | CRC-32C  | next
 *    |            |      |       | of data          | u8       | length      | u32      |
 *    +------------+------+-------+------------------+----------+-------------+----------+-----
 *                                                   |<-- under the CRC ----->|
 *
 * The length is not under the checksum: a wrong one makes the checksum fail, as it then covers other bytes.
 */
#include "tsdb/block/block_chunks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/varint.h"
#include "tsdb/block/dir_file.h"
#include "tsdb/block/file_out.h"

enum { VERSION = 1, LENGTH_BYTES_MAX = 5, CRC_BYTES = 4, SEGMENTS_MAX = 1 << 20, NAME_CHARS = 20 };
#define MAGIC 0x85bd40ddU
#define SEGMENT_BYTES (sizeof(vfs_map) + sizeof(map_use))

/* ---- reading ---- */

typedef struct segment_names {
    char (*v)[NAME_CHARS + 1];
    size_t n, cap;
} segment_names;

static fer_code note_name(void *arg, const char *name)
{
    segment_names *l = arg;
    size_t n = strlen(name);
    if (n == 0 || n > NAME_CHARS || strspn(name, "0123456789") != n)
        return FER_OK;
    if (l->n == SEGMENTS_MAX)
        return FER_LIMIT;
    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 8 : l->cap * 2;
        l->v = fer_realloc(l->v, l->cap * sizeof *l->v);
    }
    memcpy(l->v[l->n++], name, n + 1);
    return FER_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static fer_code map_segments(block_chunks *c, vfs *fs, const char *dir, const segment_names *names,
                             fer_err *err)
{
    c->segments = fer_calloc(names->n == 0 ? 1 : names->n, sizeof *c->segments);
    c->uses = fer_calloc(names->n == 0 ? 1 : names->n, sizeof *c->uses);
    fer_account_force(c->acct, names->n * SEGMENT_BYTES);
    for (; c->n < names->n; c->n++) {
        vfs_map *m = &c->segments[c->n];
        FER_TRY(dir_file_map(fs, dir, names->v[c->n], m, err));
        map_use_init(&c->uses[c->n], m->n, c->acct);
    }
    return FER_OK;
}

fer_code block_chunks_open(block_chunks *c, vfs *fs, const char *dir, fer_account *acct,
                           fer_err *err)
{
    *c = (block_chunks){.acct = acct};
    segment_names names = {0};
    fer_code code = vfs_list(fs, dir, note_name, &names, err);
    if (code == FER_OK) {
        if (names.n != 0)
            qsort(names.v, names.n, sizeof *names.v, by_name);
        code = map_segments(c, fs, dir, &names, err);
        if (code != FER_OK) {
            fer_account_release(acct, (names.n - c->n) * SEGMENT_BYTES);
            block_chunks_close(c);
        }
    }
    fer_free(names.v);
    return code;
}

void block_chunks_close(block_chunks *c)
{
    for (size_t i = 0; i < c->n; i++)
        vfs_unmap(&c->segments[i]);
    for (size_t i = 0; i < c->n; i++)
        map_use_done(&c->uses[i]);
    fer_account_release(c->acct, c->n * SEGMENT_BYTES);
    fer_free(c->segments);
    fer_free(c->uses);
    *c = (block_chunks){0};
}

uint64_t block_chunks_bytes(const block_chunks *c)
{
    uint64_t n = 0;
    for (size_t i = 0; i < c->n; i++)
        n += c->segments[i].n;
    return n;
}

static fer_code damaged(uint64_t ref, const char *why, fer_err *err)
{
    return fer_fail(err, FER_CORRUPT, "chunk %06" PRIu64 " at %" PRIu64 ": %s", (ref >> 32) + 1,
                    ref & UINT32_MAX, why);
}

/* anew: the checksum is checked also of a chunk that was found right before. */
static fer_code get(const block_chunks *c, uint64_t ref, bool anew, uint8_t *ret_encoding,
                    fer_str *ret_data, fer_err *err)
{
    uint64_t segment = ref >> 32, offset = ref & UINT32_MAX;
    if (segment >= c->n)
        return damaged(ref, "there is no such segment", err);
    const vfs_map *m = &c->segments[segment];
    if (m->n < CHUNK_SEGMENT_HEADER_BYTES || be32_get(m->p) != MAGIC)
        return damaged(ref, "invalid magic number of the segment", err);
    if (m->p[4] != VERSION)
        return damaged(ref, "invalid chunk format version of the segment", err);
    if (offset < CHUNK_SEGMENT_HEADER_BYTES || offset >= m->n)
        return damaged(ref, "it lies outside its segment", err);

    fer_rd r = {m->p + offset, m->p + m->n};
    uint64_t n;
    fer_str data;
    uint8_t encoding;
    uint32_t crc;
    if (rd_uvarint(&r, &n) != FER_OK || rd_u8(&r, &encoding) != FER_OK ||
        rd_bytes(&r, n, &data) != FER_OK || rd_be32(&r, &crc) != FER_OK)
        return damaged(ref, "the segment ends inside it", err);
    map_use *use = &c->uses[segment];
    if (map_use_note(use, offset, MAP_USE_BLOCK_WINDOWS))
        vfs_forget(m);
    if (anew || !map_use_is_checked(use, offset, data.n)) {
        if (crc32c(0, data.p - 1, data.n + 1) != crc)
            return damaged(ref, "checksum mismatch", err);
        map_use_set_checked(use, offset, data.n);
    }
    *ret_encoding = encoding;
    *ret_data = data;
    return FER_OK;
}

fer_code block_chunks_get(const block_chunks *c, uint64_t ref, uint8_t *ret_encoding,
                          fer_str *ret_data, fer_err *err)
{
    return get(c, ref, false, ret_encoding, ret_data, err);
}

fer_code block_chunks_get_anew(const block_chunks *c, uint64_t ref, uint8_t *ret_encoding,
                               fer_str *ret_data, fer_err *err)
{
    return get(c, ref, true, ret_encoding, ret_data, err);
}

/* ---- writing ---- */

struct chunk_writer {
    vfs *fs;
    char dir[PATH_MAX];
    uint64_t segment_bytes;
    file_out out;      /* out.f NULL: no segment is open */
    uint64_t segments; /* begun so far */
    uint64_t base;     /* where in the segment the present series began */
    uint64_t most;     /* bytes its chunks could take, each with the longest length field */
};

fer_code chunk_writer_open(vfs *fs, const char *dir, uint64_t segment_bytes, chunk_writer **ret,
                           fer_err *err)
{
    FER_TRY(vfs_mkdir_all(fs, dir, err));
    chunk_writer *w = fer_calloc(1, sizeof *w);
    int n = snprintf(w->dir, sizeof w->dir, "%s", dir);
    if (n < 0 || (size_t)n >= sizeof w->dir) {
        fer_free(w);
        return fer_fail(err, FER_LIMIT, "%s: the path is too long", dir);
    }
    w->fs = fs;
    w->segment_bytes = segment_bytes == 0 ? CHUNK_SEGMENT_BYTES_DEFAULT : segment_bytes;
    *ret = w;
    return FER_OK;
}

static bool is_empty(const chunk_writer *w)
{
    return w->out.f == NULL || file_out_pos(&w->out) <= CHUNK_SEGMENT_HEADER_BYTES;
}

void chunk_writer_series(chunk_writer *w)
{
    w->base = is_empty(w) ? CHUNK_SEGMENT_HEADER_BYTES : file_out_pos(&w->out);
    w->most = 0;
}

static fer_code finish_segment(chunk_writer *w, fer_err *err)
{
    return w->out.f == NULL ? FER_OK : file_out_close(&w->out, err);
}

static fer_code begin_segment(chunk_writer *w, fer_err *err)
{
    char name[32], path[PATH_MAX];
    FER_TRY(finish_segment(w, err));
    snprintf(name, sizeof name, "%06" PRIu64, w->segments + 1);
    FER_TRY(dir_file_path(path, w->dir, name, err));
    FER_TRY(file_out_open(&w->out, w->fs, path, err));
    w->segments++;
    file_out_be32(&w->out, MAGIC);
    file_out_put(&w->out, (const uint8_t[]){VERSION, 0, 0, 0}, 4);
    return FER_OK;
}

fer_code chunk_writer_add(chunk_writer *w, uint8_t encoding, fer_str data, uint64_t *ret_ref,
                          fer_err *err)
{
    if (data.n > CHUNK_BYTES_MAX)
        return fer_fail(err, FER_LIMIT, "a chunk of %zu bytes", data.n);
    uint64_t most = LENGTH_BYTES_MAX + 1 + data.n + CRC_BYTES;
    w->most += most;
    if (w->out.f == NULL) {
        FER_TRY(begin_segment(w, err));
    } else if (w->base + w->most > w->segment_bytes && !is_empty(w)) {
        FER_TRY(begin_segment(w, err));
        w->base = CHUNK_SEGMENT_HEADER_BYTES;
        w->most = most;
    }
    if (file_out_pos(&w->out) > UINT32_MAX)
        return fer_fail(err, FER_LIMIT, "a chunk segment beyond 4 GiB");
    *ret_ref = (w->segments - 1) << 32 | file_out_pos(&w->out);
    file_out_uvarint(&w->out, data.n);
    w->out.crc = 0;
    file_out_u8(&w->out, encoding);
    file_out_put(&w->out, data.p, data.n);
    file_out_be32(&w->out, w->out.crc);
    return file_out_check(&w->out, err);
}

fer_code chunk_writer_close(chunk_writer *w, fer_err *err)
{
    fer_code code = finish_segment(w, err);
    if (code == FER_OK)
        code = vfs_sync_dir(w->fs, w->dir, err);
    chunk_writer_abort(w);
    return code;
}

void chunk_writer_abort(chunk_writer *w)
{
    if (w == NULL)
        return;
    if (w->out.f != NULL)
        file_out_abort(&w->out);
    fer_free(w);
}

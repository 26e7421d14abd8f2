/* The input is a file of chunks_head, by its first byte as it is or with the checksums put right where a chunk could
 * lie. Chunks and damages come in order, do not overlap and cover the file but for zeros at its end; what was
 * found, written anew, is found again. */
#include "tsdb/head/chunks_head_file.h"

#include <assert.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/varint.h"
#include "base/vfs_fault.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIXED_BYTES = 25 };

typedef struct seen {
    fer_str file;
    uint64_t at; /* where the next chunk or damage may begin */
    size_t n, damages;
    uint64_t sum;
    file_out *out; /* NULL: nothing is written */
} seen;

static void add(seen *s, uint64_t v)
{
    s->sum = (s->sum ^ v) * 0x100000001b3;
}

static void see_chunk(void *arg, const head_chunk *c)
{
    seen *s = arg;
    size_t around = FIXED_BYTES + uvarint_size(c->data.n);
    assert(c->data.p == s->file.p + c->offset);
    assert(c->offset >= s->at + around && c->offset + c->data.n + 4 <= s->file.n);
    assert(c->encoding < 0x80);
    s->at = c->offset + c->data.n + 4;
    s->n++;
    add(s, c->series);
    add(s, (uint64_t)c->mint);
    add(s, (uint64_t)c->maxt);
    add(s, c->encoding | (uint64_t)c->out_of_order << 8);
    add(s, c->data.n);
    add(s, crc32c(0, c->data.p, c->data.n));
    if (s->out != NULL)
        head_file_put(s->out, c);
}

static void see_damage(void *arg, const head_file_damage *d)
{
    seen *s = arg;
    assert(d->why != NULL && d->why[0] != '\0');
    assert(d->offset >= (s->at == HEAD_FILE_HEADER_BYTES ? 0 : s->at));
    assert(d->offset + d->lost_bytes <= s->file.n);
    s->at = d->offset + d->lost_bytes;
    s->damages++;
}

static seen scan(fer_str file, file_out *out)
{
    seen s = {.file = file, .at = HEAD_FILE_HEADER_BYTES, .out = out};
    head_file_visitor v = {&s, see_chunk, see_damage};
    head_file_scan(file, &v);
    for (uint64_t i = s.at; i < file.n; i++)
        assert(file.p[i] == 0);
    return s;
}

static void write_anew(fer_str file)
{
    fer_err err;
    vfs_fault *f = vfs_fault_new(NULL);
    file_out out;
    fer_code code = file_out_open(&out, vfs_fault_fs(f), "/f", &err);
    assert(code == FER_OK);
    head_file_begin(&out);
    seen first = scan(file, &out);
    code = file_out_close(&out, &err);
    assert(code == FER_OK);

    fer_arena *a = fer_arena_new(NULL, 0);
    fer_str bytes;
    code = vfs_read_all(vfs_fault_fs(f), "/f", SIZE_MAX, a, &bytes, &err);
    assert(code == FER_OK);
    seen second = scan(bytes, NULL);
    /* A chunk of zeros alone, or of less than Prometheus believes in, ends a file. */
    if (second.n == first.n)
        assert(second.sum == first.sum && second.damages == 0);
    else
        assert(second.n < first.n);
    fer_arena_free(a);
    vfs_fault_free(f);
}

static void fix_checksums(uint8_t *p, size_t n)
{
    fer_rd r = {p + HEAD_FILE_HEADER_BYTES, p + n};
    while (rd_left(&r) > FIXED_BYTES) {
        uint8_t *begin = p + (size_t)(r.p - p);
        uint64_t len;
        r.p += FIXED_BYTES;
        if (rd_uvarint(&r, &len) != FER_OK || rd_left(&r) < 4 || len > rd_left(&r) - 4)
            return;
        r.p += len;
        be32_put(p + (size_t)(r.p - p), crc32c(0, begin, (size_t)(r.p - begin)));
        r.p += 4;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    bool fix = data[0] % 2 == 1;
    data++;
    size--;
    uint8_t *copy = fer_alloc(size + 1);
    memcpy(copy, data, size);
    if (fix && size > HEAD_FILE_HEADER_BYTES)
        fix_checksums(copy, size);
    write_anew((fer_str){(const char *)copy, size});
    fer_free(copy);
    return 0;
}

/* The input is a chunk segment, by its first byte as it is or with the checksums of the chunks it seems to hold put right.
 * Every offset is asked for: a chunk that is given lies inside the segment and passes its checksum; XOR chunks
 * are decoded. */
#include "tsdb/block/block_chunks.h"

#include <assert.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/varint.h"
#include "base/vfs_fault.h"
#include "tsdb/block/file_out.h"
#include "tsdb/chunk/chunk_xor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fix_checksums(uint8_t *p, size_t n)
{
    fer_rd r = {p + CHUNK_SEGMENT_HEADER_BYTES, p + n};
    uint64_t len;
    while (rd_uvarint(&r, &len) == FER_OK && rd_left(&r) >= 5 && len <= rd_left(&r) - 5) {
        size_t at = (size_t)(r.p - p);
        be32_put(p + at + 1 + len, crc32c(0, p + at, len + 1));
        r.p += 1 + len + 4;
    }
}

static void read_chunk(const block_chunks *c, uint64_t ref, fer_str file)
{
    uint8_t encoding;
    fer_str got;
    fer_err err = {0};
    fer_code code = block_chunks_get(c, ref, &encoding, &got, &err);
    assert(code == FER_OK || (code == FER_CORRUPT && err.msg[0] != '\0'));
    if (code != FER_OK)
        return;
    size_t at = (size_t)(got.p - (const char *)c->segments[0].p);
    assert(at > ref && at + got.n + 4 <= file.n);
    assert(memcmp(file.p + at, got.p, got.n) == 0);
    if (encoding != CHUNK_XOR)
        return;
    samples s;
    samples_init(&s, NULL);
    code = xor_decode(got, 0, INT64_MIN, INT64_MAX, &s);
    assert(code == FER_OK || code == FER_CORRUPT);
    samples_done(&s);
}

static void write_file(vfs *fs, fer_str bytes)
{
    file_out o;
    fer_code code = vfs_mkdir_all(fs, "/chunks", NULL);
    assert(code == FER_OK);
    code = file_out_open(&o, fs, "/chunks/000001", NULL);
    assert(code == FER_OK);
    file_out_put(&o, bytes.p, bytes.n);
    code = file_out_close(&o, NULL);
    assert(code == FER_OK);
    (void)code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    bool fix = data[0] % 2 == 1;
    size--;
    uint8_t *copy = fer_alloc(size + 1);
    memcpy(copy, data + 1, size);
    if (fix && size > CHUNK_SEGMENT_HEADER_BYTES)
        fix_checksums(copy, size);
    fer_str file = {(const char *)copy, size};
    vfs_fault *f = vfs_fault_new(NULL);
    write_file(vfs_fault_fs(f), file);
    block_chunks c;
    fer_code code = block_chunks_open(&c, vfs_fault_fs(f), "/chunks", NULL, NULL);
    assert(code == FER_OK);
    for (uint64_t ref = 0; ref <= size; ref++)
        read_chunk(&c, ref, file);
    block_chunks_close(&c);
    vfs_fault_free(f);
    fer_free(copy);
    return 0;
}

/* The input is an index, by its first byte as it is or with every checksum put right that its table of contents leads to.
 * All of it is asked for: names, values, postings, the series at every ref near, their labels, symbols and chunks.
 * Nothing is read outside the file; lists ascend; what a name's values are is found again one by one. */
#include "tsdb/block/block_index.h"

#include <assert.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/varint.h"
#include "base/vfs_fault.h"
#include "tsdb/block/file_out.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TOC_BYTES = 52, SYMBOLS_MAX = 1 << 12 };

/* ---- putting checksums right ---- */

/* Of a section that begins with a u32 length; returns where it ends, 0 when it does not fit. */
static size_t fix_section(uint8_t *p, size_t n, uint64_t at)
{
    if (at > n || n - at < 8)
        return 0;
    uint64_t len = be32_get(p + at);
    if (len > n - at - 8)
        return 0;
    be32_put(p + at + 4 + len, crc32c(0, p + at + 4, len));
    return (size_t)(at + len + 8);
}

static void fix_series(uint8_t *p, size_t n, uint64_t at, uint64_t end)
{
    for (at = (at + 15) / 16 * 16; at < end && at < n; at = (at + 15) / 16 * 16) {
        fer_rd r = {p + at, p + n};
        uint64_t len;
        if (rd_uvarint(&r, &len) != FER_OK || rd_left(&r) < 4 || len > rd_left(&r) - 4)
            return;
        size_t body = (size_t)(r.p - p);
        be32_put(p + body + len, crc32c(0, p + body, len));
        at = body + len + 4;
    }
}

static void fix_checksums(uint8_t *p, size_t n)
{
    if (n < TOC_BYTES)
        return;
    uint8_t *toc = p + n - TOC_BYTES;
    uint64_t series = be64_get(toc + 8), series_end = be64_get(toc + 16);
    uint64_t postings = be64_get(toc + 32), table = be64_get(toc + 40);
    be32_put(toc + TOC_BYTES - 4, crc32c(0, toc, TOC_BYTES - 4));
    n -= TOC_BYTES;
    fix_section(p, n, be64_get(toc));
    fix_series(p, n, series, series_end);
    for (uint64_t at = postings; at < table && at < n;) {
        at = fix_section(p, n, (at + 3) / 4 * 4);
        if (at == 0)
            break;
    }
    fix_section(p, n, table);
}

/* ---- asking ---- */

static void ask_series(const block_index *x, uint64_t ref)
{
    index_series s;
    fer_err err = {0};
    fer_code code = block_index_series(x, ref, &s, &err);
    assert(code == FER_OK || err.msg[0] != '\0');
    if (code != FER_OK)
        return;
    uint32_t name, value;
    fer_str text;
    while ((code = index_series_label(&s, &name, &value)) == FER_OK) {
        code = block_symbols_text(&x->symbols, name, &text);
        if (code == FER_OK)
            assert(text.p >= (const char *)x->map.p &&
                   text.p + text.n <= (const char *)x->map.p + x->map.n);
        code = block_symbols_text(&x->symbols, value, &text);
        assert(code == FER_OK || code == FER_CORRUPT || code == FER_NOTFOUND);
    }
    assert(code == FER_END || code == FER_CORRUPT);
    index_chunk c;
    while ((code = index_series_chunk(&s, &c)) == FER_OK)
        ;
    assert(code == FER_END || code == FER_CORRUPT);
}

static void ask_postings(const block_index *x, uint64_t off)
{
    index_postings l;
    fer_err err = {0};
    if (block_index_postings(x, off, &l, &err) != FER_OK) {
        assert(err.msg[0] != '\0');
        return;
    }
    assert(l.n == 0 || (l.p >= x->map.p && l.p + 4 * (size_t)l.n <= x->map.p + x->map.n));
    for (uint32_t i = 0; i < l.n && i < SYMBOLS_MAX; i++)
        ask_series(x, be32_get(l.p + 4 * (size_t)i));
}

static void ask_name(const block_index *x, size_t i)
{
    assert(block_index_name(x, x->names[i].text) == i);
    index_values v;
    index_values_begin(&v, x, i);
    fer_str value;
    uint64_t off, found;
    fer_code code;
    while ((code = index_values_next(&v, &value, &off)) == FER_OK) {
        code = block_index_value(x, i, value, &found);
        assert(code == FER_OK); /* not always off: the table may have a value twice */
        ask_postings(x, off);
    }
    assert(code == FER_END || code == FER_CORRUPT);
}

static void write_file(vfs *fs, fer_str bytes)
{
    file_out o;
    fer_code code = file_out_open(&o, fs, "/index", NULL);
    assert(code == FER_OK);
    file_out_put(&o, bytes.p, bytes.n);
    code = file_out_close(&o, NULL);
    assert(code == FER_OK);
    (void)code;
}

static void ask_all(vfs *fs, size_t size)
{
    block_index x;
    fer_err err = {0};
    fer_code code = block_index_open(&x, fs, "/", NULL, &err);
    assert(code == FER_OK || err.msg[0] != '\0');
    if (code != FER_OK)
        return;
    for (size_t i = 0; i < x.n_names; i++)
        ask_name(&x, i);
    if (x.all != 0)
        ask_postings(&x, x.all);
    for (uint64_t ref = 0; ref <= size / 16 + 1; ref++)
        ask_series(&x, ref);
    block_index_close(&x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    bool fix = data[0] % 2 == 1;
    size--;
    uint8_t *copy = fer_alloc(size + 1);
    memcpy(copy, data + 1, size);
    if (fix)
        fix_checksums(copy, size);
    vfs_fault *f = vfs_fault_new(NULL);
    write_file(vfs_fault_fs(f), (fer_str){(const char *)copy, size});
    ask_all(vfs_fault_fs(f), size);
    vfs_fault_free(f);
    fer_free(copy);
    return 0;
}

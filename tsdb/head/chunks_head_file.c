/* chunks_head_file.c
 *
 *    0            4      5       8
 *    +------------+------+-------+------------+------+------+----------+----------------+------+--------+-----
 *    | 0x0130bc91 | 0x01 | 0 0 0 | series ref | mint | maxt | encoding | uvarint length | data | CRC-32C | next
 *    |            |      |       | u64        | i64  | i64  | u8       | of data        |      | u32    |
 *    +------------+------+-------+------------+------+------+----------+----------------+------+--------+-----
 *                                |<--------------------- under the CRC ----------------------->|
 *
 * A file ends with its last chunk or with zeros. Bit 7 of the encoding marks a chunk of out-of-order samples.
 */
#include "tsdb/head/chunks_head_file.h"

#include "base/crc32c.h"
#include "base/varint.h"

enum { VERSION = 1, OUT_OF_ORDER = 0x80, FIXED_BYTES = 8 + 8 + 8 + 1, CRC_BYTES = 4 };
#define MAGIC 0x0130bc91U

/* ---- reading ---- */

static bool all_zero(const uint8_t *p, size_t n)
{
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++)
        any |= p[i];
    return any == 0;
}

/* Takes one chunk off the reader. FER_END where the file ends; FER_CORRUPT with *why: then r stands behind
 * the chunk if its length is possible, else where it was. */
static fer_code next_chunk(fer_rd *r, const uint8_t *base, head_chunk *ret, const char **why)
{
    const uint8_t *begin = r->p;
    if (rd_left(r) < HEAD_CHUNK_AROUND_MAX ||
        (be64_get(begin) | be64_get(begin + 8) | be64_get(begin + 16)) == 0) {
        *why = "bytes behind the last chunk";
        return all_zero(begin, rd_left(r)) ? FER_END : FER_CORRUPT;
    }
    uint8_t encoding = begin[24];
    *ret = (head_chunk){.series = be64_get(begin),
                        .mint = (int64_t)be64_get(begin + 8),
                        .maxt = (int64_t)be64_get(begin + 16),
                        .encoding = encoding & (OUT_OF_ORDER - 1),
                        .out_of_order = (encoding & OUT_OF_ORDER) != 0};
    fer_rd after = {begin + FIXED_BYTES, r->end};
    uint64_t n;
    uint32_t crc;
    *why = "the file ends inside the chunk";
    if (rd_uvarint(&after, &n) != FER_OK || rd_bytes(&after, n, &ret->data) != FER_OK ||
        rd_be32(&after, &crc) != FER_OK)
        return FER_CORRUPT;
    ret->offset = (uint32_t)((const uint8_t *)ret->data.p - base);
    r->p = after.p;
    *why = "checksum mismatch";
    return crc32c(0, begin, (size_t)(after.p - begin) - CRC_BYTES) == crc ? FER_OK : FER_CORRUPT;
}

static const char *header_fault(fer_str file)
{
    const uint8_t *p = (const uint8_t *)file.p;
    if (file.n < HEAD_FILE_HEADER_BYTES)
        return "the file ends inside its header";
    if (be32_get(p) != MAGIC)
        return "invalid magic number";
    return p[4] == VERSION ? NULL : "invalid format version";
}

static void tell(const head_file_visitor *v, const uint8_t *base, const uint8_t *from,
                 const uint8_t *to, const char *why)
{
    v->damage(v->arg, &(head_file_damage){(uint64_t)(from - base), (uint64_t)(to - from), why});
}

void head_file_scan(fer_str file, const head_file_visitor *v)
{
    const uint8_t *base = (const uint8_t *)file.p;
    const char *why = header_fault(file);
    if (why != NULL) {
        tell(v, base, base, base + file.n, why);
        return;
    }
    fer_rd r = {base + HEAD_FILE_HEADER_BYTES, base + file.n};
    const uint8_t *bad =
        NULL; /* a chunk that failed its checksum, and what follows is not known to be one */
    for (;;) {
        const uint8_t *begin = r.p;
        const char *now;
        head_chunk c;
        fer_code code = next_chunk(&r, base, &c, &now);
        if (code == FER_CORRUPT && (bad != NULL || r.p == begin)) {
            tell(v, base, bad != NULL ? bad : begin, r.end, bad != NULL ? why : now);
            return;
        }
        if (code == FER_CORRUPT) {
            bad = begin;
            why = now;
            continue;
        }
        if (bad != NULL)
            tell(v, base, bad, begin, why);
        bad = NULL;
        if (code == FER_END)
            return;
        v->chunk(v->arg, &c);
    }
}

bool head_file_is_unborn(fer_str file)
{
    size_t n = file.n < 4 ? file.n : 4;
    return file.n < 4 || all_zero((const uint8_t *)file.p, n);
}

bool head_file_check(fer_str file, uint32_t offset, uint32_t n)
{
    uint64_t around = FIXED_BYTES + uvarint_size(n);
    if (offset < HEAD_FILE_HEADER_BYTES + around || (uint64_t)offset + n + CRC_BYTES > file.n)
        return false;
    const uint8_t *data = (const uint8_t *)file.p + offset;
    return crc32c(0, data - around, around + n) == be32_get(data + n);
}

/* ---- writing ---- */

void head_file_begin(file_out *o)
{
    file_out_be32(o, MAGIC);
    file_out_put(o, (const uint8_t[]){VERSION, 0, 0, 0}, 4);
}

uint64_t head_chunk_size(size_t data_bytes)
{
    return FIXED_BYTES + uvarint_size(data_bytes) + data_bytes + CRC_BYTES;
}

uint32_t head_chunk_before(size_t data_bytes)
{
    return (uint32_t)(FIXED_BYTES + uvarint_size(data_bytes));
}

uint32_t head_file_put(file_out *o, const head_chunk *c)
{
    o->crc = 0;
    file_out_be64(o, c->series);
    file_out_be64(o, (uint64_t)c->mint);
    file_out_be64(o, (uint64_t)c->maxt);
    file_out_u8(o, c->out_of_order ? c->encoding | OUT_OF_ORDER : c->encoding);
    file_out_uvarint(o, c->data.n);
    uint32_t offset = (uint32_t)file_out_pos(o);
    file_out_put(o, c->data.p, c->data.n);
    file_out_be32(o, o->crc);
    return offset;
}

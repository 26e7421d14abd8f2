/* tombstones.c
 *
 *    0            4        5                                      n-4
 *    +------------+--------+--------------------------------------+----------+
 *    | 0x0130ba30 | 0x01   | { uvarint ref, varint mint, maxt }.. | CRC-32C  |
 *    +------------+--------+--------------------------------------+----------+
 *                          |<------- the checksum is over these ->|
 */
#include "tsdb/block/tombstones.h"

#include <stdlib.h>

#include "base/crc32c.h"
#include "base/varint.h"
#include "tsdb/block/dir_file.h"

enum { VERSION = 1, HEAD_BYTES = 5, CRC_BYTES = 4, FILE_BYTES_MAX = 1 << 30 };
#define MAGIC 0x0130ba30U

void tombstones_init(tombstones *t, fer_account *acct)
{
    *t = (tombstones){.acct = acct};
}

void tombstones_done(tombstones *t)
{
    fer_account_release(t->acct, t->cap * sizeof *t->v);
    fer_free(t->v);
    *t = (tombstones){.acct = t->acct};
}

void tombstones_add(tombstones *t, uint64_t ref, int64_t mint, int64_t maxt)
{
    if (t->n == t->cap) {
        size_t cap = t->cap == 0 ? 16 : t->cap * 2;
        t->v = fer_realloc(t->v, cap * sizeof *t->v);
        fer_account_force(t->acct, (cap - t->cap) * sizeof *t->v);
        t->cap = cap;
    }
    t->v[t->n++] = (tombstone){ref, mint, maxt};
}

void tombstones_add_all(tombstones *t, const tombstone *more, size_t n)
{
    for (size_t i = 0; i < n; i++)
        tombstones_add(t, more[i].ref, more[i].mint, more[i].maxt);
}

static int by_ref_and_time(const void *a, const void *b)
{
    const tombstone *x = a, *y = b;
    if (x->ref != y->ref)
        return x->ref < y->ref ? -1 : 1;
    return (x->mint > y->mint) - (x->mint < y->mint);
}

void tombstones_sort(tombstones *t)
{
    if (t->n < 2)
        return;
    qsort(t->v, t->n, sizeof *t->v, by_ref_and_time);
    size_t n = 1;
    for (size_t i = 1; i < t->n; i++) {
        tombstone *last = &t->v[n - 1];
        const tombstone *next = &t->v[i];
        bool touches = last->maxt == INT64_MAX || next->mint <= last->maxt + 1;
        if (next->ref != last->ref || !touches)
            t->v[n++] = *next;
        else if (next->maxt > last->maxt)
            last->maxt = next->maxt;
    }
    t->n = n;
}

const tombstone *tombstones_of(const tombstones *t, uint64_t ref, size_t *ret_n)
{
    size_t lo = 0, hi = t->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (t->v[mid].ref < ref)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (hi = lo; hi < t->n && t->v[hi].ref == ref;)
        hi++;
    *ret_n = hi - lo;
    return hi == lo ? NULL : &t->v[lo];
}

bool tombstones_cover(const tombstone *v, size_t n, int64_t mint, int64_t maxt)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].mint <= mint && maxt <= v[i].maxt)
            return true;
    return false;
}

bool tombstones_touch(const tombstone *v, size_t n, int64_t mint, int64_t maxt)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].mint <= maxt && mint <= v[i].maxt)
            return true;
    return false;
}

void tombstones_apply(const tombstone *v, size_t n, samples *s, size_t from)
{
    for (size_t i = 0; i < n; i++) {
        size_t a = from;
        while (a < s->n && s->t[a] < v[i].mint)
            a++;
        size_t b = a;
        while (b < s->n && s->t[b] <= v[i].maxt)
            b++;
        samples_remove(s, a, b);
        from = a;
    }
}

/* ---- bytes ---- */

static fer_code parse_stones(tombstones *t, fer_str stones, fer_err *err)
{
    fer_rd r = rd_of(stones);
    while (rd_left(&r) != 0) {
        uint64_t ref;
        int64_t mint, maxt;
        if (rd_uvarint(&r, &ref) != FER_OK || rd_varint(&r, &mint) != FER_OK ||
            rd_varint(&r, &maxt) != FER_OK)
            return fer_fail(err, FER_CORRUPT, "tombstones: an entry does not decode");
        if (mint <= maxt)
            tombstones_add(t, ref, mint, maxt);
    }
    return FER_OK;
}

fer_code tombstones_parse(tombstones *t, fer_str bytes, fer_err *err)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    if (bytes.n < HEAD_BYTES + CRC_BYTES)
        return fer_fail(err, FER_CORRUPT, "tombstones: %zu bytes are too few", bytes.n);
    if (be32_get(p) != MAGIC)
        return fer_fail(err, FER_CORRUPT, "tombstones: invalid magic number %x",
                        (unsigned)be32_get(p));
    if (p[4] != VERSION)
        return fer_fail(err, FER_CORRUPT, "tombstones: invalid format %x", (unsigned)p[4]);
    fer_str stones = {bytes.p + HEAD_BYTES, bytes.n - HEAD_BYTES - CRC_BYTES};
    if (crc32c(0, stones.p, stones.n) != be32_get(p + bytes.n - CRC_BYTES))
        return fer_fail(err, FER_CORRUPT, "tombstones: checksum did not match");
    size_t had = t->n;
    fer_code code = parse_stones(t, stones, err);
    if (code != FER_OK)
        t->n = had;
    tombstones_sort(t);
    return code;
}

void tombstones_print(fer_buf *out, const tombstones *t)
{
    uint8_t head[HEAD_BYTES], crc[CRC_BYTES], v[3 * VARINT_MAX];
    be32_put(head, MAGIC);
    head[4] = VERSION;
    fer_buf_put(out, head, sizeof head);
    size_t begin = out->n;
    for (size_t i = 0; i < t->n; i++) {
        size_t n = uvarint_put(v, t->v[i].ref);
        n += varint_put(v + n, t->v[i].mint);
        n += varint_put(v + n, t->v[i].maxt);
        fer_buf_put(out, v, n);
    }
    be32_put(crc, out->full ? 0 : crc32c(0, out->p + begin, out->n - begin));
    fer_buf_put(out, crc, sizeof crc);
}

/* ---- files ---- */

fer_code tombstones_load(tombstones *t, vfs *fs, const char *dir, fer_err *err)
{
    vfs_map map;
    fer_code code = dir_file_map(fs, dir, "tombstones", &map, err);
    if (code == FER_NOTFOUND)
        return FER_OK;
    FER_TRY(code);
    code = tombstones_parse(t, (fer_str){(const char *)map.p, map.n}, err);
    vfs_unmap(&map);
    return code;
}

fer_code tombstones_store(const tombstones *t, vfs *fs, const char *dir, fer_err *err)
{
    fer_buf bytes;
    fer_buf_init(&bytes, FILE_BYTES_MAX, NULL);
    tombstones_print(&bytes, t);
    fer_code code = bytes.full ? fer_fail(err, FER_LIMIT, "tombstones would be too long")
                               : dir_file_replace(fs, dir, "tombstones", fer_buf_str(&bytes), err);
    fer_buf_done(&bytes);
    return code;
}

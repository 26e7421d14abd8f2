/* wal_read.c - from pages to records, around whatever is damaged.
 *
 * A segment is a run of 32 KiB pages. A record is cut into fragments (wal_frame.h), none of which
 * crosses a page; a fragment that does not end its record fills its page. Records never cross
 * segments. Fewer than 7 bytes at the end of a page are unused. A short last page counts as filled up
 * with zeros, and pages of zeros may follow the last record.
 *
 * Recovery. Whatever breaks these rules ends its page: reading goes on with the first record that
 * begins on a later page. The range in between is told as one damage, the record that was being put
 * together included. So a damaged byte costs at most the records that touch its page, and never makes
 * a wrong one:
 *   - data and length are under the checksum, or lead to a fragment that is;
 *   - the type byte is not. One flipped bit of it makes a kind that does not exist, padding that is
 *     not zero, a fragment that should fill its page and does not, or one out of order. It is for the
 *     last that an out-of-order fragment is not believed itself, and its page is left: a middle
 *     fragment turned into a whole one has a good checksum;
 *   - a flipped bit for the compression makes a record that does not decompress, or a compressed one
 *     that passes as plain. Those begin with the uncompressed length (snappy) or 0x28 (zstd), where a
 *     record has its type; no type is above 13, and nothing of 13 bytes gets smaller by snappy.
 * A record that does not decompress is lost alone, for its fragments were good.
 *
 * When nothing follows a damage in its segment it is called torn: the writer was killed, or the power
 * went, before the write was whole, unless it was a later damage to the very end.
 */
#include "tsdb/wal/wal_scan.h"

#include <assert.h>
#include <snappy-c.h>
#include <stdio.h>
#include <zstd.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/unsnappy.h"
#include "base/varint.h"
#include "tsdb/wal/wal_frame.h"

struct wal_scan {
    wal_record_fn fn;
    wal_damage_fn damage;
    void *arg;

    uint64_t segment;
    const char *path;
    uint64_t at; /* offset of the page to come */

    /* the record being put together from fragments */
    bool joining;
    uint8_t packed; /* FRAME_PACKED bits of its first fragment */
    uint64_t joined_at;
    fer_buf joined;

    bool hurt; /* since range.offset nothing could be read */
    wal_damage range;

    fer_buf plain; /* the record, decompressed */
    ZSTD_DCtx *zstd;
};

typedef struct fragment {
    uint8_t kind, packed;
    uint64_t offset;
    fer_str data;
} fragment;

wal_scan *wal_scan_new(wal_record_fn fn, wal_damage_fn damage, void *arg)
{
    wal_scan *s = fer_calloc(1, sizeof *s);
    s->fn = fn;
    s->damage = damage;
    s->arg = arg;
    fer_buf_init(&s->joined, WAL_RECORD_BYTES_MAX, NULL);
    fer_buf_init(&s->plain, WAL_RECORD_BYTES_MAX, NULL);
    return s;
}

void wal_scan_free(wal_scan *s)
{
    if (s == NULL)
        return;
    ZSTD_freeDCtx(s->zstd);
    fer_buf_done(&s->joined);
    fer_buf_done(&s->plain);
    fer_free(s);
}

/* ---- damage ---- */

void wal_scan_tell(wal_scan *s, const wal_damage *d)
{
    if (s->damage != NULL)
        s->damage(s->arg, d);
}

static wal_damage damage_at(const wal_scan *s, uint64_t offset, const char *why)
{
    wal_damage d = {.path = s->path, .segment = s->segment, .offset = offset};
    snprintf(d.why, sizeof d.why, "%s", why);
    return d;
}

/* Something at `offset` cannot be believed; with it goes the record being put together. */
static void hurt_at(wal_scan *s, uint64_t offset, const char *why)
{
    if (!s->hurt)
        s->range = damage_at(s, s->joining ? s->joined_at : offset, why);
    s->hurt = true;
    s->joining = false;
}

/* Reading goes on, or the segment ends, at `offset`. */
static void hurt_until(wal_scan *s, uint64_t offset, bool torn)
{
    if (!s->hurt)
        return;
    s->hurt = false;
    s->range.lost_bytes = offset - s->range.offset;
    s->range.torn = torn;
    wal_scan_tell(s, &s->range);
}

/* ---- whole records ---- */

static bool unpack_snappy(wal_scan *s, fer_str rec)
{
    /* The densest element, a copy, makes at most 64 bytes of 3: a longer claim is a lie. */
    size_t n;
    if (snappy_uncompressed_length(rec.p, rec.n, &n) != SNAPPY_OK || n > WAL_RECORD_BYTES_MAX ||
        n / 22 > rec.n)
        return false;
    char *room = fer_buf_room(&s->plain, n + 1);
    if (room == NULL || !unsnappy(rec, room, n))
        return false;
    s->plain.n = n;
    return true;
}

/* One frame, whose length need not be told beforehand; memory grows with what comes out. */
static bool unpack_zstd(wal_scan *s, fer_str rec)
{
    if (s->zstd == NULL && (s->zstd = ZSTD_createDCtx()) == NULL)
        return false;
    ZSTD_DCtx_reset(s->zstd, ZSTD_reset_session_only);
    ZSTD_inBuffer in = {rec.p, rec.n, 0};
    size_t step = 64 * 1024;
    for (;;) {
        char *room = fer_buf_room(&s->plain, step);
        if (room == NULL)
            return false;
        ZSTD_outBuffer out = {room, s->plain.cap - s->plain.n, 0};
        size_t left = ZSTD_decompressStream(s->zstd, &out, &in);
        s->plain.n += out.pos;
        if (ZSTD_isError(left))
            return false;
        if (left == 0)
            return in.pos == in.size;
        if (in.pos == in.size && out.pos < out.size)
            return false; /* the frame goes on and the record does not */
    }
}

static fer_code deliver(wal_scan *s, uint8_t packed, uint64_t offset, fer_str rec, uint64_t end)
{
    if (packed != 0) {
        fer_buf_clear(&s->plain);
        bool ok = packed == FRAME_SNAPPY ? unpack_snappy(s, rec) : unpack_zstd(s, rec);
        if (!ok) {
            wal_damage d = damage_at(s, offset, "record does not decompress");
            d.lost_bytes = end - offset;
            wal_scan_tell(s, &d);
            return FER_OK;
        }
        rec = fer_buf_str(&s->plain);
    }
    return s->fn(s->arg, s->segment, offset, rec);
}

/* ---- fragments ---- */

static bool is_zero(const uint8_t *p, size_t n)
{
    return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/* The fragment at page[i]; NULL, or what is wrong with it. kind is FRAME_PADDING when nothing follows
 * on the page. */
static const char *parse_fragment(const uint8_t *page, size_t n, size_t i, fragment *ret)
{
    const uint8_t *p = page + i;
    ret->kind = p[0] & FRAME_KIND;
    ret->packed = p[0] & FRAME_PACKED;
    if (p[0] == FRAME_PADDING)
        return is_zero(p, n - i) ? NULL : "bytes other than zero in the padding of a page";
    if (n - i < WAL_HEADER_BYTES)
        return "fragment is cut short";
    size_t length = be16_get(p + 1);
    bool ends_record = ret->kind == FRAME_WHOLE || ret->kind == FRAME_LAST;
    size_t room = WAL_PAGE_BYTES - i - WAL_HEADER_BYTES;
    if ((p[0] & ~(FRAME_KIND | FRAME_PACKED)) != 0 || ret->kind > FRAME_LAST ||
        ret->kind == FRAME_PADDING || ret->packed == FRAME_PACKED)
        return "no such type of fragment";
    if (length > room)
        return "fragment is longer than its page";
    if (length > n - i - WAL_HEADER_BYTES)
        return "fragment is cut short";
    if (crc32c(0, p + WAL_HEADER_BYTES, length) != be32_get(p + 3))
        return "checksum of a fragment does not match";
    if (!ends_record && length != room)
        return "record goes on before the end of the page";
    ret->data = (fer_str){(const char *)p + WAL_HEADER_BYTES, length};
    return NULL;
}

static void begin_join(wal_scan *s, const fragment *f)
{
    s->joining = true;
    s->joined_at = f->offset;
    s->packed = f->packed;
    fer_buf_clear(&s->joined);
    fer_buf_puts(&s->joined, f->data);
}

/* A middle or last fragment. Sets *why if it has no place here. */
static fer_code go_on_join(wal_scan *s, const fragment *f, const char **why)
{
    if (!s->joining) {
        *why = s->hurt ? NULL : "record without its beginning";
        return FER_OK;
    }
    if (f->packed != s->packed) {
        *why = "fragments of a record differ in compression";
        return FER_OK;
    }
    fer_buf_puts(&s->joined, f->data);
    if (s->joined.full) {
        *why = "record is too long";
        return FER_OK;
    }
    if (f->kind == FRAME_MIDDLE)
        return FER_OK;
    s->joining = false;
    return deliver(s, s->packed, s->joined_at, fer_buf_str(&s->joined),
                   f->offset + WAL_HEADER_BYTES + f->data.n);
}

/* Sets *why if the fragment cannot be believed. */
static fer_code take_fragment(wal_scan *s, const fragment *f, const char **why)
{
    *why = NULL;
    if (f->kind == FRAME_MIDDLE || f->kind == FRAME_LAST)
        return go_on_join(s, f, why);
    if (s->joining) {
        *why = "record without its end";
        return FER_OK;
    }
    hurt_until(s, f->offset, false);
    if (f->kind == FRAME_WHOLE)
        return deliver(s, f->packed, f->offset, f->data, f->offset + WAL_HEADER_BYTES + f->data.n);
    begin_join(s, f);
    return FER_OK;
}

/* ---- the scan ---- */

void wal_scan_begin(wal_scan *s, uint64_t segment, const char *path)
{
    s->segment = segment;
    s->path = path;
    s->at = 0;
    s->joining = s->hurt = false;
}

fer_code wal_scan_page(wal_scan *s, const uint8_t *page, size_t n)
{
    assert(n <= WAL_PAGE_BYTES && s->at % WAL_PAGE_BYTES == 0);
    uint64_t page_at = s->at;
    s->at += n;
    for (size_t i = 0; i < n && WAL_PAGE_BYTES - i >= WAL_HEADER_BYTES;) {
        fragment f = {.offset = page_at + i};
        const char *why = parse_fragment(page, n, i, &f);
        if (why == NULL && f.kind == FRAME_PADDING) {
            if (s->joining)
                hurt_at(s, f.offset, "record without its end");
            return FER_OK;
        }
        if (why == NULL)
            FER_TRY(take_fragment(s, &f, &why));
        if (why != NULL) {
            hurt_at(s, f.offset, why);
            return FER_OK;
        }
        i += WAL_HEADER_BYTES + f.data.n;
    }
    return FER_OK;
}

void wal_scan_lost_page(wal_scan *s, size_t n, const char *why)
{
    hurt_at(s, s->at, why);
    s->range.unread = true;
    s->at += n;
}

void wal_scan_end(wal_scan *s)
{
    if (s->joining)
        hurt_at(s, s->joined_at, "record without its end");
    hurt_until(s, s->at, true);
}

fer_code wal_read_segment(fer_str bytes, uint64_t segment, wal_record_fn fn, wal_damage_fn damage,
                          void *arg)
{
    wal_scan *s = wal_scan_new(fn, damage, arg);
    wal_scan_begin(s, segment, NULL);
    fer_code code = FER_OK;
    for (size_t i = 0; i < bytes.n && code == FER_OK; i += WAL_PAGE_BYTES)
        code = wal_scan_page(s, (const uint8_t *)bytes.p + i,
                             bytes.n - i < WAL_PAGE_BYTES ? bytes.n - i : WAL_PAGE_BYTES);
    if (code == FER_OK)
        wal_scan_end(s);
    wal_scan_free(s);
    return code;
}

/* verify_index.c - the sections of an index from front to back, then what they say of each other.
 *
 * Checked beyond what opening checks: sections follow each other with nothing but zeros between; each series and list has its
 * CRC; series, labels and postings ascend; a list holds just the series with its pair, by their number and a sum of
 * hashes of their refs; chunks lie in order, back to back, and hold the times they are said to.
 */
#include "cmd/ferulatool/verify_index.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include "base/crc32c.h"
#include "cmd/ferulatool/analyze_pairs.h"

enum { CRC_BYTES = 4, LENGTH_BYTES = 4, FORGET_EVERY = 16384 };

typedef struct index_check {
    verify *v;
    const char *path;
    const block_index *x;
    const block_chunks *chunks;
    const char *chunks_dir;
    block_content *c;
    pair_table pairs; /* `uncovered` is the sum of the hashes of refs */
    fer_arena *last;  /* labels of the series before */
    uint32_t *last_ids;
    size_t n_last;
    uint64_t next_chunk; /* ref of where the next must be */
} index_check;

/* splitmix64's finaliser, as good as any that spreads. */
static uint64_t spread(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint64_t aligned(uint64_t at, unsigned align)
{
    return (at + align - 1) / align * align;
}

static void check_zeros(index_check *k, uint64_t from, uint64_t to)
{
    for (; from < to && from < k->x->map.n; from++)
        if (k->x->map.p[from] != 0) {
            verify_found(k->v, k->path, from, "index: bytes of no section that are not zero");
            return;
        }
}

/* ---- chunks of a series ---- */

static void chunk_file(const index_check *k, uint64_t ref, char path[PATH_MAX])
{
    int n = snprintf(path, PATH_MAX, "%s/%06" PRIu64, k->chunks_dir, (ref >> 32) + 1);
    if (n < 0 || n >= PATH_MAX)
        path[0] = '\0';
}

/* The end of the segment in which the expected place lies, when the chunk is the first of the next. */
static bool begins_next_segment(const index_check *k, uint64_t ref)
{
    uint64_t segment = k->next_chunk >> 32;
    return ref == ((segment + 1) << 32 | CHUNK_SEGMENT_HEADER_BYTES) && segment < k->chunks->n &&
           (k->next_chunk & UINT32_MAX) == k->chunks->segments[segment].n;
}

static void check_chunk(index_check *k, const index_chunk *c)
{
    uint8_t encoding;
    fer_str data;
    fer_err err;
    char path[PATH_MAX];
    block_content *t = k->c;
    t->min_time = c->mint < t->min_time ? c->mint : t->min_time;
    t->max_time = c->maxt > t->max_time ? c->maxt : t->max_time;
    t->chunks++;
    chunk_file(k, c->ref, path);
    uint64_t offset = c->ref & UINT32_MAX;
    if (c->ref != k->next_chunk && !begins_next_segment(k, c->ref))
        verify_found(k->v, path, offset, "chunk: does not follow the one before it");
    if (block_chunks_get(k->chunks, c->ref, &encoding, &data, &err) != FER_OK) {
        verify_found(k->v, path, offset, "%s", err.msg);
        k->next_chunk = UINT64_MAX;
        return;
    }
    const vfs_map *m = &k->chunks->segments[c->ref >> 32];
    k->next_chunk = (c->ref & ~(uint64_t)UINT32_MAX) |
                    ((uint64_t)((const uint8_t *)data.p + data.n - m->p) + CRC_BYTES);
    uint64_t n = verify_chunk(k->v, path, offset, encoding, data, c->mint, c->maxt);
    t->samples += n;
    if (encoding == CHUNK_XOR || encoding == 4)
        t->float_samples += n;
    else
        t->histogram_samples += n;
}

static void check_chunks(index_check *k, uint64_t off, index_series s)
{
    index_chunk c;
    fer_code code;
    size_t n = 0;
    for (; (code = index_series_chunk(&s, &c)) == FER_OK; n++)
        check_chunk(k, &c);
    if (code != FER_END || rd_left(&s.r) != 0)
        verify_found(k->v, k->path, off, "series: its chunks do not decode");
    else if (n == 0)
        verify_found(k->v, k->path, off, "series: no chunks");
}

/* ---- labels of a series ---- */

static bool texts_of(const index_check *k, const uint32_t *ids, fer_str *name, fer_str *value)
{
    return block_symbols_text(&k->x->symbols, ids[0], name) == FER_OK &&
           block_symbols_text(&k->x->symbols, ids[1], value) == FER_OK;
}

/* Symbols ascend as their texts do, so numbers are compared. */
static int compare_ids(const uint32_t *a, size_t na, const uint32_t *b, size_t nb)
{
    for (size_t i = 0; i < na && i < nb; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return (na > nb) - (na < nb);
}

static bool check_label(index_check *k, uint64_t off, const uint32_t *ids, size_t i)
{
    fer_str name, value;
    if (!texts_of(k, ids + 2 * i, &name, &value))
        verify_found(k->v, k->path, off, "series: a label is no symbol");
    else if (name.n == 0 || value.n == 0)
        verify_found(k->v, k->path, off, "series: an empty label");
    else if (i != 0 && ids[2 * i - 2] >= ids[2 * i])
        verify_found(k->v, k->path, off, "series: labels out of order");
    else
        return true;
    return false;
}

static void check_labels(index_check *k, uint64_t off, uint64_t ref, index_series s)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    size_t n = 0, cap = s.labels_left < rd_left(&s.r) ? (size_t)s.labels_left : rd_left(&s.r);
    uint32_t *ids = fer_arena_alloc(a, (2 * cap + 2) * sizeof *ids);
    bool good = true;
    for (; good && n < cap && index_series_label(&s, &ids[2 * n], &ids[2 * n + 1]) == FER_OK; n++) {
        good = check_label(k, off, ids, n);
        if (good)
            pair_table_add(&k->pairs, ids[2 * n], ids[2 * n + 1], spread(ref));
    }
    if (good && s.labels_left != 0)
        verify_found(k->v, k->path, off, "series: its labels do not decode");
    if (good && k->n_last != 0 && compare_ids(k->last_ids, k->n_last, ids, 2 * n) >= 0)
        verify_found(k->v, k->path, off, "series: not behind the one before it in order of labels");
    fer_arena_free(k->last);
    k->last = a;
    k->last_ids = ids;
    k->n_last = 2 * n;
}

/* ---- the series section ---- */

/* Whether a series with a good checksum is at `off`; tells its end. */
static bool series_at(const index_check *k, uint64_t off, uint64_t end, uint64_t *ret_end)
{
    fer_rd r = {k->x->map.p + off, k->x->map.p + end};
    uint64_t n;
    fer_str body;
    uint32_t crc;
    if (rd_uvarint(&r, &n) != FER_OK || n == 0 || rd_bytes(&r, n, &body) != FER_OK ||
        rd_be32(&r, &crc) != FER_OK || crc32c(0, body.p, body.n) != crc)
        return false;
    *ret_end = (uint64_t)(r.p - k->x->map.p);
    return true;
}

static void add_ref(block_content *c, uint64_t ref)
{
    if (c->series == c->cap_refs) {
        c->cap_refs = c->cap_refs == 0 ? 64 : c->cap_refs * 2;
        c->refs = fer_realloc(c->refs, c->cap_refs * sizeof *c->refs);
    }
    c->refs[c->series++] = (uint32_t)ref;
}

/* Mapped bytes need not pile up in memory. */
static void forget(const index_check *k)
{
    vfs_forget(&k->x->map);
    for (size_t i = 0; i < k->chunks->n; i++)
        vfs_forget(&k->chunks->segments[i]);
}

static void check_series(index_check *k, uint64_t off, unsigned align)
{
    index_series s;
    fer_err err;
    uint64_t ref = off / align;
    if (block_index_series(k->x, ref, &s, &err) != FER_OK) {
        verify_found(k->v, k->path, off, "%s", err.msg);
        return;
    }
    add_ref(k->c, ref);
    if (k->c->series % FORGET_EVERY == 0)
        forget(k);
    k->v->series++;
    check_labels(k, off, ref, s);
    check_chunks(k, off, s);
}

static void check_all_series(index_check *k, uint64_t from, uint64_t end)
{
    unsigned align = k->x->version == 1 ? 1 : INDEX_SERIES_ALIGN;
    uint64_t at = from;
    while (at < end) {
        uint64_t off = aligned(at, align), behind;
        check_zeros(k, at, off);
        if (off >= end)
            break;
        if (series_at(k, off, end, &behind)) {
            check_series(k, off, align);
            at = behind;
            continue;
        }
        verify_found(k->v, k->path, off, "series: checksum mismatch");
        k->next_chunk = UINT64_MAX;
        do
            off += align;
        while (off < end && !series_at(k, off, end, &behind));
        at = off;
    }
}

/* ---- sections: length, bytes, checksum ---- */

static bool section_end(const index_check *k, uint64_t off, uint64_t *ret)
{
    const vfs_map *m = &k->x->map;
    if (off + LENGTH_BYTES + CRC_BYTES > m->n)
        return false;
    uint64_t n = be32_get(m->p + off);
    if (n > m->n - off - LENGTH_BYTES - CRC_BYTES)
        return false;
    const uint8_t *body = m->p + off + LENGTH_BYTES;
    if (crc32c(0, body, n) != be32_get(body + n))
        return false;
    *ret = off + LENGTH_BYTES + n + CRC_BYTES;
    return true;
}

/* Sections back to back, each at a multiple of `align`, up to `end`. */
static void check_sections(index_check *k, uint64_t at, uint64_t end, unsigned align,
                           const char *what)
{
    while (at < end) {
        uint64_t off = aligned(at, align);
        check_zeros(k, at, off);
        if (off >= end)
            return;
        if (!section_end(k, off, &at)) {
            verify_found(k->v, k->path, off, "%s: checksum mismatch", what);
            return;
        }
    }
    if (at != end)
        verify_found(k->v, k->path, at, "%s: do not end where the next section begins", what);
}

/* ---- postings ---- */

static void check_list(index_check *k, fer_str name, fer_str value, uint64_t off, uint64_t *at)
{
    index_postings l;
    fer_err err;
    if (k->x->version != 1 && off != aligned(*at, INDEX_POSTINGS_ALIGN))
        verify_found(k->v, k->path, off, "postings: a list does not follow the one before it");
    if (block_index_postings(k->x, off, &l, &err) != FER_OK) {
        verify_found(k->v, k->path, off, "%s", err.msg);
        *at = off + LENGTH_BYTES;
        return;
    }
    *at = off + LENGTH_BYTES + 4 + 4 * (uint64_t)l.n + CRC_BYTES;
    uint64_t sum = 0;
    for (size_t i = 0; i < l.n; i++) {
        sum += spread(index_posting(&l, i));
        if (i != 0 && index_posting(&l, i) <= index_posting(&l, i - 1)) {
            verify_found(k->v, k->path, off, "postings: a list out of order");
            return;
        }
    }
    uint32_t ids[2];
    pair_count want = {0};
    if (name.n == 0 && value.n == 0) {
        want.series = k->c->series;
        for (size_t i = 0; i < k->c->series; i++)
            want.uncovered += spread(k->c->refs[i]);
    } else if (block_symbols_find(&k->x->symbols, name, &ids[0]) &&
               block_symbols_find(&k->x->symbols, value, &ids[1])) {
        const pair_count *p = pair_table_find(&k->pairs, ids[0], ids[1]);
        want = p != NULL ? *p : want;
    }
    if (want.series != l.n || want.uncovered != sum)
        verify_found(k->v, k->path, off,
                     "postings: a list is not that of the series with %.*s=%.*s",
                     STR_FMT(str_head(name, 100)), STR_FMT(str_head(value, 100)));
}

static void check_postings(index_check *k)
{
    const index_toc *toc = &k->x->toc;
    size_t lists = 0;
    uint64_t at = toc->postings;
    for (size_t i = 0; i < k->x->n_names; i++) {
        index_values values;
        index_values_begin(&values, k->x, i);
        fer_str value;
        uint64_t off;
        for (; index_values_next(&values, &value, &off) == FER_OK; lists++)
            check_list(k, k->x->names[i].text, value, off, &at);
    }
    if (lists != k->pairs.n + 1)
        verify_found(k->v, k->path, toc->postings_table,
                     "postings: %zu lists, but the series have %zu label pairs", lists, k->pairs.n);
}

/* ---- the whole ---- */

static void check_layout(index_check *k)
{
    const index_toc *toc = &k->x->toc;
    uint64_t behind = 0, end = k->x->map.n - INDEX_TOC_BYTES;
    uint64_t labels_table =
        toc->label_indices_table != 0 ? toc->label_indices_table : toc->postings_table;
    uint64_t series_end = toc->label_indices != 0 ? toc->label_indices : toc->postings;
    if (toc->symbols != INDEX_HEADER_BYTES || !section_end(k, toc->symbols, &behind))
        verify_found(k->v, k->path, toc->symbols, "index: the symbols are not behind the header");
    if (behind > toc->series || toc->series > series_end || series_end > toc->postings ||
        toc->postings > labels_table || labels_table > toc->postings_table ||
        toc->postings_table > end) {
        verify_found(k->v, k->path, end, "table of contents: sections out of order");
        return;
    }
    check_zeros(k, behind, toc->series);
    check_all_series(k, toc->series, series_end);
    check_sections(k, series_end, toc->postings, INDEX_POSTINGS_ALIGN, "label indices");
    check_sections(k, toc->postings, labels_table, INDEX_POSTINGS_ALIGN, "postings");
    check_sections(k, labels_table, toc->postings_table, 1, "label offset table");
    check_sections(k, toc->postings_table, end, 1, "postings offset table");
    check_postings(k);
}

/* The last chunk ends its segment, and the last segment the block. */
static void check_chunks_end(index_check *k)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < k->chunks->n; i++) {
        const vfs_map *m = &k->chunks->segments[i];
        chunk_file(k, (uint64_t)i << 32, path);
        if (m->n < CHUNK_SEGMENT_HEADER_BYTES || m->p[5] != 0 || m->p[6] != 0 || m->p[7] != 0)
            verify_found(k->v, path, 5, "segment: padding of the header is not zero");
    }
    if (k->next_chunk == UINT64_MAX || k->chunks->n == 0)
        return;
    uint64_t last = k->chunks->n - 1;
    chunk_file(k, last << 32, path);
    if (k->next_chunk != (last << 32 | k->chunks->segments[last].n))
        verify_found(k->v, path, k->next_chunk & UINT32_MAX, "segment: bytes that are no chunk");
}

void verify_index(verify *v, const char *path, const block_index *x, const block_chunks *chunks,
                  const char *chunks_dir, block_content *ret)
{
    *ret = (block_content){.min_time = INT64_MAX, .max_time = INT64_MIN};
    index_check k = {.v = v,
                     .path = path,
                     .x = x,
                     .chunks = chunks,
                     .chunks_dir = chunks_dir,
                     .c = ret,
                     .next_chunk = CHUNK_SEGMENT_HEADER_BYTES};
    check_layout(&k);
    check_chunks_end(&k);
    pair_table_done(&k.pairs);
    fer_arena_free(k.last);
}

void block_content_done(block_content *c)
{
    fer_free(c->refs);
    *c = (block_content){0};
}

bool block_content_has(const block_content *c, uint64_t ref)
{
    size_t lo = 0, hi = c->series;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (c->refs[mid] < ref)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < c->series && c->refs[lo] == ref;
}

/* block_index.c
 *
 *    header (5) | symbols | series, each at a multiple of 16 | [label indices of old writers] |
 *    postings lists, each at a multiple of 4 | postings offset table | table of contents (52)
 *
 * The postings offset table is the way in: name, value, place of the list. Writers since version 2 sort it, so the
 * place of every 32nd entry of a name is kept and the rest is walked; they are noted when one of its values is looked up
 * first, since a block just cut from the head may have as many values as series, and mostly nobody asks for them. A table
 * out of order (version 1, or a stranger's) is sorted here, and the places of all its entries kept.
 */
#include "tsdb/block/block_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "tsdb/block/dir_file.h"

enum { CRC_BYTES = 4, KEYS = 2 };

static fer_str file_of(const block_index *x)
{
    return (fer_str){(const char *)x->map.p, x->map.n};
}

static fer_code outside(fer_err *err, const char *what)
{
    return fer_fail(err, FER_CORRUPT, "index: %s lies outside the file", what);
}

/* A section: u32 length, that many bytes, their checksum. */
static fer_code section(const block_index *x, uint64_t off, const char *what, fer_str *ret,
                        fer_err *err)
{
    if (off > x->map.n)
        return outside(err, what);
    fer_rd r = rd_of(file_of(x));
    uint32_t n, crc;
    fer_str body;
    r.p += off;
    if (rd_be32(&r, &n) != FER_OK || rd_bytes(&r, n, &body) != FER_OK ||
        rd_be32(&r, &crc) != FER_OK)
        return outside(err, what);
    if (crc32c(0, body.p, body.n) != crc)
        return fer_fail(err, FER_CORRUPT, "index: %s: checksum mismatch", what);
    *ret = body;
    return FER_OK;
}

/* ---- opening ---- */

static fer_code read_toc(block_index *x, fer_err *err)
{
    const uint8_t *p = x->map.p;
    if (x->map.n < INDEX_HEADER_BYTES + INDEX_TOC_BYTES)
        return fer_fail(err, FER_CORRUPT, "index: %zu bytes are too few", x->map.n);
    if (be32_get(p) != INDEX_MAGIC)
        return fer_fail(err, FER_CORRUPT, "index: invalid magic number %x", (unsigned)be32_get(p));
    x->version = p[4];
    if (x->version < 1 || x->version > 3)
        return fer_fail(err, FER_CORRUPT, "index: unknown index file version %d", x->version);
    p += x->map.n - INDEX_TOC_BYTES;
    if (crc32c(0, p, INDEX_TOC_BYTES - CRC_BYTES) != be32_get(p + INDEX_TOC_BYTES - CRC_BYTES))
        return fer_fail(err, FER_CORRUPT, "index: table of contents: checksum mismatch");
    x->toc = (index_toc){be64_get(p),      be64_get(p + 8),  be64_get(p + 16),
                         be64_get(p + 24), be64_get(p + 32), be64_get(p + 40)};
    return FER_OK;
}

typedef struct table_entry {
    fer_str name, value;
    uint64_t off;
} table_entry;

/* An entry of texts below 128 bytes with as much behind it as such a one can have: looked at without bounds. */
static inline bool read_short_entry(fer_rd *r, table_entry *ret)
{
    enum { SHORT = 0x80 };
    const uint8_t *name = r->p + 2, *value, *off;
    uint64_t x;
    if (rd_left(r) < 3 + 2 * SHORT + sizeof x || r->p[0] != KEYS || r->p[1] >= SHORT)
        return false;
    value = name + r->p[1] + 1;
    if (value[-1] >= SHORT)
        return false;
    off = value + value[-1];
    memcpy(&x, off, sizeof x);
    uint64_t ends = ~x & UINT64_C(0x8080808080808080);
    if (ends == 0)
        return false;
    r->p = off + __builtin_ctzll(ends) / 8 + 1;
    x &= (ends ^ (ends - 1)) & UINT64_C(0x7f7f7f7f7f7f7f7f); /* sevens of bits in bytes */
    x = (x & UINT64_C(0x007f007f007f007f)) | (x & UINT64_C(0x7f007f007f007f00)) >> 1;
    x = (x & UINT64_C(0x00003fff00003fff)) | (x & UINT64_C(0x3fff00003fff0000)) >> 2;
    ret->off = (x & UINT64_C(0x0fffffff)) | (x & UINT64_C(0x0fffffff00000000)) >> 4;
    ret->name = (fer_str){(const char *)name, name[-1]};
    ret->value = (fer_str){(const char *)value, value[-1]};
    return true;
}

static inline fer_code read_entry(fer_rd *r, table_entry *ret)
{
    uint64_t keys;
    if (read_short_entry(r, ret))
        return FER_OK;
    FER_TRY(rd_uvarint(r, &keys));
    if (keys != KEYS)
        return FER_CORRUPT;
    FER_TRY(rd_str(r, &ret->name));
    FER_TRY(rd_str(r, &ret->value));
    return rd_uvarint(r, &ret->off);
}

/* Entries come through here in order of name and value; `at`: index_name.first. */
static void take_entry(block_index *x, const table_entry *e, uint32_t at, size_t *cap)
{
    if (x->n_names == 0 || !str_eq(x->names[x->n_names - 1].text, e->name)) {
        if (x->n_names == *cap) {
            *cap = *cap == 0 ? 16 : *cap * 2;
            x->names = fer_realloc(x->names, *cap * sizeof *x->names);
        }
        x->names[x->n_names++] = (index_name){.text = e->name, .first = at};
    }
    x->names[x->n_names - 1].n++;
    if (e->name.n == 0 && e->value.n == 0)
        x->all = e->off;
}

static int entry_cmp(const table_entry *a, const table_entry *b)
{
    int c = str_cmp(a->name, b->name);
    return c != 0 ? c : str_cmp(a->value, b->value);
}

/* Decodes all entries; tells how many and whether they ascend. */
static fer_code walk_table(const block_index *x, size_t *ret_n, bool *ret_sorted, fer_err *err)
{
    fer_rd r = rd_of(x->table);
    table_entry e, last = {0};
    bool sorted = true;
    size_t n = 0;
    for (; rd_left(&r) != 0; n++, last = e) {
        if (read_entry(&r, &e) != FER_OK)
            return fer_fail(err, FER_CORRUPT, "index: postings offset table: entry %zu", n);
        sorted = sorted && (n == 0 || entry_cmp(&last, &e) < 0);
    }
    *ret_n = n;
    *ret_sorted = sorted;
    return FER_OK;
}

static void take_sorted(block_index *x)
{
    size_t cap = 0;
    fer_rd r = rd_of(x->table);
    const uint8_t *begin = r.p;
    for (table_entry e;;) {
        uint32_t place = (uint32_t)(r.p - begin);
        if (rd_left(&r) == 0 || read_entry(&r, &e) != FER_OK)
            return;
        take_entry(x, &e, place, &cap);
    }
}

static int by_entry(const void *a, const void *b, void *arg)
{
    const block_index *x = arg;
    fer_rd ra = rd_of(str_from(x->table, *(const uint32_t *)a));
    fer_rd rb = rd_of(str_from(x->table, *(const uint32_t *)b));
    table_entry ea = {0}, eb = {0};
    if (read_entry(&ra, &ea) != FER_OK || read_entry(&rb, &eb) != FER_OK)
        return 0;
    return entry_cmp(&ea, &eb);
}

static void take_unsorted(block_index *x, size_t n)
{
    size_t cap = 0, i = 0;
    x->order = fer_alloc(n * sizeof *x->order);
    fer_rd r = rd_of(x->table);
    const uint8_t *begin = r.p;
    table_entry e;
    for (uint32_t place = 0; i < n && read_entry(&r, &e) == FER_OK; i++) {
        x->order[i] = place;
        place = (uint32_t)(r.p - begin);
    }
    qsort_r(x->order, i, sizeof *x->order, by_entry, x);
    x->n_order = i;
    for (uint32_t k = 0; k < i; k++) {
        r = rd_of(str_from(x->table, x->order[k]));
        if (read_entry(&r, &e) == FER_OK)
            take_entry(x, &e, k, &cap);
    }
}

static fer_code read_table(block_index *x, fer_err *err)
{
    fer_str body = {0};
    if (x->toc.postings_table == 0)
        return fer_fail(err, FER_CORRUPT, "index: no postings offset table");
    FER_TRY(section(x, x->toc.postings_table, "the postings offset table", &body, err));
    if (body.n < 4)
        return fer_fail(err, FER_CORRUPT, "index: the postings offset table has no count");
    x->table = str_from(body, 4);
    size_t n = 0;
    bool sorted = false;
    FER_TRY(walk_table(x, &n, &sorted, err));
    if (n != be32_get((const uint8_t *)body.p))
        return fer_fail(err, FER_CORRUPT, "index: postings offset table: wrong count");
    if (sorted)
        take_sorted(x);
    else
        take_unsorted(x, n);
    return FER_OK;
}

static size_t bytes_held(const block_index *x)
{
    return x->n_names * sizeof *x->names + x->n_order * sizeof *x->order;
}

/* ---- places ---- */

static uint32_t n_places(const index_name *name)
{
    return (name->n + INDEX_VALUE_STRIDE - 1) / INDEX_VALUE_STRIDE;
}

/* false: the file does not give what it gave when it was opened. */
static bool note_places(const block_index *x, const index_name *name, uint32_t *places)
{
    fer_rd r = rd_of(str_from(x->table, name->first));
    const uint8_t *begin = r.p - name->first;
    table_entry e;
    for (uint32_t i = 0; i < name->n; i++) {
        if (i % INDEX_VALUE_STRIDE == 0)
            places[i / INDEX_VALUE_STRIDE] = (uint32_t)(r.p - begin);
        if (read_entry(&r, &e) != FER_OK)
            return false;
    }
    return true;
}

static const uint32_t *make_places(const block_index *x, index_name *name)
{
    uint32_t *places = fer_alloc(n_places(name) * sizeof *places), *there = NULL;
    if (!note_places(x, name, places)) {
        fer_free(places);
        return NULL;
    }
    if (!atomic_compare_exchange_strong(&name->places, &there, places)) {
        fer_free(places); /* another thread was first */
        return there;
    }
    fer_account_force(x->acct, n_places(name) * sizeof *places);
    return places;
}

/* NULL: they cannot be had. */
static const uint32_t *places_of(const block_index *x, index_name *name)
{
    const uint32_t *there = atomic_load_explicit(&name->places, memory_order_acquire);
    return there != NULL ? there : make_places(x, name);
}

static void drop_places(const block_index *x, index_name *name)
{
    uint32_t *places = atomic_load(&name->places);
    if (places != NULL)
        fer_account_release(x->acct, n_places(name) * sizeof *places);
    fer_free(places);
}

/* ---- */

static fer_code open_parts(block_index *x, fer_err *err)
{
    FER_TRY(read_toc(x, err));
    FER_TRY(
        block_symbols_open(&x->symbols, file_of(x), x->toc.symbols, x->version == 1, x->acct, err));
    fer_code code = read_table(x, err);
    fer_account_force(x->acct, bytes_held(x));
    return code;
}

fer_code block_index_open_map(block_index *x, vfs_map map, fer_account *acct, fer_err *err)
{
    *x = (block_index){.map = map, .acct = acct};
    fer_code code = open_parts(x, err);
    if (code != FER_OK)
        block_index_close(x);
    return code;
}

fer_code block_index_open(block_index *x, vfs *fs, const char *dir, fer_account *acct, fer_err *err)
{
    vfs_map map;
    FER_TRY(dir_file_map(fs, dir, "index", &map, err));
    return block_index_open_map(x, map, acct, err);
}

void block_index_close(block_index *x)
{
    fer_account_release(x->acct, bytes_held(x));
    block_symbols_close(&x->symbols);
    for (size_t i = 0; i < x->n_names; i++)
        drop_places(x, &x->names[i]);
    fer_free(x->names);
    fer_free(x->order);
    vfs_unmap(&x->map);
    *x = (block_index){0};
}

/* ---- series ---- */

static fer_code series_at(const block_index *x, uint64_t ref, bool anew, index_series *ret,
                          fer_err *err)
{
    uint64_t off = x->version == 1 ? ref : ref * INDEX_SERIES_ALIGN;
    if (off < INDEX_HEADER_BYTES || off >= x->map.n)
        return outside(err, "a series");
    fer_rd r = {x->map.p + off, x->map.p + x->map.n};
    uint64_t n;
    fer_str body;
    uint32_t crc;
    if (rd_uvarint(&r, &n) != FER_OK || rd_bytes(&r, n, &body) != FER_OK ||
        rd_be32(&r, &crc) != FER_OK)
        return outside(err, "a series");
    if (anew && crc32c(0, body.p, body.n) != crc)
        return fer_fail(err, FER_CORRUPT, "index: series at %llu: checksum mismatch",
                        (unsigned long long)off);
    index_series s = {.r = rd_of(body)};
    if (rd_uvarint(&s.r, &s.labels_left) != FER_OK)
        return fer_fail(err, FER_CORRUPT, "index: a series without labels");
    *ret = s;
    return FER_OK;
}

fer_code block_index_series(const block_index *x, uint64_t ref, index_series *ret, fer_err *err)
{
    return series_at(x, ref, true, ret, err);
}

fer_code block_index_series_again(const block_index *x, uint64_t ref, index_series *ret,
                                  fer_err *err)
{
    return series_at(x, ref, false, ret, err);
}

fer_code index_series_label(index_series *s, uint32_t *ret_name, uint32_t *ret_value)
{
    uint64_t name, value;
    if (s->labels_left == 0)
        return FER_END;
    FER_TRY(rd_uvarint(&s->r, &name));
    FER_TRY(rd_uvarint(&s->r, &value));
    if (name > UINT32_MAX || value > UINT32_MAX)
        return FER_CORRUPT;
    s->labels_left--;
    *ret_name = (uint32_t)name;
    *ret_value = (uint32_t)value;
    return FER_OK;
}

/* The last byte of each is the one below 0x80. */
static fer_code skip_varints(fer_rd *r, uint64_t n)
{
    const uint64_t each = UINT64_C(0x0101010101010101);
    for (uint64_t x; n >= sizeof x && rd_left(r) >= sizeof x; r->p += sizeof x) {
        memcpy(&x, r->p, sizeof x);
        n -= (~x >> 7 & each) * each >> 56;
    }
    for (; n != 0; n--) {
        uint64_t ignored;
        FER_TRY(rd_uvarint(r, &ignored));
    }
    return FER_OK;
}

static fer_code begin_chunks(index_series *s)
{
    if (s->labels_left > rd_left(&s->r))
        return FER_CORRUPT;
    FER_TRY(skip_varints(&s->r, 2 * s->labels_left));
    s->labels_left = 0;
    FER_TRY(rd_uvarint(&s->r, &s->chunks_left));
    s->chunks_begun = true;
    return FER_OK;
}

/* Sums wrap: what comes out of hostile bytes is checked, not what goes in. */
static fer_code next_chunk(fer_rd *r, const index_chunk *last, bool first, index_chunk *ret)
{
    uint64_t gap, span, ref;
    int64_t mint, step;
    if (first) {
        FER_TRY(rd_varint(r, &mint));
        FER_TRY(rd_uvarint(r, &span));
        FER_TRY(rd_uvarint(r, &ref));
    } else {
        FER_TRY(rd_uvarint(r, &gap));
        FER_TRY(rd_uvarint(r, &span));
        FER_TRY(rd_varint(r, &step));
        mint = (int64_t)((uint64_t)last->maxt + gap);
        ref = last->ref + (uint64_t)step;
    }
    *ret = (index_chunk){mint, (int64_t)((uint64_t)mint + span), ref};
    if (ret->maxt < ret->mint || (!first && ret->mint <= last->maxt))
        return FER_CORRUPT;
    return FER_OK;
}

fer_code index_series_chunk(index_series *s, index_chunk *ret)
{
    bool first = !s->chunks_begun;
    if (first)
        FER_TRY(begin_chunks(s));
    if (s->chunks_left == 0)
        return FER_END;
    FER_TRY(next_chunk(&s->r, &s->last, first, ret));
    s->chunks_left--;
    s->last = *ret;
    return FER_OK;
}

/* ---- postings ---- */

fer_code block_index_postings(const block_index *x, uint64_t off, index_postings *ret, fer_err *err)
{
    fer_str body;
    FER_TRY(section(x, off, "a postings list", &body, err));
    if (body.n < 4 || body.n % 4 != 0 ||
        be32_get((const uint8_t *)body.p) != (uint32_t)(body.n / 4 - 1))
        return fer_fail(err, FER_CORRUPT, "index: a postings list of the wrong length");
    *ret = (index_postings){(const uint8_t *)body.p + 4, (uint32_t)(body.n / 4 - 1)};
    return FER_OK;
}

size_t block_index_name(const block_index *x, fer_str name)
{
    size_t lo = 0, hi = x->n_names;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = str_cmp(x->names[mid].text, name);
        if (c == 0)
            return mid;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return INDEX_NONE;
}

static fer_code entry_at(const block_index *x, uint32_t place, fer_rd *ret_behind, table_entry *ret)
{
    *ret_behind = rd_of(str_from(x->table, place));
    return read_entry(ret_behind, ret);
}

fer_code block_index_value(const block_index *x, size_t name, fer_str value, uint64_t *ret_off)
{
    index_name *nm = &x->names[name];
    const uint32_t *places = x->order != NULL ? x->order + nm->first : places_of(x, nm);
    uint32_t stride = x->order != NULL ? 1 : INDEX_VALUE_STRIDE;
    if (places == NULL)
        return FER_CORRUPT;
    size_t lo = 0, hi = (nm->n + stride - 1) / stride;
    table_entry e;
    fer_rd r;
    while (lo < hi) { /* the last kept entry that is not above */
        size_t mid = lo + (hi - lo) / 2;
        FER_TRY(entry_at(x, places[mid], &r, &e));
        if (str_cmp(e.value, value) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0)
        return FER_NOTFOUND;
    FER_TRY(entry_at(x, places[lo - 1], &r, &e));
    uint32_t left = nm->n - (uint32_t)(lo - 1) * stride;
    if (left > stride)
        left = stride;
    for (;;) {
        int c = str_cmp(e.value, value);
        if (c == 0)
            *ret_off = e.off;
        if (c >= 0 || --left == 0)
            return c == 0 ? FER_OK : FER_NOTFOUND;
        FER_TRY(read_entry(&r, &e));
    }
}

void index_values_begin(index_values *v, const block_index *x, size_t name)
{
    *v = (index_values){.x = x, .name = &x->names[name]};
    if (x->order == NULL)
        v->r = rd_of(str_from(x->table, v->name->first));
}

fer_code index_values_next(index_values *v, fer_str *ret_value, uint64_t *ret_off)
{
    if (v->i == v->name->n)
        return FER_END;
    table_entry e;
    if (v->x->order != NULL)
        v->r = rd_of(str_from(v->x->table, v->x->order[v->name->first + v->i]));
    v->i++;
    FER_TRY(read_entry(&v->r, &e));
    *ret_value = e.value;
    *ret_off = e.off;
    return FER_OK;
}

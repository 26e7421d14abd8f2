#include "tsdb/block/block_symbols.h"

#include "base/crc32c.h"
#include "base/varint.h"

static fer_rd from(const block_symbols *s, size_t place)
{
    return (fer_rd){s->file + place, s->file + s->end};
}

/* Walks all texts: they end where the section ends, and ascend. */
static fer_code walk(const block_symbols *s, fer_err *err)
{
    fer_rd r = from(s, s->first);
    fer_str last = {NULL, 0};
    for (uint32_t i = 0; i < s->n; i++) {
        fer_str text;
        if (rd_str(&r, &text) != FER_OK)
            return fer_fail(err, FER_CORRUPT, "index: a symbol does not decode");
        if (i != 0 && str_cmp(last, text) >= 0)
            return fer_fail(err, FER_CORRUPT, "index: symbols out of order");
        last = text;
    }
    if (rd_left(&r) != 0)
        return fer_fail(err, FER_CORRUPT, "index: bytes behind the last symbol");
    return FER_OK;
}

static size_t n_sampled(const block_symbols *s)
{
    return s->n / SYMBOL_STRIDE + 1;
}

/* false: the file does not give what it gave when it was opened. */
static bool note_places(const block_symbols *s, uint32_t *places)
{
    fer_rd r = from(s, s->first);
    fer_str text;
    for (uint32_t i = 0; i < s->n; i++) {
        if (i % SYMBOL_STRIDE == 0)
            places[i / SYMBOL_STRIDE] = (uint32_t)((size_t)(r.p - s->file) - s->first);
        if (rd_str(&r, &text) != FER_OK)
            return false;
    }
    return true;
}

static const uint32_t *make_places(const block_symbols *s)
{
    uint32_t *places = fer_alloc(n_sampled(s) * sizeof *places), *there = NULL;
    if (!note_places(s, places)) {
        fer_free(places);
        return NULL;
    }
    if (!atomic_compare_exchange_strong(s->sampled, &there, places)) {
        fer_free(places); /* another thread was first */
        return there;
    }
    fer_account_force(s->acct, n_sampled(s) * sizeof *places);
    return places;
}

/* NULL: they cannot be had. */
static const uint32_t *places_of(const block_symbols *s)
{
    const uint32_t *there = atomic_load_explicit(s->sampled, memory_order_acquire);
    return there != NULL ? there : make_places(s);
}

fer_code block_symbols_open(block_symbols *s, fer_str file, uint64_t off, bool by_place,
                            fer_account *acct, fer_err *err)
{
    *s = (block_symbols){.by_place = by_place, .acct = acct};
    s->file = (const uint8_t *)file.p;
    s->n_file = file.n;
    fer_rd r = rd_of(file);
    fer_str body;
    uint32_t n, crc;
    if (off > file.n)
        return fer_fail(err, FER_CORRUPT, "index: the symbols lie outside the file");
    r.p += off;
    if (rd_be32(&r, &n) != FER_OK || n < 4 || rd_bytes(&r, n, &body) != FER_OK ||
        rd_be32(&r, &crc) != FER_OK)
        return fer_fail(err, FER_CORRUPT, "index: the symbols do not fit the file");
    if (crc32c(0, body.p, body.n) != crc)
        return fer_fail(err, FER_CORRUPT, "index: symbols: checksum mismatch");
    s->n = be32_get((const uint8_t *)body.p);
    if (s->n > body.n - 4)
        return fer_fail(err, FER_CORRUPT, "index: more symbols than bytes");
    s->first = (size_t)off + 8;
    s->end = (size_t)off + 4 + n;
    s->sampled = fer_calloc(1, sizeof *s->sampled);
    fer_code code = walk(s, err);
    if (code != FER_OK)
        block_symbols_close(s);
    return code;
}

void block_symbols_close(block_symbols *s)
{
    uint32_t *places = s->sampled == NULL ? NULL : atomic_load(s->sampled);
    if (places != NULL)
        fer_account_release(s->acct, n_sampled(s) * sizeof *places);
    fer_free(places);
    fer_free(s->sampled);
    *s = (block_symbols){0};
}

fer_code block_symbols_text(const block_symbols *s, uint32_t symbol, fer_str *ret)
{
    if (s->by_place) {
        if (symbol < s->first || symbol >= s->end)
            return FER_CORRUPT;
        fer_rd r = from(s, symbol);
        return rd_str(&r, ret);
    }
    const uint32_t *places = symbol < s->n ? places_of(s) : NULL;
    if (places == NULL)
        return FER_CORRUPT;
    fer_rd r = from(s, s->first + places[symbol / SYMBOL_STRIDE]);
    for (uint32_t i = 0; i < symbol % SYMBOL_STRIDE; i++)
        FER_TRY(rd_str(&r, ret));
    return rd_str(&r, ret);
}

bool block_symbols_find(const block_symbols *s, fer_str text, uint32_t *ret)
{
    const uint32_t *places = places_of(s);
    if (places == NULL)
        return false;
    uint32_t lo = 0, hi = s->n == 0 ? 0 : (s->n - 1) / SYMBOL_STRIDE + 1;
    fer_str t;
    while (lo < hi) { /* the last sampled text that is not above */
        uint32_t mid = lo + (hi - lo) / 2;
        fer_rd r = from(s, s->first + places[mid]);
        if (rd_str(&r, &t) != FER_OK)
            return false;
        if (str_cmp(t, text) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0)
        return false;
    uint32_t i = (lo - 1) * SYMBOL_STRIDE;
    fer_rd r = from(s, s->first + places[lo - 1]);
    for (; i < s->n; i++) {
        size_t place = (size_t)(r.p - s->file);
        if (rd_str(&r, &t) != FER_OK)
            return false;
        int c = str_cmp(t, text);
        if (c == 0)
            *ret = s->by_place ? (uint32_t)place : i;
        if (c >= 0)
            return c == 0;
    }
    return false;
}

fer_code symbol_cursor_next(symbol_cursor *c, uint32_t *ret_symbol, fer_str *ret)
{
    if (c->i == c->s->n)
        return FER_END;
    size_t place = (size_t)(c->r.p - c->s->file);
    FER_TRY(rd_str(&c->r, ret));
    *ret_symbol = c->s->by_place ? (uint32_t)place : c->i;
    c->i++;
    return FER_OK;
}

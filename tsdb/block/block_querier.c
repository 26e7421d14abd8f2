#include "tsdb/block/block_querier.h"

#include <stdlib.h>
#include <string.h>

#include "base/str_sort.h"
#include "tsdb/block/block_select.h"
#include "tsdb/chunk/chunk.h"

enum { CANCEL_EVERY = 4096, FORGET_EVERY = 16384 };

/* Symbol of the index to the query's id: open addressing, at most half full. */
typedef struct symbol_entry {
    uint32_t symbol;
    uint32_t id; /* SYM_NONE: empty */
} symbol_entry;

typedef struct block_querier {
    querier base;
    block *b;
    query_warnings *warnings;
    symbol_entry *map;
    uint32_t map_n, map_cap;
    _Atomic uint64_t swept; /* looks at series, with ctx.sweep */
} block_querier;

typedef struct symbol_pair {
    uint32_t name, value;
} symbol_pair;

typedef struct block_selection {
    selection base;
    block_querier *q;
    uint32_t *refs;
    label_id *ids;      /* of the last labels call */
    symbol_pair *pairs; /* what they stand for */
    uint32_t *ends;     /* of their bytes */
    size_t n_ids, cap_ids;
    const uint8_t *bytes; /* of the index, that said so */
} block_selection;

static fer_code no_memory(fer_err *err)
{
    return fer_fail_budget(err, "selecting series");
}

static void warn(const block_querier *q, const fer_err *why)
{
    query_warn(q->warnings, "block %s: %s", q->b->name, why->msg);
}

/* After reading: whether bytes of the block were lost meanwhile, which is told. What was read is not to be believed then. */
static bool is_lost(const block_querier *q)
{
    if (!block_failed(q->b))
        return false;
    query_warn(q->warnings, "block %s is left out: bytes of its files were lost while it was read",
               q->b->name);
    return true;
}

/* Counts a look at a series in a sweep. */
static void sweep(block_querier *q)
{
    if (q->base.ctx.sweep &&
        atomic_fetch_add_explicit(&q->swept, 1, memory_order_relaxed) % FORGET_EVERY ==
            FORGET_EVERY - 1)
        block_forget(q->b);
}

/* ---- labels ---- */

static symbol_entry *map_place(symbol_entry *map, uint32_t cap, uint32_t symbol)
{
    /* The upper bits: symbols often lie at even distances, which the lower ones keep. */
    uint32_t at = (uint32_t)((uint64_t)(symbol * 2654435761U) * cap >> 32);
    while (map[at].id != SYM_NONE && map[at].symbol != symbol)
        at = (at + 1) & (cap - 1);
    return &map[at];
}

static bool map_grow(block_querier *q)
{
    uint32_t cap = q->map_cap == 0 ? 64 : q->map_cap * 2;
    symbol_entry *map = fer_arena_alloc(q->base.ctx.arena, cap * sizeof *map);
    if (map == NULL)
        return false;
    memset(map, 0xff, cap * sizeof *map);
    for (uint32_t i = 0; i < q->map_cap; i++)
        if (q->map[i].id != SYM_NONE)
            *map_place(map, cap, q->map[i].symbol) = q->map[i];
    q->map = map;
    q->map_cap = cap;
    return true;
}

/* The query's id of a symbol; SYM_NONE past the budget. A symbol that damage has made unreadable is the
 * empty text: the series' own checksum has said that it is what was written, the table's has been checked
 * when the block was opened. */
static uint32_t id_of(block_querier *q, uint32_t symbol)
{
    if (q->map_n * 2 >= q->map_cap && !map_grow(q))
        return SYM_NONE;
    symbol_entry *e = map_place(q->map, q->map_cap, symbol);
    if (e->id != SYM_NONE)
        return e->id;
    fer_str text = STR("");
    if (block_symbols_text(&q->b->index.symbols, symbol, &text) != FER_OK)
        query_warn(q->warnings, "block %s: index: a symbol cannot be read", q->b->name);
    /* Copied: a result's texts are read after the querier has gone. */
    uint32_t id = syms_intern(q->base.ctx.syms, text);
    if (id != SYM_NONE) {
        *e = (symbol_entry){symbol, id};
        q->map_n++;
    }
    return id;
}

static bool room_for_ids(block_selection *s, size_t n)
{
    if (n <= s->cap_ids)
        return true;
    size_t cap = n < 32 ? 32 : n * 2;
    s->n_ids = 0;
    s->ids = fer_arena_alloc(s->q->base.ctx.arena, cap * sizeof *s->ids);
    s->pairs = fer_arena_alloc(s->q->base.ctx.arena, cap * sizeof *s->pairs);
    s->ends = fer_arena_alloc(s->q->base.ctx.arena, cap * sizeof *s->ends);
    s->cap_ids = s->ids == NULL || s->pairs == NULL || s->ends == NULL ? 0 : cap;
    return s->cap_ids != 0;
}

/* How many bytes of a and b are the same from the first on, n at most. */
static size_t same_bytes(const uint8_t *a, const uint8_t *b, size_t n)
{
    size_t i = 0;
    for (uint64_t x, y; i + sizeof x <= n; i += sizeof x) {
        memcpy(&x, a + i, sizeof x);
        memcpy(&y, b + i, sizeof y);
        if (x != y)
            break;
    }
    while (i < n && a[i] == b[i])
        i++;
    return i;
}

/* Passes over the labels that are, byte for byte, those of the series looked at before; how many. */
static size_t pass_same(const block_selection *s, index_series *series)
{
    size_t n = 0, most = rd_left(&series->r);
    if (s->n_ids == 0)
        return 0;
    if (s->ends[s->n_ids - 1] < most)
        most = s->ends[s->n_ids - 1];
    size_t same = same_bytes(s->bytes, series->r.p, most);
    while (n < s->n_ids && n < series->labels_left && s->ends[n] <= same)
        n++;
    series->labels_left -= n;
    series->r.p += n == 0 ? 0 : s->ends[n - 1];
    return n;
}

/* Sets label k; often that of the series looked at before has the same name. False past the budget. */
static bool set_label(block_selection *s, size_t k, uint32_t name, uint32_t value)
{
    label_id *id = &s->ids[k];
    symbol_pair *pair = &s->pairs[k];
    bool known = k < s->n_ids;
    if (!known || pair->name != name)
        id->name = id_of(s->q, name);
    if (!known || pair->value != value)
        id->value = id_of(s->q, value);
    *pair = (symbol_pair){name, value};
    return id->name != SYM_NONE && id->value != SYM_NONE;
}

static const label_id *selection_labels_of(selection *base, size_t i, size_t *ret_n)
{
    block_selection *s = (block_selection *)base;
    index_series series;
    size_t n = 0;
    if (!room_for_ids(s, 1))
        return NULL;
    *ret_n = 0;
    sweep(s->q);
    /* It could be read when it was selected; a file that changed since gives a series without labels. */
    if (block_index_series_again(&s->q->b->index, s->refs[i], &series, NULL) != FER_OK)
        return s->ids;
    /* A label takes two bytes at least, so this is no more than the file holds. */
    if (series.labels_left > rd_left(&series.r) || !room_for_ids(s, (size_t)series.labels_left + 1))
        return NULL;
    const uint8_t *begin = series.r.p;
    uint32_t name, value;
    n = pass_same(s, &series);
    for (; index_series_label(&series, &name, &value) == FER_OK; n++) {
        if (!set_label(s, n, name, value)) {
            s->n_ids = 0;
            return NULL;
        }
        s->ends[n] = (uint32_t)(series.r.p - begin);
    }
    s->n_ids = n;
    s->bytes = begin;
    *ret_n = is_lost(s->q) ? 0 : n;
    return s->ids;
}

/* ---- samples ---- */

/* Names the block and the series. */
static void warn_of_series(const block_querier *q, uint32_t ref, const char *why)
{
    index_series s;
    uint32_t name, value;
    fer_buf text;
    fer_buf_init(&text, FER_ERR_MSG_MAX, NULL);
    if (block_index_series(&q->b->index, ref, &s, NULL) == FER_OK) {
        while (index_series_label(&s, &name, &value) == FER_OK) {
            label l;
            if (block_symbols_text(&q->b->index.symbols, name, &l.name) != FER_OK ||
                block_symbols_text(&q->b->index.symbols, value, &l.value) != FER_OK)
                break;
            fer_buf_printf(&text, "%s%.*s=\"%.*s\"", text.n == 0 ? "" : ", ", STR_FMT(l.name),
                           STR_FMT(l.value));
        }
    }
    query_warn(q->warnings, "block %s: %s of {%.*s}", q->b->name, why, (int)text.n, text.p);
    fer_buf_done(&text);
}

/* out[from..] is what the series gave so far. */
static fer_code read_chunk(const block_querier *q, uint32_t ref, const index_chunk *c, int64_t mint,
                           int64_t maxt, samples *out, size_t from, fer_err *err)
{
    fer_err why = {0};
    uint8_t encoding;
    fer_str data;
    size_t had = out->n;
    if (block_chunks_get(&q->b->chunks, c->ref, &encoding, &data, &why) != FER_OK) {
        warn_of_series(q, ref, why.msg);
        return FER_OK;
    }
    fer_code code = chunk_decode(encoding, data, mint, maxt, out);
    if (code == FER_LIMIT)
        return fer_fail_budget(err, "reading samples");
    if (code == FER_OK && had > from && out->n > had && out->t[had] <= out->t[had - 1]) {
        samples_remove(out, had, out->n);
        code = FER_CORRUPT;
    }
    if (code == FER_UNSUPPORTED)
        query_warn(q->warnings,
                   "block %s: a chunk of encoding %d is of a kind or schema that this version does "
                   "not know and is left out",
                   q->b->name, encoding);
    else if (code != FER_OK)
        warn_of_series(q, ref, "a chunk does not decode,");
    return FER_OK;
}

static fer_code selection_read_of(selection *base, size_t i, int64_t mint, int64_t maxt,
                                  samples *out, fer_err *err)
{
    const block_selection *s = (const block_selection *)base;
    block_querier *q = s->q;
    fer_err why = {0};
    index_series series;
    sweep(q);
    if (block_index_series_again(&q->b->index, s->refs[i], &series, &why) != FER_OK) {
        warn(q, &why);
        return FER_OK;
    }
    size_t n_gone, from = out->n;
    const tombstone *gone = tombstones_of(&q->b->stones, s->refs[i], &n_gone);
    index_chunk c;
    fer_code code;
    while ((code = index_series_chunk(&series, &c)) == FER_OK && c.mint <= maxt)
        if (c.maxt >= mint && !tombstones_cover(gone, n_gone, c.mint, c.maxt))
            FER_TRY(read_chunk(q, s->refs[i], &c, mint, maxt, out, from, err));
    if (code == FER_CORRUPT)
        query_warn(q->warnings, "block %s: index: a series does not decode", q->b->name);
    tombstones_apply(gone, n_gone, out, from);
    if (is_lost(q))
        samples_remove(out, from, out->n);
    return FER_OK;
}

static const selection_ops block_selection_ops = {.labels = selection_labels_of,
                                                  .read = selection_read_of};

/* ---- select ---- */

/* Whether the series has a chunk in the range that is not deleted. */
static bool has_data(const block_querier *q, uint32_t ref, int64_t mint, int64_t maxt)
{
    fer_err why = {0};
    index_series series;
    index_chunk c;
    if (block_index_series(&q->b->index, ref, &series, &why) != FER_OK) {
        warn(q, &why);
        return false;
    }
    size_t n;
    const tombstone *gone = tombstones_of(&q->b->stones, ref, &n);
    while (index_series_chunk(&series, &c) == FER_OK && c.mint <= maxt)
        if (c.maxt >= mint && !tombstones_cover(gone, n, c.mint, c.maxt))
            return true;
    return false;
}

static fer_code keep_with_data(block_querier *q, ref_list *l, const select_hints *h, fer_err *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->n && (h->limit == 0 || kept < h->limit); i++) {
        if (i % CANCEL_EVERY == CANCEL_EVERY - 1) {
            fer_code code = fer_cancel_check(q->base.ctx.cancel);
            if (code != FER_OK)
                return fer_fail(err, code, "selecting series: %s", fer_code_name(code));
        }
        sweep(q);
        if (has_data(q, l->v[i], h->mint, h->maxt))
            l->v[kept++] = l->v[i];
    }
    l->n = kept;
    return FER_OK;
}

/* The refs that match; none, with a warning, when the index is damaged beyond use. */
static fer_code matching(block_querier *q, fer_arena *tmp, const matcher *m, size_t nm,
                         ref_list *ret, fer_err *err)
{
    fer_err why = {0};
    fer_code code = block_select(q->b, tmp, q->base.ctx.cancel, q->warnings, m, nm, ret, &why);
    if (code == FER_CORRUPT) {
        warn(q, &why);
        *ret = (ref_list){NULL, 0};
        return FER_OK;
    }
    if (code != FER_OK && err != NULL)
        *err = why;
    return code;
}

static fer_code select_series(querier *base, const select_hints *hints, const matcher *m, size_t nm,
                              selection **ret, fer_err *err)
{
    block_querier *q = (block_querier *)base;
    select_hints h = *hints;
    if (h.mint < base->mint)
        h.mint = base->mint;
    if (h.maxt > base->maxt)
        h.maxt = base->maxt;
    FER_CLEANUP(fer_arena_freep) fer_arena *tmp = fer_arena_new(base->ctx.acct, 0);
    ref_list l;
    FER_TRY(matching(q, tmp, m, nm, &l, err));
    FER_TRY(keep_with_data(q, &l, &h, err));
    if (is_lost(q))
        l.n = 0;

    block_selection *s = ARENA_NEW(base->ctx.arena, block_selection);
    if (s == NULL)
        return no_memory(err);
    s->base = (selection){&block_selection_ops, l.n};
    s->q = q;
    s->refs = fer_arena_alloc(base->ctx.arena, l.n * sizeof *s->refs);
    if (s->refs == NULL)
        return no_memory(err);
    if (l.n != 0)
        memcpy(s->refs, l.v, l.n * sizeof *s->refs);
    *ret = &s->base;
    return FER_OK;
}

/* ---- label names and values ---- */

static fer_code add_view(str_list *l, fer_arena *tmp, fer_str text, fer_err *err)
{
    if (l->n == l->cap)
        FER_TRY(str_list_reserve(l, tmp, l->cap == 0 ? 64 : l->cap, err));
    l->v[l->n++] = text;
    return FER_OK;
}

static bool is_enough(const str_list *l, uint64_t limit)
{
    return limit != 0 && l->n >= limit;
}

static fer_code all_names(const block_querier *q, fer_arena *tmp, uint64_t limit, str_list *ret,
                          fer_err *err)
{
    const block_index *x = &q->b->index;
    for (size_t i = 0; i < x->n_names && !is_enough(ret, limit); i++)
        if (x->names[i].text.n != 0)
            FER_TRY(add_view(ret, tmp, x->names[i].text, err));
    return FER_OK;
}

static fer_code all_values(const block_querier *q, fer_arena *tmp, fer_str name, uint64_t limit,
                           str_list *ret, fer_err *err)
{
    const block_index *x = &q->b->index;
    size_t i = block_index_name(x, name);
    if (i == INDEX_NONE)
        return FER_OK;
    uint64_t n = limit == 0 || x->names[i].n < limit ? x->names[i].n : limit, off;
    FER_TRY(str_list_reserve(ret, tmp, (size_t)n, err));
    index_values v;
    index_values_begin(&v, x, i);
    while (ret->n < n && index_values_next(&v, &ret->v[ret->n], &off) == FER_OK)
        ret->n++;
    return FER_OK;
}

/* Symbols, some of them many times. */
typedef struct symbol_list {
    fer_arena *tmp;
    uint32_t *v;
    size_t n, cap;
} symbol_list;

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void make_unique(symbol_list *l)
{
    size_t n = 0;
    if (l->n != 0)
        qsort(l->v, l->n, sizeof *l->v, by_number);
    for (size_t i = 0; i < l->n; i++)
        if (n == 0 || l->v[n - 1] != l->v[i])
            l->v[n++] = l->v[i];
    l->n = n;
}

static bool add_symbol(symbol_list *l, uint32_t symbol)
{
    if (l->n == l->cap)
        make_unique(l);
    if (l->n >= l->cap / 2) {
        size_t cap = l->cap == 0 ? 256 : l->cap * 2;
        uint32_t *v = fer_arena_grow(l->tmp, l->v, l->cap * sizeof *v, cap * sizeof *v);
        if (v == NULL)
            return false;
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = symbol;
    return true;
}

/* Names of the series' labels, or, if `wanted` is given, the values of that name. */
static fer_code symbols_of(const block_querier *q, const ref_list *refs, const uint32_t *wanted,
                           symbol_list *l, fer_err *err)
{
    for (size_t i = 0; i < refs->n; i++) {
        fer_err why = {0};
        index_series s;
        uint32_t name, value;
        if (block_index_series(&q->b->index, refs->v[i], &s, &why) != FER_OK)
            warn(q, &why);
        else
            while (index_series_label(&s, &name, &value) == FER_OK)
                if ((wanted == NULL || *wanted == name) &&
                    !add_symbol(l, wanted == NULL ? name : value))
                    return no_memory(err);
    }
    make_unique(l);
    return FER_OK;
}

/* `name` empty: label names. Symbols ascend as their texts do. */
static fer_code texts_of_matching(block_querier *q, fer_arena *tmp, fer_str name, const matcher *m,
                                  size_t nm, uint64_t limit, str_list *ret, fer_err *err)
{
    uint32_t wanted;
    if (name.n != 0 && !block_symbols_find(&q->b->index.symbols, name, &wanted))
        return FER_OK;
    ref_list refs;
    FER_TRY(matching(q, tmp, m, nm, &refs, err));
    symbol_list l = {.tmp = tmp};
    FER_TRY(symbols_of(q, &refs, name.n == 0 ? NULL : &wanted, &l, err));
    for (size_t i = 0; i < l.n && !is_enough(ret, limit); i++) {
        fer_str text;
        if (block_symbols_text(&q->b->index.symbols, l.v[i], &text) == FER_OK)
            FER_TRY(add_view(ret, tmp, text, err));
    }
    return FER_OK;
}

/* Unites *ret with views of the block, which become copies; not with what was read of lost bytes. */
static fer_code unite_copies(const block_querier *q, str_list *views, str_list *ret, fer_err *err)
{
    fer_arena *a = q->base.ctx.arena;
    size_t bytes = 0;
    if (str_contain_all(ret->v, ret->n, views->v, views->n)) {
        (void)is_lost(q); /* told all the same */
        return FER_OK;
    }
    for (size_t i = 0; i < views->n; i++)
        bytes += views->v[i].n;
    char *at = fer_arena_alloc(a, bytes);
    if (at == NULL)
        return no_memory(err);
    for (size_t i = 0; i < views->n; at += views->v[i++].n) {
        if (views->v[i].n != 0)
            memcpy(at, views->v[i].p, views->v[i].n);
        views->v[i].p = at;
    }
    return is_lost(q) ? FER_OK : str_list_unite(ret, a, views->v, views->n, err);
}

static fer_code label_names(querier *base, const matcher *m, size_t nm, uint64_t limit,
                            str_list *ret, fer_err *err)
{
    block_querier *q = (block_querier *)base;
    FER_CLEANUP(fer_arena_freep) fer_arena *tmp = fer_arena_new(base->ctx.acct, 0);
    str_list views = {0};
    FER_TRY(nm == 0 ? all_names(q, tmp, limit, &views, err)
                    : texts_of_matching(q, tmp, STR(""), m, nm, limit, &views, err));
    return unite_copies(q, &views, ret, err);
}

static fer_code label_values(querier *base, fer_str name, const matcher *m, size_t nm,
                             uint64_t limit, str_list *ret, fer_err *err)
{
    block_querier *q = (block_querier *)base;
    FER_CLEANUP(fer_arena_freep) fer_arena *tmp = fer_arena_new(base->ctx.acct, 0);
    str_list views = {0};
    if (name.n == 0)
        return FER_OK;
    FER_TRY(nm == 0 ? all_values(q, tmp, name, limit, &views, err)
                    : texts_of_matching(q, tmp, name, m, nm, limit, &views, err));
    return unite_copies(q, &views, ret, err);
}

/* ---- opening and closing ---- */

static void close_querier(querier *base)
{
    block_querier *q = (block_querier *)base;
    block_unref(q->b);
    q->b = NULL;
}

static const querier_ops block_querier_ops = {select_series, label_names, label_values,
                                              close_querier};

fer_code block_querier_open(block *b, const query_ctx *ctx, int64_t mint, int64_t maxt,
                            query_warnings *w, querier **ret, fer_err *err)
{
    block_querier *q = ARENA_NEW(ctx->arena, block_querier);
    if (q == NULL)
        return no_memory(err);
    q->base = (querier){.ops = &block_querier_ops, .ctx = *ctx, .mint = mint, .maxt = maxt};
    q->warnings = w != NULL ? w : query_warnings_new(ctx, &q->base.warnings);
    if (q->warnings == NULL)
        return no_memory(err);
    q->b = block_ref(b);
    *ret = &q->base;
    return FER_OK;
}

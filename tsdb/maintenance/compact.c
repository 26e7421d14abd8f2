#include "tsdb/maintenance/compact.h"

#include <stdlib.h>
#include <string.h>

#include "tsdb/block/block_write.h"
#include "tsdb/head/heap_order.h"
#include "tsdb/maintenance/compact_series.h"

enum { SERIES_PER_CHECK = 64, SERIES_PER_FORGET = 8192 };

/* ---- meta ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(((const ulid *)a)->text, ((const ulid *)b)->text);
}

static fer_code collect_sources(block *const *v, size_t n, fer_arena *a, block_meta *ret,
                                fer_err *err)
{
    size_t most = 0, all = 0, kept = 0;
    for (size_t i = 0; i < n; i++)
        most += v[i]->meta.n_sources;
    ulid *s = ARENA_ARRAY(a, ulid, most + 1);
    if (s == NULL)
        return fer_fail_budget(err, "compacting blocks");
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < v[i]->meta.n_sources; k++)
            s[all++] = v[i]->meta.sources[k];
    if (all != 0)
        qsort(s, all, sizeof *s, by_text);
    for (size_t i = 0; i < all; i++)
        if (kept == 0 || strcmp(s[kept - 1].text, s[i].text) != 0)
            s[kept++] = s[i];
    ret->sources = s;
    ret->n_sources = kept;
    return FER_OK;
}

static fer_code meta_of(const compact_options *o, block *const *v, size_t n, fer_arena *a,
                        block_meta *ret, fer_err *err)
{
    *ret = (block_meta){.min_time = v[0]->meta.min_time, .max_time = v[0]->meta.max_time};
    ret->parents = ARENA_ARRAY(a, block_parent, n);
    if (ret->parents == NULL)
        return fer_fail_budget(err, "compacting blocks");
    for (size_t i = 0; i < n; i++) {
        const block_meta *m = &v[i]->meta;
        if (m->min_time < ret->min_time)
            ret->min_time = m->min_time;
        if (m->max_time > ret->max_time)
            ret->max_time = m->max_time;
        if (m->level > ret->level)
            ret->level = m->level;
        ret->parents[ret->n_parents++] = (block_parent){m->id, m->min_time, m->max_time};
    }
    ret->level++;
    ret->id = ulid_make(o->clock->wall_ms(o->clock), o->rng);
    return collect_sources(v, n, a, ret, err);
}

/* ---- symbols ---- */

/* What a symbol of a block is in the new one. */
typedef struct symbol_map {
    uint32_t *to;
    uint32_t *from; /* index version 1: the symbols, ascending; else they are 0, 1, 2, ... */
    size_t n;
} symbol_map;

static fer_code map_symbol(const symbol_map *m, uint32_t symbol, uint32_t *ret)
{
    size_t at = symbol;
    if (m->from != NULL) {
        size_t lo = 0, hi = m->n;
        while (lo < hi) {
            size_t mid = lo + (hi - lo) / 2;
            if (m->from[mid] < symbol)
                lo = mid + 1;
            else
                hi = mid;
        }
        if (lo == m->n || m->from[lo] != symbol)
            return FER_CORRUPT;
        at = lo;
    }
    if (at >= m->n)
        return FER_CORRUPT;
    *ret = m->to[at];
    return FER_OK;
}

/* ---- sources ---- */

typedef struct source {
    const block *b;
    /* while symbols are merged */
    symbol_cursor symbols;
    uint32_t symbol;
    fer_str text;
    bool ended;
    symbol_map map;
    /* the present series */
    index_postings all;
    size_t at;
    uint64_t ref;
    label_id *ids;
    size_t n_ids, cap_ids;
    index_chunk *chunks;
    size_t n_chunks, cap_chunks;
} source;

typedef struct compactor {
    const compact_options *o;
    source *s;
    size_t n;
    block_writer *out;
    series_compactor series;
    series_part *parts;
    uint32_t *popped;
    heap_order heap;
    fer_code failed; /* of a source that could not go on */
} compactor;

static uint64_t map_bytes(const symbol_map *m)
{
    return m->n * (sizeof *m->to + (m->from == NULL ? 0 : sizeof *m->from));
}

static fer_code damaged(const source *s, const char *what, fer_err *err)
{
    return fer_fail(err, FER_CORRUPT, "block %s: %s", s->b->name, what);
}

static fer_code open_source(source *s, const block *b, fer_account *acct, fer_err *err)
{
    s->b = b;
    s->symbols = block_symbols_begin(&b->index.symbols);
    s->map.n = b->index.symbols.n;
    s->map.to = fer_alloc((s->map.n + 1) * sizeof *s->map.to);
    if (b->index.symbols.by_place)
        s->map.from = fer_alloc((s->map.n + 1) * sizeof *s->map.from);
    fer_account_force(acct, map_bytes(&s->map));
    if (b->index.all == 0)
        return damaged(s, "it has no list of all series", err);
    fer_code code = block_index_postings(&b->index, b->index.all, &s->all, err);
    return code == FER_OK ? FER_OK : (fer_err_prefix(err, "block %s: ", b->name), code);
}

static void close_source(source *s, fer_account *acct)
{
    if (s->map.to != NULL)
        fer_account_release(acct, map_bytes(&s->map));
    fer_free(s->map.to);
    fer_free(s->map.from);
    fer_free(s->ids);
    fer_free(s->chunks);
}

static fer_code next_symbol(source *s, fer_err *err)
{
    fer_code code = symbol_cursor_next(&s->symbols, &s->symbol, &s->text);
    s->ended = code == FER_END;
    return code == FER_OK || code == FER_END ? FER_OK : damaged(s, "a symbol does not decode", err);
}

static void keep_mapping(source *s, uint32_t number)
{
    size_t i = s->symbols.i - 1;
    s->map.to[i] = number;
    if (s->map.from != NULL)
        s->map.from[i] = s->symbol;
}

static fer_code merge_symbols(compactor *c, fer_err *err)
{
    for (size_t i = 0; i < c->n; i++)
        FER_TRY(next_symbol(&c->s[i], err));
    for (uint32_t number = 0;; number++) {
        const source *least = NULL;
        for (size_t i = 0; i < c->n; i++)
            if (!c->s[i].ended && (least == NULL || str_cmp(c->s[i].text, least->text) < 0))
                least = &c->s[i];
        if (least == NULL)
            return FER_OK;
        fer_str text = least->text;
        FER_TRY(block_writer_symbol(c->out, text, err));
        for (size_t i = 0; i < c->n; i++) {
            source *s = &c->s[i];
            if (s->ended || !str_eq(s->text, text))
                continue;
            keep_mapping(s, number);
            FER_TRY(next_symbol(s, err));
        }
    }
}

/* ---- series ---- */

static void *room_for_one(void *v, size_t n, size_t *cap, size_t item)
{
    if (n < *cap)
        return v;
    *cap = *cap == 0 ? 32 : *cap * 2;
    return fer_realloc(v, *cap * item);
}

static fer_code read_labels(source *s, index_series *x)
{
    uint32_t name, value;
    fer_code code;
    s->n_ids = 0;
    while ((code = index_series_label(x, &name, &value)) == FER_OK) {
        s->ids = room_for_one(s->ids, s->n_ids, &s->cap_ids, sizeof *s->ids);
        label_id *id = &s->ids[s->n_ids++];
        FER_TRY(map_symbol(&s->map, name, &id->name));
        FER_TRY(map_symbol(&s->map, value, &id->value));
    }
    return code == FER_END ? FER_OK : code;
}

static fer_code read_chunks(source *s, index_series *x)
{
    index_chunk chunk;
    fer_code code;
    s->n_chunks = 0;
    while ((code = index_series_chunk(x, &chunk)) == FER_OK) {
        s->chunks = room_for_one(s->chunks, s->n_chunks, &s->cap_chunks, sizeof *s->chunks);
        s->chunks[s->n_chunks++] = chunk;
    }
    return code == FER_END ? FER_OK : code;
}

/* Drops the chunks of which nothing is to be in the new block. */
static void drop_deleted(source *s)
{
    size_t n_stones, kept = 0;
    const tombstone *stones = tombstones_of(&s->b->stones, s->ref, &n_stones);
    for (size_t i = 0; i < s->n_chunks; i++) {
        bool gone = false;
        for (size_t k = 0; k < n_stones && !gone; k++)
            gone = stones[k].mint <= s->chunks[i].mint && s->chunks[i].maxt <= stones[k].maxt;
        if (!gone)
            s->chunks[kept++] = s->chunks[i];
    }
    s->n_chunks = kept;
}

static fer_code read_series(source *s, fer_err *err)
{
    index_series x;
    s->ref = index_posting(&s->all, s->at++);
    fer_code code = block_index_series(&s->b->index, s->ref, &x, err);
    if (code != FER_OK) {
        fer_err_prefix(err, "block %s: ", s->b->name);
        return code;
    }
    if (read_labels(s, &x) != FER_OK || read_chunks(s, &x) != FER_OK)
        return damaged(s, "a series does not decode", err);
    drop_deleted(s);
    return FER_OK;
}

/* Reads the source's next series and puts it on the heap, if there is one. Series without chunks are passed over
 * here, as the heap's order between equal labels, and with it which of two samples counts, depends on it. */
static fer_code next_series(compactor *c, uint32_t i, fer_err *err)
{
    source *s = &c->s[i];
    do {
        if (s->at == s->all.n)
            return FER_OK;
        FER_TRY(read_series(s, err));
    } while (s->n_chunks == 0);
    heap_push(&c->heap, i);
    return FER_OK;
}

/* Numbers of the new symbols compare as their texts do. */
static int compare_sources(const compactor *c, uint32_t a, uint32_t b)
{
    const source *x = &c->s[a], *y = &c->s[b];
    for (size_t i = 0; i < x->n_ids && i < y->n_ids; i++) {
        const label_id *p = &x->ids[i], *q = &y->ids[i];
        if (p->name != q->name)
            return p->name < q->name ? -1 : 1;
        if (p->value != q->value)
            return p->value < q->value ? -1 : 1;
    }
    return (x->n_ids > y->n_ids) - (x->n_ids < y->n_ids);
}

static bool source_less(void *arg, uint32_t a, uint32_t b)
{
    return compare_sources(arg, a, b) < 0;
}

/* The series with the least labels, of all sources that have it. */
static fer_code merge_least(compactor *c, fer_err *err)
{
    size_t n = 0, n_chunks;
    block_chunk *chunks;
    do {
        uint32_t i = heap_pop(&c->heap);
        source *s = &c->s[i];
        series_part *p = &c->parts[n];
        *p = (series_part){.chunks = &s->b->chunks, .c = s->chunks, .n = s->n_chunks};
        p->stones = tombstones_of(&s->b->stones, s->ref, &p->n_stones);
        c->popped[n++] = i;
    } while (c->heap.n != 0 && compare_sources(c, c->popped[0], c->heap.v[0]) == 0);
    const source *s = &c->s[c->popped[0]];
    FER_TRY(series_compactor_merge(&c->series, c->parts, n, &chunks, &n_chunks, err));
    FER_TRY(block_writer_series(c->out, s->ids, s->n_ids, chunks, n_chunks, err));
    for (size_t i = 0; i < n; i++)
        FER_TRY(next_series(c, c->popped[i], err));
    return FER_OK;
}

static fer_code check_cancel(const compactor *c, fer_err *err)
{
    fer_code code = fer_cancel_check(c->o->cancel);
    return code == FER_OK ? FER_OK : fer_fail(err, code, "compaction was stopped");
}

/* What was passed need not stay in memory; what is needed again is read again. */
static void forget_sources(const compactor *c)
{
    for (size_t i = 0; i < c->n; i++)
        block_forget(c->s[i].b);
}

static double share_done(const compactor *c)
{
    size_t done = 0, all = 0;
    for (size_t i = 0; i < c->n; i++) {
        done += c->s[i].at;
        all += c->s[i].all.n;
    }
    return all == 0 ? 0 : (double)done / (double)all;
}

static fer_code merge_all(compactor *c, fer_err *err)
{
    FER_TRY(merge_symbols(c, err));
    for (uint32_t i = 0; i < c->n; i++)
        FER_TRY(next_series(c, i, err));
    for (unsigned k = 0; c->heap.n != 0; k++) {
        if (k % SERIES_PER_CHECK == 0) {
            pace_point(c->o->pace, share_done(c));
            FER_TRY(check_cancel(c, err));
        }
        FER_TRY(merge_least(c, err));
        if (k % SERIES_PER_FORGET == SERIES_PER_FORGET - 1)
            forget_sources(c);
    }
    return check_cancel(c, err);
}

/* ---- the whole ---- */

/* meta->id is given. */
static fer_code run(compactor *c, block *const *v, block_meta *meta, fer_err *err)
{
    FER_TRY(block_writer_open(c->o->fs, c->o->dir, &meta->id, c->o->segment_bytes, c->o->acct,
                              &c->out, err));
    block_writer_count(c->out, meta->level == 1 ? c->o->counts : NULL);
    fer_code code = FER_OK;
    for (size_t i = 0; i < c->n && code == FER_OK; i++)
        code = open_source(&c->s[i], v[i], c->o->acct, err);
    if (code == FER_OK)
        code = merge_all(c, err);
    for (size_t i = 0; i < c->n && code == FER_OK; i++)
        if (block_failed(v[i]))
            code = damaged(&c->s[i], "bytes of its files were lost", err);
    if (code != FER_OK) {
        block_writer_abort(c->out);
        return code;
    }
    return block_writer_close(c->out, meta, err);
}

static fer_code compact_into(const compact_options *o, block *const *v, size_t n, block_meta *meta,
                             fer_err *err)
{
    compactor c = {.o = o, .n = n};
    c.s = fer_calloc(n, sizeof *c.s);
    c.parts = fer_calloc(n, sizeof *c.parts);
    c.popped = fer_calloc(2 * n, sizeof *c.popped);
    c.heap = (heap_order){.v = c.popped + n, .less = source_less, .arg = &c};
    series_compactor_init(&c.series, meta->min_time, meta->max_time - 1, o->acct);
    fer_code code = run(&c, v, meta, err);
    series_compactor_done(&c.series);
    for (size_t i = 0; i < n; i++)
        close_source(&c.s[i], o->acct);
    fer_free(c.s);
    fer_free(c.parts);
    fer_free(c.popped);
    return code;
}

fer_code compact_blocks(const compact_options *o, block *const *v, size_t n, fer_arena *a,
                        block_meta *ret, fer_err *err)
{
    block_meta meta;
    FER_TRY(meta_of(o, v, n, a, &meta, err));
    ret->id = meta.id;
    FER_TRY(compact_into(o, v, n, &meta, err));
    *ret = meta;
    return FER_OK;
}

fer_code compact_rewrite(const compact_options *o, block *b, fer_arena *a, block_meta *ret,
                         fer_err *err)
{
    block_meta meta;
    FER_TRY(meta_of(o, &b, 1, a, &meta, err));
    ret->id = meta.id;
    meta.level = 1;
    meta.hints = b->meta.hints;
    meta.n_hints = b->meta.n_hints;
    meta.n_sources = 1;
    meta.sources = ARENA_ARRAY(a, ulid, 1);
    if (meta.sources == NULL)
        return fer_fail_budget(err, "compacting blocks");
    meta.sources[0] = meta.id;
    FER_TRY(compact_into(o, &b, 1, &meta, err));
    *ret = meta;
    return FER_OK;
}

#include "tsdb/maintenance/compact_series.h"

#include <string.h>

#include "tsdb/chunk/chunk.h"
#include "tsdb/chunk/chunk_encode.h"
#include "tsdb/chunk/chunk_hist.h"
#include "tsdb/chunk/chunk_xor.h"
#include "tsdb/head/heap_order.h"
#include "tsdb/merge_samples.h"

enum { MERGED_SAMPLES = 120 };

void series_compactor_init(series_compactor *c, int64_t mint, int64_t maxt, fer_account *acct)
{
    *c = (series_compactor){.mint = mint, .maxt = maxt, .acct = acct};
    c->arena = fer_arena_new(acct, 0);
    samples_init(&c->decoded, acct);
}

void series_compactor_done(series_compactor *c)
{
    fer_arena_free(c->arena);
    samples_done(&c->decoded);
}

static fer_code no_memory(fer_err *err)
{
    return fer_fail_budget(err, "compacting blocks");
}

/* ---- samples and chunks ---- */

static fer_code decode(series_compactor *c, const block_chunk *chunk, fer_err *err)
{
    if (chunk->encoding != CHUNK_XOR && chunk->encoding != CHUNK_HISTOGRAM &&
        chunk->encoding != CHUNK_FLOAT_HISTOGRAM) /* start timestamps would be lost */
        return fer_fail(err, FER_UNSUPPORTED,
                        "chunks of encoding %u overlap or have deletions; they cannot be merged",
                        (unsigned)chunk->encoding);
    fer_code code = chunk_decode(chunk->encoding, chunk->data, INT64_MIN, INT64_MAX, &c->decoded);
    if (code == FER_LIMIT)
        return no_memory(err);
    return code == FER_OK ? FER_OK : fer_fail(err, code, "a chunk does not decode");
}

/* ---- deletions and edges ---- */

typedef struct gone {
    int64_t mint, maxt;
} gone;

static bool covers(const gone *g, int64_t mint, int64_t maxt)
{
    return g->mint <= mint && maxt <= g->maxt;
}

/* What of the part is not to be in the new block: its deletions, and what lies beyond the edges. */
static gone *list_gone(const series_compactor *c, const series_part *p, size_t *ret_n)
{
    gone *v = ARENA_ARRAY(c->arena, gone, p->n_stones + 2);
    if (v == NULL)
        return NULL;
    size_t n = 0;
    for (size_t i = 0; i < p->n_stones; i++)
        v[n++] = (gone){p->stones[i].mint, p->stones[i].maxt};
    if (c->mint != INT64_MIN)
        v[n++] = (gone){INT64_MIN, c->mint - 1};
    if (c->maxt != INT64_MAX)
        v[n++] = (gone){c->maxt + 1, INT64_MAX};
    *ret_n = n;
    return v;
}

static void drop_gone(samples *s, const gone *g, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->n; i++) {
        bool drop = false;
        for (size_t k = 0; k < n && !drop; k++)
            drop = covers(&g[k], s->t[i], s->t[i]);
        if (drop)
            continue;
        s->t[kept] = s->t[i];
        s->v[kept] = s->v[i];
        if (s->type != NULL) {
            s->type[kept] = s->type[i];
            s->h[kept] = s->h[i];
        }
        kept++;
    }
    samples_remove(s, kept, s->n);
}

/* Chunks on their way from the encoder to a list in the arena. */
typedef struct chunk_sink {
    series_compactor *c;
    block_chunk *v;
    size_t n, cap;
} chunk_sink;

static bool sink_add(chunk_sink *k, const block_chunk *chunk)
{
    if (k->n == k->cap) {
        size_t cap = k->cap == 0 ? 4 : k->cap * 2;
        block_chunk *v = fer_arena_grow(k->c->arena, k->v, k->cap * sizeof *v, cap * sizeof *v);
        if (v == NULL)
            return false;
        k->v = v;
        k->cap = cap;
    }
    k->v[k->n++] = *chunk;
    return true;
}

static fer_code keep_chunk(void *arg, const encoded_chunk *e)
{
    chunk_sink *k = arg;
    fer_str data = fer_arena_dup(k->c->arena, e->data);
    const block_chunk chunk = {e->mint, e->maxt, e->encoding, data};
    return data.p != NULL && sink_add(k, &chunk) ? FER_OK : FER_LIMIT;
}

static fer_code encode_all(chunk_sink *k, size_t most, fer_err *err)
{
    fer_code code = chunk_encode(&k->c->decoded, 0, k->c->decoded.n, most, keep_chunk, k);
    return code == FER_LIMIT ? no_memory(err) : code;
}

/* Puts what remains of the chunk into the list. */
static fer_code take_chunk(chunk_sink *k, const block_chunk *chunk, const gone *g, size_t n,
                           fer_err *err)
{
    series_compactor *c = k->c;
    bool touched = false;
    for (size_t i = 0; i < n; i++) {
        if (covers(&g[i], chunk->mint, chunk->maxt))
            return FER_OK;
        touched |= g[i].mint <= chunk->maxt && chunk->mint <= g[i].maxt;
    }
    if (!touched)
        return sink_add(k, chunk) ? FER_OK : no_memory(err);
    samples_clear(&c->decoded);
    FER_TRY(decode(c, chunk, err));
    drop_gone(&c->decoded, g, n);
    return encode_all(k, SIZE_MAX, err);
}

/* ---- merging ---- */

/* The chunks of a part that remain, and how far they have been merged. */
typedef struct chunk_list {
    block_chunk *v;
    size_t n, at;
} chunk_list;

static fer_code take_part(series_compactor *c, const series_part *p, chunk_list *ret, fer_err *err)
{
    size_t n_gone = 0;
    const gone *g = list_gone(c, p, &n_gone);
    chunk_sink k = {.c = c, .v = ARENA_ARRAY(c->arena, block_chunk, p->n), .cap = p->n};
    if (g == NULL || (k.v == NULL && p->n != 0))
        return no_memory(err);
    for (size_t i = 0; i < p->n; i++) {
        block_chunk chunk = {.mint = p->c[i].mint, .maxt = p->c[i].maxt};
        FER_TRY(block_chunks_get_anew(p->chunks, p->c[i].ref, &chunk.encoding, &chunk.data, err));
        FER_TRY(take_chunk(&k, &chunk, g, n_gone, err));
    }
    *ret = (chunk_list){k.v, k.n, 0};
    return FER_OK;
}

typedef struct chunk_merge {
    series_compactor *c;
    chunk_list *lists;
    heap_order heap;
    const block_chunk **group; /* those that overlap, the first one last */
    sample_run *runs;
    chunk_sink out;
} chunk_merge;

static bool list_less(void *arg, uint32_t a, uint32_t b)
{
    const chunk_list *lists = arg;
    const block_chunk *x = &lists[a].v[lists[a].at], *y = &lists[b].v[lists[b].at];
    return x->mint != y->mint ? x->mint < y->mint : x->maxt < y->maxt;
}

static const block_chunk *pop_chunk(chunk_merge *m)
{
    uint32_t i = heap_pop(&m->heap);
    chunk_list *l = &m->lists[i];
    const block_chunk *chunk = &l->v[l->at++];
    if (l->at < l->n)
        heap_push(&m->heap, i);
    return chunk;
}

static const block_chunk *next_chunk(const chunk_merge *m)
{
    if (m->heap.n == 0)
        return NULL;
    const chunk_list *l = &m->lists[m->heap.v[0]];
    return &l->v[l->at];
}

static bool same_chunk(const block_chunk *a, const block_chunk *b)
{
    return a->mint == b->mint && a->maxt == b->maxt && str_eq(a->data, b->data);
}

/* Takes the next chunk and all that overlap with it, directly or by way of others, into the group. */
static size_t take_group(chunk_merge *m)
{
    const block_chunk *first = pop_chunk(m), *last = first, *next;
    int64_t end = first->maxt;
    size_t n = 0;
    while ((next = next_chunk(m)) != NULL && next->mint <= end) {
        if (!same_chunk(next, last)) {
            m->group[n++] = last = next;
            if (next->maxt > end)
                end = next->maxt;
        }
        (void)pop_chunk(m);
    }
    m->group[n++] = first;
    return n;
}

static fer_code merge_group(chunk_merge *m, size_t n, fer_err *err)
{
    series_compactor *c = m->c;
    samples_clear(&c->decoded);
    for (size_t i = 0; i < n; i++) {
        size_t had = c->decoded.n;
        FER_TRY(decode(c, m->group[i], err));
        m->runs[i] = (sample_run){had, c->decoded.n};
    }
    if (merge_samples(&c->decoded, 0, m->runs, (uint32_t)n) != FER_OK)
        return no_memory(err);
    return encode_all(&m->out, MERGED_SAMPLES, err);
}

static fer_code merge_lists(series_compactor *c, chunk_list *lists, size_t n, block_chunk **ret,
                            size_t *ret_n, fer_err *err)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += lists[i].n;
    chunk_merge m = {.c = c, .lists = lists, .out = {.c = c, .cap = total + 1}};
    m.out.v = ARENA_ARRAY(c->arena, block_chunk, m.out.cap);
    m.group = ARENA_ARRAY(c->arena, const block_chunk *, total + 1);
    m.runs = ARENA_ARRAY(c->arena, sample_run, total + 1);
    m.heap =
        (heap_order){.v = ARENA_ARRAY(c->arena, uint32_t, n + 1), .less = list_less, .arg = lists};
    if (m.out.v == NULL || m.group == NULL || m.runs == NULL || m.heap.v == NULL)
        return no_memory(err);
    for (uint32_t i = 0; i < n; i++)
        if (lists[i].n != 0)
            heap_push(&m.heap, i);
    while (m.heap.n != 0) {
        size_t in = take_group(&m);
        if (in > 1)
            FER_TRY(merge_group(&m, in, err));
        else if (!sink_add(&m.out, m.group[0]))
            return no_memory(err);
    }
    *ret = m.out.v;
    *ret_n = m.out.n;
    return FER_OK;
}

fer_code series_compactor_merge(series_compactor *c, const series_part *parts, size_t n,
                                block_chunk **ret, size_t *ret_n, fer_err *err)
{
    fer_arena_reset(c->arena);
    chunk_list *lists = ARENA_ARRAY(c->arena, chunk_list, n);
    if (lists == NULL)
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        FER_TRY(take_part(c, &parts[i], &lists[i], err));
    if (n > 1)
        return merge_lists(c, lists, n, ret, ret_n, err);
    *ret = lists[0].v;
    *ret_n = lists[0].n;
    return FER_OK;
}

#include "tsdb/compact_series.h"

#include <string.h>

#include "tsdb/chunk_xor.h"
#include "tsdb/heap_order.h"
#include "tsdb/merge_samples.h"

enum { MERGED_SAMPLES = 120, CHUNK_COUNT_BYTES = 2 };

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
    fer_account_release(c->acct, c->cap_encoded);
    fer_free(c->encoded);
}

static fer_code no_memory(fer_err *err)
{
    return fer_fail_budget(err, "compacting blocks");
}

/* ---- samples and chunks ---- */

static fer_code decode(series_compactor *c, const block_chunk *chunk, fer_err *err)
{
    if (chunk->encoding != CHUNK_XOR)
        return fer_fail(err, FER_UNSUPPORTED,
                        "chunks of encoding %u overlap or have deletions; they cannot be merged",
                        (unsigned)chunk->encoding);
    fer_code code = xor_decode(chunk->data, 0, INT64_MIN, INT64_MAX, &c->decoded);
    if (code == FER_LIMIT)
        return no_memory(err);
    return code == FER_OK ? FER_OK : fer_fail(err, code, "a chunk does not decode");
}

/* The samples [from, to) as one chunk, in the arena. */
static fer_code encode(series_compactor *c, size_t from, size_t to, block_chunk *ret, fer_err *err)
{
    const samples *s = &c->decoded;
    size_t need = CHUNK_COUNT_BYTES + (to - from + 1) * XOR_SAMPLE_BYTES_MAX;
    if (need > c->cap_encoded) {
        fer_account_force(c->acct, need - c->cap_encoded);
        c->encoded = fer_realloc(c->encoded, need);
        c->cap_encoded = need;
    }
    memset(c->encoded, 0, need);
    xor_appender a;
    xor_init(&a);
    for (size_t i = from; i < to; i++)
        xor_append(&a, c->encoded, s->t[i], s->v[i]);
    fer_str data = fer_arena_dup(c->arena, (fer_str){(const char *)c->encoded, xor_bytes(&a)});
    if (data.p == NULL)
        return no_memory(err);
    *ret = (block_chunk){s->t[from], s->t[to - 1], CHUNK_XOR, data};
    return FER_OK;
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
        if (!drop) {
            s->t[kept] = s->t[i];
            s->v[kept++] = s->v[i];
        }
    }
    samples_remove(s, kept, s->n);
}

/* Leaves *ret_kept false where nothing of the chunk remains. */
static fer_code take_chunk(series_compactor *c, block_chunk *chunk, const gone *g, size_t n,
                           bool *ret_kept, fer_err *err)
{
    bool touched = false;
    *ret_kept = false;
    for (size_t i = 0; i < n; i++) {
        if (covers(&g[i], chunk->mint, chunk->maxt))
            return FER_OK;
        touched |= g[i].mint <= chunk->maxt && chunk->mint <= g[i].maxt;
    }
    *ret_kept = true;
    if (!touched)
        return FER_OK;
    samples_clear(&c->decoded);
    FER_TRY(decode(c, chunk, err));
    drop_gone(&c->decoded, g, n);
    *ret_kept = c->decoded.n != 0;
    return c->decoded.n == 0 ? FER_OK : encode(c, 0, c->decoded.n, chunk, err);
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
    block_chunk *v = ARENA_ARRAY(c->arena, block_chunk, p->n);
    if (g == NULL || v == NULL)
        return no_memory(err);
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        block_chunk chunk = {.mint = p->c[i].mint, .maxt = p->c[i].maxt};
        bool kept;
        FER_TRY(block_chunks_get(p->chunks, p->c[i].ref, &chunk.encoding, &chunk.data, err));
        FER_TRY(take_chunk(c, &chunk, g, n_gone, &kept, err));
        if (kept)
            v[n++] = chunk;
    }
    *ret = (chunk_list){v, n, 0};
    return FER_OK;
}

typedef struct chunk_merge {
    series_compactor *c;
    chunk_list *lists;
    heap_order heap;
    const block_chunk **group; /* those that overlap, the first one last */
    sample_run *runs;
    block_chunk *out;
    size_t n_out, cap_out;
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

static fer_code put_chunk(chunk_merge *m, const block_chunk *chunk, fer_err *err)
{
    if (m->n_out == m->cap_out) {
        size_t cap = m->cap_out * 2;
        block_chunk *v =
            fer_arena_grow(m->c->arena, m->out, m->cap_out * sizeof *v, cap * sizeof *v);
        if (v == NULL)
            return no_memory(err);
        m->out = v;
        m->cap_out = cap;
    }
    m->out[m->n_out++] = *chunk;
    return FER_OK;
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
    for (size_t from = 0, to; from < c->decoded.n; from = to) {
        block_chunk chunk;
        to = c->decoded.n - from < MERGED_SAMPLES ? c->decoded.n : from + MERGED_SAMPLES;
        FER_TRY(encode(c, from, to, &chunk, err));
        FER_TRY(put_chunk(m, &chunk, err));
    }
    return FER_OK;
}

static fer_code merge_lists(series_compactor *c, chunk_list *lists, size_t n, block_chunk **ret,
                            size_t *ret_n, fer_err *err)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += lists[i].n;
    chunk_merge m = {.c = c, .lists = lists, .cap_out = total + 1};
    m.out = ARENA_ARRAY(c->arena, block_chunk, m.cap_out);
    m.group = ARENA_ARRAY(c->arena, const block_chunk *, total + 1);
    m.runs = ARENA_ARRAY(c->arena, sample_run, total + 1);
    m.heap =
        (heap_order){.v = ARENA_ARRAY(c->arena, uint32_t, n + 1), .less = list_less, .arg = lists};
    if (m.out == NULL || m.group == NULL || m.runs == NULL || m.heap.v == NULL)
        return no_memory(err);
    for (uint32_t i = 0; i < n; i++)
        if (lists[i].n != 0)
            heap_push(&m.heap, i);
    while (m.heap.n != 0) {
        size_t in = take_group(&m);
        FER_TRY(in == 1 ? put_chunk(&m, m.group[0], err) : merge_group(&m, in, err));
    }
    *ret = m.out;
    *ret_n = m.n_out;
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

#include "tsdb/wal/replay_chunks.h"

static void grow(replay_chunks *r)
{
    uint32_t cap = r->cap == 0 ? 1024 : r->cap * 2;
    fer_account_force(r->acct, (cap - r->cap) * (sizeof *r->v + sizeof *r->refs));
    r->v = fer_realloc(r->v, cap * sizeof *r->v);
    r->refs = fer_realloc(r->refs, cap * sizeof *r->refs);
    r->cap = cap;
}

static void note_ooo(replay_chunks *r, uint64_t ref, uint64_t place, const full_chunk *c)
{
    if (r->n_ooo == r->cap_ooo) {
        uint32_t cap = r->cap_ooo == 0 ? 1024 : r->cap_ooo * 2;
        fer_account_force(r->acct, (cap - r->cap_ooo) * sizeof *r->ooo);
        r->ooo = fer_realloc(r->ooo, cap * sizeof *r->ooo);
        r->cap_ooo = cap;
    }
    r->ooo[r->n_ooo++] = (replay_ooo_chunk){place, ref, *c};
}

static void note_chunk(void *arg, const head_chunk *c, uint32_t file)
{
    replay_chunks *r = arg;
    if (c->series > r->max_ref)
        r->max_ref = c->series;
    if (!chunk_is_known(c->encoding) || c->data.n > UINT32_MAX || file > UINT16_MAX ||
        c->maxt < c->mint || (uint64_t)c->maxt - (uint64_t)c->mint > UINT32_MAX ||
        r->n == REF_NONE - 1) {
        r->skipped++;
        return;
    }
    const full_chunk full = {c->mint,        (uint32_t)(c->maxt - c->mint),
                             c->offset,      (uint32_t)c->data.n,
                             (uint16_t)file, c->encoding};
    if (c->out_of_order) {
        note_ooo(r, c->series,
                 chunks_head_place(r->files, (head_place){file, c->offset}, full.bytes), &full);
        return;
    }
    if (c->maxt < r->min_valid_time)
        return;
    if (r->n == r->cap)
        grow(r);
    r->refs[r->n] = c->series;
    r->v[r->n++].c = full;
}

void replay_chunks_load(replay_chunks *r, head *h)
{
    *r = (replay_chunks){.min_valid_time = h->min_valid_time, .acct = &h->acct, .files = h->files};
    ref_map_init(&r->first, &h->acct);
    if (h->files == NULL)
        return;
    chunks_head_walk(h->files, note_chunk, r);
    for (uint32_t i = r->n; i-- > 0;) {
        uint32_t *first = ref_map_put(&r->first, r->refs[i]);
        r->v[i].next = *first;
        *first = i;
    }
}

void replay_chunks_done(replay_chunks *r)
{
    fer_account_release(r->acct,
                        r->cap * (sizeof *r->v + sizeof *r->refs) + r->cap_ooo * sizeof *r->ooo);
    fer_free(r->ooo);
    fer_free(r->v);
    fer_free(r->refs);
    ref_map_done(&r->first);
}

uint32_t replay_chunks_take(replay_chunks *r, uint64_t ref)
{
    uint32_t first = ref_map_get(&r->first, ref);
    if (first != REF_NONE)
        *ref_map_put(&r->first, ref) = REF_NONE;
    return first;
}

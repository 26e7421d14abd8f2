/* ooo_mmap.c
 *
 * 256 series at a time: under the locks their chunks in memory are noted; without locks they are written; under the locks
 * again the series get lists with places in files. Nobody else gives up such chunks, so their bytes stay meanwhile. When all
 * is durable, the series that had chunks moved and got nothing new meanwhile are marked.
 */
#include "tsdb/head/ooo_mmap.h"

#include <string.h>

enum { SLICE = 256 };

typedef struct moving {
    ooo_series *series;
    uint64_t ref;
    full_chunk c;
    head_place to;
} moving;

typedef struct mover {
    head *h;
    moving *v;
    size_t n, cap;
} mover;

static full_list *list_of(const head *h, const ooo_series *s)
{
    return s->list == 0 ? NULL : slab_ptr(&h->chunks, s->list);
}

static void note(mover *m, ooo_series *s, const full_chunk *c)
{
    if (m->n == m->cap) {
        m->cap = m->cap == 0 ? SLICE : m->cap * 2;
        m->v = fer_realloc(m->v, m->cap * sizeof *m->v);
    }
    m->v[m->n++] = (moving){s, head_ref(m->h, s->slot), *c, {0, 0}};
}

static bool has_chunk_in_memory(const full_list *l)
{
    for (uint32_t i = 0; l != NULL && i < l->n; i++)
        if (l->c[i].file == 0)
            return true;
    return false;
}

static void note_series(mover *m, ooo_series *s)
{
    if (!has_chunk_in_memory(list_of(m->h, s)))
        return;
    if (s->n != 0)
        ooo_flush(m->h, s);
    const full_list *l = list_of(m->h, s);
    for (uint32_t i = 0; i < l->n; i++)
        if (l->c[i].file == 0)
            note(m, s, &l->c[i]);
}

static void lock(head *h)
{
    fer_mutex_lock(&h->publish);
    fer_mutex_lock(&h->mu);
}

static void unlock(head *h)
{
    fer_mutex_unlock(&h->mu);
    fer_mutex_unlock(&h->publish);
}

/* False: there are no series from place `from` on. */
static bool begin_slice(mover *m, uint32_t from)
{
    head *h = m->h;
    m->n = 0;
    lock(h);
    bool any = from < h->ooo->n;
    for (uint32_t i = from; i < h->ooo->n && i < from + SLICE; i++)
        note_series(m, h->ooo->v[i]);
    unlock(h);
    return any;
}

/* Only those written then count. */
static fer_code write_slice(mover *m, fer_err *err)
{
    fer_code code = FER_OK;
    for (size_t i = 0; i < m->n && code == FER_OK; i++) {
        moving *v = &m->v[i];
        const head_chunk c = {.series = v->ref,
                              .mint = v->c.mint,
                              .maxt = full_maxt(&v->c),
                              .encoding = v->c.encoding,
                              .out_of_order = true,
                              .data = {slab_ptr(&m->h->chunks, v->c.at), v->c.bytes}};
        code = chunks_head_add(m->h->files, &c, &v->to, err);
    }
    if (code == FER_OK)
        code = chunks_head_flush(m->h->files, err);
    if (code != FER_OK)
        m->n = 0;
    return code;
}

/* Gives the series of v[0..n) a list with their new places. Readers may know the old one. */
static void move_series(head *h, const moving *v, size_t n)
{
    ooo_series *s = v->series;
    const full_list *old = list_of(h, s);
    size_t bytes = sizeof *old + old->n * sizeof(full_chunk);
    slab_ref ref = slab_alloc(&h->chunks, bytes);
    full_list *list = slab_ptr(&h->chunks, ref);
    memcpy(list, old, bytes);
    for (uint32_t i = 0, k = 0; i < list->n && k < n; i++) {
        full_chunk *c = &list->c[i];
        if (c->file != 0 || c->at != v[k].c.at)
            continue;
        head_retire(h, c->at);
        c->at = v[k].to.offset;
        c->file = (uint16_t)v[k].to.file;
        chunks_head_hold(h->files, v[k].to.file);
        h->n_chunks_mapped++;
        k++;
    }
    head_retire(h, s->list);
    s->list = ref;
    s->to_mark = true;
}

/* Whether all that the log has of the series is in files. */
static bool is_settled(const head *h, const ooo_series *s)
{
    return s->n == 0 && s->staged == s->published && !has_chunk_in_memory(list_of(h, s));
}

static void end_slice(mover *m)
{
    head *h = m->h;
    vfs_map map;
    lock(h);
    for (size_t from = 0, to; from < m->n; from = to) {
        for (to = from; to < m->n && m->v[to].series == m->v[from].series; to++)
            ;
        move_series(h, &m->v[from], to - from);
    }
    while (chunks_head_take_left(h->files, &map))
        head_retire_map(h, map);
    unlock(h);
}

static void mark(head *h, ooo_series *s, const ooo_marks *marks)
{
    if (!s->to_mark || !is_settled(h, s))
        return;
    const full_list *l = list_of(h, s);
    const full_chunk *last = &l->c[l->n - 1];
    s->to_mark = false;
    marks->mark(marks->arg, head_ref(h, s->slot),
                chunks_head_place(h->files, (head_place){last->file, last->at}, last->bytes));
}

static void mark_all(head *h, const ooo_marks *marks)
{
    bool more = true;
    for (uint32_t i = 0; more;) {
        lock(h);
        uint32_t end = h->ooo->n - i < SLICE ? h->ooo->n : i + SLICE;
        for (; i < end; i++)
            mark(h, h->ooo->v[i], marks);
        marks->end(marks->arg);
        more = i < h->ooo->n;
        unlock(h);
    }
}

fer_code ooo_mmap_chunks(head *h, const ooo_marks *marks, fer_err *err)
{
    mover m = {.h = h};
    fer_code code = FER_OK;
    bool moved = false;
    for (uint32_t from = 0; code == FER_OK && begin_slice(&m, from); from += SLICE) {
        if (m.n == 0)
            continue;
        code = write_slice(&m, err);
        end_slice(&m);
        moved = true;
    }
    fer_free(m.v);
    if (code == FER_OK && moved)
        code = chunks_head_sync(h->files, err);
    if (code == FER_OK && moved)
        mark_all(h, marks);
    return code;
}

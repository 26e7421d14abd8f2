/* head_mmap.c
 *
 * A pass goes over the series a slice at a time: under the locks it notes the slice's full chunks in memory, as a
 * reader, so that their bytes stay; without locks it writes them to chunks_head, metric by metric; under the lock again it
 * gives each series a new list, with places in files. Lists and bytes left behind are retired. A chunk that went
 * from its series meanwhile is left alone: its copy in the file is without use, and goes with the file.
 */
#include "tsdb/head/head_mmap.h"

#include <stdlib.h>
#include <string.h>

enum { SLICE = 1024 };

typedef struct moving {
    uint64_t ref;
    uint32_t slot;
    uint32_t pair; /* the first of its labels */
    full_chunk c;
    head_place to;
} moving;

typedef struct mover {
    head *h;
    moving *v;
    size_t n, cap;
    head_reader reader;
} mover;

static full_list *list_of(const head *h, const pub_rec *s)
{
    return s->full == 0 ? NULL : slab_ptr(&h->chunks, s->full);
}

static void note(mover *m, uint32_t slot, uint32_t pair, const full_chunk *c)
{
    if (m->n == m->cap) {
        m->cap = m->cap == 0 ? SLICE : m->cap * 2;
        m->v = fer_realloc(m->v, m->cap * sizeof *m->v);
    }
    m->v[m->n++] = (moving){head_ref(m->h, slot), slot, pair, *c, {0, 0}};
}

/* Mostly that of the metric's name; DICT_NONE without labels. */
static uint32_t first_pair(const head *h, uint32_t slot)
{
    slab_ref series_labels = head_series_labels(h, slot);
    uint32_t pair;
    if (series_labels == 0)
        return DICT_NONE;
    pair_cursor c = head_pairs(h->names, series_labels);
    return pair_cursor_next(&c, &pair) ? pair : DICT_NONE;
}

/* Queries read many series of one metric, which mostly do not arrive side by side. */
static int by_metric(const void *a, const void *b)
{
    const moving *x = a, *y = b;
    if (x->pair != y->pair)
        return x->pair < y->pair ? -1 : 1;
    if (x->slot != y->slot)
        return x->slot < y->slot ? -1 : 1;
    return (x->c.mint > y->c.mint) - (x->c.mint < y->c.mint);
}

/* Under both locks: refs of a block that is still growing may move. */
static void note_slice(mover *m, uint32_t from, uint32_t to)
{
    for (uint32_t slot = from; slot < to; slot++) {
        const pub_rec *s = head_pub_rec(m->h, slot);
        const full_list *list = list_of(m->h, s);
        /* Chunks go in order of time, so the last is in memory if any is. */
        if (list == NULL || list->n == 0 || s->stays || list->c[list->n - 1].file != 0)
            continue;
        for (uint32_t i = 0; i < list->n; i++)
            if (list->c[i].file == 0)
                note(m, slot, first_pair(m->h, slot), &list->c[i]);
    }
}

static uint32_t begin_slice(mover *m, uint32_t from)
{
    head *h = m->h;
    m->n = 0;
    fer_mutex_lock(&h->publish);
    fer_mutex_lock(&h->mu);
    uint32_t end = atomic_load_explicit(&h->published, memory_order_relaxed);
    uint32_t to = end - from < SLICE ? end : from + SLICE;
    note_slice(m, from, to);
    fer_mutex_unlock(&h->mu);
    head_reader_begin(h, &m->reader);
    fer_mutex_unlock(&h->publish);
    return to;
}

static fer_code write_slice(mover *m, fer_err *err)
{
    fer_code code = FER_OK;
    size_t i = 0;
    qsort(m->v, m->n, sizeof *m->v, by_metric);
    for (; i < m->n && code == FER_OK; i++) {
        moving *v = &m->v[i];
        head_chunk c = {.series = v->ref,
                        .mint = v->c.mint,
                        .maxt = full_maxt(&v->c),
                        .encoding = v->c.encoding,
                        .data = {slab_ptr(&m->h->chunks, v->c.at), v->c.bytes}};
        code = chunks_head_add(m->h->files, &c, &v->to, err);
    }
    if (code == FER_OK)
        return chunks_head_flush(m->h->files, err);
    m->n = i - 1;
    return code;
}

/* Gives the series of v[0..n) a list with their new places. */
static void move_series(head *h, const moving *v, size_t n)
{
    pub_rec *s = head_pub_rec(h, v->slot);
    const full_list *old = list_of(h, s);
    if (old == NULL)
        return;
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
        h->n_chunks_mapped++;
        k++;
    }
    head_retire(h, s->full);
    s->full = ref;
}

static void retire_maps(head *h)
{
    vfs_map map;
    while (chunks_head_take_left(h->files, &map))
        head_retire_map(h, map);
}

static void end_slice(mover *m)
{
    head *h = m->h;
    fer_mutex_lock(&h->publish);
    for (size_t from = 0, to; from < m->n; from = to) {
        size_t written = from;
        for (to = from; to < m->n && m->v[to].slot == m->v[from].slot; to++)
            if (written == to && chunks_head_has(h->files, m->v[to].to))
                written++;
        if (written != from)
            move_series(h, &m->v[from], written - from);
    }
    retire_maps(h);
    head_reader_end(h, &m->reader);
    fer_mutex_unlock(&h->publish);
}

fer_code head_mmap_full_chunks(head *h, fer_err *err)
{
    mover m = {.h = h};
    fer_code code = FER_OK;
    uint32_t from = 0;
    while (code == FER_OK && from < atomic_load_explicit(&h->published, memory_order_relaxed)) {
        from = begin_slice(&m, from);
        if (m.n != 0)
            code = write_slice(&m, err);
        end_slice(&m);
    }
    fer_free(m.v);
    return code;
}

fer_code head_mmap_truncate(head *h, int64_t mint, fer_err *err)
{
    fer_code code = chunks_head_truncate(h->files, mint, err);
    fer_mutex_lock(&h->publish);
    retire_maps(h);
    fer_mutex_unlock(&h->publish);
    return code;
}

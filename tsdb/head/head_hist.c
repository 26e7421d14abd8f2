/* head_hist.c */
#include "tsdb/head/head_hist.h"

#include <assert.h>
#include <string.h>

static head_hist *open_of(const head *h, const pub_rec *s)
{
    assert(s->is_hist && s->open != 0);
    return slab_ptr(&h->chunks, s->open);
}

void head_prefetch_hist(const head *h, uint32_t slot)
{
    const pub_rec *s = head_pub_rec(h, slot);
    if (s->open != 0 && s->is_hist)
        hist_chunk_prefetch(open_of(h, s)->c);
}

void head_prefetch_hist_numbers(const head *h, uint32_t slot)
{
    const pub_rec *s = head_pub_rec(h, slot);
    if (s->open != 0 && s->is_hist)
        hist_chunk_prefetch_numbers(open_of(h, s)->c);
}

/* The account follows what the chunk holds. */
static void charge(head *h, head_hist *x)
{
    size_t now = x->c == NULL ? 0 : hist_chunk_memory(x->c);
    if (now == x->charged)
        return;
    if (now > x->charged)
        fer_account_force(&h->acct, now - x->charged);
    else
        fer_account_release(&h->acct, x->charged - now);
    h->bytes_hist += now - x->charged; /* modulo */
    x->charged = now;
}

/* What the record tells of the open chunk. */
static void note_open(pub_rec *s, const head_hist *x)
{
    s->app.t = x->cut.maxt;
    s->app.n = (uint16_t)hist_chunk_count(x->c);
    s->app.bits = HIST_OPEN_BITS;
}

/* Adds the chunk, which takes no more samples, to the full ones. */
static void add_full(head *h, pub_rec *s, const hist_chunk *c)
{
    fer_str bytes = hist_chunk_bytes(c);
    slab_ref at = slab_alloc(&h->chunks, bytes.n);
    memcpy(slab_ptr(&h->chunks, at), bytes.p, bytes.n);
    head_add_full(h, s,
                  &(full_chunk){s->min_t, (uint32_t)(s->app.t - s->min_t), at, (uint32_t)bytes.n, 0,
                                hist_chunk_encoding(c)});
}

void head_hist_drop(head *h, pub_rec *s)
{
    head_hist *x = open_of(h, s);
    hist_chunk_free(x->c);
    x->c = NULL;
    charge(h, x);
    slab_free(&h->chunks, s->open); /* readers have copies of their own */
    s->open = 0;
    s->is_hist = false;
    s->app = (xor_appender){0};
}

void head_hist_finish(head *h, pub_rec *s)
{
    add_full(h, s, open_of(h, s)->c);
    head_hist_drop(h, s);
}

/* A chunk that begins with the sample becomes the open one; the one before, if any, is full. */
static void begin_chunk(head *h, pub_rec *s, head_hist *x, hist_chunk *c, int64_t t)
{
    if (x->c != NULL) {
        add_full(h, s, x->c);
        hist_chunk_free(x->c);
    }
    x->c = c;
    s->min_t = t;
    h->n_chunks++;
    h->n_chunks_created++;
}

/* The series' head_hist: a new one unless its open chunk is of histograms. */
static head_hist *need_open(head *h, pub_rec *s)
{
    if (s->open != 0 && s->is_hist)
        return open_of(h, s);
    if (s->open != 0)
        head_finish_chunk(h, s);
    s->open = slab_alloc(&h->chunks, sizeof(head_hist));
    s->is_hist = true;
    s->tail = 0;
    head_hist *x = slab_ptr(&h->chunks, s->open);
    *x = (head_hist){0};
    return x;
}

static bool is_same_kind(const hist_chunk *c, const hist_sample *s)
{
    return (hist_chunk_encoding(c) == CHUNK_FLOAT_HISTOGRAM) == s->is_float;
}

static bool must_cut(head *h, head_hist *x, int64_t t, const hist_sample *s)
{
    return x->c == NULL || !is_same_kind(x->c, s) ||
           hist_cut_is_due(&x->cut, t, hist_chunk_bytes(x->c).n, hist_chunk_count(x->c),
                           h->chunk_range_ms);
}

void head_append_hist(head *h, uint32_t slot, int64_t t, const hist_sample *s)
{
    pub_rec *rec = head_pub_rec(h, slot);
    head_hist *x = need_open(h, rec);
    if (must_cut(h, x, t, s)) {
        const hist_chunk *prev = x->c != NULL && is_same_kind(x->c, s) ? x->c : NULL;
        begin_chunk(h, rec, x, hist_chunk_new(prev, t, s), t);
        hist_cut_begin(&x->cut, t, h->chunk_range_ms);
    } else {
        hist_chunk *c = hist_chunk_append(x->c, t, s);
        bool began = c != x->c;
        if (began)
            begin_chunk(h, rec, x, c, t);
        hist_cut_appended(&x->cut, t, began, h->chunk_range_ms);
    }
    note_open(rec, x);
    charge(h, x);
    head_note_times(h, t, t);
}

void head_hist_done(head *h)
{
    if (h->bytes_hist == 0)
        return;
    for (uint32_t slot = 0; slot < h->n_slots; slot++) {
        pub_rec *s = head_pub_rec(h, slot);
        if (s->open != 0 && s->is_hist)
            head_hist_drop(h, s);
    }
}

/* ooo_series.c - the table of records, the open samples, and what compaction does with the chunks. */
#include "tsdb/head/ooo_series.h"

#include <assert.h>
#include <string.h>

#include "tsdb/chunk/chunk_encode.h"
#include "tsdb/chunk/chunk_hist.h"

enum { SLICE = 256, OPEN_FIRST = 4 };

/* ---- the table ---- */

static uint64_t slot_hash(uint32_t slot)
{
    return slot * UINT64_C(0x9E3779B97F4A7C15);
}

/* Records and their list count as series. */
static void charge(head *h, size_t bytes)
{
    fer_account_force(&h->acct, bytes);
    h->bytes_series += (int64_t)bytes;
}

static void uncharge(head *h, size_t bytes)
{
    fer_account_release(&h->acct, bytes);
    h->bytes_series -= (int64_t)bytes;
}

void ooo_init(head *h)
{
    ooo_store *o = fer_calloc(1, sizeof *o);
    charge(h, sizeof *o);
    head_table_init(&o->by_slot, &h->acct);
    o->min_time = o->new_min = INT64_MAX;
    o->max_time = o->new_max = INT64_MIN;
    h->ooo = o;
}

static ooo_series *find(const ooo_store *o, uint32_t slot)
{
    table_probe probe = head_table_probe(&o->by_slot, slot_hash(slot));
    uint32_t i;
    while ((i = table_probe_next(&probe)) != TABLE_NONE)
        if (o->v[i]->slot == slot)
            return o->v[i];
    return NULL;
}

ooo_series *ooo_find(const head *h, uint32_t slot)
{
    return h->ooo->n == 0 ? NULL : find(h->ooo, slot);
}

ooo_series *ooo_need(head *h, uint32_t slot)
{
    ooo_store *o = h->ooo;
    ooo_series *s = find(o, slot);
    if (s != NULL)
        return s;
    if (o->n == o->cap) {
        uint32_t cap = o->cap == 0 ? 64 : o->cap * 2;
        charge(h, (cap - o->cap) * sizeof(ooo_series *));
        o->v = fer_realloc(o->v, cap * sizeof(ooo_series *));
        o->cap = cap;
    }
    charge(h, sizeof *s);
    s = fer_calloc(1, sizeof *s);
    s->slot = slot;
    s->line = o->line;
    s->place = o->n;
    o->v[o->n++] = s;
    head_table_insert(&o->by_slot, slot_hash(slot), s->place);
    return s;
}

/* The last record moves to its place. Under both locks. */
static void forget(head *h, ooo_series *s)
{
    ooo_store *o = h->ooo;
    ooo_series *last = o->v[--o->n];
    head_table_remove(&o->by_slot, slot_hash(s->slot), s->place);
    if (last != s) {
        head_table_remove(&o->by_slot, slot_hash(last->slot), last->place);
        last->place = s->place;
        o->v[last->place] = last;
        head_table_insert(&o->by_slot, slot_hash(last->slot), last->place);
    }
    head_pub_rec(h, s->slot)->has_ooo = false;
    fer_free(s);
    uncharge(h, sizeof *s);
}

/* Memory of the table follows what is in it. Under both locks. */
static void shrink(head *h)
{
    ooo_store *o = h->ooo;
    for (uint32_t i = 0; i < TABLE_SEGMENTS; i++)
        head_table_shrink(&o->by_slot, i);
    if (o->n >= o->cap / 4)
        return;
    uncharge(h, (o->cap - o->n) * sizeof(ooo_series *));
    o->cap = o->n;
    if (o->n == 0) {
        fer_free(o->v);
        o->v = NULL;
    } else {
        o->v = fer_realloc(o->v, o->n * sizeof(ooo_series *));
    }
}

void ooo_done(head *h)
{
    ooo_store *o = h->ooo;
    for (uint32_t i = 0; i < o->n; i++)
        fer_free(o->v[i]);
    uncharge(h, sizeof *o + o->n * sizeof(ooo_series) + o->cap * sizeof(ooo_series *));
    fer_free(o->v);
    head_table_done(&o->by_slot);
    fer_free(o);
    h->ooo = NULL;
}

/* ---- chunks ---- */

static full_list *list_of(const head *h, const ooo_series *s)
{
    return s->list == 0 ? NULL : slab_ptr(&h->chunks, s->list);
}

const full_chunk *ooo_chunks(const head *h, const ooo_series *s, uint32_t *ret_n)
{
    const full_list *l = list_of(h, s);
    *ret_n = l == NULL ? 0 : l->n;
    return l == NULL ? NULL : l->c;
}

void ooo_attach(head *h, ooo_series *s, const full_chunk *c)
{
    full_list *old = list_of(h, s);
    uint32_t n = old == NULL ? 0 : old->n;
    size_t need = sizeof *old + (n + 1) * sizeof(full_chunk);
    full_list *list = old;
    if (old == NULL || slab_size(&h->chunks, s->list) < need) {
        slab_ref ref = slab_alloc(&h->chunks, need + n / 8 * sizeof(full_chunk));
        list = slab_ptr(&h->chunks, ref);
        if (old == NULL)
            list->n = 0;
        else
            memcpy(list, old, sizeof *old + n * sizeof(full_chunk));
        head_retire(h, s->list);
        s->list = ref;
    }
    list->c[list->n++] = *c;
    h->n_chunks++;
    h->n_chunks_created++;
    head_pub_rec(h, s->slot)->has_ooo = true;
    ooo_store *o = h->ooo;
    if (c->mint < o->min_time)
        o->min_time = c->mint;
    if (full_maxt(c) > o->max_time)
        o->max_time = full_maxt(c);
}

/* ---- open samples ---- */

static ooo_sample *open_of(const head *h, const ooo_series *s)
{
    return s->open == 0 ? NULL : slab_ptr(&h->chunks, s->open);
}

fer_code ooo_sample_read(const head *h, const ooo_sample *x, bool is_hist, samples *out)
{
    if (!is_hist)
        return samples_add(out, x->t, x->v);
    uint8_t encoding = x->hist.bytes & OOO_FLOAT_HIST ? CHUNK_FLOAT_HISTOGRAM : CHUNK_HISTOGRAM;
    fer_str bytes = {slab_ptr(&h->chunks, x->hist.at), x->hist.bytes & ~OOO_FLOAT_HIST};
    return chunk_decode(encoding, bytes, INT64_MIN, INT64_MAX, out);
}

typedef struct flushing {
    head *h;
    ooo_series *s;
} flushing;

static fer_code keep_chunk(void *arg, const encoded_chunk *c)
{
    const flushing *f = arg;
    slab_ref at = slab_alloc(&f->h->chunks, c->data.n);
    memcpy(slab_ptr(&f->h->chunks, at), c->data.p, c->data.n);
    ooo_attach(f->h, f->s,
               &(full_chunk){c->mint, (uint32_t)(c->maxt - c->mint), at, (uint32_t)c->data.n, 0,
                             c->encoding});
    return FER_OK;
}

/* The end of the samples from `from` on that fit the span of one chunk. */
static size_t fitting_end(const samples *s, size_t from)
{
    size_t i = from + 1;
    while (i < s->n && (uint64_t)s->t[i] - (uint64_t)s->t[from] <= UINT32_MAX)
        i++;
    return i;
}

void ooo_flush(head *h, ooo_series *s)
{
    ooo_sample *open = open_of(h, s);
    samples all;
    samples_init(&all, NULL);
    fer_code code = FER_OK;
    for (uint32_t i = 0; i < s->n && code == FER_OK; i++)
        code = ooo_sample_read(h, &open[i], s->hists >> i & 1, &all);
    flushing f = {h, s};
    for (size_t from = 0, to; from < all.n && code == FER_OK; from = to) {
        to = fitting_end(&all, from);
        code = chunk_encode(&all, from, to, SIZE_MAX, keep_chunk, &f);
    }
    assert(code == FER_OK); /* our own bytes, and no limit */
    (void)code;
    samples_done(&all);
    for (uint32_t i = 0; i < s->n; i++)
        if (s->hists >> i & 1)
            head_retire(h, open[i].hist.at);
    slab_free(&h->chunks, s->open); /* readers copy it */
    s->open = 0;
    s->n = s->cap = 0;
    s->hists = 0;
}

static ooo_sample sample_of_hist(head *h, int64_t t, const hist_sample *hist)
{
    hist_chunk *c = hist_chunk_new(NULL, t, hist);
    fer_str bytes = hist_chunk_bytes(c);
    ooo_sample x = {.t = t};
    x.hist.at = slab_alloc(&h->chunks, bytes.n);
    x.hist.bytes = (uint32_t)bytes.n | (hist->is_float ? OOO_FLOAT_HIST : 0);
    memcpy(slab_ptr(&h->chunks, x.hist.at), bytes.p, bytes.n);
    hist_chunk_free(c);
    return x;
}

static void grow_open(head *h, ooo_series *s)
{
    uint8_t cap = s->cap == 0 ? OPEN_FIRST : (uint8_t)(s->cap * 2);
    slab_ref ref = slab_alloc(&h->chunks, cap * sizeof(ooo_sample));
    if (s->n != 0)
        memcpy(slab_ptr(&h->chunks, ref), open_of(h, s), s->n * sizeof(ooo_sample));
    slab_free(&h->chunks, s->open);
    s->open = ref;
    s->cap = cap;
}

static void note_time(ooo_store *o, int64_t t)
{
    if (t < o->min_time)
        o->min_time = t;
    if (t > o->max_time)
        o->max_time = t;
    if (t < o->new_min)
        o->new_min = t;
    if (t > o->new_max)
        o->new_max = t;
}

/* Behind a line: what it has. Under publish. */
static void freeze(head *h, ooo_series *s)
{
    if (s->line == h->ooo->line)
        return;
    s->line = h->ooo->line;
    if (s->n != 0)
        ooo_flush(h, s);
    const full_list *l = list_of(h, s);
    s->frozen = l == NULL ? 0 : l->n;
}

bool ooo_insert(head *h, ooo_series *s, int64_t t, double v, const hist_sample *hist)
{
    freeze(h, s);
    if (s->n == OOO_OPEN_MAX)
        ooo_flush(h, s);
    const ooo_sample *had = open_of(h, s);
    uint32_t at = s->n;
    while (at > 0 && had[at - 1].t > t)
        at--;
    if (at > 0 && had[at - 1].t == t)
        return false;
    if (s->n == s->cap)
        grow_open(h, s);
    ooo_sample *open = open_of(h, s);
    memmove(open + at + 1, open + at, (s->n - at) * sizeof *open);
    uint32_t below = s->hists & ((UINT32_C(1) << at) - 1);
    s->hists = (s->hists ^ below) << 1 | below;
    if (hist != NULL) {
        open[at] = sample_of_hist(h, t, hist);
        s->hists |= UINT32_C(1) << at;
    } else {
        open[at] = (ooo_sample){.t = t, .v = v};
    }
    s->n++;
    head_pub_rec(h, s->slot)->has_ooo = true;
    note_time(h->ooo, t);
    return true;
}

void ooo_forget_logged(head *h, ooo_series *s)
{
    if (s->stays)
        return;
    if (s->n != 0)
        ooo_flush(h, s);
    full_list *list = list_of(h, s);
    uint32_t kept = 0;
    for (uint32_t i = 0; list != NULL && i < list->n; i++) {
        if (list->c[i].file != 0)
            list->c[kept++] = list->c[i];
        else
            slab_free(&h->chunks, list->c[i].at);
    }
    if (list == NULL)
        return;
    h->n_chunks -= list->n - kept;
    h->n_chunks_created -= list->n - kept;
    list->n = kept;
}

/* ---- times ---- */

static bool chunks_overlap(const full_chunk *c, uint32_t n, int64_t mint, int64_t maxt)
{
    for (uint32_t i = 0; i < n; i++)
        if (c[i].mint <= maxt && full_maxt(&c[i]) >= mint)
            return true;
    return false;
}

bool ooo_overlaps(const head *h, const ooo_series *s, int64_t mint, int64_t maxt)
{
    uint32_t n;
    const full_chunk *c = ooo_chunks(h, s, &n);
    const ooo_sample *open = open_of(h, s);
    return (s->n != 0 && open[0].t <= maxt && open[s->n - 1].t >= mint) ||
           chunks_overlap(c, n, mint, maxt);
}

bool ooo_frozen_overlaps(const head *h, const ooo_series *s, int64_t mint, int64_t maxt)
{
    uint32_t n;
    const full_chunk *c = ooo_chunks(h, s, &n);
    return chunks_overlap(c, s->frozen, mint, maxt);
}

bool ooo_times(const head *h, int64_t *ret_min, int64_t *ret_max)
{
    *ret_min = h->ooo->min_time;
    *ret_max = h->ooo->max_time;
    return *ret_min <= *ret_max;
}

/* ---- compaction ---- */

typedef struct time_span {
    int64_t min, max;
} time_span;

static void widen(time_span *t, int64_t min, int64_t max)
{
    if (min < t->min)
        t->min = min;
    if (max > t->max)
        t->max = max;
}

/* By the first `n`. */
static void widen_by_chunks(time_span *t, const head *h, const ooo_series *s, uint32_t n)
{
    uint32_t all;
    const full_chunk *c = ooo_chunks(h, s, &all);
    assert(n <= all);
    for (uint32_t i = 0; i < n; i++)
        widen(t, c[i].mint, full_maxt(&c[i]));
}

static uint32_t slice_end(const ooo_store *o, uint32_t from)
{
    return o->n - from < SLICE ? o->n : from + SLICE;
}

static ooo_store *lock_store(head *h)
{
    fer_mutex_lock(&h->publish);
    fer_mutex_lock(&h->mu);
    return h->ooo;
}

static void unlock_store(head *h)
{
    fer_mutex_unlock(&h->mu);
    fer_mutex_unlock(&h->publish);
}

void ooo_draw_line(head *h)
{
    fer_mutex_assert_held(&h->publish);
    fer_mutex_assert_held(&h->mu);
    h->ooo->line++;
}

bool ooo_freeze(head *h, int64_t *ret_min, int64_t *ret_max)
{
    time_span all = {INT64_MAX, INT64_MIN};
    bool more = true;
    for (uint32_t i = 0; more;) {
        const ooo_store *o = lock_store(h);
        uint32_t end = slice_end(o, i);
        for (; i < end; i++) {
            ooo_series *s = o->v[i];
            freeze(h, s);
            widen_by_chunks(&all, h, s, s->frozen);
        }
        more = end < o->n;
        unlock_store(h);
    }
    *ret_min = all.min;
    *ret_max = all.max;
    return all.min <= all.max;
}

void ooo_thaw(head *h)
{
    const ooo_store *o = lock_store(h);
    for (uint32_t i = 0; i < o->n; i++) {
        o->v[i]->frozen = 0;
        o->v[i]->line = o->line;
    }
    unlock_store(h);
}

static uint64_t place_of(const head *h, const full_chunk *c)
{
    return chunks_head_place(h->files, (head_place){c->file, c->at}, c->bytes);
}

static void give_up_in_file(head *h, const full_chunk *c)
{
    uint64_t place = place_of(h, c);
    if (place > h->ooo->done_place)
        h->ooo->done_place = place;
    chunks_head_release(h->files, c->file);
}

void ooo_forget_done(head *h, ooo_series *s, uint64_t place)
{
    full_list *list = list_of(h, s);
    uint32_t kept = 0;
    for (uint32_t i = 0; list != NULL && i < list->n; i++) {
        if (list->c[i].file == 0 || place_of(h, &list->c[i]) > place)
            list->c[kept++] = list->c[i];
        else
            give_up_in_file(h, &list->c[i]);
    }
    if (list == NULL)
        return;
    h->n_chunks -= list->n - kept;
    h->n_chunks_created -= list->n - kept;
    list->n = kept;
}

/* What readers pinned stays as it is: the list is copied. Returns how many chunks went. */
static uint32_t drop_frozen(head *h, ooo_series *s)
{
    const full_list *old = list_of(h, s);
    uint32_t n = s->frozen;
    if (n == 0)
        return 0;
    for (uint32_t i = 0; i < n; i++)
        if (old->c[i].file == 0)
            head_retire(h, old->c[i].at);
    slab_ref ref = 0;
    uint32_t left = old->n - n;
    if (left != 0) {
        ref = slab_alloc(&h->chunks, sizeof *old + left * sizeof(full_chunk));
        full_list *list = slab_ptr(&h->chunks, ref);
        list->n = left;
        memcpy(list->c, old->c + n, left * sizeof(full_chunk));
    }
    for (uint32_t i = 0; i < n; i++)
        if (old->c[i].file != 0)
            give_up_in_file(h, &old->c[i]);
    head_retire(h, s->list);
    s->list = ref;
    s->frozen = 0;
    s->to_mark = s->to_mark && left != 0;
    h->n_chunks -= n;
    h->n_chunks_removed += n;
    return n;
}

static bool is_empty(const head *h, const ooo_series *s)
{
    uint32_t n;
    (void)ooo_chunks(h, s, &n);
    return n == 0 && s->n == 0 && s->staged == s->published;
}

uint64_t ooo_drop_frozen(head *h)
{
    uint64_t dropped = 0;
    time_span left = {INT64_MAX, INT64_MIN};
    ooo_store *o = lock_store(h);
    o->new_min = INT64_MAX;
    o->new_max = INT64_MIN;
    unlock_store(h);
    bool more = true;
    /* From the end: who takes the place of one that goes has been looked at. */
    for (uint32_t i = UINT32_MAX; more;) {
        lock_store(h);
        if (i > o->n)
            i = o->n;
        uint32_t stop = i < SLICE ? 0 : i - SLICE;
        while (i > stop) {
            ooo_series *s = o->v[--i];
            dropped += drop_frozen(h, s);
            uint32_t n;
            (void)ooo_chunks(h, s, &n);
            widen_by_chunks(&left, h, s, n);
            if (s->n != 0)
                widen(&left, open_of(h, s)[0].t, open_of(h, s)[s->n - 1].t);
            if (is_empty(h, s)) {
                head_retire(h, s->list);
                forget(h, s);
            }
        }
        more = i != 0;
        if (!more) {
            widen(&left, o->new_min, o->new_max);
            o->min_time = left.min;
            o->max_time = left.max;
            shrink(h);
        }
        unlock_store(h);
    }
    return dropped;
}

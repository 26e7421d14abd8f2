/* head_truncate.c - chunks and series that are not needed any more.
 *
 * A series goes when its newest sample is before mint and published. One whose newest staged sample is another
 * than its newest published one is in a batch on its way: it stays, for the batch knows its slot. From the
 * first step on nothing before mint is staged, so what is judged here stays true. Then labels are numbered anew
 * (head_rename.c), which gives back what the series that went had of the dictionary, and their slots.
 */
#include "tsdb/head/head_delete.h"
#include "tsdb/head/ooo_series.h"

enum { SLICE = 256 };

typedef struct truncator {
    head *h;
    int64_t mint;
    int64_t low; /* lower bound of the samples left; INT64_MAX: none */
    head_truncation *ret;
} truncator;

static void see(truncator *t, int64_t first)
{
    if (first < t->mint)
        first = t->mint;
    if (first < t->low)
        t->low = first;
}

static int64_t first_time(const head *h, const pub_rec *s)
{
    if (s->full == 0)
        return s->min_t;
    return ((const full_list *)slab_ptr(&h->chunks, s->full))->c[0].mint;
}

static void truncate_slot(truncator *t, uint32_t slot)
{
    head *h = t->h;
    pub_rec *s = head_pub_rec(h, slot);
    if (head_series_labels(h, slot) == 0)
        return;
    int64_t newest = head_newest(h, s);
    bool settled = head_stage_rec(h, slot)->t == newest; /* all that is staged is published */
    if (newest != SAMPLE_T_NONE && newest < t->mint && !settled) {
        see(t, t->mint);
        return;
    }
    t->ret->chunks_removed += head_drop_before(h, slot, t->mint);
    if (s->open != 0 || s->full != 0) {
        see(t, first_time(h, s));
    } else if (settled && ooo_find(h, slot) != NULL) {
        head_stage_rec(h, slot)->t = SAMPLE_T_NONE; /* what comes next is in order */
    } else if (settled) {
        head_note_gone(h, head_ref(h, slot), h->wal_segment, INT64_MIN);
        head_remove(h, slot);
        t->ret->series_removed++;
    } else {
        see(t, t->mint);
    }
}

/* Ends with the last slot, under the locks: what comes after it is above `low` or lowers min_time itself. */
static void set_times(const truncator *t)
{
    t->h->min_time = t->low;
    if (t->low == INT64_MAX)
        t->h->max_time = INT64_MIN;
}

/* Regions of chunks that have become empty. */
static void trim_chunks(head *h)
{
    for (unsigned cls = 0; cls < SLAB_CLASSES; cls++) {
        fer_mutex_lock(&h->publish);
        slab_trim(&h->chunks, cls);
        fer_mutex_unlock(&h->publish);
    }
}

/* The next slots; false when there are no more. */
static bool truncate_slice(truncator *t, uint32_t *at)
{
    head *h = t->h;
    fer_mutex_lock(&h->publish);
    fer_mutex_lock(&h->mu);
    uint32_t end = h->published;
    uint32_t stop = end - *at < SLICE ? end : *at + SLICE;
    uint64_t chunks = t->ret->chunks_removed;
    for (; *at < stop; ++*at)
        truncate_slot(t, *at);
    h->n_chunks_removed += t->ret->chunks_removed - chunks;
    bool more = stop < end;
    if (!more)
        set_times(t);
    fer_mutex_unlock(&h->mu);
    fer_mutex_unlock(&h->publish);
    return more;
}

static void raise_floor(head *h, int64_t mint)
{
    fer_mutex_lock(&h->mu);
    if (mint > h->min_valid_time)
        h->min_valid_time = mint;
    fer_mutex_unlock(&h->mu);
}

void head_truncate(head *h, int64_t mint, head_truncation *ret)
{
    *ret = (head_truncation){0};
    truncator t = {.h = h, .mint = mint, .low = INT64_MAX, .ret = ret};
    raise_floor(h, mint);
    for (uint32_t at = 0; truncate_slice(&t, &at);)
        ;
    head_stones_truncate(h, mint);
    if (ret->series_removed != 0) {
        head_shrink_tables(h);
        head_rename(h);
    }
    trim_chunks(h);
}

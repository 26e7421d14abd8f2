#include "tsdb/head/head_delete.h"

#include "tsdb/head/head_select.h"

/* ---- those in force ---- */

static head_stones *stones_new(head *h)
{
    head_stones *s = fer_calloc(1, sizeof *s);
    atomic_init(&s->refs, 1);
    tombstones_init(&s->t, &h->acct);
    return s;
}

head_stones *head_stones_take(const head *h)
{
    if (h->stones != NULL)
        atomic_fetch_add_explicit(&h->stones->refs, 1, memory_order_relaxed);
    return h->stones;
}

void head_stones_drop(head_stones *s)
{
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    tombstones_done(&s->t);
    fer_free(s);
}

static head_stones *take_present(head *h)
{
    fer_mutex_lock(&h->publish);
    head_stones *s = head_stones_take(h);
    fer_mutex_unlock(&h->publish);
    return s;
}

/* Puts fresh, which may be empty, in the place of old; false when another was quicker. Drops what the caller held of
 * both. */
static bool replace(head *h, head_stones *old, head_stones *fresh)
{
    if (fresh->t.n == 0) {
        head_stones_drop(fresh);
        fresh = NULL;
    }
    fer_mutex_lock(&h->publish);
    bool done = h->stones == old;
    if (done)
        h->stones = fresh;
    fer_mutex_unlock(&h->publish);
    head_stones_drop(old);
    head_stones_drop(done ? old : fresh);
    return done;
}

void head_stones_add(head *h, const tombstone *v, size_t n)
{
    head_stones *old, *fresh;
    do { /* sorted without the lock */
        old = take_present(h);
        fresh = stones_new(h);
        if (old != NULL)
            tombstones_add_all(&fresh->t, old->t.v, old->t.n);
        tombstones_add_all(&fresh->t, v, n);
        tombstones_sort(&fresh->t);
    } while (!replace(h, old, fresh));
}

void head_stones_truncate(head *h, int64_t mint)
{
    head_stones *old, *fresh;
    do {
        old = take_present(h);
        if (old == NULL)
            return;
        fresh = stones_new(h);
        for (size_t i = 0; i < old->t.n; i++)
            if (old->t.v[i].maxt >= mint)
                tombstones_add_all(&fresh->t, &old->t.v[i], 1);
    } while (!replace(h, old, fresh));
}

void head_stones_done(head *h)
{
    head_stones_drop(h->stones);
    h->stones = NULL;
}

/* ---- those asked for ---- */

static int64_t oldest(const head *h, const pub_rec *s)
{
    if (s->full == 0)
        return s->min_t;
    return ((const full_list *)slab_ptr(&h->chunks, s->full))->c[0].mint;
}

static void add_slot(const head *h, uint32_t slot, int64_t mint, int64_t maxt, tombstones *ret)
{
    const pub_rec *s = head_pub_rec(h, slot);
    int64_t newest = head_newest(h, s);
    if (newest == SAMPLE_T_NONE)
        return;
    int64_t from = oldest(h, s);
    if (from < mint)
        from = mint;
    if (from < h->min_time) /* older ones are in a block, or given up */
        from = h->min_time;
    int64_t to = newest < maxt ? newest : maxt;
    if (from <= to)
        tombstones_add(ret, head_ref(h, slot), from, to);
}

static fer_code find(head *h, const head_names *names, int64_t mint, int64_t maxt, const matcher *m,
                     size_t nm, const fer_cancel *cancel, tombstones *ret, fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *tmp = fer_arena_new(&h->acct, 0);
    head_select sel;
    slot_list slots;
    FER_TRY(head_select_prepare(&sel, h, names, tmp, cancel, m, nm, err));
    fer_mutex_lock(&h->publish);
    fer_mutex_lock(&h->mu);
    fer_code code = head_select_slots(&sel, &slots, err);
    for (size_t i = 0; code == FER_OK && i < slots.n; i++)
        if (head_series_labels(h, slots.v[i]) != 0)
            add_slot(h, slots.v[i], mint, maxt, ret);
    fer_mutex_unlock(&h->mu);
    fer_mutex_unlock(&h->publish);
    tombstones_sort(ret);
    return code;
}

fer_code head_stones_find(head *h, int64_t mint, int64_t maxt, const matcher *m, size_t nm,
                          const fer_cancel *cancel, tombstones *ret, fer_err *err)
{
    fer_mutex_lock(&h->publish);
    head_names *names = head_names_take(h);
    fer_mutex_unlock(&h->publish);
    fer_code code = find(h, names, mint, maxt, m, nm, cancel, ret, err);
    fer_mutex_lock(&h->publish);
    head_names *gone = head_names_drop(h, names);
    fer_mutex_unlock(&h->publish);
    head_names_free(gone);
    return code;
}

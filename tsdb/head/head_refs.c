/* head_refs.c - which refs the log's series records are still needed for. */
#include <assert.h>

#include "tsdb/head/head.h"

enum { SLICE = 256 };

void head_note_gone(head *h, uint64_t ref, uint64_t segment, int64_t maxt)
{
    fer_mutex_assert_held(&h->mu);
    head_gone *last = h->n_gone == 0 ? NULL : &h->gone[h->n_gone - 1];
    if (last != NULL && last->last + 1 == ref && last->segment == segment && last->maxt == maxt) {
        last->last = ref;
        return;
    }
    if (h->n_gone == h->cap_gone) {
        size_t cap = h->cap_gone == 0 ? 16 : h->cap_gone + h->cap_gone / 2;
        h->gone = fer_realloc(h->gone, cap * sizeof *h->gone);
        fer_account_force(&h->acct, (cap - h->cap_gone) * sizeof *h->gone);
        h->cap_gone = cap;
    }
    assert(h->gone != NULL);
    h->gone[h->n_gone++] = (head_gone){ref, ref, segment, maxt};
}

static bool is_needed(const head_gone *g, uint64_t segment, int64_t mint)
{
    return g->segment > segment || g->maxt >= mint;
}

void head_kept_refs(head *h, uint64_t segment, int64_t mint, ref_set *set)
{
    fer_mutex_lock(&h->mu);
    uint32_t end = h->n_slots;
    fer_mutex_unlock(&h->mu);
    for (uint32_t from = 0; from < end; from += SLICE) {
        uint32_t to = end - from < SLICE ? end : from + SLICE;
        fer_mutex_lock(&h->mu);
        for (uint32_t slot = from; slot < to; slot++) {
            uint64_t ref = head_ref(h, slot);
            if (head_series_labels(h, slot) != 0)
                ref_set_add(set, ref, ref);
        }
        fer_mutex_unlock(&h->mu);
    }
    /* Last: what was removed during the walk is in it. */
    fer_mutex_lock(&h->mu);
    for (size_t i = 0; i < h->n_gone; i++)
        if (is_needed(&h->gone[i], segment, mint))
            ref_set_add(set, h->gone[i].first, h->gone[i].last);
    fer_mutex_unlock(&h->mu);
    ref_set_seal(set);
}

void head_forget_gone(head *h, uint64_t segment, int64_t mint)
{
    fer_mutex_lock(&h->mu);
    size_t kept = 0;
    for (size_t i = 0; i < h->n_gone; i++)
        if (is_needed(&h->gone[i], segment, mint))
            h->gone[kept++] = h->gone[i];
    h->n_gone = kept;
    if (kept == 0) {
        fer_account_release(&h->acct, h->cap_gone * sizeof *h->gone);
        fer_free(h->gone);
        h->gone = NULL;
        h->cap_gone = 0;
    }
    fer_mutex_unlock(&h->mu);
}

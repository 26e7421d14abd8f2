/* head_texts.c - label names and values of the head. */
#include "base/str_sort.h"
#include "tsdb/head/head_querier_int.h"
#include "tsdb/head/head_select.h"
#include "tsdb/head/head_values.h"
#include "tsdb/head/ooo_series.h"

/* Whether the head has published samples in the querier's range. Under publish. */
static bool in_range(const head_querier *q)
{
    int64_t min, max;
    return (q->h->min_time <= q->base.maxt && q->h->max_time >= q->base.mint) ||
           (ooo_times(q->h, &min, &max) && min <= q->base.maxt && max >= q->base.mint);
}

/* A slot that is used again counts when its series has a sample; one of a series just removed still counts, until
 * the labels are numbered anew. */
static bool slot_is_visible(const void *arg, uint32_t slot)
{
    const head *h = arg;
    if (slot >= h->published)
        return false;
    const pub_rec *s = head_pub_rec(h, slot);
    return s->open != 0 || s->has_ooo || head_stage_rec(h, slot)->t == SAMPLE_T_NONE;
}

static bool pair_is_visible(const head *h, const dict_pair *p)
{
    return p->post.n == 1 ? slot_is_visible(h, p->post.last)
                          : postings_any(&h->names->dict.posts, &p->post, slot_is_visible, h);
}

/* Adds a view of a text of the dictionary, which the querier keeps. */
static fer_code text_add(querier *q, str_list *l, fer_str text, fer_err *err)
{
    if (l->n == l->cap)
        FER_TRY(str_list_reserve(l, q->ctx.arena, l->cap == 0 ? 64 : l->cap, err));
    l->v[l->n++] = text;
    return FER_OK;
}

static bool name_is_visible(const head *h, const dict_name *name)
{
    for (uint32_t i = 0; i < name->n; i++)
        if (pair_is_visible(h, dict_pair_of(&h->names->dict, name->pairs[i])))
            return true;
    return false;
}

static fer_code all_names(head_querier *q, str_list *l, fer_err *err)
{
    const head *h = q->h;
    const head_dict *d = &h->names->dict;
    for (uint32_t i = 0; i < d->n_names; i++)
        if (name_is_visible(h, dict_name_of(d, i)))
            FER_TRY(text_add(&q->base, l, dict_name_text(d, i), err));
    return FER_OK;
}

/* Names of the slots' labels, or the values of `name` unless it is DICT_NONE; each once. */
static fer_code texts_of_slots(head_querier *q, fer_arena *tmp, slot_list list, uint32_t name,
                               str_list *l, fer_err *err)
{
    const head *h = q->h;
    const head_dict *d = &h->names->dict;
    uint32_t n_bits = name == DICT_NONE ? d->n_names : d->n_pairs;
    uint64_t *seen = ARENA_ARRAY(tmp, uint64_t, n_bits / 64 + 1);
    if (seen == NULL)
        return fer_fail_budget(err, "selecting series");
    for (size_t i = 0; i < list.n; i++) {
        slab_ref series_labels = head_series_labels(h, list.v[i]);
        if (series_labels == 0 || !slot_is_visible(h, list.v[i]))
            continue;
        pair_cursor c = head_pairs(h->names, series_labels);
        for (uint32_t pair; pair_cursor_next(&c, &pair);) {
            uint32_t pair_name = dict_pair_of(d, pair)->name;
            if (name != DICT_NONE && pair_name != name)
                continue;
            uint32_t at = name == DICT_NONE ? pair_name : pair;
            if (seen[at / 64] >> (at % 64) & 1)
                continue;
            seen[at / 64] |= UINT64_C(1) << (at % 64);
            fer_str text = name == DICT_NONE ? dict_name_text(d, at) : dict_pair_value(d, at);
            FER_TRY(text_add(&q->base, l, text, err));
        }
    }
    return FER_OK;
}

/* Under both locks. `name` empty: label names. Values of no matcher are read alone, and not sorted yet. */
static fer_code collect_texts(head_querier *q, head_select *sel, fer_str name, str_list *l,
                              head_values *values, fer_err *err)
{
    head *h = q->h;
    uint32_t id = DICT_NONE;
    if (!in_range(q))
        return FER_OK;
    if (name.n != 0) {
        id = dict_name_find(&h->names->dict, name);
        if (id == DICT_NONE)
            return FER_OK;
    }
    if (sel->n == 0)
        return name.n == 0 ? all_names(q, l, err)
                           : head_values_read(h, id, pair_is_visible, sel->tmp, values, err);
    slot_list list;
    FER_TRY(head_select_slots(sel, &list, err));
    return texts_of_slots(q, sel->tmp, list, id, l, err);
}

fer_code head_texts(querier *base, fer_str name, const matcher *m, size_t nm, uint64_t limit,
                    str_list *ret, fer_err *err)
{
    head_querier *q = (head_querier *)base;
    FER_CLEANUP(fer_arena_freep) fer_arena *tmp = fer_arena_new(base->ctx.acct, 0);
    head_select sel;
    const names_view *view = head_querier_view(q);
    if (view == NULL)
        return fer_fail_budget(err, "selecting series");
    FER_TRY(head_select_prepare(&sel, q->h, view->names, tmp, base->ctx.cancel, m, nm, err));
    str_list own = {0};
    head_values values = {0};
    fer_mutex_lock(&q->h->publish);
    fer_mutex_lock(&q->h->mu);
    view = names_view_now(q->h, &q->views,
                          base->ctx.arena); /* the texts are read when the locks are released */
    fer_code code = view == NULL ? fer_fail_budget(err, "selecting series")
                                 : collect_texts(q, &sel, name, &own, &values, err);
    fer_mutex_unlock(&q->h->mu);
    fer_mutex_unlock(&q->h->publish);
    if (code != FER_OK)
        return code;
    if (values.n != 0)
        FER_TRY(head_values_sort(&values, q->h, base->ctx.arena, tmp, &own, err));
    else if (own.n > 1)
        str_sort(own.v, own.n); /* without the locks */
    if (limit != 0 && own.n > limit)
        own.n = (size_t)limit;
    if (ret->n != 0)
        return str_list_unite(ret, base->ctx.arena, own.v, own.n, err);
    *ret = own;
    return FER_OK;
}

/* head_values.c - pairs, the records of their series and their texts lie all over memory: each is asked for some items
 * ahead.
 */
#include "tsdb/head/head_values.h"

#include <string.h>

#include "base/str_sort.h"

/* An order is left with the name when one in so many values is new: fewer are soon merged. */
enum { AHEAD = 16, NEW_PART = 64 };

static fer_code no_memory(fer_err *err)
{
    return fer_fail_budget(err, "label values");
}

static void prefetch_pair(const head *h, const dict_name *name, uint32_t i)
{
    const head_dict *d = &h->names->dict;
    if (i + 2 * AHEAD < name->n)
        __builtin_prefetch(dict_pair_of(d, name->pairs[i + 2 * AHEAD]));
    if (i + AHEAD >= name->n)
        return;
    const postings *p = &dict_pair_of(d, name->pairs[i + AHEAD])->post;
    if (p->n == 1)
        __builtin_prefetch(head_pub_rec(h, p->last));
}

fer_code head_values_read(const head *h, uint32_t name, head_pair_visible visible, fer_arena *tmp,
                          head_values *ret, fer_err *err)
{
    const head_dict *d = &h->names->dict;
    const dict_name *nm = dict_name_of(d, name);
    uint32_t *pairs = fer_arena_alloc(tmp, nm->n * sizeof *pairs), seen = 0, others = nm->n;
    if (pairs == NULL)
        return no_memory(err);
    *ret = (head_values){h->names, name, pairs, .n_all = nm->n, .reorders = nm->reorders};
    for (uint32_t i = 0; i < nm->n; i++) {
        prefetch_pair(h, nm, i);
        if (visible(h, dict_pair_of(d, nm->pairs[i])))
            pairs[seen++] = nm->pairs[i];
        else
            pairs[--others] = nm->pairs[i];
        if (i + 1 == nm->in_order)
            ret->in_order = seen;
    }
    ret->n = seen;
    return FER_OK;
}

static void load_texts(const head_values *v, fer_str *texts)
{
    const head_dict *d = &v->names->dict;
    for (uint32_t i = 0; i < v->n; i++) {
        if (i + 2 * AHEAD < v->n)
            __builtin_prefetch(dict_pair_of(d, v->pairs[i + 2 * AHEAD]));
        if (i + AHEAD < v->n)
            dict_text_prefetch(d, dict_pair_of(d, v->pairs[i + AHEAD])->value);
        texts[i] = dict_pair_value(d, v->pairs[i]);
    }
}

/* How many of v[0..n), which are in order, come before a text. */
static uint32_t count_before(const fer_str *v, uint32_t n, fer_str text)
{
    uint32_t from = 0;
    while (from < n) {
        uint32_t half = from + (n - from) / 2;
        if (str_cmp(v[half], text) < 0)
            from = half + 1;
        else
            n = half;
    }
    return from;
}

/* Merges what is in order with the rest, whose places are in order in `rest`. */
static void merge(const head_values *v, const fer_str *texts, const uint32_t *rest,
                  fer_str *to_texts, uint32_t *to_pairs)
{
    uint32_t from = 0, n = 0;
    for (uint32_t i = v->in_order; i <= v->n; i++) {
        bool end = i == v->n;
        uint32_t next = end ? 0 : v->in_order + rest[i - v->in_order], left = v->in_order - from;
        uint32_t run = end ? left : count_before(texts + from, left, texts[next]);
        memcpy(to_texts + n, texts + from, run * sizeof *texts);
        memcpy(to_pairs + n, v->pairs + from, run * sizeof *to_pairs);
        from += run;
        n += run;
        if (end)
            break;
        to_texts[n] = texts[next];
        to_pairs[n++] = v->pairs[next];
    }
    memcpy(to_pairs + v->n, v->pairs + v->n, (v->n_all - v->n) * sizeof *to_pairs);
}

/* Unless somebody else was faster, or the names are others by now. */
static void leave_order(const head_values *v, head *h, const uint32_t *pairs)
{
    fer_mutex_lock(&h->mu);
    head_dict *d = &h->names->dict;
    if (h->names == v->names && dict_name_of(d, v->name)->reorders == v->reorders)
        dict_name_reorder(d, v->name, pairs, v->n_all, v->n);
    fer_mutex_unlock(&h->mu);
}

fer_code head_values_sort(const head_values *v, head *h, fer_arena *keep, fer_arena *tmp,
                          str_list *ret, fer_err *err)
{
    uint32_t n_rest = v->n - v->in_order;
    bool ready = n_rest == 0;
    fer_str *texts = fer_arena_alloc(ready ? keep : tmp, v->n * sizeof *texts), *merged = texts;
    if (texts == NULL)
        return no_memory(err);
    load_texts(v, texts);
    if (!ready) {
        uint32_t *rest = fer_arena_alloc(tmp, n_rest * sizeof *rest);
        uint32_t *pairs = fer_arena_alloc(tmp, v->n_all * sizeof *pairs);
        merged = fer_arena_alloc(keep, v->n * sizeof *merged);
        if (rest == NULL || pairs == NULL || merged == NULL)
            return no_memory(err);
        str_sort_order(texts + v->in_order, n_rest, rest);
        merge(v, texts, rest, merged, pairs);
        if (n_rest >= v->n / NEW_PART)
            leave_order(v, h, pairs);
    }
    *ret = (str_list){merged, v->n, v->n};
    return FER_OK;
}

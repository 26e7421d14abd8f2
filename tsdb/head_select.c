/* head_select.c - pair sets, and their postings put together.
 *
 * The smallest set that asks gives the candidates; each other set is applied in the cheaper of two ways:
 * mark its postings in a bitmap and test the candidates (cost: the length of its lists), or read the
 * candidates' own labels (cost: some sixteen times as much per candidate).
 */
#include "tsdb/head_select.h"

#include <string.h>

enum { CANCEL_EVERY = 4096, LABEL_READ_COST = 16 };

static fer_code no_memory(fer_err *err)
{
    return fer_fail_budget(err, "selecting series");
}

/* ---- pair sets ---- */

static fer_code add_pair(head_select *s, pair_set *set, uint32_t pair, fer_err *err)
{
    if (set->n == set->cap) {
        uint32_t cap = set->cap == 0 ? 8 : set->cap * 2;
        uint32_t *p = fer_arena_grow(s->tmp, set->pairs, set->cap * sizeof *p, cap * sizeof *p);
        if (p == NULL)
            return no_memory(err);
        set->pairs = p;
        set->cap = cap;
    }
    set->pairs[set->n++] = pair;
    return FER_OK;
}

static fer_code add_value(head_select *s, pair_set *set, fer_str value, fer_err *err)
{
    uint32_t pair = dict_pair_find(&s->names->dict, set->name, value);
    return pair == DICT_NONE ? FER_OK : add_pair(s, set, pair, err);
}

static fer_code judge(head_select *s, pair_set *set, const uint32_t *pairs, uint32_t n,
                      fer_err *err)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i % CANCEL_EVERY == CANCEL_EVERY - 1) {
            fer_code code = fer_cancel_check(s->cancel);
            if (code != FER_OK)
                return fer_fail(err, code, "selecting series: %s", fer_code_name(code));
        }
        if (value_set_has(&set->values, dict_pair_value(&s->names->dict, pairs[i])))
            FER_TRY(add_pair(s, set, pairs[i], err));
    }
    set->seen += n;
    return FER_OK;
}

/* Judges the values there are, from a copy of their ids, outside the lock. */
static fer_code judge_ahead(head_select *s, pair_set *set, fer_err *err)
{
    head *h = s->h;
    uint32_t *copy = NULL, n = 0;
    fer_mutex_lock(&h->mu);
    set->name = dict_name_find(&s->names->dict, set->values.m->name);
    if (set->name != DICT_NONE) {
        const dict_name *name = dict_name_of(&s->names->dict, set->name);
        n = name->n;
        copy = fer_arena_alloc(s->tmp, n * sizeof *copy);
        if (copy != NULL)
            memcpy(copy, name->pairs, n * sizeof *copy);
    }
    fer_mutex_unlock(&h->mu);
    if (n != 0 && copy == NULL)
        return no_memory(err);
    return judge(s, set, copy, n, err);
}

fer_code head_select_prepare(head_select *s, head *h, const head_names *names, fer_arena *tmp,
                             const fer_cancel *cancel, const matcher *m, size_t nm, fer_err *err)
{
    *s = (head_select){.h = h, .names = names, .tmp = tmp, .cancel = cancel, .n = nm};
    s->sets = ARENA_ARRAY(tmp, pair_set, nm);
    if (s->sets == NULL)
        return no_memory(err);
    for (size_t i = 0; i < nm; i++) {
        pair_set *set = &s->sets[i];
        *set = (pair_set){.values = value_set_of(&m[i]), .name = DICT_NONE};
        const fer_str *values;
        if (value_set_listed(&set->values, &values) == 0)
            FER_TRY(judge_ahead(s, set, err));
    }
    return FER_OK;
}

/* Forgets what was judged by the ids of other names. */
static void restart(head_select *s)
{
    s->names = s->h->names;
    for (size_t i = 0; i < s->n; i++)
        s->sets[i].n = s->sets[i].seen = 0;
}

/* Completes the set with what has come since, and sums its lists. */
static fer_code complete(head_select *s, pair_set *set, fer_err *err)
{
    const head_dict *d = &s->names->dict;
    set->name = dict_name_find(d, set->values.m->name);
    if (set->name == DICT_NONE)
        return FER_OK;
    const fer_str *values;
    size_t n = value_set_listed(&set->values, &values);
    if (n != 0) {
        for (size_t i = 0; i < n; i++)
            FER_TRY(add_value(s, set, values[i], err));
    } else {
        const dict_name *name = dict_name_of(d, set->name);
        FER_TRY(judge(s, set, name->pairs + set->seen, name->n - set->seen, err));
    }
    set->total = 0;
    for (uint32_t i = 0; i < set->n; i++)
        set->total += dict_pair_of(d, set->pairs[i])->post.n;
    return FER_OK;
}

/* ---- postings ---- */

static uint64_t *new_bits(head_select *s, uint32_t n)
{
    return ARENA_ARRAY(s->tmp, uint64_t, n / 64 + 1);
}

static bool bit(const uint64_t *bits, uint32_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}

static uint64_t *mark_postings(head_select *s, const pair_set *set)
{
    uint64_t *bits = new_bits(s, s->h->published);
    for (uint32_t i = 0; bits != NULL && i < set->n; i++)
        postings_mark(&s->names->dict.posts, &dict_pair_of(&s->names->dict, set->pairs[i])->post,
                      s->h->published, bits);
    return bits;
}

static fer_code all_slots(head_select *s, slot_list *ret, fer_err *err)
{
    ret->n = s->h->published;
    ret->v = fer_arena_alloc(s->tmp, ret->n * sizeof *ret->v);
    if (ret->v == NULL)
        return no_memory(err);
    for (uint32_t i = 0; i < ret->n; i++)
        ret->v[i] = i;
    return FER_OK;
}

/* The slots of a set that asks. */
static fer_code first_candidates(head_select *s, const pair_set *set, slot_list *ret, fer_err *err)
{
    uint32_t published = s->h->published;
    uint64_t most = set->total < published ? set->total : published;
    ret->n = 0;
    ret->v = fer_arena_alloc(s->tmp, (set->n == 1 ? set->total : most) * sizeof *ret->v);
    if (ret->v == NULL)
        return no_memory(err);
    if (set->n == 1) {
        ret->n =
            postings_read(&s->names->dict.posts,
                          &dict_pair_of(&s->names->dict, set->pairs[0])->post, published, ret->v);
        return FER_OK;
    }
    uint64_t *bits = mark_postings(s, set);
    if (bits == NULL)
        return no_memory(err);
    for (uint32_t w = 0; w < published / 64 + 1; w++)
        for (uint64_t left = bits[w]; left != 0; left &= left - 1)
            ret->v[ret->n++] = w * 64 + (uint32_t)__builtin_ctzll(left);
    return FER_OK;
}

static fer_code filter_by_postings(head_select *s, const pair_set *set, slot_list *list,
                                   fer_err *err)
{
    uint64_t *bits = mark_postings(s, set);
    if (bits == NULL)
        return no_memory(err);
    size_t kept = 0;
    for (size_t i = 0; i < list->n; i++)
        if (bit(bits, list->v[i]) != set->values.forbids)
            list->v[kept++] = list->v[i];
    list->n = kept;
    return FER_OK;
}

/* False for a slot that holds no series any more. */
static bool has_pair_of(const head *h, uint32_t slot, const uint64_t *bits)
{
    slab_ref series_labels = head_series_labels(h, slot);
    if (series_labels == 0)
        return false;
    pair_cursor c = head_pairs(h->names, series_labels);
    for (uint32_t pair; pair_cursor_next(&c, &pair);)
        if (bit(bits, pair))
            return true;
    return false;
}

static fer_code filter_by_labels(head_select *s, const pair_set *set, slot_list *list, fer_err *err)
{
    uint64_t *bits = new_bits(s, s->names->dict.n_pairs);
    if (bits == NULL)
        return no_memory(err);
    for (uint32_t i = 0; i < set->n; i++)
        bits[set->pairs[i] / 64] |= UINT64_C(1) << (set->pairs[i] % 64);
    size_t kept = 0;
    for (size_t i = 0; i < list->n; i++)
        if (has_pair_of(s->h, list->v[i], bits) != set->values.forbids)
            list->v[kept++] = list->v[i];
    list->n = kept;
    return FER_OK;
}

static fer_code apply(head_select *s, const pair_set *set, slot_list *list, fer_err *err)
{
    if (set->n == 0) {
        if (!set->values.forbids)
            list->n = 0;
        return FER_OK;
    }
    uint64_t by_labels = (uint64_t)list->n * LABEL_READ_COST + s->names->dict.n_pairs / 64;
    uint64_t by_postings = set->total + list->n + s->h->published / 64;
    if (by_labels < by_postings)
        return filter_by_labels(s, set, list, err);
    return filter_by_postings(s, set, list, err);
}

fer_code head_select_slots(head_select *s, slot_list *ret, fer_err *err)
{
    fer_mutex_assert_held(&s->h->publish);
    fer_mutex_assert_held(&s->h->mu);
    pair_set *base = NULL;
    if (s->names != s->h->names)
        restart(s);
    for (size_t i = 0; i < s->n; i++) {
        pair_set *set = &s->sets[i];
        FER_TRY(complete(s, set, err));
        if (!set->values.forbids && (base == NULL || set->total < base->total))
            base = set;
    }
    if (base == NULL)
        FER_TRY(all_slots(s, ret, err));
    else
        FER_TRY(first_candidates(s, base, ret, err));
    for (size_t i = 0; i < s->n && ret->n != 0; i++)
        if (&s->sets[i] != base)
            FER_TRY(apply(s, &s->sets[i], ret, err));
    return FER_OK;
}

/* head_select.c - pair sets, and their postings put together.
 *
 * The smallest set that asks gives the candidates; each other set is applied in the cheaper of two ways:
 * mark its postings in a bitmap and test the candidates (cost: the length of its lists), or read the
 * candidates' own labels (cost: some sixteen times as much per candidate). A set that was judged late is always
 * applied in the second way, and in the order of the matchers.
 */
#include "tsdb/head/head_select.h"

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

static fer_code may_go_on(const head_select *s, uint32_t i, fer_err *err)
{
    if (i % CANCEL_EVERY != CANCEL_EVERY - 1)
        return FER_OK;
    fer_code code = fer_cancel_check(s->cancel);
    return code == FER_OK ? FER_OK
                          : fer_fail(err, code, "selecting series: %s", fer_code_name(code));
}

static fer_code judge(head_select *s, pair_set *set, const uint32_t *pairs, uint32_t n,
                      fer_err *err)
{
    for (uint32_t i = 0; i < n; i++) {
        FER_TRY(may_go_on(s, i, err));
        if (value_set_has(&set->values, dict_pair_value(&s->names->dict, pairs[i])))
            FER_TRY(add_pair(s, set, pairs[i], err));
    }
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
        set->seen = n;
        set->next_pair = s->names->dict.n_pairs;
        set->reorders = name->reorders;
    }
    fer_mutex_unlock(&h->mu);
    if (n != 0 && copy == NULL)
        return no_memory(err);
    return judge(s, set, copy, n, err);
}

/* Judges the values that have come since. Under mu. */
static fer_code judge_new(head_select *s, pair_set *set, fer_err *err)
{
    const dict_name *name = dict_name_of(&s->names->dict, set->name);
    for (uint32_t i = name->reorders == set->reorders ? set->seen : 0; i < name->n; i++) {
        FER_TRY(may_go_on(s, i, err));
        if (name->pairs[i] >= set->next_pair)
            FER_TRY(judge(s, set, &name->pairs[i], 1, err));
    }
    return FER_OK;
}

/* ---- sets judged late ---- */

static uint64_t *new_bits(head_select *s, uint32_t n)
{
    return ARENA_ARRAY(s->tmp, uint64_t, n / 64 + 1);
}

static bool bit(const uint64_t *bits, uint32_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}

static void set_bit(uint64_t *bits, uint32_t i)
{
    bits[i / 64] |= UINT64_C(1) << (i % 64);
}

/* Whether the pair is in the set. Its verdict is kept, unless it came after the bits were made. */
static bool judge_pair(const head_select *s, const pair_set *set, uint32_t pair)
{
    bool keep = pair < set->n_bits;
    if (keep && bit(set->known, pair))
        return bit(set->in, pair);
    bool in = value_set_has(&set->values, dict_pair_value(&s->names->dict, pair));
    if (keep) {
        set_bit(set->known, pair);
        if (in)
            set_bit(set->in, pair);
    }
    return in;
}

/* Whether one of the labels is in the set. */
static bool judge_labels(const head_select *s, const pair_set *set, slab_ref series_labels)
{
    pair_cursor c = head_pairs(s->names, series_labels);
    for (uint32_t pair; pair_cursor_next(&c, &pair);)
        if (dict_pair_of(&s->names->dict, pair)->name == set->name)
            return judge_pair(s, set, pair);
    return false;
}

/* The length of the list of a set of looked-up values, and, if there is but one, the pair. Under mu. */
static uint64_t listed_total(const head_select *s, const pair_set *set, const fer_str *values,
                             size_t n, uint32_t *ret_pair)
{
    const head_dict *d = &s->names->dict;
    uint32_t name = dict_name_find(d, set->values.m->name);
    uint64_t total = 0;
    for (size_t i = 0; i < n && name != DICT_NONE; i++) {
        uint32_t pair = dict_pair_find(d, name, values[i]);
        if (pair == DICT_NONE)
            continue;
        total += dict_pair_of(d, pair)->post.n;
        *ret_pair = n == 1 ? pair : DICT_NONE;
    }
    return total;
}

/* The labels of the series that the shortest looked-up list names. */
typedef struct late_candidates {
    slab_ref *labels;
    uint32_t n;
    uint32_t n_pairs; /* of the dictionary at that time */
} late_candidates;

/* Under mu. Finds none when no list is of a single value, or all are longer than `most`. */
static fer_code find_candidates(head_select *s, uint64_t most, late_candidates *ret, fer_err *err)
{
    uint32_t pair = DICT_NONE;
    for (size_t i = 0; i < s->n; i++) {
        const fer_str *values;
        uint32_t one = DICT_NONE;
        size_t n = value_set_listed(&s->sets[i].values, &values);
        if (n == 0 || s->sets[i].values.forbids)
            continue;
        uint64_t total = listed_total(s, &s->sets[i], values, n, &one);
        if (total <= most && one != DICT_NONE) {
            most = total;
            pair = one;
        }
    }
    if (pair == DICT_NONE)
        return FER_OK;
    const postings *post = &dict_pair_of(&s->names->dict, pair)->post;
    ret->n_pairs = s->names->dict.n_pairs;
    ret->labels = fer_arena_alloc(s->tmp, post->n * sizeof *ret->labels);
    if (ret->labels == NULL)
        return no_memory(err);
    ret->n = postings_read(&s->names->dict.posts, post, UINT32_MAX, ret->labels);
    for (uint32_t i = 0; i < ret->n; i++)
        ret->labels[i] = head_series_labels(s->h, ret->labels[i]);
    return FER_OK;
}

/* Judges the values of the candidates there are, outside the lock. *ret false: it would not be less work. */
static fer_code judge_candidates(head_select *s, pair_set *set, bool *ret, fer_err *err)
{
    head *h = s->h;
    late_candidates c = {0};
    fer_code code = FER_OK;
    fer_mutex_lock(&h->mu);
    set->name = dict_name_find(&s->names->dict, set->values.m->name);
    if (set->name != DICT_NONE && h->names == s->names)
        code = find_candidates(s, dict_name_of(&s->names->dict, set->name)->n / 2, &c, err);
    fer_mutex_unlock(&h->mu);
    *ret = c.labels != NULL;
    if (code != FER_OK || !*ret)
        return code;
    set->late = true;
    set->n_bits = c.n_pairs;
    set->known = new_bits(s, c.n_pairs);
    set->in = new_bits(s, c.n_pairs);
    if (set->known == NULL || set->in == NULL)
        return no_memory(err);
    for (uint32_t i = 0; i < c.n; i++) {
        FER_TRY(may_go_on(s, i, err));
        if (c.labels[i] != 0)
            (void)judge_labels(s, set, c.labels[i]);
    }
    return FER_OK;
}

fer_code head_select_prepare(head_select *s, head *h, const head_names *names, fer_arena *tmp,
                             const fer_cancel *cancel, const matcher *m, size_t nm, fer_err *err)
{
    *s = (head_select){.h = h, .names = names, .tmp = tmp, .cancel = cancel, .n = nm};
    s->sets = ARENA_ARRAY(tmp, pair_set, nm);
    if (s->sets == NULL)
        return no_memory(err);
    for (size_t i = 0; i < nm; i++)
        s->sets[i] = (pair_set){.values = value_set_of(&m[i]), .name = DICT_NONE};
    for (size_t i = 0; i < nm; i++) {
        const fer_str *values;
        bool done = value_set_listed(&s->sets[i].values, &values) != 0;
        if (!done)
            FER_TRY(judge_candidates(s, &s->sets[i], &done, err));
        if (!done)
            FER_TRY(judge_ahead(s, &s->sets[i], err));
    }
    return FER_OK;
}

/* Forgets what was judged by the ids of other names. */
static void restart(head_select *s)
{
    s->names = s->h->names;
    for (size_t i = 0; i < s->n; i++)
        s->sets[i].n = s->sets[i].seen = s->sets[i].next_pair = s->sets[i].n_bits = 0;
}

/* Completes the set with what has come since, and sums its lists. */
static fer_code complete(head_select *s, pair_set *set, fer_err *err)
{
    const head_dict *d = &s->names->dict;
    set->name = dict_name_find(d, set->values.m->name);
    if (set->late || set->name == DICT_NONE)
        return FER_OK;
    const fer_str *values;
    size_t n = value_set_listed(&set->values, &values);
    if (n != 0) {
        for (size_t i = 0; i < n; i++)
            FER_TRY(add_value(s, set, values[i], err));
    } else {
        FER_TRY(judge_new(s, set, err));
    }
    set->total = 0;
    for (uint32_t i = 0; i < set->n; i++)
        set->total += dict_pair_of(d, set->pairs[i])->post.n;
    return FER_OK;
}

/* ---- postings ---- */

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

static void filter_late(head_select *s, const pair_set *set, slot_list *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->n; i++) {
        slab_ref series_labels = head_series_labels(s->h, list->v[i]);
        bool in = series_labels != 0 && judge_labels(s, set, series_labels);
        if (in != set->values.forbids)
            list->v[kept++] = list->v[i];
    }
    list->n = kept;
}

static fer_code apply(head_select *s, const pair_set *set, slot_list *list, fer_err *err)
{
    if (set->late) {
        filter_late(s, set, list);
        return FER_OK;
    }
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
        if (!set->values.forbids && !set->late && (base == NULL || set->total < base->total))
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

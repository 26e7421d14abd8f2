/* head_choice.c */
#include "tsdb/head/head_choice.h"

#include <string.h>

enum { PAIRS_PER_SERIES = 1024 };

bool head_choice_pays(const head_names *names, size_t n_series)
{
    return n_series >= names->dict.n_pairs / PAIRS_PER_SERIES;
}

static void put_name(const head_dict *d, fer_str text, uint64_t *bits, bool on)
{
    uint32_t id = dict_name_find(d, text);
    if (id == DICT_NONE)
        return;
    const dict_name *name = dict_name_of(d, id);
    for (uint32_t i = 0; i < name->n; i++) {
        uint64_t bit = UINT64_C(1) << (name->pairs[i] % 64), *word = &bits[name->pairs[i] / 64];
        *word = on ? *word | bit : *word & ~bit;
    }
}

bool head_choice_make(const head_names *names, const label_choice *c, fer_arena *a,
                      head_choice *ret)
{
    const head_dict *d = &names->dict;
    size_t bytes = (d->n_pairs / 64 + 1) * sizeof(uint64_t);
    uint64_t *wanted = fer_arena_alloc(a, bytes), *metric = fer_arena_calloc(a, 1, bytes);
    if (wanted == NULL || metric == NULL)
        return false;
    memset(wanted, c->others ? 0xff : 0, bytes);
    for (size_t i = 0; i < c->n; i++)
        put_name(d, c->names[i], wanted, !c->others);
    put_name(d, STR("__name__"), metric, true);
    put_name(d, STR("__type__"), metric, true);
    put_name(d, STR("__unit__"), metric, true);
    *ret = (head_choice){wanted, metric};
    return true;
}

/* The next pair that is no metric's; false: there is none. */
static inline bool next_rest(const head_choice *c, pair_cursor *at, uint32_t *ret)
{
    while (pair_cursor_next(at, ret))
        if (!head_choice_has(c->metric, *ret))
            return true;
    return false;
}

uint64_t head_rest_hash(const head_names *names, const head_choice *c, slab_ref series)
{
    uint64_t sum = 0;
    pair_cursor at = head_pairs(names, series);
    for (uint32_t pair; next_rest(c, &at, &pair);)
        sum += fer_hash_mix(0, pair);
    return sum;
}

bool head_rest_equal(const head_names *names, const head_choice *c, slab_ref x, slab_ref y)
{
    pair_cursor a = head_pairs(names, x), b = head_pairs(names, y);
    for (;;) {
        uint32_t p = DICT_NONE, q = DICT_NONE;
        bool any = next_rest(c, &a, &p), other = next_rest(c, &b, &q);
        if (any != other || p != q)
            return false;
        if (!any)
            return true;
    }
}

/* head_order.c - each pair that occurs gets its rank among them, texts are looked at for nothing else.
 *
 * A series is then a row of ranks. As many of them as fit, from the first on that differ anywhere, make one number, and
 * mostly that tells series apart.
 */
#include "tsdb/head/head_order.h"

#include <stdlib.h>
#include <string.h>

#include "base/str_sort.h"

/* A pair's place among those found: open addressing, at most half full. */
typedef struct found_pair {
    uint32_t pair; /* DICT_NONE: empty */
    uint32_t at;
} found_pair;

typedef struct orderer {
    const head_names *names;
    fer_arena *tmp;
    found_pair *table;
    uint32_t table_cap;
    uint32_t *pairs; /* found, each once */
    uint32_t n_pairs, cap_pairs;
    uint32_t
        *rows; /* of all series, one behind the other: places among `pairs`, later ranks from 1 */
    size_t *begins; /* of the series' rows, and the end of the last */
    size_t first;   /* the first label that differs anywhere */
    size_t in_key;  /* labels in a key */
} orderer;

typedef struct sort_item {
    uint64_t key;
    uint32_t at;
} sort_item;

static fer_code no_memory(fer_err *err)
{
    return fer_fail_budget(err, "sorting series");
}

/* ---- rows ---- */

static found_pair *place_of(found_pair *table, uint32_t cap, uint32_t pair)
{
    uint32_t at = (uint32_t)((uint64_t)(pair * 2654435761U) * cap >> 32);
    while (table[at].pair != pair && table[at].pair != DICT_NONE)
        at = (at + 1) & (cap - 1);
    return &table[at];
}

static bool grow(orderer *o)
{
    uint32_t cap = o->table_cap == 0 ? 256 : o->table_cap * 2;
    found_pair *table = fer_arena_alloc(o->tmp, cap * sizeof *table);
    uint32_t *pairs =
        fer_arena_grow(o->tmp, o->pairs, o->n_pairs * sizeof *pairs, cap / 2 * sizeof *pairs);
    if (table == NULL || pairs == NULL)
        return false;
    memset(table, 0xff, cap * sizeof *table);
    for (uint32_t i = 0; i < o->n_pairs; i++)
        *place_of(table, cap, pairs[i]) = (found_pair){pairs[i], i};
    o->table = table;
    o->table_cap = cap;
    o->pairs = pairs;
    o->cap_pairs = cap / 2;
    return true;
}

static bool find(orderer *o, uint32_t pair, uint32_t *ret)
{
    if (o->n_pairs == o->cap_pairs && !grow(o))
        return false;
    found_pair *f = place_of(o->table, o->table_cap, pair);
    if (f->pair == DICT_NONE) {
        *f = (found_pair){pair, o->n_pairs};
        o->pairs[o->n_pairs++] = pair;
    }
    *ret = f->at;
    return true;
}

/* Where the rows are, and how many labels all of them begin with. */
static bool measure(orderer *o, const slab_ref *v, size_t n)
{
    size_t sum = 0;
    o->begins = fer_arena_alloc(o->tmp, (n + 1) * sizeof *o->begins);
    if (o->begins == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        o->begins[i] = sum;
        sum += head_pairs(o->names, v[i]).left;
    }
    o->begins[n] = sum;
    o->rows = fer_arena_alloc(o->tmp, sum * sizeof *o->rows);
    return o->rows != NULL;
}

static bool fill_rows(orderer *o, const slab_ref *v, size_t n)
{
    uint32_t last[LABELS_MAX], *row = o->rows;
    size_t n_last = 0;
    o->first = LABELS_MAX;
    for (size_t i = 0; i < n; i++) {
        pair_cursor c = head_pairs(o->names, v[i]);
        size_t k = 0, same = 0;
        const uint32_t *before = row - n_last;
        for (uint32_t pair; pair_cursor_next(&c, &pair); k++) {
            bool known = k < n_last && last[k] == pair;
            same += known && same == k;
            if (known)
                row[k] = before[k];
            else if (!find(o, pair, &row[k]))
                return false;
            last[k] = pair;
        }
        if (i != 0 && same < o->first)
            o->first = same;
        row += k;
        n_last = k;
    }
    return true;
}

/* ---- ranks ---- */

static uint32_t name_of(const orderer *o, uint32_t place)
{
    return dict_pair_of(&o->names->dict, o->pairs[place])->name;
}

/* By a name's id its rank among those that occur, else DICT_NONE. NULL past the budget. */
static uint32_t *rank_names(orderer *o, uint32_t *ret_n)
{
    uint32_t room = 0, n = 0;
    for (uint32_t i = 0; i < o->n_pairs; i++)
        room = name_of(o, i) >= room ? name_of(o, i) + 1 : room;
    uint32_t *ranks = fer_arena_alloc(o->tmp, room * sizeof *ranks);
    uint32_t *ids = fer_arena_alloc(o->tmp, room * sizeof *ids);
    uint32_t *order = fer_arena_alloc(o->tmp, room * sizeof *order);
    fer_str *texts = fer_arena_alloc(o->tmp, room * sizeof *texts);
    if (ranks == NULL || ids == NULL || order == NULL || texts == NULL)
        return NULL;
    memset(ranks, 0xff, room * sizeof *ranks);
    for (uint32_t i = 0; i < o->n_pairs; i++) {
        uint32_t name = name_of(o, i);
        if (ranks[name] != DICT_NONE)
            continue;
        ranks[name] = 0;
        ids[n] = name;
        texts[n++] = dict_name_text(&o->names->dict, name);
    }
    str_sort_order(texts, n, order);
    for (uint32_t i = 0; i < n; i++)
        ranks[ids[order[i]]] = i;
    *ret_n = n;
    return ranks;
}

/* By a pair's place its rank, from 1: those of one name in the order of values, names in theirs. */
static uint32_t *rank_pairs(orderer *o)
{
    uint32_t n = o->n_pairs, n_names, sum = 0;
    uint32_t *names = rank_names(o, &n_names);
    fer_str *values = fer_arena_alloc(o->tmp, n * sizeof *values);
    uint32_t *order = fer_arena_alloc(o->tmp, n * sizeof *order);
    uint32_t *ranks = fer_arena_alloc(o->tmp, n * sizeof *ranks);
    uint32_t *next = names == NULL ? NULL : ARENA_ARRAY(o->tmp, uint32_t, n_names);
    if (values == NULL || order == NULL || ranks == NULL || next == NULL)
        return NULL;
    for (uint32_t i = 0; i < n; i++) {
        values[i] = dict_pair_value(&o->names->dict, o->pairs[i]);
        next[names[name_of(o, i)]]++;
    }
    for (uint32_t i = 0; i < n_names; i++) {
        uint32_t count = next[i];
        next[i] = sum;
        sum += count;
    }
    str_sort_order(values, n, order);
    for (uint32_t i = 0; i < n; i++)
        ranks[order[i]] = ++next[names[name_of(o, order[i])]];
    return ranks;
}

/* ---- order ---- */

static uint64_t key_of(const orderer *o, size_t i, unsigned bits)
{
    const uint32_t *row = o->rows + o->begins[i];
    size_t n = o->begins[i + 1] - o->begins[i];
    uint64_t key = 0;
    for (size_t k = o->first; k < o->first + o->in_key; k++)
        key = key << bits | (k < n ? row[k] : 0);
    return key;
}

static int by_rows(const void *pa, const void *pb, void *arg)
{
    const sort_item *a = pa, *b = pb;
    const orderer *o = arg;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    const uint32_t *x = o->rows + o->begins[a->at], *y = o->rows + o->begins[b->at];
    size_t xn = o->begins[a->at + 1] - o->begins[a->at],
           yn = o->begins[b->at + 1] - o->begins[b->at], n = xn < yn ? xn : yn;
    for (size_t k = o->first + o->in_key; k < n; k++)
        if (x[k] != y[k])
            return x[k] < y[k] ? -1 : 1;
    if (xn != yn)
        return xn < yn ? -1 : 1;
    return (a->at > b->at) - (a->at < b->at);
}

fer_code head_order(const head_names *names, const slab_ref *v, size_t n, fer_arena *tmp,
                    uint32_t *order, fer_err *err)
{
    orderer o = {.names = names, .tmp = tmp};
    sort_item *items = fer_arena_alloc(tmp, n * sizeof *items);
    if (items == NULL || !measure(&o, v, n) || !fill_rows(&o, v, n))
        return no_memory(err);
    const uint32_t *ranks = rank_pairs(&o);
    if (ranks == NULL)
        return no_memory(err);
    for (size_t i = 0; n != 0 && i < o.begins[n]; i++)
        o.rows[i] = ranks[o.rows[i]];
    unsigned bits = 32U - (unsigned)__builtin_clz(o.n_pairs | 1);
    o.in_key = 64 / bits;
    for (size_t i = 0; i < n; i++)
        items[i] = (sort_item){key_of(&o, i, bits), (uint32_t)i};
    qsort_r(items, n, sizeof *items, by_rows, &o);
    for (size_t i = 0; i < n; i++)
        order[i] = items[i].at;
    return FER_OK;
}

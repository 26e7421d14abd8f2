/* head_order.c - rows of ranks, sorted by keys of as many labels as fit in 64 bits.
 *
 * What is looked at for each series and each pair lies anywhere in memory, so it is asked for some items ahead.
 */
#include "tsdb/head/head_order.h"

#include <string.h>

#include "base/key_sort.h"
#include "base/str_sort.h"

enum { AHEAD = 16, KEY_BITS = 64 };

/* A pair's place among those found: open addressing, at most half full. */
typedef struct found_pair {
    uint32_t pair; /* DICT_NONE: empty */
    uint32_t at;
} found_pair;

/* The labels at one place of all series. */
typedef struct column {
    uint32_t least, most; /* rank and 1; 0 for a series that has no label there */
    size_t n;             /* series that have one */
} column;

typedef struct orderer {
    const head_names *names;
    fer_arena *keep, *tmp;
    found_pair *table;
    uint32_t table_cap;
    uint32_t *pairs; /* found, each once */
    uint32_t n_pairs, cap_pairs;
    uint32_t *rows; /* as of head_rows; until put_ranks() with places among `pairs` */
    size_t cap_rows;
    uint32_t *begins;
    column *columns;
    size_t n_columns;
} orderer;

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

static bool grow(orderer *o, uint32_t cap)
{
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

/* For what n series mostly have: a pair of its own each, and some that many share. */
static uint32_t table_cap_for(size_t n)
{
    uint32_t cap = 256;
    while (cap < n && cap < 1U << 30)
        cap *= 2;
    return cap;
}

static bool find(orderer *o, uint32_t pair, uint32_t *ret)
{
    if (o->n_pairs == o->cap_pairs && !grow(o, o->table_cap * 2))
        return false;
    found_pair *f = place_of(o->table, o->table_cap, pair);
    if (f->pair == DICT_NONE) {
        *f = (found_pair){pair, o->n_pairs};
        o->pairs[o->n_pairs++] = pair;
    }
    *ret = f->at;
    return true;
}

/* Room for the next row, of n numbers, and for `more` others if they are as long. */
static bool make_room(orderer *o, size_t used, size_t n, size_t more)
{
    if (o->rows != NULL && o->cap_rows - used >= n)
        return true;
    size_t cap = used + n * (more + 1), least = o->cap_rows + o->cap_rows / 4;
    cap = cap < least ? least : cap;
    uint32_t *rows = fer_arena_grow(o->keep, o->rows, used * sizeof *rows, cap * sizeof *rows);
    if (rows == NULL || used > UINT32_MAX)
        return false;
    o->rows = rows;
    o->cap_rows = cap;
    return true;
}

static bool fill_rows(orderer *o, const slab_ref *of, size_t n)
{
    uint32_t last[LABELS_MAX];
    size_t used = 0, n_last = 0;
    o->begins = fer_arena_alloc(o->keep, n * sizeof *o->begins);
    if (o->begins == NULL || !grow(o, table_cap_for(n)))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            head_prefetch_pairs(o->names, of[i + AHEAD]);
        pair_cursor c = head_pairs(o->names, of[i]);
        if (!make_room(o, used, c.left + 1, n - i - 1))
            return false;
        uint32_t *row = o->rows + used;
        const uint32_t *before = row - n_last;
        size_t k = 0;
        *row++ = c.left;
        for (uint32_t pair; pair_cursor_next(&c, &pair); k++) {
            if (k < n_last && last[k] == pair)
                row[k] = before[k]; /* most are those of the series before */
            else if (!find(o, pair, &row[k]))
                return false;
            last[k] = pair;
        }
        o->begins[i] = (uint32_t)used;
        used += k + 1;
        n_last = k;
        o->n_columns = k > o->n_columns ? k : o->n_columns;
    }
    return true;
}

/* ---- ranks ---- */

/* The names of the pairs found, and their values, copied: they lie all over the dictionary, and are looked at again and
 * again. False past the budget. */
static bool load_pairs(const orderer *o, uint32_t *names, dict_text *texts, fer_str *values)
{
    const head_dict *d = &o->names->dict;
    size_t n = o->n_pairs;
    for (size_t i = 0; i < n + 2 * AHEAD; i++) {
        if (i < n)
            __builtin_prefetch(dict_pair_of(d, o->pairs[i]));
        if (i >= AHEAD && i - AHEAD < n) {
            const dict_pair *p = dict_pair_of(d, o->pairs[i - AHEAD]);
            names[i - AHEAD] = p->name;
            texts[i - AHEAD] = p->value;
            dict_text_prefetch(d, p->value);
        }
        if (i < 2 * AHEAD)
            continue;
        fer_str *value = &values[i - 2 * AHEAD];
        *value = fer_arena_dup(o->keep, dict_text_of(d, texts[i - 2 * AHEAD]));
        if (value->p == NULL)
            return false;
    }
    return true;
}

/* By a name's id its rank among those that occur, else DICT_NONE. NULL past the budget. */
static uint32_t *rank_names(const orderer *o, const uint32_t *names, uint32_t *ret_n)
{
    uint32_t room = 0, n = 0;
    for (uint32_t i = 0; i < o->n_pairs; i++)
        room = names[i] >= room ? names[i] + 1 : room;
    uint32_t *ranks = fer_arena_alloc(o->tmp, room * sizeof *ranks);
    uint32_t *ids = fer_arena_alloc(o->tmp, room * sizeof *ids);
    uint32_t *order = fer_arena_alloc(o->tmp, room * sizeof *order);
    fer_str *texts = fer_arena_alloc(o->tmp, room * sizeof *texts);
    if (ranks == NULL || ids == NULL || order == NULL || texts == NULL)
        return NULL;
    memset(ranks, 0xff, room * sizeof *ranks);
    for (uint32_t i = 0; i < o->n_pairs; i++) {
        if (ranks[names[i]] != DICT_NONE)
            continue;
        ranks[names[i]] = 0;
        ids[n] = names[i];
        texts[n++] = dict_name_text(&o->names->dict, names[i]);
    }
    str_sort_order(texts, n, order);
    for (uint32_t i = 0; i < n; i++)
        ranks[ids[order[i]]] = i;
    *ret_n = n;
    return ranks;
}

/* By a pair's place its rank: those of one name in the order of values, names in theirs. NULL past the budget. */
static uint32_t *rank_pairs(const orderer *o, ranked_pair *ret)
{
    uint32_t n = o->n_pairs, n_names, sum = 0;
    uint32_t *names = fer_arena_alloc(o->tmp, n * sizeof *names);
    uint32_t *ranks = fer_arena_alloc(o->tmp, n * sizeof *ranks);
    uint32_t *order = fer_arena_alloc(o->tmp, n * sizeof *order);
    fer_str *values = fer_arena_alloc(o->tmp, n * sizeof *values);
    if (names == NULL || ranks == NULL || order == NULL || values == NULL)
        return NULL;
    if (!load_pairs(o, names, order, values)) /* order: not needed yet */
        return NULL;
    const uint32_t *name_ranks = rank_names(o, names, &n_names);
    uint32_t *next = name_ranks == NULL ? NULL : ARENA_ARRAY(o->tmp, uint32_t, n_names);
    if (next == NULL)
        return NULL;
    for (uint32_t i = 0; i < n; i++)
        next[name_ranks[names[i]]]++;
    for (uint32_t i = 0; i < n_names; i++) {
        uint32_t count = next[i];
        next[i] = sum;
        sum += count;
    }
    str_sort_order(values, n, order);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t place = order[i], rank = next[name_ranks[names[place]]]++;
        ranks[place] = rank;
        ret[rank] = (ranked_pair){values[place], names[place]};
    }
    return ranks;
}

/* Puts ranks into the rows, and finds what range they have in each column. */
static bool put_ranks(orderer *o, const uint32_t *ranks, size_t n)
{
    o->columns = fer_arena_alloc(o->tmp, o->n_columns * sizeof *o->columns);
    if (o->columns == NULL)
        return false;
    for (size_t k = 0; k < o->n_columns; k++)
        o->columns[k] = (column){.least = UINT32_MAX};
    uint32_t *row = o->rows;
    for (size_t i = 0; i < n; i++) {
        uint32_t labels_left = *row++;
        for (column *c = o->columns; labels_left != 0; labels_left--, row++, c++) {
            uint32_t rank = ranks[*row];
            *row = rank;
            c->least = rank + 1 < c->least ? rank + 1 : c->least;
            c->most = rank + 1 > c->most ? rank + 1 : c->most;
            c->n++;
        }
    }
    for (size_t k = 0; k < o->n_columns; k++)
        if (o->columns[k].n < n)
            o->columns[k].least = 0;
    return true;
}

/* ---- order ---- */

/* Keys of the columns from `from` on that fit; *ret_differ: the bits in which they differ. Where the next begin. */
static size_t load_keys(const orderer *o, key_item *v, size_t n, size_t from, uint64_t *ret_differ)
{
    unsigned widths[KEY_BITS + 1], bits = 0;
    size_t to = from;
    for (; to < o->n_columns && to - from <= KEY_BITS; to++) {
        uint32_t range = o->columns[to].most - o->columns[to].least;
        unsigned width = range == 0 ? 0 : 32U - (unsigned)__builtin_clz(range);
        if (bits + width > KEY_BITS)
            break;
        widths[to - from] = width;
        bits += width;
    }
    uint64_t differ = 0;
    for (size_t i = 0; i < n; i++) {
        const uint32_t *row = o->rows + o->begins[v[i].at];
        uint64_t key = 0;
        for (size_t k = from; k < to; k++)
            key =
                key << widths[k - from] | ((k < row[0] ? row[k + 1] + 1 : 0) - o->columns[k].least);
        v[i].key = key;
        differ |= key ^ v[0].key;
    }
    *ret_differ = differ;
    return to;
}

/* All are equal in the columns before `begin`. */
static void sort_from(const orderer *o, key_item *v, key_item *tmp, size_t n, size_t begin)
{
    uint64_t differ = 0;
    while (n > 1 && begin < o->n_columns && differ == 0)
        begin = load_keys(o, v, n, begin, &differ);
    if (differ == 0)
        return;
    key_sort(v, tmp, n, differ);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && v[to].key == v[from].key; to++)
            ;
        sort_from(o, v + from, tmp, to - from, begin);
    }
}

fer_code head_order(const head_names *names, const slab_ref *of, size_t n, fer_arena *keep,
                    fer_arena *tmp, uint32_t *order, head_rows *ret, fer_err *err)
{
    orderer o = {.names = names, .keep = keep, .tmp = tmp};
    key_item *items = fer_arena_alloc(tmp, 2 * n * sizeof *items);
    if (items == NULL || !fill_rows(&o, of, n))
        return no_memory(err);
    ranked_pair *pairs = fer_arena_alloc(tmp, o.n_pairs * sizeof *pairs);
    const uint32_t *ranks = pairs == NULL ? NULL : rank_pairs(&o, pairs);
    if (ranks == NULL || !put_ranks(&o, ranks, n))
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        items[i].at = (uint32_t)i;
    sort_from(&o, items, items + n, n, 0);
    for (size_t i = 0; i < n; i++)
        order[i] = items[i].at;
    *ret = (head_rows){pairs, o.n_pairs, o.rows, o.begins};
    return FER_OK;
}

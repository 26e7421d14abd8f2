/* head_order.c - rows of ranks, sorted by keys of as many labels as fit in 64 bits. */
#include "tsdb/head/head_order.h"

#include <string.h>

#include "base/key_sort.h"
#include "base/str_sort.h"

enum { KEY_BITS = 64 };

/* The labels at one place of all series. */
typedef struct column {
    uint32_t least, most; /* rank and 1; 0 for a series that has no label there */
    size_t n;             /* series that have one */
} column;

/* A name that occurs. */
typedef struct ranked_name {
    uint32_t id, n;
    uint32_t end; /* its pairs have the ranks before this one */
} ranked_name;

typedef struct orderer {
    const head_dict *dict;
    fer_arena *tmp;
    head_rows *rows;
    size_t n; /* of them */
    column *columns;
    ranked_name *names; /* in order */
    uint32_t n_names;
    uint32_t *name_ranks; /* by a name's id its place there */
} orderer;

/* ---- ranks ---- */

/* The names that occur, in order, and by a name's id its rank among them. False past the budget. */
static bool find_names(orderer *o)
{
    const row_pair *pairs = o->rows->pairs;
    uint32_t room = 0, n = 0;
    for (uint32_t i = 0; i < o->rows->n_pairs; i++)
        room = pairs[i].name >= room ? pairs[i].name + 1 : room;
    uint32_t *ranks = fer_arena_alloc(o->tmp, room * sizeof *ranks);
    uint32_t *order = fer_arena_alloc(o->tmp, room * sizeof *order);
    fer_str *texts = fer_arena_alloc(o->tmp, room * sizeof *texts);
    ranked_name *found = fer_arena_alloc(o->tmp, room * sizeof *found);
    ranked_name *ret = fer_arena_alloc(o->tmp, room * sizeof *ret);
    if (ranks == NULL || order == NULL || texts == NULL || found == NULL || ret == NULL)
        return false;
    memset(ranks, 0xff, room * sizeof *ranks);
    for (uint32_t i = 0; i < o->rows->n_pairs; i++) {
        uint32_t name = pairs[i].name;
        if (ranks[name] == DICT_NONE) {
            ranks[name] = n;
            texts[n] = dict_name_text(o->dict, name);
            found[n++] = (ranked_name){.id = name};
        }
        found[ranks[name]].n++;
    }
    str_sort_order(texts, n, order);
    for (uint32_t i = 0, sum = 0; i < n; i++) {
        ret[i] = found[order[i]];
        ret[i].end = sum; /* until they have their ranks */
        sum += ret[i].n;
        ranks[ret[i].id] = i;
    }
    o->name_ranks = ranks;
    o->names = ret;
    o->n_names = n;
    return true;
}

/* Puts the pairs in order: those of one name by value, names by theirs. By what their numbers were, their ranks; NULL past the
 * budget. */
static uint32_t *rank_pairs(orderer *o)
{
    uint32_t n = o->rows->n_pairs;
    row_pair *pairs = o->rows->pairs;
    uint32_t *ranks = fer_arena_alloc(o->tmp, n * sizeof *ranks);
    uint32_t *numbers = fer_arena_alloc(o->tmp, n * sizeof *numbers); /* name by name */
    fer_str *texts = fer_arena_alloc(o->tmp, n * sizeof *texts);      /* of those */
    uint32_t *order = fer_arena_alloc(o->tmp, n * sizeof *order);
    if (ranks == NULL || numbers == NULL || texts == NULL || order == NULL || !find_names(o))
        return NULL;
    for (uint32_t i = 0; i < n; i++) {
        ranked_name *name = &o->names[o->name_ranks[pairs[i].name]];
        numbers[name->end] = i;
        texts[name->end++] = pairs[i].value;
    }
    for (const ranked_name *name = o->names; name < o->names + o->n_names; name++) {
        uint32_t begin = name->end - name->n;
        str_sort_order(texts + begin, name->n, order);
        for (uint32_t i = 0; i < name->n; i++) {
            ranks[numbers[begin + order[i]]] = begin + i;
            pairs[begin + i] = (row_pair){texts[begin + order[i]], name->id};
        }
    }
    return ranks;
}

/* Puts ranks into the rows, and finds what range they have in each column. False past the budget. */
static bool put_ranks(orderer *o, const uint32_t *ranks)
{
    size_t n_columns = o->rows->n_columns;
    o->columns = fer_arena_alloc(o->tmp, n_columns * sizeof *o->columns);
    if (o->columns == NULL)
        return false;
    for (size_t k = 0; k < n_columns; k++)
        o->columns[k] = (column){.least = UINT32_MAX};
    uint32_t *row = o->rows->v;
    for (size_t i = 0; i < o->n; i++) {
        uint32_t labels_left = *row++;
        for (column *c = o->columns; labels_left != 0; labels_left--, row++, c++) {
            uint32_t rank = ranks[*row];
            *row = rank;
            c->least = rank + 1 < c->least ? rank + 1 : c->least;
            c->most = rank + 1 > c->most ? rank + 1 : c->most;
            c->n++;
        }
    }
    for (size_t k = 0; k < n_columns; k++)
        if (o->columns[k].n < o->n)
            o->columns[k].least = 0;
    return true;
}

/* ---- order ---- */

/* Keys of the columns from `from` on that fit; *ret_differ: the bits in which they differ. Where the next begin. */
static size_t load_keys(const orderer *o, key_item *v, size_t n, size_t from, uint64_t *ret_differ)
{
    unsigned widths[KEY_BITS + 1], bits = 0;
    size_t to = from;
    for (; to < o->rows->n_columns && to - from <= KEY_BITS; to++) {
        uint32_t range = o->columns[to].most - o->columns[to].least;
        unsigned width = range == 0 ? 0 : 32U - (unsigned)__builtin_clz(range);
        if (bits + width > KEY_BITS)
            break;
        widths[to - from] = width;
        bits += width;
    }
    uint64_t differ = 0;
    for (size_t i = 0; i < n; i++) {
        const uint32_t *row = o->rows->v + o->rows->begins[v[i].at];
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
    while (n > 1 && begin < o->rows->n_columns && differ == 0)
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
    head_rows rows;
    FER_TRY(head_rows_read(names, of, n, keep, tmp, &rows, err));
    orderer o = {.dict = &names->dict, .tmp = tmp, .n = n, .rows = &rows};
    key_item *items = fer_arena_alloc(tmp, 2 * n * sizeof *items);
    const uint32_t *ranks = rank_pairs(&o);
    if (items == NULL || ranks == NULL || !put_ranks(&o, ranks))
        return fer_fail_budget(err, "sorting series");
    for (size_t i = 0; i < n; i++)
        items[i].at = (uint32_t)i;
    sort_from(&o, items, items + n, n, 0);
    for (size_t i = 0; i < n; i++)
        order[i] = items[i].at;
    *ret = rows;
    return FER_OK;
}

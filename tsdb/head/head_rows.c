/* head_rows.c - what is looked at for each series and each pair lies anywhere in memory, so it is asked for some items ahead.
 */
#include "tsdb/head/head_rows.h"

#include <string.h>

enum { AHEAD = 16, PLACES_AHEAD = 6 };

/* A pair's number: open addressing, at most half full. */
typedef struct found_pair {
    uint32_t pair; /* DICT_NONE: empty */
    uint32_t number;
} found_pair;

typedef struct rows_reader {
    const head_names *names;
    fer_arena *keep, *tmp;
    size_t n; /* rows */
    found_pair *table;
    uint32_t table_cap;
    uint32_t *pairs; /* found, each once, by number */
    uint32_t n_pairs, cap_pairs;
    uint32_t *rows; /* as of head_rows; until number_pairs() of pairs */
    size_t cap_rows;
    uint32_t *begins;
    size_t n_columns;
} rows_reader;

static found_pair *place_at(found_pair *table, uint32_t cap, uint32_t pair)
{
    return &table[(uint64_t)(pair * 2654435761U) * cap >> 32];
}

static found_pair *place_of(found_pair *table, uint32_t cap, uint32_t pair)
{
    size_t at = (size_t)(place_at(table, cap, pair) - table);
    while (table[at].pair != pair && table[at].pair != DICT_NONE)
        at = (at + 1) & (cap - 1);
    return &table[at];
}

static bool grow(rows_reader *r, uint32_t cap)
{
    found_pair *table = fer_arena_alloc(r->tmp, cap * sizeof *table);
    uint32_t *pairs =
        fer_arena_grow(r->tmp, r->pairs, r->n_pairs * sizeof *pairs, cap / 2 * sizeof *pairs);
    if (table == NULL || pairs == NULL)
        return false;
    memset(table, 0xff, cap * sizeof *table);
    for (uint32_t i = 0; i < r->n_pairs; i++)
        *place_of(table, cap, pairs[i]) = (found_pair){pairs[i], i};
    r->table = table;
    r->table_cap = cap;
    r->pairs = pairs;
    r->cap_pairs = cap / 2;
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

static bool find(rows_reader *r, uint32_t pair, uint32_t *ret)
{
    if (r->n_pairs == r->cap_pairs && !grow(r, r->table_cap * 2))
        return false;
    found_pair *f = place_of(r->table, r->table_cap, pair);
    if (f->pair == DICT_NONE) {
        *f = (found_pair){pair, r->n_pairs};
        r->pairs[r->n_pairs++] = pair;
    }
    *ret = f->number;
    return true;
}

/* Room for the next row, of n numbers, and for `more` others if they are as long. */
static bool make_room(rows_reader *r, size_t used, size_t n, size_t more)
{
    if (r->rows != NULL && r->cap_rows - used >= n)
        return true;
    size_t cap = used + n * (more + 1), least = r->cap_rows + r->cap_rows / 4;
    cap = cap < least ? least : cap;
    uint32_t *rows = fer_arena_grow(r->keep, r->rows, used * sizeof *rows, cap * sizeof *rows);
    if (rows == NULL || used > UINT32_MAX)
        return false;
    r->rows = rows;
    r->cap_rows = cap;
    return true;
}

/* Rows of pairs, as they are. */
static bool read_rows(rows_reader *r, const slab_ref *of)
{
    size_t used = 0, n = r->n;
    r->begins = fer_arena_alloc(r->keep, n * sizeof *r->begins);
    if (r->begins == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            head_prefetch_pairs(r->names, of[i + AHEAD]);
        pair_cursor c = head_pairs(r->names, of[i]);
        if (!make_room(r, used, c.left + 1, n - i - 1))
            return false;
        r->begins[i] = (uint32_t)used;
        r->n_columns = c.left > r->n_columns ? c.left : r->n_columns;
        uint32_t *row = r->rows + used;
        used += c.left + 1;
        *row++ = c.left;
        while (pair_cursor_next(&c, row))
            row++;
    }
    return true;
}

/* Asks for the places of a row's pairs that the row before does not have. */
static void prefetch_places(const rows_reader *r, size_t i)
{
    const uint32_t *row = r->rows + r->begins[i], *before = r->rows + r->begins[i - 1];
    for (uint32_t k = 1; k <= row[0]; k++)
        if (k > before[0] || row[k] != before[k])
            __builtin_prefetch(place_at(r->table, r->table_cap, row[k]));
}

/* Numbers instead of pairs. */
static bool number_pairs(rows_reader *r)
{
    size_t n = r->n;
    uint32_t last[LABELS_MAX], n_last = 0; /* the pairs of the row before */
    if (!grow(r, table_cap_for(n)))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (i + PLACES_AHEAD < n)
            prefetch_places(r, i + PLACES_AHEAD);
        uint32_t *row = r->rows + r->begins[i], n_labels = *row++, k = 0;
        const uint32_t *before = row - n_last - 1;
        for (; k < n_labels; k++) {
            uint32_t pair = row[k];
            if (k < n_last && last[k] == pair)
                row[k] = before[k]; /* most are those of the series before */
            else if (!find(r, pair, &row[k]))
                return false;
            last[k] = pair;
        }
        n_last = k;
    }
    return true;
}

/* The pairs by number; their values are copied, since they lie all over the dictionary and are looked at again and again. NULL
 * past the budget. */
static row_pair *load_pairs(const rows_reader *r)
{
    const head_dict *d = &r->names->dict;
    size_t n = r->n_pairs;
    row_pair *ret = fer_arena_alloc(r->keep, n * sizeof *ret);
    dict_text *texts = fer_arena_alloc(r->tmp, n * sizeof *texts);
    if (ret == NULL || texts == NULL)
        return NULL;
    for (size_t i = 0; i < n + 2 * AHEAD; i++) {
        if (i < n)
            __builtin_prefetch(dict_pair_of(d, r->pairs[i]));
        if (i >= AHEAD && i - AHEAD < n) {
            const dict_pair *p = dict_pair_of(d, r->pairs[i - AHEAD]);
            ret[i - AHEAD].name = p->name;
            texts[i - AHEAD] = p->value;
            dict_text_prefetch(d, p->value);
        }
        if (i < 2 * AHEAD)
            continue;
        fer_str *value = &ret[i - 2 * AHEAD].value;
        *value = fer_arena_dup(r->keep, dict_text_of(d, texts[i - 2 * AHEAD]));
        if (value->p == NULL)
            return NULL;
    }
    return ret;
}

fer_code head_rows_read(const head_names *names, const slab_ref *of, size_t n, fer_arena *keep,
                        fer_arena *tmp, head_rows *ret, fer_err *err)
{
    rows_reader r = {.names = names, .keep = keep, .tmp = tmp, .n = n};
    row_pair *pairs = read_rows(&r, of) && number_pairs(&r) ? load_pairs(&r) : NULL;
    if (pairs == NULL)
        return fer_fail_budget(err, "selecting series");
    *ret = (head_rows){pairs, r.n_pairs, r.rows, r.begins, r.n_columns};
    return FER_OK;
}

#include "cmd/ferulatool/analyze_pairs.h"

#include <stdlib.h>

#include "base/mem.h"

enum { CAP_MIN = 256 };

/* The finaliser of splitmix64 (Steele, Lea, Flood, 2014). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* ---- pairs ---- */

void pair_table_done(pair_table *t)
{
    fer_free(t->v);
    *t = (pair_table){0};
}

static pair_count *pair_place(const pair_table *t, uint32_t name, uint32_t value)
{
    size_t at = mix((uint64_t)name << 32 | value) & (t->cap - 1);
    while (t->v[at].series != 0 && (t->v[at].name != name || t->v[at].value != value))
        at = (at + 1) & (t->cap - 1);
    return &t->v[at];
}

static void pair_table_grow(pair_table *t)
{
    pair_table bigger = {.n = t->n, .cap = t->cap == 0 ? CAP_MIN : t->cap * 2};
    bigger.v = fer_calloc(bigger.cap, sizeof *bigger.v);
    for (size_t i = 0; i < t->cap; i++)
        if (t->v[i].series != 0)
            *pair_place(&bigger, t->v[i].name, t->v[i].value) = t->v[i];
    fer_free(t->v);
    *t = bigger;
}

void pair_table_add(pair_table *t, uint32_t name, uint32_t value, uint64_t uncovered)
{
    if (t->n * 3 >= t->cap * 2)
        pair_table_grow(t);
    pair_count *p = pair_place(t, name, value);
    if (p->series++ == 0) {
        t->n++;
        p->name = name;
        p->value = value;
    }
    p->uncovered += uncovered;
}

const pair_count *pair_table_find(const pair_table *t, uint32_t name, uint32_t value)
{
    if (t->cap == 0)
        return NULL;
    const pair_count *p = pair_place(t, name, value);
    return p->series != 0 ? p : NULL;
}

/* ---- the largest: a heap whose first is the next to go ---- */

void top_items_init(top_items *t, size_t limit)
{
    *t = (top_items){.limit = limit};
}

void top_items_done(top_items *t)
{
    fer_free(t->v);
    *t = (top_items){0};
}

/* Whether a comes before b in the list. */
static bool before(const top_item *a, const top_item *b)
{
    if (a->metric != b->metric)
        return a->metric > b->metric;
    if (a->name != b->name)
        return a->name < b->name;
    return a->value < b->value;
}

static void swap(top_item *a, top_item *b)
{
    top_item x = *a;
    *a = *b;
    *b = x;
}

static void sift_up(top_items *t, size_t i)
{
    for (size_t up; i != 0 && before(&t->v[up = (i - 1) / 2], &t->v[i]); i = up)
        swap(&t->v[up], &t->v[i]);
}

static void sift_down(top_items *t)
{
    for (size_t i = 0, k; (k = 2 * i + 1) < t->n; i = k) {
        if (k + 1 < t->n && before(&t->v[k], &t->v[k + 1]))
            k++;
        if (!before(&t->v[i], &t->v[k]))
            return;
        swap(&t->v[i], &t->v[k]);
    }
}

void top_items_put(top_items *t, top_item item)
{
    if (t->n == t->limit) {
        if (t->n == 0 || !before(&item, &t->v[0]))
            return;
        t->v[0] = item;
        sift_down(t);
        return;
    }
    if (t->n == t->cap) {
        t->cap = t->cap == 0 ? 32 : t->cap * 2;
        t->v = fer_realloc(t->v, t->cap * sizeof *t->v);
    }
    t->v[t->n] = item;
    sift_up(t, t->n++);
}

static int by_rank(const void *a, const void *b)
{
    return before(a, b) ? -1 : 1;
}

void top_items_sort(top_items *t)
{
    if (t->n != 0)
        qsort(t->v, t->n, sizeof *t->v, by_rank);
}

/* ---- tally ---- */

void tally_done(tally *t)
{
    fer_free(t->v);
    *t = (tally){0};
}

static tally_count *tally_place(const tally *t, uint64_t value)
{
    size_t at = mix(value) & (t->cap - 1);
    while (t->v[at].times != 0 && t->v[at].value != value)
        at = (at + 1) & (t->cap - 1);
    return &t->v[at];
}

void tally_add(tally *t, uint64_t value)
{
    if (t->n * 3 >= t->cap * 2) {
        tally bigger = {.n = t->n, .cap = t->cap == 0 ? CAP_MIN : t->cap * 2};
        bigger.v = fer_calloc(bigger.cap, sizeof *bigger.v);
        for (size_t i = 0; i < t->cap; i++)
            if (t->v[i].times != 0)
                *tally_place(&bigger, t->v[i].value) = t->v[i];
        fer_free(t->v);
        *t = bigger;
    }
    tally_count *c = tally_place(t, value);
    if (c->times++ == 0) {
        t->n++;
        c->value = value;
    }
}

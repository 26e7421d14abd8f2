/* head_table.c - open addressing, linear probing, at most four fifths full; removal shifts back. */
#include "tsdb/head/head_table.h"

#include <assert.h>
#include <string.h>

#include "base/pages.h"

enum { FIRST_CAP = 8, PAGES_BYTES_MIN = 12 * 1024, PAGE_ENTRIES = 512 };

/* Small ones are malloc's. */
static bool is_of_pages(uint32_t cap)
{
    return cap * sizeof(table_entry) >= PAGES_BYTES_MIN;
}

static table_entry *new_entries(uint32_t cap)
{
    size_t bytes = cap * sizeof(table_entry);
    return memset(is_of_pages(cap) ? fer_pages_alloc(bytes) : fer_alloc(bytes), 0xff, bytes);
}

static void free_entries(table_segment *seg)
{
    if (is_of_pages(seg->cap))
        fer_pages_free(seg->e, seg->cap * sizeof *seg->e);
    else
        fer_free(seg->e);
}

void head_table_init(head_table *t, fer_account *acct)
{
    memset(t, 0, sizeof *t);
    t->acct = acct;
}

void head_table_done(head_table *t)
{
    for (size_t i = 0; i < TABLE_SEGMENTS; i++)
        free_entries(&t->seg[i]);
    fer_account_release(t->acct, (size_t)t->bytes);
    head_table_init(t, t->acct);
}

static void put(table_segment *seg, table_entry e)
{
    assert(seg->e != NULL);
    uint32_t at = table_home(e.tag, seg->cap);
    while (seg->e[at].value != TABLE_NONE)
        at = at + 1 == seg->cap ? 0 : at + 1;
    seg->e[at] = e;
}

static void resize(head_table *t, table_segment *seg, uint32_t cap)
{
    table_segment other = {.n = seg->n, .cap = cap};
    if (cap != 0) {
        other.e = new_entries(cap);
        for (uint32_t i = 0; i < seg->cap; i++)
            if (seg->e[i].value != TABLE_NONE)
                put(&other, seg->e[i]);
    }

    fer_account_force(t->acct, cap * sizeof *seg->e);
    fer_account_release(t->acct, seg->cap * sizeof *seg->e);
    t->bytes += ((int64_t)cap - (int64_t)seg->cap) * (int64_t)sizeof *seg->e;
    free_entries(seg);
    *seg = other;
}

static void grow(head_table *t, table_segment *seg)
{
    uint32_t cap = seg->cap == 0 ? FIRST_CAP : seg->cap + seg->cap / 4 + 2;
    if (is_of_pages(cap))
        cap = (cap + PAGE_ENTRIES / 2) / PAGE_ENTRIES * PAGE_ENTRIES; /* the nearest: it is more */
    assert(cap > seg->cap);
    resize(t, seg, cap);
    assert(seg->e != NULL);
}

void head_table_shrink(head_table *t, uint32_t i)
{
    table_segment *seg = &t->seg[i];
    uint32_t cap = seg->n == 0 ? 0 : seg->n + seg->n / 2 + FIRST_CAP;
    if (cap < seg->cap)
        resize(t, seg, cap);
}

void head_table_insert(head_table *t, uint64_t hash, uint32_t value)
{
    assert(value != TABLE_NONE);
    table_segment *seg = &t->seg[hash >> 56];
    if ((uint64_t)(seg->n + 1) * 5 > (uint64_t)seg->cap * 4)
        grow(t, seg);
    put(seg, (table_entry){(uint32_t)hash, value});
    seg->n++;
}

/* Closes the hole at `at`: entries behind it that probed past it move back. */
static void shift_back(table_segment *seg, uint32_t at)
{
    uint32_t hole = at;
    for (;;) {
        at = at + 1 == seg->cap ? 0 : at + 1;
        if (seg->e[at].value == TABLE_NONE)
            break;
        uint32_t home = table_home(seg->e[at].tag, seg->cap);
        bool between = hole <= at ? home > hole && home <= at : home > hole || home <= at;
        if (!between) {
            seg->e[hole] = seg->e[at];
            hole = at;
        }
    }
    seg->e[hole] = (table_entry){UINT32_MAX, TABLE_NONE};
}

void head_table_remove(head_table *t, uint64_t hash, uint32_t value)
{
    table_segment *seg = &t->seg[hash >> 56];
    assert(seg->cap != 0);
    uint32_t at = table_home((uint32_t)hash, seg->cap);
    while (seg->e[at].value != value) {
        assert(seg->e[at].value != TABLE_NONE);
        at = at + 1 == seg->cap ? 0 : at + 1;
    }
    shift_back(seg, at);
    seg->n--;
}

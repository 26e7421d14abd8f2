#include "tsdb/wal/ref_map.h"

#include <string.h>

#include "base/hash.h"

static uint64_t hash_number(uint64_t number)
{
    return fer_hash_mix(0, number);
}

void ref_map_init(ref_map *m, fer_account *acct)
{
    *m = (ref_map){.acct = acct};
    head_table_init(&m->by_number, acct);
}

ref_page *ref_map_find_page(ref_map *m, uint64_t ref)
{
    uint64_t number = ref / REF_PAGE;
    table_probe probe = head_table_probe(&m->by_number, hash_number(number));
    uint32_t i;
    while ((i = table_probe_next(&probe)) != TABLE_NONE)
        if (m->pages[i]->number == number)
            return m->last = m->pages[i];
    return NULL;
}

static ref_page *make_page(ref_map *m, uint64_t number)
{
    fer_account_force(m->acct, sizeof(ref_page));
    if (m->n == m->cap) {
        m->cap = m->cap == 0 ? 64 : m->cap * 2;
        m->pages = fer_realloc(m->pages, m->cap * sizeof *m->pages);
    }
    ref_page *page = fer_alloc(sizeof *page);
    page->number = number;
    memset(page->v, 0xff, sizeof page->v);
    head_table_insert(&m->by_number, hash_number(number), m->n);
    m->pages[m->n++] = page;
    return m->last = page;
}

uint32_t *ref_map_put(ref_map *m, uint64_t ref)
{
    ref_page *page = ref_map_page(m, ref);
    if (page == NULL)
        page = make_page(m, ref / REF_PAGE);
    return &page->v[ref % REF_PAGE];
}

void ref_map_done(ref_map *m)
{
    for (uint32_t i = 0; i < m->n; i++)
        fer_free(m->pages[i]);
    fer_free(m->pages);
    fer_account_release(m->acct, m->n * sizeof(ref_page));
    head_table_done(&m->by_number);
}

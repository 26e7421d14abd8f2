/* ref_map.h - series refs to 32-bit numbers, while a directory is read at start.
 *
 * Pages of 256 refs: refs are handed out in order, so a page is nearly always full and the one used last is
 * mostly the one used next. Threads: one at a time.
 */
#ifndef FERULA_TSDB_REF_MAP_H
#define FERULA_TSDB_REF_MAP_H

#include "tsdb/head/head_table.h"

enum { REF_PAGE = 256 };
#define REF_NONE UINT32_MAX

typedef struct ref_page {
    uint64_t number;
    uint32_t v[REF_PAGE];
} ref_page;

typedef struct ref_map {
    head_table by_number;
    ref_page **pages;
    uint32_t n, cap;
    ref_page *last;
    fer_account *acct;
} ref_map;

void ref_map_init(ref_map *m, fer_account *acct);
void ref_map_done(ref_map *m);
/* The page of a ref; NULL where nothing was put. */
ref_page *ref_map_find_page(ref_map *m, uint64_t ref);
static inline ref_page *ref_map_page(ref_map *m, uint64_t ref)
{
    return m->last != NULL && m->last->number == ref / REF_PAGE ? m->last
                                                                : ref_map_find_page(m, ref);
}
/* Where the ref's number stands, REF_NONE at first. */
uint32_t *ref_map_put(ref_map *m, uint64_t ref);

static inline uint32_t ref_map_get(ref_map *m, uint64_t ref)
{
    const ref_page *page = ref_map_page(m, ref);
    return page == NULL ? REF_NONE : page->v[ref % REF_PAGE];
}

#endif

/* slab.c - size classes, regions and their free lists.
 *
 * Class sizes: 8, 16, ... 128; then eight steps to each doubling: 144, 160, ... 256, 288, ... 8192.
 * A region with room is in its class' list, a sparse one in another; a full one is in none. Freed items are linked
 * through their first two bytes.
 */
#include "tsdb/head/slab.h"

#include <assert.h>
#include <string.h>

#include "base/pages.h"

enum {
    LINEAR_CLASSES = 16,
    LINEAR_MAX = 128,
    PAGE_BYTES = SLAB_PAGE_REGIONS * sizeof(slab_region) /* of the directory */
};

static unsigned class_of(size_t n)
{
    if (n <= LINEAR_MAX)
        return n == 0 ? 0 : (unsigned)((n - 1) / SLAB_UNIT_BYTES);
    unsigned top = 63 - (unsigned)__builtin_clzll(n - 1); /* 2^top < n <= 2^(top+1) */
    unsigned step = top - 3;
    return LINEAR_CLASSES + (top - 7) * 8 + (unsigned)((n - 1 - ((size_t)1 << top)) >> step);
}

static size_t class_bytes(unsigned cls)
{
    if (cls < LINEAR_CLASSES)
        return (size_t)(cls + 1) * SLAB_UNIT_BYTES;
    unsigned top = 7 + (cls - LINEAR_CLASSES) / 8;
    unsigned part = (cls - LINEAR_CLASSES) % 8;
    return ((size_t)1 << top) + ((size_t)(part + 1) << (top - 3));
}

void slab_init(slab *s, fer_account *acct)
{
    memset(s, 0, sizeof *s);
    s->acct = acct;
    s->next_region = 1;
    s->page_step = 1;
}

static void charge(slab *s, size_t bytes)
{
    fer_account_force(s->acct, bytes);
    atomic_fetch_add_explicit(&s->bytes, (int64_t)bytes, memory_order_relaxed);
}

static void release(slab *s, size_t bytes)
{
    fer_account_release(s->acct, bytes);
    atomic_fetch_sub_explicit(&s->bytes, (int64_t)bytes, memory_order_relaxed);
}

static void *region_memory(slab *s, unsigned cls, size_t bytes)
{
    if (bytes == SLAB_REGION_BYTES && s->n_spare != 0 && cls != SLAB_LARGE)
        return s->spare[--s->n_spare];
    return cls == SLAB_LARGE ? fer_alloc(bytes) : fer_pages_alloc(bytes);
}

static void free_memory(slab *s, const slab_region *r)
{
    if (r->cls == SLAB_LARGE)
        fer_free(r->p);
    else if (s->is_part && r->bytes == SLAB_REGION_BYTES && s->n_spare < SLAB_SPARES)
        s->spare[s->n_spare++] = r->p;
    else
        fer_pages_free(r->p, r->bytes);
}

static void free_spares(slab *s)
{
    while (s->n_spare != 0)
        fer_pages_free(s->spare[--s->n_spare], SLAB_REGION_BYTES);
}

void slab_done(slab *s)
{
    for (size_t i = 0; i < SLAB_PAGES; i++) {
        slab_region *page = s->pages[i];
        for (size_t k = 0; page != NULL && k < SLAB_PAGE_REGIONS; k++) {
            if (page[k].p == NULL)
                continue;
            free_memory(s, &page[k]);
            release(s, page[k].bytes);
        }
        if (page != NULL)
            release(s, PAGE_BYTES);
        fer_pages_free(page, PAGE_BYTES);
    }
    memset(s->pages, 0, sizeof s->pages);
    free_spares(s);
}

/* The list the region is in, or is to be in. */
static uint32_t *list_of(slab *s, const slab_region *r)
{
    return r->sparse ? &s->sparse[r->cls] : &s->room[r->cls];
}

static void link_region(slab *s, uint32_t number)
{
    slab_region *r = slab_region_of(s, number);
    uint32_t *first = list_of(s, r);
    r->prev = 0;
    r->next = *first;
    if (r->next != 0)
        slab_region_of(s, r->next)->prev = number;
    *first = number;
}

static void unlink_region(slab *s, uint32_t number)
{
    slab_region *r = slab_region_of(s, number);
    if (r->prev != 0)
        slab_region_of(s, r->prev)->next = r->next;
    else
        *list_of(s, r) = r->next;
    if (r->next != 0)
        slab_region_of(s, r->next)->prev = r->prev;
}

static void set_sparse(slab *s, uint32_t number, bool sparse)
{
    unlink_region(s, number);
    slab_region_of(s, number)->sparse = sparse;
    link_region(s, number);
}

/* Few items take little: the first regions of a class are small. */
static uint32_t region_bytes(uint32_t before, size_t item)
{
    if (before == 0)
        return item <= 1024 ? 4 * 1024 : 16 * 1024;
    return before < 4 ? 16 * 1024 : SLAB_REGION_BYTES;
}

/* A number without a region. */
static uint32_t take_number(slab *s)
{
    uint32_t number = s->free_region;
    if (number != 0) {
        s->free_region = slab_region_of(s, number)->next;
        return number;
    }
    number = s->next_region++;
    if (s->next_region % SLAB_PAGE_REGIONS == 0)
        s->next_region += (s->page_step - 1) * SLAB_PAGE_REGIONS;
    assert(number < SLAB_PAGES * SLAB_PAGE_REGIONS);
    slab_region **page = &s->pages[number / SLAB_PAGE_REGIONS];
    if (*page == NULL) {
        *page = fer_pages_alloc(PAGE_BYTES);
        charge(s, PAGE_BYTES);
    }
    return number;
}

/* A number without a region, for later. */
static void keep_number(slab *s, uint32_t number)
{
    slab_region_of(s, number)->next = s->free_region;
    s->free_region = number;
}

/* A region without items in no list. */
static uint32_t make_region(slab *s, unsigned cls, uint32_t bytes)
{
    uint32_t number = take_number(s);
    *slab_region_of(s, number) =
        (slab_region){.p = region_memory(s, cls, bytes), .bytes = bytes, .cls = (uint8_t)cls};
    charge(s, bytes);
    return number;
}

static uint32_t new_region(slab *s, unsigned cls)
{
    uint32_t number = make_region(s, cls, region_bytes(s->regions[cls]++, class_bytes(cls)));
    link_region(s, number);
    return number;
}

/* A region of the class to take an item from. */
static uint32_t region_with_room(slab *s, unsigned cls)
{
    if (s->room[cls] != 0)
        return s->room[cls];
    uint32_t number = s->sparse[cls];
    if (number == 0)
        return new_region(s, cls);
    set_sparse(s, number, false);
    return number;
}

static slab_ref alloc_large(slab *s, size_t n)
{
    assert(n <= SLAB_LARGE_MAX);
    uint32_t number = make_region(s, SLAB_LARGE, (uint32_t)slab_round(n));
    slab_region_of(s, number)->live = 1;
    return number << 13;
}

/* All its items were handed out at least once. */
static bool is_used_up(const slab_region *r)
{
    return (size_t)(r->fresh + 1) * class_bytes(r->cls) > r->bytes;
}

static bool is_full(const slab_region *r)
{
    return r->free_unit == 0 && is_used_up(r);
}

slab_ref slab_alloc(slab *s, size_t n)
{
    if (n > SLAB_ITEM_MAX)
        return alloc_large(s, n);
    unsigned cls = class_of(n);
    uint32_t number = region_with_room(s, cls);
    slab_region *r = slab_region_of(s, number);

    uint32_t unit;
    if (r->free_unit != 0) {
        unit = r->free_unit - 1U;
        memcpy(&r->free_unit, r->p + (size_t)unit * SLAB_UNIT_BYTES, sizeof r->free_unit);
    } else {
        unit = (uint32_t)(r->fresh * class_bytes(cls) / SLAB_UNIT_BYTES);
        r->fresh++;
    }
    r->live++;
    if (is_full(r))
        unlink_region(s, number);
    return number << 13 | unit;
}

static void free_region(slab *s, uint32_t number)
{
    slab_region *r = slab_region_of(s, number);
    free_memory(s, r);
    release(s, r->bytes);
    r->p = NULL;
    keep_number(s, number);
}

static void give_back(slab *s, uint32_t number)
{
    unlink_region(s, number);
    s->regions[slab_region_of(s, number)->cls]--;
    free_region(s, number);
}

/* With the item just freed, and there are others that have room. */
static bool becomes_sparse(const slab_region *r)
{
    size_t quarter = r->bytes / 4, item = class_bytes(r->cls);
    return !r->sparse && r->live * item <= 3 * quarter && (r->live + 1) * item > 3 * quarter &&
           (r->next != 0 || r->prev != 0) && is_used_up(r);
}

void slab_free(slab *s, slab_ref ref)
{
    if (ref == 0)
        return;
    uint32_t number = ref >> 13;
    uint32_t unit = ref & 8191;
    slab_region *r = slab_region_of(s, number);
    assert(r->live > 0);
    if (r->cls == SLAB_LARGE) {
        free_region(s, number);
        return;
    }
    if (is_full(r))
        link_region(s, number);
    memcpy(r->p + (size_t)unit * SLAB_UNIT_BYTES, &r->free_unit, sizeof r->free_unit);
    r->free_unit = (uint16_t)(unit + 1);
    r->live--;
    if (r->live == 0 && (r->sparse || r->next != 0 || r->prev != 0))
        give_back(s, number);
    else if (becomes_sparse(r))
        set_sparse(s, number, true);
}

void slab_trim(slab *s, unsigned cls)
{
    for (uint32_t number = s->room[cls], next; number != 0; number = next) {
        next = slab_region_of(s, number)->next;
        if (slab_region_of(s, number)->live == 0)
            give_back(s, number);
    }
}

/* ---- parts ---- */

/* The first page that no number of the slab is in. */
static uint32_t first_free_page(const slab *s)
{
    return s->next_region == 1 ? 0 : (s->next_region - 1) / SLAB_PAGE_REGIONS + 1;
}

void slab_split(const slab *s, slab *part, uint32_t k, uint32_t n)
{
    uint32_t page = first_free_page(s) + k;
    slab_init(part, s->acct);
    part->page_step = n;
    part->is_part = true;
    part->next_region = page == 0 ? 1 : page * SLAB_PAGE_REGIONS;
}

/* The unused numbers of the page that was begun last, so that the next number can be of another. */
static void keep_rest_of_page(slab *s)
{
    uint32_t page = s->next_region / SLAB_PAGE_REGIONS;
    if (page == SLAB_PAGES || s->pages[page] == NULL)
        return;
    for (; s->next_region / SLAB_PAGE_REGIONS == page; s->next_region++)
        keep_number(s, s->next_region);
}

static void join_pages(slab *s, const slab *part)
{
    for (uint32_t i = 0; i < SLAB_PAGES; i++) {
        if (part->pages[i] == NULL)
            continue;
        s->pages[i] = part->pages[i];
        if (s->next_region < (i + 1) * SLAB_PAGE_REGIONS)
            s->next_region = (i + 1) * SLAB_PAGE_REGIONS;
    }
}

/* The regions of a part's list. */
static void link_all(slab *s, uint32_t first)
{
    for (uint32_t i = first, next; i != 0; i = next) {
        next = slab_region_of(s, i)->next;
        link_region(s, i);
    }
}

void slab_join(slab *s, slab *part)
{
    free_spares(part);
    keep_rest_of_page(s);
    keep_rest_of_page(part);
    join_pages(s, part);
    for (unsigned cls = 0; cls < SLAB_CLASSES; cls++) {
        s->regions[cls] += part->regions[cls];
        link_all(s, part->room[cls]);
        link_all(s, part->sparse[cls]);
    }
    for (uint32_t i = part->free_region, next; i != 0; i = next) {
        next = slab_region_of(s, i)->next;
        keep_number(s, i);
    }
    atomic_fetch_add_explicit(&s->bytes, atomic_load_explicit(&part->bytes, memory_order_relaxed),
                              memory_order_relaxed);
    slab_init(part, s->acct);
}

size_t slab_size(const slab *s, slab_ref ref)
{
    const slab_region *r = slab_region_of(s, ref >> 13);
    return r->cls == SLAB_LARGE ? r->bytes : class_bytes(r->cls);
}

size_t slab_round(size_t n)
{
    if (n > SLAB_ITEM_MAX)
        return (n + SLAB_UNIT_BYTES - 1) / SLAB_UNIT_BYTES * SLAB_UNIT_BYTES;
    return class_bytes(class_of(n));
}

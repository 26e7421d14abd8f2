/* pages.c - areas sorted by address, each with a bit a page.
 *
 * Pages without a bit hold zeros: those of a piece are given to the kernel (MADV_DONTNEED) before their bits go.
 */
#include "base/pages.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef FERULA_ASAN

void *fer_pages_alloc(size_t bytes)
{
    void *p = NULL;
    if (posix_memalign(&p, (size_t)sysconf(_SC_PAGESIZE), bytes) != 0)
        fer_out_of_memory();
    return memset(p, 0, bytes);
}

void fer_pages_free(void *p, size_t bytes)
{
    (void)bytes;
    fer_free(p);
}

void fer_pages_clear(void *p, size_t bytes)
{
    memset(p, 0, bytes);
}

void fer_pages_trim(void *p, size_t bytes)
{
    (void)p;
    (void)bytes;
}

#else

enum { AREA_PAGES = 1024, WORDS = AREA_PAGES / 64 };

typedef struct area {
    uint8_t *p;
    uint32_t used; /* pages */
    uint32_t room; /* no run of free pages is longer */
    uint64_t taken[WORDS];
} area;

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER; /* taken last, held for moments */
static area *areas;
static size_t n_areas, cap_areas;

static size_t page_bytes(void)
{
    static _Atomic size_t known;
    size_t n = atomic_load_explicit(&known, memory_order_relaxed);
    if (n == 0) {
        n = (size_t)sysconf(_SC_PAGESIZE);
        atomic_store_explicit(&known, n, memory_order_relaxed);
    }
    return n;
}

static size_t pages_of(size_t bytes)
{
    return (bytes + page_bytes() - 1) / page_bytes();
}

static void *map(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        fer_out_of_memory();
    (void)madvise(p, bytes, MADV_NOHUGEPAGE); /* a kernel without huge pages refuses */
    return p;
}

/* ---- runs of pages in an area ---- */

/* The first of n free pages in a row; AREA_PAGES: there are none. */
static uint32_t find_run(const area *a, uint32_t n)
{
    uint32_t run = 0;
    for (uint32_t i = 0; i < AREA_PAGES; i++) {
        uint64_t word = a->taken[i / 64];
        if (i % 64 == 0 && word == UINT64_MAX) {
            run = 0;
            i += 63;
            continue;
        }
        run = (word >> i % 64 & 1) != 0 ? 0 : run + 1;
        if (run == n)
            return i + 1 - n;
    }
    return AREA_PAGES;
}

static void set_run(area *a, uint32_t from, uint32_t n, bool taken)
{
    for (uint32_t i = from; i < from + n; i++) {
        uint64_t bit = UINT64_C(1) << i % 64;
        assert(((a->taken[i / 64] & bit) != 0) != taken);
        a->taken[i / 64] ^= bit;
    }
    a->used = taken ? a->used + n : a->used - n;
}

/* ---- areas; under mu ---- */

/* The first area that lies above p. */
static size_t area_above(const uint8_t *p)
{
    size_t lo = 0, hi = n_areas;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (areas[mid].p <= p)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static area *add_area(void)
{
    uint8_t *p = map(AREA_PAGES * page_bytes());
    if (n_areas == cap_areas) {
        cap_areas = cap_areas == 0 ? 8 : cap_areas * 2;
        areas = fer_realloc(areas, cap_areas * sizeof *areas);
    }
    size_t at = area_above(p);
    memmove(areas + at + 1, areas + at, (n_areas - at) * sizeof *areas);
    n_areas++;
    areas[at] = (area){.p = p, .room = AREA_PAGES};
    return &areas[at];
}

static void remove_area(area *a)
{
    munmap(a->p, AREA_PAGES * page_bytes());
    n_areas--;
    memmove(a, a + 1, (size_t)(areas + n_areas - a) * sizeof *a);
}

/* One that is empty stays, so that a piece that comes and goes does not cost a mapping each time. */
static void remove_if_spare(area *a)
{
    size_t empty = 0;
    for (size_t i = 0; i < n_areas && a->used == 0; i++)
        empty += areas[i].used == 0;
    if (empty > 1)
        remove_area(a);
}

static uint8_t *take(uint32_t n)
{
    for (size_t i = 0; i < n_areas; i++) {
        area *a = &areas[i];
        if (a->room < n)
            continue;
        uint32_t from = find_run(a, n);
        if (from == AREA_PAGES) {
            a->room = n - 1;
            continue;
        }
        set_run(a, from, n, true);
        return a->p + from * page_bytes();
    }
    area *a = add_area();
    set_run(a, 0, n, true);
    return a->p;
}

static void give_back(const uint8_t *p, uint32_t n)
{
    size_t above = area_above(p);
    assert(above != 0);
    area *a = &areas[above - 1];
    size_t from = (size_t)(p - a->p) / page_bytes();
    assert(from + n <= AREA_PAGES);
    set_run(a, (uint32_t)from, n, false);
    a->room = AREA_PAGES;
    remove_if_spare(a);
}

void *fer_pages_alloc(size_t bytes)
{
    size_t n = pages_of(bytes);
    assert(n != 0);
    if (n > AREA_PAGES / 2)
        return map(n * page_bytes());
    pthread_mutex_lock(&mu);
    void *p = take((uint32_t)n);
    pthread_mutex_unlock(&mu);
    return p;
}

void fer_pages_clear(void *p, size_t bytes)
{
    size_t n = pages_of(bytes) * page_bytes();
    if (madvise(p, n, MADV_DONTNEED) != 0)
        memset(p, 0, n);
}

void fer_pages_free(void *p, size_t bytes)
{
    size_t n = pages_of(bytes);
    if (p == NULL)
        return;
    if (n > AREA_PAGES / 2) {
        munmap(p, n * page_bytes());
        return;
    }
    fer_pages_clear(p, bytes);
    pthread_mutex_lock(&mu);
    give_back(p, (uint32_t)n);
    pthread_mutex_unlock(&mu);
}

void fer_pages_trim(void *piece, size_t bytes)
{
    uint8_t *p = piece;
    size_t n = page_bytes();
    for (const uint8_t *end = p + pages_of(bytes) * n; p < end; p += n)
        if (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0)
            (void)madvise(p, n, MADV_DONTNEED);
}

#endif

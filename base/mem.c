/* mem.c - allocation that stops the process on failure, and accounts that refuse before that. */
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void fer_out_of_memory(void)
{
    static const char msg[] = "ferula: out of memory; everything acknowledged is in the log\n";
    ssize_t ignored = write(STDERR_FILENO, msg, sizeof msg - 1);
    (void)ignored;
    _exit(70);
}

enum { LARGE_BYTES = 8 * 1024 * 1024 };

/* Large pieces are lists and answers that are filled from end to end and soon freed: by pages of 4 KiB the kernel would
 * take as long to hand them out as we to fill them. */
static void *made_of_huge_pages(void *p, size_t n)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)p + page - 1) / page * page, to = ((uintptr_t)p + n) / page * page;
    (void)madvise((char *)p + (from - (uintptr_t)p), to - from, MADV_HUGEPAGE); /* a wish */
    return p;
}

static void *checked(void *p, size_t n)
{
    if (p == NULL)
        fer_out_of_memory();
    return n < LARGE_BYTES ? p : made_of_huge_pages(p, n);
}

void *fer_alloc(size_t n)
{
    return checked(malloc(n), n);
}

void *fer_calloc(size_t count, size_t size)
{
    return checked(calloc(count, size), 0);
}

void *fer_realloc(void *p, size_t n)
{
    return checked(realloc(p, n == 0 ? 1 : n), n); /* of 0 it would free */
}

void fer_free(void *p)
{
    free(p);
}

/* jemalloc's, where the program is linked with it. */
extern int mallctl(const char *name, void *old, size_t *old_n, void *new, size_t new_n)
    __attribute__((weak));

void fer_mem_rest(void)
{
    if (mallctl != NULL)
        (void)mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
}

void fer_mem_share(void)
{
    unsigned arena;
    size_t n = sizeof arena;
    if (mallctl == NULL || mallctl("opt.narenas", &arena, &n, NULL, 0) != 0)
        return;
    arena--; /* threads that begin one by one are spread from the first on */
    (void)mallctl("thread.arena", NULL, NULL, &arena, sizeof arena);
}

char *fer_memdup0(const void *p, size_t n)
{
    char *copy = fer_alloc(n + 1);
    if (n != 0)
        memcpy(copy, p, n);
    copy[n] = '\0';
    return copy;
}

void fer_account_init(fer_account *a, const char *name, fer_account *parent, int64_t limit_bytes)
{
    a->name = name;
    a->parent = parent;
    a->limit_bytes = limit_bytes;
    atomic_init(&a->used_bytes, 0);
    atomic_init(&a->peak_bytes, 0);
    atomic_init(&a->refused, 0);
}

static void raise_peak(fer_account *a, int64_t used)
{
    int64_t peak = atomic_load_explicit(&a->peak_bytes, memory_order_relaxed);
    while (used > peak &&
           !atomic_compare_exchange_weak_explicit(&a->peak_bytes, &peak, used, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

/* Adds to one account; the new total. */
static int64_t add(fer_account *a, int64_t bytes)
{
    return atomic_fetch_add_explicit(&a->used_bytes, bytes, memory_order_relaxed) + bytes;
}

/* Adds to one account unless that passes its limit. A refused charge is never seen by others, not
 * even for a moment: they would be refused for it. */
static bool add_within_limit(fer_account *a, int64_t bytes)
{
    int64_t used = atomic_load_explicit(&a->used_bytes, memory_order_relaxed);
    do {
        if (a->limit_bytes != 0 && bytes > a->limit_bytes - used) {
            atomic_fetch_add_explicit(&a->refused, 1, memory_order_relaxed);
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&a->used_bytes, &used, used + bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

bool fer_account_charge(fer_account *a, size_t bytes)
{
    if (bytes > INT64_MAX)
        return false;
    for (fer_account *at = a; at != NULL; at = at->parent) {
        if (!add_within_limit(at, (int64_t)bytes)) {
            for (fer_account *undo = a; undo != at; undo = undo->parent)
                add(undo, -(int64_t)bytes);
            return false;
        }
    }
    for (fer_account *at = a; at != NULL; at = at->parent)
        raise_peak(at, fer_account_used(at));
    return true;
}

void fer_account_force(fer_account *a, size_t bytes)
{
    for (; a != NULL; a = a->parent)
        raise_peak(a, add(a, (int64_t)bytes));
}

void fer_account_release(fer_account *a, size_t bytes)
{
    for (; a != NULL; a = a->parent)
        add(a, -(int64_t)bytes);
}

int64_t fer_account_used(const fer_account *a)
{
    return atomic_load_explicit(&a->used_bytes, memory_order_relaxed);
}

int64_t fer_account_peak(const fer_account *a)
{
    return atomic_load_explicit(&a->peak_bytes, memory_order_relaxed);
}

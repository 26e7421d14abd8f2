/* arena.c - blocks in a list, newest first; each allocation bumps the newest.
 *
 * Blocks grow from 4 KiB by doubling to 256 KiB; an allocation above half the block size gets a
 * block of its own behind the current one, so that the rest of the current one stays usable.
 */
#include "base/arena.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK_BYTES_MIN = 4096, BLOCK_BYTES_MAX = 256 * 1024, ALIGN = 16 };

typedef struct block block;
struct block {
    block *next;
    size_t cap;  /* bytes of data */
    size_t used; /* of data */
    alignas(ALIGN) char data[];
};

typedef struct closer closer;
struct closer {
    closer *next;
    void (*fn)(void *arg);
    void *arg;
};

struct fer_arena {
    block *head; /* the block that is bumped; NULL before the first allocation */
    closer *closers;
    fer_account *acct;
    size_t limit;
    size_t bytes;
    size_t next_block;
};

fer_arena *fer_arena_new(fer_account *acct, size_t limit_bytes)
{
    fer_arena *a = fer_calloc(1, sizeof *a);
    a->acct = acct;
    a->limit = limit_bytes;
    a->next_block = BLOCK_BYTES_MIN;
    return a;
}

static void run_closers(fer_arena *a)
{
    while (a->closers != NULL) {
        closer *c = a->closers;
        a->closers = c->next;
        c->fn(c->arg);
    }
}

static void free_block(fer_arena *a, block *b)
{
    size_t bytes = sizeof *b + b->cap;
    a->bytes -= bytes;
    fer_account_release(a->acct, bytes);
    fer_free(b);
}

void fer_arena_free(fer_arena *a)
{
    if (a == NULL)
        return;
    run_closers(a);
    while (a->head != NULL) {
        block *b = a->head;
        a->head = b->next;
        free_block(a, b);
    }
    assert(a->bytes == 0);
    fer_free(a);
}

void fer_arena_freep(fer_arena **a)
{
    fer_arena_free(*a);
    *a = NULL;
}

void fer_arena_reset(fer_arena *a)
{
    run_closers(a);
    while (a->head != NULL && a->head->next != NULL) {
        block *b = a->head;
        a->head = b->next;
        free_block(a, b);
    }
    if (a->head != NULL)
        a->head->used = 0;
    a->next_block = BLOCK_BYTES_MIN;
}

static block *new_block(fer_arena *a, size_t cap)
{
    size_t bytes = sizeof(block) + cap;
    if (a->limit != 0 && bytes > a->limit - a->bytes)
        return NULL;
    if (a->acct != NULL && !fer_account_charge(a->acct, bytes))
        return NULL;
    block *b = fer_alloc(bytes);
    b->next = NULL;
    b->cap = cap;
    b->used = 0;
    a->bytes += bytes;
    return b;
}

/* A block of its own, put behind the current one. */
static void *alloc_alone(fer_arena *a, size_t n)
{
    block *b = new_block(a, n);
    if (b == NULL)
        return NULL;
    b->used = n;
    if (a->head == NULL) {
        a->head = b;
    } else {
        b->next = a->head->next;
        a->head->next = b;
    }
    return b->data;
}

static size_t round_up(size_t n)
{
    return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

void *fer_arena_alloc(fer_arena *a, size_t n)
{
    if (n > SIZE_MAX / 2)
        return NULL;
    n = round_up(n);
    block *b = a->head;
    if (b != NULL && b->cap - b->used >= n) {
        void *p = b->data + b->used;
        b->used += n;
        return p;
    }
    if (n > a->next_block / 2)
        return alloc_alone(a, n);
    b = new_block(a, a->next_block - sizeof(block));
    if (b == NULL)
        return alloc_alone(a, n); /* the budget may still hold just this */
    if (a->next_block < BLOCK_BYTES_MAX)
        a->next_block *= 2;
    b->next = a->head;
    a->head = b;
    b->used = n;
    return b->data;
}

void *fer_arena_calloc(fer_arena *a, size_t count, size_t size)
{
    size_t n;
    if (__builtin_mul_overflow(count, size, &n))
        return NULL;
    void *p = fer_arena_alloc(a, n);
    if (p != NULL)
        memset(p, 0, n);
    return p;
}

void *fer_arena_grow(fer_arena *a, void *p, size_t old_n, size_t new_n)
{
    if (new_n <= old_n && p != NULL)
        return p;
    if (new_n > SIZE_MAX / 2)
        return NULL;
    block *b = a->head;
    size_t old_room = round_up(old_n);
    if (p != NULL && b != NULL && (char *)p + old_room == b->data + b->used) {
        size_t more = round_up(new_n) - old_room;
        if (b->cap - b->used >= more) {
            b->used += more;
            return p;
        }
    }
    void *q = fer_arena_alloc(a, new_n);
    if (q != NULL && p != NULL)
        memcpy(q, p, old_n);
    return q;
}

fer_str fer_arena_dup(fer_arena *a, fer_str s)
{
    char *p = fer_arena_alloc(a, s.n + 1);
    if (p == NULL)
        return (fer_str){NULL, 0};
    if (s.n != 0)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return (fer_str){p, s.n};
}

fer_str fer_arena_printf(fer_arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return (fer_str){NULL, 0};
    char *p = fer_arena_alloc(a, (size_t)n + 1);
    if (p == NULL)
        return (fer_str){NULL, 0};
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return (fer_str){p, (size_t)n};
}

bool fer_arena_on_close(fer_arena *a, void (*fn)(void *arg), void *arg)
{
    closer *c = fer_arena_alloc(a, sizeof *c);
    if (c == NULL)
        return false;
    *c = (closer){a->closers, fn, arg};
    a->closers = c;
    return true;
}

size_t fer_arena_bytes(const fer_arena *a)
{
    return a->bytes;
}

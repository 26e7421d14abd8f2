/* arena.h - bump allocation with one lifetime, a budget and closers.
 *
 * One arena a request and one a query. Memory comes in blocks charged to an
 * account; past the account's or the arena's own limit allocation returns NULL
 * and the user sees FER_LIMIT. Closers run in reverse order at reset or free:
 * pins and files die with the query.
 * Threads: one at a time.
 */
#ifndef FERULA_BASE_ARENA_H
#define FERULA_BASE_ARENA_H

#include <stdalign.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

typedef struct fer_arena fer_arena;

/* acct may be NULL; limit_bytes 0 means only the account limits. */
fer_arena *fer_arena_new(fer_account *acct, size_t limit_bytes);
void fer_arena_free(fer_arena *a); /* NULL is fine */
void fer_arena_freep(fer_arena **a);
/* Runs the closers and forgets all memory; keeps the first block for reuse. */
void fer_arena_reset(fer_arena *a);

/* 16-byte aligned, uninitialised; NULL past the budget. n may be 0. */
void *fer_arena_alloc(fer_arena *a, size_t n);
void *fer_arena_calloc(fer_arena *a, size_t count, size_t size);
/* Grows the block p of old_n bytes (in place if it was the last); NULL past the budget,
 * then p is still valid. p may be NULL with old_n 0. */
void *fer_arena_grow(fer_arena *a, void *p, size_t old_n, size_t new_n);
/* A copy of s with a NUL behind it; ret->p is NULL past the budget. */
fer_str fer_arena_dup(fer_arena *a, fer_str s);
/* Formatted text, NUL behind it; .p NULL past the budget. */
fer_str fer_arena_printf(fer_arena *a, const char *fmt, ...) FER_PRINTF(2, 3);

/* Runs fn(arg) when the arena is reset or freed. False past the budget (fn is not run). */
bool fer_arena_on_close(fer_arena *a, void (*fn)(void *arg), void *arg)
    __attribute__((warn_unused_result));

/* Bytes held in blocks, as charged. */
size_t fer_arena_bytes(const fer_arena *a);

/* The usual failure when an arena allocation returns NULL: FER_LIMIT, in sight of the compiler. */
static inline fer_code fer_fail_budget(fer_err *err, const char *what)
{
    (void)fer_fail(err, FER_LIMIT, "%s: memory budget used up", what);
    return FER_LIMIT;
}

#define ARENA_NEW(a, type) ((type *)fer_arena_calloc((a), 1, sizeof(type)))
#define ARENA_ARRAY(a, type, count) ((type *)fer_arena_calloc((a), (count), sizeof(type)))

#endif

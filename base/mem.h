/* mem.h - allocation and the memory ledger (DESIGN D9).
 *
 * fer_alloc and friends never return NULL: a true allocation failure stops the
 * process with a message, which loses nothing acknowledged. What users can
 * drive is limited before that by accounts: budgets that refuse.
 *
 * Accounts form a tree; a charge counts on the account and on all above it,
 * and is refused whole when any of them would pass its limit.
 * Threads: all functions may be called from any thread.
 */
#ifndef FERULA_BASE_MEM_H
#define FERULA_BASE_MEM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FER_NEVER_NULL __attribute__((returns_nonnull))

FER_NEVER_NULL void *fer_alloc(size_t n);
FER_NEVER_NULL void *fer_calloc(size_t count, size_t size);
FER_NEVER_NULL void *fer_realloc(void *p, size_t n);
void fer_free(void *p);
/* Has the allocator give back what it keeps for the calling thread, where it can. */
void fer_mem_rest(void);
/* Stops the process with a message. */
_Noreturn void fer_out_of_memory(void);
/* From now on the calling thread allocates where all others do that called this, so that what one of them has
 * freed is there for the next, and not kept once a thread. For those that take much for a while, by turns. */
void fer_mem_share(void);
/* Copies n bytes and adds a NUL. The caller owns the result: fer_free(). */
FER_NEVER_NULL char *fer_memdup0(const void *p, size_t n);

typedef struct fer_account fer_account;
struct fer_account {
    const char *name;
    fer_account *parent; /* NULL at the root */
    int64_t limit_bytes; /* 0 = none of its own */
    _Atomic int64_t used_bytes;
    _Atomic int64_t peak_bytes;
    _Atomic int64_t refused; /* charges refused because of this account's limit */
};

void fer_account_init(fer_account *a, const char *name, fer_account *parent, int64_t limit_bytes);

/* False, and nothing charged, when the account or one above it would pass its
 * limit. A NULL account accepts everything. */
bool fer_account_charge(fer_account *a, size_t bytes) __attribute__((warn_unused_result));
/* Charges even past the limit: for memory already taken that must be told. */
void fer_account_force(fer_account *a, size_t bytes);
void fer_account_release(fer_account *a, size_t bytes);
int64_t fer_account_used(const fer_account *a);
int64_t fer_account_peak(const fer_account *a);

#endif

/* map_guard.h - mapped files that outlive the loss of what is behind them (DESIGN D11).
 *
 * A file that is cut short, or a disk that fails, makes a read of mapped memory a SIGBUS. Mappings are noted here; the
 * handler of that signal asks map_guard_fault(), which marks the mapping that holds the address and puts zeros in the
 * place of all of it. The read goes on; whoever read asks map_guard_failed() before it believes what it saw.
 *
 * The library installs no handler: a program that wants one calls map_guard_install() once, at its start.
 * Threads: any; map_guard_fault() from a signal handler.
 */
#ifndef FERULA_BASE_MAP_GUARD_H
#define FERULA_BASE_MAP_GUARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct map_guard {
    _Atomic uint32_t turn; /* odd while begin and end change */
    _Atomic bool failed;
    _Atomic uintptr_t begin, end; /* 0: not in use */
    struct map_guard *next_free;
} map_guard;

/* Notes n bytes of mapped memory at p; map_guard_remove() comes before they are unmapped. */
map_guard *map_guard_add(const void *p, size_t n);
void map_guard_remove(map_guard *g);

/* Whether what was read of the mapping so far may be zeros in the place of bytes. */
static inline bool map_guard_failed(const map_guard *g)
{
    atomic_thread_fence(memory_order_acquire); /* the reads before are done */
    return atomic_load_explicit(&g->failed, memory_order_relaxed);
}

/* True when the address lies in a mapping noted here, which then can be read. Async-signal-safe. */
bool map_guard_fault(const void *addr);

/* Makes SIGBUS call map_guard_fault(); one that is not for it ends the process as ever. */
void map_guard_install(void);

#endif

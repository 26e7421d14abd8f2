/* map_guard.c - a list of tables that only grows, which the handler walks without a lock.
 *
 * A place in a table is used again when its mapping is gone. The handler may look at it just then: `turn` tells it
 * that begin and end do not belong together. The place it looks for holds still, as its mapping is being read.
 */
#include "base/map_guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

enum { TABLE_GUARDS = 256 };
#ifdef SYS_mmap2
#define MMAP_CALL SYS_mmap2
#else
#define MMAP_CALL SYS_mmap
#endif

typedef struct guard_table guard_table;
struct guard_table {
    map_guard v[TABLE_GUARDS];
    guard_table *next;
};

static pthread_mutex_t guards_mu = PTHREAD_MUTEX_INITIALIZER; /* taken last, held for moments */
static map_guard *free_guards;                                /* under guards_mu */
static _Atomic(guard_table *) tables;                         /* the newest first */

static void add_table(void)
{
    guard_table *t = fer_calloc(1, sizeof *t);
    for (size_t i = 0; i < TABLE_GUARDS; i++) {
        t->v[i].next_free = free_guards;
        free_guards = &t->v[i];
    }
    t->next = atomic_load(&tables);
    atomic_store(&tables, t);
}

static void set_range(map_guard *g, uintptr_t begin, uintptr_t end)
{
    atomic_fetch_add(&g->turn, 1);
    atomic_store(&g->begin, begin);
    atomic_store(&g->end, end);
    atomic_fetch_add(&g->turn, 1);
}

map_guard *map_guard_add(const void *p, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = (uintptr_t)p;
    pthread_mutex_lock(&guards_mu);
    if (free_guards == NULL)
        add_table();
    map_guard *g = free_guards;
    free_guards = g->next_free;
    atomic_store(&g->failed, false);
    set_range(g, begin, begin + (n + page - 1) / page * page);
    pthread_mutex_unlock(&guards_mu);
    return g;
}

void map_guard_remove(map_guard *g)
{
    pthread_mutex_lock(&guards_mu);
    set_range(g, 0, 0);
    g->next_free = free_guards;
    free_guards = g;
    pthread_mutex_unlock(&guards_mu);
}

/* ---- in the signal handler ---- */

/* False when the address is not in the range, or the range is changing. */
static bool holds(map_guard *g, uintptr_t addr, uintptr_t *ret_begin, uintptr_t *ret_end)
{
    uint32_t turn = atomic_load(&g->turn);
    *ret_begin = atomic_load(&g->begin);
    *ret_end = atomic_load(&g->end);
    return turn % 2 == 0 && *ret_begin <= addr && addr < *ret_end && atomic_load(&g->turn) == turn;
}

/* The whole mapping: what is not lost of it is not believed any more either, and page by page the system's limit of
 * mappings would be reached. */
static bool put_zeros(uintptr_t begin, uintptr_t end)
{
    int saved = errno;
    /* By its number: readers go on meanwhile, which ThreadSanitizer takes for a race with the library's mmap(). */
    long p = syscall(MMAP_CALL, begin, end - begin, PROT_READ,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    errno = saved;
    return (uintptr_t)p == begin;
}

bool map_guard_fault(const void *addr)
{
    uintptr_t begin, end;
    for (guard_table *t = atomic_load(&tables); t != NULL; t = t->next) {
        for (size_t i = 0; i < TABLE_GUARDS; i++) {
            if (!holds(&t->v[i], (uintptr_t)addr, &begin, &end))
                continue;
            atomic_store(&t->v[i].failed, true); /* before anybody can read a zero */
            return put_zeros(begin, end);
        }
    }
    return false;
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
    (void)context;
    /* A fault, not a signal that somebody sent; else the read faults again and ends the process. */
    if (info->si_code > 0 && map_guard_fault(info->si_addr))
        return;
    struct sigaction end = {.sa_handler = SIG_DFL};
    sigaction(sig, &end, NULL);
    if (info->si_code <= 0)
        raise(sig);
}

void map_guard_install(void)
{
    struct sigaction act = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};
    sigemptyset(&act.sa_mask);
    sigaction(SIGBUS, &act, NULL);
}

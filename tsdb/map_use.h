/* map_use.h - how much of a mapped file its readers have brought into memory.
 *
 * Pages that a mapping has touched count as resident until they are forgotten (vfs_forget), though the system has them
 * in its cache all the same and maps them again at little cost. So readers note what they look at, by windows of
 * as much as is mapped at one touch, and forget the mapping each time a few MiB have come together: what queries
 * hold of files is bounded, whatever the files' size. Windows of files beyond 512 MiB share marks.
 *
 * Threads: any; a note lost among several does no harm.
 */
#ifndef FERULA_TSDB_MAP_USE_H
#define FERULA_TSDB_MAP_USE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    MAP_USE_WINDOW_BYTES = 64 << 10,
    MAP_USE_WINDOWS = 8192,
    MAP_USE_WINDOWS_MAX = 256 /* in memory at a time */
};

typedef struct map_use {
    _Atomic uint32_t n;                           /* windows marked */
    _Atomic uint64_t marks[MAP_USE_WINDOWS / 64]; /* touched since the mapping was forgotten */
} map_use;

static inline void map_use_clear(map_use *u)
{
    for (unsigned i = 0; i < MAP_USE_WINDOWS / 64; i++)
        atomic_store_explicit(&u->marks[i], 0, memory_order_relaxed);
    atomic_store_explicit(&u->n, 0, memory_order_relaxed);
}

/* Notes a look at the byte at `offset` and a few behind it; true: it is time to forget the mapping. */
static inline bool map_use_note(map_use *u, uint64_t offset)
{
    uint64_t window = offset / MAP_USE_WINDOW_BYTES % MAP_USE_WINDOWS;
    _Atomic uint64_t *word = &u->marks[window / 64];
    uint64_t marks = atomic_load_explicit(word, memory_order_relaxed);
    uint64_t mark = UINT64_C(1) << (window % 64);
    if ((marks & mark) != 0)
        return false;
    uint32_t n = atomic_load_explicit(&u->n, memory_order_relaxed);
    if (n >= MAP_USE_WINDOWS_MAX) {
        map_use_clear(u);
        return true;
    }
    atomic_store_explicit(word, marks | mark, memory_order_relaxed);
    atomic_store_explicit(&u->n, n + 1, memory_order_relaxed);
    return false;
}

#endif

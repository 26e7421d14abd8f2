/* map_use.h - how much of a mapped file its readers have brought into memory.
 *
 * Pages that a mapping has touched count as resident until they are forgotten (vfs_forget), though the system has them
 * in its cache all the same and maps them again at little cost: about a microsecond for 64 KiB. So readers note
 * what they look at, and forget the mapping each time a few MiB have come together: what queries hold of files is
 * bounded, whatever the files' size.
 *
 * Threads: any; a note lost among several does no harm.
 */
#ifndef FERULA_TSDB_MAP_USE_H
#define FERULA_TSDB_MAP_USE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    MAP_USE_WINDOW_BYTES = 64 << 10, /* mapped at one touch, about */
    MAP_USE_BYTES_MAX = 8 << 20
};

typedef struct map_use {
    _Atomic uint64_t bytes; /* since the mapping was last forgotten, about */
    _Atomic uint64_t end;   /* of what is taken to be in memory around the last place */
} map_use;

/* Notes a look at n bytes at `offset`; true: it is time to forget the mapping. */
static inline bool map_use_note(map_use *u, uint64_t offset, uint64_t n)
{
    uint64_t end = atomic_load_explicit(&u->end, memory_order_relaxed);
    if (offset + n <= end && offset + MAP_USE_WINDOW_BYTES >= end)
        return false;
    uint64_t more = n < MAP_USE_WINDOW_BYTES ? MAP_USE_WINDOW_BYTES : n;
    uint64_t bytes = atomic_load_explicit(&u->bytes, memory_order_relaxed) + more;
    bool full = bytes > MAP_USE_BYTES_MAX;
    atomic_store_explicit(&u->bytes, full ? 0 : bytes, memory_order_relaxed);
    atomic_store_explicit(&u->end, offset + more, memory_order_relaxed);
    return full;
}

#endif

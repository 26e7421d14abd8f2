/* map_use.h - what readers have brought into memory of a mapped file, and which of its chunks they have checked.
 *
 * Pages that a mapping has touched count as resident until they are forgotten (vfs_forget), though the system has them
 * in its cache all the same and maps them again at little cost. So readers note what they look at, by windows of
 * as much as is mapped at one touch, and forget the mapping each time a few MiB have come together: what queries
 * hold of files is bounded, whatever the files' size. In a block the chunks of a metric lie together; in chunks_head they lie
 * between those of all others, so that a query needs more windows there. Windows of files beyond 512 MiB share marks.
 *
 * A chunk whose checksum was right need not be checked again before the mapping is forgotten: until then its bytes are
 * mostly the ones that were checked, and decoders take any bytes. A bit stands for 64 bytes of the file, in which one
 * chunk of that length at most begins; shorter ones are checked each time.
 *
 * Threads: any; a note lost among several does no harm.
 */
#ifndef FERULA_TSDB_MAP_USE_H
#define FERULA_TSDB_MAP_USE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

enum {
    MAP_USE_WINDOW_BYTES = 64 << 10,
    MAP_USE_WINDOWS = 8192,
    MAP_USE_BLOCK_WINDOWS = 32, /* of a file in memory at a time */
    MAP_USE_HEAD_WINDOWS = 128,
    MAP_USE_CHECK_BYTES = 64 /* of the file, a bit */
};

typedef struct map_use {
    _Atomic uint32_t n;                           /* windows marked */
    _Atomic uint64_t marks[MAP_USE_WINDOWS / 64]; /* touched since the mapping was forgotten */
    _Atomic uint64_t *checked;
    size_t n_checked; /* words */
    fer_account *acct;
} map_use;

/* For a file of up to so many bytes; what lies behind them is checked each time. All zero is one for 0 bytes. */
void map_use_init(map_use *u, uint64_t file_bytes, fer_account *acct);
void map_use_done(map_use *u);
/* Forgets all marks. */
void map_use_clear(map_use *u);

/* Notes a look at the byte at `offset` and a few behind it; true: it is one window more than `most`, time to forget the
 * mapping. */
static inline bool map_use_note(map_use *u, uint64_t offset, uint32_t most)
{
    uint64_t window = offset / MAP_USE_WINDOW_BYTES % MAP_USE_WINDOWS;
    uint64_t mark = UINT64_C(1) << (window % 64);
    if ((atomic_load_explicit(&u->marks[window / 64], memory_order_relaxed) & mark) != 0)
        return false;
    if (atomic_load_explicit(&u->n, memory_order_relaxed) >= most) {
        map_use_clear(u);
        return true;
    }
    atomic_fetch_or_explicit(&u->marks[window / 64], mark, memory_order_relaxed);
    atomic_fetch_add_explicit(&u->n, 1, memory_order_relaxed);
    return false;
}

/* Whether the chunk of n bytes that begins at `offset` was found right. */
static inline bool map_use_is_checked(const map_use *u, uint64_t offset, uint64_t n)
{
    uint64_t bit = offset / MAP_USE_CHECK_BYTES;
    return n >= MAP_USE_CHECK_BYTES && bit / 64 < u->n_checked &&
           (atomic_load_explicit(&u->checked[bit / 64], memory_order_relaxed) >> (bit % 64) & 1) !=
               0;
}

static inline void map_use_set_checked(map_use *u, uint64_t offset, uint64_t n)
{
    uint64_t bit = offset / MAP_USE_CHECK_BYTES;
    if (n >= MAP_USE_CHECK_BYTES && bit / 64 < u->n_checked)
        atomic_fetch_or_explicit(&u->checked[bit / 64], UINT64_C(1) << (bit % 64),
                                 memory_order_relaxed);
}

#endif

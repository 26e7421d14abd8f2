/* query_times.c - a ring a slice. */
#include "server/api/query_times.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#define WINDOW_NS (UINT64_C(600) * 1000 * 1000 * 1000)

static struct {
    _Atomic uint64_t next;
    _Atomic uint64_t ns[QUERY_TIMES_KEPT], at_ns[QUERY_TIMES_KEPT]; /* at 0: empty */
} rings[QUERY_SLICES];

void query_times_note(query_slice slice, uint64_t ns, uint64_t now_ns)
{
    size_t i =
        atomic_fetch_add_explicit(&rings[slice].next, 1, memory_order_relaxed) % QUERY_TIMES_KEPT;
    atomic_store_explicit(&rings[slice].ns[i], ns, memory_order_relaxed);
    atomic_store_explicit(&rings[slice].at_ns[i], now_ns, memory_order_relaxed);
}

static int cmp_u64(const void *pa, const void *pb)
{
    uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;
    return (a > b) - (a < b);
}

void query_times_quantiles(query_slice slice, uint64_t now_ns, const double *q, size_t n,
                           double *ret)
{
    uint64_t found[QUERY_TIMES_KEPT];
    size_t k = 0;
    for (size_t i = 0; i < QUERY_TIMES_KEPT; i++) {
        uint64_t at = atomic_load_explicit(&rings[slice].at_ns[i], memory_order_relaxed);
        if (at != 0 && at + WINDOW_NS >= now_ns)
            found[k++] = atomic_load_explicit(&rings[slice].ns[i], memory_order_relaxed);
    }
    if (k != 0)
        qsort(found, k, sizeof *found, cmp_u64);
    for (size_t i = 0; i < n; i++) {
        size_t rank = (size_t)ceil(q[i] * (double)k);
        ret[i] = k == 0 ? (double)NAN : (double)found[rank == 0 ? 0 : rank - 1] / 1e9;
    }
}

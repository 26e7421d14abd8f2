#include "tsdb/maintenance/retention.h"

#include <stdlib.h>

#define CLOCK_SLACK_MS (INT64_C(60) * 60 * 1000)

typedef struct aged {
    const block *b;
    size_t at;
} aged;

static int newest_first(const void *a, const void *b)
{
    const aged *x = a, *y = b;
    int64_t p = x->b->meta.max_time, q = y->b->meta.max_time;
    if (p != q)
        return p > q ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* The first of the sorted blocks that is too old; n when none is. */
static size_t first_by_time(const retention_limits *l, const retention_state *s, const aged *v,
                            size_t n)
{
    if (l->time_ms <= 0 || n == 0 || v[0].b->meta.max_time > s->now_ms + CLOCK_SLACK_MS)
        return n;
    for (size_t i = 1; i < n; i++)
        if (v[0].b->meta.max_time - v[i].b->meta.max_time >= l->time_ms)
            return i;
    return n;
}

static size_t first_by_size(const retention_limits *l, const retention_state *s, const aged *v,
                            size_t n)
{
    if (l->size_bytes == 0)
        return n;
    uint64_t sum = s->other_bytes;
    for (size_t i = 0; i < n; i++) {
        sum += v[i].b->file_bytes;
        if (sum > l->size_bytes)
            return i;
    }
    return n;
}

size_t retention_choose(const retention_limits *l, const retention_state *s, block *const *v,
                        size_t n, retention_cause *ret)
{
    aged *sorted = fer_alloc((n + 1) * sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        sorted[i] = (aged){v[i], i};
    if (n != 0)
        qsort(sorted, n, sizeof *sorted, newest_first);
    size_t by_time = first_by_time(l, s, sorted, n), by_size = first_by_size(l, s, sorted, n);
    size_t gone = 0;
    for (size_t i = 0; i < n; i++) {
        retention_cause c = i >= by_time ? EXPIRED_BY_TIME : i >= by_size ? EXPIRED_BY_SIZE : KEPT;
        ret[sorted[i].at] = c;
        gone += c != KEPT;
    }
    fer_free(sorted);
    return gone;
}

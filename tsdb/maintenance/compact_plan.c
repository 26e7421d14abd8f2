#include "tsdb/maintenance/compact_plan.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

compact_ranges compact_ranges_of(int64_t min_ms, int64_t max_ms)
{
    assert(min_ms > 0);
    compact_ranges r = {{min_ms}, 1};
    while (r.n < COMPACT_RANGES_MAX && r.v[r.n - 1] <= max_ms / COMPACT_RANGE_FACTOR) {
        r.v[r.n] = r.v[r.n - 1] * COMPACT_RANGE_FACTOR;
        r.n++;
    }
    return r;
}

/* A block under consideration. */
typedef struct candidate {
    const block_meta *m;
    size_t at; /* in the caller's array */
    bool held;
} candidate;

typedef struct candidates {
    const candidate *v;
    size_t n;
} candidates;

static int by_time(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->m->min_time != y->m->min_time)
        return x->m->min_time < y->m->min_time ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static size_t give(candidates c, size_t *pick)
{
    for (size_t i = 0; i < c.n; i++)
        pick[i] = c.v[i].at;
    return c.n;
}

static bool has_failed(candidates c)
{
    for (size_t i = 0; i < c.n; i++)
        if (c.v[i].m->failed || c.v[i].held)
            return true;
    return false;
}

/* The blocks at the front of c that hang together by overlapping. */
static size_t overlapping_run(candidates c)
{
    size_t n = 1;
    int64_t end = c.v[0].m->max_time;
    for (; n < c.n && c.v[n].m->min_time < end; n++)
        if (c.v[n].m->max_time > end)
            end = c.v[n].m->max_time;
    return n;
}

/* A run that could not be merged before is passed over, so that it does not keep others waiting. */
static candidates find_overlap(candidates c)
{
    for (size_t i = 0, n; i < c.n; i += n) {
        candidates rest = {c.v + i, c.n - i};
        n = overlapping_run(rest);
        candidates run = {rest.v, n};
        if (n > 1 && !has_failed(run))
            return run;
    }
    return (candidates){NULL, 0};
}

static int64_t window_start(int64_t t, int64_t range)
{
    int64_t q = t / range;
    if (t % range < 0)
        q--;
    return q * range;
}

/* The blocks from c.v[0] on that lie in the window in which it begins; 0 when it passes the window's end. */
static size_t window_run(candidates c, int64_t range)
{
    int64_t end = window_start(c.v[0].m->min_time, range) + range;
    size_t n = 0;
    while (n < c.n && c.v[n].m->max_time <= end)
        n++;
    return n;
}

/* Whether the window is complete: filled to its length, or nothing more can come as newer blocks exist. */
static bool is_ripe(candidates run, int64_t range, int64_t newest)
{
    int64_t begin = run.v[0].m->min_time, end = run.v[run.n - 1].m->max_time;
    return run.n > 1 && (end - begin == range || end <= newest);
}

static candidates find_window(candidates c, const compact_ranges *ranges)
{
    for (size_t r = 1; r < ranges->n && c.n != 0; r++) {
        int64_t newest = c.v[c.n - 1].m->min_time;
        for (size_t i = 0; i < c.n;) {
            candidates rest = {c.v + i, c.n - i};
            candidates run = {rest.v, window_run(rest, ranges->v[r])};
            if (run.n != 0 && is_ripe(run, ranges->v[r], newest) && !has_failed(run))
                return run;
            i += run.n != 0 ? run.n : 1;
        }
    }
    return (candidates){NULL, 0};
}

/* A large block of which more than a twentieth of the series have deletions, or a small one that is all
 * deleted. Looks from the newest back, up to the first small block with less. */
static candidates find_deleted(candidates c, const compact_ranges *ranges)
{
    for (size_t i = c.n; i-- > 0;) {
        const block_meta *m = c.v[i].m;
        uint64_t stones = m->stats.tombstones, series = m->stats.series;
        bool small = m->max_time - m->min_time < ranges->v[ranges->n / 2];
        bool rewrite =
            small ? stones != 0 && stones >= series : (double)stones / (double)(series + 1) > 0.05;
        if (rewrite && !m->failed && !c.v[i].held)
            return (candidates){c.v + i, 1};
        if (small)
            break;
    }
    return (candidates){NULL, 0};
}

static size_t plan_class(const plan_options *o, candidates c, size_t *pick)
{
    candidates found = {NULL, 0};
    if (c.n == 0)
        return 0;
    if (!o->no_overlapping)
        found = find_overlap(c);
    c.n--; /* the newest stays: it can be saved elsewhere before it changes */
    if (found.n == 0)
        found = find_window(c, &o->ranges);
    if (found.n == 0)
        found = find_deleted(c, &o->ranges);
    return give(found, pick);
}

typedef enum hint_class { CLASS_PLAIN, CLASS_STALE, CLASS_SELECTED, CLASSES } hint_class;

static hint_class class_of(const block_meta *m)
{
    if (block_meta_has_hint(m, STR("from-stale-series")))
        return CLASS_STALE;
    if (block_meta_has_hint(m, STR("from-selected-series")))
        return CLASS_SELECTED;
    return CLASS_PLAIN;
}

size_t compact_plan(const plan_options *o, const plan_block *v, size_t n, size_t *pick)
{
    candidate *c = fer_alloc((n + 1) * sizeof *c);
    size_t picked = 0;
    for (hint_class k = CLASS_PLAIN; k < CLASSES && picked == 0; k++) {
        size_t in = 0;
        for (size_t i = 0; i < n; i++)
            if (class_of(v[i].meta) == k)
                c[in++] = (candidate){v[i].meta, i, v[i].held};
        if (in != 0)
            qsort(c, in, sizeof *c, by_time);
        picked = plan_class(o, (candidates){c, in}, pick);
    }
    fer_free(c);
    return picked;
}

#include "tsdb/maintenance/spread.h"

#include <assert.h>

const spread_scale chunk_samples_scale = {4, 1.5, 12};
const spread_scale chunk_bytes_scale = {32, 1.5, 12};
const spread_scale chunk_range_scale = {100, 4, 10};
const spread_scale compaction_seconds_scale = {1, 2, 14};

void spread_add(spread *t, const spread_scale *s, double v)
{
    assert(s->n <= SPREAD_BOUNDS_MAX);
    size_t i = 0;
    for (double bound = s->first; i < s->n && v > bound; bound *= s->factor)
        i++;
    t->counts[i == s->n ? SPREAD_BOUNDS_MAX : i]++;
    t->n++;
    t->sum += v;
}

void spread_merge(spread *t, const spread *other)
{
    for (size_t i = 0; i <= SPREAD_BOUNDS_MAX; i++)
        t->counts[i] += other->counts[i];
    t->n += other->n;
    t->sum += other->sum;
}

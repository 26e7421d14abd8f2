/* hist_cursor.h - the buckets of a native histogram in order of their index.
 *
 * Bucket i of an exponential schema s covers (2^((i-1) / 2^s), 2^(i / 2^s)], negative ones mirrored; bucket
 * i of custom bounds ends at bound i, the last at +Inf. A cursor can show buckets in a coarser schema.
 * Malformed spans (fewer counts than told, indexes that do not ascend) end the walk.
 */
#ifndef FERULA_PROMQL_HIST_CURSOR_H
#define FERULA_PROMQL_HIST_CURSOR_H

#include <stdbool.h>

#include "tsdb/histogram.h"

enum { HISTOGRAM_CUSTOM = -53 };

/* The upper end of a bucket; index - 1 gives the lower one. */
double hist_bound(int64_t index, int32_t schema, const double *custom, uint32_t n_custom);

static inline bool histogram_is_custom(const histogram *h)
{
    return h->schema == HISTOGRAM_CUSTOM;
}

/* The index in a schema coarser by `shift`. */
static inline int32_t hist_coarser(int32_t index, int32_t shift)
{
    return (int32_t)((((int64_t)index - 1) >> (shift > 31 ? 31 : shift)) + 1);
}

typedef struct hist_cursor {
    int32_t index; /* the bucket it stands at */
    double count;

    const histogram_span *spans;
    const double *counts;
    uint32_t n_spans, n, in_span, at;
    int64_t next; /* index of the bucket at counts[at] */
    bool started;
} hist_cursor;

static inline hist_cursor hist_cursor_of(const histogram *h, bool negative)
{
    return negative ? (hist_cursor){.spans = h->neg_spans,
                                    .n_spans = h->n_neg_spans,
                                    .counts = h->neg,
                                    .n = h->n_neg}
                    : (hist_cursor){.spans = h->pos_spans,
                                    .n_spans = h->n_pos_spans,
                                    .counts = h->pos,
                                    .n = h->n_pos};
}

/* To the next bucket; false behind the last. Begin with hist_cursor_of(). */
static inline bool hist_cursor_next(hist_cursor *c)
{
    if (!c->started && c->n_spans > 0)
        c->next = c->spans[0].offset;
    while (c->n_spans > 0 && c->in_span == c->spans[0].length) {
        c->in_span = 0;
        c->spans++;
        if (--c->n_spans > 0)
            c->next += c->spans[0].offset;
    }
    if (c->n_spans == 0 || c->at == c->n || c->next != (int32_t)c->next ||
        (c->started && c->next <= c->index))
        return false;
    c->started = true;
    c->index = (int32_t)c->next++;
    c->count = c->counts[c->at++];
    c->in_span++;
    return true;
}

/* The next bucket in a schema coarser by `shift`, those that fall together added in order. */
static inline bool hist_cursor_merged(hist_cursor *c, int32_t shift, int32_t *index, double *count)
{
    if (!hist_cursor_next(c))
        return false;
    *index = shift == 0 ? c->index : hist_coarser(c->index, shift);
    *count = c->count;
    for (hist_cursor ahead = *c; shift != 0 && hist_cursor_next(&ahead); *c = ahead) {
        if (hist_coarser(ahead.index, shift) != *index)
            break;
        *count += ahead.count;
    }
    return true;
}

#endif

/* twins.c - the table of series without their metrics. */
#include "promql/exec/twins.h"

#include "promql/exec/bits.h"

enum {
    SERIES_WORK = 64
}; /* of one of those that were there before the second metric, in samples */

static metric_id metric_of(const query *q, lset s)
{
    return (metric_id){lset_get(s, q->sym_name), lset_get(s, q->sym_type),
                       lset_get(s, q->sym_unit)};
}

static bool is_same_metric(metric_id a, metric_id b)
{
    return a.name == b.name && a.type == b.type && a.unit == b.unit;
}

static size_t place_of(const twins *t, uint64_t hash)
{
    return (size_t)((hash >> 32) * t->n_slots >> 32);
}

/* The hash of a series of which the storage knows one. It is asked for some series ahead, so that their slots, which are far
 * away, come meanwhile. */
static uint64_t hash_ahead(twins *t, const selection *sel, size_t i)
{
    size_t to = sel->n - i < TWINS_AHEAD ? sel->n : i + TWINS_AHEAD;
    if (t->hashed < i)
        t->hashed = i;
    for (; t->hashed < to; t->hashed++) {
        uint64_t h = sel->ops->rest_hash(sel, t->hashed);
        t->ahead[t->hashed % TWINS_AHEAD] = h;
        __builtin_prefetch(&t->slots[place_of(t, h)], 1);
    }
    return t->ahead[i % TWINS_AHEAD];
}

/* Without the storage's help, by the labels; those of series i are in t->rest. */
static fer_code labels_equal(query *q, twins *t, source *s, size_t i, bool *ret)
{
    source_cursor at = {.s = s, .i = i + 1};
    lset l;
    FER_TRY(cursor_labels(q, &at, &l));
    FER_TRY(lset_drop_metric(q, &t->other, l));
    *ret = lset_eq(lset_of(&t->rest), lset_of(&t->other));
    return FER_OK;
}

static fer_code put(query *q, twins *t, source *s, size_t i, uint64_t hash)
{
    const selection *sel = s->sel;
    size_t at = place_of(t, hash);
    uint32_t tag = (uint32_t)hash & ~t->number_mask;
    for (; t->slots[at] != 0; at = at + 1 == t->n_slots ? 0 : at + 1) {
        size_t other = (t->slots[at] & t->number_mask) - 1;
        bool equal = (t->slots[at] & ~t->number_mask) == tag;
        if (equal && sel->ops->rest_equal != NULL)
            equal = sel->ops->rest_equal(sel, i, other);
        else if (equal)
            FER_TRY(labels_equal(q, t, s, other, &equal));
        if (equal)
            return query_fail(q, "vector cannot contain metrics with the same labelset");
    }
    t->slots[at] = tag | ((uint32_t)i + 1);
    return FER_OK;
}

/* `of`: the labels of series i, or NULL where they are not at hand. */
static fer_code enter(query *q, twins *t, source *s, size_t i, const lset *of)
{
    if (s->sel->ops->rest_hash != NULL)
        return put(q, t, s, i, hash_ahead(t, s->sel, i));
    source_cursor at = {.s = s, .i = i + 1};
    lset own;
    if (of == NULL)
        FER_TRY(cursor_labels(q, &at, &own));
    FER_TRY(lset_drop_metric(q, &t->rest, of == NULL ? own : *of));
    return put(q, t, s, i, lset_hash(lset_of(&t->rest)));
}

/* From the second metric on. */
static fer_code begin(query *q, twins *t, source *s, size_t end)
{
    t->n_slots = s->sel->n + s->sel->n / 2 + 1;
    if (t->n_slots > UINT32_MAX)
        return query_hold(q, q->max_samples + 1);
    if ((t->slots = QUERY_ARRAY(q, uint32_t, t->n_slots)) == NULL)
        return QUERY_NOMEM(q);
    t->number_mask = UINT32_MAX >> __builtin_clz((uint32_t)s->sel->n);
    for (size_t i = bits_next(t->given, 0, end); i < end; i = bits_next(t->given, i + 1, end)) {
        FER_TRY(enter(q, t, s, i, NULL));
        FER_TRY(query_work(q, SERIES_WORK));
    }
    return FER_OK;
}

fer_code twins_add(query *q, twins *t, const source_cursor *at, lset of)
{
    source *s = at->s;
    size_t i = at->i - 1;
    if (t->slots != NULL)
        return enter(q, t, s, i, &of);
    metric_id m = metric_of(q, of);
    if (t->given == NULL) {
        t->given = QUERY_ARRAY(q, uint64_t, bits_words(s->sel->n));
        t->metric = m;
    }
    if (t->given == NULL)
        return QUERY_NOMEM(q);
    bits_set(t->given, i);
    return is_same_metric(m, t->metric) ? FER_OK : begin(q, t, s, i + 1);
}

/* rows.c - series kept in memory, by label set. */
#include "promql/exec/rows.h"

#include "promql/exec/hist_column.h"

struct rows {
    query *q;
    size_t n_steps;
    lset_map map;
    kept *k;
    size_t cap;
    vec out;
};

fer_code rows_new(query *q, size_t n_steps, rows **ret)
{
    rows *r = QUERY_NEW(q, rows);
    if (r == NULL || !vec_alloc(q, &r->out, n_steps))
        return QUERY_NOMEM(q);
    r->q = q;
    r->n_steps = n_steps;
    *ret = r;
    return FER_OK;
}

static fer_code add_new(rows *r, uint32_t at, const vec *v)
{
    if (!query_grow(r->q, &r->k, &r->cap, at + 1, sizeof *r->k))
        return QUERY_NOMEM(r->q);
    r->k[at].labels = r->map.keys[at];
    return kept_take(r->q, &r->k[at], v);
}

/* Both parts' histograms in one column. */
static fer_code add_histograms(rows *r, vec *o, const vec *v)
{
    size_t n = r->n_steps;
    if (o->h == NULL && v->h == NULL)
        return FER_OK;
    const histogram **h = QUERY_ARRAY(r->q, const histogram *, n);
    if (h == NULL)
        return QUERY_NOMEM(r->q);
    for (size_t i = 0; i < n; i++)
        h[i] = bits_get(v->has, i)   ? vec_histogram(v, i)
               : bits_get(o->has, i) ? vec_histogram(o, i)
                                     : NULL;
    o->h = h;
    return FER_OK;
}

/* Puts a part behind, before or among what is there. */
static fer_code add_part(rows *r, uint32_t at, const vec *v)
{
    kept *k = &r->k[at];
    vec *o = &r->out;
    kept_give(k, r->n_steps, o);
    if (bits_first_common(o->has, v->has, r->n_steps) < r->n_steps)
        return query_fail(r->q, "vector cannot contain metrics with the same labelset");
    for (bits_run run = {0}; bits_next_run(v->has, r->n_steps, &run);) {
        size_t from = run.from, end = run.to;
        memcpy(o->v + from, v->v + from, (end - from) * sizeof *v->v);
    }
    FER_TRY(add_histograms(r, o, v));
    bits_or(o->has, v->has, r->n_steps);
    o->from = v->from < o->from ? v->from : o->from;
    o->to = v->to > o->to ? v->to : o->to;
    query_release(r->q, bits_count(k->has, k->to - k->from));
    return kept_take(r->q, k, o);
}

fer_code rows_add(rows *r, const vec *v)
{
    uint32_t at;
    bool is_new;
    FER_TRY(lset_map_add(r->q, &r->map, v->labels, &at, &is_new));
    return is_new ? add_new(r, at, v) : add_part(r, at, v);
}

size_t rows_count(const rows *r)
{
    return r->map.n;
}

vec rows_at(rows *r, size_t i)
{
    kept_give(&r->k[i], r->n_steps, &r->out);
    return r->out;
}

/* rows.c - series kept in memory, by label set. */
#include "promql/exec/rows.h"

struct rows {
    query *q;
    size_t n_steps;
    lset_map map;
    vec *v;
    size_t cap;
};

fer_code rows_new(query *q, size_t n_steps, rows **ret)
{
    rows *r = QUERY_NEW(q, rows);
    if (r == NULL)
        return QUERY_NOMEM(q);
    r->q = q;
    r->n_steps = n_steps;
    *ret = r;
    return FER_OK;
}

static fer_code add_new(rows *r, uint32_t at, const vec *v)
{
    if (!query_grow(r->q, &r->v, &r->cap, at + 1, sizeof *r->v) ||
        !vec_alloc(r->q, &r->v[at], r->n_steps))
        return QUERY_NOMEM(r->q);
    vec *to = &r->v[at];
    to->labels = r->map.keys[at];
    to->drop_name = v->drop_name;
    memcpy(to->v, v->v, r->n_steps * sizeof *v->v);
    bits_copy(to->has, v->has, r->n_steps);
    return FER_OK;
}

static fer_code add_part(rows *r, uint32_t at, const vec *v)
{
    vec *to = &r->v[at];
    if (bits_first_common(to->has, v->has, r->n_steps) < r->n_steps)
        return query_fail(r->q, "vector cannot contain metrics with the same labelset");
    BITS_RUNS(v->has, r->n_steps, from, end)
    {
        memcpy(to->v + from, v->v + from, (end - from) * sizeof *v->v);
    }
    bits_or(to->has, v->has, r->n_steps);
    return FER_OK;
}

fer_code rows_add(rows *r, const vec *v)
{
    uint32_t at;
    bool is_new;
    FER_TRY(query_hold(r->q, bits_count(v->has, r->n_steps)));
    FER_TRY(lset_map_add(r->q, &r->map, v->labels, &at, &is_new));
    return is_new ? add_new(r, at, v) : add_part(r, at, v);
}

size_t rows_count(const rows *r)
{
    return r->map.n;
}

vec rows_at(rows *r, size_t i)
{
    return r->v[i];
}

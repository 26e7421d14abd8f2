/* result.c - from streams to points. */
#include "promql/exec/result.h"

#include <stdlib.h>

#include "promql/hist_math.h"

void result_begin(result_builder *b, query *q, const grid *g, bool merge)
{
    *b = (result_builder){.q = q, .g = g, .merge = merge};
}

static void *keep(query *q, const void *p, size_t n)
{
    void *to = fer_arena_alloc(q->ctx.arena, n == 0 ? 1 : n);
    if (to == NULL)
        fer_fail_budget(q->err, "query result");
    else if (n != 0)
        memcpy(to, p, n);
    return to;
}

static fer_code all_times(result_builder *b)
{
    if (b->times != NULL)
        return FER_OK;
    b->times = fer_arena_alloc(b->q->ctx.arena, b->g->n * sizeof *b->times);
    if (b->times == NULL)
        return fer_fail_budget(b->q->err, "query result");
    for (size_t i = 0; i < b->g->n; i++)
        b->times[i] = grid_at(b->g, i);
    return FER_OK;
}

/* A copy as the value of point k; the column is made with the first. */
static fer_code keep_histogram(result_builder *b, const histogram *h, size_t k, result_series *s)
{
    query *q = b->q;
    if (h == NULL)
        return FER_OK;
    const histogram **column = s->h;
    if (column == NULL)
        s->h = column = ARENA_ARRAY(q->ctx.arena, const histogram *, s->n);
    if (column == NULL || histogram_copy(h, q->ctx.arena, &column[k]) != FER_OK)
        return fer_fail_budget(q->err, "query result");
    return FER_OK;
}

static fer_code keep_histograms(result_builder *b, const vec *v, result_series *s)
{
    size_t n = b->g->n, k = 0;
    for (size_t i = bits_next(v->has, 0, n); i < n; i = bits_next(v->has, i + 1, n))
        FER_TRY(keep_histogram(b, v->h[i], k++, s));
    return FER_OK;
}

/* The points of v, in the query's arena; the times of a run without gaps are shared. */
static fer_code points(result_builder *b, const vec *v, result_series *s)
{
    query *q = b->q;
    size_t n = b->g->n, count = bits_count(v->has, n), first = bits_next(v->has, 0, n), k = 0;
    FER_TRY(query_hold(q, count));
    double *values = fer_arena_alloc(q->ctx.arena, count * sizeof *values);
    bool gaps = bits_next_clear(v->has, first, n) != first + count;
    int64_t *t = NULL;
    if (gaps)
        t = fer_arena_alloc(q->ctx.arena, count * sizeof *t);
    if (values == NULL || (gaps && t == NULL))
        return fer_fail_budget(q->err, "query result");
    FER_TRY(all_times(b));
    for (bits_run run = {0}; bits_next_run(v->has, n, &run);) {
        size_t from = run.from, to = run.to;
        memcpy(values + k, v->v + from, (to - from) * sizeof *values);
        if (gaps)
            memcpy(t + k, b->times + from, (to - from) * sizeof *t);
        k += to - from;
    }
    s->n = (uint32_t)count;
    if (v->h != NULL)
        FER_TRY(keep_histograms(b, v, s));
    s->v = values;
    s->t = gaps ? t : b->times + first;
    return FER_OK;
}

/* Both parts in order of time; FER_INVALID when they share one. */
static fer_code merge_points(result_builder *b, result_series *to, const result_series *part)
{
    query *q = b->q;
    size_t n = (size_t)to->n + part->n, i = 0, j = 0;
    int64_t *t = fer_arena_alloc(q->ctx.arena, n * sizeof *t);
    double *v = fer_arena_alloc(q->ctx.arena, n * sizeof *v);
    const histogram **h = NULL;
    if (to->h != NULL || part->h != NULL)
        h = fer_arena_alloc(q->ctx.arena, n * sizeof *h);
    if (t == NULL || v == NULL || (h == NULL && (to->h != NULL || part->h != NULL)))
        return fer_fail_budget(q->err, "query result");
    for (size_t k = 0; k < n; k++) {
        if (i < to->n && j < part->n && to->t[i] == part->t[j])
            return query_fail(q, "vector cannot contain metrics with the same labelset");
        bool first = j == part->n || (i < to->n && to->t[i] < part->t[j]);
        if (h != NULL && first)
            h[k] = to->h == NULL ? NULL : to->h[i];
        else if (h != NULL)
            h[k] = part->h == NULL ? NULL : part->h[j];
        t[k] = first ? to->t[i] : part->t[j];
        v[k] = first ? to->v[i++] : part->v[j++];
    }
    to->n = (uint32_t)n;
    to->t = t;
    to->v = v;
    to->h = h;
    return FER_OK;
}

static fer_code add(result_builder *b, lset of, result_series *s)
{
    query *q = b->q;
    uint32_t at;
    bool is_new = true;
    if (b->merge) {
        FER_TRY(lset_map_add(q, &b->map, of, &at, &is_new));
        if (!is_new)
            return merge_points(b, &b->series[at], s);
    }
    if (!query_grow(q, &b->series, &b->cap, b->n + 1, sizeof *b->series))
        return QUERY_NOMEM(q);
    s->labels = keep(q, of.l, of.n * sizeof *of.l);
    s->n_labels = (uint32_t)of.n;
    if (s->labels == NULL)
        return QUERY_NOMEM(q);
    b->series[b->n++] = *s;
    return FER_OK;
}

fer_code result_add(result_builder *b, const vec *v)
{
    result_series s = {0};
    FER_TRY(points(b, v, &s));
    return add(b, v->labels, &s);
}

fer_code result_add_points(result_builder *b, lset of, const int64_t *t, const double *v,
                           const histogram *const *h, size_t n)
{
    query *q = b->q;
    result_series s = {.n = (uint32_t)n};
    FER_TRY(query_hold(q, n));
    s.t = keep(q, t, n * sizeof *t);
    s.v = keep(q, v, n * sizeof *v);
    if (s.t == NULL || s.v == NULL)
        return QUERY_NOMEM(q);
    for (size_t i = 0; h != NULL && i < n; i++)
        FER_TRY(keep_histogram(b, h[i], i, &s));
    return add(b, of, &s);
}

static int by_labels(const void *pa, const void *pb, void *sy)
{
    const result_series *a = pa, *b = pb;
    return label_ids_cmp(sy, a->labels, a->n_labels, b->labels, b->n_labels);
}

static bool in_order(const result_builder *b)
{
    for (size_t i = 1; i < b->n; i++)
        if (by_labels(&b->series[i - 1], &b->series[i], b->q->ctx.syms) > 0)
            return false;
    return true;
}

fer_code result_finish(result_builder *b, bool sorted, promql_result *ret)
{
    if (sorted && !in_order(b))
        qsort_r(b->series, b->n, sizeof *b->series, by_labels, b->q->ctx.syms);
    ret->series = keep(b->q, b->series, b->n * sizeof *b->series);
    if (ret->series == NULL)
        return QUERY_NOMEM(b->q);
    ret->n_series = b->n;
    return FER_OK;
}

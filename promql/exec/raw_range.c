/* raw_range.c - an instant query for a range vector: its samples are the result. */
#include "promql/exec/hist_column.h"
#include "promql/exec/result.h"
#include "promql/exec/subquery.h"

struct raw_range {
    query *q;
    const plan *p;
    eval_ctx ec;
    range_input *in;
    bool anchored, smoothed;
    int64_t *t;
    double *v;
    size_t t_cap, v_cap;
};

fer_code raw_range_build(query *q, const plan *p, eval_ctx ec, raw_range **ret)
{
    raw_range *r = QUERY_NEW(q, raw_range);
    if (r == NULL)
        return QUERY_NOMEM(q);
    r->q = q;
    r->p = p;
    r->ec = ec;
    if (p->kind == EXPR_MATRIX) {
        r->anchored = p->e->u.matrix.selector->u.selector.anchored;
        r->smoothed = p->e->u.matrix.selector->u.selector.smoothed;
    }
    *ret = r;
    return range_input_new(q, p, ec, &r->in);
}

static double between(const range_series *s, size_t a, int64_t t)
{
    return s->v[a] +
           (s->v[a + 1] - s->v[a]) * (double)(t - s->t[a]) / (double)(s->t[a + 1] - s->t[a]);
}

/* The samples inside [start, end] with a value at both ends, taken from the sample before or
 * interpolated; *ret_n 0 when nothing lies after the start. */
static fer_code extend(raw_range *r, const range_series *s, int64_t start, int64_t end,
                       size_t *ret_n)
{
    query *q = r->q;
    size_t last = s->n - 1, first = 0, n = 0;
    if (!query_grow(q, &r->t, &r->t_cap, s->n + 2, sizeof *r->t) ||
        !query_grow(q, &r->v, &r->v_cap, s->n + 2, sizeof *r->v))
        return QUERY_NOMEM(q);
    while (first < last && s->t[first] <= start)
        first++;
    first = first > 0 ? first - 1 : 0;
    for (size_t i = 0; r->smoothed && i < last; i++)
        if (s->t[i] >= end)
            last = i;
    *ret_n = 0;
    if (s->t[last] <= start)
        return FER_OK;

    double left = r->smoothed && s->t[first] < start ? between(s, first, start) : s->v[first];
    double right =
        r->smoothed && last > 0 && s->t[last] > end ? between(s, last - 1, end) : s->v[last];
    r->t[n] = start;
    r->v[n++] = left;
    for (size_t i = first; i <= last; i++) {
        if ((i == first && s->t[i] <= start) || (i == last && s->t[i] >= end))
            continue;
        r->t[n] = s->t[i];
        r->v[n++] = s->v[i];
    }
    r->t[n] = end;
    r->v[n++] = right;
    *ret_n = n;
    return FER_OK;
}

/* Shared selections may hold more than asked for. */
static void cut(range_series *s, int64_t after, int64_t to)
{
    size_t lo = 0, hi = s->n;
    while (lo < hi && s->t[lo] <= after)
        lo++;
    while (hi > lo && s->t[hi - 1] > to)
        hi--;
    s->t += lo;
    s->v += lo;
    if (s->h != NULL)
        s->h += lo;
    s->n = hi - lo;
}

static void count(raw_range *r, uint64_t n)
{
    counter *c = r->ec.count;
    c->total += n;
    if (c->total_at != NULL)
        c->total_at[0] += n;
    if (range_input_is_subquery(r->in))
        return;
    c->read += n;
    if (c->read_at != NULL)
        c->read_at[0] += n;
}

static fer_code add(raw_range *r, result_builder *b, range_series *s)
{
    query *q = r->q;
    int64_t end = range_input_ref(r->in, 0), start = ms_sub(end, r->p->range_ms);
    bool back = r->anchored || r->smoothed;
    if (s->n != 0 && !range_input_is_subquery(r->in))
        cut(s, back ? ms_sub(start, q->lookback_ms) : start,
            r->smoothed ? ms_add(end, q->lookback_ms) : end);
    if (s->n == 0)
        return FER_OK;
    FER_TRY(query_work(q, s->n));
    if (back && s->h != NULL)
        return query_fail(q, "%s modifier is not supported with histograms",
                          r->smoothed ? "smoothed" : "anchored");
    if (back) {
        size_t n = 0;
        FER_TRY(extend(r, s, start, end, &n));
        s->t = r->t;
        s->v = r->v;
        s->n = n;
    }
    count(r, samples_weight(s->h, s->n));
    if (s->n == 0)
        return FER_OK;
    FER_TRY(range_input_labels(r->in, s));
    return result_add_points(b, s->labels, s->t, s->v, s->h, s->n);
}

fer_code raw_range_run(raw_range *r, result_builder *b)
{
    range_series s;
    fer_code c;
    while ((c = range_input_next(r->in, &s)) == FER_OK)
        FER_TRY(add(r, b, &s));
    return c == FER_END ? FER_OK : c;
}

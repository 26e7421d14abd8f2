/* subquery.c - where range functions get their samples. */
#include "promql/exec/subquery.h"

#include <math.h>

#include "promql/exec/hist_column.h"

#include "promql/exec/rows.h"
#include "promql/scan.h"

struct range_input {
    query *q;
    const plan *p;
    eval_ctx ec;
    bool subquery;

    source_cursor cur; /* a selector's samples */

    oper *of; /* a subquery's series */
    grid g;
    counter count;
    rows *rows; /* when they had to be put together */
    size_t next_row;
    vec v;
    bool finished;

    int64_t *t; /* samples that had to be copied */
    double *values;
    int64_t *st;
    const histogram **h;
    size_t cap, st_cap, t_cap, h_cap;
    hist_view counts;
    hist_column hints; /* its arena: a subquery's histograms without hints */
};

static int64_t ref_of(const range_input *in, size_t i)
{
    return ms_sub(in->p->has_at ? in->p->at_ms : grid_at(in->ec.g, i), in->p->offset_ms);
}

int64_t range_input_ref(const range_input *in, size_t i)
{
    return ref_of(in, i);
}

bool range_input_is_subquery(const range_input *in)
{
    return in->subquery;
}

bool range_input_nameless(const range_input *in)
{
    return in->subquery && in->of->nameless;
}

static fer_code open_selector(range_input *in)
{
    query *q = in->q;
    const expr_matrix *m = &in->p->e->u.matrix;
    const expr_selector *sel = &m->selector->u.selector;
    int64_t mint = ms_add(ms_sub(ref_of(in, 0), in->p->range_ms), 1);
    int64_t maxt = ref_of(in, in->ec.g->n - 1);
    if (sel->anchored || sel->smoothed)
        mint = ms_sub(mint, q->lookback_ms);
    if (sel->smoothed)
        maxt = ms_add(maxt, q->lookback_ms);
    source_range range = {
        .mint = mint, .maxt = maxt, .step_ms = query_step(q, in->ec.g), .labels = in->ec.labels};
    return source_use(q, in->p, sel, range, &in->cur);
}

/* The subquery's steps: multiples of its step, the first one after the first window's left end. */
static fer_code open_subquery(range_input *in)
{
    query *q = in->q;
    int64_t from = ms_sub(ref_of(in, 0), in->p->range_ms), step = in->p->step_ms;
    int64_t start = from / step * step;
    if (start <= from)
        start = ms_add(start, step);
    FER_TRY(query_grid(q, start, ref_of(in, in->ec.g->n - 1), step, &in->g));
    if (in->g.n != 0) {
        in->count.read_at = QUERY_ARRAY(q, uint64_t, in->g.n);
        if (in->count.read_at == NULL)
            return QUERY_NOMEM(q);
    }
    return oper_build(q, in->p->args[0], (eval_ctx){.g = &in->g, .count = &in->count}, &in->of);
}

fer_code range_input_new(query *q, const plan *p, eval_ctx ec, range_input **ret)
{
    range_input *in = QUERY_NEW(q, range_input);
    if (in == NULL)
        return QUERY_NOMEM(q);
    in->q = q;
    in->p = p;
    in->ec = ec;
    in->subquery = p->kind == EXPR_SUBQUERY;
    *ret = in;
    return in->subquery ? open_subquery(in) : open_selector(in);
}

fer_code range_input_copy(query *q, const range_input *of, range_input **ret)
{
    range_input *in = QUERY_NEW(q, range_input);
    if (in == NULL)
        return QUERY_NOMEM(q);
    in->q = q;
    in->p = of->p;
    in->ec = of->ec;
    *ret = in;
    return cursor_copy(q, &of->cur, &in->cur);
}

source_cursor *range_input_cursor(range_input *in)
{
    return in->subquery ? NULL : &in->cur;
}

/* ---- selectors ---- */

static bool room(range_input *in, size_t n, bool st, bool h)
{
    return query_grow(in->q, &in->t, &in->t_cap, n, sizeof *in->t) &&
           query_grow(in->q, &in->values, &in->cap, n, sizeof *in->values) &&
           (!st || query_grow(in->q, &in->st, &in->st_cap, n, sizeof *in->st)) &&
           (!h || query_grow(in->q, &in->h, &in->h_cap, n, sizeof *in->h));
}

/* A copy without stale markers. */
static fer_code without_stale(range_input *in, const samples *s, range_series *ret)
{
    if (!room(in, s->n, s->st != NULL, s->type != NULL))
        return QUERY_NOMEM(in->q);
    const histogram *const *h = s->h;
    if (s->type != NULL && in->p->counts_only)
        FER_TRY(hist_view_counts(in->q, &in->counts, s, &h));
    size_t n = 0;
    bool any = false;
    for (size_t i = 0; i < s->n; i++) {
        bool is_histogram = s->type != NULL && s->type[i] != SAMPLE_FLOAT;
        if (sample_is_stale(is_histogram ? s->h[i]->sum : s->v[i]))
            continue;
        in->t[n] = s->t[i];
        in->values[n] = is_histogram ? 0 : s->v[i];
        if (s->type != NULL)
            in->h[n] = is_histogram ? h[i] : NULL;
        any = any || is_histogram;
        if (s->st != NULL)
            in->st[n] = s->st[i];
        n++;
    }
    ret->t = in->t;
    ret->v = in->values;
    ret->h = any ? in->h : NULL;
    ret->st = s->st == NULL ? NULL : in->st;
    ret->n = n;
    return FER_OK;
}

static fer_code next_selected(range_input *in, range_series *ret)
{
    const samples *s;
    FER_TRY(cursor_next(in->q, &in->cur, &s));
    *ret = (range_series){.t = s->t, .v = s->v, .st = s->st, .n = s->n};
    if (s->type != NULL || scan_any_stale(s->v, s->n))
        return without_stale(in, s, ret);
    return FER_OK;
}

/* ---- subqueries ---- */

/* What a histogram says about resets means the sample before it, which may not be among these. */
static fer_code without_hint(range_input *in, const histogram *h, const histogram **ret)
{
    *ret = h;
    if (h == NULL || h->reset_hint == HISTOGRAM_RESET_UNKNOWN || h->reset_hint == HISTOGRAM_GAUGE)
        return FER_OK;
    histogram *plain = fer_arena_alloc(in->hints.a, sizeof *plain);
    if (plain == NULL)
        return query_no_memory(in->q);
    *plain = *h;
    plain->reset_hint = HISTOGRAM_RESET_UNKNOWN;
    *ret = plain;
    return FER_OK;
}

static fer_code put_together(range_input *in)
{
    FER_TRY(rows_new(in->q, in->g.n, &in->rows));
    vec v;
    fer_code c;
    while ((c = oper_next(in->of, &v)) == FER_OK)
        FER_TRY(rows_add(in->rows, &v));
    return c == FER_END ? FER_OK : c;
}

static fer_code next_vec(range_input *in, vec *ret)
{
    if (in->of->unique)
        return oper_next(in->of, ret);
    if (in->rows == NULL)
        FER_TRY(put_together(in));
    if (in->next_row == rows_count(in->rows))
        return FER_END;
    *ret = rows_at(in->rows, in->next_row++);
    return FER_OK;
}

static fer_code next_evaluated(range_input *in, range_series *ret)
{
    FER_TRY(next_vec(in, &in->v));
    size_t n = bits_count(in->v.has, in->g.n), k = 0;
    FER_TRY(query_work(in->q, in->g.n));
    FER_TRY(query_hold(in->q, n));
    query_release(in->q, n);
    if (in->v.h != NULL)
        FER_TRY(hist_column_begin(in->q, &in->hints, 1));
    if (!room(in, n, false, in->v.h != NULL))
        return QUERY_NOMEM(in->q);
    for (bits_run run = {0}; bits_next_run(in->v.has, in->g.n, &run);) {
        size_t from = run.from, to = run.to;
        for (size_t i = from; i < to; i++) {
            in->t[k] = grid_at(&in->g, i);
            if (in->v.h != NULL)
                FER_TRY(without_hint(in, in->v.h[i], &in->h[k]));
            in->values[k++] = in->v.v[i];
        }
    }
    *ret = (range_series){
        .labels = in->v.labels, .t = in->t, .v = in->values, .n = n, .drop_name = in->v.drop_name};
    for (size_t i = 0; in->v.h != NULL && i < n && ret->h == NULL; i++)
        ret->h = in->h[i] != NULL ? in->h : NULL;
    return FER_OK;
}

fer_code range_input_next(range_input *in, range_series *ret)
{
    fer_code c = in->subquery ? next_evaluated(in, ret) : next_selected(in, ret);
    if (c == FER_END)
        range_input_done(in);
    return c;
}

fer_code range_input_labels(range_input *in, range_series *s)
{
    if (in->subquery)
        return FER_OK;
    return cursor_labels(in->q, &in->cur, &s->labels);
}

/* A sample read at a step of the subquery counts at the first step of the parent that uses it, and
 * not at all when no window does. */
static void merge_read(range_input *in)
{
    counter *to = in->ec.count;
    const grid *pg = in->ec.g;
    if (pg->n <= 1) {
        to->read += in->count.read;
        if (to->read_at != NULL)
            to->read_at[0] += in->count.read;
        return;
    }
    for (size_t k = 0; k < in->g.n; k++) {
        uint64_t n = in->count.read_at[k];
        if (n == 0)
            continue;
        int64_t t = ms_add(grid_at(&in->g, k), in->p->offset_ms);
        size_t step = 0;
        if (t > pg->start)
            step = (size_t)((t - pg->start + pg->step - 1) / pg->step);
        if (step >= pg->n)
            step = pg->n - 1;
        if (t <= ms_sub(grid_at(pg, step), in->p->range_ms))
            continue;
        to->read += n;
        if (to->read_at != NULL)
            to->read_at[step] += n;
    }
}

void range_input_done(range_input *in)
{
    if (in->finished)
        return;
    in->finished = true;
    if (in->subquery)
        merge_read(in);
}

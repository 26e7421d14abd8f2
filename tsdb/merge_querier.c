#include "tsdb/merge_querier.h"

#include <assert.h>

#include "tsdb/head/heap_order.h"
#include "tsdb/merge_samples.h"

enum { FEW_SOURCES = 8 };

struct merge_querier {
    querier base;
    merge_source *sources;
    size_t n, cap;
};

/* A series of one source that is part of a merged one. */
typedef struct member {
    uint32_t source;
    uint32_t order; /* among the members, where samples of one time meet */
    size_t index;   /* in the source's selection */
} member;

typedef struct merged_series {
    size_t first; /* of its members */
    uint32_t n;
} merged_series;

typedef struct merge_selection {
    selection base;
    merge_querier *q;
    selection **sel; /* by source */
    member *members;
    size_t n_members, cap_members;
    merged_series *series;
    size_t cap_series;
} merge_selection;

static fer_code no_memory(fer_err *err)
{
    return fer_fail_budget(err, "selecting series");
}

static void *grow(fer_arena *a, void *p, size_t *cap, size_t item)
{
    size_t bigger = *cap == 0 ? 64 : *cap * 2;
    p = fer_arena_grow(a, p, *cap * item, bigger * item);
    if (p != NULL)
        *cap = bigger;
    return p;
}

/* ---- merging series ---- */

/* The present series of each source. */
typedef struct series_cursor {
    size_t at;
    const label_id *ids;
    size_t n;
} series_cursor;

typedef struct series_merge {
    merge_selection *s;
    series_cursor *cursors;
    const syms *syms;
} series_merge;

static int compare_cursors(const series_merge *m, uint32_t a, uint32_t b)
{
    const series_cursor *x = &m->cursors[a], *y = &m->cursors[b];
    return label_ids_cmp(m->syms, x->ids, x->n, y->ids, y->n);
}

static bool cursor_less(void *arg, uint32_t a, uint32_t b)
{
    return compare_cursors(arg, a, b) < 0;
}

/* Pushes the source if it has a series at its cursor. */
static fer_code push_source(series_merge *m, heap_order *h, uint32_t source, fer_err *err)
{
    series_cursor *c = &m->cursors[source];
    selection *sel = m->s->sel[source];
    if (c->at == sel->n)
        return FER_OK;
    c->ids = selection_labels(sel, c->at, &c->n);
    if (c->ids == NULL)
        return no_memory(err);
    heap_push(h, source);
    return FER_OK;
}

static fer_code add_member(merge_selection *s, uint32_t source, size_t index, uint32_t order,
                           fer_err *err)
{
    if (s->n_members == s->cap_members) {
        member *v = grow(s->q->base.ctx.arena, s->members, &s->cap_members, sizeof *v);
        if (v == NULL)
            return no_memory(err);
        s->members = v;
    }
    s->members[s->n_members++] = (member){source, order, index};
    return FER_OK;
}

/* Members in the order in which they are tried to be read. */
static void sort_members(const merge_selection *s, member *m, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t k = i; k > 0; k--) {
            const merge_source *src = s->q->sources;
            if (src[m[k - 1].source].begins <= src[m[k].source].begins)
                break;
            member x = m[k];
            m[k] = m[k - 1];
            m[k - 1] = x;
        }
}

/* The sources with the least labels become one series; they go on. */
static fer_code take_least(series_merge *m, heap_order *h, uint32_t *popped, fer_err *err)
{
    merge_selection *s = m->s;
    uint32_t n = 0;
    size_t first = s->n_members;
    do {
        uint32_t source = heap_pop(h);
        popped[n] = source;
        FER_TRY(add_member(s, source, m->cursors[source].at, n++, err));
    } while (h->n != 0 && compare_cursors(m, popped[0], h->v[0]) == 0);
    if (s->base.n == s->cap_series) {
        merged_series *v = grow(s->q->base.ctx.arena, s->series, &s->cap_series, sizeof *v);
        if (v == NULL)
            return no_memory(err);
        s->series = v;
    }
    s->series[s->base.n++] = (merged_series){first, n};
    sort_members(s, s->members + first, n);
    for (uint32_t i = 0; i < n; i++) {
        m->cursors[popped[i]].at++;
        FER_TRY(push_source(m, h, popped[i], err));
    }
    return FER_OK;
}

static fer_code merge_series(merge_selection *s, uint64_t limit, fer_err *err)
{
    size_t n = s->q->n;
    fer_arena *a = s->q->base.ctx.arena;
    series_merge m = {s, ARENA_ARRAY(a, series_cursor, n), s->q->base.ctx.syms};
    uint32_t *room = ARENA_ARRAY(a, uint32_t, 2 * n);
    if (m.cursors == NULL || room == NULL)
        return no_memory(err);
    heap_order h = {.v = room, .less = cursor_less, .arg = &m};
    for (uint32_t i = 0; i < n; i++)
        FER_TRY(push_source(&m, &h, i, err));
    while (h.n != 0 && (limit == 0 || s->base.n < limit))
        FER_TRY(take_least(&m, &h, room + n, err));
    return FER_OK;
}

/* ---- merging samples ---- */

static fer_code read_members(const merge_selection *s, const member *m, uint32_t n, int64_t mint,
                             int64_t maxt, samples *out, sample_run *runs, bool *ret_ordered,
                             fer_err *err)
{
    bool ordered = true;
    size_t from = out->n;
    for (uint32_t i = 0; i < n; i++) {
        size_t had = out->n;
        FER_TRY(selection_read(s->sel[m[i].source], m[i].index, mint, maxt, out, err));
        runs[m[i].order] = (sample_run){had, out->n};
        if (had > from && out->n > had && out->t[had] <= out->t[had - 1])
            ordered = false;
    }
    *ret_ordered = ordered;
    return FER_OK;
}

static fer_code selection_read_of(selection *base, size_t i, int64_t mint, int64_t maxt,
                                  samples *out, fer_err *err)
{
    const merge_selection *s = (const merge_selection *)base;
    const merged_series *series = &s->series[i];
    const member *m = s->members + series->first;
    if (series->n == 1)
        return selection_read(s->sel[m->source], m->index, mint, maxt, out, err);

    size_t from = out->n;
    bool ordered = true;
    sample_run few[FEW_SOURCES];
    sample_run *runs = series->n <= FEW_SOURCES ? few : fer_alloc(series->n * sizeof *runs);
    fer_code code = read_members(s, m, series->n, mint, maxt, out, runs, &ordered, err);
    if (code == FER_OK && !ordered) {
        code = merge_samples(out, from, runs, series->n);
        if (code != FER_OK)
            code = fer_fail_budget(err, "merging samples");
    }
    if (runs != few)
        fer_free(runs);
    return code;
}

static const label_id *selection_labels_of(selection *base, size_t i, size_t *ret_n)
{
    merge_selection *s = (merge_selection *)base;
    const member *m = s->members + s->series[i].first;
    return selection_labels(s->sel[m->source], m->index, ret_n);
}

static const selection_ops merge_selection_ops = {.labels = selection_labels_of,
                                                  .read = selection_read_of};

/* ---- the querier ---- */

static fer_code select_series(querier *base, const select_hints *hints, const matcher *m, size_t nm,
                              selection **ret, fer_err *err)
{
    merge_querier *q = (merge_querier *)base;
    if (q->n == 1)
        return querier_select(q->sources[0].q, hints, m, nm, ret, err);
    select_hints h = *hints;
    h.sorted = true;
    h.labels = NULL;       /* what is one series is told by all of them */
    h.labels_only = false; /* series are compared by their ids */
    merge_selection *s = ARENA_NEW(base->ctx.arena, merge_selection);
    if (s == NULL)
        return no_memory(err);
    s->base.ops = &merge_selection_ops;
    s->q = q;
    s->sel = ARENA_ARRAY(base->ctx.arena, selection *, q->n);
    if (s->sel == NULL)
        return no_memory(err);
    for (size_t i = 0; i < q->n; i++)
        FER_TRY(querier_select(q->sources[i].q, &h, m, nm, &s->sel[i], err));
    FER_TRY(merge_series(s, h.limit, err));
    *ret = &s->base;
    return FER_OK;
}

/* Values of `name`; names when it is empty. */
static fer_code texts_of_all(querier *base, fer_str name, const matcher *m, size_t nm,
                             uint64_t limit, str_list *ret, fer_err *err)
{
    merge_querier *q = (merge_querier *)base;
    str_list all = {0};
    for (size_t i = 0; i < q->n; i++) {
        querier *from = q->sources[i].q;
        FER_TRY(name.n == 0 ? querier_label_names(from, m, nm, limit, &all, err)
                            : querier_label_values(from, name, m, nm, limit, &all, err));
    }
    if (limit != 0 && all.n > limit)
        all.n = (size_t)limit;
    return str_list_unite(ret, base->ctx.arena, all.v, all.n, err);
}

static fer_code label_names(querier *base, const matcher *m, size_t nm, uint64_t limit,
                            str_list *ret, fer_err *err)
{
    return texts_of_all(base, STR(""), m, nm, limit, ret, err);
}

static fer_code label_values(querier *base, fer_str name, const matcher *m, size_t nm,
                             uint64_t limit, str_list *ret, fer_err *err)
{
    return name.n == 0 ? FER_OK : texts_of_all(base, name, m, nm, limit, ret, err);
}

static void close_querier(querier *base)
{
    merge_querier *q = (merge_querier *)base;
    for (size_t i = 0; i < q->n; i++)
        querier_close(q->sources[i].q);
    q->n = 0;
}

static const querier_ops merge_querier_ops = {select_series, label_names, label_values,
                                              close_querier};

fer_code merge_querier_new(const query_ctx *ctx, int64_t mint, int64_t maxt, size_t cap_sources,
                           merge_querier **ret, query_warnings **ret_warnings, fer_err *err)
{
    merge_querier *q = ARENA_NEW(ctx->arena, merge_querier);
    if (q == NULL)
        return no_memory(err);
    q->base = (querier){.ops = &merge_querier_ops, .ctx = *ctx, .mint = mint, .maxt = maxt};
    q->sources = ARENA_ARRAY(ctx->arena, merge_source, cap_sources);
    q->cap = cap_sources;
    query_warnings *w = query_warnings_new(ctx, &q->base.warnings);
    if (q->sources == NULL || w == NULL)
        return no_memory(err);
    *ret = q;
    *ret_warnings = w;
    return FER_OK;
}

void merge_querier_add(merge_querier *m, merge_source source)
{
    assert(m->n < m->cap);
    m->sources[m->n++] = source;
}

querier *merge_querier_base(merge_querier *m)
{
    return &m->base;
}

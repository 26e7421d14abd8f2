/* range_hist.c - range functions, where windows hold native histograms. */
#include "promql/exec/range_hist.h"

#include "promql/exec/hist_rate.h"

/* What a function makes of histograms. */
typedef enum treatment {
    TAKE_ALL,   /* looks at times and numbers of samples only */
    TAKE_ONE,   /* gives a sample as it is */
    COMPARE,    /* counts differences between neighbours */
    LAST_TWO,   /* irate, idelta */
    NO_MIXTURE, /* rates, sums, means */
    IGNORE,     /* floats only */
} treatment;

struct range_hist {
    query *q;
    const plan *p;
    function_id id;
    treatment how;
    range_fn fn;
    size_t n_steps;
    hist_column made;
    hist other; /* in made.a, as the mean */
    hist_mean mean;
    /* The series taken apart: floats and histograms, and the windows among them. */
    int64_t *ft, *fst, *ht, *hst;
    double *fv;
    const histogram **h;
    uint32_t *floats_before; /* per sample of the whole */
    size_t ft_cap, fst_cap, ht_cap, hst_cap, fv_cap, h_cap, before_cap;
    uint32_t *flo, *fhi, *hlo, *hhi;
    size_t n_floats, n_hists;
    /* For rates, over the histograms of the series (hist_rate.h). */
    uint32_t *next_reset;
    size_t reset_cap;
    bool resets_known, alike;
};

static treatment treatment_of(function_id id)
{
    switch (id) {
    case FN_COUNT_OVER_TIME:
    case FN_PRESENT_OVER_TIME:
    case FN_ABSENT_OVER_TIME:
    case FN_TS_OF_FIRST_OVER_TIME:
    case FN_TS_OF_LAST_OVER_TIME:
        return TAKE_ALL;
    case FN_FIRST_OVER_TIME:
    case FN_LAST_OVER_TIME:
        return TAKE_ONE;
    case FN_RESETS:
    case FN_CHANGES:
        return COMPARE;
    case FN_IRATE:
    case FN_IDELTA:
        return LAST_TWO;
    case FN_RATE:
    case FN_INCREASE:
    case FN_DELTA:
    case FN_SUM_OVER_TIME:
    case FN_AVG_OVER_TIME:
        return NO_MIXTURE;
    default:
        return IGNORE;
    }
}

fer_code range_hist_new(query *q, const plan *p, const grid *g, range_hist **ret)
{
    range_hist *r = QUERY_NEW(q, range_hist);
    if (r == NULL)
        return QUERY_NOMEM(q);
    r->q = q;
    r->p = p;
    r->id = p->e->u.call.fn->id;
    r->how = treatment_of(r->id);
    r->fn = func_range(r->id);
    r->n_steps = g->n;
    r->flo = QUERY_ARRAY(q, uint32_t, g->n);
    r->fhi = QUERY_ARRAY(q, uint32_t, g->n);
    r->hlo = QUERY_ARRAY(q, uint32_t, g->n);
    r->hhi = QUERY_ARRAY(q, uint32_t, g->n);
    if (r->flo == NULL || r->fhi == NULL || r->hlo == NULL || r->hhi == NULL)
        return QUERY_NOMEM(q);
    *ret = r;
    return FER_OK;
}

/* ---- taking apart ---- */

static bool room(range_hist *r, size_t n)
{
    query *q = r->q;
    return query_grow(q, &r->ft, &r->ft_cap, n, sizeof *r->ft) &&
           query_grow(q, &r->fv, &r->fv_cap, n, sizeof *r->fv) &&
           query_grow(q, &r->fst, &r->fst_cap, n, sizeof *r->fst) &&
           query_grow(q, &r->ht, &r->ht_cap, n, sizeof *r->ht) &&
           query_grow(q, &r->hst, &r->hst_cap, n, sizeof *r->hst) &&
           query_grow(q, &r->h, &r->h_cap, n, sizeof *r->h) &&
           query_grow(q, &r->floats_before, &r->before_cap, n + 1, sizeof *r->floats_before);
}

static fer_code take_apart(range_hist *r, const range_hist_series *s)
{
    const windows *w = &s->w;
    r->n_floats = r->n_hists = 0;
    if (!room(r, w->n))
        return QUERY_NOMEM(r->q);
    for (size_t i = 0; i < w->n; i++) {
        int64_t st = w->st == NULL ? 0 : w->st[i];
        r->floats_before[i] = (uint32_t)r->n_floats;
        if (s->h[i] == NULL) {
            r->ft[r->n_floats] = w->t[i];
            r->fst[r->n_floats] = st;
            r->fv[r->n_floats++] = w->v[i];
        } else {
            r->ht[r->n_hists] = w->t[i];
            r->hst[r->n_hists] = st;
            r->h[r->n_hists++] = s->h[i];
        }
    }
    r->floats_before[w->n] = (uint32_t)r->n_floats;
    for (size_t i = s->from; i < s->to; i++) {
        r->flo[i] = r->floats_before[w->lo[i]];
        r->fhi[i] = r->floats_before[w->hi[i]];
        r->hlo[i] = w->lo[i] - r->flo[i];
        r->hhi[i] = w->hi[i] - r->fhi[i];
    }
    return FER_OK;
}

/* The function over the steps of the series; lo and hi are per step. */
static void call(const range_hist *r, const range_hist_series *s, windows w, const uint32_t *lo,
                 const uint32_t *hi, vec *out)
{
    w.n_steps = s->to - s->from;
    w.lo = lo + s->from;
    w.hi = hi + s->from;
    w.ref += s->from;
    w.ts += s->from;
    for (size_t k = 0; k < 2; k++)
        if (w.args[k] != NULL)
            w.args[k] += s->from;
    r->fn(&w, out->v + s->from, out->has + s->from / 64);
}

static void call_floats(const range_hist *r, const range_hist_series *s, vec *out)
{
    windows w = s->w;
    w.t = r->ft;
    w.v = r->fv;
    w.st = w.st == NULL ? NULL : r->fst;
    w.n = r->n_floats;
    if (w.n > 0)
        call(r, s, w, r->flo, r->fhi, out);
}

/* ---- the kinds ---- */

static void take_one(const range_hist *r, const range_hist_series *s, vec *out)
{
    const windows *w = &s->w;
    call(r, s, *w, w->lo, w->hi, out);
    for (size_t i = s->from; i < s->to; i++)
        if (w->lo[i] < w->hi[i])
            r->made.h[i] = s->h[r->id == FN_FIRST_OVER_TIME ? w->lo[i] : w->hi[i] - 1];
}

static bool differs(const range_hist *r, const range_hist_series *s, size_t i)
{
    const windows *w = &s->w;
    const histogram *a = s->h[i - 1], *b = s->h[i];
    if ((a == NULL) != (b == NULL))
        return true;
    if (r->id == FN_CHANGES && a == NULL)
        return w->v[i] != w->v[i - 1] && !(isnan(w->v[i]) && isnan(w->v[i - 1]));
    if (r->id == FN_CHANGES)
        return !histogram_same(a, b);
    if (w->st != NULL && func_start_reset(w->st[i - 1], w->t[i - 1], w->st[i], w->t[i]))
        return true;
    return a == NULL ? w->v[i] < w->v[i - 1] : histogram_was_reset(b, a);
}

static void compare(const range_hist *r, const range_hist_series *s, vec *out)
{
    windows w = s->w;
    size_t n = 0;
    for (size_t i = 1; i < w.n; i++)
        if (differs(r, s, i))
            w.marks[n++] = (uint32_t)i;
    w.n_steps = s->to - s->from;
    w.lo += s->from;
    w.hi += s->from;
    w.ref += s->from;
    func_count_marks(&w, n, out->v + s->from, out->has + s->from / 64);
}

static fer_code ignore(range_hist *r, const range_hist_series *s, vec *out)
{
    for (size_t i = s->from; i < s->to; i++)
        if (r->flo[i] < r->fhi[i] && r->hlo[i] < r->hhi[i]) {
            FER_TRY(anno_ignored_in_range(r->q, r->p, r->p->args[0], s->metric));
            break;
        }
    call_floats(r, s, out);
    return FER_OK;
}

/* ---- sums and means ---- */

static fer_code add_up(range_hist *r, size_t lo, size_t hi, unsigned *notes)
{
    hist_mean *m = &r->mean;
    hist_mean_begin(m);
    if (r->id == FN_AVG_OVER_TIME) {
        for (size_t i = lo; i < hi; i++)
            FER_TRY(hist_mean_add(m, r->h[i], notes));
        hist_mean_finish(m);
    } else {
        FER_TRY(hist_sum_all(&m->h, r->h + lo, hi - lo, notes));
    }
    hist_settle(&m->h);
    return FER_OK;
}

static fer_code aggregate(range_hist *r, const range_hist_series *s, size_t i, vec *out)
{
    query *q = r->q;
    const plan *at = r->p->args[0];
    unsigned notes = 0;
    bool reset = false, no_reset = false;
    fer_code c = add_up(r, r->hlo[i], r->hhi[i], &notes);
    if (c == FER_INVALID)
        return anno_mixed_schemas(q, r->p, at, s->metric);
    FER_TRY(hist_checked(q, c));
    for (size_t k = r->hlo[i]; k < r->hhi[i]; k++) {
        reset = reset || r->h[k]->reset_hint == HISTOGRAM_RESET;
        no_reset = no_reset || r->h[k]->reset_hint == HISTOGRAM_NO_RESET;
    }
    notes = (notes & HIST_RECONCILED) | (reset && no_reset ? HIST_COLLISION : 0);
    FER_TRY(anno_notes(q, r->p, at, notes, "aggregation"));
    bits_set(out->has, i);
    return hist_checked(q, hist_store(&r->mean.h, r->made.a, &r->made.h[i]));
}

/* ---- rates ---- */

/* Windows overlap: each pair of neighbours is compared once. With start timestamps it is not enough to know the pairs. */
static fer_code look_for_resets(range_hist *r, const range_hist_series *s)
{
    size_t n = r->n_hists;
    r->resets_known = r->alike = false;
    if ((r->id != FN_RATE && r->id != FN_INCREASE) || s->w.st != NULL || s->w.anchored ||
        s->w.smoothed || n == 0)
        return FER_OK;
    if (!query_grow(r->q, &r->next_reset, &r->reset_cap, n + 1, sizeof *r->next_reset))
        return QUERY_NOMEM(r->q);
    FER_TRY(query_work(r->q, 16 * (uint64_t)n));
    r->next_reset[n] = (uint32_t)n;
    r->alike = true;
    for (size_t i = n; i-- > 0;) {
        const histogram *h = r->h[i];
        bool reset = i > 0 && histogram_was_reset(h, r->h[i - 1]);
        r->next_reset[i] = reset ? (uint32_t)i : r->next_reset[i + 1];
        r->alike = r->alike && h->schema == r->h[0]->schema && h->reset_hint != HISTOGRAM_GAUGE;
    }
    r->resets_known = true;
    return FER_OK;
}

static hist_rate_window window_at(range_hist *r, const range_hist_series *s, size_t i)
{
    size_t lo = r->hlo[i];
    return (hist_rate_window){.q = r->q,
                              .p = r->p,
                              .metric = s->metric,
                              .work = &r->made.work,
                              .other = &r->other,
                              .h = r->h + lo,
                              .t = r->ht + lo,
                              .st = s->w.st == NULL ? NULL : r->hst + lo,
                              .n = r->hhi[i] - lo,
                              .start = s->w.ref[i] - s->w.range_ms,
                              .end = s->w.ref[i],
                              .range_s = s->w.range_s,
                              .smoothed = s->w.smoothed,
                              .next_reset = r->resets_known ? r->next_reset : NULL,
                              .at = lo,
                              .alike = r->alike,
                              .counter = r->id != FN_DELTA && r->id != FN_IDELTA,
                              .per_second = r->id == FN_RATE || r->id == FN_IRATE};
}

static fer_code put(range_hist *r, size_t i, bool there, vec *out)
{
    if (!there)
        return FER_OK;
    bits_set(out->has, i);
    return hist_column_put(r->q, &r->made, i);
}

static fer_code rate(range_hist *r, const range_hist_series *s, size_t i, vec *out)
{
    bool there = false;
    hist_rate_window w = window_at(r, s, i);
    if (s->w.anchored || s->w.smoothed)
        FER_TRY(hist_rate_extended(&w, &there));
    else
        FER_TRY(hist_rate(&w, &there));
    return put(r, i, there, out);
}

static fer_code no_mixture(range_hist *r, const range_hist_series *s, vec *out)
{
    bool sums = r->id == FN_SUM_OVER_TIME || r->id == FN_AVG_OVER_TIME;
    FER_TRY(look_for_resets(r, s));
    for (size_t i = s->from; i < s->to; i++) {
        if (r->hlo[i] == r->hhi[i])
            continue;
        FER_TRY(query_work(r->q, 16 * (r->resets_known ? 2 : (uint64_t)(r->hhi[i] - r->hlo[i]))));
        if (r->flo[i] < r->fhi[i]) {
            FER_TRY(anno_mixed_floats(r->q, r->p, r->p->args[0], s->metric));
            r->fhi[i] = r->flo[i];
        } else if (sums) {
            FER_TRY(aggregate(r, s, i, out));
        } else {
            FER_TRY(rate(r, s, i, out));
        }
    }
    call_floats(r, s, out);
    return FER_OK;
}

static fer_code last_two(range_hist *r, const range_hist_series *s, vec *out)
{
    const windows *w = &s->w;
    call(r, s, *w, w->lo, w->hi, out);
    for (size_t i = s->from; i < s->to; i++) {
        if (w->hi[i] < w->lo[i] + 2)
            continue;
        const histogram *a = s->h[w->hi[i] - 2], *b = s->h[w->hi[i] - 1];
        if (a == NULL && b == NULL)
            continue;
        bits_clear(out->has, i);
        if (a == NULL || b == NULL) {
            FER_TRY(anno_mixed_floats(r->q, r->p, r->p->args[0], s->metric));
            continue;
        }
        bool there = false;
        hist_rate_window last = window_at(r, s, i);
        FER_TRY(hist_rate_last_two(&last, &there));
        FER_TRY(put(r, i, there, out));
    }
    return FER_OK;
}

fer_code range_hist_evaluate(range_hist *r, const range_hist_series *s, vec *out)
{
    FER_TRY(hist_column_begin(r->q, &r->made, r->n_steps));
    hist_init(&r->other, r->made.a);
    hist_mean_init(&r->mean, r->made.a);
    FER_TRY(take_apart(r, s));
    FER_TRY(query_work(r->q, s->w.n + s->to - s->from));
    out->h = r->made.h;
    switch (r->how) {
    case TAKE_ALL:
        call(r, s, s->w, s->w.lo, s->w.hi, out);
        return FER_OK;
    case TAKE_ONE:
        take_one(r, s, out);
        return FER_OK;
    case COMPARE:
        compare(r, s, out);
        return FER_OK;
    case LAST_TWO:
        return last_two(r, s, out);
    case NO_MIXTURE:
        return no_mixture(r, s, out);
    default:
        return ignore(r, s, out);
    }
}

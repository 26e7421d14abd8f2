/* selector.c - instant vector selectors, and timestamp() over one.
 *
 * At a step the newest sample in (t - lookback, t] counts, t being the step less the offset, or the
 * fixed time of @; a stale marker there means no value. `smoothed` looks to both sides and
 * interpolates.
 */
#include "promql/exec/ahead.h"
#include "promql/exec/hist_column.h"

typedef enum selector_kind {
    SELECT_VALUE,
    SELECT_TIME,       /* timestamp(): the sample's own time, in seconds */
    SELECT_START_TIME, /* start_timestamp() */
    SELECT_ORIGIN,     /* info(): the sample's own time, in ms */
    SELECT_SMOOTHED,
} selector_kind;

typedef struct selector_op {
    oper o;
    source_cursor cur;
    counter *count;
    selector_kind kind;
    const plan *sel;
    vec own; /* columns for what is evaluated here */
    vec out;
    ahead_reader ahead;
    const histogram **h; /* per step */
    hist_view counts;
    hist_column made; /* interpolated ones */
} selector_op;

/* The time looked at for step i. */
static inline int64_t ref_time(const selector_op *s, size_t i)
{
    return ms_sub(s->sel->has_at ? s->sel->at_ms : grid_at(s->o.g, i), s->sel->offset_ms);
}

static size_t first_after(const samples *in, int64_t t)
{
    size_t lo = 0, hi = in->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (in->t[mid] > t)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

static inline bool is_histogram(const samples *in, size_t i)
{
    return in->type != NULL && in->type[i] != SAMPLE_FLOAT;
}

static double value_of(const selector_op *s, const samples *in, size_t i)
{
    switch (s->kind) {
    case SELECT_TIME:
        return (double)in->t[i] / 1000;
    case SELECT_ORIGIN:
        return (double)in->t[i];
    case SELECT_START_TIME:
        return in->st == NULL ? 0 : (double)in->st[i] / 1000;
    default:
        return in->v[i];
    }
}

/* The first step whose time is at or after t. */
static size_t step_at(const selector_op *s, int64_t t)
{
    const grid *g = s->o.g;
    if (s->sel->has_at || t <= ref_time(s, 0))
        return 0;
    uint64_t ahead = (uint64_t)t - (uint64_t)ref_time(s, 0), step = (uint64_t)g->step;
    uint64_t i = ahead / step + (ahead % step != 0);
    return i < g->n ? (size_t)i : g->n;
}

/* Between which steps samples may be seen. */
static void set_span(selector_op *s, const samples *in, int64_t after)
{
    int64_t end = ms_add(in->t[in->n - 1], after);
    size_t to = end == INT64_MAX ? s->o.g->n : step_at(s, end + 1);
    s->out.from = step_at(s, in->t[0]) / 64 * 64;
    s->out.to = s->sel->has_at ? s->o.g->n : to;
    if (s->out.to < s->out.from)
        s->out.to = s->out.from;
}

/* The column of histograms, empty, and where the samples' are. */
static fer_code use_histograms(selector_op *s, const samples *in, const histogram *const **ret)
{
    size_t n = s->o.g->n;
    if (s->h == NULL && (s->h = QUERY_ARRAY(s->o.q, const histogram *, n)) == NULL)
        return QUERY_NOMEM(s->o.q);
    memset(s->h, 0, n * sizeof *s->h);
    s->out.h = s->h;
    *ret = in->h;
    return s->sel->counts_only ? hist_view_counts(s->o.q, &s->counts, in, ret) : FER_OK;
}

static fer_code fail_not_info(selector_op *s)
{
    lset of;
    FER_TRY(cursor_labels(s->o.q, &s->cur, &of));
    return query_fail(s->o.q, "this should be an info metric, with float samples: %.*s",
                      STR_FMT(lset_print(s->o.q, of)));
}

static fer_code fill(selector_op *s, const samples *in)
{
    int64_t lookback = s->o.q->lookback_ms;
    set_span(s, in, lookback);
    if (s->out.from == s->out.to)
        return FER_OK;
    const histogram *const *hists = NULL;
    if (in->type != NULL && s->kind == SELECT_VALUE)
        FER_TRY(use_histograms(s, in, &hists));
    size_t next = first_after(in, ms_sub(ref_time(s, s->out.from), lookback));
    for (size_t i = s->out.from; i < s->out.to; i++) {
        int64_t ref = ref_time(s, i);
        while (next < in->n && in->t[next] <= ref)
            next++;
        if (next == 0 || in->t[next - 1] <= ms_sub(ref, lookback))
            continue;
        size_t at = next - 1;
        if (is_histogram(in, at)) {
            if (sample_is_stale(in->h[at]->sum))
                continue;
            if (s->kind == SELECT_ORIGIN)
                return fail_not_info(s);
            if (hists != NULL)
                s->h[i] = hists[at];
        } else if (sample_is_stale(in->v[at])) {
            continue;
        }
        s->out.v[i] = value_of(s, in, at);
        bits_set(s->out.has, i);
    }
    return FER_OK;
}

/* The newest live sample before and the first at or after ref, within lookback on each side. */
static void neighbours(const samples *in, int64_t ref, int64_t lookback, size_t *ret_before,
                       size_t *ret_after)
{
    size_t after = ref == INT64_MIN ? 0 : first_after(in, ref - 1);
    size_t before = after;
    while (after < in->n && sample_is_stale(in->v[after]))
        after++;
    while (before > 0 && sample_is_stale(in->v[before - 1]))
        before--;
    if (after < in->n && in->t[after] > ms_add(ref, lookback))
        after = in->n;
    if (before > 0 && in->t[before - 1] <= ms_sub(ref, lookback))
        before = 0;
    *ret_before = before == 0 ? SIZE_MAX : before - 1;
    *ret_after = after == in->n ? SIZE_MAX : after;
}

/* The value at ref between two samples; with one of them, that one's. */
static double smooth_float(const samples *in, int64_t ref, size_t a, size_t b)
{
    if (a == SIZE_MAX)
        return in->v[b];
    if (b == SIZE_MAX)
        return in->v[a];
    return in->v[a] +
           (in->v[b] - in->v[a]) * (double)(ref - in->t[a]) / (double)(in->t[b] - in->t[a]);
}

static fer_code between_histograms(selector_op *s, const samples *in, size_t i, size_t a, size_t b,
                                   bool *ret_there)
{
    query *q = s->o.q;
    const plan *p = s->sel;
    hist *work = &s->made.work;
    if (a == SIZE_MAX || b == SIZE_MAX) {
        FER_TRY(hist_checked(q, hist_load(work, in->h[a == SIZE_MAX ? b : a])));
        if (b == SIZE_MAX) /* the hint is about neighbouring samples */
            work->reset_hint = HISTOGRAM_RESET_UNKNOWN;
        return hist_column_put(q, &s->made, i);
    }
    const histogram *x = in->h[a], *y = in->h[b];
    bool is_counter = x->reset_hint != HISTOGRAM_GAUGE || y->reset_hint != HISTOGRAM_GAUGE;
    unsigned added = 0, taken = 0;
    fer_code c =
        hist_between(work, x, in->t[a], y, in->t[b], ref_time(s, i), is_counter, &taken, &added);
    if (c == FER_INVALID) {
        lset of;
        *ret_there = false;
        FER_TRY(cursor_labels(q, &s->cur, &of));
        return anno_mixed_schemas(q, p, p, lset_get_text(q, of, q->sym_name));
    }
    FER_TRY(hist_checked(q, c));
    FER_TRY(anno_notes(q, p, p, taken & HIST_RECONCILED, "subtraction"));
    FER_TRY(anno_notes(q, p, p, added & HIST_RECONCILED, "addition"));
    return hist_column_put(q, &s->made, i);
}

/* The value of a step from the nearest live samples on both sides, which must be of one kind. */
static fer_code smooth_histogram(selector_op *s, const samples *in, size_t i, bool *ret_there)
{
    query *q = s->o.q;
    const plan *p = s->sel;
    int64_t ref = ref_time(s, i), lookback = q->lookback_ms;
    size_t before = SIZE_MAX, after = SIZE_MAX, floats = 0, hists = 0;
    *ret_there = false;
    for (size_t k = first_after(in, ms_sub(ref, lookback));
         k < in->n && in->t[k] <= ms_add(ref, lookback); k++) {
        bool h = is_histogram(in, k);
        if (sample_is_stale(h ? in->h[k]->sum : in->v[k]))
            continue;
        floats += !h;
        hists += h;
        if (in->t[k] < ref)
            before = k;
        else if (after == SIZE_MAX)
            after = k;
    }
    lset of;
    FER_TRY(cursor_labels(q, &s->cur, &of));
    fer_str name = lset_get_text(q, of, q->sym_name);
    if (floats != 0 && hists != 0)
        return anno_mixed_floats(q, p, p, name);
    bool exact = after != SIZE_MAX && in->t[after] == ref;
    if (!exact && before == SIZE_MAX)
        return FER_OK;
    *ret_there = true;
    if (hists == 0) {
        s->out.v[i] = smooth_float(in, ref, exact ? SIZE_MAX : before, after);
        return FER_OK;
    }
    return between_histograms(s, in, i, exact ? SIZE_MAX : before, after, ret_there);
}

static fer_code fill_smoothed_histograms(selector_op *s, const samples *in)
{
    FER_TRY(hist_column_begin(s->o.q, &s->made, s->o.g->n));
    set_span(s, in, s->o.q->lookback_ms);
    for (size_t i = s->out.from; i < s->out.to; i++) {
        bool there;
        FER_TRY(smooth_histogram(s, in, i, &there));
        if (there)
            bits_set(s->out.has, i);
    }
    s->out.h = s->made.h;
    return FER_OK;
}

static fer_code fill_smoothed(selector_op *s, const samples *in)
{
    if (in->type != NULL)
        return fill_smoothed_histograms(s, in);
    set_span(s, in, s->o.q->lookback_ms);
    for (size_t i = s->out.from; i < s->out.to; i++) {
        int64_t ref = ref_time(s, i);
        size_t a, b;
        neighbours(in, ref, s->o.q->lookback_ms, &a, &b);
        bool exact = b != SIZE_MAX && in->t[b] == ref;
        if (!exact && a == SIZE_MAX)
            continue;
        s->out.v[i] = smooth_float(in, ref, exact ? SIZE_MAX : a, b);
        bits_set(s->out.has, i);
    }
    return FER_OK;
}

static fer_code evaluate(selector_op *s)
{
    const samples *in;
    FER_TRY(cursor_next(s->o.q, &s->cur, &in));
    s->out = (vec){.v = s->own.v, .has = s->own.has};
    bits_zero(s->out.has, s->o.g->n);
    if (in->n != 0)
        FER_TRY(s->kind == SELECT_SMOOTHED ? fill_smoothed(s, in) : fill(s, in));
    ahead_alone(&s->ahead, in->n, in->type != NULL);
    return FER_OK;
}

static fer_code copy_leaf(void *leaf, query *q, void **ret)
{
    selector_op *s = QUERY_NEW(q, selector_op);
    if (s == NULL)
        return QUERY_NOMEM(q);
    const selector_op *of = leaf;
    s->o = of->o;
    s->o.q = q;
    s->kind = of->kind;
    s->sel = of->sel;
    *ret = s;
    return cursor_copy(q, &of->cur, &s->cur);
}

static fer_code evaluate_copy(void *copy, size_t i, ahead_series *ret)
{
    selector_op *s = copy;
    const samples *in;
    s->cur.i = i;
    FER_TRY(cursor_next(s->o.q, &s->cur, &in));
    if (in->type != NULL)
        return FER_UNSUPPORTED;
    if (in->n == 0)
        return FER_OK;
    s->out = (vec){.v = ret->v, .has = ret->has};
    FER_TRY(s->kind == SELECT_SMOOTHED ? fill_smoothed(s, in) : fill(s, in));
    ret->from = s->out.from;
    ret->to = s->out.to;
    return query_work(s->o.q, s->out.to - s->out.from);
}

static const ahead_ops selector_ahead = {copy_leaf, evaluate_copy};

static fer_code selector_next(oper *o, vec *ret)
{
    selector_op *s = (selector_op *)o;
    query *q = o->q;
    if (s->own.v == NULL && !vec_alloc(q, &s->own, o->g->n))
        return QUERY_NOMEM(q);
    for (;;) {
        const ahead_series *done;
        FER_TRY(ahead_next(&s->ahead, &done));
        if (done == NULL)
            FER_TRY(evaluate(s));
        else
            s->out = (vec){.v = done->v, .has = done->has, .from = done->from, .to = done->to};
        FER_TRY(query_work(q, s->out.to - s->out.from));
        if (!bits_any(s->out.has, o->g->n))
            continue;
        if (s->kind != SELECT_SMOOTHED)
            counter_add_steps(s->count, &s->out, o->g->n);
        FER_TRY(cursor_labels(q, &s->cur, &s->out.labels));
        s->out.drop_name = false;
        *ret = s->out;
        return FER_OK;
    }
}

static fer_code build(query *q, const plan *p, const plan *sel, eval_ctx ec, selector_kind kind,
                      oper **ret)
{
    selector_op *s = oper_new(q, sizeof *s, p, ec.g, selector_next);
    if (s == NULL)
        return QUERY_NOMEM(q);
    s->count = ec.count;
    s->kind = kind;
    s->sel = sel;
    s->ahead = (ahead_reader){&selector_ahead, s, q, ec.g, &s->cur};
    s->o.unique = true;
    int64_t mint = ms_add(ms_sub(ref_time(s, 0), q->lookback_ms), 1);
    int64_t maxt = ref_time(s, ec.g->n - 1);
    if (kind == SELECT_SMOOTHED)
        maxt = ms_add(maxt, q->lookback_ms);
    source_range range = {.mint = mint,
                          .maxt = maxt,
                          .step_ms = query_step(q, ec.g),
                          .newest_only = ec.g->n == 1 && kind != SELECT_SMOOTHED,
                          .labels = ec.labels};
    FER_TRY(source_use(q, sel, &sel->e->u.selector, range, &s->cur));
    *ret = &s->o;
    return FER_OK;
}

fer_code selector_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    return build(q, p, p, ec, p->e->u.selector.smoothed ? SELECT_SMOOTHED : SELECT_VALUE, ret);
}

fer_code origin_build(query *q, const plan *sel, eval_ctx ec, oper **ret)
{
    return build(q, sel, sel, ec, SELECT_ORIGIN, ret);
}

/* Bare selectors only: over any other expression timestamp() is the step's own time. */
fer_code timestamp_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    bool start = p->e->u.call.fn->id == FN_START_TIMESTAMP;
    oper *s = NULL;
    FER_TRY(build(q, p, p->args[0], ec, start ? SELECT_START_TIME : SELECT_TIME, &s));
    if (start && !q->limits->features.use_start_timestamps)
        return empty_build(q, p, ec, ret);
    return drop_metric_build(q, p, ec, s, ret);
}

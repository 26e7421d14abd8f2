/* range.c - functions over range vectors: rate() to quantile_over_time().
 *
 * One series at a time: its samples are decoded once, the window of every step is found by two
 * pointers that only move forward, then the function fills all steps (promql/func_range.h).
 */
#include "base/num.h"
#include "promql/exec/ahead.h"
#include "promql/exec/range_hist.h"
#include "promql/exec/subquery.h"
#include "promql/exec/twins.h"
#include "promql/func_range.h"
#include "promql/scan.h"

enum { RANGE_SCALARS_MAX = 2 };

typedef struct range_op {
    oper o;
    function_id id;
    range_fn fn;
    range_input *in;
    const plan *matrix;
    counter *count;
    oper *scalars[RANGE_SCALARS_MAX];
    size_t n_scalars;
    int64_t before_ms,
        after_ms; /* the window reaches so far from ref: (ref - before, ref + after] */
    bool keep_name, guarded;
    windows w;
    uint32_t *lo, *hi;
    int64_t *ref, *ts;
    int64_t *from, *to; /* what each window reaches over: (from, to] */
    uint64_t *weights;  /* of histograms: of all samples ahead of one */
    size_t tmp_cap, marks_cap, weights_cap;
    vec own; /* columns for what is evaluated here */
    vec out;
    ahead_reader ahead;
    lset_buf labels;
    twins twins;
    lset_guard guard;      /* of a subquery's series */
    range_hist *hists;     /* made when the first histogram is met */
    uint64_t overlaps;     /* of the current series */
    uint32_t checked_name; /* whether it looks like a counter's is known */
} range_op;

static fer_code start(range_op *r)
{
    query *q = r->o.q;
    size_t n = r->o.g->n;
    r->lo = QUERY_ARRAY(q, uint32_t, n);
    r->hi = QUERY_ARRAY(q, uint32_t, n);
    r->ref = QUERY_ARRAY(q, int64_t, n);
    r->ts = QUERY_ARRAY(q, int64_t, n);
    r->from = QUERY_ARRAY(q, int64_t, n);
    r->to = QUERY_ARRAY(q, int64_t, n);
    if (r->lo == NULL || r->hi == NULL || r->ref == NULL || r->ts == NULL || r->from == NULL ||
        r->to == NULL || !vec_alloc(q, &r->own, n))
        return QUERY_NOMEM(q);
    for (size_t i = 0; i < n; i++) {
        r->ref[i] = range_input_ref(r->in, i);
        r->ts[i] = grid_at(r->o.g, i);
        r->from[i] = ms_sub(r->ref[i], r->before_ms);
        r->to[i] = ms_add(r->ref[i], r->after_ms);
    }
    for (size_t i = 0; i < r->n_scalars; i++)
        FER_TRY(oper_scalar(r->scalars[i], &r->w.args[i]));
    const expr_selector *sel = NULL;
    if (r->matrix->kind == EXPR_MATRIX)
        sel = &r->matrix->e->u.matrix.selector->u.selector;
    r->w.range_ms = r->matrix->range_ms;
    r->w.range_s = ms_to_seconds(r->matrix->range_ms);
    r->w.anchored = sel != NULL && sel->anchored;
    r->w.smoothed = sel != NULL && sel->smoothed;
    return FER_OK;
}

static void use_columns(range_op *r, double *v, uint64_t *has)
{
    r->out.v = v;
    r->out.has = has;
    r->out.h = NULL;
}

/* The first sample after t. */
static size_t first_after(const range_series *s, int64_t t)
{
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->t[mid] > t)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

/* The first step in [0, n) whose time in `times` is at or after t; n when there is none. */
static size_t step_at(const int64_t *times, size_t n, int64_t t)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (times[mid] >= t)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

/* How many of t[0..n), from `at` on, are not after `end`. Mostly `guess` further ones: as many as with the step before. */
static inline size_t end_from(const int64_t *t, size_t n, size_t at, size_t guess, int64_t end)
{
    if (guess != 0 && guess <= n - at && t[at + guess - 1] <= end)
        at += guess;
    while (at < n && t[at] <= end)
        at++;
    return at;
}

/* The distance between samples, if it is the same everywhere; else 0. */
static int64_t distance_of(const range_series *s)
{
    const int64_t *t = s->t;
    int64_t each = s->n < 2 ? 0 : t[1] - t[0];
    if (each <= 0 || each > INT32_MAX || t[s->n - 1] - t[0] != each * (int64_t)(s->n - 1))
        return 0;
    return scan_is_even(t, s->n, each) ? each : 0;
}

/* How many of n samples, the first at t0 and each `each` behind the one before, are not after `end`; it may be below 0 or above n,
 * as if there were more at both sides. */
static int64_t place_of(int64_t t0, int64_t each, int64_t end)
{
    int64_t d = end - t0;
    return d >= 0 ? d / each + 1 : -((-d - 1) / each);
}

static inline uint32_t clamped(int64_t at, int64_t n)
{
    return (uint32_t)(at < 0 ? 0 : at > n ? n : at);
}

/* Where samples come at a fixed interval and steps are multiples of it, windows follow from the first. False: it is not so. */
static bool even_windows(range_op *r, const range_series *s, uint64_t *ret_total)
{
    size_t from = r->out.from, to = r->out.to, last = to - 1;
    int64_t step = r->o.g->step, n = (int64_t)s->n, each = distance_of(s);
    const int64_t far = INT64_C(1) << 52; /* sums stay within 64 bits */
    if (each == 0 || step % each != 0 || step / each > INT32_MAX || s->n > INT32_MAX ||
        r->from[from] < -far || r->to[last] > far || s->t[0] < -far || s->t[n - 1] > far ||
        r->to[last] - r->to[from] != step * (int64_t)(last - from) ||
        r->from[last] - r->from[from] != step * (int64_t)(last - from))
        return false;
    int64_t by = step / each;
    int64_t lo = place_of(s->t[0], each, r->from[from]), hi = place_of(s->t[0], each, r->to[from]);
    /* Those that begin and end among the samples; n steps from `from`. */
    size_t steps = to - from, first = lo >= 0 ? 0 : (size_t)((-lo + by - 1) / by);
    size_t end = hi > n ? 0 : (size_t)((n - hi) / by) + 1;
    end = end < steps ? end : steps;
    first = first < end ? first : end;
    uint64_t total = (uint64_t)(end - first) * (uint64_t)(hi - lo);
    uint32_t *los = r->lo + from, *his = r->hi + from;
    for (size_t i = 0; i < steps; i++) {
        if (i == first)
            i = end;
        if (i == steps)
            break;
        los[i] = clamped(lo + (int64_t)i * by, n);
        his[i] = clamped(hi + (int64_t)i * by, n);
        total += his[i] - los[i];
    }
    for (size_t i = first; i < end; i++) {
        los[i] = (uint32_t)lo + (uint32_t)i * (uint32_t)by;
        his[i] = (uint32_t)hi + (uint32_t)i * (uint32_t)by;
    }
    r->w.even_from = from + first;
    r->w.even_to = from + end;
    r->w.even_by = (uint32_t)by;
    *ret_total = total;
    return true;
}

/* The windows of the steps that can see a sample; the number of samples in them together. */
static uint64_t find_windows(range_op *r, const range_series *s)
{
    size_t steps = r->o.g->n, n = s->n;
    const int64_t *t = s->t;
    r->w.even_from = r->w.even_to = 0;
    r->out.from = step_at(r->to, steps, t[0]) / 64 * 64;
    r->out.to = step_at(r->from, steps, t[n - 1]);
    if (r->out.to <= r->out.from)
        return 0;
    uint64_t total = 0;
    if (even_windows(r, s, &total))
        return total;
    size_t lo = first_after(s, r->from[r->out.from]), hi = first_after(s, r->to[r->out.from]);
    size_t step = 0;
    for (size_t i = r->out.from; i < r->out.to; i++) {
        size_t before = hi;
        hi = end_from(t, n, hi, step, r->to[i]);
        lo = end_from(t, hi, lo, step, r->from[i]);
        step = hi - before;
        r->lo[i] = (uint32_t)lo;
        r->hi[i] = (uint32_t)hi;
        total += hi - lo;
    }
    return total;
}

/* A step reads what no window before had. */
static uint32_t first_unread(const range_op *r, const uint32_t *lo, const uint32_t *hi, size_t i)
{
    return i == r->out.from || lo[i] > hi[i - 1] ? lo[i] : hi[i - 1];
}

/* The windows are [lo, hi), with `total` samples together. */
static void count_samples(range_op *r, const uint32_t *lo, const uint32_t *hi, uint64_t total)
{
    counter *c = r->count;
    c->total += total;
    for (size_t i = r->out.from; c->total_at != NULL && i < r->out.to; i++)
        c->total_at[i] += hi[i] - lo[i];
    if (range_input_is_subquery(r->in))
        return;
    uint64_t read = 0;
    size_t even_from = r->w.even_from + 1, even_to = r->w.even_to;
    for (size_t i = r->out.from; i < r->out.to; i++) {
        if (c->read_at == NULL && i == even_from && i < even_to) {
            uint32_t n = hi[i] - lo[i], by = r->w.even_by;
            read += (uint64_t)(even_to - i) * (n < by ? n : by);
            i = even_to - 1;
            continue;
        }
        uint64_t n = hi[i] - first_unread(r, lo, hi, i);
        read += n;
        if (c->read_at != NULL)
            c->read_at[i] += n;
    }
    c->read += read;
}

/* The same where some samples are histograms, which weigh more. */
static fer_code count_histograms(range_op *r, const range_series *s)
{
    counter *c = r->count;
    if (!query_grow(r->o.q, &r->weights, &r->weights_cap, s->n + 1, sizeof *r->weights))
        return QUERY_NOMEM(r->o.q);
    r->weights[0] = 0;
    for (size_t i = 0; i < s->n; i++)
        r->weights[i + 1] = r->weights[i] + samples_weight(s->h + i, 1);
    for (size_t i = r->out.from; i < r->out.to; i++) {
        uint64_t hi = r->weights[r->hi[i]], total = hi - r->weights[r->lo[i]];
        uint64_t read =
            range_input_is_subquery(r->in) ? 0 : hi - r->weights[first_unread(r, r->lo, r->hi, i)];
        c->total += total;
        c->read += read;
        if (c->total_at != NULL)
            c->total_at[i] += total;
        if (c->read_at != NULL)
            c->read_at[i] += read;
    }
    return FER_OK;
}

static bool is_counter_name(fer_str name)
{
    return str_has_suffix(name, STR("_total")) || str_has_suffix(name, STR("_sum")) ||
           str_has_suffix(name, STR("_count")) || str_has_suffix(name, STR("_bucket"));
}

/* rate() and increase() over what does not look like a counter. */
static fer_code check_counter(range_op *r, lset of)
{
    query *q = r->o.q;
    uint32_t id = lset_get(of, q->sym_name);
    bool typed = q->limits->features.type_and_unit_labels;
    if (id == 0 || (id == r->checked_name && !typed))
        return FER_OK;
    r->checked_name = id;
    fer_str name = syms_text(q->ctx.syms, id);
    const plan *arg = r->o.p->args[0];
    if (typed) {
        fer_str type = lset_get_text(q, of, q->sym_type);
        if (str_eq(type, STR("counter")) || str_eq(type, STR("histogram")))
            return FER_OK;
        return annotations_add(q->annos, ANNO_INFO, r->o.p, arg, q->err,
                               "metric might not be a counter, __type__ label is not set to "
                               "\"counter\" or \"histogram\", got %.*s: %.*s",
                               STR_FMT(query_quote(q, type)), STR_FMT(query_quote(q, name)));
    }
    if (is_counter_name(name))
        return FER_OK;
    return annotations_add(q->annos, ANNO_INFO, r->o.p, arg, q->err,
                           "metric might not be a counter, name does not end in "
                           "_total/_sum/_count/_bucket: %.*s",
                           STR_FMT(query_quote(q, name)));
}

static fer_code warn_quantile(range_op *r, double value)
{
    char text[NUM_TEXT_MAX];
    int n = (int)num_format_g(text, value);
    return annotations_add(r->o.q->annos, ANNO_WARNING, r->o.p, r->o.p->args[0], r->o.q->err,
                           "quantile value should be between 0 and 1, got %.*s", n, text);
}

static bool window_has_float(const range_op *r, const range_series *s, size_t step)
{
    size_t k = r->lo[step];
    while (s->h != NULL && k < r->hi[step] && s->h[k] != NULL)
        k++;
    return k < r->hi[step];
}

/* Complaints about scalar arguments at steps where the series has samples; quantiles look at floats only. */
static fer_code check_arguments(range_op *r, const range_series *s)
{
    double last = 0;
    for (size_t i = r->out.from; i < r->out.to; i++) {
        if (r->lo[i] >= r->hi[i])
            continue;
        double a = r->w.args[0][i];
        if (r->id == FN_QUANTILE_OVER_TIME) {
            if ((a >= 0 && a <= 1) || f64_bits(a) == f64_bits(last) || !window_has_float(r, s, i))
                continue;
            FER_TRY(warn_quantile(r, a));
            last = a;
            continue;
        }
        double b = r->w.args[1][i];
        if (a <= 0 || a >= 1)
            return query_fail(r->o.q, "invalid smoothing factor. Expected: 0 < sf < 1, got: %f", a);
        if (b <= 0 || b >= 1)
            return query_fail(r->o.q, "invalid trend factor. Expected: 0 < tf < 1, got: %f", b);
    }
    return FER_OK;
}

/* rate() and increase(): in how many windows a sample began before the one ahead of it ended. */
static uint64_t count_overlaps(range_op *r)
{
    const windows *w = &r->w;
    size_t n = 0, from = 0;
    uint64_t count = 0;
    for (size_t i = 1; i < w->n; i++) {
        w->marks[n] = (uint32_t)i;
        n += w->st[i] != 0 && w->st[i] < w->t[i - 1] && w->st[i] != w->st[i - 1];
    }
    for (size_t i = r->out.from; i < r->out.to; i++) {
        while (from < n && w->marks[from] <= r->lo[i])
            from++;
        count += from < n && w->marks[from] < r->hi[i];
    }
    return count;
}

/* Steps evaluated between two looks at the deadline: as many as take about a million samples. */
static size_t steps_at_once(uint64_t total, size_t steps)
{
    uint64_t each = total / steps + 1, most = (1 << 20) / each;
    size_t n = steps;
    if (most < steps) /* a power of two up to 64, or a multiple of 64 */
        n = most >= 64 ? (size_t)most / 64 * 64
            : most < 2 ? 1
                       : (size_t)1 << (63 - __builtin_clzll(most));
    return n;
}

/* The function over all steps that can see a sample. */
static fer_code apply(range_op *r, uint64_t total)
{
    size_t from = r->out.from, to = r->out.to, some = steps_at_once(total, to - from);
    for (size_t i = from; i < to; i += some) {
        size_t n = to - i < some ? to - i : some;
        windows w = r->w;
        w.n_steps = n;
        w.lo = r->lo + i;
        w.hi = r->hi + i;
        w.ref = r->ref + i;
        w.ts = r->ts + i;
        w.even_from = r->w.even_from > i ? r->w.even_from - i : 0;
        w.even_to = r->w.even_to > i ? r->w.even_to - i : 0;
        if (w.even_to > n)
            w.even_to = n;
        for (size_t k = 0; k < r->n_scalars; k++)
            w.args[k] = r->w.args[k] + i;
        if (some % 64 == 0 || n == to - from) {
            r->fn(&w, r->out.v + i, r->out.has + i / 64);
        } else {
            uint64_t has = 0;
            r->fn(&w, r->out.v + i, &has);
            r->out.has[i / 64] |= has << (i % 64);
        }
        FER_TRY(query_work(r->o.q, n + total / (to - from) * n / 4));
    }
    return FER_OK;
}

static fer_code evaluate_histograms(range_op *r, const range_series *s)
{
    query *q = r->o.q;
    range_series named = *s;
    if (r->hists == NULL)
        FER_TRY(range_hist_new(q, r->o.p, r->o.g, &r->hists));
    FER_TRY(range_input_labels(r->in, &named));
    range_hist_series hs = {.w = r->w,
                            .h = s->h,
                            .from = r->out.from,
                            .to = r->out.to,
                            .metric = lset_get_text(q, named.labels, q->sym_name)};
    hs.w.even_to = 0; /* floats among histograms have windows of their own */
    hs.w.lo = r->lo;
    hs.w.hi = r->hi;
    hs.w.ref = r->ref;
    hs.w.ts = r->ts;
    return range_hist_evaluate(r->hists, &hs, &r->out);
}

static bool any_float(const vec *v, size_t n)
{
    for (size_t i = bits_next(v->has, 0, n); i < n; i = bits_next(v->has, i + 1, n))
        if (vec_histogram(v, i) == NULL)
            return true;
    return false;
}

/* The samples of one series are held for as long as it is looked at. */
static fer_code pass(range_op *r, size_t n_samples)
{
    FER_TRY(query_hold(r->o.q, n_samples));
    query_release(r->o.q, n_samples);
    return FER_OK;
}

static fer_code evaluate(range_op *r, const range_series *s)
{
    query *q = r->o.q;
    if (s->n > UINT32_MAX)
        return query_hold(q, q->max_samples + 1);
    FER_TRY(pass(r, s->n));
    uint64_t total = find_windows(r, s);
    if (total == 0)
        return FER_OK;
    if (s->h == NULL)
        count_samples(r, r->lo, r->hi, total);
    else
        FER_TRY(count_histograms(r, s));
    if (r->id == FN_QUANTILE_OVER_TIME || r->id == FN_DOUBLE_EXPONENTIAL_SMOOTHING)
        FER_TRY(check_arguments(r, s));
    if (!query_grow(q, &r->w.tmp, &r->tmp_cap, s->n, sizeof *r->w.tmp) ||
        !query_grow(q, &r->w.marks, &r->marks_cap, s->n + 1, sizeof *r->w.marks))
        return QUERY_NOMEM(q);
    r->w.t = s->t;
    r->w.v = s->v;
    r->w.st = q->limits->features.use_start_timestamps ? s->st : NULL;
    r->w.n = s->n;
    r->overlaps = 0;
    if (s->h != NULL)
        return evaluate_histograms(r, s);
    if (r->w.st != NULL && (r->id == FN_RATE || r->id == FN_INCREASE) && !r->w.anchored &&
        !r->w.smoothed)
        r->overlaps = count_overlaps(r);
    return apply(r, total);
}

/* Two series that become one without their names are an error. `s` is the present one, whose labels may be no longer valid
 * afterwards; those in r->labels are what is left of them. */
static fer_code check_unique(range_op *r, const range_series *s)
{
    const source_cursor *at = range_input_cursor(r->in);
    if (at != NULL)
        return twins_add(r->o.q, &r->twins, at, s->labels);
    return lset_guard_add(r->o.q, &r->guard, lset_of(&r->labels), NULL);
}

/* The labels of the result, and what the operator says about it. */
static fer_code finish_series(range_op *r, range_series *s, vec *ret)
{
    query *q = r->o.q;
    FER_TRY(range_input_labels(r->in, s));
    if (r->overlaps != 0)
        FER_TRY(annotations_add_overlap(q->annos, r->o.p, r->o.p->args[0],
                                        query_quote(q, lset_get_text(q, s->labels, q->sym_name)),
                                        r->overlaps, q->err));
    if ((r->id == FN_RATE || r->id == FN_INCREASE) && any_float(&r->out, r->o.g->n))
        FER_TRY(check_counter(r, s->labels));
    r->out.labels = s->labels;
    r->out.drop_name = s->drop_name || !r->keep_name;
    if (r->out.drop_name && !q->limits->features.delayed_name_removal) {
        FER_TRY(lset_drop_metric(q, &r->labels, s->labels));
        if (r->guarded)
            FER_TRY(check_unique(r, s));
        r->out.labels = lset_of(&r->labels);
    }
    *ret = r->out;
    return FER_OK;
}

/* ---- ahead of the leaf (ahead.h) ---- */

static fer_code copy_leaf(void *leaf, query *q, void **ret)
{
    range_op *r = QUERY_NEW(q, range_op);
    if (r == NULL)
        return QUERY_NOMEM(q);
    *r = *(const range_op *)leaf;
    r->o.q = q;
    r->count = QUERY_NEW(q, counter);
    if (!r->ahead.windows) {
        r->lo = QUERY_ARRAY(q, uint32_t, r->o.g->n);
        r->hi = QUERY_ARRAY(q, uint32_t, r->o.g->n);
    }
    r->w.tmp = NULL;
    r->w.marks = NULL;
    r->weights = NULL;
    r->tmp_cap = r->marks_cap = r->weights_cap = 0;
    r->hists = NULL;
    if (r->count == NULL || r->lo == NULL || r->hi == NULL)
        return QUERY_NOMEM(q);
    *ret = r;
    return range_input_copy(q, ((const range_op *)leaf)->in, &r->in);
}

static fer_code evaluate_copy(void *copy, size_t i, ahead_series *ret)
{
    range_op *r = copy;
    range_series s;
    range_input_cursor(r->in)->i = i;
    FER_TRY(range_input_next(r->in, &s));
    if (s.h != NULL)
        return FER_UNSUPPORTED;
    if (s.n == 0)
        return FER_OK;
    *r->count = (counter){0};
    use_columns(r, ret->v, ret->has);
    if (r->ahead.windows) {
        r->lo = ret->lo;
        r->hi = ret->hi;
    }
    FER_TRY(evaluate(r, &s));
    ret->from = r->out.from;
    ret->to = r->out.to;
    ret->n_samples = s.n;
    ret->total = r->count->total;
    ret->read = r->count->read;
    ret->overlaps = r->overlaps;
    return FER_OK;
}

static const ahead_ops range_ahead = {copy_leaf, evaluate_copy};

static fer_code take(range_op *r, const ahead_series *done)
{
    FER_TRY(pass(r, done->n_samples));
    use_columns(r, done->v, done->has);
    r->out.from = done->from;
    r->out.to = done->to;
    r->overlaps = done->overlaps;
    if (r->ahead.windows) {
        count_samples(r, done->lo, done->hi, done->total);
    } else {
        r->count->total += done->total;
        r->count->read += done->read;
    }
    return query_work(r->o.q, r->o.g->n);
}

/* ---- the operator ---- */

static fer_code evaluate_next(range_op *r, range_series *s)
{
    FER_TRY(range_input_next(r->in, s));
    use_columns(r, r->own.v, r->own.has);
    bits_zero(r->out.has, r->o.g->n);
    ahead_alone(&r->ahead, s->n, s->h != NULL);
    return s->n == 0 ? FER_OK : evaluate(r, s);
}

static fer_code range_next(oper *o, vec *ret)
{
    range_op *r = (range_op *)o;
    if (r->lo == NULL)
        FER_TRY(start(r));
    range_series s;
    do {
        const ahead_series *done;
        FER_TRY(ahead_next(&r->ahead, &done));
        s = (range_series){0};
        FER_TRY(done == NULL ? evaluate_next(r, &s) : take(r, done));
    } while (!bits_any(r->out.has, o->g->n));
    return finish_series(r, &s, ret);
}

static fer_code check_modifiers(query *q, const plan *matrix, const promql_function *fn)
{
    if (matrix->kind != EXPR_MATRIX)
        return FER_OK;
    const expr_selector *s = &matrix->e->u.matrix.selector->u.selector;
    if (s->anchored && !func_range_may_anchor(fn->id))
        return query_fail(
            q,
            "anchored modifier can only be used with: changes, delta, increase, rate, "
            "resets - not with %s",
            fn->name);
    if (s->smoothed && !func_range_may_smooth(fn->id))
        return query_fail(q,
                          "smoothed modifier can only be used with: delta, increase, rate - not "
                          "with %s",
                          fn->name);
    return FER_OK;
}

static void reach(range_op *r)
{
    r->before_ms = r->matrix->range_ms;
    if (r->matrix->kind != EXPR_MATRIX)
        return;
    const expr_selector *s = &r->matrix->e->u.matrix.selector->u.selector;
    if (s->anchored || s->smoothed)
        r->before_ms = ms_add(r->before_ms, r->o.q->lookback_ms);
    if (s->smoothed)
        r->after_ms = r->o.q->lookback_ms;
}

fer_code range_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    const promql_function *fn = p->e->u.call.fn;
    range_op *r = oper_new(q, sizeof *r, p, ec.g, range_next);
    if (r == NULL)
        return QUERY_NOMEM(q);
    r->id = fn->id;
    r->fn = func_range(fn->id);
    r->count = ec.count;
    for (size_t i = 0; i < p->n_args; i++) {
        if (p->args[i]->type == VALUE_MATRIX)
            r->matrix = p->args[i];
        else if (r->n_scalars < RANGE_SCALARS_MAX)
            FER_TRY(oper_build(q, p->args[i], ec, &r->scalars[r->n_scalars++]));
    }
    if (r->fn == NULL || r->matrix == NULL)
        return query_fail(q, "unhandled function \"%s\"", fn->name);
    FER_TRY(check_modifiers(q, r->matrix, fn));
    FER_TRY(range_input_new(q, r->matrix, ec, &r->in));
    reach(r);
    r->keep_name = fn->id == FN_LAST_OVER_TIME || fn->id == FN_FIRST_OVER_TIME;
    r->o.unique = true;
    r->o.nameless =
        range_input_nameless(r->in) || (!r->keep_name && !q->limits->features.delayed_name_removal);
    r->guarded = !r->keep_name && !range_input_nameless(r->in) &&
                 !q->limits->features.delayed_name_removal && fn->id != FN_ABSENT_OVER_TIME;
    r->checked_name = SYM_NONE;
    r->ahead = (ahead_reader){&range_ahead, r, q, ec.g, range_input_cursor(r->in)};
    r->ahead.windows = ec.count->read_at != NULL;
    lset_guard_init(&r->guard, 0);
    *ret = &r->o;
    return FER_OK;
}

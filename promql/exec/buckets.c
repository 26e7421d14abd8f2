/* buckets.c - histogram_quantile(), histogram_quantiles() and histogram_fraction().
 *
 * A native histogram is one by itself: it is evaluated as it comes, and what it gave is kept. Classic series that differ in `le`
 * only are one histogram. All of its buckets at a step must be known, so the input is kept, by histogram, ordered by bound
 * once; then each step picks what is present. Where a histogram comes in both forms under one label set, there is no result.
 */
#include <math.h>
#include <stdlib.h>

#include "base/num.h"
#include "promql/exec/hist_column.h"
#include "promql/func_bucket.h"
#include "promql/hist_stats.h"

typedef struct row {
    double upper;
    size_t seq; /* order of arrival */
    kept k;
} row;

/* What the native histograms of a series gave. */
typedef struct native_row {
    size_t from, to;
    uint64_t *has;
    double *v;     /* [k * (to - from) + i - from] of quantile k; of fractions k is 0 */
    hist_nan *nan; /* likewise; NULL: none of them */
} native_row;

typedef struct histogram_rows {
    row *rows; /* classic buckets */
    size_t n, cap;
    native_row *native;
    size_t n_native, native_cap;
} histogram_rows;

typedef struct buckets_op {
    oper o;
    oper *of;
    function_id id;
    const plan *vector;
    oper **scalars; /* quantiles, or lower and upper */
    const plan **scalar_plans;
    const double **args;
    size_t n_scalars;
    uint32_t label; /* histogram_quantiles: where the quantile goes */

    lset_map map;
    histogram_rows *h;
    size_t h_cap, largest, next, next_q;
    bool done, started;
    bucket *tmp;
    uint64_t *native_has; /* for taking a series apart */
    hist_buckets buckets; /* of the native histogram at hand */
    lset_buf labels;
    lset_names le;
    vec out;
    uint64_t *pending; /* histogram_quantiles: steps not given out yet */
} buckets_op;

static fer_code warn_le(buckets_op *b, const vec *v, fer_str le)
{
    query *q = b->o.q;
    fer_str name = {"", 0};
    if (q->limits->features.delayed_name_removal)
        name = lset_get_text(q, v->labels, q->sym_name);
    fer_str quoted = query_quote(q, le);
    if (name.n == 0)
        return annotations_add(q->annos, ANNO_WARNING, b->o.p, b->vector, q->err,
                               "bucket label \"le\" is missing or has a malformed value of %.*s",
                               STR_FMT(quoted));
    return annotations_add(q->annos, ANNO_WARNING, b->o.p, b->vector, q->err,
                           "bucket label \"le\" is missing or has a malformed value of %.*s for "
                           "metric name %.*s",
                           STR_FMT(quoted), STR_FMT(query_quote(q, name)));
}

/* The place of the histogram with these labels. */
static fer_code place_of(buckets_op *b, lset of, uint32_t *ret)
{
    query *q = b->o.q;
    bool is_new;
    FER_TRY(lset_map_add(q, &b->map, of, ret, &is_new));
    if (!is_new)
        return FER_OK;
    if (!query_grow(q, &b->h, &b->h_cap, *ret + 1, sizeof *b->h))
        return QUERY_NOMEM(q);
    b->h[*ret] = (histogram_rows){0};
    return FER_OK;
}

static bool wants_quantile(const buckets_op *b)
{
    return b->id != FN_HISTOGRAM_FRACTION;
}

static size_t results_of(const buckets_op *b)
{
    return wants_quantile(b) ? b->n_scalars : 1;
}

static fer_code note_nan(buckets_op *b, native_row *n, size_t at, hist_nan nan)
{
    if (nan == HIST_NAN_NONE)
        return FER_OK;
    if (n->nan == NULL)
        n->nan = QUERY_ARRAY(b->o.q, hist_nan, results_of(b) * (n->to - n->from));
    if (n->nan == NULL)
        return QUERY_NOMEM(b->o.q);
    n->nan[at] = nan;
    return FER_OK;
}

static fer_code evaluate_native(buckets_op *b, native_row *n, size_t i, const histogram *h)
{
    query *q = b->o.q;
    hist_nan nan = HIST_NAN_NONE;
    FER_TRY(query_work(q, h->n_pos + h->n_neg + 1));
    if (!wants_quantile(b)) {
        bool left_out;
        FER_TRY(hist_checked(q, hist_buckets_of(h, q->scratch, &b->buckets)));
        n->v[i - n->from] = hist_fraction(b->args[0][i], b->args[1][i], h, &b->buckets, &left_out);
        return note_nan(b, n, i - n->from, left_out ? HIST_NAN_RESULT : HIST_NAN_NONE);
    }
    for (size_t k = 0, at = i - n->from; k < b->n_scalars; k++, at += n->to - n->from) {
        n->v[at] = hist_quantile(b->args[k][i], h, &nan);
        FER_TRY(note_nan(b, n, at, nan));
    }
    return FER_OK;
}

static fer_code evaluate_natives(buckets_op *b, const vec *v, native_row *n)
{
    query *q = b->o.q;
    size_t steps = v->to - v->from;
    *n = (native_row){.from = v->from, .to = v->to};
    n->has = QUERY_ARRAY(q, uint64_t, bits_words(steps));
    n->v = QUERY_ARRAY(q, double, results_of(b) * steps);
    if (n->has == NULL || n->v == NULL)
        return QUERY_NOMEM(q);
    bits_copy(n->has, v->has + v->from / 64, steps);
    for (size_t i = bits_next(v->has, v->from, v->to); i < v->to;
         i = bits_next(v->has, i + 1, v->to))
        FER_TRY(evaluate_native(b, n, i, v->h[i]));
    return query_hold(q, bits_count(n->has, steps));
}

/* Evaluates the native histograms of a series and leaves its floats. */
static fer_code take_native(buckets_op *b, vec *v)
{
    query *q = b->o.q;
    size_t n = b->o.g->n;
    vec natives = *v;
    if (b->native_has == NULL && (b->native_has = QUERY_ARRAY(q, uint64_t, bits_words(n))) == NULL)
        return QUERY_NOMEM(q);
    bits_copy(b->native_has, v->has, n);
    natives.has = b->native_has;
    vec_drop_floats(&natives, n);
    if (!vec_drop_histograms(v, n))
        return FER_OK;
    uint32_t at = 0;
    FER_TRY(place_of(b, v->labels, &at));
    histogram_rows *h = &b->h[at];
    if (!query_grow(q, &h->native, &h->native_cap, h->n_native + 1, sizeof *h->native))
        return QUERY_NOMEM(q);
    return evaluate_natives(b, &natives, &h->native[h->n_native++]);
}

static fer_code keep(buckets_op *b, const vec *v)
{
    query *q = b->o.q;
    fer_str le = lset_get_text(q, v->labels, q->sym_le);
    double upper;
    if (!num_parse_f64(le, &upper))
        return warn_le(b, v, le);
    uint32_t at = 0;
    FER_TRY(lset_drop(q, &b->labels, v->labels, &b->le, false));
    FER_TRY(place_of(b, lset_of(&b->labels), &at));
    histogram_rows *h = &b->h[at];
    if (!query_grow(q, &h->rows, &h->cap, h->n + 1, sizeof *h->rows))
        return QUERY_NOMEM(q);
    row *r = &h->rows[h->n];
    *r = (row){.upper = upper, .seq = h->n};
    h->n++;
    b->largest = h->n > b->largest ? h->n : b->largest;
    return kept_take(q, &r->k, v);
}

static int by_bound(const void *pa, const void *pb)
{
    const row *a = pa, *b = pb;
    int c = (a->upper > b->upper) - (a->upper < b->upper);
    return c != 0 ? c : (a->seq > b->seq) - (a->seq < b->seq);
}

/* Quantiles out of [0, 1], at any step. */
static fer_code check_quantiles(buckets_op *b)
{
    for (size_t k = 0; k < b->n_scalars; k++) {
        FER_TRY(oper_scalar(b->scalars[k], &b->args[k]));
        double last = 0;
        for (size_t i = 0; wants_quantile(b) && i < b->o.g->n; i++) {
            double phi = b->args[k][i];
            if ((phi >= 0 && phi <= 1) || f64_bits(phi) == f64_bits(last))
                continue;
            last = phi;
            char text[NUM_TEXT_MAX];
            int n = (int)num_format_g(text, phi);
            FER_TRY(annotations_add(b->o.q->annos, ANNO_WARNING, b->o.p, b->scalar_plans[k],
                                    b->o.q->err,
                                    "quantile value should be between 0 and 1, got %.*s", n, text));
        }
    }
    return FER_OK;
}

static fer_code take_all(buckets_op *b)
{
    query *q = b->o.q;
    vec v;
    fer_code c;
    FER_TRY(check_quantiles(b));
    while ((c = oper_next(b->of, &v)) == FER_OK) {
        FER_TRY(query_work(q, v.to - v.from));
        if (v.h != NULL)
            FER_TRY(take_native(b, &v));
        if (bits_any(v.has, b->o.g->n))
            FER_TRY(keep(b, &v));
    }
    if (c != FER_END)
        return c;
    for (size_t i = 0; i < b->map.n; i++)
        if (b->h[i].n > 1)
            qsort(b->h[i].rows, b->h[i].n, sizeof *b->h[i].rows, by_bound);
    b->tmp = QUERY_ARRAY(q, bucket, b->largest);
    b->pending = QUERY_ARRAY(q, uint64_t, bits_words(b->o.g->n));
    if (b->tmp == NULL || b->pending == NULL || !vec_alloc(q, &b->out, b->o.g->n))
        return QUERY_NOMEM(q);
    return FER_OK;
}

/* The metric's name, where annotations show it. */
static fer_str shown_name(buckets_op *b, size_t at)
{
    query *q = b->o.q;
    if (!q->limits->features.delayed_name_removal)
        return (fer_str){"", 0};
    return lset_get_text(q, b->map.keys[at], q->sym_name);
}

static fer_code note_forced(buckets_op *b, size_t at, size_t step, const bucket_fix *fix)
{
    query *q = b->o.q;
    fer_str name = shown_name(b, at);
    int64_t t = grid_at(b->o.g, step);
    anno_monotonic m = {.min_ms = t,
                        .max_ms = t,
                        .min_bucket = fix->min_bucket,
                        .max_bucket = fix->max_bucket,
                        .max_diff = fix->max_diff};
    return annotations_add_monotonic(q->annos, b->o.p, b->vector, name, &m, q->err);
}

static fer_code tell_nan(buckets_op *b, size_t at, hist_nan nan)
{
    const char *about = "input to histogram_quantile has NaN observations, result is skewed higher";
    if (nan == HIST_NAN_NONE)
        return FER_OK;
    if (!wants_quantile(b))
        about = "input to histogram_fraction has NaN observations, which are excluded from all "
                "fractions";
    else if (nan == HIST_NAN_RESULT)
        about = "input to histogram_quantile has NaN observations, result is NaN";
    return anno_nan(b->o.q, b->o.p, b->vector, about, shown_name(b, at));
}

static bool native_has(const native_row *n, size_t i)
{
    return i >= n->from && i < n->to && bits_get(n->has, i - n->from);
}

static const native_row *native_at(const histogram_rows *h, size_t i)
{
    for (size_t r = 0; r < h->n_native; r++)
        if (native_has(&h->native[r], i))
            return &h->native[r];
    return NULL;
}

static fer_code give_native(buckets_op *b, size_t at, size_t phi, size_t i, const native_row *n)
{
    size_t from = phi * (n->to - n->from) + i - n->from;
    b->out.v[i] = n->v[from];
    bits_set(b->out.has, i);
    return n->nan == NULL ? FER_OK : tell_nan(b, at, n->nan[from]);
}

static fer_code evaluate_step(buckets_op *b, size_t at, size_t phi, size_t i)
{
    const histogram_rows *h = &b->h[at];
    size_t n = 0;
    for (size_t r = 0; r < h->n; r++)
        if (kept_has(&h->rows[r].k, i))
            b->tmp[n++] = (bucket){h->rows[r].upper, h->rows[r].k.v[i - h->rows[r].k.from]};
    const native_row *native = native_at(h, i);
    if (native != NULL && n != 0)
        return anno_mixed_classic(b->o.q, b->o.p, b->vector, shown_name(b, at));
    if (native != NULL)
        return give_native(b, at, phi, i, native);
    if (n == 0)
        return FER_OK;
    bits_set(b->out.has, i);
    if (!wants_quantile(b)) {
        b->out.v[i] = bucket_fraction(b->args[0][i], b->args[1][i], b->tmp, n);
        return FER_OK;
    }
    bucket_fix fix;
    b->out.v[i] = bucket_quantile(b->args[phi][i], b->tmp, n, &fix);
    return fix.forced ? note_forced(b, at, i, &fix) : FER_OK;
}

static fer_code evaluate(buckets_op *b)
{
    bits_zero(b->out.has, b->o.g->n);
    for (size_t i = 0; i < b->o.g->n; i++) {
        FER_TRY(query_work(b->o.q, b->h[b->next].n));
        FER_TRY(evaluate_step(b, b->next, b->next_q, i));
    }
    b->out.labels = b->map.keys[b->next];
    return FER_OK;
}

/* One part of histogram_quantiles: the steps at which the quantile has the value of the first one
 * pending; its text becomes a label. */
static fer_code next_quantile_part(buckets_op *b)
{
    query *q = b->o.q;
    size_t n = b->o.g->n, first = bits_next(b->pending, 0, n);
    const double *phi = b->args[b->next_q];
    for (size_t i = 0; i < n; i++)
        if (bits_get(b->pending, i) && f64_bits(phi[i]) == f64_bits(phi[first]))
            bits_set(b->out.has, i);
        else
            bits_clear(b->out.has, i);
    bits_and_not(b->pending, b->out.has, n);

    char text[NUM_TEXT_MAX];
    uint32_t id = query_sym(q, (fer_str){text, num_format_om(text, phi[first])});
    if (id == SYM_NONE)
        return QUERY_NOMEM(q);
    FER_TRY(lset_set_to(q, &b->labels, b->map.keys[b->next]));
    FER_TRY(lset_put(q, &b->labels, b->label, id));
    b->out.labels = lset_of(&b->labels);
    return FER_OK;
}

static fer_code next_of_quantiles(buckets_op *b, vec *ret)
{
    size_t n = b->o.g->n;
    while (!bits_any(b->pending, n)) {
        if (b->started && ++b->next_q == b->n_scalars) {
            b->next_q = 0;
            b->next++;
        }
        b->started = true;
        if (b->next == b->map.n)
            return FER_END;
        FER_TRY(evaluate(b));
        bits_copy(b->pending, b->out.has, n);
    }
    FER_TRY(next_quantile_part(b));
    *ret = b->out;
    return FER_OK;
}

static fer_code buckets_next(oper *o, vec *ret)
{
    buckets_op *b = (buckets_op *)o;
    if (!b->done)
        FER_TRY(take_all(b));
    b->done = true;
    if (b->id == FN_HISTOGRAM_QUANTILES)
        return next_of_quantiles(b, ret);
    do {
        if (b->next == b->map.n)
            return FER_END;
        FER_TRY(evaluate(b));
        b->next++;
    } while (!bits_any(b->out.has, o->g->n));
    *ret = b->out;
    return FER_OK;
}

/* The vector and the scalars among the arguments. */
static fer_code split_arguments(buckets_op *b, eval_ctx ec)
{
    query *q = b->o.q;
    const plan *p = b->o.p;
    b->scalars = QUERY_ARRAY(q, oper *, p->n_args);
    b->scalar_plans = QUERY_ARRAY(q, const plan *, p->n_args);
    b->args = QUERY_ARRAY(q, const double *, p->n_args);
    if (b->scalars == NULL || b->scalar_plans == NULL || b->args == NULL)
        return QUERY_NOMEM(q);
    for (size_t i = 0; i < p->n_args; i++) {
        if (p->args[i]->type == VALUE_VECTOR) {
            b->vector = p->args[i];
            FER_TRY(oper_build(q, p->args[i], ec, &b->of));
        } else if (p->args[i]->type == VALUE_STRING) {
            if ((b->label = query_sym(q, p->args[i]->e->u.string)) == SYM_NONE)
                return QUERY_NOMEM(q);
        } else {
            b->scalar_plans[b->n_scalars] = p->args[i];
            FER_TRY(oper_build(q, p->args[i], ec, &b->scalars[b->n_scalars++]));
        }
    }
    return FER_OK;
}

fer_code buckets_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    buckets_op *b = oper_new(q, sizeof *b, p, ec.g, buckets_next);
    if (b == NULL)
        return QUERY_NOMEM(q);
    b->id = p->e->u.call.fn->id;
    FER_TRY(split_arguments(b, ec));
    fer_str le = STR("le");
    FER_TRY(lset_names_make(q, &le, 1, &b->le));
    b->o.nameless = b->of->nameless;
    b->o.unique = b->id != FN_HISTOGRAM_QUANTILES;
    return drop_metric_build(q, p, ec, &b->o, ret);
}

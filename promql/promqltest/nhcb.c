#include "promql/promqltest/nhcb.h"

#include <math.h>

#include "base/num.h"
#include "promql/promqltest/histogram_text.h"
#include "tsdb/samples.h"

typedef enum part { PART_NONE, PART_BUCKET, PART_COUNT, PART_SUM } part;

/* One classic series as part of a histogram. */
typedef struct component {
    part part;
    labels metric; /* of the native series */
    double le;     /* PART_BUCKET */
    const seq *values;
} component;

/* ---- which series belong together ---- */

static part part_of(fer_str name, fer_str *ret_base)
{
    static const struct {
        const char *suffix;
        part part;
    } parts[] = {{"_bucket", PART_BUCKET}, {"_count", PART_COUNT}, {"_sum", PART_SUM}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        fer_str suffix = str_of(parts[i].suffix);
        if (!str_has_suffix(name, suffix))
            continue;
        *ret_base = str_head(name, name.n - suffix.n);
        return parts[i].part;
    }
    return PART_NONE;
}

/* The labels without le, named `base`. */
static fer_code native_metric(labels ls, fer_str base, fer_arena *a, labels *ret)
{
    label *l = ARENA_ARRAY(a, label, ls.n);
    if (l == NULL)
        return FER_LIMIT;
    size_t n = 0;
    for (size_t i = 0; i < ls.n; i++) {
        if (str_eq(ls.l[i].name, STR("le")))
            continue;
        bool is_name = str_eq(ls.l[i].name, STR("__name__"));
        l[n++] = (label){ls.l[i].name, is_name ? base : ls.l[i].value};
    }
    *ret = (labels){l, n};
    return FER_OK;
}

static fer_code component_of(const script_series *s, fer_arena *a, component *ret)
{
    fer_str base;
    component c = {.values = &s->values};
    c.part = part_of(labels_get(s->metric, STR("__name__")), &base);
    if (c.part == PART_BUCKET) {
        fer_str le = labels_get(s->metric, STR("le"));
        if (!num_parse_f64(le, &c.le) || isnan(c.le))
            c.part = PART_NONE;
    }
    if (c.part != PART_NONE)
        FER_TRY(native_metric(s->metric, base, a, &c.metric));
    *ret = c;
    return FER_OK;
}

/* Equal metrics beside each other, buckets first by bound. */
static int component_order(const void *x, const void *y)
{
    const component *a = x, *b = y;
    int c = labels_cmp(a->metric, b->metric);
    if (c != 0)
        return c;
    if (a->part != b->part)
        return (a->part > b->part) - (a->part < b->part);
    return (a->le > b->le) - (a->le < b->le);
}

/* ---- one histogram ---- */

static bool value_at(const component *c, size_t step, double *ret)
{
    if (step >= c->values->n || !c->values->v[step].present || c->values->v[step].h != NULL)
        return false;
    *ret = c->values->v[step].v;
    return true;
}

/* Cumulative counts of the buckets that have a value at the step. */
typedef struct classic {
    double *le, *cumulative;
    uint32_t n;
    bool has_count, stale;
    double count, sum;
} classic_step;

static bool gather(const component *c, size_t n, size_t step, classic_step *out)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        double v;
        if (!value_at(&c[i], step, &v))
            continue;
        any = true;
        out->stale = out->stale || sample_is_stale(v);
        if (c[i].part == PART_SUM) {
            out->sum = v;
        } else if (c[i].part == PART_COUNT) {
            out->has_count = true;
            out->count = v;
        } else if (out->n == 0 || out->le[out->n - 1] != c[i].le) { /* "0.2" and "2e-1" are one */
            out->le[out->n] = c[i].le;
            out->cumulative[out->n++] = v;
        }
    }
    return any;
}

/* Without a count the highest bucket tells it; without a +Inf bucket the count does. */
static void complete(classic_step *c)
{
    if (!c->has_count)
        c->count = c->n > 0 ? c->cumulative[c->n - 1] : 0;
    if (c->n == 0 || c->le[c->n - 1] != INFINITY) {
        c->le[c->n] = INFINITY;
        c->cumulative[c->n++] = c->count;
    }
}

static fer_code to_histogram(const classic_step *c, fer_arena *a, const histogram **ret,
                             fer_err *err)
{
    histogram *h = ARENA_NEW(a, histogram);
    histogram_span *span = ARENA_NEW(a, histogram_span);
    double *counts = ARENA_ARRAY(a, double, c->n);
    if (h == NULL || span == NULL || counts == NULL)
        return fer_fail_budget(err, "histogram");
    double before = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        counts[i] = c->cumulative[i] - before;
        if (counts[i] < 0)
            return fer_fail(err, FER_INVALID, "classic histogram: bucket counts fall");
        before = c->cumulative[i];
    }
    *span = (histogram_span){0, c->n};
    *h = (histogram){
        .schema = HISTOGRAM_SCHEMA_CUSTOM,
        .count = c->count,
        .sum = c->sum,
        .pos = counts,
        .n_pos = c->n,
        .pos_spans = span,
        .n_pos_spans = 1,
        .custom = c->le,
        .n_custom = c->n - 1, /* +Inf is understood */
    };
    *ret = h;
    return FER_OK;
}

/* ---- one series ---- */

static fer_code convert_step(const component *c, size_t n, size_t step, fer_arena *a,
                             seq_value *ret, fer_err *err)
{
    classic_step x = {.le = ARENA_ARRAY(a, double, n + 1),
                      .cumulative = ARENA_ARRAY(a, double, n + 1)};
    if (x.le == NULL || x.cumulative == NULL)
        return fer_fail_budget(err, "histogram");
    if (!gather(c, n, step, &x))
        return FER_OK;
    if (x.stale) {
        *ret = (seq_value){.present = true, .v = f64_of_bits(STALE_NAN_BITS)};
        return FER_OK;
    }
    complete(&x);
    FER_TRY(to_histogram(&x, a, &ret->h, err));
    ret->present = true;
    return FER_OK;
}

static fer_code convert_series(const component *c, size_t n, fer_arena *a, script_series *ret,
                               fer_err *err)
{
    size_t steps = 0;
    for (size_t i = 0; i < n; i++)
        steps = c[i].values->n > steps ? c[i].values->n : steps;
    seq_value *v = ARENA_ARRAY(a, seq_value, steps);
    if (v == NULL)
        return fer_fail_budget(err, "series values");
    for (size_t step = 0; step < steps; step++)
        FER_TRY(convert_step(c, n, step, a, &v[step], err));
    ret->metric = c->metric;
    ret->values = (seq){v, steps, steps};
    return FER_OK;
}

fer_code nhcb_convert(const load_command *classic, fer_arena *a, load_command *ret, fer_err *err)
{
    component *c = ARENA_ARRAY(a, component, classic->n_series);
    load_command out = {.step_ms = classic->step_ms,
                        .series = ARENA_ARRAY(a, script_series, classic->n_series)};
    if (c == NULL || out.series == NULL)
        return fer_fail_budget(err, "histogram");
    size_t n = 0;
    for (size_t i = 0; i < classic->n_series; i++) {
        if (component_of(&classic->series[i], a, &c[n]) != FER_OK)
            return fer_fail_budget(err, "labels");
        n += c[n].part != PART_NONE;
    }
    if (n > 0)
        qsort(c, n, sizeof *c, component_order);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && labels_eq(c[end].metric, c[i].metric);)
            end++;
        script_series *s = &out.series[out.n_series++];
        s->line = classic->series[0].line;
        FER_TRY(convert_series(&c[i], end - i, a, s, err));
    }
    *ret = out;
    return FER_OK;
}

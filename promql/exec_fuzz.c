/* exec_fuzz.c - any query over a tiny storage ends with a result or an error, within its limits; what it
 * took is given back; and each step of a range query is what an instant query gives at its time.
 *
 * The first byte chooses the features, the second the steps, the rest is the query.
 */
#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "promql/memstore.h"
#include "promql/promql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MEMORY_BYTES = 48 << 20, SAMPLES = 200000, RUN_NS = 500 * 1000 * 1000, MINUTE = 60000 };

/* ---- data ---- */

static void add_series(memstore *m, fer_arena *a, const char *metric, int64_t every, size_t n,
                       const double *v)
{
    labels ls;
    fer_err err;
    fer_code c = promql_parse_metric(str_of(metric), a, &ls, &err);
    assert(c == FER_OK);
    memstore_series *s = memstore_series_of(m, ls);
    for (size_t i = 0; i < n; i++) {
        c = memstore_add(s, (int64_t)i * every - 5 * MINUTE, v[i]);
        assert(c == FER_OK);
        if (i % 3 == 0)
            memstore_set_start(s, (int64_t)i * every - 6 * MINUTE);
    }
}

#define ADD(metric, every, ...)                                                                    \
    add_series(m, a, (metric), (every), sizeof((double[]){__VA_ARGS__}) / sizeof(double),          \
               (double[]){__VA_ARGS__})

/* NULL is a float. */
static void add_histograms(memstore *m, fer_arena *a, const char *metric, int64_t every, size_t n,
                           const histogram *const *h)
{
    labels ls;
    fer_err err;
    fer_code c = promql_parse_metric(str_of(metric), a, &ls, &err);
    assert(c == FER_OK);
    memstore_series *s = memstore_series_of(m, ls);
    for (size_t i = 0; i < n; i++) {
        int64_t t = (int64_t)i * every - MINUTE;
        c = h[i] == NULL ? memstore_add(s, t, 3)
                         : memstore_add_histogram(s, t, SAMPLE_FLOAT_HISTOGRAM, h[i]);
        assert(c == FER_OK);
        if (i % 2 == 0)
            memstore_set_start(s, t - 20000);
    }
}

/* Kinds that do not go together, in series that change between them. */
static void add_native(memstore *m, fer_arena *a, double stale)
{
    static const double counts[] = {1, 2}, bounds[] = {0.5, 1, 7};
    static const histogram_span span = {0, 2}, low = {-9, 1};
    histogram n = {
        .count = 3, .sum = 4, .n_pos_spans = 1, .n_pos = 2, .pos_spans = &span, .pos = counts};
    histogram fine = n, wide = n, custom = n, other = n, none = n;
    fine.schema = 3;
    fine.reset_hint = HISTOGRAM_GAUGE;
    fine.n_neg_spans = fine.n_neg = 1;
    fine.neg_spans = &low;
    fine.neg = counts;
    wide.zero_threshold = 1.5;
    wide.zero_count = 4;
    custom.schema = other.schema = -53;
    custom.custom = bounds;
    custom.n_custom = 3;
    other.custom = bounds + 1;
    other.n_custom = 2;
    other.sum = NAN;
    none.sum = stale;
    add_histograms(m, a, "native{job=\"a\"}", MINUTE, 3, (const histogram *[]){&n, &n, &wide});
    add_histograms(m, a, "native{job=\"b\"}", 20000, 6,
                   (const histogram *[]){&n, &fine, &wide, &none, &wide, &n});
    add_histograms(m, a, "native{job=\"c\"}", 30000, 4,
                   (const histogram *[]){&custom, &other, &custom, NULL});
    add_histograms(m, a, "h{job=\"c\"}", 15000, 5,
                   (const histogram *[]){NULL, &n, &custom, NULL, &fine});
}

/* Counters that grow and fall: in all, in one bucket, said by the hint; beside classic buckets. */
static void add_counters(memstore *m, fer_arena *a)
{
    static const double low[] = {5, 1, 3, 9}, high[] = {5, 4, 6, 12}, fallen[] = {7, 2, 8, 12};
    static const histogram_span spans[] = {{-3, 2}, {1, 2}}, one = {0, 4};
    static const double bounds[] = {-1, 0, 0.5};
    histogram begun = {.schema = 2,
                       .count = 30,
                       .sum = 4.25,
                       .zero_threshold = 1e-3,
                       .zero_count = 12,
                       .n_pos_spans = 2,
                       .n_pos = 4,
                       .pos_spans = spans,
                       .pos = low};
    histogram grown = begun, less = begun, again = begun, empty = {.zero_threshold = 1e-3};
    histogram bounded = begun, endless = begun;
    grown.count = 39;
    grown.pos = high;
    less.count = 41;
    less.pos = fallen;
    again.reset_hint = HISTOGRAM_RESET;
    grown.reset_hint = HISTOGRAM_NO_RESET;
    bounded.schema = -53;
    bounded.zero_count = bounded.zero_threshold = 0;
    bounded.count = 18;
    bounded.n_pos_spans = 1;
    bounded.pos_spans = &one;
    bounded.custom = bounds;
    bounded.n_custom = 3;
    endless.sum = -INFINITY;
    add_histograms(
        m, a, "n_total{job=\"a\"}", 15000, 8,
        (const histogram *[]){&begun, &grown, &less, &begun, &again, &grown, &empty, &grown});
    add_histograms(m, a, "n_total{job=\"b\"}", 40000, 4,
                   (const histogram *[]){&less, &begun, &endless, &endless});
    add_histograms(m, a, "n_total{job=\"c\"}", 30000, 4,
                   (const histogram *[]){&bounded, &bounded, NULL, &bounded});
    add_histograms(m, a, "b{job=\"a\"}", 60000, 2, (const histogram *[]){&begun, &grown});
    add_histograms(m, a, "b_bucket{job=\"a\"}", 60000, 2, (const histogram *[]){&begun, &grown});
}

static memstore *make_store(void)
{
    memstore *m = memstore_new();
    fer_arena *a = fer_arena_new(NULL, 0);
    double stale = f64_of_bits(STALE_NAN_BITS);
    ADD("c_total{job=\"a\",instance=\"1\"}", 15000, 0, 5, 9, 14, 2, 7, 30, 31, 0, 1, 1, 1, 60, 80,
        1e6);
    ADD("c_total{job=\"a\",instance=\"2\"}", 30000, 3, 3, 3, 4, 9, 1e300, 1e308, 3, 5, stale, 7, 8);
    ADD("c_total{job=\"b\",instance=\"1\"}", 60000, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    ADD("g{job=\"a\",instance=\"1\"}", 20000, 1, -1, NAN, 0, -0.0, INFINITY, -INFINITY, 2.5, 7, 7,
        7);
    ADD("g{job=\"b\",instance=\"1\",x=\"é\"}", 45000, -3, stale, 8, 8, 1e-300, 4, 3, 2, 1);
    ADD("h{job=\"a\",instance=\"1\"}", 60000, 1, 2, stale, 4, 5, 6, 7, 8, 9);
    ADD("b_bucket{job=\"a\",le=\"0.1\"}", 60000, 1, 2, 3, 4, 5, 6, 7, 8);
    ADD("b_bucket{job=\"a\",le=\"1\"}", 60000, 1, 4, 2, 8, 10, 12, 14, 16);
    ADD("b_bucket{job=\"a\",le=\"+Inf\"}", 60000, 1, 4, 7, 8, 10, 12, 15, 17);
    ADD("target_info{job=\"a\",instance=\"1\",v=\"old\"}", 60000, 1, 1, 1, stale);
    ADD("target_info{job=\"a\",instance=\"1\",v=\"new\"}", 90000, 1, 1, 1, 1, 1);
    add_native(m, a, stale);
    add_counters(m, a);
    fer_arena_free(a);
    return m;
}

/* ---- running ---- */

typedef struct outcome {
    fer_account acct;
    fer_arena *a;
    syms *sy;
    promql_result *r; /* NULL: an error */
    expr *e;
} outcome;

static void done(outcome *o)
{
    fer_arena_free(o->a);
    assert(fer_account_used(&o->acct) == 0);
}

static void run(outcome *o, const promql_limits *l, memstore *m, promql_params p)
{
    fer_err err = {0};
    fer_clock *clock = fer_clock_system();
    fer_cancel cancel;
    fer_cancel_init(&cancel, clock, clock->mono_ns(clock) + RUN_NS);
    *o = (outcome){0};
    fer_account_init(&o->acct, "query", NULL, MEMORY_BYTES);
    o->a = fer_arena_new(&o->acct, 0);
    o->sy = syms_new(o->a);
    query_ctx ctx = {.arena = o->a, .acct = &o->acct, .syms = o->sy, .cancel = &cancel};
    if (promql_parse(p.text, &l->features, o->a, &o->e, &err) != FER_OK)
        return;
    p.e = o->e;
    fer_code c = promql_exec(l, memstore_storage(m), &ctx, &p, &o->r, &err);
    assert(c == FER_OK || (err.code == c && err.msg[0] != '\0'));
    if (c != FER_OK)
        o->r = NULL;
}

/* ---- what holds for every result ---- */

static bool same_labels(const outcome *x, const result_series *a, const outcome *y,
                        const result_series *b)
{
    if (a->n_labels != b->n_labels)
        return false;
    for (uint32_t i = 0; i < a->n_labels; i++)
        if (!str_eq(syms_text(x->sy, a->labels[i].name), syms_text(y->sy, b->labels[i].name)) ||
            !str_eq(syms_text(x->sy, a->labels[i].value), syms_text(y->sy, b->labels[i].value)))
            return false;
    return true;
}

static void check_series(const outcome *o)
{
    const promql_result *r = o->r;
    for (size_t i = 0; i < r->n_series; i++) {
        const result_series *s = &r->series[i];
        assert(s->n > 0);
        assert(r->type == VALUE_MATRIX || s->n == 1);
        for (uint32_t k = 1; k < s->n; k++)
            assert(s->t[k - 1] < s->t[k]);
        for (uint32_t k = 0; k < s->n_labels; k++)
            assert(s->labels[k].value != 0);
        for (size_t j = 0; j < i; j++)
            assert(!same_labels(o, s, o, &r->series[j]));
    }
}

/* Parts whose value depends on the query's own times, or (aggregation parameters) on its first step. */
static bool depends_on_query(const expr *e);

static bool duration_depends(const duration *d)
{
    return d->e != NULL;
}

static bool modifiers_depend(const modifiers *m)
{
    return m->at == AT_START || m->at == AT_END || duration_depends(&m->offset);
}

static bool call_depends(const expr_call *c)
{
    switch (c->fn->id) {
    case FN_START:
    case FN_END:
    case FN_RANGE:
    case FN_STEP:
        return true;
    default:
        break;
    }
    for (size_t i = 0; i < c->n_args; i++)
        if (depends_on_query(c->args[i]))
            return true;
    return false;
}

static bool depends_on_query(const expr *e)
{
    switch (e->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
        return false;
    case EXPR_SELECTOR:
        return modifiers_depend(&e->u.selector.mod);
    case EXPR_MATRIX:
        return duration_depends(&e->u.matrix.range) || depends_on_query(e->u.matrix.selector);
    case EXPR_SUBQUERY:
        return duration_depends(&e->u.subquery.range) || duration_depends(&e->u.subquery.step) ||
               modifiers_depend(&e->u.subquery.mod) || depends_on_query(e->u.subquery.e);
    case EXPR_CALL:
        return call_depends(&e->u.call);
    case EXPR_AGGREGATE:
        return (e->u.aggregate.param != NULL && e->u.aggregate.param->kind != EXPR_NUMBER &&
                e->u.aggregate.param->kind != EXPR_STRING) ||
               depends_on_query(e->u.aggregate.e);
    case EXPR_BINARY:
        return depends_on_query(e->u.binary.l) || depends_on_query(e->u.binary.r);
    case EXPR_UNARY:
        return depends_on_query(e->u.unary.e);
    case EXPR_PAREN:
        return depends_on_query(e->u.paren);
    }
    return true;
}

/* *ret_h: the histogram that stands for the number. */
static const double *value_at(const outcome *range, const outcome *x, const result_series *s,
                              int64_t t, const histogram **ret_h)
{
    for (size_t i = 0; i < range->r->n_series; i++) {
        const result_series *m = &range->r->series[i];
        if (!same_labels(range, m, x, s))
            continue;
        for (uint32_t k = 0; k < m->n; k++)
            if (m->t[k] == t) {
                *ret_h = m->h == NULL ? NULL : m->h[k];
                return &m->v[k];
            }
    }
    return NULL;
}

/* The same but for what NaNs are made of. */
static bool same_number(double a, double b)
{
    return f64_bits(a) == f64_bits(b) || (isnan(a) && isnan(b));
}

static bool same_histogram(const histogram *a, const histogram *b)
{
    bool same = a->schema == b->schema && same_number(a->count, b->count) &&
                same_number(a->sum, b->sum) && same_number(a->zero_count, b->zero_count) &&
                a->n_pos == b->n_pos && a->n_neg == b->n_neg && a->n_custom == b->n_custom;
    for (uint32_t i = 0; same && i < a->n_pos; i++)
        same = same_number(a->pos[i], b->pos[i]);
    for (uint32_t i = 0; same && i < a->n_neg; i++)
        same = same_number(a->neg[i], b->neg[i]);
    return same;
}

static size_t count_at(const outcome *range, int64_t t)
{
    size_t n = 0;
    for (size_t i = 0; i < range->r->n_series; i++)
        for (uint32_t k = 0; k < range->r->series[i].n; k++)
            n += range->r->series[i].t[k] == t;
    return n;
}

static void compare_step(const outcome *range, const outcome *instant, int64_t t)
{
    result_series scalar = {.n = 1, .t = &t, .v = &instant->r->scalar};
    bool is_scalar = instant->r->type == VALUE_SCALAR;
    size_t n = is_scalar ? 1 : instant->r->n_series;
    assert(count_at(range, t) == n);
    for (size_t i = 0; i < n; i++) {
        const result_series *s = is_scalar ? &scalar : &instant->r->series[i];
        const histogram *h, *own = s->h == NULL ? NULL : s->h[0];
        const double *v = value_at(range, instant, s, t, &h);
        assert(v != NULL);
        assert((h == NULL) == (own == NULL));
        if (h != NULL) {
            assert(same_histogram(h, own));
            continue;
        }
        if (isnan(*v) && isnan(s->v[0]))
            continue;
        if (f64_bits(*v) != f64_bits(s->v[0]))
            fprintf(stderr, "%.17g in the range, %.17g at the step\n", *v, s->v[0]);
        assert(f64_bits(*v) == f64_bits(s->v[0]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static memstore *m;
    if (m == NULL)
        m = make_store();
    if (size < 2)
        return 0;
    promql_limits l = {.max_samples = SAMPLES};
    l.features = (promql_features){
        .experimental_functions = true,
        .extended_range_selectors = true,
        .fill_modifiers = true,
        .delayed_name_removal = (data[0] & 1) != 0,
        .use_start_timestamps = (data[0] & 2) != 0,
        .type_and_unit_labels = (data[0] & 4) != 0,
        .per_step_stats = (data[0] & 8) != 0,
    };
    int64_t step = 7000 * (1 + data[1] % 16), steps = data[1] / 16;
    promql_params p = {
        .text = {(const char *)data + 2, size - 2}, .end_ms = steps * step, .step_ms = step};
    outcome range;
    run(&range, &l, m, p);
    if (range.r != NULL)
        check_series(&range);
    for (int64_t i = 0; range.e != NULL && i <= steps; i += 3) {
        outcome instant;
        p.start_ms = p.end_ms = i * step;
        p.step_ms = 0;
        run(&instant, &l, m, p);
        if (instant.r != NULL)
            check_series(&instant);
        if (instant.r != NULL && range.r != NULL && !depends_on_query(range.e))
            compare_step(&range, &instant, i * step);
        done(&instant);
    }
    done(&range);
    return 0;
}

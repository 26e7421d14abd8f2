/* ahead_test.c - queries on borrowed threads are the queries they are without. */
#include "promql/exec/ahead.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "promql/helpers_testing.h"
#include "promql/memstore.h"

enum { SERIES = 60, SAMPLES = 90, STEP_MS = 30000, END_MS = SAMPLES * 15000, MOST_THREADS = 3 };

/* A storage over a memstore in which something happens at a read of a series. */
typedef struct watched_storage {
    storage base;
    storage *of;
    _Atomic uint64_t reads;
    uint64_t cancel_at; /* 0: never */
    size_t fail_series; /* SIZE_MAX: none */
    fer_cancel token;
} watched_storage;

typedef struct fixture {
    memstore *m;
    watched_storage st;
    testing_helpers *helpers[MOST_THREADS + 1]; /* by threads, [0] NULL */
} fixture;

static watched_storage *watched;
static const selection_ops *inner_selection;
static const querier_ops *inner_querier;
static selection_ops watched_selection;
static querier_ops watched_querier;

static fer_code watch_read(selection *s, size_t i, int64_t mint, int64_t maxt, samples *out,
                           fer_err *err)
{
    if (atomic_fetch_add(&watched->reads, 1) + 1 == watched->cancel_at)
        fer_cancel_now(&watched->token);
    if (i == watched->fail_series)
        return fer_fail(err, FER_IO, "series %zu cannot be read", i);
    return inner_selection->read(s, i, mint, maxt, out, err);
}

static fer_code watch_select(querier *q, const select_hints *h, const matcher *m, size_t nm,
                             selection **ret, fer_err *err)
{
    FER_TRY(inner_querier->select(q, h, m, nm, ret, err));
    inner_selection = (*ret)->ops;
    watched_selection = (selection_ops){inner_selection->labels, watch_read};
    (*ret)->ops = &watched_selection;
    return FER_OK;
}

static fer_code watch_open(storage *st, const query_ctx *ctx, int64_t mint, int64_t maxt,
                           querier **ret, fer_err *err)
{
    FER_TRY(storage_querier(((watched_storage *)st)->of, ctx, mint, maxt, ret, err));
    inner_querier = (*ret)->ops;
    watched_querier = *inner_querier;
    watched_querier.select = watch_select;
    (*ret)->ops = &watched_querier;
    return FER_OK;
}

/* ---- data ---- */

static uint64_t random_bits(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

static memstore_series *series_of(fixture *f, const char *name, size_t i)
{
    char job[16], pod[16];
    snprintf(job, sizeof job, "j%zu", i % 5);
    snprintf(pod, sizeof pod, "p%zu", i);
    label l[] = {
        {STR("__name__"), str_of(name)}, {STR("job"), str_of(job)}, {STR("pod"), str_of(pod)}};
    return memstore_series_of(f->m, (labels){l, 3});
}

/* Counters with resets, gauges of all magnitudes with gaps and stale markers; some of `mixed` are histograms. */
static void fill(fixture *f)
{
    uint64_t x = 88172645463325252u;
    for (size_t i = 0; i < SERIES; i++) {
        memstore_series *total = series_of(f, "c_total", i), *gauge = series_of(f, "g", i),
                        *mixed = series_of(f, "mixed_total", i);
        double sum = 0;
        for (size_t k = 0; k < SAMPLES; k++) {
            int64_t t = (int64_t)k * 15000 + (int64_t)(i % 7);
            sum = random_bits(&x) % 40 == 0 ? 0 : sum + (double)(random_bits(&x) % 1000) * 0.1;
            double v = (double)(random_bits(&x) % 100000) / (double)(1 + random_bits(&x) % 97);
            assert_int_equal(memstore_add(total, t, sum), FER_OK);
            if (random_bits(&x) % 50 == 0)
                v = f64_of_bits(STALE_NAN_BITS);
            if (random_bits(&x) % 10 != 0)
                assert_int_equal(memstore_add(gauge, t, v), FER_OK);
            histogram h = {.count = sum, .sum = v, .zero_count = sum, .zero_threshold = 0.01};
            assert_int_equal(i % 4 == 1 && k > 5
                                 ? memstore_add_histogram(mixed, t, SAMPLE_FLOAT_HISTOGRAM, &h)
                                 : memstore_add(mixed, t, sum),
                             FER_OK);
        }
    }
}

static int setup(void **state)
{
    fixture *f = fer_calloc(1, sizeof *f);
    f->m = memstore_new();
    f->st = (watched_storage){
        .base = {watch_open}, .of = memstore_storage(f->m), .fail_series = SIZE_MAX};
    watched = &f->st;
    fer_cancel_init(&f->st.token, NULL, 0);
    for (unsigned n = 1; n <= MOST_THREADS; n++)
        f->helpers[n] = testing_helpers_new(n, 1);
    fill(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    for (unsigned n = 1; n <= MOST_THREADS; n++)
        testing_helpers_free(f->helpers[n]);
    memstore_free(f->m);
    fer_free(f);
    return 0;
}

/* ---- queries ---- */

typedef struct asked {
    const char *text;
    int64_t step_ms; /* 0: instant */
    unsigned threads;
    int64_t limit_bytes;
    uint64_t max_samples;
} asked;

static void put_list(fer_buf *out, const str_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        fer_buf_printf(out, "%.*s\n", STR_FMT(l->v[i]));
}

static void put_series(fer_buf *out, const syms *sy, const result_series *s)
{
    for (uint32_t k = 0; k < s->n_labels; k++)
        fer_buf_printf(out, "%.*s=%.*s,", STR_FMT(syms_text(sy, s->labels[k].name)),
                       STR_FMT(syms_text(sy, s->labels[k].value)));
    for (uint32_t k = 0; k < s->n; k++) {
        const histogram *h = s->h == NULL ? NULL : s->h[k];
        fer_buf_printf(out, " %" PRId64 ":%" PRIx64, s->t[k],
                       f64_bits(h == NULL ? s->v[k] : h->sum));
        if (h != NULL)
            fer_buf_printf(out, "/%" PRIx64, f64_bits(h->count));
    }
    fer_buf_puts(out, STR("\n"));
}

/* All that a query answers: values by their bits, or the error. */
static fer_code ask(fixture *f, asked o, fer_buf *out)
{
    fer_account acct;
    fer_account_init(&acct, "query", NULL, o.limit_bytes);
    fer_arena *a = fer_arena_new(&acct, 0);
    promql_limits limits = {
        .max_samples = o.max_samples,
        .features = {.experimental_functions = true, .extended_range_selectors = true}};
    promql_params p = {.text = str_of(o.text), .end_ms = END_MS, .step_ms = o.step_ms};
    p.start_ms = o.step_ms == 0 ? END_MS : 0;
    if (o.threads != 0)
        p.helpers = testing_helpers_of(f->helpers[o.threads]);
    query_ctx ctx = {.arena = a, .acct = &acct, .syms = syms_new(a), .cancel = &f->st.token};
    promql_result *r;
    fer_err err = {0};
    fer_buf_clear(out);
    atomic_store(&f->st.reads, 0);
    fer_code c =
        ctx.syms == NULL ? FER_LIMIT : promql_parse(p.text, &limits.features, a, &p.e, &err);
    if (c == FER_OK)
        c = promql_exec(&limits, &f->st.base, &ctx, &p, &r, &err);
    if (c == FER_OK) {
        for (size_t i = 0; i < r->n_series; i++)
            put_series(out, ctx.syms, &r->series[i]);
        put_list(out, &r->warnings);
        put_list(out, &r->infos);
        fer_buf_printf(out, "total %" PRIu64 " read %" PRIu64 " peak %" PRIu64 "\n",
                       r->stats.total_samples, r->stats.samples_read, r->stats.peak_samples);
    } else {
        fer_buf_printf(out, "%s", err.msg);
    }
    fer_arena_free(a);
    assert_int_equal(fer_account_used(&acct), 0);
    return c;
}

static void assert_same(fixture *f, asked o)
{
    fer_buf alone, with;
    fer_buf_init(&alone, 16 << 20, NULL);
    fer_buf_init(&with, 16 << 20, NULL);
    o.threads = 0;
    fer_code expected = ask(f, o, &alone);
    for (o.threads = 1; o.threads <= MOST_THREADS; o.threads++) {
        assert_int_equal(ask(f, o, &with), expected);
        if (!str_eq(fer_buf_str(&alone), fer_buf_str(&with)))
            fail_msg("%s with %u threads:\n%.*s\nalone:\n%.*s", o.text, o.threads,
                     STR_FMT(fer_buf_str(&with)), STR_FMT(fer_buf_str(&alone)));
    }
    fer_buf_done(&alone);
    fer_buf_done(&with);
}

static const char *const texts[] = {
    "c_total",
    "g * 2 > 100",
    "sum(g)",
    "avg by (job) (g)",
    "stddev by (job) (g)",
    "quantile(0.3, g)",
    "topk(3, rate(c_total[1m]))",
    "limitk(7, rate(c_total[1m]))",
    "sum by (job) (rate(c_total[2m]))",
    "sum(rate(c_total[5m])) / count(g)",
    "rate(g[2m])",
    "rate(c_total[2m]) / on (job, pod) g",
    "sum(avg_over_time(g[3m])) + sum(max_over_time(c_total[1m]))",
    "quantile_over_time(1.5, g[2m])",
    "double_exponential_smoothing(g[5m], 0.5, 0.3)",
    "double_exponential_smoothing(g[5m], 2, 0.3)",
    "rate({__name__=~\"c_total|g\"}[1m])",
    "{__name__=~\"c_total|g\"} * 2",
    "sum(mixed_total)",
    "sum by (job) (rate(mixed_total[2m]))",
    "max(mixed_total)",
    "rate(c_total[2m] anchored)",
    "increase(c_total[2m] smoothed)",
    "g smoothed",
    "timestamp(g)",
    "max_over_time(sum by (job) (rate(c_total[1m]))[5m:30s])",
    "max_over_time(rate(c_total[1m])[5m:30s])",
    "sum(g @ 600)",
    "sum(g) + sum(c_total)",
    "g and c_total",
    "absent_over_time(nothing[5m])",
    "count_values(\"v\", changes(g[1m]))",
    "sum_over_time(c_total[5m]) offset 1m",
};

static void answers_are_the_same_bits_with_any_number_of_threads(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_same(f, (asked){.text = texts[i], .step_ms = STEP_MS});
        assert_same(f, (asked){.text = texts[i]});
    }
    for (unsigned n = 1; n <= MOST_THREADS; n++) {
        assert_true(testing_helpers_lent(f->helpers[n]) > 0);
        assert_true(atomic_load(&testing_helpers_of(f->helpers[n])->cpu_ns) > 0);
    }
}

static void a_limit_of_samples_is_met_where_it_would_be_alone(void **state)
{
    fixture *f = *state;
    for (uint64_t most = 40; most < 12000; most = most * 5 / 3) {
        assert_same(f, (asked){"sum by (pod) (rate(c_total[5m]))", STEP_MS, .max_samples = most});
        assert_same(f, (asked){"g", STEP_MS, .max_samples = most});
    }
}

static void an_error_of_a_series_is_the_error_of_the_query(void **state)
{
    fixture *f = *state;
    for (f->st.fail_series = 0; f->st.fail_series < SERIES; f->st.fail_series += 7)
        assert_same(f, (asked){"sum(rate(c_total[5m]))", STEP_MS});
    f->st.fail_series = SIZE_MAX;
}

static void a_canceled_query_ends_with_its_threads(void **state)
{
    fixture *f = *state;
    fer_buf out;
    fer_buf_init(&out, 16 << 20, NULL);
    for (unsigned n = 1; n <= MOST_THREADS; n++) {
        for (f->st.cancel_at = 1; f->st.cancel_at <= SERIES; f->st.cancel_at += 3) {
            asked o = {"sum(rate(c_total[5m]))", STEP_MS, .threads = n};
            assert_int_equal(ask(f, o, &out), FER_CANCELED);
            assert_true(
                str_eq(fer_buf_str(&out), STR("query was canceled in expression evaluation")));
            atomic_store(&f->st.token.canceled, false);
        }
    }
    f->st.cancel_at = 0;
    fer_buf_done(&out);
}

/* Where threads do not fit into the budget the query goes on without them. */
static void a_limit_of_memory_ends_the_query_and_gives_all_back(void **state)
{
    fixture *f = *state;
    fer_buf out, whole;
    fer_buf_init(&out, 16 << 20, NULL);
    fer_buf_init(&whole, 16 << 20, NULL);
    asked o = {"sum by (pod) (rate(c_total[5m]))", STEP_MS, .threads = MOST_THREADS};
    assert_int_equal(ask(f, o, &whole), FER_OK);
    bool fitted = false;
    for (o.limit_bytes = 1 << 12; o.limit_bytes < 1 << 24; o.limit_bytes = o.limit_bytes * 5 / 4) {
        fer_code c = ask(f, o, &out);
        assert_true(c == FER_LIMIT ||
                    (c == FER_OK && str_eq(fer_buf_str(&out), fer_buf_str(&whole))));
        fitted = fitted || c == FER_OK;
    }
    assert_true(fitted);
    fer_buf_done(&out);
    fer_buf_done(&whole);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_are_the_same_bits_with_any_number_of_threads),
        TEST(a_limit_of_samples_is_met_where_it_would_be_alone),
        TEST(an_error_of_a_series_is_the_error_of_the_query),
        TEST(a_canceled_query_ends_with_its_threads),
        TEST(a_limit_of_memory_ends_the_query_and_gives_all_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

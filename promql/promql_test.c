/* promql_test.c - whole queries over a storage in memory. */
#include "promql/promql.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/num.h"
#include "promql/memstore.h"

/* A storage that counts how often samples are read, over a memstore. */
typedef struct counting_storage {
    storage base;
    storage *of;
    uint64_t selects, reads;
} counting_storage;

typedef struct fixture {
    memstore *m;
    counting_storage st;
    fer_account acct;
    fer_arena *a;
    promql_limits limits;
    fer_cancel *cancel;
    fer_err err;
} fixture;

/* ---- counting ---- */

static counting_storage *counting; /* one fixture at a time */
static fer_code (*inner_select)(querier *q, const select_hints *h, const matcher *m, size_t nm,
                                selection **ret, fer_err *err);
static fer_code (*inner_read)(selection *s, size_t i, int64_t mint, int64_t maxt, samples *out,
                              fer_err *err);
static selection_ops counted_selection;
static querier_ops counted_querier;

static fer_code count_read(selection *s, size_t i, int64_t mint, int64_t maxt, samples *out,
                           fer_err *err)
{
    counting->reads++;
    return inner_read(s, i, mint, maxt, out, err);
}

static fer_code count_select(querier *q, const select_hints *h, const matcher *m, size_t nm,
                             selection **ret, fer_err *err)
{
    counting->selects++;
    FER_TRY(inner_select(q, h, m, nm, ret, err));
    counted_selection = *(*ret)->ops;
    if (counted_selection.read != count_read)
        inner_read = counted_selection.read;
    counted_selection.read = count_read;
    (*ret)->ops = &counted_selection;
    return FER_OK;
}

static fer_code count_open(storage *st, const query_ctx *ctx, int64_t mint, int64_t maxt,
                           querier **ret, fer_err *err)
{
    FER_TRY(storage_querier(((counting_storage *)st)->of, ctx, mint, maxt, ret, err));
    counted_querier = *(*ret)->ops;
    if (counted_querier.select != count_select)
        inner_select = counted_querier.select;
    counted_querier.select = count_select;
    (*ret)->ops = &counted_querier;
    return FER_OK;
}

/* ---- fixture ---- */

static int setup(void **state)
{
    fixture *f = fer_calloc(1, sizeof *f);
    f->m = memstore_new();
    f->st = (counting_storage){.base = {count_open}, .of = memstore_storage(f->m)};
    counting = &f->st;
    fer_account_init(&f->acct, "query", NULL, 0);
    f->a = fer_arena_new(&f->acct, 0);
    f->limits.features = (promql_features){
        .experimental_functions = true, .extended_range_selectors = true, .fill_modifiers = true};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    fer_arena_free(f->a);
    int leaked = fer_account_used(&f->acct) != 0;
    memstore_free(f->m);
    fer_free(f);
    return leaked;
}

#define GAP 1e300 /* no sample here */

/* One sample every `every` ms from 0 on. */
static void load(fixture *f, const char *metric, int64_t every, size_t n, const double *v)
{
    labels ls;
    assert_int_equal(promql_parse_metric(str_of(metric), f->a, &ls, &f->err), FER_OK);
    memstore_series *s = memstore_series_of(f->m, ls);
    for (size_t i = 0; i < n; i++)
        if (v[i] != GAP)
            assert_int_equal(memstore_add(s, (int64_t)i * every, v[i]), FER_OK);
}

#define LOAD(f, metric, every, ...)                                                                \
    load((f), (metric), (every), sizeof((double[]){__VA_ARGS__}) / sizeof(double),                 \
         (double[]){__VA_ARGS__})

static fer_code run(fixture *f, const char *text, int64_t start, int64_t end, int64_t step,
                    promql_result **ret)
{
    promql_params p = {.text = str_of(text), .start_ms = start, .end_ms = end, .step_ms = step};
    query_ctx ctx = {.arena = f->a, .acct = &f->acct, .syms = syms_new(f->a), .cancel = f->cancel};
    f->st.selects = f->st.reads = 0;
    FER_TRY(promql_parse(p.text, &f->limits.features, f->a, &p.e, &f->err));
    return promql_exec(&f->limits, &f->st.base, &ctx, &p, ret, &f->err);
}

/* "a{x="1"} 1@0 2@60000; ..." or the error's text. */
static const char *show(fixture *f, const char *text, int64_t start, int64_t end, int64_t step)
{
    promql_params p = {.text = str_of(text), .start_ms = start, .end_ms = end, .step_ms = step};
    query_ctx ctx = {.arena = f->a, .acct = &f->acct, .syms = syms_new(f->a), .cancel = f->cancel};
    promql_result *r;
    f->st.selects = f->st.reads = 0;
    if (promql_parse(p.text, &f->limits.features, f->a, &p.e, &f->err) != FER_OK ||
        promql_exec(&f->limits, &f->st.base, &ctx, &p, &r, &f->err) != FER_OK)
        return f->err.msg;
    fer_buf b;
    fer_buf_init(&b, 1 << 20, NULL);
    char num[NUM_TEXT_MAX];
    if (r->type == VALUE_SCALAR)
        fer_buf_put(&b, num, num_format_json(num, r->scalar));
    if (r->type == VALUE_STRING)
        fer_buf_puts(&b, r->string);
    for (size_t i = 0; i < r->n_series; i++) {
        const result_series *s = &r->series[i];
        label *l = ARENA_ARRAY(f->a, label, s->n_labels + 1);
        for (uint32_t k = 0; k < s->n_labels; k++)
            l[k] = (label){syms_text(ctx.syms, s->labels[k].name),
                           syms_text(ctx.syms, s->labels[k].value)};
        if (i > 0)
            fer_buf_puts(&b, STR("; "));
        labels_print_metric(&b, (labels){l, s->n_labels});
        for (uint32_t k = 0; k < s->n; k++) {
            fer_buf_putc(&b, ' ');
            fer_buf_put(&b, num, num_format_json(num, s->v[k]));
            fer_buf_printf(&b, "@%" PRId64, s->t[k] / 1000);
        }
    }
    fer_str out = fer_arena_dup(f->a, fer_buf_str(&b));
    fer_buf_done(&b);
    return out.p;
}

static const char *at(fixture *f, const char *text, int64_t t)
{
    return show(f, text, t, t, 0);
}

enum { MINUTE = 60000 };

/* How much longer sanitizers may take from one look at the deadline to the next. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(FERULA_DEBUG)
enum { SLOWNESS = 8 };
#else
enum { SLOWNESS = 1 };
#endif

/* ---- selection ---- */

static void a_selector_gives_the_newest_sample_within_lookback(void **state)
{
    fixture *f = *state;
    LOAD(f, "x", MINUTE, 1, 2, 3);
    assert_string_equal(show(f, "x", 0, 4 * MINUTE, MINUTE), "x 1@0 2@60 3@120 3@180 3@240");
    /* The sample at 2m is exactly 5m old at 7m: gone. */
    assert_string_equal(at(f, "x", 7 * MINUTE - 1), "x 3@419");
    assert_string_equal(at(f, "x", 7 * MINUTE), "");
    assert_string_equal(at(f, "x offset 1m", 2 * MINUTE), "x 2@120");
    assert_string_equal(show(f, "x @ 60", 0, 2 * MINUTE, MINUTE), "x 2@0 2@60 2@120");
}

static void a_stale_marker_ends_a_series(void **state)
{
    fixture *f = *state;
    LOAD(f, "x", MINUTE, 1, f64_of_bits(STALE_NAN_BITS), GAP, 4);
    assert_string_equal(show(f, "x", 0, 3 * MINUTE, MINUTE), "x 1@0 4@180");
    assert_string_equal(at(f, "count_over_time(x[10m])", 3 * MINUTE), "{} 2@180");
}

static void ranges_are_open_on_the_left(void **state)
{
    fixture *f = *state;
    LOAD(f, "x", 15000, 0, 1, 2, 3, 4);
    assert_string_equal(at(f, "x[1m]", MINUTE), "x 1@15 2@30 3@45 4@60");
    assert_string_equal(at(f, "count_over_time(x[1m])", MINUTE), "{} 4@60");
    assert_string_equal(at(f, "count_over_time(x[1m:15s])", MINUTE), "{} 4@60");
}

/* ---- range functions, by hand ---- */

static void rate_extrapolates_to_the_ends_of_the_range(void **state)
{
    fixture *f = *state;
    LOAD(f, "x_total", 15000, 0, 30, 60, 90, 120);
    /* Four samples, 45 s apart in all, 15 s on average: 90 up. The start is 15 s away (under 16.5 s),
     * the end 0: 90 * (60/45 / 60), rounded in this order. */
    assert_string_equal(at(f, "rate(x_total[1m])", MINUTE), "{} 1.9999999999999998@60");
    assert_string_equal(at(f, "increase(x_total[1m])", MINUTE), "{} 120@60");
    /* A minute later nothing is inside: the sample at 60 s is exactly at the open end. */
    assert_string_equal(at(f, "rate(x_total[1m])", 2 * MINUTE), "");
}

static void a_counter_is_not_extrapolated_below_zero(void **state)
{
    fixture *f = *state;
    LOAD(f, "x_total", 15000, GAP, GAP, 1, 3, 5);
    /* From 1 at 30 s it was 0 at 22.5 s: 7.5 s instead of 15/2 s. 4 * (30 + 7.5) / 30. */
    assert_string_equal(at(f, "increase(x_total[1m])", MINUTE), "{} 5@60");
    assert_string_equal(at(f, "delta(x_total[1m])", MINUTE), "{} 5@60");
}

static void resets_add_what_the_counter_held(void **state)
{
    fixture *f = *state;
    LOAD(f, "x_total", 15000, 0, 10, 20, 5, 15);
    assert_string_equal(at(f, "resets(x_total[2m])", MINUTE), "{} 1@60");
    /* 15 - 0 + 20; a counter at 0 is not extrapolated to the left. */
    assert_string_equal(at(f, "increase(x_total[61s])", MINUTE), "{} 35@60");
    assert_string_equal(at(f, "irate(x_total[1m])", 45000), "{} 0.3333333333333333@45");
    assert_string_equal(at(f, "idelta(x_total[1m])", 45000), "{} -15@45");
}

static void windows_slide_over_the_steps(void **state)
{
    fixture *f = *state;
    LOAD(f, "x", MINUTE, 3, 1, 4, 1, 5, 9, 2, 6);
    assert_string_equal(show(f, "max_over_time(x[2m])", MINUTE, 6 * MINUTE, MINUTE),
                        "{} 3@60 4@120 4@180 5@240 9@300 9@360");
    assert_string_equal(show(f, "min_over_time(x[3m])", MINUTE, 6 * MINUTE, MINUTE),
                        "{} 1@60 1@120 1@180 1@240 1@300 2@360");
    assert_string_equal(show(f, "sum_over_time(x[2m])", MINUTE, 4 * MINUTE, MINUTE),
                        "{} 4@60 5@120 5@180 6@240");
    assert_string_equal(show(f, "last_over_time(x[90s])", MINUTE, 2 * MINUTE, 30000),
                        "x 1@60 1@90 4@120");
    assert_string_equal(at(f, "quantile_over_time(0.5, x[8m])", 7 * MINUTE), "{} 3.5@420");
    assert_string_equal(at(f, "stddev_over_time(x[2m])", 2 * MINUTE), "{} 1.5@120");
    assert_string_equal(at(f, "changes(x[8m])", 7 * MINUTE), "{} 7@420");
}

/* ---- parts ---- */

static void metrics_that_take_turns_become_one_series(void **state)
{
    fixture *f = *state;
    LOAD(f, "a{k=\"1\"}", MINUTE, 1, 2, f64_of_bits(STALE_NAN_BITS), GAP);
    LOAD(f, "b{k=\"1\"}", MINUTE, GAP, GAP, 3, 4);
    assert_string_equal(show(f, "{__name__=~\"a|b\"} * 2", 0, 3 * MINUTE, MINUTE),
                        "{k=\"1\"} 2@0 4@60 6@120 8@180");
    assert_string_equal(show(f, "-{__name__=~\"a|b\"}", 0, 3 * MINUTE, MINUTE),
                        "{k=\"1\"} -1@0 -2@60 -3@120 -4@180");
    /* A subquery sees the whole, too. */
    assert_string_equal(at(f, "sum_over_time(({__name__=~\"a|b\"} * 2)[4m:1m])", 3 * MINUTE),
                        "{k=\"1\"} 20@180");
}

static void two_series_that_become_one_at_a_step_are_an_error(void **state)
{
    fixture *f = *state;
    static const char text[] = "vector cannot contain metrics with the same labelset";
    LOAD(f, "a{k=\"1\"}", MINUTE, 1, 2);
    LOAD(f, "b{k=\"1\"}", MINUTE, 1, 2);
    assert_string_equal(show(f, "{__name__=~\"a|b\"} * 2", 0, MINUTE, MINUTE), text);
    assert_string_equal(at(f, "abs({__name__=~\"a|b\"})", MINUTE), text);
    assert_string_equal(at(f, "rate({__name__=~\"a|b\"}[5m])", MINUTE), text);
    assert_string_equal(
        at(f, "label_replace({__name__=~\"a|b\"}, \"__name__\", \"c\", \"\", \"\")", MINUTE), text);
    assert_string_equal(at(f, "sum without () ({__name__=~\"a|b\"})", MINUTE), "{k=\"1\"} 4@60");
}

static void a_second_metric_is_compared_with_all_series_before(void **state)
{
    fixture *f = *state;
    LOAD(f, "a{k=\"1\"}", MINUTE, 1, 2);
    LOAD(f, "a{k=\"2\"}", MINUTE, 1, GAP);
    LOAD(f, "a{k=\"3\"}", MINUTE, 1, 2);
    LOAD(f, "a{__type__=\"gauge\",k=\"2\"}", MINUTE, 0, 60);
    assert_string_equal(at(f, "delta(a[5m])", MINUTE),
                        "{k=\"1\"} 1.5@60; {k=\"3\"} 1.5@60; {k=\"2\"} 90@60");
    LOAD(f, "a{__type__=\"gauge\",k=\"1\"}", MINUTE, 1, 2);
    assert_string_equal(at(f, "delta(a[5m])", MINUTE),
                        "vector cannot contain metrics with the same labelset");
}

/* ---- matching ---- */

static void duplicates_on_the_one_side_count_only_where_they_meet_something(void **state)
{
    fixture *f = *state;
    double stale = f64_of_bits(STALE_NAN_BITS);
    LOAD(f, "l{k=\"1\"}", MINUTE, GAP, GAP, 3, 4);
    LOAD(f, "r{k=\"1\",x=\"1\"}", MINUTE, 1, 2, stale, GAP);
    LOAD(f, "r{k=\"1\",x=\"2\"}", MINUTE, 1, 2, 3, 4);
    assert_string_equal(show(f, "l + on(k) r", 0, 3 * MINUTE, MINUTE), "{k=\"1\"} 6@120 8@180");
    assert_string_equal(
        show(f, "r + on(k) r", 0, 3 * MINUTE, MINUTE),
        "found duplicate series for the match group {k=\"1\"} on the right hand-side of the "
        "operation: [{__name__=\"r\", k=\"1\", x=\"1\"}, {__name__=\"r\", k=\"1\", x=\"2\"}]"
        ";many-to-many matching not allowed: matching labels must be unique on one side");
    assert_string_equal(show(f, "r + on(k) l", 2 * MINUTE, 3 * MINUTE, MINUTE),
                        "{k=\"1\"} 6@120 8@180");
}

static void group_left_follows_the_one_side_as_it_changes(void **state)
{
    fixture *f = *state;
    double stale = f64_of_bits(STALE_NAN_BITS);
    LOAD(f, "many{k=\"1\",x=\"a\"}", MINUTE, 1, 2, 3, 4);
    LOAD(f, "many{k=\"1\",x=\"b\"}", MINUTE, 10, 20, 30, 40);
    LOAD(f, "one{k=\"1\",v=\"old\"}", MINUTE, 1, 1, stale, GAP);
    LOAD(f, "one{k=\"1\",v=\"new\"}", MINUTE, GAP, GAP, 1, 1);
    assert_string_equal(show(f, "many * on(k) group_left(v) one", 0, 3 * MINUTE, MINUTE),
                        "{k=\"1\", v=\"new\", x=\"a\"} 3@120 4@180; "
                        "{k=\"1\", v=\"new\", x=\"b\"} 30@120 40@180; "
                        "{k=\"1\", v=\"old\", x=\"a\"} 1@0 2@60; "
                        "{k=\"1\", v=\"old\", x=\"b\"} 10@0 20@60");
    assert_string_equal(show(f, "many * on(k) one", 0, MINUTE, MINUTE),
                        "multiple matches for labels: many-to-one matching must be explicit "
                        "(group_left/group_right)");
    assert_string_equal(show(f, "many{x=\"a\"} * on(k) one", 0, 3 * MINUTE, MINUTE),
                        "{k=\"1\"} 1@0 2@60 3@120 4@180");
}

static void set_operators_work_step_by_step(void **state)
{
    fixture *f = *state;
    double stale = f64_of_bits(STALE_NAN_BITS);
    LOAD(f, "l{k=\"1\"}", MINUTE, 1, 2, stale, GAP);
    LOAD(f, "r{k=\"1\"}", MINUTE, GAP, 20, 30, 40);
    assert_string_equal(show(f, "l and r", 0, 3 * MINUTE, MINUTE), "l{k=\"1\"} 2@60");
    assert_string_equal(show(f, "l unless r", 0, 3 * MINUTE, MINUTE), "l{k=\"1\"} 1@0");
    assert_string_equal(show(f, "l or r", 0, 3 * MINUTE, MINUTE),
                        "l{k=\"1\"} 1@0 2@60; r{k=\"1\"} 30@120 40@180");
    assert_string_equal(show(f, "(l or r) + 0", 0, 3 * MINUTE, MINUTE),
                        "{k=\"1\"} 1@0 2@60 30@120 40@180");
}

/* ---- order ---- */

static void instant_results_keep_the_order_of_sort_and_topk(void **state)
{
    fixture *f = *state;
    LOAD(f, "x{k=\"1\"}", MINUTE, 2);
    LOAD(f, "x{k=\"2\"}", MINUTE, NAN);
    LOAD(f, "x{k=\"3\"}", MINUTE, 3);
    LOAD(f, "x{k=\"4\"}", MINUTE, 1);
    assert_string_equal(at(f, "sort(x)", 0),
                        "x{k=\"4\"} 1@0; x{k=\"1\"} 2@0; x{k=\"3\"} 3@0; x{k=\"2\"} NaN@0");
    assert_string_equal(at(f, "sort_desc(x)", 0),
                        "x{k=\"3\"} 3@0; x{k=\"1\"} 2@0; x{k=\"4\"} 1@0; x{k=\"2\"} NaN@0");
    assert_string_equal(at(f, "topk(2, x)", 0), "x{k=\"3\"} 3@0; x{k=\"1\"} 2@0");
    assert_string_equal(at(f, "bottomk(5, x)", 0),
                        "x{k=\"4\"} 1@0; x{k=\"1\"} 2@0; x{k=\"3\"} 3@0; x{k=\"2\"} NaN@0");
    promql_result *r;
    assert_int_equal(run(f, "topk(2, x)", 0, 0, 0, &r), FER_OK);
    assert_true(r->ordered);
    assert_int_equal(run(f, "x > 1", 0, 0, 0, &r), FER_OK);
    assert_false(r->ordered);
    assert_string_equal(at(f, "topk(NaN, x)", 0), "Parameter value is NaN");
    assert_string_equal(at(f, "topk(1e20, x)", 0), "Scalar value 1e+20 overflows int64");
}

static void matrices_are_sorted_by_labels(void **state)
{
    fixture *f = *state;
    LOAD(f, "x{k=\"b\"}", MINUTE, 1);
    LOAD(f, "x{k=\"a\"}", MINUTE, 2);
    LOAD(f, "a", MINUTE, 3);
    assert_string_equal(show(f, "{__name__=~\"a|x\"}", 0, 0, MINUTE),
                        "a 3@0; x{k=\"a\"} 2@0; x{k=\"b\"} 1@0");
}

/* ---- what a query costs ---- */

static void a_selection_written_twice_is_read_once(void **state)
{
    fixture *f = *state;
    promql_result *r;
    LOAD(f, "x{k=\"1\"}", MINUTE, 1, 2);
    LOAD(f, "x{k=\"2\"}", MINUTE, 3, 4);
    assert_int_equal(run(f, "sum(x) / count(x) + avg(x)", 0, MINUTE, MINUTE, &r), FER_OK);
    assert_int_equal(f->st.selects, 1);
    assert_int_equal(f->st.reads, 2);
    /* A week apart there is nothing to share. */
    assert_int_equal(run(f, "sum(x) / sum(x offset 1w)", 0, MINUTE, MINUTE, &r), FER_OK);
    assert_int_equal(f->st.selects, 2);
}

static void what_stands_still_is_evaluated_once(void **state)
{
    fixture *f = *state;
    promql_result *r;
    LOAD(f, "x", MINUTE, 1, 2, 3);
    assert_int_equal(run(f, "rate(x[2m] @ 120) + x", 0, 9 * MINUTE, MINUTE, &r), FER_OK);
    assert_int_equal(r->series[0].n, 7);
    /* Ten steps of a window of two, and seven samples of x. */
    assert_int_equal(r->stats.total_samples, 10 * 2 + 7);
    assert_int_equal(r->stats.samples_read, 2 + 7);
}

static void samples_are_counted_as_prometheus_counts_them(void **state)
{
    fixture *f = *state;
    promql_result *r;
    LOAD(f, "x", 30000, 1, 2, 3, 4, 5, 6, 7);
    assert_int_equal(run(f, "x", 0, 3 * MINUTE, MINUTE, &r), FER_OK);
    assert_int_equal(r->stats.total_samples, 4);
    assert_int_equal(r->stats.samples_read, 4);
    /* Windows of 1, 3, 4 and 4 samples; each sample is read once. */
    assert_int_equal(run(f, "rate(x[2m])", 0, 3 * MINUTE, MINUTE, &r), FER_OK);
    assert_int_equal(r->stats.total_samples, 1 + 3 + 4 + 4);
    assert_int_equal(r->stats.samples_read, 7);
    f->limits.features.per_step_stats = true;
    assert_int_equal(run(f, "rate(x[2m])", 0, 3 * MINUTE, MINUTE, &r), FER_OK);
    assert_int_equal(r->stats.n_steps, 4);
    assert_int_equal(r->stats.total_per_step[1], 3);
    assert_int_equal(r->stats.read_per_step[1], 2);
}

/* As Prometheus 3.5: what an operator gives twice at one step is told where the query ends, at several steps at once. */
static void with_delayed_name_removal_one_step_is_looked_at_in_the_end(void **state)
{
    static const char twice[] = "vector cannot contain metrics with the same labelset";
    fixture *f = *state;
    f->limits.features.type_and_unit_labels = true;
    LOAD(f, "x{__type__=\"counter\"}", MINUTE, 2, 2);
    LOAD(f, "x{__type__=\"gauge\"}", MINUTE, 3, 3);
    assert_string_equal(at(f, "sum(x * x)", 0), twice);
    f->limits.features.delayed_name_removal = true;
    assert_string_equal(at(f, "sum(x * x)", 0), "{} 13@0");
    assert_string_equal(at(f, "x * x", 0), twice);
    assert_string_equal(show(f, "sum(x * x)", 0, MINUTE, MINUTE), twice);
}

/* As Prometheus: absent_over_time() is marked to lose what tells the metric, absent() is not. */
static void with_delayed_name_removal_absent_over_time_loses_a_type_put_later(void **state)
{
    fixture *f = *state;
    f->limits.features.type_and_unit_labels = true;
    f->limits.features.delayed_name_removal = true;
    assert_string_equal(
        at(f, "label_replace(absent_over_time(x[1m]), \"__type__\", \"a\", \"job\", \"\")", 0),
        "{} 1@0");
    assert_string_equal(at(f, "label_replace(absent(x), \"__type__\", \"a\", \"job\", \"\")", 0),
                        "{__type__=\"a\"} 1@0");
}

static void sums_hold_groups_not_series(void **state)
{
    fixture *f = *state;
    double v[100];
    for (size_t i = 0; i < 100; i++)
        v[i] = (double)i;
    for (size_t i = 0; i < 3000; i++) {
        char metric[64];
        snprintf(metric, sizeof metric, "x{k=\"%zu\",g=\"%zu\"}", i, i % 3);
        load(f, metric, MINUTE, 100, v);
    }
    fer_arena_reset(f->a);
    promql_result *r;
    f->limits.max_samples = 3000;
    assert_int_equal(run(f, "sum by (g) (rate(x[5m]))", 0, 99 * MINUTE, MINUTE, &r), FER_OK);
    assert_int_equal(r->n_series, 3);
    assert_in_range(r->stats.peak_samples, 300, 2000);
    assert_int_equal(r->stats.total_samples, 3000 * (1 + 2 + 3 + 4 + 5 * 96));
    assert_int_equal(run(f, "rate(x[5m])", 0, 99 * MINUTE, MINUTE, &r), FER_LIMIT);
    assert_string_equal(f->err.msg, "query processing would load too many samples into memory in "
                                    "expression evaluation");
}

static void subqueries_of_too_many_steps_are_refused(void **state)
{
    fixture *f = *state;
    promql_result *r;
    for (int years = 100; years <= 292; years += 192) {
        char query[64];
        snprintf(query, sizeof query, "count_over_time(nothing[%dy:30s])", years);
        fer_arena_reset(f->a);
        assert_int_equal(run(f, query, 0, 0, 0, &r), FER_LIMIT);
        assert_string_equal(f->err.msg, "query processing would load too many samples into memory "
                                        "in expression evaluation");
    }
}

static void memory_past_the_account_is_refused(void **state)
{
    fixture *f = *state;
    promql_result *r;
    double v[100] = {0};
    for (size_t i = 0; i < 500; i++) {
        char metric[64];
        snprintf(metric, sizeof metric, "x{k=\"%zu\"}", i);
        load(f, metric, MINUTE, 100, v);
    }
    f->acct.limit_bytes = fer_account_used(&f->acct) + 200 * 1024;
    assert_int_equal(run(f, "x", 0, 99 * MINUTE, MINUTE, &r), FER_LIMIT);
    f->acct.limit_bytes = 0;
    assert_int_equal(run(f, "x", 0, 99 * MINUTE, MINUTE, &r), FER_OK);
}

static void a_query_ends_when_nobody_waits(void **state)
{
    fixture *f = *state;
    promql_result *r;
    fer_clock_fake clock;
    fer_cancel cancel;
    LOAD(f, "x", MINUTE, 1, 2, 3);
    fer_clock_fake_init(&clock, 0);
    fer_cancel_init(&cancel, &clock.base, 0);
    f->cancel = &cancel;
    assert_int_equal(run(f, "x", 0, MINUTE, MINUTE, &r), FER_OK);
    fer_cancel_now(&cancel);
    assert_int_equal(run(f, "x", 0, MINUTE, MINUTE, &r), FER_CANCELED);
    assert_string_equal(f->err.msg, "query was canceled in expression evaluation");
    fer_cancel_init(&cancel, &clock.base, clock.base.mono_ns(&clock.base) + 1000000);
    fer_clock_fake_advance(&clock, 10);
    assert_int_equal(run(f, "x", 0, MINUTE, MINUTE, &r), FER_TIMEOUT);
    assert_string_equal(f->err.msg, "query timed out in expression evaluation");
}

/* ---- hostile queries ---- */

/* Time as this thread's CPU time, so that a busy machine does not matter. */
static uint64_t cpu_ns(fer_clock *c)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void hostile_queries_end_at_their_deadline_or_limit(void **state)
{
    fixture *f = *state;
    static const char *const queries[] = {
        "max_over_time(x[1y:1ms])",
        "sum(max_over_time(max_over_time(x[1d:1s])[1d:1s]))",
        "sum_over_time(sum_over_time(sum_over_time(x[10m:1s])[10m:1s])[10m:1s])",
        "quantile_over_time(0.5, x[30d:1s])",
        "stddev_over_time(x[30d:1s] @ 1e6)",
        "count_values(\"v\", x + time())",
        "topk(1e6, x)",
        "quantile(0.5, x)",
        "x * on(g) group_left() sum by (g) (x)",
        "x * on() group_left() x",
        "label_replace(x, \"a\", \"$1$1$1$1\", \"k\", \"(.*)\")",
        "x or x or x or x or x or x",
        "histogram_quantile(0.9, label_replace(x, \"le\", \"$1\", \"k\", \"(.*)\"))",
        "deriv(x[12h:1s])",
        "sort(x)",
        "absent_over_time(nothing[1y:1ms])",
    };
    double v[200];
    for (size_t i = 0; i < 200; i++)
        v[i] = (double)(i * i % 97);
    for (size_t i = 0; i < 300; i++) {
        char metric[64];
        snprintf(metric, sizeof metric, "x{k=\"%zu\",g=\"%zu\"}", i, i % 7);
        load(f, metric, MINUTE, 200, v);
    }
    f->limits.max_samples = 2000000;
    fer_clock clock = {.mono_ns = cpu_ns};
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        promql_result *r;
        fer_cancel cancel;
        fer_arena_reset(f->a);
        f->acct.limit_bytes = fer_account_used(&f->acct) + (256 << 20);
        uint64_t from = cpu_ns(&clock);
        fer_cancel_init(&cancel, &clock, from + 200000000);
        f->cancel = &cancel;
        fer_code c = run(f, queries[i], 0, 10999 * 1000, 1000, &r);
        double seconds = (double)(cpu_ns(&clock) - from) * 1e-9;
        if (c != FER_OK && c != FER_TIMEOUT && c != FER_LIMIT && c != FER_INVALID)
            fail_msg("%s: %s", queries[i], f->err.msg);
        if (seconds > 0.2 + SLOWNESS * 0.25)
            fail_msg("%s took %.2f s", queries[i], seconds);
    }
}

/* ---- what goes wrong ---- */

static void bad_requests_are_told_before_running(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *query, *text;
    } cases[] = {
        {"x[5m]", "invalid expression type \"range vector\" for range query, must be Scalar or "
                  "instant Vector"},
        {"\"s\"", "invalid expression type \"string\" for range query, must be Scalar or instant "
                  "Vector"},
        {"rate(x[step() - 1m])", "7:18: duration must be greater than 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        promql_params p = {.text = str_of(cases[i].query), .end_ms = MINUTE, .step_ms = MINUTE};
        assert_int_equal(promql_parse(p.text, &f->limits.features, f->a, &p.e, &f->err), FER_OK);
        assert_int_equal(promql_check(&f->limits, &p, f->a, &f->err), FER_INVALID);
        assert_string_equal(f->err.msg, cases[i].text);
    }
}

static void storage_errors_and_warnings_come_through(void **state)
{
    fixture *f = *state;
    promql_result *r;
    LOAD(f, "x", MINUTE, 1);
    memstore_warn(f->m, STR("a block was left out"));
    assert_int_equal(run(f, "x", 0, 0, 0, &r), FER_OK);
    assert_int_equal(r->warnings.n, 1);
    assert_true(str_eq(r->warnings.v[0], STR("a block was left out")));
    memstore_fail_reads(f->m, FER_IO);
    assert_int_equal(run(f, "x", 0, 0, 0, &r), FER_IO);
}

static void native_histograms_come_out_beside_floats(void **state)
{
    fixture *f = *state;
    promql_result *r;
    labels ls;
    static const double counts[] = {1, 2};
    static const histogram_span span = {0, 2};
    histogram h = {
        .count = 3, .sum = 4, .n_pos_spans = 1, .n_pos = 2, .pos_spans = &span, .pos = counts};
    assert_int_equal(promql_parse_metric(STR("h"), f->a, &ls, &f->err), FER_OK);
    memstore_series *s = memstore_series_of(f->m, ls);
    assert_int_equal(memstore_add(s, 0, 7), FER_OK);
    assert_int_equal(memstore_add_histogram(s, 60000, SAMPLE_FLOAT_HISTOGRAM, &h), FER_OK);
    assert_int_equal(run(f, "h * 2", 0, 60000, 60000, &r), FER_OK);
    assert_int_equal(r->n_series, 1);
    assert_int_equal(r->series[0].n, 2);
    assert_null(r->series[0].h[0]);
    assert_true(r->series[0].v[0] == 14);
    const histogram *twice = r->series[0].h[1];
    assert_non_null(twice);
    assert_true(twice->count == 6 && twice->sum == 8 && twice->pos[0] == 2 && twice->pos[1] == 4);
    assert_int_equal(run(f, "sum_over_time(h[5m])", 60000, 60000, 0, &r), FER_OK);
    assert_int_equal(r->n_series, 0);
    assert_int_equal(r->warnings.n, 1);
}

static void annotations_name_the_place_evaluated_last(void **state)
{
    fixture *f = *state;
    promql_result *r;
    LOAD(f, "x", MINUTE, 1, 2);
    assert_int_equal(run(f, "rate(x[5m]) + rate(x[5m])", MINUTE, MINUTE, 0, &r), FER_OK);
    assert_int_equal(r->infos.n, 1);
    assert_string_equal(r->infos.v[0].p,
                        "PromQL info: metric might not be a counter, name does not end in "
                        "_total/_sum/_count/_bucket: \"x\" (1:20)");
    assert_int_equal(run(f, "quantile(1.5, x)", MINUTE, MINUTE, 0, &r), FER_OK);
    assert_int_equal(r->warnings.n, 1);
    assert_string_equal(r->warnings.v[0].p, "PromQL warning: quantile value should be between 0 "
                                            "and 1, got 1.5 (1:10)");
}

static void scalars_and_strings_are_results(void **state)
{
    fixture *f = *state;
    assert_string_equal(at(f, "1 + 2 * 3", 0), "7");
    assert_string_equal(at(f, "\"text\"", 0), "text");
    assert_string_equal(show(f, "time()", 0, 2 * MINUTE, MINUTE), "{} 0@0 60@60 120@120");
    assert_string_equal(at(f, "scalar(nothing)", 0), "NaN");
    assert_string_equal(show(f, "absent(nothing{k=\"v\"})", 0, MINUTE, MINUTE),
                        "{k=\"v\"} 1@0 1@60");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_selector_gives_the_newest_sample_within_lookback),
        TEST(a_stale_marker_ends_a_series),
        TEST(ranges_are_open_on_the_left),
        TEST(rate_extrapolates_to_the_ends_of_the_range),
        TEST(a_counter_is_not_extrapolated_below_zero),
        TEST(resets_add_what_the_counter_held),
        TEST(windows_slide_over_the_steps),
        TEST(metrics_that_take_turns_become_one_series),
        TEST(two_series_that_become_one_at_a_step_are_an_error),
        TEST(a_second_metric_is_compared_with_all_series_before),
        TEST(duplicates_on_the_one_side_count_only_where_they_meet_something),
        TEST(group_left_follows_the_one_side_as_it_changes),
        TEST(set_operators_work_step_by_step),
        TEST(instant_results_keep_the_order_of_sort_and_topk),
        TEST(matrices_are_sorted_by_labels),
        TEST(a_selection_written_twice_is_read_once),
        TEST(what_stands_still_is_evaluated_once),
        TEST(samples_are_counted_as_prometheus_counts_them),
        TEST(with_delayed_name_removal_one_step_is_looked_at_in_the_end),
        TEST(with_delayed_name_removal_absent_over_time_loses_a_type_put_later),
        TEST(sums_hold_groups_not_series),
        TEST(subqueries_of_too_many_steps_are_refused),
        TEST(memory_past_the_account_is_refused),
        TEST(a_query_ends_when_nobody_waits),
        TEST(hostile_queries_end_at_their_deadline_or_limit),
        TEST(bad_requests_are_told_before_running),
        TEST(storage_errors_and_warnings_come_through),
        TEST(native_histograms_come_out_beside_floats),
        TEST(annotations_name_the_place_evaluated_last),
        TEST(scalars_and_strings_are_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

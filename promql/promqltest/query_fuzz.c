/* Queries over a small storage, under limits: any text ends with an answer or an error, within its
 * memory and time, and an instant query equals the same step of a range query.
 *
 * Input: one byte that chooses the time, then the text of the query.
 */
#include <assert.h>

#include "base/clock.h"
#include "promql/promql.h"
#include "promql/promqltest/histogram_text.h"
#include "promql/promqltest/load.h"
#include "promql/promqltest/variants.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    QUERY_BYTES_MAX = 512,
    BUDGET_BYTES = 64 * 1024 * 1024,
    SAMPLES_MAX = 200000,
    STEP_MS = 37 * 1000
};

static const char data_script[] =
    "load 15s\n"
    "  a_total{i=\"1\", job=\"x\"} 0+5x20 3+7x20\n"
    "  a_total{i=\"2\", job=\"x\"} 1 _ 4 stale _ 9+1x20 NaN Inf -Inf 1\n"
    "  a_total{i=\"1\", job=\"y\"} _x10 1e300x30\n"
    "  b{i=\"1\"} 0.1+0.1x40\n"
    "  b{i=\"2\"} -5+1.5x10 _x10 7-3x20\n"
    "  b{i=\"2\", \"dotted.name\"=\"\\u00e9\"} 2x40\n"
    "  h_bucket{le=\"0.1\"} 0+1x40\n"
    "  h_bucket{le=\"1\"} 0+3x40\n"
    "  h_bucket{le=\"+Inf\"} 0+4x40\n"
    "  s_total@st _ -5s-15sx5 -1sx30\n"
    "  s_total 1 5x40\n"
    "  target_info{i=\"1\", instance=\"a\", job=\"x\", os=\"linux\"} 1x40\n";

static memstore *make_store(void)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    memstore *m = memstore_new();
    script s;
    fer_code code = script_parse(str_of(data_script), a, &s, NULL);
    assert(code == FER_OK);
    code = load_into(m, &s.v[0].load, a, NULL);
    assert(code == FER_OK);
    fer_arena_free(a);
    return m;
}

static const promql_limits limits = {
    .max_samples = SAMPLES_MAX,
    .features =
        {
            .experimental_functions = true,
            .extended_range_selectors = true,
            .fill_modifiers = true,
            .delayed_name_removal = true,
            .use_start_timestamps = true,
        },
};

/* A query with its memory; the result lives until run_end(). */
typedef struct run {
    fer_account acct;
    fer_arena *arena;
    syms *syms;
    fer_cancel cancel;
    bool depends_on_range;
    promql_result *result; /* NULL: it failed */
} run;

static void run_query(run *r, memstore *m, fer_str text, int64_t start_ms, int64_t end_ms,
                      int64_t step_ms)
{
    *r = (run){0};
    fer_account_init(&r->acct, "query", NULL, BUDGET_BYTES);
    r->arena = fer_arena_new(&r->acct, 0);
    r->syms = syms_new(r->arena);
    fer_clock *clock = fer_clock_system();
    fer_cancel_init(&r->cancel, clock, clock->mono_ns(clock) + 500000000);
    const query_ctx ctx = {r->arena, &r->acct, r->syms, &r->cancel};
    promql_params p = {.text = text, .start_ms = start_ms, .end_ms = end_ms, .step_ms = step_ms};

    fer_err err;
    if (promql_parse(text, &limits.features, r->arena, &p.e, &err) != FER_OK)
        return;
    r->depends_on_range = expr_depends_on_range(p.e);
    fer_code code = promql_exec(&limits, memstore_storage(m), &ctx, &p, &r->result, &err);
    assert(code == FER_OK || code == FER_INVALID || code == FER_LIMIT || code == FER_TIMEOUT ||
           code == FER_UNSUPPORTED);
    if (code != FER_OK)
        r->result = NULL;
}

static void run_end(run *r)
{
    fer_arena_free(r->arena);
    assert(fer_account_used(&r->acct) == 0);
}

static bool same_labels(const run *a, const result_series *x, const run *b, const result_series *y)
{
    if (x->n_labels != y->n_labels)
        return false;
    for (uint32_t i = 0; i < x->n_labels; i++)
        if (!str_eq(syms_text(a->syms, x->labels[i].name), syms_text(b->syms, y->labels[i].name)) ||
            !str_eq(syms_text(a->syms, x->labels[i].value), syms_text(b->syms, y->labels[i].value)))
            return false;
    return true;
}

/* The matrix has this value at t for these labels. */
static bool has_point(const run *range, const run *at, const result_series *s, int64_t t, double v)
{
    static const result_series no_labels;
    for (size_t i = 0; i < range->result->n_series; i++) {
        const result_series *m = &range->result->series[i];
        if (!same_labels(range, m, at, s == NULL ? &no_labels : s))
            continue;
        for (uint32_t k = 0; k < m->n; k++)
            if (m->t[k] == t)
                return almost_equal(m->v[k], v);
    }
    return false;
}

static size_t points_at(const promql_result *r, int64_t t)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_series; i++)
        for (uint32_t k = 0; k < r->series[i].n; k++)
            n += r->series[i].t[k] == t;
    return n;
}

static void assert_agree(const run *at, const run *range, int64_t t)
{
    if (at->result->type == VALUE_SCALAR) {
        assert(has_point(range, at, NULL, t, at->result->scalar));
    } else if (at->result->type == VALUE_VECTOR) {
        assert(points_at(range->result, t) == at->result->n_series);
        for (size_t i = 0; i < at->result->n_series; i++)
            assert(has_point(range, at, &at->result->series[i], t, at->result->series[i].v[0]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static memstore *m; /* filled once: queries do not change it */
    if (m == NULL)
        m = make_store();
    if (size < 2 || size > QUERY_BYTES_MAX)
        return 0;
    fer_str text = {(const char *)data + 1, size - 1};
    int64_t t = (int64_t)data[0] * 3500;

    run at, range;
    run_query(&at, m, text, t, t, 0);
    run_query(&range, m, text, t - 3 * STEP_MS, t + 2 * STEP_MS, STEP_MS);
    if (at.result != NULL && range.result != NULL && !at.depends_on_range)
        assert_agree(&at, &range, t);
    run_end(&at);
    run_end(&range);
    return 0;
}

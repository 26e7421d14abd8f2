#include "promql/promqltest/promqltest.h"

#include "promql/promqltest/check.h"
#include "promql/promqltest/load.h"
#include "promql/promqltest/variants.h"

enum { RANGE_MARGIN_MS = 60 * 1000 }; /* a step before and one behind an instant run as a range */

#define QUERY_BYTES_MAX (INT64_C(512) << 20)

typedef struct runner {
    const promqltest_options *o;
    memstore *store;
    promql_limits limits;
    promqltest_score score;
} runner;

static const promql_features all_features = {
    .experimental_functions = true,
    .extended_range_selectors = true,
    .fill_modifiers = true,
    .delayed_name_removal = true,
    .use_start_timestamps = true,
};

/* ---- one query ---- */

/* A query on its way through the engine; everything in its own arena. */
typedef struct run {
    fer_account acct;
    fer_arena *arena;
    syms *syms;
    promql_result *result;
} run;

static void run_begin(run *q)
{
    *q = (run){0};
    fer_account_init(&q->acct, "query", NULL, QUERY_BYTES_MAX);
    q->arena = fer_arena_new(&q->acct, 0);
    q->syms = syms_new(q->arena);
}

static void run_end(run *q)
{
    fer_arena_free(q->arena);
}

/* One way to run an eval: at its time, or with selectors fixed to it and run at another. */
typedef struct variant {
    bool fixed;
    int64_t fixed_ms;
    int64_t at_ms;
} variant;

/* FER_NOTFOUND: the query cannot be run that way. */
static fer_code parse_variant(const runner *r, const eval_command *e, const variant *v, run *q,
                              expr **ret, fer_err *err)
{
    FER_TRY(promql_parse(e->query, &r->limits.features, q->arena, ret, err));
    if (v->fixed && !expr_fix_time(*ret, v->fixed_ms))
        return FER_NOTFOUND;
    return FER_OK;
}

static fer_code exec(const runner *r, const eval_command *e, expr *x, time_range time, run *q,
                     fer_err *err)
{
    const query_ctx ctx = {.arena = q->arena, .acct = &q->acct, .syms = q->syms};
    const promql_params params = {
        .text = e->query,
        .e = x,
        .start_ms = time.start_ms,
        .end_ms = time.end_ms,
        .step_ms = time.step_ms,
        .helpers = r->o->helpers,
    };
    return promql_exec(&r->limits, memstore_storage(r->store), &ctx, &params, &q->result, err);
}

/* ---- one eval ---- */

/* FER_OK: as expected. FER_INVALID: not. FER_UNSUPPORTED, FER_NOTFOUND: could not be tried. *ret_e:
 * the query may be run in other ways too, with this tree. */
static fer_code check_once(const runner *r, const eval_command *e, const variant *v, run *q,
                           bool *ret_more, fer_err *err)
{
    expr *x;
    time_range time = e->time;
    if (!e->range)
        time.start_ms = time.end_ms = v->at_ms;
    *ret_more = false;
    fer_code code = parse_variant(r, e, v, q, &x, err);
    bool fixable = code == FER_OK && !e->range && !e->has_range_vector && !e->has_string;
    if (code == FER_OK) {
        fixable = fixable && !expr_depends_on_range(x);
        code = exec(r, e, x, time, q, err);
    }
    if (code == FER_NOTFOUND || code == FER_UNSUPPORTED)
        return code;
    if (code != FER_OK) {
        fer_err failure = *err;
        return check_failure(e, failure.msg, err);
    }
    if (eval_expects(e, EXPECT_FAIL))
        return fer_fail(err, FER_INVALID, "an error was expected, the query went well");
    FER_TRY(check_annotations(e, q->result, err));
    FER_TRY(check_result(e, q->result, q->syms, err));
    *ret_more = fixable;
    return FER_OK;
}

static fer_code check_as_range(const runner *r, const eval_command *e, const variant *v,
                               fer_err *err)
{
    run q;
    run_begin(&q);
    expr *x;
    const time_range around = {v->at_ms - RANGE_MARGIN_MS, v->at_ms + RANGE_MARGIN_MS,
                               RANGE_MARGIN_MS};
    fer_code code = parse_variant(r, e, v, &q, &x, err);
    if (code == FER_OK)
        code = exec(r, e, x, around, &q, err);
    if (code == FER_OK)
        code = check_step(e, q.result, v->at_ms, q.syms, err);
    run_end(&q);
    if (code == FER_OK || code == FER_UNSUPPORTED)
        return code;
    fer_err_prefix(err, "as a range query");
    return FER_INVALID;
}

static fer_code check_variant(const runner *r, const eval_command *e, const variant *v,
                              bool *ret_more, fer_err *err)
{
    run q;
    run_begin(&q);
    fer_code code = check_once(r, e, v, &q, ret_more, err);
    run_end(&q);
    if (code == FER_OK && *ret_more)
        code = check_as_range(r, e, v, err);
    return code;
}

/* The eval fixed to its time by @ and run at others. */
static fer_code check_fixed(const runner *r, const eval_command *e, fer_err *err)
{
    int64_t t = e->time.start_ms;
    const int64_t at[] = {t == 0 ? -1000 : -10 * t, 0, t / 5, t, t == 0 ? 1000 : 10 * t};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        const variant v = {.fixed = true, .fixed_ms = t, .at_ms = at[i]};
        bool more;
        fer_code code = check_variant(r, e, &v, &more, err);
        if (code == FER_NOTFOUND)
            return FER_OK;
        if (code == FER_UNSUPPORTED)
            return code;
        if (code != FER_OK)
            return fer_err_prefix(err, "with @ %.3f, run at %.3f s", (double)t / 1000,
                                  (double)at[i] / 1000);
    }
    return FER_OK;
}

static fer_code check_eval(const runner *r, const eval_command *e, fer_err *err)
{
    const variant plain = {.at_ms = e->time.start_ms};
    bool more;
    FER_TRY(check_variant(r, e, &plain, &more, err));
    return more ? check_fixed(r, e, err) : FER_OK;
}

/* ---- scores ---- */

static void count_reason(promqltest_score *s, const char *text, uint32_t n)
{
    size_t i = 0;
    while (i < s->n_reasons &&
           strncmp(s->reasons[i].text, text, PROMQLTEST_REASON_BYTES_MAX - 1) != 0)
        i++;
    if (i == PROMQLTEST_REASONS_MAX) { /* the last one stands for all the rest */
        i--;
        snprintf(s->reasons[i].text, sizeof s->reasons[i].text, "other");
    } else if (i == s->n_reasons) {
        snprintf(s->reasons[s->n_reasons++].text, PROMQLTEST_REASON_BYTES_MAX, "%s", text);
    }
    s->reasons[i].n += n;
}

static void skip(runner *r, const command *c, const char *reason)
{
    r->score.skipped++;
    count_reason(&r->score, reason, 1);
    if (r->o->skipped != NULL)
        r->o->skipped(r->o->arg, c->line, c->eval.query, reason);
}

static void run_eval(runner *r, const command *c)
{
    r->score.evals++;
    fer_err err;
    fer_code code = check_eval(r, &c->eval, &err);
    if (code == FER_OK) {
        r->score.passed++;
    } else if (code == FER_UNSUPPORTED) {
        skip(r, c, err.msg);
    } else {
        r->score.failed++;
        if (r->o->failed != NULL)
            r->o->failed(r->o->arg, c->line, c->eval.query, err.msg);
    }
}

void promqltest_print(fer_buf *out, const promqltest_score *s)
{
    fer_buf_printf(out, "%u/%u passed, %u failed, %u skipped", s->passed, s->evals, s->failed,
                   s->skipped);
    for (size_t i = 0; i < s->n_reasons; i++)
        fer_buf_printf(out, "%s%s: %u", i == 0 ? " (" : ", ", s->reasons[i].text, s->reasons[i].n);
    if (s->n_reasons > 0)
        fer_buf_putc(out, ')');
}

void promqltest_add(promqltest_score *sum, const promqltest_score *s)
{
    sum->evals += s->evals;
    sum->passed += s->passed;
    sum->failed += s->failed;
    sum->skipped += s->skipped;
    for (size_t i = 0; i < s->n_reasons; i++)
        count_reason(sum, s->reasons[i].text, s->reasons[i].n);
}

/* ---- scripts ---- */

static fer_code run_commands(runner *r, const script *s, fer_err *err)
{
    for (size_t i = 0; i < s->n; i++) {
        const command *c = &s->v[i];
        if (c->kind == COMMAND_EVAL) {
            run_eval(r, c);
        } else if (c->kind == COMMAND_CLEAR) {
            memstore_free(r->store);
            r->store = memstore_new();
        } else {
            FER_CLEANUP(fer_arena_freep) fer_arena *scratch = fer_arena_new(NULL, 0);
            FER_TRY(load_into(r->store, &c->load, scratch, err));
        }
    }
    return FER_OK;
}

fer_code promqltest_run(fer_str text, const promqltest_options *o, promqltest_score *ret,
                        fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    runner r = {.o = o, .store = memstore_new(), .limits = {.features = all_features}};
    script s;
    fer_err parse_err;
    fer_code parsed = script_parse(text, a, &s, &parse_err);
    fer_code code = run_commands(&r, &s, err);
    memstore_free(r.store);
    *ret = r.score;
    if (code == FER_OK && parsed != FER_OK)
        return fer_fail(err, parsed, "%s", parse_err.msg);
    return code;
}

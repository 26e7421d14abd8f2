#include "promql/promqltest/check.h"

#include <inttypes.h>

#include "base/num.h"
#include "promql/promqltest/histogram_text.h"

enum { TEXT_BYTES_MAX = 1200 }; /* of a series or value in a message */

/* ---- texts for messages ---- */

static void print_float(fer_buf *out, double v)
{
    char text[NUM_TEXT_MAX];
    if (sample_is_stale(v))
        fer_buf_puts(out, STR("stale"));
    else
        fer_buf_put(out, text, num_format_g(text, v));
}

static void print_value(fer_buf *out, double v, const histogram *h)
{
    if (h == NULL)
        print_float(out, v);
    else
        histogram_text_print(out, h);
}

static void print_ids(fer_buf *out, const label_id *ids, size_t n, const syms *s)
{
    label l[LABELS_MAX];
    if (n > LABELS_MAX)
        n = LABELS_MAX;
    for (size_t i = 0; i < n; i++)
        l[i] = (label){syms_text(s, ids[i].name), syms_text(s, ids[i].value)};
    labels_print_metric(out, (labels){l, n});
}

/* FER_INVALID with all that was put into b, which ends here. */
static fer_code fail_with(fer_err *err, fer_buf *b)
{
    size_t n = b->n < TEXT_BYTES_MAX ? b->n : TEXT_BYTES_MAX;
    fer_code code =
        fer_fail(err, FER_INVALID, "%.*s%s", (int)n, b->p, b->n > n || b->full ? "..." : "");
    fer_buf_done(b);
    return code;
}

static fer_buf message(void)
{
    fer_buf b;
    fer_buf_init(&b, 64 * 1024, NULL);
    return b;
}

static void print_points(fer_buf *out, const result_series *s)
{
    for (uint32_t i = 0; i < s->n && out->n < TEXT_BYTES_MAX; i++) {
        fer_buf_putc(out, ' ');
        print_value(out, s->v[i], s->h == NULL ? NULL : s->h[i]);
        fer_buf_printf(out, "@%" PRId64, s->t[i]);
    }
}

/* ---- series ---- */

typedef struct checker {
    const eval_command *e;
    syms *syms;
    fer_arena *arena;
    label_id **ids; /* of the expected series */
    bool *seen;
} checker;

static fer_code begin(checker *c, const eval_command *e, syms *s, fer_arena *a, fer_err *err)
{
    *c = (checker){.e = e, .syms = s, .arena = a};
    c->ids = ARENA_ARRAY(a, label_id *, e->n_series);
    c->seen = ARENA_ARRAY(a, bool, e->n_series);
    for (size_t i = 0; i < e->n_series; i++) {
        labels ls = e->series[i].metric;
        c->ids[i] = ARENA_ARRAY(a, label_id, ls.n);
        for (size_t k = 0; k < ls.n; k++) {
            c->ids[i][k].name = syms_intern(s, ls.l[k].name);
            c->ids[i][k].value = syms_intern(s, ls.l[k].value);
            if (c->ids[i][k].name == SYM_NONE || c->ids[i][k].value == SYM_NONE)
                return fer_fail_budget(err, "labels");
        }
    }
    return FER_OK;
}

/* The place of the expected series with these labels, or n_series. */
static size_t find_expected(const checker *c, const result_series *s)
{
    size_t i = 0;
    for (; i < c->e->n_series; i++) {
        size_t n = c->e->series[i].metric.n;
        if (n == s->n_labels &&
            (n == 0 || memcmp(c->ids[i], s->labels, n * sizeof *s->labels) == 0))
            break;
    }
    return i;
}

static fer_code match_series(checker *c, const result_series *s, size_t *ret, fer_err *err)
{
    size_t i = find_expected(c, s);
    if (i < c->e->n_series && !c->seen[i]) {
        c->seen[i] = true;
        *ret = i;
        return FER_OK;
    }
    fer_buf b = message();
    fer_buf_puts(&b, i < c->e->n_series ? STR("series twice in the result: ")
                                        : STR("unexpected series "));
    print_ids(&b, s->labels, s->n_labels, c->syms);
    fer_buf_puts(&b, STR(" with"));
    print_points(&b, s);
    return fail_with(err, &b);
}

static fer_code check_all_seen(const checker *c, fer_err *err)
{
    for (size_t i = 0; i < c->e->n_series; i++) {
        if (c->seen[i])
            continue;
        fer_buf b = message();
        fer_buf_puts(&b, STR("missing series "));
        labels_print_metric(&b, c->e->series[i].metric);
        return fail_with(err, &b);
    }
    return FER_OK;
}

static bool same_value(const seq_value *want, double v, const histogram *h)
{
    if (want->h == NULL || h == NULL)
        return want->h == NULL && h == NULL && almost_equal(want->v, v);
    return histogram_text_same(want->h, h, want->hint_given);
}

static fer_code check_point(const checker *c, size_t at, const seq_value *want,
                            const result_series *s, uint32_t i, fer_err *err)
{
    const histogram *h = s->h == NULL ? NULL : s->h[i];
    if (same_value(want, s->v[i], h))
        return FER_OK;
    fer_buf b = message();
    labels_print_metric(&b, c->e->series[at].metric);
    fer_buf_puts(&b, STR(": expected "));
    print_value(&b, want->v, want->h);
    fer_buf_puts(&b, STR(", got "));
    print_value(&b, s->v[i], h);
    if (s->n > 1)
        fer_buf_printf(&b, " at %" PRId64 " ms", s->t[i]);
    return fail_with(err, &b);
}

/* ---- vectors ---- */

static fer_code check_vector(checker *c, const result_series *series, size_t n, bool ordered,
                             fer_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const result_series *s = &series[i];
        size_t at;
        if (s->n != 1)
            return fer_fail(err, FER_INVALID, "a vector with %u points in a series", s->n);
        FER_TRY(match_series(c, s, &at, err));
        FER_TRY(check_point(c, at, &c->e->series[at].values.v[0], s, 0, err));
        if (!ordered || at == i)
            continue;
        fer_buf b = message();
        labels_print_metric(&b, c->e->series[at].metric);
        fer_buf_printf(&b, ": expected at position %zu, was at %zu", at + 1, i + 1);
        return fail_with(err, &b);
    }
    return check_all_seen(c, err);
}

/* ---- matrices ---- */

static fer_code check_times(const checker *c, size_t at, const result_series *s, time_range r,
                            fer_err *err)
{
    const seq *want = &c->e->series[at].values;
    if (want->n > 0 && r.start_ms + (int64_t)(want->n - 1) * r.step_ms > r.end_ms)
        return fer_fail(err, FER_INVALID, "%zu values expected, more than the range has steps",
                        want->n);
    uint32_t k = 0;
    bool same = true;
    for (size_t i = 0; i < want->n && same; i++) {
        if (!want->v[i].present)
            continue;
        same = k < s->n && s->t[k] == r.start_ms + (int64_t)i * r.step_ms;
        k++;
    }
    if (same && k == s->n)
        return FER_OK;
    fer_buf b = message();
    labels_print_metric(&b, c->e->series[at].metric);
    fer_buf_puts(&b, STR(": values at other times than expected:"));
    print_points(&b, s);
    return fail_with(err, &b);
}

static fer_code check_matrix(checker *c, const result_series *series, size_t n, time_range r,
                             fer_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const result_series *s = &series[i];
        size_t at;
        if (i > 0 && label_ids_cmp(c->syms, series[i - 1].labels, series[i - 1].n_labels, s->labels,
                                   s->n_labels) >= 0)
            return fer_fail(err, FER_INVALID, "the series of the matrix are not sorted by labels");
        FER_TRY(match_series(c, s, &at, err));
        FER_TRY(check_times(c, at, s, r, err));
        const seq *want = &c->e->series[at].values;
        uint32_t k = 0;
        for (size_t v = 0; v < want->n; v++)
            if (want->v[v].present)
                FER_TRY(check_point(c, at, &want->v[v], s, k++, err));
    }
    return check_all_seen(c, err);
}

/* ---- scalars, strings, types ---- */

static fer_code check_scalar(const eval_command *e, double v, fer_err *err)
{
    if (almost_equal(e->scalar, v))
        return FER_OK;
    fer_buf b = message();
    fer_buf_puts(&b, STR("expected scalar "));
    print_float(&b, e->scalar);
    fer_buf_puts(&b, STR(", got "));
    print_float(&b, v);
    return fail_with(err, &b);
}

static value_type expected_type(const eval_command *e)
{
    if (e->has_scalar)
        return VALUE_SCALAR;
    if (e->has_string)
        return VALUE_STRING;
    return e->range || e->has_range_vector ? VALUE_MATRIX : VALUE_VECTOR;
}

fer_code check_result(const eval_command *e, const promql_result *r, syms *s, fer_err *err)
{
    if (r->type != expected_type(e))
        return fer_fail(err, FER_INVALID, "expected a %s, got a %s",
                        value_type_name(expected_type(e)), value_type_name(r->type));
    if (r->type == VALUE_SCALAR)
        return check_scalar(e, r->scalar, err);
    if (r->type == VALUE_STRING) {
        if (str_eq(r->string, e->string))
            return FER_OK;
        return fer_fail(err, FER_INVALID, "expected string \"%.*s\", got \"%.*s\"",
                        STR_FMT(e->string), STR_FMT(r->string));
    }

    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    checker c;
    FER_TRY(begin(&c, e, s, a, err));
    if (r->type == VALUE_VECTOR)
        return check_vector(&c, r->series, r->n_series, e->ordered, err);
    return check_matrix(&c, r->series, r->n_series, e->range ? e->time : e->range_vector, err);
}

fer_code check_step(const eval_command *e, const promql_result *matrix, int64_t at_ms, syms *s,
                    fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    result_series *at = ARENA_ARRAY(a, result_series, matrix->n_series);
    size_t n = 0;
    if (matrix->type != VALUE_MATRIX)
        return fer_fail(err, FER_INVALID, "a range query gave a %s", value_type_name(matrix->type));
    for (size_t i = 0; i < matrix->n_series; i++) {
        const result_series *m = &matrix->series[i];
        for (uint32_t k = 0; k < m->n; k++) {
            if (m->t[k] != at_ms)
                continue;
            at[n] = *m;
            at[n].n = 1;
            at[n].t = &m->t[k];
            at[n].v = &m->v[k];
            at[n++].h = m->h == NULL ? NULL : &m->h[k];
        }
    }
    if (e->has_scalar) {
        if (n != 1 || at[0].n_labels != 0)
            return fer_fail(err, FER_INVALID, "expected a scalar, got %zu series", n);
        return check_scalar(e, at[0].v[0], err);
    }
    checker c;
    FER_TRY(begin(&c, e, s, a, err));
    return check_vector(&c, at, n, false, err);
}

/* ---- annotations and failures ---- */

/* Texts of one kind: each expectation is met by one, and where there are any, each text meets one. */
static fer_code check_texts(const eval_command *e, expect_kind kind, const char *what,
                            const str_list *texts, fer_err *err)
{
    size_t at = 0;
    for (const expectation *x; (x = eval_expectation(e, kind, &at)) != NULL;) {
        bool met = false;
        for (size_t i = 0; i < texts->n && !met; i++)
            met = expectation_met(x, texts->v[i]);
        if (!met && texts->n == 0)
            return fer_fail(err, FER_INVALID, "expected %s, got none", what);
        if (!met)
            return fer_fail(err, FER_INVALID, "%s expected, got another: %.*s", what,
                            STR_FMT(texts->v[0]));
    }
    for (size_t i = 0; i < texts->n && eval_expects(e, kind); i++) {
        bool met = false;
        at = 0;
        for (const expectation *x; !met && (x = eval_expectation(e, kind, &at)) != NULL;)
            met = expectation_met(x, texts->v[i]);
        if (!met)
            return fer_fail(err, FER_INVALID, "unexpected %s: %.*s", what, STR_FMT(texts->v[i]));
    }
    return FER_OK;
}

static fer_code check_none(const eval_command *e, expect_kind kind, const char *what,
                           const str_list *texts, fer_err *err)
{
    if (texts->n > 0 && eval_expects(e, kind))
        return fer_fail(err, FER_INVALID, "unexpected %s: %.*s", what, STR_FMT(texts->v[0]));
    return FER_OK;
}

fer_code check_annotations(const eval_command *e, const promql_result *r, fer_err *err)
{
    FER_TRY(check_texts(e, EXPECT_WARN, "warning", &r->warnings, err));
    FER_TRY(check_none(e, EXPECT_NO_WARN, "warning", &r->warnings, err));
    FER_TRY(check_texts(e, EXPECT_INFO, "info", &r->infos, err));
    return check_none(e, EXPECT_NO_INFO, "info", &r->infos, err);
}

fer_code check_failure(const eval_command *e, const char *msg, fer_err *err)
{
    if (!eval_expects(e, EXPECT_FAIL))
        return fer_fail(err, FER_INVALID, "error: %s", msg);
    size_t at = 0;
    for (const expectation *x; (x = eval_expectation(e, EXPECT_FAIL, &at)) != NULL;)
        if (!expectation_met(x, str_of(msg)))
            return fer_fail(err, FER_INVALID, "another error than expected: %s", msg);
    return FER_OK;
}

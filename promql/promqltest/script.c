#include "promql/promqltest/script.h"

#include "base/num.h"
#include "base/text.h"
#include "promql/parse.h"

/* ---- lines ---- */

typedef struct reader {
    fer_arena *arena;
    fer_str rest;
    uint32_t line; /* of the line read last, from 1 */
} reader;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static fer_str trim(fer_str s)
{
    while (s.n > 0 && is_blank(s.p[0]))
        s = str_from(s, 1);
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* The next line, trimmed; a comment is an empty line. False at the end. */
static bool next_line(reader *r, fer_str *ret)
{
    if (r->rest.n == 0)
        return false;
    const char *end = memchr(r->rest.p, '\n', r->rest.n);
    size_t n = end == NULL ? r->rest.n : (size_t)(end - r->rest.p);
    fer_str line = trim(str_head(r->rest, n));
    r->rest = str_from(r->rest, end == NULL ? n : n + 1);
    r->line++;
    *ret = line.n > 0 && line.p[0] == '#' ? STR("") : line;
    return true;
}

/* The next line of a command; false at its end. */
static bool next_block_line(reader *r, fer_str *ret)
{
    return next_line(r, ret) && ret->n > 0;
}

/* Cuts the first word off. */
static fer_str take_word(fer_str *s)
{
    size_t n = 0;
    while (n < s->n && !is_blank(s->p[n]))
        n++;
    fer_str word = str_head(*s, n);
    *s = trim(str_from(*s, n));
    return word;
}

static bool take_known_word(fer_str *s, const char *word)
{
    fer_str rest = *s;
    if (!str_eq(take_word(&rest), str_of(word)))
        return false;
    *s = rest;
    return true;
}

/* Room for one more in a growing array; false past the budget. */
static bool grow(fer_arena *a, void **v, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return true;
    size_t more = *cap == 0 ? 8 : *cap * 2;
    void *p = fer_arena_grow(a, *v, *cap * size, more * size);
    if (p == NULL)
        return false;
    *v = p;
    *cap = more;
    return true;
}

#define GROW(a, v, n, cap) grow((a), (void **)&(v), (n), &(cap), sizeof *(v))

/* ---- times and series ---- */

static fer_code parse_time(fer_str s, int64_t *ret, fer_err *err)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    int64_t ms;
    FER_TRY(text_parse_duration(str_from(s, negative), &ms, err));
    *ret = negative ? -ms : ms;
    return FER_OK;
}

/* from A to B step S */
static fer_code take_range(fer_str *s, time_range *ret, fer_err *err)
{
    time_range r;
    if (!take_known_word(s, "from"))
        return fer_fail(err, FER_INVALID, "expected: from <time> to <time> step <duration>");
    FER_TRY(parse_time(take_word(s), &r.start_ms, err));
    if (!take_known_word(s, "to"))
        return fer_fail(err, FER_INVALID, "expected: to <time> step <duration>");
    FER_TRY(parse_time(take_word(s), &r.end_ms, err));
    if (!take_known_word(s, "step"))
        return fer_fail(err, FER_INVALID, "expected: step <duration>");
    FER_TRY(parse_time(take_word(s), &r.step_ms, err));
    if (r.end_ms < r.start_ms)
        return fer_fail(err, FER_INVALID, "the range ends before it begins");
    if (r.step_ms <= 0)
        return fer_fail(err, FER_INVALID, "the step must be above 0");
    *ret = r;
    return FER_OK;
}

/* Sorted, without labels whose value is empty. */
static fer_code parse_metric(fer_str text, fer_arena *a, labels *ret, fer_err *err)
{
    labels ls;
    FER_TRY(promql_parse_metric(text, a, &ls, err));
    label *kept = ARENA_ARRAY(a, label, ls.n);
    if (kept == NULL)
        return fer_fail_budget(err, "labels");
    if (ls.n > 0)
        memcpy(kept, ls.l, ls.n * sizeof *kept);
    return labels_canonical(kept, ls.n, false, ret, err);
}

static fer_code parse_series(reader *r, const series_line *l, script_series *ret, fer_err *err)
{
    ret->line = r->line;
    FER_TRY(parse_metric(l->metric, r->arena, &ret->metric, err));
    return notation_values(l->values, r->arena, &ret->values, err);
}

/* ---- load ---- */

/* A series written twice in a load has the values written last. */
static script_series *known_series(const load_command *c, labels metric)
{
    for (size_t i = 0; i < c->n_series; i++)
        if (labels_eq(c->series[i].metric, metric))
            return &c->series[i];
    return NULL;
}

static fer_code add_load_line(reader *r, fer_str line, load_command *c, fer_err *err)
{
    series_line l;
    FER_TRY(notation_split(line, &l, err));
    if (l.starts) {
        script_starts s = {.line = r->line};
        FER_TRY(parse_metric(l.metric, r->arena, &s.metric, err));
        FER_TRY(notation_starts(l.values, r->arena, &s.offsets, err));
        if (!GROW(r->arena, c->starts, c->n_starts, c->cap_starts))
            return fer_fail_budget(err, "script");
        c->starts[c->n_starts++] = s;
        return FER_OK;
    }
    script_series s;
    FER_TRY(parse_series(r, &l, &s, err));
    script_series *known = known_series(c, s.metric);
    if (known != NULL) {
        *known = s;
        return FER_OK;
    }
    if (!GROW(r->arena, c->series, c->n_series, c->cap_series))
        return fer_fail_budget(err, "script");
    c->series[c->n_series++] = s;
    return FER_OK;
}

static fer_code parse_load(reader *r, fer_str rest, load_command *c, fer_err *err)
{
    FER_TRY(parse_time(rest, &c->step_ms, err));
    if (c->step_ms <= 0)
        return fer_fail(err, FER_INVALID, "the step of a load must be above 0");
    fer_str line;
    while (next_block_line(r, &line))
        FER_TRY(add_load_line(r, line, c, err));
    return FER_OK;
}

/* ---- eval ---- */

static void free_regex(void *re)
{
    fer_regex_free(re);
}

/* fer_regex matches whole strings; an expectation is met anywhere in the text. */
static fer_code compile_anywhere(fer_str pattern, fer_arena *a, const fer_regex **ret, fer_err *err)
{
    fer_str wrapped = fer_arena_printf(a, ".*(?:%.*s).*", STR_FMT(pattern));
    if (wrapped.p == NULL)
        return fer_fail_budget(err, "script");
    fer_regex *re;
    FER_TRY(fer_regex_new(wrapped, &re, err));
    if (!fer_arena_on_close(a, free_regex, re)) {
        fer_regex_free(re);
        return fer_fail_budget(err, "script");
    }
    *ret = re;
    return FER_OK;
}

static fer_code add_expectation(reader *r, eval_command *c, expect_kind kind, fer_str msg,
                                fer_str pattern, fer_err *err)
{
    expectation x = {.kind = kind, .msg = msg};
    if (pattern.p != NULL)
        FER_TRY(compile_anywhere(pattern, r->arena, &x.re, err));
    if (!GROW(r->arena, c->expect, c->n_expect, c->cap_expect))
        return fer_fail_budget(err, "script");
    c->expect[c->n_expect++] = x;
    return FER_OK;
}

static const fer_str none = {NULL, 0};

/* What follows the kind: nothing, msg:<text> or regex:<re>. */
static fer_code parse_expectation(reader *r, fer_str rest, eval_command *c, expect_kind kind,
                                  fer_err *err)
{
    if (rest.n == 0)
        return add_expectation(r, c, kind, none, none, err);
    if (kind == EXPECT_NO_WARN || kind == EXPECT_NO_INFO)
        return fer_fail(err, FER_INVALID, "unexpected \"%.*s\"", STR_FMT(rest));
    if (str_has_prefix(rest, STR("msg:")))
        return add_expectation(r, c, kind, trim(str_from(rest, 4)), none, err);
    if (str_has_prefix(rest, STR("regex:")))
        return add_expectation(r, c, kind, none, trim(str_from(rest, 6)), err);
    return fer_fail(err, FER_INVALID, "expected msg: or regex:, found \"%.*s\"", STR_FMT(rest));
}

static fer_code parse_string(reader *r, fer_str rest, eval_command *c, fer_err *err)
{
    expr *e;
    FER_TRY(promql_parse(rest, &(promql_features){0}, r->arena, &e, err));
    if (e->kind != EXPR_STRING)
        return fer_fail(err, FER_INVALID, "expected a quoted string, found %.*s", STR_FMT(rest));
    c->has_string = true;
    c->string = e->u.string;
    return FER_OK;
}

static fer_code parse_expect(reader *r, fer_str rest, eval_command *c, fer_err *err)
{
    static const struct {
        const char *word;
        expect_kind kind;
    } kinds[] = {
        {"fail", EXPECT_FAIL}, {"warn", EXPECT_WARN},       {"no_warn", EXPECT_NO_WARN},
        {"info", EXPECT_INFO}, {"no_info", EXPECT_NO_INFO},
    };
    fer_str word = take_word(&rest);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (str_eq(word, str_of(kinds[i].word)))
            return parse_expectation(r, rest, c, kinds[i].kind, err);
    if (str_eq(word, STR("ordered")) && rest.n == 0) {
        c->ordered = true;
        return FER_OK;
    }
    if (str_eq(word, STR("string")))
        return parse_string(r, rest, c, err);
    if (str_eq(word, STR("range")) && take_known_word(&rest, "vector")) {
        c->has_range_vector = true;
        return take_range(&rest, &c->range_vector, err);
    }
    return fer_fail(err, FER_INVALID, "unknown expectation \"%.*s\"", STR_FMT(word));
}

static fer_code add_expected_series(reader *r, fer_str line, eval_command *c, fer_err *err)
{
    series_line l;
    FER_TRY(notation_split(line, &l, err));
    if (l.starts)
        return fer_fail(err, FER_INVALID, "start timestamps can only be loaded");
    script_series s;
    FER_TRY(parse_series(r, &l, &s, err));
    if (s.values.n == 0)
        return fer_fail(err, FER_INVALID, "expected series without values");
    if (!c->range && !c->has_range_vector && (s.values.n != 1 || !s.values.v[0].present))
        return fer_fail(err, FER_INVALID, "an instant query gives one value a series");
    if (!GROW(r->arena, c->series, c->n_series, c->cap_series))
        return fer_fail_budget(err, "script");
    c->series[c->n_series++] = s;
    return FER_OK;
}

static fer_code parse_eval_line(reader *r, fer_str line, eval_command *c, fer_err *err)
{
    fer_str rest = line;
    fer_str word = take_word(&rest);
    if (str_eq(word, STR("expect")))
        return parse_expect(r, rest, c, err);
    if (str_eq(word, STR("expected_fail_message")))
        return add_expectation(r, c, EXPECT_FAIL, rest, none, err);
    if (str_eq(word, STR("expected_fail_regexp")))
        return add_expectation(r, c, EXPECT_FAIL, none, rest, err);
    if (rest.n == 0 && num_parse_f64(word, &c->scalar)) {
        c->has_scalar = true;
        return FER_OK;
    }
    return add_expected_series(r, line, c, err);
}

/* The ending of eval_fail and its like. */
static fer_code parse_eval_suffix(reader *r, fer_str suffix, eval_command *c, fer_err *err)
{
    if (str_eq(suffix, STR("_fail")))
        return add_expectation(r, c, EXPECT_FAIL, none, none, err);
    if (str_eq(suffix, STR("_warn")))
        return add_expectation(r, c, EXPECT_WARN, none, none, err);
    if (str_eq(suffix, STR("_info")))
        return add_expectation(r, c, EXPECT_INFO, none, none, err);
    if (!str_eq(suffix, STR("_ordered")))
        return fer_fail(err, FER_INVALID, "unknown command \"eval%.*s\"", STR_FMT(suffix));
    c->ordered = true;
    return FER_OK;
}

static fer_code parse_eval(reader *r, fer_str suffix, fer_str rest, eval_command *c, fer_err *err)
{
    if (suffix.n > 0)
        FER_TRY(parse_eval_suffix(r, suffix, c, err));
    if (take_known_word(&rest, "range")) {
        c->range = true;
        FER_TRY(take_range(&rest, &c->time, err));
    } else if (take_known_word(&rest, "instant")) {
        if (take_known_word(&rest, "at"))
            FER_TRY(parse_time(take_word(&rest), &c->time.start_ms, err));
        c->time.end_ms = c->time.start_ms;
    } else {
        return fer_fail(err, FER_INVALID, "expected: eval instant or eval range");
    }
    if (rest.n == 0)
        return fer_fail(err, FER_INVALID, "eval without a query");
    c->query = rest;

    fer_str line;
    while (next_block_line(r, &line))
        FER_TRY(parse_eval_line(r, line, c, err));
    return FER_OK;
}

/* ---- commands ---- */

static fer_code parse_command(reader *r, fer_str line, command *c, fer_err *err)
{
    fer_str rest = line;
    fer_str word = take_word(&rest);
    if (str_eq(word, STR("clear")) && rest.n == 0) {
        c->kind = COMMAND_CLEAR;
        return FER_OK;
    }
    if (str_eq(word, STR("load")) || str_eq(word, STR("load_with_nhcb"))) {
        c->kind = COMMAND_LOAD;
        c->load.with_nhcb = word.n > 4;
        return parse_load(r, rest, &c->load, err);
    }
    if (str_has_prefix(word, STR("eval"))) {
        c->kind = COMMAND_EVAL;
        return parse_eval(r, str_from(word, 4), rest, &c->eval, err);
    }
    return fer_fail(err, FER_INVALID, "unknown command \"%.*s\"", STR_FMT(word));
}

fer_code script_parse(fer_str text, fer_arena *a, script *ret, fer_err *err)
{
    reader r = {.arena = a, .rest = text};
    *ret = (script){0};
    fer_str line;
    while (next_line(&r, &line)) {
        if (line.n == 0)
            continue;
        command c = {.line = r.line};
        if (parse_command(&r, line, &c, err) != FER_OK)
            return fer_err_prefix(err, "line %u", r.line);
        if (!GROW(a, ret->v, ret->n, ret->cap))
            return fer_fail_budget(err, "script");
        ret->v[ret->n++] = c;
    }
    return FER_OK;
}

/* ---- expectations ---- */

const expectation *eval_expectation(const eval_command *e, expect_kind kind, size_t *at)
{
    while (*at < e->n_expect) {
        const expectation *x = &e->expect[(*at)++];
        if (x->kind == kind)
            return x;
    }
    return NULL;
}

bool eval_expects(const eval_command *e, expect_kind kind)
{
    size_t at = 0;
    return eval_expectation(e, kind, &at) != NULL;
}

bool expectation_met(const expectation *x, fer_str text)
{
    if (x->msg.p != NULL && !str_eq(x->msg, text))
        return false;
    return x->re == NULL || fer_regex_match(x->re, text);
}

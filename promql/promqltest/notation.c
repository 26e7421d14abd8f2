#include "promql/promqltest/notation.h"

#include "base/num.h"
#include "base/text.h"
#include "promql/promqltest/histogram_text.h"
#include "tsdb/samples.h"

enum { LIST_CAP_MIN = 16 };

/* ---- scanning ---- */

typedef struct scanner {
    fer_str text;
    size_t at;
} scanner;

static bool at_end(const scanner *s)
{
    return s->at >= s->text.n;
}

static char peek_char(const scanner *s)
{
    return at_end(s) ? '\0' : s->text.p[s->at];
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void skip_spaces(scanner *s)
{
    while (is_space(peek_char(s)))
        s->at++;
}

static bool take(scanner *s, fer_str word)
{
    if (!str_has_prefix(str_from(s->text, s->at), word))
        return false;
    s->at += word.n;
    return true;
}

/* What stands at the scanner, for errors: up to the next space. */
static fer_str word_here(const scanner *s)
{
    size_t end = s->at;
    while (end < s->text.n && !is_space(s->text.p[end]))
        end++;
    return (fer_str){s->text.p + s->at, end - s->at};
}

/* xN behind an item: *ret stays 0 when it is not there. */
static fer_code take_times(scanner *s, uint64_t *ret, bool *ret_given, fer_err *err)
{
    *ret = 0;
    *ret_given = peek_char(s) == 'x';
    if (!*ret_given)
        return FER_OK;
    s->at++;
    size_t from = s->at;
    while (is_digit(peek_char(s)))
        s->at++;
    if (!num_parse_u64((fer_str){s->text.p + from, s->at - from}, ret) ||
        *ret > NOTATION_VALUES_MAX)
        return fer_fail(err, FER_INVALID, "bad number of repetitions at \"%.*s\"",
                        STR_FMT(str_from(s->text, from)));
    return FER_OK;
}

static fer_code need_space(const scanner *s, fer_err *err)
{
    if (at_end(s) || is_space(peek_char(s)))
        return FER_OK;
    return fer_fail(err, FER_INVALID, "unexpected \"%.*s\" in series values",
                    STR_FMT(word_here(s)));
}

/* A decimal number or Inf or NaN, with an optional sign. Hexadecimal would read 0x3 otherwise. */
static fer_code take_number(scanner *s, double *ret, fer_err *err)
{
    scanner from = *s;
    if (peek_char(s) == '+' || peek_char(s) == '-')
        s->at++;
    if (is_letter(peek_char(s))) {
        while (is_letter(peek_char(s)) && peek_char(s) != 'x')
            s->at++;
    } else {
        while (is_digit(peek_char(s)) || peek_char(s) == '.')
            s->at++;
        if (peek_char(s) == 'e' || peek_char(s) == 'E') {
            s->at++;
            if (peek_char(s) == '+' || peek_char(s) == '-')
                s->at++;
            while (is_digit(peek_char(s)))
                s->at++;
        }
    }
    if (!num_parse_f64((fer_str){s->text.p + from.at, s->at - from.at}, ret))
        return fer_fail(err, FER_INVALID, "bad value \"%.*s\"", STR_FMT(word_here(&from)));
    return FER_OK;
}

/* ---- values ---- */

static fer_code add_value(seq *l, fer_arena *a, seq_value v, fer_err *err)
{
    if (l->n == NOTATION_VALUES_MAX)
        return fer_fail(err, FER_LIMIT, "more than %d values in a line", NOTATION_VALUES_MAX);
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? LIST_CAP_MIN : l->cap * 2;
        seq_value *p = fer_arena_grow(a, l->v, l->cap * sizeof *p, cap * sizeof *p);
        if (p == NULL)
            return fer_fail_budget(err, "series values");
        l->v = p;
        l->cap = cap;
    }
    l->v[l->n++] = v;
    return FER_OK;
}

/* `_` or `_xN`, behind the underscore. */
static fer_code take_gap(scanner *s, uint64_t *ret_n, fer_err *err)
{
    bool given;
    FER_TRY(take_times(s, ret_n, &given, err));
    if (!given)
        *ret_n = 1;
    return FER_OK;
}

static fer_code take_floats(scanner *s, fer_arena *a, seq *out, fer_err *err)
{
    double v, step = 0;
    if (take(s, STR("stale")))
        v = f64_of_bits(STALE_NAN_BITS);
    else
        FER_TRY(take_number(s, &v, err));

    bool stepped = peek_char(s) == '+' || peek_char(s) == '-';
    if (stepped)
        FER_TRY(take_number(s, &step, err));
    uint64_t times;
    bool given;
    FER_TRY(take_times(s, &times, &given, err));
    if (stepped && !given)
        return fer_fail(err, FER_INVALID, "a step needs a number of repetitions: x3");
    for (uint64_t i = 0; i <= times; i++) {
        FER_TRY(add_value(out, a, (seq_value){.present = true, .v = v}, err));
        if (stepped) /* not always: adding 0 would spoil the bits of a stale marker */
            v += step;
    }
    return FER_OK;
}

static fer_code take_histogram(scanner *s, fer_arena *a, histogram **ret, bool *ret_hint_given,
                               fer_err *err)
{
    if (!take(s, STR("{{")))
        return fer_fail(err, FER_INVALID, "expected a histogram at \"%.*s\"",
                        STR_FMT(word_here(s)));
    size_t from = s->at;
    while (!at_end(s) && !str_has_prefix(str_from(s->text, s->at), STR("}}")))
        s->at++;
    fer_str inside = {s->text.p + from, s->at - from};
    if (!take(s, STR("}}")))
        return fer_fail(err, FER_INVALID, "histogram is not closed: {{%.*s", STR_FMT(inside));
    return histogram_text_parse(inside, a, ret, ret_hint_given, err);
}

static fer_code take_histograms(scanner *s, fer_arena *a, seq *out, fer_err *err)
{
    histogram *h, *step = NULL;
    bool hint_given, step_hint_given, given;
    double sign = 1;
    FER_TRY(take_histogram(s, a, &h, &hint_given, err));
    if (peek_char(s) == '+' || peek_char(s) == '-') {
        sign = peek_char(s) == '-' ? -1 : 1;
        s->at++;
        FER_TRY(take_histogram(s, a, &step, &step_hint_given, err));
    }
    uint64_t times;
    FER_TRY(take_times(s, &times, &given, err));
    if (step != NULL && !given)
        return fer_fail(err, FER_INVALID, "a step needs a number of repetitions: x3");
    for (uint64_t i = 0; i <= times; i++) {
        if (i > 0 && step != NULL)
            FER_TRY(histogram_text_combine(h, step, sign, a, &h, err));
        const seq_value v = {.present = true, .h = h, .hint_given = hint_given};
        FER_TRY(add_value(out, a, v, err));
    }
    return FER_OK;
}

fer_code notation_values(fer_str text, fer_arena *a, seq *ret, fer_err *err)
{
    scanner s = {text, 0};
    seq out = {0};
    for (skip_spaces(&s); !at_end(&s); skip_spaces(&s)) {
        if (take(&s, STR("_"))) {
            uint64_t n;
            FER_TRY(take_gap(&s, &n, err));
            for (uint64_t i = 0; i < n; i++)
                FER_TRY(add_value(&out, a, (seq_value){0}, err));
        } else if (peek_char(&s) == '{') {
            FER_TRY(take_histograms(&s, a, &out, err));
        } else {
            FER_TRY(take_floats(&s, a, &out, err));
        }
        FER_TRY(need_space(&s, err));
    }
    *ret = out;
    return FER_OK;
}

/* ---- start timestamps ---- */

static fer_code add_start(start_seq *l, fer_arena *a, start_offset v, fer_err *err)
{
    if (l->n == NOTATION_VALUES_MAX)
        return fer_fail(err, FER_LIMIT, "more than %d values in a line", NOTATION_VALUES_MAX);
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? LIST_CAP_MIN : l->cap * 2;
        start_offset *p = fer_arena_grow(a, l->v, l->cap * sizeof *p, cap * sizeof *p);
        if (p == NULL)
            return fer_fail_budget(err, "start timestamps");
        l->v = p;
        l->cap = cap;
    }
    l->v[l->n++] = v;
    return FER_OK;
}

/* A duration with an optional sign. */
static fer_code take_offset(scanner *s, int64_t *ret, fer_err *err)
{
    bool negative = peek_char(s) == '-';
    if (negative || peek_char(s) == '+')
        s->at++;
    size_t from = s->at;
    while (is_digit(peek_char(s)) || (is_letter(peek_char(s)) && peek_char(s) != 'x'))
        s->at++;
    int64_t ms;
    FER_TRY(text_parse_duration((fer_str){s->text.p + from, s->at - from}, &ms, err));
    *ret = negative ? -ms : ms;
    return FER_OK;
}

static fer_code take_starts(scanner *s, fer_arena *a, start_seq *out, fer_err *err)
{
    int64_t ms, step = 0;
    uint64_t times;
    bool given;
    FER_TRY(take_offset(s, &ms, err));
    bool stepped = peek_char(s) == '+' || peek_char(s) == '-';
    if (stepped)
        FER_TRY(take_offset(s, &step, err));
    FER_TRY(take_times(s, &times, &given, err));
    if (stepped && !given)
        return fer_fail(err, FER_INVALID, "a step needs a number of repetitions: x3");
    for (uint64_t i = 0; i <= times; i++) {
        FER_TRY(add_start(out, a, (start_offset){true, ms}, err));
        if (__builtin_add_overflow(ms, step, &ms))
            return fer_fail(err, FER_INVALID, "start timestamp out of range");
    }
    return FER_OK;
}

fer_code notation_starts(fer_str text, fer_arena *a, start_seq *ret, fer_err *err)
{
    scanner s = {text, 0};
    start_seq out = {0};
    for (skip_spaces(&s); !at_end(&s); skip_spaces(&s)) {
        if (take(&s, STR("_"))) {
            uint64_t n;
            FER_TRY(take_gap(&s, &n, err));
            for (uint64_t i = 0; i < n; i++)
                FER_TRY(add_start(&out, a, (start_offset){0}, err));
        } else {
            FER_TRY(take_starts(&s, a, &out, err));
        }
        FER_TRY(need_space(&s, err));
    }
    *ret = out;
    return FER_OK;
}

/* ---- series lines ---- */

/* Moves behind the closing brace; braces inside quotes do not count. */
static bool skip_braces(scanner *s)
{
    s->at++;
    for (char quote = '\0'; !at_end(s); s->at++) {
        char c = peek_char(s);
        if (quote == '\0' && c == '}') {
            s->at++;
            return true;
        }
        if (quote == '\0' && (c == '"' || c == '\'' || c == '`'))
            quote = c;
        else if (c == quote)
            quote = '\0';
        else if (c == '\\' && quote != '\0' && quote != '`')
            s->at++;
    }
    return false;
}

fer_code notation_split(fer_str line, series_line *ret, fer_err *err)
{
    scanner s = {line, 0};
    skip_spaces(&s);
    size_t from = s.at;
    while (!at_end(&s) && !is_space(peek_char(&s)) && peek_char(&s) != '{' && peek_char(&s) != '@')
        s.at++;
    scanner braces = s;
    skip_spaces(&braces);
    bool histogram_next = str_has_prefix(str_from(line, braces.at), STR("{{"));
    if (peek_char(&braces) == '{' && !histogram_next) {
        s = braces;
        if (!skip_braces(&s))
            return fer_fail(err, FER_INVALID, "labels are not closed: %.*s", STR_FMT(line));
    }
    if (s.at == from)
        return fer_fail(err, FER_INVALID, "expected a series: %.*s", STR_FMT(line));
    series_line out = {.metric = {line.p + from, s.at - from}};
    out.starts = take(&s, STR("@st"));
    if (!at_end(&s) && !is_space(peek_char(&s)))
        return fer_fail(err, FER_INVALID, "unexpected \"%.*s\" behind the series",
                        STR_FMT(word_here(&s)));
    out.values = str_from(line, s.at);
    *ret = out;
    return FER_OK;
}

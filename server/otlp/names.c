/* names.c - a name is split into words, words are added for unit and type, and all is joined again. */
#include "server/otlp/names.h"

#include "base/utf8.h"

enum { WORDS_MAX = 128 };

typedef struct unit_word {
    const char *unit, *word;
} unit_word;

/* Units of UCUM, as OpenTelemetry writes them, in Prometheus' words. */
static const unit_word units[] = {
    {"d", "days"},
    {"h", "hours"},
    {"min", "minutes"},
    {"s", "seconds"},
    {"ms", "milliseconds"},
    {"us", "microseconds"},
    {"ns", "nanoseconds"},
    {"By", "bytes"},
    {"KiBy", "kibibytes"},
    {"MiBy", "mebibytes"},
    {"GiBy", "gibibytes"},
    {"TiBy", "tibibytes"},
    {"KBy", "kilobytes"},
    {"MBy", "megabytes"},
    {"GBy", "gigabytes"},
    {"TBy", "terabytes"},
    {"m", "meters"},
    {"V", "volts"},
    {"A", "amperes"},
    {"J", "joules"},
    {"W", "watts"},
    {"g", "grams"},
    {"Cel", "celsius"},
    {"Hz", "hertz"},
    {"1", ""},
    {"%", "percent"},
    {NULL, NULL},
};

static const unit_word per_units[] = {
    {"s", "second"}, {"m", "minute"}, {"h", "hour"}, {"d", "day"},
    {"w", "week"},   {"mo", "month"}, {"y", "year"}, {NULL, NULL},
};

static fer_str lookup(const unit_word *table, fer_str unit)
{
    for (; table->unit != NULL; table++)
        if (str_eq(str_of(table->unit), unit))
            return str_of(table->word);
    return unit;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == ':';
}

static fer_str trim_spaces(fer_str s)
{
    while (s.n != 0 && (s.p[0] == ' ' || (s.p[0] >= '\t' && s.p[0] <= '\r')))
        s = str_from(s, 1);
    while (s.n != 0 && (s.p[s.n - 1] == ' ' || (s.p[s.n - 1] >= '\t' && s.p[s.n - 1] <= '\r')))
        s.n--;
    return s;
}

/* The words a unit adds: `a/b` gives those of a and of "per b". A part in braces is a remark, no unit. */
typedef struct unit_parts {
    fer_str main, per; /* per without "per_" */
} unit_parts;

static bool is_unit(fer_str s)
{
    return s.n != 0 && memchr(s.p, '{', s.n) == NULL && memchr(s.p, '}', s.n) == NULL;
}

static unit_parts unit_split(fer_str unit)
{
    unit_parts ret = {STR(""), STR("")};
    const char *slash = unit.n == 0 ? NULL : memchr(unit.p, '/', unit.n);
    size_t n = slash == NULL ? unit.n : (size_t)(slash - unit.p);
    fer_str main = trim_spaces(str_head(unit, n));
    if (is_unit(main))
        ret.main = lookup(units, main);
    fer_str per = trim_spaces(str_from(unit, n + 1));
    if (slash != NULL && is_unit(per))
        ret.per = lookup(per_units, per);
    return ret;
}

/* The words of a name, some of them made here. */
typedef struct words {
    fer_arena *a;
    fer_str w[WORDS_MAX];
    size_t n;
    bool failed; /* too many, or not enough memory */
} words;

static void words_add(words *ws, fer_str w)
{
    if (w.n == 0)
        return;
    if (ws->n == WORDS_MAX)
        ws->failed = true;
    else
        ws->w[ws->n++] = w;
}

static bool words_have(const words *ws, fer_str w)
{
    for (size_t i = 0; i < ws->n; i++)
        if (str_eq(ws->w[i], w))
            return true;
    return false;
}

/* Takes w out wherever it is and puts it last. */
static void words_move_last(words *ws, fer_str w)
{
    size_t kept = 0;
    for (size_t i = 0; i < ws->n; i++)
        if (!str_eq(ws->w[i], w))
            ws->w[kept++] = ws->w[i];
    ws->n = kept;
    words_add(ws, w);
}

/* Splits at what is no letter, digit or colon. */
static void words_split(words *ws, fer_str name)
{
    for (size_t i = 0; i < name.n;) {
        size_t from = i;
        while (i < name.n && is_word_char(name.p[i]))
            i++;
        words_add(ws, (fer_str){name.p + from, i - from});
        while (i < name.n && !is_word_char(name.p[i]))
            i++;
    }
}

/* A unit's text as a word behind prefix: runs of what is no word character become one underscore, none in
 * front. Empty when nothing is left; .p NULL past the budget. */
static fer_str clean_unit(fer_arena *a, fer_str prefix, fer_str unit)
{
    char *p = fer_arena_alloc(a, prefix.n + unit.n + 1);
    if (p == NULL)
        return (fer_str){NULL, 0};
    char *at = p + prefix.n;
    size_t n = 0;
    memcpy(p, prefix.p, prefix.n);
    for (size_t i = 0; i < unit.n; i++) {
        bool good = is_word_char(unit.p[i]);
        if (good || (n != 0 && at[n - 1] != '_'))
            at[n++] = good ? unit.p[i] : '_';
    }
    return (fer_str){p, n == 0 ? 0 : prefix.n + n};
}

static fer_str trim_underscore(fer_str s)
{
    return s.n > 1 && s.p[s.n - 1] == '_' ? str_head(s, s.n - 1) : s;
}

static void words_add_units(words *ws, fer_str unit)
{
    unit_parts parts = unit_split(unit);
    fer_str main = clean_unit(ws->a, STR(""), parts.main);
    fer_str per = trim_underscore(clean_unit(ws->a, STR("per_"), parts.per));
    if (main.p == NULL || per.p == NULL) {
        ws->failed = true;
        return;
    }
    bool has_main = words_have(ws, main), has_per = per.n == 0 || words_have(ws, per);
    if (!has_main)
        words_add(ws, has_per ? main : trim_underscore(main));
    if (!has_per)
        words_add(ws, per);
}

static fer_str join(words *ws)
{
    size_t n = 1;
    for (size_t i = 0; i < ws->n; i++)
        n += ws->w[i].n + 1;
    char *p = fer_arena_alloc(ws->a, n);
    if (p == NULL)
        return (fer_str){NULL, 0};
    n = 0;
    if (ws->n != 0 && is_digit(ws->w[0].p[0]))
        p[n++] = '_';
    for (size_t i = 0; i < ws->n; i++) {
        if (i != 0)
            p[n++] = '_';
        memcpy(p + n, ws->w[i].p, ws->w[i].n);
        n += ws->w[i].n;
    }
    return (fer_str){p, n};
}

/* The classic form: words and underscores. */
static fer_code join_words(fer_arena *a, fer_str name, fer_str unit, otlp_kind kind, fer_str *ret,
                           fer_err *err)
{
    words *ws = ARENA_NEW(a, words);
    if (ws == NULL)
        return fer_fail_budget(err, "metric name");
    ws->a = a;
    words_split(ws, name);
    words_add_units(ws, unit);
    if (kind == OTLP_COUNTER)
        words_move_last(ws, STR("total"));
    if (kind == OTLP_GAUGE && str_eq(unit, STR("1")))
        words_move_last(ws, STR("ratio"));
    if (ws->failed)
        return fer_fail(err, FER_INVALID, "a metric name of %zu bytes is too long", name.n);
    *ret = join(ws);
    return ret->p == NULL ? fer_fail_budget(err, "metric name") : FER_OK;
}

/* Runs of what the old names do not allow become one underscore, none at the ends; underscores stay. */
static fer_code escape_plain(fer_arena *a, fer_str name, fer_str *ret, fer_err *err)
{
    char *p = fer_arena_alloc(a, name.n + 2);
    if (p == NULL)
        return fer_fail_budget(err, "metric name");
    size_t n = 0;
    bool gap = false;
    for (size_t i = 0; i < name.n; i++) {
        if (!is_word_char(name.p[i]) && name.p[i] != '_') {
            gap = true;
            continue;
        }
        if ((gap && n != 0) || (n == 0 && is_digit(name.p[i])))
            p[n++] = '_';
        gap = false;
        p[n++] = name.p[i];
    }
    *ret = (fer_str){p, n};
    return FER_OK;
}

/* Without the suffix and the character before it, where something else remains. */
static fer_str trim_suffix(fer_str s, fer_str suffix)
{
    if (suffix.n != 0 && str_has_suffix(s, suffix) && s.n > suffix.n + 1)
        s.n -= suffix.n + 1;
    return s;
}

/* Names in UTF-8 stay; the words for unit and type go to the end. */
static fer_code add_suffixes(fer_arena *a, fer_str name, fer_str unit, otlp_kind kind, fer_str *ret,
                             fer_err *err)
{
    bool ratio = kind == OTLP_GAUGE && str_eq(unit, STR("1"));
    bool total = kind == OTLP_COUNTER;
    unit_parts parts = unit_split(unit);
    fer_str per = parts.per.n == 0 ? STR("") : fer_arena_printf(a, "per_%.*s", STR_FMT(parts.per));
    if (per.p == NULL)
        return fer_fail_budget(err, "metric name");
    if (ratio)
        name = trim_suffix(name, STR("ratio"));
    if (total)
        name = trim_suffix(name, STR("total"));
    name = trim_suffix(name, per);
    bool main = parts.main.n != 0 && !str_has_suffix(name, parts.main);
    *ret = fer_arena_printf(a, "%.*s%s%.*s%s%.*s%s%s", STR_FMT(name), main ? "_" : "",
                            main ? (int)parts.main.n : 0, parts.main.p, per.n != 0 ? "_" : "",
                            STR_FMT(per), total ? "_total" : "", ratio ? "_ratio" : "");
    return ret->p == NULL ? fer_fail_budget(err, "metric name") : FER_OK;
}

static bool only_underscores(fer_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '_')
            return false;
    return true;
}

fer_code otlp_metric_name(unsigned strategy, fer_str name, fer_str unit, otlp_kind kind,
                          fer_arena *a, fer_str *ret, fer_err *err)
{
    fer_str made = name;
    if ((strategy & OTLP_ESCAPE) && (strategy & OTLP_SUFFIXES))
        FER_TRY(join_words(a, name, unit, kind, &made, err));
    else if (strategy & OTLP_ESCAPE)
        FER_TRY(escape_plain(a, name, &made, err));
    else if (strategy & OTLP_SUFFIXES)
        FER_TRY(add_suffixes(a, name, unit, kind, &made, err));
    if (made.n == 0 || (!str_eq(made, name) && only_underscores(made)))
        return fer_fail(err, FER_INVALID, "nothing remains of the metric name \"%.*s\"",
                        STR_FMT(str_head(name, 256)));
    *ret = made;
    return FER_OK;
}

fer_code otlp_unit_name(unsigned strategy, fer_str unit, fer_arena *a, fer_str *ret, fer_err *err)
{
    unit_parts parts = unit_split(unit);
    fer_str main = parts.main, per = parts.per;
    bool has_per = per.n != 0;
    if (strategy & OTLP_ESCAPE) {
        main = clean_unit(a, STR(""), main);
        per = clean_unit(a, STR(""), per);
    }
    if (main.p == NULL || per.p == NULL)
        return fer_fail_budget(err, "unit");
    fer_str text =
        fer_arena_printf(a, "%.*s%s%s%.*s", STR_FMT(main), main.n != 0 && has_per ? "_" : "",
                         has_per ? "per_" : "", STR_FMT(per));
    if (text.p == NULL)
        return fer_fail_budget(err, "unit");
    if (text.n != 0 && text.p[0] == '_')
        text = str_from(text, 1);
    if (text.n != 0 && text.p[text.n - 1] == '_')
        text.n--;
    *ret = text;
    return FER_OK;
}

/* Each character that is no letter, digit or underscore becomes an underscore. */
static fer_str escape_label(otlp_label_style style, fer_str name, char *p)
{
    size_t n = 0;
    for (size_t i = 0; i < name.n;) {
        uint32_t rune;
        size_t len = utf8_decode(str_from(name, i), &rune);
        bool good = is_word_char(name.p[i]) && name.p[i] != ':';
        char c = good ? name.p[i] : '_';
        if (c != '_' || style.keep_underscores || n == 0 || p[n - 1] != '_')
            p[n++] = c;
        i += len == 0 ? 1 : len;
    }
    return (fer_str){p, n};
}

fer_code otlp_label_name(otlp_label_style style, fer_str name, fer_arena *a, fer_str *ret,
                         fer_err *err)
{
    enum { PREFIX = 4 };
    if (!style.escape && name.n != 0) {
        *ret = name;
        return FER_OK;
    }
    char *p = fer_arena_alloc(a, PREFIX + name.n);
    if (p == NULL)
        return fer_fail_budget(err, "label name");
    fer_str made = escape_label(style, name, p + PREFIX);
    if (made.n == 0 || (!str_eq(made, name) && only_underscores(made)))
        return fer_fail(err, FER_INVALID, "nothing remains of the attribute name \"%.*s\"",
                        STR_FMT(str_head(name, 256)));
    size_t prefix = 0;
    if (is_digit(made.p[0]))
        prefix = 4; /* key_ */
    else if (style.key_before_underscore && made.p[0] == '_' && (made.n == 1 || made.p[1] != '_'))
        prefix = 3; /* key */
    memcpy(p + PREFIX - prefix, "key_", prefix);
    *ret = (fer_str){made.p - prefix, made.n + prefix};
    return FER_OK;
}

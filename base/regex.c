/* regex.c - see regex.h. Patterns whose meaning shows in their text (regex_shape.c) are matched
 * without RE2; the rest after a look at the literal prefix.
 */
#include "base/regex.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/regex_int.h"
#include "base/shim.h"

enum {
    RE_BYTES_MAX = 8 << 20,      /* program and caches of one pattern in RE2 */
    SHAPE_BYTES_MAX = 256 << 10, /* scratch for reading the shape */
    GROUPS_MAX = 64,             /* what fer_regex_groups fills; patterns may have more */
};

struct fer_regex {
    shim_re *re;
    fer_arena *arena; /* holds what shape points to */
    regex_shape shape;
};

/* Where the class that opens at i ends (one past its bracket). */
static size_t class_end(fer_str s, size_t i)
{
    i++;
    if (i < s.n && s.p[i] == '^')
        i++;
    for (bool first = true; i < s.n && (first || s.p[i] != ']'); first = false) {
        const char *end = NULL;
        if (s.p[i] == '[' && i + 1 < s.n && s.p[i + 1] == ':')
            end = memmem(s.p + i, s.n - i, ":]", 2);
        if (end != NULL)
            i = (size_t)(end - s.p) + 2;
        else
            i += s.p[i] == '\\' ? 2 : 1;
    }
    return i < s.n ? i + 1 : s.n;
}

/* Where the escape at i ends: past \E for \Q, else past the next byte. */
static size_t escape_end(fer_str s, size_t i)
{
    if (i + 1 < s.n && s.p[i + 1] == 'Q') {
        const char *end = memmem(s.p + i, s.n - i, "\\E", 2);
        return end == NULL ? s.n : (size_t)(end - s.p) + 2;
    }
    return i + 2 < s.n ? i + 2 : s.n;
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

/* `rest` begins with (?P< or (?<, which takes `open` bytes: the length up to the name's end. RE2
 * allows more in names than Go. */
static fer_code group_name(fer_str rest, size_t open, size_t *ret, fer_err *err)
{
    const char *close = memchr(rest.p, '>', rest.n);
    size_t end = close == NULL ? rest.n : (size_t)(close - rest.p);
    bool valid = close != NULL && end > open;
    for (size_t i = open; i < end && valid; i++)
        valid = is_word(rest.p[i]);
    if (!valid) {
        fer_str shown = str_head(rest, close == NULL ? rest.n : end + 1);
        return fer_fail(err, FER_INVALID, "error parsing regexp: invalid named capture: `%.*s`",
                        STR_FMT(shown));
    }
    *ret = end;
    return FER_OK;
}

/* Go's dialect in RE2's words: (?<name>...) becomes (?P<name>...), and \C (any byte), which Go does
 * not have, is refused. */
static fer_code translate(fer_str pattern, fer_buf *out, fer_err *err)
{
    size_t i = 0;
    while (i < pattern.n) {
        fer_str rest = str_from(pattern, i);
        size_t end = i + 1;
        if (str_has_prefix(rest, STR("\\C")))
            return fer_fail(err, FER_INVALID,
                            "error parsing regexp: invalid escape sequence: `\\C`");
        size_t open = str_has_prefix(rest, STR("(?<"))    ? 3
                      : str_has_prefix(rest, STR("(?P<")) ? 4
                                                          : 0;
        if (open != 0) {
            size_t name_end;
            FER_TRY(group_name(rest, open, &name_end, err));
            fer_buf_puts(out, STR("(?P<"));
            fer_buf_put(out, rest.p + open, name_end - open);
            i += name_end;
            continue;
        }
        if (pattern.p[i] == '\\')
            end = escape_end(pattern, i);
        else if (pattern.p[i] == '[')
            end = class_end(pattern, i);
        fer_buf_put(out, pattern.p + i, end - i);
        i = end;
    }
    return FER_OK;
}

static const char *reason(shim_re_code code)
{
    static const char *const text[] = {
        [SHIM_RE_INTERNAL] = "regexp/syntax: internal error",
        [SHIM_RE_BAD_ESCAPE] = "invalid escape sequence",
        [SHIM_RE_BAD_CLASS] = "invalid character class",
        [SHIM_RE_BAD_RANGE] = "invalid character class range",
        [SHIM_RE_MISSING_BRACKET] = "missing closing ]",
        [SHIM_RE_MISSING_PAREN] = "missing closing )",
        [SHIM_RE_UNEXPECTED_PAREN] = "unexpected )",
        [SHIM_RE_TRAILING_BACKSLASH] = "trailing backslash at end of expression",
        [SHIM_RE_REPEAT_ARGUMENT] = "missing argument to repetition operator",
        [SHIM_RE_REPEAT_SIZE] = "invalid repeat count",
        [SHIM_RE_REPEAT_OP] = "invalid nested repetition operator",
        [SHIM_RE_BAD_PERL_OP] = "invalid or unsupported Perl syntax",
        [SHIM_RE_BAD_UTF8] = "invalid UTF-8",
        [SHIM_RE_BAD_NAMED_CAPTURE] = "invalid named capture",
        [SHIM_RE_TOO_LARGE] = "expression too large",
    };
    return text[code];
}

/* What Go shows in backquotes, where it is not what RE2 shows. */
static fer_str blamed(const shim_re_error *e, fer_str pattern)
{
    switch (e->code) {
    case SHIM_RE_MISSING_PAREN:
    case SHIM_RE_UNEXPECTED_PAREN:
    case SHIM_RE_TOO_LARGE:
    case SHIM_RE_BAD_UTF8:
        return pattern;
    case SHIM_RE_TRAILING_BACKSLASH:
        return STR("");
    default:
        return (fer_str){e->arg, e->arg_n};
    }
}

static fer_code refuse(const shim_re_error *e, fer_str pattern, fer_err *err)
{
    fer_str arg = blamed(e, pattern);
    return fer_fail(err, FER_INVALID, "error parsing regexp: %s: `%.*s`", reason(e->code),
                    STR_FMT(arg));
}

static fer_code compile(fer_str pattern, shim_re **ret, fer_err *err)
{
    fer_buf text;
    fer_buf_init(&text, SIZE_MAX / 2, NULL);
    fer_code code = translate(pattern, &text, err);
    if (code == FER_OK) {
        shim_re_error e;
        *ret = shim_re_new(text.p, text.n, RE_BYTES_MAX, &e);
        if (*ret == NULL)
            code = refuse(&e, pattern, err);
    }
    fer_buf_done(&text);
    return code;
}

fer_code fer_regex_new(fer_str pattern, fer_regex **ret, fer_err *err)
{
    shim_re *compiled;
    FER_TRY(compile(pattern, &compiled, err));
    fer_regex *re = fer_alloc(sizeof *re);
    re->re = compiled;
    re->arena = fer_arena_new(NULL, SHAPE_BYTES_MAX);
    re->shape = regex_shape_of(pattern, re->arena);
    *ret = re;
    return FER_OK;
}

void fer_regex_free(fer_regex *re)
{
    if (re == NULL)
        return;
    shim_re_free(re->re);
    fer_arena_free(re->arena);
    fer_free(re);
}

static bool in_literals(const regex_shape *shape, fer_str s)
{
    size_t lo = 0, hi = shape->literals_n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = str_cmp(s, shape->literals[mid]);
        if (c == 0)
            return true;
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return false;
}

bool fer_regex_match(const fer_regex *re, fer_str s)
{
    const regex_shape *shape = &re->shape;
    if (shape->literals_n != 0)
        return in_literals(shape, s);
    if (shape->wild)
        return regex_wild_match(shape, s);
    return str_has_prefix(s, shape->prefix) && shim_re_match(re->re, s.p, s.n, NULL, 0);
}

bool fer_regex_groups(const fer_regex *re, fer_str s, fer_str *groups, size_t n)
{
    shim_span spans[GROUPS_MAX];
    size_t want = n < GROUPS_MAX ? n : GROUPS_MAX;
    if (!shim_re_match(re->re, s.p, s.n, spans, want))
        return false;
    for (size_t i = 0; i < n; i++)
        groups[i] = i < want ? (fer_str){spans[i].p, spans[i].n} : (fer_str){NULL, 0};
    return true;
}

size_t fer_regex_group_count(const fer_regex *re)
{
    return shim_re_group_count(re->re);
}

int fer_regex_group_index(const fer_regex *re, fer_str name)
{
    return shim_re_group_index(re->re, name.p, name.n);
}

size_t fer_regex_literals(const fer_regex *re, const fer_str **ret)
{
    *ret = re->shape.literals;
    return re->shape.literals_n;
}

fer_str fer_regex_prefix(const fer_regex *re)
{
    return re->shape.prefix;
}

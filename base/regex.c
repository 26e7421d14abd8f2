/* regex.c - see regex.h. Patterns whose meaning shows in their text (regex_shape.c) are matched
 * without RE2; the rest after a look at the literal prefix. RE2 takes microseconds and a few KiB to make,
 * so a pattern that is certainly well-formed gets it when it is first needed, which may be never.
 */
#include "base/regex.h"

#include <assert.h>
#include <stdatomic.h>

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
    _Atomic(shim_re *) re; /* engine() */
    fer_arena *arena;      /* holds pattern and what shape points to */
    fer_str pattern;
    regex_shape shape;
};

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
    FER_TRY(regex_check_size(pattern, err));
    fer_buf text;
    fer_buf_init(&text, SIZE_MAX / 2, NULL);
    fer_code code = regex_translate(pattern, &text, err);
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
    shim_re *compiled = NULL;
    if (!regex_is_plain(pattern))
        FER_TRY(compile(pattern, &compiled, err));
    fer_regex *re = fer_alloc(sizeof *re);
    atomic_init(&re->re, compiled);
    re->arena = fer_arena_new(NULL, SHAPE_BYTES_MAX);
    re->pattern = compiled == NULL ? fer_arena_dup(re->arena, pattern) : (fer_str){NULL, 0};
    re->shape = regex_shape_of(pattern, re->arena);
    *ret = re;
    return FER_OK;
}

/* Threads that need it at the same time each make one; the first counts. */
static const shim_re *engine(const fer_regex *cre)
{
    fer_regex *re = (fer_regex *)(uintptr_t)cre;
    shim_re *made, *there = atomic_load_explicit(&re->re, memory_order_acquire);
    if (there != NULL)
        return there;
    fer_code code = compile(re->pattern, &made, NULL);
    assert(code == FER_OK); /* it is plain */
    if (atomic_compare_exchange_strong(&re->re, &there, made))
        return made;
    shim_re_free(made);
    return there;
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
    return str_has_prefix(s, shape->prefix) && shim_re_match(engine(re), s.p, s.n, NULL, 0);
}

bool fer_regex_groups(const fer_regex *re, fer_str s, fer_str *groups, size_t n)
{
    shim_span spans[GROUPS_MAX];
    size_t want = n < GROUPS_MAX ? n : GROUPS_MAX;
    if (!shim_re_match(engine(re), s.p, s.n, spans, want))
        return false;
    for (size_t i = 0; i < n; i++)
        groups[i] = i < want ? (fer_str){spans[i].p, spans[i].n} : (fer_str){NULL, 0};
    return true;
}

size_t fer_regex_group_count(const fer_regex *re)
{
    return shim_re_group_count(engine(re));
}

int fer_regex_group_index(const fer_regex *re, fer_str name)
{
    return shim_re_group_index(engine(re), name.p, name.n);
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

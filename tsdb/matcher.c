#include "tsdb/matcher.h"

#include "base/text.h"
#include "tsdb/labels.h"

enum { LITERALS_LINEAR_MAX = 16 }; /* compared one by one; above that the automaton is faster */

static void free_regex(void *re)
{
    fer_regex_free(re);
}

static matcher_pattern analyse(fer_str pattern, const fer_regex *re)
{
    const fer_str *literals;
    if (str_eq(pattern, STR(".*")))
        return PATTERN_ANY;
    if (str_eq(pattern, STR(".+")))
        return PATTERN_NOT_EMPTY;
    if (fer_regex_literals(re, &literals) > 0)
        return PATTERN_LITERALS;
    return PATTERN_REGEX;
}

fer_code matcher_make(fer_arena *a, matcher_type type, fer_str name, fer_str value, matcher *ret,
                      fer_err *err)
{
    matcher m = {.type = type};
    m.name = fer_arena_dup(a, name);
    m.value = fer_arena_dup(a, value);
    if (m.name.p == NULL || m.value.p == NULL)
        return fer_fail_budget(err, "matcher");

    if (type == MATCH_RE || type == MATCH_NRE) {
        fer_regex *re;
        FER_TRY(fer_regex_new(m.value, &re, err));
        if (!fer_arena_on_close(a, free_regex, re)) {
            fer_regex_free(re);
            return fer_fail_budget(err, "matcher");
        }
        m.re = re;
        m.pattern = analyse(m.value, re);
    }
    *ret = m;
    return FER_OK;
}

static bool pattern_matches(const matcher *m, fer_str value)
{
    const fer_str *literals;
    switch (m->pattern) {
    case PATTERN_ANY:
        return true;
    case PATTERN_NOT_EMPTY:
        return value.n > 0;
    case PATTERN_LITERALS: {
        size_t n = fer_regex_literals(m->re, &literals);
        if (n > LITERALS_LINEAR_MAX)
            return fer_regex_match(m->re, value);
        for (size_t i = 0; i < n; i++)
            if (str_eq(literals[i], value))
                return true;
        return false;
    }
    case PATTERN_NONE:
    case PATTERN_REGEX:
        break;
    }
    return str_has_prefix(value, fer_regex_prefix(m->re)) && fer_regex_match(m->re, value);
}

bool matcher_matches(const matcher *m, fer_str value)
{
    switch (m->type) {
    case MATCH_EQ:
        return str_eq(m->value, value);
    case MATCH_NE:
        return !str_eq(m->value, value);
    case MATCH_RE:
        return pattern_matches(m, value);
    case MATCH_NRE:
        return !pattern_matches(m, value);
    }
    return false;
}

bool matcher_matches_empty(const matcher *m)
{
    return matcher_matches(m, STR(""));
}

const char *matcher_op(matcher_type t)
{
    static const char *const ops[] = {"=", "!=", "=~", "!~"};
    return ops[t];
}

void matcher_print(fer_buf *out, const matcher *m)
{
    if (label_name_is_legacy(m->name))
        fer_buf_puts(out, m->name);
    else
        text_quote(out, m->name);
    fer_buf_puts(out, str_of(matcher_op(m->type)));
    text_quote(out, m->value);
}

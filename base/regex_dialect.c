/* regex_dialect.c - where Go's dialect of patterns and RE2's differ, and what is refused before RE2
 * sees it: RE2 unfolds repetitions before it counts, which for hostile patterns takes seconds.
 */
#include "base/regex_int.h"

enum {
    DEPTH_MAX = 998,     /* nested parentheses; Go's limit with Prometheus' own pair around them */
    SIZE_LIMIT = 350000, /* about the instructions that RE2 has room for */
    REPEAT_MAX = 1000,   /* nested ones multiplied; both RE2 and Go */
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
fer_code regex_translate(fer_str pattern, fer_buf *out, fer_err *err)
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

/* A part of a pattern: its instructions, and how often repetitions nested in it repeat at most. */
typedef struct part {
    uint64_t size;
    uint64_t times;
} part;

/* A group being measured. */
typedef struct level {
    part all;
    part last; /* what a repetition would repeat */
} level;

typedef struct measure {
    level levels[DEPTH_MAX + 1];
    size_t depth;
    bool ends; /* RE2 refuses the pattern quickly, with a better reason */
} measure;

static void count(measure *m, part p)
{
    level *l = &m->levels[m->depth];
    l->all.size += p.size;
    l->all.times = l->all.times > p.times ? l->all.times : p.times;
    l->last = p;
}

static void count_one(measure *m)
{
    count(m, (part){1, 1});
}

static void close_group(measure *m)
{
    if (m->depth == 0) {
        m->ends = true;
        return;
    }
    part inner = m->levels[m->depth--].all;
    inner.size += 2;
    count(m, inner);
}

/* The length of {n}, {n,} or {n,m} at i, and the greater number; 0 when the brace is a literal. */
static size_t read_repeat(fer_str s, size_t i, uint64_t *ret_most)
{
    uint64_t times[2] = {0, 0};
    size_t k = i + 1, which = 0;
    for (; k < s.n && s.p[k] != '}'; k++) {
        if (s.p[k] == ',' && which == 0 && k > i + 1)
            which = 1;
        else if (s.p[k] < '0' || s.p[k] > '9')
            return 0;
        else if (times[which] <= REPEAT_MAX)
            times[which] = times[which] * 10 + (uint64_t)(s.p[k] - '0');
    }
    *ret_most = times[0] > times[1] ? times[0] : times[1];
    return k < s.n && k > i + 1 ? k + 1 - i : 0;
}

/* Multiplies what stands before the brace at i, or counts it. How far it reaches. */
static size_t count_brace(measure *m, fer_str s, size_t i)
{
    uint64_t most;
    size_t n = read_repeat(s, i, &most);
    if (n == 0) {
        count_one(m);
        return 1;
    }
    part p = m->levels[m->depth].last;
    if (most > 1) {
        uint64_t more = p.size * (most - 1);
        p.times *= most;
        count(m, (part){more, p.times});
        p.size += more;
    }
    m->levels[m->depth].last = p;
    m->ends = m->ends || p.times > REPEAT_MAX;
    return n;
}

/* Past what follows a parenthesis: ?: or flags or ?P<name>. */
static size_t group_start(fer_str s, size_t i)
{
    if (i >= s.n || s.p[i] != '?')
        return i;
    while (i < s.n && strchr(":)>", s.p[i]) == NULL)
        i++;
    return i < s.n && s.p[i] != ')' ? i + 1 : i; /* (?i) closes itself */
}

static fer_code too_big(const char *what, fer_str pattern, fer_err *err)
{
    return fer_fail(err, FER_INVALID, "error parsing regexp: %s: `%.*s`", what, STR_FMT(pattern));
}

/* Counts the part at i; where the next one begins. */
static size_t measure_part(measure *m, fer_str pattern, size_t i)
{
    switch (pattern.p[i]) {
    case '(':
        m->levels[++m->depth] = (level){{0, 1}, {0, 1}};
        return group_start(pattern, i + 1);
    case ')':
        close_group(m);
        return i + 1;
    case '{':
        return i + count_brace(m, pattern, i);
    case '[':
        count_one(m);
        return class_end(pattern, i);
    case '\\':
        count_one(m);
        return escape_end(pattern, i);
    case '|':
        return i + 1;
    default:
        count_one(m);
        return i + 1;
    }
}

fer_code regex_check_size(fer_str pattern, fer_err *err)
{
    measure m;
    m.depth = 0;
    m.levels[0] = (level){{0, 1}, {0, 1}};
    m.ends = false;
    for (size_t i = 0; i < pattern.n && !m.ends;) {
        if (pattern.p[i] == '(' && m.depth == DEPTH_MAX)
            return too_big("expression nests too deeply", pattern, err);
        i = measure_part(&m, pattern, i);
        if (!m.ends && m.levels[m.depth].all.size > SIZE_LIMIT)
            return too_big("expression too large", pattern, err);
    }
    return FER_OK;
}

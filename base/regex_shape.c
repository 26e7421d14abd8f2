/* regex_shape.c - finite literal sets and literal prefixes out of pattern text.
 *
 * Each part of a pattern is read into a set of strings that is either exact (the part matches these
 * and nothing else) or open (what the part matches begins with one of these). An open {""} says
 * nothing and is always true. Concatenation multiplies sets up to the first open one; alternation
 * joins them; repetition opens them. Sets that grow too large shrink to their common prefix.
 *
 * Only patterns that RE2 has accepted, or would accept, come here, so malformed text need not be told from merely
 * strange text: both give up.
 */
#include "base/regex_int.h"

#include <stdlib.h>

enum { DEPTH_MAX = 64, PLAIN_BYTES_MAX = 4096 };

typedef struct lits {
    fer_str *v;
    size_t n; /* at least 1 */
    size_t cap;
    bool exact;
} lits;

typedef struct reader {
    fer_str re;
    size_t i;
    unsigned depth; /* of groups */
    fer_arena *a;
    bool gave_up;
} reader;

static fer_str empty = {"", 0};

/* {""}, open or exact; constant. */
static lits nothing(bool exact)
{
    return (lits){&empty, 1, 1, exact};
}

static lits give_up(reader *r)
{
    r->gave_up = true;
    return nothing(false);
}

static fer_str common_prefix(const lits *l)
{
    fer_str p = l->v[0];
    for (size_t i = 1; i < l->n; i++) {
        size_t k = 0;
        while (k < p.n && k < l->v[i].n && p.p[k] == l->v[i].p[k])
            k++;
        p.n = k;
    }
    return p;
}

static lits single(reader *r, fer_str s, bool exact)
{
    lits l = {ARENA_ARRAY(r->a, fer_str, 1), 1, 1, exact};
    if (l.v == NULL)
        return give_up(r);
    l.v[0] = s;
    return l;
}

/* Adds the strings of b to a. */
static lits join(reader *r, lits a, lits b)
{
    bool exact = a.exact && b.exact;
    if (a.n + b.n > REGEX_LITERALS_MAX) {
        a = single(r, common_prefix(&a), false);
        b = single(r, common_prefix(&b), false);
        exact = false;
    }
    if (r->gave_up)
        return a;
    if (a.n + b.n > a.cap) {
        size_t cap = 2 * (a.n + b.n);
        fer_str *v = ARENA_ARRAY(r->a, fer_str, cap);
        if (v == NULL)
            return give_up(r);
        memcpy(v, a.v, a.n * sizeof *v);
        a.v = v;
        a.cap = cap;
    }
    memcpy(a.v + a.n, b.v, b.n * sizeof *b.v);
    a.n += b.n;
    a.exact = exact;
    return a;
}

/* Each string of a (exact) followed by each of b. */
static lits product(reader *r, lits a, lits b)
{
    if (a.n == 1 && a.v[0].n == 0)
        return b;
    if (a.n * b.n > REGEX_LITERALS_MAX) {
        a.exact = false;
        return a;
    }
    lits out = {ARENA_ARRAY(r->a, fer_str, a.n * b.n), a.n * b.n, a.n * b.n, b.exact};
    if (out.v == NULL)
        return give_up(r);
    for (size_t i = 0; i < out.n; i++) {
        fer_str x = a.v[i / b.n], y = b.v[i % b.n];
        char *p = fer_arena_alloc(r->a, x.n + y.n);
        if (p == NULL)
            return give_up(r);
        memcpy(p, x.p, x.n);
        memcpy(p + x.n, y.p, y.n);
        out.v[i] = (fer_str){p, x.n + y.n};
    }
    return out;
}

static bool at(const reader *r, size_t i, char c)
{
    return i < r->re.n && r->re.p[i] == c;
}

static bool is_digit(const reader *r, size_t i)
{
    return i < r->re.n && r->re.p[i] >= '0' && r->re.p[i] <= '9';
}

/* The length of {n}, {n,} or {n,m} at i, or 0: then the brace is a literal. */
static size_t counted_repeat(const reader *r, size_t i)
{
    size_t k = i;
    if (!at(r, k++, '{') || !is_digit(r, k))
        return 0;
    while (is_digit(r, k))
        k++;
    if (at(r, k, ',')) {
        k++;
        while (is_digit(r, k))
            k++;
    }
    return at(r, k, '}') ? k + 1 - i : 0;
}

static bool repeated(const reader *r, size_t i)
{
    return at(r, i, '*') || at(r, i, '+') || at(r, i, '?') || counted_repeat(r, i) != 0;
}

/* The byte an escape \c stands for, or -1 when it is a class, an assertion or spelt longer. */
static int escaped_byte(char c)
{
    static const char from[] = "afnrtv", to[] = "\a\f\n\r\t\v";
    const char *f = memchr(from, c, sizeof from - 1);
    if (f != NULL)
        return (unsigned char)to[f - from];
    bool word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    return word || (unsigned char)c >= 0x80 ? -1 : (unsigned char)c;
}

/* The literal rune at i: its bytes (one byte in *byte when escaped) and where the next part is. */
static bool literal_rune(const reader *r, size_t i, char *byte, fer_str *ret, size_t *next)
{
    if (i >= r->re.n)
        return false;
    unsigned char c = (unsigned char)r->re.p[i];
    if (c == '\\') {
        int b = i + 1 < r->re.n ? escaped_byte(r->re.p[i + 1]) : -1;
        if (b < 0)
            return false;
        *byte = (char)b;
        *ret = (fer_str){byte, 1};
        *next = i + 2;
        return true;
    }
    if (memchr(".|()[^$*+?", c, 10) != NULL || counted_repeat(r, i) != 0)
        return false;
    size_t n = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    *ret = (fer_str){r->re.p + i, n < r->re.n - i ? n : r->re.n - i};
    *next = i + ret->n;
    return true;
}

/* Literal runes up to one that is repeated (that one alone when it is the first). */
static lits literal_run(reader *r)
{
    size_t n = 0, end = r->i, next;
    char byte;
    fer_str rune;
    while (literal_rune(r, end, &byte, &rune, &next)) {
        if (n != 0 && repeated(r, next))
            break;
        n += rune.n;
        end = next;
        if (repeated(r, next))
            break;
    }
    char *p = fer_arena_alloc(r->a, n);
    if (p == NULL)
        return give_up(r);
    fer_str out = {p, n};
    while (r->i < end && literal_rune(r, r->i, &byte, &rune, &r->i)) {
        memcpy(p, rune.p, rune.n);
        p += rune.n;
    }
    return single(r, out, true);
}

static lits branches(reader *r);

static lits group(reader *r)
{
    r->i++;
    if (at(r, r->i, '?')) {
        bool named = at(r, r->i + 1, '<') || (at(r, r->i + 1, 'P') && at(r, r->i + 2, '<'));
        if (!named && !at(r, r->i + 1, ':'))
            return give_up(r); /* flags */
        while (r->i < r->re.n && !at(r, r->i, named ? '>' : ':'))
            r->i++;
        r->i++;
    }
    if (++r->depth > DEPTH_MAX)
        return give_up(r);
    lits l = branches(r);
    r->depth--;
    if (!r->gave_up && !at(r, r->i++, ')'))
        return give_up(r);
    return l;
}

/* Steps over a class; a ] in first place is a member. */
static lits skip_class(reader *r)
{
    r->i++;
    r->i += at(r, r->i, '^') ? 1 : 0;
    for (bool first = true; first || !at(r, r->i, ']'); first = false) {
        if (r->i >= r->re.n)
            return give_up(r);
        if (at(r, r->i, '[') && at(r, r->i + 1, ':')) {
            const char *end = memmem(r->re.p + r->i, r->re.n - r->i, ":]", 2);
            if (end != NULL) {
                r->i = (size_t)(end - r->re.p) + 2;
                continue;
            }
        }
        r->i += at(r, r->i, '\\') ? 2 : 1;
    }
    r->i++;
    return nothing(false);
}

/* Steps over a class or assertion such as \d, \b, \pL or \p{Greek}. */
static lits skip_escape(reader *r)
{
    if (r->i + 1 >= r->re.n || memchr("dDsSwWbBAzpP", r->re.p[r->i + 1], 12) == NULL)
        return give_up(r); /* \Q, \x.., octal */
    bool property = at(r, r->i + 1, 'p') || at(r, r->i + 1, 'P');
    r->i += 2;
    if (!property)
        return nothing(false);
    if (at(r, r->i, '{')) {
        while (r->i < r->re.n && !at(r, r->i, '}'))
            r->i++;
    }
    r->i++;
    return nothing(false);
}

/* ^ where the text begins and $ where it ends say nothing in an anchored pattern. */
static lits assertion(reader *r, size_t branch_start)
{
    size_t i = r->i++;
    bool at_edge = at(r, i, '^') ? i == branch_start : r->i == r->re.n || at(r, r->i, '|');
    return nothing(r->depth == 0 && at_edge);
}

static lits atom(reader *r, size_t branch_start)
{
    switch (r->re.p[r->i]) {
    case '(':
        return group(r);
    case '[':
        return skip_class(r);
    case '.':
        r->i++;
        return nothing(false);
    case '^':
    case '$':
        return assertion(r, branch_start);
    case '*':
    case '+':
    case '?':
        return give_up(r);
    default:
        break;
    }
    size_t next;
    char byte;
    fer_str rune;
    if (literal_rune(r, r->i, &byte, &rune, &next))
        return literal_run(r);
    return at(r, r->i, '\\') ? skip_escape(r) : give_up(r);
}

/* An atom and what repeats it. */
static lits part(reader *r, size_t branch_start)
{
    lits l = atom(r, branch_start);
    if (r->gave_up || !repeated(r, r->i))
        return l;
    if (at(r, r->i, '?')) {
        l = join(r, l, nothing(true));
        r->i++;
    } else if (at(r, r->i, '*') || at(r, r->i + 1, '0')) {
        /* a count that begins with 0 is taken for none */
        l = nothing(false);
        r->i += at(r, r->i, '*') ? 1 : counted_repeat(r, r->i);
    } else {
        l.exact = false;
        r->i += at(r, r->i, '+') ? 1 : counted_repeat(r, r->i);
    }
    r->i += at(r, r->i, '?') ? 1 : 0; /* lazy: no matter for a whole match */
    return l;
}

static lits branch(reader *r)
{
    lits l = nothing(true);
    size_t start = r->i;
    while (!r->gave_up && r->i < r->re.n && !at(r, r->i, '|') && !at(r, r->i, ')')) {
        lits next = part(r, start);
        if (l.exact && !r->gave_up)
            l = product(r, l, next);
    }
    return l;
}

static lits branches(reader *r)
{
    lits l = branch(r);
    while (!r->gave_up && at(r, r->i, '|')) {
        r->i++;
        lits next = branch(r);
        if (!r->gave_up)
            l = join(r, l, next);
    }
    return l;
}

/* All of the text as one set. */
static lits read_all(reader *r)
{
    lits l = branches(r);
    if (r->gave_up || r->i != r->re.n)
        return nothing(false);
    return l;
}

bool regex_is_plain(fer_str pattern)
{
    static const char marks[] = "_-/:,;=@%&#~!<>'\" |.";
    char before = '\0';
    for (size_t i = 0; i < pattern.n; before = pattern.p[i++]) {
        char c = pattern.p[i];
        bool plain = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
                     memchr(marks, c, sizeof marks - 1) != NULL;
        bool repeats = (c == '*' || c == '+') && before == '.';
        bool escapes = c == '\\' && i + 1 < pattern.n && pattern.p[i + 1] == '.';
        if (!plain && !repeats && !escapes)
            return false;
    }
    return pattern.n <= PLAIN_BYTES_MAX;
}

static int compare(const void *a, const void *b)
{
    return str_cmp(*(const fer_str *)a, *(const fer_str *)b);
}

static void sort_unique(lits *l)
{
    if (l->n < 2)
        return;
    qsort(l->v, l->n, sizeof *l->v, compare);
    size_t n = 1;
    for (size_t i = 1; i < l->n; i++) {
        if (!str_eq(l->v[i], l->v[n - 1]))
            l->v[n++] = l->v[i];
    }
    l->n = n;
}

static regex_side side_of(char c)
{
    return c == '+' ? SIDE_SOME : SIDE_ANY;
}

/* Whether the byte at i is taken literally because of a backslash before it. */
static bool is_escaped(fer_str s, size_t i)
{
    size_t n = 0;
    while (n < i && s.p[i - 1 - n] == '\\')
        n++;
    return n % 2 == 1;
}

/* Takes ^ and $, then .* and .+, off both ends. */
static fer_str strip_sides(fer_str s, regex_shape *shape)
{
    if (s.n > 0 && s.p[0] == '^')
        s = str_from(s, 1);
    if (s.n > 0 && s.p[s.n - 1] == '$' && !is_escaped(s, s.n - 1))
        s.n--;
    if (s.n >= 2 && s.p[0] == '.' && (s.p[1] == '*' || s.p[1] == '+')) {
        shape->before = side_of(s.p[1]);
        s = str_from(s, 2);
    }
    if (s.n >= 2 && (s.p[s.n - 1] == '*' || s.p[s.n - 1] == '+') && s.p[s.n - 2] == '.' &&
        !is_escaped(s, s.n - 2)) {
        shape->after = side_of(s.p[s.n - 1]);
        s.n -= 2;
    }
    return s;
}

static void find_wild(regex_shape *shape, fer_str pattern, fer_arena *a)
{
    fer_str text = strip_sides(pattern, shape);
    /* One branch, read as if inside a group: ^ and $ are at no edge of the pattern here. */
    reader r = {.re = text, .depth = 1, .a = a};
    lits l = branch(&r);
    bool whole = !r.gave_up && r.i == text.n;
    bool sides = shape->before != SIDE_NONE || shape->after != SIDE_NONE;
    /* .+.+ asks for two runes, which bytes do not tell. */
    bool two_runes = shape->before == SIDE_SOME && shape->after == SIDE_SOME && l.v[0].n == 0;
    shape->wild = sides && whole && l.exact && l.n == 1 && !two_runes;
    shape->middle = l.v[0];
}

regex_shape regex_shape_of(fer_str pattern, fer_arena *a)
{
    regex_shape shape = {.prefix = empty};
    reader r = {.re = pattern, .a = a};
    lits l = read_all(&r);
    shape.prefix = common_prefix(&l);
    if (l.exact) {
        sort_unique(&l);
        shape.literals = l.v;
        shape.literals_n = l.n;
    } else {
        find_wild(&shape, pattern, a);
    }
    return shape;
}

bool regex_wild_match(const regex_shape *shape, fer_str s)
{
    size_t before = shape->before == SIDE_SOME ? 1 : 0;
    size_t after = shape->after == SIDE_SOME ? 1 : 0;
    if (s.n < before + after + shape->middle.n)
        return false;
    fer_str inner = {s.p + before, s.n - before - after};
    if (shape->before == SIDE_NONE)
        return str_has_prefix(inner, shape->middle);
    if (shape->after == SIDE_NONE)
        return str_has_suffix(inner, shape->middle);
    return shape->middle.n == 0 ||
           memmem(inner.p, inner.n, shape->middle.p, shape->middle.n) != NULL;
}

/* lex.c - where the lexer is decides what a character means:
 *
 *   text      everything else
 *   {..}      words, strings, "," and the four matching operators
 *   [..       from the bracket to the first literal only what may begin a duration expression
 *   ..]       then all of `text`, but words are step, range, min_of, max_of, and ":" is a token
 *
 * An error of the lexer ends the text: the parser sees it before any error of its own at the same
 * place. Positions are those of Prometheus, which for three errors lie behind the offending
 * character: ")" too many, and ":" where a duration begins.
 */
#include "promql/lex.h"

#include <stdio.h>
#include <strings.h>

#include "base/text.h"
#include "base/utf8.h"

enum {
    RUNE_EOF = -1,
    RUNE_BAD = 0xfffd, /* what invalid UTF-8 decodes to */
};

void lex_init(lexer *l, fer_str text)
{
    *l = (lexer){.text = text};
}

/* ---- characters ---- */

static int32_t rune_at(const lexer *l, uint32_t at, uint32_t *width)
{
    fer_str rest = str_from(l->text, at);
    *width = 0;
    if (rest.n == 0)
        return RUNE_EOF;
    uint32_t r;
    size_t n = utf8_decode(rest, &r);
    *width = n == 0 ? 1 : (uint32_t)n;
    return n == 0 ? RUNE_BAD : (int32_t)r;
}

static int32_t peek(const lexer *l)
{
    uint32_t width;
    return rune_at(l, l->at, &width);
}

static int32_t advance(lexer *l)
{
    uint32_t width;
    int32_t r = rune_at(l, l->at, &width);
    l->at += width;
    return r;
}

static bool accept(lexer *l, const char *set)
{
    int32_t r = peek(l);
    if (r <= 0 || r > 0x7f || strchr(set, r) == NULL)
        return false;
    l->at++;
    return true;
}

static bool accept_run(lexer *l, const char *set)
{
    uint32_t from = l->at;
    while (accept(l, set))
        ;
    return l->at > from;
}

static bool is_space(int32_t r)
{
    return r == ' ' || r == '\t' || r == '\n' || r == '\r';
}

static bool is_digit(int32_t r)
{
    return r >= '0' && r <= '9';
}

static bool is_alpha(int32_t r)
{
    return r == '_' || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z');
}

static bool is_alnum(int32_t r)
{
    return is_alpha(r) || is_digit(r);
}

/* ---- errors ---- */

/* The rune in single quotes, as Go's %q. */
static void put_rune(fer_buf *b, int32_t r)
{
    char utf8[4];
    fer_str s = {utf8, utf8_encode(r < 0 ? RUNE_BAD : (uint32_t)r, utf8)};
    if (r == '\'' || r == '"') { /* text_quote() escapes the other one */
        fer_buf_puts(b, r == '"' ? STR("'\"'") : STR("'\\''"));
        return;
    }
    fer_buf quoted;
    fer_buf_init(&quoted, 32, NULL);
    text_quote(&quoted, s);
    fer_buf_printf(b, "'%.*s'", (int)quoted.n - 2, quoted.p + 1);
    fer_buf_done(&quoted);
}

/* As Go's %#U: U+0071 'q', without the character when it cannot be printed. */
static void put_code_point(fer_buf *b, int32_t r)
{
    char utf8[4];
    fer_buf_printf(b, "U+%04X", (unsigned)r);
    if (text_printable((uint32_t)r))
        fer_buf_printf(b, " '%.*s'", (int)utf8_encode((uint32_t)r, utf8), utf8);
}

static token make(lexer *l, token_kind kind)
{
    token t = {
        .kind = kind,
        .text = {l->text.p + l->start, l->at - l->start},
        .pos = {l->start, l->at},
    };
    l->start = l->at;
    return t;
}

static token error_token(lexer *l, fer_buf *b)
{
    size_t n = b->n < LEX_ERROR_MAX ? b->n : LEX_ERROR_MAX - 1;
    if (n > 0)
        memcpy(l->error, b->p, n);
    l->error[n] = '\0';
    fer_buf_done(b);
    l->done = true;
    return (token){.kind = TOK_ERROR, .pos = {l->start, (uint32_t)l->text.n}};
}

static token error_text(lexer *l, const char *text)
{
    fer_buf b;
    fer_buf_init(&b, 4096, NULL);
    fer_buf_puts(&b, str_of(text));
    return error_token(l, &b);
}

/* "unexpected right bracket ']'": a text, then the rune. */
static token error_rune(lexer *l, const char *text, int32_t r)
{
    fer_buf b;
    fer_buf_init(&b, 4096, NULL);
    fer_buf_printf(&b, "%s ", text);
    put_rune(&b, r);
    return error_token(l, &b);
}

/* ---- words ---- */

typedef struct keyword {
    const char *text;
    token_kind kind;
    int value; /* op or agg */
} keyword;

static const keyword keywords[] = {
    {"and", TOK_OP, OP_AND},
    {"or", TOK_OP, OP_OR},
    {"unless", TOK_OP, OP_UNLESS},
    {"atan2", TOK_OP, OP_ATAN2},
    {"sum", TOK_AGG, AGG_SUM},
    {"avg", TOK_AGG, AGG_AVG},
    {"count", TOK_AGG, AGG_COUNT},
    {"min", TOK_AGG, AGG_MIN},
    {"max", TOK_AGG, AGG_MAX},
    {"group", TOK_AGG, AGG_GROUP},
    {"stddev", TOK_AGG, AGG_STDDEV},
    {"stdvar", TOK_AGG, AGG_STDVAR},
    {"topk", TOK_AGG, AGG_TOPK},
    {"bottomk", TOK_AGG, AGG_BOTTOMK},
    {"count_values", TOK_AGG, AGG_COUNT_VALUES},
    {"quantile", TOK_AGG, AGG_QUANTILE},
    {"limitk", TOK_AGG, AGG_LIMITK},
    {"limit_ratio", TOK_AGG, AGG_LIMIT_RATIO},
    {"offset", TOK_OFFSET, 0},
    {"anchored", TOK_ANCHORED, 0},
    {"smoothed", TOK_SMOOTHED, 0},
    {"by", TOK_BY, 0},
    {"without", TOK_WITHOUT, 0},
    {"on", TOK_ON, 0},
    {"ignoring", TOK_IGNORING, 0},
    {"group_left", TOK_GROUP_LEFT, 0},
    {"group_right", TOK_GROUP_RIGHT, 0},
    {"bool", TOK_BOOL, 0},
    {"fill", TOK_FILL, 0},
    {"fill_left", TOK_FILL_LEFT, 0},
    {"fill_right", TOK_FILL_RIGHT, 0},
    {"start", TOK_START, 0},
    {"end", TOK_END, 0},
    {"step", TOK_STEP, 0},
    {"range", TOK_RANGE, 0},
    {"min_of", TOK_MIN_OF, 0},
    {"max_of", TOK_MAX_OF, 0},
    {"inf", TOK_NUMBER, 0},
    {"nan", TOK_NUMBER, 0},
};

static const keyword *keyword_find(fer_str word)
{
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        const char *k = keywords[i].text;
        if (strlen(k) == word.n && strncasecmp(k, word.p, word.n) == 0)
            return &keywords[i];
    }
    return NULL;
}

static bool next_is_paren(const lexer *l)
{
    uint32_t at = l->at;
    while (at < l->text.n && is_space((unsigned char)l->text.p[at]))
        at++;
    return at < l->text.n && l->text.p[at] == '(';
}

static token lex_word(lexer *l)
{
    bool colon = false;
    for (int32_t r = peek(l); is_alnum(r) || r == ':'; r = peek(l)) {
        colon |= r == ':';
        l->at++;
    }
    fer_str word = {l->text.p + l->start, l->at - l->start};
    const keyword *k = keyword_find(word);
    if (k == NULL)
        return make(l, colon ? TOK_METRIC_IDENT : TOK_IDENT);
    bool fill = k->kind == TOK_FILL || k->kind == TOK_FILL_LEFT || k->kind == TOK_FILL_RIGHT;
    if (fill && !next_is_paren(l))
        return make(l, TOK_IDENT);
    token t = make(l, k->kind);
    if (k->kind == TOK_OP)
        t.u.op = (op)k->value;
    else if (k->kind == TOK_AGG)
        t.u.agg = (agg)k->value;
    return t;
}

/* A word inside brackets: step, range, min_of or max_of; otherwise nothing is read. */
static bool lex_duration_word(lexer *l, token *ret)
{
    uint32_t from = l->at;
    while (is_alnum(peek(l)))
        l->at++;
    const keyword *k = keyword_find((fer_str){l->text.p + from, l->at - from});
    if (k == NULL || (k->kind != TOK_STEP && k->kind != TOK_RANGE && k->kind != TOK_MIN_OF &&
                      k->kind != TOK_MAX_OF)) {
        l->at = from;
        return false;
    }
    l->duration_seen = true;
    *ret = make(l, k->kind);
    return true;
}

/* ---- numbers and durations ---- */

/* One piece of a number that has begun: a dot, an exponent, an underscore or a run of digits. False
 * when the piece cannot stand here. */
static bool number_piece(lexer *l, const char *digits, bool hex, bool *dot, bool *exponent)
{
    if (accept(l, ".")) {
        bool again = *dot;
        *dot = true;
        return !again && !accept(l, "_.") && !hex;
    }
    if (accept(l, "eE")) {
        bool again = *exponent;
        *exponent = true;
        if (again)
            return false;
        accept(l, "+-");
        return !accept(l, "._eE") && peek(l) != RUNE_EOF;
    }
    if (accept(l, "_"))
        return !accept(l, "._eE") && peek(l) != RUNE_EOF;
    return accept_run(l, digits);
}

static bool in_number(int32_t r, const char *digits)
{
    return r > 0 && r <= 0x7f && (strchr(digits, r) != NULL || strchr("._eE", r) != NULL);
}

static bool scan_number(lexer *l)
{
    const char *digits = "0123456789";
    bool hex = false;
    if (accept(l, "0") && accept(l, "xX")) {
        hex = true;
        digits = "0123456789abcdefABCDEF";
        accept(l, "_");
    }
    accept(l, "."); /* a dot in front does not count as the number's only one */
    accept(l, digits);
    bool dot = false, exponent = false;
    while (in_number(peek(l), digits))
        if (!number_piece(l, digits, hex, &dot, &exponent))
            return false;
    return l->at > l->start && !is_alnum(peek(l));
}

/* From the first unit on: "m30s" of "1h" "m30s". Whether units and their order are right is found
 * out when the text is read. */
static bool scan_duration_rest(lexer *l)
{
    if (!accept(l, "smhdwy"))
        return false;
    accept(l, "s");
    while (accept_run(l, "0123456789")) {
        if (!accept(l, "smhdw"))
            return false;
        accept(l, "s");
    }
    if (!is_alnum(peek(l)))
        return true;
    l->at++; /* shown in the error */
    return false;
}

static token lex_number_or_duration(lexer *l)
{
    if (scan_number(l))
        return make(l, TOK_NUMBER);
    if (scan_duration_rest(l))
        return make(l, TOK_DURATION);
    fer_buf b;
    fer_buf_init(&b, 4096, NULL);
    fer_buf_puts(&b, STR("bad number or duration syntax: "));
    text_quote(&b, (fer_str){l->text.p + l->start, l->at - l->start});
    return error_token(l, &b);
}

/* ---- strings ---- */

static int digit_value(int32_t r)
{
    if (is_digit(r))
        return r - '0';
    if (r >= 'a' && r <= 'f')
        return r - 'a' + 10;
    if (r >= 'A' && r <= 'F')
        return r - 'A' + 10;
    return 16;
}

/* How many digits of which base follow, and the largest value; n 0 for no such escape. */
typedef struct escape_form {
    int n, base;
    uint32_t max;
} escape_form;

static escape_form escape_form_of(int32_t r)
{
    if (r >= '0' && r <= '7')
        return (escape_form){3, 8, 255};
    switch (r) {
    case 'x':
        return (escape_form){2, 16, 255};
    case 'u':
        return (escape_form){4, 16, 0x10ffff};
    case 'U':
        return (escape_form){8, 16, 0x10ffff};
    default:
        return (escape_form){0, 0, 0};
    }
}

/* The escape cannot go on with r, at its first character or later. */
static token error_escape(lexer *l, int32_t r, bool first)
{
    if (r == RUNE_EOF)
        return error_text(l, "escape sequence not terminated");
    fer_buf b;
    fer_buf_init(&b, 4096, NULL);
    fer_buf_puts(&b, first ? STR("unknown escape sequence ") : STR("illegal character "));
    put_code_point(&b, r);
    if (!first)
        fer_buf_puts(&b, STR(" in escape sequence"));
    return error_token(l, &b);
}

/* After a backslash. True when the sequence is good; otherwise *ret is the error. */
static bool lex_escape(lexer *l, int32_t quote, token *ret)
{
    int32_t r = advance(l);
    if (r == quote || (r > 0 && r <= 0x7f && strchr("abfnrtv\\", r) != NULL))
        return true;
    escape_form form = escape_form_of(r);
    if (form.n == 0) {
        *ret = error_escape(l, r, true);
        return false;
    }
    if (form.base == 8)
        l->at--;
    uint32_t value = 0;
    for (int i = 0; i < form.n; i++) {
        r = advance(l);
        if (digit_value(r) >= form.base) {
            *ret = error_escape(l, r, false);
            return false;
        }
        value = value * (uint32_t)form.base + (uint32_t)digit_value(r);
    }
    if (value > form.max || (value >= 0xd800 && value < 0xe000)) {
        *ret = error_text(l, "escape sequence is an invalid Unicode code point");
        return false;
    }
    return true;
}

static token lex_string(lexer *l)
{
    int32_t quote = advance(l);
    bool raw = quote == '`';
    for (;;) {
        int32_t r = advance(l);
        if (r == quote)
            return make(l, TOK_STRING);
        if (r == RUNE_BAD)
            return error_text(l, "invalid UTF-8 rune");
        if (r == RUNE_EOF)
            return error_text(l, raw ? "unterminated raw string" : "unterminated quoted string");
        if (raw)
            continue;
        if (r == '\n')
            return error_text(l, "unterminated quoted string");
        token err;
        if (r == '\\' && !lex_escape(l, quote, &err))
            return err;
    }
}

/* ---- the states ---- */

static bool one_char_op(int32_t r, op *ret)
{
    static const struct {
        char c;
        op o;
    } table[] = {
        {'+', OP_ADD}, {'-', OP_SUB}, {'*', OP_MUL}, {'/', OP_DIV}, {'%', OP_MOD}, {'^', OP_POW},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (r == table[i].c) {
            *ret = table[i].o;
            return true;
        }
    return false;
}

static token make_op(lexer *l, op o)
{
    token t = make(l, TOK_OP);
    t.u.op = o;
    return t;
}

/* The character has been read. */
static token lex_comparison(lexer *l, int32_t r)
{
    switch (r) {
    case '=':
        if (accept(l, "="))
            return make_op(l, OP_EQ);
        if (peek(l) == '~')
            return error_rune(l, "unexpected character after '=':", advance(l));
        return make(l, TOK_ASSIGN);
    case '!':
        if (accept(l, "="))
            return make_op(l, OP_NE);
        return error_rune(l, "unexpected character after '!':", advance(l));
    case '<':
        return make_op(l, accept(l, "=") ? OP_LE : accept(l, "/") ? OP_TRIM_UPPER : OP_LT);
    default:
        return make_op(l, accept(l, "=") ? OP_GE : accept(l, "/") ? OP_TRIM_LOWER : OP_GT);
    }
}

static token lex_paren(lexer *l, int32_t r)
{
    token t = make(l, r == '(' ? TOK_LPAREN : TOK_RPAREN);
    l->paren_depth += r == '(' ? 1 : -1;
    if (l->paren_depth < 0)
        return error_rune(l, "unexpected right parenthesis", r);
    return t;
}

static token lex_braces(lexer *l)
{
    int32_t r = peek(l);
    if (r == RUNE_EOF)
        return error_text(l, "unexpected end of input inside braces");
    if (is_alpha(r)) {
        while (is_alnum(peek(l)))
            l->at++;
        return make(l, TOK_IDENT);
    }
    if (r == '"' || r == '\'' || r == '`')
        return lex_string(l);
    advance(l);
    switch (r) {
    case ',':
        return make(l, TOK_COMMA);
    case '=':
        return make(l, accept(l, "~") ? TOK_MATCH_RE : TOK_ASSIGN);
    case '!':
        if (accept(l, "~"))
            return make(l, TOK_MATCH_NRE);
        if (accept(l, "="))
            return make_op(l, OP_NE);
        return error_rune(l, "unexpected character after '!' inside braces:", advance(l));
    case '{':
        return error_rune(l, "unexpected left brace", r);
    case '}':
        l->in_braces = false;
        return make(l, TOK_RBRACE);
    default:
        return error_rune(l, "unexpected character inside braces:", r);
    }
}

static token lex_colon(lexer *l)
{
    if (l->colon_seen)
        return error_rune(l, "unexpected colon", ':');
    l->colon_seen = true;
    return make(l, TOK_COLON);
}

static token lex_close_bracket(lexer *l)
{
    if (!l->in_brackets)
        return error_rune(l, "unexpected right bracket", ']');
    l->in_brackets = l->duration_start = false;
    return make(l, TOK_RBRACKET);
}

/* In brackets, before the first literal. */
static token lex_duration_start(lexer *l)
{
    int32_t r = peek(l);
    token t;
    op o;
    if (r == RUNE_EOF)
        return error_text(l, "unexpected end of input in duration expression");
    if (is_alpha(r) && lex_duration_word(l, &t))
        return t;
    advance(l);
    if (is_digit(r) || (r == '.' && is_digit(peek(l)))) {
        l->at = l->start;
        l->duration_start = false;
        l->duration_seen = true;
        return lex_number_or_duration(l);
    }
    if (one_char_op(r, &o))
        return make_op(l, o);
    switch (r) {
    case ']':
        return lex_close_bracket(l);
    case '(':
    case ')':
        return lex_paren(l, r);
    case ',':
        return make(l, TOK_COMMA);
    case ':':
        if (l->duration_seen)
            return lex_colon(l);
        make(l, TOK_COLON);
        return error_text(l, "unexpected colon before duration in duration expression");
    default:
        return error_rune(l, "unexpected character in duration expression:", r);
    }
}

/* In brackets, after a literal. */
static token lex_bracket_word(lexer *l, int32_t r)
{
    token t;
    if (r == ':') {
        l->at++;
        return lex_colon(l);
    }
    if (lex_duration_word(l, &t))
        return t;
    fer_buf b;
    fer_buf_init(&b, 4096, NULL);
    fer_buf_puts(&b, STR("unexpected character: "));
    put_rune(&b, r);
    fer_buf_puts(&b, STR(", expected ':'"));
    return error_token(l, &b);
}

static token lex_end(lexer *l)
{
    if (l->paren_depth != 0)
        return error_text(l, "unclosed left parenthesis");
    if (l->in_brackets)
        return error_text(l, "unclosed left bracket");
    l->done = true;
    return make(l, TOK_EOF);
}

static token lex_text(lexer *l)
{
    int32_t r = peek(l);
    op o;
    if (r == RUNE_EOF)
        return lex_end(l);
    if (is_alpha(r) || r == ':')
        return l->in_brackets ? lex_bracket_word(l, r) : lex_word(l);
    if (r == '"' || r == '\'' || r == '`')
        return lex_string(l);
    advance(l);
    if (is_digit(r) || (r == '.' && is_digit(peek(l)))) {
        l->at = l->start;
        return lex_number_or_duration(l);
    }
    if (one_char_op(r, &o))
        return make_op(l, o);
    switch (r) {
    case ',':
        return make(l, TOK_COMMA);
    case '=':
    case '!':
    case '<':
    case '>':
        return lex_comparison(l, r);
    case '(':
    case ')':
        return lex_paren(l, r);
    case '{':
        l->in_braces = true;
        return make(l, TOK_LBRACE);
    case '[':
        if (l->in_brackets)
            return error_rune(l, "unexpected left bracket", r);
        l->in_brackets = l->duration_start = true;
        l->colon_seen = l->duration_seen = false;
        return make(l, TOK_LBRACKET);
    case ']':
        return lex_close_bracket(l);
    case '@':
        return make(l, TOK_AT);
    default:
        return error_rune(l, "unexpected character:", r);
    }
}

static void skip_blanks(lexer *l)
{
    for (;;) {
        while (is_space(peek(l)))
            l->at++;
        if (l->duration_start || peek(l) != '#')
            break;
        while (l->at < l->text.n && l->text.p[l->at] != '\n')
            l->at++;
    }
    l->start = l->at;
}

token lex_next(lexer *l)
{
    if (l->done)
        return (token){.kind = l->error[0] != '\0' ? TOK_ERROR : TOK_EOF,
                       .pos = {l->start, l->start}};
    skip_blanks(l);
    if (l->in_braces)
        return lex_braces(l);
    if (l->duration_start)
        return lex_duration_start(l);
    return lex_text(l);
}

/* ---- texts of tokens ---- */

static const char *token_noun(token_kind kind)
{
    switch (kind) {
    case TOK_IDENT:
        return "identifier";
    case TOK_METRIC_IDENT:
        return "metric identifier";
    case TOK_NUMBER:
        return "number";
    case TOK_DURATION:
        return "duration";
    case TOK_STRING:
        return "string";
    default:
        return NULL;
    }
}

/* The first 10 characters, as Go's %.10q. */
static fer_str shorten(fer_str s)
{
    size_t n = 0;
    for (int i = 0; i < 10 && n < s.n; i++) {
        uint32_t r;
        size_t w = utf8_decode(str_from(s, n), &r);
        n += w == 0 ? 1 : w;
    }
    return str_head(s, n);
}

void token_describe(fer_buf *out, const token *t)
{
    const char *noun = token_noun(t->kind);
    if (t->kind == TOK_EOF || t->kind == TOK_ERROR) {
        fer_buf_puts(out, STR("end of input"));
    } else if (noun != NULL) {
        bool cut = t->text.n > 10 && t->kind != TOK_IDENT && t->kind != TOK_METRIC_IDENT;
        fer_buf_printf(out, "%s ", noun);
        text_quote(out, cut ? shorten(t->text) : t->text);
        if (cut)
            fer_buf_puts(out, STR("..."));
    } else if (t->kind == TOK_OP || t->kind == TOK_AT || t->kind == TOK_MATCH_RE ||
               t->kind == TOK_MATCH_NRE) {
        fer_buf_printf(out, "<op:%.*s>", STR_FMT(t->text));
    } else if (t->kind == TOK_AGG) {
        fer_buf_printf(out, "<aggr:%.*s>", STR_FMT(t->text));
    } else if (t->kind >= TOK_OFFSET && t->kind != TOK_START && t->kind != TOK_END) {
        fer_buf_printf(out, "<%.*s>", STR_FMT(t->text));
    } else {
        text_quote(out, t->text);
    }
}

/* ---- unquoting ---- */

static size_t unescape(fer_str s, char *to, size_t *ret_n)
{
    static const char letters[] = "abfnrtv", meanings[] = "\a\b\f\n\r\t\v";
    char c = s.p[1];
    const char *letter = strchr(letters, c);
    size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : c >= '0' && c <= '7' ? 3 : 0;
    if (digits == 0) {
        *to = letter != NULL ? meanings[letter - letters] : c;
        *ret_n = 1;
        return 2;
    }
    bool octal = digits == 3;
    size_t from = octal ? 1 : 2;
    uint32_t v = 0;
    for (size_t i = 0; i < digits; i++)
        v = v * (octal ? 8 : 16) + (uint32_t)digit_value(s.p[from + i]);
    if (digits >= 4) {
        *ret_n = utf8_encode(v, to);
    } else {
        *to = (char)v;
        *ret_n = 1;
    }
    return from + digits;
}

bool lex_unquote(fer_str quoted, fer_arena *a, fer_str *ret)
{
    fer_str s = {quoted.p + 1, quoted.n - 2};
    char *to = fer_arena_alloc(a, s.n + 1); /* an escape is never shorter than what it means */
    if (to == NULL)
        return false;
    size_t n = 0;
    bool raw = quoted.p[0] == '`';
    for (size_t i = 0; i < s.n;) {
        if (raw || s.p[i] != '\\') {
            to[n++] = s.p[i++];
            continue;
        }
        size_t made;
        i += unescape(str_from(s, i), to + n, &made);
        n += made;
    }
    to[n] = '\0';
    *ret = (fer_str){to, n};
    return true;
}

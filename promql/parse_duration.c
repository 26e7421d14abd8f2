/* parse_duration.c - numbers and durations, and the expressions over them in brackets and behind
 * `offset`.
 *
 * A literal, also with signs or in parentheses, becomes milliseconds at once; anything else is kept
 * as a tree for promql_prepare(), which knows the step and the range of the query.
 */
#include "promql/parse_int.h"

#include <inttypes.h>
#include <math.h>

#include "base/num.h"
#include "base/text.h"

/* Go's time.Duration holds that many seconds. */
static const double SECONDS_MAX = 9223372036854775807.0 / 1e9;

/* Where in the grammar a duration expression stands: how its errors are named. */
typedef struct duration_context {
    const char *name, *expected;
} duration_context;

static const duration_context RANGE_CONTEXT = {"subquery or range selector",
                                               "number, duration, step(), or range()"};
static const duration_context STEP_CONTEXT = {"subquery selector",
                                              "number, duration, step(), range(), or \"]\""};
static const duration_context OFFSET_CONTEXT = {"offset", "number, duration, step(), or range()"};

static fer_code unexpected(parser *p, const duration_context *c)
{
    return parser_unexpected(p, c->name, c->expected);
}

/* ---- literals ---- */

/* As strconv.ParseInt(s, 0, 64) for what the lexer lets through: decimal, 0 octal, 0x hexadecimal;
 * underscores between. */
static bool parse_integer(fer_str s, int64_t *ret)
{
    unsigned base = 10;
    size_t i = 0;
    if (s.n > 1 && s.p[0] == '0') {
        base = s.p[1] == 'x' || s.p[1] == 'X' ? 16 : 8;
        i = base == 16 ? 2 : 1;
    }
    bool any = base == 8;
    if (s.p[s.n - 1] == '_')
        return false;
    uint64_t v = 0;
    for (; i < s.n; i++) {
        char c = s.p[i];
        if (c == '_')
            continue;
        unsigned d = c >= '0' && c <= '9' ? (unsigned)(c - '0') : ((unsigned)c | 0x20) - 'a' + 10;
        if (d >= base || v > ((uint64_t)INT64_MAX - d) / base)
            return false;
        v = v * base + d;
        any = true;
    }
    *ret = (int64_t)v;
    return any;
}

/* As strconv.ParseFloat; false with *ret infinite when out of range. */
static bool parse_float(parser *p, fer_str s, double *ret)
{
    if (s.p[s.n - 1] == '_')
        return false; /* underscores stand between digits */
    if (s.n > 1 && (s.p[1] == 'x' || s.p[1] == 'X'))
        return false; /* a hexadecimal float has an exponent, which the lexer does not read */
    char *digits = fer_arena_alloc(p->arena, s.n);
    if (digits == NULL) {
        parser_record_budget(p);
        return false;
    }
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '_')
            digits[n++] = s.p[i];
    return num_parse_f64((fer_str){digits, n}, ret);
}

static fer_code parse_duration_text(parser *p, const token *t, double *ret)
{
    int64_t ms;
    fer_err err = {0};
    if (text_parse_duration(t->text, &ms, &err) != FER_OK)
        return parser_fail(p, t->pos.start, "%s", err.msg);
    *ret = (double)ms / 1000;
    return FER_OK;
}

fer_code parse_number(parser *p, const token *t, double *ret)
{
    if (t->kind == TOK_DURATION)
        return parse_duration_text(p, t, ret);
    int64_t i;
    if (parse_integer(t->text, &i)) {
        *ret = (double)i;
        return FER_OK;
    }
    double v = 0;
    if (parse_float(p, t->text, &v)) {
        *ret = v;
        return FER_OK;
    }
    fer_buf b;
    fer_buf_init(&b, FER_ERR_MSG_MAX, NULL);
    text_quote(&b, t->text);
    fer_code code =
        parser_fail(p, t->pos.start, "error parsing number: strconv.ParseFloat: parsing %.*s: %s",
                    STR_FMT(fer_buf_str(&b)), isinf(v) ? "value out of range" : "invalid syntax");
    fer_buf_done(&b);
    return code;
}

/* ---- expressions ---- */

static duration_expr *new_node(parser *p, duration_op kind, src_range pos)
{
    duration_expr *d = ARENA_NEW(p->arena, duration_expr);
    if (d == NULL)
        return NULL;
    d->op = kind;
    d->pos = pos;
    d->height = 1;
    return d;
}

/* r may be NULL. */
static fer_code link_nodes(parser *p, duration_expr *d, const duration_expr *l,
                           const duration_expr *r)
{
    d->l = l;
    d->r = r;
    d->height = 1 + (r != NULL && r->height > l->height ? r->height : l->height);
    return parser_check_height(p, d->height, d->pos.start);
}

static fer_code parse_operand(parser *p, const duration_context *c, duration_expr **ret);

static int precedence(parser *p)
{
    if (parser_peek(p) != TOK_OP)
        return 0;
    switch (p->tok.u.op) {
    case OP_ADD:
    case OP_SUB:
        return 1;
    case OP_MUL:
    case OP_DIV:
    case OP_MOD:
        return 2;
    case OP_POW:
        return 3;
    default:
        return 0;
    }
}

static duration_op binary_op(op o)
{
    switch (o) {
    case OP_ADD:
        return DUR_ADD;
    case OP_SUB:
        return DUR_SUB;
    case OP_MUL:
        return DUR_MUL;
    case OP_DIV:
        return DUR_DIV;
    case OP_MOD:
        return DUR_MOD;
    default:
        return DUR_POW;
    }
}

static fer_code parse_binary(parser *p, const duration_context *c, int min, duration_expr **ret)
{
    duration_expr *l, *r;
    FER_TRY(parser_enter(p));
    FER_TRY(parse_operand(p, c, &l));
    for (int prec; (prec = precedence(p)) >= min && prec > 0;) {
        token t = parser_take(p);
        FER_TRY(parse_binary(p, c, t.u.op == OP_POW ? prec : prec + 1, &r));
        bool zero = r->op == DUR_LITERAL && r->value == 0;
        if (zero && t.u.op == OP_DIV)
            return parser_fail(p, t.pos.start, "division by zero");
        if (zero && t.u.op == OP_MOD)
            return parser_fail(p, t.pos.start, "modulo by zero");
        duration_expr *d = new_node(p, binary_op(t.u.op), (src_range){l->pos.start, r->pos.end});
        if (d == NULL)
            return parser_no_memory(p);
        FER_TRY(link_nodes(p, d, l, r));
        l = d;
    }
    parser_leave(p);
    *ret = l;
    return FER_OK;
}

/* Out of range is reported at `at`. */
static fer_code parse_literal(parser *p, uint32_t at, duration_expr **ret)
{
    token t = parser_take(p);
    double v;
    FER_TRY(parse_number(p, &t, &v));
    if (!(fabs(v) <= SECONDS_MAX))
        return parser_fail(p, at, "duration out of range");
    duration_expr *d = new_node(p, DUR_LITERAL, t.pos);
    if (d == NULL)
        return parser_no_memory(p);
    d->value = v;
    d->is_number = t.kind == TOK_NUMBER;
    *ret = d;
    return FER_OK;
}

/* -x, +x; folded into a literal. A plus changes nothing. */
static fer_code make_signed(parser *p, const token *sign, duration_expr *d, duration_expr **ret)
{
    if (d->op == DUR_LITERAL || sign->u.op == OP_ADD) {
        if (sign->u.op == OP_SUB)
            d->value = -d->value;
        d->pos.start = sign->pos.start;
        *ret = d;
        return FER_OK;
    }
    duration_expr *s = new_node(p, DUR_NEG, (src_range){sign->pos.start, d->pos.end});
    if (s == NULL)
        return parser_no_memory(p);
    *ret = s;
    return link_nodes(p, s, d, NULL);
}

static fer_code expect(parser *p, const duration_context *c, token_kind kind)
{
    return parser_accept(p, kind) ? FER_OK : unexpected(p, c);
}

static duration_op call_op(token_kind name)
{
    switch (name) {
    case TOK_STEP:
        return DUR_STEP;
    case TOK_RANGE:
        return DUR_RANGE;
    case TOK_MIN_OF:
        return DUR_MIN_OF;
    default:
        return DUR_MAX_OF;
    }
}

/* step(), range(), min_of(a, b), max_of(a, b). */
static fer_code parse_duration_call(parser *p, const duration_context *c, duration_expr **ret)
{
    token name = parser_take(p);
    duration_expr *d = new_node(p, call_op(name.kind), name.pos);
    if (d == NULL)
        return parser_no_memory(p);
    FER_TRY(expect(p, c, TOK_LPAREN));
    if (name.kind == TOK_MIN_OF || name.kind == TOK_MAX_OF) {
        duration_expr *l, *r;
        FER_TRY(parse_binary(p, c, 1, &l));
        FER_TRY(expect(p, c, TOK_COMMA));
        FER_TRY(parse_binary(p, c, 1, &r));
        FER_TRY(link_nodes(p, d, l, r));
    }
    FER_TRY(expect(p, c, TOK_RPAREN));
    d->pos.end = p->closing_end;
    *ret = d;
    return FER_OK;
}

static fer_code parse_paren(parser *p, const duration_context *c, duration_expr **ret)
{
    token open = parser_take(p);
    duration_expr *in;
    FER_TRY(parse_binary(p, c, 1, &in));
    FER_TRY(expect(p, c, TOK_RPAREN));
    if (in->op == DUR_LITERAL) {
        *ret = in;
        return FER_OK;
    }
    duration_expr *d = new_node(p, DUR_PAREN, (src_range){open.pos.start, p->closing_end});
    if (d == NULL)
        return parser_no_memory(p);
    *ret = d;
    return link_nodes(p, d, in, NULL);
}

static bool at_sign(parser *p)
{
    return parser_peek_op(p, OP_ADD) || parser_peek_op(p, OP_SUB);
}

/* What stands alone: all that `offset` takes after its signs. */
static fer_code parse_atom(parser *p, const duration_context *c, duration_expr **ret)
{
    switch (parser_peek(p)) {
    case TOK_NUMBER:
    case TOK_DURATION:
        return parse_literal(p, p->tok.pos.start, ret);
    case TOK_STEP:
    case TOK_RANGE:
    case TOK_MIN_OF:
    case TOK_MAX_OF:
        return parse_duration_call(p, c, ret);
    case TOK_LPAREN:
        return parse_paren(p, c, ret);
    default:
        return unexpected(p, c);
    }
}

static fer_code parse_operand(parser *p, const duration_context *c, duration_expr **ret)
{
    if (!at_sign(p))
        return parse_atom(p, c, ret);
    token sign = parser_take(p);
    duration_expr *d;
    FER_TRY(parse_binary(p, c, 3, &d));
    return make_signed(p, &sign, d, ret);
}

static fer_code parse_signed_atom(parser *p, const duration_context *c, duration_expr **ret)
{
    if (!at_sign(p))
        return parse_atom(p, c, ret);
    token sign = parser_take(p);
    duration_expr *d;
    FER_TRY(parser_enter(p));
    if (parser_peek(p) == TOK_NUMBER || p->tok.kind == TOK_DURATION)
        FER_TRY(parse_literal(p, sign.pos.start, &d));
    else
        FER_TRY(parse_signed_atom(p, c, &d));
    parser_leave(p);
    return make_signed(p, &sign, d, ret);
}

static duration to_duration(const duration_expr *d)
{
    if (d->op != DUR_LITERAL)
        return (duration){.e = d};
    /* Rounded to nanoseconds, then cut to milliseconds: 1.001 s is 1001 ms, 0.0015 s is 1 ms. */
    double ns = round(d->value * 1e9);
    const double limit = 9223372036854774784.0; /* the last double below 2^63 */
    ns = ns > limit ? limit : ns < -limit ? -limit : ns;
    return (duration){.ms = (int64_t)ns / 1000000};
}

/* ---- faces ---- */

static fer_code parse_positive(parser *p, const duration_context *c, duration *ret)
{
    duration_expr *d;
    FER_TRY(parse_binary(p, c, 1, &d));
    *ret = to_duration(d);
    if (ret->e == NULL && ret->ms <= 0)
        return parser_fail(p, d->pos.start, "duration must be greater than 0");
    return FER_OK;
}

fer_code parse_brackets(parser *p, duration *ret_range, duration *ret_step, bool *ret_is_subquery)
{
    FER_TRY(parse_positive(p, &RANGE_CONTEXT, ret_range));
    *ret_is_subquery = parser_accept(p, TOK_COLON);
    *ret_step = (duration){0};
    if (parser_accept(p, TOK_RBRACKET))
        return FER_OK;
    if (!*ret_is_subquery)
        return parser_unexpected(p, "subquery or range", "\":\" or \"]\"");
    FER_TRY(parse_positive(p, &STEP_CONTEXT, ret_step));
    if (!parser_accept(p, TOK_RBRACKET))
        return parser_unexpected(p, "subquery selector", "\"]\"");
    return FER_OK;
}

fer_code parse_offset(parser *p, duration *ret)
{
    duration_expr *d;
    FER_TRY(parse_signed_atom(p, &OFFSET_CONTEXT, &d));
    *ret = to_duration(d);
    return FER_OK;
}

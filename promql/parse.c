/* parse.c - the parser's tokens, failures and entry points. */
#include "promql/parse.h"

#include "promql/parse_int.h"
#include "tsdb/labels.h"

/* ---- tokens ---- */

void parser_init(parser *p, fer_str text, const promql_features *f, fer_arena *a, fer_err *err)
{
    static const promql_features none = {0};
    *p = (parser){.arena = a, .features = f != NULL ? f : &none, .err = err};
    lex_init(&p->lex, text);
}

token_kind parser_peek(parser *p)
{
    if (p->have)
        return p->tok.kind;
    p->tok = lex_next(&p->lex);
    p->have = true;
    switch (p->tok.kind) {
    case TOK_ERROR:
        parser_record(p, p->tok.pos.start, "%s", p->lex.error);
        break;
    case TOK_RBRACE:
    case TOK_RPAREN:
    case TOK_RBRACKET:
    case TOK_NUMBER:
    case TOK_DURATION:
        p->closing_end = p->tok.pos.end;
        break;
    default:
        break;
    }
    return p->tok.kind;
}

bool parser_peek_op(parser *p, op o)
{
    return parser_peek(p) == TOK_OP && p->tok.u.op == o;
}

token parser_take(parser *p)
{
    parser_peek(p);
    p->have = p->tok.kind == TOK_EOF || p->tok.kind == TOK_ERROR;
    return p->tok;
}

bool parser_accept(parser *p, token_kind kind)
{
    if (parser_peek(p) != kind)
        return false;
    parser_take(p);
    return true;
}

/* ---- failures ---- */

void promql_position(fer_str text, uint32_t offset, uint32_t *line, uint32_t *col)
{
    uint32_t l = 1, c = 1;
    for (uint32_t i = 0; i < offset && i < text.n; i++) {
        c++;
        if (text.p[i] == '\n') {
            l++;
            c = 1;
        }
    }
    *line = l;
    *col = c;
}

void parser_record(parser *p, uint32_t at, const char *fmt, ...)
{
    if (p->code != FER_OK)
        return;
    va_list ap;
    va_start(ap, fmt);
    p->code = fer_vfail(p->err, FER_INVALID, fmt, ap);
    va_end(ap);
    uint32_t line, col;
    promql_position(p->lex.text, at, &line, &col);
    if (p->lex.text.n == 0)
        fer_err_prefix(p->err, "unknown position: parse error");
    else
        fer_err_prefix(p->err, "%u:%u: parse error", line, col);
}

void parser_record_unexpected(parser *p, const char *context, const char *expected)
{
    parser_peek(p);
    if (p->code != FER_OK)
        return;
    if (context == NULL && p->aggregates > 0)
        context = "aggregation";
    fer_buf b;
    fer_buf_init(&b, FER_ERR_MSG_MAX, NULL);
    token_describe(&b, &p->tok);
    parser_record(p, p->tok.pos.start, "unexpected %.*s%s%s%s%s", STR_FMT(fer_buf_str(&b)),
                  context != NULL ? " in " : "", context != NULL ? context : "",
                  expected != NULL ? ", expected " : "", expected != NULL ? expected : "");
    fer_buf_done(&b);
}

void parser_record_budget(parser *p)
{
    p->code = fer_fail_budget(p->err, "query");
}

fer_code parser_result(const parser *p)
{
    return p->code;
}

fer_code parser_unquote(parser *p, const token *t, fer_str *ret)
{
    return lex_unquote(t->text, p->arena, ret) ? FER_OK : parser_no_memory(p);
}

fer_code parser_check_height(parser *p, uint32_t height, uint32_t at)
{
    if (height <= PROMQL_DEPTH_MAX)
        return FER_OK;
    if (p->code == FER_OK) {
        parser_record(p, at, "expression is nested deeper than %d levels", PROMQL_DEPTH_MAX);
        p->code = FER_LIMIT;
        if (p->err != NULL)
            p->err->code = FER_LIMIT;
    }
    return FER_LIMIT;
}

fer_code parser_enter(parser *p)
{
    p->depth++;
    return parser_check_height(p, p->depth, p->lex.start);
}

void parser_leave(parser *p)
{
    p->depth--;
}

/* ---- memory ---- */

expr *parser_new_expr(parser *p, expr_kind kind, value_type type, src_range pos)
{
    expr *e = ARENA_NEW(p->arena, expr);
    if (e == NULL)
        return NULL;
    e->kind = kind;
    e->type = type;
    e->pos = pos;
    e->height = 1;
    return e;
}

fer_code parser_adopt(parser *p, expr *e, const expr *child)
{
    if (child->height >= e->height)
        e->height = child->height + 1;
    return parser_check_height(p, e->height, e->pos.start);
}

bool parser_grow(parser *p, void **list, size_t *cap, size_t size)
{
    size_t more = *cap == 0 ? 4 : *cap * 2;
    void *grown = fer_arena_grow(p->arena, *list, *cap * size, more * size);
    if (grown == NULL)
        return false;
    *list = grown;
    *cap = more;
    return true;
}

/* ---- entry points ---- */

static fer_code check_size(fer_str text, fer_err *err)
{
    if (text.n <= PROMQL_TEXT_BYTES_MAX)
        return FER_OK;
    return fer_fail(err, FER_LIMIT, "query of %zu bytes is longer than %d bytes", text.n,
                    PROMQL_TEXT_BYTES_MAX);
}

static fer_code expect_end(parser *p)
{
    if (parser_peek(p) != TOK_EOF)
        return parser_unexpected(p, NULL, NULL);
    return FER_OK;
}

static fer_code parse_whole(parser *p, expr **ret)
{
    if (parser_peek(p) == TOK_EOF)
        return parser_fail(p, 0, "no expression found in input");
    FER_TRY(parse_expression(p, ret));
    FER_TRY(expect_end(p));
    return check_types(p, *ret);
}

fer_code promql_parse(fer_str text, const promql_features *f, fer_arena *a, expr **ret,
                      fer_err *err)
{
    FER_TRY(check_size(text, err));
    parser p;
    expr *e;
    parser_init(&p, text, f, a, err);
    if (parse_whole(&p, &e) != FER_OK)
        return parser_result(&p);
    *ret = e;
    return FER_OK;
}

static fer_code parse_whole_selector(parser *p, expr **ret)
{
    parser_peek(p);
    if (token_is_metric_name(&p->tok)) {
        token name = parser_take(p);
        FER_TRY(parse_selector(p, &name, ret));
    } else if (p->tok.kind == TOK_LBRACE) {
        FER_TRY(parse_selector(p, NULL, ret));
    } else {
        return parser_unexpected(p, NULL, NULL);
    }
    return expect_end(p);
}

fer_code promql_parse_matchers(fer_str text, fer_arena *a, matcher **ret, size_t *ret_n,
                               fer_err *err)
{
    FER_TRY(check_size(text, err));
    parser p;
    expr *e;
    parser_init(&p, text, NULL, a, err);
    if (parse_whole_selector(&p, &e) != FER_OK)
        return parser_result(&p);
    *ret = e->u.selector.matchers;
    *ret_n = e->u.selector.n_matchers;
    return FER_OK;
}

fer_code promql_parse_selector(fer_str text, fer_arena *a, matcher **ret, size_t *ret_n,
                               fer_err *err)
{
    matcher *m = NULL;
    size_t n = 0;
    FER_TRY(promql_parse_matchers(text, a, &m, &n, err));
    for (size_t i = 0; i < n; i++)
        if (!matcher_matches_empty(&m[i])) {
            *ret = m;
            *ret_n = n;
            return FER_OK;
        }
    return fer_fail(err, FER_INVALID, "match[] must contain at least one non-empty matcher");
}

fer_code promql_parse_metric(fer_str text, fer_arena *a, labels *ret, fer_err *err)
{
    FER_TRY(check_size(text, err));
    parser p;
    label_list list = {0};
    parser_init(&p, text, NULL, a, err);
    if (parse_series(&p, &list) != FER_OK || expect_end(&p) != FER_OK)
        return parser_result(&p);
    return labels_canonical(list.l, list.n, false, ret, err);
}

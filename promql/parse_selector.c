/* parse_selector.c - name{label="value", ...}. */
#include "promql/parse_int.h"

#include "base/utf8.h"

static const char CONTEXT[] = "label matching";

bool token_is_metric_name(const token *t)
{
    switch (t->kind) {
    case TOK_IDENT:
    case TOK_METRIC_IDENT:
    case TOK_AGG:
    case TOK_OFFSET:
    case TOK_ANCHORED:
    case TOK_SMOOTHED:
    case TOK_BY:
    case TOK_WITHOUT:
    case TOK_FILL:
    case TOK_FILL_LEFT:
    case TOK_FILL_RIGHT:
    case TOK_START:
    case TOK_END:
    case TOK_STEP:
    case TOK_RANGE:
    case TOK_MIN_OF:
    case TOK_MAX_OF:
        return true;
    case TOK_OP:
        return op_is_set(t->u.op);
    default:
        return false;
    }
}

static bool match_type_of(parser *p, matcher_type *ret)
{
    switch (parser_peek(p)) {
    case TOK_ASSIGN:
        *ret = MATCH_EQ;
        return true;
    case TOK_MATCH_RE:
        *ret = MATCH_RE;
        return true;
    case TOK_MATCH_NRE:
        *ret = MATCH_NRE;
        return true;
    default:
        *ret = MATCH_NE;
        return parser_peek_op(p, OP_NE);
    }
}

static fer_code make_matcher(parser *p, uint32_t at, matcher_type type, fer_str name, fer_str value,
                             matcher *ret)
{
    fer_err err = {0};
    fer_code code = matcher_make(p->arena, type, name, value, ret, &err);
    if (code == FER_OK)
        return FER_OK;
    if (code != FER_INVALID)
        return parser_no_memory(p);
    return parser_fail(p, at, "%s", err.msg);
}

/* name="value", or a quoted string alone, which is the metric's name. */
static fer_code parse_matcher(parser *p, matcher *ret)
{
    token_kind kind = parser_peek(p);
    if (kind != TOK_IDENT && kind != TOK_STRING)
        return parser_unexpected(p, CONTEXT, "identifier or \"}\"");
    token name = parser_take(p);
    fer_str name_text = name.text;
    if (kind == TOK_STRING)
        FER_TRY(parser_unquote(p, &name, &name_text));
    matcher_type type;
    if (!match_type_of(p, &type)) {
        if (kind == TOK_STRING && p->code == FER_OK)
            return make_matcher(p, name.pos.start, MATCH_EQ, STR("__name__"), name_text, ret);
        return parser_unexpected(p, CONTEXT, "label matching operator");
    }
    parser_take(p);
    if (parser_peek(p) != TOK_STRING)
        return parser_unexpected(p, CONTEXT, "string");
    token value = parser_take(p);
    fer_str value_text;
    FER_TRY(parser_unquote(p, &value, &value_text));
    return make_matcher(p, name.pos.start, type, name_text, value_text, ret);
}

typedef struct matcher_list {
    matcher *m;
    size_t n, cap;
} matcher_list;

/* After "{", up to and with "}". */
static fer_code parse_matchers(parser *p, matcher_list *list)
{
    while (!parser_accept(p, TOK_RBRACE)) {
        matcher m;
        FER_TRY(parse_matcher(p, &m));
        FER_TRY(PARSER_PUSH(p, list->m, list->n, list->cap, m));
        if (parser_accept(p, TOK_COMMA))
            continue;
        if (parser_peek(p) != TOK_RBRACE)
            return parser_unexpected(p, CONTEXT, "\",\" or \"}\"");
    }
    return FER_OK;
}

fer_code parse_selector(parser *p, const token *name, expr **ret)
{
    parser_peek(p);
    src_range pos = name != NULL ? name->pos : p->tok.pos;
    matcher_list list = {0};
    if (parser_accept(p, TOK_LBRACE)) {
        FER_TRY(parse_matchers(p, &list));
        pos.end = p->closing_end;
    }
    if (name != NULL) {
        matcher m;
        FER_TRY(make_matcher(p, name->pos.start, MATCH_EQ, STR("__name__"), name->text, &m));
        FER_TRY(PARSER_PUSH(p, list.m, list.n, list.cap, m));
    }
    expr *e = parser_new_expr(p, EXPR_SELECTOR, VALUE_VECTOR, pos);
    if (e == NULL)
        return parser_no_memory(p);
    e->u.selector.name = name != NULL ? list.m[list.n - 1].value : STR("");
    e->u.selector.matchers = list.m;
    e->u.selector.n_matchers = list.n;
    *ret = e;
    return FER_OK;
}

/* ---- series descriptions ---- */

static const char SET_CONTEXT[] = "label set";

/* name="value", or a quoted string alone, which is the metric's name. */
static fer_code parse_set_item(parser *p, label *ret)
{
    token_kind kind = parser_peek(p);
    if (kind != TOK_IDENT && kind != TOK_STRING)
        return parser_unexpected(p, SET_CONTEXT, "identifier or \"}\"");
    token name = parser_take(p);
    ret->name = name.text;
    if (kind == TOK_STRING)
        FER_TRY(parser_unquote(p, &name, &ret->name));
    if (!parser_accept(p, TOK_ASSIGN)) {
        if (kind != TOK_STRING || p->code != FER_OK)
            return parser_unexpected(p, SET_CONTEXT, "\"=\"");
        *ret = (label){STR("__name__"), ret->name};
        return FER_OK;
    }
    if (parser_peek(p) != TOK_STRING)
        return parser_unexpected(p, SET_CONTEXT, "string");
    token value = parser_take(p);
    return parser_unquote(p, &value, &ret->value);
}

/* After "{", up to and with "}". */
static fer_code parse_set(parser *p, label_list *list)
{
    while (!parser_accept(p, TOK_RBRACE)) {
        label l;
        FER_TRY(parse_set_item(p, &l));
        FER_TRY(PARSER_PUSH(p, list->l, list->n, list->cap, l));
        if (parser_accept(p, TOK_COMMA))
            continue;
        if (parser_peek(p) != TOK_RBRACE)
            return parser_unexpected(p, SET_CONTEXT, "\",\" or \"}\"");
    }
    return FER_OK;
}

fer_code parse_series(parser *p, label_list *list)
{
    parser_peek(p);
    bool named = token_is_metric_name(&p->tok);
    if (named) {
        label name = {STR("__name__"), parser_take(p).text};
        FER_TRY(PARSER_PUSH(p, list->l, list->n, list->cap, name));
    }
    if (parser_accept(p, TOK_LBRACE))
        FER_TRY(parse_set(p, list));
    else if (!named)
        return parser_unexpected(p, NULL, NULL);
    for (size_t i = 0; i < list->n; i++) {
        label *l = &list->l[i];
        l->name = fer_arena_dup(p->arena, l->name);
        l->value = fer_arena_dup(p->arena, l->value);
        if (l->name.p == NULL || l->value.p == NULL)
            return parser_no_memory(p);
    }
    return FER_OK;
}

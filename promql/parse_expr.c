/* parse_expr.c - expressions: operators by precedence, calls, aggregations, modifiers.
 *
 *   or | and unless | == != < <= > >= </ >/ | + - | * / % atan2, unary + - | ^ (to the right)
 *
 * and all of [..], offset, @, anchored, smoothed bind more tightly.
 */
#include "promql/parse_int.h"

#include <math.h>

#include "base/text.h"
#include "base/utf8.h"

enum { PREC_UNARY = 5, PREC_POW = 6 };

static fer_code parse_binary(parser *p, int min, expr **ret);

/* ---- label lists: by (a, b), on (...), group_left (...) ---- */

typedef struct name_list {
    fer_str *names;
    size_t n, cap;
} name_list;

static bool is_label_token(const token *t)
{
    switch (t->kind) {
    case TOK_IDENT:
    case TOK_METRIC_IDENT:
    case TOK_OP:
        return t->kind != TOK_OP || op_is_set(t->u.op) || t->u.op == OP_ATAN2;
    default:
        return t->kind >= TOK_AGG;
    }
}

static fer_code invalid_label(parser *p, const token *t, fer_str name)
{
    fer_buf b;
    fer_buf_init(&b, FER_ERR_MSG_MAX, NULL);
    text_quote(&b, name);
    fer_code code = parser_fail(p, t->pos.start, "invalid label name for grouping: %.*s",
                                STR_FMT(fer_buf_str(&b)));
    fer_buf_done(&b);
    return code;
}

static fer_code parse_label(parser *p, fer_str *ret)
{
    parser_peek(p);
    if (p->tok.kind == TOK_STRING) {
        token t = parser_take(p);
        FER_TRY(parser_unquote(p, &t, ret));
        if (ret->n == 0 || !utf8_valid(*ret))
            return invalid_label(p, &t, *ret);
        return FER_OK;
    }
    if (!is_label_token(&p->tok))
        return parser_unexpected(p, "grouping opts", "label");
    token t = parser_take(p);
    *ret = fer_arena_dup(p->arena, t.text);
    return ret->p == NULL ? parser_no_memory(p) : FER_OK;
}

static fer_code parse_labels(parser *p, name_list *list)
{
    if (!parser_accept(p, TOK_LPAREN))
        return parser_unexpected(p, "grouping opts", "\"(\"");
    while (!parser_accept(p, TOK_RPAREN)) {
        fer_str name;
        FER_TRY(parse_label(p, &name));
        FER_TRY(PARSER_PUSH(p, list->names, list->n, list->cap, name));
        if (parser_accept(p, TOK_COMMA))
            continue;
        if (parser_peek(p) != TOK_RPAREN)
            return parser_unexpected(p, "grouping opts", "\",\" or \")\"");
    }
    return FER_OK;
}

/* ---- calls ---- */

typedef struct expr_list {
    expr **e;
    size_t n, cap;
} expr_list;

static bool begins_expression(parser *p)
{
    switch (parser_peek(p)) {
    case TOK_NUMBER:
    case TOK_DURATION:
    case TOK_STRING:
    case TOK_LPAREN:
    case TOK_LBRACE:
        return true;
    default:
        return parser_peek_op(p, OP_ADD) || parser_peek_op(p, OP_SUB) ||
               token_is_metric_name(&p->tok);
    }
}

/* "(" up to and with ")". */
static fer_code parse_arguments(parser *p, expr_list *args)
{
    if (!parser_accept(p, TOK_LPAREN))
        return parser_unexpected(p, NULL, NULL);
    if (parser_accept(p, TOK_RPAREN))
        return FER_OK;
    for (;;) {
        expr *arg;
        FER_TRY(parse_binary(p, 1, &arg));
        FER_TRY(PARSER_PUSH(p, args->e, args->n, args->cap, arg));
        if (parser_accept(p, TOK_RPAREN))
            return FER_OK;
        if (parser_peek(p) != TOK_COMMA)
            return parser_unexpected(p, NULL, NULL);
        token comma = parser_take(p);
        if (!begins_expression(p))
            return parser_fail(p, comma.pos.start,
                               "trailing commas not allowed in function call args");
    }
}

static fer_code parse_call(parser *p, const token *name, expr **ret)
{
    expr_list args = {0};
    FER_TRY(parse_arguments(p, &args));
    const promql_function *fn = promql_function_find(name->text);
    if (fn == NULL)
        return parser_fail(p, name->pos.start, "unknown function with name \"%.*s\"",
                           STR_FMT(name->text));
    if (fn->experimental && !p->features->experimental_functions)
        return parser_fail(p, name->pos.start, "function \"%s\" is not enabled", fn->name);
    expr *e = parser_new_expr(p, EXPR_CALL, fn->ret, (src_range){name->pos.start, p->closing_end});
    if (e == NULL)
        return parser_no_memory(p);
    e->u.call.fn = fn;
    e->u.call.args = args.e;
    e->u.call.n_args = args.n;
    for (size_t i = 0; i < args.n; i++)
        FER_TRY(parser_adopt(p, e, args.e[i]));
    *ret = e;
    return FER_OK;
}

/* ---- aggregations ---- */

static bool at_grouping(parser *p)
{
    token_kind k = parser_peek(p);
    return k == TOK_BY || k == TOK_WITHOUT;
}

static fer_code parse_grouping(parser *p, expr_aggregate *a)
{
    name_list list = {0};
    a->without = parser_take(p).kind == TOK_WITHOUT;
    a->has_grouping = true;
    FER_TRY(parse_labels(p, &list));
    a->grouping = list.names;
    a->n_grouping = list.n;
    return FER_OK;
}

static fer_code make_aggregate(parser *p, const token *name, const expr_aggregate *a,
                               const expr_list *args, expr **ret)
{
    if (args->n == 0)
        return parser_fail(p, name->pos.start, "no arguments for aggregate expression provided");
    bool experimental = name->u.agg == AGG_LIMITK || name->u.agg == AGG_LIMIT_RATIO;
    if (experimental && !p->features->experimental_functions)
        return parser_fail(p, name->pos.start,
                           "%s() is experimental and must be enabled with "
                           "--enable-feature=promql-experimental-functions",
                           agg_text(name->u.agg));
    size_t want = agg_takes_param(name->u.agg) ? 2 : 1;
    if (args->n != want)
        return parser_fail(p, name->pos.start,
                           "wrong number of arguments for aggregate expression provided, "
                           "expected %zu, got %zu",
                           want, args->n);
    expr *e = parser_new_expr(p, EXPR_AGGREGATE, VALUE_VECTOR,
                              (src_range){name->pos.start, p->closing_end});
    if (e == NULL)
        return parser_no_memory(p);
    e->u.aggregate = *a;
    e->u.aggregate.op = name->u.agg;
    e->u.aggregate.param = want == 2 ? args->e[0] : NULL;
    e->u.aggregate.e = args->e[want - 1];
    for (size_t i = 0; i < want; i++)
        FER_TRY(parser_adopt(p, e, args->e[i]));
    *ret = e;
    return FER_OK;
}

/* The name has been taken; "(", by or without is next. */
static fer_code parse_aggregate(parser *p, const token *name, expr **ret)
{
    expr_aggregate a = {0};
    expr_list args = {0};
    p->aggregates++;
    if (at_grouping(p))
        FER_TRY(parse_grouping(p, &a));
    FER_TRY(parse_arguments(p, &args));
    if (!a.has_grouping && at_grouping(p))
        FER_TRY(parse_grouping(p, &a));
    p->aggregates--;
    return make_aggregate(p, name, &a, &args, ret);
}

/* ---- what stands alone ---- */

static fer_code parse_number_literal(parser *p, expr **ret)
{
    token t = parser_take(p);
    double v;
    FER_TRY(parse_number(p, &t, &v));
    expr *e = parser_new_expr(p, EXPR_NUMBER, VALUE_SCALAR, t.pos);
    if (e == NULL)
        return parser_no_memory(p);
    e->u.number.v = v;
    e->u.number.is_duration = t.kind == TOK_DURATION;
    *ret = e;
    return FER_OK;
}

static fer_code parse_string_literal(parser *p, expr **ret)
{
    token t = parser_take(p);
    expr *e = parser_new_expr(p, EXPR_STRING, VALUE_STRING, t.pos);
    if (e == NULL)
        return parser_no_memory(p);
    *ret = e;
    return parser_unquote(p, &t, &e->u.string);
}

static fer_code parse_paren(parser *p, expr **ret)
{
    token open = parser_take(p);
    expr *in;
    FER_TRY(parse_binary(p, 1, &in));
    if (!parser_accept(p, TOK_RPAREN))
        return parser_unexpected(p, NULL, NULL);
    expr *e = parser_new_expr(p, EXPR_PAREN, in->type, (src_range){open.pos.start, p->closing_end});
    if (e == NULL)
        return parser_no_memory(p);
    e->u.paren = in;
    *ret = e;
    return parser_adopt(p, e, in);
}

/* A word that may be a function, followed by "(". */
static bool is_function_name(const token *t)
{
    switch (t->kind) {
    case TOK_IDENT:
    case TOK_START:
    case TOK_END:
    case TOK_STEP:
    case TOK_RANGE:
    case TOK_MIN_OF:
    case TOK_MAX_OF:
        return true;
    default:
        return false;
    }
}

static fer_code parse_word(parser *p, expr **ret)
{
    token name = parser_take(p);
    bool paren = parser_peek(p) == TOK_LPAREN;
    if (paren && is_function_name(&name))
        return parse_call(p, &name, ret);
    if (name.kind == TOK_AGG && (paren || at_grouping(p)))
        return parse_aggregate(p, &name, ret);
    return parse_selector(p, &name, ret);
}

static fer_code parse_primary(parser *p, expr **ret)
{
    switch (parser_peek(p)) {
    case TOK_NUMBER:
    case TOK_DURATION:
        return parse_number_literal(p, ret);
    case TOK_STRING:
        return parse_string_literal(p, ret);
    case TOK_LPAREN:
        return parse_paren(p, ret);
    case TOK_LBRACE:
        return parse_selector(p, NULL, ret);
    default:
        if (token_is_metric_name(&p->tok))
            return parse_word(p, ret);
        return parser_unexpected(p, NULL, NULL);
    }
}

/* ---- what follows: [..], offset, @, anchored, smoothed ---- */

static expr_selector *selector_of(expr *e)
{
    if (e->kind == EXPR_SELECTOR)
        return &e->u.selector;
    return e->kind == EXPR_MATRIX ? &e->u.matrix.selector->u.selector : NULL;
}

static modifiers *modifiers_of(expr *e)
{
    if (e->kind == EXPR_SUBQUERY)
        return &e->u.subquery.mod;
    expr_selector *s = selector_of(e);
    return s != NULL ? &s->mod : NULL;
}

static bool has_offset(const modifiers *m)
{
    return m->offset.ms != 0 || m->offset.e != NULL;
}

static fer_code parse_offset_modifier(parser *p, expr *e)
{
    parser_take(p);
    duration d;
    FER_TRY(parse_offset(p, &d));
    modifiers *m = modifiers_of(e);
    if (m == NULL)
        return parser_fail(p, e->pos.start,
                           "offset modifier must be preceded by an instant vector selector or "
                           "range vector selector or a subquery");
    if (has_offset(m))
        return parser_fail(p, e->pos.start, "offset may not be set multiple times");
    m->offset = d;
    e->pos.end = p->closing_end;
    return FER_OK;
}

static const char AT_CONTEXT[] = "@", AT_EXPECTED[] = "timestamp";

static fer_code parse_at_function(parser *p, modifiers *ret)
{
    ret->at = parser_take(p).kind == TOK_START ? AT_START : AT_END;
    if (!parser_accept(p, TOK_LPAREN) || !parser_accept(p, TOK_RPAREN))
        return parser_unexpected(p, AT_CONTEXT, AT_EXPECTED);
    return FER_OK;
}

/* Seconds to milliseconds as Prometheus does: bounded before they are multiplied, and past int64
 * after it as amd64 converts. */
static int64_t to_ms(double seconds)
{
    double ms = round(seconds * 1000);
    return ms >= 9223372036854775808.0 || ms < -9223372036854775808.0 ? INT64_MIN : (int64_t)ms;
}

static fer_code at_out_of_bounds(parser *p, const expr *e, double seconds)
{
    static const char text[] = "timestamp out of bounds for @ modifier";
    if (isfinite(seconds))
        return parser_fail(p, e->pos.start, "%s: %f", text, seconds);
    return parser_fail(p, e->pos.start, "%s: %s", text,
                       isnan(seconds) ? "NaN"
                       : seconds > 0  ? "+Inf"
                                      : "-Inf");
}

static fer_code parse_at_time(parser *p, const expr *e, modifiers *ret)
{
    bool minus = parser_peek_op(p, OP_SUB);
    if (minus || parser_peek_op(p, OP_ADD))
        parser_take(p);
    token_kind k = parser_peek(p);
    if (k != TOK_NUMBER && k != TOK_DURATION)
        return parser_unexpected(p, AT_CONTEXT, AT_EXPECTED);
    token t = parser_take(p);
    double v;
    FER_TRY(parse_number(p, &t, &v));
    if (minus)
        v = -v;
    ret->at = AT_TIME;
    if (isnan(v) || v >= 9223372036854775808.0 || v <= -9223372036854775808.0)
        return at_out_of_bounds(p, e, v);
    ret->at_ms = to_ms(v);
    return FER_OK;
}

static fer_code parse_at_modifier(parser *p, expr *e)
{
    parser_take(p);
    modifiers at = {0};
    token_kind k = parser_peek(p);
    if (k == TOK_START || k == TOK_END)
        FER_TRY(parse_at_function(p, &at));
    else
        FER_TRY(parse_at_time(p, e, &at));
    modifiers *m = modifiers_of(e);
    if (m == NULL)
        return parser_fail(p, e->pos.start,
                           "@ modifier must be preceded by an instant vector selector or range "
                           "vector selector or a subquery");
    if (m->at != AT_NONE)
        return parser_fail(p, e->pos.start, "@ <timestamp> may not be set multiple times");
    m->at = at.at;
    m->at_ms = at.at_ms;
    e->pos.end = p->closing_end;
    return FER_OK;
}

static fer_code parse_extended_modifier(parser *p, expr *e)
{
    token t = parser_take(p);
    const char *word = t.kind == TOK_ANCHORED ? "anchored" : "smoothed";
    if (!p->features->extended_range_selectors)
        return parser_fail(p, e->pos.start, "%s modifier is experimental and not enabled", word);
    if (e->kind == EXPR_SUBQUERY)
        return parser_fail(p, e->pos.start, "%s modifier is not supported for subqueries", word);
    expr_selector *s = selector_of(e);
    if (s == NULL)
        return parser_fail(p, e->pos.start, "%s modifier not implemented", word);
    s->anchored |= t.kind == TOK_ANCHORED;
    s->smoothed |= t.kind == TOK_SMOOTHED;
    if (s->anchored && s->smoothed)
        return parser_fail(p, e->pos.start,
                           "anchored and smoothed modifiers cannot be used together");
    e->pos.end = t.pos.end;
    return FER_OK;
}

/* As in Prometheus, `@ start()` and an offset that must be computed may also stand before the range. */
static fer_code make_matrix(parser *p, expr *e, const token *open, duration range, expr **ret)
{
    const expr_selector *s = selector_of(e);
    if (e->kind != EXPR_SELECTOR)
        return parser_fail(p, open->pos.start, "ranges only allowed for vector selectors");
    if (s->mod.offset.ms != 0)
        return parser_fail(p, open->pos.start, "no offset modifiers allowed before range");
    if (s->mod.at == AT_TIME)
        return parser_fail(p, open->pos.start, "no @ modifiers allowed before range");
    expr *m =
        parser_new_expr(p, EXPR_MATRIX, VALUE_MATRIX, (src_range){e->pos.start, p->closing_end});
    if (m == NULL)
        return parser_no_memory(p);
    m->u.matrix.selector = e;
    m->u.matrix.range = range;
    *ret = m;
    return parser_adopt(p, m, e);
}

static fer_code parse_range(parser *p, expr *e, expr **ret)
{
    token open = parser_take(p);
    duration range, step;
    bool is_subquery;
    FER_TRY(parse_brackets(p, &range, &step, &is_subquery));
    if (!is_subquery)
        return make_matrix(p, e, &open, range, ret);
    expr *s =
        parser_new_expr(p, EXPR_SUBQUERY, VALUE_MATRIX, (src_range){e->pos.start, p->closing_end});
    if (s == NULL)
        return parser_no_memory(p);
    s->u.subquery.e = e;
    s->u.subquery.range = range;
    s->u.subquery.step = step;
    *ret = s;
    return parser_adopt(p, s, e);
}

static fer_code parse_postfix(parser *p, expr **ret)
{
    expr *e;
    FER_TRY(parse_primary(p, &e));
    for (;;) {
        switch (parser_peek(p)) {
        case TOK_LBRACKET:
            FER_TRY(parse_range(p, e, &e));
            break;
        case TOK_OFFSET:
            FER_TRY(parse_offset_modifier(p, e));
            break;
        case TOK_AT:
            FER_TRY(parse_at_modifier(p, e));
            break;
        case TOK_ANCHORED:
        case TOK_SMOOTHED:
            FER_TRY(parse_extended_modifier(p, e));
            break;
        default:
            *ret = e;
            return FER_OK;
        }
    }
}

/* ---- operators ---- */

static fer_code parse_unary(parser *p, expr **ret)
{
    if (!parser_peek_op(p, OP_ADD) && !parser_peek_op(p, OP_SUB))
        return parse_postfix(p, ret);
    token sign = parser_take(p);
    expr *e;
    FER_TRY(parse_binary(p, PREC_UNARY + 1, &e));
    if (e->kind == EXPR_NUMBER) {
        if (sign.u.op == OP_SUB)
            e->u.number.v = -e->u.number.v;
        e->pos.start = sign.pos.start;
        *ret = e;
        return FER_OK;
    }
    expr *u = parser_new_expr(p, EXPR_UNARY, e->type, (src_range){sign.pos.start, e->pos.end});
    if (u == NULL)
        return parser_no_memory(p);
    u->u.unary.op = sign.u.op;
    u->u.unary.e = e;
    *ret = u;
    return parser_adopt(p, u, e);
}

static int precedence(op o)
{
    switch (o) {
    case OP_OR:
        return 1;
    case OP_AND:
    case OP_UNLESS:
        return 2;
    case OP_ADD:
    case OP_SUB:
        return 4;
    case OP_MUL:
    case OP_DIV:
    case OP_MOD:
    case OP_ATAN2:
        return PREC_UNARY;
    case OP_POW:
        return PREC_POW;
    default:
        return 3;
    }
}

/* group_left or group_right with its labels, after on or ignoring. */
static fer_code parse_group_side(parser *p, expr_binary *b)
{
    token_kind k = parser_peek(p);
    if (k != TOK_GROUP_LEFT && k != TOK_GROUP_RIGHT)
        return FER_OK;
    parser_take(p);
    b->card = k == TOK_GROUP_LEFT ? CARD_MANY_TO_ONE : CARD_ONE_TO_MANY;
    if (parser_peek(p) != TOK_LPAREN && begins_expression(p))
        return FER_OK;
    name_list list = {0};
    FER_TRY(parse_labels(p, &list));
    b->include = list.names;
    b->n_include = list.n;
    return FER_OK;
}

static fer_code parse_fill_value(parser *p, double *ret)
{
    if (!parser_accept(p, TOK_LPAREN))
        return parser_unexpected(p, NULL, NULL);
    bool minus = parser_peek_op(p, OP_SUB);
    if (minus || parser_peek_op(p, OP_ADD))
        parser_take(p);
    token_kind k = parser_peek(p);
    if (k != TOK_NUMBER && k != TOK_DURATION)
        return parser_unexpected(p, NULL, NULL);
    token t = parser_take(p);
    double v;
    FER_TRY(parse_number(p, &t, &v));
    if (!parser_accept(p, TOK_RPAREN))
        return parser_unexpected(p, NULL, NULL);
    *ret = minus ? -v : v;
    return FER_OK;
}

/* fill(x), or fill_left(x) and fill_right(y) in any order. */
static fer_code parse_fills(parser *p, expr_binary *b)
{
    if (parser_accept(p, TOK_FILL)) {
        FER_TRY(parse_fill_value(p, &b->fill_left));
        b->fill_right = b->fill_left;
        b->fill_left_set = b->fill_right_set = true;
        return FER_OK;
    }
    for (;;) {
        token_kind k = parser_peek(p);
        bool left = k == TOK_FILL_LEFT && !b->fill_left_set;
        if (!left && (k != TOK_FILL_RIGHT || b->fill_right_set))
            return FER_OK;
        parser_take(p);
        FER_TRY(parse_fill_value(p, left ? &b->fill_left : &b->fill_right));
        *(left ? &b->fill_left_set : &b->fill_right_set) = true;
    }
}

static fer_code parse_binary_modifiers(parser *p, expr_binary *b)
{
    b->return_bool = parser_accept(p, TOK_BOOL);
    token_kind k = parser_peek(p);
    if (k == TOK_ON || k == TOK_IGNORING) {
        parser_take(p);
        b->has_matching = true;
        b->on = k == TOK_ON;
        name_list list = {0};
        FER_TRY(parse_labels(p, &list));
        b->labels = list.names;
        b->n_labels = list.n;
        FER_TRY(parse_group_side(p, b));
    }
    return parse_fills(p, b);
}

static fer_code make_binary(parser *p, expr *l, expr *r, const expr_binary *b, expr **ret)
{
    src_range pos = {l->pos.start, r->pos.end};
    if ((b->fill_left_set || b->fill_right_set) && !p->features->fill_modifiers)
        return parser_fail(p, pos.start, "binop fill modifiers are experimental and not enabled");
    bool scalar = l->type == VALUE_SCALAR && r->type == VALUE_SCALAR;
    expr *e = parser_new_expr(p, EXPR_BINARY, scalar ? VALUE_SCALAR : VALUE_VECTOR, pos);
    if (e == NULL)
        return parser_no_memory(p);
    e->u.binary = *b;
    e->u.binary.l = l;
    e->u.binary.r = r;
    *ret = e;
    FER_TRY(parser_adopt(p, e, l));
    return parser_adopt(p, e, r);
}

static fer_code parse_binary(parser *p, int min, expr **ret)
{
    FER_TRY(parser_enter(p));
    expr *l;
    FER_TRY(parse_unary(p, &l));
    while (parser_peek(p) == TOK_OP && precedence(p->tok.u.op) >= min) {
        op o = parser_take(p).u.op;
        expr_binary b = {.op = o};
        expr *r;
        FER_TRY(parse_binary_modifiers(p, &b));
        int prec = precedence(o);
        FER_TRY(parse_binary(p, o == OP_POW ? prec : prec + 1, &r));
        FER_TRY(make_binary(p, l, r, &b, &l));
    }
    parser_leave(p);
    *ret = l;
    return FER_OK;
}

fer_code parse_expression(parser *p, expr **ret)
{
    return parse_binary(p, 1, ret);
}

/* check.c - types, once the text has been read without an error.
 *
 * The first error is the one Prometheus reports first: children before their parent, and within a
 * node in the order of the checks below.
 */
#include "promql/parse_int.h"

static fer_code expect_type(parser *p, expr *e, value_type want, const char *context)
{
    FER_TRY(check_types(p, e));
    if (e->type == want)
        return FER_OK;
    return parser_fail(p, e->pos.start, "expected type %s in %s, got %s", value_type_text(want),
                       context, value_type_text(e->type));
}

/* ---- selectors ---- */

static bool is_name(const matcher *m)
{
    return str_eq(m->name, STR("__name__"));
}

static fer_code check_selector(parser *p, const expr *e)
{
    const expr_selector *s = &e->u.selector;
    if (s->name.n > 0) {
        for (size_t i = 0; i + 1 < s->n_matchers; i++)
            if (is_name(&s->matchers[i]))
                return parser_fail(p, e->pos.start,
                                   "metric name must not be set twice: \"%.*s\" or \"%.*s\"",
                                   STR_FMT(s->name), STR_FMT(s->matchers[i].value));
        return FER_OK;
    }
    for (size_t i = 0; i < s->n_matchers; i++)
        if (!matcher_matches_empty(&s->matchers[i]))
            return FER_OK;
    return parser_fail(p, e->pos.start,
                       "vector selector must contain at least one non-empty matcher");
}

/* ---- calls ---- */

static fer_code check_argument_count(parser *p, const expr *e)
{
    const promql_function *fn = e->u.call.fn;
    size_t listed = promql_function_params(fn), n = e->u.call.n_args;
    const char *how = "";
    size_t want = listed;
    if (fn->variadic == 0) {
        if (n == listed)
            return FER_OK;
    } else if (n < listed - 1) {
        how = "at least ";
        want = listed - 1;
    } else if (fn->variadic > 0 && n > listed - 1 + (size_t)fn->variadic) {
        how = "at most ";
        want = listed - 1 + (size_t)fn->variadic;
    } else {
        return FER_OK;
    }
    return parser_fail(p, e->pos.start, "expected %s%zu argument(s) in call to \"%s\", got %zu",
                       how, want, fn->name, n);
}

/* The second argument of info() is a selector without a name, which may match the empty string. */
static fer_code check_info_selector(parser *p, expr *e, const char *context)
{
    if (e->kind != EXPR_SELECTOR) {
        FER_TRY(expect_type(p, e, VALUE_VECTOR, context));
        return parser_fail(p, e->pos.start, "expected label selectors only");
    }
    if (e->u.selector.name.n > 0)
        return parser_fail(p, e->pos.start,
                           "expected label selectors only, got vector selector instead");
    return FER_OK;
}

static fer_code check_call(parser *p, expr *e)
{
    const promql_function *fn = e->u.call.fn;
    FER_TRY(check_argument_count(p, e));
    char context[96];
    snprintf(context, sizeof context, "call to function \"%s\"", fn->name);
    size_t listed = promql_function_params(fn);
    for (size_t i = 0; i < e->u.call.n_args; i++) {
        expr *arg = e->u.call.args[i];
        if (fn->id == FN_INFO && i == 1) {
            FER_TRY(check_info_selector(p, arg, context));
            continue;
        }
        FER_TRY(expect_type(p, arg, fn->args[i < listed ? i : listed - 1], context));
    }
    return FER_OK;
}

/* ---- aggregations ---- */

static fer_code check_aggregate(parser *p, expr *e)
{
    expr_aggregate *a = &e->u.aggregate;
    FER_TRY(expect_type(p, a->e, VALUE_VECTOR, "aggregation expression"));
    if (a->param == NULL)
        return FER_OK;
    return expect_type(p, a->param, a->op == AGG_COUNT_VALUES ? VALUE_STRING : VALUE_SCALAR,
                       "aggregation parameter");
}

/* ---- operators ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Where the operator stands: the first byte behind the left side that is no white space. */
static uint32_t operator_at(const parser *p, const expr *e)
{
    uint32_t at = e->u.binary.l->pos.end;
    while (at < p->lex.text.n && is_space(p->lex.text.p[at]))
        at++;
    return at;
}

static fer_code check_grouping_labels(parser *p, const expr *e)
{
    const expr_binary *b = &e->u.binary;
    if (!b->on)
        return FER_OK;
    for (size_t i = 0; i < b->n_labels; i++)
        for (size_t j = 0; j < b->n_include; j++)
            if (str_eq(b->labels[i], b->include[j]))
                return parser_fail(p, operator_at(p, e),
                                   "label \"%.*s\" must not occur in ON and GROUP clause at once",
                                   STR_FMT(b->labels[i]));
    return FER_OK;
}

static bool is_operand(const expr *e)
{
    return e->type == VALUE_SCALAR || e->type == VALUE_VECTOR;
}

static fer_code check_operands(parser *p, const expr *e)
{
    static const char text[] =
        "binary expression must contain only scalar and instant vector types";
    if (!is_operand(e->u.binary.l))
        return parser_fail(p, e->u.binary.l->pos.start, "%s", text);
    if (!is_operand(e->u.binary.r))
        return parser_fail(p, e->u.binary.r->pos.start, "%s", text);
    return FER_OK;
}

static fer_code check_matching(parser *p, expr *e)
{
    expr_binary *b = &e->u.binary;
    bool vectors = b->l->type == VALUE_VECTOR && b->r->type == VALUE_VECTOR;
    bool fills = b->fill_left_set || b->fill_right_set;
    if (!vectors && (b->n_labels > 0 || fills))
        return parser_fail(p, e->pos.start, "vector matching only allowed between instant vectors");
    if (!vectors) {
        b->has_matching = b->on = false;
        b->card = CARD_ONE_TO_ONE;
        b->n_include = 0;
    } else if (op_is_set(b->op)) {
        if (b->card == CARD_ONE_TO_MANY || b->card == CARD_MANY_TO_ONE)
            return parser_fail(p, e->pos.start, "no grouping allowed for \"%s\" operation",
                               op_text(b->op));
        if (fills)
            return parser_fail(p, e->pos.start,
                               "filling in missing series not allowed for set operators");
        b->card = CARD_MANY_TO_MANY;
    }
    if (!vectors && op_is_set(b->op))
        return parser_fail(p, e->pos.start,
                           "set operator \"%s\" not allowed in binary scalar expression",
                           op_text(b->op));
    return FER_OK;
}

static fer_code check_binary(parser *p, expr *e)
{
    expr_binary *b = &e->u.binary;
    FER_TRY(check_types(p, b->l));
    FER_TRY(check_types(p, b->r));
    if (b->return_bool && !op_is_comparison(b->op))
        return parser_fail(p, operator_at(p, e),
                           "bool modifier can only be used on comparison operators");
    if (op_is_comparison(b->op) && !b->return_bool && b->l->type == VALUE_SCALAR &&
        b->r->type == VALUE_SCALAR)
        return parser_fail(p, operator_at(p, e),
                           "comparisons between scalars must use BOOL modifier");
    FER_TRY(check_grouping_labels(p, e));
    FER_TRY(check_operands(p, e));
    return check_matching(p, e);
}

static fer_code check_unary(parser *p, expr *e)
{
    FER_TRY(check_types(p, e->u.unary.e));
    if (is_operand(e->u.unary.e))
        return FER_OK;
    return parser_fail(p, e->pos.start,
                       "unary expression only allowed on expressions of type scalar or instant "
                       "vector, got \"%s\"",
                       value_type_text(e->u.unary.e->type));
}

static fer_code check_subquery(parser *p, expr *e)
{
    FER_TRY(check_types(p, e->u.subquery.e));
    if (e->u.subquery.e->type == VALUE_VECTOR)
        return FER_OK;
    return parser_fail(p, e->pos.start,
                       "subquery is only allowed on instant vector, got %s instead",
                       value_type_name(e->u.subquery.e->type));
}

fer_code check_types(parser *p, expr *e)
{
    switch (e->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
        return FER_OK;
    case EXPR_SELECTOR:
        return check_selector(p, e);
    case EXPR_MATRIX:
        return check_selector(p, e->u.matrix.selector);
    case EXPR_SUBQUERY:
        return check_subquery(p, e);
    case EXPR_CALL:
        return check_call(p, e);
    case EXPR_AGGREGATE:
        return check_aggregate(p, e);
    case EXPR_BINARY:
        return check_binary(p, e);
    case EXPR_UNARY:
        return check_unary(p, e);
    case EXPR_PAREN:
        return check_types(p, e->u.paren);
    }
    return FER_OK;
}

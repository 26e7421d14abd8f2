/* parse_query.c - the tree in Prometheus' JSON: keys in alphabetical order, null where nothing is, times
 * in ms. What only the language of Prometheus 3.14 has (fill, anchored, smoothed) has keys of its own
 * where it is used; duration expressions, whose value the query's times decide, are 0, as in 3.5.
 */
#include "server/api/parse_query.h"

#include <inttypes.h>

#include "base/num.h"
#include "base/text.h"
#include "server/api/reply.h"
#include "server/api/run.h"

enum {
    LINES_BYTES_MAX = 8 * 1024 * 1024, /* indentation grows with the depth */
};

static void put_expr(fer_buf *out, const expr *e);

static void put_text(fer_buf *out, const char *key, fer_str value)
{
    fer_buf_printf(out, "\"%s\":", key);
    text_json(out, value);
}

static void put_bool(fer_buf *out, const char *key, bool value)
{
    fer_buf_printf(out, "\"%s\":%s", key, value ? "true" : "false");
}

static void put_child(fer_buf *out, const char *key, const expr *e)
{
    fer_buf_printf(out, "\"%s\":", key);
    if (e == NULL)
        fer_buf_puts(out, STR("null"));
    else
        put_expr(out, e);
}

static void put_names(fer_buf *out, const char *key, const fer_str *names, size_t n)
{
    fer_buf_printf(out, "\"%s\":", key);
    api_put_strings(out, &(str_list){.v = (fer_str *)names, .n = n, .cap = n});
}

static void put_number(fer_buf *out, const char *key, double v)
{
    char text[NUM_TEXT_MAX];
    put_text(out, key, (fer_str){text, num_format_f(text, v)});
}

static void put_ms(fer_buf *out, const char *key, duration d)
{
    fer_buf_printf(out, "\"%s\":%" PRId64, key, d.e == NULL ? d.ms : 0);
}

/* ,"startOrEnd":null,"timestamp":5000 and room for what comes between: "step". */
static void put_at(fer_buf *out, const modifiers *m, const duration *step)
{
    const char *edge = m->at == AT_START ? "\"start\"" : m->at == AT_END ? "\"end\"" : "null";
    fer_buf_printf(out, ",\"startOrEnd\":%s,", edge);
    if (step != NULL) {
        put_ms(out, "step", *step);
        fer_buf_putc(out, ',');
    }
    if (m->at == AT_TIME)
        fer_buf_printf(out, "\"timestamp\":%" PRId64, m->at_ms);
    else
        fer_buf_puts(out, STR("\"timestamp\":null"));
}

/* ---- selectors ---- */

static fer_str match_text(matcher_type t)
{
    static const char *const texts[] = {
        [MATCH_EQ] = "=", [MATCH_NE] = "!=", [MATCH_RE] = "=~", [MATCH_NRE] = "!~"};
    return str_of(texts[t]);
}

static void put_matchers(fer_buf *out, const expr_selector *s)
{
    fer_buf_puts(out, STR("\"matchers\":["));
    for (size_t i = 0; i < s->n_matchers; i++) {
        const matcher *m = &s->matchers[i];
        fer_buf_puts(out, i == 0 ? STR("{") : STR(",{"));
        put_text(out, "name", m->name);
        fer_buf_putc(out, ',');
        put_text(out, "type", match_text(m->type));
        fer_buf_putc(out, ',');
        put_text(out, "value", m->value);
        fer_buf_putc(out, '}');
    }
    fer_buf_puts(out, STR("],"));
}

static void put_selector(fer_buf *out, const expr_selector *s, const duration *range)
{
    if (s->anchored)
        fer_buf_puts(out, STR("\"anchored\":true,"));
    put_matchers(out, s);
    put_text(out, "name", s->name);
    fer_buf_putc(out, ',');
    put_ms(out, "offset", s->mod.offset);
    if (range != NULL) {
        fer_buf_putc(out, ',');
        put_ms(out, "range", *range);
    }
    if (s->smoothed)
        fer_buf_puts(out, STR(",\"smoothed\":true"));
    put_at(out, &s->mod, NULL);
    fer_buf_printf(out, ",\"type\":\"%s\"", range == NULL ? "vectorSelector" : "matrixSelector");
}

static void put_subquery(fer_buf *out, const expr_subquery *s)
{
    put_child(out, "expr", s->e);
    fer_buf_putc(out, ',');
    put_ms(out, "offset", s->mod.offset);
    fer_buf_putc(out, ',');
    put_ms(out, "range", s->range);
    put_at(out, &s->mod, &s->step);
    fer_buf_puts(out, STR(",\"type\":\"subquery\""));
}

/* ---- operators and calls ---- */

static void put_aggregate(fer_buf *out, const expr_aggregate *a)
{
    put_child(out, "expr", a->e);
    fer_buf_putc(out, ',');
    put_names(out, "grouping", a->grouping, a->n_grouping);
    fer_buf_printf(out, ",\"op\":\"%s\",", agg_text(a->op));
    put_child(out, "param", a->param);
    fer_buf_puts(out, STR(",\"type\":\"aggregation\","));
    put_bool(out, "without", a->without);
}

static void put_fill(fer_buf *out, const expr_binary *b)
{
    fer_buf_puts(out, STR("\"fillValues\":{"));
    if (b->fill_left_set)
        put_number(out, "lhs", b->fill_left);
    if (b->fill_left_set && b->fill_right_set)
        fer_buf_putc(out, ',');
    if (b->fill_right_set)
        put_number(out, "rhs", b->fill_right);
    fer_buf_puts(out, STR("},"));
}

static void put_matching(fer_buf *out, const expr_binary *b)
{
    static const char *const cards[] = {[CARD_ONE_TO_ONE] = "one-to-one",
                                        [CARD_MANY_TO_ONE] = "many-to-one",
                                        [CARD_ONE_TO_MANY] = "one-to-many",
                                        [CARD_MANY_TO_MANY] = "many-to-many"};
    fer_buf_puts(out, STR("\"matching\":"));
    if (b->l->type != VALUE_VECTOR || b->r->type != VALUE_VECTOR) {
        fer_buf_puts(out, STR("null"));
        return;
    }
    fer_buf_printf(out, "{\"card\":\"%s\",", cards[b->card]);
    if (b->fill_left_set || b->fill_right_set)
        put_fill(out, b);
    put_names(out, "include", b->include, b->n_include);
    fer_buf_putc(out, ',');
    put_names(out, "labels", b->labels, b->n_labels);
    fer_buf_putc(out, ',');
    put_bool(out, "on", b->on);
    fer_buf_putc(out, '}');
}

static void put_binary(fer_buf *out, const expr_binary *b)
{
    put_bool(out, "bool", b->return_bool);
    fer_buf_putc(out, ',');
    put_child(out, "lhs", b->l);
    fer_buf_putc(out, ',');
    put_matching(out, b);
    fer_buf_putc(out, ',');
    put_text(out, "op", str_of(op_text(b->op)));
    fer_buf_putc(out, ',');
    put_child(out, "rhs", b->r);
    fer_buf_puts(out, STR(",\"type\":\"binaryExpr\""));
}

static void put_function(fer_buf *out, const promql_function *fn)
{
    fer_buf_puts(out, STR("\"func\":{\"argTypes\":["));
    for (size_t i = 0; i < promql_function_params(fn); i++)
        fer_buf_printf(out, "%s\"%s\"", i == 0 ? "" : ",", value_type_name(fn->args[i]));
    fer_buf_printf(out, "],\"name\":\"%s\",\"returnType\":\"%s\",\"variadic\":%d}", fn->name,
                   value_type_name(fn->ret), fn->variadic);
}

static void put_call(fer_buf *out, const expr_call *c)
{
    fer_buf_puts(out, STR("\"args\":["));
    for (size_t i = 0; i < c->n_args; i++) {
        if (i != 0)
            fer_buf_putc(out, ',');
        put_expr(out, c->args[i]);
    }
    fer_buf_puts(out, STR("],"));
    put_function(out, c->fn);
    fer_buf_puts(out, STR(",\"type\":\"call\""));
}

static void put_members(fer_buf *out, const expr *e)
{
    switch (e->kind) {
    case EXPR_NUMBER:
        fer_buf_puts(out, STR("\"type\":\"numberLiteral\","));
        put_number(out, "val", e->u.number.v);
        return;
    case EXPR_STRING:
        fer_buf_puts(out, STR("\"type\":\"stringLiteral\","));
        put_text(out, "val", e->u.string);
        return;
    case EXPR_SELECTOR:
        put_selector(out, &e->u.selector, NULL);
        return;
    case EXPR_MATRIX:
        put_selector(out, &e->u.matrix.selector->u.selector, &e->u.matrix.range);
        return;
    case EXPR_SUBQUERY:
        put_subquery(out, &e->u.subquery);
        return;
    case EXPR_CALL:
        put_call(out, &e->u.call);
        return;
    case EXPR_AGGREGATE:
        put_aggregate(out, &e->u.aggregate);
        return;
    case EXPR_BINARY:
        put_binary(out, &e->u.binary);
        return;
    case EXPR_UNARY:
        put_child(out, "expr", e->u.unary.e);
        fer_buf_printf(out, ",\"op\":\"%s\",\"type\":\"unaryExpr\"", op_text(e->u.unary.op));
        return;
    case EXPR_PAREN:
        put_child(out, "expr", e->u.paren);
        fer_buf_puts(out, STR(",\"type\":\"parenExpr\""));
        return;
    }
}

static void put_expr(fer_buf *out, const expr *e)
{
    fer_buf_putc(out, '{');
    put_members(out, e);
    fer_buf_putc(out, '}');
}

/* ---- handlers ---- */

static void put_lines(fer_buf *out, const expr *e)
{
    fer_buf text;
    fer_buf_init(&text, LINES_BYTES_MAX, NULL);
    promql_print_lines(&text, e);
    text_json(out, fer_buf_str(&text));
    out->full |= text.full;
    fer_buf_done(&text);
}

static void answer(http_req *r, app *a, void (*put)(fer_buf *out, const expr *e))
{
    expr *e;
    fer_err err;
    query_run *run = query_run_new(a, r, 0);
    if (promql_parse(http_req_param(r, "query"), &a->limits.features, run->arena, &e, &err) !=
        FER_OK) {
        api_error(r, API_BAD_DATA, "invalid parameter \"query\": %s", err.msg);
    } else {
        fer_buf out;
        api_begin(&out);
        put(&out, e);
        api_end(r, &out, NULL);
    }
    query_run_free(run);
}

void api_format_query(http_req *r, void *arg)
{
    answer(r, arg, put_lines);
}

void api_parse_query(http_req *r, void *arg)
{
    answer(r, arg, put_expr);
}

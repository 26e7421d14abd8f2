/* parse_int.h - what the files of the parser share (parse.c, parse_expr.c, parse_selector.c,
 * parse_duration.c).
 *
 * Prometheus' grammar is LALR(1) with error productions: the text of an error names the innermost
 * construct that has one ("in label matching"). Here each function that reads such a construct names
 * it itself; only aggregations, whose name covers all that is nested in them and has none, are
 * counted in the parser. The order of events is that of the LALR parser too, since only the first
 * error is shown: a token is read no sooner than it is needed for a decision.
 */
#ifndef FERULA_PROMQL_PARSE_INT_H
#define FERULA_PROMQL_PARSE_INT_H

#include "promql/lex.h"
#include "promql/parse.h"

typedef struct parser {
    lexer lex;
    token tok; /* the next token when `have` */
    bool have;
    fer_arena *arena;
    const promql_features *features;
    fer_err *err;
    fer_code code; /* of the first failure */
    uint32_t
        closing_end;     /* behind the last bracket, brace, paren or number read: where calls end */
    uint32_t aggregates; /* aggregations being read */
    uint32_t depth;      /* of the recursion */
} parser;

void parser_init(parser *p, fer_str text, const promql_features *f, fer_arena *a, fer_err *err);

/* The kind of the next token, which stays. A failure of the lexer is recorded at once. */
token_kind parser_peek(parser *p);
/* True when the next token is that operator. */
bool parser_peek_op(parser *p, op o);
/* Takes the next token. */
token parser_take(parser *p);
/* Takes the next token when it has that kind. */
bool parser_accept(parser *p, token_kind kind);

/* Failures are kept in the parser: the first one, or FER_LIMIT when the arena's budget is used up.
 * What a function of the parser returns is only whether it failed; parser_result() is the answer for
 * the caller. */
void parser_record(parser *p, uint32_t at, const char *fmt, ...) FER_PRINTF(3, 4);
void parser_record_unexpected(parser *p, const char *context, const char *expected);
void parser_record_budget(parser *p);
fer_code parser_result(const parser *p);

/* A message at an offset. */
#define parser_fail(...) (parser_record(__VA_ARGS__), FER_INVALID)
/* "unexpected TOKEN in CONTEXT, expected WHAT" about the next token; NULL leaves a part out. The
 * context NULL is "aggregation" inside of one. */
#define parser_unexpected(p, context, expected)                                                    \
    (parser_record_unexpected((p), (context), (expected)), FER_INVALID)
#define parser_no_memory(p) (parser_record_budget(p), FER_LIMIT)

/* The content of a string token, in the arena. */
FER_MUST_CHECK fer_code parser_unquote(parser *p, const token *t, fer_str *ret);

/* One level deeper, or FER_LIMIT; parser_leave() must follow a success. */
FER_MUST_CHECK fer_code parser_enter(parser *p);
void parser_leave(parser *p);

/* FER_LIMIT for a tree higher than PROMQL_DEPTH_MAX. */
FER_MUST_CHECK fer_code parser_check_height(parser *p, uint32_t height, uint32_t at);

/* A leaf; NULL past the budget. */
expr *parser_new_expr(parser *p, expr_kind kind, value_type type, src_range pos);
/* Tells e of a child, for its height. */
FER_MUST_CHECK fer_code parser_adopt(parser *p, expr *e, const expr *child);

/* A list that grows in the arena. */
#define PARSER_PUSH(p, list, n, cap, value)                                                        \
    ((n) < (cap) || parser_grow((p), (void **)&(list), &(cap), sizeof *(list))                     \
         ? ((void)((list)[(n)++] = (value)), FER_OK)                                               \
         : parser_no_memory(p))
bool parser_grow(parser *p, void **list, size_t *cap, size_t size);

/* parse_expr.c */
FER_MUST_CHECK fer_code parse_expression(parser *p, expr **ret);

/* parse_selector.c */

/* The name, when there is one, has been taken; next may be "{". */
FER_MUST_CHECK fer_code parse_selector(parser *p, const token *name, expr **ret);

typedef struct label_list {
    label *l;
    size_t n, cap;
} label_list;

/* name{label="value", ...}: the labels in the order written, in the arena. */
FER_MUST_CHECK fer_code parse_series(parser *p, label_list *list);
/* True when the token is a metric name where an expression begins. */
bool token_is_metric_name(const token *t);

/* parse_duration.c */

/* The value of a number or duration token, in seconds. */
FER_MUST_CHECK fer_code parse_number(parser *p, const token *t, double *ret);
/* After "[": up to and with "]". *ret_is_subquery tells whether there was a ":". */
FER_MUST_CHECK fer_code parse_brackets(parser *p, duration *ret_range, duration *ret_step,
                                       bool *ret_is_subquery);
/* After "offset". */
FER_MUST_CHECK fer_code parse_offset(parser *p, duration *ret);

/* check.c */

/* The types of the whole tree. */
FER_MUST_CHECK fer_code check_types(parser *p, expr *e);

#endif

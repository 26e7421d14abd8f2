/* lex.h - PromQL text to tokens, one at a time.
 *
 * The lexer knows where it is: inside braces every word is a label name, inside brackets there are
 * only durations, and a bracket, brace or paren left open is an error at the end. Error texts are
 * those of Prometheus' lexer. Inside promql/ only.
 */
#ifndef FERULA_PROMQL_LEX_H
#define FERULA_PROMQL_LEX_H

#include "promql/ast.h"

typedef enum token_kind {
    TOK_EOF,
    TOK_ERROR, /* lexer.error says why; the lexer is not called again */
    TOK_IDENT,
    TOK_METRIC_IDENT, /* a word with colons */
    TOK_NUMBER,
    TOK_DURATION,
    TOK_STRING, /* quotes included */
    TOK_COMMA,
    TOK_COLON,
    TOK_LPAREN,
    TOK_RPAREN,
    TOK_LBRACE,
    TOK_RBRACE,
    TOK_LBRACKET,
    TOK_RBRACKET,
    TOK_ASSIGN, /* "=" */
    TOK_MATCH_RE,
    TOK_MATCH_NRE,
    TOK_AT,
    TOK_OP,  /* a binary operator: token.u.op */
    TOK_AGG, /* an aggregation: token.u.agg */
    TOK_OFFSET,
    TOK_ANCHORED,
    TOK_SMOOTHED,
    TOK_BY,
    TOK_WITHOUT,
    TOK_ON,
    TOK_IGNORING,
    TOK_GROUP_LEFT,
    TOK_GROUP_RIGHT,
    TOK_BOOL,
    TOK_FILL,
    TOK_FILL_LEFT,
    TOK_FILL_RIGHT,
    TOK_START,
    TOK_END,
    TOK_STEP,
    TOK_RANGE,
    TOK_MIN_OF,
    TOK_MAX_OF,
} token_kind;

typedef struct token {
    token_kind kind;
    union {
        op op;
        agg agg;
    } u;
    fer_str text; /* as written; a view of the query */
    src_range pos;
} token;

enum { LEX_ERROR_MAX = 256 };

typedef struct lexer {
    fer_str text;
    uint32_t at;    /* next byte */
    uint32_t start; /* of the token being read */
    int paren_depth;
    bool in_braces;
    bool in_brackets;
    bool duration_start; /* in brackets, no literal read since "[" or ":" */
    bool colon_seen;     /* in these brackets */
    bool duration_seen;  /* in these brackets */
    bool done;
    char error[LEX_ERROR_MAX];
} lexer;

void lex_init(lexer *l, fer_str text);
/* The next token; after TOK_EOF and TOK_ERROR the same again. Comments and white space are skipped. */
token lex_next(lexer *l);

/* Appends how error texts name the token: `identifier "a"`, `<op:+>`, `end of input`. */
void token_describe(fer_buf *out, const token *t);

/* The content of a TOK_STRING with its escapes resolved, in the arena; false past its budget. */
bool lex_unquote(fer_str quoted, fer_arena *a, fer_str *ret) __attribute__((warn_unused_result));

#endif

/* print_int.h - what print.c and print_lines.c share: the parts of an expression around its operands. */
#ifndef FERULA_PROMQL_PRINT_INT_H
#define FERULA_PROMQL_PRINT_INT_H

#include "promql/parse.h"

/* [5m:1m] with its modifiers. */
void print_subquery_suffix(fer_buf *out, const expr_subquery *s);
/* Up to and with the parenthesis: sum by (job) ( */
void print_aggregate_head(fer_buf *out, const expr_aggregate *a);
/* The operator, bool, and how vectors are matched: + on (job) group_left () */
void print_operator(fer_buf *out, const expr_binary *b);

#endif

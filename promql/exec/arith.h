/* arith.h - arithmetic and comparison of two columns of numbers. */
#ifndef FERULA_PROMQL_EXEC_ARITH_H
#define FERULA_PROMQL_EXEC_ARITH_H

#include <stddef.h>
#include <stdint.h>

#include "promql/ast.h"

/* out[i] = l[i] o r[i]; out may be l or r. */
void arith(op o, const double *l, const double *r, double *out, size_t n);
/* Bit i of keep: l[i] o r[i] holds; keep has bits_words(n) words. */
void compare(op o, const double *l, const double *r, uint64_t *keep, size_t n);

#endif

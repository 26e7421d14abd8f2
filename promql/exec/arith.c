/* arith.c - one loop an operator, plain enough for the compiler to vectorise. */
#include "promql/exec/arith.h"

#include <math.h>

#include "promql/exec/bits.h"

#define LOOP(expr)                                                                                 \
    for (size_t i = 0; i < n; i++)                                                                 \
        out[i] = (expr);                                                                           \
    return

void arith(op o, const double *l, const double *r, double *out, size_t n)
{
    switch (o) {
    case OP_ADD:
        LOOP(l[i] + r[i]);
    case OP_SUB:
        LOOP(l[i] - r[i]);
    case OP_MUL:
        LOOP(l[i] * r[i]);
    case OP_DIV:
        LOOP(l[i] / r[i]);
    case OP_MOD:
        LOOP(fmod(l[i], r[i]));
    case OP_POW:
        LOOP(pow(l[i], r[i]));
    case OP_ATAN2:
        LOOP(atan2(l[i], r[i]));
    default:
        return;
    }
}

#define KEEP(expr)                                                                                 \
    for (size_t i = 0; i < n; i++)                                                                 \
        bits_put(keep, i, (expr));                                                                 \
    return

void compare(op o, const double *l, const double *r, uint64_t *keep, size_t n)
{
    bits_zero(keep, n);
    switch (o) {
    case OP_EQ:
        KEEP(l[i] == r[i]);
    case OP_NE:
        KEEP(l[i] != r[i]);
    case OP_LT:
        KEEP(l[i] < r[i]);
    case OP_LE:
        KEEP(l[i] <= r[i]);
    case OP_GT:
        KEEP(l[i] > r[i]);
    case OP_GE:
        KEEP(l[i] >= r[i]);
    default:
        return;
    }
}

/* ast.c - the words of the language for the kinds of the tree. */
#include "promql/ast.h"

const char *value_type_name(value_type t)
{
    switch (t) {
    case VALUE_SCALAR:
        return "scalar";
    case VALUE_VECTOR:
        return "vector";
    case VALUE_MATRIX:
        return "matrix";
    case VALUE_STRING:
        return "string";
    case VALUE_NONE:
        break;
    }
    return "none";
}

const char *value_type_text(value_type t)
{
    switch (t) {
    case VALUE_VECTOR:
        return "instant vector";
    case VALUE_MATRIX:
        return "range vector";
    default:
        return value_type_name(t);
    }
}

const char *op_text(op o)
{
    static const char *const texts[] = {
        [OP_NONE] = "",   [OP_ADD] = "+", [OP_SUB] = "-",         [OP_MUL] = "*",
        [OP_DIV] = "/",   [OP_MOD] = "%", [OP_POW] = "^",         [OP_ATAN2] = "atan2",
        [OP_EQ] = "==",   [OP_NE] = "!=", [OP_LT] = "<",          [OP_LE] = "<=",
        [OP_GT] = ">",    [OP_GE] = ">=", [OP_TRIM_UPPER] = "</", [OP_TRIM_LOWER] = ">/",
        [OP_AND] = "and", [OP_OR] = "or", [OP_UNLESS] = "unless",
    };
    return texts[o];
}

const char *agg_text(agg a)
{
    static const char *const texts[] = {
        [AGG_SUM] = "sum",
        [AGG_AVG] = "avg",
        [AGG_COUNT] = "count",
        [AGG_MIN] = "min",
        [AGG_MAX] = "max",
        [AGG_GROUP] = "group",
        [AGG_STDDEV] = "stddev",
        [AGG_STDVAR] = "stdvar",
        [AGG_TOPK] = "topk",
        [AGG_BOTTOMK] = "bottomk",
        [AGG_COUNT_VALUES] = "count_values",
        [AGG_QUANTILE] = "quantile",
        [AGG_LIMITK] = "limitk",
        [AGG_LIMIT_RATIO] = "limit_ratio",
    };
    return texts[a];
}

bool op_is_comparison(op o)
{
    return o >= OP_EQ && o <= OP_GE;
}

bool op_is_set(op o)
{
    return o == OP_AND || o == OP_OR || o == OP_UNLESS;
}

bool agg_takes_param(agg a)
{
    switch (a) {
    case AGG_TOPK:
    case AGG_BOTTOMK:
    case AGG_COUNT_VALUES:
    case AGG_QUANTILE:
    case AGG_LIMITK:
    case AGG_LIMIT_RATIO:
        return true;
    default:
        return false;
    }
}

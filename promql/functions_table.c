/* functions_table.c - the signatures of all functions, by name (FEATURES.md section 3.5). */
#include "promql/ast.h"

#include <stdlib.h>

#define S VALUE_SCALAR
#define V VALUE_VECTOR
#define M VALUE_MATRIX
#define T VALUE_STRING

/* In the order of function_id, which is the order of the names: the search relies on it. */
static const promql_function functions[FN_COUNT] = {
    {FN_ABS, "abs", V, {V}, 0, false},
    {FN_ABSENT, "absent", V, {V}, 0, false},
    {FN_ABSENT_OVER_TIME, "absent_over_time", V, {M}, 0, false},
    {FN_ACOS, "acos", V, {V}, 0, false},
    {FN_ACOSH, "acosh", V, {V}, 0, false},
    {FN_ASIN, "asin", V, {V}, 0, false},
    {FN_ASINH, "asinh", V, {V}, 0, false},
    {FN_ATAN, "atan", V, {V}, 0, false},
    {FN_ATANH, "atanh", V, {V}, 0, false},
    {FN_AVG_OVER_TIME, "avg_over_time", V, {M}, 0, false},
    {FN_CEIL, "ceil", V, {V}, 0, false},
    {FN_CHANGES, "changes", V, {M}, 0, false},
    {FN_CLAMP, "clamp", V, {V, S, S}, 0, false},
    {FN_CLAMP_MAX, "clamp_max", V, {V, S}, 0, false},
    {FN_CLAMP_MIN, "clamp_min", V, {V, S}, 0, false},
    {FN_COS, "cos", V, {V}, 0, false},
    {FN_COSH, "cosh", V, {V}, 0, false},
    {FN_COUNT_OVER_TIME, "count_over_time", V, {M}, 0, false},
    {FN_DAY_OF_MONTH, "day_of_month", V, {V}, 1, false},
    {FN_DAY_OF_WEEK, "day_of_week", V, {V}, 1, false},
    {FN_DAY_OF_YEAR, "day_of_year", V, {V}, 1, false},
    {FN_DAYS_IN_MONTH, "days_in_month", V, {V}, 1, false},
    {FN_DEG, "deg", V, {V}, 0, false},
    {FN_DELTA, "delta", V, {M}, 0, false},
    {FN_DERIV, "deriv", V, {M}, 0, false},
    {FN_DOUBLE_EXPONENTIAL_SMOOTHING, "double_exponential_smoothing", V, {M, S, S}, 0, true},
    {FN_END, "end", S, {VALUE_NONE}, 0, true},
    {FN_EXP, "exp", V, {V}, 0, false},
    {FN_FIRST_OVER_TIME, "first_over_time", V, {M}, 0, false},
    {FN_FLOOR, "floor", V, {V}, 0, false},
    {FN_HISTOGRAM_AVG, "histogram_avg", V, {V}, 0, false},
    {FN_HISTOGRAM_COUNT, "histogram_count", V, {V}, 0, false},
    {FN_HISTOGRAM_FRACTION, "histogram_fraction", V, {S, S, V}, 0, false},
    {FN_HISTOGRAM_QUANTILE, "histogram_quantile", V, {S, V}, 0, false},
    {FN_HISTOGRAM_QUANTILES, "histogram_quantiles", V, {V, T, S, S}, 9, true},
    {FN_HISTOGRAM_STDDEV, "histogram_stddev", V, {V}, 0, false},
    {FN_HISTOGRAM_STDVAR, "histogram_stdvar", V, {V}, 0, false},
    {FN_HISTOGRAM_SUM, "histogram_sum", V, {V}, 0, false},
    {FN_HOUR, "hour", V, {V}, 1, false},
    {FN_IDELTA, "idelta", V, {M}, 0, false},
    {FN_INCREASE, "increase", V, {M}, 0, false},
    {FN_INFO, "info", V, {V, V}, 1, true},
    {FN_IRATE, "irate", V, {M}, 0, false},
    {FN_LABEL_JOIN, "label_join", V, {V, T, T, T}, -1, false},
    {FN_LABEL_REPLACE, "label_replace", V, {V, T, T, T, T}, 0, false},
    {FN_LAST_OVER_TIME, "last_over_time", V, {M}, 0, false},
    {FN_LN, "ln", V, {V}, 0, false},
    {FN_LOG10, "log10", V, {V}, 0, false},
    {FN_LOG2, "log2", V, {V}, 0, false},
    {FN_MAD_OVER_TIME, "mad_over_time", V, {M}, 0, true},
    {FN_MAX_OF, "max_of", S, {S, S}, 0, true},
    {FN_MAX_OVER_TIME, "max_over_time", V, {M}, 0, false},
    {FN_MIN_OF, "min_of", S, {S, S}, 0, true},
    {FN_MIN_OVER_TIME, "min_over_time", V, {M}, 0, false},
    {FN_MINUTE, "minute", V, {V}, 1, false},
    {FN_MONTH, "month", V, {V}, 1, false},
    {FN_PI, "pi", S, {VALUE_NONE}, 0, false},
    {FN_PREDICT_LINEAR, "predict_linear", V, {M, S}, 0, false},
    {FN_PRESENT_OVER_TIME, "present_over_time", V, {M}, 0, false},
    {FN_QUANTILE_OVER_TIME, "quantile_over_time", V, {S, M}, 0, false},
    {FN_RAD, "rad", V, {V}, 0, false},
    {FN_RANGE, "range", S, {VALUE_NONE}, 0, true},
    {FN_RATE, "rate", V, {M}, 0, false},
    {FN_RESETS, "resets", V, {M}, 0, false},
    {FN_ROUND, "round", V, {V, S}, 1, false},
    {FN_SCALAR, "scalar", S, {V}, 0, false},
    {FN_SGN, "sgn", V, {V}, 0, false},
    {FN_SIN, "sin", V, {V}, 0, false},
    {FN_SINH, "sinh", V, {V}, 0, false},
    {FN_SORT, "sort", V, {V}, 0, false},
    {FN_SORT_BY_LABEL, "sort_by_label", V, {V, T}, -1, true},
    {FN_SORT_BY_LABEL_DESC, "sort_by_label_desc", V, {V, T}, -1, true},
    {FN_SORT_DESC, "sort_desc", V, {V}, 0, false},
    {FN_SQRT, "sqrt", V, {V}, 0, false},
    {FN_START, "start", S, {VALUE_NONE}, 0, true},
    {FN_START_TIMESTAMP, "start_timestamp", V, {V}, 0, true},
    {FN_STDDEV_OVER_TIME, "stddev_over_time", V, {M}, 0, false},
    {FN_STDVAR_OVER_TIME, "stdvar_over_time", V, {M}, 0, false},
    {FN_STEP, "step", S, {VALUE_NONE}, 0, true},
    {FN_SUM_OVER_TIME, "sum_over_time", V, {M}, 0, false},
    {FN_TAN, "tan", V, {V}, 0, false},
    {FN_TANH, "tanh", V, {V}, 0, false},
    {FN_TIME, "time", S, {VALUE_NONE}, 0, false},
    {FN_TIMESTAMP, "timestamp", V, {V}, 0, false},
    {FN_TS_OF_FIRST_OVER_TIME, "ts_of_first_over_time", V, {M}, 0, true},
    {FN_TS_OF_LAST_OVER_TIME, "ts_of_last_over_time", V, {M}, 0, true},
    {FN_TS_OF_MAX_OVER_TIME, "ts_of_max_over_time", V, {M}, 0, true},
    {FN_TS_OF_MIN_OVER_TIME, "ts_of_min_over_time", V, {M}, 0, true},
    {FN_VECTOR, "vector", V, {S}, 0, false},
    {FN_YEAR, "year", V, {V}, 1, false},
};

static int by_name(const void *key, const void *element)
{
    const fer_str *name = key;
    const promql_function *fn = element;
    return str_cmp(*name, str_of(fn->name));
}

const promql_function *promql_functions(void)
{
    return functions;
}

const promql_function *promql_function_find(fer_str name)
{
    return bsearch(&name, functions, FN_COUNT, sizeof *functions, by_name);
}

const promql_function *promql_function_get(function_id id)
{
    return id < FN_COUNT ? &functions[id] : NULL;
}

size_t promql_function_params(const promql_function *fn)
{
    size_t n = 0;
    while (n < PROMQL_PARAMS_MAX && fn->args[n] != VALUE_NONE)
        n++;
    return n;
}

/* ast.h - the expression tree of PromQL (FEATURES.md section 3.1; promql/parser/ast.go for the kinds).
 *
 * Nodes live in one arena, are made by parse.c and are not changed by execution, except that
 * promql_prepare() (plan.c) resolves duration expressions and @ start()/end() once the query's times
 * are known. Positions are byte offsets into the query text.
 */
#ifndef FERULA_PROMQL_AST_H
#define FERULA_PROMQL_AST_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "tsdb/matcher.h"

typedef enum value_type {
    VALUE_NONE,
    VALUE_SCALAR,
    VALUE_VECTOR,
    VALUE_MATRIX, /* range vector; the result type of a range query */
    VALUE_STRING,
} value_type;

/* "scalar", "instant vector", "range vector", "string", "none": as in error texts. */
const char *value_type_text(value_type t);
/* "scalar", "vector", "matrix", "string": as in the API. */
const char *value_type_name(value_type t);

typedef struct src_range {
    uint32_t start, end; /* bytes, half open */
} src_range;

typedef enum expr_kind {
    EXPR_NUMBER,
    EXPR_STRING,
    EXPR_SELECTOR, /* instant vector selector */
    EXPR_MATRIX,   /* selector[range] */
    EXPR_SUBQUERY, /* expr[range:step] */
    EXPR_CALL,
    EXPR_AGGREGATE,
    EXPR_BINARY,
    EXPR_UNARY,
    EXPR_PAREN,
} expr_kind;

typedef enum op {
    OP_NONE,
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_MOD,
    OP_POW,
    OP_ATAN2,
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_TRIM_UPPER, /* "</" */
    OP_TRIM_LOWER, /* ">/" */
    OP_AND,
    OP_OR,
    OP_UNLESS,
} op;

typedef enum agg {
    AGG_SUM,
    AGG_AVG,
    AGG_COUNT,
    AGG_MIN,
    AGG_MAX,
    AGG_GROUP,
    AGG_STDDEV,
    AGG_STDVAR,
    AGG_TOPK,
    AGG_BOTTOMK,
    AGG_COUNT_VALUES,
    AGG_QUANTILE,
    AGG_LIMITK,
    AGG_LIMIT_RATIO,
} agg;

const char *op_text(op o);   /* "+", "and", ... */
const char *agg_text(agg a); /* "sum", ... */
bool op_is_comparison(op o);
bool op_is_set(op o);
bool agg_takes_param(agg a); /* topk, quantile, count_values, ... */

typedef struct expr expr;
typedef struct duration_expr duration_expr;

/* A duration as written: a plain number of ms, or an expression over step() and range() that
 * promql_prepare() turns into ms. */
typedef struct duration {
    int64_t ms;
    const duration_expr *e; /* NULL for a literal */
} duration;

typedef enum duration_op {
    DUR_LITERAL, /* seconds in `value` */
    DUR_STEP,
    DUR_RANGE,
    DUR_ADD,
    DUR_SUB,
    DUR_MUL,
    DUR_DIV,
    DUR_MOD,
    DUR_POW,
    DUR_NEG,
    DUR_POS,
    DUR_MIN_OF,
    DUR_MAX_OF,
    DUR_PAREN,
} duration_op;

struct duration_expr {
    duration_op op;
    double value;   /* DUR_LITERAL, seconds */
    bool is_number; /* literal was a plain number, for printing */
    const duration_expr *l, *r;
    src_range pos;
    uint32_t height; /* of the tree: 1 for a leaf, at most PROMQL_DEPTH_MAX */
};

typedef enum at_kind { AT_NONE, AT_TIME, AT_START, AT_END } at_kind;

typedef struct modifiers {
    duration offset; /* may be negative; 0 when absent */
    at_kind at;
    int64_t at_ms; /* AT_TIME; AT_START and AT_END after promql_prepare() */
} modifiers;

typedef struct expr_selector {
    fer_str name; /* the metric name written before the braces, may be empty */
    matcher
        *matchers; /* in the order written; the name before the braces comes last, as __name__ */
    size_t n_matchers;
    modifiers mod;
    bool anchored, smoothed;
} expr_selector;

typedef struct expr_matrix {
    expr *selector; /* EXPR_SELECTOR: carries offset, @, anchored, smoothed */
    duration range;
} expr_matrix;

typedef struct expr_subquery {
    expr *e;
    duration range;
    duration step; /* ms 0 and e NULL: the default step */
    modifiers mod;
} expr_subquery;

typedef struct promql_function promql_function;

typedef struct expr_call {
    const promql_function *fn;
    expr **args;
    size_t n_args;
} expr_call;

typedef struct expr_aggregate {
    agg op;
    expr *param; /* NULL when the operator takes none */
    expr *e;
    fer_str *grouping;
    size_t n_grouping;
    bool without;
    bool has_grouping; /* a by or without clause was written, for printing "by ()" */
} expr_aggregate;

typedef enum match_card {
    CARD_ONE_TO_ONE,
    CARD_MANY_TO_ONE,
    CARD_ONE_TO_MANY,
    CARD_MANY_TO_MANY
} match_card;

typedef struct expr_binary {
    op op;
    expr *l, *r;
    bool return_bool;
    /* vector matching; meaningful when both sides are vectors */
    bool has_matching; /* on or ignoring was written */
    bool on;           /* on(...) rather than ignoring(...) */
    fer_str *labels;   /* of on / ignoring */
    size_t n_labels;
    match_card card;
    fer_str *include; /* group_left(...) / group_right(...) */
    size_t n_include;
    bool fill_left_set, fill_right_set;
    double fill_left, fill_right;
} expr_binary;

struct expr {
    expr_kind kind;
    value_type type;
    src_range pos;
    uint32_t height; /* of the tree: 1 for a leaf, at most PROMQL_DEPTH_MAX */
    union {
        struct {
            double v;
            bool is_duration;
        } number;
        fer_str string;
        expr_selector selector;
        expr_matrix matrix;
        expr_subquery subquery;
        expr_call call;
        expr_aggregate aggregate;
        expr_binary binary;
        struct {
            op op;
            expr *e;
        } unary; /* OP_ADD or OP_SUB */
        expr *paren;
    } u;
};

/* ---- functions: signatures (functions_table.c) ---- */

typedef enum function_id {
    FN_ABS,
    FN_ABSENT,
    FN_ABSENT_OVER_TIME,
    FN_ACOS,
    FN_ACOSH,
    FN_ASIN,
    FN_ASINH,
    FN_ATAN,
    FN_ATANH,
    FN_AVG_OVER_TIME,
    FN_CEIL,
    FN_CHANGES,
    FN_CLAMP,
    FN_CLAMP_MAX,
    FN_CLAMP_MIN,
    FN_COS,
    FN_COSH,
    FN_COUNT_OVER_TIME,
    FN_DAY_OF_MONTH,
    FN_DAY_OF_WEEK,
    FN_DAY_OF_YEAR,
    FN_DAYS_IN_MONTH,
    FN_DEG,
    FN_DELTA,
    FN_DERIV,
    FN_DOUBLE_EXPONENTIAL_SMOOTHING,
    FN_END,
    FN_EXP,
    FN_FIRST_OVER_TIME,
    FN_FLOOR,
    FN_HISTOGRAM_AVG,
    FN_HISTOGRAM_COUNT,
    FN_HISTOGRAM_FRACTION,
    FN_HISTOGRAM_QUANTILE,
    FN_HISTOGRAM_QUANTILES,
    FN_HISTOGRAM_STDDEV,
    FN_HISTOGRAM_STDVAR,
    FN_HISTOGRAM_SUM,
    FN_HOUR,
    FN_IDELTA,
    FN_INCREASE,
    FN_INFO,
    FN_IRATE,
    FN_LABEL_JOIN,
    FN_LABEL_REPLACE,
    FN_LAST_OVER_TIME,
    FN_LN,
    FN_LOG10,
    FN_LOG2,
    FN_MAD_OVER_TIME,
    FN_MAX_OF,
    FN_MAX_OVER_TIME,
    FN_MIN_OF,
    FN_MIN_OVER_TIME,
    FN_MINUTE,
    FN_MONTH,
    FN_PI,
    FN_PREDICT_LINEAR,
    FN_PRESENT_OVER_TIME,
    FN_QUANTILE_OVER_TIME,
    FN_RAD,
    FN_RANGE,
    FN_RATE,
    FN_RESETS,
    FN_ROUND,
    FN_SCALAR,
    FN_SGN,
    FN_SIN,
    FN_SINH,
    FN_SORT,
    FN_SORT_BY_LABEL,
    FN_SORT_BY_LABEL_DESC,
    FN_SORT_DESC,
    FN_SQRT,
    FN_START,
    FN_START_TIMESTAMP,
    FN_STDDEV_OVER_TIME,
    FN_STDVAR_OVER_TIME,
    FN_STEP,
    FN_SUM_OVER_TIME,
    FN_TAN,
    FN_TANH,
    FN_TIME,
    FN_TIMESTAMP,
    FN_TS_OF_FIRST_OVER_TIME,
    FN_TS_OF_LAST_OVER_TIME,
    FN_TS_OF_MAX_OVER_TIME,
    FN_TS_OF_MIN_OVER_TIME,
    FN_VECTOR,
    FN_YEAR,
    FN_COUNT
} function_id;

enum { PROMQL_PARAMS_MAX = 5 };

/* variadic 0: a call has exactly the arguments listed. Otherwise all but the last listed are
 * required, and up to `variadic` more (-1: any number) of the last type may follow. */
struct promql_function {
    function_id id;
    const char *name;
    value_type ret;
    value_type args[PROMQL_PARAMS_MAX]; /* VALUE_NONE ends */
    int variadic;
    bool experimental;
};

/* NULL when no function has the name. */
const promql_function *promql_function_find(fer_str name);
/* The FN_COUNT functions, by name. */
const promql_function *promql_functions(void);
const promql_function *promql_function_get(function_id id);
/* How many arguments are listed: args[0..n). */
size_t promql_function_params(const promql_function *fn);

#endif

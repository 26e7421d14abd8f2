/* promql.h - running queries: the face of libferula's query engine.
 *
 * promql_exec() evaluates a parsed query over all steps, series at a time (DESIGN D7), into a compact
 * result that lives in the query's arena; storage pins are released before it returns. The caller
 * maps errors: FER_CANCELED, FER_TIMEOUT, FER_IO and FER_CORRUPT (storage) apart, everything else is
 * an execution error.
 *
 * Threads: an engine may serve any number of queries at once; a query runs on the calling thread and, where
 * it may borrow some, on others as well, with the same result.
 */
#ifndef FERULA_PROMQL_PROMQL_H
#define FERULA_PROMQL_PROMQL_H

#include "base/clock.h"
#include "promql/parse.h"
#include "tsdb/querier.h"

typedef struct promql_limits {
    int64_t lookback_ms;  /* 0 = 5 min */
    uint64_t max_samples; /* 0 = 50,000,000: points held at once, as Prometheus counts them */
    int64_t default_subquery_step_ms; /* 0 = 1 min: global.evaluation_interval */
    promql_features features;
} promql_limits;

/* Threads that one query may borrow while it runs. The functions are called from its threads, several at once. */
typedef struct promql_helpers promql_helpers;
struct promql_helpers {
    unsigned max; /* at once; 0: none */
    uint64_t
        min_work; /* samples and steps to be looked at before a thread is asked for; 0: some milliseconds' worth */
    /* Has run(arg) called soon on a thread that has nothing else to do; false when there is none. Does not wait. */
    bool (*lend)(promql_helpers *h, void (*run)(void *arg), void *arg);
    /* False: threads are wanted elsewhere. One that was lent asks now and then, and goes. */
    bool (*keep)(promql_helpers *h);
    _Atomic uint64_t cpu_ns; /* what they have spent; whole when promql_exec() has returned */
};

typedef struct promql_params {
    fer_str text; /* the query as written, for positions */
    expr *e;      /* from promql_parse() in ctx->arena */
    int64_t start_ms, end_ms;
    int64_t step_ms;         /* 0: instant query at start_ms (= end_ms) */
    int64_t lookback_ms;     /* 0: the engine's */
    promql_helpers *helpers; /* may be NULL */
} promql_params;

/* One series of a result. A vector has one point; a matrix any number, ascending. */
typedef struct result_series {
    const label_id *labels; /* sorted by name text */
    uint32_t n_labels;
    uint32_t n;       /* points */
    const int64_t *t; /* ms */
    const double *v;
    const histogram **h; /* NULL when all points are floats; h[i] NULL for a float */
} result_series;

typedef struct promql_stats {
    uint64_t total_samples; /* totalQueryableSamples */
    uint64_t samples_read;
    uint64_t peak_samples;
    uint64_t *total_per_step; /* n_steps entries when per-step stats are on, else NULL */
    uint64_t *read_per_step;
    size_t n_steps;
    uint64_t prepare_ns, inner_eval_ns, sort_ns;
} promql_stats;

typedef struct promql_result {
    value_type type;
    bool ordered;          /* a vector whose order means something (sort, topk) */
    result_series *series; /* vector, matrix: matrix sorted by labels */
    size_t n_series;
    double scalar;            /* VALUE_SCALAR */
    fer_str string;           /* VALUE_STRING */
    int64_t t;                /* of scalar and string */
    str_list warnings, infos; /* unique, texts as the API shows them, uncapped */
    promql_stats stats;
} promql_result;

/* What makes a parsed query a bad request before it runs: a range query for something else than a
 * vector or scalar, duration expressions out of bounds. Scratch memory comes from the arena.
 * promql_exec() checks the same. */
FER_MUST_CHECK fer_code promql_check(const promql_limits *limits, const promql_params *p,
                                     fer_arena *a, fer_err *err);

FER_MUST_CHECK fer_code promql_exec(const promql_limits *limits, storage *st, const query_ctx *ctx,
                                    const promql_params *p, promql_result **ret, fer_err *err);

#endif

/* query.h - the state of one running query, shared by its operators.
 *
 * Memory: what lives until the result is read comes from ctx->arena; everything else from `scratch`,
 * which is freed when evaluation ends. Both draw on the query's account.
 * Errors: operators fill q->err and return the code.
 * Threads: one query, one thread.
 */
#ifndef FERULA_PROMQL_EXEC_QUERY_H
#define FERULA_PROMQL_EXEC_QUERY_H

#include "promql/annotations.h"
#include "promql/plan.h"
#include "promql/promql.h"

typedef struct source source;

/* The steps an operator is evaluated at: start + i * step, i < n. */
typedef struct grid {
    int64_t start, step;
    size_t n;
} grid;

static inline int64_t grid_at(const grid *g, size_t i)
{
    return g->start + (int64_t)i * g->step;
}

/* Samples looked at, as Prometheus counts them: `total` counts a range's window at every step,
 * `read` a sample once. One counter for each set of steps evaluated (query, subquery, part evaluated
 * once). */
typedef struct counter {
    uint64_t total, read;
    uint64_t *total_at; /* per step; may be NULL */
    uint64_t *read_at;
} counter;

typedef struct query {
    const promql_limits *limits;
    const promql_params *params;
    storage *st;
    query_ctx ctx;
    fer_arena *scratch;
    fer_err *err;
    annotations *annos;
    int64_t lookback_ms;

    querier *querier;
    source *sources; /* list */
    uint32_t n_sources;
    int64_t mint, maxt; /* what the querier covers */

    uint64_t max_samples;
    uint64_t held, peak; /* points held now, at most */
    uint64_t work;       /* since cancellation was last looked at */
    size_t kept_bytes;   /* decoded samples kept for further readers (source.c) */

    uint32_t sym_name, sym_type, sym_unit, sym_le;
} query;

/* What evaluating a part depends on besides the part. */
typedef struct eval_ctx {
    const grid *g;
    counter *count;
    const label_choice *labels; /* that will be looked at (label_need.h); NULL: all */
} eval_ctx;

/* Zeroed memory from the scratch arena, NULL with q->err filled past the budget. */
void *query_alloc(query *q, size_t count, size_t size);
#define QUERY_NEW(q, type) ((type *)query_alloc((q), 1, sizeof(type)))
#define QUERY_ARRAY(q, type, count) ((type *)query_alloc((q), (count), sizeof(type)))
/* Room for more in an array of *cap elements, doubling; false with q->err filled past the budget. */
bool query_grow(query *q, void *array, size_t *cap, size_t need, size_t size);
#define QUERY_NOMEM(q) ((void)(q), FER_LIMIT)

/* An execution error in Prometheus' words. */
fer_code query_fail(query *q, const char *fmt, ...) FER_PRINTF(2, 3);
#define query_fail(...) fer_not_ok(query_fail(__VA_ARGS__))

/* Counts work done, roughly in samples or steps, and looks at cancellation and the deadline now and
 * then. */
FER_MUST_CHECK fer_code query_work(query *q, uint64_t n);
FER_MUST_CHECK fer_code query_check(query *q);

/* Points kept in memory; FER_LIMIT past max_samples. */
FER_MUST_CHECK fer_code query_hold(query *q, uint64_t points);
void query_release(query *q, uint64_t points);

/* Fills q->err for memory past the budget. */
static inline fer_code query_no_memory(query *q)
{
    fer_fail_budget(q->err, "query");
    return FER_LIMIT;
}

/* The id of a text; SYM_NONE with q->err filled past the budget. */
uint32_t query_sym(query *q, fer_str text);
/* A text as Go's %q shows it, in scratch; empty past the budget. */
fer_str query_quote(query *q, fer_str text);

/* Saturating time arithmetic: times come from users. */
static inline int64_t ms_add(int64_t a, int64_t b)
{
    int64_t r;
    if (__builtin_add_overflow(a, b, &r))
        return a < 0 ? INT64_MIN : INT64_MAX;
    return r;
}

static inline int64_t ms_sub(int64_t a, int64_t b)
{
    int64_t r;
    if (__builtin_sub_overflow(a, b, &r))
        return a < 0 ? INT64_MIN : INT64_MAX;
    return r;
}

/* Steps from start to end; FER_LIMIT when they are too many to hold. */
FER_MUST_CHECK fer_code query_grid(query *q, int64_t start, int64_t end, int64_t step, grid *ret);

/* The step storage is told: 0 for an instant query. */
static inline int64_t query_step(const query *q, const grid *g)
{
    return q->params->step_ms == 0 && g->step == 1 ? 0 : g->step;
}

#endif

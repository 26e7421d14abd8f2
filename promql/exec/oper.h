/* oper.h - operators: streams of series, each with its values at all steps.
 *
 * An operator is pulled by oper_next(), one series a call. The series it hands out lives in buffers of
 * its own or of the operator below it, valid until the next call; whoever pulls may write to them.
 *
 * The values of one label set may come in several parts with no step in common (say x * 2 where two
 * metrics took turns); `unique` says that this cannot happen. What counts is always the set of values
 * at one step, so only the end of the query and subqueries put the parts together.
 *
 * A scalar expression is an operator as well: one series without labels, present at every step.
 */
#ifndef FERULA_PROMQL_EXEC_OPER_H
#define FERULA_PROMQL_EXEC_OPER_H

#include "promql/exec/bits.h"
#include "promql/exec/lset.h"
#include "promql/exec/query.h"

typedef struct vec {
    lset labels;
    double *v;     /* per step; undefined where absent */
    uint64_t *has; /* which steps, never all absent */
    /* NULL: floats only. Else per step, defined where present: NULL for a float, or the histogram that
     * stands for v[i] (hist_column.h). Not for writing. */
    const histogram *const *h;
    size_t from, to; /* no step outside is present; from is a multiple of 64 */
    bool drop_name;  /* with delayed name removal: the metric name goes at the end */
} vec;

/* A series kept in memory: the part of its columns between from and to, so that what lived for an hour
 * of a month costs an hour. v[i - from], has[(i - from) / 64]. */
typedef struct kept {
    lset labels;
    double *v;
    uint64_t *has;
    const histogram **h; /* NULL: floats only; else by step, copies */
    size_t from, to;
    bool drop_name;
} kept;

typedef struct oper oper;

struct oper {
    /* FER_OK with *ret filled, or FER_END. */
    fer_code (*next)(oper *o, vec *ret);
    query *q;
    const plan *p;
    const grid *g;
    bool unique;   /* no label set comes twice */
    bool nameless; /* no series has a metric name, type or unit: dropping them changes nothing */
};

static inline fer_code oper_next(oper *o, vec *ret)
{
    return o->next(o, ret);
}

/* Makes the operator for a plan node; everything in q->scratch. */
FER_MUST_CHECK fer_code oper_build(query *q, const plan *p, eval_ctx ec, oper **ret);

/* A zeroed operator of `size` bytes with its head filled; NULL past the budget. */
void *oper_new(query *q, size_t size, const plan *p, const grid *g,
               fer_code (*next)(oper *o, vec *ret));

/* Copies the values (not the labels) and holds as many points; the reverse, into columns of n steps. */
FER_MUST_CHECK fer_code kept_take(query *q, kept *k, const vec *v);
void kept_give(const kept *k, size_t n, vec *ret);
static inline bool kept_has(const kept *k, size_t i)
{
    return i >= k->from && i < k->to && bits_get(k->has, i - k->from);
}

/* Room for one series' values, all steps long; false with q->err filled past the budget. */
FER_MUST_CHECK bool vec_alloc(query *q, vec *v, size_t n);

/* c, an error of somebody who has seen only part of `input` or none of it; in Prometheus, which evaluates the input whole before,
 * an error of its own goes first. So it is read to its end: its error, or c with what q->err said. */
fer_code oper_fail_behind(oper *input, fer_code c);

/* The values of a scalar operator, one a step, valid from then on. */
FER_MUST_CHECK fer_code oper_scalar(oper *o, const double **ret);

/* Takes the metric name (and type and unit) off the series of `of`, or marks them with delayed name
 * removal; two of the same set at one step are an error (drop.c). */
fer_code drop_metric_build(query *q, const plan *p, eval_ctx ec, oper *of, oper **ret);
/* A stream without series. */
fer_code empty_build(query *q, const plan *p, eval_ctx ec, oper **ret);

/* ---- one builder a family ---- */

fer_code selector_build(query *q, const plan *p, eval_ctx ec, oper **ret);
/* The times of the samples a selector picks, in ms, instead of their values. */
fer_code origin_build(query *q, const plan *sel, eval_ctx ec, oper **ret);
fer_code timestamp_build(query *q, const plan *p, eval_ctx ec, oper **ret);
fer_code range_build(query *q, const plan *p, eval_ctx ec, oper **ret);
fer_code repeat_build(query *q, const plan *p, eval_ctx ec, oper **ret);
fer_code scalar_build(query *q, const plan *p, eval_ctx ec, oper **ret);
fer_code map_build(query *q, const plan *p, eval_ctx ec, oper **ret);
fer_code unary_build(query *q, const plan *p, eval_ctx ec, oper **ret);
fer_code binary_build(query *q, const plan *p, eval_ctx ec, oper **ret);
fer_code binary_scalar_build(query *q, const plan *p, eval_ctx ec, oper **ret);
fer_code setop_build(query *q, const plan *p, eval_ctx ec, oper **ret);
fer_code aggregate_build(query *q, const plan *p, eval_ctx ec, oper **ret);
fer_code topk_build(query *q, const plan *p, eval_ctx ec, oper **ret);
fer_code quantile_build(query *q, const plan *p, eval_ctx ec, oper **ret);
fer_code count_values_build(query *q, const plan *p, eval_ctx ec, oper **ret);
fer_code absent_build(query *q, const plan *p, eval_ctx ec, oper **ret);
fer_code label_replace_build(query *q, const plan *p, eval_ctx ec, oper **ret);
fer_code label_join_build(query *q, const plan *p, eval_ctx ec, oper **ret);
fer_code buckets_build(query *q, const plan *p, eval_ctx ec, oper **ret);
fer_code sort_build(query *q, const plan *p, eval_ctx ec, oper **ret);
fer_code info_build(query *q, const plan *p, eval_ctx ec, oper **ret);

#endif

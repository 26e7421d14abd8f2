/* oper.c - which operator serves which node. */
#include "promql/exec/hist_column.h"
#include "promql/exec/label_need.h"

void *oper_new(query *q, size_t size, const plan *p, const grid *g,
               fer_code (*next)(oper *o, vec *ret))
{
    oper *o = query_alloc(q, 1, size);
    if (o != NULL) {
        o->next = next;
        o->q = q;
        o->p = p;
        o->g = g;
    }
    return o;
}

bool vec_alloc(query *q, vec *v, size_t n)
{
    v->from = 0;
    v->to = n;
    v->h = NULL;
    v->v = QUERY_ARRAY(q, double, n);
    v->has = QUERY_ARRAY(q, uint64_t, bits_words(n));
    return v->v != NULL && v->has != NULL;
}

static fer_code keep_histograms(query *q, kept *k, const vec *v)
{
    k->h = QUERY_ARRAY(q, const histogram *, v->to);
    if (k->h == NULL)
        return QUERY_NOMEM(q);
    for (size_t i = bits_next(v->has, v->from, v->to); i < v->to;
         i = bits_next(v->has, i + 1, v->to))
        if (v->h[i] != NULL)
            FER_TRY(hist_checked(q, histogram_copy(v->h[i], q->scratch, &k->h[i])));
    return FER_OK;
}

fer_code kept_take(query *q, kept *k, const vec *v)
{
    size_t n = v->to - v->from, at = v->from / 64;
    k->from = v->from;
    k->to = v->to;
    k->drop_name = v->drop_name;
    k->h = NULL;
    k->v = QUERY_ARRAY(q, double, n);
    k->has = QUERY_ARRAY(q, uint64_t, bits_words(n));
    if (k->v == NULL || k->has == NULL)
        return QUERY_NOMEM(q);
    memcpy(k->v, v->v + v->from, n * sizeof *k->v);
    bits_copy(k->has, v->has + at, n);
    if (v->h != NULL)
        FER_TRY(keep_histograms(q, k, v));
    return query_hold(q, bits_count(k->has, n));
}

void kept_give(const kept *k, size_t n, vec *ret)
{
    bits_zero(ret->has, n);
    memcpy(ret->v + k->from, k->v, (k->to - k->from) * sizeof *k->v);
    bits_copy(ret->has + k->from / 64, k->has, k->to - k->from);
    ret->labels = k->labels;
    ret->h = k->h;
    ret->from = k->from;
    ret->to = k->to;
    ret->drop_name = k->drop_name;
}

fer_code oper_fail_behind(oper *input, fer_code c)
{
    query *q = input->q;
    if (c != FER_INVALID)
        return c;
    const fer_err said = *q->err;
    vec v;
    fer_code end;
    while ((end = oper_next(input, &v)) == FER_OK)
        FER_TRY(query_work(q, v.to - v.from));
    if (end != FER_END)
        return end;
    *q->err = said;
    return c;
}

fer_code oper_scalar(oper *o, const double **ret)
{
    vec v;
    fer_code c = oper_next(o, &v);
    if (c == FER_END)
        return query_fail(o->q, "scalar expression without a value");
    if (c == FER_OK)
        *ret = v.v;
    return c;
}

static fer_code end(oper *o, vec *ret)
{
    return FER_END;
}

fer_code empty_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    oper *o = oper_new(q, sizeof *o, p, ec.g, end);
    if (o == NULL)
        return QUERY_NOMEM(q);
    o->unique = o->nameless = true;
    *ret = o;
    return FER_OK;
}

static fer_code build_call(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    const promql_function *fn = p->e->u.call.fn;
    if (fn->ret == VALUE_SCALAR)
        return scalar_build(q, p, ec, ret);
    switch (fn->id) {
    case FN_ABSENT:
    case FN_ABSENT_OVER_TIME:
        return absent_build(q, p, ec, ret);
    case FN_LABEL_REPLACE:
        return label_replace_build(q, p, ec, ret);
    case FN_LABEL_JOIN:
        return label_join_build(q, p, ec, ret);
    case FN_HISTOGRAM_QUANTILE:
    case FN_HISTOGRAM_QUANTILES:
    case FN_HISTOGRAM_FRACTION:
        return buckets_build(q, p, ec, ret);
    case FN_SORT:
    case FN_SORT_DESC:
    case FN_SORT_BY_LABEL:
    case FN_SORT_BY_LABEL_DESC:
        return sort_build(q, p, ec, ret);
    case FN_INFO:
        return info_build(q, p, ec, ret);
    case FN_TIMESTAMP:
    case FN_START_TIMESTAMP:
        if (p->args[0]->kind == EXPR_SELECTOR)
            return timestamp_build(q, p, ec, ret);
        break;
    default:
        break;
    }
    for (size_t i = 0; i < p->n_args; i++)
        if (p->args[i]->type == VALUE_MATRIX)
            return range_build(q, p, ec, ret);
    return map_build(q, p, ec, ret);
}

static fer_code build_aggregate(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    switch (p->e->u.aggregate.op) {
    case AGG_TOPK:
    case AGG_BOTTOMK:
    case AGG_LIMITK:
    case AGG_LIMIT_RATIO:
        return topk_build(q, p, ec, ret);
    case AGG_QUANTILE:
        return quantile_build(q, p, ec, ret);
    case AGG_COUNT_VALUES:
        return count_values_build(q, p, ec, ret);
    default:
        return aggregate_build(q, p, ec, ret);
    }
}

static fer_code build_binary(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    bool l = p->args[0]->type == VALUE_VECTOR, r = p->args[1]->type == VALUE_VECTOR;
    if (!l && !r)
        return scalar_build(q, p, ec, ret);
    if (!l || !r)
        return binary_scalar_build(q, p, ec, ret);
    return op_is_set(p->e->u.binary.op) ? setop_build(q, p, ec, ret) : binary_build(q, p, ec, ret);
}

fer_code oper_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    if (ec.g->n == 0) /* a subquery too short for one step */
        return empty_build(q, p, ec, ret);
    if (p->once && ec.g->n > 1)
        return repeat_build(q, p, ec, ret);
    if (!label_need_passes(q, p))
        ec.labels = NULL;

    switch (p->kind) {
    case EXPR_NUMBER:
        return scalar_build(q, p, ec, ret);
    case EXPR_SELECTOR:
        return selector_build(q, p, ec, ret);
    case EXPR_CALL:
        return build_call(q, p, ec, ret);
    case EXPR_AGGREGATE:
        return build_aggregate(q, p, ec, ret);
    case EXPR_BINARY:
        return build_binary(q, p, ec, ret);
    case EXPR_UNARY:
        return unary_build(q, p, ec, ret);
    case EXPR_STRING:
    case EXPR_MATRIX:
    case EXPR_SUBQUERY:
    case EXPR_PAREN:
        break;
    }
    return query_fail(q, "unhandled expression of type %s", value_type_text(p->type));
}

/* sort.c - sort(), sort_desc(), sort_by_label(), sort_by_label_desc().
 *
 * The order of a vector means something at one step only; over a range the functions pass their
 * series through, with a warning.
 */
#include <math.h>
#include <stdlib.h>

#include "promql/exec/hist_column.h"

typedef struct sort_op {
    oper o;
    oper *of;
    function_id id;
    lset_names by;
    vec *v;
    size_t n, cap, next;
    bool done;
} sort_op;

static fer_code take_all(sort_op *s)
{
    query *q = s->o.q;
    vec v;
    fer_code c;
    while ((c = oper_next(s->of, &v)) == FER_OK) {
        bool by_value = s->id == FN_SORT || s->id == FN_SORT_DESC;
        if (by_value && vec_drop_histograms(&v, 1))
            continue;
        FER_TRY(query_hold(q, 1));
        if (!query_grow(q, &s->v, &s->cap, s->n + 1, sizeof *s->v))
            return QUERY_NOMEM(q);
        vec *to = &s->v[s->n++];
        if (!vec_alloc(q, to, 1))
            return QUERY_NOMEM(q);
        to->labels = lset_dup(q, v.labels);
        if (to->labels.l == NULL)
            return QUERY_NOMEM(q);
        to->drop_name = v.drop_name;
        to->v[0] = v.v[0];
        to->has[0] = v.has[0];
        if (vec_histogram(&v, 0) == NULL)
            continue;
        const histogram **h = QUERY_NEW(q, const histogram *);
        if (h == NULL)
            return QUERY_NOMEM(q);
        FER_TRY(hist_checked(q, histogram_copy(v.h[0], q->scratch, h)));
        to->h = h;
    }
    return c == FER_END ? FER_OK : c;
}

/* Runs of digits compare as numbers, everything else as text: what `natsort` means. */
static size_t chunk_end(fer_str s, size_t i)
{
    bool digit = s.p[i] >= '0' && s.p[i] <= '9';
    while (i < s.n && (s.p[i] >= '0' && s.p[i] <= '9') == digit)
        i++;
    return i;
}

/* Whether the chunk is a number that fits Go's int. */
static bool chunk_number(fer_str c, int64_t *ret)
{
    if (c.n == 0 || c.p[0] < '0' || c.p[0] > '9')
        return false;
    int64_t v = 0;
    for (size_t i = 0; i < c.n; i++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, c.p[i] - '0', &v))
            return false;
    *ret = v;
    return true;
}

static bool natural_less(fer_str a, fer_str b)
{
    size_t i = 0, j = 0;
    while (i < a.n) {
        if (j >= b.n)
            return false;
        size_t ie = chunk_end(a, i), je = chunk_end(b, j);
        fer_str ca = {a.p + i, ie - i}, cb = {b.p + j, je - j};
        int64_t na, nb;
        if (chunk_number(ca, &na) && chunk_number(cb, &nb)) {
            if (na != nb)
                return na < nb;
        } else if (!str_eq(ca, cb)) {
            return str_cmp(ca, cb) < 0;
        }
        if (ie == a.n)
            return true;
        if (je == b.n)
            return false;
        i = ie;
        j = je;
    }
    return a.n == 0 && b.n != 0;
}

static int compare_labels(const sort_op *s, const vec *a, const vec *b)
{
    const syms *sy = s->o.q->ctx.syms;
    for (size_t i = 0; i < s->by.n; i++) {
        uint32_t la = lset_get(a->labels, s->by.ids[i]), lb = lset_get(b->labels, s->by.ids[i]);
        if (la != lb)
            return natural_less(syms_text(sy, la), syms_text(sy, lb)) ? -1 : 1;
    }
    return label_ids_cmp(sy, a->labels.l, a->labels.n, b->labels.l, b->labels.n);
}

/* NaN comes last in both directions. */
static int compare(const void *pa, const void *pb, void *arg)
{
    const sort_op *s = arg;
    const vec *a = pa, *b = pb;
    if (s->id == FN_SORT_BY_LABEL)
        return compare_labels(s, a, b);
    if (s->id == FN_SORT_BY_LABEL_DESC)
        return -compare_labels(s, a, b);
    double x = a->v[0], y = b->v[0];
    if (isnan(x) || isnan(y))
        return isnan(x) - isnan(y);
    int c = (x > y) - (x < y);
    return s->id == FN_SORT ? c : -c;
}

static fer_code sort_next(oper *o, vec *ret)
{
    sort_op *s = (sort_op *)o;
    if (!s->done) {
        FER_TRY(take_all(s));
        if (s->n > 1)
            qsort_r(s->v, s->n, sizeof *s->v, compare, s);
        s->done = true;
    }
    if (s->next == s->n)
        return FER_END;
    *ret = s->v[s->next++];
    return FER_OK;
}

/* Over a range the order is that of labels, but only floats sort by value. */
static fer_code floats_next(oper *o, vec *ret)
{
    sort_op *s = (sort_op *)o;
    bool by_value = s->id == FN_SORT || s->id == FN_SORT_DESC;
    do {
        FER_TRY(oper_next(s->of, ret));
        if (by_value)
            vec_drop_histograms(ret, o->g->n);
    } while (!bits_any(ret->has, o->g->n));
    return FER_OK;
}

fer_code sort_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    oper *of;
    FER_TRY(oper_build(q, p->args[0], ec, &of));
    if (ec.g->n > 1)
        FER_TRY(annotations_add(q->annos, ANNO_WARNING, p, p, q->err,
                                "sort is ineffective for range queries since results are always "
                                "ordered by labels"));
    sort_op *s = oper_new(q, sizeof *s, p, ec.g, ec.g->n > 1 ? floats_next : sort_next);
    fer_str *names = QUERY_ARRAY(q, fer_str, p->n_args);
    if (s == NULL || names == NULL)
        return QUERY_NOMEM(q);
    s->of = of;
    s->id = p->e->u.call.fn->id;
    for (size_t i = 1; i < p->n_args; i++)
        names[i - 1] = p->args[i]->e->u.string;
    FER_TRY(lset_names_make(q, names, p->n_args - 1, &s->by));
    s->o.unique = of->unique;
    s->o.nameless = of->nameless;
    *ret = &s->o;
    return FER_OK;
}

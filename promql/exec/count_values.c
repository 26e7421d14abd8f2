/* count_values.c - how often each value occurs in a group: the value becomes a label. */
#include "base/num.h"
#include "base/utf8.h"
#include "promql/exec/grouping.h"
#include "promql/exec/hist_column.h"
#include "promql/hist_stats.h"

typedef struct count_values_op {
    oper o;
    oper *of;
    grouping by;
    uint32_t label;
    bool label_dropped; /* without() names it */
    lset_buf labels;
    lset_map map;
    vec *groups;
    size_t cap, next;
    bool done;
} count_values_op;

enum { VALUE_BYTES_MAX = 1 << 20 };

static fer_code value_text(query *q, double value, const histogram *h, uint32_t *ret)
{
    char text[NUM_TEXT_MAX];
    fer_buf b;
    if (h == NULL) {
        *ret = query_sym(q, (fer_str){text, num_format_f(text, value)});
        return *ret == SYM_NONE ? QUERY_NOMEM(q) : FER_OK;
    }
    fer_buf_init(&b, VALUE_BYTES_MAX, q->ctx.acct);
    fer_code c = hist_checked(q, hist_print(h, false, q->scratch, &b));
    if (c == FER_OK && b.full)
        c = query_fail(q, "label value too long");
    if (c == FER_OK && (*ret = query_sym(q, fer_buf_str(&b))) == SYM_NONE)
        c = QUERY_NOMEM(q);
    fer_buf_done(&b);
    return c;
}

/* The group of the series whose group labels are in g->by.buf, at this value. */
static fer_code group_of(count_values_op *g, double value, const histogram *h, vec **ret)
{
    query *q = g->o.q;
    FER_TRY(lset_set_to(q, &g->labels, lset_of(&g->by.buf)));
    if (!g->label_dropped) {
        uint32_t v;
        FER_TRY(value_text(q, value, h, &v));
        FER_TRY(lset_put(q, &g->labels, g->label, v));
    }
    uint32_t at;
    bool is_new;
    FER_TRY(lset_map_add(q, &g->map, lset_of(&g->labels), &at, &is_new));
    if (is_new) {
        if (!query_grow(q, &g->groups, &g->cap, at + 1, sizeof *g->groups) ||
            !vec_alloc(q, &g->groups[at], g->o.g->n))
            return QUERY_NOMEM(q);
        g->groups[at].labels = g->map.keys[at];
        g->groups[at].drop_name = false;
        FER_TRY(query_hold(q, g->o.g->n));
    }
    *ret = &g->groups[at];
    return FER_OK;
}

static fer_code add(count_values_op *g, const vec *v)
{
    vec *x = NULL;
    double last = 0;
    bool was_histogram = false;
    FER_TRY(grouping_labels(g->o.q, &g->by, v->labels));
    for (size_t i = bits_next(v->has, 0, g->o.g->n); i < g->o.g->n;
         i = bits_next(v->has, i + 1, g->o.g->n)) {
        const histogram *h = vec_histogram(v, i);
        if (x == NULL || h != NULL || was_histogram || f64_bits(v->v[i]) != f64_bits(last)) {
            last = v->v[i];
            was_histogram = h != NULL;
            FER_TRY(group_of(g, last, h, &x));
        }
        x->v[i]++;
        bits_set(x->has, i);
    }
    return FER_OK;
}

static fer_code count_values_next(oper *o, vec *ret)
{
    count_values_op *g = (count_values_op *)o;
    while (!g->done) {
        vec v;
        fer_code c = oper_next(g->of, &v);
        g->done = c == FER_END;
        if (g->done)
            break;
        if (c != FER_OK)
            return c;
        FER_TRY(query_work(o->q, o->g->n * 8));
        FER_TRY(add(g, &v));
    }
    if (g->next == g->map.n)
        return FER_END;
    *ret = g->groups[g->next++];
    return FER_OK;
}

fer_code count_values_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    count_values_op *g = oper_new(q, sizeof *g, p, ec.g, count_values_next);
    if (g == NULL)
        return QUERY_NOMEM(q);
    fer_str name = p->param->e->u.string;
    if (name.n == 0 || !utf8_valid(name))
        return query_fail(q, "invalid label name %.*s", STR_FMT(query_quote(q, name)));
    g->label = query_sym(q, name);
    if (g->label == SYM_NONE)
        return QUERY_NOMEM(q);
    FER_TRY(grouping_make(q, &p->e->u.aggregate, &g->by));
    g->label_dropped = g->by.without && g->label == q->sym_name;
    for (size_t i = 0; g->by.without && i < g->by.names.n; i++)
        g->label_dropped = g->label_dropped || g->by.names.ids[i] == g->label;
    FER_TRY(grouping_input(q, p, ec, &g->of));
    g->o.unique = true;
    label_id l = {g->label, 1};
    g->o.nameless = grouping_nameless(q, &g->by, g->of) && !lset_has_metric(q, (lset){&l, 1});
    *ret = &g->o;
    return FER_OK;
}

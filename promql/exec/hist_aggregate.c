/* hist_aggregate.c - sum and avg of native histograms. */
#include "promql/exec/hist_aggregate.h"

typedef struct at_step {
    hist_mean acc; /* of sum only acc.h is used */
    bool there, float_first, incompatible, reset, no_reset;
} at_step;

struct hist_groups {
    query *q;
    const plan *p;
    agg kind;
    size_t n_steps;
    at_step **steps; /* NULL: no histogram there */
};

fer_code hist_groups_new(query *q, const plan *p, size_t n_steps, hist_groups **ret)
{
    hist_groups *g = QUERY_NEW(q, hist_groups);
    if (g == NULL)
        return QUERY_NOMEM(q);
    *g = (hist_groups){.q = q, .p = p, .kind = p->e->u.aggregate.op, .n_steps = n_steps};
    g->steps = QUERY_ARRAY(q, at_step *, n_steps);
    *ret = g;
    return g->steps == NULL ? QUERY_NOMEM(q) : FER_OK;
}

static at_step *new_step(query *q)
{
    at_step *s = QUERY_NEW(q, at_step);
    if (s != NULL)
        hist_mean_init(&s->acc, q->scratch);
    return s;
}

static fer_code accumulate(hist_groups *g, at_step *s, const histogram *h, unsigned *notes)
{
    if (g->kind == AGG_AVG)
        return hist_mean_add(&s->acc, h, notes);
    return s->there ? hist_sum(&s->acc.h, h, notes) : hist_load(&s->acc.h, h);
}

static fer_code add_one(hist_groups *g, at_step *s, const histogram *h, lset of)
{
    query *q = g->q;
    const plan *at = g->p->args[0];
    unsigned notes = 0;
    if (s->incompatible || s->float_first)
        return FER_OK;
    s->reset = s->reset || h->reset_hint == HISTOGRAM_RESET;
    s->no_reset = s->no_reset || h->reset_hint == HISTOGRAM_NO_RESET;
    fer_code c = accumulate(g, s, h, &notes);
    if (c == FER_INVALID) {
        s->incompatible = true;
        return anno_mixed_schemas(q, g->p, at, lset_get_text(q, of, q->sym_name));
    }
    FER_TRY(hist_checked(q, c));
    s->there = true;
    return anno_notes(q, g->p, at, notes & HIST_RECONCILED, "aggregation");
}

enum { CACHE_LINE = 64 };

static void fetch(const void *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += CACHE_LINE)
        __builtin_prefetch((const char *)p + i, 1);
}

/* All sums of a group are more than the caches next to the processor hold, and each series adds to all of them: what the next
 * step adds to is fetched meanwhile, and where that lies for the step behind it. */
static void fetch_ahead(const hist_groups *g, size_t i, size_t to)
{
    const at_step *next = i + 1 < to ? g->steps[i + 1] : NULL;
    if (next != NULL) {
        const hist_side *side = &next->acc.h.pos;
        fetch(side->v, side->n * sizeof *side->v);
        fetch(side->c, side->n * sizeof *side->c);
        fetch(side->index, side->n * sizeof *side->index);
    }
    if (i + 2 < to && g->steps[i + 2] != NULL)
        fetch(g->steps[i + 2], sizeof(hist));
}

fer_code hist_groups_add(hist_groups *g, vec *v, const uint64_t *has, size_t from, size_t to)
{
    for (size_t i = bits_next(v->has, v->from, v->to); i < v->to;
         i = bits_next(v->has, i + 1, v->to)) {
        const histogram *h = vec_histogram(v, i);
        at_step *s = g->steps[i];
        if (h == NULL) {
            if (s != NULL && s->incompatible)
                bits_clear(v->has, i);
            continue;
        }
        if (s == NULL) {
            if ((s = g->steps[i] = new_step(g->q)) == NULL)
                return QUERY_NOMEM(g->q);
            s->float_first = i >= from && i < to && bits_get(has, i - from);
        }
        fetch_ahead(g, i, v->to);
        FER_TRY(query_work(g->q, h->n_pos + h->n_neg + 1));
        FER_TRY(add_one(g, s, h, v->labels));
    }
    vec_drop_histograms(v, g->n_steps);
    return FER_OK;
}

static fer_code give_one(hist_groups *g, at_step *s, size_t i, hist_column *c, vec *out)
{
    if (bits_get(out->has, i)) {
        bits_clear(out->has, i);
        return anno_mixed_floats_aggregation(g->q, g->p, g->p->args[0]);
    }
    if (s->incompatible)
        return FER_OK;
    if (g->kind == AGG_AVG)
        hist_mean_finish(&s->acc);
    hist_settle(&s->acc.h);
    hist_compact(&s->acc.h);
    if (s->reset && s->no_reset)
        FER_TRY(anno_notes(g->q, g->p, g->p->args[0], HIST_COLLISION, "aggregation"));
    FER_TRY(hist_checked(g->q, hist_store(&s->acc.h, c->a, &c->h[i])));
    bits_set(out->has, i);
    return FER_OK;
}

fer_code hist_groups_give(hist_groups *g, hist_column *c, vec *out)
{
    FER_TRY(hist_column_begin(g->q, c, g->n_steps));
    for (size_t i = 0; i < g->n_steps; i++)
        if (g->steps[i] != NULL)
            FER_TRY(give_one(g, g->steps[i], i, c, out));
    out->h = c->h;
    return FER_OK;
}

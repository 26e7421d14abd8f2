/* grouping.c - groups of an aggregation. */
#include "promql/exec/grouping.h"

#include "promql/exec/label_need.h"

fer_code grouping_make(query *q, const expr_aggregate *a, grouping *ret)
{
    *ret = (grouping){.without = a->without};
    return lset_names_make(q, a->grouping, a->n_grouping, &ret->names);
}

fer_code grouping_input(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    if ((ec.labels = label_need_of(q, &p->e->u.aggregate)) == NULL)
        return QUERY_NOMEM(q);
    return oper_build(q, p->args[0], ec, ret);
}

fer_code grouping_labels(query *q, grouping *g, lset s)
{
    return g->without ? lset_drop(q, &g->buf, s, &g->names, true)
                      : lset_keep(q, &g->buf, s, &g->names);
}

fer_code grouping_find(query *q, grouping *g, lset s, uint32_t *ret, bool *ret_new)
{
    FER_TRY(grouping_labels(q, g, s));
    *ret_new = false;
    if (g->map.n == 0 ||
        !lset_eq(lset_of(&g->buf), g->map.keys[g->last])) /* mostly that of the series before */
        FER_TRY(lset_map_add(q, &g->map, lset_of(&g->buf), &g->last, ret_new));
    *ret = g->last;
    return FER_OK;
}

bool grouping_nameless(const query *q, const grouping *g, const oper *of)
{
    if (of->nameless)
        return true;
    if (g->without)
        return false; /* keeps type and unit */
    for (size_t i = 0; i < g->names.n; i++) {
        label_id l = {g->names.ids[i], 1};
        if (lset_has_metric(q, (lset){&l, 1}))
            return false;
    }
    return true;
}

/* info.c - info(): adds the labels of info series that share `instance` and `job`.
 *
 * At every step the newest info series of each name and (instance, job) counts. The base vector is
 * kept in memory; of each of its series, steps that meet the same info series make one part of the
 * result. Time modifiers of the first selector in the base expression hold for the info series too.
 */
#include <inttypes.h>

#include "promql/exec/rows.h"

enum { NO_INFO = 0 };

/* An info series. */
typedef struct info_series {
    lset labels;
    double *t; /* per step: its sample's time, ms */
    uint64_t *has;
} info_series;

/* Info series of one name and signature: which one counts at each step, as index + 1. */
typedef struct info_group {
    uint32_t name; /* index into names */
    uint32_t *winner;
} info_group;

typedef struct info_op {
    oper o;
    oper *base_op, *infos_op;
    rows *base;
    matcher *name_matchers, *data_matchers;
    size_t n_name_matchers, n_data_matchers;
    uint32_t *data_names; /* label names of the data matchers */
    uint32_t ids[2];      /* instance, job */
    lset_names id_names;

    lset_map id_values; /* (name, value) pairs the base has */
    bool has_id[2];
    lset_map group_map; /* __name__, instance, job */
    info_group *groups;
    size_t groups_cap;
    info_series *infos;
    size_t n_infos, infos_cap;
    uint32_t *names; /* names of info metrics */
    size_t n_names, names_cap;

    bool started;
    size_t next;       /* base series */
    uint64_t *pending; /* its steps not given out yet */
    bool in_series;
    const info_group **of_name; /* per info name, for the current base series */
    lset_buf buf, labels, added;
    lset_guard guard;
    vec out;
} info_op;

/* ---- the base vector ---- */

static bool is_info_series(const info_op *f, lset s)
{
    fer_str name = lset_get_text(f->o.q, s, f->o.q->sym_name);
    for (size_t i = 0; i < f->n_name_matchers; i++)
        if (!matcher_matches(&f->name_matchers[i], name))
            return false;
    return true;
}

static fer_code note_ids(info_op *f, lset s)
{
    for (size_t i = 0; i < 2; i++) {
        label_id l = {f->ids[i], lset_get(s, f->ids[i])};
        uint32_t at;
        bool is_new;
        if (l.value == 0)
            continue;
        f->has_id[i] = true;
        FER_TRY(lset_map_add(f->o.q, &f->id_values, (lset){&l, 1}, &at, &is_new));
    }
    return FER_OK;
}

static fer_code take_base(info_op *f)
{
    vec v;
    fer_code c;
    FER_TRY(rows_new(f->o.q, f->o.g->n, &f->base));
    while ((c = oper_next(f->base_op, &v)) == FER_OK) {
        FER_TRY(query_work(f->o.q, f->o.g->n));
        FER_TRY(rows_add(f->base, &v));
        if (!is_info_series(f, v.labels))
            FER_TRY(note_ids(f, v.labels));
    }
    return c == FER_END ? FER_OK : c;
}

/* ---- info series ---- */

/* Only info series whose instance and job occur in the base matter. */
static bool matters(const info_op *f, lset s)
{
    if (!f->has_id[0] && !f->has_id[1])
        return false;
    for (size_t i = 0; i < 2; i++) {
        label_id l = {f->ids[i], lset_get(s, f->ids[i])};
        if (f->has_id[i] && lset_map_find(&f->id_values, (lset){&l, 1}) == UINT32_MAX)
            return false;
    }
    return true;
}

static fer_code fail_equal(info_op *f, const info_series *a, const info_series *b, size_t step)
{
    query *q = f->o.q;
    fer_buf x, y;
    fer_buf_init(&x, 64 * 1024, NULL);
    fer_buf_init(&y, 64 * 1024, NULL);
    labels_print_metric(&x, lset_texts(q, a->labels, q->scratch));
    labels_print_metric(&y, lset_texts(q, b->labels, q->scratch));
    fer_code c = query_fail(q,
                            "found duplicate series for info metric: existing %.*s @ %" PRId64
                            ", new %.*s @ %" PRId64,
                            STR_FMT(fer_buf_str(&x)), (int64_t)a->t[step], STR_FMT(fer_buf_str(&y)),
                            (int64_t)b->t[step]);
    fer_buf_done(&x);
    fer_buf_done(&y);
    return c;
}

static fer_code name_index(info_op *f, uint32_t name, uint32_t *ret)
{
    size_t i = 0;
    while (i < f->n_names && f->names[i] != name)
        i++;
    if (i == f->n_names) {
        if (!query_grow(f->o.q, &f->names, &f->names_cap, i + 1, sizeof *f->names))
            return QUERY_NOMEM(f->o.q);
        f->names[f->n_names++] = name;
    }
    *ret = (uint32_t)i;
    return FER_OK;
}

static fer_code group_for(info_op *f, lset s, info_group **ret)
{
    query *q = f->o.q;
    uint32_t at, name = lset_get(s, q->sym_name);
    bool is_new;
    FER_TRY(lset_keep(q, &f->buf, s, &f->id_names));
    FER_TRY(lset_put(q, &f->buf, q->sym_name, name));
    FER_TRY(lset_map_add(q, &f->group_map, lset_of(&f->buf), &at, &is_new));
    if (!query_grow(q, &f->groups, &f->groups_cap, at + 1, sizeof *f->groups))
        return QUERY_NOMEM(q);
    *ret = &f->groups[at];
    if (!is_new)
        return FER_OK;
    f->groups[at].winner = QUERY_ARRAY(q, uint32_t, f->o.g->n);
    if (f->groups[at].winner == NULL)
        return QUERY_NOMEM(q);
    return name_index(f, name, &f->groups[at].name);
}

static fer_code add_info(info_op *f, const vec *v)
{
    query *q = f->o.q;
    size_t n = f->o.g->n;
    if (!query_grow(q, &f->infos, &f->infos_cap, f->n_infos + 1, sizeof *f->infos))
        return QUERY_NOMEM(q);
    info_series *s = &f->infos[f->n_infos++];
    s->labels = lset_dup(q, v->labels);
    s->t = QUERY_ARRAY(q, double, n);
    s->has = QUERY_ARRAY(q, uint64_t, bits_words(n));
    if (s->labels.l == NULL || s->t == NULL || s->has == NULL)
        return QUERY_NOMEM(q);
    memcpy(s->t, v->v, n * sizeof *s->t);
    bits_copy(s->has, v->has, n);
    FER_TRY(query_hold(q, bits_count(v->has, n)));

    info_group *g = NULL;
    FER_TRY(group_for(f, s->labels, &g));
    for (size_t i = bits_next(s->has, 0, n); i < n; i = bits_next(s->has, i + 1, n)) {
        const info_series *old = g->winner[i] == NO_INFO ? NULL : &f->infos[g->winner[i] - 1];
        if (old != NULL && old->t[i] == s->t[i])
            return fail_equal(f, old, s, i);
        if (old == NULL || s->t[i] > old->t[i])
            g->winner[i] = (uint32_t)f->n_infos;
    }
    return FER_OK;
}

static fer_code take_infos(info_op *f)
{
    vec v;
    fer_code c;
    while ((c = oper_next(f->infos_op, &v)) == FER_OK) {
        FER_TRY(query_work(f->o.q, f->o.g->n));
        if (matters(f, v.labels))
            FER_TRY(add_info(f, &v));
    }
    return c == FER_END ? FER_OK : c;
}

/* ---- combining ---- */

static bool is_wanted(const info_op *f, uint32_t name)
{
    if (name == f->o.q->sym_name)
        return false;
    for (size_t i = 0; i < f->n_data_matchers; i++)
        if (f->data_names[i] == name)
            return true;
    return f->n_data_matchers == 0;
}

static fer_code add_labels(info_op *f, lset base, lset info)
{
    query *q = f->o.q;
    for (size_t i = 0; i < info.n; i++) {
        label_id l = info.l[i];
        if (!is_wanted(f, l.name))
            continue;
        uint32_t before = lset_get(lset_of(&f->added), l.name);
        if (before != 0 && before != l.value)
            return query_fail(q, "conflicting label: %.*s",
                              STR_FMT(syms_text(q->ctx.syms, l.name)));
        if (lset_get(base, l.name) == 0)
            FER_TRY(lset_put(q, &f->added, l.name, l.value));
    }
    return FER_OK;
}

/* Without any info series, a base series stays if no data matcher asks for something. */
static bool may_stay_alone(const info_op *f)
{
    for (size_t i = 0; i < f->n_data_matchers; i++)
        if (!matcher_matches_empty(&f->data_matchers[i]))
            return false;
    return true;
}

static uint32_t winner_at(const info_op *f, size_t name, size_t step)
{
    return f->of_name[name] == NULL ? NO_INFO : f->of_name[name]->winner[step];
}

static bool same_winners(const info_op *f, size_t a, size_t b)
{
    for (size_t k = 0; k < f->n_names; k++)
        if (winner_at(f, k, a) != winner_at(f, k, b))
            return false;
    return true;
}

/* The info groups the base series meets, one a name. */
static fer_code find_groups(info_op *f, lset base)
{
    query *q = f->o.q;
    for (size_t k = 0; k < f->n_names; k++) {
        FER_TRY(lset_keep(q, &f->buf, base, &f->id_names));
        FER_TRY(lset_put(q, &f->buf, q->sym_name, f->names[k]));
        uint32_t at = lset_map_find(&f->group_map, lset_of(&f->buf));
        f->of_name[k] = at == UINT32_MAX ? NULL : &f->groups[at];
    }
    return FER_OK;
}

/* The labels of the part at `step`; *ret_keep false when it is dropped. */
static fer_code part_labels(info_op *f, lset base, size_t step, bool *ret_keep)
{
    query *q = f->o.q;
    bool any = false;
    f->added.n = 0;
    for (size_t k = 0; k < f->n_names; k++) {
        uint32_t w = winner_at(f, k, step);
        if (w == NO_INFO)
            continue;
        any = true;
        FER_TRY(add_labels(f, base, f->infos[w - 1].labels));
    }
    *ret_keep = any || may_stay_alone(f);
    FER_TRY(lset_set_to(q, &f->labels, base));
    for (size_t i = 0; i < f->added.n; i++)
        FER_TRY(lset_put(q, &f->labels, f->added.l[i].name, f->added.l[i].value));
    return FER_OK;
}

/* The next part of the current base series; FER_END when all its steps are given out. */
static fer_code next_part(info_op *f, vec *ret)
{
    size_t n = f->o.g->n;
    vec base = rows_at(f->base, f->next);
    for (;;) {
        size_t first = bits_next(f->pending, 0, n);
        if (first == n)
            return FER_END;
        FER_TRY(query_work(f->o.q, n));
        bool keep;
        FER_TRY(part_labels(f, base.labels, first, &keep));
        bits_zero(f->out.has, n);
        for (size_t i = first; i < n; i = bits_next(f->pending, i + 1, n))
            if (same_winners(f, first, i))
                bits_set(f->out.has, i);
        bits_and_not(f->pending, f->out.has, n);
        if (!keep)
            continue;
        *ret = (vec){.labels = lset_of(&f->labels),
                     .v = f->out.v,
                     .has = f->out.has,
                     .h = base.h,
                     .from = base.from,
                     .to = base.to,
                     .drop_name = base.drop_name};
        memcpy(f->out.v + base.from, base.v + base.from, (base.to - base.from) * sizeof *base.v);
        return lset_guard_add(f->o.q, &f->guard, ret->labels, ret->has);
    }
}

static fer_code start(info_op *f)
{
    query *q = f->o.q;
    FER_TRY(take_base(f));
    FER_TRY(take_infos(f));
    f->pending = QUERY_ARRAY(q, uint64_t, bits_words(f->o.g->n));
    f->of_name = QUERY_ARRAY(q, const info_group *, f->n_names);
    if (f->pending == NULL || f->of_name == NULL || !vec_alloc(q, &f->out, f->o.g->n))
        return QUERY_NOMEM(q);
    f->started = true;
    return FER_OK;
}

static fer_code info_next(oper *o, vec *ret)
{
    info_op *f = (info_op *)o;
    if (!f->started)
        FER_TRY(start(f));
    for (; f->next < rows_count(f->base); f->next++, f->in_series = false) {
        vec base = rows_at(f->base, f->next);
        if (!f->in_series && is_info_series(f, base.labels)) {
            *ret = base;
            f->next++;
            return lset_guard_add(o->q, &f->guard, ret->labels, ret->has);
        }
        if (!f->in_series) {
            FER_TRY(find_groups(f, base.labels));
            bits_copy(f->pending, base.has, o->g->n);
            f->in_series = true;
        }
        fer_code c = next_part(f, ret);
        if (c != FER_END)
            return c;
    }
    return FER_END;
}

/* ---- building ---- */

/* Name matchers as they select: without a positive one, `.+_info` goes with the negative ones;
 * without any, target_info. */
static fer_code make_name_matchers(info_op *f, const matcher *m, size_t n)
{
    query *q = f->o.q;
    bool positive = false;
    f->name_matchers = QUERY_ARRAY(q, matcher, n + 1);
    if (f->name_matchers == NULL)
        return QUERY_NOMEM(q);
    for (size_t i = 0; i < n; i++) {
        if (!str_eq(m[i].name, STR("__name__")))
            continue;
        f->name_matchers[f->n_name_matchers++] = m[i];
        positive = positive || m[i].type == MATCH_EQ || m[i].type == MATCH_RE;
    }
    if (positive)
        return FER_OK;
    bool none = f->n_name_matchers == 0;
    return matcher_make(q->scratch, none ? MATCH_EQ : MATCH_RE, STR("__name__"),
                        none ? STR("target_info") : STR(".+_info"),
                        &f->name_matchers[f->n_name_matchers++], q->err);
}

static fer_code make_data_matchers(info_op *f, const matcher *m, size_t n)
{
    query *q = f->o.q;
    f->data_matchers = QUERY_ARRAY(q, matcher, n);
    f->data_names = QUERY_ARRAY(q, uint32_t, n);
    if (f->data_matchers == NULL || f->data_names == NULL)
        return QUERY_NOMEM(q);
    for (size_t i = 0; i < n; i++) {
        if (str_eq(m[i].name, STR("__name__")))
            continue;
        uint32_t name = query_sym(q, m[i].name);
        if (name == SYM_NONE)
            return QUERY_NOMEM(q);
        f->data_names[f->n_data_matchers] = name;
        f->data_matchers[f->n_data_matchers++] = m[i];
    }
    return FER_OK;
}

/* Where the first selector of the base expression looks: its own @, or that of the innermost
 * subquery around it that has one, and the offsets up to there. */
static bool first_selector(const plan *p, plan *ret)
{
    if (p == NULL)
        return false;
    if (p->kind == EXPR_SELECTOR || p->kind == EXPR_MATRIX) {
        ret->has_at = p->has_at;
        ret->at_ms = p->at_ms;
        ret->offset_ms = p->offset_ms;
        return true;
    }
    bool found = false;
    if (p->kind == EXPR_AGGREGATE)
        found = first_selector(p->args[0], ret) || first_selector(p->param, ret);
    else if (p->kind != EXPR_NUMBER && p->kind != EXPR_STRING)
        for (size_t i = 0; i < p->n_args && !found; i++)
            found = first_selector(p->args[i], ret);
    if (found && p->kind == EXPR_SUBQUERY && !ret->has_at) {
        ret->offset_ms = ms_add(ret->offset_ms, p->offset_ms);
        ret->has_at = p->has_at;
        ret->at_ms = p->at_ms;
    }
    return found;
}

/* A selector of the info series, as if it had been written. */
static fer_code build_infos(info_op *f, eval_ctx ec)
{
    query *q = f->o.q;
    plan *p = QUERY_NEW(q, plan);
    expr *e = QUERY_NEW(q, expr);
    matcher *m = QUERY_ARRAY(q, matcher, f->n_name_matchers + f->n_data_matchers);
    if (p == NULL || e == NULL || m == NULL)
        return QUERY_NOMEM(q);
    memcpy(m, f->name_matchers, f->n_name_matchers * sizeof *m);
    if (f->n_data_matchers != 0)
        memcpy(m + f->n_name_matchers, f->data_matchers, f->n_data_matchers * sizeof *m);
    e->kind = EXPR_SELECTOR;
    e->type = VALUE_VECTOR;
    e->u.selector.matchers = m;
    e->u.selector.n_matchers = f->n_name_matchers + f->n_data_matchers;
    p->kind = EXPR_SELECTOR;
    p->type = VALUE_VECTOR;
    p->e = e;
    p->pos = f->o.p->pos;
    p->hint_func = STR("info");
    first_selector(f->o.p->args[0], p);
    return origin_build(q, p, ec, &f->infos_op);
}

fer_code info_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    static const fer_str id_names[] = {{"instance", 8}, {"job", 3}};
    info_op *f = oper_new(q, sizeof *f, p, ec.g, info_next);
    if (f == NULL)
        return QUERY_NOMEM(q);
    const matcher *m = NULL;
    size_t n = 0;
    if (p->n_args > 1) {
        m = p->args[1]->e->u.selector.matchers;
        n = p->args[1]->e->u.selector.n_matchers;
    }
    FER_TRY(lset_names_make(q, id_names, 2, &f->id_names));
    f->ids[0] = f->id_names.ids[0];
    f->ids[1] = f->id_names.ids[1];
    FER_TRY(make_name_matchers(f, m, n));
    FER_TRY(make_data_matchers(f, m, n));
    FER_TRY(oper_build(q, p->args[0], ec, &f->base_op));
    FER_TRY(build_infos(f, ec));
    lset_guard_init(&f->guard, ec.g->n);
    f->o.nameless = false;
    *ret = &f->o;
    return FER_OK;
}

/* series.c - all that wants to be a label is gathered with its rank, sorted by name, and each name decided.
 *
 * Several sources may give the same name. Where texts that were told apart become one label name, the values
 * are joined by semicolons in the order of the attributes' own names.
 *
 *   Resource { repeated KeyValue attributes = 1; }
 *   InstrumentationScope { string name = 1; string version = 2; repeated KeyValue attributes = 3; }
 */
#include "server/otlp/series.h"

#include <stdlib.h>

#include "base/num.h"
#include "server/otlp/value.h"
#include "server/remote/pb.h"

typedef enum label_rank {
    RANK_POINT,    /* attributes of the point: joined */
    RANK_PROMOTED, /* of the resource: only where no other is, the first */
    RANK_SCOPE,    /* from here on: the highest wins, of equals the last */
    RANK_JOB,
    RANK_OWN, /* __name__, __type__, __unit__, le, quantile */
} label_rank;

typedef struct candidate {
    fer_str name, key, value;
    label_rank rank;
    size_t at;
} candidate;

typedef struct gathering {
    const otlp_options *o;
    fer_arena *a;
    candidate *c;
    size_t n, cap;
} gathering;

static fer_code add(gathering *g, label_rank rank, fer_str name, fer_str key, fer_str value)
{
    if (g->n == g->cap)
        return FER_INVALID;
    g->c[g->n] = (candidate){name, key, value, rank, g->n};
    g->n++;
    return FER_OK;
}

static fer_code add_attribute(gathering *g, label_rank rank, fer_str prefix, fer_str key,
                              fer_str value, fer_err *err)
{
    fer_str name = key, text;
    if (prefix.n != 0)
        name = fer_arena_printf(g->a, "%.*s%.*s", STR_FMT(prefix), STR_FMT(key));
    if (name.p == NULL)
        return FER_LIMIT;
    FER_TRY(otlp_label_name(g->o->labels, name, g->a, &name, err));
    FER_TRY(otlp_value_text(value, g->a, &text));
    return add(g, rank, name, key, text);
}

/* ---- the sources ---- */

static fer_code add_point(gathering *g, fer_str attributes, fer_err *err)
{
    pb_field f = {0};
    for (fer_rd r = rd_of(attributes);;) {
        fer_str key, value;
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            return FER_OK;
        FER_TRY(c);
        FER_TRY(otlp_key_value(f.bytes, &key, &value));
        FER_TRY(add_attribute(g, RANK_POINT, STR(""), key, value, err));
    }
}

typedef struct identity {
    fer_str space, name, instance; /* AnyValue messages */
    bool has_space, has_name, has_instance;
} identity;

/* Whether the attribute identifies the resource; then it is noted. */
static bool note_identity(identity *id, fer_str key, fer_str value)
{
    if (str_eq(key, STR("service.namespace"))) {
        id->space = value;
        return id->has_space = true;
    }
    if (str_eq(key, STR("service.name"))) {
        id->name = value;
        return id->has_name = true;
    }
    if (str_eq(key, STR("service.instance.id"))) {
        id->instance = value;
        return id->has_instance = true;
    }
    return false;
}

static fer_code add_identity(gathering *g, const identity *id)
{
    fer_str name, space, instance;
    if (id->has_name) {
        FER_TRY(otlp_value_text(id->name, g->a, &name));
        if (id->has_space) {
            FER_TRY(otlp_value_text(id->space, g->a, &space));
            name = fer_arena_printf(g->a, "%.*s/%.*s", STR_FMT(space), STR_FMT(name));
            if (name.p == NULL)
                return FER_LIMIT;
        }
        FER_TRY(add(g, RANK_JOB, STR("job"), STR(""), name));
    }
    if (id->has_instance) {
        FER_TRY(otlp_value_text(id->instance, g->a, &instance));
        FER_TRY(add(g, RANK_JOB, STR("instance"), STR(""), instance));
    }
    return FER_OK;
}

static int cmp_text(const void *x, const void *y)
{
    return str_cmp(*(const fer_str *)x, *(const fer_str *)y);
}

static bool is_promoted(const otlp_options *o, fer_str key)
{
    bool named = o->n_attributes != 0 && bsearch(&key, o->attributes, o->n_attributes,
                                                 sizeof *o->attributes, cmp_text) != NULL;
    return named != o->promote_all;
}

/* The next attribute of a Resource. FER_END after the last. */
static fer_code next_attribute(fer_rd *r, uint32_t field, fer_str *ret_key, fer_str *ret_value)
{
    for (;;) {
        pb_field f = {0};
        FER_TRY(pb_next(r, &f));
        if (f.num != field)
            continue;
        return f.type == PB_BYTES ? otlp_key_value(f.bytes, ret_key, ret_value) : FER_CORRUPT;
    }
}

/* target: the labels of target_info, which has all attributes of the resource. */
static fer_code add_resource(gathering *g, fer_str resource, bool target, fer_err *err)
{
    identity id = {0};
    for (fer_rd r = rd_of(resource);;) {
        fer_str key, value;
        fer_code c = next_attribute(&r, 1, &key, &value);
        if (c == FER_END)
            break;
        FER_TRY(c);
        bool identifies = note_identity(&id, key, value);
        if (target && (!identifies || g->o->keep_identifying))
            FER_TRY(add_attribute(g, RANK_POINT, STR(""), key, value, err));
        else if (!target && is_promoted(g->o, key))
            FER_TRY(add_attribute(g, RANK_PROMOTED, STR(""), key, value, err));
    }
    return add_identity(g, &id);
}

static fer_code add_scope(gathering *g, const otlp_metric *m, fer_err *err)
{
    fer_str name = STR(""), version = STR("");
    pb_field f = {0};
    for (fer_rd r = rd_of(m->scope);;) {
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            break;
        FER_TRY(c);
        if (f.num <= 3 && f.type != PB_BYTES)
            return FER_CORRUPT;
        if (f.num == 1)
            name = f.bytes;
        else if (f.num == 2)
            version = f.bytes;
    }
    if (name.n == 0)
        return FER_OK;
    FER_TRY(add(g, RANK_SCOPE, STR("otel_scope_name"), STR(""), name));
    FER_TRY(add(g, RANK_SCOPE, STR("otel_scope_version"), STR(""), version));
    FER_TRY(add(g, RANK_SCOPE, STR("otel_scope_schema_url"), STR(""), m->schema_url));
    for (fer_rd r = rd_of(m->scope);;) {
        fer_str key, value;
        fer_code c = next_attribute(&r, 3, &key, &value);
        if (c == FER_END)
            return FER_OK;
        FER_TRY(c);
        FER_TRY(add_attribute(g, RANK_SCOPE, STR("otel_scope_"), key, value, err));
    }
}

/* They take the place of such attributes, a unit that is none as well. */
static fer_code add_type_and_unit(gathering *g, const otlp_metric *m, fer_err *err)
{
    fer_str unit;
    if (m->type.n != 0)
        FER_TRY(add(g, RANK_OWN, STR("__type__"), STR(""), m->type));
    if (m->unit.n == 0)
        return FER_OK;
    FER_TRY(otlp_unit_name(g->o->strategy, m->unit, g->a, &unit, err));
    return add(g, RANK_OWN, STR("__unit__"), STR(""), unit);
}

static fer_code add_own(gathering *g, const otlp_series *s)
{
    static const char *const endings[] = {[OTLP_PART_SUM] = "_sum",
                                          [OTLP_PART_COUNT] = "_count",
                                          [OTLP_PART_BUCKET] = "_bucket",
                                          [OTLP_PART_QUANTILE] = NULL};
    const char *ending = s->part < OTLP_PART_QUANTILE ? endings[s->part] : NULL;
    fer_str name = s->part == OTLP_PART_TARGET ? STR("target_info") : s->metric->name;
    if (ending != NULL)
        name = fer_arena_printf(g->a, "%.*s%s", STR_FMT(name), ending);
    if (name.p == NULL)
        return FER_LIMIT;
    FER_TRY(add(g, RANK_OWN, STR("__name__"), STR(""), name));
    if (s->part != OTLP_PART_BUCKET && s->part != OTLP_PART_QUANTILE)
        return FER_OK;
    char text[NUM_TEXT_MAX];
    fer_str bound = fer_arena_dup(g->a, (fer_str){text, num_format_f(text, s->bound)});
    if (bound.p == NULL)
        return FER_LIMIT;
    return add(g, RANK_OWN, s->part == OTLP_PART_BUCKET ? STR("le") : STR("quantile"), STR(""),
               bound);
}

/* ---- the decision ---- */

static int cmp_candidate(const void *x, const void *y)
{
    const candidate *a = x, *b = y;
    int c = str_cmp(a->name, b->name);
    if (c == 0)
        c = (a->rank > b->rank) - (a->rank < b->rank);
    if (c == 0 && a->rank <= RANK_PROMOTED)
        c = str_cmp(a->key, b->key);
    return c != 0 ? c : (a->at > b->at) - (a->at < b->at);
}

/* The value of a name with candidates c[0..n), sorted; .p NULL past the budget. */
static fer_str decide(fer_arena *a, const candidate *c, size_t n)
{
    if (c[n - 1].rank >= RANK_SCOPE)
        return c[n - 1].value;
    fer_str ret = c[0].value;
    for (size_t i = 1; ret.p != NULL && i < n && c[i].rank == RANK_POINT; i++)
        ret = fer_arena_printf(a, "%.*s;%.*s", STR_FMT(ret), STR_FMT(c[i].value));
    return ret;
}

static fer_code decide_all(gathering *g, label **ret, size_t *ret_n)
{
    label *l = ARENA_ARRAY(g->a, label, g->n);
    if (l == NULL)
        return FER_LIMIT;
    size_t n = 0;
    qsort(g->c, g->n, sizeof *g->c, cmp_candidate);
    for (size_t i = 0, j; i < g->n; i = j) {
        for (j = i + 1; j < g->n && str_eq(g->c[i].name, g->c[j].name);)
            j++;
        fer_str value = decide(g->a, g->c + i, j - i);
        if (value.p == NULL)
            return FER_LIMIT;
        l[n++] = (label){g->c[i].name, value};
    }
    *ret = l;
    *ret_n = n;
    return FER_OK;
}

/* At most so many candidates come of a message's fields. */
static size_t count_fields(fer_str msg)
{
    size_t n = 0;
    pb_field f = {0};
    for (fer_rd r = rd_of(msg); pb_next(&r, &f) == FER_OK;)
        n++;
    return n;
}

static fer_code gather(gathering *g, const otlp_series *s, fer_err *err)
{
    enum { OWN = 9 }; /* __name__, type, unit, le or quantile, job, instance, three of the scope */
    bool target = s->part == OTLP_PART_TARGET;
    size_t cap = count_fields(s->attributes) + count_fields(s->metric->resource) +
                 count_fields(s->metric->scope) + OWN;
    g->cap = cap < LABELS_MAX ? cap : LABELS_MAX;
    g->c = fer_arena_alloc(g->a, g->cap * sizeof *g->c);
    if (g->c == NULL)
        return FER_LIMIT;
    FER_TRY(add_point(g, s->attributes, err));
    FER_TRY(add_resource(g, s->metric->resource, target, err));
    if (g->o->promote_scope && !target)
        FER_TRY(add_scope(g, s->metric, err));
    FER_TRY(add_type_and_unit(g, s->metric, err));
    return add_own(g, s);
}

fer_code otlp_labels(void *arg, fer_str raw, fer_arena *scratch, label **ret, size_t *ret_n,
                     fer_err *err)
{
    (void)arg;
    const otlp_series *s = (const void *)raw.p;
    gathering g = {.o = s->metric->o, .a = scratch};
    fer_err own = {0};
    fer_code c = gather(&g, s, &own);
    if (c == FER_OK)
        c = decide_all(&g, ret, ret_n);
    if (c == FER_CORRUPT)
        return fer_fail(err, FER_INVALID, "proto: malformed attributes of \"%.*s\"",
                        STR_FMT(s->metric->name));
    if (c == FER_LIMIT)
        return fer_fail_budget(err, "labels");
    if (c == FER_INVALID && g.n == g.cap)
        return fer_fail(err, FER_INVALID, "more than %d labels", LABELS_MAX);
    if (c != FER_OK)
        return fer_fail(err, c, "%s", own.msg);
    return FER_OK;
}

fer_code otlp_has_target(fer_str resource, bool *ret)
{
    identity id = {0};
    bool other = false;
    for (fer_rd r = rd_of(resource);;) {
        fer_str key, value;
        fer_code c = next_attribute(&r, 1, &key, &value);
        if (c == FER_END)
            break;
        FER_TRY(c);
        other = !note_identity(&id, key, value) || other;
    }
    *ret = other && (id.has_name || id.has_instance);
    return FER_OK;
}

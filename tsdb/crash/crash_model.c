#include "tsdb/crash/crash_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void crash_model_init(crash_model *m, int n_series, int churn, int pad)
{
    memset(m, 0, sizeof *m);
    m->n_series = n_series;
    m->steady = (n_series + 3) / 4;
    m->churn = churn;
    for (int i = 0; i < n_series; i++)
        snprintf(m->names[i], sizeof m->names[i], "__name__=%s,i=%d,pad=%0*d",
                 model_family_series(i < m->steady ? MODEL_STEADY : MODEL_CHANGING), i, pad, i);
    memset(m->sent, 0xff, sizeof m->sent);
    memset(m->acked, 0xff, sizeof m->acked);
    memset(m->again, 0xff, sizeof m->again);
    memset(m->acked_again, 0xff, sizeof m->acked_again);
}

int64_t model_time(int tick)
{
    return MODEL_BEGIN + tick * MODEL_TICK_MS;
}

model_type model_type_of(int series)
{
    return (model_type)(series % 4);
}

double model_value(int series, int tick)
{
    return series * 1000 + tick + 0.25;
}

/* Observations in bucket b. */
static uint64_t model_bucket(int tick, uint32_t b)
{
    return (uint64_t)tick * (b + 1) + b + 1;
}

void model_histogram(int series, int tick, model_hist *ret)
{
    model_type type = model_type_of(series);
    bool is_float = type == MODEL_FLOAT_HIST, custom = type == MODEL_CUSTOM_HIST;
    uint32_t n = 2 + (uint32_t)tick % (MODEL_BUCKETS - 1);
    uint64_t before = 0, count = 0;
    for (uint32_t b = 0; b < n; b++) {
        uint64_t v = model_bucket(tick, b);
        if (is_float)
            ret->buckets[b].f = (double)v;
        else
            ret->buckets[b].i = (int64_t)(v - before);
        before = v;
        count += v;
        ret->bounds[b] = b + 0.5;
    }
    ret->span = (histogram_span){custom ? 0 : -1, n};
    ret->h = (hist_sample){.is_float = is_float,
                           .schema = custom ? HIST_SCHEMA_CUSTOM : 2,
                           .zero_threshold = custom ? 0 : 0.001,
                           .sum = model_value(series, tick),
                           .side[HIST_POS] = {&ret->span, ret->buckets, 1, n},
                           .custom = custom ? ret->bounds : NULL,
                           .n_custom = custom ? MODEL_BUCKETS - 1 : 0};
    for (uint32_t b = n; b < MODEL_BUCKETS; b++)
        ret->bounds[b] = b + 0.5;
    if (is_float)
        ret->h.count.f = (double)count;
    else
        ret->h.count.u = count;
}

void model_trace(int series, int tick, char *ret)
{
    snprintf(ret, MODEL_TRACE_BYTES, "%d-%d", series, tick);
}

void crash_model_rebase(crash_model *m)
{
    for (int i = 0; i < m->n_series; i++) {
        for (int k = 0; k < MODEL_TICKS; k++) {
            if (m->acked[i][k] != UINT64_MAX)
                m->sent[i][k] = m->acked[i][k] = 0;
            if (m->acked_again[i][k] != UINT64_MAX)
                m->again[i][k] = m->acked_again[i][k] = 0;
        }
    }
    for (int f = 0; f < MODEL_FAMILIES; f++)
        model_family_rebase(&m->families[f]);
}

static bool is_within(const model_span *s, int series, int tick)
{
    return series >= s->first && series <= s->last && tick >= s->from && tick < s->to;
}

/* Of a sample sent and acknowledged then. */
static demand demand_since(const crash_model *m, int i, int k, uint64_t sent, uint64_t acked,
                           uint64_t ops)
{
    if (sent == UINT64_MAX || (sent >= ops && sent != 0))
        return DEMAND_NOT;
    demand d = acked <= ops ? DEMAND_MUST : DEMAND_MAY;
    for (int s = 0; s < m->n_spans; s++) {
        const model_span *span = &m->spans[s];
        if (!is_within(span, i, k) || span->begun < sent)
            continue;
        if (!span->expires && span->done <= ops)
            return DEMAND_NOT;
        if (span->begun < ops && d == DEMAND_MUST)
            d = DEMAND_MAY;
    }
    return d;
}

static demand demand_of(const crash_model *m, int i, int k, uint64_t ops)
{
    demand first = demand_since(m, i, k, m->sent[i][k], m->acked[i][k], ops);
    demand again = demand_since(m, i, k, m->again[i][k], m->acked_again[i][k], ops);
    return first > again ? first : again;
}

void crash_model_demand(const crash_model *m, uint64_t ops, model_demands *ret)
{
    for (int i = 0; i < MODEL_SERIES; i++)
        for (int k = 0; k < MODEL_TICKS; k++)
            ret->samples[i][k] = i < m->n_series ? demand_of(m, i, k, ops) : DEMAND_NOT;
    for (int f = 0; f < MODEL_FAMILIES; f++)
        ret->families[f] = model_family_demand(&m->families[f], ops);
}

void crash_model_let_expire(const crash_model *m, demands want)
{
    for (int s = 0; s < m->n_spans; s++) {
        const model_span *span = &m->spans[s];
        if (!span->expires)
            continue;
        for (int i = span->first; i <= span->last; i++)
            for (int k = span->from; k < span->to; k++)
                if (m->acked[i][k] == 0)
                    want[i][k] = DEMAND_MAY;
    }
}

/* ---- comparing ---- */

static const char *say(fer_arena *a, const char *what, int series, int64_t t)
{
    return fer_arena_printf(a, "%s: series %d, tick %g", what, series,
                            (double)(t - MODEL_BEGIN) / (double)MODEL_TICK_MS)
        .p;
}

/* The series' number, by its label i; -1 for another. */
static int number_of(const crash_model *m, test_query *q, selection *s, size_t at)
{
    size_t n;
    const label_id *ids = selection_labels(s, at, &n);
    for (size_t k = 0; ids != NULL && k < n; k++) {
        fer_str name = syms_text(q->ctx.syms, ids[k].name);
        if (name.n != 1 || name.p[0] != 'i')
            continue;
        fer_str value = fer_arena_dup(q->arena, syms_text(q->ctx.syms, ids[k].value));
        long i = strtol(value.p, NULL, 10);
        return i >= 0 && i < m->n_series ? (int)i : -1;
    }
    return -1;
}

/* Counts of buckets by place, those of empty ones being 0; none may be further out. */
static bool take_buckets(const histogram *h, double ret[MODEL_BUCKETS])
{
    int64_t place = 0;
    uint32_t at = 0;
    for (int b = 0; b < MODEL_BUCKETS; b++)
        ret[b] = 0;
    for (uint32_t s = 0; s < h->n_pos_spans; s++) {
        place += h->pos_spans[s].offset;
        for (uint32_t k = 0; k < h->pos_spans[s].length; k++, place++, at++) {
            int64_t b = place + (h->schema == HIST_SCHEMA_CUSTOM ? 0 : 1);
            if (h->pos[at] != 0 && (b < 0 || b >= MODEL_BUCKETS))
                return false;
            if (h->pos[at] != 0)
                ret[b] = h->pos[at];
        }
    }
    return true;
}

static bool is_right(int series, int tick, const samples *got, size_t x, fer_arena *a)
{
    model_type type = model_type_of(series);
    sample_type kind = got->type == NULL ? SAMPLE_FLOAT : (sample_type)got->type[x];
    if (type == MODEL_FLOAT)
        return kind == SAMPLE_FLOAT && got->v[x] == model_value(series, tick);
    if (kind != (type == MODEL_FLOAT_HIST ? SAMPLE_FLOAT_HISTOGRAM : SAMPLE_HISTOGRAM))
        return false;
    model_hist sent;
    double have[MODEL_BUCKETS], want[MODEL_BUCKETS];
    model_histogram(series, tick, &sent);
    const histogram *h = got->h[x], *w = hist_widen(&sent.h, a);
    return take_buckets(h, have) && take_buckets(w, want) && memcmp(have, want, sizeof have) == 0 &&
           h->schema == w->schema && h->count == w->count && h->sum == w->sum &&
           h->zero_threshold == w->zero_threshold && h->n_custom == w->n_custom;
}

static const char *check_samples(int i, const samples *got, demands want, demands seen,
                                 fer_arena *a)
{
    for (size_t x = 0; x < got->n; x++) {
        int64_t t = got->t[x], since = t - MODEL_BEGIN;
        int64_t k = since / MODEL_TICK_MS;
        if (since < 0 || since % MODEL_TICK_MS != 0 || k >= MODEL_TICKS)
            return say(a, "a sample at no tick", i, t);
        if (x > 0 && t <= got->t[x - 1])
            return say(a, "doubled or out of order", i, t);
        if (!is_right(i, (int)k, got, x, a))
            return say(a, "wrong value", i, t);
        if (want[i][k] == DEMAND_NOT)
            return say(a, "should not be there", i, t);
        seen[i][k] = DEMAND_MUST;
    }
    return NULL;
}

static const char *check_lost(const crash_model *m, demands want, demands seen, fer_arena *a)
{
    for (int i = 0; i < m->n_series; i++)
        for (int k = 0; k < MODEL_TICKS; k++)
            if (want[i][k] == DEMAND_MUST && seen[i][k] != DEMAND_MUST)
                return say(a, "lost", i, model_time(k));
    return NULL;
}

/* What expires goes as a whole. */
static const char *check_wholes(const crash_model *m, demands seen, fer_arena *a)
{
    for (int s = 0; s < m->n_spans; s++) {
        const model_span *span = &m->spans[s];
        int there = 0, all = 0;
        for (int i = span->first; i <= span->last && span->expires; i++)
            for (int k = span->from; k < span->to; k++) {
                all += m->acked[i][k] == 0;
                there += m->acked[i][k] == 0 && seen[i][k] == DEMAND_MUST;
            }
        if (there != 0 && there != all)
            return say(a, "a block expired in part", span->first, model_time(span->from));
    }
    return NULL;
}

static const char *check_series(const crash_model *m, test_query *q, demands want, demands seen,
                                fer_arena *a)
{
    static const char *all[][3] = {{"__name__", "!=", ""}};
    selection *sel = test_select(q, all, 1, true);
    samples got;
    samples_init(&got, NULL);
    const char *wrong = NULL;
    bool had[MODEL_SERIES] = {false};
    for (size_t at = 0; at < sel->n && wrong == NULL; at++) {
        fer_err err = {0};
        int i = number_of(m, q, sel, at);
        samples_clear(&got);
        if (i < 0)
            wrong = "a series of no number";
        else if (had[i])
            wrong = fer_arena_printf(a, "series %d is there twice", i).p;
        else if (selection_read(sel, at, INT64_MIN, INT64_MAX, &got, &err) != FER_OK)
            wrong = fer_arena_printf(a, "series %d cannot be read: %s", i, err.msg).p;
        else
            wrong = check_samples(i, &got, want, seen, a);
        if (i >= 0)
            had[i] = true;
    }
    samples_done(&got);
    return wrong;
}

const char *crash_model_check(const crash_model *m, tsdb *db, demands want, demands seen,
                              fer_arena *a)
{
    test_query q;
    memset(seen, 0, sizeof(demands));
    test_query_begin(&q, db, INT64_MIN, INT64_MAX);
    const char *wrong = check_series(m, &q, want, seen, a);
    test_query_end(&q);
    if (wrong == NULL)
        wrong = check_lost(m, want, seen, a);
    return wrong != NULL ? wrong : check_wholes(m, seen, a);
}

/* ---- exemplars ---- */

/* The tick of the exemplar; -1 when it is none of the series'. */
static int tick_of(int series, const exemplar *e)
{
    char trace[MODEL_TRACE_BYTES];
    int64_t since = e->t - MODEL_BEGIN;
    int k = (int)(since / MODEL_TICK_MS);
    if (since < 0 || since % MODEL_TICK_MS != 0 || k >= MODEL_TICKS)
        return -1;
    model_trace(series, k, trace);
    bool same = e->ls.n == 1 && str_eq(labels_get(e->ls, STR("trace_id")), str_of(trace));
    return same && e->v == model_value(series, k) ? k : -1;
}

static int number_of_labels(const crash_model *m, labels ls)
{
    for (int i = 0; i < m->n_series; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        if (str_eq(labels_get(ls, STR("i")), str_of(number)))
            return i;
    }
    return -1;
}

static const char *check_missing(const crash_model *m, demands seen, int64_t from, uint64_t ops,
                                 fer_arena *a)
{
    for (int i = 0; i < m->n_series; i++)
        for (int k = 0; k < MODEL_TICKS; k++)
            if (model_type_of(i) == MODEL_FLOAT && !m->late[i][k] && model_time(k) >= from &&
                demand_of(m, i, k, ops) == DEMAND_MUST && seen[i][k] != DEMAND_MUST)
                return say(a, "exemplar lost", i, model_time(k));
    return NULL;
}

const char *crash_model_check_exemplars(const crash_model *m, tsdb *db, uint64_t ops, fer_arena *a)
{
    demands seen = {0};
    exemplar_series *all;
    size_t n;
    fer_err err;
    tsdb_stats st;
    const exemplar_matchers every = {NULL, 0};
    if (tsdb_exemplars(db, INT64_MIN, INT64_MAX, &every, 1, a, &all, &n, &err) != FER_OK)
        return fer_arena_printf(a, "exemplars cannot be read: %s", err.msg).p;
    for (size_t s = 0; s < n; s++) {
        int i = number_of_labels(m, all[s].series);
        for (size_t x = 0; x < all[s].n; x++) {
            int k = i < 0 ? -1 : tick_of(i, &all[s].v[x]);
            if (k < 0)
                return say(a, "an exemplar that was not sent", i, all[s].v[x].t);
            if (seen[i][k] == DEMAND_MUST)
                return say(a, "an exemplar twice", i, all[s].v[x].t);
            seen[i][k] = DEMAND_MUST;
        }
    }
    tsdb_stats_get(db, &st);
    return check_missing(m, seen, st.min_time, ops, a);
}

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
        snprintf(m->names[i], sizeof m->names[i], "__name__=m,i=%d,pad=%0*d", i, pad, i);
    memset(m->sent, 0xff, sizeof m->sent);
    memset(m->acked, 0xff, sizeof m->acked);
}

int64_t model_time(int tick)
{
    return MODEL_BEGIN + tick * MODEL_TICK_MS;
}

double model_value(int series, int tick)
{
    return series * 1000 + tick + 0.25;
}

void crash_model_rebase(crash_model *m)
{
    for (int i = 0; i < m->n_series; i++) {
        for (int k = 0; k < MODEL_TICKS; k++) {
            if (m->acked[i][k] != UINT64_MAX)
                m->sent[i][k] = m->acked[i][k] = 0;
        }
    }
}

static bool is_within(const model_span *s, int series, int tick)
{
    return series >= s->first && series <= s->last && tick >= s->from && tick < s->to;
}

static demand demand_of(const crash_model *m, int i, int k, uint64_t ops)
{
    if (m->sent[i][k] == UINT64_MAX || (m->sent[i][k] >= ops && m->sent[i][k] != 0))
        return DEMAND_NOT;
    demand d = m->acked[i][k] <= ops ? DEMAND_MUST : DEMAND_MAY;
    for (int s = 0; s < m->n_spans; s++) {
        const model_span *span = &m->spans[s];
        if (!is_within(span, i, k))
            continue;
        if (!span->expires && span->done <= ops)
            return DEMAND_NOT;
        if (span->begun < ops && d == DEMAND_MUST)
            d = DEMAND_MAY;
    }
    return d;
}

void crash_model_demand(const crash_model *m, uint64_t ops, demands ret)
{
    for (int i = 0; i < MODEL_SERIES; i++)
        for (int k = 0; k < MODEL_TICKS; k++)
            ret[i][k] = i < m->n_series ? demand_of(m, i, k, ops) : DEMAND_NOT;
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
        if (got->v[x] != model_value(i, (int)k))
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

#include "tsdb/crash/crash_life.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/vfs_crash.h"
#include "tsdb/crash/crash_batch.h"
#include "tsdb/head/ooo_series.h"
#include "tsdb/tsdb_int.h"

enum { TRIES = 6 };

static void must(fer_code code, const char *what, const fer_err *err)
{
    if (code == FER_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, err->msg);
    abort();
}

void life_begin(crash_life *l, int n_series, int churn, int pad)
{
    memset(l, 0, sizeof *l);
    crash_model_init(&l->m, n_series, churn, pad);
    l->disk = vfs_fault_new(NULL);
    test_db_init_on(&l->t, vfs_fault_fs(l->disk), LIFE_DIR);
    l->t.o.min_block_ms = MODEL_BLOCK_MS;
    l->t.o.max_block_ms = 9 * MODEL_BLOCK_MS;
    l->t.o.wal_segment_bytes = 32 * 1024;
    l->t.o.max_exemplars = MODEL_EXEMPLARS;
    fer_clock_fake_init(&l->t.clock, MODEL_BEGIN);
}

void life_move(crash_life *l, vfs_fault *disk)
{
    vfs_fault_free(l->disk);
    l->disk = disk;
    l->t.o.fs = vfs_fault_fs(disk);
    crash_model_rebase(&l->m);
}

void life_fork(const crash_life *from, crash_life *to)
{
    *to = *from;
    to->disk = vfs_crash_settled(from->disk, NULL);
    to->t.scratch = fer_arena_new(NULL, 0);
    to->t.o.fs = vfs_fault_fs(to->disk);
    to->t.o.path = to->t.path;
    to->t.o.clock = &to->t.clock.base;
    to->t.o.rng = &to->t.rng.base;
}

void life_end(crash_life *l)
{
    fer_arena_free(l->t.scratch);
    vfs_fault_free(l->disk);
}

/* Whether it went well. */
static bool settle(const crash_life *l, fer_code code, const char *what)
{
    if (!l->tolerant)
        must(code, what, &l->t.err);
    return code == FER_OK;
}

void life_open(crash_life *l)
{
    test_db_open(&l->t);
}

void life_close(crash_life *l)
{
    (void)settle(l, tsdb_close(l->t.db, &l->t.err), "closing");
    l->t.db = NULL;
}

uint64_t life_ops(crash_life *l)
{
    const vfs_fault_op *ops;
    return vfs_fault_ops(l->disk, &ops);
}

bool life_is_sent(const crash_model *m, int series, int tick)
{
    return series < m->steady || series - m->steady == tick / m->churn % (m->n_series - m->steady);
}

/* As a server does: what the log does not have yet. */
static void tell(crash_life *l, crash_batch *b)
{
    for (int f = 0; f < MODEL_FAMILIES; f++) {
        int version = model_family_version(f, l->tick);
        if (l->told[f] == version)
            continue;
        crash_batch_tell(b, f, version);
        model_family_tell(&l->m.families[f], version, life_ops(l));
        l->told[f] = version;
    }
}

/* One request of the series [from, to); the last of the tick tells of families. */
static void stage(crash_life *l, int from, int to)
{
    crash_batch b;
    crash_batch_begin(&b);
    for (int i = from; i < to; i++) {
        if (!life_is_sent(&l->m, i, l->tick))
            continue;
        crash_batch_add(&b, &l->t, &l->m, i, l->tick);
        l->m.sent[i][l->tick] = life_ops(l);
    }
    if (to == l->m.n_series)
        tell(l, &b);
    must(crash_batch_stage(&b, &l->t), "staging", &l->t.err);
}

bool life_commit(crash_life *l)
{
    bool good = false;
    for (int i = 0; i < TRIES && !good; i++) {
        good = settle(l, tsdb_commit_step(l->t.db, NULL, &l->t.err), "commit");
        if (!good)
            fer_clock_fake_advance(&l->t.clock, 300);
    }
    return good;
}

static void acknowledge_one(crash_life *l, uint64_t sent, uint64_t *acked)
{
    if (sent != UINT64_MAX && *acked == UINT64_MAX)
        *acked = life_ops(l);
}

/* All that was sent so far. */
static void acknowledge(crash_life *l)
{
    for (int i = 0; i < l->m.n_series; i++)
        for (int k = 0; k < MODEL_TICKS; k++) {
            acknowledge_one(l, l->m.sent[i][k], &l->m.acked[i][k]);
            acknowledge_one(l, l->m.again[i][k], &l->m.acked_again[i][k]);
        }
    for (int f = 0; f < MODEL_FAMILIES; f++)
        model_family_acknowledge(&l->m.families[f], life_ops(l));
}

void life_ticks(crash_life *l, int n)
{
    for (int end = l->tick + n; l->tick < end; l->tick++) {
        int half = l->tick % 2 == 0 ? l->m.n_series : l->m.n_series / 3;
        stage(l, 0, half);
        if (half != l->m.n_series)
            stage(l, half, l->m.n_series); /* some commits carry two requests */
        if (life_commit(l))
            acknowledge(l);
        fer_clock_fake_advance(&l->t.clock, MODEL_TICK_MS);
    }
}

static void stage_late(crash_life *l, int tick)
{
    crash_batch b;
    crash_batch_begin(&b);
    for (int i = 0; i < l->m.n_series; i++) {
        if (l->m.sent[i][tick] != UINT64_MAX)
            continue;
        l->m.late[i][tick] = true;
        crash_batch_add(&b, &l->t, &l->m, i, tick);
        l->m.sent[i][tick] = life_ops(l);
    }
    must(crash_batch_stage(&b, &l->t), "staging", &l->t.err);
}

void life_late(crash_life *l, int from, int to)
{
    while (to > from) {
        stage_late(l, --to);
        if (life_commit(l))
            acknowledge(l);
    }
}

static void stage_again(crash_life *l, int last, int tick)
{
    crash_batch b;
    crash_batch_begin(&b);
    for (int i = 0; i <= last; i++) {
        if (l->m.acked[i][tick] == UINT64_MAX)
            continue;
        l->m.late[i][tick] = true;
        crash_batch_add(&b, &l->t, &l->m, i, tick);
        l->m.again[i][tick] = life_ops(l);
    }
    must(crash_batch_stage(&b, &l->t), "staging", &l->t.err);
}

void life_again(crash_life *l, int last, int from, int to)
{
    while (to > from) {
        stage_again(l, last, --to);
        if (life_commit(l))
            acknowledge(l);
    }
}

void life_make_chunks(crash_life *l)
{
    int64_t min, max;
    head *h = &l->t.db->h;
    fer_mutex_lock(&h->publish);
    fer_mutex_lock(&h->mu);
    ooo_draw_line(h);
    fer_mutex_unlock(&h->mu);
    fer_mutex_unlock(&h->publish);
    if (ooo_freeze(h, &min, &max))
        ooo_thaw(h);
}

static uint64_t checkpoints(const crash_life *l)
{
    tsdb_maintenance_stats st;
    tsdb_maintenance_stats_get(l->t.db, &st);
    return st.checkpoints;
}

void life_keep(crash_life *l)
{
    uint64_t begun = life_ops(l), before = checkpoints(l);
    (void)settle(l, tsdb_maintenance_step(l->t.db, &l->t.err), "maintenance");
    if (checkpoints(l) == before)
        return;
    model_family_forget(&l->m.families[MODEL_CHANGING], begun);
    l->told[MODEL_CHANGING] = 0;
}

void life_clean(crash_life *l)
{
    (void)settle(l, tsdb_clean_tombstones(l->t.db, &l->t.err), "cleaning");
}

void life_snapshot(crash_life *l)
{
    crash_model_demand(&l->m, UINT64_MAX - 1, &l->snapshot);
    l->snapped = settle(l, tsdb_snapshot(l->t.db, LIFE_SNAPSHOT_DIR, true, &l->t.err), "snapshot");
    l->snapshot_at = life_ops(l);
}

void life_forget(crash_life *l, int from, int to)
{
    l->damaged++;
    for (int i = 0; i < l->m.n_series; i++)
        for (int k = from; k < to; k++)
            l->m.sent[i][k] = l->m.acked[i][k] = UINT64_MAX;
}

model_span *life_span(crash_life *l, int from, int to)
{
    model_span *s = &l->m.spans[l->m.n_spans++];
    *s = (model_span){
        .last = l->m.n_series - 1, .from = from, .to = to, .begun = UINT64_MAX, .done = UINT64_MAX};
    return s;
}

void life_delete(crash_life *l, int last, int from, int to)
{
    matcher m;
    fer_arena *a = fer_arena_new(NULL, 0);
    fer_str pattern = STR("0");
    for (int i = 1; i <= last; i++)
        pattern = fer_arena_printf(a, "%.*s|%d", STR_FMT(pattern), i);
    must(matcher_make(a, MATCH_RE, STR("i"), pattern, &m, &l->t.err), "matcher", &l->t.err);
    model_span *s = life_span(l, from, to);
    s->last = last;
    s->begun = life_ops(l);
    fer_code code =
        tsdb_delete_series(l->t.db, model_time(from), model_time(to) - 1, &m, 1, NULL, &l->t.err);
    if (settle(l, code, "deletion"))
        s->done = life_ops(l);
    fer_arena_free(a);
}

#include "tsdb/crash/crash_faults.h"

#include <errno.h>
#include <inttypes.h>

#include "base/mem.h"
#include "base/vfs_crash.h"
#include "tsdb/crash/crash_exam.h"

enum { PASSES = 3 };

typedef struct run {
    const crash_scenario *scenario;
    const fault_options *o;
    fault_counts *counts;
    crash_life begin; /* closed; each life is a fork of it */
    crash_life life;
    fer_arena *arena;
    demands want, seen;
} run;

typedef struct kind {
    const char *name;
    vfs_fault_rule rule; /* but for nth */
} kind;

static const kind kinds[] = {
    {"EIO once", {.kind = VFS_CALL_ANY, .sys = EIO}},
    {"ENOSPC once, 100 bytes written", {.kind = VFS_CALL_ANY, .sys = ENOSPC, .wrote = 100}},
    {"EIO from then on", {.kind = VFS_CALL_ANY, .from_then_on = true, .sys = EIO}},
    {"ENOSPC from then on",
     {.kind = VFS_CALL_PWRITE, .from_then_on = true, .sys = ENOSPC, .wrote = 600}},
    {"syncs fail from then on", {.kind = VFS_CALL_SYNC, .from_then_on = true, .sys = EIO}},
    {"EMFILE from then on", {.kind = VFS_CALL_OPEN, .from_then_on = true, .sys = EMFILE}},
};

/* What the ledger says when all is over. */
#define THE_END (UINT64_MAX - 1)

/* ---- a life on a failing disk ---- */

static void live_under(run *r, const vfs_fault_rule *rule)
{
    crash_life *l = &r->life;
    life_fork(&r->begin, l);
    life_open(l);
    l->tolerant = true;
    if (rule != NULL)
        vfs_fault_set(l->disk, rule);
    r->scenario->live(l);
}

/* The disk is well again. */
static const char *recover(run *r, crash_exam *e)
{
    crash_life *l = &r->life;
    vfs_fault_clear(l->disk);
    if (!life_commit(l))
        return "what was staged does not become durable";
    for (int i = 0; i < l->m.n_series; i++)
        for (int k = 0; k < MODEL_TICKS; k++)
            if (l->m.sent[i][k] != UINT64_MAX)
                l->m.acked[i][k] = l->m.acked[i][k] == 0 ? 0 : 1;
    for (int f = 0; f < MODEL_FAMILIES; f++)
        model_family_acknowledge(&l->m.families[f], 1);
    memcpy(e->told, l->told, sizeof e->told);
    crash_model_demand(&l->m, THE_END, &e->want);
    const char *wrong = exam_samples(e, "when the disk is well");
    for (int i = 0; i < PASSES && wrong == NULL; i++) {
        fer_clock_fake_advance(&l->t.clock, 1000);
        wrong = exam_keep(e);
    }
    return wrong;
}

/* The power goes, and comes again. */
static const char *crash(run *r, crash_exam *e, fer_rng *chance)
{
    crash_model_demand(&r->life.m, THE_END, &e->want);
    vfs_fault_crash(e->disk, chance);
    (void)exam_close(e);
    const char *wrong = exam_open(e);
    if (wrong == NULL)
        wrong = exam_folder(e, BEHIND_START);
    if (wrong == NULL)
        wrong = exam_samples(e, "after the start");
    return wrong != NULL ? wrong : exam_keep(e);
}

static void one(run *r, const kind *k, uint64_t nth, bool crashes)
{
    vfs_fault_rule rule = k->rule;
    rule.nth = nth;
    live_under(r, &rule);
    crash_exam *e = fer_calloc(1, sizeof *e);
    *e = (crash_exam){
        .life = &r->life, .arena = r->arena, .disk = r->life.disk, .t = &r->life.t, .ops = THE_END};
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, nth);
    const char *wrong = crashes ? crash(r, e, nth % 2 == 0 ? NULL : &rng.base) : recover(r, e);
    if (wrong == NULL)
        wrong = exam_snapshot(e);
    if (wrong == NULL)
        wrong = exam_go_on(e);
    r->counts->lives++;
    if (wrong != NULL) {
        r->counts->findings++;
        if (r->o->out != NULL)
            fprintf(r->o->out, "FINDING %s, %s at call %" PRIu64 ", %s: %s\n", r->scenario->name,
                    k->name, nth, crashes ? "then a power cut" : "then well", wrong);
    }
    if (e->t->db != NULL)
        (void)exam_close(e);
    fer_free(e);
    life_end(&r->life);
    fer_arena_reset(r->arena);
}

/* Calls of each kind in a life on a good disk, behind the opening. */
static void count_calls(run *r, uint64_t ret[VFS_CALL_ANY + 1])
{
    crash_life *l = &r->life;
    uint64_t before[VFS_CALL_ANY + 1];
    life_fork(&r->begin, l);
    life_open(l);
    for (int k = 0; k <= VFS_CALL_ANY; k++)
        before[k] = vfs_fault_count(l->disk, (vfs_call)k);
    r->scenario->live(l);
    for (int k = 0; k <= VFS_CALL_ANY; k++)
        ret[k] = vfs_fault_count(l->disk, (vfs_call)k) - before[k];
    life_close(l);
    life_end(l);
}

void crash_faults_run(const crash_scenario *s, const fault_options *o, fault_counts *ret)
{
    *ret = (fault_counts){0};
    run *r = fer_calloc(1, sizeof *r);
    *r = (run){.scenario = s, .o = o, .counts = ret, .arena = fer_arena_new(NULL, 0)};
    life_begin(&r->begin, s->n_series, s->churn, s->pad);
    if (s->prepare != NULL)
        s->prepare(&r->begin);
    life_move(&r->begin, vfs_crash_settled(r->begin.disk, NULL));
    uint64_t calls[VFS_CALL_ANY + 1];
    count_calls(r, calls);
    ret->calls = calls[VFS_CALL_ANY];
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (uint64_t nth = 1 + k % o->every;
             nth <= calls[kinds[k].rule.kind] && ret->findings < o->findings_max; nth += o->every)
            for (int crashes = 0; crashes < 2; crashes++)
                one(r, &kinds[k], nth, crashes != 0);
    life_end(&r->begin);
    fer_arena_free(r->arena);
    fer_free(r);
}

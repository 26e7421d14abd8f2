#include "tsdb/crash/crash_exam.h"

#include <string.h>

#include "base/mem.h"
#include "tsdb/crash/crash_batch.h"
#include "tsdb/tsdb_int.h"

static const char *say(crash_exam *e, const char *what)
{
    return fer_arena_printf(e->arena, "%s: %s", what, e->t->err.msg).p;
}

/* ---- the folder ---- */

typedef struct tree {
    vfs *fs;
    const char *dir;
    crash_exam *e;
    exam_when when;
    const char *left_over;
    unsigned blocks;
} tree;

static fer_code look_at(void *arg, const char *name)
{
    tree *t = arg;
    fer_arena *a = t->e->arena;
    const char *path = fer_arena_printf(a, "%s/%s", t->dir, name).p;
    vfs_stat st;
    FER_TRY(vfs_stat_path(t->fs, path, &st, NULL));
    if (strstr(name, "tmp") != NULL && (st.is_dir || t->when == BEHIND_START))
        t->left_over = path;
    if (!st.is_dir || strcmp(name, "snapshots") == 0 || strcmp(name, "quarantine") == 0)
        return FER_OK;
    t->blocks += strlen(name) == ULID_CHARS;
    tree sub = {.fs = t->fs, .dir = path, .e = t->e, .when = t->when};
    fer_code code = vfs_list(t->fs, path, look_at, &sub, NULL);
    if (sub.left_over != NULL)
        t->left_over = sub.left_over;
    return code;
}

static bool has_failed_block(tsdb *db)
{
    bool failed = false;
    block_list l = block_set_all(&db->blocks);
    for (size_t i = 0; i < l.n; i++)
        failed |= l.v[i]->meta.failed;
    block_list_done(&l);
    return failed;
}

const char *exam_folder(crash_exam *e, exam_when when)
{
    tree t = {.fs = e->t->o.fs, .dir = LIFE_DIR, .e = e, .when = when};
    if (vfs_list(t.fs, t.dir, look_at, &t, &e->t->err) != FER_OK)
        return say(e, "the folder cannot be listed");
    if (t.left_over != NULL)
        return fer_arena_printf(e->arena, "left over: %s", t.left_over).p;
    tsdb_stats st;
    tsdb_stats_get(e->t->db, &st);
    if (st.blocks_damaged > e->life->damaged)
        return "a block is damaged";
    if (has_failed_block(e->t->db))
        return "a block is marked as failed";
    if (when == BEHIND_KEEPING && st.blocks != t.blocks)
        return fer_arena_printf(e->arena, "%u folders of blocks, %u served", t.blocks,
                                (unsigned)st.blocks)
            .p;
    return NULL;
}

/* ---- steps of an exam: NULL, or what is wrong ---- */

static void note_told(void *arg, const metadata_family *m)
{
    crash_exam *e = arg;
    int version, family = model_family_of(m, &version);
    if (family < 0)
        e->untold = true;
    else
        e->told[family] = version;
}

static const char *check_told(crash_exam *e)
{
    if (e->untold)
        return "the log tells of a family what nobody sent";
    for (int f = 0; f < MODEL_FAMILIES; f++) {
        family_demand *want = &e->want.families[f];
        if (e->told[f] < want->least || e->told[f] > want->most)
            return fer_arena_printf(e->arena, "the log tells of family %d version %d, not %d to %d",
                                    f, e->told[f], want->least, want->most)
                .p;
        *want = (family_demand){e->told[f], e->told[f]};
    }
    return NULL;
}

const char *exam_open(crash_exam *e)
{
    e->untold = false;
    memset(e->told, 0, sizeof e->told);
    e->t->o.on_metadata = note_told;
    e->t->o.on_metadata_arg = e;
    if (tsdb_open(&e->t->o, NULL, &e->t->db, &e->t->err) != FER_OK)
        return say(e, "no start");
    return check_told(e);
}

const char *exam_close(crash_exam *e)
{
    fer_code code = tsdb_close(e->t->db, &e->t->err);
    e->t->db = NULL;
    return code == FER_OK ? NULL : say(e, "closing fails");
}

/* What is there now must be there from now on, and nothing else. */
const char *exam_samples(crash_exam *e, const char *when)
{
    const char *wrong =
        crash_model_check(&e->life->m, e->t->db, e->want.samples, e->seen, e->arena);
    memcpy(e->want.samples, e->seen, sizeof e->seen);
    crash_model_let_expire(&e->life->m, e->want.samples);
    if (wrong == NULL)
        wrong = crash_model_check_exemplars(&e->life->m, e->t->db, e->ops, e->arena);
    return wrong == NULL ? NULL : fer_arena_printf(e->arena, "%s: %s", when, wrong).p;
}

/* Of the steady family only what the log does not have at all: what it has is to last. Of the other what is newer. */
static void tell(crash_exam *e, crash_batch *b, int tick)
{
    for (int f = 0; f < MODEL_FAMILIES; f++) {
        int version = model_family_version(f, tick);
        if (f == MODEL_STEADY ? e->told[f] != 0 : e->told[f] >= version)
            continue;
        crash_batch_tell(b, f, version);
        e->told[f] = version;
        e->want.families[f] = (family_demand){version, version};
    }
}

/* All series of the tick; or, to send again, those of it that were not acknowledged but may be there. */
static const char *send_tick(crash_exam *e, int tick, const model_demands *again)
{
    const crash_model *m = &e->life->m;
    crash_batch b;
    crash_batch_begin(&b);
    for (int i = 0; i < m->n_series; i++) {
        bool in_flight =
            again != NULL && again->samples[i][tick] == DEMAND_MAY && m->acked[i][tick] > e->ops;
        if (again != NULL ? !in_flight : !life_is_sent(m, i, tick))
            continue;
        crash_batch_add(&b, e->t, m, i, tick);
        e->want.samples[i][tick] = DEMAND_MUST;
    }
    if (crash_batch_size(&b) == 0)
        return NULL;
    tell(e, &b, tick);
    if (crash_batch_stage(&b, e->t) != FER_OK)
        return fer_arena_printf(e->arena, "tick %d is not taken: %s", tick, e->t->err.msg).p;
    return tsdb_commit_step(e->t->db, NULL, &e->t->err) == FER_OK ? NULL : say(e, "no commit");
}

/* A deletion that was not acknowledged may be undone by the power cut. */
static void allow_deletions_undone(crash_exam *e, const model_demands *before)
{
    const crash_model *m = &e->life->m;
    for (int i = 0; i < m->n_series; i++)
        for (int k = 0; k < MODEL_TICKS; k++)
            if (before->samples[i][k] == DEMAND_MAY && m->acked[i][k] <= e->ops)
                e->want.samples[i][k] = DEMAND_MAY;
}

/* Senders repeat what was not acknowledged; then the power goes. */
const char *exam_resend_and_cut(crash_exam *e, const model_demands *before)
{
    const char *wrong = NULL;
    for (int k = 0; k < MODEL_TICKS && wrong == NULL; k++)
        wrong = send_tick(e, k, before);
    if (wrong != NULL)
        return fer_arena_printf(e->arena, "sent again: %s", wrong).p;
    vfs_fault_crash(e->disk, NULL);
    (void)exam_close(e);
    wrong = exam_open(e);
    allow_deletions_undone(e, before);
    return wrong != NULL ? wrong
                         : exam_samples(e, "after a kill, a start, all sent again and a power cut");
}

const char *exam_keep(crash_exam *e)
{
    if (tsdb_maintenance_step(e->t->db, &e->t->err) != FER_OK)
        return say(e, "maintenance fails");
    const char *wrong = exam_samples(e, "after maintenance");
    return wrong != NULL ? wrong : exam_folder(e, BEHIND_KEEPING);
}

const char *exam_go_on(crash_exam *e)
{
    fer_clock_fake_advance(&e->t->clock, MODEL_TICK_MS);
    const char *wrong = send_tick(e, e->life->tick + 1, NULL);
    if (wrong == NULL)
        wrong = exam_samples(e, "after new samples");
    if (wrong == NULL)
        wrong = exam_close(e);
    if (wrong == NULL)
        wrong = exam_open(e);
    if (wrong == NULL)
        wrong = exam_samples(e, "after the second start");
    if (wrong == NULL)
        wrong = exam_folder(e, BEHIND_START);
    return wrong;
}

/* An acknowledged snapshot is a database of its own. */
const char *exam_snapshot(crash_exam *e)
{
    const crash_life *l = e->life;
    demands want;
    if (!l->snapped || l->snapshot_at > e->ops)
        return NULL;
    memcpy(want, l->snapshot.samples, sizeof want);
    tsdb_options o = e->t->o;
    o.path = LIFE_SNAPSHOT_DIR;
    o.read_only = true;
    tsdb *db;
    if (tsdb_open(&o, NULL, &db, &e->t->err) != FER_OK)
        return say(e, "the snapshot does not open");
    const char *wrong = crash_model_check(&l->m, db, want, e->seen, e->arena);
    if (tsdb_close(db, &e->t->err) != FER_OK)
        return say(e, "the snapshot does not close");
    return wrong == NULL ? NULL : fer_arena_printf(e->arena, "snapshot: %s", wrong).p;
}

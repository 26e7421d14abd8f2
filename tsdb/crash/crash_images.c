#include "tsdb/crash/crash_images.h"

#include <inttypes.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "tsdb/crash/crash_exam.h"

enum { FIRST = 1, SECOND = 2 };

typedef struct run {
    const crash_scenario *scenario;
    const crash_options *o;
    crash_counts *counts;
    crash_life life;
    fer_arena *arena; /* of one disk's texts */
    uint64_t disks;
} run;

/* One disk under examination. */
typedef struct exam {
    crash_exam x;
    run *r;
    test_db t;
    int level;
    bool killed;
    model_demands started; /* what crashes of the start must leave */
    vfs_crash *again;      /* crashes of the start; NULL: not looked at */
    size_t start_ops;
} exam;

static const char *start(exam *e)
{
    if (e->again != NULL)
        vfs_fault_record(e->x.disk);
    const char *wrong = exam_open(&e->x);
    const vfs_fault_op *ops;
    e->start_ops = vfs_fault_ops(e->x.disk, &ops);
    return wrong;
}

static const char *examine(exam *e)
{
    e->started = e->x.want;
    const char *wrong = exam_snapshot(&e->x);
    if (wrong == NULL)
        wrong = start(e);
    if (wrong == NULL)
        wrong = exam_folder(&e->x, BEHIND_START);
    if (wrong == NULL)
        wrong = exam_samples(&e->x, "after the start");
    if (wrong == NULL && e->killed)
        wrong = exam_resend_and_cut(&e->x, &e->started);
    else if (wrong == NULL)
        e->started = e->x.want;
    if (wrong == NULL)
        wrong = exam_keep(&e->x);
    if (wrong == NULL)
        wrong = exam_go_on(&e->x);
    return wrong;
}

/* ---- disks ---- */

static void tell(exam *e, const char *how, size_t place, const char *wrong)
{
    run *r = e->r;
    r->counts->findings++;
    if (r->o->out != NULL)
        fprintf(r->o->out,
                "FINDING %s, %s, op %" PRIu64 " of the life, op %zu of the start, %s: %s\n",
                r->scenario->name, e->level == FIRST ? "crash" : "crash of the start", e->x.ops,
                place, how, wrong);
}

static void begin(exam *e, run *r, uint64_t ops, const vfs_crash_image *image)
{
    *e = (exam){.r = r, .killed = image->killed};
    e->x = (crash_exam){
        .life = &r->life, .arena = r->arena, .disk = image->disk, .t = &e->t, .ops = ops};
    test_db_init_on(&e->t, vfs_fault_fs(image->disk), LIFE_DIR);
    tsdb_options o = e->t.o;
    e->t.o = r->life.t.o;
    e->t.o.fs = o.fs;
    e->t.o.clock = o.clock;
    e->t.o.rng = o.rng;
    fer_rng_seeded_init(&e->t.rng, 1000 + r->disks++);
    fer_clock_fake_init(&e->t.clock, r->life.t.clock.wall);
}

static void finish(exam *e)
{
    if (e->t.db != NULL)
        (void)exam_close(&e->x);
    fer_arena_free(e->t.scratch);
    vfs_crash_free(e->again);
    vfs_fault_free(e->x.disk);
    fer_arena_reset(e->r->arena);
}

static bool has_enough(const run *r)
{
    return r->counts->findings >= r->o->findings_max;
}

static void one_of_the_start(run *r, const exam *first, size_t place, const vfs_crash_image *image)
{
    exam e;
    begin(&e, r, first->x.ops, image);
    e.level = SECOND;
    e.x.want = first->started;
    r->counts->second++;
    const char *wrong = examine(&e);
    if (wrong != NULL)
        tell(&e, image->what, place, wrong);
    finish(&e);
}

/* Every disk that crashes of the start leave. */
static void crash_the_start(run *r, exam *first)
{
    const vfs_fault_op *ops;
    (void)vfs_fault_ops(first->x.disk, &ops);
    for (size_t i = 1; i <= first->start_ops && !has_enough(r); i++) {
        vfs_crash_image image;
        vfs_crash_apply(first->again, &ops[i - 1]);
        while (!has_enough(r) && vfs_crash_next(first->again, 0, NULL, &image))
            one_of_the_start(r, first, i, &image);
    }
    r->counts->equal += vfs_crash_equal(first->again);
}

static void one(run *r, uint64_t ops, const vfs_crash_image *image)
{
    exam e;
    begin(&e, r, ops, image);
    e.level = FIRST;
    crash_model_demand(&r->life.m, ops, &e.x.want);
    if (r->o->second != 0 && r->counts->first % r->o->second == 0)
        e.again = vfs_crash_new(image->disk, r->o->depth);
    r->counts->first++;
    const char *wrong = examine(&e);
    if (wrong != NULL)
        tell(&e, image->what, 0, wrong);
    else if (e.again != NULL)
        crash_the_start(r, &e);
    finish(&e);
}

/* Equal while the same is demanded. */
static uint64_t epoch_of(const crash_life *l, uint64_t ops)
{
    model_demands d;
    crash_model_demand(&l->m, ops, &d);
    return fer_hash64(&d, sizeof d) + (l->snapped && l->snapshot_at <= ops);
}

static void crash_everywhere(run *r, vfs_crash *c)
{
    const vfs_fault_op *ops;
    size_t n = vfs_fault_ops(r->life.disk, &ops);
    r->counts->ops = n;
    for (size_t i = 0; i <= n && !has_enough(r); i++) {
        if (i > 0)
            vfs_crash_apply(c, &ops[i - 1]);
        if (i % r->o->every != 0 && i != n)
            continue;
        vfs_crash_image image;
        while (!has_enough(r) && vfs_crash_next(c, epoch_of(&r->life, i), NULL, &image))
            one(r, i, &image);
    }
    r->counts->equal += vfs_crash_equal(c);
}

void crash_images_run(const crash_scenario *s, const crash_options *o, crash_counts *ret)
{
    *ret = (crash_counts){0};
    run *r = fer_calloc(1, sizeof *r);
    *r = (run){.scenario = s, .o = o, .counts = ret, .arena = fer_arena_new(NULL, 0)};
    crash_life *l = &r->life;
    life_begin(l, s->n_series, s->churn, s->pad);
    if (s->prepare != NULL)
        s->prepare(l);
    life_move(l, vfs_crash_settled(l->disk, NULL));
    vfs_crash *c = vfs_crash_new(l->disk, o->depth);
    vfs_fault_record(l->disk);
    life_open(l);
    s->live(l);
    life_close(l);
    crash_everywhere(r, c);
    vfs_crash_free(c);
    life_end(l);
    fer_arena_free(r->arena);
    fer_free(r);
}

/* crash_exam.h - what is demanded of a database on a disk that a crash or a failure left; for tests.
 *
 * Each step tells NULL or what is wrong, in the arena. Threads: one.
 */
#ifndef FERULA_TSDB_CRASH_EXAM_H
#define FERULA_TSDB_CRASH_EXAM_H

#include "tsdb/crash/crash_life.h"

typedef struct crash_exam {
    const crash_life *life; /* the ledger, and how far it went */
    fer_arena *arena;
    vfs_fault *disk;
    test_db *t;         /* the database of the exam */
    uint64_t ops;       /* of the life, before the crash */
    model_demands want; /* what is there must stay there: becomes what was seen */
    demands seen;
    int told[MODEL_FAMILIES]; /* version that the log told at the start, or that was told since */
    bool untold;              /* the log told what nobody sent */
} crash_exam;

/* What the log tells of families must be what is wanted. */
const char *exam_open(crash_exam *e);
const char *exam_close(crash_exam *e);
/* What is there now must be there from now on, and nothing else. */
const char *exam_samples(crash_exam *e, const char *when);
/* No unfinished folder, no damaged block. A start removes unfinished files, too; a pass of maintenance folders of blocks that are not
 * served. */
typedef enum exam_when { BEHIND_START, BEHIND_KEEPING } exam_when;
const char *exam_folder(crash_exam *e, exam_when when);
/* Senders repeat what was not acknowledged; then the power goes, and the database is opened again. before: what was demanded
 * before the start. */
const char *exam_resend_and_cut(crash_exam *e, const model_demands *before);
/* A pass of maintenance changes no answer. */
const char *exam_keep(crash_exam *e);
/* New samples, and a second start. */
const char *exam_go_on(crash_exam *e);
/* An acknowledged snapshot is a database of its own. */
const char *exam_snapshot(crash_exam *e);

#endif

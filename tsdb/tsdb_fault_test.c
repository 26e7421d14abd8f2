/* A disk that fails at every single call: no acknowledged sample is lost or wrong, nothing crashes, and
 * when the disk works again so does the database. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/vfs_fault.h"
#include "tsdb/tsdb_testing.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

enum { SERIES = 8, ROUNDS = 20, TRIES = 6, LABEL_BYTES = 5000 };

/* What was sent: sample r of every series at time r+1, as one request. */
typedef struct ledger {
    fer_code told[ROUNDS]; /* FER_BUSY: staged, no answer; FER_END: never staged */
    char raw[SERIES][LABEL_BYTES];
} ledger;

typedef struct scene {
    vfs_fault *disk;
    test_db t;
    ledger led;
} scene;

typedef struct answer {
    ledger *led;
    int round;
} answer;

static void on_done(void *arg, fer_code code)
{
    answer *a = arg;
    assert_int_equal(a->led->told[a->round], FER_BUSY); /* exactly once */
    a->led->told[a->round] = code;
}

static void scene_init(scene *s)
{
    memset(s, 0, sizeof *s);
    s->disk = vfs_fault_new(NULL);
    test_db_init_on(&s->t, vfs_fault_fs(s->disk), "data");
    s->t.o.wal_segment_bytes = 32 * 1024;
    for (int r = 0; r < ROUNDS; r++)
        s->led.told[r] = FER_END;
    /* Long labels: the log goes through several segments. */
    for (int i = 0; i < SERIES; i++)
        snprintf(s->led.raw[i], sizeof s->led.raw[i], "__name__=m,i=%d,pad=%04900d", i, i);
}

static void scene_done(scene *s)
{
    fer_arena_free(s->t.scratch);
    vfs_fault_free(s->disk);
}

/* Time passes between tries as a failing committer lets it. */
static void commit_trying(scene *s)
{
    for (int i = 0; i < TRIES; i++) {
        if (tsdb_commit_step(s->t.db, NULL, NULL) == FER_OK)
            return;
        fer_clock_fake_advance(&s->t.clock, 300);
    }
}

static void write_rounds(scene *s, answer *answers, int from, int to)
{
    for (int r = from; r < to; r++) {
        tsdb_row rows[SERIES];
        char fresh[LABEL_BYTES];
        for (int i = 0; i < SERIES; i++)
            rows[i] = test_row(&s->t, s->led.raw[i], r + 1, r + 1);
        /* One new series each round, so that series records lie in every segment. */
        snprintf(fresh, sizeof fresh, "__name__=m,i=new%d,pad=%04900d", r, r);
        rows[SERIES - 1] = test_row(&s->t, fresh, r + 1, r + 1);
        answers[r] = (answer){&s->led, r};
        s->led.told[r] = FER_BUSY;
        fer_arena_reset(s->t.scratch);
        fer_code code = tsdb_stage(s->t.db, rows, SERIES, test_parse, NULL, s->t.scratch,
                                   &s->t.report, on_done, &answers[r], NULL);
        assert_int_equal(code, FER_OK);
        assert_int_equal(s->t.report.accepted, SERIES);
        if (r % 3 != 1) /* some commits carry two requests */
            commit_trying(s);
    }
    commit_trying(s);
}

static size_t read_series(test_query *q, const char *i, samples *got)
{
    const char *m[1][3] = {{"i", "=", i}};
    selection *sel = test_select(q, m, 1, false);
    samples_clear(got);
    if (sel->n == 0)
        return 0;
    assert_int_equal(sel->n, 1);
    assert_int_equal(selection_read(sel, 0, INT64_MIN, INT64_MAX, got, NULL), FER_OK);
    return got->n;
}

/* All that is there was sent, and all that was acknowledged is there; with `all`, all that was sent. */
static void check_series(scene *s, const samples *got, int first, int last, bool all)
{
    size_t k = 0;
    for (int r = first; r <= last; r++) {
        if (k < got->n && got->t[k] == r + 1) {
            assert_true(got->v[k] == r + 1);
            assert_int_not_equal(s->led.told[r], FER_END);
            k++;
        } else {
            assert_int_not_equal(s->led.told[r], FER_OK);
            assert_false(all && s->led.told[r] != FER_END);
        }
    }
    assert_int_equal(k, got->n);
}

static void check_all(scene *s, bool all)
{
    test_query q;
    samples got;
    samples_init(&got, NULL);
    test_query_begin(&q, s->t.db, INT64_MIN, INT64_MAX);
    for (int i = 0; i < SERIES - 1; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        read_series(&q, name, &got);
        check_series(s, &got, 0, ROUNDS - 1, all);
    }
    for (int r = 0; r < ROUNDS; r++) {
        char name[16];
        snprintf(name, sizeof name, "new%d", r);
        read_series(&q, name, &got);
        check_series(s, &got, r, r, all);
    }
    test_query_end(&q);
    samples_done(&got);
}

/* Writes under the rule; *ret tells whether the database could be opened. */
static bool live_under(scene *s, const vfs_fault_rule *rule, answer *answers)
{
    if (rule != NULL)
        vfs_fault_set(s->disk, rule);
    if (tsdb_open(&s->t.o, NULL, &s->t.db, &s->t.err) != FER_OK) {
        assert_true(rule != NULL);
        return false;
    }
    write_rounds(s, answers, 0, ROUNDS);
    check_all(s, false);
    return true;
}

/* Opens what the crash left, compares, and writes on: the database lives. */
static void survive(scene *s, bool all)
{
    vfs_fault_clear(s->disk);
    test_db_open(&s->t);
    check_all(s, all);
    tsdb_row row = test_row(&s->t, "__name__=after", 1000, 1);
    test_write(&s->t, &row, 1);
    test_db_reopen(&s->t);
    check_all(s, all);
    test_expect(&s->t, "__name__=after", "1000:1");
    test_db_close(&s->t);
}

static uint64_t calls_of_a_quiet_life(void)
{
    scene s;
    answer answers[ROUNDS];
    scene_init(&s);
    assert_true(live_under(&s, NULL, answers));
    check_all(&s, true);
    uint64_t n = vfs_fault_count(s.disk, VFS_CALL_ANY);
    tsdb_stats st;
    tsdb_stats_get(s.t.db, &st);
    assert_true(st.wal_segment >= 3); /* the log went through several segments */
    test_db_close(&s.t);
    scene_done(&s);
    return n;
}

static void run_crash(const vfs_fault_rule *rule, uint64_t chance)
{
    scene s;
    answer answers[ROUNDS];
    fer_rng_seeded rng;
    scene_init(&s);
    bool opened = live_under(&s, rule, answers);
    fer_rng_seeded_init(&rng, chance);
    vfs_fault_crash(s.disk, chance != 0 ? &rng.base : NULL);
    if (opened) {
        fer_code code = tsdb_close(s.t.db, NULL); /* on a dead disk */
        (void)code;
    }
    survive(&s, false);
    scene_done(&s);
}

static void run_close(const vfs_fault_rule *rule)
{
    scene s;
    answer answers[ROUNDS];
    scene_init(&s);
    bool closed = false;
    if (live_under(&s, rule, answers)) {
        closed = tsdb_close(s.t.db, NULL) == FER_OK;
        for (int r = 0; r < ROUNDS; r++)
            assert_int_not_equal(s.led.told[r], FER_BUSY); /* everybody was told */
    }
    survive(&s, closed);
    scene_done(&s);
}

static const struct {
    int sys;
    size_t wrote;
} faults[] = {{EIO, 0}, {ENOSPC, 100}, {EIO, 40000}};

static void each_call_failing_once_loses_nothing(void **state)
{
    (void)state;
    uint64_t n = calls_of_a_quiet_life();
    for (uint64_t nth = 1; nth <= n; nth++) {
        for (size_t f = 0; f < COUNT(faults); f++) {
            vfs_fault_rule rule = {
                .kind = VFS_CALL_ANY, .nth = nth, .sys = faults[f].sys, .wrote = faults[f].wrote};
            run_crash(&rule, nth * 3 + f);
            run_close(&rule);
        }
    }
}

static void each_call_failing_from_then_on_loses_nothing(void **state)
{
    (void)state;
    uint64_t n = calls_of_a_quiet_life();
    for (uint64_t nth = 1; nth <= n; nth++) {
        for (size_t f = 0; f < COUNT(faults); f++) {
            vfs_fault_rule rule = {.kind = VFS_CALL_ANY,
                                   .nth = nth,
                                   .from_then_on = true,
                                   .sys = faults[f].sys,
                                   .wrote = faults[f].wrote};
            run_crash(&rule, f == 0 ? 0 : nth);
            run_close(&rule);
        }
    }
}

static void syncs_failing_lose_nothing(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 2 * ROUNDS; nth++) {
        for (int on = 0; on < 2; on++) {
            vfs_fault_rule rule = {
                .kind = VFS_CALL_SYNC, .nth = nth, .from_then_on = on, .sys = EIO};
            run_crash(&rule, 0);
            run_crash(&rule, nth);
            run_close(&rule);
        }
    }
}

static void a_failing_log_is_told_once_and_what_was_sent_is_kept(void **state)
{
    (void)state;
    scene s;
    answer answers[ROUNDS];
    scene_init(&s);
    test_db_open(&s.t);
    write_rounds(&s, answers, 0, 4);
    vfs_fault_rule full = {.kind = VFS_CALL_PWRITE, .nth = 1, .from_then_on = true, .sys = ENOSPC};
    vfs_fault_set(s.disk, &full);
    write_rounds(&s, answers, 4, 8);
    for (int r = 0; r < 8; r++)
        assert_int_equal(s.led.told[r], r < 4 ? FER_OK : FER_NOSPACE);
    check_all(&s, false);
    tsdb_stats st;
    tsdb_stats_get(s.t.db, &st);
    assert_true(st.staged_bytes > 0);
    assert_true(st.wal_writes_failed > 0);

    vfs_fault_clear(s.disk); /* room again: all becomes visible, nobody is told twice */
    commit_trying(&s);
    check_all(&s, true);
    tsdb_stats_get(s.t.db, &st);
    assert_int_equal(st.staged_bytes, 0);
    write_rounds(&s, answers, 8, ROUNDS);
    vfs_fault_crash(s.disk, NULL);
    fer_code code = tsdb_close(s.t.db, NULL);
    (void)code;
    survive(&s, true);
    scene_done(&s);
}

static void a_failing_log_refuses_when_its_backlog_is_full(void **state)
{
    (void)state;
    scene s;
    answer answers[ROUNDS];
    scene_init(&s);
    s.t.o.staging_limit_bytes = 100000;
    test_db_open(&s.t);
    vfs_fault_rule dead = {.kind = VFS_CALL_PWRITE, .nth = 1, .from_then_on = true, .sys = EIO};
    vfs_fault_set(s.disk, &dead);
    write_rounds(&s, answers, 0, 3);
    fer_code code = FER_OK;
    tsdb_row row;
    for (int i = 0; i < 2000 && code == FER_OK; i++) {
        row = test_row(&s.t, "__name__=more", 100 + i, i);
        code = test_stage(&s.t, &row, 1);
        commit_trying(&s);
    }
    assert_int_equal(code, FER_BUSY);
    assert_int_equal(s.t.last_done, FER_IO);
    vfs_fault_clear(s.disk);
    commit_trying(&s);
    assert_int_equal(test_stage(&s.t, &row, 1), FER_OK);
    test_commit(&s.t);
    check_all(&s, false);
    test_db_close(&s.t);
    scene_done(&s);
}

/* wal-sync=interval and none: a dying process loses nothing; a power cut at most what was not synced, and
 * what is left is right. */
static void without_a_sync_per_commit_what_is_left_is_right(void **state)
{
    (void)state;
    for (int mode = WAL_SYNC_INTERVAL; mode <= WAL_SYNC_NONE; mode++) {
        for (uint64_t chance = 0; chance < 20; chance++) {
            scene s;
            answer answers[ROUNDS];
            fer_rng_seeded rng;
            scene_init(&s);
            s.t.o.sync = (wal_sync_mode)mode;
            test_db_open(&s.t);
            write_rounds(&s, answers, 0, ROUNDS / 2);
            fer_clock_fake_advance(&s.t.clock, 1001);
            assert_int_equal(tsdb_commit_step(s.t.db, NULL, NULL), FER_OK);
            write_rounds(&s, answers, ROUNDS / 2, ROUNDS);
            for (int r = 0; r < ROUNDS; r++)
                assert_int_equal(s.led.told[r], FER_OK);
            /* Acknowledged here means written: only what the interval's sync covered must be there. */
            for (int r = mode == WAL_SYNC_INTERVAL ? ROUNDS / 2 : 0; r < ROUNDS; r++)
                s.led.told[r] = FER_IO;
            fer_rng_seeded_init(&rng, chance);
            vfs_fault_crash(s.disk, chance != 0 ? &rng.base : NULL);
            fer_code code = tsdb_close(s.t.db, NULL);
            (void)code;
            survive(&s, false);
            scene_done(&s);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_failing_once_loses_nothing),
        cmocka_unit_test(each_call_failing_from_then_on_loses_nothing),
        cmocka_unit_test(syncs_failing_lose_nothing),
        cmocka_unit_test(a_failing_log_is_told_once_and_what_was_sent_is_kept),
        cmocka_unit_test(a_failing_log_refuses_when_its_backlog_is_full),
        cmocka_unit_test(without_a_sync_per_commit_what_is_left_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

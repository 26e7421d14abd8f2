/* A disk that fails at every single call: no acknowledged sample is lost or wrong, nothing crashes, and
 * when the disk works again so does the database. Samples are floats with exemplars and histograms, in order and out of order;
 * each request tells metadata. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/vfs_fault.h"
#include "tsdb/tsdb_testing.h"
#include "tsdb/wal/wal.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

enum { SERIES = 8, ROUNDS = 20, TRIES = 6, LABEL_BYTES = 5000, TRACE_BYTES = 16, WINDOW_MS = 1000 };

/* Series beside the SERIES of floats. */
typedef struct kind {
    const char *raw, *i;
    sample_type type;
    bool late; /* every other round comes behind the one after it */
} kind;

static const kind in_order = {.type = SAMPLE_FLOAT};
static const kind kinds[] = {
    {"__name__=m,i=ints", "ints", SAMPLE_HISTOGRAM, false},
    {"__name__=m,i=floats", "floats", SAMPLE_FLOAT_HISTOGRAM, false},
    {"__name__=m,i=late", "late", SAMPLE_FLOAT, true},
    {"__name__=m,i=late-ints", "late-ints", SAMPLE_HISTOGRAM, true},
};
enum { KINDS = COUNT(kinds) };

/* What was sent: sample r of every series at time_of() it, as one request. */
typedef struct ledger {
    fer_code told[ROUNDS]; /* FER_BUSY: staged, no answer; FER_END: never staged */
    char raw[SERIES][LABEL_BYTES];
} ledger;

typedef struct scene {
    vfs_fault *disk;
    test_db t;
    ledger led;
    int metadata; /* of which round the log told last at the start; -1: none */
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

static void note_metadata(void *arg, const metadata_family *m)
{
    scene *s = arg;
    assert_true(str_eq(m->family, STR("m")) && m->type == FAMILY_GAUGE && m->help.n == 2);
    s->metadata = (m->help.p[0] - '0') * 10 + m->help.p[1] - '0';
}

static void scene_init(scene *s)
{
    memset(s, 0, sizeof *s);
    s->disk = vfs_fault_new(NULL);
    test_db_init_on(&s->t, vfs_fault_fs(s->disk), "data");
    s->t.o.wal_segment_bytes = 32 * 1024;
    s->t.o.ooo_window_ms = WINDOW_MS;
    s->t.o.max_exemplars = 2 * ROUNDS;
    s->t.o.on_metadata = note_metadata;
    s->t.o.on_metadata_arg = s;
    s->metadata = -1;
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

/* In milliseconds; of late series 1, 0, 3, 2, ... */
static int64_t time_of(const kind *k, int round)
{
    return k->late ? round ^ 1 : round + 1;
}

static double value_of(int round)
{
    return round + 1;
}

/* A request on its way. */
typedef struct request {
    tsdb_row floats[SERIES + KINDS];
    tsdb_hist_row hists[KINDS];
    hist_num buckets[KINDS][2];
    tsdb_exemplar_row exemplar; /* of the first series */
    label trace;
    char trace_id[TRACE_BYTES], fresh[LABEL_BYTES], help[TRACE_BYTES];
    metadata_family metadata; /* tells the round */
    size_t n_floats, n_hists;
} request;

static void add_hist(request *q, const tsdb_row *row, const kind *k)
{
    static const histogram_span span = {0, 2};
    hist_num *buckets = q->buckets[q->n_hists];
    tsdb_hist_row *h = &q->hists[q->n_hists++];
    *h = (tsdb_hist_row){.fp = row->fp, .raw = row->raw, .t = row->t, .before = q->n_floats};
    h->h = (hist_sample){.sum = row->v, .side[HIST_POS] = {&span, buckets, 1, span.length}};
    if (k->type == SAMPLE_FLOAT_HISTOGRAM) {
        h->h.is_float = true;
        buckets[0].f = 1;
        buckets[1].f = row->v;
        h->h.count.f = row->v + 1;
    } else {
        buckets[0].i = 1;
        buckets[1].i = (int64_t)row->v - 1; /* more than in the one before */
        h->h.count.u = (uint64_t)row->v + 1;
    }
}

static void add_kind(scene *s, request *q, const kind *k, int round)
{
    tsdb_row row = test_row(&s->t, k->raw, time_of(k, round), value_of(round));
    if (k->type == SAMPLE_FLOAT)
        q->floats[q->n_floats++] = row;
    else
        add_hist(q, &row, k);
}

static void make_request(scene *s, request *q, int round)
{
    int64_t t = time_of(&in_order, round);
    q->n_floats = q->n_hists = 0;
    for (int i = 0; i < SERIES - 1; i++)
        q->floats[q->n_floats++] = test_row(&s->t, s->led.raw[i], t, value_of(round));
    /* One new series each round, so that series records lie in every segment. */
    snprintf(q->fresh, sizeof q->fresh, "__name__=m,i=new%d,pad=%04900d", round, round);
    q->floats[q->n_floats++] = test_row(&s->t, q->fresh, t, value_of(round));
    for (int i = 0; i < KINDS; i++)
        add_kind(s, q, &kinds[i], round);
    snprintf(q->trace_id, sizeof q->trace_id, "%d", round);
    q->trace = (label){STR("trace_id"), str_of(q->trace_id)};
    q->exemplar = (tsdb_exemplar_row){
        q->floats[0].fp, q->floats[0].raw, {{&q->trace, 1}, value_of(round), t}};
    snprintf(q->help, sizeof q->help, "%02d", round);
    q->metadata = (metadata_family){STR("m"), FAMILY_GAUGE, str_of(q->help), STR(""), false};
}

static void write_rounds(scene *s, answer *answers, int from, int to)
{
    for (int r = from; r < to; r++) {
        request q;
        make_request(s, &q, r);
        const tsdb_rows rows = {.floats = q.floats,
                                .n_floats = q.n_floats,
                                .hists = q.hists,
                                .n_hists = q.n_hists,
                                .exemplars = &q.exemplar,
                                .n_exemplars = 1,
                                .metadata = &q.metadata,
                                .n_metadata = 1};
        answers[r] = (answer){&s->led, r};
        s->led.told[r] = FER_BUSY;
        fer_arena_reset(s->t.scratch);
        fer_code code = tsdb_stage_rows(s->t.db, &rows, test_parse, NULL, s->t.scratch,
                                        &s->t.report, on_done, &answers[r], NULL);
        assert_int_equal(code, FER_OK);
        assert_int_equal(s->t.report.accepted, SERIES + KINDS);
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

static bool is_right(const kind *k, int round, const samples *got, size_t x)
{
    sample_type type = got->type == NULL ? SAMPLE_FLOAT : (sample_type)got->type[x];
    if (type != k->type || type == SAMPLE_FLOAT)
        return type == k->type && got->v[x] == value_of(round);
    return got->h[x]->sum == value_of(round) && got->h[x]->count == value_of(round) + 1;
}

/* Whether it may be missing, or must be. */
static void check_missing(const scene *s, int round, bool all)
{
    assert_int_not_equal(s->led.told[round], FER_OK);
    assert_false(all && s->led.told[round] != FER_END);
}

/* All that is there was sent, and all that was acknowledged is there; with `all`, all that was sent. Rounds of late series
 * stand in another order. */
static void check_series(scene *s, const kind *k, const samples *got, int first, int last, bool all)
{
    size_t x = 0;
    for (int i = first; i <= last; i++) {
        int round = k->late ? i ^ 1 : i;
        if (x < got->n && got->t[x] == time_of(k, round)) {
            assert_true(is_right(k, round, got, x));
            assert_int_not_equal(s->led.told[round], FER_END);
            x++;
        } else {
            check_missing(s, round, all);
        }
    }
    assert_int_equal(x, got->n);
}

/* Exemplars likewise, each once. */
static void check_exemplars(scene *s, bool all)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    const exemplar_matchers every = {NULL, 0};
    exemplar_series *series;
    size_t n;
    fer_err err = {0};
    bool seen[ROUNDS] = {false};
    assert_int_equal(tsdb_exemplars(s->t.db, INT64_MIN, INT64_MAX, &every, 1, a, &series, &n, &err),
                     FER_OK);
    assert_true(n <= 1);
    for (size_t i = 0; n == 1 && i < series->n; i++) {
        const exemplar *e = &series->v[i];
        size_t round = (size_t)(e->t - 1);
        assert_true(round < ROUNDS && !seen[round]);
        assert_true(e->v == value_of((int)round));
        assert_int_not_equal(s->led.told[round], FER_END);
        seen[round] = true;
    }
    for (int r = 0; r < ROUNDS; r++)
        if (!seen[r])
            check_missing(s, r, all);
    fer_arena_free(a);
}

/* What the log told last is of a round that was sent, and no later one was acknowledged. */
static void check_metadata(const scene *s, bool all)
{
    assert_true(s->metadata < 0 || s->led.told[s->metadata] != FER_END);
    for (int r = s->metadata + 1; r < ROUNDS; r++)
        check_missing(s, r, all);
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
        check_series(s, &in_order, &got, 0, ROUNDS - 1, all);
    }
    for (int i = 0; i < KINDS; i++) {
        read_series(&q, kinds[i].i, &got);
        check_series(s, &kinds[i], &got, 0, ROUNDS - 1, all);
    }
    for (int r = 0; r < ROUNDS; r++) {
        char name[16];
        snprintf(name, sizeof name, "new%d", r);
        read_series(&q, name, &got);
        check_series(s, &in_order, &got, r, r, all);
    }
    test_query_end(&q);
    samples_done(&got);
    check_exemplars(s, all);
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

static fer_code pass_over(void *arg, uint64_t segment, uint64_t offset, fer_str rec)
{
    (void)arg, (void)segment, (void)offset, (void)rec;
    return FER_OK;
}

static void expect_no_tear(void *arg, const wal_damage *d)
{
    (void)arg;
    assert_false(d->torn);
}

/* Prometheus deletes all that stands behind a write that was not finished: the start has cut it off. */
static void check_log(const scene *s, const char *dir)
{
    fer_err err = {0};
    assert_int_equal(wal_read(s->t.o.fs, dir, pass_over, expect_no_tear, NULL, NULL, &err), FER_OK);
}

/* Opens what the crash left, compares, and writes on: the database lives. */
static void survive(scene *s, bool all)
{
    vfs_fault_clear(s->disk);
    test_db_open(&s->t);
    check_all(s, all);
    check_metadata(s, all);
    tsdb_row row = test_row(&s->t, "__name__=after", 1000, 1);
    test_write(&s->t, &row, 1);
    s->metadata = -1;
    test_db_reopen(&s->t);
    check_all(s, all);
    check_metadata(s, all);
    test_expect(&s->t, "__name__=after", "1000:1");
    test_db_close(&s->t);
    check_log(s, "data/wal");
    check_log(s, "data/wbl");
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
    s.t.o.staging_limit_bytes = 200000;
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

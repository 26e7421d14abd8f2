/* Many threads at once: staging, the committer, readers. Runs under TSan in CI.
 *
 * Each writer owns a group of series and writes one request a round: the same time and value to all of
 * them. A reader must find every series of a group at the same round (requests are visible whole), with
 * all rounds before it, and never behind a round that was acknowledged before it selected.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/thread.h"
#include "base/vfs_fault.h"
#include "tsdb/tsdb_testing.h"

enum { WRITERS = 8, READERS = 3, GROUP = 20, ROUNDS = 150 };

typedef struct shared {
    test_db t;
    _Atomic int acked[WRITERS]; /* rounds */
    _Atomic int writers_left;
    _Atomic int wrong; /* line of the first broken promise */
} shared;

typedef struct actor {
    shared *s;
    int number;
    _Atomic int done; /* rounds told durable */
    char raw[GROUP][64];
} actor;

#define EXPECT(s, expr)                                                                            \
    do {                                                                                           \
        if (!(expr))                                                                               \
            atomic_store(&(s)->wrong, __LINE__);                                                   \
    } while (0)

static void committer_main(void *arg)
{
    tsdb_run_committer(((shared *)arg)->t.db);
}

static void on_done(void *arg, fer_code code)
{
    actor *a = arg;
    EXPECT(a->s, code == FER_OK);
    atomic_fetch_add(&a->s->acked[a->number], 1);
    atomic_fetch_add(&a->done, 1);
}

static void writer_main(void *arg)
{
    actor *a = arg;
    fer_arena *scratch = fer_arena_new(NULL, 0);
    for (int g = 0; g < GROUP; g++)
        snprintf(a->raw[g], sizeof a->raw[g], "__name__=m,writer=w%d,g=%d", a->number, g);
    for (int round = 1; round <= ROUNDS; round++) {
        tsdb_row rows[GROUP];
        for (int g = 0; g < GROUP; g++) {
            fer_str raw = str_of(a->raw[g]);
            rows[g] = (tsdb_row){tsdb_fingerprint(a->s->t.db, raw), raw, round * 1000, round};
        }
        tsdb_report report;
        fer_arena_reset(scratch);
        fer_code code = tsdb_stage(a->s->t.db, rows, GROUP, test_parse, NULL, scratch, &report,
                                   on_done, a, NULL);
        EXPECT(a->s, code == FER_OK);
        EXPECT(a->s, report.accepted == GROUP);
        /* Some requests wait for their answer, others are sent on top. */
        while (round % 3 == 0 && atomic_load(&a->done) < round && atomic_load(&a->s->wrong) == 0)
            sched_yield();
    }
    fer_arena_free(scratch);
    atomic_fetch_sub(&a->s->writers_left, 1);
}

static void check_series(shared *s, selection *sel, size_t i, samples *got, int *rounds)
{
    samples_clear(got);
    EXPECT(s, selection_read(sel, i, INT64_MIN, INT64_MAX, got, NULL) == FER_OK);
    if (*rounds < 0)
        *rounds = (int)got->n;
    EXPECT(s, (int)got->n == *rounds);
    for (size_t k = 0; k < got->n; k++)
        EXPECT(s, got->t[k] == (int64_t)(k + 1) * 1000 && got->v[k] == (double)(k + 1));
}

static void check_group(shared *s, int writer)
{
    char text[16];
    snprintf(text, sizeof text, "w%d", writer);
    int acked = atomic_load(&s->acked[writer]);
    test_query q;
    test_query_begin(&q, s->t.db, INT64_MIN, INT64_MAX);
    const char *m[1][3] = {{"writer", "=", text}};
    selection *sel = test_select(&q, m, 1, writer % 2);
    EXPECT(s, sel->n == 0 || sel->n == GROUP);
    samples got;
    samples_init(&got, NULL);
    int rounds = -1;
    for (size_t i = 0; i < sel->n; i++)
        check_series(s, sel, i, &got, &rounds);
    EXPECT(s, rounds >= acked || acked == 0);
    samples_done(&got);
    if (writer % 3 == 0) {
        str_list l = {0};
        EXPECT(s, querier_label_values(q.q, STR("g"), NULL, 0, 0, &l, NULL) == FER_OK);
        EXPECT(s, l.n == GROUP || l.n == 0);
    }
    test_query_end(&q);
}

static void reader_main(void *arg)
{
    actor *a = arg;
    for (int i = a->number; atomic_load(&a->s->writers_left) > 0; i++) {
        check_group(a->s, i % WRITERS);
        tsdb_stats st;
        tsdb_stats_get(a->s->t.db, &st);
        tsdb_cardinality c;
        fer_arena *tmp = fer_arena_new(NULL, 0);
        EXPECT(a->s, tsdb_cardinality_get(a->s->t.db, 5, tmp, &c, NULL) == FER_OK);
        fer_arena_free(tmp);
    }
}

static void run(wal_sync_mode mode)
{
    shared *s = fer_calloc(1, sizeof *s);
    actor *actors = fer_calloc(WRITERS + READERS, sizeof *actors);
    fer_thread threads[WRITERS + READERS], committer;
    test_db_init(&s->t);
    s->t.o.sync = mode;
    test_db_open(&s->t);
    atomic_store(&s->writers_left, WRITERS);
    assert_int_equal(fer_thread_start(&committer, "committer", committer_main, s, NULL), FER_OK);
    for (int i = 0; i < WRITERS + READERS; i++) {
        actors[i].s = s;
        actors[i].number = i;
        assert_int_equal(fer_thread_start(&threads[i], i < WRITERS ? "writer" : "reader",
                                          i < WRITERS ? writer_main : reader_main, &actors[i],
                                          NULL),
                         FER_OK);
    }
    for (int i = 0; i < WRITERS + READERS; i++)
        fer_thread_join(&threads[i]);
    tsdb_stop_committer(s->t.db);
    fer_thread_join(&committer);

    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(atomic_load(&actors[i].done), ROUNDS);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < WRITERS; i++)
            check_group(s, i);
        assert_int_equal(atomic_load(&s->wrong), 0);
        test_db_reopen(&s->t);
    }
    test_db_done(&s->t);
    fer_free(actors);
    fer_free(s);
}

static void requests_are_seen_whole_and_once_acknowledged_for_good(void **state)
{
    (void)state;
    run(WAL_SYNC_GROUP);
}

static void so_they_are_without_a_sync_per_commit(void **state)
{
    (void)state;
    run(WAL_SYNC_NONE);
    run(WAL_SYNC_INTERVAL);
}

/* ---- the committer by itself ---- */

typedef struct told {
    _Atomic int n;
    _Atomic int code;
} told;

static void on_told(void *arg, fer_code code)
{
    told *t = arg;
    atomic_store(&t->code, (int)code);
    atomic_fetch_add(&t->n, 1);
}

static void stage_one(test_db *t, int64_t ts, told *answer)
{
    tsdb_row row = test_row(t, "__name__=m", ts, 1);
    fer_code code =
        tsdb_stage(t->db, &row, 1, test_parse, NULL, t->scratch, &t->report, on_told, answer, NULL);
    assert_int_equal(code, FER_OK);
}

static void wait_for(_Atomic int *n, int at_least)
{
    while (atomic_load(n) < at_least)
        sched_yield();
}

static uint64_t now_ms(void)
{
    return fer_clock_system()->mono_ns(fer_clock_system()) / 1000000;
}

typedef struct lonely {
    shared s;
    vfs_fault *disk;
    fer_thread committer;
} lonely;

static lonely *lonely_new(wal_sync_mode mode)
{
    lonely *l = fer_calloc(1, sizeof *l);
    l->disk = vfs_fault_new(NULL);
    test_db_init_on(&l->s.t, vfs_fault_fs(l->disk), "data");
    l->s.t.o.clock = fer_clock_system();
    l->s.t.o.sync = mode;
    test_db_open(&l->s.t);
    assert_int_equal(fer_thread_start(&l->committer, "committer", committer_main, &l->s, NULL),
                     FER_OK);
    return l;
}

static void lonely_free(lonely *l)
{
    tsdb_stop_committer(l->s.t.db);
    fer_thread_join(&l->committer);
    test_db_done(&l->s.t);
    vfs_fault_free(l->disk);
    fer_free(l);
}

static void a_failing_disk_is_told_within_seconds_and_tried_again(void **state)
{
    (void)state;
    lonely *l = lonely_new(WAL_SYNC_GROUP);
    told first = {0}, second = {0}, third = {0};
    stage_one(&l->s.t, 1000, &first);
    wait_for(&first.n, 1);
    assert_int_equal(atomic_load(&first.code), FER_OK);

    vfs_fault_rule dead = {.kind = VFS_CALL_SYNC, .nth = 1, .from_then_on = true, .sys = EIO};
    vfs_fault_set(l->disk, &dead);
    uint64_t begun = now_ms();
    stage_one(&l->s.t, 2000, &second);
    wait_for(&second.n, 1);
    assert_in_range(now_ms() - begun, 900, 20000);
    assert_int_equal(atomic_load(&second.code), FER_IO);
    while (vfs_fault_hits(l->disk) < 4) /* tried again and again, but not in a rush */
        sched_yield();
    assert_true(vfs_fault_hits(l->disk) < 200);
    test_expect(&l->s.t, "__name__=m", "1000:1");

    vfs_fault_clear(l->disk);
    stage_one(&l->s.t, 3000, &third);
    wait_for(&third.n, 1);
    assert_int_equal(atomic_load(&third.code), FER_OK);
    test_expect(&l->s.t, "__name__=m", "1000:1 2000:1 3000:1");
    assert_int_equal(atomic_load(&second.n), 1);
    lonely_free(l);
}

static void wal_sync_interval_syncs_once_a_second_by_itself(void **state)
{
    (void)state;
    lonely *l = lonely_new(WAL_SYNC_INTERVAL);
    told answer = {0};
    tsdb_stats st;
    uint64_t begun = now_ms(), before = 0;
    for (int i = 0; i < 50; i++) {
        tsdb_stats_get(l->s.t.db, &st);
        before = st.wal_fsyncs;
        stage_one(&l->s.t, 1000 + i, &answer);
        wait_for(&answer.n, i + 1);
    }
    do { /* nothing more is written: what was must be synced all the same */
        sched_yield();
        tsdb_stats_get(l->s.t.db, &st);
    } while (st.wal_fsyncs == before);
    uint64_t seconds = (now_ms() - begun) / 1000;
    assert_true(seconds < 20);
    assert_true(st.wal_fsyncs <= seconds + 2);
    lonely_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_seen_whole_and_once_acknowledged_for_good),
        cmocka_unit_test(so_they_are_without_a_sync_per_commit),
        cmocka_unit_test(a_failing_disk_is_told_within_seconds_and_tried_again),
        cmocka_unit_test(wal_sync_interval_syncs_once_a_second_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

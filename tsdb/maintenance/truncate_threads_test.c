/* Writing, queries, exports, truncation and checkpoints together, under churn; meant for ThreadSanitizer. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/thread.h"
#include "tsdb/head/head_export.h"
#include "tsdb/maintenance/truncate.h"
#include "tsdb/tsdb_testing.h"

enum { WRITERS = 3, READERS = 2, GROUP = 20, ROUNDS = 400, LIFE = 10, KEPT = 15, AHEAD = 4 };

typedef struct shared {
    test_db t;
    _Atomic int acked[WRITERS]; /* rounds */
    _Atomic int mint;           /* rounds below may be gone */
    _Atomic int writers_left;
    _Atomic int checkpoints;
    _Atomic int wrong; /* line of the first broken promise */
    char exported[96]; /* what the keeper says of an export that is wrong; read when it has ended */
} shared;

typedef struct actor {
    shared *s;
    int number;
} actor;

#define EXPECT(s, expr)                                                                            \
    do {                                                                                           \
        int none = 0;                                                                              \
        if (!(expr))                                                                               \
            atomic_compare_exchange_strong(&(s)->wrong, &none, __LINE__);                          \
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
}

/* After LIFE rounds a writer's series are others. */
static void writer_main(void *arg)
{
    actor *a = arg;
    shared *s = a->s;
    fer_arena *scratch = fer_arena_new(NULL, 0);
    for (int round = 1; round <= ROUNDS; round++) {
        char raw[GROUP][96];
        tsdb_row rows[GROUP];
        for (int g = 0; g < GROUP; g++) {
            snprintf(raw[g], sizeof raw[g], "__name__=m,writer=w%d,g=%d,life=%d", a->number, g,
                     round / LIFE);
            fer_str text = str_of(raw[g]);
            rows[g] = (tsdb_row){tsdb_fingerprint(s->t.db, text), text, round * 1000, round};
        }
        tsdb_report report;
        fer_arena_reset(scratch);
        EXPECT(s, tsdb_stage(s->t.db, rows, GROUP, test_parse, NULL, scratch, &report, on_done, a,
                             NULL) == FER_OK);
        EXPECT(s, report.accepted == GROUP);
        while (atomic_load(&s->acked[a->number]) + AHEAD < round && atomic_load(&s->wrong) == 0)
            sched_yield();
    }
    fer_arena_free(scratch);
    atomic_fetch_sub(&s->writers_left, 1);
}

/* The samples of an acknowledged round, all or, if they were truncated meanwhile, any. */
static void check_round(shared *s, int writer, int round)
{
    char text[16];
    snprintf(text, sizeof text, "w%d", writer);
    test_query q;
    test_query_begin(&q, s->t.db, round * 1000, round * 1000);
    const char *m[2][3] = {{"writer", "=", text}, {"life", "=~", "[0-9]+"}};
    selection *sel = test_select(&q, m, 2, round % 2);
    samples got;
    samples_init(&got, NULL);
    size_t n = 0;
    for (size_t i = 0; i < sel->n; i++) {
        samples_clear(&got);
        EXPECT(s, selection_read(sel, i, round * 1000, round * 1000, &got, NULL) == FER_OK);
        EXPECT(s, got.n <= 1 && (got.n == 0 || got.v[0] == (double)round));
        EXPECT(s, strstr(test_labels(&q, sel, i), text) != NULL);
        n += got.n;
    }
    EXPECT(s, n == GROUP || atomic_load(&s->mint) > round);
    samples_done(&got);
    str_list l = {0};
    EXPECT(s, querier_label_values(q.q, STR("life"), NULL, 0, 0, &l, NULL) == FER_OK);
    test_query_end(&q);
}

static void reader_main(void *arg)
{
    actor *a = arg;
    for (int i = a->number; atomic_load(&a->s->writers_left) > 0; i++) {
        int round = atomic_load(&a->s->acked[i % WRITERS]);
        if (round > 0)
            check_round(a->s, i % WRITERS, round);
        tsdb_stats st;
        tsdb_stats_get(a->s->t.db, &st);
        tsdb_cardinality c;
        fer_arena *tmp = fer_arena_new(NULL, 0);
        EXPECT(a->s, tsdb_cardinality_get(a->s->t.db, 5, tmp, &c, NULL) == FER_OK);
        fer_arena_free(tmp);
    }
}

/* What lies before the slowest writer's last rounds is settled: each series of it once, in order. */
static void export_rounds(shared *s, int from, int to)
{
    head_export *x;
    EXPECT(s, head_export_open(&s->t.db->h, from * 1000, to * 1000, NULL, &x, NULL) == FER_OK);
    exported_series e;
    size_t n = 0;
    for (bool more = true; more;) {
        EXPECT(s, head_export_next(x, &e, &more, NULL) == FER_OK);
        for (size_t i = 0; more && i < e.n_chunks; i++)
            n += e.chunks[i].n;
    }
    size_t want = (size_t)(to - from) * WRITERS * GROUP;
    if (n != want && s->exported[0] == '\0')
        snprintf(s->exported, sizeof s->exported, "%zu samples of rounds %d to %d, not %zu", n,
                 from, to - 1, want);
    EXPECT(s, n == want);
    head_export_close(x);
}

/* What all have acknowledged. Each counter is looked at once: it may pass the others before a second look. */
static int slowest(shared *s)
{
    int low = ROUNDS;
    for (int i = 0; i < WRITERS; i++) {
        int acked = atomic_load(&s->acked[i]);
        low = acked < low ? acked : low;
    }
    return low;
}

static void maintain(shared *s, int turn)
{
    int low = slowest(s), mint = low - KEPT;
    if (mint <= 1)
        return;
    export_rounds(s, mint, low);
    atomic_store(&s->mint, mint);
    head_truncation ht;
    tsdb_truncate_head(s->t.db, mint * 1000, &ht);
    wal_truncation wt = {0};
    if (turn % 3 == 0)
        EXPECT(s, tsdb_truncate_wal(s->t.db, mint * 1000, &wt, NULL) == FER_OK);
    atomic_fetch_add(&s->checkpoints, wt.done);
}

static void maintenance_main(void *arg)
{
    shared *s = arg;
    for (int turn = 0; atomic_load(&s->writers_left) > 0; turn++)
        maintain(s, turn);
}

static void the_head_forgets_while_it_is_used(void **state)
{
    (void)state;
    shared *s = fer_calloc(1, sizeof *s);
    actor actors[WRITERS + READERS];
    fer_thread threads[WRITERS + READERS], commits, keeper;
    test_db_init(&s->t);
    s->t.o.sync = WAL_SYNC_NONE;
    s->t.o.wal_segment_bytes = 32 * 1024;
    test_db_open(&s->t);
    atomic_store(&s->writers_left, WRITERS);
    assert_int_equal(fer_thread_start(&commits, "committer", committer_main, s, NULL), FER_OK);
    assert_int_equal(fer_thread_start(&keeper, "maintain", maintenance_main, s, NULL), FER_OK);
    for (int i = 0; i < WRITERS + READERS; i++) {
        actors[i] = (actor){s, i < WRITERS ? i : i - WRITERS};
        assert_int_equal(fer_thread_start(&threads[i], i < WRITERS ? "writer" : "reader",
                                          i < WRITERS ? writer_main : reader_main, &actors[i],
                                          NULL),
                         FER_OK);
    }
    for (int i = 0; i < WRITERS + READERS; i++)
        fer_thread_join(&threads[i]);
    fer_thread_join(&keeper);
    tsdb_stop_committer(s->t.db);
    fer_thread_join(&commits);
    assert_string_equal(s->exported, "");
    assert_int_equal(atomic_load(&s->wrong), 0);

    maintain(s, 0);
    tsdb_stats st;
    tsdb_stats_get(s->t.db, &st);
    assert_true(st.series <= (KEPT / LIFE + 2) * WRITERS * GROUP);
    assert_true(st.series_removed > 20 * WRITERS * GROUP);
    assert_true(atomic_load(&s->checkpoints) > 0);
    for (int reopened = 0; reopened < 2; reopened++) {
        for (int i = 0; i < WRITERS; i++)
            for (int round = ROUNDS - KEPT; round <= ROUNDS; round++)
                check_round(s, i, round);
        assert_int_equal(atomic_load(&s->wrong), 0);
        test_db_reopen(&s->t);
    }
    test_db_done(&s->t);
    fer_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_head_forgets_while_it_is_used)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

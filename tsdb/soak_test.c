/* All that a database does, at once: writing, queries, cutting, merging, expiring and cleaning of blocks, deletions, series that come
 * and go. Meant for ThreadSanitizer: a few seconds by default, FERULA_SOAK_SECONDS for longer.
 *
 * A round is a second of data: one sample, whose value is the round, of each series of each writer. All rounds of the
 * last minutes that were acknowledged are answered, once; of those that were deleted from the first writer, nothing.
 *
 * Beside them each writer has series whose odd rounds come late: floats and histograms, some rounds behind or so far back that blocks
 * have the time already.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/thread.h"
#include "tsdb/block/block_testing.h"
#include "tsdb/tsdb_int.h"
#include "tsdb/tsdb_testing.h"

enum {
    WRITERS = 3,
    READERS = 2,
    GROUP = 10,
    LIFE = 50,    /* rounds after which a writer's series are others */
    AHEAD = 4,    /* rounds not acknowledged */
    TOGETHER = 8, /* rounds between the quickest and the slowest writer */
    WINDOW = 300, /* rounds that readers look at: head and blocks */
    BEHIND = 6,   /* blocks */
    DELETIONS = 16,
    DELETED = 20, /* rounds a deletion takes */
    LATE = 4,     /* series that are late, every other one of histograms */
    LATEST = 61,  /* rounds */
    SECONDS = 3
};
#define SECOND_MS INT64_C(1000)
#define BLOCK_MS (40 * SECOND_MS)

/* Rounds that a late one comes behind its own. */
static const int late_by[] = {3, 15, LATEST};
enum { COUNT_LATE = sizeof late_by / sizeof *late_by };

typedef struct shared {
    test_db t;
    _Atomic int acked[WRITERS]; /* rounds */
    _Atomic int round[WRITERS];
    _Atomic bool stop;
    _Atomic int wrong;              /* line of the first broken promise */
    _Atomic int deleted[DELETIONS]; /* first round of each, 0: none */
    _Atomic int n_deleted, n_queries;
    _Atomic bool wants_turn; /* the deleter, which a pass without end would keep out */
} shared;

typedef struct actor {
    shared *s;
    int number;
} actor;

#define EXPECT(s, expr)                                                                            \
    do {                                                                                           \
        if (!(expr)) {                                                                             \
            int none = 0;                                                                          \
            atomic_compare_exchange_strong(&(s)->wrong, &none, __LINE__);                          \
            atomic_store(&(s)->stop, true);                                                        \
        }                                                                                          \
    } while (0)

static int64_t time_of(int round)
{
    return TEST_NOW + round * SECOND_MS;
}

static bool goes_on(shared *s)
{
    return !atomic_load(&s->stop);
}

static void pause_ns(long ns)
{
    nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

/* ---- writing ---- */

static void on_done(void *arg, fer_code code)
{
    actor *a = arg;
    EXPECT(a->s, code == FER_OK);
    atomic_fetch_add(&a->s->acked[a->number], 1);
}

static int slowest(shared *s)
{
    int low = INT32_MAX;
    for (int i = 0; i < WRITERS; i++) {
        int round = atomic_load(&s->round[i]);
        low = round < low ? round : low;
    }
    return low;
}

/* Whether maintenance is so far behind that writing waits for it: each block costs syncs, the rounds of one nearly nothing. While the
 * deleter waits there is nothing more to cut, so that the pass ends. */
static bool is_behind(shared *s, int round)
{
    head *h = &s->t.db->h;
    fer_mutex_lock(&h->publish);
    int64_t oldest = h->min_time;
    fer_mutex_unlock(&h->publish);
    return oldest != INT64_MAX &&
           time_of(round) - oldest > (atomic_load(&s->wants_turn) ? 1 : BEHIND) * BLOCK_MS;
}

/* One request. */
typedef struct request {
    shared *s;
    fer_arena *a;
    size_t n_floats, n_hists;
    tsdb_row floats[GROUP + LATE * (COUNT_LATE + 1)];
    tsdb_hist_row hists[LATE * (COUNT_LATE + 1)];
} request;

/* The series of the writer that has the round. */
static tsdb_row row_of(const request *q, char kind, int writer, int g, int round)
{
    fer_str text = fer_arena_printf(q->a, "__name__=m,writer=%c%d,g=%d,life=%d", kind, writer, g,
                                    round / LIFE);
    return (tsdb_row){tsdb_fingerprint(q->s->t.db, text), text, time_of(round), round};
}

static void add_hist(request *q, const tsdb_row *row)
{
    static const histogram_span span = {0, 2};
    hist_num *buckets = ARENA_ARRAY(q->a, hist_num, span.length);
    buckets[0].i = 1;
    buckets[1].i = (int64_t)row->v; /* more than in the one before */
    q->hists[q->n_hists++] = (tsdb_hist_row){
        .fp = row->fp,
        .raw = row->raw,
        .t = row->t,
        .before = q->n_floats,
        .h = {.sum = row->v,
              .count.u = (uint64_t)row->v + 2,
              .side[HIST_POS] = {&span, buckets, 1, span.length}},
    };
}

static void add_late_series(request *q, int writer, int round)
{
    for (int g = 0; g < LATE; g++) {
        tsdb_row row = row_of(q, 'l', writer, g, round);
        if (g % 2 == 1)
            add_hist(q, &row);
        else
            q->floats[q->n_floats++] = row;
    }
}

/* Even rounds come in time, odd ones by turns with each delay. */
static void add_late(request *q, int writer, int round)
{
    if (round % 2 == 0)
        add_late_series(q, writer, round);
    for (int i = 0; i < COUNT_LATE; i++) {
        int late = round - late_by[i];
        if (late > 0 && late % 2 == 1 && late / 2 % COUNT_LATE == i)
            add_late_series(q, writer, late);
    }
}

static void write_round(actor *a, int round, fer_arena *scratch)
{
    shared *s = a->s;
    fer_arena_reset(scratch);
    request q = {.s = s, .a = scratch};
    for (int g = 0; g < GROUP; g++)
        q.floats[q.n_floats++] = row_of(&q, 'w', a->number, g, round);
    add_late(&q, a->number, round);
    const tsdb_rows rows = {
        .floats = q.floats, .n_floats = q.n_floats, .hists = q.hists, .n_hists = q.n_hists};
    tsdb_report report;
    EXPECT(s, tsdb_stage_rows(s->t.db, &rows, test_parse, NULL, scratch, &report, on_done, a,
                              NULL) == FER_OK);
    EXPECT(s, report.accepted == q.n_floats + q.n_hists);
}

static void writer_main(void *arg)
{
    actor *a = arg;
    shared *s = a->s;
    fer_arena *scratch = fer_arena_new(NULL, 0);
    for (int round = 1; goes_on(s); round++) {
        write_round(a, round, scratch);
        atomic_store(&s->round[a->number], round);
        while (goes_on(s) &&
               (atomic_load(&s->acked[a->number]) + AHEAD < round || slowest(s) + TOGETHER < round))
            sched_yield();
        while (goes_on(s) && is_behind(s, round))
            pause_ns(1000000);
    }
    fer_arena_free(scratch);
}

static void committer_main(void *arg)
{
    tsdb_run_committer(((shared *)arg)->t.db);
}

/* ---- keeping ---- */

static void maintenance_main(void *arg)
{
    shared *s = arg;
    while (goes_on(s)) {
        fer_err err = {0};
        EXPECT(s, tsdb_maintenance_step(s->t.db, &err) == FER_OK);
        pause_ns(1000000);
        while (atomic_load(&s->wants_turn) && goes_on(s))
            pause_ns(1000000);
    }
}

/* ---- reading ---- */

/* The round that a sample tells. */
static int round_of(const samples *got, size_t k)
{
    bool is_hist = got->type != NULL && got->type[k] != SAMPLE_FLOAT;
    return (int)(is_hist ? got->h[k]->sum : got->v[k]);
}

/* The samples of a writer's rounds [from, to], of its series of that kind, which are right; -1 when one is not. */
static int count(shared *s, char kind, int writer, int from, int to, bool wait)
{
    char text[16];
    int n = 0;
    snprintf(text, sizeof text, "%c%d", kind, writer);
    test_query q;
    test_query_begin(&q, s->t.db, time_of(from), time_of(to));
    const char *m[2][3] = {{"writer", "=", text}, {"life", "=~", "[0-9]+"}};
    selection *sel = test_select(&q, m, 2, from % 2);
    samples got;
    samples_init(&got, NULL);
    if (wait)
        pause_ns(20000000);
    for (size_t i = 0; i < sel->n && n >= 0; i++) {
        samples_clear(&got);
        EXPECT(s, selection_read(sel, i, time_of(from), time_of(to), &got, NULL) == FER_OK);
        EXPECT(s, strstr(test_labels(&q, sel, i), text) != NULL);
        n += (int)got.n;
        for (size_t k = 0; k < got.n; k++)
            if (got.t[k] != time_of(round_of(&got, k)))
                n = -1;
    }
    EXPECT(s, q.q->warnings.n == 0);
    samples_done(&got);
    test_query_end(&q);
    atomic_fetch_add(&s->n_queries, 1);
    return n;
}

static void read_labels(shared *s)
{
    test_query q;
    str_list names = {0}, values = {0};
    test_query_begin(&q, s->t.db, INT64_MIN, INT64_MAX);
    EXPECT(s, querier_label_names(q.q, NULL, 0, 0, &names, NULL) == FER_OK);
    EXPECT(s, querier_label_values(q.q, STR("writer"), NULL, 0, 0, &values, NULL) == FER_OK);
    EXPECT(s, values.n <= 2 * WRITERS && names.n <= 4);
    test_query_end(&q);
    tsdb_stats st;
    tsdb_stats_get(s->t.db, &st);
    tsdb_cardinality c;
    fer_arena *tmp = fer_arena_new(NULL, 0);
    EXPECT(s, tsdb_cardinality_get(s->t.db, 5, tmp, &c, NULL) == FER_OK);
    fer_arena_free(tmp);
}

/* All that must be there of the last rounds; of a writer of which nothing is deleted. */
static void check_rounds(shared *s, char kind, int writer, int to, int series, bool wait)
{
    int from = to > WINDOW ? to - WINDOW : 1;
    if (to >= from)
        EXPECT(s, count(s, kind, writer, from, to, wait) == (to - from + 1) * series);
}

static void check_window(shared *s, int writer, bool wait)
{
    int acked = atomic_load(&s->acked[writer]);
    check_rounds(s, 'w', writer, acked, GROUP, wait);
    check_rounds(s, 'l', writer, acked - LATEST, LATE, wait);
}

static int count_deleted(shared *s, int from)
{
    int late =
        from > LATEST ? count(s, 'l', 0, from - LATEST, from - LATEST + DELETED - 1, false) : 0;
    return count(s, 'w', 0, from, from + DELETED - 1, false) + late;
}

static void check_deleted(shared *s, int i)
{
    int from = atomic_load(&s->deleted[i]);
    if (from != 0)
        EXPECT(s, count_deleted(s, from) == 0);
}

static void reader_main(void *arg)
{
    actor *a = arg;
    for (int i = a->number; goes_on(a->s); i++) {
        check_window(a->s, 1 + i % (WRITERS - 1), i % 5 == 0);
        check_deleted(a->s, i % DELETIONS);
        if (i % 8 == 0)
            read_labels(a->s);
    }
}

/* ---- deleting ---- */

static void delete_of(shared *s, const char *writer, int from)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    matcher m;
    EXPECT(s, matcher_make(a, MATCH_EQ, STR("writer"), str_of(writer), &m, NULL) == FER_OK);
    EXPECT(s, tsdb_delete_series(s->t.db, time_of(from), time_of(from + DELETED - 1), &m, 1, NULL,
                                 NULL) == FER_OK);
}

/* Of the late series as many rounds before them, when all have come: what comes behind a deletion stays. */
static void delete_rounds(shared *s, int from)
{
    delete_of(s, "w0", from);
    if (from > LATEST)
        delete_of(s, "l0", from - LATEST);
    EXPECT(s, count_deleted(s, from) == 0);
}

/* Just behind what is being written, and further back where blocks are. */
static void deleter_main(void *arg)
{
    shared *s = arg;
    for (int i = 0, last = 0; goes_on(s); i++) {
        int newest = atomic_load(&s->acked[0]) - DELETED;
        int from = i % 3 == 2 ? newest - WINDOW / 2 : newest;
        if (from > last || (i % 3 == 2 && from > 0)) {
            atomic_store(&s->wants_turn, true);
            delete_rounds(s, from);
            atomic_store(&s->deleted[i % DELETIONS], from);
            atomic_fetch_add(&s->n_deleted, 1);
            last = from > last ? from : last;
        }
        if (i % 6 == 5)
            EXPECT(s, tsdb_clean_tombstones(s->t.db, NULL) == FER_OK);
        atomic_store(&s->wants_turn, false);
        pause_ns(10000000);
    }
}

/* ---- all of it ---- */

static void sleep_until_end(shared *s, long seconds)
{
    fer_clock *clock = fer_clock_system();
    uint64_t end = clock->mono_ns(clock) + (uint64_t)seconds * 1000000000U;
    while (goes_on(s) && clock->mono_ns(clock) < end)
        pause_ns(50000000);
    atomic_store(&s->stop, true);
}

static void run(shared *s, long seconds)
{
    enum { THREADS = WRITERS + READERS + 2 };
    fer_thread threads[THREADS], commits;
    actor actors[WRITERS + READERS];
    assert_int_equal(fer_thread_start(&commits, "committer", committer_main, s, NULL), FER_OK);
    for (int i = 0; i < WRITERS + READERS; i++) {
        actors[i] = (actor){s, i < WRITERS ? i : i - WRITERS};
        assert_int_equal(fer_thread_start(&threads[i], i < WRITERS ? "writer" : "reader",
                                          i < WRITERS ? writer_main : reader_main, &actors[i],
                                          NULL),
                         FER_OK);
    }
    while (atomic_load(&s->acked[0]) == 0 && goes_on(s)) /* then the committer runs */
        sched_yield();
    assert_int_equal(fer_thread_start(&threads[THREADS - 2], "maintain", maintenance_main, s, NULL),
                     FER_OK);
    assert_int_equal(fer_thread_start(&threads[THREADS - 1], "deleter", deleter_main, s, NULL),
                     FER_OK);
    sleep_until_end(s, seconds);
    for (int i = 0; i < THREADS; i++)
        fer_thread_join(&threads[i]);
    tsdb_stop_committer(s->t.db);
    fer_thread_join(&commits);
}

static void all_at_once(void **state)
{
    (void)state;
    const char *wish = getenv("FERULA_SOAK_SECONDS");
    shared *s = fer_calloc(1, sizeof *s);
    test_db_init(&s->t);
    s->t.o.clock = fer_clock_system();
    s->t.o.sync = WAL_SYNC_NONE;
    s->t.o.wal_segment_bytes = 64 * 1024;
    s->t.o.min_block_ms = BLOCK_MS;
    s->t.o.max_block_ms = 9 * BLOCK_MS;
    s->t.o.retention_ms = 30 * BLOCK_MS;
    s->t.o.ooo_window_ms = 4 * BLOCK_MS;
    test_db_open(&s->t);
    run(s, wish != NULL ? strtol(wish, NULL, 10) : SECONDS);
    assert_int_equal(atomic_load(&s->wrong), 0);
    tsdb_maintenance_stats ms;
    tsdb_stats st;
    tsdb_maintenance_stats_get(s->t.db, &ms);
    tsdb_stats_get(s->t.db, &st);
    print_message(
        "%d rounds, %llu samples, %llu histograms, %llu and %llu of them out of order, %llu "
        "series, %d queries, %d deletions, %llu cuts, %llu compactions, %llu expiries, %llu "
        "cleanings\n",
        atomic_load(&s->acked[0]), (unsigned long long)st.samples_appended,
        (unsigned long long)st.hists_appended, (unsigned long long)st.ooo_appended,
        (unsigned long long)st.ooo_hists_appended, (unsigned long long)st.series_created,
        atomic_load(&s->n_queries), atomic_load(&s->n_deleted),
        (unsigned long long)ms.head_truncations, (unsigned long long)ms.compactions,
        (unsigned long long)ms.time_retentions, (unsigned long long)ms.tombstone_cleanups);
    for (int round = 0; round < 2; round++) {
        for (int i = 1; i < WRITERS; i++)
            check_window(s, i, false);
        for (int i = 0; i < DELETIONS; i++)
            check_deleted(s, i);
        assert_int_equal(atomic_load(&s->wrong), 0);
        test_db_reopen(&s->t);
    }
    test_db_done(&s->t);
    fer_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_at_once)};
    return cmocka_run_group_tests_name("soak", tests, NULL, NULL);
}

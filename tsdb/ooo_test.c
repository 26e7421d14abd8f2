/* Samples out of order: which are taken, that they are read in their places, through restarts, compaction and merges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/vfs_crash.h"
#include "tsdb/block/block_testing.h"
#include "tsdb/head/head_mmap.h"
#include "tsdb/hist_testing.h"
#include "tsdb/tsdb_int.h"
#include "tsdb/tsdb_testing.h"
#include "tsdb/wal/wal_dir.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define BEGIN (INT64_C(8744) * 54 * HOUR_MS)

static void begin(test_db *t, int64_t window_ms)
{
    test_db_init(t);
    t->o.ooo_window_ms = window_ms;
    t->clock.wall = BEGIN + 24 * HOUR_MS;
    test_db_open(t);
}

static void write_refused(test_db *t, const char *raw, int64_t ts, double v, const char *text)
{
    tsdb_row row = test_row(t, raw, ts, v);
    test_stage(t, &row, 1);
    test_commit(t);
    assert_int_equal(t->report.n_rejected, 1);
    assert_true(t->report.n_texts == 1);
    assert_int_equal(strncmp(t->report.texts[0].p, text, strlen(text)), 0);
}

static void without_a_window_it_is_refused(void **state)
{
    (void)state;
    test_db t;
    begin(&t, 0);
    test_write1(&t, "__name__=a", BEGIN + HOUR_MS, 1);
    write_refused(&t, "__name__=a", BEGIN + HOUR_MS - 1, 2, "out of order sample for series {");
    write_refused(&t, "__name__=b", BEGIN - 1, 2, "out of bounds for series {");
    test_db_done(&t);
}

static void in_the_window_it_is_taken_and_read_in_its_place(void **state)
{
    (void)state;
    test_db t;
    begin(&t, 2 * HOUR_MS);
    test_write1(&t, "__name__=a", BEGIN + 3000, 3);
    test_write1(&t, "__name__=a", BEGIN + 1000, 1);
    test_write1(&t, "__name__=a", BEGIN + 2000, 2);
    test_write1(&t, "__name__=a", BEGIN + 4000, 4);
    char want[200];
    snprintf(want, sizeof want, "%lld:1 %lld:2 %lld:3 %lld:4", (long long)BEGIN + 1000,
             (long long)BEGIN + 2000, (long long)BEGIN + 3000, (long long)BEGIN + 4000);
    test_expect(&t, "__name__=a", want);
    test_db_reopen(&t);
    test_expect(&t, "__name__=a", want);
    tsdb_stats st;
    tsdb_stats_get(t.db, &st);
    assert_int_equal(st.ooo_series, 1);
    test_db_done(&t);
}

static void below_the_window_it_is_too_old(void **state)
{
    (void)state;
    test_db t;
    begin(&t, 2 * HOUR_MS);
    test_write1(&t, "__name__=a", BEGIN + 10 * HOUR_MS, 1);
    test_write1(&t, "__name__=a", BEGIN + 8 * HOUR_MS, 2);
    write_refused(&t, "__name__=a", BEGIN + 8 * HOUR_MS - 1, 2, "too old sample for series {");
    write_refused(&t, "__name__=new", BEGIN + 8 * HOUR_MS - 1, 2, "too old sample for series {");
    tsdb_stats st;
    tsdb_stats_get(t.db, &st);
    assert_int_equal(st.too_old, 2);
    assert_int_equal(st.ooo_appended, 1);
    assert_int_equal(st.out_of_order, 0);
    assert_int_equal(st.samples_appended, 2);
    assert_int_equal(st.ooo_delta.n, 3);
    assert_int_equal(st.ooo_delta.counts[3], 1); /* just two hours */
    test_db_done(&t);
}

static void a_series_may_begin_with_one(void **state)
{
    (void)state;
    test_db t;
    begin(&t, 4 * HOUR_MS);
    test_write1(&t, "__name__=a", BEGIN + 10 * HOUR_MS, 1);
    test_write1(&t, "__name__=late", BEGIN + 7 * HOUR_MS, 2);
    char want[60];
    snprintf(want, sizeof want, "%lld:2", (long long)(BEGIN + 7 * HOUR_MS));
    test_expect(&t, "__name__=late", want);
    test_db_reopen(&t);
    test_expect(&t, "__name__=late", want);
    test_db_done(&t);
}

static void of_equal_times_the_first_counts(void **state)
{
    (void)state;
    test_db t;
    begin(&t, 4 * HOUR_MS);
    test_write1(&t, "__name__=a", BEGIN + 1000, 1);
    test_write1(&t, "__name__=a", BEGIN + 500, 2);
    test_write1(&t, "__name__=a", BEGIN + 500, 3);
    write_refused(&t, "__name__=a", BEGIN + 1000, 7, "duplicate sample for timestamp");
    char want[60];
    snprintf(want, sizeof want, "%lld:2 %lld:1", (long long)BEGIN + 500, (long long)BEGIN + 1000);
    test_expect(&t, "__name__=a", want);
    test_db_done(&t);
}

static void the_window_changes_while_it_runs(void **state)
{
    (void)state;
    test_db t;
    fer_err err = {0};
    begin(&t, 0);
    test_write1(&t, "__name__=a", BEGIN + 2000, 1);
    assert_int_equal(tsdb_set_ooo_window(t.db, HOUR_MS, &err), FER_OK);
    test_write1(&t, "__name__=a", BEGIN + 1000, 2);
    assert_int_equal(tsdb_set_ooo_window(t.db, 0, &err), FER_OK);
    write_refused(&t, "__name__=a", BEGIN + 1500, 2, "out of order sample");
    char want[60];
    snprintf(want, sizeof want, "%lld:2 %lld:1", (long long)BEGIN + 1000, (long long)BEGIN + 2000);
    t.o.ooo_window_ms = 0;
    test_db_reopen(&t); /* what is there is read also without a window */
    test_expect(&t, "__name__=a", want);
    test_db_done(&t);
}

/* ---- a long life against a model ---- */

enum { SERIES = 7, STEPS = 9000, STEP_MS = 15000 };

typedef struct model {
    test_db t;
    vfs_fault *disk;
    fer_rng_seeded rng;
    char names[SERIES][32];
    int64_t newest[SERIES];
    uint8_t has[SERIES][STEPS];
    int64_t max;
    uint64_t late;
} model;

static double value_at(int i, int64_t step)
{
    return (double)(step * 31 % 1009) + i;
}

static uint32_t below(model *m, uint32_t n)
{
    uint32_t v;
    m->rng.base.fill(&m->rng.base, &v, sizeof v);
    return v % n;
}

static void model_begin(model *m, int64_t window_ms)
{
    memset(m, 0, sizeof *m);
    m->disk = vfs_fault_new(NULL);
    fer_rng_seeded_init(&m->rng, 7);
    test_db_init_on(&m->t, vfs_fault_fs(m->disk), "/data");
    m->t.o.ooo_window_ms = window_ms;
    m->t.o.wal_segment_bytes = 32 * 1024;
    m->t.clock.wall = BEGIN;
    for (int i = 0; i < SERIES; i++) {
        snprintf(m->names[i], sizeof m->names[i], "__name__=m,i=%d", i);
        m->newest[i] = -1;
    }
    test_db_open(&m->t);
}

static void model_end(model *m)
{
    test_db_close(&m->t);
    test_db_done(&m->t);
    vfs_fault_free(m->disk);
}

/* One request: a sample in order of most series, of some one out of order. The last series gets only such. */
static void live_a_step(model *m, int64_t step, int64_t reach)
{
    tsdb_row rows[2 * SERIES];
    size_t n = 0;
    int64_t now = BEGIN + step * STEP_MS;
    m->t.clock.wall = now;
    for (int i = 0; i < SERIES; i++) {
        bool in_order = i < SERIES - 1 && below(m, 10) != 0;
        if (in_order) {
            rows[n++] = test_row(&m->t, m->names[i], now, value_at(i, step));
            m->has[i][step] = 1;
            m->newest[i] = step;
        }
        int64_t back = 1 + below(m, (uint32_t)reach);
        if (i == SERIES - 1 && back <= HOUR_MS / STEP_MS)
            continue; /* would be in order */
        if (below(m, 4) == 0 && back <= step) {
            rows[n++] =
                test_row(&m->t, m->names[i], now - back * STEP_MS, value_at(i, step - back));
            m->late += !m->has[i][step - back];
            m->has[i][step - back] = 1;
        }
    }
    if (n != 0)
        test_write(&m->t, rows, n);
    assert_int_equal(m->t.report.n_rejected, 0);
    m->max = step;
}

static void check(model *m, int64_t from, int64_t to)
{
    test_query q;
    samples s;
    fer_err err = {0};
    samples_init(&s, NULL);
    int64_t mint = BEGIN + from * STEP_MS, maxt = BEGIN + to * STEP_MS;
    test_query_begin(&q, m->t.db, mint, maxt);
    static const char *by_name[][3] = {{"__name__", "=", "m"}};
    selection *sel = test_select(&q, by_name, 1, true);
    size_t at = 0;
    for (int i = 0; i < SERIES; i++) {
        samples_clear(&s);
        if (at < sel->n && strcmp(test_labels(&q, sel, at), m->names[i]) == 0)
            must(selection_read(sel, at++, mint, maxt, &s, &err), &err);
        size_t k = 0;
        for (int64_t step = from; step <= to; step++) {
            if (!m->has[i][step])
                continue;
            int64_t t = BEGIN + step * STEP_MS;
            if (k >= s.n || s.t[k] != t || s.v[k] != value_at(i, step))
                fail_msg("series %d: sample %zu of %zu is not that of step %lld", i, k, s.n,
                         (long long)step);
            k++;
        }
        assert_int_equal(k, s.n);
    }
    assert_int_equal(at, sel->n);
    samples_done(&s);
    test_query_end(&q);
}

static void maintain(model *m)
{
    fer_err err = {0};
    must(tsdb_maintenance_step(m->t.db, &err), &err);
}

static void all_is_read_through_restarts_and_compactions(void **state)
{
    (void)state;
    model m;
    model_begin(&m, 3 * HOUR_MS);
    for (int64_t step = 0; step < STEPS; step++) {
        live_a_step(&m, step, 3 * HOUR_MS / STEP_MS);
        if (step % 97 == 0)
            check(&m, step < 500 ? 0 : step - 500, step);
        if (step % 240 == 239)
            maintain(&m);
        if (step % 1501 == 1500)
            test_db_reopen(&m.t);
    }
    check(&m, 0, m.max);
    maintain(&m);
    check(&m, 0, m.max);
    test_db_reopen(&m.t);
    check(&m, 0, m.max);
    tsdb_stats st;
    tsdb_stats_get(m.t.db, &st);
    assert_true(st.blocks > 2);
    assert_true(m.late > STEPS / 4);
    model_end(&m);
}

static size_t count_ooo_blocks(model *m)
{
    block_list all = block_set_all(&m->t.db->blocks);
    size_t n = 0;
    for (size_t i = 0; i < all.n; i++)
        n += block_meta_has_hint(&all.v[i]->meta, STR("from-out-of-order"));
    block_list_done(&all);
    return n;
}

static fer_code count_name(void *arg, const char *name)
{
    (void)name;
    ++*(size_t *)arg;
    return FER_OK;
}

static size_t wbl_segments(const model *m)
{
    size_t n = 0;
    fer_err err = {0};
    must(vfs_list(m->t.o.fs, "/data/wbl", count_name, &n, &err), &err);
    return n;
}

/* Without one promtool takes the log for broken. */
static void there_is_always_a_segment(void **state)
{
    (void)state;
    model m;
    model_begin(&m, 3 * HOUR_MS);
    assert_int_equal(wbl_segments(&m), 1);
    test_db_reopen(&m.t);
    assert_int_equal(wbl_segments(&m), 1);
    for (int64_t step = 0; step < 60; step++)
        live_a_step(&m, step, 60);
    assert_true(m.late != 0 && wbl_segments(&m) > 1);
    m.t.db->m.ooo_due = true;
    maintain(&m);
    assert_int_equal(count_ooo_blocks(&m), 1);
    assert_int_equal(wbl_segments(&m), 1);
    vfs_file *f;
    fer_err err = {0};
    uint64_t size;
    char path[PATH_MAX];
    must(wal_segment_path(path, "/data/wbl", m.t.db->c.wbl_told.segment - 1, &err), &err);
    must(vfs_open(m.t.o.fs, path, VFS_READ, &f, &err), &err);
    must(vfs_size(f, &size, &err), &err);
    assert_int_equal(size, 0);
    vfs_close(f);
    check(&m, 0, m.max);
    test_db_reopen(&m.t);
    check(&m, 0, m.max);
    m.t.db->m.ooo_due = true; /* the empty one is the last once more */
    maintain(&m);
    assert_int_equal(wbl_segments(&m), 1);
    model_end(&m);
}

static void compaction_gives_back_memory_and_log(void **state)
{
    (void)state;
    model m;
    model_begin(&m, 3 * HOUR_MS);
    for (int64_t step = 0; step < 4 * HOUR_MS / STEP_MS; step++)
        live_a_step(&m, step, 3 * HOUR_MS / STEP_MS);
    m.t.o.keep_overlapping = true;
    test_db_reopen(&m.t);
    tsdb_stats before, after;
    tsdb_stats_get(m.t.db, &before);
    assert_int_equal(before.ooo_series, SERIES);
    maintain(&m);
    tsdb_stats_get(m.t.db, &after);
    assert_int_equal(after.ooo_series, 0);
    assert_true(count_ooo_blocks(&m) >= 2);
    check(&m, 0, m.max);
    assert_int_equal(m.t.db->h.ooo->min_time, INT64_MAX);
    /* The last series had nothing else. */
    assert_int_equal(after.series, SERIES - 1);
    assert_int_equal(wbl_segments(&m), 1); /* which says what of chunks_head is in blocks */
    test_db_reopen(&m.t);
    check(&m, 0, m.max);
    model_end(&m);
}

static uint32_t count_chunks(const model *m, bool in_files)
{
    const head *h = &m->t.db->h;
    uint32_t found = 0;
    for (uint32_t i = 0; i < h->ooo->n; i++) {
        uint32_t n;
        const full_chunk *c = ooo_chunks(h, h->ooo->v[i], &n);
        for (uint32_t k = 0; k < n; k++)
            found += (c[k].file != 0) == in_files;
    }
    return found;
}

/* What compaction drops is what the log's segments before the line had, so that nothing that it wrote comes back at a start. */
static void what_comes_behind_a_line_is_not_frozen(void **state)
{
    (void)state;
    test_db t;
    begin(&t, 2 * HOUR_MS);
    test_write1(&t, "__name__=a", BEGIN + 4000, 4);
    test_write1(&t, "__name__=b", BEGIN + 4000, 4);
    test_write1(&t, "__name__=a", BEGIN + 2000, 2);
    committer_cut_wbl(&t.db->c);
    assert_int_equal(committer_step(&t.db->c, NULL, NULL), FER_OK);
    test_write1(&t, "__name__=a", BEGIN + 1000, 1);
    test_write1(&t, "__name__=b", BEGIN + 3000, 3);
    int64_t min, max;
    assert_true(ooo_freeze(&t.db->h, &min, &max));
    assert_int_equal(min, BEGIN + 2000);
    assert_int_equal(max, BEGIN + 2000);
    assert_int_equal(ooo_drop_frozen(&t.db->h), 1);
    char want[100];
    snprintf(want, sizeof want, "%lld:1 %lld:4", (long long)BEGIN + 1000, (long long)BEGIN + 4000);
    test_expect(&t, "__name__=a", want);
    snprintf(want, sizeof want, "%lld:3 %lld:4", (long long)BEGIN + 3000, (long long)BEGIN + 4000);
    test_expect(&t, "__name__=b", want);
    assert_false(ooo_freeze(&t.db->h, &min, &max)); /* no line since */
    test_db_done(&t);
}

static void full_chunks_go_to_chunks_head_and_are_read_back(void **state)
{
    (void)state;
    model m;
    fer_err err = {0};
    model_begin(&m, 3 * HOUR_MS);
    int64_t step = 0;
    for (; step < 500; step++)
        live_a_step(&m, step, 200);
    assert_true(count_chunks(&m, false) > SERIES / 2);
    maintain(&m);
    assert_int_equal(count_chunks(&m, false), 0);
    assert_true(count_chunks(&m, true) > SERIES);
    check(&m, 0, m.max);
    for (; step < 510; step++) /* markers go with the next request */
        live_a_step(&m, step, 200);
    test_db_reopen(&m.t);
    check(&m, 0, m.max);
    /* The log's samples before its markers were not taken again. */
    assert_int_equal(count_chunks(&m, false), 0);
    assert_true(count_chunks(&m, true) > SERIES);

    /* Markers without their chunks: all comes from the log. */
    test_db_close(&m.t);
    must(vfs_remove_all(m.t.o.fs, "/data/chunks_head", &err), &err);
    test_db_open(&m.t);
    check(&m, 0, m.max);
    assert_int_equal(count_chunks(&m, true), 0);
    model_end(&m);
}

static void what_is_deleted_stays_deleted(void **state)
{
    (void)state;
    model m;
    fer_err err = {0};
    model_begin(&m, 3 * HOUR_MS);
    int64_t step = 0;
    for (; step < 600; step++)
        live_a_step(&m, step, 300);
    maintain(&m); /* some are in chunks_head */
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    matcher by_name;
    must(matcher_make(a, MATCH_EQ, STR("__name__"), STR("m"), &by_name, &err), &err);
    must(tsdb_delete_series(m.t.db, BEGIN, BEGIN + 400 * STEP_MS, &by_name, 1, NULL, &err), &err);
    for (int i = 0; i < SERIES; i++)
        memset(m.has[i], 0, 401);
    check(&m, 0, m.max);
    test_db_reopen(&m.t);
    check(&m, 0, m.max);
    maintain(&m);
    for (; step < 1000; step++)
        live_a_step(&m, step, 300);
    maintain(&m);
    test_db_reopen(&m.t);
    check(&m, 401, m.max);
    model_end(&m);
}

/* And keeps them: some are in chunks_head, some in memory, some not in a chunk yet. */
static void a_snapshot_has_them(void **state)
{
    (void)state;
    model m;
    fer_err err = {0};
    model_begin(&m, 3 * HOUR_MS);
    int64_t step = 0;
    for (; step < 900; step++)
        live_a_step(&m, step, 3 * HOUR_MS / STEP_MS);
    maintain(&m);
    for (; step < 1000; step++)
        live_a_step(&m, step, 3 * HOUR_MS / STEP_MS);
    must(tsdb_snapshot(m.t.db, "/data/snapshots/one", true, &err), &err);
    must(tsdb_snapshot(m.t.db, "/data/snapshots/two", false, &err), &err);
    check(&m, 0, m.max);
    tsdb_stats st;
    tsdb_stats_get(m.t.db, &st);
    assert_int_equal(st.ooo_series, SERIES);
    size_t in_blocks = count_ooo_blocks(&m);
    test_db_close(&m.t);

    m.t.o.path = "/data/snapshots/one";
    test_db_open(&m.t);
    check(&m, 0, m.max);
    assert_true(count_ooo_blocks(&m) > in_blocks);
    maintain(&m);
    check(&m, 0, m.max);
    test_db_close(&m.t);
    m.t.o.path = "/data/snapshots/two";
    test_db_open(&m.t);
    assert_int_equal(count_ooo_blocks(&m), in_blocks);
    test_db_close(&m.t);

    m.t.o.path = m.t.path;
    test_db_open(&m.t);
    check(&m, 0, m.max);
    model_end(&m);
}

static void delete_of(test_db *t, const char *name, int64_t mint, int64_t maxt)
{
    fer_err err = {0};
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    matcher m;
    must(matcher_make(a, MATCH_EQ, STR("__name__"), str_of(name), &m, &err), &err);
    must(tsdb_delete_series(t->db, mint, maxt, &m, 1, NULL, &err), &err);
}

/* The second deletion makes a block of what is out of order. */
static void what_comes_behind_a_deletion_is_not_lost(void **state)
{
    (void)state;
    test_db t;
    char want[60];
    begin(&t, 2 * HOUR_MS);
    test_write1(&t, "__name__=a", BEGIN, 1);
    test_write1(&t, "__name__=b", BEGIN, 1);
    test_write1(&t, "__name__=a", BEGIN + 2000, 2);
    delete_of(&t, "a", BEGIN, BEGIN + 1500);
    test_write1(&t, "__name__=a", BEGIN + 1000, 3);
    delete_of(&t, "b", BEGIN, BEGIN + 1500);
    snprintf(want, sizeof want, "%lld:3 %lld:2", (long long)BEGIN + 1000, (long long)BEGIN + 2000);
    test_expect(&t, "__name__=a", want);
    test_db_reopen(&t);
    test_expect(&t, "__name__=a", want);
    test_expect(&t, "__name__=b", "");
    test_db_done(&t);
}

/* And is read before that as well: a deletion in the head is one of samples in order. */
static void what_comes_behind_a_deletion_is_read_at_once(void **state)
{
    (void)state;
    test_db t;
    char want[100];
    begin(&t, 2 * HOUR_MS);
    test_write1(&t, "__name__=a", BEGIN + 1000, 1);
    test_write1(&t, "__name__=a", BEGIN + 2000, 2);
    test_write1(&t, "__name__=a", BEGIN + 4000, 4);
    delete_of(&t, "a", BEGIN, BEGIN + 3500);
    test_write1(&t, "__name__=a", BEGIN + 3000, 30);
    test_write1(&t, "__name__=a", BEGIN + 2000, 20);
    snprintf(want, sizeof want, "%lld:20 %lld:30 %lld:4", (long long)BEGIN + 2000,
             (long long)BEGIN + 3000, (long long)BEGIN + 4000);
    test_expect(&t, "__name__=a", want);
    test_db_reopen(&t);
    test_expect(&t, "__name__=a", want);
    delete_of(&t, "b", BEGIN, BEGIN + 3500); /* a block of what is out of order */
    test_expect(&t, "__name__=a", want);
    test_db_reopen(&t);
    test_expect(&t, "__name__=a", want);
    test_db_done(&t);
}

/* What a start finds when the process dies now. */
static void expect_when_killed(const test_db *t, vfs_fault *disk, const char *raw, const char *want)
{
    test_db u;
    vfs_fault *left = vfs_crash_killed(disk, NULL);
    test_db_init_on(&u, vfs_fault_fs(left), t->path);
    u.o.ooo_window_ms = t->o.ooo_window_ms;
    u.clock.wall = t->clock.wall;
    test_db_open(&u);
    test_expect(&u, raw, want);
    test_db_done(&u);
    vfs_fault_free(left);
}

/* Chunks in files stay behind when they are in blocks. That they are done with stands in the log, whose segments go with each
 * block of samples out of order. */
static void what_was_deleted_from_chunks_head_stays_deleted(void **state)
{
    (void)state;
    test_db t;
    fer_err err = {0};
    char want[60];
    vfs_fault *disk = vfs_fault_new(NULL);
    test_db_init_on(&t, vfs_fault_fs(disk), "/data");
    t.o.ooo_window_ms = 2 * HOUR_MS;
    t.clock.wall = BEGIN + HOUR_MS;
    test_db_open(&t);
    test_write1(&t, "__name__=a", BEGIN + 4000, 4);
    test_write1(&t, "__name__=a", BEGIN + 1000, 1);
    must(tsdb_snapshot(t.db, "/data/snapshots/one", true, &err), &err); /* makes a chunk of it */
    must(tsdb_maintenance_step(t.db, &err), &err);
    delete_of(&t, "a", BEGIN, BEGIN + 1500);
    snprintf(want, sizeof want, "%lld:4", (long long)BEGIN + 4000);
    expect_when_killed(&t, disk, "__name__=a", want);

    test_write1(&t, "__name__=b", BEGIN + 4000, 4);
    test_write1(&t, "__name__=b", BEGIN + 2000, 2);
    t.db->m.ooo_due = true;
    must(tsdb_maintenance_step(t.db, &err), &err);
    test_expect(&t, "__name__=a", want);
    expect_when_killed(&t, disk, "__name__=a", want);
    test_db_done(&t);
    vfs_fault_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_window_it_is_refused),
        cmocka_unit_test(in_the_window_it_is_taken_and_read_in_its_place),
        cmocka_unit_test(below_the_window_it_is_too_old),
        cmocka_unit_test(a_series_may_begin_with_one),
        cmocka_unit_test(of_equal_times_the_first_counts),
        cmocka_unit_test(the_window_changes_while_it_runs),
        cmocka_unit_test(all_is_read_through_restarts_and_compactions),
        cmocka_unit_test(there_is_always_a_segment),
        cmocka_unit_test(compaction_gives_back_memory_and_log),
        cmocka_unit_test(what_comes_behind_a_line_is_not_frozen),
        cmocka_unit_test(full_chunks_go_to_chunks_head_and_are_read_back),
        cmocka_unit_test(what_is_deleted_stays_deleted),
        cmocka_unit_test(a_snapshot_has_them),
        cmocka_unit_test(what_comes_behind_a_deletion_is_not_lost),
        cmocka_unit_test(what_comes_behind_a_deletion_is_read_at_once),
        cmocka_unit_test(what_was_deleted_from_chunks_head_stays_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Three days in the life of a database, on a fake clock and a disk in memory. After every pass of maintenance
 * each sample that was acknowledged and is not expired is answered, once and with its value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/vfs_fault.h"
#include "tsdb/block/block_testing.h"
#include "tsdb/tsdb_int.h"
#include "tsdb/tsdb_testing.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
/* A multiple of 54 h, so that windows of all sizes begin here. */
#define BEGIN (INT64_C(8744) * 54 * HOUR_MS)

enum { STEADY = 6, CHURNED = 4, ROWS = STEADY + CHURNED, TEXT_MAX = 40 };

typedef struct life {
    test_db t;
    vfs_fault *disk;
    int64_t now;   /* the next minute to write */
    int64_t first; /* of the first sample written */
    /* rows' texts live as long as the database under test */
    fer_arena *texts;
    char hour[ROWS][TEXT_MAX];
} life;

static void begin(life *l)
{
    memset(l, 0, sizeof *l);
    l->disk = vfs_fault_new(NULL);
    test_db_init_on(&l->t, vfs_fault_fs(l->disk), "/data");
    l->t.o.wal_segment_bytes = 32 * 1024;
    l->now = l->first = BEGIN;
    l->t.clock.wall = BEGIN;
    l->texts = fer_arena_new(NULL, 0);
}

static void end(life *l)
{
    test_db_close(&l->t);
    test_db_done(&l->t);
    fer_arena_free(l->texts);
    vfs_fault_free(l->disk);
}

/* Series 0..STEADY-1 are always there, the others a new set each hour. */
static void name_series(char *out, int i, int64_t t)
{
    if (i < STEADY)
        snprintf(out, TEXT_MAX, "__name__=steady,i=%d", i);
    else
        snprintf(out, TEXT_MAX, "__name__=churned,h=%03d,i=%d", (int)((t - BEGIN) / HOUR_MS), i);
}

static double value_at(int i, int64_t t)
{
    return (double)((t - BEGIN) / MINUTE_MS % 977 * (i + 1)) / 8;
}

static void live_a_minute(life *l)
{
    tsdb_row rows[ROWS];
    for (int i = 0; i < ROWS; i++) {
        char text[TEXT_MAX];
        name_series(text, i, l->now);
        if (strcmp(text, l->hour[i]) != 0)
            memcpy(l->hour[i], text, sizeof text);
        rows[i] = test_row(&l->t, l->hour[i], l->now, value_at(i, l->now));
    }
    test_write(&l->t, rows, ROWS);
    l->now += MINUTE_MS;
    fer_clock_fake_advance(&l->t.clock, MINUTE_MS);
}

/* The series' samples run without a gap to `last` and begin where the database begins to remember. */
static void check_series(const samples *s, int i, int64_t first, int64_t last, int64_t kept_from)
{
    assert_true(s->n != 0);
    assert_int_equal(s->t[s->n - 1], last);
    assert_true(s->t[0] == first || (s->t[0] > first && s->t[0] <= kept_from));
    for (size_t k = 0; k < s->n; k++) {
        if (s->t[k] != s->t[0] + (int64_t)k * MINUTE_MS || s->v[k] != value_at(i, s->t[k]))
            fail_msg("series %d: sample %zu at %lld is %g", i, k, (long long)(s->t[k] - BEGIN),
                     s->v[k]);
    }
}

/* Samples from kept_from on must be there, older ones may. */
static void check_all(life *l, int64_t kept_from)
{
    test_query q;
    test_query_begin(&q, l->t.db, INT64_MIN, INT64_MAX);
    static const char *m[][3] = {{"__name__", "!=", ""}};
    selection *sel = test_select(&q, m, 1, true);
    samples s;
    fer_err err = {0};
    samples_init(&s, NULL);
    int64_t hours = (l->now - MINUTE_MS - l->first) / HOUR_MS;
    size_t want = STEADY;
    for (int64_t h = 0; h <= hours; h++)
        want += l->first + (h + 1) * HOUR_MS > kept_from ? CHURNED : 0;
    size_t steady = 0, recent = 0;
    for (size_t k = 0; k < sel->n; k++) {
        const char *name = test_labels(&q, sel, k);
        int i, h;
        samples_clear(&s);
        must(selection_read(sel, k, INT64_MIN, INT64_MAX, &s, &err), &err);
        if (sscanf(name, "__name__=steady,i=%d", &i) == 1) {
            check_series(&s, i, l->first, l->now - MINUTE_MS, kept_from);
            steady++;
        } else if (sscanf(name, "__name__=churned,h=%d,i=%d", &h, &i) == 2 && s.n != 0) {
            int64_t first = BEGIN + h * HOUR_MS, last = first + HOUR_MS - MINUTE_MS;
            if (first + HOUR_MS > kept_from) {
                check_series(&s, i, first, last < l->now ? last : l->now - MINUTE_MS, kept_from);
                recent++;
            }
        }
    }
    assert_int_equal(steady, STEADY);
    assert_int_equal(steady + recent, want);
    samples_done(&s);
    test_query_end(&q);
}

static void step(life *l)
{
    fer_err err = {0};
    must(tsdb_maintenance_step(l->t.db, &err), &err);
}

static void no_folder_is_left_over(life *l)
{
    block_list all = block_set_all(&l->t.db->blocks);
    block_names names = list_blocks(l->t.o.fs, "/data");
    assert_int_equal(names.n, all.n);
    block_list_done(&all);
}

static void live(life *l, int64_t hours, int64_t retention_ms)
{
    for (int64_t m = 1; m <= hours * 60; m++) {
        live_a_minute(l);
        if (m % 30 != 0)
            continue;
        step(l);
        int64_t kept_from = l->first;
        if (retention_ms != 0 && l->now - retention_ms > kept_from)
            kept_from = l->now - retention_ms;
        if (m % 60 == 0)
            check_all(l, kept_from);
    }
}

static void three_days_lose_and_double_nothing(void **state)
{
    (void)state;
    life l;
    begin(&l);
    test_db_open(&l.t);
    for (int day = 0; day < 3; day++) {
        live(&l, 20, 0);
        test_db_reopen(&l.t);
        check_all(&l, l.first);
        live(&l, 4, 0);
    }
    no_folder_is_left_over(&l);
    tsdb_stats st;
    tsdb_stats_get(l.t.db, &st);
    tsdb_maintenance_stats ms;
    tsdb_maintenance_stats_get(l.t.db, &ms);
    assert_true(ms.compactions > 0 && ms.compactions_failed == 0);
    assert_int_equal(ms.compaction_runs.n, ms.compactions);
    assert_true(ms.chunks.samples.n > 0 && ms.chunks.samples.sum >= 60.0 * ROWS);
    assert_int_equal(ms.chunks.bytes.n, ms.chunks.samples.n);
    assert_int_equal(ms.chunks.range_ms.n, ms.chunks.samples.n);
    assert_true(ms.chunks.range_ms.sum > 0 && !ms.writing_block);
    assert_true(st.series <= STEADY + 5 * CHURNED); /* the head forgets what blocks hold */
    assert_true(st.wal_segment > 10 && st.wal_bytes_on_disk < 4 * 1024 * 1024);
    assert_true(st.max_time - st.min_time <= 4 * HOUR_MS);
    /* 72 h are one block of 54 h, those of 18 and 6 h behind it, and some of two */
    block_list all = block_set_all(&l.t.db->blocks);
    assert_int_equal(all.v[0]->meta.max_time - all.v[0]->meta.min_time, 54 * HOUR_MS);
    assert_int_equal(all.v[0]->meta.level, 4);
    assert_true(all.n <= 6);
    for (size_t i = 1; i < all.n; i++)
        assert_int_equal(all.v[i]->meta.min_time, all.v[i - 1]->meta.max_time);
    block_list_done(&all);
    end(&l);
}

static void a_restart_forgets_series_that_are_in_blocks_alone(void **state)
{
    (void)state;
    life l;
    begin(&l);
    l.t.o.wal_segment_bytes = 0; /* one that keeps all */
    test_db_open(&l.t);
    live(&l, 4, 0); /* cut at the end of the second hour */
    tsdb_stats before, after;
    tsdb_stats_get(l.t.db, &before);
    assert_int_equal(before.series, STEADY + 2 * CHURNED);
    assert_int_equal(before.series_removed, 2 * CHURNED);
    test_db_reopen(&l.t);
    tsdb_stats_get(l.t.db, &after);
    assert_int_equal(after.series, before.series);
    assert_int_equal(after.min_time, before.min_time);
    assert_int_equal(after.max_time, before.max_time);
    check_all(&l, l.first);
    live(&l, 4, 0); /* the log is cut: what it keeps suffices */
    test_db_reopen(&l.t);
    check_all(&l, l.first);
    end(&l);
}

static void what_is_beyond_retention_goes(void **state)
{
    (void)state;
    life l;
    begin(&l);
    l.t.o.retention_ms = 20 * HOUR_MS;
    test_db_open(&l.t);
    live(&l, 40, 20 * HOUR_MS);
    no_folder_is_left_over(&l);
    tsdb_maintenance_stats ms;
    tsdb_maintenance_stats_get(l.t.db, &ms);
    assert_true(ms.time_retentions > 0);
    block_list all = block_set_all(&l.t.db->blocks);
    for (size_t i = 0; i < all.n; i++) {
        assert_true(all.v[all.n - 1]->meta.max_time - all.v[i]->meta.max_time < 20 * HOUR_MS);
        assert_true(all.v[i]->meta.max_time - all.v[i]->meta.min_time <= 2 * HOUR_MS); /* a tenth */
    }
    block_list_done(&all);
    end(&l);
}

static void the_size_is_kept(void **state)
{
    (void)state;
    life l;
    begin(&l);
    l.t.o.retention_bytes = 100 * 1024;
    test_db_open(&l.t);
    live(&l, 1, 0);
    for (int64_t m = 1; m <= 30 * 60; m++) {
        live_a_minute(&l);
        if (m % 60 == 0)
            step(&l);
    }
    tsdb_maintenance_stats ms;
    tsdb_stats st;
    tsdb_maintenance_stats_get(l.t.db, &ms);
    tsdb_stats_get(l.t.db, &st);
    assert_true(ms.size_retentions > 0);
    assert_true(st.blocks_bytes + st.wal_bytes_on_disk <= 100 * 1024);
    no_folder_is_left_over(&l);
    end(&l);
}

static void a_disk_that_is_full_costs_only_time(void **state)
{
    (void)state;
    life l;
    begin(&l);
    test_db_open(&l.t);
    for (int m = 0; m < 5 * 60; m++)
        live_a_minute(&l);
    fer_err err = {0};
    /* every place where a head cut can fail */
    for (uint64_t nth = 1; nth < 30; nth += 3) {
        vfs_fault_set(l.disk, &(vfs_fault_rule){.kind = VFS_CALL_ANY,
                                                .nth = nth,
                                                .from_then_on = true,
                                                .sys = 28,
                                                .path = "tmp-for-creation"});
        assert_int_not_equal(tsdb_maintenance_step(l.t.db, &err), FER_OK);
        vfs_fault_clear(l.disk);
        check_all(&l, l.first);
    }
    tsdb_maintenance_stats ms;
    tsdb_maintenance_stats_get(l.t.db, &ms);
    assert_int_equal(ms.compactions, 0);
    assert_true(ms.compactions_failed > 0);
    step(&l);
    check_all(&l, l.first);
    test_db_reopen(&l.t);
    check_all(&l, l.first);
    no_folder_is_left_over(&l);
    end(&l);
}

static void a_damaged_block_stops_no_other(void **state)
{
    (void)state;
    life l;
    begin(&l);
    l.t.o.max_block_ms = 6 * HOUR_MS;
    test_db_open(&l.t);
    for (int m = 0; m < 9 * 60; m++) {
        live_a_minute(&l);
        if (m % 60 == 59 && m < 7 * 60)
            step(&l); /* two blocks of the first window */
    }
    block_list all = block_set_all(&l.t.db->blocks);
    assert_true(all.n >= 2);
    char path[PATH_MAX];
    snprintf(path, sizeof path, "/data/%s/chunks/000001", all.v[0]->name);
    char first[ULID_CHARS + 1];
    memcpy(first, all.v[0]->name, sizeof first);
    block_list_done(&all);
    test_db_close(&l.t);
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    fer_str bytes = read_file(l.t.o.fs, path, a);
    ((char *)bytes.p)[bytes.n / 2] ^= 1;
    write_file(l.t.o.fs, path, bytes);
    test_db_open(&l.t);
    fer_err err = {0};
    fer_code failed = FER_OK;
    for (int m = 0; m < 8 * 60; m++) {
        live_a_minute(&l);
        if (m % 60 == 59) {
            fer_code code = tsdb_maintenance_step(l.t.db, &err);
            if (code != FER_OK)
                failed = code;
        }
    }
    assert_int_equal(failed, FER_CORRUPT);
    all = block_set_all(&l.t.db->blocks);
    assert_string_equal(all.v[0]->name, first);
    assert_true(all.v[0]->meta.failed); /* named on disk, not tried again */
    bool merged = false;
    for (size_t i = 0; i < all.n; i++)
        merged |= all.v[i]->meta.level == 2;
    for (size_t i = 1; i < all.n; i++)
        assert_false(all.v[i]->meta.failed);
    assert_true(merged);
    block_list_done(&all);
    assert_int_equal(tsdb_maintenance_step(l.t.db, &err), FER_OK);
    end(&l);
}

static void a_snapshot_is_a_database_of_its_own(void **state)
{
    (void)state;
    life l;
    begin(&l);
    test_db_open(&l.t);
    live(&l, 9, 0);
    fer_err err = {0};
    must(tsdb_snapshot(l.t.db, "/data/snapshots/one", true, &err), &err);
    must(tsdb_snapshot(l.t.db, "/data/snapshots/two", false, &err), &err);
    size_t blocks = list_blocks(l.t.o.fs, "/data").n;
    assert_int_equal(list_blocks(l.t.o.fs, "/data/snapshots/one").n, blocks + 1);
    assert_int_equal(list_blocks(l.t.o.fs, "/data/snapshots/two").n, blocks);
    test_db_close(&l.t);
    l.t.o.path = "/data/snapshots/one";
    test_db_open(&l.t);
    check_all(&l, l.first);
    end(&l);
}

static void blocks_are_cleaned_of_what_is_deleted(void **state)
{
    (void)state;
    static const char *const goldens[] = {"prometheus-2.42", "compacted-windows-3.5/in"};
    for (size_t i = 0; i < 2; i++) {
        life l;
        begin(&l);
        copy_golden(l.t.o.fs, "/data", goldens[i]);
        test_db_open(&l.t);
        fer_err err = {0};
        fer_buf before, after;
        fer_buf_init(&before, 1 << 24, NULL);
        fer_buf_init(&after, 1 << 24, NULL);
        test_query q;
        test_query_begin(&q, l.t.db, INT64_MIN, INT64_MAX);
        dump_querier(&before, q.q, NULL, 0);
        must(tsdb_clean_tombstones(l.t.db, &err), &err);
        dump_querier(&after, q.q, NULL, 0); /* who had the old blocks reads on */
        assert_same_text(&after, &before);
        test_query_end(&q);
        test_db_reopen(&l.t);
        fer_buf_clear(&after);
        test_query_begin(&q, l.t.db, INT64_MIN, INT64_MAX);
        dump_querier(&after, q.q, NULL, 0);
        assert_same_text(&after, &before);
        test_query_end(&q);
        block_list all = block_set_all(&l.t.db->blocks);
        for (size_t k = 0; k < all.n; k++)
            assert_int_equal(all.v[k]->stones.n, 0);
        block_list_done(&all);
        no_folder_is_left_over(&l);
        fer_buf_done(&before);
        fer_buf_done(&after);
        end(&l);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_days_lose_and_double_nothing),
        cmocka_unit_test(a_restart_forgets_series_that_are_in_blocks_alone),
        cmocka_unit_test(what_is_beyond_retention_goes),
        cmocka_unit_test(the_size_is_kept),
        cmocka_unit_test(a_disk_that_is_full_costs_only_time),
        cmocka_unit_test(a_damaged_block_stops_no_other),
        cmocka_unit_test(a_snapshot_is_a_database_of_its_own),
        cmocka_unit_test(blocks_are_cleaned_of_what_is_deleted),
    };
    return cmocka_run_group_tests_name("maintenance", tests, NULL, NULL);
}

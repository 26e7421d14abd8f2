/* Series deleted in head and blocks: what is answered, what a restart and a crash keep, what becomes of it when the head is
 * cut, the log cut short and blocks are written anew. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/vfs_fault.h"
#include "tsdb/block/block_testing.h"
#include "tsdb/head/head_delete.h"
#include "tsdb/maintenance/truncate.h"
#include "tsdb/tsdb_int.h"
#include "tsdb/tsdb_testing.h"

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define BEGIN (INT64_C(8744) * 54 * HOUR)

typedef struct mem_db {
    test_db t;
    vfs_fault *disk;
} mem_db;

static int make_db(void **state)
{
    mem_db *m = fer_calloc(1, sizeof *m);
    m->disk = vfs_fault_new(NULL);
    test_db_init_on(&m->t, vfs_fault_fs(m->disk), "/data");
    m->t.o.wal_segment_bytes = 32 * 1024;
    m->t.clock.wall = BEGIN;
    test_db_open(&m->t);
    *state = m;
    return 0;
}

static int drop_db(void **state)
{
    mem_db *m = *state;
    test_db_done(&m->t);
    vfs_fault_free(m->disk);
    fer_free(m);
    return 0;
}

static const matcher *name_is(fer_arena *a, const char *name)
{
    matcher *m = ARENA_NEW(a, matcher);
    fer_err err = {0};
    must(matcher_make(a, MATCH_EQ, STR("__name__"), str_of(name), m, &err), &err);
    return m;
}

static void delete_range(test_db *t, const char *name, int64_t mint, int64_t maxt)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    must(tsdb_delete_series(t->db, mint, maxt, name_is(a, name), 1, NULL, &t->err), &t->err);
}

/* Samples of a and b, one a minute, value = minutes since BEGIN. */
static void live(test_db *t, int from, int to)
{
    for (int i = from; i < to; i++) {
        tsdb_row rows[2] = {test_row(t, "__name__=a", BEGIN + i * MINUTE, i),
                            test_row(t, "__name__=b", BEGIN + i * MINUTE, i)};
        test_write(t, rows, 2);
        fer_clock_fake_advance(&t->clock, MINUTE);
    }
}

/* The minutes from, from + 1, ..., to - 1 but for those in [gone_from, gone_to]. */
static void expect_minutes(test_db *t, const char *raw, int from, int to, int gone_from,
                           int gone_to)
{
    test_query q;
    test_query_begin(&q, t->db, INT64_MIN, INT64_MAX);
    fer_buf want;
    fer_buf_init(&want, 1 << 20, NULL);
    for (int i = from; i < to; i++)
        if (i < gone_from || i > gone_to)
            fer_buf_printf(&want, "%s%lld:%d", want.n == 0 ? "" : " ",
                           (long long)(BEGIN + i * MINUTE), i);
    fer_buf_putc(&want, '\0');
    assert_string_equal(test_samples(&q, raw), want.p);
    fer_buf_done(&want);
    test_query_end(&q);
}

static size_t count_series(test_db *t, int64_t mint, int64_t maxt)
{
    test_query q;
    test_query_begin(&q, t->db, mint, maxt);
    static const char *m[][3] = {{"__name__", "!=", ""}};
    size_t n = test_select(&q, m, 1, true)->n;
    test_query_end(&q);
    return n;
}

static void what_is_deleted_is_not_answered_and_stays_so(void **state)
{
    test_db *t = &((mem_db *)*state)->t;
    live(t, 0, 60);
    delete_range(t, "a", BEGIN + 10 * MINUTE, BEGIN + 19 * MINUTE);
    for (int round = 0; round < 3; round++) {
        expect_minutes(t, "__name__=a", 0, 60, 10, 19);
        expect_minutes(t, "__name__=b", 0, 60, 1, 0);
        test_db_reopen(t);
    }
    delete_range(t, "a", BEGIN + 15 * MINUTE, BEGIN + 29 * MINUTE); /* joins the other */
    assert_int_equal(t->db->h.stones->t.n, 1);
    expect_minutes(t, "__name__=a", 0, 60, 10, 29);
    live(t, 60, 70);
    test_db_reopen(t);
    expect_minutes(t, "__name__=a", 0, 70, 10, 29);
}

static void samples_behind_a_deletion_are_not_deleted(void **state)
{
    test_db *t = &((mem_db *)*state)->t;
    live(t, 0, 20);
    delete_range(t, "a", INT64_MIN, INT64_MAX);
    expect_minutes(t, "__name__=a", 0, 0, 1, 0);
    live(t, 20, 30);
    expect_minutes(t, "__name__=a", 20, 30, 1, 0);
    expect_minutes(t, "__name__=b", 0, 30, 1, 0);
    test_db_reopen(t);
    expect_minutes(t, "__name__=a", 20, 30, 1, 0);
    delete_range(t, "no such series", INT64_MIN, INT64_MAX);
    delete_range(t, "a", BEGIN + 31 * MINUTE, INT64_MAX);
    delete_range(t, "a", 5, 4);
    expect_minutes(t, "__name__=a", 20, 30, 1, 0);
}

/* The newest sample is known without decoding: not when it is deleted. */
static void the_newest_sample_may_be_deleted(void **state)
{
    test_db *t = &((mem_db *)*state)->t;
    live(t, 0, 20);
    delete_range(t, "a", BEGIN + 19 * MINUTE, INT64_MAX);
    test_query q;
    test_query_begin(&q, t->db, INT64_MIN, INT64_MAX);
    select_hints h = {.mint = INT64_MIN, .maxt = INT64_MAX, .newest_only = true};
    selection *s;
    must(querier_select(q.q, &h, name_is(q.arena, "a"), 1, &s, &t->err), &t->err);
    samples got;
    samples_init(&got, NULL);
    must(selection_read(s, 0, INT64_MIN, INT64_MAX, &got, &t->err), &t->err);
    assert_int_equal(got.t[got.n - 1], BEGIN + 18 * MINUTE);
    samples_done(&got);
    test_query_end(&q);
}

static void who_reads_reads_on(void **state)
{
    test_db *t = &((mem_db *)*state)->t;
    live(t, 0, 5 * 60); /* head and a block */
    must(tsdb_maintenance_step(t->db, &t->err), &t->err);
    test_query q;
    test_query_begin(&q, t->db, INT64_MIN, INT64_MAX);
    select_hints h = {.mint = INT64_MIN, .maxt = INT64_MAX};
    selection *s;
    must(querier_select(q.q, &h, name_is(q.arena, "a"), 1, &s, &t->err), &t->err);
    delete_range(t, "a", INT64_MIN, INT64_MAX);
    must(tsdb_clean_tombstones(t->db, &t->err), &t->err);
    samples got;
    samples_init(&got, NULL);
    must(selection_read(s, 0, INT64_MIN, INT64_MAX, &got, &t->err), &t->err);
    assert_int_equal(got.n, 5 * 60);
    samples_done(&got);
    test_query_end(&q);
    expect_minutes(t, "__name__=a", 0, 0, 1, 0);
    expect_minutes(t, "__name__=b", 0, 5 * 60, 1, 0);
}

/* As in Prometheus: a series whose chunks are deleted as a whole is not selected, one with an open chunk is. */
static void which_series_are_selected(void **state)
{
    test_db *t = &((mem_db *)*state)->t;
    live(t, 0, 3 * 60);
    assert_int_equal(count_series(t, INT64_MIN, INT64_MAX), 2);
    delete_range(t, "a", INT64_MIN, INT64_MAX);
    assert_int_equal(count_series(t, INT64_MIN, INT64_MAX), 2);
    assert_int_equal(count_series(t, INT64_MIN, BEGIN + HOUR), 1);
}

static void deletions_are_left_out_of_the_block_that_is_cut(void **state)
{
    test_db *t = &((mem_db *)*state)->t;
    live(t, 0, 4 * 60);
    delete_range(t, "a", BEGIN + 50 * MINUTE, BEGIN + 2 * HOUR + 9 * MINUTE);
    must(tsdb_maintenance_step(t->db, &t->err), &t->err);
    block_list l = block_set_all(&t->db->blocks);
    assert_int_equal(l.n, 1);
    assert_int_equal(l.v[0]->meta.stats.samples, 120 + 50);
    assert_int_equal(l.v[0]->stones.n, 0);
    block_list_done(&l);
    for (int round = 0; round < 2; round++) {
        expect_minutes(t, "__name__=a", 0, 4 * 60, 50, 2 * 60 + 9);
        expect_minutes(t, "__name__=b", 0, 4 * 60, 1, 0);
        test_db_reopen(t);
    }
}

/* A head of which all is deleted makes no block; what is deleted stays deleted, and is forgotten in the end. */
static void deletions_go_with_the_samples(void **state)
{
    test_db *t = &((mem_db *)*state)->t;
    live(t, 0, 100);
    delete_range(t, "a", INT64_MIN, INT64_MAX);
    delete_range(t, "b", INT64_MIN, INT64_MAX);
    for (int round = 0; round < 8; round++) {
        live(t, 100 + round * 60, 160 + round * 60);
        must(tsdb_maintenance_step(t->db, &t->err), &t->err);
        expect_minutes(t, "__name__=a", 100, 160 + round * 60, 1, 0);
        test_db_reopen(t);
        expect_minutes(t, "__name__=b", 100, 160 + round * 60, 1, 0);
    }
    assert_null(t->db->h.stones);
}

/* Nothing is left of the first two hours, so there is no block of them; files of chunks_head still have them. */
static void all_that_is_cut_may_be_deleted(void **state)
{
    test_db *t = &((mem_db *)*state)->t;
    live(t, 0, 150);
    must(tsdb_maintenance_step(t->db, &t->err), &t->err); /* chunks go to files */
    delete_range(t, "a", INT64_MIN, BEGIN + 2 * HOUR - 1);
    delete_range(t, "b", INT64_MIN, BEGIN + 2 * HOUR - 1);
    for (int i = 0; i < 6; i++) {
        committer_cut(&t->db->c);
        live(t, 150 + i * 10, 160 + i * 10);
        for (int k = 0; k < 100; k++) /* chunks of these keep the files */
            test_write1(t, "__name__=c", BEGIN + (150 + i * 10) * MINUTE + k * MINUTE / 10, k);
    }
    must(tsdb_maintenance_step(t->db, &t->err), &t->err);
    assert_int_equal(list_blocks(t->o.fs, "/data").n, 0);
    for (int round = 0; round < 2; round++) {
        expect_minutes(t, "__name__=a", 120, 210, 1, 0);
        expect_minutes(t, "__name__=b", 120, 210, 1, 0);
        test_db_reopen(t);
    }
}

static void checkpoints_keep_deletions(void **state)
{
    test_db *t = &((mem_db *)*state)->t;
    live(t, 0, 60);
    delete_range(t, "a", BEGIN + 10 * MINUTE, BEGIN + 19 * MINUTE);
    bool any = false;
    for (int i = 0; i < 6; i++) {
        wal_truncation w;
        live(t, 60 + i, 61 + i);
        must(tsdb_truncate_wal(t->db, BEGIN + 5 * MINUTE, &w, &t->err), &t->err);
        live(t, 66 + i * 2, 68 + i * 2 - 1);
        any |= w.done;
        test_commit(t);
    }
    assert_true(any);
    test_db_reopen(t);
    test_query q;
    test_query_begin(&q, t->db, BEGIN + 9 * MINUTE, BEGIN + 20 * MINUTE);
    char want[64];
    snprintf(want, sizeof want, "%lld:9 %lld:20", (long long)(BEGIN + 9 * MINUTE),
             (long long)(BEGIN + 20 * MINUTE));
    assert_string_equal(test_samples(&q, "__name__=a"), want);
    test_query_end(&q);
}

/* Files of tombstones and meta.json say what is answered. */
static void blocks_are_deleted_from_and_cleaned(void **state)
{
    test_db *t = &((mem_db *)*state)->t;
    live(t, 0, 5 * 60);
    must(tsdb_maintenance_step(t->db, &t->err), &t->err);
    delete_range(t, "a", BEGIN + 10 * MINUTE, BEGIN + 19 * MINUTE);
    delete_range(t, "a", BEGIN + 30 * MINUTE, BEGIN + 39 * MINUTE);
    delete_range(t, "b", BEGIN + 30 * MINUTE, BEGIN + 39 * MINUTE);
    for (int round = 0; round < 2; round++) {
        block_list l = block_set_all(&t->db->blocks);
        assert_int_equal(l.n, 1);
        assert_int_equal(l.v[0]->stones.n, 3);
        assert_int_equal(l.v[0]->meta.stats.tombstones, 3);
        block_list_done(&l);
        expect_minutes(t, "__name__=b", 0, 5 * 60, 30, 39);
        test_db_reopen(t);
    }
    must(tsdb_clean_tombstones(t->db, &t->err), &t->err);
    for (int round = 0; round < 2; round++) {
        block_list l = block_set_all(&t->db->blocks);
        assert_int_equal(l.n, 1);
        assert_int_equal(l.v[0]->stones.n, 0);
        assert_int_equal(l.v[0]->meta.stats.tombstones, 0);
        assert_int_equal(l.v[0]->meta.stats.samples, 240 - 30);
        block_list_done(&l);
        expect_minutes(t, "__name__=b", 0, 5 * 60, 30, 39);
        test_db_reopen(t);
    }
    delete_range(t, "a", INT64_MIN, BEGIN + 2 * HOUR);
    delete_range(t, "b", INT64_MIN, BEGIN + 2 * HOUR);
    /* As long as it is the newest an empty block stays: it tells a start what of the log is not wanted. */
    for (int round = 0; round < 2; round++) {
        must(tsdb_clean_tombstones(t->db, &t->err), &t->err);
        assert_int_equal(list_blocks(t->o.fs, "/data").n, 1);
        expect_minutes(t, "__name__=b", 2 * 60 + 1, 5 * 60, 1, 0);
        test_db_reopen(t);
    }
    live(t, 5 * 60, 6 * 60);
    must(tsdb_maintenance_step(t->db, &t->err), &t->err);
    must(tsdb_clean_tombstones(t->db, &t->err), &t->err);
    assert_int_equal(list_blocks(t->o.fs, "/data").n, 1);
    for (int round = 0; round < 2; round++) {
        expect_minutes(t, "__name__=b", 2 * 60 + 1, 6 * 60, 1, 0);
        test_db_reopen(t);
    }
}

/* Each call on the disk fails in turn: no deletion is told that is not in force after a restart, and nothing else goes. */
static void a_failing_disk_deletes_all_or_says_so(void **state)
{
    mem_db *m = *state;
    test_db *t = &m->t;
    live(t, 0, 5 * 60);
    must(tsdb_maintenance_step(t->db, &t->err), &t->err);
    FER_CLEANUP(fer_arena_freep) fer_arena *arena = fer_arena_new(NULL, 0);
    const matcher *a = name_is(arena, "a");
    int failed = 0;
    for (unsigned nth = 1; nth < 200; nth++) {
        int64_t mint = BEGIN + nth * MINUTE, maxt = BEGIN + 3 * HOUR + nth * MINUTE;
        vfs_fault_rule rule = {.kind = VFS_CALL_ANY, .nth = nth, .sys = EIO};
        vfs_fault_set(m->disk, &rule);
        fer_code code = tsdb_delete_series(t->db, mint, maxt, a, 1, NULL, &t->err);
        bool hit = vfs_fault_hits(m->disk) != 0;
        vfs_fault_clear(m->disk);
        failed += code != FER_OK;
        test_commit(t);
        test_db_reopen(t);
        if (code == FER_OK) {
            test_query q;
            test_query_begin(&q, t->db, mint, maxt);
            assert_string_equal(test_samples(&q, "__name__=a"), "");
            test_query_end(&q);
        }
        expect_minutes(t, "__name__=b", 0, 5 * 60, 1, 0);
        if (!hit)
            break;
    }
    assert_true(failed > 5);
}

/* A block whose writing failed may have its name all the same, and a start serves it: nobody deletes from it meanwhile. */
static void blocks_that_failed_are_not_forgotten(void **state)
{
    bool hit = true;
    for (unsigned nth = 1; hit; nth++) {
        drop_db(state);
        make_db(state);
        mem_db *m = *state;
        test_db *t = &m->t;
        live(t, 0, 190);
        vfs_fault_rule rule = {.kind = VFS_CALL_SYNC_DIR, .nth = nth, .sys = EIO};
        vfs_fault_set(m->disk, &rule);
        fer_code code = tsdb_maintenance_step(t->db, &t->err);
        (void)code;
        hit = vfs_fault_hits(m->disk) != 0;
        vfs_fault_clear(m->disk);
        delete_range(t, "a", INT64_MIN, INT64_MAX);
        test_db_reopen(t);
        expect_minutes(t, "__name__=a", 0, 0, 1, 0);
        expect_minutes(t, "__name__=b", 0, 190, 1, 0);
    }
}

static void a_block_that_cannot_be_read_is_told(void **state)
{
    mem_db *m = *state;
    test_db *t = &m->t;
    live(t, 0, 5 * 60);
    must(tsdb_maintenance_step(t->db, &t->err), &t->err);
    test_db_close(t);
    vfs_fault_rule rule = {.kind = VFS_CALL_OPEN, .nth = 1, .sys = EIO, .path = "index"};
    vfs_fault_set(m->disk, &rule);
    test_db_open(t);
    vfs_fault_clear(m->disk);
    FER_CLEANUP(fer_arena_freep) fer_arena *arena = fer_arena_new(NULL, 0);
    const matcher *a = name_is(arena, "a");
    assert_int_equal(tsdb_delete_series(t->db, BEGIN, BEGIN + 4 * HOUR, a, 1, NULL, &t->err),
                     FER_IO);
    assert_non_null(strstr(t->err.msg, "cannot be read"));
    delete_range(t, "a", BEGIN + 4 * HOUR, INT64_MAX); /* where the block has none */
    test_db_reopen(t);
    delete_range(t, "a", INT64_MIN, INT64_MAX);
    expect_minutes(t, "__name__=a", 0, 0, 1, 0);
}

int main(void)
{
#define DB(name) cmocka_unit_test_setup_teardown(name, make_db, drop_db)
    const struct CMUnitTest tests[] = {
        DB(what_is_deleted_is_not_answered_and_stays_so),
        DB(samples_behind_a_deletion_are_not_deleted),
        DB(the_newest_sample_may_be_deleted),
        DB(who_reads_reads_on),
        DB(which_series_are_selected),
        DB(deletions_are_left_out_of_the_block_that_is_cut),
        DB(deletions_go_with_the_samples),
        DB(all_that_is_cut_may_be_deleted),
        DB(checkpoints_keep_deletions),
        DB(blocks_are_deleted_from_and_cleaned),
        DB(a_failing_disk_deletes_all_or_says_so),
        DB(blocks_that_failed_are_not_forgotten),
        DB(a_block_that_cannot_be_read_is_told),
    };
    return cmocka_run_group_tests_name("delete", tests, NULL, NULL);
}

/* The log on a disk that fails and crashes. A program of batches is written, each call of the disk
 * failing in turn; whatever wal_sync acknowledged is read back, whole and in order, and once the disk
 * is well again everything is. */
#include "tsdb/wal/wal_testing.h"

#include <errno.h>
#include <stdio.h>

#include "base/rng.h"
#include "base/vfs_fault.h"

enum { BATCHES = 14, TRIES_BEFORE_RECOVERY = 3 };

typedef struct run {
    vfs_fault *disk;
    vfs *fs;
    wal_options o;
    bool relax; /* wal-sync=none: nothing is acknowledged by sync */
    fer_buf scratch;
    wal *w;
    uint64_t appended; /* records */
    uint64_t acked;    /* of them durable by word of wal_sync */
    int failures;
    rec_list read;
} run;

static void run_init(run *r, const wal_options *o)
{
    *r = (run){.disk = vfs_fault_new(NULL), .o = *o};
    r->fs = vfs_fault_fs(r->disk);
    fer_buf_init(&r->scratch, 1 << 20, NULL);
    rec_list_init(&r->read);
    fer_err err = {0};
    if (vfs_mkdir_all(r->fs, "data", &err) != FER_OK || vfs_sync_dir(r->fs, ".", &err) != FER_OK)
        fail_msg("%s", err.msg);
}

static void run_done(run *r)
{
    vfs_fault_free(r->disk);
    fer_buf_done(&r->scratch);
    rec_list_done(&r->read);
}

static size_t size_of_record(uint64_t number)
{
    static const size_t sizes[] = {8, 300, 5000, 40, 33000, 12, 700, 70000, 90};
    return sizes[number % (sizeof sizes / sizeof *sizes)];
}

/* One batch: appended once, then written and synced until it is through or the tries are used up. */
static bool commit_batch(run *r, uint64_t batch, int tries)
{
    for (uint64_t i = 0; i <= batch % 4; i++, r->appended++)
        wal_append(r->w, make_rec(&r->scratch, r->appended, size_of_record(r->appended)));
    for (int i = 0; i < tries; i++) {
        if (wal_write(r->w, NULL) != FER_OK) {
            r->failures++;
            assert_true(wal_sync(r->w, NULL) != FER_OK); /* no word of durability after a failure */
            continue;
        }
        if (r->relax) {
            wal_relax(r->w);
            return true;
        }
        if (wal_sync(r->w, NULL) == FER_OK) {
            r->acked = r->appended;
            assert_int_equal(wal_pending_bytes(r->w), 0);
            return true;
        }
        r->failures++;
        assert_true(wal_sync(r->w, NULL) != FER_OK);
    }
    return false;
}

/* Opens the log again and again until the disk lets it. */
static bool open_log(run *r, int tries)
{
    for (int i = 0; i < tries; i++) {
        if (wal_open(r->fs, "data/wal", &r->o, NULL, &r->w, NULL) == FER_OK)
            return true;
        r->failures++;
    }
    return false;
}

/* What is read: numbers that never skip one, from `from` on; what is written twice begins again
 * somewhere before and goes on without a gap. Returns how many numbers there are. */
static uint64_t read_numbers(run *r)
{
    rec_list_read(&r->read, r->fs, "data/wal");
    uint64_t next = 0;
    for (size_t i = 0; i < r->read.n; i++) {
        uint64_t number = rec_number(rec_at(&r->read, i));
        fer_str want = make_rec(&r->scratch, number, size_of_record(number));
        assert_true(str_eq(rec_at(&r->read, i), want));
        if (i > 0) {
            uint64_t before = rec_number(rec_at(&r->read, i - 1));
            if (number > before + 1)
                fail_msg("record %d comes after %d", (int)number, (int)before);
        } else {
            assert_int_equal(number, 0);
        }
        if (number >= next)
            next = number + 1;
    }
    return next;
}

/* Numbers after a crash may miss what was never acknowledged, and then those after it are new: only
 * the acknowledged ones must be there. */
static void assert_holds(run *r, uint64_t acked, const char *what, uint64_t at)
{
    static bool seen[1000];
    memset(seen, 0, sizeof seen);
    rec_list_read(&r->read, r->fs, "data/wal");
    for (size_t i = 0; i < r->read.n; i++) {
        uint64_t number = rec_number(rec_at(&r->read, i));
        fer_str want = make_rec(&r->scratch, number, size_of_record(number));
        assert_true(str_eq(rec_at(&r->read, i), want));
        assert_true(number < r->appended);
        seen[number] = true;
    }
    for (uint64_t i = 0; i < acked; i++)
        if (!seen[i])
            fail_msg("%s %d: acknowledged record %d of %d is lost", what, (int)at, (int)i,
                     (int)acked);
}

static const wal_options small_segments = {.segment_bytes = 4 * WAL_PAGE_BYTES};
static const wal_options one_segment = {.compression = WAL_SNAPPY};
static const wal_options in_place = {.segment_bytes = 6 * WAL_PAGE_BYTES,
                                     .ahead_bytes = 2 * WAL_PAGE_BYTES};

/* Calls of a run in which nothing fails. */
static uint64_t count_calls(const wal_options *o, vfs_call kind)
{
    run r;
    run_init(&r, o);
    uint64_t before = vfs_fault_count(r.disk, kind);
    assert_true(open_log(&r, 1));
    for (uint64_t b = 0; b < BATCHES; b++)
        assert_true(commit_batch(&r, b, 1));
    assert_int_equal(wal_close(r.w, NULL), FER_OK);
    uint64_t n = vfs_fault_count(r.disk, kind) - before;
    assert_int_equal(read_numbers(&r), r.appended);
    assert_int_equal(r.read.n, r.appended);
    assert_int_equal(r.read.n_damage, 0);
    run_done(&r);
    return n;
}

/* ---- one call fails ---- */

static void one_failure(const wal_options *o, const vfs_fault_rule *rule)
{
    run r;
    run_init(&r, o);
    vfs_fault_set(r.disk, rule);
    assert_true(open_log(&r, 2));
    for (uint64_t b = 0; b < BATCHES; b++)
        assert_true(commit_batch(&r, b, 2));
    fer_code closed = wal_close(r.w, NULL);
    bool at_close = r.failures == 0 && vfs_fault_hits(r.disk) == 1;
    assert_true(closed == FER_OK || at_close);

    assert_int_equal(read_numbers(&r), r.appended);
    /* the torn segment was cut back: Prometheus, too, can read it all. Nothing is left behind even
     * when it is the cutting that failed, for it is done again. */
    if (r.read.n_damage != 0)
        fail_msg("%s %d: %s", vfs_call_name(rule->kind), (int)rule->nth, r.read.damage[0].why);
    vfs_fault_crash(r.disk, NULL);
    assert_holds(&r, r.acked, vfs_call_name(rule->kind), rule->nth);
    run_done(&r);
}

static void each_call_failing_once_loses_nothing(const wal_options *o)
{
    uint64_t calls = count_calls(o, VFS_CALL_ANY);
    static const int errors[] = {EIO, ENOSPC, EMFILE};
    for (uint64_t nth = 1; nth <= calls; nth++)
        for (size_t e = 0; e < 3; e++)
            one_failure(o, &(vfs_fault_rule){.kind = VFS_CALL_ANY, .nth = nth, .sys = errors[e]});
}

static void each_call_failing_once_loses_nothing_in_small_segments(void **state)
{
    (void)state;
    each_call_failing_once_loses_nothing(&small_segments);
}

static void each_call_failing_once_loses_nothing_in_one_segment(void **state)
{
    (void)state;
    each_call_failing_once_loses_nothing(&one_segment);
}

static void each_call_failing_once_loses_nothing_in_place(void **state)
{
    (void)state;
    each_call_failing_once_loses_nothing(&in_place);
}

static void a_write_torn_anywhere_loses_nothing(void **state)
{
    (void)state;
    static const size_t wrote[] = {1, 6, 7, 8, 100, 512, 4096, 5307, 32767, 32768, 32769, 50000};
    uint64_t writes = count_calls(&in_place, VFS_CALL_PWRITE);
    for (uint64_t nth = 1; nth <= writes; nth++) {
        for (size_t i = 0; i < sizeof wrote / sizeof *wrote; i++) {
            vfs_fault_rule rule = {
                .kind = VFS_CALL_PWRITE, .nth = nth, .sys = ENOSPC, .wrote = wrote[i]};
            one_failure(i % 2 == 0 ? &small_segments : &one_segment, &rule);
            one_failure(&in_place, &rule);
        }
    }
}

/* ---- calls fail from one on, and the disk gets well ---- */

static void failing_for_a_while(const wal_options *o, const vfs_fault_rule *rule, bool crash)
{
    run r;
    run_init(&r, o);
    vfs_fault_set(r.disk, rule);
    if (!open_log(&r, TRIES_BEFORE_RECOVERY)) {
        vfs_fault_clear(r.disk);
        assert_true(open_log(&r, 1));
    }
    for (uint64_t b = 0; b < BATCHES; b++)
        if (!commit_batch(&r, b, TRIES_BEFORE_RECOVERY) && b % 2 == 1)
            vfs_fault_clear(r.disk); /* two batches and six tries later */

    if (crash) {
        vfs_fault_crash(r.disk, NULL);
        (void)wal_close(r.w, NULL);
        assert_holds(&r, r.acked, vfs_call_name(rule->kind), rule->nth);
        run_done(&r);
        return;
    }
    vfs_fault_clear(r.disk);
    assert_int_equal(wal_close(r.w, NULL), FER_OK);
    assert_int_equal(read_numbers(&r), r.appended);
    assert_int_equal(r.read.n_damage, 0); /* torn ends were cut off, if late */
    run_done(&r);
}

static void calls_failing_for_a_while_lose_nothing(void **state)
{
    (void)state;
    static const struct {
        vfs_call kind;
        int sys;
        size_t wrote;
    } how[] = {
        {VFS_CALL_ANY, EIO, 0},      {VFS_CALL_ANY, EROFS, 999},       {VFS_CALL_PWRITE, ENOSPC, 0},
        {VFS_CALL_PWRITE, EIO, 999}, {VFS_CALL_PWRITE, ENOSPC, 40000}, {VFS_CALL_SYNC, EIO, 0},
        {VFS_CALL_OPEN, EMFILE, 0},  {VFS_CALL_SYNC_DIR, EIO, 0},
    };
    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        uint64_t calls = count_calls(&small_segments, how[i].kind);
        for (uint64_t nth = 1; nth <= calls; nth++) {
            vfs_fault_rule rule = {.kind = how[i].kind,
                                   .nth = nth,
                                   .from_then_on = true,
                                   .sys = how[i].sys,
                                   .wrote = how[i].wrote};
            failing_for_a_while(nth % 2 == 0 ? &small_segments : &one_segment, &rule, false);
            failing_for_a_while(&small_segments, &rule, true);
            failing_for_a_while(&in_place, &rule, nth % 2 == 0);
        }
    }
}

/* A disk that stays full for long: files do not pile up, and the first good write brings all. */
static void a_full_disk_leaves_no_heap_of_segments(void **state)
{
    (void)state;
    run r;
    run_init(&r, &small_segments);
    assert_true(open_log(&r, 1));
    assert_true(commit_batch(&r, 0, 1));
    vfs_fault_set_capacity(r.disk, 2 * WAL_PAGE_BYTES);
    for (uint64_t b = 1; b < 100; b++)
        commit_batch(&r, b, 1);
    assert_true(r.failures > 90);
    size_t pending = wal_pending_bytes(r.w);
    assert_true(pending > 1000000);
    vfs_fault_set_capacity(r.disk, 1u << 30);
    assert_true(commit_batch(&r, 100, 1));
    assert_int_equal(r.acked, r.appended);
    wal_stats s;
    wal_stats_get(r.w, &s);
    assert_int_equal(s.writes_failed, r.failures);

    fer_arena *a = fer_arena_new(NULL, 0);
    uint64_t *v;
    size_t n;
    assert_int_equal(wal_list(r.fs, "data/wal", a, &v, &n, NULL), FER_OK);
    assert_true(n < pending / (3 * WAL_PAGE_BYTES) + 3);
    assert_int_equal(v[n - 1], n - 1);
    fer_arena_free(a);
    assert_int_equal(wal_close(r.w, NULL), FER_OK);
    assert_int_equal(read_numbers(&r), r.appended);
    assert_int_equal(r.read.n_damage, 0);
    run_done(&r);
}

/* The kernel may drop the pages of a failed sync and then say that all is well. */
static void a_segment_is_never_synced_again_after_a_failed_sync(void **state)
{
    (void)state;
    uint64_t syncs = count_calls(&small_segments, VFS_CALL_SYNC);
    for (uint64_t nth = 1; nth <= syncs; nth++) {
        run r;
        run_init(&r, &small_segments);
        vfs_fault_set(r.disk, &(vfs_fault_rule){.kind = VFS_CALL_SYNC, .nth = nth, .sys = EIO});
        assert_true(open_log(&r, 1));
        for (uint64_t b = 0; b < BATCHES; b++)
            assert_true(commit_batch(&r, b, 2));
        (void)wal_close(r.w, NULL);

        const vfs_fault_op *op;
        size_t n = vfs_fault_ops(r.disk, &op);
        char failed[64] = "";
        for (size_t i = 0; i < n; i++) {
            if (op[i].kind == VFS_CALL_OPEN && strcmp(op[i].path, failed) == 0)
                failed[0] = '\0'; /* removed and made anew: another file */
            if (op[i].kind != VFS_CALL_SYNC)
                continue;
            assert_string_not_equal(op[i].path, failed);
            if (op[i].sys != 0)
                snprintf(failed, sizeof failed, "%s", op[i].path);
        }
        run_done(&r);
    }
}

static void before_a_segment_the_older_ones_are_durable(void **state)
{
    (void)state;
    run r;
    run_init(&r, &small_segments);
    r.relax = true; /* no sync is asked for */
    assert_true(open_log(&r, 1));
    for (uint64_t b = 0; b < 30; b++)
        assert_true(commit_batch(&r, b, 1));
    wal_stats s;
    wal_stats_get(r.w, &s);
    assert_true(s.segment > 5);
    assert_int_equal(s.fsyncs, s.segment);
    vfs_fault_crash(r.disk, NULL);
    (void)wal_close(r.w, NULL);
    rec_list_read(&r.read, r.fs, "data/wal");
    assert_true(r.read.n > 0);
    assert_int_equal(r.read.v[r.read.n - 1].segment, s.segment - 1);
    for (size_t i = 0; i < r.read.n; i++)
        assert_int_equal(rec_number(rec_at(&r.read, i)), i);
    run_done(&r);
}

/* ---- the power goes ---- */

/* Lets everything after `calls` calls fail, crashes, opens again and goes on. */
static void crash_after(const wal_options *o, uint64_t calls, fer_rng *chance)
{
    run r;
    run_init(&r, o);
    vfs_fault_set(r.disk,
                  &(vfs_fault_rule){
                      .kind = VFS_CALL_ANY, .nth = calls + 1, .sys = EIO, .from_then_on = true});
    if (open_log(&r, 1)) {
        for (uint64_t b = 0; b < BATCHES; b++)
            if (!commit_batch(&r, b, 1))
                break;
        vfs_fault_crash(r.disk, chance);
        (void)wal_close(r.w, NULL);
    } else {
        vfs_fault_crash(r.disk, chance);
    }

    uint64_t acked = r.acked;
    if (vfs_exists(r.fs, "data/wal"))
        assert_holds(&r, acked, "crash after call", calls);
    else
        assert_int_equal(acked, 0);
    /* the next process; what it acknowledges comes on top */
    uint64_t from = r.appended;
    assert_true(open_log(&r, 1));
    for (uint64_t b = 0; b < 5; b++)
        assert_true(commit_batch(&r, b, 1));
    vfs_fault_crash(r.disk, chance);
    (void)wal_close(r.w, NULL);
    assert_holds(&r, acked, "second crash after call", calls);
    uint64_t last = rec_number(rec_at(&r.read, r.read.n - 1));
    assert_int_equal(last, r.appended - 1);
    for (size_t i = 0; i < r.appended - from; i++)
        assert_int_equal(rec_number(rec_at(&r.read, r.read.n - 1 - i)), last - i);
    run_done(&r);
}

static void a_crash_after_any_call_loses_nothing_acknowledged(void **state)
{
    (void)state;
    for (uint64_t i = 0; i <= count_calls(&small_segments, VFS_CALL_ANY); i++)
        crash_after(&small_segments, i, NULL);
    for (uint64_t i = 0; i <= count_calls(&one_segment, VFS_CALL_ANY); i++)
        crash_after(&one_segment, i, NULL);
    for (uint64_t i = 0; i <= count_calls(&in_place, VFS_CALL_ANY); i++)
        crash_after(&in_place, i, NULL);
}

static void a_crash_that_keeps_parts_by_chance_loses_nothing_acknowledged(void **state)
{
    (void)state;
    fer_rng_seeded chance;
    fer_rng_seeded_init(&chance, 42);
    uint64_t calls = count_calls(&small_segments, VFS_CALL_ANY);
    for (int round = 0; round < 5; round++)
        for (uint64_t i = 0; i <= calls; i++)
            crash_after(&small_segments, i, &chance.base);
    calls = count_calls(&in_place, VFS_CALL_ANY);
    for (int round = 0; round < 5; round++)
        for (uint64_t i = 0; i <= calls; i++)
            crash_after(&in_place, i, &chance.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_failing_once_loses_nothing_in_small_segments),
        cmocka_unit_test(each_call_failing_once_loses_nothing_in_one_segment),
        cmocka_unit_test(each_call_failing_once_loses_nothing_in_place),
        cmocka_unit_test(a_write_torn_anywhere_loses_nothing),
        cmocka_unit_test(calls_failing_for_a_while_lose_nothing),
        cmocka_unit_test(a_full_disk_leaves_no_heap_of_segments),
        cmocka_unit_test(a_segment_is_never_synced_again_after_a_failed_sync),
        cmocka_unit_test(before_a_segment_the_older_ones_are_durable),
        cmocka_unit_test(a_crash_after_any_call_loses_nothing_acknowledged),
        cmocka_unit_test(a_crash_that_keeps_parts_by_chance_loses_nothing_acknowledged),
    };
    return cmocka_run_group_tests_name("wal_fault", tests, NULL, NULL);
}

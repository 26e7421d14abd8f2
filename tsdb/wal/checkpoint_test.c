/* The log made shorter: what stays, what goes, and that no crash loses what should stay. */
#include "tsdb/wal/checkpoint.h"

#include <errno.h>
#include <stdio.h>

#include "base/vfs_fault.h"
#include "tsdb/maintenance/truncate.h"
#include "tsdb/tsdb_testing.h"
#include "tsdb/wal/record.h"
#include "tsdb/wal/wal_dir.h"
#include "tsdb/wal/wal_testing.h"

enum { SERIES = 6, ROUNDS = 24, OLD = 12, LABEL_BYTES = 10000 };

typedef struct scene {
    vfs_fault *disk;
    test_db t;
    char raw[SERIES][LABEL_BYTES];
} scene;

static void scene_init(scene *s)
{
    memset(s, 0, sizeof *s);
    s->disk = vfs_fault_new(NULL);
    test_db_init_on(&s->t, vfs_fault_fs(s->disk), "data");
    s->t.o.wal_segment_bytes = 32 * 1024;
    for (int i = 0; i < SERIES; i++)
        snprintf(s->raw[i], sizeof s->raw[i], "__name__=m,i=%d,pad=%09900d", i, i);
    test_db_open(&s->t);
}

static void scene_done(scene *s)
{
    if (s->t.db != NULL)
        test_db_close(&s->t);
    fer_arena_free(s->t.scratch);
    vfs_fault_free(s->disk);
}

/* Sample r of each series at time r, and a series that has this sample only; its long label fills segments. */
static void write_rounds(scene *s, int from, int to)
{
    for (int r = from; r < to; r++) {
        tsdb_row rows[SERIES + 1];
        char fresh[LABEL_BYTES];
        for (int i = 0; i < SERIES; i++)
            rows[i] = test_row(&s->t, s->raw[i], r, r * 10 + i);
        snprintf(fresh, sizeof fresh, "__name__=fresh,i=%d,pad=%09900d", r, r);
        rows[SERIES] = test_row(&s->t, fresh, r, r);
        test_write(&s->t, rows, SERIES + 1);
    }
}

static size_t read_one(test_query *q, const char *name, int i, samples *got)
{
    char number[16];
    snprintf(number, sizeof number, "%d", i);
    const char *m[2][3] = {{"__name__", "=", name}, {"i", "=", number}};
    selection *sel = test_select(q, m, 2, false);
    samples_clear(got);
    if (sel->n != 0)
        assert_int_equal(selection_read(sel, 0, INT64_MIN, INT64_MAX, got, NULL), FER_OK);
    return got->n;
}

/* All samples from `from` on are there, and those before it whole or not at all. */
static void check(scene *s, int from)
{
    test_query q;
    samples got;
    samples_init(&got, NULL);
    test_query_begin(&q, s->t.db, INT64_MIN, INT64_MAX);
    for (int i = 0; i < SERIES; i++) {
        size_t n = read_one(&q, "m", i, &got);
        assert_true(n >= (size_t)(ROUNDS - from) && n <= ROUNDS);
        for (size_t k = 0; k < n; k++) {
            int t = (int)(ROUNDS - n + k);
            assert_int_equal(got.t[k], t);
            assert_true(got.v[k] == t * 10 + i);
        }
    }
    for (int r = from; r < ROUNDS; r++) {
        assert_int_equal(read_one(&q, "fresh", r, &got), 1);
        assert_true(got.t[0] == r && got.v[0] == r);
    }
    test_query_end(&q);
    samples_done(&got);
}

static size_t list_segments(scene *s, uint64_t *ret_first)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    uint64_t *v;
    size_t n;
    assert_int_equal(wal_list(vfs_fault_fs(s->disk), "data/wal", a, &v, &n, NULL), FER_OK);
    *ret_first = n == 0 ? 0 : v[0];
    fer_arena_free(a);
    return n;
}

static void old_segments_become_a_checkpoint(void **state)
{
    (void)state;
    scene s;
    scene_init(&s);
    write_rounds(&s, 0, ROUNDS);
    uint64_t first;
    size_t before = list_segments(&s, &first);
    assert_true(before > 5 && first == 0);

    wal_truncation wt;
    assert_int_equal(tsdb_truncate_wal(s.t.db, OLD, &wt, NULL), FER_OK);
    assert_true(wt.done);
    assert_int_equal(wt.checkpoint, (before - 2) * 2 / 3);
    assert_int_equal(wt.segments_removed, wt.checkpoint + 1);
    assert_true(wt.kept.samples_dropped >= OLD * SERIES);
    assert_int_equal(list_segments(&s, &first), before - wt.segments_removed);
    assert_int_equal(first, wt.checkpoint + 1);

    check(&s, 0);
    test_db_reopen(&s.t);
    check(&s, OLD);
    scene_done(&s);
}

/* The next one takes the first in. */
static void a_checkpoint_follows_another(void **state)
{
    (void)state;
    scene s;
    scene_init(&s);
    uint64_t last = 0;
    for (int r = 0; r < ROUNDS; r += 4) {
        write_rounds(&s, r, r + 4);
        wal_truncation wt;
        assert_int_equal(tsdb_truncate_wal(s.t.db, 2, &wt, NULL), FER_OK);
        if (wt.done) {
            assert_true(wt.checkpoint > last);
            last = wt.checkpoint;
        }
        fer_arena *a = fer_arena_new(NULL, 0);
        uint64_t *v;
        size_t n;
        assert_int_equal(wal_list_checkpoints(s.t.o.fs, "data/wal", a, &v, &n, NULL), FER_OK);
        assert_int_equal(n, last != 0);
        fer_arena_free(a);
    }
    assert_true(last > 6);
    test_db_reopen(&s.t);
    check(&s, 2);
    scene_done(&s);
}

/* The disk stops at every call in turn, then the power goes. */
static void a_crash_anywhere_loses_nothing(void **state)
{
    (void)state;
    bool finished = false;
    for (uint64_t nth = 1; !finished; nth++) {
        for (uint64_t chance = 0; chance < 4; chance++) {
            scene s;
            scene_init(&s);
            write_rounds(&s, 0, ROUNDS);
            vfs_fault_rule rule = {.kind = VFS_CALL_ANY,
                                   .nth = nth,
                                   .from_then_on = true,
                                   .sys = EIO,
                                   .wrote = chance == 3 ? 700 : 0};
            vfs_fault_set(s.disk, &rule);
            wal_truncation wt;
            finished = tsdb_truncate_wal(s.t.db, OLD, &wt, NULL) == FER_OK;
            fer_rng_seeded rng;
            fer_rng_seeded_init(&rng, nth * 4 + chance);
            vfs_fault_crash(s.disk, chance != 0 ? &rng.base : NULL);
            fer_code code = tsdb_close(s.t.db, NULL); /* on a dead disk */
            (void)code;
            test_db_open(&s.t);
            check(&s, OLD);
            /* What the crash left goes with the next, and nothing else. */
            assert_int_equal(tsdb_truncate_wal(s.t.db, OLD, &wt, NULL), FER_OK);
            test_commit(&s.t);
            test_db_reopen(&s.t);
            check(&s, OLD);
            scene_done(&s);
        }
    }
}

/* A call that fails once is an error of this checkpoint; the store writes on. */
static void a_failing_call_is_told_and_the_next_checkpoint_succeeds(void **state)
{
    (void)state;
    bool failed = true;
    for (uint64_t nth = 1; failed; nth++) {
        scene s;
        scene_init(&s);
        write_rounds(&s, 0, ROUNDS - 1);
        vfs_fault_rule rule = {.kind = VFS_CALL_ANY, .nth = nth, .sys = EIO};
        vfs_fault_set(s.disk, &rule);
        wal_truncation wt;
        fer_code code = tsdb_truncate_wal(s.t.db, OLD, &wt, NULL);
        failed = vfs_fault_hits(s.disk) != 0;
        assert_true(failed || code == FER_OK);
        vfs_fault_clear(s.disk);
        write_rounds(&s, ROUNDS - 1, ROUNDS);
        assert_int_equal(tsdb_truncate_wal(s.t.db, OLD, &wt, NULL), FER_OK);
        check(&s, 0);
        test_db_reopen(&s.t);
        check(&s, OLD);
        scene_done(&s);
    }
}

static void damage_is_passed_over(void **state)
{
    (void)state;
    scene s;
    scene_init(&s);
    write_rounds(&s, 0, ROUNDS);
    vfs_file *f;
    assert_int_equal(vfs_open(s.t.o.fs, "data/wal/00000001", VFS_READ_WRITE, &f, NULL), FER_OK);
    assert_int_equal(vfs_pwrite(f, "hello", 5, 40, NULL), FER_OK);
    vfs_close(f);
    wal_truncation wt;
    assert_int_equal(tsdb_truncate_wal(s.t.db, OLD, &wt, NULL), FER_OK);
    assert_true(wt.done && wt.kept.damages > 0);
    test_db_reopen(&s.t);
    check(&s, OLD + 4);
    scene_done(&s);
}

/* ---- Prometheus' records ---- */

static size_t count_types(const rec_list *l, size_t *types)
{
    memset(types, 0, 16 * sizeof *types);
    for (size_t i = 0; i < l->n; i++)
        types[record_type_of(rec_at(l, i)) % 16]++;
    return l->n;
}

/* Copies the golden directory onto the disk in memory, as segments 0 to 0. */
static void copy_golden(vfs *disk)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    fer_str bytes;
    vfs_file *f;
    assert_int_equal(vfs_read_all(vfs_posix(),
                                  FERULA_TESTDATA "/wal/prometheus-3.5-all-records/wal/00000000",
                                  16 << 20, a, &bytes, NULL),
                     FER_OK);
    assert_int_equal(vfs_mkdir_all(disk, "wal", NULL), FER_OK);
    assert_int_equal(vfs_open(disk, "wal/00000000", VFS_CREATE, &f, NULL), FER_OK);
    assert_int_equal(vfs_pwrite(f, bytes.p, bytes.n, 0, NULL), FER_OK);
    vfs_close(f);
    fer_arena_free(a);
}

static void checkpoint_golden(vfs *disk, int64_t mint, ref_set *keep, rec_list *l,
                              checkpoint_stats *st)
{
    checkpoint_request req = {
        .fs = disk, .wal_dir = "wal", .mint = mint, .stones_mint = mint, .keep = keep};
    assert_int_equal(checkpoint_write(&req, st, NULL), FER_OK);
    rec_list_read(l, disk, "wal");
    assert_int_equal(l->n_damage, 0);
}

static void records_of_all_kinds_are_kept_or_let_go(void **state)
{
    (void)state;
    vfs_fault *disk = vfs_fault_new(NULL);
    vfs *fs = vfs_fault_fs(disk);
    copy_golden(fs);
    rec_list l;
    rec_list_init(&l);
    rec_list_read(&l, fs, "wal");
    size_t before[16], after[16];
    count_types(&l, before);
    ref_set keep;
    ref_set_init(&keep, NULL);
    ref_set_add(&keep, 0, UINT64_MAX);
    ref_set_seal(&keep);
    checkpoint_stats st;

    checkpoint_golden(fs, INT64_MIN, &keep, &l, &st);
    count_types(&l, after);
    for (int i = 1; i < 14; i++)
        assert_int_equal(after[i] != 0, before[i] != 0);
    for (int i = RECORD_HISTOGRAM_SAMPLES; i < 14; i++)
        assert_int_equal(after[i], before[i]);
    assert_int_equal(st.samples_dropped + st.series_dropped, 0);
    assert_true(st.samples_kept > 0 && st.series_kept > 0);
    assert_int_equal(vfs_remove_all(fs, "wal/checkpoint.00000000", NULL), FER_OK);

    checkpoint_golden(fs, INT64_MAX, &keep, &l, &st);
    count_types(&l, after);
    assert_int_equal(st.samples_kept, 0);
    assert_int_equal(after[RECORD_SERIES] != 0, true);
    assert_int_equal(after[RECORD_METADATA] != 0, before[RECORD_METADATA] != 0);
    for (int i = RECORD_HISTOGRAM_SAMPLES; i < 14; i++)
        assert_int_equal(after[i], 0);
    assert_int_equal(vfs_remove_all(fs, "wal/checkpoint.00000000", NULL), FER_OK);

    ref_set_done(&keep); /* no series at all: one record that says nothing */
    checkpoint_golden(fs, INT64_MAX, &keep, &l, &st);
    assert_int_equal(l.n, 1);
    assert_int_equal(rec_at(&l, 0).n, 1);
    rec_list_done(&l);
    vfs_fault_free(disk);
}

static fer_code one_metadata(void *arg, const record_metadata *m)
{
    fer_buf_printf(arg, "%d:%d:%.*s:%.*s ", (int)m->ref, m->type, STR_FMT(m->help),
                   STR_FMT(m->family));
    return FER_OK;
}

static void the_newest_metadata_of_each_series_stays_the_newest_last(void **state)
{
    (void)state;
    vfs_fault *disk = vfs_fault_new(NULL);
    vfs *fs = vfs_fault_fs(disk);
    wal *w;
    fer_buf b, text;
    fer_buf_init(&b, 1 << 20, NULL);
    fer_buf_init(&text, 1 << 20, NULL);
    assert_int_equal(wal_open(fs, "wal", &(wal_options){0}, NULL, &w, NULL), FER_OK);
    record_metadata_begin(&b);
    const record_metadata told[] = {{1, 1, STR(""), STR("old"), STR("")},
                                    {2, 2, STR("s"), STR("two"), STR("family")},
                                    {3, 2, STR("s"), STR("not kept"), STR("")},
                                    {1, 3, STR("s"), STR("new"), STR("")}};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        record_metadata_add(&b, &told[i]);
    wal_append(w, fer_buf_str(&b));
    assert_int_equal(wal_write(w, NULL), FER_OK);
    assert_int_equal(wal_close(w, NULL), FER_OK);

    ref_set keep;
    ref_set_init(&keep, NULL);
    ref_set_add(&keep, 1, 2);
    ref_set_seal(&keep);
    checkpoint_stats st;
    rec_list l;
    rec_list_init(&l);
    checkpoint_golden(fs, 0, &keep, &l, &st);
    assert_int_equal(l.n, 1);
    record_visitor v = {.arg = &text, .metadata = one_metadata};
    assert_int_equal(record_decode(rec_at(&l, 0), &v, NULL), FER_OK);
    fer_buf_putc(&text, '\0');
    assert_string_equal(text.p, "2:2:two:family 1:3:new: ");
    assert_int_equal(st.others_kept, 2);
    assert_int_equal(st.others_dropped, 2);
    ref_set_done(&keep);
    rec_list_done(&l);
    fer_buf_done(&b);
    fer_buf_done(&text);
    vfs_fault_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_segments_become_a_checkpoint),
        cmocka_unit_test(a_checkpoint_follows_another),
        cmocka_unit_test(a_crash_anywhere_loses_nothing),
        cmocka_unit_test(a_failing_call_is_told_and_the_next_checkpoint_succeeds),
        cmocka_unit_test(damage_is_passed_over),
        cmocka_unit_test(records_of_all_kinds_are_kept_or_let_go),
        cmocka_unit_test(the_newest_metadata_of_each_series_stays_the_newest_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

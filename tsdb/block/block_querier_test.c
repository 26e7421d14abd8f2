/* Blocks of real Prometheus as a database serves them: what promtool dumps, by any matchers, whole and damaged,
 * alone and over one another and over the head. */
#include "tsdb/block/block_querier.h"

#include <errno.h>
#include <stdlib.h>

#include "base/vfs_fault.h"
#include "tsdb/block/block_testing.h"
#include "tsdb/tsdb_testing.h"

static const char *const goldens[] = {"promtool-2.42", "promtool-3.5", "prometheus-2.42",
                                      "prometheus-3.5", "overlap-3.5"};
enum { GOLDENS = 5 };

typedef struct blocks_fixture {
    vfs_fault *f;
    vfs *fs;
    test_db t;
    fer_buf got, want;
    fer_arena *a;
} blocks_fixture;

static void begin(blocks_fixture *b)
{
    memset(b, 0, sizeof *b);
    b->f = vfs_fault_new(NULL);
    b->fs = vfs_fault_fs(b->f);
    b->a = fer_arena_new(NULL, 0);
    fer_buf_init(&b->got, 1 << 26, NULL);
    fer_buf_init(&b->want, 1 << 26, NULL);
    test_db_init_on(&b->t, b->fs, "/data");
}

static void end(blocks_fixture *b)
{
    test_db_done(&b->t);
    fer_buf_done(&b->got);
    fer_buf_done(&b->want);
    fer_arena_free(b->a);
    vfs_fault_free(b->f);
}

/* Everything the database holds, in `got`; returns how many warnings came with it. */
static size_t dump_all(blocks_fixture *b)
{
    test_query q;
    fer_buf_clear(&b->got);
    test_query_begin(&q, b->t.db, INT64_MIN, INT64_MAX);
    dump_querier(&b->got, q.q, NULL, 0);
    size_t n = q.q->warnings.n;
    test_query_end(&q);
    return n;
}

static void what_promtool_dumps_is_served(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDENS; i++) {
        blocks_fixture b;
        begin(&b);
        copy_golden(b.fs, "/data", goldens[i]);
        golden_dump(&b.want, goldens[i]);
        test_db_open(&b.t);
        assert_int_equal(dump_all(&b), 0);
        assert_same_text(&b.got, &b.want);
        tsdb_stats st;
        tsdb_stats_get(b.t.db, &st);
        assert_int_equal(st.blocks, i == 4 ? 5 : 2);
        assert_int_equal(st.blocks_damaged, 0);
        end(&b);
    }
}

static void the_same_blocks_twice_are_one(void **state)
{
    (void)state;
    blocks_fixture b;
    begin(&b);
    copy_golden(b.fs, "/data", "promtool-2.42");
    copy_golden(b.fs, "/data", "promtool-3.5");
    golden_dump(&b.want, "promtool-3.5");
    test_db_open(&b.t);
    assert_int_equal(dump_all(&b), 0);
    assert_same_text(&b.got, &b.want);
    end(&b);
}

static void histograms_are_read_as_histograms(void **state)
{
    (void)state;
    blocks_fixture b;
    begin(&b);
    copy_golden(b.fs, "/data", "prometheus-3.5");
    test_db_open(&b.t);
    test_query q;
    test_query_begin(&q, b.t.db, INT64_MIN, INT64_MAX);
    static const char *m[][3] = {{"__name__", "=", "native"}};
    selection *s = test_select(&q, m, 1, true);
    assert_int_equal(s->n, 1);
    samples got;
    samples_init(&got, NULL);
    fer_err err = {0};
    must(selection_read(s, 0, INT64_MIN, INT64_MAX, &got, &err), &err);
    assert_true(got.n > 10);
    for (size_t i = 0; i < got.n; i++)
        assert_int_equal(got.type[i], SAMPLE_HISTOGRAM);
    assert_true(got.h[0]->count > 0);
    assert_int_equal(q.q->warnings.n, 0);
    samples_done(&got);
    test_query_end(&q);
    end(&b);
}

/* ---- matchers, ranges, labels: against a plain reading of all series ---- */

typedef struct all_series {
    fer_str text[256];
    label l[256][8];
    size_t n_labels[256];
    size_t n;
} all_series;

static void read_all_labels(blocks_fixture *b, all_series *all)
{
    test_query q;
    test_query_begin(&q, b->t.db, INT64_MIN, INT64_MAX);
    selection *s = test_select(&q, NULL, 0, true);
    assert_true(s->n < 256);
    for (all->n = 0; all->n < s->n; all->n++) {
        size_t n;
        const label_id *ids = selection_labels(s, all->n, &n);
        assert_true(n <= 8);
        for (size_t k = 0; k < n; k++)
            all->l[all->n][k] = (label){fer_arena_dup(b->a, syms_text(q.ctx.syms, ids[k].name)),
                                        fer_arena_dup(b->a, syms_text(q.ctx.syms, ids[k].value))};
        all->n_labels[all->n] = n;
        all->text[all->n] = fer_arena_dup(b->a, str_of(test_labels(&q, s, all->n)));
    }
    test_query_end(&q);
}

static bool satisfies(const all_series *all, size_t i, const matcher *m, size_t nm)
{
    for (size_t k = 0; k < nm; k++)
        if (!matcher_matches(&m[k], labels_get((labels){all->l[i], all->n_labels[i]}, m[k].name)))
            return false;
    return true;
}

typedef struct matcher_case {
    const char *m[3][3];
    size_t n;
} matcher_case;

static const matcher_case cases[] = {
    {{{"__name__", "=", "many"}}, 1},
    {{{"__name__", "=", "none"}}, 1},
    {{{"nothing", "=", "x"}}, 1},
    {{{"nothing", "=", ""}}, 1},
    {{{"nothing", "!=", ""}}, 1},
    {{{"id", "!=", ""}}, 1},
    {{{"id", "!=", "3"}}, 1},
    {{{"id", "=~", "1|2|30|x"}}, 1},
    {{{"id", "!~", "1|2|30|x"}}, 1},
    {{{"id", "=~", "[13].*"}}, 1},
    {{{"id", "!~", "[13].*"}}, 1},
    {{{"id", "=~", ".*"}}, 1},
    {{{"id", "=~", ".+"}}, 1},
    {{{"id", "!~", ".+"}}, 1},
    {{{"id", "=~", "|1"}}, 1},
    {{{"id", "!~", "|1"}}, 1},
    {{{"__name__", "=~", "many|prefix"}, {"shard", "!=", "1"}, {"id", "!~", ".*[24]"}}, 3},
    {{{"__name__", "=", "prefix"}, {"a", "=", "b"}, {"b", "=", ""}}, 3},
    {{{"__name__", "!=", "many"}, {"shard", "=", ""}}, 2},
    {{{"shard", "=", "1"}, {"shard", "=", "2"}}, 2},
    {{{"shard", "=~", "0|1"}, {"shard", "=~", "1|2"}, {"id", "=~", "4"}}, 3},
    /* fewer candidates than values */
    {{{"shard", "=", "1"}, {"id", "=~", ".*[1-3]"}}, 2},
    {{{"shard", "=", "1"}, {"id", "!~", ".*[1-3]"}}, 2},
    {{{"id", "=~", "|.*[1-3]"}, {"shard", "=", "1"}}, 2},
    {{{"id", "!~", "|.*[1-3]"}, {"shard", "=", "1"}}, 2},
    {{{"__name__", "=", "prefix"}, {"id", "!~", "[1-3].*"}}, 2},
    {{{"__name__", "=", "prefix"}, {"id", "=~", "[1-3].*"}}, 2},
    {{{"shard", "=", "2"}, {"id", "=~", ".*[1-3]"}, {"id", "!~", ".*1"}}, 3},
};
enum { CASES = sizeof cases / sizeof *cases };

static size_t make_matchers(fer_arena *a, const matcher_case *c, matcher *ret)
{
    for (size_t k = 0; k < c->n; k++) {
        fer_err err = {0};
        matcher_type type = MATCH_EQ;
        while (strcmp(matcher_op(type), c->m[k][1]) != 0)
            type++;
        must(matcher_make(a, type, str_of(c->m[k][0]), str_of(c->m[k][2]), &ret[k], &err), &err);
    }
    return c->n;
}

static void matchers_find_what_a_plain_reading_finds(void **state)
{
    (void)state;
    static all_series all;
    for (size_t g = 0; g < 4; g++) {
        blocks_fixture b;
        begin(&b);
        copy_golden(b.fs, "/data", goldens[g]);
        test_db_open(&b.t);
        read_all_labels(&b, &all);
        assert_true(all.n > 15);
        for (size_t c = 0; c < CASES; c++) {
            matcher m[3];
            size_t nm = make_matchers(b.a, &cases[c], m);
            test_query q;
            test_query_begin(&q, b.t.db, INT64_MIN, INT64_MAX);
            selection *s = test_select(&q, (const char *(*)[3])cases[c].m, nm, true);
            size_t at = 0;
            for (size_t i = 0; i < all.n; i++)
                if (satisfies(&all, i, m, nm)) {
                    assert_true(at < s->n);
                    assert_string_equal(test_labels(&q, s, at), all.text[i].p);
                    at++;
                }
            assert_int_equal(at, s->n);
            test_query_end(&q);
        }
        end(&b);
    }
}

static bool list_has(const str_list *l, fer_str text)
{
    for (size_t i = 0; i < l->n; i++)
        if (str_eq(l->v[i], text))
            return true;
    return false;
}

static void assert_ascending(const str_list *l)
{
    for (size_t i = 1; i < l->n; i++)
        assert_true(str_cmp(l->v[i - 1], l->v[i]) < 0);
}

static void label_calls_tell_what_series_have(void **state)
{
    (void)state;
    static all_series all;
    static const char *const names[] = {"__name__", "id", "shard", "a", "room", "nothing"};
    blocks_fixture b;
    begin(&b);
    copy_golden(b.fs, "/data",
                "promtool-2.42"); /* nothing deleted: these calls do not look at that */
    test_db_open(&b.t);
    read_all_labels(&b, &all);
    for (size_t c = 0; c <= CASES; c++) { /* the last: without matchers */
        matcher m[3];
        size_t nm = c == CASES ? 0 : make_matchers(b.a, &cases[c], m);
        test_query q;
        test_query_begin(&q, b.t.db, INT64_MIN, INT64_MAX);
        fer_err err = {0};
        str_list got_names = {0}, got[6] = {{0}};
        must(querier_label_names(q.q, m, nm, 0, &got_names, &err), &err);
        assert_ascending(&got_names);
        for (size_t k = 0; k < 6; k++) {
            must(querier_label_values(q.q, str_of(names[k]), m, nm, 0, &got[k], &err), &err);
            assert_ascending(&got[k]);
        }
        size_t want[6] = {0};
        for (size_t i = 0; i < all.n; i++) {
            if (!satisfies(&all, i, m, nm))
                continue;
            for (size_t k = 0; k < all.n_labels[i]; k++)
                assert_true(list_has(&got_names, all.l[i][k].name));
            for (size_t k = 0; k < 6; k++) {
                fer_str v = labels_get((labels){all.l[i], all.n_labels[i]}, str_of(names[k]));
                want[k] += v.n != 0;
                assert_true(v.n == 0 || list_has(&got[k], v));
            }
        }
        for (size_t k = 0; k < 6; k++) {
            assert_true(got[k].n <= want[k] && (got[k].n == 0) == (want[k] == 0));
            assert_int_equal(list_has(&got_names, str_of(names[k])), want[k] != 0);
        }
        str_list few = {0};
        must(querier_label_values(q.q, STR("id"), m, nm, 2, &few, &err), &err);
        assert_int_equal(few.n, got[1].n < 2 ? got[1].n : 2);
        test_query_end(&q);
    }
    end(&b);
}

static int64_t time_of_line(const char *line, const char *end)
{
    const char *begin = end;
    char digits[32] = "";
    while (begin[-1] != ' ')
        begin--;
    assert_true(begin > line && (size_t)(end - begin) < sizeof digits);
    memcpy(digits, begin, (size_t)(end - begin));
    return strtoll(digits, NULL, 10);
}

static void ranges_cut_samples_exactly(void **state)
{
    (void)state;
    blocks_fixture b;
    begin(&b);
    copy_golden(b.fs, "/data", "prometheus-3.5");
    test_db_open(&b.t);
    fer_buf all;
    fer_buf_init(&all, 1 << 26, NULL);
    golden_dump(&all, "prometheus-3.5");
    for (int64_t from = 1700006400000 - 100; from < 1700006400000 + 40000000; from += 3456789) {
        int64_t to = from + 7200000;
        fer_buf_clear(&b.want);
        for (const char *p = all.p, *nl; p < all.p + all.n; p = nl + 1) {
            nl = memchr(p, '\n', (size_t)(all.p + all.n - p));
            int64_t t = time_of_line(p, nl);
            if (t >= from && t <= to)
                fer_buf_put(&b.want, p, (size_t)(nl - p) + 1);
        }
        test_query q;
        test_query_begin(&q, b.t.db, from, to);
        fer_buf_clear(&b.got);
        dump_querier(&b.got, q.q, NULL, 0);
        assert_same_text(&b.got, &b.want);
        test_query_end(&q);
    }
    fer_buf_done(&all);
    end(&b);
}

/* ---- damage ---- */

typedef struct line_set {
    fer_str v[4096];
    size_t n;
} line_set;

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const fer_str *)a, *(const fer_str *)b);
}

static void split(const fer_buf *b, line_set *l)
{
    l->n = 0;
    for (const char *p = b->p, *nl; p < b->p + b->n; p = nl + 1) {
        nl = memchr(p, '\n', (size_t)(b->p + b->n - p));
        assert_true(l->n < 4096);
        l->v[l->n++] = (fer_str){p, (size_t)(nl - p)};
    }
    qsort(l->v, l->n, sizeof *l->v, by_text);
}

static line_set want_lines, got_lines;

/* Opens, reads all, closes: nothing is there that was not written, and what is missing is told. Returns how
 * many samples are missing. */
static size_t assert_subset(blocks_fixture *b, const char *what, size_t at)
{
    test_db_open(&b->t);
    size_t warnings = dump_all(b);
    split(&b->got, &got_lines);
    size_t k = 0;
    for (size_t i = 0; i < got_lines.n; i++, k++) {
        while (k < want_lines.n && str_cmp(want_lines.v[k], got_lines.v[i]) < 0)
            k++;
        if (k == want_lines.n || !str_eq(want_lines.v[k], got_lines.v[i]))
            fail_msg("%s, byte %zu: %.*s", what, at, STR_FMT(got_lines.v[i]));
    }
    if (got_lines.n < want_lines.n && warnings == 0)
        fail_msg("%s, byte %zu: %zu samples are missing without a word", what, at,
                 want_lines.n - got_lines.n);
    test_db_close(&b->t);
    return want_lines.n - got_lines.n;
}

static void damage_costs_its_unit_and_is_told(void **state)
{
    (void)state;
    static const char *const files[] = {"meta.json", "index", "tombstones", "chunks/000001"};
    blocks_fixture b;
    begin(&b);
    copy_golden(b.fs, "/data", "prometheus-2.42");
    b.t.o.read_only = true; /* so that nothing is set aside */
    golden_dump(&b.want, "prometheus-2.42");
    split(&b.want, &want_lines);
    block_names names = list_blocks(b.fs, "/data");
    for (size_t k = 0; k < 4; k++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "/data/%s/%s", names.v[0], files[k]);
        fer_str whole = read_file(b.fs, path, b.a);
        char *copy = fer_memdup0(whole.p, whole.n);
        size_t lost = 0, step = whole.n / 150 + 1, tried = 0;
        for (size_t i = 0; i < whole.n; i += step, tried++) {
            copy[i] = (char)(copy[i] ^ 1 << i % 8);
            write_file(b.fs, path, (fer_str){copy, whole.n});
            lost += assert_subset(&b, files[k], i);
            copy[i] = whole.p[i];
        }
        assert_true(lost > 0);
        if (k == 3)
            assert_true(lost < tried * 40); /* a chunk each, but for the header */
        for (size_t i = 0; i < whole.n; i += step * 3) {
            write_file(b.fs, path, (fer_str){whole.p, i});
            assert_subset(&b, files[k], i);
        }
        write_file(b.fs, path, whole);
        fer_free(copy);
    }
    assert_int_equal(assert_subset(&b, "whole again", 0), 0);
    end(&b);
}

static void missing_files_and_leftovers(void **state)
{
    (void)state;
    blocks_fixture b;
    begin(&b);
    fer_err err = {0};
    copy_golden(b.fs, "/data", "promtool-3.5");
    block_names names = list_blocks(b.fs, "/data");
    char path[PATH_MAX];
    snprintf(path, sizeof path, "/data/%s/index", names.v[1]);
    must(vfs_unlink(b.fs, path, &err), &err);
    static const char *const dirs[] = {"/data/01M7Z121HH5W3VWNVJFNBCQXZG.tmp-for-creation/chunks",
                                       "/data/01M7Z121HH5W3VWNVJFNBCQXZG.tmp-for-deletion",
                                       "/data/01M7Z121HH5W3VWNVJFNBCQXZG.tmp", "/data/lost+found",
                                       "/data/01M7Z121HH5W3VWNVJFNBCQXZG"};
    for (size_t i = 0; i < 5; i++)
        must(vfs_mkdir_all(b.fs, dirs[i], &err), &err);
    test_db_open(&b.t);
    tsdb_stats st;
    tsdb_stats_get(b.t.db, &st);
    assert_int_equal(st.blocks, 1);
    assert_int_equal(st.blocks_damaged, 2);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(vfs_exists(b.fs, dirs[i]), i == 3);
    assert_int_equal(list_blocks(b.fs, "/data").n, 1);
    assert_int_equal(list_blocks(b.fs, "/data/quarantine").n, 2);
    test_db_reopen(&b.t); /* what is aside is told again */
    tsdb_stats_get(b.t.db, &st);
    assert_int_equal(st.blocks, 1);
    assert_int_equal(st.blocks_damaged, 2);
    assert_int_equal(dump_all(&b), 2);

    /* A block whose time is known is told only where it matters. */
    test_query q;
    test_query_begin(&q, b.t.db, 0, 1);
    assert_int_equal(q.q->warnings.n, 1);
    assert_non_null(strstr(q.q->warnings.v[0].p, "01M7Z121HH5W3VWNVJFNBCQXZG"));
    test_query_end(&q);
    end(&b);
}

/* A start that cannot read a block for want of something else than its bytes leaves it where it is. */
static void a_block_that_only_cannot_be_read_now_stays(void **state)
{
    (void)state;
    blocks_fixture b;
    begin(&b);
    copy_golden(b.fs, "/data", "promtool-3.5");
    vfs_fault_rule rule = {
        .kind = VFS_CALL_MAP, .nth = 1, .from_then_on = true, .sys = EIO, .path = "/index"};
    vfs_fault_set(b.f, &rule);
    test_db_open(&b.t);
    tsdb_stats st;
    tsdb_stats_get(b.t.db, &st);
    assert_int_equal(st.blocks_damaged, 2);
    vfs_fault_clear(b.f);
    assert_int_equal(list_blocks(b.fs, "/data").n, 2);
    test_db_reopen(&b.t);
    tsdb_stats_get(b.t.db, &st);
    assert_int_equal(st.blocks_damaged, 0);
    assert_int_equal(st.blocks, 2);
    end(&b);
}

static void replaced_blocks_are_not_served(void **state)
{
    (void)state;
    blocks_fixture b;
    begin(&b);
    fer_err err = {0};
    copy_golden(b.fs, "/data", "promtool-3.5");
    block_names names = list_blocks(b.fs, "/data");
    char path[PATH_MAX];
    snprintf(path, sizeof path, "/data/%s", names.v[0]);
    block_meta m;
    must(block_meta_load(b.fs, path, b.a, &m, &err), &err);
    block_parent p = {.min_time = 0, .max_time = 1};
    memcpy(p.id.text, names.v[1], sizeof p.id.text);
    m.parents = &p;
    m.n_parents = 1;
    must(block_meta_store(b.fs, path, &m, &err), &err);
    test_db_open(&b.t);
    tsdb_stats st;
    tsdb_stats_get(b.t.db, &st);
    assert_int_equal(st.blocks, 1);
    assert_int_equal(st.blocks_damaged, 0);
    assert_int_equal(dump_all(&b), 0);
    end(&b);
}

/* ---- with the head ---- */

static int64_t block_end(blocks_fixture *b)
{
    block_names names = list_blocks(b->fs, "/data");
    int64_t end_ms = 0;
    for (size_t i = 0; i < names.n; i++) {
        char path[PATH_MAX];
        block_meta m;
        fer_err err = {0};
        snprintf(path, sizeof path, "/data/%s", names.v[i]);
        must(block_meta_load(b->fs, path, b->a, &m, &err), &err);
        if (m.max_time > end_ms)
            end_ms = m.max_time;
    }
    return end_ms;
}

static void the_head_goes_on_behind_the_blocks(void **state)
{
    (void)state;
    blocks_fixture b;
    begin(&b);
    copy_golden(b.fs, "/data", "promtool-3.5");
    test_db_open(&b.t);
    fer_clock_fake_advance(&b.t.clock, 36000000);
    const int64_t end_ms = block_end(&b);
    tsdb_row rows[] = {
        test_row(&b.t, "__name__=many,id=0,shard=0", end_ms - 1, 1), /* a block's time */
        test_row(&b.t, "__name__=many,id=0,shard=0", end_ms, 2),
        test_row(&b.t, "__name__=many,id=0,shard=0", end_ms + 1000, 3),
        test_row(&b.t, "__name__=aaa", end_ms + 1000, 4),
        test_row(&b.t, "__name__=zzz", end_ms + 1000, 5),
    };
    test_write(&b.t, rows, 5);
    assert_int_equal(b.t.report.rejected[REJECT_OUT_OF_BOUNDS], 1);

    test_query q;
    test_query_begin(&q, b.t.db, end_ms - 1000000, end_ms + 5000);
    static const char *m[][3] = {{"__name__", "=~", "many|aaa|zzz"}, {"id", "=~", "|0|1"}};
    selection *s = test_select(&q, m, 2, false);
    assert_int_equal(s->n,
                     4); /* by labels, although nobody asked: as Prometheus with several sources */
    assert_string_equal(test_labels(&q, s, 0), "__name__=aaa");
    assert_string_equal(test_labels(&q, s, 1), "__name__=many,id=0,shard=0");
    assert_string_equal(test_labels(&q, s, 3), "__name__=zzz");
    samples got;
    fer_err err = {0};
    samples_init(&got, NULL);
    must(selection_read(s, 1, end_ms - 1000000, end_ms + 5000, &got, &err), &err);
    assert_true(got.n > 2);
    assert_int_equal(got.t[got.n - 2], end_ms);
    assert_int_equal(got.t[got.n - 1], end_ms + 1000);
    assert_true(got.t[0] < end_ms);
    samples_done(&got);
    str_list values = {0};
    must(querier_label_values(q.q, STR("__name__"), NULL, 0, 0, &values, &err), &err);
    assert_int_equal(values.n, 6);
    test_query_end(&q);

    test_db_reopen(&b.t);
    char want[64];
    snprintf(want, sizeof want, "%lld:5", (long long)end_ms + 1000);
    test_expect(&b.t, "__name__=zzz", want);
    end(&b);
}

static void memory_is_charged_and_given_back(void **state)
{
    (void)state;
    blocks_fixture b;
    begin(&b);
    fer_account acct;
    fer_account_init(&acct, "process", NULL, 0);
    b.t.o.account = &acct;
    copy_golden(b.fs, "/data", "prometheus-3.5");
    test_db_open(&b.t);
    dump_all(&b);
    assert_true(fer_account_used(&acct) > 0);
    test_db_close(&b.t);
    assert_int_equal(fer_account_used(&acct), 0);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_promtool_dumps_is_served),
        cmocka_unit_test(the_same_blocks_twice_are_one),
        cmocka_unit_test(histograms_are_read_as_histograms),
        cmocka_unit_test(matchers_find_what_a_plain_reading_finds),
        cmocka_unit_test(label_calls_tell_what_series_have),
        cmocka_unit_test(ranges_cut_samples_exactly),
        cmocka_unit_test(damage_costs_its_unit_and_is_told),
        cmocka_unit_test(missing_files_and_leftovers),
        cmocka_unit_test(a_block_that_only_cannot_be_read_now_stays),
        cmocka_unit_test(replaced_blocks_are_not_served),
        cmocka_unit_test(the_head_goes_on_behind_the_blocks),
        cmocka_unit_test(memory_is_charged_and_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

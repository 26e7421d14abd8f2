/* What a query sees of the head: which series, which labels, which samples, at which commit. */
#include "tsdb/head/head_querier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "tsdb/tsdb_int.h"
#include "tsdb/tsdb_testing.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static int setup(void **state)
{
    test_db *t = fer_calloc(1, sizeof *t);
    test_db_init(t);
    test_db_open(t);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    test_db_done(*state);
    fer_free(*state);
    return 0;
}

/* ---- matchers, against matching every series by its text ---- */

enum { SERIES = 400 };
typedef struct series_text {
    char raw[96];
    char a[8], b[8], c[8], i[8]; /* values, empty: absent */
} series_text;

static void make_series(series_text *s, int i)
{
    snprintf(s->a, sizeof s->a, "%c", 'p' + i % 3);
    snprintf(s->b, sizeof s->b, "v%d", i / 3 % 20);
    snprintf(s->c, sizeof s->c, "%.*s", i % 4 == 0 ? 0 : 7, i % 7 == 0 ? "x" : "xyz");
    series_text c = *s;
    snprintf(s->i, sizeof s->i, "%d", i);
    int n = snprintf(s->raw, sizeof s->raw, "__name__=%s,b=%s,i=%d", c.a, c.b, i);
    if (c.c[0] != '\0')
        snprintf(s->raw + n, sizeof s->raw - (size_t)n, ",c=%s", c.c);
}

static const char *value_of(const series_text *s, const char *name)
{
    if (strcmp(name, "__name__") == 0)
        return s->a;
    if (strcmp(name, "b") == 0)
        return s->b;
    if (strcmp(name, "i") == 0)
        return s->i;
    return strcmp(name, "c") == 0 ? s->c : "";
}

static bool matches(const series_text *s, const matcher *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!matcher_matches(&m[i], str_of(value_of(s, m[i].name.p))))
            return false;
    return true;
}

static const struct {
    matcher_type type;
    const char *name, *value;
} matchers[] = {
    {MATCH_EQ, "__name__", "p"},
    {MATCH_EQ, "__name__", "none"},
    {MATCH_EQ, "b", "v3"},
    {MATCH_EQ, "c", ""},
    {MATCH_EQ, "nolabel", ""},
    {MATCH_EQ, "nolabel", "x"},
    {MATCH_NE, "__name__", "p"},
    {MATCH_NE, "c", ""},
    {MATCH_NE, "c", "x"},
    {MATCH_NE, "nolabel", ""},
    {MATCH_NE, "nolabel", "x"},
    {MATCH_RE, "b", "v1|v2|v19"},
    {MATCH_RE, "b", "v1.*"},
    {MATCH_RE, "c", "x|"},
    {MATCH_RE, "c", ".*"},
    {MATCH_RE, "c", ".+"},
    {MATCH_RE, "nolabel", ".+"},
    {MATCH_RE, "nolabel", ".*"},
    {MATCH_NRE, "b", "v1|v2"},
    {MATCH_NRE, "b", "v1.*"},
    {MATCH_NRE, "c", "x|"},
    {MATCH_NRE, "c", ".*"},
    {MATCH_NRE, "c", ".+"},
    {MATCH_NRE, "nolabel", ".+"},
    {MATCH_RE, "__name__", "p|none"},
    {MATCH_NRE, "__name__", "q|none"},
    /* of more values than other matchers leave series */
    {MATCH_RE, "i", ".*[1-3]5?"},
    {MATCH_NRE, "i", ".*[1-3]5?"},
    {MATCH_RE, "i", "|.*7"},
    {MATCH_NRE, "i", "|.*7"},
};

static void expect_selection(test_db *t, const series_text *all, const matcher *m, size_t n)
{
    test_query q;
    test_query_begin(&q, t->db, INT64_MIN, INT64_MAX);
    select_hints h = {.mint = INT64_MIN, .maxt = INT64_MAX};
    selection *s;
    assert_int_equal(querier_select(q.q, &h, m, n, &s, NULL), FER_OK);
    size_t at = 0;
    for (int i = 0; i < SERIES; i++) {
        if (!matches(&all[i], m, n))
            continue;
        assert_true(at < s->n);
        label *l;
        size_t nl, nids;
        labels want;
        assert_int_equal(test_parse(NULL, str_of(all[i].raw), q.arena, &l, &nl, NULL), FER_OK);
        assert_int_equal(labels_canonical(l, nl, true, &want, NULL), FER_OK);
        const label_id *ids = selection_labels(s, at++, &nids);
        assert_int_equal(nids, want.n);
        for (size_t k = 0; k < nids; k++) {
            assert_true(str_eq(syms_text(q.ctx.syms, ids[k].name), want.l[k].name));
            assert_true(str_eq(syms_text(q.ctx.syms, ids[k].value), want.l[k].value));
        }
    }
    assert_int_equal(at, s->n);
    test_query_end(&q);
}

static void one_two_and_three_matchers_select_what_matching_each_series_selects(void **state)
{
    test_db *t = *state;
    static series_text all[SERIES];
    static tsdb_row rows[SERIES];
    for (int i = 0; i < SERIES; i++) {
        make_series(&all[i], i);
        rows[i] = test_row(t, all[i].raw, 1000, i);
    }
    test_write(t, rows, SERIES);
    fer_arena *a = fer_arena_new(NULL, 0);
    matcher m[COUNT(matchers)];
    for (size_t i = 0; i < COUNT(matchers); i++)
        assert_int_equal(matcher_make(a, matchers[i].type, str_of(matchers[i].name),
                                      str_of(matchers[i].value), &m[i], NULL),
                         FER_OK);
    expect_selection(t, all, NULL, 0);
    for (size_t i = 0; i < COUNT(matchers); i++) {
        expect_selection(t, all, &m[i], 1);
        for (size_t j = 0; j < COUNT(matchers); j++) {
            matcher three[3] = {m[i], m[j], m[(i * 7 + j) % COUNT(matchers)]};
            expect_selection(t, all, three, 2 + (i + j) % 2);
        }
    }
    fer_arena_free(a);
}

/* ---- order, limit, range ---- */

static const char *joined_labels(test_query *q, selection *s)
{
    fer_str text = {"", 0};
    for (size_t i = 0; i < s->n; i++)
        text = fer_arena_printf(q->arena, "%.*s%s{%s}", STR_FMT(text), i > 0 ? " " : "",
                                test_labels(q, s, i));
    return text.p;
}

static void series_come_in_ref_order_or_sorted(void **state)
{
    test_db *t = *state;
    test_write1(t, "__name__=m,z=1", 1000, 1);
    test_write1(t, "__name__=m,a=2", 1000, 1);
    test_write1(t, "__name__=l,a=2", 1000, 1);
    test_write1(t, "__name__=m", 1000, 1);
    test_write1(t, "__name__=m,a=10", 1000, 1);
    test_query q;
    test_query_begin(&q, t->db, 0, 2000);
    assert_string_equal(
        joined_labels(&q, test_select(&q, NULL, 0, false)),
        "{__name__=m,z=1} {__name__=m,a=2} {__name__=l,a=2} {__name__=m} {__name__=m,a=10}");
    assert_string_equal(
        joined_labels(&q, test_select(&q, NULL, 0, true)),
        "{__name__=l,a=2} {__name__=m} {__name__=m,a=10} {__name__=m,a=2} {__name__=m,z=1}");
    select_hints h = {.mint = 0, .maxt = 2000, .sorted = true, .limit = 2};
    selection *s;
    assert_int_equal(querier_select(q.q, &h, NULL, 0, &s, NULL), FER_OK);
    assert_string_equal(joined_labels(&q, s), "{__name__=l,a=2} {__name__=m}");
    h.sorted = false;
    assert_int_equal(querier_select(q.q, &h, NULL, 0, &s, NULL), FER_OK);
    assert_string_equal(joined_labels(&q, s), "{__name__=m,z=1} {__name__=m,a=2}");
    test_query_end(&q);
}

/* Who reads no samples gets the same series in the same order. */
static void expect_labels_alone(test_query *q, bool sorted, uint64_t limit)
{
    selection *all = test_select(q, NULL, 0, sorted);
    select_hints h = {
        .mint = 0, .maxt = 2000, .sorted = sorted, .limit = limit, .labels_only = true};
    selection *s;
    assert_int_equal(querier_select(q->q, &h, NULL, 0, &s, NULL), FER_OK);
    assert_int_equal(s->n, limit == 0 ? all->n : limit);
    for (size_t i = 0; i < s->n; i++) {
        size_t n, want_n;
        const label_id *ids = selection_labels(s, i, &n), *want = selection_labels(all, i, &want_n);
        assert_int_equal(label_ids_cmp(q->ctx.syms, ids, n, want, want_n), 0);
    }
}

/* Labels of any number, names and values that are prefixes of others, more values than fit a key. */
static void any_labels_are_sorted(void **state)
{
    test_db *t = *state;
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, 7);
    enum { N = 600 };
    static const char *const label_names[] = {"a", "ab", "abc", "b", "c", "d", "e", "f"};
    for (int i = 0; i < N; i++) {
        char raw[256];
        int n = snprintf(raw, sizeof raw, "__name__=m%d,i=%d", i % 2, i);
        for (size_t k = 0; k < COUNT(label_names); k++)
            if (fer_rng_seeded_next(&rng) % 3 != 0)
                n += snprintf(raw + n, sizeof raw - (size_t)n, ",%s=%.*s%u", label_names[k],
                              (int)(fer_rng_seeded_next(&rng) % 12), "longprefixes",
                              (unsigned)(fer_rng_seeded_next(&rng) % (i % 2 == 0 ? 3 : 300)));
        test_write1(t, raw, 1000, 1);
    }
    test_query q;
    test_query_begin(&q, t->db, 0, 2000);
    selection *s = test_select(&q, NULL, 0, true);
    assert_int_equal(s->n, N);
    label_id last[LABELS_MAX];
    size_t n_last = 0, n;
    for (size_t i = 0; i < s->n; i++, n_last = n) {
        const label_id *ids = selection_labels(s, i, &n);
        assert_true(i == 0 || label_ids_cmp(q.ctx.syms, last, n_last, ids, n) < 0);
        memcpy(last, ids, n * sizeof *ids);
    }
    for (int sorted = 0; sorted < 2; sorted++) {
        expect_labels_alone(&q, sorted != 0, 0);
        expect_labels_alone(&q, sorted != 0, 7);
    }
    test_query_end(&q);
}

static void series_without_samples_in_the_range_are_left_out(void **state)
{
    test_db *t = *state;
    test_write1(t, "__name__=early", 1000, 1);
    test_write1(t, "__name__=late", 5000, 1);
    test_write1(t, "__name__=both", 1000, 1);
    test_write1(t, "__name__=both", 5000, 2);
    test_query q;
    test_query_begin(&q, t->db, 4000, 6000);
    assert_string_equal(joined_labels(&q, test_select(&q, NULL, 0, false)),
                        "{__name__=late} {__name__=both}");
    assert_string_equal(test_samples(&q, "__name__=both"), "5000:2");
    test_query_end(&q);
    test_query_begin(&q, t->db, 1001, 4999);
    assert_string_equal(joined_labels(&q, test_select(&q, NULL, 0, false)), "{__name__=both}");
    assert_string_equal(test_samples(&q, "__name__=both"), "");
    test_query_end(&q);
}

/* ---- samples over many chunks ---- */

static void samples_of_many_chunks_read_back_in_any_range(void **state)
{
    test_db *t = *state;
    enum { N = 2000, STEP = 15000 };
    for (int i = 0; i < N; i++)
        test_write1(t, "__name__=m", (int64_t)i * STEP, i * i * 0.37);
    tsdb_stats st;
    tsdb_stats_get(t->db, &st);
    assert_int_equal(st.chunks, 17); /* 120 samples each: 480 in two hours, cut in four */
    assert_int_equal(st.chunks_created, 17);
    for (int round = 0; round < 2; round++) {
        test_query q;
        test_query_begin(&q, t->db, 0, (int64_t)N * STEP);
        const char *m[1][3] = {{"__name__", "=", "m"}};
        selection *s = test_select(&q, m, 1, false);
        assert_int_equal(s->n, 1);
        samples got;
        samples_init(&got, NULL);
        for (int from = 0; from < N; from += 61) {
            for (int len = 0; len < 700; len += 101) {
                int to = from + len < N ? from + len : N - 1;
                samples_clear(&got);
                assert_int_equal(
                    selection_read(s, 0, (int64_t)from * STEP, (int64_t)to * STEP, &got, NULL),
                    FER_OK);
                assert_int_equal(got.n, to - from + 1);
                for (int i = from; i <= to; i++) {
                    assert_int_equal(got.t[i - from], (int64_t)i * STEP);
                    assert_true(got.v[i - from] == i * i * 0.37);
                }
            }
        }
        samples_done(&got);
        test_query_end(&q);
        test_db_reopen(t); /* and again as replayed */
    }
}

static void expect_newest(test_db *t, int64_t mint, int64_t maxt, bool sorted, int64_t at, double v)
{
    test_query q;
    test_query_begin(&q, t->db, mint, maxt);
    select_hints h = {.mint = mint, .maxt = maxt, .sorted = sorted, .newest_only = true};
    selection *s;
    assert_int_equal(querier_select(q.q, &h, NULL, 0, &s, NULL), FER_OK);
    assert_int_equal(s->n, 2);
    samples got;
    samples_init(&got, NULL);
    for (size_t i = 0; i < s->n; i++) {
        /* z was written first, a comes first in order; a's values are z's negated */
        double sign = (i == 0) == sorted ? -1 : 1;
        samples_clear(&got);
        assert_int_equal(selection_read(s, i, mint, maxt, &got, NULL), FER_OK);
        assert_true(got.n > 0);
        assert_int_equal(got.t[got.n - 1], at);
        assert_true(got.v[got.n - 1] == sign * v);
    }
    samples_done(&got);
    test_query_end(&q);
}

static void the_newest_sample_in_the_range_is_there_when_the_others_may_be_left_out(void **state)
{
    test_db *t = *state;
    enum { N = 300, STEP = 15000 }; /* several chunks */
    for (int i = 0; i < N; i++) {
        test_write1(t, "__name__=z", (int64_t)i * STEP, i + 1);
        test_write1(t, "__name__=a", (int64_t)i * STEP, -i - 1);
    }
    for (int sorted = 0; sorted < 2; sorted++) {
        for (int i = 1; i < N; i += 23) {
            expect_newest(t, 0, (int64_t)i * STEP, sorted, (int64_t)i * STEP, i + 1);
            expect_newest(t, STEP, (int64_t)i * STEP + 1, sorted, (int64_t)i * STEP, i + 1);
        }
        expect_newest(t, 0, INT64_MAX, sorted, (int64_t)(N - 1) * STEP, N);
        expect_newest(t, (int64_t)(N - 1) * STEP, INT64_MAX, sorted, (int64_t)(N - 1) * STEP, N);
    }
}

/* ---- pins ---- */

static void a_selection_stays_as_it_was_pinned(void **state)
{
    test_db *t = *state;
    enum { BEFORE = 100, AFTER = 500 };
    for (int i = 0; i < BEFORE; i++)
        test_write1(t, "__name__=m", i * 1000, i * 0.1);
    test_query q;
    test_query_begin(&q, t->db, INT64_MIN, INT64_MAX);
    const char *m[1][3] = {{"__name__", "=", "m"}};
    selection *s = test_select(&q, m, 1, false);
    for (int i = BEFORE; i < BEFORE + AFTER; i++) {
        test_write1(t, "__name__=m", i * 1000, i * 0.1);
        test_write1(t, "__name__=other", i * 1000, i * 0.1); /* takes what was freed too early */
    }
    samples got;
    samples_init(&got, NULL);
    assert_int_equal(selection_read(s, 0, INT64_MIN, INT64_MAX, &got, NULL), FER_OK);
    assert_int_equal(got.n, BEFORE);
    for (int i = 0; i < BEFORE; i++)
        assert_true(got.t[i] == i * 1000 && got.v[i] == i * 0.1);
    samples_done(&got);

    int64_t held = atomic_load(&t->db->h.chunks.bytes);
    assert_true(t->db->h.n_retired > 0);
    test_query_end(&q);
    assert_int_equal(t->db->h.n_retired, 0);
    assert_true(atomic_load(&t->db->h.chunks.bytes) <= held);
}

static void memory_of_a_query_is_limited(void **state)
{
    test_db *t = *state;
    static char raw[3000][32];
    static tsdb_row rows[3000];
    for (size_t i = 0; i < COUNT(rows); i++) {
        snprintf(raw[i], sizeof raw[i], "__name__=m,i=%zu", i);
        rows[i] = test_row(t, raw[i], 1000, 1);
    }
    test_write(t, rows, COUNT(rows));
    fer_account acct;
    fer_account_init(&acct, "query", NULL, 32 * 1024);
    fer_arena *a = fer_arena_new(&acct, 0);
    query_ctx ctx = {.arena = a, .acct = &acct, .syms = syms_new(a)};
    querier *q;
    assert_int_equal(storage_querier(tsdb_storage(t->db), &ctx, 0, 2000, &q, NULL), FER_OK);
    select_hints h = {.mint = 0, .maxt = 2000};
    selection *s;
    assert_int_equal(querier_select(q, &h, NULL, 0, &s, NULL), FER_LIMIT);
    str_list l = {0};
    assert_int_equal(querier_label_values(q, STR("i"), NULL, 0, 0, &l, NULL), FER_LIMIT);
    querier_close(q);
    fer_arena_free(a);
    assert_int_equal(fer_account_used(&acct), 0);
}

/* ---- names and values ---- */

static const char *join_list(test_query *q, const str_list *l)
{
    fer_str text = {"", 0};
    for (size_t i = 0; i < l->n; i++)
        text = fer_arena_printf(q->arena, "%.*s%s%.*s", STR_FMT(text), i > 0 ? "," : "",
                                STR_FMT(l->v[i]));
    return text.p;
}

static const char *values(test_query *q, const char *name, const matcher *m, size_t n,
                          uint64_t limit)
{
    str_list l = {0};
    assert_int_equal(querier_label_values(q->q, str_of(name), m, n, limit, &l, NULL), FER_OK);
    return join_list(q, &l);
}

static const char *names(test_query *q, const matcher *m, size_t n, uint64_t limit)
{
    str_list l = {0};
    assert_int_equal(querier_label_names(q->q, m, n, limit, &l, NULL), FER_OK);
    return join_list(q, &l);
}

static void names_and_values_are_sorted_unique_and_of_matching_series(void **state)
{
    test_db *t = *state;
    test_write1(t, "__name__=m,b=2,z=1", 1000, 1);
    test_write1(t, "__name__=m,b=10", 1000, 1);
    test_write1(t, "__name__=m,b=2", 1000, 1);
    test_write1(t, "__name__=n,a=1,b=1", 1000, 1);
    test_query q;
    test_query_begin(&q, t->db, 0, 2000);
    matcher m;
    assert_int_equal(matcher_make(q.arena, MATCH_EQ, STR("__name__"), STR("m"), &m, NULL), FER_OK);
    assert_string_equal(names(&q, NULL, 0, 0), "__name__,a,b,z");
    assert_string_equal(names(&q, NULL, 0, 2), "__name__,a");
    assert_string_equal(names(&q, &m, 1, 0), "__name__,b,z");
    assert_string_equal(values(&q, "b", NULL, 0, 0), "1,10,2");
    assert_string_equal(values(&q, "b", NULL, 0, 2), "1,10");
    assert_string_equal(values(&q, "b", &m, 1, 0), "10,2");
    assert_string_equal(values(&q, "a", &m, 1, 0), "");
    assert_string_equal(values(&q, "nolabel", NULL, 0, 0), "");
    test_query_end(&q);
    test_query_begin(&q, t->db, 2000, 3000); /* nothing of the head lies there */
    assert_string_equal(names(&q, NULL, 0, 0), "");
    assert_string_equal(values(&q, "b", NULL, 0, 0), "");
    test_query_end(&q);
}

static void an_empty_head_answers_empty(void **state)
{
    test_db *t = *state;
    test_query q;
    test_query_begin(&q, t->db, INT64_MIN, INT64_MAX);
    assert_int_equal(test_select(&q, NULL, 0, true)->n, 0);
    const char *m[1][3] = {{"a", "=~", ".*"}};
    assert_int_equal(test_select(&q, m, 1, true)->n, 0);
    assert_string_equal(names(&q, NULL, 0, 0), "");
    test_query_end(&q);
}

/* ---- labels that nobody looks at ---- */

/* By the texts of test_labels(): the labels of a series, what of them is chosen, and which series is the same without metric. */
static const struct {
    const char *raw, *chosen, *others;
    int like;
} chosen_cases[] = {
    {"__name__=a,job=x,pod=1", "__name__=a,job=x", "__name__=a,pod=1", -1},
    {"__name__=b,job=x,pod=1", "__name__=b,job=x", "__name__=b,pod=1", 0},
    {"__name__=a,pod=1", "__name__=a", "__name__=a,pod=1", -1},
    {"__name__=a,job=1,pod=x", "__name__=a,job=1", "__name__=a,pod=x", -1},
    {"__name__=a,__type__=c,__unit__=s,job=x,pod=1", "__name__=a,__type__=c,job=x",
     "__name__=a,__type__=c,__unit__=s,pod=1", 0},
    {"__name__=c,pod=1", "__name__=c", "__name__=c,pod=1", 2},
    {"__name__=a,job=x,pod=1,zone=z", "__name__=a,job=x", "__name__=a,pod=1,zone=z", -1},
};

static void expect_chosen(test_db *t, const label_choice *c)
{
    test_query q;
    test_query_begin(&q, t->db, INT64_MIN, INT64_MAX);
    select_hints h = {.mint = INT64_MIN, .maxt = INT64_MAX, .labels = c};
    selection *s;
    assert_int_equal(querier_select(q.q, &h, NULL, 0, &s, NULL), FER_OK);
    assert_int_equal(s->n, COUNT(chosen_cases));
    for (size_t i = 0; i < s->n; i++) {
        assert_string_equal(test_labels(&q, s, i),
                            c->others ? chosen_cases[i].others : chosen_cases[i].chosen);
        for (size_t k = 0; k < s->n; k++) {
            int a = chosen_cases[i].like < 0 ? (int)i : chosen_cases[i].like;
            int b = chosen_cases[k].like < 0 ? (int)k : chosen_cases[k].like;
            assert_int_equal(s->ops->rest_equal(s, i, k), a == b);
            assert_int_equal(s->ops->rest_hash(s, i) == s->ops->rest_hash(s, k), a == b);
        }
    }
    test_query_end(&q);
}

static void labels_that_nobody_looks_at_are_left_out(void **state)
{
    test_db *t = *state;
    for (size_t i = 0; i < COUNT(chosen_cases); i++)
        test_write1(t, chosen_cases[i].raw, TEST_NOW, 1);
    const fer_str names[] = {STR("job"), STR("none"), STR("__name__"), STR("__type__")};
    expect_chosen(t, &(label_choice){names, 4, false});
    expect_chosen(t, &(label_choice){names, 2, true});
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_two_and_three_matchers_select_what_matching_each_series_selects),
        TEST(series_come_in_ref_order_or_sorted),
        TEST(any_labels_are_sorted),
        TEST(series_without_samples_in_the_range_are_left_out),
        TEST(samples_of_many_chunks_read_back_in_any_range),
        TEST(the_newest_sample_in_the_range_is_there_when_the_others_may_be_left_out),
        TEST(a_selection_stays_as_it_was_pinned),
        TEST(memory_of_a_query_is_limited),
        TEST(names_and_values_are_sorted_unique_and_of_matching_series),
        TEST(an_empty_head_answers_empty),
        TEST(labels_that_nobody_looks_at_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

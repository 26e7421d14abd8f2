/* Random use of a database against a model that keeps every accepted sample in a plain array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tsdb/maintenance/truncate.h"
#include "tsdb/tsdb_testing.h"

enum { SERIES = 60, SPELLINGS = 3, SAMPLES_MAX = 4000, ROWS_MAX = 40 };

typedef struct model_series {
    char raw[SPELLINGS][64];
    int64_t *t;
    double *v;
    size_t n;         /* staged */
    size_t committed; /* of those, visible */
} model_series;

typedef struct model {
    test_db db;
    fer_rng_seeded rng;
    model_series s[SERIES];
    int64_t max_t;   /* newest staged; INT64_MIN while empty */
    int64_t mint;    /* truncated up to here: what is older may be gone */
    int64_t floor;   /* truncated up to here since the start */
    unsigned staged; /* requests not yet committed */
} model;

static uint64_t dice(model *m, uint64_t n)
{
    return fer_rng_seeded_next(&m->rng) % n;
}

static void model_init(model *m, uint64_t seed)
{
    memset(m, 0, sizeof *m);
    test_db_init(&m->db);
    m->db.o.wal_segment_bytes = 32 * 1024;
    test_db_open(&m->db);
    fer_rng_seeded_init(&m->rng, seed);
    m->max_t = m->mint = m->floor = INT64_MIN;
    for (int i = 0; i < SERIES; i++) {
        model_series *s = &m->s[i];
        snprintf(s->raw[0], sizeof s->raw[0], "__name__=m%d,i=%d", i % 5, i);
        snprintf(s->raw[1], sizeof s->raw[1], "i=%d,__name__=m%d", i, i % 5);
        snprintf(s->raw[2], sizeof s->raw[2], "__name__=m%d,gone=,i=%d", i % 5, i);
        s->t = fer_alloc(SAMPLES_MAX * sizeof *s->t);
        s->v = fer_alloc(SAMPLES_MAX * sizeof *s->v);
    }
}

static void model_done(model *m)
{
    test_db_done(&m->db);
    for (int i = 0; i < SERIES; i++) {
        fer_free(m->s[i].t);
        fer_free(m->s[i].v);
    }
}

static double random_value(model *m)
{
    switch (dice(m, 6)) {
    case 0:
        return f64_of_bits(STALE_NAN_BITS);
    case 1:
        return (double)dice(m, 1000) * 0.1;
    case 2:
        return f64_of_bits(fer_rng_seeded_next(&m->rng));
    default:
        return (double)dice(m, 10);
    }
}

/* What tsdb_stage must say of the row; keeps the sample when it is good. */
static tsdb_reject judge(model *m, model_series *s, int64_t t, double v, int64_t *floor, bool *same)
{
    *same = false;
    if (t > TEST_NOW + 600000)
        return REJECT_TOO_FAR;
    if (t < *floor)
        return REJECT_OUT_OF_BOUNDS;
    if (s->n > 0 && t <= s->t[s->n - 1]) {
        if (t < s->t[s->n - 1])
            return REJECT_OUT_OF_ORDER;
        *same = f64_bits(v) == f64_bits(s->v[s->n - 1]);
        return *same ? REJECT_NONE : REJECT_DUPLICATE;
    }
    if (m->max_t == INT64_MIN) {
        m->max_t = t;
        *floor = t - 3600000;
    }
    s->t[s->n] = t;
    s->v[s->n++] = v;
    return REJECT_NONE;
}

static int64_t random_time(model *m, const model_series *s)
{
    int64_t base = m->max_t == INT64_MIN ? TEST_NOW - 40000000 : m->max_t;
    switch (dice(m, 12)) {
    case 0:
        return s->n > 0 ? s->t[s->n - 1] : base; /* again */
    case 1:
        return base - (int64_t)dice(m, 5000000);
    case 2:
        return dice(m, 10) == 0 ? TEST_NOW + 600001 : base;
    case 3:
        return base + (int64_t)dice(m, 100000);
    default:
        return (s->n > 0 && s->t[s->n - 1] > base - 3000000 ? s->t[s->n - 1] : base) + 1 +
               (int64_t)dice(m, 15000);
    }
}

static void stage_request(model *m)
{
    tsdb_row rows[ROWS_MAX];
    uint64_t want[REJECT_KINDS] = {0};
    uint64_t equal = 0;
    size_t n = dice(m, ROWS_MAX) + 1;
    int64_t floor = m->max_t == INT64_MIN ? INT64_MIN : m->max_t - 3600000;
    if (floor < m->floor)
        floor = m->floor;
    int64_t newest = INT64_MIN;
    for (size_t i = 0; i < n; i++) {
        model_series *s = &m->s[dice(m, SERIES)];
        if (s->n == SAMPLES_MAX) {
            rows[i] = test_row(&m->db, "broken", 1, 1);
            want[REJECT_LABELS]++; /* also when its time is bad: the text needs its labels */
            continue;
        }
        int64_t t = random_time(m, s);
        double v = dice(m, 8) == 0 && s->n > 0 ? s->v[s->n - 1] : random_value(m);
        rows[i] = test_row(&m->db, s->raw[dice(m, SPELLINGS)], t, v);
        bool same;
        tsdb_reject why = judge(m, s, t, v, &floor, &same);
        want[why]++;
        equal += same;
        if (why == REJECT_NONE && !same && t > newest)
            newest = t;
    }
    if (newest > m->max_t)
        m->max_t = newest;
    assert_int_equal(test_stage(&m->db, rows, n), FER_OK);
    assert_int_equal(m->db.report.accepted, want[REJECT_NONE]);
    assert_int_equal(m->db.report.duplicate_equal, equal);
    for (int k = REJECT_OUT_OF_ORDER; k < REJECT_KINDS; k++)
        assert_int_equal(m->db.report.rejected[k], want[k]);
    m->staged++;
}

static void commit(model *m)
{
    unsigned before = m->db.n_done;
    test_commit(&m->db);
    assert_int_equal(m->db.n_done, before + m->staged);
    m->staged = 0;
    for (int i = 0; i < SERIES; i++)
        m->s[i].committed = m->s[i].n;
}

/* All visible samples of all series in a random range, from one selection. */
static void compare(model *m)
{
    int64_t top = m->max_t == INT64_MIN ? TEST_NOW : m->max_t;
    int64_t mint = dice(m, 2) ? INT64_MIN : top - (int64_t)dice(m, 10000000);
    mint = mint < m->mint ? m->mint : mint;
    int64_t maxt = dice(m, 2) ? INT64_MAX : top - (int64_t)dice(m, 10000000);
    test_query q;
    test_query_begin(&q, m->db.db, mint, maxt);
    size_t found = 0;
    for (int i = 0; i < SERIES; i++) {
        const model_series *s = &m->s[i];
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        const char *ms[1][3] = {{"i", "=", number}};
        selection *sel = test_select(&q, ms, 1, false);
        size_t from = 0, to = s->committed;
        while (from < to && s->t[from] < mint)
            from++;
        while (to > from && s->t[to - 1] > maxt)
            to--;
        samples got;
        samples_init(&got, NULL);
        if (sel->n == 1)
            assert_int_equal(selection_read(sel, 0, mint, maxt, &got, NULL), FER_OK);
        assert_true(sel->n == 1 || from == to);
        assert_int_equal(got.n, to - from);
        for (size_t k = from; k < to; k++) {
            assert_int_equal(got.t[k - from], s->t[k]);
            assert_true(f64_bits(got.v[k - from]) == f64_bits(s->v[k]));
        }
        found += sel->n;
        samples_done(&got);
    }
    assert_int_equal(test_select(&q, NULL, 0, false)->n, found);
    test_query_end(&q);
}

/* Forgets what is old; a truncation of the log reaches no further than what cannot be written again. */
static void truncate(model *m)
{
    if (m->max_t == INT64_MIN)
        return;
    bool log_too = dice(m, 2) == 0;
    int64_t mint = m->max_t - (int64_t)dice(m, 10000000) - (log_too ? 3600000 : 0);
    head_truncation ht;
    tsdb_truncate_head(m->db.db, mint, &ht);
    wal_truncation wt;
    if (log_too)
        assert_int_equal(tsdb_truncate_wal(m->db.db, mint, &wt, NULL), FER_OK);
    m->mint = mint > m->mint ? mint : m->mint;
    m->floor = mint > m->floor ? mint : m->floor;
}

static void reopen(model *m)
{
    test_db_reopen(&m->db);
    m->floor = INT64_MIN;
    compare(m);
}

static void run(uint64_t seed, int steps)
{
    model *m = fer_alloc(sizeof *m);
    model_init(m, seed);
    for (int i = 0; i < steps; i++) {
        uint64_t what = dice(m, 100);
        if (what < 80) {
            stage_request(m);
        } else if (what < 94) {
            commit(m);
        } else if (what < 95) {
            truncate(m);
        } else if (what < 98) {
            compare(m);
        } else if (what == 98) {
            commit(m);
            reopen(m);
        } else { /* closing commits what is staged */
            m->staged = 0;
            for (int k = 0; k < SERIES; k++)
                m->s[k].committed = m->s[k].n;
            reopen(m);
        }
    }
    model_done(m);
    fer_free(m);
}

static void random_use_agrees_with_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++)
        run(seed, 2500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_use_agrees_with_the_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

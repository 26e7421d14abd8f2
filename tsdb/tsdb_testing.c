/* tsdb_testing.c - what tests of the database share. */
#include "tsdb/tsdb_testing.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"

#define CHECK(expr)                                                                                \
    do {                                                                                           \
        if (!(expr)) {                                                                             \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #expr, t->err.msg);            \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

void test_db_init_on(test_db *t, vfs *fs, const char *path)
{
    memset(t, 0, sizeof *t);
    fer_clock_fake_init(&t->clock, TEST_NOW);
    fer_rng_seeded_init(&t->rng, 1);
    snprintf(t->path, sizeof t->path, "%s", path);
    t->scratch = fer_arena_new(NULL, 0);
    t->o = (tsdb_options){.path = t->path, .fs = fs, .clock = &t->clock.base, .rng = &t->rng.base};
}

void test_db_init(test_db *t)
{
    const char *tmp = getenv("TMPDIR");
    char path[200];
    snprintf(path, sizeof path, "%s/ferula-test-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(path) == NULL)
        abort();
    test_db_init_on(t, vfs_posix(), path);
}

void test_db_open(test_db *t)
{
    CHECK(tsdb_open(&t->o, NULL, &t->db, &t->err) == FER_OK);
}

void test_db_close(test_db *t)
{
    CHECK(tsdb_close(t->db, &t->err) == FER_OK);
    t->db = NULL;
}

void test_db_reopen(test_db *t)
{
    test_db_close(t);
    test_db_open(t);
}

void test_db_done(test_db *t)
{
    if (t->db != NULL)
        test_db_close(t);
    CHECK(vfs_remove_all(t->o.fs, t->path, &t->err) == FER_OK);
    fer_arena_free(t->scratch);
}

fer_code test_parse(void *arg, fer_str raw, fer_arena *scratch, label **ret, size_t *ret_n,
                    fer_err *err)
{
    (void)arg;
    label *l = ARENA_ARRAY(scratch, label, raw.n + 1);
    size_t n = 0;
    while (raw.n != 0) {
        const char *comma = memchr(raw.p, ',', raw.n);
        fer_str item = str_head(raw, comma == NULL ? raw.n : (size_t)(comma - raw.p));
        raw = str_from(raw, item.n + (comma != NULL));
        const char *eq = memchr(item.p, '=', item.n);
        if (eq == NULL)
            return fer_fail(err, FER_INVALID, "no = in %.*s", STR_FMT(item));
        size_t at = (size_t)(eq - item.p);
        l[n++] = (label){str_head(item, at), str_from(item, at + 1)};
    }
    *ret = l;
    *ret_n = n;
    return FER_OK;
}

tsdb_row test_row(test_db *t, const char *raw, int64_t ts, double v)
{
    return (tsdb_row){tsdb_fingerprint(t->db, str_of(raw)), str_of(raw), ts, v};
}

static void on_done(void *arg, fer_code code)
{
    test_db *t = arg;
    t->n_done++;
    t->last_done = code;
}

fer_code test_stage_rows(test_db *t, const tsdb_rows *rows)
{
    fer_arena_reset(t->scratch);
    return tsdb_stage_rows(t->db, rows, test_parse, NULL, t->scratch, &t->report, on_done, t,
                           &t->err);
}

fer_code test_stage(test_db *t, const tsdb_row *rows, size_t n)
{
    const tsdb_rows all = {.floats = rows, .n_floats = n};
    return test_stage_rows(t, &all);
}

void test_commit(test_db *t)
{
    CHECK(tsdb_commit_step(t->db, NULL, &t->err) == FER_OK);
}

void test_write(test_db *t, const tsdb_row *rows, size_t n)
{
    unsigned before = t->n_done;
    CHECK(test_stage(t, rows, n) == FER_OK);
    test_commit(t);
    CHECK(t->n_done == before + 1 && t->last_done == FER_OK);
}

void test_write1(test_db *t, const char *raw, int64_t ts, double v)
{
    tsdb_row row = test_row(t, raw, ts, v);
    test_write(t, &row, 1);
    CHECK(t->report.accepted == 1);
}

/* ---- reading ---- */

void test_query_begin(test_query *q, tsdb *db, int64_t mint, int64_t maxt)
{
    *q = (test_query){.arena = fer_arena_new(NULL, 0)};
    q->ctx = (query_ctx){.arena = q->arena, .syms = syms_new(q->arena)};
    fer_code code = storage_querier(tsdb_storage(db), &q->ctx, mint, maxt, &q->q, NULL);
    assert(code == FER_OK);
    (void)code;
}

void test_query_end(test_query *q)
{
    querier_close(q->q);
    fer_arena_free(q->arena);
}

static matcher_type type_of(const char *op)
{
    for (matcher_type type = MATCH_EQ; type <= MATCH_NRE; type++)
        if (strcmp(matcher_op(type), op) == 0)
            return type;
    abort();
}

selection *test_select(test_query *q, const char *(*m)[3], size_t n, bool sorted)
{
    matcher ms[9];
    for (size_t i = 0; i < n; i++) {
        fer_code code = matcher_make(q->arena, type_of(m[i][1]), str_of(m[i][0]), str_of(m[i][2]),
                                     &ms[i], NULL);
        assert(code == FER_OK);
        (void)code;
    }
    select_hints h = {.mint = q->q->mint, .maxt = q->q->maxt, .sorted = sorted};
    selection *s = NULL;
    fer_code code = querier_select(q->q, &h, ms, n, &s, NULL);
    assert(code == FER_OK);
    (void)code;
    return s;
}

const char *test_labels(test_query *q, selection *s, size_t i)
{
    size_t n;
    const label_id *ids = selection_labels(s, i, &n);
    fer_str text = {"", 0};
    for (size_t k = 0; k < n; k++) {
        fer_str name = syms_text(q->ctx.syms, ids[k].name),
                value = syms_text(q->ctx.syms, ids[k].value);
        text = fer_arena_printf(q->arena, "%.*s%s%.*s=%.*s", STR_FMT(text), k > 0 ? "," : "",
                                STR_FMT(name), STR_FMT(value));
    }
    return text.p;
}

static const char *samples_text(test_query *q, const samples *s)
{
    fer_buf b;
    fer_buf_init(&b, 1 << 26, NULL);
    for (size_t i = 0; i < s->n; i++) {
        char num[NUM_TEXT_MAX];
        size_t n = num_format_g(num, s->v[i]);
        fer_buf_printf(&b, "%s%" PRId64 ":%.*s", i > 0 ? " " : "", s->t[i], (int)n, num);
    }
    fer_str text = fer_arena_dup(q->arena, fer_buf_str(&b));
    fer_buf_done(&b);
    return text.p;
}

const char *test_samples(test_query *q, const char *raw)
{
    label *l;
    size_t n;
    labels ls;
    if (test_parse(NULL, str_of(raw), q->arena, &l, &n, NULL) != FER_OK ||
        labels_canonical(l, n, false, &ls, NULL) != FER_OK)
        abort();
    const char *m[9][3];
    for (size_t i = 0; i < ls.n; i++) {
        m[i][0] = fer_arena_dup(q->arena, ls.l[i].name).p;
        m[i][1] = "=";
        m[i][2] = fer_arena_dup(q->arena, ls.l[i].value).p;
    }
    selection *s = test_select(q, m, ls.n, false);
    for (size_t i = 0; i < s->n; i++) {
        size_t have;
        selection_labels(s, i, &have);
        if (have != ls.n)
            continue;
        samples got;
        samples_init(&got, NULL);
        if (selection_read(s, i, q->q->mint, q->q->maxt, &got, NULL) != FER_OK)
            abort();
        const char *text = samples_text(q, &got);
        samples_done(&got);
        return text;
    }
    return "";
}

void test_expect(test_db *t, const char *raw, const char *want)
{
    test_query q;
    test_query_begin(&q, t->db, INT64_MIN, INT64_MAX);
    const char *got = test_samples(&q, raw);
    if (strcmp(got, want) != 0) {
        fprintf(stderr, "%s: got \"%s\", want \"%s\"\n", raw, got, want);
        abort();
    }
    test_query_end(&q);
}

/* rw2_test.c - remote-write 2.0 messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/remote/rw2_model.h"

/* A message being written: symbols and series, each appended to one buffer. */
static void put_varint(fer_buf *b, uint64_t v)
{
    uint8_t tmp[VARINT_MAX];
    fer_buf_put(b, tmp, uvarint_put(tmp, v));
}

static void put_bytes(fer_buf *b, uint32_t num, fer_str s)
{
    put_varint(b, num << 3 | 2);
    put_varint(b, s.n);
    fer_buf_puts(b, s);
}

static void put_number(fer_buf *b, uint32_t num, uint64_t v)
{
    put_varint(b, num << 3);
    put_varint(b, v);
}

#define SYMBOLS(msg, ...) put_symbols((msg), (const char *[]){__VA_ARGS__, NULL})
static void put_symbols(fer_buf *msg, const char **texts)
{
    for (; *texts != NULL; texts++)
        put_bytes(msg, 4, str_of(*texts));
}

/* References below 128, packed. */
static void put_refs(fer_buf *series, const char *refs, size_t n)
{
    put_bytes(series, 1, (fer_str){refs, n});
}

static void put_sample(fer_buf *series, double v, int64_t t, int64_t start)
{
    fer_buf b;
    fer_buf_init(&b, 64, NULL);
    fer_buf_putc(&b, 0x09);
    fer_buf_put(&b, &v, 8);
    put_number(&b, 2, (uint64_t)t);
    if (start != 0)
        put_number(&b, 3, (uint64_t)start);
    put_bytes(series, 2, fer_buf_str(&b));
    fer_buf_done(&b);
}

static void put_metadata(fer_buf *series, uint32_t type, uint32_t help, uint32_t unit)
{
    fer_buf b;
    fer_buf_init(&b, 64, NULL);
    put_number(&b, 1, type);
    put_number(&b, 3, help);
    put_number(&b, 4, unit);
    put_bytes(series, 5, fer_buf_str(&b));
    fer_buf_done(&b);
}

/* Ends the series: into the message, and empty again. */
static void put_series(fer_buf *msg, fer_buf *series)
{
    put_bytes(msg, 5, fer_buf_str(series));
    fer_buf_clear(series);
}

typedef struct fixture {
    fer_buf msg, series;
    rw_request q;
    rw2_symbols symbols;
    fer_arena *a;
} fixture;

static void set_up(fixture *f)
{
    fer_buf_init(&f->msg, 1 << 20, NULL);
    fer_buf_init(&f->series, 1 << 20, NULL);
    rw_request_init(&f->q, NULL);
    rw2_symbols_init(&f->symbols, NULL);
    f->a = fer_arena_new(NULL, 0);
}

static void tear_down(fixture *f)
{
    fer_buf_done(&f->msg);
    fer_buf_done(&f->series);
    rw_request_done(&f->q);
    rw2_symbols_done(&f->symbols);
    fer_arena_free(f->a);
}

static void scan_ok(fixture *f)
{
    fer_err err = {0};
    if (rw2_scan(fer_buf_str(&f->msg), model_fingerprint, NULL, &f->symbols, &f->q, &err) != FER_OK)
        fail_msg("%s", err.msg);
    model_compare(fer_buf_str(&f->msg));
}

static void samples_arrive_in_order_with_their_labels(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    SYMBOLS(&f.msg, "", "__name__", "up", "job", "x");
    put_refs(&f.series, "\1\2\3\4", 4);
    put_sample(&f.series, 1.5, 1000, 0);
    put_sample(&f.series, -1, -5, 900); /* a start timestamp is read past */
    put_series(&f.msg, &f.series);
    scan_ok(&f);
    assert_int_equal(f.q.n_rows, 2);
    assert_true(f.q.rows[0].t == 1000 && f.q.rows[0].v == 1.5);
    assert_true(f.q.rows[1].t == -5 && f.q.rows[1].v == -1);
    label *l;
    size_t n;
    assert_int_equal(rw2_labels(&f.symbols, f.q.rows[0].raw, f.a, &l, &n, NULL), FER_OK);
    assert_int_equal(n, 2);
    assert_true(str_eq(l[0].value, STR("up")) && str_eq(l[1].name, STR("job")));
    tear_down(&f);
}

static void expect_labels(fixture *f, fer_str raw, const char *const *want)
{
    label *l;
    size_t n;
    assert_int_equal(rw2_labels(&f->symbols, raw, f->a, &l, &n, NULL), FER_OK);
    for (size_t i = 0; i < n; i++) {
        assert_non_null(want[2 * i]);
        assert_true(str_eq(l[i].name, str_of(want[2 * i])));
        assert_true(str_eq(l[i].value, str_of(want[2 * i + 1])));
    }
    assert_null(want[2 * n]);
}

static void type_and_unit_become_labels_if_wanted(void **state)
{
    (void)state;
    static const char *const both[] = {"__name__", "up",      "__type__", "gauge",
                                       "__unit__", "seconds", NULL};
    static const char *const own[] = {"__name__", "up", "__type__", "mine", NULL};
    fixture f;
    set_up(&f);
    f.q.wants_types = true;
    SYMBOLS(&f.msg, "", "__name__", "up", "__type__", "mine", "seconds");
    for (int i = 0; i < 4; i++) {
        put_refs(&f.series, "\1\2\3\4", 4);
        put_sample(&f.series, 1, 1000, 0);
        if (i < 2)
            put_metadata(&f.series, 2, 0, 5);
        if (i == 2)
            put_metadata(&f.series, 0, 2, 0); /* nothing to tell */
        put_series(&f.msg, &f.series);
    }
    put_refs(&f.series, "\1\6", 2); /* a reference to what is behind the request's symbols */
    put_sample(&f.series, 1, 1000, 0);
    put_series(&f.msg, &f.series);
    fer_err err = {0};
    assert_int_equal(rw2_scan(fer_buf_str(&f.msg), model_fingerprint, NULL, &f.symbols, &f.q, &err),
                     FER_OK);
    assert_int_equal(f.q.n_rows, 4);
    expect_labels(&f, f.q.rows[0].raw, both);
    expect_labels(&f, f.q.rows[1].raw, both);
    expect_labels(&f, f.q.rows[2].raw, own);
    assert_memory_equal(&f.q.rows[0].fp, &f.q.rows[1].fp, sizeof f.q.rows[0].fp);
    assert_memory_not_equal(&f.q.rows[0].fp, &f.q.rows[2].fp, sizeof f.q.rows[0].fp);
    assert_memory_equal(&f.q.rows[3].fp, &f.q.rows[2].fp, sizeof f.q.rows[0].fp);
    assert_int_equal(f.q.n_bad_series, 1);
    tear_down(&f);
}

static bool same_name(const tsdb_row *a, const tsdb_row *b)
{
    return a->fp.lo == b->fp.lo && a->fp.hi == b->fp.hi;
}

/* The same series in another request, where its symbols have other places, and with its references in
 * pieces, packed and not. */
static void the_fingerprint_is_of_the_labels_not_of_their_places(void **state)
{
    (void)state;
    fixture f, g;
    set_up(&f);
    set_up(&g);
    SYMBOLS(&f.msg, "", "__name__", "up", "job", "x");
    put_refs(&f.series, "\1\2\3\4", 4);
    put_sample(&f.series, 1, 1, 0);
    put_series(&f.msg, &f.series);
    put_refs(&f.series, "\3\4\1\2", 4); /* nor is it of their order */
    put_sample(&f.series, 1, 1, 0);
    put_series(&f.msg, &f.series);
    static const char *const others[] = {"\2\1\4\3", "\1\4\3\2", "\1\2\4\3", "\1\2\3\3"};
    for (size_t i = 0; i < 4; i++) { /* but of what is the name of what */
        put_refs(&f.series, others[i], 4);
        put_sample(&f.series, 1, 1, 0);
        put_series(&f.msg, &f.series);
    }

    put_refs(&g.series, "\6\5", 2); /* the symbols come later */
    put_sample(&g.series, 1, 1, 0);
    put_number(&g.series, 1, 4);
    put_sample(&g.series, 1, 1, 0);
    put_refs(&g.series, "\3", 1);
    put_series(&g.msg, &g.series);
    SYMBOLS(&g.msg, "", "other", "z", "x", "job", "up", "__name__");
    scan_ok(&f);
    scan_ok(&g);
    assert_int_equal(f.q.n_rows, 6);
    assert_int_equal(g.q.n_rows, 2);
    assert_true(same_name(&f.q.rows[0], &g.q.rows[0]) && same_name(&g.q.rows[0], &g.q.rows[1]));
    assert_true(same_name(&f.q.rows[0], &f.q.rows[1]));
    for (size_t i = 2; i < 6; i++)
        for (size_t k = 1; k < i; k++)
            assert_false(same_name(&f.q.rows[i], &f.q.rows[k]));
    tear_down(&f);
    tear_down(&g);
}

/* Zeros stand for none in the head: a series without labels would be taken for another one. */
static void no_labels_have_a_fingerprint_that_is_not_zero(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    SYMBOLS(&f.msg, "", "a", "b");
    put_sample(&f.series, 1, 1, 0);
    put_series(&f.msg, &f.series);
    scan_ok(&f);
    assert_int_equal(f.q.n_rows, 1);
    assert_true(f.q.rows[0].fp.lo != 0 || f.q.rows[0].fp.hi != 0);
    tear_down(&f);
}

/* Series are read before all symbols are there, and once more then: nothing is told twice or forgotten. */
static void symbols_may_come_between_series(void **state)
{
    (void)state;
    static const char *const want[] = {"__name__", "up", "job", "x", NULL};
    fixture f;
    set_up(&f);
    SYMBOLS(&f.msg, "", "__name__", "up");
    for (int i = 0; i < 2; i++) {
        put_refs(&f.series, "\1\2\3\4", 4);
        put_sample(&f.series, 1, 1 + i, 0);
        put_metadata(&f.series, 2, 5, 0);
        put_series(&f.msg, &f.series);
        if (i == 0)
            SYMBOLS(&f.msg, "job", "x");
    }
    SYMBOLS(&f.msg, "Help.");
    scan_ok(&f);
    assert_int_equal(f.q.n_series, 2);
    assert_int_equal(f.q.n_bad_series, 0);
    assert_int_equal(f.q.n_rows, 2);
    expect_labels(&f, f.q.rows[0].raw, want);
    expect_labels(&f, f.q.rows[1].raw, want);
    assert_true(same_name(&f.q.rows[0], &f.q.rows[1]));
    assert_int_equal(f.q.n_metadata, 1);
    assert_true(str_eq(f.q.metadata[0].help, STR("Help.")));
    tear_down(&f);
}

/* As nearly all series are sent, and what looks like it at first. */
static void samples_of_usual_form_and_others_read_alike(void **state)
{
    (void)state;
    static const int64_t times[] = {0,
                                    127,
                                    (INT64_C(1) << 35) - 1,
                                    INT64_C(1) << 35,
                                    1700000000000,
                                    (INT64_C(1) << 42) - 1,
                                    INT64_C(1) << 42,
                                    -1};
    enum { TIMES = sizeof times / sizeof *times };
    fixture f;
    set_up(&f);
    SYMBOLS(&f.msg, "", "__name__", "up");
    for (size_t i = 0; i < TIMES; i++) {
        put_refs(&f.series, "\1\2", 2);
        put_sample(&f.series, (double)i, times[i], 0);
        if (i % 2 == 0)
            put_bytes(&f.series, 5, STR("")); /* metadata that tells nothing */
        put_series(&f.msg, &f.series);
    }
    scan_ok(&f);
    assert_int_equal(f.q.n_rows, TIMES);
    for (size_t i = 0; i < TIMES; i++)
        assert_true(f.q.rows[i].t == times[i] && f.q.rows[i].v == (double)i);
    assert_int_equal(f.q.n_metadata, 0);
    tear_down(&f);
}

static void series_that_cannot_be_named_are_left_out_and_told(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    SYMBOLS(&f.msg, "", "__name__", "up");
    const struct {
        const char *refs, *text;
    } cases[] = {
        {"\1\2\1", "parsing labels for series [1 2 1]: invalid labelRefs length 3\n"},
        {"\1\11",
         "parsing labels for series [1 9]: labelRefs 1 (name) = 9 (value) outside of symbols "
         "table (size 3)\n"},
        {"\3\1",
         "parsing labels for series [3 1]: labelRefs 3 (name) = 1 (value) outside of symbols "
         "table (size 3)\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_refs(&f.series, cases[i].refs, strlen(cases[i].refs));
        put_sample(&f.series, 1, 1, 0);
        put_series(&f.msg, &f.series);
        put_refs(&f.series, "\1\2", 2);
        put_sample(&f.series, 2, (int64_t)i + 1, 0);
        put_series(&f.msg, &f.series);
    }
    put_refs(&f.series, "\1\2", 2); /* nothing in it */
    put_series(&f.msg, &f.series);
    put_refs(&f.series, "\1\2", 2);
    put_bytes(&f.series, 4, STR("")); /* an exemplar alone */
    put_series(&f.msg, &f.series);
    scan_ok(&f);
    assert_int_equal(f.q.n_rows, 3);
    assert_int_equal(f.q.n_bad_series, 4);
    assert_int_equal(f.q.n_bad_samples, 3);
    fer_str bad = fer_buf_str(&f.q.bad);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(str_has_prefix(bad, str_of(cases[i].text)));
        bad = str_from(bad, strlen(cases[i].text));
    }
    assert_true(
        str_eq(bad, STR("TimeSeries must contain at least one sample or histogram for series "
                        "{__name__=\"up\"}\n")));
    tear_down(&f);
}

static void references_end_within_their_piece(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    SYMBOLS(&f.msg, "", "a", "b");
    put_refs(&f.series, "\1\x82", 2); /* the piece behind it must not complete the last one */
    put_refs(&f.series, "\0", 1);
    put_sample(&f.series, 1, 1, 0);
    put_series(&f.msg, &f.series);
    fer_err err = {0};
    assert_int_equal(rw2_scan(fer_buf_str(&f.msg), model_fingerprint, NULL, &f.symbols, &f.q, &err),
                     FER_INVALID);
    model_compare(fer_buf_str(&f.msg));
    tear_down(&f);
}

static void a_series_with_too_many_labels_is_left_out(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    SYMBOLS(&f.msg, "", "__name__", "up");
    for (int i = 0; i < LABELS_MAX + 1; i++)
        put_refs(&f.series, "\1\2", 2);
    put_sample(&f.series, 1, 1, 0);
    put_series(&f.msg, &f.series);
    scan_ok(&f);
    assert_int_equal(f.q.n_bad_series, 1);
    assert_true(str_has_suffix(fer_buf_str(&f.q.bad), STR(" ...]: more than 1024 labels\n")));
    tear_down(&f);
}

static void metadata_is_told_once_by_family(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    SYMBOLS(&f.msg, "", "__name__", "t_seconds_bucket", "t_seconds_count", "n_total", "Help.",
            "seconds");
    for (int i = 0; i < 3; i++) {
        put_refs(&f.series, "\1\2", 2);
        put_sample(&f.series, 1, i, 0);
        put_metadata(&f.series, 3, 5, 6);
        put_series(&f.msg, &f.series);
    }
    put_refs(&f.series, "\1\4", 2);
    put_sample(&f.series, 1, 1, 0);
    put_metadata(&f.series, 1, 5, 0);
    put_series(&f.msg, &f.series);
    put_refs(&f.series, "\1\4", 2); /* unspecified: nothing to tell */
    put_sample(&f.series, 1, 2, 0);
    put_metadata(&f.series, 0, 0, 0);
    put_series(&f.msg, &f.series);
    put_refs(&f.series, "\1\4", 2);
    put_sample(&f.series, 1, 3, 0);
    put_metadata(&f.series, 1, 77, 0);
    put_series(&f.msg, &f.series);
    scan_ok(&f);
    assert_int_equal(f.q.n_metadata, 2);
    assert_true(str_eq(f.q.metadata[0].family, STR("t_seconds")) && f.q.metadata[0].type == 3);
    assert_true(str_eq(f.q.metadata[0].unit, STR("seconds")));
    assert_true(str_eq(f.q.metadata[1].family, STR("n_total")) && f.q.metadata[1].type == 1);
    assert_true(str_eq(f.q.metadata[1].help, STR("Help.")) && f.q.metadata[1].unit.n == 0);
    assert_int_equal(f.q.n_bad_series, 1);
    assert_int_equal(f.q.n_rows, 5);
    tear_down(&f);
}

static void every_cut_and_every_flip_reads_as_protobuf_c_reads_it(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    SYMBOLS(&f.msg, "", "__name__", "http_requests_total", "job", "api");
    for (int i = 0; i < 2; i++) {
        put_refs(&f.series, "\1\2\3\4", 4);
        put_sample(&f.series, 42.5, 1700000000000, 1690000000000);
        put_bytes(&f.series, 3, STR(""));
        put_metadata(&f.series, 1, 2, 0);
        put_series(&f.msg, &f.series);
    }
    for (size_t cut = 0; cut <= f.msg.n; cut++) {
        /* a copy of just these bytes, so that reading past the end is seen */
        char *copy = fer_memdup0(f.msg.p, cut);
        model_compare((fer_str){copy, cut});
        fer_free(copy);
    }
    assert_true(model_compare(fer_buf_str(&f.msg)));
    for (size_t bit = 0; bit < f.msg.n * 8; bit++) {
        f.msg.p[bit / 8] ^= (char)(1 << bit % 8);
        model_compare(fer_buf_str(&f.msg));
        f.msg.p[bit / 8] ^= (char)(1 << bit % 8);
    }
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_arrive_in_order_with_their_labels),
        cmocka_unit_test(type_and_unit_become_labels_if_wanted),
        cmocka_unit_test(the_fingerprint_is_of_the_labels_not_of_their_places),
        cmocka_unit_test(no_labels_have_a_fingerprint_that_is_not_zero),
        cmocka_unit_test(symbols_may_come_between_series),
        cmocka_unit_test(samples_of_usual_form_and_others_read_alike),
        cmocka_unit_test(series_that_cannot_be_named_are_left_out_and_told),
        cmocka_unit_test(references_end_within_their_piece),
        cmocka_unit_test(a_series_with_too_many_labels_is_left_out),
        cmocka_unit_test(metadata_is_told_once_by_family),
        cmocka_unit_test(every_cut_and_every_flip_reads_as_protobuf_c_reads_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

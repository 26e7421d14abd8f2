/* What a block writer gets of the head. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tsdb/head/head_export.h"
#include "tsdb/tsdb_int.h"
#include "tsdb/tsdb_testing.h"

#define T0 (TEST_NOW / 7200000 * 7200000 - 7200000)

static int open_db(void **state)
{
    test_db *t = fer_calloc(1, sizeof *t);
    test_db_init(t);
    fer_clock_fake_advance(&t->clock, 24 * 3600 * 1000);
    t->o.sync = WAL_SYNC_NONE;
    test_db_open(t);
    *state = t;
    return 0;
}

static int close_db(void **state)
{
    test_db_done(*state);
    fer_free(*state);
    return 0;
}

/* One line per series: labels, then its chunks in brackets. */
static void print_series(const fer_str *texts, const exported_series *s, fer_buf *out)
{
    for (size_t i = 0; i < s->n_labels; i++) {
        fer_str name = texts[s->labels[i].name], value = texts[s->labels[i].value];
        fer_buf_printf(out, "%s%.*s=%.*s", i == 0 ? "" : ",", STR_FMT(name), STR_FMT(value));
    }
    for (size_t i = 0; i < s->n_chunks; i++) {
        const exported_chunk *c = &s->chunks[i];
        samples got;
        samples_init(&got, NULL);
        assert_int_equal(xor_decode(c->bytes, 0, INT64_MIN, INT64_MAX, &got), FER_OK);
        assert_int_equal(got.n, c->n);
        assert_int_equal(got.t[0], c->mint);
        assert_int_equal(got.t[got.n - 1], c->maxt);
        fer_buf_puts(out, STR(" ["));
        for (size_t k = 0; k < got.n; k++)
            fer_buf_printf(out, "%s%d:%g", k == 0 ? "" : " ", (int)(got.t[k] - T0), got.v[k]);
        fer_buf_putc(out, ']');
        samples_done(&got);
    }
    fer_buf_putc(out, '\n');
}

static void expect_export(test_db *t, int64_t mint, int64_t maxt, const char *want)
{
    head_export *x;
    assert_int_equal(head_export_open(&t->db->h, mint, maxt, NULL, &x, NULL), FER_OK);
    const fer_str *texts;
    uint32_t n = head_export_symbols(x, &texts);
    for (uint32_t i = 1; i < n; i++)
        assert_true(str_cmp(texts[i - 1], texts[i]) < 0);
    fer_buf out;
    fer_buf_init(&out, 1 << 20, NULL);
    exported_series s;
    bool more;
    while (head_export_next(x, &s, &more, NULL) == FER_OK && more)
        print_series(texts, &s, &out);
    fer_buf_putc(&out, '\0');
    assert_string_equal(out.p, want);
    fer_buf_done(&out);
    head_export_close(x);
}

static void series_come_in_label_order_with_their_samples(void **state)
{
    test_db *t = *state;
    expect_export(t, T0, T0 + 100, "");
    test_write1(t, "__name__=b,job=x", T0, 1);
    test_write1(t, "__name__=a,zone=b", T0 + 5, 2);
    test_write1(t, "__name__=a,job=y", T0 + 6, 3);
    test_write1(t, "__name__=a", T0 + 7, 4);
    test_write1(t, "__name__=b,job=x", T0 + 8, 5);
    expect_export(t, T0, T0 + 100,
                  "__name__=a [7:4]\n"
                  "__name__=a,job=y [6:3]\n"
                  "__name__=a,zone=b [5:2]\n"
                  "__name__=b,job=x [0:1 8:5]\n");
}

static void the_range_ends_before_maxt_and_cuts_chunks(void **state)
{
    test_db *t = *state;
    for (int i = 0; i < 4; i++)
        test_write1(t, "__name__=a", T0 + 7200000 - 20 + i * 10, i);
    test_write1(t, "__name__=b", T0 + 7200000, 9);
    expect_export(t, T0, T0 + 7200000, "__name__=a [7199980:0 7199990:1]\n");
    expect_export(t, T0 + 7200000, INT64_MAX,
                  "__name__=a [7200000:2 7200010:3]\n__name__=b [7200000:9]\n");
    expect_export(t, T0 + 7199990, T0 + 7200010,
                  "__name__=a [7199990:1] [7200000:2]\n__name__=b [7200000:9]\n");
    expect_export(t, T0 + 7199991, T0 + 7200000, "");
    expect_export(t, T0 + 7200000, T0 + 7200000, "");
    expect_export(t, INT64_MIN, INT64_MIN, "");
}

/* Whole chunks are the head's own, byte for byte; all samples are in them. */
static void chunks_are_handed_out_whole(void **state)
{
    test_db *t = *state;
    for (int i = 0; i < 500; i++)
        test_write1(t, "__name__=a", T0 + i * 1000, i * 0.1);
    head_export *x;
    assert_int_equal(head_export_open(&t->db->h, T0, INT64_MAX, NULL, &x, NULL), FER_OK);
    exported_series s;
    bool more;
    assert_int_equal(head_export_next(x, &s, &more, NULL), FER_OK);
    assert_true(more);
    const pub_rec *r = head_pub_rec(&t->db->h, 0);
    const full_list *list = slab_ptr(&t->db->h.chunks, r->full);
    assert_int_equal(s.n_chunks, list->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n_chunks; i++)
        n += s.chunks[i].n;
    assert_int_equal(n, 500);
    for (size_t i = 0; i < list->n; i++)
        assert_ptr_equal(s.chunks[i].bytes.p, slab_ptr(&t->db->h.chunks, list->c[i].at));
    uint8_t open[XOR_CHUNK_BYTES_SOFT];
    head_open_bytes(&t->db->h, r, open);
    assert_int_equal(s.chunks[list->n].bytes.n, xor_bytes(&r->app));
    assert_memory_equal(s.chunks[list->n].bytes.p, open, xor_bytes(&r->app));
    assert_int_equal(head_export_next(x, &s, &more, NULL), FER_OK);
    assert_false(more);
    head_export_close(x);
}

static void writing_goes_on_meanwhile(void **state)
{
    test_db *t = *state;
    enum { SERIES = 1000 };
    char raw[SERIES][40];
    tsdb_row rows[SERIES];
    for (int i = 0; i < SERIES; i++)
        snprintf(raw[i], sizeof raw[i], "__name__=a,i=%04d", (i * 7919) % SERIES);
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < SERIES; i++)
            rows[i] = test_row(t, raw[i], T0 + k, i);
        test_write(t, rows, SERIES);
    }
    head_export *x;
    assert_int_equal(head_export_open(&t->db->h, T0, T0 + 3, NULL, &x, NULL), FER_OK);
    assert_int_equal(head_export_count(x), SERIES);
    const fer_str *texts;
    head_export_symbols(x, &texts);
    for (int n = 0;; n++) {
        exported_series s;
        bool more;
        assert_int_equal(head_export_next(x, &s, &more, NULL), FER_OK);
        if (!more) {
            assert_int_equal(n, SERIES);
            break;
        }
        char want[8];
        snprintf(want, sizeof want, "%04d", n);
        assert_true(str_eq(texts[s.labels[1].value], str_of(want)));
        if (n % 100 == 0) {
            for (int i = 0; i < SERIES; i++)
                rows[i] = test_row(t, raw[i], T0 + 10000 + n, n);
            test_write(t, rows, SERIES);
            test_write1(t, "__name__=new", T0 + 10000 + n, 1);
        }
        assert_int_equal(s.n_chunks, 1);
        assert_int_equal(s.chunks[0].n, 3);
    }
    head_export_close(x);
}

static void a_budget_is_kept(void **state)
{
    test_db *t = *state;
    for (int i = 0; i < 2000; i++) {
        char raw[40];
        snprintf(raw, sizeof raw, "__name__=a,i=%d", i);
        tsdb_row row = test_row(t, raw, T0, i);
        test_write(t, &row, 1);
    }
    fer_account acct;
    bool done = false;
    for (int64_t limit = 4096; !done; limit *= 2) {
        fer_account_init(&acct, "export", NULL, limit);
        head_export *x;
        fer_err err;
        fer_code code = head_export_open(&t->db->h, T0, T0 + 1, &acct, &x, &err);
        if (code == FER_OK) {
            done = true;
            exported_series s;
            bool more;
            while (head_export_next(x, &s, &more, &err) == FER_OK && more)
                ;
            head_export_close(x);
            assert_true(limit <= 1 << 20);
        } else {
            assert_int_equal(code, FER_LIMIT);
        }
        assert_int_equal(fer_account_used(&acct), 0);
    }
}

int main(void)
{
#define ON_DB(f) cmocka_unit_test_setup_teardown(f, open_db, close_db)
    const struct CMUnitTest tests[] = {
        ON_DB(series_come_in_label_order_with_their_samples),
        ON_DB(the_range_ends_before_maxt_and_cuts_chunks),
        ON_DB(chunks_are_handed_out_whole),
        ON_DB(writing_goes_on_meanwhile),
        ON_DB(a_budget_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

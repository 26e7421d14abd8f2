/* rw1_test.c - remote-write 1.0 bodies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rng.h"
#include "server/remote/rw1_model.h"

/* A message being written, from the inside out: fields of one level. */
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

static void put_label(fer_buf *series, const char *name, const char *value)
{
    fer_buf m;
    fer_buf_init(&m, 1 << 20, NULL);
    put_bytes(&m, 1, str_of(name));
    put_bytes(&m, 2, str_of(value));
    put_bytes(series, 1, fer_buf_str(&m));
    fer_buf_done(&m);
}

static void put_sample(fer_buf *series, double v, int64_t t)
{
    fer_buf m;
    fer_buf_init(&m, 64, NULL);
    if (v != 0) {
        fer_buf_putc(&m, 0x09);
        fer_buf_put(&m, &v, 8);
    }
    if (t != 0) {
        fer_buf_putc(&m, 0x10);
        put_varint(&m, (uint64_t)t);
    }
    put_bytes(series, 2, fer_buf_str(&m));
    fer_buf_done(&m);
}

static void scan_ok(fer_str msg, rw_request *q)
{
    fer_err err = {0};
    rw_request_init(q, NULL);
    if (rw1_scan(msg, model_fingerprint, NULL, q, &err) != FER_OK)
        fail_msg("%s", err.msg);
}

static void samples_arrive_in_order_with_their_labels(void **state)
{
    (void)state;
    fer_buf series, msg;
    fer_buf_init(&series, 1 << 20, NULL);
    fer_buf_init(&msg, 1 << 20, NULL);
    put_label(&series, "__name__", "up");
    put_label(&series, "job", "x");
    put_sample(&series, 1.5, 1000);
    put_sample(&series, 0, 2000); /* zero fields are absent on the wire */
    put_sample(&series, -1, -5);
    put_bytes(&msg, 1, fer_buf_str(&series));

    rw_request q;
    scan_ok(fer_buf_str(&msg), &q);
    assert_int_equal(q.n_rows, 3);
    assert_int_equal(q.n_series, 1);
    assert_true(q.rows[0].t == 1000 && q.rows[0].v == 1.5);
    assert_true(q.rows[1].t == 2000 && q.rows[1].v == 0);
    assert_true(q.rows[2].t == -5 && q.rows[2].v == -1);
    assert_true(str_eq(q.rows[0].raw, q.rows[2].raw));

    fer_arena *a = fer_arena_new(NULL, 0);
    label *l;
    size_t n;
    assert_int_equal(rw1_labels(NULL, q.rows[0].raw, a, &l, &n, NULL), FER_OK);
    assert_int_equal(n, 2);
    assert_true(str_eq(l[1].name, STR("job")) && str_eq(l[1].value, STR("x")));
    fer_arena_free(a);
    rw_request_done(&q);
    fer_buf_done(&series);
    fer_buf_done(&msg);
}

static void labels_after_and_between_samples_name_the_same_series(void **state)
{
    (void)state;
    fer_buf a, b, msg;
    fer_buf_init(&a, 1 << 20, NULL);
    fer_buf_init(&b, 1 << 20, NULL);
    fer_buf_init(&msg, 1 << 20, NULL);
    put_label(&a, "__name__", "up");
    put_label(&a, "job", "x");
    put_label(&a, "zone", "y");
    put_sample(&a, 1, 1);
    put_sample(&b, 1, 1);
    put_label(&b, "__name__", "up");
    put_sample(&b, 2, 2);
    put_label(&b, "job", "x");
    put_sample(&b, 3, 3);
    put_label(&b, "zone", "y");
    put_bytes(&msg, 1, fer_buf_str(&b));
    put_bytes(&msg, 1, fer_buf_str(&a));
    put_bytes(&msg, 1, fer_buf_str(&b));

    rw_request q;
    scan_ok(fer_buf_str(&msg), &q);
    assert_int_equal(q.n_rows, 7);
    for (size_t i = 1; i < q.n_rows; i++) {
        assert_true(str_eq(q.rows[i].raw, q.rows[0].raw));
        assert_memory_equal(&q.rows[i].fp, &q.rows[0].fp, sizeof q.rows[0].fp);
    }
    assert_true(model_compare(fer_buf_str(&msg)));
    rw_request_done(&q);
    fer_buf_done(&a);
    fer_buf_done(&b);
    fer_buf_done(&msg);
}

static void stale_marker_keeps_its_bits(void **state)
{
    (void)state;
    fer_buf series, msg;
    fer_buf_init(&series, 1 << 20, NULL);
    fer_buf_init(&msg, 1 << 20, NULL);
    put_label(&series, "__name__", "up");
    put_sample(&series, f64_of_bits(STALE_NAN_BITS), 1);
    put_bytes(&msg, 1, fer_buf_str(&series));
    rw_request q;
    scan_ok(fer_buf_str(&msg), &q);
    assert_true(sample_is_stale(q.rows[0].v));
    rw_request_done(&q);
    fer_buf_done(&series);
    fer_buf_done(&msg);
}

static void unknown_fields_are_skipped_and_the_rest_counted(void **state)
{
    (void)state;
    fer_buf series, msg, meta;
    fer_buf_init(&series, 1 << 20, NULL);
    fer_buf_init(&msg, 1 << 20, NULL);
    fer_buf_init(&meta, 1 << 20, NULL);
    put_label(&series, "__name__", "up");
    put_bytes(&series, 3, STR(""));
    put_bytes(&series, 4, STR(""));
    put_bytes(&series, 99, STR("later"));
    put_bytes(&msg, 1, fer_buf_str(&series));
    put_varint(&msg, 2 << 3);
    put_varint(&msg, 7);
    put_varint(&meta, 1 << 3);
    put_varint(&meta, 1);
    put_bytes(&meta, 2, STR("up_total"));
    put_bytes(&meta, 4, STR("Help."));
    put_bytes(&meta, 5, STR("seconds"));
    put_bytes(&msg, 3, fer_buf_str(&meta));

    rw_request q;
    scan_ok(fer_buf_str(&msg), &q);
    assert_int_equal(q.n_rows, 0);
    assert_int_equal(q.n_series, 1);
    assert_int_equal(q.n_exemplars, 1);
    assert_int_equal(q.n_hists, 1);
    assert_int_equal(q.n_metadata, 1);
    assert_true(str_eq(q.metadata[0].family, STR("up_total")));
    assert_true(str_eq(q.metadata[0].help, STR("Help.")));
    assert_true(str_eq(q.metadata[0].unit, STR("seconds")));
    assert_int_equal(q.metadata[0].type, 1);
    rw_request_done(&q);
    fer_buf_done(&series);
    fer_buf_done(&msg);
    fer_buf_done(&meta);
}

static void every_cut_and_every_flip_reads_as_protobuf_c_reads_it(void **state)
{
    (void)state;
    fer_buf series, msg;
    fer_buf_init(&series, 1 << 20, NULL);
    fer_buf_init(&msg, 1 << 20, NULL);
    put_label(&series, "__name__", "http_requests_total");
    put_label(&series, "job", "api");
    put_sample(&series, 42.5, 1700000000000);
    put_bytes(&msg, 1, fer_buf_str(&series));
    put_bytes(&msg, 1, fer_buf_str(&series));
    size_t agreed = 0;
    for (size_t cut = 0; cut <= msg.n; cut++) {
        /* a copy of just these bytes, so that reading past the end is seen */
        char *copy = fer_memdup0(msg.p, cut);
        agreed += model_compare((fer_str){copy, cut});
        fer_free(copy);
    }
    assert_int_equal(agreed, 3); /* nothing, one series, both */
    for (size_t bit = 0; bit < msg.n * 8; bit++) {
        msg.p[bit / 8] ^= (char)(1 << bit % 8);
        model_compare(fer_buf_str(&msg));
        msg.p[bit / 8] ^= (char)(1 << bit % 8);
    }
    fer_buf_done(&series);
    fer_buf_done(&msg);
}

/* What the guess of a name must not take for one: samples, exemplars and labels in front of the last sample. */
static void a_name_guessed_wrong_is_read_again(void **state)
{
    (void)state;
    for (unsigned shape = 0; shape < 32; shape++) {
        fer_buf series, msg;
        fer_buf_init(&series, 1 << 20, NULL);
        fer_buf_init(&msg, 1 << 20, NULL);
        put_label(&series, "__name__", "up");
        if (shape & 1)
            put_sample(&series, 1, 1700000000000);
        if (shape & 2)
            put_sample(&series, 2, 1); /* a field of another length */
        if (shape & 4)
            put_bytes(&series, 3, STR(""));
        if (shape & 8)
            put_label(&series, "job", "x");
        if (shape & 16)
            put_bytes(&series, 99, STR("later"));
        put_sample(&series, 42, 1700000015000);
        for (int i = 0; i < 3; i++)
            put_bytes(&msg, 1, fer_buf_str(&series));
        assert_true(model_compare(fer_buf_str(&msg)));
        fer_buf_done(&series);
        fer_buf_done(&msg);
    }
}

/* Numbers of 1 to 10 bytes, packed in one piece or several, or each alone, and spans between them. */
static void histograms_read_alike_however_their_arrays_are_cut(void **state)
{
    (void)state;
    fer_rng_seeded r;
    fer_rng_seeded_init(&r, 3);
    for (int round = 0; round < 300; round++) {
        fer_buf piece, h, series, msg;
        fer_buf_init(&piece, 1 << 20, NULL);
        fer_buf_init(&h, 1 << 20, NULL);
        fer_buf_init(&series, 1 << 20, NULL);
        fer_buf_init(&msg, 1 << 20, NULL);
        put_label(&series, "__name__", "h");
        for (uint64_t part = fer_rng_seeded_next(&r) % 12; part-- > 0;) {
            const uint32_t num = fer_rng_seeded_next(&r) % 2 == 0 ? 9 : 12;
            uint64_t n = fer_rng_seeded_next(&r) % 40;
            fer_buf_clear(&piece);
            put_varint(&piece, 1 << 3);
            put_varint(&piece, n);
            put_bytes(&h, num - 1, fer_buf_str(&piece));
            if (n == 0) {
                put_varint(&h, num << 3);
                put_varint(&h, fer_rng_seeded_next(&r));
            }
            fer_buf_clear(&piece);
            for (; n-- > 0;)
                put_varint(&piece, fer_rng_seeded_next(&r) >> (fer_rng_seeded_next(&r) % 8 * 8));
            put_bytes(&h, num, fer_buf_str(&piece));
        }
        put_bytes(&series, 4, fer_buf_str(&h));
        put_bytes(&msg, 1, fer_buf_str(&series));
        assert_true(model_compare(fer_buf_str(&msg)));
        fer_buf_done(&piece);
        fer_buf_done(&h);
        fer_buf_done(&series);
        fer_buf_done(&msg);
    }
}

static void a_number_of_an_array_that_does_not_end_is_an_error(void **state)
{
    (void)state;
    static const char cut[] = {9 << 3 | 2, 1, (char)0x80};
    fer_buf series, msg;
    fer_buf_init(&series, 1 << 20, NULL);
    fer_buf_init(&msg, 1 << 20, NULL);
    put_label(&series, "__name__", "h");
    put_bytes(&series, 4, (fer_str){cut, sizeof cut});
    put_bytes(&msg, 1, fer_buf_str(&series));
    assert_false(model_compare(fer_buf_str(&msg))); /* refused by both */
    fer_buf_done(&series);
    fer_buf_done(&msg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_arrive_in_order_with_their_labels),
        cmocka_unit_test(labels_after_and_between_samples_name_the_same_series),
        cmocka_unit_test(stale_marker_keeps_its_bits),
        cmocka_unit_test(unknown_fields_are_skipped_and_the_rest_counted),
        cmocka_unit_test(every_cut_and_every_flip_reads_as_protobuf_c_reads_it),
        cmocka_unit_test(a_name_guessed_wrong_is_read_again),
        cmocka_unit_test(histograms_read_alike_however_their_arrays_are_cut),
        cmocka_unit_test(a_number_of_an_array_that_does_not_end_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

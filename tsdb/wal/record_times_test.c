/* The newest time of records that are not taken apart, of Prometheus' own and cut short. */
#include "tsdb/wal/wal_testing.h"

#include "base/varint.h"
#include "tsdb/wal/record_times.h"

static void the_newest_time_of_each_kind_is_found(void **state)
{
    (void)state;
    rec_list l;
    rec_list_init(&l);
    rec_list_read(&l, vfs_posix(), FERULA_TESTDATA "/wal/prometheus-3.5-all-records/wal");
    unsigned types = 0;
    for (size_t i = 0; i < l.n; i++) {
        fer_str rec = rec_at(&l, i);
        if (!record_has_times(record_type_of(rec)))
            continue;
        types |= 1U << record_type_of(rec);
        int64_t newest;
        assert_int_equal(record_newest(rec, &newest), FER_OK);
        int64_t base = (int64_t)be64_get((const uint8_t *)rec.p + 9);
        assert_true(newest >= base && newest < base + 3600000);
        /* A record cut short is damaged, or ends behind an entry. */
        for (size_t n = 0; n < rec.n; n++) {
            char *copy = fer_memdup0(rec.p, n);
            int64_t cut;
            fer_code code = record_newest((fer_str){copy, n}, &cut);
            assert_true(code == FER_CORRUPT || (code == FER_OK && cut <= newest));
            fer_free(copy);
        }
    }
    assert_int_equal(types, 1U << RECORD_EXEMPLARS | 1U << RECORD_CUSTOM_HISTOGRAM_SAMPLES);
    rec_list_done(&l);
}

static void put_varint(fer_buf *b, int64_t v)
{
    b->n += varint_put((uint8_t *)fer_buf_room(b, VARINT_MAX), v);
}

/* Times of samples with start timestamps are told against the first, not the one before. */
static void start_timestamps_are_passed_over(void **state)
{
    (void)state;
    fer_buf b;
    fer_buf_init(&b, 1 << 16, NULL);
    fer_buf_putc(&b, RECORD_SAMPLES_V2);
    const int64_t times[] = {1000, 700, 300, 400}; /* the first, then distances from it */
    for (int i = 0; i < 4; i++) {
        put_varint(&b, 5);
        put_varint(&b, times[i]);
        if (i == 0)
            put_varint(&b, 99);
        else
            fer_buf_putc(&b, (char)(i - 1)); /* none, as before, its own */
        if (i == 3)
            put_varint(&b, 98);
        fer_buf_put(&b, "12345678", 8);
    }
    int64_t newest;
    assert_int_equal(record_newest(fer_buf_str(&b), &newest), FER_OK);
    assert_int_equal(newest, 1700);
    fer_str alone = {b.p, 1};
    assert_int_equal(record_newest(alone, &newest), FER_OK);
    assert_true(newest == INT64_MIN);
    fer_buf_done(&b);
}

/* One of two buckets with a span each, and none. */
static void put_float_histogram(fer_buf *b, int64_t dt, int buckets)
{
    put_varint(b, 1);
    put_varint(b, dt);
    fer_buf_putc(b, 0); /* hint */
    put_varint(b, 3);
    fer_buf_put(b, "thresholzero....count...sum.....", 32);
    for (int side = 0; side < 2; side++) {
        fer_buf_putc(b, (char)buckets); /* spans, then (offset, length) of each */
        for (int i = 0; i < 2 * buckets; i++)
            fer_buf_putc(b, 1);
    }
    for (int side = 0; side < 2; side++) {
        fer_buf_putc(b, (char)buckets);
        for (int i = 0; i < buckets; i++)
            fer_buf_put(b, "bucketss", 8);
    }
}

static void float_histograms_are_passed_over(void **state)
{
    (void)state;
    fer_buf b;
    fer_buf_init(&b, 1 << 16, NULL);
    fer_buf_putc(&b, RECORD_FLOAT_HISTOGRAM_SAMPLES);
    fer_buf_put(&b, "\0\0\0\0\0\0\0\1", 8);
    fer_buf_put(&b, "\0\0\0\0\0\0\1\0", 8);
    put_float_histogram(&b, 5, 2);
    put_float_histogram(&b, 9, 0);
    put_float_histogram(&b, -3, 1);
    int64_t newest;
    assert_int_equal(record_newest(fer_buf_str(&b), &newest), FER_OK);
    assert_int_equal(newest, 256 + 9);
    assert_int_equal(record_newest(str_head(fer_buf_str(&b), b.n - 1), &newest), FER_CORRUPT);
    fer_buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_time_of_each_kind_is_found),
        cmocka_unit_test(float_histograms_are_passed_over),
        cmocka_unit_test(start_timestamps_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Records of histograms and exemplars: those that Prometheus 3.5 wrote (testdata/wal) read and written again to the same
 * bytes, histograms of all kinds round trip, those with start timestamps by hand, and what damage does. */
#include "tsdb/wal/record_hist.h"

#include "base/varint.h"
#include "tsdb/hist_testing.h"
#include "tsdb/wal/wal_testing.h"

/* A record written anew from what a decoder gave. */
typedef struct again {
    fer_buf out;
    uint8_t type;
    record_base base;
    size_t n, n_types[14];
    int64_t t, st;
    uint64_t ref;
} again;

static fer_code take_histogram(void *arg, uint64_t ref, int64_t t, int64_t st, const hist_sample *s)
{
    again *x = arg;
    record_histogram_add(&x->out, x->base, ref, t, s);
    x->n++;
    x->ref = ref;
    x->t = t;
    x->st = st;
    return FER_OK;
}

static fer_code take_exemplar(void *arg, uint64_t ref, int64_t t, double v, labels ls)
{
    again *x = arg;
    record_exemplar_add(&x->out, x->base, ref, t, v, ls);
    x->n++;
    return FER_OK;
}

static fer_code take_sample(void *arg, uint64_t ref, int64_t t, int64_t st, double v)
{
    again *x = arg;
    assert_true(v == (double)x->n);
    x->n++;
    x->ref = ref;
    x->t = t;
    x->st = st;
    return FER_OK;
}

static fer_code decode(again *x, fer_str rec)
{
    const record_hist_visitor v = {x, take_sample, take_histogram, take_exemplar};
    fer_err err = {0};
    fer_arena *a = fer_arena_new(NULL, 0);
    fer_code code = record_hist_decode(rec, a, &v, &err);
    assert_int_equal(code, err.code);
    fer_arena_free(a);
    return code;
}

static bool is_written(uint8_t type)
{
    return type == RECORD_EXEMPLARS ||
           (type >= RECORD_HISTOGRAM_SAMPLES && type <= RECORD_CUSTOM_FLOAT_HISTOGRAM_SAMPLES);
}

static void records_of_prometheus_are_written_alike(void **state)
{
    (void)state;
    rec_list l;
    rec_list_init(&l);
    rec_list_read(&l, vfs_posix(), FERULA_TESTDATA "/wal/prometheus-3.5-all-records/wal");
    again x = {.n = 0};
    fer_buf_init(&x.out, 1 << 24, NULL);
    for (size_t i = 0; i < l.n; i++) {
        fer_str rec = rec_at(&l, i);
        x.type = record_type_of(rec);
        if (!is_written(x.type))
            continue;
        assert_true(rec.n > 17);
        x.base = (record_base){be64_get((const uint8_t *)rec.p + 1),
                               (int64_t)be64_get((const uint8_t *)rec.p + 9)};
        fer_buf_clear(&x.out);
        record_based_begin(&x.out, (record_type)x.type, x.base);
        assert_int_equal(decode(&x, rec), FER_OK);
        assert_true(str_eq(fer_buf_str(&x.out), rec));
        x.n_types[x.type]++;
    }
    assert_true(x.n_types[RECORD_EXEMPLARS] > 3);
    assert_true(x.n_types[RECORD_CUSTOM_HISTOGRAM_SAMPLES] > 3);
    fer_buf_done(&x.out);
    rec_list_done(&l);
}

static void histograms_of_all_kinds_come_back(void **state)
{
    (void)state;
    sent all;
    sent_init(&all);
    fer_buf rec;
    fer_buf_init(&rec, 1 << 24, NULL);
    again x = {.n = 0};
    fer_buf_init(&x.out, 1 << 24, NULL);
    size_t types = 0;
    for (size_t i = 0; i < all.n; i++) {
        const sent_series *s = &all.series[i];
        for (size_t from = 0; from < s->n; from += 5) {
            record_type type = record_type_of_histogram(&s->v[from].s);
            x.base = (record_base){i + 7, s->v[0].t};
            fer_buf_clear(&rec);
            fer_buf_clear(&x.out);
            record_based_begin(&rec, type, x.base);
            record_based_begin(&x.out, type, x.base);
            for (size_t k = from; k < s->n && k < from + 5; k++)
                if (record_type_of_histogram(&s->v[k].s) == type)
                    record_histogram_add(&rec, x.base, i, s->v[k].t, &s->v[k].s);
            assert_int_equal(decode(&x, fer_buf_str(&rec)), FER_OK);
            assert_true(str_eq(fer_buf_str(&x.out), fer_buf_str(&rec)));
            assert_int_equal(x.ref, i);
            types |= (size_t)1 << type;
        }
    }
    assert_int_equal(types, 0x780); /* 7 to 10 */
    fer_buf_done(&x.out);
    fer_buf_done(&rec);
    sent_done(&all);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    sent all;
    sent_init(&all);
    for (size_t i = 0; i < all.n; i++) {
        const hist_sample *s = &all.series[i].v[all.series[i].n - 1].s;
        record_base base = {1, 2};
        fer_buf rec;
        fer_buf_init(&rec, 1 << 20, NULL);
        record_based_begin(&rec, record_type_of_histogram(s), base);
        record_histogram_add(&rec, base, 4, 1000, s);
        for (size_t cut = 2; cut < rec.n; cut++) {
            char *exact = memcpy(fer_alloc(cut), rec.p, cut);
            again x = {.n = 0};
            fer_buf_init(&x.out, 1 << 20, NULL);
            assert_int_equal(decode(&x, (fer_str){exact, cut}), cut == 17 ? FER_OK : FER_CORRUPT);
            assert_int_equal(x.n, 0);
            fer_buf_done(&x.out);
            fer_free(exact);
        }
        fer_buf_done(&rec);
    }
    sent_done(&all);
}

static void samples_with_start_timestamps_are_read(void **state)
{
    (void)state;
    /* ref 5, t 100, st 90; then ref 4, t 101, the same st; ref 6, t 99, none; ref 6, t 98, st 95. */
    static const uint8_t rec[] = {11, 10,   0xc8, 1, 0xb4, 1, 0, 0,  0,    0, 0, 0, 0,    0, 1, 2,
                                  1,  0x3f, 0xf0, 0, 0,    0, 0, 0,  0,    4, 1, 0, 0x40, 0, 0, 0,
                                  0,  0,    0,    0, 0,    3, 2, 10, 0x40, 8, 0, 0, 0,    0, 0, 0};
    static const int64_t t[] = {100, 101, 99, 98}, st[] = {90, 90, 0, 95};
    static const uint64_t ref[] = {5, 4, 6, 6};
    static const size_t end[] = {14, 25, 36, 48};
    for (size_t i = 0; i < 4; i++) {
        again x = {.n = 0};
        assert_int_equal(decode(&x, (fer_str){(const char *)rec, end[i]}), FER_OK);
        assert_int_equal(x.n, i + 1);
        assert_int_equal(x.ref, ref[i]);
        assert_int_equal(x.t, t[i]);
        assert_int_equal(x.st, st[i]);
        x.n = 0;
        assert_int_equal(decode(&x, (fer_str){(const char *)rec, end[i] - 1}), FER_CORRUPT);
    }
}

static void other_types_are_not_for_this_decoder(void **state)
{
    (void)state;
    again x = {.n = 0};
    assert_int_equal(decode(&x, STR("\x02")), FER_UNSUPPORTED);
    assert_int_equal(decode(&x, STR("\x0e")), FER_UNSUPPORTED);
    assert_int_equal(decode(&x, STR("\x07")), FER_OK); /* no histograms */
    assert_int_equal(x.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_prometheus_are_written_alike),
        cmocka_unit_test(histograms_of_all_kinds_come_back),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(samples_with_start_timestamps_are_read),
        cmocka_unit_test(other_types_are_not_for_this_decoder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

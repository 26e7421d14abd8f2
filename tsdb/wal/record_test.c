/* Records: the bytes Prometheus writes, round trips at the limits, every truncation. */
#include "tsdb/wal/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#include "base/mem.h"

/* What a decoding delivered, as text. */
typedef struct seen {
    fer_buf text;
    int calls;
    int stop_at; /* the call that fails with FER_CANCELED; 0: none */
} seen;

static fer_code count(seen *s)
{
    return ++s->calls == s->stop_at ? FER_CANCELED : FER_OK;
}

static fer_code see_series(void *arg, uint64_t ref, labels ls)
{
    seen *s = arg;
    fer_buf_printf(&s->text, "series %llu", (unsigned long long)ref);
    for (size_t i = 0; i < ls.n; i++)
        fer_buf_printf(&s->text, " %.*s=%.*s", STR_FMT(ls.l[i].name), STR_FMT(ls.l[i].value));
    fer_buf_putc(&s->text, '\n');
    return count(s);
}

static fer_code see_sample(void *arg, uint64_t ref, int64_t t, double v)
{
    seen *s = arg;
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    fer_buf_printf(&s->text, "sample %llu %lld %016llx\n", (unsigned long long)ref, (long long)t,
                   (unsigned long long)bits);
    return count(s);
}

static fer_code see_tombstone(void *arg, uint64_t ref, int64_t mint, int64_t maxt)
{
    seen *s = arg;
    fer_buf_printf(&s->text, "tombstone %llu %lld %lld\n", (unsigned long long)ref, (long long)mint,
                   (long long)maxt);
    return count(s);
}

static fer_code see_metadata(void *arg, const record_metadata *m)
{
    seen *s = arg;
    fer_buf_printf(&s->text, "metadata %llu %u [%.*s] [%.*s] [%.*s]\n", (unsigned long long)m->ref,
                   m->type, STR_FMT(m->unit), STR_FMT(m->help), STR_FMT(m->family));
    return count(s);
}

static fer_code see_marker(void *arg, uint64_t ref, uint64_t place)
{
    seen *s = arg;
    fer_buf_printf(&s->text, "marker %llu %llx\n", (unsigned long long)ref,
                   (unsigned long long)place);
    return count(s);
}

static fer_code decode(seen *s, fer_str rec, fer_err *err)
{
    fer_buf_init(&s->text, 1 << 20, NULL);
    s->calls = 0;
    record_visitor v = {s, see_series, see_sample, see_tombstone, see_metadata, see_marker};
    return record_decode(rec, &v, err);
}

static void assert_decodes(fer_str rec, fer_code code, const char *text)
{
    seen s = {0};
    fer_err err = {0};
    assert_int_equal(decode(&s, rec, &err), code);
    assert_int_equal(err.code, code);
    fer_buf_putc(&s.text, '\0');
    assert_string_equal(s.text.p, text);
    fer_buf_done(&s.text);
}

static void assert_bytes(const fer_buf *b, const char *bytes, size_t n)
{
    assert_int_equal(b->n, n);
    assert_memory_equal(b->p, bytes, n);
}

static void series_have_prometheus_bytes(void **state)
{
    (void)state;
    fer_buf b;
    fer_buf_init(&b, 4096, NULL);
    label l[] = {{STR("__name__"), STR("up")}, {STR("job"), STR("j")}};
    record_series_begin(&b);
    record_series_add(&b, 0x0102030405060708, (labels){l, 2});
    record_series_add(&b, 9, (labels){l, 1});
    static const char want[] = "\1"
                               "\1\2\3\4\5\6\7\10\2\10__name__\2up\3job\1j"
                               "\0\0\0\0\0\0\0\11\1\10__name__\2up";
    assert_bytes(&b, want, sizeof want - 1);
    assert_decodes(fer_buf_str(&b), FER_OK,
                   "series 72623859790382856 __name__=up job=j\nseries 9 __name__=up\n");
    fer_buf_done(&b);
}

static void markers_have_prometheus_bytes(void **state)
{
    (void)state;
    fer_buf b;
    fer_buf_init(&b, 4096, NULL);
    record_markers_begin(&b);
    record_markers_add(&b, 7, 0);
    record_markers_add(&b, 8, UINT64_C(3) << 32 | 0x102);
    static const char want[] = "\5"
                               "\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0"
                               "\0\0\0\0\0\0\0\10\0\0\0\3\0\0\1\2";
    assert_bytes(&b, want, sizeof want - 1);
    assert_decodes(fer_buf_str(&b), FER_OK, "marker 7 0\nmarker 8 300000102\n");
    fer_buf_done(&b);
}

static void samples_have_prometheus_bytes(void **state)
{
    (void)state;
    fer_buf b;
    fer_buf_init(&b, 4096, NULL);
    record_samples s;
    record_samples_begin(&s, &b);
    record_samples_add(&s, &b, 5, 1000, 1.0);
    record_samples_add(&s, &b, 4, 1064, -2.0);
    record_samples_add(&s, &b, 7, 999, 0.0);
    static const char want[] = "\2"
                               "\0\0\0\0\0\0\0\5\0\0\0\0\0\0\3\xe8"
                               "\0\0\x3f\xf0\0\0\0\0\0\0"
                               "\1\x80\1\xc0\0\0\0\0\0\0\0"
                               "\4\1\0\0\0\0\0\0\0\0";
    assert_bytes(&b, want, sizeof want - 1);
    assert_decodes(fer_buf_str(&b), FER_OK,
                   "sample 5 1000 3ff0000000000000\nsample 4 1064 c000000000000000\n"
                   "sample 7 999 0000000000000000\n");
    fer_buf_done(&b);
}

static void samples_survive_at_the_limits_bit_by_bit(void **state)
{
    (void)state;
    static const uint64_t values[] = {0x7ff0000000000002, 0x7ff8000000000001, 0x8000000000000000,
                                      1};
    static const uint64_t refs[] = {0, UINT64_MAX, 1, UINT64_C(1) << 63};
    static const int64_t times[] = {INT64_MIN, INT64_MAX, -1, 0};
    fer_buf b, want;
    fer_buf_init(&b, 4096, NULL);
    fer_buf_init(&want, 4096, NULL);
    record_samples s;
    record_samples_begin(&s, &b);
    for (int i = 0; i < 64; i++) {
        double v;
        memcpy(&v, &values[i % 4], sizeof v);
        record_samples_add(&s, &b, refs[i / 4 % 4], times[i / 16], v);
        fer_buf_printf(&want, "sample %llu %lld %016llx\n", (unsigned long long)refs[i / 4 % 4],
                       (long long)times[i / 16], (unsigned long long)values[i % 4]);
    }
    fer_buf_putc(&want, '\0');
    assert_decodes(fer_buf_str(&b), FER_OK, want.p);
    fer_buf_done(&b);
    fer_buf_done(&want);
}

static void a_record_of_no_items_is_fine(void **state)
{
    (void)state;
    for (char type = 1; type <= 6; type++)
        if (type != RECORD_EXEMPLARS && type != RECORD_MMAP_MARKERS)
            assert_decodes((fer_str){&type, 1}, FER_OK, "");
}

static void tombstones_and_metadata_are_read(void **state)
{
    (void)state;
    assert_decodes(STR("\3\0\0\0\0\0\0\0\7\1\2"
                       "\0\0\0\0\0\0\0\10"
                       "\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"
                       "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\1"),
                   FER_OK,
                   "tombstone 7 -1 1\n"
                   "tombstone 8 -9223372036854775808 9223372036854775807\n");
    assert_decodes(
        STR("\6\5\1\2\4UNIT\1s\4HELP\5Jobs."
            "\x80\1\2\4\4HELP\1h\5OTHER\1x\6FAMILY\1f\4UNIT\0"
            "\1\0\0"),
        FER_OK, "metadata 5 1 [s] [Jobs.] []\nmetadata 128 2 [] [h] [f]\nmetadata 1 0 [] [] []\n");
}

static void labels_may_be_more_than_fit_the_stack(void **state)
{
    (void)state;
    enum { N = 1000 };
    static char names[N][8];
    static label l[N];
    for (int i = 0; i < N; i++)
        l[i] = (label){{names[i], (size_t)snprintf(names[i], 8, "n%04d", i)}, STR("v")};
    fer_buf b;
    fer_buf_init(&b, 1 << 20, NULL);
    record_series_begin(&b);
    record_series_add(&b, 3, (labels){l, N});
    seen s = {0};
    assert_int_equal(decode(&s, fer_buf_str(&b), NULL), FER_OK);
    assert_int_equal(s.text.n, strlen("series 3") + N * strlen(" n0000=v") + 1);
    fer_buf_done(&s.text);
    fer_buf_done(&b);
}

/* Each cut delivers the whole items before it, and is refused unless it falls between items or ends
 * at `head`, what comes before the first. */
static void assert_truncations(fer_str rec, size_t head, const size_t *ends, size_t n_ends)
{
    for (size_t cut = 1; cut < rec.n; cut++) {
        char *exact = fer_memdup0(rec.p, cut); /* so that sanitizers see a read past the cut */
        exact = fer_realloc(exact, cut);
        size_t whole = 0;
        bool between = cut == 1 || cut == head;
        for (size_t i = 0; i < n_ends; i++) {
            whole += ends[i] <= cut;
            between |= ends[i] == cut;
        }
        seen s = {0};
        assert_int_equal(decode(&s, (fer_str){exact, cut}, NULL), between ? FER_OK : FER_CORRUPT);
        assert_int_equal(s.calls, whole);
        fer_buf_done(&s.text);
        fer_free(exact);
    }
}

static void every_truncation_is_noticed(void **state)
{
    (void)state;
    fer_buf b;
    fer_buf_init(&b, 1 << 20, NULL);
    size_t ends[8];
    label l[] = {{STR("__name__"), STR("some_metric")}, {STR("job"), STR("j")}};
    record_series_begin(&b);
    for (size_t i = 0; i < 4; i++) {
        record_series_add(&b, i, (labels){l, i % 3});
        ends[i] = b.n;
    }
    assert_truncations(fer_buf_str(&b), 1, ends, 4);

    fer_buf_clear(&b);
    record_samples s;
    record_samples_begin(&s, &b);
    for (size_t i = 0; i < 8; i++) {
        record_samples_add(&s, &b, UINT64_C(1) << (i * 7), (int64_t)i * -1000000, 0.1);
        ends[i] = b.n;
    }
    assert_truncations(fer_buf_str(&b), 17, ends, 8);
    fer_buf_done(&b);

    assert_truncations(STR("\3\0\0\0\0\0\0\0\7\1\x80\1\0\0\0\0\0\0\0\7\1\2"), 1, (size_t[]){12, 22},
                       2);
    assert_truncations(STR("\5\0\0\0\0\0\0\0\7\0\0\0\1\0\0\0\10"
                           "\0\0\0\0\0\0\0\7\0\0\0\1\0\0\0\11"),
                       1, (size_t[]){17, 33}, 2);
    assert_truncations(STR("\6\5\1\1\4UNIT\1s\x80\1\2\0"), 1, (size_t[]){11, 15}, 2);
}

static void numbers_over_64_bits_are_refused(void **state)
{
    (void)state;
    /* dref of 10 bytes whose last carries more than one bit, with room behind it and without */
    assert_decodes(STR("\2\0\0\0\0\0\0\0\5\0\0\0\0\0\0\3\xe8"
                       "\xff\xff\xff\xff\xff\xff\xff\xff\xff\2\0\0\0\0\0\0\0\0\0"),
                   FER_CORRUPT, "");
    assert_decodes(
        STR("\2\0\0\0\0\0\0\0\5\0\0\0\0\0\0\3\xe8"
            "\xff\xff\xff\xff\xff\xff\xff\xff\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        FER_CORRUPT, "");
    /* a label count that no record could hold */
    assert_decodes(STR("\1\0\0\0\0\0\0\0\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\1a\1b"),
                   FER_CORRUPT, "");
}

static void other_types_are_told_by_number(void **state)
{
    (void)state;
    static const char types[] = {0, 4, 7, 8, 9, 10, 11, 12, 13, 14, 40, 127};
    for (size_t i = 0; i < sizeof types; i++) {
        char rec[2] = {types[i], 1};
        fer_err err = {0};
        seen s = {0};
        assert_int_equal(decode(&s, (fer_str){rec, 2}, &err), FER_UNSUPPORTED);
        char want[32];
        snprintf(want, sizeof want, "record of type %d", types[i]);
        assert_string_equal(err.msg, want);
        fer_buf_done(&s.text);
        assert_int_equal(record_type_of((fer_str){rec, 2}), types[i]);
    }
    assert_int_equal(record_type_of(STR("")), 0);
    assert_decodes(STR(""), FER_UNSUPPORTED, "");
}

static void a_visitor_can_stop_and_skip(void **state)
{
    (void)state;
    fer_str rec = STR("\3\0\0\0\0\0\0\0\7\1\2\0\0\0\0\0\0\0\7\1\2\0\0\0\0\0\0\0\7\1\2");
    seen s = {.stop_at = 2};
    assert_int_equal(decode(&s, rec, NULL), FER_CANCELED);
    assert_int_equal(s.calls, 2);
    fer_buf_done(&s.text);
    record_visitor none = {0};
    for (char type = 1; type <= 6; type++)
        if (type != RECORD_EXEMPLARS && type != RECORD_MMAP_MARKERS)
            assert_int_equal(record_decode((fer_str){(char[2]){type, 1}, 2}, &none, NULL), FER_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(series_have_prometheus_bytes),
        cmocka_unit_test(samples_have_prometheus_bytes),
        cmocka_unit_test(markers_have_prometheus_bytes),
        cmocka_unit_test(samples_survive_at_the_limits_bit_by_bit),
        cmocka_unit_test(a_record_of_no_items_is_fine),
        cmocka_unit_test(tombstones_and_metadata_are_read),
        cmocka_unit_test(labels_may_be_more_than_fit_the_stack),
        cmocka_unit_test(every_truncation_is_noticed),
        cmocka_unit_test(numbers_over_64_bits_are_refused),
        cmocka_unit_test(other_types_are_told_by_number),
        cmocka_unit_test(a_visitor_can_stop_and_skip),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}

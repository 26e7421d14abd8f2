#include "tsdb/labels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define LABEL(n, v)                                                                                \
    {                                                                                              \
        {"" n, sizeof(n) - 1},                                                                     \
        {                                                                                          \
            "" v, sizeof(v) - 1                                                                    \
        }                                                                                          \
    }
#define COUNT(a) (sizeof(a) / sizeof *(a))

static void assert_text(fer_buf *b, const char *want)
{
    assert_int_equal(b->n, strlen(want));
    assert_memory_equal(b->p, want, b->n);
    fer_buf_clear(b);
}

static void canonical_labels_are_sorted_and_without_empty_values(void **state)
{
    (void)state;
    label l[] = {LABEL("zone", "a"), LABEL("job", ""), LABEL("__name__", "up"),
                 LABEL("instance", "x"), LABEL("\xc3\xa9t\xc3\xa9", "\xe6\x97\xa5")};
    labels ls;
    assert_int_equal(labels_canonical(l, COUNT(l), true, &ls, NULL), FER_OK);
    fer_buf b;
    fer_buf_init(&b, 1000, NULL);
    labels_print(&b, ls);
    assert_text(
        &b,
        "{__name__=\"up\", instance=\"x\", zone=\"a\", \"\xc3\xa9t\xc3\xa9\"=\"\xe6\x97\xa5\"}");
    fer_buf_done(&b);
}

static void many_labels_are_sorted_too(void **state)
{
    (void)state;
    enum { N = 500 };
    static char text[N][8];
    label l[N];
    for (int i = 0; i < N; i++) {
        snprintf(text[i], sizeof text[i], "n%03d", (i * 371) % N);
        l[i] = (label){str_of(text[i]), STR("v")};
    }
    labels ls;
    assert_int_equal(labels_canonical(l, N, false, &ls, NULL), FER_OK);
    assert_int_equal(ls.n, N);
    for (int i = 1; i < N; i++)
        assert_true(str_cmp(ls.l[i - 1].name, ls.l[i].name) < 0);
}

/* Texts as Prometheus 3.5.3 answered remote-write 2.0 requests with these labels. */
static void bad_labels_are_refused_in_the_words_of_prometheus(void **state)
{
    (void)state;
    static const struct {
        label l[3];
        size_t n;
        const char *text;
    } t[] = {
        {{LABEL("a", "b")}, 1, "invalid metric name or labels, got {a=\"b\"}"},
        {{LABEL("__name__", "")}, 1, "invalid metric name or labels, got {__name__=\"\"}"},
        {{LABEL("__name__", "x"), LABEL("", "2")},
         2,
         "invalid metric name or labels, got {\"\"=\"2\", __name__=\"x\"}"},
        {{LABEL("__name__", "x"), LABEL("z\xff", "2")},
         2,
         "invalid metric name or labels, got {__name__=\"x\", \"z\\xff\"=\"2\"}"},
        {{LABEL("__name__", "x"), LABEL("q.z", "2\xff\"\n"), LABEL("b", "")},
         3,
         "invalid metric name or labels, got {__name__=\"x\", b=\"\", \"q.z\"=\"2\\xff\\\"\\n\"}"},
        {{LABEL("__name__", "x"), LABEL("b", ""), LABEL("b", "1")},
         3,
         "invalid labels for series, labels {__name__=\"x\", b=\"\", b=\"1\"}, duplicated label b"},
        {{LABEL("", "")}, 0, "invalid metric name or labels, got {}"},
    };
    for (size_t i = 0; i < COUNT(t); i++) {
        label l[3];
        memcpy(l, t[i].l, sizeof l);
        labels ls = {NULL, 99};
        fer_err err;
        assert_int_equal(labels_canonical(l, t[i].n, true, &ls, &err), FER_INVALID);
        assert_string_equal(err.msg, t[i].text);
        assert_int_equal(ls.n, 99);
    }
}

static void sizes_have_limits(void **state)
{
    (void)state;
    static char big[LABEL_VALUE_BYTES_MAX + 1];
    memset(big, 'x', sizeof big);
    label l[] = {LABEL("a", "")};
    labels ls;
    l[0].value = (fer_str){big, LABEL_VALUE_BYTES_MAX};
    assert_int_equal(labels_canonical(l, 1, false, &ls, NULL), FER_OK);
    l[0].value.n++;
    fer_err err;
    assert_int_equal(labels_canonical(l, 1, false, &ls, &err), FER_LIMIT);
    assert_string_equal(err.msg, "label \"a\": name or value of 65537 bytes, the limit is 65536");

    static label many[LABELS_MAX + 1];
    assert_int_equal(labels_canonical(many, COUNT(many), false, &ls, &err), FER_LIMIT);
    assert_string_equal(err.msg, "series has 1025 labels, the limit is 1024");
}

static void an_error_about_a_huge_label_set_stays_readable(void **state)
{
    (void)state;
    static char big[LABEL_VALUE_BYTES_MAX];
    memset(big, 'x', sizeof big);
    label l[LABELS_MAX];
    for (size_t i = 0; i < COUNT(l); i++)
        l[i] = (label){STR("same"), {big, sizeof big}};
    labels ls;
    fer_err err;
    assert_int_equal(labels_canonical(l, COUNT(l), false, &ls, &err), FER_INVALID);
    assert_true(strlen(err.msg) < FER_ERR_MSG_MAX - 1);
    assert_non_null(strstr(err.msg, ", ...}, duplicated label same"));
}

/* The first ones located in Prometheus 3.5.3 by bisecting limit_ratio(r, ...); the last length form by
 * the same bytes through another XXH64. */
static void the_hash_is_prometheus(void **state)
{
    (void)state;
    static char z[70000];
    static const label none[1],
        ab[] = {LABEL("a", "b")},
        node[] = {LABEL("instance", "localhost:9100"), LABEL("job", "node"), LABEL("mode", "idle")};
    assert_true(labels_hash((labels){none, 0}) == 0xef46db3751d8e999);
    assert_true(labels_hash((labels){ab, 1}) == 0xe1d7c42746d86b11);
    assert_true(labels_hash((labels){node, 3}) == 0xc664e27a21607bfe);

    label l = {STR("a"), {z, 254}};
    memset(z, 'x', sizeof z);
    assert_true(labels_hash((labels){&l, 1}) == 0xd595c5082328667a);
    l.value.n = 255;
    memset(z, 'y', sizeof z);
    assert_true(labels_hash((labels){&l, 1}) == 0x1899d9010f91e20c);
    l.value.n = 70000;
    memset(z, 'z', sizeof z);
    assert_true(labels_hash((labels){&l, 1}) == 0x2a2a66ff2d2533c9);
}

static void order_is_by_pairs_then_length(void **state)
{
    (void)state;
    static const label a1[] = {LABEL("a", "1")}, a1b1[] = {LABEL("a", "1"), LABEL("b", "1")},
                       a2[] = {LABEL("a", "2")}, b0[] = {LABEL("b", "0")};
    const labels in_order[] = {{a1, 0}, {a1, 1}, {a1b1, 2}, {a2, 1}, {b0, 1}};
    for (size_t i = 0; i < COUNT(in_order); i++) {
        for (size_t k = 0; k < COUNT(in_order); k++) {
            int c = labels_cmp(in_order[i], in_order[k]);
            assert_int_equal((c > 0) - (c < 0), (i > k) - (i < k));
            assert_int_equal(labels_eq(in_order[i], in_order[k]), i == k);
        }
    }
    assert_true(str_eq(labels_get((labels){a1b1, 2}, STR("b")), STR("1")));
    assert_int_equal(labels_get((labels){a1b1, 2}, STR("c")).n, 0);
}

static void metrics_print_with_their_name_in_front(void **state)
{
    (void)state;
    static const label l[] = {LABEL("__name__", "up:x"), LABEL("job", "a\"b"), LABEL("k.8", "1")};
    static const label dotted[] = {LABEL("__name__", "http.requests"), LABEL("job", "a")};
    fer_buf b;
    fer_buf_init(&b, 1000, NULL);
    labels_print_metric(&b, (labels){l, 3});
    assert_text(&b, "up:x{job=\"a\\\"b\", \"k.8\"=\"1\"}");
    labels_print_metric(&b, (labels){l, 1});
    assert_text(&b, "up:x");
    labels_print_metric(&b, (labels){l + 1, 1});
    assert_text(&b, "{job=\"a\\\"b\"}");
    labels_print_metric(&b, (labels){l, 0});
    assert_text(&b, "{}");
    labels_print_metric(&b, (labels){dotted, 2});
    assert_text(&b, "{\"http.requests\", job=\"a\"}");
    labels_print_metric(&b, (labels){dotted, 1});
    assert_text(&b, "{\"http.requests\"}");
    fer_buf_done(&b);
}

static void legacy_names_are_told_from_quoted_ones(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool label, metric;
    } t[] = {{"a", true, true},     {"_A9", true, true},        {"9a", false, false},
             {"", false, false},    {"a:b", false, true},       {":", false, true},
             {"a.b", false, false}, {"\xc3\xa9", false, false}, {"a b", false, false},
             {"a-b", false, false}};
    for (size_t i = 0; i < COUNT(t); i++) {
        assert_int_equal(label_name_is_legacy(str_of(t[i].name)), t[i].label);
        assert_int_equal(metric_name_is_legacy(str_of(t[i].name)), t[i].metric);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_labels_are_sorted_and_without_empty_values),
        cmocka_unit_test(many_labels_are_sorted_too),
        cmocka_unit_test(bad_labels_are_refused_in_the_words_of_prometheus),
        cmocka_unit_test(sizes_have_limits),
        cmocka_unit_test(an_error_about_a_huge_label_set_stays_readable),
        cmocka_unit_test(the_hash_is_prometheus),
        cmocka_unit_test(order_is_by_pairs_then_length),
        cmocka_unit_test(metrics_print_with_their_name_in_front),
        cmocka_unit_test(legacy_names_are_told_from_quoted_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

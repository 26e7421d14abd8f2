/* read_request_test.c - remote-read requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/remote/read_request_model.h"

/* Two queries of one matcher, a hint, both response types. */
static const char whole[] = "\x0a\x17\x08\xe8\x07\x10\xd0\x0f\x1a\x0d\x08\x02\x12\x03job\x1a\x04"
                            "a|.+\x22\x00"
                            "\x0a\x04\x10\x01\x1a\x00"
                            "\x12\x02\x01\x00";

static void queries_and_types_are_read(void **state)
{
    (void)state;
    fer_arena *a = fer_arena_new(NULL, 0);
    read_request q;
    fer_err err = {0};
    fer_str msg = {whole, sizeof whole - 1};
    if (read_request_parse(msg, a, &q, &err) != FER_OK)
        fail_msg("%s", err.msg);
    assert_true(model_compare(msg));
    assert_int_equal(q.n_queries, 2);
    assert_true(q.queries[0].start_ms == 1000 && q.queries[0].end_ms == 2000);
    assert_int_equal(q.queries[0].n_matchers, 1);
    assert_int_equal(q.queries[0].matchers[0].type, 2);
    assert_true(str_eq(q.queries[0].matchers[0].name, STR("job")));
    assert_true(str_eq(q.queries[0].matchers[0].value, STR("a|.+")));
    assert_int_equal(q.response, READ_STREAMED);
    fer_arena_free(a);
}

static void the_first_known_type_is_the_answer(void **state)
{
    (void)state;
    const struct {
        const char *msg;
        size_t n;
        read_response expected;
    } cases[] = {
        {"", 0, READ_SAMPLES},
        {"\x10\x07\x10\x01\x10\x00", 6, READ_STREAMED},
        {"\x10\x00\x10\x01", 4, READ_SAMPLES},
        {"\x12\x02\x05\x09", 4, READ_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fer_arena *a = fer_arena_new(NULL, 0);
        read_request q;
        fer_str msg = {cases[i].msg, cases[i].n};
        assert_int_equal(read_request_parse(msg, a, &q, NULL), FER_OK);
        assert_int_equal(q.response, cases[i].expected);
        assert_true(model_compare(msg));
        fer_arena_free(a);
    }
}

static void every_cut_and_every_flip_reads_as_protobuf_c_reads_it(void **state)
{
    (void)state;
    char msg[sizeof whole];
    memcpy(msg, whole, sizeof whole);
    size_t n = sizeof whole - 1;
    for (size_t cut = 0; cut <= n; cut++) {
        char *copy = fer_memdup0(msg, cut);
        model_compare((fer_str){copy, cut});
        fer_free(copy);
    }
    for (size_t bit = 0; bit < n * 8; bit++) {
        msg[bit / 8] ^= (char)(1 << bit % 8);
        model_compare((fer_str){msg, n});
        msg[bit / 8] ^= (char)(1 << bit % 8);
    }
}

static void too_many_queries_are_refused(void **state)
{
    (void)state;
    fer_arena *a = fer_arena_new(NULL, 0);
    char msg[2 * (READ_QUERIES_MAX + 1)];
    for (size_t i = 0; i < sizeof msg; i += 2) {
        msg[i] = 0x0a;
        msg[i + 1] = 0;
    }
    read_request q;
    fer_err err;
    assert_int_equal(read_request_parse((fer_str){msg, sizeof msg}, a, &q, &err), FER_INVALID);
    assert_non_null(strstr(err.msg, "more than 1024 queries"));
    assert_int_equal(read_request_parse((fer_str){msg, sizeof msg - 2}, a, &q, &err), FER_OK);
    fer_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_and_types_are_read),
        cmocka_unit_test(the_first_known_type_is_the_answer),
        cmocka_unit_test(every_cut_and_every_flip_reads_as_protobuf_c_reads_it),
        cmocka_unit_test(too_many_queries_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

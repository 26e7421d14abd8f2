/* gzip_test.c - negotiation, and streams that zlib reads back. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <zlib.h>

#include "server/http/gzip.h"

static void gzip_is_used_only_where_it_is_accepted(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        bool yes;
    } cases[] = {
        {"", false},
        {"gzip", true},
        {"GZip", true},
        {"x-gzip", true},
        {"gzip, deflate, br, zstd", true},
        {"deflate, gzip;q=1.0, *;q=0.5", true},
        {"br;q=1, gzip ; q=0.001", true},
        {"gzip;q=0", false},
        {"gzip;q=0.0", false},
        {"gzip;q=0.000", false},
        {"gzip; Q=0", false},
        {"gzip;q=0.1", true},
        {"*", true},
        {"*;q=0", false},
        {"gzip;q=0, *", false},
        {"*;q=0, gzip", true},
        {"identity", false},
        {"deflate", false},
        {"zstd", false},
        {"gzipx", false},
        {"not-gzip", false},
        {",,gzip,,", true},
        {";q=1", false},
        {"gzip;", true},
        {"gzip;q=", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (http_accepts_gzip(str_of(cases[i].header)) != cases[i].yes)
            fail_msg("<%s>", cases[i].header);
}

static void only_text_is_compressed(void **state)
{
    (void)state;
    assert_true(http_compressible(STR("application/json")));
    assert_true(http_compressible(STR("text/plain; version=0.0.4; charset=utf-8")));
    assert_true(http_compressible(STR("application/openmetrics-text; version=1.0.0")));
    assert_false(http_compressible(STR("application/x-protobuf")));
    assert_false(http_compressible(STR("application/x-streamed-protobuf; proto=x")));
    assert_false(http_compressible(STR("image/png")));
    assert_false(http_compressible(STR("")));
}

static void check_inflates_to(const fer_buf *packed, const char *want, size_t n)
{
    char *out = fer_alloc(n + 1);
    z_stream z = {0};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_in = (Bytef *)packed->p;
    z.avail_in = (uInt)packed->n;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)n + 1;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    assert_int_equal(z.total_out, n);
    assert_memory_equal(out, want, n);
    inflateEnd(&z);
    fer_free(out);
}

static void what_is_packed_can_be_unpacked(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 13, 255, 256, 257, 4096, 70000, 1000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = sizes[i];
        char *text = fer_alloc(n);
        uint32_t x = 1;
        for (size_t k = 0; k < n; k++) {
            x = x * 1664525 + 1013904223;
            text[k] = (char)(i % 2 == 0 ? x >> 24 : '0' + (x >> 24) % 3); /* noise, and text */
        }
        for (size_t pieces = 1; pieces <= 3; pieces++) {
            http_gzip *z = http_gzip_new(pieces == 3 ? 0 : n);
            assert_non_null(z);
            fer_buf b;
            fer_buf_init(&b, 4 << 20, NULL);
            for (size_t p = 0; p < pieces; p++) {
                fer_str part = str_from((fer_str){text, n}, p * (n / pieces));
                if (p + 1 < pieces)
                    part = str_head(part, n / pieces);
                assert_int_equal(http_gzip_add(z, part, p + 1 == pieces, &b), FER_OK);
            }
            http_gzip_free(z);
            check_inflates_to(&b, text, n);
            if (n >= 4096 && i % 2 != 0)
                assert_true(b.n < n / 2);
            fer_buf_done(&b);
        }
        fer_free(text);
    }
}

static void a_full_buffer_is_told(void **state)
{
    (void)state;
    char text[1000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * i * 31 >> 3);
    fer_buf b;
    fer_buf_init(&b, 100, NULL);
    http_gzip *z = http_gzip_new(0);
    assert_int_equal(http_gzip_add(z, (fer_str){text, sizeof text}, true, &b), FER_LIMIT);
    http_gzip_free(z);
    fer_buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gzip_is_used_only_where_it_is_accepted),
        cmocka_unit_test(only_text_is_compressed),
        cmocka_unit_test(what_is_packed_can_be_unpacked),
        cmocka_unit_test(a_full_buffer_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

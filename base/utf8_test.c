#include "base/utf8.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* Whether a code point is one UTF-8 may carry. */
static bool is_scalar(uint32_t r)
{
    return r <= 0x10ffff && !(r >= 0xd800 && r <= 0xdfff);
}

static void every_code_point_comes_back(void **state)
{
    for (uint32_t r = 0; r < 0x110100; r++) {
        char buf[4];
        size_t n = utf8_encode(r, buf);
        if (!is_scalar(r)) {
            assert_int_equal(n, 0);
            continue;
        }
        assert_int_equal(n, r < 0x80 ? 1 : r < 0x800 ? 2 : r < 0x10000 ? 3 : 4);
        uint32_t back = 0xffffffff;
        assert_int_equal(utf8_decode((fer_str){buf, n}, &back), n);
        assert_int_equal(back, r);
        for (size_t cut = 0; cut < n; cut++) {
            back = 7;
            assert_int_equal(utf8_decode((fer_str){buf, cut}, &back), 0);
            assert_int_equal(back, 7);
        }
    }
    char buf[4];
    assert_int_equal(utf8_encode(0xffffffff, buf), 0);
}

/* All sequences of 1, 2 and 3 bytes: what is accepted must encode to the very same bytes. */
static void only_the_shortest_form_is_accepted(void **state)
{
    for (uint32_t v = 0; v < 1u << 24; v++) {
        unsigned char b[3] = {(unsigned char)(v >> 16), (unsigned char)(v >> 8), (unsigned char)v};
        uint32_t r;
        size_t n = utf8_decode((fer_str){(char *)b, 3}, &r);
        if (n == 0)
            continue;
        char again[4];
        if (!is_scalar(r) || utf8_encode(r, again) != n || memcmp(again, b, n) != 0)
            fail_msg("accepted %02x %02x %02x", b[0], b[1], b[2]);
    }
}

static void validity(void **state)
{
    const struct {
        fer_str s;
        bool valid;
    } rows[] = {
        {STR(""), true},
        {STR("plain ascii, longer than one word"), true},
        {STR("\0"), true},
        {STR("12345678\xc3\xa9"), true},
        {STR("1234567\xc3\xa9"), true},
        {STR("\xf0\x9f\x98\x80"), true},
        {STR("\xf4\x8f\xbf\xbf"), true},
        {STR("\xf4\x90\x80\x80"), false},
        {STR("\xf0\x8f\xbf\xbf"), false},
        {STR("\xed\xa0\x80"), false},
        {STR("\xc0\x80"), false},
        {STR("\xe0\x9f\xbf"), false},
        {STR("\x80"), false},
        {STR("\xff"), false},
        {STR("12345678\xff"), false},
        {STR("1234567\xc3"), false},
        {STR("12345678123456\xe2\x82"), false},
        {STR("\xc3\x28"), false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(utf8_valid(rows[i].s), rows[i].valid);
}

/* A bad byte is seen at every place of a long text. */
static void a_bad_byte_is_found_wherever_it_stands(void **state)
{
    char text[64];
    for (size_t n = 1; n <= sizeof text; n++) {
        for (size_t at = 0; at < n; at++) {
            memset(text, 'x', n);
            assert_true(utf8_valid((fer_str){text, n}));
            text[at] = (char)0x80;
            assert_false(utf8_valid((fer_str){text, n}));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_comes_back),
        cmocka_unit_test(only_the_shortest_form_is_accepted),
        cmocka_unit_test(validity),
        cmocka_unit_test(a_bad_byte_is_found_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

/* RFC 3720, appendix B.4. */
static void the_examples_of_the_rfc(void **state)
{
    unsigned char b[32];
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, NULL, 0), 0);
    memset(b, 0, sizeof b);
    assert_int_equal(crc32c(0, b, sizeof b), 0x8a9136aa);
    memset(b, 0xff, sizeof b);
    assert_int_equal(crc32c(0, b, sizeof b), 0x62a8ab43);
    for (unsigned i = 0; i < 32; i++)
        b[i] = (unsigned char)i;
    assert_int_equal(crc32c(0, b, sizeof b), 0x46dd794e);
    for (unsigned i = 0; i < 32; i++)
        b[i] = (unsigned char)(31 - i);
    assert_int_equal(crc32c(0, b, sizeof b), 0x113fdb5c);
}

/* Bit by bit, from the definition. */
static uint32_t slow(const unsigned char *p, size_t n)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static void any_length_offset_and_cut_agree_with_the_definition(void **state)
{
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, 1);
    static unsigned char bytes[3000];
    rng.base.fill(&rng.base, bytes, sizeof bytes);
    for (size_t n = 0; n < sizeof bytes; n += n < 300 ? 1 : 137) {
        size_t at = n % 17 < sizeof bytes - n ? n % 17 : 0;
        uint32_t want = slow(bytes + at, n);
        assert_int_equal(crc32c(0, bytes + at, n), want);
        size_t cut = n == 0 ? 0 : fer_rng_seeded_next(&rng) % n;
        uint32_t first = crc32c(0, bytes + at, cut);
        assert_int_equal(crc32c(first, bytes + at + cut, n - cut), want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_rfc),
        cmocka_unit_test(any_length_offset_and_cut_agree_with_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

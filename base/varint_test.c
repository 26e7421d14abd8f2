#include "base/varint.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"

static const uint64_t values[] = {0,          1,          127,        128,        16383,
                                  16384,      1u << 21,   1ULL << 28, 1ULL << 35, 1ULL << 42,
                                  1ULL << 49, 1ULL << 56, 1ULL << 63, INT64_MAX,  UINT64_MAX};

enum { VALUES = sizeof values / sizeof *values };

static void assert_round_trip(uint64_t v)
{
    uint8_t buf[VARINT_MAX];
    size_t n = uvarint_put(buf, v);
    assert_int_equal(n, uvarint_size(v));
    fer_rd r = {buf, buf + n};
    uint64_t back;
    assert_int_equal(rd_uvarint(&r, &back), FER_OK);
    assert_true(back == v);
    assert_int_equal(rd_left(&r), 0);

    n = varint_put(buf, (int64_t)v);
    r = (fer_rd){buf, buf + n};
    int64_t sback;
    assert_int_equal(rd_varint(&r, &sback), FER_OK);
    assert_true(sback == (int64_t)v);
    assert_int_equal(rd_left(&r), 0);
}

static void integers_come_back(void **state)
{
    for (size_t i = 0; i < VALUES; i++) {
        assert_round_trip(values[i]);
        assert_round_trip(values[i] - 1);
        assert_round_trip(-values[i]);
    }
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, 1);
    for (int i = 0; i < 100000; i++)
        assert_round_trip(fer_rng_seeded_next(&rng) >> (i % 64));
}

/* Examples of Go's encoding/binary documentation and of the protobuf encoding guide. */
static void the_bytes_are_those_of_go(void **state)
{
    uint8_t buf[VARINT_MAX];
    assert_int_equal(uvarint_put(buf, 150), 2);
    assert_memory_equal(buf, "\x96\x01", 2);
    assert_int_equal(varint_put(buf, -1), 1);
    assert_int_equal(buf[0], 1);
    assert_int_equal(varint_put(buf, 1), 1);
    assert_int_equal(buf[0], 2);
    assert_int_equal(varint_put(buf, -65), 2);
    assert_memory_equal(buf, "\x81\x01", 2);
    assert_int_equal(uvarint_put(buf, UINT64_MAX), 10);
    assert_memory_equal(buf, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
}

static void every_truncation_is_refused(void **state)
{
    for (size_t i = 0; i < VALUES; i++) {
        uint8_t buf[VARINT_MAX];
        size_t n = uvarint_put(buf, values[i]);
        for (size_t cut = 0; cut < n; cut++) {
            fer_rd r = {buf, buf + cut};
            uint64_t v = 7;
            int64_t s = 7;
            assert_int_equal(rd_uvarint(&r, &v), FER_CORRUPT);
            assert_int_equal(rd_varint(&r, &s), FER_CORRUPT);
            assert_true(v == 7 && s == 7 && r.p == buf);
        }
    }
}

static void what_does_not_fit_64_bits_is_refused(void **state)
{
    static const char *const bad[] = {
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
        "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fer_rd r = rd_of(str_of(bad[i]));
        const uint8_t *before = r.p;
        uint64_t v = 7;
        assert_int_equal(rd_uvarint(&r, &v), FER_CORRUPT);
        assert_true(v == 7 && r.p == before);
    }
}

static void fixed_integers_are_big_endian_and_bounded(void **state)
{
    uint8_t buf[14];
    be64_put(buf, 0x0102030405060708);
    be32_put(buf + 8, 0xfffefdfc);
    be16_put(buf + 12, 0xabcd);
    assert_memory_equal(buf, "\1\2\3\4\5\6\7\10\xff\xfe\xfd\xfc\xab\xcd", 14);
    assert_true(be64_get(buf) == 0x0102030405060708);
    assert_true(be32_get(buf + 8) == 0xfffefdfc);
    assert_int_equal(be16_get(buf + 12), 0xabcd);

    fer_rd r = {buf, buf + 14};
    uint64_t u64 = 0;
    uint32_t u32 = 0;
    uint8_t u8 = 0;
    assert_int_equal(rd_be64(&r, &u64), FER_OK);
    assert_int_equal(rd_be32(&r, &u32), FER_OK);
    assert_true(u64 == 0x0102030405060708 && u32 == 0xfffefdfc);
    const uint8_t *at = r.p;
    assert_int_equal(rd_be32(&r, &u32), FER_CORRUPT); /* two bytes left */
    assert_int_equal(rd_be64(&r, &u64), FER_CORRUPT);
    assert_ptr_equal(r.p, at);
    assert_int_equal(rd_u8(&r, &u8), FER_OK);
    assert_int_equal(u8, 0xab);
    assert_int_equal(rd_u8(&r, &u8), FER_OK);
    assert_int_equal(rd_u8(&r, &u8), FER_CORRUPT);
    assert_int_equal(u8, 0xcd);
}

static void strings_stay_inside(void **state)
{
    fer_rd r = rd_of(STR("\3abc\0\4xyz"));
    fer_str s;
    assert_int_equal(rd_str(&r, &s), FER_OK);
    assert_true(str_eq(s, STR("abc")));
    assert_int_equal(rd_str(&r, &s), FER_OK);
    assert_int_equal(s.n, 0);
    const uint8_t *at = r.p;
    s = STR("before");
    assert_int_equal(rd_str(&r, &s), FER_CORRUPT); /* says 4, has 3 */
    assert_ptr_equal(r.p, at);
    assert_true(str_eq(s, STR("before")));
    r = rd_of(STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"));
    assert_int_equal(rd_str(&r, &s), FER_CORRUPT);
    assert_int_equal(rd_bytes(&r, UINT64_MAX, &s), FER_CORRUPT);
    assert_int_equal(rd_bytes(&r, 11, &s), FER_OK);
    assert_int_equal(rd_bytes(&r, 0, &s), FER_OK);
    assert_int_equal(rd_bytes(&r, 1, &s), FER_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_come_back),
        cmocka_unit_test(the_bytes_are_those_of_go),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(what_does_not_fit_64_bits_is_refused),
        cmocka_unit_test(fixed_integers_are_big_endian_and_bounded),
        cmocka_unit_test(strings_stay_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

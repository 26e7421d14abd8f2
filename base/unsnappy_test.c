#include "base/unsnappy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <snappy-c.h>

#include "base/mem.h"
#include "base/rng.h"

enum { PLAIN_MAX = 200000, PACKED_MAX = 32 + PLAIN_MAX * 7 / 6 };

static char plain[PLAIN_MAX], packed[PACKED_MAX];

/* Whether a block of n bytes reads as libsnappy reads it; it is put into memory of its very size, so that a
 * sanitizer sees what is read or written beyond. */
static void assert_agrees(const char *block, size_t n)
{
    size_t length;
    if (snappy_uncompressed_length(block, n, &length) != SNAPPY_OK || length > PLAIN_MAX)
        return;
    char *in = fer_memdup0(block, n), *ours = fer_alloc(length + 1),
         *theirs = fer_alloc(length + 1);
    char *exact = fer_realloc(in, n == 0 ? 1 : n);
    size_t theirs_n = length;
    bool want = snappy_uncompress(block, n, theirs, &theirs_n) == SNAPPY_OK;
    ours = fer_realloc(ours, length == 0 ? 1 : length);
    bool got = unsnappy((fer_str){exact, n}, ours, length);
    assert_int_equal(got, want);
    if (want)
        assert_memory_equal(ours, theirs, length);
    fer_free(exact);
    fer_free(ours);
    fer_free(theirs);
}

/* n bytes made of runs, repetitions from near and far and noise. */
static void make_plain(fer_rng_seeded *rng, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t m = 1 + fer_rng_seeded_next(rng) % (fer_rng_seeded_next(rng) % 4 == 0 ? 3000 : 70);
        if (m > n - i)
            m = n - i;
        size_t back = i == 0 ? 0 : 1 + fer_rng_seeded_next(rng) % i;
        if (fer_rng_seeded_next(rng) % 2 == 0 && back > 40)
            back = 1 + back % 40;
        bool noise = back == 0 || fer_rng_seeded_next(rng) % 4 == 0;
        for (size_t end = i + m; i < end; i++)
            plain[i] = noise ? (char)fer_rng_seeded_next(rng) : plain[i - back];
    }
}

static size_t pack(size_t n)
{
    size_t packed_n = sizeof packed;
    assert_int_equal(snappy_compress(plain, n, packed, &packed_n), SNAPPY_OK);
    return packed_n;
}

static void what_libsnappy_packs_is_undone(void **state)
{
    (void)state;
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, 1);
    for (unsigned round = 0; round < 400; round++) {
        size_t n = round < 200 ? round : fer_rng_seeded_next(&rng) % PLAIN_MAX;
        make_plain(&rng, n);
        assert_agrees(packed, pack(n));
    }
}

static void damage_is_seen_as_libsnappy_sees_it(void **state)
{
    (void)state;
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, 2);
    for (unsigned round = 0; round < 200; round++) {
        make_plain(&rng, 2000);
        size_t n = pack(2000);
        assert_agrees(packed, fer_rng_seeded_next(&rng) % n);
        for (unsigned flips = 0; flips < 20; flips++) {
            size_t at = fer_rng_seeded_next(&rng) % n;
            packed[at] = (char)fer_rng_seeded_next(&rng);
            assert_agrees(packed, n);
        }
    }
}

/* Tags that libsnappy reads and never writes. */
static void every_form_of_tag_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *block;
        size_t n;
    } blocks[] = {
        {"\0", 1},
        {"\0\0", 2},
        {"\3\xf0\2abc", 6},            /* a literal with its length in 1, */
        {"\3\xf4\2\0abc", 7},          /* 2, */
        {"\3\xf8\2\0\0abc", 8},        /* 3 */
        {"\3\xfc\2\0\0\0abc", 9},      /* and 4 bytes */
        {"\3\xfc\xff\xff\xff\xff", 6}, /* longer than there is */
        {"\5\0a\1\1", 5},              /* a copy with an offset of 1, */
        {"\5\0a\x0e\1\0", 6},          /* 2 */
        {"\5\0a\x0f\1\0\0\0", 8},      /* and 4 bytes */
        {"\5\0a\x0f\1\0\0\1", 8},      /* from before the begin */
        {"\5\0a\1\0", 5},              /* from where it goes */
        {"\5\1\1", 3},                 /* before anything was written */
        {"\5\0a\1\1x", 6},             /* more than was told */
        {"\6\0a\1\1", 5},              /* less */
        {"\5\0a\1", 4},                /* cut short */
        {"\5\0a\x0e\1", 5},
        {"\5\0a\x0f\1\0\0", 7},
    };
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        assert_agrees(blocks[i].block, blocks[i].n);
    char out[5];
    assert_true(unsnappy((fer_str){"\5\0a\1\1", 5}, out, 5));
    assert_memory_equal(out, "aaaaa", 5);
    assert_false(unsnappy((fer_str){"\5\0a\1\0", 5}, out, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_libsnappy_packs_is_undone),
        cmocka_unit_test(damage_is_seen_as_libsnappy_sees_it),
        cmocka_unit_test(every_form_of_tag_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

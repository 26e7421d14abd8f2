/* body_test.c - snappy, zstd and gzip bodies: what is decoded, what is refused, and before which cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include "base/rng.h"
#include "server/remote/body.h"

enum { LIMIT = 1024 * 1024 };

typedef struct fixture {
    fer_account acct;
    fer_buf out;
    rw_decoder d;
    fer_err err;
} fixture;

static void set_up(fixture *f)
{
    *f = (fixture){0};
    fer_account_init(&f->acct, "test", NULL, 0);
    fer_buf_init(&f->out, LIMIT, &f->acct);
}

static void tear_down(fixture *f)
{
    rw_decoder_done(&f->d);
    fer_buf_done(&f->out);
}

static fer_code decode(fixture *f, rw_encoding e, fer_str body)
{
    return rw_decode(&f->d, e, body, &f->out, &f->err);
}

/* n bytes that pack to about a half; the caller frees them. */
static char *some_text(size_t n)
{
    char *text = fer_alloc(n);
    uint64_t x = 1;
    for (size_t i = 0; i < n; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        text[i] = (char)('a' + (x >> 60));
    }
    return text;
}

/* One frame without its size in the header, or with it. */
static fer_str zstd_frame(fer_str text, int level, bool with_size, char *to, size_t cap)
{
    ZSTD_CCtx *z = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(z, ZSTD_c_contentSizeFlag, with_size);
    ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
    size_t n = ZSTD_compress2(z, to, cap, text.p, text.n);
    assert_false(ZSTD_isError(n));
    ZSTD_freeCCtx(z);
    return (fer_str){to, n};
}

static fer_str gzip_member(fer_str text, char *to, size_t cap)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)text.p,
                  .avail_in = (unsigned)text.n,
                  .next_out = (Bytef *)to,
                  .avail_out = (unsigned)cap};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return (fer_str){to, cap - z.avail_out};
}

static void gzip_members_come_out_whole(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    const size_t sizes[] = {0, 1, 1000, 300000, LIMIT};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fer_str text = {some_text(sizes[i] + 1), sizes[i]};
        size_t cap = text.n + 1024;
        char *packed = fer_alloc(2 * cap);
        fer_str first = gzip_member(text, packed, cap);
        assert_int_equal(decode(&f, RW_GZIP, first), FER_OK);
        assert_true(str_eq(fer_buf_str(&f.out), text));
        fer_str second = gzip_member(STR("and more"), packed + first.n, cap);
        fer_code c = decode(&f, RW_GZIP, (fer_str){packed, first.n + second.n});
        assert_int_equal(c, text.n == LIMIT ? FER_INVALID : FER_OK);
        if (c == FER_OK)
            assert_int_equal(f.out.n, text.n + 8);
        fer_free(packed);
        fer_free((char *)(uintptr_t)text.p);
    }
    tear_down(&f);
}

static void every_cut_and_every_flip_of_a_gzip_member_is_refused(void **state)
{
    (void)state;
    enum { HEADER = 10 }; /* times and flags there mean nothing to us */
    fixture f;
    set_up(&f);
    char packed[256];
    fer_str text = STR("the quick brown fox jumps over the lazy dog");
    fer_str member = gzip_member(text, packed, 256);
    for (size_t n = 0; n < member.n; n++)
        assert_int_equal(decode(&f, RW_GZIP, str_head(member, n)), FER_INVALID);
    for (size_t i = HEADER; i < member.n; i++) {
        packed[i] ^= 4;
        if (decode(&f, RW_GZIP, member) !=
            FER_INVALID) /* the last bits before the trailer are no bits */
            assert_true(i == member.n - 9 && str_eq(fer_buf_str(&f.out), text));
        packed[i] ^= 4;
    }
    tear_down(&f);
}

static void bodies_of_all_kinds_come_out_whole(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    const size_t sizes[] = {0, 1, 1000, 300000, LIMIT};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fer_str text = {some_text(sizes[i] + 1), sizes[i]};
        size_t cap = ZSTD_compressBound(text.n), snapped = snappy_max_compressed_length(text.n);
        char *packed = fer_alloc(cap > snapped ? cap : snapped);
        assert_int_equal(snappy_compress(text.p, text.n, packed, &snapped), SNAPPY_OK);
        assert_int_equal(decode(&f, RW_SNAPPY, (fer_str){packed, snapped}), FER_OK);
        assert_true(str_eq(fer_buf_str(&f.out), text));
        for (int level = 1; level <= 7; level += 6)
            for (int with_size = 0; with_size <= 1; with_size++) {
                fer_str body = zstd_frame(text, level, with_size != 0, packed, cap);
                if (decode(&f, RW_ZSTD, body) != FER_OK)
                    fail_msg("%zu bytes, level %d: %s", text.n, level, f.err.msg);
                assert_true(str_eq(fer_buf_str(&f.out), text));
            }
        fer_free(packed);
        fer_free((void *)(uintptr_t)text.p);
    }
    tear_down(&f);
}

static void several_frames_are_one_body(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    char body[256];
    size_t n = zstd_frame(STR("hello "), 3, true, body, sizeof body).n;
    memcpy(body + n, "\x50\x2a\x4d\x18\x02\0\0\0xx", 10); /* a skippable frame */
    n += 10;
    n += zstd_frame(STR("world"), 3, false, body + n, sizeof body - n).n;
    assert_int_equal(decode(&f, RW_ZSTD, (fer_str){body, n}), FER_OK);
    assert_true(str_eq(fer_buf_str(&f.out), STR("hello world")));
    tear_down(&f);
}

static void every_cut_and_every_flip_of_a_frame_is_refused(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    char body[256];
    fer_str frame = zstd_frame(STR("up{job=\"x\"} up{job=\"x\"}"), 3, true, body, sizeof body);
    for (size_t cut = 0; cut < frame.n; cut++) {
        char *copy = fer_memdup0(frame.p, cut);
        assert_int_equal(decode(&f, RW_ZSTD, (fer_str){copy, cut}), FER_INVALID);
        fer_free(copy);
    }
    for (size_t bit = 0; bit < frame.n * 8; bit++) {
        body[bit / 8] ^= (char)(1 << bit % 8);
        fer_code c = decode(&f, RW_ZSTD, frame);
        assert_true(c == FER_INVALID ||
                    str_eq(fer_buf_str(&f.out), STR("up{job=\"x\"} up{job=\"x\"}")));
        body[bit / 8] ^= (char)(1 << bit % 8);
    }
    tear_down(&f);
}

static void a_size_above_the_limit_is_refused_before_memory_is_taken(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    static const char bomb[] = "\xff\xff\xff\xff\x0f\x00"; /* snappy: declares 4 GiB */
    assert_int_equal(decode(&f, RW_SNAPPY, (fer_str){bomb, 6}), FER_INVALID);
    assert_non_null(strstr(f.err.msg, "above the limit"));

    size_t n = (size_t)LIMIT + 1, cap = ZSTD_compressBound(n);
    char *zeros = fer_calloc(1, n), *packed = fer_alloc(cap);
    fer_str told = zstd_frame((fer_str){zeros, n}, 3, true, packed, cap);
    assert_int_equal(decode(&f, RW_ZSTD, told), FER_INVALID);
    assert_non_null(strstr(f.err.msg, "above the limit"));
    assert_int_equal(fer_account_peak(&f.acct), 0);

    fer_str untold = zstd_frame((fer_str){zeros, n}, 3, false, packed, cap);
    assert_int_equal(decode(&f, RW_ZSTD, untold), FER_INVALID);
    assert_non_null(strstr(f.err.msg, "above the limit"));
    assert_true(fer_account_peak(&f.acct) <= 2 * (int64_t)LIMIT);
    fer_free(zeros);
    fer_free(packed);
    tear_down(&f);
}

static void what_is_no_block_is_refused(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    const rw_encoding all[] = {RW_SNAPPY, RW_ZSTD};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(decode(&f, all[i], STR("\x05hello")), FER_INVALID);
        assert_int_equal(decode(&f, all[i], STR("")), FER_INVALID);
    }
    tear_down(&f);
}

static void windows_beyond_8_mib_are_refused(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    /* A frame header with a 16 MiB window (RFC 8878, 3.1.1.1.2: exponent 14) and a raw block of one byte. */
    static const char frame[] = "\x28\xb5\x2f\xfd\x00\x70\x09\x00\x00x";
    assert_int_equal(decode(&f, RW_ZSTD, (fer_str){frame, 10}), FER_INVALID);
    /* 8 MiB: taken. */
    static const char good[] = "\x28\xb5\x2f\xfd\x00\x68\x09\x00\x00x";
    assert_int_equal(decode(&f, RW_ZSTD, (fer_str){good, 10}), FER_OK);
    assert_true(str_eq(fer_buf_str(&f.out), STR("x")));
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_of_all_kinds_come_out_whole),
        cmocka_unit_test(gzip_members_come_out_whole),
        cmocka_unit_test(every_cut_and_every_flip_of_a_gzip_member_is_refused),
        cmocka_unit_test(several_frames_are_one_body),
        cmocka_unit_test(every_cut_and_every_flip_of_a_frame_is_refused),
        cmocka_unit_test(a_size_above_the_limit_is_refused_before_memory_is_taken),
        cmocka_unit_test(what_is_no_block_is_refused),
        cmocka_unit_test(windows_beyond_8_mib_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

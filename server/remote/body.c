/* body.c - snappy blocks, zstd frames (libzstd) and gzip members (zlib). */
#include "server/remote/body.h"

#include <limits.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include "base/unsnappy.h"

enum {
    WINDOW_LOG_MAX = 23,          /* 8 MiB: what RFC 8878 asks every decoder to take */
    KEEP_BYTES_MAX = 1024 * 1024, /* of a decoder between two bodies */
    PIECE_BYTES = 256 * 1024,
    GZIP_WINDOW_BITS = 15 + 16 /* the wrapper of RFC 1952 */
};

void rw_decoder_done(rw_decoder *d)
{
    ZSTD_freeDCtx(d->zstd);
    d->zstd = NULL;
}

static fer_code check_size(const char *what, size_t n, const fer_buf *out, fer_err *err)
{
    if (n <= out->max)
        return FER_OK;
    return fer_fail(err, FER_INVALID, "%s: decoded length %zu is above the limit of %zu bytes",
                    what, n, out->max);
}

static fer_code decode_snappy(fer_str body, fer_buf *out, fer_err *err)
{
    size_t n;
    if (snappy_uncompressed_length(body.p, body.n, &n) != SNAPPY_OK)
        return fer_fail(err, FER_INVALID, "snappy: corrupt input");
    FER_TRY(check_size("snappy", n, out, err));
    char *to = fer_buf_room(out, n);
    if (to == NULL)
        return fer_fail_budget(err, "remote write");
    if (!unsnappy(body, to, n))
        return fer_fail(err, FER_INVALID, "snappy: corrupt input");
    out->n = n;
    return FER_OK;
}

/* Room for what comes next: the announced rest at first, then pieces. */
static fer_code make_room(const char *what, fer_buf *out, size_t announced, fer_err *err)
{
    if (out->n == out->max)
        return fer_fail(err, FER_INVALID, "%s: decoded length is above the limit of %zu bytes",
                        what, out->max);
    size_t want = announced > out->n ? announced - out->n : PIECE_BYTES;
    if (want > out->max - out->n)
        want = out->max - out->n;
    return fer_buf_room(out, want) == NULL ? fer_fail_budget(err, "remote write") : FER_OK;
}

/* Any number of frames, skippable ones among them, to the end of the body. */
static fer_code decode_frames(ZSTD_DCtx *z, fer_str body, size_t announced, fer_buf *out,
                              fer_err *err)
{
    ZSTD_inBuffer in = {body.p, body.n, 0};
    size_t left = 1; /* 0 at the end of a frame */
    while (in.pos < in.size || left != 0) {
        size_t before = in.pos;
        FER_TRY(make_room("zstd", out, announced, err));
        ZSTD_outBuffer to = {out->p, out->cap < out->max ? out->cap : out->max, out->n};
        left = ZSTD_decompressStream(z, &to, &in);
        if (ZSTD_isError(left))
            return fer_fail(err, FER_INVALID, "zstd: %s", ZSTD_getErrorName(left));
        if (left != 0 && in.pos == before && to.pos == out->n)
            return fer_fail(err, FER_INVALID, "zstd: the body ends within a frame");
        out->n = to.pos;
    }
    return FER_OK;
}

static fer_code decode_zstd(rw_decoder *d, fer_str body, fer_buf *out, fer_err *err)
{
    unsigned long long announced = ZSTD_getFrameContentSize(body.p, body.n);
    if (announced == ZSTD_CONTENTSIZE_ERROR)
        return fer_fail(err, FER_INVALID, "zstd: corrupt input");
    if (announced == ZSTD_CONTENTSIZE_UNKNOWN)
        announced = 0;
    FER_TRY(check_size("zstd", announced, out, err));
    if (d->zstd == NULL)
        d->zstd = ZSTD_createDCtx();
    if (d->zstd == NULL)
        return fer_fail_budget(err, "remote write");
    ZSTD_DCtx_reset(d->zstd, ZSTD_reset_session_and_parameters);
    ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    fer_code c = decode_frames(d->zstd, body, announced, out, err);
    if (ZSTD_sizeof_DCtx(d->zstd) > KEEP_BYTES_MAX)
        rw_decoder_done(d);
    return c;
}

/* Any number of members to the end of the body. */
static fer_code inflate_members(z_stream *z, fer_buf *out, fer_err *err)
{
    for (bool ended = false; z->avail_in != 0 || !ended;) {
        FER_TRY(make_room("gzip", out, 0, err));
        size_t room = (out->cap < out->max ? out->cap : out->max) - out->n;
        unsigned offered = room < UINT_MAX ? (unsigned)room : UINT_MAX;
        z->next_out = (Bytef *)out->p + out->n;
        z->avail_out = offered;
        if (ended && inflateReset(z) != Z_OK)
            return fer_fail(err, FER_INVALID, "gzip: corrupt input");
        int z_code = inflate(z, Z_NO_FLUSH);
        ended = z_code == Z_STREAM_END;
        if (z_code == Z_BUF_ERROR && z->avail_in == 0)
            return fer_fail(err, FER_INVALID, "gzip: the body ends within a member");
        if (!ended && z_code != Z_OK)
            return fer_fail(err, FER_INVALID, "gzip: %s",
                            z->msg != NULL ? z->msg : "corrupt input");
        out->n += offered - z->avail_out;
    }
    return FER_OK;
}

static fer_code decode_gzip(fer_str body, fer_buf *out, fer_err *err)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)body.p, .avail_in = (unsigned)body.n};
    if (body.n == 0 || body.n > UINT_MAX)
        return fer_fail(err, FER_INVALID, "gzip: corrupt input");
    if (inflateInit2(&z, GZIP_WINDOW_BITS) != Z_OK)
        return fer_fail_budget(err, "gzip");
    fer_code c = inflate_members(&z, out, err);
    inflateEnd(&z);
    return c;
}

fer_code rw_decode(rw_decoder *d, rw_encoding e, fer_str body, fer_buf *out, fer_err *err)
{
    fer_buf_clear(out);
    switch (e) {
    case RW_ZSTD:
        return decode_zstd(d, body, out, err);
    case RW_GZIP:
        return decode_gzip(body, out, err);
    default:
        return decode_snappy(body, out, err);
    }
}

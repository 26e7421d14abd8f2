/* body.c - snappy blocks and zstd frames (libzstd). */
#include "server/remote/body.h"

#include <snappy-c.h>
#include <zstd.h>

#include "base/unsnappy.h"

enum {
    WINDOW_LOG_MAX = 23,          /* 8 MiB: what RFC 8878 asks every decoder to take */
    KEEP_BYTES_MAX = 1024 * 1024, /* of a decoder between two bodies */
    PIECE_BYTES = 256 * 1024
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
static fer_code make_room(fer_buf *out, size_t announced, fer_err *err)
{
    if (out->n == out->max)
        return fer_fail(err, FER_INVALID, "zstd: decoded length is above the limit of %zu bytes",
                        out->max);
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
        FER_TRY(make_room(out, announced, err));
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

fer_code rw_decode(rw_decoder *d, rw_encoding e, fer_str body, fer_buf *out, fer_err *err)
{
    fer_buf_clear(out);
    return e == RW_ZSTD ? decode_zstd(d, body, out, err) : decode_snappy(body, out, err);
}

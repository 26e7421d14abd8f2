/* gzip.c - zlib behind a stream of pieces.
 *
 * Small answers get a small window: deflate's state is 256 KiB at the full one, which would cost more
 * than the compression itself.
 */
#include "server/http/gzip.h"

#include <assert.h>
#include <limits.h>
#include <zlib.h>

#include "server/http/parse.h"

enum {
    LEVEL = 1,         /* docs/server.md has the figures */
    GZIP_WRAPPER = 16, /* added to windowBits: gzip instead of zlib framing */
    ROOM_BYTES = 16 * 1024,
};

struct http_gzip {
    z_stream z;
};

/* "0", "0.", "0.0", ... "0.000" */
static bool zero_quality(fer_str q)
{
    if (q.n == 0 || q.p[0] != '0')
        return false;
    for (size_t i = 1; i < q.n; i++)
        if (q.p[i] != '0' && !(i == 1 && q.p[i] == '.'))
            return false;
    return true;
}

/* Cuts the next item off *list at c. */
static fer_str next_item(fer_str *list, char c)
{
    const char *at = memchr(list->p, c, list->n);
    size_t n = at == NULL ? list->n : (size_t)(at - list->p);
    fer_str item = http_str_trim(str_head(*list, n));
    *list = str_from(*list, n + 1);
    return item;
}

bool http_accepts_gzip(fer_str list)
{
    int gzip = -1, any = -1; /* -1 not named, 0 refused, 1 accepted */
    while (list.n != 0) {
        fer_str params = next_item(&list, ',');
        if (params.n == 0)
            continue;
        fer_str coding = next_item(&params, ';');
        int ok = 1;
        while (params.n != 0) {
            fer_str param = next_item(&params, ';');
            if (param.n > 2 && (param.p[0] == 'q' || param.p[0] == 'Q') && param.p[1] == '=')
                ok = !zero_quality(str_from(param, 2));
        }
        if (http_str_ieq(coding, STR("gzip")) || http_str_ieq(coding, STR("x-gzip")))
            gzip = ok;
        else if (str_eq(coding, STR("*")))
            any = ok;
    }
    return gzip == 1 || (gzip == -1 && any == 1);
}

bool http_compressible(fer_str type)
{
    static const fer_str types[] = {
        {"application/javascript", 22},
        {"application/json", 16},
        {"application/openmetrics-text", 28},
        {"application/vnd.google.protobuf", 31},
        {"application/xml", 15},
        {"image/svg+xml", 13},
    };
    if (str_has_prefix(type, STR("text/"))) /* events must not wait in a compressor */
        return !str_has_prefix(type, STR("text/event-stream"));
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (str_has_prefix(type, types[i]))
            return true;
    return false;
}

http_gzip *http_gzip_new(size_t size_hint)
{
    int window = 9, mem = 1;
    while (window < MAX_WBITS && (size_hint == 0 || (size_t)1 << window < size_hint))
        window++;
    mem = window - 7; /* zlib's own pairing: 15 and 8 */
    http_gzip *z = fer_calloc(1, sizeof *z);
    if (deflateInit2(&z->z, LEVEL, Z_DEFLATED, window + GZIP_WRAPPER, mem, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        fer_free(z);
        return NULL;
    }
    return z;
}

void http_gzip_free(http_gzip *z)
{
    if (z == NULL)
        return;
    deflateEnd(&z->z);
    fer_free(z);
}

/* One call of deflate into at least ROOM_BYTES. True while it has more to say. */
static bool deflate_some(z_stream *z, int flush, fer_buf *out)
{
    char *room = fer_buf_room(out, out->cap - out->n > ROOM_BYTES ? out->cap - out->n : ROOM_BYTES);
    if (room == NULL)
        return false;
    size_t n = out->cap - out->n;
    z->next_out = (Bytef *)room;
    z->avail_out = n > UINT_MAX ? UINT_MAX : (uInt)n;
    uInt before = z->avail_out;
    int rc = deflate(z, flush);
    assert(rc == Z_OK || rc == Z_BUF_ERROR || rc == Z_STREAM_END);
    out->n += before - z->avail_out;
    return z->avail_out == 0;
}

fer_code http_gzip_add(http_gzip *gz, fer_str in, bool last, fer_buf *out)
{
    z_stream *z = &gz->z;
    do {
        fer_str part = str_head(in, UINT_MAX / 2);
        in = str_from(in, part.n);
        z->next_in = (Bytef *)part.p;
        z->avail_in = (uInt)part.n;
        int flush = last && in.n == 0 ? Z_FINISH : Z_NO_FLUSH;
        while (deflate_some(z, flush, out))
            ;
        if (out->full)
            return FER_LIMIT;
    } while (in.n != 0);
    return FER_OK;
}

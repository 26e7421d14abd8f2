/* chunked.c - a state machine over the bytes that are not data.
 *
 *   SIZE+ [; NAME [= TOKEN | "QUOTED"]]* CR LF  DATA CR LF   ...   0 ... CR LF  [NAME : VALUE CR LF]* CR LF
 */
#include "server/http/chunked.h"

#include "server/http/parse.h"

typedef enum state {
    SIZE_FIRST, /* 0: how a zeroed one begins */
    SIZE,
    EXT_NAME_FIRST,
    EXT_NAME,
    EXT_VALUE_FIRST,
    EXT_TOKEN,
    EXT_QUOTED,
    EXT_ESCAPED, /* behind a backslash in quotes */
    EXT_END,     /* behind a quote */
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_FIRST,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF,
    DONE,
    BAD,
} state;

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What may stand in a value: no control byte but the tab. */
static bool text_byte(unsigned char c)
{
    return (c >= ' ' && c != 0x7f) || c == '\t';
}

/* Behind a size or a whole extension. */
static state after_part(unsigned char b)
{
    return b == ';' ? EXT_NAME_FIRST : b == '\r' ? SIZE_LF : BAD;
}

static state size_digit(http_chunked *c, unsigned char b)
{
    int digit = hex_digit(b);
    if (digit < 0)
        return c->state == SIZE ? after_part(b) : BAD;
    if (c->left >> 60 != 0)
        return BAD;
    c->left = c->left << 4 | (uint64_t)digit;
    return SIZE;
}

static state extension_byte(state s, unsigned char b)
{
    switch (s) {
    case EXT_NAME_FIRST:
        return http_token_byte(b) ? EXT_NAME : BAD;
    case EXT_NAME:
        return http_token_byte(b) ? EXT_NAME : b == '=' ? EXT_VALUE_FIRST : after_part(b);
    case EXT_VALUE_FIRST:
        return b == '"' ? EXT_QUOTED : http_token_byte(b) ? EXT_TOKEN : BAD;
    case EXT_TOKEN:
        return http_token_byte(b) ? EXT_TOKEN : after_part(b);
    case EXT_QUOTED:
        return b == '"' ? EXT_END : b == '\\' ? EXT_ESCAPED : text_byte(b) ? EXT_QUOTED : BAD;
    case EXT_ESCAPED:
        return text_byte(b) ? EXT_QUOTED : BAD;
    default:
        return after_part(b);
    }
}

static state trailer_byte(state s, unsigned char b)
{
    switch (s) {
    case TRAILER_FIRST:
        return b == '\r' ? END_LF : http_token_byte(b) ? TRAILER_NAME : BAD;
    case TRAILER_NAME:
        return http_token_byte(b) ? TRAILER_NAME : b == ':' ? TRAILER_VALUE : BAD;
    case TRAILER_VALUE:
        return b == '\r' ? TRAILER_LF : text_byte(b) ? TRAILER_VALUE : BAD;
    case TRAILER_LF:
        return b == '\n' ? TRAILER_FIRST : BAD;
    default:
        return b == '\n' ? DONE : BAD;
    }
}

/* One byte of framing. */
static state framing_byte(http_chunked *c, unsigned char b)
{
    state s = (state)c->state;
    switch (s) {
    case SIZE_FIRST:
    case SIZE:
        return size_digit(c, b);
    case SIZE_LF:
        c->chunks++;
        return b != '\n' ? BAD : c->left == 0 ? TRAILER_FIRST : DATA;
    case DATA_CR:
        return b == '\r' ? DATA_LF : BAD;
    case DATA_LF:
        return b == '\n' ? SIZE_FIRST : BAD;
    default:
        return s < SIZE_LF ? extension_byte(s, b) : trailer_byte(s, b);
    }
}

http_chunked_result http_chunked_feed(http_chunked *c, const char *data, size_t n,
                                      uint64_t framing_max,
                                      int (*sink)(void *arg, const char *p, size_t n), void *arg,
                                      size_t *used)
{
    size_t i = 0;
    while (i < n && c->state != DONE) {
        if (c->state == DATA) {
            size_t some = c->left < n - i ? (size_t)c->left : n - i;
            c->status = sink == NULL ? 0 : sink(arg, data + i, some);
            i += some;
            c->left -= some;
            if (c->left == 0)
                c->state = DATA_CR;
            if (c->status == 0)
                continue;
            *used = i;
            return HTTP_CHUNKED_REFUSED;
        }
        c->state = framing_byte(c, (unsigned char)data[i++]);
        bool too_much = ++c->framing > framing_max + (c->chunks + 1) * HTTP_CHUNK_FRAMING;
        if (c->state != BAD && !too_much)
            continue;
        *used = i;
        return c->state == BAD ? HTTP_CHUNKED_MALFORMED : HTTP_CHUNKED_TOO_MUCH;
    }
    *used = i;
    return c->state == DONE ? HTTP_CHUNKED_DONE : HTTP_CHUNKED_MORE;
}

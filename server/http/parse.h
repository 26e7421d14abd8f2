/* parse.h - the bytes of HTTP/1.x requests, without sockets: heads, bodies, what is refused.
 *
 * A parser takes one request after another from a stream of bytes cut anywhere; the cuts never
 * change the outcome. It is pulled: the caller feeds bytes and looks at the state, which stops at
 * the end of each head (so that the caller can route, refuse, or say where the body goes) and at the
 * end of each request.
 *
 *   HEAD --head complete--> GOT_HEAD --http_parser_body()--> BODY --last byte--> DONE
 *                                                              DONE --http_parser_next()--> HEAD
 *   any --malformed or too large--> FAILED
 *
 * The request line is read here, because browsers and Grafana send bytes in it that llhttp's strict
 * mode refuses; header fields are llhttp's, without leniency and with the checks its versions do not agree
 * on made here, chunks are ours (chunked.h): CRLF only, no folded lines, one Content-Length or one
 * "Transfer-Encoding: chunked" but not both, exactly one Host in HTTP/1.1.
 * Sources: RFC 9110, RFC 9112; texts and codes of refusals after Go's net/http.
 * Threads: one at a time.
 */
#ifndef FERULA_SERVER_HTTP_PARSE_H
#define FERULA_SERVER_HTTP_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

typedef struct http_parser http_parser;

typedef struct http_parse_limits {
    size_t head_max_bytes; /* request line and headers with their line ends */
    unsigned headers_max;
    size_t framing_max_bytes; /* chunk extensions and trailers of one body */
} http_parse_limits;

typedef struct http_field {
    fer_str name;
    fer_str value; /* without white space around it */
} http_field;

/* All slices live in the arena given to http_parser_next(). */
typedef struct http_head {
    fer_str method;
    fer_str target;  /* as received */
    fer_str path;    /* undecoded; well-formed %XX; empty for CONNECT, "*" for OPTIONS * */
    fer_str query;   /* undecoded, behind the first '?'; may be malformed */
    unsigned minor;  /* 0: HTTP/1.0, 1: HTTP/1.1 */
    bool keep_alive; /* what the client asks for, or its version implies */
    bool chunked;    /* the body is chunked */
    uint64_t length; /* of the body, when not chunked */
    bool expect_continue;
    http_field *fields;
    size_t n_fields;
} http_head;

typedef enum http_parse_state {
    HTTP_PARSE_HEAD,     /* before or within a head */
    HTTP_PARSE_GOT_HEAD, /* waits for http_parser_body() */
    HTTP_PARSE_BODY,
    HTTP_PARSE_DONE,   /* waits for http_parser_next() */
    HTTP_PARSE_FAILED, /* for good; see http_parser_failure() */
} http_parse_state;

/* Takes n decoded bytes of the body; 0, or the status that refuses them. */
typedef int (*http_body_sink)(void *arg, const char *p, size_t n);

/* The caller owns the result: http_parser_free(). `l` is copied. */
http_parser *http_parser_new(const http_parse_limits *l);
void http_parser_free(http_parser *p); /* NULL is fine */

/* Starts the next request; its head is kept in `a`, which must live until the body begins. */
void http_parser_next(http_parser *p, fer_arena *a);
/* Consumes what belongs to the current state and returns how many bytes that was; less than n only
 * when the state changed to GOT_HEAD, DONE or FAILED. */
size_t http_parser_feed(http_parser *p, const char *data, size_t n);
http_parse_state http_parser_state(const http_parser *p);

/* In GOT_HEAD and later, as long as the arena lives. */
const http_head *http_parser_head(const http_parser *p);
/* In GOT_HEAD: the body goes to `sink` (NULL: it is thrown away). The state becomes BODY, or DONE
 * when there is none. */
void http_parser_body(http_parser *p, http_body_sink sink, void *arg);
/* Bytes still to come of a body of known length in state BODY; 0 for chunked ones. */
uint64_t http_parser_body_left(const http_parser *p);
/* Tells that n bytes of a body of known length are in their place already: feed without the sink. */
void http_parser_body_filled(http_parser *p, size_t n);

/* In FAILED: the status to answer, and the text behind "400 Bad Request: " (may be ""; static). */
int http_parser_failure(const http_parser *p, const char **ret_text);

/* Letters that may stand in a token (RFC 9110 section 5.6.2): digits, letters and !#$%&'*+-.^_`|~, a bit each. */
static inline bool http_token_byte(unsigned char c)
{
    static const uint64_t token[4] = {UINT64_C(0x03ff6cfa00000000), UINT64_C(0x57ffffffc7fffffe)};
    return (token[c / 64] >> c % 64 & 1) != 0;
}
bool http_is_token(fer_str s);
/* ASCII without regard to case. */
bool http_str_ieq(fer_str a, fer_str b);
/* Without spaces and tabs at both ends. */
fer_str http_str_trim(fer_str s);

#endif

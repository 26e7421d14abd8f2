/* parse_test.c - each case is fed whole, byte by byte, in random cuts and behind another request; the
 * outcome must be the one in the table every time. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <stdlib.h>

#include "base/buf.h"
#include "server/http/parse.h"

#define HOST "Host: x\r\n"
#define GET(target) "GET " target " HTTP/1.1\r\n" HOST "\r\n"
#define FIELDS(fields) "GET / HTTP/1.1\r\n" HOST fields "\r\n"
#define POST(fields) "POST /p HTTP/1.1\r\n" HOST fields "\r\n"
#define CHUNKED(body) POST("Transfer-Encoding: chunked\r\n") body

/* A transcript: for each request "METHOD path?query minor [close] body\n", at the end of trouble
 * "!status text\n", in the middle of a request "...\n". */
static const struct {
    const char *name;
    const char *bytes;
    const char *want;
} cases[] = {
    /* what must be accepted */
    {"plain", GET("/a"), "GET /a? 1 []\n"},
    {"query", GET("/a?b=c&d"), "GET /a?b=c&d 1 []\n"},
    {"two question marks", GET("/a?b?c"), "GET /a?b?c 1 []\n"},
    {"raw bytes of Grafana", GET("/q?query={a=~\"x|y^`z\\\\\"}<>"),
     "GET /q?query={a=~\"x|y^`z\\\\\"}<> 1 []\n"},
    {"raw UTF-8", GET("/q?x=\xc3\xa4\xff"), "GET /q?x=\xc3\xa4\xff 1 []\n"},
    {"fragment", GET("/a#b?c"), "GET /a#b?c 1 []\n"},
    {"bad escape in the query", GET("/a?b=%zz"), "GET /a?b=%zz 1 []\n"},
    {"escaped path", GET("/a%2Fb"), "GET /a%2Fb? 1 []\n"},
    {"absolute form", GET("http://h:1/a?b"), "GET /a?b 1 []\n"},
    {"absolute form without path", GET("http://h"), "GET /? 1 []\n"},
    {"absolute form, query only", GET("http://h?q"), "GET /?q 1 []\n"},
    {"asterisk", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "OPTIONS *? 1 []\n"},
    {"connect", "CONNECT h:1 HTTP/1.1\r\n" HOST "\r\n", "CONNECT ? 1 []\n"},
    {"odd method", "FOO-bar / HTTP/1.1\r\n" HOST "\r\n", "FOO-bar /? 1 []\n"},
    {"lower-case method", "get / HTTP/1.1\r\n" HOST "\r\n", "get /? 1 []\n"},
    {"1.0", "GET / HTTP/1.0\r\n\r\n", "GET /? 0 close []\n"},
    {"1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET /? 0 []\n"},
    {"1.1 close", FIELDS("Connection: close\r\n"), "GET /? 1 close []\n"},
    {"close among others", FIELDS("Connection: x, Close\r\n"), "GET /? 1 close []\n"},
    {"1.9", "GET / HTTP/1.9\r\n" HOST "\r\n", "GET /? 1 []\n"},
    {"blank lines before", "\r\n\r\n" GET("/a"), "GET /a? 1 []\n"},
    {"empty header value", FIELDS("X:\r\nY: \r\n"), "GET /? 1 []\n"},
    {"header bytes", FIELDS("X: \t\x80\xff ~\t \r\n"), "GET /? 1 []\n"},
    {"header name bytes", FIELDS("!#$%&'*+-.^_`|~09azAZ: 1\r\n"), "GET /? 1 []\n"},
    {"upgrade is ignored",
     FIELDS("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"),
     "GET /? 1 []\n"},
    {"websocket is ignored", FIELDS("Connection: Upgrade\r\nUpgrade: websocket\r\n") GET("/2"),
     "GET /? 1 []\nGET /2? 1 []\n"},
    {"upgrade with a body",
     POST("Connection: Upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n") "ab" GET("/2"),
     "POST /p? 1 [ab]\nGET /2? 1 []\n"},
    {"length", POST("Content-Length: 3\r\n") "abc", "POST /p? 1 [abc]\n"},
    {"length 0", POST("Content-Length: 0\r\n") GET("/2"), "POST /p? 1 []\nGET /2? 1 []\n"},
    {"length with zeros", POST("Content-Length: 0003\r\n") "abc", "POST /p? 1 [abc]\n"},
    {"body of a GET", FIELDS("Content-Length: 2\r\n") "ab", "GET /? 1 [ab]\n"},
    {"no length, no body", POST("") GET("/2"), "POST /p? 1 []\nGET /2? 1 []\n"},
    {"body that looks like a request", POST("Content-Length: 18\r\n") "GET / HTTP/1.1\r\n\r\n",
     "POST /p? 1 [GET / HTTP/1.1\r\n\r\n]\n"},
    {"chunks", CHUNKED("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), "POST /p? 1 [abcde]\n"},
    {"chunk sizes in hex", CHUNKED("00A\r\n0123456789\r\n0\r\n\r\n"), "POST /p? 1 [0123456789]\n"},
    {"chunk extensions", CHUNKED("3;a=b\r\nabc\r\n0;x=y\r\n\r\n"), "POST /p? 1 [abc]\n"},
    {"trailers", CHUNKED("1\r\na\r\n0\r\nX: y\r\nZ: 1\r\n\r\n") GET("/2"),
     "POST /p? 1 [a]\nGET /2? 1 []\n"},
    {"no chunks", CHUNKED("0\r\n\r\n"), "POST /p? 1 []\n"},
    {"chunked in capitals", POST("Transfer-Encoding: Chunked\r\n") "0\r\n\r\n", "POST /p? 1 []\n"},
    {"pipeline", GET("/1") POST("Content-Length: 1\r\n") "a" GET("/3"),
     "GET /1? 1 []\nPOST /p? 1 [a]\nGET /3? 1 []\n"},
    {"expect", POST("Expect: 100-Continue\r\nContent-Length: 1\r\n") "a",
     "POST /p? 1 expect [a]\n"},
    {"expect in 1.0", "POST /p HTTP/1.0\r\nExpect: x\r\n\r\n", "POST /p? 0 close []\n"},

    /* what is not over yet */
    {"half a line", "GET / HT", "...\n"},
    {"half a head", "GET / HTTP/1.1\r\nHost: x\r\n", "...\n"},
    {"half a body", POST("Content-Length: 5\r\n") "abc", "...\n"},
    {"half a chunk", CHUNKED("5\r\nabc"), "...\n"},
    {"no last chunk", CHUNKED("1\r\na\r\n"), "...\n"},

    /* request lines */
    {"tls", "\x16\x03\x01\x02\x00\x01\x00", "!400 malformed request line\n"},
    {"space first", " GET / HTTP/1.1\r\n\r\n", "!400 malformed request line\n"},
    {"two words", "GET /\r\n\r\n", "!400 malformed request line\n"},
    {"one word", "GET\r\n\r\n", "!400 malformed request line\n"},
    {"two spaces", "GET  / HTTP/1.1\r\n\r\n", "!400 malformed HTTP version\n"},
    {"space in the target", "GET /a b HTTP/1.1\r\n\r\n", "!400 malformed HTTP version\n"},
    {"space behind", "GET / HTTP/1.1 \r\n\r\n", "!400 malformed HTTP version\n"},
    {"bad method", "G@T / HTTP/1.1\r\n\r\n", "!400 invalid method\n"},
    {"long method", "AAAAAAAAAABBBBBBBBBBCCCCCCCCCCDDD / HTTP/1.1\r\n\r\n",
     "!400 invalid method\n"},
    {"2.0", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "!505 unsupported protocol version\n"},
    {"0.9", "GET / HTTP/0.9\r\n\r\n", "!505 unsupported protocol version\n"},
    {"version in letters", "GET / HTTP/1.x\r\n\r\n", "!400 malformed HTTP version\n"},
    {"lower-case version", "GET / http/1.1\r\n\r\n", "!400 malformed HTTP version\n"},
    {"version with zeros", "GET / HTTP/01.1\r\n\r\n", "!400 malformed HTTP version\n"},
    {"tab in the target", "GET /a\tb HTTP/1.1\r\n\r\n",
     "!400 invalid byte in the request target\n"},
    {"del in the target", "GET /\x7f HTTP/1.1\r\n\r\n",
     "!400 invalid byte in the request target\n"},
    {"escape byte", "GET /?\x1b HTTP/1.1\r\n\r\n", "!400 invalid byte in the request target\n"},
    {"relative target", "GET a HTTP/1.1\r\n\r\n", "!400 invalid request target\n"},
    {"asterisk of GET", "GET * HTTP/1.1\r\n\r\n", "!400 invalid request target\n"},
    {"bad escape in the path", "GET /%zz HTTP/1.1\r\n\r\n", "!400 invalid URL escape\n"},
    {"cut escape in the path", "GET /%4 HTTP/1.1\r\n\r\n", "!400 invalid URL escape\n"},

    /* line ends */
    {"bare LF", "GET / HTTP/1.1\nHost: x\n\n", "!400 malformed line end\n"},
    {"bare LF in a header", "GET / HTTP/1.1\r\nHost: x\n\r\n", "!400 malformed line end\n"},
    {"bare LF at the end", "GET / HTTP/1.1\r\nHost: x\r\n\n", "!400 malformed line end\n"},
    {"bare CR in a value", FIELDS("X: a\rb\r\n"), "!400 malformed line end\n"},
    {"bare CR in the line", "GET /\r HTTP/1.1\r\n\r\n", "!400 malformed line end\n"},
    {"two CRs", "GET / HTTP/1.1\r\r\n\r\n", "!400 malformed line end\n"},
    {"blank line of one CR", "\rGET / HTTP/1.1\r\n\r\n", "!400 malformed request line\n"},
    {"blank line of one LF", "\nGET / HTTP/1.1\r\n\r\n", "!400 malformed line end\n"},

    /* headers */
    {"folded", FIELDS("X: a\r\n b\r\n"), "!400 folded header line\n"},
    {"folded by a tab", FIELDS("X: a\r\n\tb\r\n"), "!400 folded header line\n"},
    {"folded at once", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", "!400 folded header line\n"},
    {"space before the colon", FIELDS("X : a\r\n"), "!400 malformed header\n"},
    {"space in the name", FIELDS("X y: a\r\n"), "!400 malformed header\n"},
    {"no colon", FIELDS("Xyz\r\n"), "!400 malformed header\n"},
    {"no name", FIELDS(": x\r\n"), "!400 malformed header\n"},
    {"control byte in a value", FIELDS("X: a\x01\r\n"), "!400 malformed header\n"},
    {"del in a value", FIELDS("X: a\x7f\r\n"), "!400 malformed header\n"},
    {"name in UTF-8", FIELDS("\xc3\xa4: a\r\n"), "!400 malformed header\n"},
    {"no host", "GET / HTTP/1.1\r\n\r\n", "!400 missing required Host header\n"},
    {"two hosts", FIELDS(HOST), "!400 too many Host headers\n"},
    {"expect something", FIELDS("Expect: wonders\r\n"), "!417 \n"},

    /* framing */
    {"length and chunked", POST("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n") "0\r\n\r\n",
     "!400 invalid Content-Length\n"},
    {"chunked and length", POST("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n") "0\r\n\r\n",
     "!400 invalid Content-Length\n"},
    {"two lengths", POST("Content-Length: 3\r\nContent-Length: 3\r\n") "abc",
     "!400 invalid Content-Length\n"},
    {"list of lengths", POST("Content-Length: 3, 3\r\n") "abc", "!400 invalid Content-Length\n"},
    {"length with a plus", POST("Content-Length: +3\r\n") "abc", "!400 invalid Content-Length\n"},
    {"negative length", POST("Content-Length: -3\r\n") "abc", "!400 invalid Content-Length\n"},
    {"length in hex", POST("Content-Length: 0x3\r\n") "abc", "!400 invalid Content-Length\n"},
    {"no length", POST("Content-Length:\r\n"), "!400 invalid Content-Length\n"},
    {"length beyond 64 bits", POST("Content-Length: 99999999999999999999\r\n"),
     "!400 invalid Content-Length\n"},
    {"length split by a space", POST("Content-Length: 1 2\r\n"), "!400 invalid Content-Length\n"},
    {"chunked twice", POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
     "!501 Unsupported transfer encoding\n"},
    {"chunked, chunked", POST("Transfer-Encoding: chunked, chunked\r\n"),
     "!501 Unsupported transfer encoding\n"},
    {"gzip, chunked", POST("Transfer-Encoding: gzip, chunked\r\n"),
     "!501 Unsupported transfer encoding\n"},
    {"chunked, gzip", POST("Transfer-Encoding: chunked, gzip\r\n"),
     "!501 Unsupported transfer encoding\n"},
    {"identity", POST("Transfer-Encoding: identity\r\n"), "!501 Unsupported transfer encoding\n"},
    {"chunked with a byte",
     POST("Transfer-Encoding: \x0b"
          "chunked\r\n"),
     "!400 malformed header\n"},
    {"quoted chunked", POST("Transfer-Encoding: \"chunked\"\r\n"),
     "!501 Unsupported transfer encoding\n"},
    {"chunked in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "!400 invalid Transfer-Encoding\n"},
    {"bad chunk size", CHUNKED("x\r\n"), "!400 malformed chunked encoding\n"},
    {"no chunk size", CHUNKED("\r\n"), "!400 malformed chunked encoding\n"},
    {"chunk size 0x", CHUNKED("0x1\r\na\r\n"), "!400 malformed chunked encoding\n"},
    {"negative chunk", CHUNKED("-1\r\n"), "!400 malformed chunked encoding\n"},
    {"chunk size beyond 64 bits", CHUNKED("11111111111111111\r\n"),
     "!400 malformed chunked encoding\n"},
    {"space behind the chunk size", CHUNKED("1 \r\na\r\n"), "!400 malformed chunked encoding\n"},
    {"chunk line ends in LF", CHUNKED("1\na\r\n0\r\n\r\n"), "!400 malformed chunked encoding\n"},
    {"chunk too long", CHUNKED("1\r\nab\r\n0\r\n\r\n"), "!400 malformed chunked encoding\n"},
    {"chunk ends in LF", CHUNKED("1\r\na\n0\r\n\r\n"), "!400 malformed chunked encoding\n"},
    {"bad trailer", CHUNKED("0\r\nX y: 1\r\n\r\n"), "!400 malformed chunked encoding\n"},
};
enum { N_CASES = sizeof cases / sizeof *cases };

/* ---- transcripts ---- */

static const http_parse_limits usual = {32 * 1024, 100, 8 * 1024};

static int collect(void *arg, const char *p, size_t n)
{
    fer_buf_put(arg, p, n);
    return 0;
}

static void tell_head(const http_head *h, fer_buf *out)
{
    fer_buf_printf(out, "%.*s %.*s?%.*s %u %s%s[", STR_FMT(h->method), STR_FMT(h->path),
                   STR_FMT(h->query), h->minor, h->keep_alive ? "" : "close ",
                   h->expect_continue ? "expect " : "");
}

typedef size_t (*cutter)(size_t left);

static size_t cut_whole(size_t left)
{
    return left;
}

static size_t cut_bytes(size_t left)
{
    (void)left;
    return 1;
}

static unsigned seed;

static size_t cut_random(size_t left)
{
    seed = seed * 1103515245 + 12345;
    size_t n = 1 + (seed >> 16) % 9;
    return n < left ? n : left;
}

static void transcribe(fer_str in, cutter cut, const http_parse_limits *limits, fer_buf *out)
{
    http_parser *p = http_parser_new(limits);
    fer_arena *a = fer_arena_new(NULL, 0);
    fer_buf req;
    fer_buf_init(&req, 1 << 24, NULL);
    http_parser_next(p, a);
    bool begun = false;
    while (in.n != 0 && http_parser_state(p) != HTTP_PARSE_FAILED) {
        size_t piece = cut(in.n);
        /* A copy of its own, so that ASan sees a look past the piece. */
        char *copy = fer_alloc(piece);
        memcpy(copy, in.p, piece);
        for (size_t at = 0; at < piece && http_parser_state(p) != HTTP_PARSE_FAILED;) {
            begun = true;
            at += http_parser_feed(p, copy + at, piece - at);
            if (http_parser_state(p) == HTTP_PARSE_GOT_HEAD) {
                tell_head(http_parser_head(p), &req);
                http_parser_body(p, collect, &req);
            }
            if (http_parser_state(p) == HTTP_PARSE_DONE) {
                fer_buf_puts(out, fer_buf_str(&req));
                fer_buf_puts(out, STR("]\n"));
                fer_buf_clear(&req);
                fer_arena_reset(a);
                http_parser_next(p, a);
                begun = false;
            }
        }
        fer_free(copy);
        in = str_from(in, piece);
    }
    if (http_parser_state(p) == HTTP_PARSE_FAILED) {
        const char *text;
        int status = http_parser_failure(p, &text);
        fer_buf_printf(out, "!%d %s\n", status, text);
    } else if (begun) {
        fer_buf_puts(out, STR("...\n"));
    }
    fer_buf_done(&req);
    fer_arena_free(a);
    http_parser_free(p);
}

static unsigned wrong; /* cases, so that a test tells all of them */

static void check(const char *name, fer_str in, const char *want, cutter cut,
                  const http_parse_limits *limits)
{
    fer_buf out;
    fer_buf_init(&out, 1 << 24, NULL);
    transcribe(in, cut, limits, &out);
    fer_buf_putc(&out, '\0');
    if (strcmp(out.p, want) != 0) {
        print_error("%s: got <%.300s>, want <%.300s>\n", name, out.p, want);
        wrong++;
    }
    fer_buf_done(&out);
}

static int none_wrong(void **state)
{
    (void)state;
    wrong = 0;
    return 0;
}

static int end_checks(void **state)
{
    (void)state;
    return wrong == 0 ? 0 : -1;
}

static void requests_are_read_the_same_however_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        fer_str in = str_of(cases[i].bytes);
        if (strcmp(cases[i].name, "tls") == 0)
            in.n = 7;
        check(cases[i].name, in, cases[i].want, cut_whole, &usual);
        check(cases[i].name, in, cases[i].want, cut_bytes, &usual);
        for (seed = 1; seed < 20; seed++)
            check(cases[i].name, in, cases[i].want, cut_random, &usual);
    }
}

/* Refused or not, a request behind another one fares as alone. */
static void requests_are_read_the_same_behind_others(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *want;
    } before[] = {
        {GET("/before"), "GET /before? 1 []\n"},
        {POST("Content-Length: 4\r\n") "GET ", "POST /p? 1 [GET ]\n"},
        {CHUNKED("4\r\nGET \r\n0\r\nA: b\r\n\r\n"), "POST /p? 1 [GET ]\n"},
    };
    for (size_t i = 0; i < N_CASES; i++) {
        if (strcmp(cases[i].name, "tls") == 0)
            continue;
        for (size_t b = 0; b < sizeof before / sizeof *before; b++) {
            char in[4096], want[4096];
            snprintf(in, sizeof in, "%s%s", before[b].bytes, cases[i].bytes);
            snprintf(want, sizeof want, "%s%s", before[b].want, cases[i].want);
            check(cases[i].name, str_of(in), want, cut_whole, &usual);
            seed = (unsigned)i + 1;
            check(cases[i].name, str_of(in), want, cut_random, &usual);
        }
    }
}

static void every_truncation_waits_for_more(void **state)
{
    (void)state;
    const char *whole = CHUNKED("3;x\r\nabc\r\n0\r\nT: v\r\n\r\n");
    size_t n = strlen(whole);
    for (size_t cut = 1; cut < n; cut++)
        check("truncated", (fer_str){whole, cut}, "...\n", cut_whole, &usual);
}

static void no_byte_but_these_is_taken_in_a_target(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        char in[64] = "GET /?. HTTP/1.1\r\nHost: x\r\n\r\n";
        size_t n = strlen(in);
        in[6] = (char)c;
        fer_buf out;
        fer_buf_init(&out, 4096, NULL);
        transcribe((fer_str){in, n}, cut_whole, &usual, &out);
        bool ok = out.n != 0 && out.p[0] == 'G';
        bool want = c > ' ' && c != 0x7f;
        if (ok != want)
            print_error("byte 0x%02x: %.*s\n", c, (int)out.n, out.p);
        wrong += ok != want;
        fer_buf_done(&out);
    }
}

static void no_control_byte_is_taken_in_a_header(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        char in[64] = "GET / HTTP/1.1\r\nHost: x\r\nX: a.b\r\n\r\n";
        size_t n = strlen(in);
        strstr(in, "a.b")[1] = (char)c;
        fer_buf out;
        fer_buf_init(&out, 4096, NULL);
        transcribe((fer_str){in, n}, cut_whole, &usual, &out);
        bool ok = out.n != 0 && out.p[0] == 'G';
        bool want = c == '\t' || (c >= ' ' && c != 0x7f);
        if (ok != want)
            print_error("byte 0x%02x: %.*s\n", c, (int)out.n, out.p);
        wrong += ok != want;
        fer_buf_done(&out);
    }
}

/* ---- limits ---- */

static void check_all_cuts(const char *name, fer_str in, const char *want,
                           const http_parse_limits *limits)
{
    check(name, in, want, cut_whole, limits);
    check(name, in, want, cut_bytes, limits);
    for (seed = 1; seed < 4; seed++)
        check(name, in, want, cut_random, limits);
}

static void heads_are_bounded_to_the_byte(void **state)
{
    (void)state;
    const char *in = GET("/0123456789");
    size_t n = strlen(in);
    http_parse_limits l = usual;
    l.head_max_bytes = n;
    check_all_cuts("just fits", str_of(in), "GET /0123456789? 1 []\n", &l);
    l.head_max_bytes = n - 1;
    check_all_cuts("one too long", str_of(in), "!431 \n", &l);
}

static void an_endless_line_is_refused_at_the_limit(void **state)
{
    (void)state;
    enum { N = 40000 };
    char *in = fer_alloc(N);
    memset(in, 'A', N);
    check_all_cuts("letters", (fer_str){in, N}, "!431 \n", &usual);
    for (size_t i = 0; i < N; i++)
        in[i] = i % 2 == 0 ? '\r' : '\n';
    check_all_cuts("blank lines", (fer_str){in, N}, "!431 \n", &usual);
    fer_free(in);
}

static void headers_are_counted(void **state)
{
    (void)state;
    http_parse_limits l = usual;
    l.headers_max = 3;
    check_all_cuts("three", str_of(FIELDS("A: 1\r\nB: 2\r\n")), "GET /? 1 []\n", &l);
    check_all_cuts("four", str_of(FIELDS("A: 1\r\nB: 2\r\nC: 3\r\n")), "!431 \n", &l);
}

static void chunk_framing_is_bounded(void **state)
{
    (void)state;
    fer_buf b;
    fer_buf_init(&b, 1 << 20, NULL);
    fer_buf_puts(&b, str_of(CHUNKED("1;")));
    for (int i = 0; i < 9000; i++)
        fer_buf_putc(&b, 'x');
    fer_buf_puts(&b, STR("\r\na\r\n0\r\n\r\n"));
    check_all_cuts("extension", fer_buf_str(&b), "!400 too much chunk framing\n", &usual);
    fer_buf_clear(&b);
    fer_buf_puts(&b, str_of(CHUNKED("0\r\n")));
    for (int i = 0; i < 3000; i++)
        fer_buf_puts(&b, STR("A: b\r\n"));
    check_all_cuts("trailers", fer_buf_str(&b), "!400 too much chunk framing\n", &usual);
    fer_buf_clear(&b);
    fer_buf_puts(&b, str_of(CHUNKED("")));
    for (int i = 0; i < 9000; i++)
        fer_buf_puts(&b, STR("1;abc\r\nz\r\n")); /* small ones, as many as there are chunks */
    fer_buf_puts(&b, STR("0\r\n\r\n"));
    fer_buf want;
    fer_buf_init(&want, 1 << 20, NULL);
    fer_buf_puts(&want, STR("POST /p? 1 ["));
    for (int i = 0; i < 9000; i++)
        fer_buf_putc(&want, 'z');
    fer_buf_puts(&want, STR("]\n"));
    fer_buf_putc(&want, '\0');
    check_all_cuts("many chunks", fer_buf_str(&b), want.p, &usual);
    fer_buf_done(&want);
    fer_buf_done(&b);
}

static int refuse_after_four(void *arg, const char *p, size_t n)
{
    (void)p;
    size_t *sum = arg;
    *sum += n;
    return *sum > 4 ? 413 : 0;
}

static void the_sink_may_refuse(void **state)
{
    (void)state;
    static const char *bodies[] = {POST("Content-Length: 6\r\n") "abcdef",
                                   CHUNKED("3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")};
    for (int i = 0; i < 2; i++) {
        http_parser *p = http_parser_new(&usual);
        fer_arena *a = fer_arena_new(NULL, 0);
        http_parser_next(p, a);
        fer_str in = str_of(bodies[i]);
        in = str_from(in, http_parser_feed(p, in.p, in.n));
        assert_int_equal(http_parser_state(p), HTTP_PARSE_GOT_HEAD);
        size_t sum = 0;
        http_parser_body(p, refuse_after_four, &sum);
        http_parser_feed(p, in.p, in.n);
        assert_int_equal(http_parser_state(p), HTTP_PARSE_FAILED);
        const char *text;
        assert_int_equal(http_parser_failure(p, &text), 413);
        fer_arena_free(a);
        http_parser_free(p);
    }
}

static void a_full_arena_is_refused(void **state)
{
    (void)state;
    fer_account tight;
    fer_account_init(&tight, "tight", NULL, 1000);
    http_parser *p = http_parser_new(&usual);
    fer_arena *a = fer_arena_new(&tight, 0);
    http_parser_next(p, a);
    fer_str in = str_of(GET("/a"));
    http_parser_feed(p, in.p, in.n);
    const char *text;
    assert_int_equal(http_parser_state(p), HTTP_PARSE_FAILED);
    assert_int_equal(http_parser_failure(p, &text), 503);
    fer_arena_free(a);
    http_parser_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(requests_are_read_the_same_however_cut, none_wrong,
                                        end_checks),
        cmocka_unit_test_setup_teardown(requests_are_read_the_same_behind_others, none_wrong,
                                        end_checks),
        cmocka_unit_test_setup_teardown(every_truncation_waits_for_more, none_wrong, end_checks),
        cmocka_unit_test_setup_teardown(no_byte_but_these_is_taken_in_a_target, none_wrong,
                                        end_checks),
        cmocka_unit_test_setup_teardown(no_control_byte_is_taken_in_a_header, none_wrong,
                                        end_checks),
        cmocka_unit_test_setup_teardown(heads_are_bounded_to_the_byte, none_wrong, end_checks),
        cmocka_unit_test_setup_teardown(an_endless_line_is_refused_at_the_limit, none_wrong,
                                        end_checks),
        cmocka_unit_test_setup_teardown(headers_are_counted, none_wrong, end_checks),
        cmocka_unit_test_setup_teardown(chunk_framing_is_bounded, none_wrong, end_checks),
        cmocka_unit_test_setup_teardown(the_sink_may_refuse, none_wrong, end_checks),
        cmocka_unit_test_setup_teardown(a_full_arena_is_refused, none_wrong, end_checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

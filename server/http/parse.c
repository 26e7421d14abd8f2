/* parse.c - request heads, over llhttp, and where bodies end.
 *
 * A head is collected whole in the arena, line by line, then read in one go: the request line here,
 * the header fields by llhttp, which is given "GET / HTTP/1.1" in place of the real line. So slices
 * of it never straddle two reads, and the outcome cannot depend on how the bytes were cut.
 *
 * Tabs around values become spaces before llhttp sees them: its versions do not agree on them.
 *
 * Bodies of known length only count down; chunked ones are chunked.c's.
 */
#include "server/http/parse.h"

#include <assert.h>
#include <llhttp.h>

#include "server/http/chunked.h"

enum {
    METHOD_BYTES_MAX = 32,
    HEAD_BYTES_FIRST = 1024,
    FIELDS_FIRST = 16,
};

struct http_parser {
    llhttp_t ll;
    http_parse_limits limits;
    http_parse_state state;
    int status;
    const char *text;

    fer_arena *arena;
    char *buf; /* the head so far */
    size_t n, cap;
    size_t blank;      /* bytes of empty lines before the head */
    size_t line;       /* where the current line begins */
    size_t first_line; /* length of the request line, CRLF included; 0 while unknown */

    http_head head;
    size_t cap_fields;
    fer_str name; /* of the field that llhttp reads */

    http_body_sink sink;
    void *sink_arg;
    uint64_t left;
    http_chunked chunked;
};

/* ---- bytes ---- */

bool http_is_token(fer_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!http_token_byte((unsigned char)s.p[i]))
            return false;
    return s.n != 0;
}

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

bool http_str_ieq(fer_str a, fer_str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

static bool blank_byte(char c)
{
    return c == ' ' || c == '\t';
}

fer_str http_str_trim(fer_str s)
{
    while (s.n != 0 && blank_byte(s.p[0]))
        s = str_from(s, 1);
    while (s.n != 0 && blank_byte(s.p[s.n - 1]))
        s.n--;
    return s;
}

static bool hex_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Space excluded by the split of the line; control bytes are never accepted raw. */
static bool target_bytes_ok(fer_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
            return false;
    return s.n != 0;
}

static bool escapes_ok(fer_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '%')
            continue;
        if (s.n - i < 3 || !hex_byte(s.p[i + 1]) || !hex_byte(s.p[i + 2]))
            return false;
        i += 2;
    }
    return true;
}

static bool value_bytes_ok(fer_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* Cuts s at the first c; false when there is none. */
static bool cut(fer_str s, char c, fer_str *before, fer_str *after)
{
    const char *at = s.n == 0 ? NULL : memchr(s.p, c, s.n);
    if (at == NULL)
        return false;
    size_t i = (size_t)(at - s.p);
    *before = str_head(s, i);
    *after = str_from(s, i + 1);
    return true;
}

/* ---- life ---- */

static bool fail(http_parser *p, int status, const char *text)
{
    p->state = HTTP_PARSE_FAILED;
    p->status = status;
    p->text = text;
    return false;
}

http_parser *http_parser_new(const http_parse_limits *l)
{
    http_parser *p = fer_calloc(1, sizeof *p);
    p->limits = *l;
    p->state = HTTP_PARSE_DONE;
    return p;
}

void http_parser_free(http_parser *p)
{
    fer_free(p);
}

void http_parser_next(http_parser *p, fer_arena *a)
{
    assert(p->state == HTTP_PARSE_DONE);
    p->state = HTTP_PARSE_HEAD;
    p->arena = a;
    p->buf = NULL;
    p->n = p->cap = p->blank = p->line = p->first_line = 0;
    p->head = (http_head){0};
    p->cap_fields = 0;
    p->sink = NULL;
    p->left = 0;
    p->chunked = (http_chunked){0};
}

http_parse_state http_parser_state(const http_parser *p)
{
    return p->state;
}

const http_head *http_parser_head(const http_parser *p)
{
    return &p->head;
}

int http_parser_failure(const http_parser *p, const char **ret_text)
{
    *ret_text = p->text;
    return p->status;
}

/* ---- the request line ---- */

static bool read_version(http_parser *p, fer_str v)
{
    if (v.n != 8 || !str_has_prefix(v, STR("HTTP/")) || v.p[6] != '.' || v.p[5] < '0' ||
        v.p[5] > '9' || v.p[7] < '0' || v.p[7] > '9')
        return fail(p, 400, "malformed HTTP version");
    if (v.p[5] != '1')
        return fail(p, 505, "unsupported protocol version");
    p->head.minor = v.p[7] != '0';
    return true;
}

/* "http://host/path" as to a proxy: the authority is dropped, as in Go. */
static fer_str without_authority(fer_str t)
{
    for (size_t i = 0; i + 2 < t.n; i++) {
        if (t.p[i] == ':' && t.p[i + 1] == '/' && t.p[i + 2] == '/') {
            size_t at = i + 3;
            while (at < t.n && t.p[at] != '/' && t.p[at] != '?')
                at++;
            return str_from(t, at);
        }
        if (!http_token_byte((unsigned char)t.p[i]))
            break;
    }
    return (fer_str){0};
}

static bool read_target(http_parser *p, fer_str t)
{
    p->head.target = t;
    if (!target_bytes_ok(t))
        return fail(p, 400, "invalid byte in the request target");
    if (str_eq(p->head.method, STR("CONNECT")))
        return true;
    if (str_eq(t, STR("*"))) {
        p->head.path = t;
        return str_eq(p->head.method, STR("OPTIONS")) || fail(p, 400, "invalid request target");
    }
    if (t.p[0] != '/') {
        t = without_authority(t);
        if (t.p == NULL)
            return fail(p, 400, "invalid request target");
        if (t.n == 0)
            t = STR("/");
    }
    p->head.path = t;
    cut(t, '?', &p->head.path, &p->head.query);
    if (p->head.path.n == 0)
        p->head.path = STR("/");
    return escapes_ok(p->head.path) || fail(p, 400, "invalid URL escape");
}

static bool read_request_line(http_parser *p, fer_str line)
{
    fer_str rest, target, version;
    if (!cut(line, ' ', &p->head.method, &rest) || !cut(rest, ' ', &target, &version))
        return fail(p, 400, "malformed request line");
    if (!http_is_token(p->head.method) || p->head.method.n > METHOD_BYTES_MAX)
        return fail(p, 400, "invalid method");
    return read_version(p, version) && read_target(p, target);
}

/* ---- header fields ---- */

static http_parser *owner(llhttp_t *ll)
{
    return ll->data;
}

/* For callbacks: -1 makes llhttp stop. */
static int refuse(http_parser *p, int status, const char *text)
{
    fail(p, status, text);
    return -1;
}

static int on_field(llhttp_t *ll, const char *at, size_t n)
{
    http_parser *p = owner(ll);
    if (p->state == HTTP_PARSE_HEAD)
        p->name = (fer_str){at, n};
    return 0;
}

static int on_value(llhttp_t *ll, const char *at, size_t n)
{
    http_parser *p = owner(ll);
    if (p->state == HTTP_PARSE_HEAD && p->head.n_fields < p->cap_fields)
        p->head.fields[p->head.n_fields].value = (fer_str){at, n};
    return 0;
}

/* Between name and value, so that a field with an empty value is kept as well. */
static int on_field_complete(llhttp_t *ll)
{
    http_parser *p = owner(ll);
    if (p->state != HTTP_PARSE_HEAD)
        return 0;
    if (p->head.n_fields == p->limits.headers_max)
        return refuse(p, 431, "");
    if (p->head.n_fields == p->cap_fields) {
        size_t cap = p->cap_fields == 0 ? FIELDS_FIRST : 2 * p->cap_fields;
        void *more = fer_arena_grow(p->arena, p->head.fields, p->cap_fields * sizeof(http_field),
                                    cap * sizeof(http_field));
        if (more == NULL)
            return refuse(p, 503, "out of memory for requests");
        p->head.fields = more;
        p->cap_fields = cap;
    }
    p->head.fields[p->head.n_fields] = (http_field){p->name, {p->name.p, 0}};
    return 0;
}

static int on_value_complete(llhttp_t *ll)
{
    http_parser *p = owner(ll);
    if (p->state != HTTP_PARSE_HEAD)
        return 0;
    http_field *f = &p->head.fields[p->head.n_fields++];
    f->value = http_str_trim(f->value);
    if (!http_is_token(f->name) || !value_bytes_ok(f->value))
        return refuse(p, 400, "malformed header");
    return 0;
}

static int on_headers_complete(llhttp_t *ll)
{
    http_parser *p = owner(ll);
    /* llhttp forgets both at the end of a request without a body. */
    p->head.keep_alive = llhttp_should_keep_alive(ll) != 0;
    p->head.length = ll->content_length;
    ll->upgrade = 0; /* offers to switch protocols are ignored, as RFC 9110 section 7.8 allows */
    return 0;
}

static const llhttp_settings_t *settings(void)
{
    static const llhttp_settings_t s = {
        .on_header_field = on_field,
        .on_header_field_complete = on_field_complete,
        .on_header_value = on_value,
        .on_header_value_complete = on_value_complete,
        .on_headers_complete = on_headers_complete,
    };
    return &s;
}

static bool has_field(const http_parser *p, fer_str name)
{
    for (size_t i = 0; i < p->head.n_fields; i++)
        if (http_str_ieq(p->head.fields[i].name, name))
            return true;
    return false;
}

static bool fail_llhttp(http_parser *p, llhttp_errno_t e)
{
    if (p->state == HTTP_PARSE_FAILED)
        return false; /* a callback has said why */
    switch (e) {
    case HPE_UNEXPECTED_CONTENT_LENGTH:
    case HPE_INVALID_CONTENT_LENGTH:
        return fail(p, 400, "invalid Content-Length");
    case HPE_INVALID_TRANSFER_ENCODING:
        if (has_field(p, STR("Content-Length"))) /* llhttp 9; 8 blames the length itself */
            return fail(p, 400, "invalid Content-Length");
        return fail(p, 501, "Unsupported transfer encoding");
    default:
        return fail(p, 400, "malformed header");
    }
}

/* What decides where the request ends; llhttp's own view is checked against it. */
static bool read_framing(http_parser *p)
{
    size_t hosts = 0, lengths = 0, encodings = 0;
    bool unknown_encoding = false;
    for (size_t i = 0; i < p->head.n_fields; i++) {
        const http_field *f = &p->head.fields[i];
        if (http_str_ieq(f->name, STR("Host"))) {
            hosts++;
        } else if (http_str_ieq(f->name, STR("Content-Length"))) {
            lengths++;
        } else if (http_str_ieq(f->name, STR("Transfer-Encoding"))) {
            encodings++;
            unknown_encoding |= !http_str_ieq(f->value, STR("chunked"));
        } else if (http_str_ieq(f->name, STR("Expect"))) {
            if (p->head.minor != 0 && !http_str_ieq(f->value, STR("100-continue")))
                return fail(p, 417, "");
            p->head.expect_continue = p->head.minor != 0;
        }
    }
    if (p->head.minor != 0 && hosts == 0)
        return fail(p, 400, "missing required Host header");
    if (hosts > 1)
        return fail(p, 400, "too many Host headers");
    if (lengths > 1 || (lengths != 0 && encodings != 0))
        return fail(p, 400, "invalid Content-Length");
    if (unknown_encoding)
        return fail(p, 501, "Unsupported transfer encoding");
    if (encodings > 1 || (encodings != 0 && p->head.minor == 0))
        return fail(p, 400, "invalid Transfer-Encoding");
    p->head.chunked = encodings != 0;
    if (lengths == 0)
        p->head.length = 0;
    return true;
}

static bool read_fields(http_parser *p)
{
    static const fer_str lines[2] = {{"GET / HTTP/1.0\r\n", 16}, {"GET / HTTP/1.1\r\n", 16}};
    fer_str line = lines[p->head.minor];
    llhttp_init(&p->ll, HTTP_REQUEST, settings());
    p->ll.data = p;
    llhttp_errno_t e = llhttp_execute(&p->ll, line.p, line.n);
    assert(e == HPE_OK);
    e = llhttp_execute(&p->ll, p->buf + p->first_line, p->n - p->first_line);
    return (e == HPE_OK || fail_llhttp(p, e)) && read_framing(p);
}

/* ---- collecting the head ---- */

static bool append(http_parser *p, const char *data, size_t n)
{
    if (n > p->limits.head_max_bytes - p->n)
        return fail(p, 431, "");
    if (n > p->cap - p->n) {
        size_t cap = p->cap == 0 ? HEAD_BYTES_FIRST : p->cap;
        while (cap < p->n + n)
            cap *= 2;
        void *more = fer_arena_grow(p->arena, p->buf, p->cap, cap);
        if (more == NULL)
            return fail(p, 503, "out of memory for requests");
        p->buf = more;
        p->cap = cap;
    }
    memcpy(p->buf + p->n, data, n);
    p->n += n;
    return true;
}

static void spaces_around_value(char *line, size_t len)
{
    char *colon = memchr(line, ':', len);
    if (colon == NULL)
        return;
    for (char *p = colon + 1; blank_byte(*p); p++) /* the line end stops it */
        *p = ' ';
    for (char *p = line + len - 3; p > colon && blank_byte(*p); p--)
        *p = ' ';
}

/* A whole line stands at the end of buf. True when more lines are to come. */
static bool end_of_line(http_parser *p)
{
    size_t len = p->n - p->line; /* with its line end */
    char *line = p->buf + p->line;
    if (len < 2 || line[len - 2] != '\r' || memchr(line, '\r', len) != line + len - 2)
        return fail(p, 400, "malformed line end");
    if (p->first_line == 0) {
        p->first_line = p->n;
        if (!read_request_line(p, (fer_str){line, len - 2}))
            return false;
        /* buf moves as it grows: the slices are taken again at the end of the head. */
    } else if (blank_byte(line[0])) {
        return fail(p, 400, "folded header line");
    } else if (len == 2) {
        if (read_request_line(p, (fer_str){p->buf, p->first_line - 2}) && read_fields(p))
            p->state = HTTP_PARSE_GOT_HEAD;
        return false;
    } else {
        spaces_around_value(line, len);
    }
    p->line = p->n;
    return true;
}

/* Empty lines before a request are ignored (RFC 9112 section 2.2). */
static size_t skip_blank(http_parser *p, const char *data, size_t n)
{
    size_t i = 0;
    while (i < n && (data[i] == '\r' || data[i] == '\n')) {
        bool second = p->blank % 2 != 0;
        if ((data[i] == '\n') != second) {
            fail(p, 400, "malformed line end");
            return i;
        }
        if (++p->blank > p->limits.head_max_bytes) {
            fail(p, 431, "");
            return i;
        }
        i++;
    }
    if (i < n && (p->blank % 2 != 0 || !http_token_byte((unsigned char)data[i])))
        fail(p, 400, "malformed request line");
    return i;
}

static size_t feed_head(http_parser *p, const char *data, size_t n)
{
    size_t i = p->n == 0 ? skip_blank(p, data, n) : 0;
    while (i < n && p->state == HTTP_PARSE_HEAD) {
        const char *nl = memchr(data + i, '\n', n - i);
        size_t len = nl == NULL ? n - i : (size_t)(nl - (data + i)) + 1;
        if (!append(p, data + i, len))
            break;
        i += len;
        if (nl != NULL && !end_of_line(p))
            break;
    }
    return i;
}

/* ---- the body ---- */

void http_parser_body(http_parser *p, http_body_sink sink, void *arg)
{
    assert(p->state == HTTP_PARSE_GOT_HEAD);
    p->sink = sink;
    p->sink_arg = arg;
    p->left = p->head.chunked ? 0 : p->head.length;
    p->state = p->head.chunked || p->left != 0 ? HTTP_PARSE_BODY : HTTP_PARSE_DONE;
}

uint64_t http_parser_body_left(const http_parser *p)
{
    return p->left;
}

void http_parser_body_filled(http_parser *p, size_t n)
{
    assert(p->state == HTTP_PARSE_BODY && n <= p->left);
    p->left -= n;
    if (p->left == 0)
        p->state = HTTP_PARSE_DONE;
}

static size_t feed_counted(http_parser *p, const char *data, size_t n)
{
    if (n > p->left)
        n = (size_t)p->left;
    int status = p->sink == NULL ? 0 : p->sink(p->sink_arg, data, n);
    if (status != 0)
        fail(p, status, "");
    else
        http_parser_body_filled(p, n);
    return n;
}

static size_t feed_chunked(http_parser *p, const char *data, size_t n)
{
    size_t used;
    switch (http_chunked_feed(&p->chunked, data, n, p->limits.framing_max_bytes, p->sink,
                              p->sink_arg, &used)) {
    case HTTP_CHUNKED_MORE:
        break;
    case HTTP_CHUNKED_DONE:
        p->state = HTTP_PARSE_DONE;
        break;
    case HTTP_CHUNKED_MALFORMED:
        fail(p, 400, "malformed chunked encoding");
        break;
    case HTTP_CHUNKED_TOO_MUCH:
        fail(p, 400, "too much chunk framing");
        break;
    case HTTP_CHUNKED_REFUSED:
        fail(p, p->chunked.status, "");
        break;
    }
    return used;
}

size_t http_parser_feed(http_parser *p, const char *data, size_t n)
{
    if (p->state == HTTP_PARSE_HEAD)
        return feed_head(p, data, n);
    if (p->state != HTTP_PARSE_BODY || n == 0)
        return 0;
    return p->head.chunked ? feed_chunked(p, data, n) : feed_counted(p, data, n);
}

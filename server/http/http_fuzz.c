/* http_fuzz.c - a stream of requests, whole and cut at random, must be read the same.
 *
 * The first four bytes seed the cuts, the rest is the stream. Beside the comparison, what is read is
 * checked against what the rest of the server takes for granted, and handed to the readers behind the
 * parser: forms, escapes, Accept-Encoding.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "server/http/form.h"
#include "server/http/gzip.h"
#include "server/http/parse.h"

enum { BODY_MAX = 1 << 20, TRANSCRIPT_MAX = 64 << 20 };

static void must(bool ok)
{
    if (!ok)
        abort();
}

typedef struct reader {
    http_parser *p;
    fer_arena *a;
    fer_buf body;
    fer_buf *out; /* the transcript */
} reader;

static int take_body(void *arg, const char *p, size_t n)
{
    reader *r = arg;
    if (r->body.n + n > BODY_MAX)
        return 413;
    fer_buf_put(&r->body, p, n);
    return 0;
}

static void read_pairs(reader *r, fer_str text)
{
    http_form f = {0};
    fer_err err;
    fer_code code = http_form_parse(&f, text, r->a, &err);
    fer_buf_printf(r->out, "%d %zu\n", (int)code, f.n);
    for (size_t i = 0; i < f.n; i++) {
        must(f.pairs[i].name.n + f.pairs[i].value.n <= text.n);
        fer_buf_puts(r->out, f.pairs[i].name);
        fer_buf_puts(r->out, f.pairs[i].value);
    }
}

static void tell_head(reader *r)
{
    const http_head *h = http_parser_head(r->p);
    fer_str path;
    must(http_is_token(h->method));
    must(h->minor <= 1);
    must(!h->chunked || (h->minor == 1 && h->length == 0));
    must(http_unescape(h->path, false, r->a, &path, NULL) == FER_OK);
    fer_buf_printf(r->out, "%.*s %.*s %u %d %d %llu %d %zu\n", STR_FMT(h->method),
                   STR_FMT(h->target), h->minor, h->keep_alive, h->chunked,
                   (unsigned long long)h->length, h->expect_continue, h->n_fields);
    for (size_t i = 0; i < h->n_fields; i++) {
        fer_str v = h->fields[i].value;
        must(http_is_token(h->fields[i].name));
        must(str_eq(http_str_trim(v), v) && (v.n == 0 || memchr(v.p, '\n', v.n) == NULL));
        fer_buf_puts(r->out, h->fields[i].name);
        fer_buf_puts(r->out, v);
        fer_buf_printf(r->out, " %d\n", http_accepts_gzip(v));
    }
    read_pairs(r, h->query);
}

/* Feeds one piece; false once the parser has failed. */
static bool feed(reader *r, const char *p, size_t n)
{
    while (n != 0) {
        size_t used = http_parser_feed(r->p, p, n);
        must(used <= n);
        p += used;
        n -= used;
        if (http_parser_state(r->p) == HTTP_PARSE_FAILED)
            return false;
        if (http_parser_state(r->p) == HTTP_PARSE_GOT_HEAD) {
            tell_head(r);
            http_parser_body(r->p, take_body, r);
        }
        if (http_parser_state(r->p) == HTTP_PARSE_DONE) {
            fer_buf_puts(r->out, fer_buf_str(&r->body));
            read_pairs(r, fer_buf_str(&r->body));
            fer_buf_clear(&r->body);
            fer_arena_reset(r->a);
            http_parser_next(r->p, r->a);
        }
    }
    return true;
}

/* cut_seed 0: whole. */
static void transcribe(const char *p, size_t n, uint32_t cut_seed, fer_buf *out)
{
    static const http_parse_limits limits = {4096, 20, 512};
    reader r = {http_parser_new(&limits), fer_arena_new(NULL, 0), {0}, out};
    fer_buf_init(&r.body, BODY_MAX, NULL);
    http_parser_next(r.p, r.a);
    bool going = true;
    while (going && n != 0) {
        size_t piece = n;
        if (cut_seed != 0) {
            cut_seed = cut_seed * 1664525 + 1013904223;
            piece = 1 + (cut_seed >> 24) % ((cut_seed & 0x100000) != 0 ? 3 : 40);
            piece = piece < n ? piece : n;
        }
        char *copy = fer_alloc(piece); /* its end is where ASan looks */
        memcpy(copy, p, piece);
        going = feed(&r, copy, piece);
        fer_free(copy);
        p += piece;
        n -= piece;
    }
    const char *text = "";
    if (!going) {
        int status = http_parser_failure(r.p, &text);
        must(status >= 400 && status < 600);
        fer_buf_printf(out, "!%d %s", status, text);
    }
    fer_buf_done(&r.body);
    fer_arena_free(r.a);
    http_parser_free(r.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 4)
        return 0;
    uint32_t seed;
    memcpy(&seed, data, 4);
    fer_buf whole, cut;
    fer_buf_init(&whole, TRANSCRIPT_MAX, NULL);
    fer_buf_init(&cut, TRANSCRIPT_MAX, NULL);
    transcribe((const char *)data + 4, n - 4, 0, &whole);
    transcribe((const char *)data + 4, n - 4, seed | 1, &cut);
    must(!whole.full && whole.n == cut.n && (whole.n == 0 || memcmp(whole.p, cut.p, whole.n) == 0));
    fer_buf_done(&whole);
    fer_buf_done(&cut);
    return 0;
}

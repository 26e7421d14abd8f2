/* wire_test.c - testdata/http/requests.txt against a server: the right answers, as many as requests,
 * and the connection open or closed behind them, however the bytes are cut and what stands before. */
#include "server/http/testkit.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

enum {
    ANSWERS_MAX = 128,
    BYTES_MAX = 4 * 1024 * 1024,
    TOGETHER = 64,    /* connections at a time */
    CUTS_MAX = 200,   /* longer cases are cut at so many places */
    ECHOED_MAX = 100, /* longer bodies are told by their size */
};

static const char *cases_path;

typedef enum outcome { OPEN, CLOSE, WAIT } outcome;

typedef struct answer {
    int status;
    fer_str echo; /* p NULL: any body */
    bool no_body;
} answer;

typedef struct wire_case {
    char name[128];
    unsigned line;
    fer_buf bytes;
    answer answers[ANSWERS_MAX];
    size_t n_answers;
    outcome end;
} wire_case;

/* ---- the server of the cases ---- */

static const char *method_name(http_method m)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "OTHER"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if ((unsigned)m == 1u << i)
            return names[i];
    return "?";
}

static void echo(http_req *r, void *arg)
{
    (void)arg;
    fer_str body = http_req_body(r), path = http_req_path(r);
    fer_buf out;
    fer_buf_init(&out, BYTES_MAX, NULL);
    fer_buf_puts(&out, str_of(method_name(http_req_method(r))));
    fer_buf_putc(&out, ' ');
    fer_buf_puts(&out, path);
    if (body.n > ECHOED_MAX) {
        fer_buf_printf(&out, " <%zu>", body.n);
    } else {
        fer_buf_puts(&out, STR(" ["));
        fer_buf_puts(&out, body);
        fer_buf_putc(&out, ']');
    }
    http_reply_buf(r, 200, "application/octet-stream", &out);
}

static const http_route routes[] = {
    {"/*", 0x7f, HTTP_QUERY, echo, NULL, 1 << 20, "/*"},
};

/* ---- the file ---- */

static int hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : (c | 32) - 'a' + 10;
}

/* The byte at *at, one escape at most; moves *at behind it. */
static char unescape_one(const char **at)
{
    const char *p = *at;
    if (*p != '\\') {
        *at = p + 1;
        return *p;
    }
    *at = p + 2;
    switch (p[1]) {
    case 'r':
        return '\r';
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case '0':
        return '\0';
    case 'x':
        *at = p + 4;
        return (char)(hex(p[2]) * 16 + hex(p[3]));
    default:
        return p[1];
    }
}

static void unescape(const char *from, const char *to, fer_buf *out)
{
    while (from < to) {
        if (strncmp(from, "{{", 2) != 0) {
            fer_buf_putc(out, unescape_one(&from));
            continue;
        }
        const char *end = strstr(from, "}}"), *star = end;
        assert_true(end != NULL && end < to);
        while (star > from && *star != '*')
            star--;
        for (long n = strtol(star + 1, NULL, 10); n > 0; n--)
            for (const char *p = from + 2; p < star;)
                fer_buf_putc(out, unescape_one(&p));
        from = end + 2;
    }
}

/* "200 GET /a []", with "N times" before it for N alike; "open", "close", "wait". */
static void read_expectation(wire_case *c, const char *line, const char *end)
{
    static const char *const ends[] = {"open", "close", "wait"};
    for (int i = 0; i < 3; i++) {
        if (strncmp(line, ends[i], strlen(ends[i])) == 0) {
            c->end = (outcome)i;
            return;
        }
    }
    char *at;
    long status = strtol(line, &at, 10), times = 1;
    if (strncmp(at, " times ", 7) == 0) {
        times = status;
        status = strtol(at + 7, &at, 10);
    }
    answer a = {.status = (int)status, .no_body = strncmp(at, " HEAD", 5) == 0};
    if (*at == ' ' && !a.no_body) {
        fer_buf text;
        fer_buf_init(&text, BYTES_MAX, NULL);
        unescape(at + 1, end, &text);
        char *copy = fer_alloc(text.n + 1);
        memcpy(copy, text.p, text.n);
        a.echo = (fer_str){copy, text.n};
        fer_buf_done(&text);
    }
    for (; times > 0; times--) {
        assert_true(c->n_answers < ANSWERS_MAX);
        c->answers[c->n_answers++] = a;
    }
}

static void case_done(wire_case *c)
{
    for (size_t i = 0; i < c->n_answers; i++) /* those told by "times" share one text */
        if (i + 1 == c->n_answers || c->answers[i + 1].echo.p != c->answers[i].echo.p)
            fer_free((char *)c->answers[i].echo.p);
    fer_buf_done(&c->bytes);
}

/* The next case of f; false at its end. */
static bool next_case(FILE *f, unsigned *line_no, wire_case *c)
{
    static char line[4096];
    *c = (wire_case){.end = WAIT};
    fer_buf_init(&c->bytes, BYTES_MAX, NULL);
    while (fgets(line, sizeof line, f) != NULL) {
        ++*line_no;
        char *end = line + strcspn(line, "\n");
        *end = '\0';
        if (strncmp(line, "case ", 5) == 0) {
            snprintf(c->name, sizeof c->name, "%s", line + 5);
            c->line = *line_no;
        } else if (strncmp(line, "> ", 2) == 0) {
            unescape(line + 2, end, &c->bytes);
        } else if (strncmp(line, "= ", 2) == 0) {
            read_expectation(c, line + 2, end);
        } else if (c->name[0] != '\0') {
            return true;
        }
    }
    return c->name[0] != '\0';
}

/* ---- looking at what came back ---- */

static unsigned wrong;

static void tell_wrong(const wire_case *c, const char *how, const char *what, const fer_buf *got)
{
    print_error("line %u, %s, %s: %s in\n%.*s\n", c->line, c->name, how, what,
                (int)(got->n < 2000 ? got->n : 2000), got->p == NULL ? "" : got->p);
    wrong++;
}

/* Takes one answer off `rest`. Returns what is wrong with it, or NULL. */
static const char *take_answer(fer_str *rest, const answer *want, bool last_of_closing)
{
    static char text[64];
    char head[4096];
    const char *blank = rest->n == 0 ? NULL : memmem(rest->p, rest->n, "\r\n\r\n", 4);
    size_t n = blank == NULL ? 0 : (size_t)(blank - rest->p) + 4;
    if (blank == NULL || n >= sizeof head || !str_has_prefix(*rest, STR("HTTP/1.")))
        return "no answer";
    memcpy(head, rest->p, n);
    head[n] = '\0';
    *rest = str_from(*rest, n);
    int status = (int)strtol(head + 9, NULL, 10);
    if (status != want->status) {
        snprintf(text, sizeof text, "%d for %d", status, want->status);
        return text;
    }
    if (status >= 200 && (strstr(head, "\r\nConnection: close\r\n") != NULL) != last_of_closing)
        return "the connection is told wrongly";
    const char *length = strstr(head, "\r\nContent-Length: ");
    size_t body_n = length == NULL || want->no_body ? 0 : strtoul(length + 18, NULL, 10);
    if (body_n > rest->n)
        return "cut answer";
    fer_str body = str_head(*rest, body_n);
    *rest = str_from(*rest, body_n);
    return want->echo.p != NULL && !str_eq(body, want->echo) ? "another request is answered" : NULL;
}

static const char probe[] = "GET /probe HTTP/1.1\r\nHost: probe\r\n\r\n";
static const char before[] = "POST /before HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nGET ";

static void check(const wire_case *c, const char *how, const fer_buf *got, bool behind)
{
    static const answer of_probe = {200, {"GET /probe []", 13}, false};
    static const answer of_before = {200, {"POST /before [GET ]", 19}, false};
    fer_str rest = {got->p == NULL ? "" : got->p, got->n};
    const char *what = behind ? take_answer(&rest, &of_before, false) : NULL;
    for (size_t i = 0; what == NULL && i < c->n_answers; i++)
        what = take_answer(&rest, &c->answers[i], c->end == CLOSE && i + 1 == c->n_answers);
    if (what == NULL && c->end == OPEN)
        what = take_answer(&rest, &of_probe, false);
    if (what == NULL && rest.n != 0)
        what = "more answers than requests";
    if (what != NULL)
        tell_wrong(c, how, what, got);
}

/* ---- sending ---- */

typedef struct link {
    int fd;
    fer_buf got;
} link_t;

static void receive_all(link_t *l)
{
    char buf[65536];
    ssize_t n;
    fer_buf_init(&l->got, BYTES_MAX, NULL);
    while ((n = kit_recv(l->fd, buf, sizeof buf)) > 0)
        fer_buf_put(&l->got, buf, (size_t)n);
    close(l->fd);
}

static void send_rest(const link_t *l, const wire_case *c, size_t from)
{
    kit_send(l->fd, c->bytes.p + from, c->bytes.n - from);
    if (c->end != WAIT)
        kit_send(l->fd, probe, sizeof probe - 1);
    shutdown(l->fd, SHUT_WR);
}

static void run_whole(const kit *k, const wire_case *c, bool behind)
{
    link_t l = {.fd = kit_connect(k)};
    if (behind)
        kit_send(l.fd, before, sizeof before - 1);
    send_rest(&l, c, 0);
    receive_all(&l);
    check(c, behind ? "behind another" : "whole", &l.got, behind);
    fer_buf_done(&l.got);
}

/* Cut in two at `first`, `first + step`... on connections of their own; all first halves go first. */
static void run_cuts(const kit *k, const wire_case *c, size_t first, size_t step, size_t n)
{
    link_t l[TOGETHER];
    for (size_t i = 0; i < n; i++) {
        l[i].fd = kit_connect(k);
        kit_send(l[i].fd, c->bytes.p, first + i * step);
    }
    for (size_t i = 0; i < n; i++)
        send_rest(&l[i], c, first + i * step);
    for (size_t i = 0; i < n; i++) {
        char how[32];
        receive_all(&l[i]);
        snprintf(how, sizeof how, "cut at %zu", first + i * step);
        check(c, how, &l[i].got, false);
        fer_buf_done(&l[i].got);
    }
}

static void run_case(const kit *k, const wire_case *c)
{
    run_whole(k, c, false);
    run_whole(k, c, true);
    size_t step = c->bytes.n / CUTS_MAX + 1;
    for (size_t at = 1; at < c->bytes.n; at += TOGETHER * step) {
        size_t left = (c->bytes.n - 1 - at) / step + 1;
        run_cuts(k, c, at, step, left < TOGETHER ? left : TOGETHER);
    }
}

static void requests_are_answered_as_the_file_says(void **state)
{
    (void)state;
    FILE *f = fopen(cases_path, "r");
    assert_non_null(f);
    kit k;
    kit_start(&k, &(http_options){0}, routes, 1);
    unsigned line = 0, n = 0;
    wire_case *c = fer_alloc(sizeof *c);
    while (next_case(f, &line, c)) {
        run_case(&k, c);
        case_done(c);
        n++;
    }
    fer_buf_done(&c->bytes);
    fer_free(c);
    fclose(f);
    kit_stop(&k, 0);
    assert_true(n >= 226); /* 166 of llhttp's own and 60 of ours were asked for */
    assert_int_equal(wrong, 0);
}

int main(int argc, char **argv)
{
    assert(argc == 2);
    cases_path = argv[argc - 1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_answered_as_the_file_says),
    };
    return cmocka_run_group_tests_name("http_wire", tests, NULL, NULL);
}

/* request.c - what a handler reads, and the memory behind it. */
#include <assert.h>

#include "base/text.h"
#include "server/http/int.h"

enum {
    BODY_CHARGE_BYTES = 64 * 1024,   /* steps in which a body is charged as it arrives */
    BODY_FIRST_BYTES = 4096,         /* of a chunked body */
    BODY_EXPECT_BYTES = 1024 * 1024, /* believed of an announced length before bytes have come */
    HEAD_ARENA_PART =
        4, /* a head takes twice its limit as it grows, and its path is decoded twice */
    HEAD_ARENA_BYTES = 64 * 1024,  /* and its fields */
    HEADERS_MAX_BYTES = 16 * 1024, /* of a reply */
};

/* ---- life ---- */

http_req *http_req_take(http_server *s)
{
    http_req *r = s->free_reqs;
    if (r != NULL) {
        s->free_reqs = r->next;
        s->n_free_reqs--;
    } else {
        r = fer_calloc(1, sizeof *r);
        r->head =
            fer_arena_new(NULL, HEAD_ARENA_PART * s->o.head_max_bytes +
                                    s->o.headers_max * 2 * sizeof(http_field) + HEAD_ARENA_BYTES);
        fer_buf_init(&r->headers, HEADERS_MAX_BYTES, NULL);
    }
    r->s = s;
    r->route = -1;
    fer_cancel_init(&r->cancel, s->o.clock, 0);
    return r;
}

void http_req_release(http_req *r)
{
    fer_free(r->body);
    fer_account_release(&r->s->bodies, r->body_charged);
    r->body = NULL;
    r->body_n = r->body_cap = r->body_charged = 0;
    fer_arena_reset(r->head);
    if (r->arena != NULL)
        fer_arena_reset(r->arena);
    r->path = r->wildcard = r->query = (fer_str){0};
    r->fields = NULL;
    r->n_fields = 0;
    r->form = (http_form){0};
    r->form_read = false;
    r->form_err = NULL;
}

void http_req_free(http_req *r)
{
    fer_buf_done(&r->headers);
    fer_arena_free(r->head);
    fer_arena_free(r->arena);
    fer_free(r);
}

void http_req_recycle(http_req *r)
{
    http_server *s = r->s;
    assert(!r->streaming);
    http_req_release(r);
    http_gzip_free(r->gzip);
    fer_buf_done(&r->out);
    fer_buf_clear(&r->headers);
    r->rest_until_ms = 0;
    bool keep = s->n_free_reqs < HTTP_REQS_KEPT && !s->loop_gone;
    if (!keep) {
        http_req_free(r);
        return;
    }
    *r =
        (http_req){.head = r->head, .arena = r->arena, .headers = r->headers, .next = s->free_reqs};
    s->free_reqs = r;
    s->n_free_reqs++;
}

bool http_req_fill(http_req *r, const http_head *h, const char *remote)
{
    r->received_ns = r->s->o.clock->mono_ns(r->s->o.clock);
    r->method = http_method_of(h->method);
    r->minor = h->minor;
    r->keep_alive = h->keep_alive;
    r->query = h->query;
    r->fields = h->fields;
    r->n_fields = h->n_fields;
    r->accepts_gzip = http_accepts_gzip(http_req_header(r, "Accept-Encoding"));
    memcpy(r->remote, remote, sizeof r->remote);
    return http_unescape(h->path, false, r->head, &r->path, NULL) == FER_OK;
}

/* ---- the body ---- */

/* The budget is charged as bytes arrive, not as they are announced: announcing is free. */
static bool charge_body(http_req *r, size_t bytes)
{
    if (bytes <= r->body_charged)
        return true;
    size_t want = (bytes + BODY_CHARGE_BYTES - 1) / BODY_CHARGE_BYTES * BODY_CHARGE_BYTES;
    if (want > r->body_cap)
        want = r->body_cap;
    if (!fer_account_charge(&r->s->bodies, want - r->body_charged))
        return false;
    r->body_charged = want;
    return true;
}

static void set_body_cap(http_req *r, size_t cap)
{
    r->body = fer_realloc(r->body, cap);
    r->body_cap = cap;
}

/* Room for n bytes in all, at most body_max. */
static void grow_body(http_req *r, size_t n)
{
    size_t cap = r->body_cap == 0 ? BODY_FIRST_BYTES : r->body_cap;
    while (cap < n)
        cap *= 2;
    set_body_cap(r, cap < r->body_max ? cap : r->body_max);
}

void http_req_body_expect(http_req *r, size_t n)
{
    r->body_max = n;
    if (n != 0)
        set_body_cap(r, n < BODY_EXPECT_BYTES ? n : BODY_EXPECT_BYTES);
}

char *http_req_body_room(http_req *r, size_t n, size_t *ret_n)
{
    if (r->body_n == r->body_cap)
        grow_body(r, r->body_n + 1);
    if (n > r->body_cap - r->body_n)
        n = r->body_cap - r->body_n;
    if (n > 4 * BODY_CHARGE_BYTES)
        n = 4 * BODY_CHARGE_BYTES;
    if (!charge_body(r, r->body_n + n))
        return NULL;
    *ret_n = n;
    return r->body + r->body_n;
}

int http_req_body_add(void *req, const char *p, size_t n)
{
    http_req *r = req;
    if (n > r->body_max - r->body_n)
        return 413;
    if (n > r->body_cap - r->body_n)
        grow_body(r, r->body_n + n);
    if (!charge_body(r, r->body_n + n))
        return 503;
    memcpy(r->body + r->body_n, p, n);
    r->body_n += n;
    return 0;
}

/* ---- accessors ---- */

http_method http_req_method(const http_req *r)
{
    return r->method;
}

fer_str http_req_path(const http_req *r)
{
    return r->path;
}

fer_str http_req_header(const http_req *r, const char *name)
{
    fer_str want = str_of(name);
    for (size_t i = 0; i < r->n_fields; i++)
        if (http_str_ieq(r->fields[i].name, want))
            return r->fields[i].value;
    return (fer_str){"", 0};
}

fer_str http_req_wildcard(const http_req *r)
{
    return r->wildcard;
}

fer_str http_req_body(const http_req *r)
{
    return (fer_str){r->body == NULL ? "" : r->body, r->body_n};
}

fer_str http_req_remote(const http_req *r)
{
    return str_of(r->remote);
}

fer_arena *http_req_arena(http_req *r)
{
    if (r->arena == NULL)
        r->arena = fer_arena_new(r->s->o.account, HTTP_ARENA_BYTES);
    return r->arena;
}

fer_cancel *http_req_cancel(http_req *r)
{
    return &r->cancel;
}

bool http_req_gone(const http_req *r)
{
    return atomic_load_explicit(&r->gone, memory_order_relaxed);
}

uint64_t http_req_received_ns(const http_req *r)
{
    return r->received_ns;
}

/* ---- parameters ---- */

static bool has_form_body(const http_req *r)
{
    if (r->method != HTTP_POST && r->method != HTTP_PUT)
        return false;
    fer_str type = http_req_header(r, "Content-Type");
    const char *semi = memchr(type.p, ';', type.n);
    if (semi != NULL)
        type.n = (size_t)(semi - type.p);
    return http_str_ieq(http_str_trim(type), STR("application/x-www-form-urlencoded"));
}

/* The body's failure is told before the query's, as in Go's Request.ParseForm. */
static void read_form(http_req *r)
{
    if (r->form_read)
        return;
    r->form_read = true;
    fer_arena *a = http_req_arena(r);
    fer_err *err = fer_arena_alloc(a, sizeof *err);
    fer_code body = FER_OK;
    if (has_form_body(r))
        body = http_form_parse(&r->form, http_req_body(r), a, err);
    fer_code query = http_form_parse(&r->form, r->query, a, body == FER_OK ? err : NULL);
    r->form_code = body != FER_OK ? body : query;
    r->form_err = err;
}

fer_str http_req_param(http_req *r, const char *name)
{
    read_form(r);
    fer_str want = str_of(name);
    for (size_t i = 0; i < r->form.n; i++)
        if (str_eq(r->form.pairs[i].name, want))
            return r->form.pairs[i].value;
    return (fer_str){"", 0};
}

bool http_req_has_param(http_req *r, const char *name)
{
    const fer_str *values;
    return http_req_params(r, name, &values) != 0;
}

size_t http_req_params(http_req *r, const char *name, const fer_str **ret)
{
    read_form(r);
    fer_str want = str_of(name);
    size_t n = 0;
    for (size_t i = 0; i < r->form.n; i++)
        n += str_eq(r->form.pairs[i].name, want);
    fer_str *values = n == 0 ? NULL : ARENA_ARRAY(http_req_arena(r), fer_str, n);
    *ret = values;
    if (values == NULL)
        return 0;
    size_t k = 0;
    for (size_t i = 0; i < r->form.n; i++)
        if (str_eq(r->form.pairs[i].name, want))
            values[k++] = r->form.pairs[i].value;
    return n;
}

fer_code http_req_parse_form(http_req *r, fer_err *err)
{
    read_form(r);
    if (r->form_code == FER_OK)
        return FER_OK;
    if (r->form_err == NULL)
        return fer_fail_budget(err, "request");
    return fer_fail(err, r->form_code, "%s", r->form_err->msg);
}

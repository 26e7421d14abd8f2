/* origin.c - the Origin header, judged. */
#include "server/api/origin.h"

#include "base/mem.h"
#include "base/regex.h"

struct origin_policy {
    fer_regex *cors; /* NULL: none */
    char *own_host;  /* host[:port] of the external URL; NULL: none */
};

/* "http://host:80/path" -> "host:80"; empty without a scheme. */
static fer_str host_of(fer_str url)
{
    const char *colon = url.n == 0 ? NULL : memchr(url.p, ':', url.n);
    if (colon == NULL)
        return STR("");
    fer_str rest = str_from(url, (size_t)(colon - url.p) + 1);
    if (!str_has_prefix(rest, STR("//")))
        return STR("");
    rest = str_from(rest, 2);
    const char *slash = rest.n == 0 ? NULL : memchr(rest.p, '/', rest.n);
    return slash == NULL ? rest : str_head(rest, (size_t)(slash - rest.p));
}

fer_code origin_policy_new(const char *cors, const char *external_url, origin_policy **ret,
                           fer_err *err)
{
    fer_regex *re = NULL;
    if (*cors != '\0' && fer_regex_new(str_of(cors), &re, err) != FER_OK)
        return fer_err_prefix(err, "--web.cors.origin");
    origin_policy *p = fer_calloc(1, sizeof *p);
    p->cors = re;
    fer_str host = host_of(str_of(external_url));
    if (host.n != 0) {
        p->own_host = fer_calloc(1, host.n + 1);
        memcpy(p->own_host, host.p, host.n);
    }
    *ret = p;
    return FER_OK;
}

void origin_policy_free(origin_policy *p)
{
    if (p == NULL)
        return;
    fer_regex_free(p->cors);
    fer_free(p->own_host);
    fer_free(p);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool same_host(fer_str a, fer_str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool origin_is_own(const origin_policy *p, fer_str origin, fer_str host)
{
    fer_str from = host_of(origin);
    return from.n != 0 &&
           (same_host(from, host) || (p->own_host != NULL && same_host(from, str_of(p->own_host))));
}

static bool changes_state(http_req *r)
{
    static const char *const prefixes[] = {"/api/v1/admin/", "/api/v1/write", "/api/v1/otlp/",
                                           "/-/quit", "/-/reload"};
    if ((http_req_method(r) & (HTTP_POST | HTTP_PUT)) == 0)
        return false;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (str_has_prefix(http_req_path(r), str_of(prefixes[i])))
            return true;
    return false;
}

static void put_cors(http_req *r, fer_str origin)
{
    http_resp_header(r, "Access-Control-Allow-Headers",
                     STR("Accept, Authorization, Content-Type, Origin"));
    http_resp_header(r, "Access-Control-Allow-Methods", STR("GET, POST, OPTIONS"));
    http_resp_header(r, "Access-Control-Allow-Origin", origin);
    http_resp_header(r, "Access-Control-Expose-Headers", STR("Date"));
}

bool origin_check(http_req *r, void *policy)
{
    const origin_policy *p = policy;
    fer_str origin = http_req_header(r, "Origin");
    bool allowed = origin.n != 0 && p->cors != NULL && fer_regex_match(p->cors, origin);
    if (p->cors != NULL && str_has_prefix(http_req_path(r), STR("/api/v1/"))) {
        http_resp_header(r, "Vary", STR("Origin"));
        if (allowed)
            put_cors(r, origin);
    }
    if (origin.n == 0 || allowed || !changes_state(r) ||
        origin_is_own(p, origin, http_req_header(r, "Host")))
        return true;
    http_reply_text(r, 403, "requests of other origins are not allowed here");
    return false;
}

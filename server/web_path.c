/* web_path.c - the path of a URL. */
#include "server/web_path.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"

static fer_str until(fer_str s, char c)
{
    const char *at = s.n == 0 ? NULL : memchr(s.p, c, s.n);
    return at == NULL ? s : str_head(s, (size_t)(at - s.p));
}

/* "https://host:1/a/b?c" -> "/a/b"; a text without a host is a path. */
static fer_str path_of(fer_str url)
{
    fer_str scheme = until(url, ':');
    fer_str rest = str_from(url, scheme.n);
    if (str_has_prefix(rest, STR("://"))) {
        rest = str_from(rest, 3);
        url = str_from(rest, until(rest, '/').n);
    }
    return until(until(url, '#'), '?');
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

static bool is_of_scheme(char c, bool first)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || (!first && ((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'));
}

/* Why Go's net/url would not take it, in its words; NULL if nothing is known against it. */
static const char *fault_of(fer_str url)
{
    if (url.n != 0 && (is_quote(url.p[0]) || is_quote(url.p[url.n - 1])))
        return "URL must not begin or end with quotes";
    size_t n = 0;
    while (n < url.n && is_of_scheme(url.p[n], n == 0))
        n++;
    if (n < url.n && url.p[n] == ':')
        return n == 0 ? "missing protocol scheme" : NULL;
    fer_str first = until(url, '/');
    return until(first, ':').n < first.n ? "first path segment in URL cannot contain colon" : NULL;
}

fer_code web_path_new(const char *external_url, const char *route_prefix, char **ret, fer_err *err)
{
    fer_str url = str_of(external_url), path = str_of(route_prefix);
    const char *fault = fault_of(url);
    if (fault != NULL)
        return fer_fail(err, FER_INVALID, "parse external URL %s: %s", external_url, fault);
    if (path.n == 0)
        path = path_of(url);
    while (path.n != 0 && path.p[0] == '/')
        path = str_from(path, 1);
    while (path.n != 0 && path.p[path.n - 1] == '/')
        path.n--;
    *ret = fer_alloc(path.n + 2);
    snprintf(*ret, path.n + 2, "%s%.*s", path.n == 0 ? "" : "/", STR_FMT(path));
    return FER_OK;
}

/* routes.c - a linear look: a few dozen routes, told apart by their first bytes. */
#include "server/http/routes.h"

enum { BODY_MAX_DEFAULT = 1024 * 1024 };

void http_routes_add(http_routes *rs, const http_route *routes, size_t n)
{
    rs->v = fer_realloc(rs->v, (rs->n + n) * sizeof *rs->v);
    for (size_t i = 0; i < n; i++) {
        struct http_route_entry *e = &rs->v[rs->n++];
        *e = (struct http_route_entry){.route = routes[i], .path = str_of(routes[i].path)};
        e->beneath = e->path.n != 0 && e->path.p[e->path.n - 1] == '*';
        e->path.n -= e->beneath;
        e->wild = strstr(routes[i].path, "/:") != NULL;
        if (e->route.body_max == 0)
            e->route.body_max = BODY_MAX_DEFAULT;
        if (e->route.handler == NULL)
            e->route.handler = e->route.path;
    }
}

void http_routes_done(http_routes *rs)
{
    fer_free(rs->v);
    *rs = (http_routes){0};
}

static int hex_value(char c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* raw has well-formed escapes only (the parser saw to that). */
static bool segment_eq(fer_str raw, fer_str literal)
{
    size_t k = 0;
    for (size_t i = 0; i < raw.n; i++, k++) {
        char c = raw.p[i];
        if (c == '%') {
            c = (char)(hex_value(raw.p[i + 1]) * 16 + hex_value(raw.p[i + 2]));
            i += 2;
        }
        if (k == literal.n || c != literal.p[k])
            return false;
    }
    return k == literal.n;
}

static fer_str take_segment(fer_str *path)
{
    const char *slash = path->n == 0 ? NULL : memchr(path->p, '/', path->n);
    size_t n = slash == NULL ? path->n : (size_t)(slash - path->p);
    fer_str s = str_head(*path, n);
    *path = str_from(*path, n + 1);
    return s;
}

static bool segments_match(fer_str pattern, fer_str path, fer_str *ret_wild)
{
    for (;;) {
        bool more = pattern.n != 0;
        if (more != (path.n != 0))
            return false;
        if (!more)
            return true;
        bool slash_after = memchr(pattern.p, '/', pattern.n) != NULL;
        if (slash_after != (memchr(path.p, '/', path.n) != NULL))
            return false;
        fer_str want = take_segment(&pattern), have = take_segment(&path);
        if (want.n != 0 && want.p[0] == ':' && have.n != 0)
            *ret_wild = have;
        else if (!segment_eq(have, want))
            return false;
    }
}

static bool route_matches(const struct http_route_entry *e, fer_str path, bool escaped,
                          fer_str *ret_wild)
{
    *ret_wild = (fer_str){0};
    if (e->beneath)
        return str_has_prefix(path, e->path);
    return str_eq(e->path, path) ||
           ((e->wild || escaped) && segments_match(e->path, path, ret_wild));
}

long http_routes_find(const http_routes *rs, fer_str path, http_method method, fer_str *ret_wild,
                      unsigned *ret_allowed)
{
    unsigned exact = 0, wild = 0;
    long found_wild = -1, found_beneath = -1;
    bool escaped = path.n != 0 && memchr(path.p, '%', path.n) != NULL;
    fer_str text;
    for (size_t i = 0; i < rs->n; i++) {
        if (!route_matches(&rs->v[i], path, escaped, &text))
            continue;
        bool serves = (rs->v[i].route.methods & (unsigned)method) != 0;
        if (rs->v[i].beneath) {
            if (serves && found_beneath < 0)
                found_beneath = (long)i;
        } else if (text.n == 0) {
            if (serves) {
                *ret_wild = text;
                return (long)i;
            }
            exact |= rs->v[i].route.methods;
        } else {
            if (serves && found_wild < 0) {
                found_wild = (long)i;
                *ret_wild = text;
            }
            wild |= rs->v[i].route.methods;
        }
    }
    *ret_allowed = (exact != 0 ? exact : wild) & ~(unsigned)HTTP_OPTIONS;
    if (exact == 0 && found_wild >= 0)
        return found_wild;
    if (found_beneath >= 0)
        *ret_wild = (fer_str){0};
    return found_beneath;
}

static const struct {
    http_method method;
    fer_str name;
} methods_by_name[] = {
    {HTTP_DELETE, {"DELETE", 6}},   {HTTP_GET, {"GET", 3}},   {HTTP_HEAD, {"HEAD", 4}},
    {HTTP_OPTIONS, {"OPTIONS", 7}}, {HTTP_POST, {"POST", 4}}, {HTTP_PUT, {"PUT", 3}},
};
enum { N_METHODS = sizeof methods_by_name / sizeof *methods_by_name };

void http_methods_text(unsigned methods, fer_buf *out)
{
    const char *sep = "";
    for (size_t i = 0; i < N_METHODS; i++) {
        if ((methods & (unsigned)methods_by_name[i].method) == 0)
            continue;
        fer_buf_puts(out, str_of(sep));
        fer_buf_puts(out, methods_by_name[i].name);
        sep = ", ";
    }
}

http_method http_method_of(fer_str name)
{
    for (size_t i = 0; i < N_METHODS; i++)
        if (str_eq(methods_by_name[i].name, name))
            return methods_by_name[i].method;
    return HTTP_OTHER;
}

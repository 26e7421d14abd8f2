/* web_config.c - the keys of a web configuration file and what their values may be. */
#include "server/config/web_config.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "server/config/web_file.h"
#include "server/config/web_reader.h"

enum { HASH_BYTES_MIN = 59, COST_MIN = 4, COST_MAX = 31 };

/* ---- names ---- */

/* Those that Go counts as secure. */
static const web_cipher ciphers[] = {
    {"TLS_AES_128_GCM_SHA256", NULL},
    {"TLS_AES_256_GCM_SHA384", NULL},
    {"TLS_CHACHA20_POLY1305_SHA256", NULL},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"},
    {"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
    {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"},
};

static const struct {
    const char *name, *openssl;
} curves[] = {
    {"CurveP256", "P-256"},
    {"CurveP384", "P-384"},
    {"CurveP521", "P-521"},
    {"X25519", "X25519"},
};

static const struct {
    const char *name;
    web_tls_version version;
} versions[] = {
    {"TLS13", WEB_TLS13},
    {"TLS12", WEB_TLS12},
    {"TLS11", WEB_TLS11},
    {"TLS10", WEB_TLS10},
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* ---- values of their own kind ---- */

static fer_code no_memory(fer_err *err)
{
    return fer_fail_budget(err, "web configuration");
}

static fer_code read_version(web_reader *r, const yaml_node *n, void *into, fer_err *err)
{
    fer_str s;
    if (!web_read_text(r, n, &s))
        return FER_OK;
    for (size_t i = 0; i < COUNT(versions); i++)
        if (str_eq(s, str_of(versions[i].name))) {
            *(web_tls_version *)into = versions[i].version;
            return FER_OK;
        }
    return fer_fail(err, FER_INVALID, "unknown TLS version: %.*s", STR_FMT(s));
}

/* A list, each of whose texts is one of the names; `read_one` puts it at place i. */
static fer_code read_names(web_reader *r, const yaml_node *n, const char *type,
                           fer_code (*read_one)(fer_str s, void *at, size_t i, fer_err *err),
                           void *at, size_t *ret_n, fer_err *err)
{
    if (n->kind != YAML_LIST) {
        web_reader_mismatch(r, n, type);
        return FER_OK;
    }
    for (size_t i = 0; i < n->n; i++) {
        fer_str s;
        if (n->items[i]->kind == YAML_NULL || !web_read_text(r, n->items[i], &s))
            continue;
        fer_code c = read_one(s, at, *ret_n, err);
        if (c != FER_OK && r->line == 0)
            r->line = n->items[i]->line;
        FER_TRY(c);
        ++*ret_n;
    }
    return FER_OK;
}

static fer_code read_cipher(fer_str s, void *at, size_t i, fer_err *err)
{
    const web_cipher **ret = at;
    for (size_t k = 0; k < COUNT(ciphers); k++)
        if (str_eq(s, str_of(ciphers[k].name))) {
            ret[i] = &ciphers[k];
            return FER_OK;
        }
    return fer_fail(err, FER_INVALID, "unknown cipher: %.*s", STR_FMT(s));
}

static fer_code read_ciphers(web_reader *r, const yaml_node *n, void *into, fer_err *err)
{
    web_tls_config *t = into;
    t->ciphers = ARENA_ARRAY(r->a, const web_cipher *, n->n + 1);
    return t->ciphers == NULL ? no_memory(err)
                              : read_names(r, n, "[]web.Cipher", read_cipher, (void *)t->ciphers,
                                           &t->n_ciphers, err);
}

static fer_code read_curve(fer_str s, void *at, size_t i, fer_err *err)
{
    const char **ret = at;
    for (size_t k = 0; k < COUNT(curves); k++)
        if (str_eq(s, str_of(curves[k].name))) {
            ret[i] = curves[k].openssl;
            return FER_OK;
        }
    return fer_fail(err, FER_INVALID, "unknown curve: %.*s", STR_FMT(s));
}

static fer_code read_curves(web_reader *r, const yaml_node *n, void *into, fer_err *err)
{
    web_tls_config *t = into;
    t->curves = ARENA_ARRAY(r->a, const char *, n->n + 1);
    return t->curves == NULL
               ? no_memory(err)
               : read_names(r, n, "[]web.Curve", read_curve, (void *)t->curves, &t->n_curves, err);
}

static fer_code take_text(fer_str s, void *at, size_t i, fer_err *err)
{
    (void)err;
    ((fer_str *)at)[i] = s;
    return FER_OK;
}

static fer_code read_sans(web_reader *r, const yaml_node *n, void *into, fer_err *err)
{
    web_tls_config *t = into;
    t->checks_sans = true;
    t->client_allowed_sans.v = ARENA_ARRAY(r->a, fer_str, n->n + 1);
    return t->client_allowed_sans.v == NULL
               ? no_memory(err)
               : read_names(r, n, "[]string", take_text, t->client_allowed_sans.v,
                            &t->client_allowed_sans.n, err);
}

/* ---- sections ---- */

#define TLS(member) offsetof(web_tls_config, member)

static const web_field tls_fields[] = {
    {"cert", web_read_str, TLS(cert)},
    {"key", web_read_secret, TLS(key)},
    {"client_ca", web_read_str, TLS(client_ca)},
    {"cert_file", web_read_str, TLS(cert_file)},
    {"key_file", web_read_str, TLS(key_file)},
    {"client_auth_type", web_read_str, TLS(client_auth_type)},
    {"client_ca_file", web_read_str, TLS(client_ca_file)},
    {"cipher_suites", read_ciphers, 0},
    {"curve_preferences", read_curves, 0},
    {"min_version", read_version, TLS(min)},
    {"max_version", read_version, TLS(max)},
    {"prefer_server_cipher_suites", web_read_bool, TLS(prefer_server_ciphers)},
    {"client_allowed_sans", read_sans, 0},
    {NULL, NULL, 0},
};

static const web_field http_fields[] = {
    {"http2", web_read_bool, offsetof(web_config, http2)},
    {"headers", web_read_pairs, offsetof(web_config, headers)},
    {NULL, NULL, 0},
};

static const web_field rate_fields[] = {
    {"interval", web_read_nanos, offsetof(web_config, rate_interval_ns)},
    {"burst", web_read_int, offsetof(web_config, rate_burst)},
    {NULL, NULL, 0},
};

static fer_code read_tls(web_reader *r, const yaml_node *n, void *into, fer_err *err)
{
    return web_read_section(r, n, "web.TLSConfig", tls_fields, into, err);
}

static fer_code read_http(web_reader *r, const yaml_node *n, void *into, fer_err *err)
{
    return web_read_section(r, n, "web.HTTPConfig", http_fields, into, err);
}

static fer_code read_rate(web_reader *r, const yaml_node *n, void *into, fer_err *err)
{
    return web_read_section(r, n, "web.RateLimiterConfig", rate_fields, into, err);
}

static const web_field root_fields[] = {
    {"tls_server_config", read_tls, offsetof(web_config, tls)},
    {"http_server_config", read_http, 0},
    {"rate_limit", read_rate, 0},
    {"basic_auth_users", web_read_secrets, offsetof(web_config, users)},
    {NULL, NULL, 0},
};

/* ---- what the values must be ---- */

static fer_code check_header(const web_pair *h, fer_err *err)
{
    static const struct {
        const char *name, *a, *b, *allowed;
    } known[] = {
        {"Strict-Transport-Security", NULL, NULL, NULL},
        {"X-Content-Type-Options", "nosniff", "nosniff", "[\"nosniff\"]"},
        {"X-Frame-Options", "deny", "sameorigin", "[\"deny\" \"sameorigin\"]"},
        {"X-XSS-Protection", NULL, NULL, NULL},
        {"Content-Security-Policy", NULL, NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        if (!str_eq(h->name, str_of(known[i].name)))
            continue;
        if (known[i].a == NULL || str_eq(h->value, str_of(known[i].a)) ||
            str_eq(h->value, str_of(known[i].b)))
            return FER_OK;
        return fer_fail(err, FER_INVALID,
                        "invalid value for %s. Expected one of: %s, but got: \"%.*s\"",
                        known[i].name, known[i].allowed, STR_FMT(h->value));
    }
    return fer_fail(err, FER_INVALID, "HTTP header \"%.*s\" can not be configured",
                    STR_FMT(h->name));
}

/* A bcrypt hash as Go's bcrypt.Cost() takes it. */
static fer_code check_hash(fer_str h, fer_err *err)
{
    int64_t cost;
    if (h.n < HASH_BYTES_MIN)
        return fer_fail(err, FER_INVALID,
                        "crypto/bcrypt: hashedSecret too short to be a bcrypted password");
    if (h.p[0] != '$')
        return fer_fail(err, FER_INVALID,
                        "crypto/bcrypt: bcrypt hashes must start with '$', but hashedSecret "
                        "started with '%c'",
                        h.p[0]);
    if (h.p[1] > '2')
        return fer_fail(err, FER_INVALID,
                        "crypto/bcrypt: bcrypt algorithm version '%c' requested is newer than "
                        "current version '2'",
                        h.p[1]);
    fer_str digits = str_head(str_from(h, h.p[2] == '$' ? 3 : 4), 2);
    if (!num_parse_i64(digits, &cost))
        return fer_fail(err, FER_INVALID, "strconv.Atoi: parsing \"%.*s\": invalid syntax",
                        STR_FMT(digits));
    if (cost < COST_MIN || cost > COST_MAX)
        return fer_fail(err, FER_INVALID,
                        "crypto/bcrypt: cost %d is outside allowed inclusive range %d..%d",
                        (int)cost, COST_MIN, COST_MAX);
    return FER_OK;
}

static int line_of(const yaml_node *map, size_t i)
{
    return map != NULL && map->kind == YAML_MAP && i < map->n ? map->pairs[i].key_line : 0;
}

static fer_code check(const web_config *c, const yaml_node *root, int *line, fer_err *err)
{
    for (size_t i = 0; i < c->headers.n; i++) {
        *line = line_of(yaml_get(yaml_get(root, "http_server_config"), "headers"), i);
        FER_TRY(check_header(&c->headers.v[i], err));
    }
    for (size_t i = 0; i < c->users.n; i++) {
        *line = line_of(yaml_get(root, "basic_auth_users"), i);
        FER_TRY(check_hash(c->users.v[i].value, err));
    }
    *line = 0;
    return FER_OK;
}

/* ---- the whole file ---- */

/* A key given twice: yaml.v2 tells it as one of the faults, with the type it was meant for. */
static fer_code twice(fer_str key, int line, fer_err *err)
{
    static const struct {
        const char *type;
        const web_field *fields;
    } sections[] = {{"web.Config", root_fields},
                    {"web.TLSConfig", tls_fields},
                    {"web.HTTPConfig", http_fields},
                    {"web.RateLimiterConfig", rate_fields}};
    for (size_t i = 0; i < COUNT(sections); i++)
        for (const web_field *f = sections[i].fields; f->key != NULL; f++)
            if (str_eq(key, str_of(f->key)))
                return fer_fail(
                    err, FER_INVALID,
                    "yaml: unmarshal errors:\n  line %d: field %s already set in type %s", line,
                    f->key, sections[i].type);
    return fer_fail(err, FER_INVALID,
                    "yaml: unmarshal errors:\n  line %d: key \"%.*s\" already set in map", line,
                    STR_FMT(key));
}

/* "12: text" of the tree in yaml.v2's words. It gives no line where that is the first, and counts from 0 what its parser (and
 * not its scanner) finds. */
static fer_code as_yaml_error(fer_err *err, int *line)
{
    static const char begins[] = "mapping key \"", ends[] = "\" already defined";
    fer_err tree = *err;
    char *colon = strchr(tree.msg, ':');
    int64_t n;
    if (colon == NULL || colon[1] != ' ' ||
        !num_parse_i64((fer_str){tree.msg, (size_t)(colon - tree.msg)}, &n))
        return tree.code;
    const char *text = colon + 2;
    *line = (int)n;
    const char *end = strstr(text, ends);
    if (end != NULL && str_has_prefix(str_of(text), str_of(begins))) {
        const char *key = text + sizeof begins - 1;
        return twice((fer_str){key, (size_t)(end - key)}, *line, err);
    }
    if (n == 1)
        return fer_fail(err, FER_INVALID, "yaml: %s", text);
    bool parser = str_has_prefix(str_of(text), STR("did not find expected"));
    return fer_fail(err, FER_INVALID, "yaml: line %d: %s", *line - parser, text);
}

static fer_code read_tree(web_config *c, const yaml_node *root, int *line, fer_err *err)
{
    web_reader r;
    web_reader_init(&r, c->a);
    fer_code code = web_read_section(&r, root, "web.Config", root_fields, c, err);
    if (code == FER_OK)
        code = web_reader_end(&r, err);
    *line = r.line;
    web_reader_done(&r);
    FER_TRY(code);
    return check(c, root, line, err);
}

static fer_code parse(web_config *c, fer_str text, const char *path, int *line, fer_err *err)
{
    yaml_node *root = NULL;
    if (yaml_tree_parse(text, c->a, &root, err) != FER_OK)
        return as_yaml_error(err, line);
    FER_TRY(read_tree(c, root, line, err));
    FER_TRY(web_file_resolve(&c->tls.cert_file, path, c->a, err));
    FER_TRY(web_file_resolve(&c->tls.key_file, path, c->a, err));
    return web_file_resolve(&c->tls.client_ca_file, path, c->a, err);
}

fer_code web_config_parse(fer_str text, const char *path, web_config **ret, int *ret_line,
                          fer_err *err)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    web_config *c = ARENA_NEW(a, web_config);
    *c = (web_config){
        .a = a,
        .tls = {.min = WEB_TLS12, .max = WEB_TLS13, .prefer_server_ciphers = true},
        .http2 = true,
    };
    int line = 0;
    fer_err own;
    fer_code code = parse(c, text, path, &line, err == NULL ? &own : err);
    if (ret_line != NULL)
        *ret_line = line;
    if (code != FER_OK) {
        fer_arena_free(a);
        return code;
    }
    *ret = c;
    return FER_OK;
}

fer_code web_config_load(const char *path, web_config **ret, int *ret_line, fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    fer_str text = {0};
    if (ret_line != NULL)
        *ret_line = 0;
    FER_TRY(web_file_read(path, a, &text, err));
    return web_config_parse(text, path, ret, ret_line, err);
}

void web_config_free(web_config *c)
{
    if (c != NULL)
        fer_arena_free(c->a);
}

bool web_config_wants_tls(const web_config *c)
{
    const web_tls_config *t = &c->tls;
    return t->cert.n != 0 || t->key.n != 0 || t->client_ca.n != 0 || t->cert_file.n != 0 ||
           t->key_file.n != 0 || t->client_ca_file.n != 0 || t->client_auth_type.n != 0;
}

fer_str web_config_hash(const web_config *c, fer_str user)
{
    for (size_t i = 0; i < c->users.n; i++)
        if (str_eq(c->users.v[i].name, user))
            return c->users.v[i].value;
    return (fer_str){"", 0};
}

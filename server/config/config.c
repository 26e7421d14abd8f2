/* config.c - loading prometheus.yml: parse, check, take out what has an effect, print the rest. */
#include "server/config/config.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/num.h"
#include "base/text.h"
#include "base/vfs.h"
#include "server/config/config_check.h"
#include "server/config/config_files.h"
#include "server/config/config_otlp.h"
#include "server/config/schema.h"

enum {
    FILE_BYTES_MAX = 16 * 1024 * 1024,
    YAML_BYTES_MAX = 64 * 1024 * 1024,
    MAX_EXEMPLARS_DEFAULT = 100000
};

struct config {
    _Atomic unsigned refs;
    fer_arena *a;
    int64_t evaluation_interval_ms;
    config_retention retention;
    int64_t max_exemplars;
    int64_t ooo_window_ms;
    fer_str query_log_file;
    config_label *external_labels;
    size_t n_external_labels;
    otlp_options otlp;
    config_patterns patterns;
    fer_buf yaml;
};

/* What the global section says when it is silent. */
static const struct {
    const char *key, *value;
} global_defaults[] = {
    {"scrape_interval", "1m"},
    {"scrape_timeout", "10s"},
    {"evaluation_interval", "1m"},
};

static int cmp_label(const void *a, const void *b)
{
    return str_cmp(((const config_label *)a)->name, ((const config_label *)b)->name);
}

/* The value of an environment variable; empty when it is not set. */
static fer_str environment(fer_str name)
{
    for (char **at = environ; at != NULL && *at != NULL; at++) {
        fer_str line = str_of(*at);
        if (line.n > name.n && line.p[name.n] == '=' && str_has_prefix(line, name))
            return str_from(line, name.n + 1);
    }
    return STR("");
}

/* ${NAME} or $NAME of the environment, $$ for $; an unknown name is empty (os.Expand). */
static fer_str expand(fer_arena *a, fer_str s)
{
    fer_buf out;
    fer_buf_init(&out, 1 << 20, NULL);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '$' || i + 1 == s.n) {
            fer_buf_putc(&out, s.p[i]);
            continue;
        }
        if (s.p[i + 1] == '$') {
            fer_buf_putc(&out, '$');
            i++;
            continue;
        }
        bool braces = s.p[i + 1] == '{';
        size_t from = i + 1 + braces, to = from;
        while (to < s.n && (s.p[to] == '_' || (s.p[to] >= '0' && s.p[to] <= '9') ||
                            ((s.p[to] | 32) >= 'a' && (s.p[to] | 32) <= 'z')))
            to++;
        fer_buf_puts(&out, environment((fer_str){s.p + from, to - from}));
        i = braces && to < s.n ? to : to - 1;
    }
    fer_str ret = fer_arena_dup(a, fer_buf_str(&out));
    fer_buf_done(&out);
    return ret;
}

static fer_code take_external_labels(config *c, const yaml_node *global, fer_err *err)
{
    const yaml_node *n = yaml_get(global, "external_labels");
    if (n == NULL || n->kind != YAML_MAP)
        return FER_OK;
    c->external_labels = ARENA_ARRAY(c->a, config_label, n->n);
    if (c->external_labels == NULL)
        return fer_fail_budget(err, "configuration");
    for (size_t i = 0; i < n->n; i++) {
        fer_str value = n->pairs[i].value->text;
        n->pairs[i].value->text = expand(c->a, value);
        c->external_labels[i] = (config_label){n->pairs[i].key, n->pairs[i].value->text};
    }
    c->n_external_labels = n->n;
    qsort(c->external_labels, n->n, sizeof *c->external_labels, cmp_label);
    return FER_OK;
}

/* The schema has looked at the values. */
static fer_code take_retention(config *c, const yaml_node *r, fer_err *err)
{
    const yaml_node *time = yaml_get(r, "time"), *size = yaml_get(r, "size"),
                    *percentage = yaml_get(r, "percentage");
    if (time != NULL && time->kind == YAML_SCALAR)
        FER_TRY(text_parse_duration(time->text, &c->retention.time_ms, err));
    if (size != NULL && size->kind == YAML_SCALAR)
        text_parse_bytes(size->text, &c->retention.bytes);
    if (percentage == NULL || percentage->kind != YAML_SCALAR)
        return FER_OK;
    num_parse_f64(percentage->text, &c->retention.percentage);
    if (!(c->retention.percentage >= 0 && c->retention.percentage <= 100))
        return fer_fail(err, FER_INVALID,
                        "%d: storage.tsdb.retention.percentage must be from 0 to 100",
                        percentage->line);
    return FER_OK;
}

static void indent(fer_buf *out, int depth)
{
    for (int i = 0; i < depth; i++)
        fer_buf_puts(out, STR("  "));
}

/* Plain where YAML reads it back as the same text, else double-quoted. */
static void put_scalar(fer_buf *out, const yaml_node *n)
{
    bool plain = n->text.n != 0 && !n->quoted;
    for (size_t i = 0; plain && i < n->text.n; i++)
        plain = n->text.p[i] >= ' ' && n->text.p[i] != 127;
    if (n->kind == YAML_NULL)
        fer_buf_puts(out, STR("null"));
    else if (plain)
        fer_buf_puts(out, n->text);
    else
        text_json(out, n->text);
}

/* Without the password between "://user:" and "@", as Go's URL.Redacted(). */
static fer_str redacted(fer_str url, char *buf, size_t cap)
{
    const char *scheme = url.n == 0 ? NULL : memmem(url.p, url.n, "://", 3);
    if (scheme == NULL)
        return url;
    fer_str rest = str_from(url, (size_t)(scheme - url.p) + 3);
    size_t end = 0, at = SIZE_MAX, colon = SIZE_MAX;
    for (; end < rest.n && rest.p[end] != '/' && rest.p[end] != '?'; end++)
        if (rest.p[end] == '@')
            at = end;
    if (at == SIZE_MAX)
        return url;
    for (size_t i = at; i-- != 0;)
        if (rest.p[i] == ':')
            colon = i;
    if (colon == SIZE_MAX)
        return url;
    int n = snprintf(buf, cap, "%.*sxxxxx%.*s", (int)(rest.p + colon + 1 - url.p), url.p,
                     (int)(rest.n - at), rest.p + at);
    return n > 0 && (size_t)n < cap ? (fer_str){buf, (size_t)n} : STR("<secret>");
}

static bool is_secret(schema_kind kind)
{
    return kind == SCHEMA_SECRET || kind == SCHEMA_SECRETS || kind == SCHEMA_SECRETS_MAP;
}

static void put_node(fer_buf *out, const yaml_node *n, const schema_field *fields, schema_kind kind,
                     int depth);

static void put_pairs(fer_buf *out, const yaml_node *n, const schema_field *fields, int depth,
                      bool first_inline)
{
    for (size_t i = 0; i < n->n; i++) {
        const schema_field *f = fields == NULL ? NULL : schema_find(fields, n->pairs[i].key);
        if (i != 0 || !first_inline)
            indent(out, depth);
        fer_buf_puts(out, n->pairs[i].key);
        fer_buf_putc(out, ':');
        put_node(out, n->pairs[i].value, f == NULL ? NULL : f->fields,
                 f == NULL ? SCHEMA_ANY : f->kind, depth + 1);
    }
}

/* The value behind "key:" or "-", newline included. */
static void put_node(fer_buf *out, const yaml_node *n, const schema_field *fields, schema_kind kind,
                     int depth)
{
    if (is_secret(kind) && n->kind != YAML_NULL) {
        fer_buf_puts(out, STR(" <secret>\n"));
        return;
    }
    if (n->kind == YAML_SCALAR || n->kind == YAML_NULL) {
        char buf[4096];
        yaml_node shown = *n;
        if (kind == SCHEMA_URL)
            shown.text = redacted(n->text, buf, sizeof buf);
        fer_buf_putc(out, ' ');
        put_scalar(out, &shown);
        fer_buf_putc(out, '\n');
        return;
    }
    if (n->n == 0) {
        fer_buf_puts(out, n->kind == YAML_LIST ? STR(" []\n") : STR(" {}\n"));
        return;
    }
    fer_buf_putc(out, '\n');
    if (kind == SCHEMA_SECTION_MAP) {
        for (size_t i = 0; i < n->n; i++) {
            indent(out, depth);
            fer_buf_puts(out, n->pairs[i].key);
            fer_buf_putc(out, ':');
            put_node(out, n->pairs[i].value, fields, SCHEMA_SECTION, depth + 1);
        }
        return;
    }
    if (n->kind == YAML_MAP) {
        put_pairs(out, n, fields, depth, false);
        return;
    }
    for (size_t i = 0; i < n->n; i++) {
        indent(out, depth - 1);
        fer_buf_putc(out, '-');
        if (n->items[i]->kind == YAML_MAP && n->items[i]->n != 0) {
            fer_buf_putc(out, ' ');
            put_pairs(out, n->items[i], fields, depth, true);
        } else {
            put_node(out, n->items[i], fields, SCHEMA_ANY, depth);
        }
    }
}

/* Contents that no schema describes may hold secrets: they are not shown. */
static void hide_unknown(yaml_node *n, const schema_field *fields)
{
    if (n->kind == YAML_LIST)
        for (size_t i = 0; i < n->n; i++)
            hide_unknown(n->items[i], fields);
    if (n->kind != YAML_MAP || fields == NULL)
        return;
    for (size_t i = 0; i < n->n; i++) {
        const schema_field *f = schema_find(fields, n->pairs[i].key);
        yaml_node *v = n->pairs[i].value;
        if (f != NULL && f->kind == SCHEMA_ANY)
            *v = (yaml_node){.kind = YAML_SCALAR, .line = v->line, .text = STR("<secret>")};
        else if (f != NULL && f->kind != SCHEMA_SECTION_MAP) /* theirs has no unknown part */
            hide_unknown(v, f->fields);
    }
}

static void print_yaml(config *c, yaml_node *root)
{
    const yaml_node *global = yaml_get(root, "global");
    fer_buf_puts(&c->yaml, STR("global:\n"));
    for (size_t i = 0; i < sizeof global_defaults / sizeof *global_defaults; i++)
        if (yaml_get(global, global_defaults[i].key) == NULL)
            fer_buf_printf(&c->yaml, "  %s: %s\n", global_defaults[i].key,
                           global_defaults[i].value);
    if (global != NULL && global->kind == YAML_MAP)
        put_pairs(&c->yaml, global, schema_find(schema_config, STR("global"))->fields, 1, false);
    for (size_t i = 0; root->kind == YAML_MAP && i < root->n; i++) {
        const yaml_pair *p = &root->pairs[i];
        if (str_eq(p->key, STR("global")))
            continue;
        const schema_field *f = schema_find(schema_config, p->key);
        fer_buf_puts(&c->yaml, p->key);
        fer_buf_putc(&c->yaml, ':');
        put_node(&c->yaml, p->value, f->fields, f->kind, 1);
    }
}

static fer_code take_max_exemplars(config *c, const yaml_node *storage, fer_err *err)
{
    const yaml_node *n = yaml_get(yaml_get(storage, "exemplars"), "max_exemplars");
    double v = MAX_EXEMPLARS_DEFAULT;
    if (n != NULL && n->kind == YAML_SCALAR && n->text.n != 0 && !num_parse_f64(n->text, &v))
        return fer_fail(err, FER_INVALID, "%d: storage.exemplars.max_exemplars is no number",
                        n->line);
    c->max_exemplars = v < 0 ? 0 : v > INT32_MAX ? INT32_MAX : (int64_t)v;
    return FER_OK;
}

static fer_code take_ooo_window(config *c, const yaml_node *tsdb, fer_err *err)
{
    const yaml_node *n = yaml_get(tsdb, "out_of_order_time_window");
    if (n == NULL || n->kind != YAML_SCALAR || n->text.n == 0)
        return FER_OK;
    return text_parse_duration(n->text, &c->ooo_window_ms, err);
}

/* As Prometheus: a relative path begins where the configuration lies. */
static fer_code take_query_log(config *c, const yaml_node *global, const char *path, fer_err *err)
{
    const yaml_node *n = yaml_get(global, "query_log_file");
    if (n == NULL || n->kind != YAML_SCALAR || n->text.n == 0)
        return FER_OK;
    fer_str dir = str_of(path);
    while (dir.n > 0 && dir.p[dir.n - 1] != '/')
        dir.n--;
    if (n->text.p[0] == '/')
        dir.n = 0;
    char *whole = fer_arena_alloc(c->a, dir.n + n->text.n + 1);
    if (whole == NULL)
        return fer_fail_budget(err, "configuration");
    memcpy(whole, dir.p, dir.n);
    memcpy(whole + dir.n, n->text.p, n->text.n);
    c->query_log_file = (fer_str){whole, dir.n + n->text.n};
    return FER_OK;
}

/* Whether all that it says has an effect. */
static bool is_used(const yaml_node *storage)
{
    const yaml_node *tsdb = yaml_get(storage, "tsdb"), *exemplars = yaml_get(storage, "exemplars");
    size_t known = (yaml_get(tsdb, "retention") != NULL) +
                   (size_t)(yaml_get(tsdb, "out_of_order_time_window") != NULL);
    return (tsdb == NULL || tsdb->n == known) &&
           storage->n == (size_t)(tsdb != NULL) + (exemplars != NULL);
}

/* One line that names the sections which do nothing yet. */

static void tell_unused(const yaml_node *root, fer_log *log)
{
    char names[512] = "";
    size_t n = 0;
    for (size_t i = 0; root->kind == YAML_MAP && i < root->n; i++) {
        fer_str key = root->pairs[i].key;
        const yaml_node *value = root->pairs[i].value;
        bool used = str_eq(key, STR("global")) || str_eq(key, STR("otlp")) ||
                    value->kind == YAML_NULL || (str_eq(key, STR("storage")) && is_used(value));
        if (!used && n + key.n + 3 < sizeof names)
            n += (size_t)snprintf(names + n, sizeof names - n, "%s%.*s", n == 0 ? "" : ", ",
                                  STR_FMT(key));
    }
    if (n != 0)
        LOGW(log, "These sections of the configuration have no effect yet", "sections", names);
}

static fer_code load(config *c, const char *path, fer_log *log, fer_err *err)
{
    yaml_node *root = &(yaml_node){.kind = YAML_NULL};
    if (path != NULL) {
        fer_str text;
        FER_TRY(vfs_read_all(vfs_posix(), path, FILE_BYTES_MAX, c->a, &text, err));
        fer_code code = yaml_tree_parse(text, c->a, &root, err);
        if (code == FER_OK)
            code = schema_check(root, schema_config, "the configuration", err);
        if (code == FER_OK)
            code = config_check(root, err);
        if (code == FER_OK)
            code = config_otlp_load(yaml_get(root, "otlp"), c->a, &c->otlp, err);
        if (code == FER_OK)
            code = take_retention(
                c, yaml_get(yaml_get(yaml_get(root, "storage"), "tsdb"), "retention"), err);
        if (code == FER_OK)
            code = take_max_exemplars(c, yaml_get(root, "storage"), err);
        if (code == FER_OK)
            code = take_ooo_window(c, yaml_get(yaml_get(root, "storage"), "tsdb"), err);
        if (code == FER_INVALID && err != NULL) { /* "line: what" becomes "file:line: what" */
            fer_err line = *err;
            return fer_fail(err, FER_INVALID, "%s:%s", path, line.msg);
        }
        FER_TRY(code);
        FER_TRY(config_patterns_of(root, path, c->a, &c->patterns, err));
        FER_TRY(config_check_files(root, &c->patterns, c->a, err));
        tell_unused(root, log);
    } else {
        FER_TRY(config_otlp_load(NULL, c->a, &c->otlp, err));
        c->max_exemplars = MAX_EXEMPLARS_DEFAULT;
    }
    const yaml_node *global = yaml_get(root, "global");
    const yaml_node *interval = yaml_get(global, "evaluation_interval");
    c->evaluation_interval_ms = 60000;
    if (interval != NULL && interval->kind == YAML_SCALAR)
        FER_TRY(text_parse_duration(interval->text, &c->evaluation_interval_ms, err));
    FER_TRY(take_external_labels(c, global, err));
    FER_TRY(take_query_log(c, global, path == NULL ? "" : path, err));
    hide_unknown(root, schema_config);
    print_yaml(c, root);
    return FER_OK;
}

fer_code config_load(const char *path, fer_log *log, const config **ret, fer_err *err)
{
    config *c = fer_calloc(1, sizeof *c);
    atomic_init(&c->refs, 1);
    c->a = fer_arena_new(NULL, 0);
    fer_buf_init(&c->yaml, YAML_BYTES_MAX, NULL);
    fer_code code = load(c, path, log, err);
    if (code != FER_OK) {
        config_free(c);
        return code;
    }
    *ret = c;
    return FER_OK;
}

const config *config_ref(const config *cc)
{
    config *c = (config *)(uintptr_t)cc;
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void config_free(const config *cc)
{
    config *c = (config *)(uintptr_t)cc;
    if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    fer_buf_done(&c->yaml);
    fer_arena_free(c->a);
    fer_free(c);
}

int64_t config_evaluation_interval_ms(const config *c)
{
    return c->evaluation_interval_ms;
}

int64_t config_ooo_window_ms(const config *c)
{
    return c->ooo_window_ms;
}

fer_str config_query_log_file(const config *c)
{
    return c->query_log_file;
}

int64_t config_max_exemplars(const config *c)
{
    return c->max_exemplars;
}

config_retention config_retention_of(const config *c)
{
    return c->retention;
}

size_t config_external_labels(const config *c, const config_label **ret)
{
    *ret = c->external_labels;
    return c->n_external_labels;
}

const otlp_options *config_otlp(const config *c)
{
    return &c->otlp;
}

const char *const *config_watched(const config *c)
{
    return c->patterns.all;
}

fer_str config_yaml(const config *c)
{
    return fer_buf_str(&c->yaml);
}

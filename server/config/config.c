/* config.c - loading prometheus.yml: parse, check, take out what has an effect, print it. */
#include "server/config/config.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/num.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/utf8.h"
#include "base/vfs.h"
#include "server/config/config_check.h"
#include "server/config/config_files.h"
#include "server/config/config_otlp.h"
#include "server/config/config_settle.h"
#include "server/config/schema.h"
#include "server/config/schema_print.h"

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
    const char *path;   /* empty: none */
    fer_mutex printing; /* the fields below */
    yaml_node *root;    /* until it has been printed */
    fer_code yaml_code; /* of that */
    fer_buf yaml;
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
        fer_str value = expand(c->a, n->pairs[i].value->text);
        if (!utf8_valid(value))
            return fer_fail(err, FER_INVALID, "%s:%d: the value of external label %.*s is no UTF-8",
                            c->path, n->pairs[i].value->line, STR_FMT(n->pairs[i].key));
        n->pairs[i].value->text = value;
        c->external_labels[i] = (config_label){n->pairs[i].key, value};
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
static fer_code take_query_log(config *c, const yaml_node *global, fer_err *err)
{
    const yaml_node *n = yaml_get(global, "query_log_file");
    if (n == NULL || n->kind != YAML_SCALAR || n->text.n == 0)
        return FER_OK;
    fer_str dir = str_of(c->path);
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
                   (size_t)(yaml_get(tsdb, "out_of_order_time_window") != NULL) +
                   (size_t)(yaml_get(tsdb, "outofordertimewindow") != NULL);
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
    yaml_node *root = ARENA_NEW(c->a, yaml_node);
    if (root == NULL)
        return fer_fail_budget(err, "configuration");
    *root = (yaml_node){.kind = YAML_NULL};
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
    FER_TRY(take_query_log(c, global, err));
    c->root = root;
    return FER_OK;
}

fer_code config_load(const char *path, fer_log *log, const config **ret, fer_err *err)
{
    config *c = fer_calloc(1, sizeof *c);
    atomic_init(&c->refs, 1);
    c->a = fer_arena_new(NULL, 0);
    c->path = path == NULL ? "" : fer_arena_dup(c->a, str_of(path)).p;
    fer_mutex_init(&c->printing, "config printing", 0);
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
    fer_mutex_done(&c->printing);
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

/* Once, also when it fails: what it needs stays in the arena. */
static void print_yaml(config *c)
{
    c->yaml_code = config_settle(c->root, c->a, NULL);
    if (c->yaml_code == FER_OK)
        c->yaml_code = schema_print(c->root, str_of(c->path), c->a, &c->yaml);
    if (c->yaml_code != FER_OK)
        fer_buf_done(&c->yaml);
    c->root = NULL;
}

fer_code config_yaml(const config *cc, fer_str *ret, fer_err *err)
{
    config *c = (config *)(uintptr_t)cc;
    fer_mutex_lock(&c->printing);
    if (c->root != NULL)
        print_yaml(c);
    fer_mutex_unlock(&c->printing);
    if (c->yaml_code != FER_OK)
        return fer_fail(err, c->yaml_code, "%s: cannot be shown: %s", c->path,
                        c->yaml_code == FER_INVALID ? "a path is no UTF-8" : "too large");
    *ret = fer_buf_str(&c->yaml);
    return FER_OK;
}

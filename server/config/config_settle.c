/* config_settle.c - timeouts within intervals, schemes of names, tokens as headers, the window in milliseconds. */
#include "server/config/config_settle.h"

#include <inttypes.h>

#include "base/text.h"
#include "server/config/schema.h"

enum { SCRAPE_INTERVAL_MS = 60000, SCRAPE_TIMEOUT_MS = 10000 };

static bool is_given(const yaml_node *map, const char *key)
{
    const yaml_node *n = yaml_get(map, key);
    return n != NULL && n->kind != YAML_NULL;
}

/* Puts value behind the key, in the place of what is there. */
static fer_code set(yaml_node *map, const char *key, yaml_node value, fer_arena *a, fer_err *err)
{
    for (size_t i = 0; i < map->n; i++)
        if (str_eq(map->pairs[i].key, str_of(key))) {
            *map->pairs[i].value = value;
            return FER_OK;
        }
    yaml_node *n = ARENA_NEW(a, yaml_node);
    yaml_pair *pairs = ARENA_ARRAY(a, yaml_pair, map->n + 1);
    if (n == NULL || pairs == NULL)
        return fer_fail_budget(err, "configuration");
    *n = value;
    if (map->n != 0)
        memcpy(pairs, map->pairs, map->n * sizeof *pairs);
    pairs[map->n] = (yaml_pair){.key = str_of(key), .value = n};
    *map = (yaml_node){.kind = YAML_MAP, .line = map->line, .pairs = pairs, .n = map->n + 1};
    return FER_OK;
}

static yaml_node text_node(fer_str text)
{
    return (yaml_node){.kind = YAML_SCALAR, .text = text};
}

/* ---- scraping ---- */

/* 0: silent. */
static int64_t duration_of(const yaml_node *map, const char *key)
{
    const yaml_node *n = yaml_get(map, key);
    int64_t ms = 0;
    bool there = n != NULL && n->kind == YAML_SCALAR && n->text.n != 0;
    return there && text_parse_duration(n->text, &ms, NULL) == FER_OK ? ms : 0;
}

/* What is silent is as *interval and *timeout say, which become the map's own; a timeout that is not given is no
 * longer than the interval. */
static fer_code settle_timeout(yaml_node *map, int64_t *interval, int64_t *timeout, fer_arena *a,
                               fer_err *err)
{
    int64_t own = duration_of(map, "scrape_interval");
    *interval = own != 0 ? own : *interval;
    own = duration_of(map, "scrape_timeout");
    *timeout = own != 0 ? own : *timeout < *interval ? *timeout : *interval;
    fer_str text = fer_arena_printf(a, "%" PRId64 "ms", *timeout);
    if (text.p == NULL)
        return fer_fail_budget(err, "configuration");
    return set(map, "scrape_timeout", text_node(text), a, err);
}

/* Without UTF-8 in names they are escaped with underscores. */
static fer_code settle_scrapes(const yaml_node *global, const yaml_node *list, int64_t interval,
                               int64_t timeout, fer_arena *a, fer_err *err)
{
    static const char escaping[] = "metric_name_escaping_scheme";
    const yaml_node *names = yaml_get(global, "metric_name_validation_scheme");
    bool legacy = names != NULL && str_eq(names->text, STR("legacy"));
    for (size_t i = 0; list != NULL && list->kind == YAML_LIST && i < list->n; i++) {
        int64_t own_interval = interval, own_timeout = timeout;
        yaml_node *scrape = list->items[i];
        FER_TRY(settle_timeout(scrape, &own_interval, &own_timeout, a, err));
        if (legacy && !is_given(scrape, escaping) && !is_given(global, escaping))
            FER_TRY(set(scrape, escaping, text_node(STR("underscores")), a, err));
    }
    return FER_OK;
}

/* Where the section is missing, the schemes of names are told. */
static fer_code settle_global(yaml_node *root, fer_arena *a, fer_err *err)
{
    if (!is_given(root, "global")) {
        yaml_node global = {.kind = YAML_MAP};
        FER_TRY(set(&global, "metric_name_validation_scheme", text_node(STR("utf8")), a, err));
        FER_TRY(set(&global, "metric_name_escaping_scheme", text_node(STR("allow-utf-8")), a, err));
        FER_TRY(set(root, "global", global, a, err));
    }
    yaml_node *global = yaml_get(root, "global");
    int64_t interval = SCRAPE_INTERVAL_MS, timeout = SCRAPE_TIMEOUT_MS;
    FER_TRY(settle_timeout(global, &interval, &timeout, a, err));
    return settle_scrapes(global, yaml_get(root, "scrape_configs"), interval, timeout, a, err);
}

/* ---- the rest ---- */

/* A bearer token is an authorization of type Bearer. */
static fer_code settle_token(yaml_node *map, const char *key, const char *becomes, fer_arena *a,
                             fer_err *err)
{
    const yaml_node *token = yaml_get(map, key);
    if (token == NULL || token->kind != YAML_SCALAR || token->text.n == 0)
        return FER_OK;
    yaml_node authorization = {.kind = YAML_MAP};
    FER_TRY(set(&authorization, becomes, *token, a, err));
    FER_TRY(set(map, "authorization", authorization, a, err));
    return set(map, key, (yaml_node){.kind = YAML_NULL}, a, err);
}

static fer_code settle_tokens(yaml_node *map, const schema_field *fields, fer_arena *a,
                              fer_err *err)
{
    if (map->kind != YAML_MAP)
        return FER_OK;
    if (schema_find(fields, STR("bearer_token")) != NULL) {
        FER_TRY(settle_token(map, "bearer_token", "credentials", a, err));
        FER_TRY(settle_token(map, "bearer_token_file", "credentials_file", a, err));
    }
    for (size_t i = 0; i < map->n; i++) {
        const schema_field *f = schema_find(fields, map->pairs[i].key);
        yaml_node *v = map->pairs[i].value;
        if (f != NULL && f->kind == SCHEMA_SECTION)
            FER_TRY(settle_tokens(v, f->fields, a, err));
        for (size_t k = 0; f != NULL && f->kind == SCHEMA_SECTIONS && k < v->n; k++)
            FER_TRY(settle_tokens(v->items[k], f->fields, a, err));
    }
    return FER_OK;
}

static fer_code settle_window(yaml_node *tsdb, fer_arena *a, fer_err *err)
{
    if (tsdb == NULL || tsdb->kind != YAML_MAP)
        return FER_OK;
    int64_t ms = duration_of(tsdb, "out_of_order_time_window");
    fer_str text = fer_arena_printf(a, "%" PRId64, ms);
    if (text.p == NULL)
        return fer_fail_budget(err, "configuration");
    return set(tsdb, "outofordertimewindow", text_node(text), a, err);
}

fer_code config_settle(yaml_node *root, fer_arena *a, fer_err *err)
{
    FER_TRY(settle_tokens(root, schema_config, a, err));
    FER_TRY(settle_window(yaml_get(yaml_get(root, "storage"), "tsdb"), a, err));
    return settle_global(root, a, err);
}

/* config_check.c - checks across keys. */
#include "server/config/config_check.h"

#include "base/num.h"
#include "base/regex.h"
#include "base/text.h"

enum { SCRAPE_INTERVAL_MS = 60000, SCRAPE_TIMEOUT_MS = 10000 };

/* The text of a scalar; empty where there is none. */
static fer_str text_of(const yaml_node *map, const char *key)
{
    const yaml_node *n = yaml_get(map, key);
    return n == NULL || n->kind != YAML_SCALAR ? STR("") : n->text;
}

static bool given(const yaml_node *map, const char *key)
{
    const yaml_node *n = yaml_get(map, key);
    return n != NULL && n->kind != YAML_NULL;
}

/* The duration of a key that the schema has looked at; 0 where it is not given. */
static int64_t duration_of(const yaml_node *map, const char *key)
{
    int64_t ms = 0;
    fer_str text = text_of(map, key);
    return text.n != 0 && text_parse_duration(text, &ms, NULL) == FER_OK ? ms : 0;
}

static size_t n_items(const yaml_node *list)
{
    return list == NULL || list->kind != YAML_LIST ? 0 : list->n;
}

/* ---- relabeling ---- */

enum {
    NEEDS_TARGET = 1, /* target_label */
    NO_REPLACEMENT = 2,
    ONLY_LABELS = 4, /* source_labels and target_label */
    ONLY_REGEX = 8,
    NEEDS_MODULUS = 16,
};

static const struct {
    const char *name;
    unsigned rules;
} actions[] = {
    {"replace", NEEDS_TARGET},
    {"keep", 0},
    {"drop", 0},
    {"keepequal", NEEDS_TARGET | NO_REPLACEMENT | ONLY_LABELS},
    {"dropequal", NEEDS_TARGET | NO_REPLACEMENT | ONLY_LABELS},
    {"hashmod", NEEDS_TARGET | NEEDS_MODULUS},
    {"labelmap", 0},
    {"labeldrop", ONLY_REGEX},
    {"labelkeep", ONLY_REGEX},
    {"lowercase", NEEDS_TARGET | NO_REPLACEMENT},
    {"uppercase", NEEDS_TARGET | NO_REPLACEMENT},
};

/* Actions are known in any case of letters. */
static int find_action(fer_str name)
{
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strlen(actions[i].name) == name.n && strncasecmp(actions[i].name, name.p, name.n) == 0)
            return (int)i;
    return -1;
}

/* Whether a key says something else than what it says when silent. */
static bool differs(const yaml_node *map, const char *key, const char *silent)
{
    return given(map, key) && !str_eq(text_of(map, key), str_of(silent));
}

static fer_code check_regex(const yaml_node *rule, fer_err *err)
{
    const yaml_node *n = yaml_get(rule, "regex");
    if (n == NULL || n->kind != YAML_SCALAR)
        return FER_OK;
    fer_regex *re = NULL;
    fer_err why;
    if (fer_regex_new(n->text, &re, &why) != FER_OK)
        return fer_fail(err, FER_INVALID, "%d: %s", n->line, why.msg);
    fer_regex_free(re);
    return FER_OK;
}

static fer_code check_rule(const yaml_node *rule, fer_err *err)
{
    fer_str name = given(rule, "action") ? text_of(rule, "action") : STR("replace");
    int i = find_action(name);
    if (i < 0)
        return fer_fail(err, FER_INVALID, "%d: unknown relabel action \"%.*s\"",
                        yaml_get(rule, "action")->line, STR_FMT(name));
    FER_TRY(check_regex(rule, err));
    unsigned rules = actions[i].rules;
    const char *action = actions[i].name;
    uint64_t modulus = 0;
    if (given(rule, "modulus") && !num_parse_u64(text_of(rule, "modulus"), &modulus))
        return fer_fail(err, FER_INVALID, "%d: modulus must be a whole number from 0",
                        yaml_get(rule, "modulus")->line);
    if ((rules & NEEDS_MODULUS) && modulus == 0)
        return fer_fail(err, FER_INVALID,
                        "%d: relabel configuration for hashmod requires non-zero modulus",
                        rule->line);
    if ((rules & NEEDS_TARGET) && text_of(rule, "target_label").n == 0)
        return fer_fail(err, FER_INVALID,
                        "%d: relabel configuration for %s action requires 'target_label' value",
                        rule->line, action);
    bool others = modulus != 0 || differs(rule, "separator", ";");
    bool replaces = differs(rule, "replacement", "$1");
    if ((rules & NO_REPLACEMENT) && replaces)
        return fer_fail(err, FER_INVALID, "%d: 'replacement' can not be set for %s action",
                        rule->line, action);
    if ((rules & ONLY_LABELS) && (others || differs(rule, "regex", "(.*)")))
        return fer_fail(err, FER_INVALID,
                        "%d: %s action requires only 'source_labels' and `target_label`, and no "
                        "other fields",
                        rule->line, action);
    if ((rules & ONLY_REGEX) &&
        (others || replaces || given(rule, "source_labels") || given(rule, "target_label")))
        return fer_fail(err, FER_INVALID,
                        "%d: %s action requires only 'regex', and no other fields", rule->line,
                        action);
    return FER_OK;
}

static fer_code check_relabeling(const yaml_node *section, const char *key, fer_err *err)
{
    const yaml_node *list = yaml_get(section, key);
    for (size_t i = 0; i < n_items(list); i++) {
        if (list->items[i]->kind == YAML_NULL)
            return fer_fail(err, FER_INVALID, "%d: empty or null relabeling rule in %s",
                            list->items[i]->line, key);
        FER_TRY(check_rule(list->items[i], err));
    }
    return FER_OK;
}

/* ---- clients ---- */

/* At most one way to authenticate. */
static fer_code check_auth(const yaml_node *section, fer_err *err)
{
    static const char *const kinds[] = {"basic_auth",   "authorization",     "oauth2",
                                        "bearer_token", "bearer_token_file", "sigv4",
                                        "azuread",      "google_iam"};
    const char *first = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!given(section, kinds[i]))
            continue;
        if (first != NULL)
            return fer_fail(err, FER_INVALID,
                            "%d: at most one of basic_auth, authorization, oauth2, bearer_token, "
                            "sigv4, azuread & google_iam must be configured: %s and %s are",
                            yaml_get(section, kinds[i])->line, first, kinds[i]);
        first = kinds[i];
    }
    return FER_OK;
}

/* ---- scraping ---- */

static fer_code check_protocols(const yaml_node *section, fer_err *err)
{
    static const char *const known[] = {"PrometheusProto", "OpenMetricsText1.0.0",
                                        "OpenMetricsText0.0.1", "PrometheusText1.0.0",
                                        "PrometheusText0.0.4"};
    enum { N = sizeof known / sizeof *known };
    const yaml_node *list = yaml_get(section, "scrape_protocols");
    bool seen[N] = {false};
    if (list != NULL && list->kind == YAML_LIST && list->n == 0)
        return fer_fail(err, FER_INVALID, "%d: scrape_protocols cannot be empty", list->line);
    for (size_t i = 0; i < n_items(list); i++) {
        size_t k = 0;
        while (k < N && !str_eq(str_of(known[k]), list->items[i]->text))
            k++;
        if (k == N)
            return fer_fail(err, FER_INVALID, "%d: unknown scrape protocol %.*s",
                            list->items[i]->line, STR_FMT(list->items[i]->text));
        if (seen[k])
            return fer_fail(err, FER_INVALID, "%d: duplicated protocol in scrape_protocols",
                            list->items[i]->line);
        seen[k] = true;
    }
    return FER_OK;
}

static int64_t or_else(int64_t v, int64_t fallback)
{
    return v != 0 ? v : fallback;
}

/* A timeout that is not given gives way to a shorter interval. */
static fer_code check_timeout(const yaml_node *global, const yaml_node *scrape, fer_err *err)
{
    int64_t interval = or_else(duration_of(scrape, "scrape_interval"),
                               or_else(duration_of(global, "scrape_interval"), SCRAPE_INTERVAL_MS));
    int64_t timeout = duration_of(scrape, "scrape_timeout");
    if (timeout > interval)
        return fer_fail(err, FER_INVALID,
                        "%d: scrape timeout greater than scrape interval for scrape config with "
                        "job name \"%.*s\"",
                        yaml_get(scrape, "scrape_timeout")->line,
                        STR_FMT(text_of(scrape, "job_name")));
    return FER_OK;
}

/* Without relabeling, what stands there is where to scrape: not a URL. */
static fer_code check_static(const yaml_node *section, fer_err *err)
{
    const yaml_node *groups = yaml_get(section, "static_configs");
    if (n_items(yaml_get(section, "relabel_configs")) != 0)
        return FER_OK;
    for (size_t i = 0; i < n_items(groups); i++) {
        const yaml_node *targets = yaml_get(groups->items[i], "targets");
        for (size_t k = 0; k < n_items(targets); k++) {
            fer_str t = targets->items[k]->text;
            if (t.n != 0 && memchr(t.p, '/', t.n) != NULL)
                return fer_fail(err, FER_INVALID, "%d: \"%.*s\" is not a valid hostname",
                                targets->items[k]->line, STR_FMT(t));
        }
    }
    return FER_OK;
}

static fer_code check_scrape(const yaml_node *global, const yaml_node *scrape, fer_err *err)
{
    if (scrape->kind == YAML_NULL)
        return fer_fail(err, FER_INVALID, "%d: empty or null scrape config section", scrape->line);
    if (text_of(scrape, "job_name").n == 0)
        return fer_fail(err, FER_INVALID, "%d: job_name is empty", scrape->line);
    FER_TRY(check_timeout(global, scrape, err));
    FER_TRY(check_protocols(scrape, err));
    FER_TRY(check_relabeling(scrape, "relabel_configs", err));
    FER_TRY(check_relabeling(scrape, "metric_relabel_configs", err));
    FER_TRY(check_auth(scrape, err));
    return check_static(scrape, err);
}

/* Whether an item of the list before `end` has the same text behind key. */
static bool named_before(const yaml_node *list, size_t end, const char *key, fer_str name)
{
    for (size_t i = 0; i < end && i < n_items(list); i++)
        if (str_eq(text_of(list->items[i], key), name))
            return true;
    return false;
}

fer_code config_check_scrapes(const yaml_node *root, const yaml_node *scrapes, fer_err *err)
{
    const yaml_node *own = yaml_get(root, "scrape_configs");
    for (size_t i = 0; i < n_items(scrapes); i++) {
        FER_TRY(check_scrape(yaml_get(root, "global"), scrapes->items[i], err));
        fer_str name = text_of(scrapes->items[i], "job_name");
        if (named_before(scrapes, i, "job_name", name) ||
            (scrapes != own && named_before(own, n_items(own), "job_name", name)))
            return fer_fail(err, FER_INVALID,
                            "%d: found multiple scrape configs with job name \"%.*s\"",
                            scrapes->items[i]->line, STR_FMT(name));
    }
    return FER_OK;
}

/* ---- the rest ---- */

static fer_code check_global(const yaml_node *global, fer_err *err)
{
    int64_t interval = or_else(duration_of(global, "scrape_interval"), SCRAPE_INTERVAL_MS);
    if (duration_of(global, "scrape_timeout") > interval)
        return fer_fail(err, FER_INVALID, "%d: global scrape timeout greater than scrape interval",
                        yaml_get(global, "scrape_timeout")->line);
    const yaml_node *labels = yaml_get(global, "external_labels");
    for (size_t i = 0; labels != NULL && labels->kind == YAML_MAP && i < labels->n; i++)
        if (labels->pairs[i].key.n == 0)
            return fer_fail(err, FER_INVALID, "%d: \"\" is not a valid label name",
                            labels->pairs[i].key_line);
    return check_protocols(global, err);
}

static fer_code check_queue(const yaml_node *write, fer_err *err)
{
    const yaml_node *q = yaml_get(write, "queue_config");
    static const char *const positive[] = {"max_shards", "min_shards", "max_samples_per_send",
                                           "capacity"};
    int64_t v[4] = {50, 1, 2000, 10000};
    for (size_t i = 0; i < sizeof positive / sizeof *positive; i++) {
        if (given(q, positive[i]) && (!num_parse_i64(text_of(q, positive[i]), &v[i]) || v[i] <= 0))
            return fer_fail(err, FER_INVALID, "%d: remote write queue %s must be positive",
                            yaml_get(q, positive[i])->line, positive[i]);
    }
    if (v[1] > v[0])
        return fer_fail(err, FER_INVALID,
                        "%d: remote write queue min_shards must not be greater than max_shards",
                        q->line);
    return FER_OK;
}

static fer_code check_remotes(const yaml_node *root, const char *key, fer_err *err)
{
    const yaml_node *list = yaml_get(root, key);
    for (size_t i = 0; i < n_items(list); i++) {
        const yaml_node *one = list->items[i];
        if (one->kind == YAML_NULL)
            return fer_fail(err, FER_INVALID, "%d: empty or null %s config section", one->line,
                            key);
        if (text_of(one, "url").n == 0)
            return fer_fail(err, FER_INVALID, "%d: url for %s is empty", one->line, key);
        fer_str name = text_of(one, "name");
        if (name.n != 0 && named_before(list, i, "name", name))
            return fer_fail(err, FER_INVALID,
                            "%d: found multiple %s configs with job name \"%.*s\"", one->line, key,
                            STR_FMT(name));
        FER_TRY(check_auth(one, err));
        FER_TRY(check_relabeling(one, "write_relabel_configs", err));
        FER_TRY(check_queue(one, err));
    }
    return FER_OK;
}

static fer_code check_alerting(const yaml_node *alerting, fer_err *err)
{
    const yaml_node *list = yaml_get(alerting, "alertmanagers");
    FER_TRY(check_relabeling(alerting, "alert_relabel_configs", err));
    for (size_t i = 0; i < n_items(list); i++) {
        FER_TRY(check_auth(list->items[i], err));
        FER_TRY(check_relabeling(list->items[i], "relabel_configs", err));
        FER_TRY(check_relabeling(list->items[i], "alert_relabel_configs", err));
        FER_TRY(check_static(list->items[i], err));
    }
    return FER_OK;
}

static fer_code check_tracing(const yaml_node *tracing, fer_err *err)
{
    if (tracing != NULL && tracing->kind == YAML_MAP && text_of(tracing, "endpoint").n == 0)
        return fer_fail(err, FER_INVALID, "%d: tracing endpoint must be set", tracing->line);
    return FER_OK;
}

/* A star stands in the last part only, and "[" must close. */
static fer_code check_patterns(const yaml_node *root, const char *key, const char *what,
                               fer_err *err)
{
    const yaml_node *list = yaml_get(root, key);
    for (size_t i = 0; i < n_items(list); i++) {
        fer_str p = list->items[i]->text;
        const char *star = p.n == 0 ? NULL : memchr(p.p, '*', p.n);
        const char *open = p.n == 0 ? NULL : memchr(p.p, '[', p.n);
        bool deep = star != NULL && memchr(star, '/', p.n - (size_t)(star - p.p)) != NULL;
        bool torn = open != NULL && memchr(open, ']', p.n - (size_t)(open - p.p)) == NULL;
        if (deep || torn)
            return fer_fail(err, FER_INVALID, "%d: invalid %s path \"%.*s\"", list->items[i]->line,
                            what, STR_FMT(p));
    }
    return FER_OK;
}

fer_code config_check(const yaml_node *root, fer_err *err)
{
    FER_TRY(check_global(yaml_get(root, "global"), err));
    FER_TRY(check_patterns(root, "rule_files", "rule file", err));
    FER_TRY(check_patterns(root, "scrape_config_files", "scrape config file", err));
    FER_TRY(config_check_scrapes(root, yaml_get(root, "scrape_configs"), err));
    FER_TRY(check_alerting(yaml_get(root, "alerting"), err));
    FER_TRY(check_remotes(root, "remote_write", err));
    FER_TRY(check_remotes(root, "remote_read", err));
    return check_tracing(yaml_get(root, "tracing"), err);
}

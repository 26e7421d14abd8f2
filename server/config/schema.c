/* schema.c - the tables of prometheus.yml and the walk over them. */
#include "server/config/schema_int.h"

#include "base/num.h"
#include "base/text.h"

static const schema_field relabel[] = {
    {"source_labels", SCHEMA_STRINGS, NULL, NULL}, {"separator", SCHEMA_STRING, NULL, NULL},
    {"regex", SCHEMA_STRING, NULL, NULL},          {"modulus", SCHEMA_INT, NULL, NULL},
    {"target_label", SCHEMA_STRING, NULL, NULL},   {"replacement", SCHEMA_STRING, NULL, NULL},
    {"action", SCHEMA_STRING, NULL, NULL},         END,
};

#define VALIDATION                                                                                 \
    {                                                                                              \
        "metric_name_validation_scheme", SCHEMA_STRING, NULL, "utf8|legacy"                        \
    }
#define ESCAPING                                                                                   \
    {                                                                                              \
        "metric_name_escaping_scheme", SCHEMA_STRING, NULL, "allow-utf-8|underscores|dots|values"  \
    }
#define LIMIT_FIELDS                                                                               \
    {"body_size_limit", SCHEMA_SIZE, NULL, NULL}, {"sample_limit", SCHEMA_INT, NULL, NULL},        \
        {"target_limit", SCHEMA_INT, NULL, NULL}, {"label_limit", SCHEMA_INT, NULL, NULL},         \
        {"label_name_length_limit", SCHEMA_INT, NULL, NULL},                                       \
        {"label_value_length_limit", SCHEMA_INT, NULL, NULL},                                      \
    {                                                                                              \
        "keep_dropped_targets", SCHEMA_INT, NULL, NULL                                             \
    }
#define SCRAPE_COMMON_FIELDS                                                                       \
    {"scrape_interval", SCHEMA_DURATION, NULL, NULL},                                              \
        {"scrape_timeout", SCHEMA_DURATION, NULL, NULL},                                           \
        {"scrape_protocols", SCHEMA_STRINGS, NULL, NULL},                                          \
        {"scrape_failure_log_file", SCHEMA_STRING, NULL, NULL},                                    \
        {"scrape_native_histograms", SCHEMA_BOOL, NULL, NULL},                                     \
        {"convert_classic_histograms_to_nhcb", SCHEMA_BOOL, NULL, NULL},                           \
        {"always_scrape_classic_histograms", SCHEMA_BOOL, NULL, NULL},                             \
        {"extra_scrape_metrics", SCHEMA_BOOL, NULL, NULL}, VALIDATION, ESCAPING, LIMIT_FIELDS

static const schema_field global[] = {
    SCRAPE_COMMON_FIELDS,
    {"evaluation_interval", SCHEMA_DURATION, NULL, NULL},
    {"rule_query_offset", SCHEMA_DURATION, NULL, NULL},
    {"query_log_file", SCHEMA_STRING, NULL, NULL},
    {"external_labels", SCHEMA_STRING_MAP, NULL, NULL},
    END,
};

static const schema_field scrape_config[] = {
    {"job_name", SCHEMA_STRING, NULL, NULL},
    SCRAPE_COMMON_FIELDS,
    {"honor_labels", SCHEMA_BOOL, NULL, NULL},
    {"honor_timestamps", SCHEMA_BOOL, NULL, NULL},
    {"track_timestamps_staleness", SCHEMA_BOOL, NULL, NULL},
    {"params", SCHEMA_STRINGS_MAP, NULL, NULL},
    {"fallback_scrape_protocol", SCHEMA_STRING, NULL, NULL},
    {"metrics_path", SCHEMA_STRING, NULL, NULL},
    {"scheme", SCHEMA_STRING, NULL, NULL},
    {"enable_compression", SCHEMA_BOOL, NULL, NULL},
    {"native_histogram_bucket_limit", SCHEMA_INT, NULL, NULL},
    {"native_histogram_min_bucket_factor", SCHEMA_FLOAT, NULL, NULL},
    {"relabel_configs", SCHEMA_SECTIONS, relabel, NULL},
    {"metric_relabel_configs", SCHEMA_SECTIONS, relabel, NULL},
    INLINE(schema_http_client),
    INLINE(schema_discovery),
    END,
};

static const schema_field alertmanager[] = {
    {"scheme", SCHEMA_STRING, NULL, NULL},
    {"path_prefix", SCHEMA_STRING, NULL, NULL},
    {"timeout", SCHEMA_DURATION, NULL, NULL},
    {"api_version", SCHEMA_STRING, NULL, "v2"},
    {"sigv4", SCHEMA_SECTION, schema_sigv4, NULL},
    {"relabel_configs", SCHEMA_SECTIONS, relabel, NULL},
    {"alert_relabel_configs", SCHEMA_SECTIONS, relabel, NULL},
    INLINE(schema_http_client),
    INLINE(schema_discovery),
    END,
};

static const schema_field alerting[] = {
    {"alert_relabel_configs", SCHEMA_SECTIONS, relabel, NULL},
    {"alertmanagers", SCHEMA_SECTIONS, alertmanager, NULL},
    END,
};

static const schema_field queue_config[] = {
    {"capacity", SCHEMA_INT, NULL, NULL},
    {"max_shards", SCHEMA_INT, NULL, NULL},
    {"min_shards", SCHEMA_INT, NULL, NULL},
    {"max_samples_per_send", SCHEMA_INT, NULL, NULL},
    {"batch_send_deadline", SCHEMA_DURATION, NULL, NULL},
    {"min_backoff", SCHEMA_DURATION, NULL, NULL},
    {"max_backoff", SCHEMA_DURATION, NULL, NULL},
    {"retry_on_http_429", SCHEMA_BOOL, NULL, NULL},
    {"sample_age_limit", SCHEMA_DURATION, NULL, NULL},
    END,
};

static const schema_field metadata_config[] = {
    {"send", SCHEMA_BOOL, NULL, NULL},
    {"send_interval", SCHEMA_DURATION, NULL, NULL},
    {"max_samples_per_send", SCHEMA_INT, NULL, NULL},
    END,
};

static const schema_field remote_write[] = {
    {"url", SCHEMA_URL, NULL, NULL},
    {"remote_timeout", SCHEMA_DURATION, NULL, NULL},
    {"headers", SCHEMA_STRING_MAP, NULL, NULL},
    {"write_relabel_configs", SCHEMA_SECTIONS, relabel, NULL},
    {"name", SCHEMA_STRING, NULL, NULL},
    {"send_exemplars", SCHEMA_BOOL, NULL, NULL},
    {"send_native_histograms", SCHEMA_BOOL, NULL, NULL},
    {"round_robin_dns", SCHEMA_BOOL, NULL, NULL},
    {"failed_request_logging", SCHEMA_BOOL, NULL, NULL},
    {"protobuf_message", SCHEMA_STRING, NULL,
     "prometheus.WriteRequest|io.prometheus.write.v2.Request"},
    {"queue_config", SCHEMA_SECTION, queue_config, NULL},
    {"metadata_config", SCHEMA_SECTION, metadata_config, NULL},
    {"sigv4", SCHEMA_SECTION, schema_sigv4, NULL},
    {"azuread", SCHEMA_SECTION, schema_azuread, NULL},
    {"google_iam", SCHEMA_SECTION, schema_google_iam, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field remote_read[] = {
    {"url", SCHEMA_URL, NULL, NULL},
    {"remote_timeout", SCHEMA_DURATION, NULL, NULL},
    {"chunked_read_limit", SCHEMA_INT, NULL, NULL},
    {"headers", SCHEMA_STRING_MAP, NULL, NULL},
    {"read_recent", SCHEMA_BOOL, NULL, NULL},
    {"name", SCHEMA_STRING, NULL, NULL},
    {"required_matchers", SCHEMA_STRING_MAP, NULL, NULL},
    {"filter_external_labels", SCHEMA_BOOL, NULL, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field retention[] = {
    {"time", SCHEMA_DURATION, NULL, NULL},
    {"size", SCHEMA_SIZE, NULL, NULL},
    {"percentage", SCHEMA_FLOAT, NULL, NULL},
    END,
};

static const schema_field chunk_encoding[] = {
    {"floats", SCHEMA_STRING, NULL, "xor|xor2"},
    END,
};

static const schema_field tsdb_config[] = {
    {"out_of_order_time_window", SCHEMA_DURATION, NULL, NULL},
    {"stale_series_compaction_threshold", SCHEMA_FLOAT, NULL, NULL},
    {"chunk_encoding", SCHEMA_SECTION, chunk_encoding, NULL},
    {"retention", SCHEMA_SECTION, retention, NULL},
    END,
};

static const schema_field exemplars[] = {
    {"max_exemplars", SCHEMA_INT, NULL, NULL},
    END,
};

static const schema_field storage_config[] = {
    {"tsdb", SCHEMA_SECTION, tsdb_config, NULL},
    {"exemplars", SCHEMA_SECTION, exemplars, NULL},
    END,
};

static const schema_field tracing[] = {
    {"client_type", SCHEMA_STRING, NULL, "grpc|http"},
    {"endpoint", SCHEMA_STRING, NULL, NULL},
    {"sampling_fraction", SCHEMA_FLOAT, NULL, NULL},
    {"insecure", SCHEMA_BOOL, NULL, NULL},
    {"tls_config", SCHEMA_SECTION, schema_tls, NULL},
    {"headers", SCHEMA_STRING_MAP, NULL, NULL},
    {"compression", SCHEMA_STRING, NULL, "gzip"},
    {"timeout", SCHEMA_DURATION, NULL, NULL},
    END,
};

static const schema_field otlp[] = {
    {"promote_all_resource_attributes", SCHEMA_BOOL, NULL, NULL},
    {"promote_resource_attributes", SCHEMA_STRINGS, NULL, NULL},
    {"ignore_resource_attributes", SCHEMA_STRINGS, NULL, NULL},
    {"translation_strategy", SCHEMA_STRING, NULL,
     "UnderscoreEscapingWithSuffixes|UnderscoreEscapingWithoutSuffixes|NoUTF8EscapingWithSuffixes|"
     "NoTranslation"},
    {"keep_identifying_resource_attributes", SCHEMA_BOOL, NULL, NULL},
    {"convert_histograms_to_nhcb", SCHEMA_BOOL, NULL, NULL},
    {"promote_scope_metadata", SCHEMA_BOOL, NULL, NULL},
    {"label_name_underscore_sanitization", SCHEMA_BOOL, NULL, NULL},
    {"label_name_preserve_multiple_underscores", SCHEMA_BOOL, NULL, NULL},
    END,
};

static const schema_field runtime[] = {
    {"gogc", SCHEMA_INT, NULL, NULL},
    END,
};

const schema_field schema_config[] = {
    {"global", SCHEMA_SECTION, global, NULL},
    {"runtime", SCHEMA_SECTION, runtime, NULL},
    {"alerting", SCHEMA_SECTION, alerting, NULL},
    {"rule_files", SCHEMA_STRINGS, NULL, NULL},
    {"scrape_config_files", SCHEMA_STRINGS, NULL, NULL},
    {"scrape_configs", SCHEMA_SECTIONS, scrape_config, NULL},
    {"storage", SCHEMA_SECTION, storage_config, NULL},
    {"tracing", SCHEMA_SECTION, tracing, NULL},
    {"remote_write", SCHEMA_SECTIONS, remote_write, NULL},
    {"remote_read", SCHEMA_SECTIONS, remote_read, NULL},
    {"otlp", SCHEMA_SECTION, otlp, NULL},
    END,
};

const schema_field schema_scrape_file[] = {
    {"scrape_configs", SCHEMA_SECTIONS, scrape_config, NULL},
    END,
};

const schema_field *schema_find(const schema_field *fields, fer_str key)
{
    for (; fields->key != NULL; fields++) {
        const schema_field *f = fields;
        if (f->kind == SCHEMA_INLINE)
            f = schema_find(f->fields, key);
        else if (!str_eq(key, str_of(f->key)))
            f = NULL;
        if (f != NULL)
            return f;
    }
    return NULL;
}

static fer_code offence(const yaml_node *n, const char *where, const char *expected, fer_err *err)
{
    return fer_fail(err, FER_INVALID, "%d: %s must be %s", n->line, where, expected);
}

static bool one_of(const char *choices, fer_str s)
{
    fer_str rest = str_of(choices);
    while (rest.n != 0) {
        const char *bar = memchr(rest.p, '|', rest.n);
        fer_str one = str_head(rest, bar == NULL ? rest.n : (size_t)(bar - rest.p));
        if (str_eq(one, s))
            return true;
        rest = str_from(rest, one.n + 1);
    }
    return false;
}

static fer_code check_scalar(const yaml_node *n, const schema_field *f, const char *where,
                             fer_err *err)
{
    int64_t i;
    uint64_t u;
    double d;
    if (n->kind == YAML_NULL && f->kind != SCHEMA_BOOL)
        return FER_OK;
    if (n->kind != YAML_SCALAR)
        return offence(n, where, "a single value", err);
    fer_str s = n->text;
    switch (f->kind) {
    case SCHEMA_BOOL:
        return one_of("true|false|True|False|TRUE|FALSE|yes|no|on|off", s)
                   ? FER_OK
                   : offence(n, where, "true or false", err);
    case SCHEMA_INT:
        return num_parse_i64(s, &i) ? FER_OK : offence(n, where, "a whole number", err);
    case SCHEMA_FLOAT:
        return num_parse_f64(s, &d) ? FER_OK : offence(n, where, "a number", err);
    case SCHEMA_DURATION:
        if (text_parse_duration(s, &i, err) != FER_OK)
            return fer_err_prefix(err, "%d: %s", n->line, where);
        return FER_OK;
    case SCHEMA_SIZE:
        return text_parse_bytes(s, &u) ? FER_OK : offence(n, where, "a size such as 10MB", err);
    default:
        if (f->choices != NULL && !one_of(f->choices, s))
            return fer_fail(err, FER_INVALID, "%d: %s must be one of %s, not \"%.*s\"", n->line,
                            where, f->choices, STR_FMT(s));
        return FER_OK;
    }
}

static fer_code check_strings(const yaml_node *n, const char *where, fer_err *err)
{
    if (n->kind == YAML_NULL)
        return FER_OK;
    if (n->kind != YAML_LIST)
        return offence(n, where, "a list", err);
    for (size_t i = 0; i < n->n; i++)
        if (n->items[i]->kind == YAML_LIST || n->items[i]->kind == YAML_MAP)
            return offence(n->items[i], where, "a list of texts", err);
    return FER_OK;
}

static fer_code check_map(const yaml_node *n, bool lists, const char *where, fer_err *err)
{
    if (n->kind == YAML_NULL)
        return FER_OK;
    if (n->kind != YAML_MAP)
        return offence(n, where, "a mapping", err);
    for (size_t i = 0; i < n->n; i++) {
        const yaml_node *v = n->pairs[i].value;
        if (n->pairs[i].again_line != 0)
            return fer_fail(err, FER_INVALID, "%d: key \"%.*s\" already set in map",
                            n->pairs[i].again_line, STR_FMT(n->pairs[i].key));
        if (lists)
            FER_TRY(check_strings(v, where, err));
        else if (v->kind == YAML_LIST || v->kind == YAML_MAP)
            return offence(v, where, "a mapping of texts", err);
    }
    return FER_OK;
}

static fer_code check_section_map(const yaml_node *n, const schema_field *fields, const char *where,
                                  fer_err *err)
{
    if (n->kind == YAML_NULL)
        return FER_OK;
    if (n->kind != YAML_MAP)
        return offence(n, where, "a mapping", err);
    for (size_t i = 0; i < n->n; i++)
        FER_TRY(schema_check(n->pairs[i].value, fields, where, err));
    return FER_OK;
}

static fer_code check_field(const yaml_node *n, const schema_field *f, const char *where,
                            fer_err *err)
{
    switch (f->kind) {
    case SCHEMA_ANY:
        return FER_OK;
    case SCHEMA_STRINGS:
    case SCHEMA_SECRETS:
        return check_strings(n, where, err);
    case SCHEMA_STRING_MAP:
        return check_map(n, false, where, err);
    case SCHEMA_STRINGS_MAP:
    case SCHEMA_SECRETS_MAP:
        return check_map(n, true, where, err);
    case SCHEMA_SECTION_MAP:
        return check_section_map(n, f->fields, where, err);
    case SCHEMA_SECTION:
        return schema_check(n, f->fields, where, err);
    case SCHEMA_SECTIONS:
        if (n->kind == YAML_NULL)
            return FER_OK;
        if (n->kind != YAML_LIST)
            return offence(n, where, "a list", err);
        for (size_t i = 0; i < n->n; i++)
            FER_TRY(schema_check(n->items[i], f->fields, where, err));
        return FER_OK;
    default:
        return check_scalar(n, f, where, err);
    }
}

fer_code schema_check(const yaml_node *n, const schema_field *fields, const char *where,
                      fer_err *err)
{
    if (n->kind == YAML_NULL)
        return FER_OK;
    if (n->kind != YAML_MAP)
        return offence(n, where, "a mapping", err);
    for (size_t i = 0; i < n->n; i++) {
        const yaml_pair *p = &n->pairs[i];
        const schema_field *f = schema_find(fields, p->key);
        if (f == NULL)
            return fer_fail(err, FER_INVALID, "%d: field %.*s not found in %s", p->key_line,
                            STR_FMT(p->key), where);
        FER_TRY(check_field(p->value, f, f->key, err));
    }
    return FER_OK;
}

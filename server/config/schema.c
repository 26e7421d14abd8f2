/* schema.c - the tables of prometheus.yml and the walk over them. */
#include "server/config/schema_int.h"

#include "base/num.h"
#include "base/text.h"

static const schema_field relabel[] = {
    {.key = "source_labels", .kind = SCHEMA_STRINGS, .flags = SCHEMA_FLOW},
    {.key = "separator", .kind = SCHEMA_STRING, .silent = ";"},
    {.key = "regex", .kind = SCHEMA_REGEX},
    {.key = "modulus", .kind = SCHEMA_INT},
    {.key = "target_label", .kind = SCHEMA_STRING},
    {.key = "replacement", .kind = SCHEMA_STRING, .silent = "$1"},
    {.key = "action", .kind = SCHEMA_WORD, .silent = "replace"},
    END,
};

static const schema_field global[] = {
    {.key = "scrape_interval", .kind = SCHEMA_DURATION, .silent = "1m", .flags = SCHEMA_NONZERO},
    {.key = "scrape_timeout", .kind = SCHEMA_DURATION, .silent = "10s", .flags = SCHEMA_NONZERO},
    {.key = "scrape_protocols",
     .kind = SCHEMA_STRINGS,
     .silent = "OpenMetricsText1.0.0|OpenMetricsText0.0.1|PrometheusText1.0.0|PrometheusText0.0.4"},
    {.key = "evaluation_interval",
     .kind = SCHEMA_DURATION,
     .silent = "1m",
     .flags = SCHEMA_NONZERO},
    {.key = "rule_query_offset", .kind = SCHEMA_DURATION},
    {.key = "query_log_file", .kind = SCHEMA_PATH},
    {.key = "scrape_failure_log_file", .kind = SCHEMA_PATH},
    {.key = "external_labels", .kind = SCHEMA_STRING_MAP},
    {.key = "body_size_limit", .kind = SCHEMA_SIZE},
    {.key = "sample_limit", .kind = SCHEMA_INT},
    {.key = "target_limit", .kind = SCHEMA_INT},
    {.key = "label_limit", .kind = SCHEMA_INT},
    {.key = "label_name_length_limit", .kind = SCHEMA_INT},
    {.key = "label_value_length_limit", .kind = SCHEMA_INT},
    {.key = "keep_dropped_targets", .kind = SCHEMA_INT},
    {.key = "metric_name_validation_scheme", .kind = SCHEMA_STRING, .choices = "utf8|legacy"},
    {.key = "metric_name_escaping_scheme",
     .kind = SCHEMA_STRING,
     .choices = "allow-utf-8|underscores|dots|values"},
    {.key = "scrape_native_histograms", .kind = SCHEMA_BOOL},
    {.key = "convert_classic_histograms_to_nhcb", .kind = SCHEMA_BOOL},
    {.key = "always_scrape_classic_histograms", .kind = SCHEMA_BOOL},
    {.key = "extra_scrape_metrics", .kind = SCHEMA_BOOL},
    END,
};

static const schema_field scrape_config[] = {
    {.key = "job_name", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    {.key = "honor_labels", .kind = SCHEMA_BOOL},
    {.key = "honor_timestamps", .kind = SCHEMA_BOOL, .silent = "true", .flags = SCHEMA_ALWAYS},
    {.key = "track_timestamps_staleness", .kind = SCHEMA_BOOL, .flags = SCHEMA_ALWAYS},
    {.key = "params", .kind = SCHEMA_STRINGS_MAP},
    {.key = "scrape_interval", .kind = SCHEMA_DURATION, .flags = SCHEMA_INHERITS},
    {.key = "scrape_timeout", .kind = SCHEMA_DURATION, .flags = SCHEMA_INHERITS},
    {.key = "scrape_protocols", .kind = SCHEMA_STRINGS, .flags = SCHEMA_INHERITS},
    {.key = "fallback_scrape_protocol", .kind = SCHEMA_STRING},
    {.key = "scrape_native_histograms", .kind = SCHEMA_BOOL, .flags = SCHEMA_INHERITS},
    {.key = "always_scrape_classic_histograms",
     .kind = SCHEMA_BOOL,
     .flags = SCHEMA_ALWAYS | SCHEMA_INHERITS},
    {.key = "convert_classic_histograms_to_nhcb",
     .kind = SCHEMA_BOOL,
     .flags = SCHEMA_ALWAYS | SCHEMA_INHERITS},
    {.key = "extra_scrape_metrics", .kind = SCHEMA_BOOL, .flags = SCHEMA_INHERITS},
    {.key = "scrape_failure_log_file", .kind = SCHEMA_PATH, .flags = SCHEMA_INHERITS},
    {.key = "metrics_path", .kind = SCHEMA_STRING, .silent = "/metrics"},
    {.key = "scheme", .kind = SCHEMA_STRING, .silent = "http"},
    {.key = "enable_compression", .kind = SCHEMA_BOOL, .silent = "true", .flags = SCHEMA_ALWAYS},
    {.key = "body_size_limit", .kind = SCHEMA_SIZE, .flags = SCHEMA_INHERITS},
    {.key = "sample_limit", .kind = SCHEMA_INT, .flags = SCHEMA_INHERITS},
    {.key = "target_limit", .kind = SCHEMA_INT, .flags = SCHEMA_INHERITS},
    {.key = "label_limit", .kind = SCHEMA_INT, .flags = SCHEMA_INHERITS},
    {.key = "label_name_length_limit", .kind = SCHEMA_INT, .flags = SCHEMA_INHERITS},
    {.key = "label_value_length_limit", .kind = SCHEMA_INT, .flags = SCHEMA_INHERITS},
    {.key = "native_histogram_bucket_limit", .kind = SCHEMA_INT},
    {.key = "native_histogram_min_bucket_factor", .kind = SCHEMA_FLOAT},
    {.key = "keep_dropped_targets", .kind = SCHEMA_INT, .flags = SCHEMA_INHERITS},
    {.key = "metric_name_validation_scheme",
     .kind = SCHEMA_STRING,
     .choices = "utf8|legacy",
     .silent = "utf8",
     .flags = SCHEMA_INHERITS},
    {.key = "metric_name_escaping_scheme",
     .kind = SCHEMA_STRING,
     .choices = "allow-utf-8|underscores|dots|values",
     .silent = "allow-utf-8",
     .flags = SCHEMA_INHERITS},
    INLINE(schema_http_client),
    {.key = "relabel_configs", .kind = SCHEMA_SECTIONS, .fields = relabel},
    {.key = "metric_relabel_configs", .kind = SCHEMA_SECTIONS, .fields = relabel},
    INLINE(schema_discovery),
    END,
};

static const schema_field alertmanager[] = {
    INLINE(schema_http_client),
    {.key = "sigv4", .kind = SCHEMA_SECTION, .fields = schema_sigv4, .flags = SCHEMA_GIVEN},
    {.key = "scheme", .kind = SCHEMA_STRING, .silent = "http"},
    {.key = "path_prefix", .kind = SCHEMA_STRING},
    {.key = "timeout", .kind = SCHEMA_DURATION, .silent = "10s"},
    {.key = "api_version", .kind = SCHEMA_STRING, .choices = "v2", .silent = "v2"},
    {.key = "relabel_configs", .kind = SCHEMA_SECTIONS, .fields = relabel},
    {.key = "alert_relabel_configs", .kind = SCHEMA_SECTIONS, .fields = relabel},
    INLINE(schema_discovery),
    END,
};

static const schema_field alerting[] = {
    {.key = "alert_relabel_configs", .kind = SCHEMA_SECTIONS, .fields = relabel},
    {.key = "alertmanagers", .kind = SCHEMA_SECTIONS, .fields = alertmanager},
    END,
};

static const schema_field queue_config[] = {
    {.key = "capacity", .kind = SCHEMA_INT, .silent = "10000"},
    {.key = "max_shards", .kind = SCHEMA_INT, .silent = "50"},
    {.key = "min_shards", .kind = SCHEMA_INT, .silent = "1"},
    {.key = "max_samples_per_send", .kind = SCHEMA_INT, .silent = "2000"},
    {.key = "batch_send_deadline", .kind = SCHEMA_DURATION, .silent = "5s"},
    {.key = "min_backoff", .kind = SCHEMA_DURATION, .silent = "30ms"},
    {.key = "max_backoff", .kind = SCHEMA_DURATION, .silent = "5s"},
    {.key = "retry_on_http_429", .kind = SCHEMA_BOOL},
    {.key = "sample_age_limit", .kind = SCHEMA_DURATION},
    END,
};

static const schema_field metadata_config[] = {
    {.key = "send", .kind = SCHEMA_BOOL, .silent = "true", .flags = SCHEMA_ALWAYS},
    {.key = "send_interval", .kind = SCHEMA_DURATION, .silent = "1m", .flags = SCHEMA_ALWAYS},
    {.key = "max_samples_per_send", .kind = SCHEMA_INT, .silent = "2000"},
    END,
};

static const schema_field remote_write[] = {
    {.key = "url", .kind = SCHEMA_URL},
    {.key = "remote_timeout", .kind = SCHEMA_DURATION, .silent = "30s"},
    {.key = "headers", .kind = SCHEMA_STRING_MAP},
    {.key = "write_relabel_configs", .kind = SCHEMA_SECTIONS, .fields = relabel},
    {.key = "name", .kind = SCHEMA_STRING},
    {.key = "send_exemplars", .kind = SCHEMA_BOOL},
    {.key = "send_native_histograms", .kind = SCHEMA_BOOL},
    {.key = "round_robin_dns", .kind = SCHEMA_BOOL},
    {.key = "failed_request_logging", .kind = SCHEMA_BOOL},
    {.key = "protobuf_message",
     .kind = SCHEMA_STRING,
     .choices = "prometheus.WriteRequest|io.prometheus.write.v2.Request",
     .silent = "prometheus.WriteRequest"},
    INLINE(schema_http1_client),
    {.key = "queue_config", .kind = SCHEMA_SECTION, .fields = queue_config},
    {.key = "metadata_config", .kind = SCHEMA_SECTION, .fields = metadata_config},
    {.key = "sigv4", .kind = SCHEMA_SECTION, .fields = schema_sigv4, .flags = SCHEMA_GIVEN},
    {.key = "azuread", .kind = SCHEMA_SECTION, .fields = schema_azuread, .flags = SCHEMA_GIVEN},
    {.key = "google_iam",
     .kind = SCHEMA_SECTION,
     .fields = schema_google_iam,
     .flags = SCHEMA_GIVEN},
    END,
};

static const schema_field remote_read[] = {
    {.key = "url", .kind = SCHEMA_URL},
    {.key = "remote_timeout", .kind = SCHEMA_DURATION, .silent = "1m"},
    {.key = "chunked_read_limit", .kind = SCHEMA_INT, .silent = "50000000"},
    {.key = "headers", .kind = SCHEMA_STRING_MAP},
    {.key = "read_recent", .kind = SCHEMA_BOOL},
    {.key = "name", .kind = SCHEMA_STRING},
    INLINE(schema_http_client),
    {.key = "required_matchers", .kind = SCHEMA_STRING_MAP},
    {.key = "filter_external_labels", .kind = SCHEMA_BOOL, .silent = "true"},
    END,
};

static const schema_field retention[] = {
    {.key = "time", .kind = SCHEMA_DURATION},
    {.key = "size", .kind = SCHEMA_SIZE},
    {.key = "percentage", .kind = SCHEMA_FLOAT},
    END,
};

static const schema_field chunk_encoding[] = {
    {.key = "floats", .kind = SCHEMA_STRING, .choices = "xor|xor2"},
    END,
};

static const schema_field tsdb_config[] = {
    {.key = "outofordertimewindow", .kind = SCHEMA_INT, .flags = SCHEMA_ALWAYS},
    {.key = "out_of_order_time_window", .kind = SCHEMA_DURATION},
    {.key = "stale_series_compaction_threshold", .kind = SCHEMA_FLOAT},
    {.key = "chunk_encoding", .kind = SCHEMA_SECTION, .fields = chunk_encoding},
    {.key = "retention", .kind = SCHEMA_SECTION, .fields = retention},
    END,
};

static const schema_field exemplars[] = {
    {.key = "max_exemplars", .kind = SCHEMA_INT},
    END,
};

static const schema_field storage_config[] = {
    {.key = "tsdb", .kind = SCHEMA_SECTION, .fields = tsdb_config, .flags = SCHEMA_GIVEN},
    {.key = "exemplars", .kind = SCHEMA_SECTION, .fields = exemplars, .flags = SCHEMA_GIVEN},
    END,
};

static const schema_field tracing[] = {
    {.key = "client_type", .kind = SCHEMA_STRING, .choices = "grpc|http", .silent = "grpc"},
    {.key = "endpoint", .kind = SCHEMA_STRING},
    {.key = "sampling_fraction", .kind = SCHEMA_FLOAT},
    {.key = "insecure", .kind = SCHEMA_BOOL},
    {.key = "tls_config", .kind = SCHEMA_SECTION, .fields = schema_tls},
    {.key = "headers", .kind = SCHEMA_STRING_MAP},
    {.key = "compression", .kind = SCHEMA_STRING, .choices = "gzip"},
    {.key = "timeout", .kind = SCHEMA_DURATION},
    END,
};

static const schema_field otlp[] = {
    {.key = "promote_all_resource_attributes", .kind = SCHEMA_BOOL},
    {.key = "promote_resource_attributes", .kind = SCHEMA_STRINGS},
    {.key = "ignore_resource_attributes", .kind = SCHEMA_STRINGS},
    {.key = "translation_strategy",
     .kind = SCHEMA_STRING,
     .choices = "UnderscoreEscapingWithSuffixes|UnderscoreEscapingWithoutSuffixes|"
                "NoUTF8EscapingWithSuffixes|"
                "NoTranslation",
     .silent = "UnderscoreEscapingWithSuffixes"},
    {.key = "keep_identifying_resource_attributes", .kind = SCHEMA_BOOL},
    {.key = "convert_histograms_to_nhcb", .kind = SCHEMA_BOOL},
    {.key = "promote_scope_metadata", .kind = SCHEMA_BOOL},
    {.key = "label_name_underscore_sanitization", .kind = SCHEMA_BOOL},
    {.key = "label_name_preserve_multiple_underscores", .kind = SCHEMA_BOOL},
    END,
};

static const schema_field runtime[] = {
    {.key = "gogc", .kind = SCHEMA_INT, .silent = "75", .flags = SCHEMA_NONZERO},
    END,
};

const schema_field schema_config[] = {
    {.key = "global", .kind = SCHEMA_SECTION, .fields = global, .flags = SCHEMA_ALWAYS},
    {.key = "runtime", .kind = SCHEMA_SECTION, .fields = runtime},
    {.key = "alerting", .kind = SCHEMA_SECTION, .fields = alerting},
    {.key = "rule_files", .kind = SCHEMA_PATHS},
    {.key = "scrape_config_files", .kind = SCHEMA_PATHS},
    {.key = "scrape_configs", .kind = SCHEMA_SECTIONS, .fields = scrape_config},
    {.key = "storage", .kind = SCHEMA_SECTION, .fields = storage_config},
    {.key = "tracing", .kind = SCHEMA_SECTION, .fields = tracing, .flags = SCHEMA_GIVEN},
    {.key = "remote_write", .kind = SCHEMA_SECTIONS, .fields = remote_write},
    {.key = "remote_read", .kind = SCHEMA_SECTIONS, .fields = remote_read},
    {.key = "otlp", .kind = SCHEMA_SECTION, .fields = otlp},
    END,
};

const schema_field schema_scrape_file[] = {
    {.key = "scrape_configs", .kind = SCHEMA_SECTIONS, .fields = scrape_config},
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
    case SCHEMA_PATHS:
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

/* features.c - /api/v1/features: categories of names that are on or off, in Prometheus' words. */
#include "server/api/reply.h"
#include "server/api/status.h"

typedef struct feature {
    const char *name;
    bool on;
} feature;

static void put_pair(fer_buf *out, const char *name, bool on)
{
    if (out->p[out->n - 1] != '{')
        fer_buf_putc(out, ',');
    fer_buf_printf(out, "\"%s\":%s", name, on ? "true" : "false");
}

static void put_category(fer_buf *out, const char *name, const feature *f, size_t n)
{
    if (out->p[out->n - 1] != '{')
        fer_buf_putc(out, ',');
    fer_buf_printf(out, "\"%s\":{", name);
    for (size_t i = 0; i < n; i++)
        put_pair(out, f[i].name, f[i].on);
    fer_buf_putc(out, '}');
}

#define PUT(out, name, list) put_category(out, name, list, sizeof(list) / sizeof *(list))

static void put_server(fer_buf *out, const app *a)
{
    const feature api[] = {
        {"admin", a->o.enable_admin_api},
        {"exclude_alerts", true},
        {"label_values_match", true},
        {"lifecycle", a->o.enable_lifecycle},
        {"openapi_3.1", true},
        {"openapi_3.2", true},
        {"otlp_write_receiver", a->o.enable_otlp_receiver},
        {"query_stats", true},
        {"query_warnings", true},
        {"remote_write_receiver", a->o.enable_remote_write_receiver},
        {"search", a->o.enable_search},
        {"search_fuzz_alg_jarowinkler", true},
        {"search_fuzz_alg_subsequence", true},
        {"time_range_labels", true},
        {"time_range_series", true},
    };
    const feature prometheus[] = {
        {"agent_mode", false}, {"auto_reload_config", false}, {"server_mode", true}};
    PUT(out, "api", api);
    PUT(out, "prometheus", prometheus);
}

static void put_language(fer_buf *out, const promql_features *f)
{
    const feature promql[] = {
        {"anchored", f->extended_range_selectors},
        {"at_modifier", true},
        {"bool", true},
        {"by", true},
        {"delayed_name_removal", f->delayed_name_removal},
        {"duration_expr", true},
        {"fill", f->fill_modifiers},
        {"fill_left", f->fill_modifiers},
        {"fill_right", f->fill_modifiers},
        {"group_left", true},
        {"group_right", true},
        {"ignoring", true},
        {"negative_offset", true},
        {"offset", true},
        {"on", true},
        {"per_query_lookback_delta", true},
        {"per_step_stats", f->per_step_stats},
        {"smoothed", f->extended_range_selectors},
        {"subqueries", true},
        {"type_and_unit_labels", f->type_and_unit_labels},
        {"without", true},
    };
    PUT(out, "promql", promql);
}

static void put_functions(fer_buf *out, bool experimental)
{
    const promql_function *f = promql_functions();
    fer_buf_puts(out, STR(",\"promql_functions\":{"));
    for (int i = 0; i < FN_COUNT; i++)
        put_pair(out, f[i].name, !f[i].experimental || experimental);
    fer_buf_putc(out, '}');
}

static void put_operators(fer_buf *out, bool experimental)
{
    static const char *const matching[] = {"=", "=~", "!~", "@"};
    fer_buf_puts(out, STR(",\"promql_operators\":{"));
    for (int o = OP_ADD; o <= OP_UNLESS; o++)
        put_pair(out, op_text((op)o), true);
    for (size_t i = 0; i < sizeof matching / sizeof *matching; i++)
        put_pair(out, matching[i], true);
    for (int g = AGG_SUM; g <= AGG_LIMIT_RATIO; g++)
        put_pair(out, agg_text((agg)g), (g != AGG_LIMITK && g != AGG_LIMIT_RATIO) || experimental);
    fer_buf_putc(out, '}');
}

void api_features(http_req *r, void *arg)
{
    app *a = arg;
    const promql_features *f = &a->limits.features;
    const feature store[] = {{"delayed_compaction", false},
                             {"exemplar_storage", a->o.exemplar_storage},
                             {"isolation", true},
                             {"native_histograms", true},
                             {"use_uncached_io", false}};
    fer_buf out;
    api_begin(&out);
    fer_buf_putc(&out, '{');
    put_server(&out, a);
    put_language(&out, f);
    put_functions(&out, f->experimental_functions);
    put_operators(&out, f->experimental_functions);
    PUT(&out, "tsdb", store);
    fer_buf_putc(&out, '}');
    api_end(r, &out, NULL);
}

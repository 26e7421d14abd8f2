/* openapi.c - one row an endpoint, written out as YAML. */
#include "server/api/openapi.h"

enum { GET = HTTP_GET, POST = HTTP_POST, PUT = HTTP_PUT, PAGE_BYTES_MAX = 1 << 20 };

/* params: names by blanks; NAME! must be there, NAME[] may come several times, NAME# is a number. */
static const struct {
    const char *path, *summary, *params;
    unsigned methods;
} endpoints[] = {
    {"/query", "Evaluate a query at one time", "query! time timeout limit# lookback_delta stats",
     GET | POST},
    {"/query_range", "Evaluate a query over a range of times",
     "query! start! end! step! timeout limit# lookback_delta stats", GET | POST},
    {"/query_exemplars", "Exemplars of the series in a query", "query! start end", GET | POST},
    {"/format_query", "Print a query in its usual form", "query!", GET | POST},
    {"/parse_query", "The tree of a query", "query!", GET | POST},
    {"/labels", "Names of labels", "match[] start end limit#", GET | POST},
    {"/label/{name}/values", "Values of a label", "match[] start end limit#", GET},
    {"/series", "Label sets of series", "match[]! start end limit#", GET | POST},
    {"/metadata", "Type, help and unit of metrics", "metric limit# limit_per_metric#", GET},
    {"/search/metric_names", "Names of metrics that fit what is typed",
     "search[] match[] fuzz_threshold# fuzz_alg case_sensitive include_score include_metadata "
     "sort_by sort_dir start end limit# batch_size#",
     GET | POST},
    {"/search/label_names", "Names of labels that fit what is typed",
     "search[] match[] fuzz_threshold# fuzz_alg case_sensitive include_score sort_by sort_dir "
     "start end limit# batch_size#",
     GET | POST},
    {"/search/label_values", "Values of a label that fit what is typed",
     "label! search[] match[] fuzz_threshold# fuzz_alg case_sensitive include_score sort_by "
     "sort_dir start end limit# batch_size#",
     GET | POST},
    {"/rules", "Rules by their groups",
     "type rule_name[] rule_group[] file[] match[] exclude_alerts group_limit# group_next_token",
     GET},
    {"/alerts", "Alerts that are active", "", GET},
    {"/alertmanagers", "Alertmanagers found", "", GET},
    {"/targets", "Targets of scraping", "state scrapePool", GET},
    {"/targets/metadata", "Metadata that targets tell", "match_target metric limit#", GET},
    {"/targets/relabel_steps", "What relabeling makes of labels, step by step",
     "scrapePool! labels!", GET},
    {"/scrape_pools", "Names of scrape pools", "", GET},
    {"/scrape_pools/config", "Configuration of a scrape pool", "scrapePool!", GET},
    {"/features", "What this server can do", "", GET},
    {"/notifications", "What an operator should know now", "", GET},
    {"/notifications/live", "The same as server-sent events", "", GET},
    {"/status/buildinfo", "Version and build", "", GET},
    {"/status/config", "The configuration in force", "", GET},
    {"/status/flags", "Flags and their values", "", GET},
    {"/status/runtimeinfo", "The running process", "", GET},
    {"/status/self_metrics", "The server's own metrics", "metric_name_pattern", GET},
    {"/status/tsdb", "Cardinality of the head", "limit#", GET},
    {"/status/tsdb/blocks", "Blocks that are served", "", GET},
    {"/status/walreplay", "How far the log has been replayed", "", GET},
    {"/read", "Remote read: snappy and protobuf", "", POST},
    {"/write", "Remote write: snappy and protobuf", "", POST},
    {"/otlp/v1/metrics", "OTLP metrics", "", POST},
    {"/admin/tsdb/delete_series", "Delete series", "match[]! start end", POST | PUT},
    {"/admin/tsdb/clean_tombstones", "Write blocks anew without what is deleted", "", POST | PUT},
    {"/admin/tsdb/snapshot", "Link blocks into a snapshot", "skip_head", POST | PUT},
    {"/openapi.yaml", "This text", "openapi_version", GET},
};

static fer_str next_word(fer_str *rest)
{
    const char *blank = rest->n == 0 ? NULL : memchr(rest->p, ' ', rest->n);
    fer_str word = str_head(*rest, blank == NULL ? rest->n : (size_t)(blank - rest->p));
    *rest = str_from(*rest, word.n + 1);
    return word;
}

static void put_param(fer_buf *out, fer_str word)
{
    bool required = word.p[word.n - 1] == '!';
    word.n -= required;
    bool number = word.p[word.n - 1] == '#', list = word.p[word.n - 1] == ']';
    word.n -= number;
    fer_buf_printf(out,
                   "        - name: \"%.*s\"\n          in: query\n          required: %s\n"
                   "          schema: {type: %s}\n",
                   STR_FMT(word), required ? "true" : "false",
                   list     ? "array, items: {type: string}"
                   : number ? "integer"
                            : "string");
}

/* A POST takes the parameters in a form as well, and then none must be in the URL. */
static void put_form(fer_buf *out, fer_str params)
{
    fer_buf_puts(out, STR("      requestBody:\n        content:\n"
                          "          application/x-www-form-urlencoded:\n            schema:\n"
                          "              type: object\n              properties:\n"));
    while (params.n != 0) {
        fer_str word = next_word(&params);
        word.n -= word.p[word.n - 1] == '!';
        bool number = word.p[word.n - 1] == '#', list = word.p[word.n - 1] == ']';
        word.n -= number;
        fer_buf_printf(out, "                \"%.*s\": {type: %s}\n", STR_FMT(word),
                       list     ? "array, items: {type: string}"
                       : number ? "integer"
                                : "string");
    }
}

static void put_operation(fer_buf *out, size_t i, const char *method, bool form)
{
    fer_str params = str_of(endpoints[i].params);
    bool in_path = memchr(endpoints[i].path, '{', strlen(endpoints[i].path)) != NULL;
    fer_buf_printf(out, "    %s:\n      summary: \"%s\"\n", method, endpoints[i].summary);
    if (in_path || (!form && params.n != 0))
        fer_buf_puts(out, STR("      parameters:\n"));
    if (in_path)
        fer_buf_puts(out, STR("        - name: name\n          in: path\n          required: true\n"
                              "          schema: {type: string}\n"));
    if (form && params.n != 0)
        put_form(out, params);
    while (!form && params.n != 0)
        put_param(out, next_word(&params));
    fer_buf_puts(out, STR("      responses:\n        default:\n"
                          "          description: the answer, or what is wrong\n"
                          "          content:\n            application/json:\n"
                          "              schema: {$ref: \"#/components/schemas/Answer\"}\n"));
}

static void put_answer_schema(fer_buf *out)
{
    fer_buf_puts(out, STR("components:\n  schemas:\n    Answer:\n      type: object\n"
                          "      required: [status]\n      properties:\n"
                          "        status: {type: string, enum: [success, error]}\n"
                          "        data: {description: what was asked for}\n"
                          "        errorType: {type: string}\n        error: {type: string}\n"
                          "        warnings: {type: array, items: {type: string}}\n"
                          "        infos: {type: array, items: {type: string}}\n"));
}

void openapi_put(fer_buf *out, const char *version, const char *route_prefix, bool newer)
{
    fer_buf_printf(out,
                   "openapi: %s\ninfo:\n  title: Ferula API\n  version: \"%s\"\nservers:\n"
                   "  - url: %s/api/v1\npaths:\n",
                   newer ? "3.2.0" : "3.1.0", version, route_prefix);
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
        fer_buf_printf(out, "  %s:\n", endpoints[i].path);
        if ((endpoints[i].methods & GET) != 0)
            put_operation(out, i, "get", false);
        if ((endpoints[i].methods & POST) != 0)
            put_operation(out, i, "post", true);
        if ((endpoints[i].methods & PUT) != 0)
            put_operation(out, i, "put", true);
    }
    put_answer_schema(out);
}

void api_openapi(http_req *r, void *arg)
{
    app *a = arg;
    bool newer = str_has_prefix(http_req_param(r, "openapi_version"), STR("3.2"));
    fer_buf out;
    fer_buf_init(&out, PAGE_BYTES_MAX, NULL);
    openapi_put(&out, a->o.version, a->route_prefix, newer);
    http_resp_header(r, "Cache-Control", STR("no-cache, no-store, must-revalidate"));
    http_reply_buf(r, 200, "application/yaml; charset=utf-8", &out);
}

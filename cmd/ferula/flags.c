/* flags.c - one table of flags and a parser over it. */
#include "cmd/ferula/flags.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/num.h"
#include "base/text.h"
#include "base/vfs.h"

typedef enum kind { K_STRING, K_BOOL, K_DURATION, K_SIZE, K_UINT, K_ENUM, K_LIST } kind;

typedef struct flag_def {
    const char *name;
    kind kind;
    const char *def;     /* default as status/flags shows it */
    const char *choices; /* K_ENUM: comma separated */
    bool effect;
    bool hidden;
    const char *help;
} flag_def;

enum { EFFECT = 1, NO_EFFECT = 0, HIDDEN = 1, SHOWN = 0 };

static const flag_def defs[] = {
    {"config.file", K_STRING, "prometheus.yml", NULL, EFFECT, SHOWN,
     "Prometheus configuration file path."},
    {"config.auto-reload", K_BOOL, "false", NULL, EFFECT, SHOWN,
     "Reload the configuration file when it changes."},
    {"config.auto-reload-interval", K_DURATION, "30s", NULL, EFFECT, SHOWN,
     "How often to look for changes, with --config.auto-reload or the feature auto-reload-config; "
     "1s at least."},
    {"web.listen-address", K_LIST, "0.0.0.0:9090", NULL, EFFECT, SHOWN,
     "Address to listen on for the API and telemetry. Can be repeated."},
    {"web.config.file", K_STRING, "", NULL, EFFECT, SHOWN,
     "Path to a file that can enable TLS or authentication."},
    {"web.read-timeout", K_DURATION, "5m", NULL, EFFECT, SHOWN,
     "How long a connection may stay open without a request. (Reading one has bounds of its own: "
     "10s for the head, "
     "30s without progress of the body.)"},
    {"web.max-connections", K_UINT, "512", NULL, EFFECT, SHOWN,
     "Maximum number of simultaneous connections across all listeners."},
    {"web.max-notifications-subscribers", K_UINT, "16", NULL, EFFECT, SHOWN,
     "Limits the subscribers of live notifications."},
    {"web.external-url", K_STRING, "", NULL, EFFECT, SHOWN,
     "The URL under which the server is externally reachable; its path is the default prefix."},
    {"web.route-prefix", K_STRING, "", NULL, EFFECT, SHOWN,
     "Prefix for the internal routes of web endpoints."},
    {"web.local-assets", K_STRING, "", NULL, NO_EFFECT, SHOWN,
     "Path to the assets of the web interface (Debian's build)."},
    {"web.user-assets", K_STRING, "", NULL, NO_EFFECT, SHOWN,
     "Path to static asset directory, available at /user."},
    {"web.enable-lifecycle", K_BOOL, "false", NULL, EFFECT, SHOWN,
     "Enable shutdown and reload via HTTP request."},
    {"web.enable-admin-api", K_BOOL, "false", NULL, EFFECT, SHOWN,
     "Enable API endpoints for admin control actions."},
    {"web.enable-remote-write-receiver", K_BOOL, "false", NULL, EFFECT, SHOWN,
     "Enable API endpoint accepting remote write requests."},
    {"web.remote-write-receiver.accepted-protobuf-messages", K_LIST,
     "prometheus.WriteRequest,io.prometheus.write.v2.Request", NULL, EFFECT, SHOWN,
     "Remote write protobuf messages to accept."},
    {"web.enable-otlp-receiver", K_BOOL, "false", NULL, EFFECT, SHOWN,
     "Enable API endpoint accepting OTLP write requests."},
    {"web.console.templates", K_STRING, "consoles", NULL, NO_EFFECT, SHOWN,
     "Path to the console template directory."},
    {"web.console.libraries", K_STRING, "console_libraries", NULL, NO_EFFECT, SHOWN,
     "Path to the console library directory."},
    {"web.page-title", K_STRING, "Prometheus Time Series Collection and Processing Server", NULL,
     EFFECT, SHOWN, "Document title of the server's pages."},
    {"web.cors.origin", K_STRING, "", NULL, EFFECT, SHOWN,
     "Regex for CORS origin, fully anchored; by default same-origin only."},
    {"storage.tsdb.path", K_STRING, "data/", NULL, EFFECT, SHOWN, "Base path for metrics storage."},
    {"storage.tsdb.retention.time", K_DURATION, "0s", NULL, EFFECT, SHOWN,
     "How long to retain samples in storage; 15d when no limit is set."},
    {"storage.tsdb.retention.size", K_SIZE, "0B", NULL, EFFECT, SHOWN,
     "Maximum number of bytes that can be stored for blocks."},
    {"storage.tsdb.no-lockfile", K_BOOL, "false", NULL, EFFECT, SHOWN,
     "Do not create a lockfile in the data directory."},
    {"storage.tsdb.wal-sync", K_ENUM, "group", "group,interval,none", EFFECT, SHOWN,
     "When an accepted write request is durable: before the answer, within a second, or when the "
     "system likes."},
    {"storage.tsdb.head-chunks-write-queue-size", K_UINT, "0", NULL, NO_EFFECT, SHOWN,
     "Size of the queue through which head chunks are written to disk."},
    {"storage.tsdb.min-block-duration", K_DURATION, "2h", NULL, EFFECT, HIDDEN,
     "Minimum duration of a data block before being persisted."},
    {"storage.tsdb.max-block-duration", K_DURATION, "0s", NULL, EFFECT, HIDDEN,
     "Maximum duration compacted blocks may span."},
    {"storage.tsdb.max-block-chunk-segment-size", K_SIZE, "0B", NULL, EFFECT, HIDDEN,
     "The maximum size for a single chunk segment in a block."},
    {"storage.tsdb.wal-segment-size", K_STRING, "0B", NULL, NO_EFFECT, HIDDEN,
     "Size at which to split the WAL segment files."},
    {"storage.tsdb.wal-compression", K_BOOL, "true", NULL, NO_EFFECT, HIDDEN, "Compress the WAL."},
    {"storage.tsdb.wal-compression-type", K_ENUM, "snappy", "snappy,zstd", NO_EFFECT, HIDDEN,
     "Compression algorithm for the WAL."},
    {"storage.tsdb.allow-overlapping-compaction", K_BOOL, "true", NULL, EFFECT, HIDDEN,
     "Allow compaction of overlapping blocks."},
    {"storage.tsdb.samples-per-chunk", K_UINT, "120", NULL, NO_EFFECT, HIDDEN,
     "Target number of samples per chunk."},
    {"storage.tsdb.delayed-compaction.max-percent", K_UINT, "10", NULL, NO_EFFECT, HIDDEN,
     "Upper limit of the random compaction delay."},
    {"storage.tsdb.delay-compact-file.path", K_STRING, "", NULL, EFFECT, SHOWN,
     "Path to a file that holds back the compaction of blocks not yet uploaded."},
    {"storage.tsdb.block-reload-interval", K_DURATION, "1m", NULL, NO_EFFECT, HIDDEN,
     "How often to look for new blocks."},
    {"storage.remote.flush-deadline", K_DURATION, "1m", NULL, NO_EFFECT, SHOWN,
     "How long to wait flushing samples on shutdown or reload."},
    {"storage.remote.read-sample-limit", K_UINT, "50000000", NULL, EFFECT, SHOWN,
     "Maximum number of samples to return in one remote read."},
    {"storage.remote.read-concurrent-limit", K_UINT, "10", NULL, EFFECT, SHOWN,
     "Maximum number of concurrent remote read calls."},
    {"storage.remote.read-max-bytes-in-frame", K_UINT, "1048576", NULL, EFFECT, SHOWN,
     "Maximum bytes in one frame of streamed remote read."},
    {"web.search.max-limit", K_UINT, "10000", NULL, EFFECT, SHOWN,
     "The greatest limit that the search API takes (--enable-feature=search-api); 0: any."},
    {"rules.alert.for-outage-tolerance", K_DURATION, "1h", NULL, NO_EFFECT, SHOWN,
     "Max time to tolerate an outage for restoring the for state of alerts."},
    {"rules.alert.for-grace-period", K_DURATION, "10m", NULL, NO_EFFECT, SHOWN,
     "Minimum duration between alert and restored for state."},
    {"rules.alert.resend-delay", K_DURATION, "1m", NULL, NO_EFFECT, SHOWN,
     "Minimum time to wait before resending an alert."},
    {"rules.max-concurrent-evals", K_UINT, "4", NULL, NO_EFFECT, SHOWN,
     "Concurrency limit for independent rules."},
    {"scrape.adjust-timestamps", K_BOOL, "true", NULL, NO_EFFECT, HIDDEN,
     "Align scrape timestamps."},
    {"scrape.timestamp-tolerance", K_DURATION, "2ms", NULL, NO_EFFECT, HIDDEN,
     "Timestamp tolerance."},
    {"scrape.discovery-reload-interval", K_DURATION, "5s", NULL, NO_EFFECT, HIDDEN,
     "Interval used by scrape manager to throttle target group updates."},
    {"alertmanager.notification-queue-capacity", K_UINT, "10000", NULL, NO_EFFECT, SHOWN,
     "The capacity of the queue for pending alerts."},
    {"alertmanager.notification-batch-size", K_UINT, "256", NULL, NO_EFFECT, SHOWN,
     "The maximum number of notifications per batch."},
    {"alertmanager.drain-notification-queue-on-shutdown", K_BOOL, "true", NULL, NO_EFFECT, SHOWN,
     "Send outstanding alerts when shutting down."},
    {"query.lookback-delta", K_DURATION, "5m", NULL, EFFECT, SHOWN,
     "The maximum lookback duration for retrieving metrics during expression evaluations."},
    {"query.timeout", K_DURATION, "2m", NULL, EFFECT, SHOWN,
     "Maximum time a query may take before being aborted."},
    {"query.max-concurrency", K_UINT, "20", NULL, EFFECT, SHOWN,
     "Maximum number of queries executed concurrently."},
    {"query.max-samples", K_UINT, "50000000", NULL, EFFECT, SHOWN,
     "Maximum number of samples a single query can load into memory."},
    {"enable-feature", K_LIST, "", NULL, EFFECT, SHOWN, "Comma separated feature names to enable."},
    {"auto-gomaxprocs", K_BOOL, "true", NULL, NO_EFFECT, SHOWN, "Accepted for compatibility."},
    {"auto-gomemlimit", K_BOOL, "true", NULL, NO_EFFECT, SHOWN, "Accepted for compatibility."},
    {"auto-gomemlimit.ratio", K_STRING, "0.9", NULL, NO_EFFECT, SHOWN,
     "Accepted for compatibility."},
    {"log.level", K_ENUM, "info", "debug,info,warn,error", EFFECT, SHOWN,
     "Only log messages with the given severity or above."},
    {"log.format", K_ENUM, "logfmt", "logfmt,json", EFFECT, SHOWN,
     "Output format of log messages."},
};
enum { N_FLAGS = sizeof defs / sizeof *defs, LIST_MAX = 64, LISTEN_MAX = 16 };

typedef struct value {
    bool set;
    fer_str texts[LIST_MAX]; /* scalars use the first */
    size_t n;
} value;

struct flags {
    fer_arena *a;
    value v[N_FLAGS];
    app_flag shown[N_FLAGS];
    const char *listen[LISTEN_MAX];
};

static int find_def(fer_str name)
{
    for (int i = 0; i < N_FLAGS; i++)
        if (str_eq(name, str_of(defs[i].name)))
            return i;
    return -1;
}

static const char *nearest(fer_str name)
{
    const char *best = NULL;
    size_t best_distance = 6;
    for (int i = 0; i < N_FLAGS; i++) {
        size_t d = text_distance(name, str_of(defs[i].name));
        if (d < best_distance) {
            best = defs[i].name;
            best_distance = d;
        }
    }
    return best;
}

/* Of Prometheus' agent, or the flag that asks for it. */
static bool is_agents(fer_str name)
{
    return str_has_prefix(name, STR("storage.agent.")) ||
           str_has_prefix(name, STR("no-storage.agent.")) || str_eq(name, STR("agent"));
}

static fer_code unknown(fer_str name, fer_err *err)
{
    if (is_agents(name))
        return fer_fail(err, FER_UNSUPPORTED,
                        "The following flag can only be used in agent mode, which this server does "
                        "not have: --%.*s",
                        STR_FMT(name));
    const char *near = nearest(name);
    if (near == NULL)
        return fer_fail(err, FER_INVALID, "unknown long flag '--%.*s'", STR_FMT(name));
    return fer_fail(err, FER_INVALID, "unknown long flag '--%.*s', did you mean '--%s'?",
                    STR_FMT(name), near);
}

static fer_code set_value(flags *f, int i, fer_str text, fer_err *err)
{
    const flag_def *d = &defs[i];
    value *v = &f->v[i];
    if (v->set && d->kind != K_LIST)
        return fer_fail(err, FER_INVALID, "flag '%s' cannot be repeated", d->name);
    if (v->n == LIST_MAX)
        return fer_fail(err, FER_INVALID, "flag '%s' is given more than %d times", d->name,
                        LIST_MAX);
    v->set = true;
    v->texts[v->n++] = text;
    return FER_OK;
}

/* "--no-x" of a boolean x. */
static int find_negated(fer_str name)
{
    if (!str_has_prefix(name, STR("no-")))
        return -1;
    int i = find_def(str_from(name, 3));
    return i >= 0 && defs[i].kind == K_BOOL ? i : -1;
}

/* One argument; *used_next is set when the following one was its value. */
static fer_code parse_arg(flags *f, fer_str arg, const fer_str *next, bool *used_next, fer_err *err)
{
    if (!str_has_prefix(arg, STR("--")) || arg.n == 2)
        return fer_fail(err, FER_INVALID,
                        str_has_prefix(arg, STR("-")) && arg.n > 1 ? "unknown short flag '%.*s'"
                                                                   : "unexpected %.*s",
                        STR_FMT(arg));
    fer_str name = str_from(arg, 2);
    fer_str text = {NULL, 0};
    const char *eq = memchr(name.p, '=', name.n);
    if (eq != NULL) {
        text = str_from(name, (size_t)(eq + 1 - name.p));
        name.n = (size_t)(eq - name.p);
    }
    int i = find_def(name);
    int negated = i < 0 ? find_negated(name) : -1;
    if (negated >= 0 && eq == NULL)
        return set_value(f, negated, STR("false"), err);
    if (i < 0)
        return unknown(name, err);
    if (defs[i].kind == K_BOOL)
        return set_value(f, i, eq != NULL ? text : STR("true"), err);
    if (eq != NULL)
        return set_value(f, i, text, err);
    if (next == NULL || str_has_prefix(*next, STR("--")))
        return fer_fail(err, FER_INVALID, "expected argument for flag '--%.*s'", STR_FMT(name));
    *used_next = true;
    return set_value(f, i, *next, err);
}

typedef struct arg_list {
    fer_str *v;
    size_t n, cap;
} arg_list;

static fer_code push_arg(flags *f, arg_list *l, fer_str arg, fer_err *err)
{
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 64 : l->cap * 2;
        fer_str *v = fer_arena_grow(f->a, l->v, l->cap * sizeof *v, cap * sizeof *v);
        if (v == NULL)
            return fer_fail_budget(err, "arguments");
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = arg;
    return FER_OK;
}

/* @file: one argument a line; empty lines and lines beginning with # are skipped. */
static fer_code push_file(flags *f, arg_list *l, const char *path, fer_err *err)
{
    fer_str text;
    FER_TRY(vfs_read_all(vfs_posix(), path, 1 << 20, f->a, &text, err));
    while (text.n != 0) {
        const char *nl = memchr(text.p, '\n', text.n);
        fer_str line = str_head(text, nl == NULL ? text.n : (size_t)(nl - text.p));
        text = str_from(text, line.n + 1);
        if (line.n != 0 && line.p[0] != '#')
            FER_TRY(push_arg(f, l, line, err));
    }
    return FER_OK;
}

static fer_code gather_args(flags *f, int argc, char **argv, arg_list *l, fer_err *err)
{
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '@' && argv[i][1] != '\0')
            FER_TRY(push_file(f, l, argv[i] + 1, err));
        else
            FER_TRY(push_arg(f, l, str_of(argv[i]), err));
    }
    return FER_OK;
}

static fer_code parse_all(flags *f, int argc, char **argv, flags_action *action, fer_err *err)
{
    arg_list args = {0};
    FER_TRY(gather_args(f, argc, argv, &args, err));
    for (size_t i = 0; i < args.n; i++) {
        fer_str arg = args.v[i];
        if (str_eq(arg, STR("--help")) || str_eq(arg, STR("-h")) ||
            str_eq(arg, STR("--help-long"))) {
            *action = FLAGS_HELP;
            return FER_OK;
        }
        if (str_eq(arg, STR("--version"))) {
            *action = FLAGS_VERSION;
            return FER_OK;
        }
        bool used_next = false;
        FER_TRY(parse_arg(f, arg, i + 1 < args.n ? &args.v[i + 1] : NULL, &used_next, err));
        i += used_next;
    }
    *action = FLAGS_RUN;
    return FER_OK;
}

fer_code flags_parse(int argc, char **argv, flags **ret, flags_action *action, fer_err *err)
{
    flags *f = fer_calloc(1, sizeof *f);
    f->a = fer_arena_new(NULL, 0);
    fer_code c = parse_all(f, argc, argv, action, err);
    if (c != FER_OK) {
        flags_free(f);
        return c;
    }
    *ret = f;
    return FER_OK;
}

void flags_free(flags *f)
{
    if (f == NULL)
        return;
    fer_arena_free(f->a);
    fer_free(f);
}

static const value *value_of(const flags *f, const char *name)
{
    int i = find_def(str_of(name));
    return &f->v[i];
}

/* The text of a scalar flag: as given, or its default. */
static fer_str text_of(const flags *f, const char *name)
{
    const value *v = value_of(f, name);
    return v->set ? v->texts[v->n - 1] : str_of(defs[find_def(str_of(name))].def);
}

static const char *cstr_of(flags *f, const char *name)
{
    return fer_arena_dup(f->a, text_of(f, name)).p;
}

static bool bool_of(const flags *f, const char *name)
{
    return str_eq(text_of(f, name), STR("true"));
}

static int64_t duration_of(const flags *f, const char *name)
{
    int64_t ms = 0;
    fer_code c = text_parse_duration(text_of(f, name), &ms, NULL);
    (void)c; /* checked by check_values() */
    return ms;
}

static uint64_t size_of(const flags *f, const char *name)
{
    uint64_t v = 0;
    bool ok = text_parse_bytes(text_of(f, name), &v);
    (void)ok; /* checked by check_values() */
    return v;
}

static uint64_t uint_of(const flags *f, const char *name)
{
    uint64_t v = 0;
    num_parse_u64(text_of(f, name), &v);
    return v;
}

static bool is_choice(const char *choices, fer_str text)
{
    fer_str rest = str_of(choices);
    while (rest.n != 0) {
        const char *comma = memchr(rest.p, ',', rest.n);
        fer_str one = str_head(rest, comma == NULL ? rest.n : (size_t)(comma - rest.p));
        if (str_eq(one, text))
            return true;
        rest = str_from(rest, one.n + 1);
    }
    return false;
}

static fer_code check_value(const flag_def *d, fer_str text, fer_err *err)
{
    int64_t ms;
    uint64_t u;
    switch (d->kind) {
    case K_BOOL:
        if (!str_eq(text, STR("true")) && !str_eq(text, STR("false")))
            return fer_fail(err, FER_INVALID, "flag '--%s': invalid boolean \"%.*s\"", d->name,
                            STR_FMT(text));
        return FER_OK;
    case K_DURATION:
        if (text_parse_duration(text, &ms, err) != FER_OK)
            return fer_err_prefix(err, "flag '--%s'", d->name);
        return FER_OK;
    case K_SIZE:
        if (!text_parse_bytes(text, &u))
            return fer_fail(err, FER_INVALID, "flag '--%s': invalid size \"%.*s\"", d->name,
                            STR_FMT(text));
        return FER_OK;
    case K_UINT:
        if (!num_parse_u64(text, &u))
            return fer_fail(err, FER_INVALID, "flag '--%s': invalid number \"%.*s\"", d->name,
                            STR_FMT(text));
        return FER_OK;
    case K_ENUM:
        if (!is_choice(d->choices, text))
            return fer_fail(err, FER_INVALID,
                            "flag '--%s': enum value must be one of %s, got '%.*s'", d->name,
                            d->choices, STR_FMT(text));
        return FER_OK;
    default:
        return FER_OK;
    }
}

static fer_code check_values(const flags *f, fer_err *err)
{
    for (int i = 0; i < N_FLAGS; i++)
        for (size_t k = 0; k < f->v[i].n; k++)
            FER_TRY(check_value(&defs[i], f->v[i].texts[k], err));
    return FER_OK;
}

/* Values as status/flags shows them: lists joined by commas. */
static fer_code fill_shown(flags *f, fer_err *err)
{
    for (int i = 0; i < N_FLAGS; i++) {
        fer_str text = str_of(defs[i].def);
        for (size_t k = 0; k < f->v[i].n; k++)
            text = k == 0 ? f->v[i].texts[0]
                          : fer_arena_printf(f->a, "%.*s,%.*s", STR_FMT(text),
                                             STR_FMT(f->v[i].texts[k]));
        text = fer_arena_dup(f->a, text);
        if (text.p == NULL)
            return fer_fail_budget(err, "flags");
        f->shown[i] = (app_flag){defs[i].name, text.p};
    }
    return FER_OK;
}

/* Whether there is such a feature of the language. */
static bool set_feature(promql_features *p, fer_str name)
{
    const struct {
        const char *name;
        bool *on;
    } known[] = {
        {"promql-experimental-functions", &p->experimental_functions},
        {"promql-extended-range-selectors", &p->extended_range_selectors},
        {"promql-binop-fill-modifiers", &p->fill_modifiers},
        {"promql-delayed-name-removal", &p->delayed_name_removal},
        {"promql-per-step-stats", &p->per_step_stats},
        {"use-start-timestamps", &p->use_start_timestamps},
        {"type-and-unit-labels", &p->type_and_unit_labels},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (str_eq(name, str_of(known[i].name)))
            return *known[i].on = true;
    return false;
}

/* The next of the names in a comma separated text, which is moved behind it. */
static fer_str next_name(fer_str *rest)
{
    const char *comma = memchr(rest->p, ',', rest->n);
    fer_str one = str_head(*rest, comma == NULL ? rest->n : (size_t)(comma - rest->p));
    *rest = str_from(*rest, one.n + 1);
    return one;
}

static void fill_features(const flags *f, promql_features *p)
{
    const value *v = value_of(f, "enable-feature");
    for (size_t k = 0; k < v->n; k++)
        for (fer_str rest = v->texts[k]; rest.n != 0;)
            (void)set_feature(p, next_name(&rest));
}

static bool has_feature(const flags *f, fer_str name)
{
    const value *v = value_of(f, "enable-feature");
    for (size_t k = 0; k < v->n; k++)
        for (fer_str rest = v->texts[k]; rest.n != 0;)
            if (str_eq(next_name(&rest), name))
                return true;
    return false;
}

static fer_code fill_messages(const flags *f, unsigned *ret, fer_err *err)
{
    static const char flag[] = "web.remote-write-receiver.accepted-protobuf-messages";
    const value *v = value_of(f, flag);
    *ret = v->n == 0 ? APP_RW_V1 | APP_RW_V2 : 0;
    for (size_t k = 0; k < v->n; k++)
        for (fer_str rest = v->texts[k]; rest.n != 0;) {
            fer_str name = next_name(&rest);
            if (str_eq(name, str_of(app_rw_message_name(APP_RW_V1))))
                *ret |= APP_RW_V1;
            else if (str_eq(name, str_of(app_rw_message_name(APP_RW_V2))))
                *ret |= APP_RW_V2;
            else
                return fer_fail(err, FER_INVALID,
                                "flag '--%s': unknown remote write protobuf message %.*s, "
                                "supported: %s",
                                flag, STR_FMT(name), app_rw_message_name(APP_RW_V1 | APP_RW_V2));
        }
    return FER_OK;
}

static fer_code fill_listen(flags *f, app_options *o, fer_err *err)
{
    const value *v = value_of(f, "web.listen-address");
    o->listen = f->listen;
    if (v->n == 0)
        f->listen[o->n_listen++] = defs[find_def(STR("web.listen-address"))].def;
    if (v->n > LISTEN_MAX)
        return fer_fail(err, FER_INVALID, "flag '--web.listen-address': more than %d addresses",
                        LISTEN_MAX);
    for (size_t k = 0; k < v->n; k++)
        f->listen[o->n_listen++] = fer_arena_dup(f->a, v->texts[k]).p;
    return FER_OK;
}

static fer_code fill_auto_reload(const flags *f, app_options *o, fer_err *err)
{
    int64_t ms = duration_of(f, "config.auto-reload-interval");
    if (ms < 1000)
        return fer_fail(err, FER_INVALID,
                        "flag '--config.auto-reload-interval' must be at least 1s");
    bool on = bool_of(f, "config.auto-reload") || has_feature(f, STR("auto-reload-config"));
    o->auto_reload_ms = on ? ms : 0;
    return FER_OK;
}

static fer_code show_duration(flags *f, const char *name, int64_t ms, fer_err *err)
{
    fer_buf text;
    fer_buf_init(&text, 64, NULL);
    text_format_duration(&text, ms);
    fer_str kept = fer_arena_dup(f->a, fer_buf_str(&text));
    fer_buf_done(&text);
    if (kept.p == NULL)
        return fer_fail_budget(err, "flags");
    f->shown[find_def(str_of(name))].value = kept.p;
    return FER_OK;
}

/* What follows from the flags is shown in place of their defaults. */
static fer_code fill_retention(flags *f, app_options *o, fer_err *err)
{
    enum { SEGMENT_BYTES_MIN = 1 << 20 };
    o->retention_ms = duration_of(f, "storage.tsdb.retention.time");
    o->retention_bytes = size_of(f, "storage.tsdb.retention.size");
    o->min_block_ms = duration_of(f, "storage.tsdb.min-block-duration");
    o->max_block_ms = duration_of(f, "storage.tsdb.max-block-duration");
    o->keep_overlapping = !bool_of(f, "storage.tsdb.allow-overlapping-compaction");
    o->delay_compact_file = cstr_of(f, "storage.tsdb.delay-compact-file.path");
    o->chunk_segment_bytes = size_of(f, "storage.tsdb.max-block-chunk-segment-size");
    if (o->chunk_segment_bytes != 0 && o->chunk_segment_bytes < SEGMENT_BYTES_MIN)
        return fer_fail(err, FER_INVALID,
                        "flag 'storage.tsdb.max-block-chunk-segment-size' must be set over 1MB");
    o->default_retention = o->retention_ms == 0 && o->retention_bytes == 0;
    o->default_max_block = o->max_block_ms == 0;
    app_fill_retention(o);
    FER_TRY(show_duration(f, "storage.tsdb.retention.time", o->retention_ms, err));
    return show_duration(f, "storage.tsdb.max-block-duration", o->max_block_ms, err);
}

/* Without the flag a missing prometheus.yml is not an error: the defaults serve. */
static const char *config_file_of(flags *f)
{
    const char *path = cstr_of(f, "config.file");
    return value_of(f, "config.file")->set || access(path, F_OK) == 0 ? path : NULL;
}

fer_code flags_options(flags *f, app_options *ret, fer_log_level *level, fer_log_format *format,
                       fer_err *err)
{
    FER_TRY(check_values(f, err));
    FER_TRY(fill_shown(f, err));
    app_options o = {
        .max_connections = (unsigned)uint_of(f, "web.max-connections"),
        .idle_timeout_ms = duration_of(f, "web.read-timeout"),
        .data_path = cstr_of(f, "storage.tsdb.path"),
        .no_lockfile = bool_of(f, "storage.tsdb.no-lockfile"),
        .enable_remote_write_receiver = bool_of(f, "web.enable-remote-write-receiver"),
        .web_config_file = cstr_of(f, "web.config.file"),
        .external_url = cstr_of(f, "web.external-url"),
        .route_prefix = cstr_of(f, "web.route-prefix"),
        .page_title = cstr_of(f, "web.page-title"),
        .max_notification_subscribers = (unsigned)uint_of(f, "web.max-notifications-subscribers"),
        .cors_origin = cstr_of(f, "web.cors.origin"),
        .enable_otlp_receiver = bool_of(f, "web.enable-otlp-receiver"),
        .enable_lifecycle = bool_of(f, "web.enable-lifecycle"),
        .enable_admin_api = bool_of(f, "web.enable-admin-api"),
        .query_timeout_ms = duration_of(f, "query.timeout"),
        .query_max_samples = uint_of(f, "query.max-samples"),
        .query_max_concurrency = (unsigned)uint_of(f, "query.max-concurrency"),
        .read_sample_limit = uint_of(f, "storage.remote.read-sample-limit"),
        .read_frame_bytes = uint_of(f, "storage.remote.read-max-bytes-in-frame"),
        .read_concurrency = (unsigned)uint_of(f, "storage.remote.read-concurrent-limit"),
        .query_lookback_ms = duration_of(f, "query.lookback-delta"),
        .flags = f->shown,
        .n_flags = N_FLAGS,
    };
    o.config_file = config_file_of(f);
    fer_str sync = text_of(f, "storage.tsdb.wal-sync");
    o.wal_sync = str_eq(sync, STR("group"))      ? WAL_SYNC_GROUP
                 : str_eq(sync, STR("interval")) ? WAL_SYNC_INTERVAL
                                                 : WAL_SYNC_NONE;
    fill_features(f, &o.features);
    o.exemplar_storage = has_feature(f, STR("exemplar-storage"));
    o.zero_at_start = has_feature(f, STR("created-timestamp-zero-ingestion"));
    o.otlp_add_deltas = has_feature(f, STR("otlp-deltatocumulative"));
    o.otlp_native_delta = has_feature(f, STR("otlp-native-delta-ingestion"));
    if (o.otlp_add_deltas && o.otlp_native_delta)
        return fer_fail(err, FER_INVALID,
                        "cannot enable otlp-deltatocumulative and otlp-native-delta-ingestion "
                        "features at the same time");
    o.enable_search = has_feature(f, STR("search-api"));
    o.search_max_limit = uint_of(f, "web.search.max-limit");
    FER_TRY(fill_messages(f, &o.rw_messages, err));
    FER_TRY(fill_auto_reload(f, &o, err));
    FER_TRY(fill_retention(f, &o, err));
    FER_TRY(fill_listen(f, &o, err));
    fer_str l = text_of(f, "log.level");
    *level = l.p[0] == 'd'   ? LOG_DEBUG
             : l.p[0] == 'i' ? LOG_INFO
             : l.p[0] == 'w' ? LOG_WARN
                             : LOG_ERROR;
    *format = str_eq(text_of(f, "log.format"), STR("json")) ? LOG_JSON : LOG_LOGFMT;
    *ret = o;
    return FER_OK;
}

fer_str flags_without_effect(flags *f)
{
    fer_str text = STR("");
    for (int i = 0; i < N_FLAGS; i++) {
        if (!f->v[i].set || defs[i].effect)
            continue;
        text = fer_arena_printf(f->a, "%.*s%s--%s", STR_FMT(text), text.n == 0 ? "" : ", ",
                                defs[i].name);
    }
    return text;
}

/* Features with an effect, or always on, beside those of the language. */
static bool is_other_feature(fer_str name)
{
    static const char *const known[] = {
        "auto-reload-config",
        "created-timestamp-zero-ingestion",
        "exemplar-storage",
        "native-histograms",
        "ooo-native-histograms",
        "otlp-deltatocumulative",
        "otlp-native-delta-ingestion",
        "promql-duration-expr",
        "search-api",
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (str_eq(name, str_of(known[i])))
            return true;
    return false;
}

fer_str flags_features_without_effect(flags *f)
{
    fer_str text = STR("");
    const value *v = value_of(f, "enable-feature");
    for (size_t k = 0; k < v->n; k++)
        for (fer_str rest = v->texts[k]; rest.n != 0;) {
            promql_features unused;
            fer_str name = next_name(&rest);
            if (name.n != 0 && !set_feature(&unused, name) && !is_other_feature(name))
                text = fer_arena_printf(f->a, "%.*s%s%.*s", STR_FMT(text), text.n == 0 ? "" : ", ",
                                        STR_FMT(name));
        }
    return text;
}

void flags_help(fer_buf *out)
{
    fer_buf_puts(out, STR("usage: ferula [<flags>]\n\nThe Ferula time-series database, a stand-in "
                          "for the Prometheus server\n\n\nFlags:\n"
                          "  -h, --help                     Show this help.\n"
                          "      --version                  Show application version.\n"));
    for (int i = 0; i < N_FLAGS; i++) {
        const flag_def *d = &defs[i];
        if (d->hidden)
            continue;
        const char *sep = d->kind == K_BOOL ? "" : "=";
        const char *sample = d->kind == K_BOOL ? "" : d->def[0] != '\0' ? d->def : "...";
        fer_buf_printf(out, "      --%s%s%s%s\n                                 %s%s\n",
                       d->kind == K_BOOL ? "[no-]" : "", d->name, sep, sample, d->help,
                       d->effect ? "" : " (no effect yet)");
    }
}

/* app.c - wiring and life of the server. */
#include "server/app.h"

#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/rng.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/vfs.h"
#include "server/api/active.h"
#include "server/api/api.h"
#include "server/api/gate.h"
#include "server/api/origin.h"
#include "server/api/query_log.h"
#include "server/config/live.h"
#include "server/machine.h"
#include "server/otlp/receive.h"
#include "server/remote/write.h"
#include "server/web_gate.h"
#include "server/web_path.h"

enum { STOP_GRACE_MS = 30000, QUERY_NICE = 5 };
#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)
#define RETENTION_DEFAULT_MS (15 * DAY_MS)
#define MAX_BLOCK_MS (31 * DAY_MS)

const char *app_rw_message_name(unsigned messages)
{
    static const char *const names[] = {"no message", "prometheus.WriteRequest",
                                        "io.prometheus.write.v2.Request",
                                        "prometheus.WriteRequest, io.prometheus.write.v2.Request"};
    return names[messages & (APP_RW_V1 | APP_RW_V2)];
}

static bool is_ready(void *arg)
{
    return app_db(arg) != NULL;
}

static void init_accounts(app *a)
{
    int64_t limit = a->o.memory_limit_bytes;
    if (limit == 0)
        limit = machine_memory_bytes() / 4 * 3;
    fer_account_init(&a->memory, "process", NULL, limit);
    fer_account_init(&a->memory_head, "head", &a->memory, 0);
    fer_account_init(&a->memory_ingest, "ingest", &a->memory, limit / 4);
    fer_account_init(&a->memory_queries, "queries", &a->memory, limit / 2);
    fer_account_init(&a->memory_http, "http", &a->memory, limit / 4);
}

static void on_signal(void *arg, int signum)
{
    app *a = arg;
    LOGI(a->log, "Received an OS signal, exiting gracefully...", "signal",
         signum == SIGTERM ? "terminated" : "interrupt");
    app_stop(a);
}

static void on_hangup(void *arg, int signum)
{
    (void)signum;
    app *a = arg;
    live_config_ask(a->config);
}

static double client_cost(uint64_t client, void *arg)
{
    return client_costs_of(arg, client);
}

static fer_code use_query_log(app *a, const config *c, fer_err *err)
{
    return query_log_open(a->query_log, config_query_log_file(c), err);
}

static fer_code use_present_query_log(app *a, fer_err *err)
{
    const config *c = live_config_take(a->config);
    fer_code code = use_query_log(a, c, err);
    config_free(c);
    return code;
}

/* None without the feature. */
static size_t max_exemplars_of(const app *a, const config *c)
{
    return a->o.exemplar_storage ? (size_t)config_max_exemplars(c) : 0;
}

/* A reload changes the query log, and what the database is told. */
static fer_code apply_config(void *arg, const config *c, fer_err *err)
{
    tsdb *db = app_db(arg);
    FER_TRY(use_query_log(arg, c, err));
    if (db == NULL)
        return FER_OK;
    FER_TRY(tsdb_set_ooo_window(db, config_ooo_window_ms(c), err));
    tsdb_set_max_exemplars(db, max_exemplars_of(arg, c));
    return FER_OK;
}

static fer_code make_http(app *a, fer_err *err)
{
    FER_TRY(web_path_new(a->o.external_url, a->o.route_prefix, &a->route_prefix, err));
    FER_TRY(origin_policy_new(a->o.cors_origin, a->o.external_url, &a->origins, err));
    http_options h = {
        .listen = a->o.listen,
        .n_listen = a->o.n_listen,
        .max_connections = a->o.max_connections,
        .idle_timeout_ms = (uint64_t)a->o.idle_timeout_ms,
        .account = &a->memory_http,
        .route_prefix = a->route_prefix,
        .clock = a->clock,
        .log = a->log,
        .ready = is_ready,
        .ready_arg = a,
        .before = origin_check,
        .before_arg = a->origins,
        .query_nice = QUERY_NICE,
        .client = client_key,
        .client_cost = client_cost,
        .client_cost_arg = a->costs,
    };
    if (a->gatekeeper != NULL)
        web_gate_guard(a->gatekeeper, &h);
    FER_TRY(http_server_new(&h, &a->http, err));
    api_register(a);
    FER_TRY(http_server_on_signal(a->http, SIGTERM, on_signal, a, err));
    FER_TRY(http_server_on_signal(a->http, SIGHUP, on_hangup, a, err));
    return http_server_on_signal(a->http, SIGINT, on_signal, a, err);
}

void app_fill_retention(app_options *o)
{
    if (o->default_retention)
        o->retention_ms = RETENTION_DEFAULT_MS;
    if (!o->default_max_block)
        return;
    o->max_block_ms = MAX_BLOCK_MS;
    if (o->retention_ms != 0 && o->retention_ms / 10 < o->max_block_ms)
        o->max_block_ms = o->retention_ms / 10;
}

/* What the configuration says of retention wins over flags. It is asked once, at the start. */
static fer_code take_retention(app *a, fer_err *err)
{
    const config *c = live_config_take(a->config);
    config_retention r = config_retention_of(c);
    config_free(c);
    if (r.time_ms > 0 || r.bytes != 0 || r.percentage > 0) {
        if (a->o.default_retention)
            a->o.retention_ms = 0;
        a->o.default_retention = false;
        a->o.retention_ms = r.time_ms > 0 ? r.time_ms : a->o.retention_ms;
        a->o.retention_bytes = r.bytes != 0 ? r.bytes : a->o.retention_bytes;
        a->o.retention_percent = r.percentage;
        app_fill_retention(&a->o);
    }
    if (a->o.default_retention) {
        fer_buf text;
        fer_buf_init(&text, 64, NULL);
        text_format_duration(&text, a->o.retention_ms);
        LOGI(a->log, "No time or size retention was set so using the default time retention",
             "duration", LOG_STR(fer_buf_str(&text)));
        fer_buf_done(&text);
    }
    uint64_t unused, total;
    if (a->o.retention_percent > 0 &&
        (vfs_mkdir_all(vfs_posix(), a->o.data_path, err) != FER_OK ||
         vfs_free_bytes(vfs_posix(), a->o.data_path, &unused, &total, err) != FER_OK || total == 0))
        return fer_fail(
            err, FER_INVALID,
            "storage.tsdb.retention.percentage: the size of the file system of %s is not known",
            a->o.data_path);
    return FER_OK;
}

/* A wrong web configuration is no wrong flag: exit code 1, as Prometheus has it. */
static fer_code open_gate(app *a, fer_err *err)
{
    if (a->o.web_config_file == NULL || *a->o.web_config_file == '\0')
        return FER_OK;
    if (web_gate_new(a->o.web_config_file, a->log, &a->gatekeeper, err) == FER_OK)
        return FER_OK;
    LOGE(a->log, "Unable to validate web configuration file", "err", err->msg);
    fer_err why = *err;
    return fer_fail(err, FER_UNSUPPORTED, "web configuration file %s", why.msg);
}

static bool is_loopback(const char *address)
{
    fer_str s = str_of(address);
    return str_has_prefix(s, STR("127.")) || str_has_prefix(s, STR("localhost:")) ||
           str_has_prefix(s, STR("[::1]:"));
}

static void warn_if_open(app *a)
{
    for (size_t i = 0; i < a->o.n_listen && !web_gate_asks_who(a->gatekeeper); i++)
        if (!is_loopback(a->o.listen[i]))
            LOGW(a->log,
                 "Anybody who reaches this address can read and write: there is no "
                 "authentication (--web.config.file)",
                 "address", a->o.listen[i]);
}

/* Whatever is wrong with the file: exit code 2, as Prometheus has it. */
static fer_code load_config(app *a, fer_err *err)
{
    if (live_config_new(a->o.config_file, a->log, a->clock, &a->config, err) == FER_OK)
        return FER_OK;
    fer_err why = *err;
    return fer_fail(err, FER_INVALID, "loading config (--config.file=%s): %s",
                    a->o.config_file == NULL ? "" : a->o.config_file, why.msg);
}

static void tell_start(const app *a)
{
    LOGI(a->log, "Starting Ferula", "version", a->o.version, "memory_limit_bytes",
         LOG_INT(a->memory.limit_bytes), "data", a->o.data_path, "config",
         a->o.config_file == NULL ? "" : a->o.config_file);
}

static fer_code set_up(app *a, fer_err *err)
{
    tell_start(a);
    FER_TRY(open_gate(a, err));
    FER_TRY(load_config(a, err));
    live_config_watch(a->config, a->o.auto_reload_ms);
    FER_TRY(take_retention(a, err));
    a->limits = (promql_limits){
        .lookback_ms = a->o.query_lookback_ms,
        .max_samples = a->o.query_max_samples,
        .features = a->o.features,
    };
    a->query_log = query_log_new(a->clock);
    FER_TRY(use_present_query_log(a, err));
    live_config_on_reload(a->config, apply_config, a);
    a->costs = client_costs_new(a->clock);
    a->active = active_queries_new(a->o.query_max_concurrency, a->clock, a->log);
    a->gate = query_gate_new(a->o.query_max_concurrency, a->costs);
    a->read_gate =
        query_gate_new(a->o.read_concurrency == 0 ? UINT_MAX : a->o.read_concurrency, NULL);
    a->receiver = rw_receiver_new(a);
    a->otlp = otlp_receiver_new(a);
    return make_http(a, err);
}

fer_code app_new(const app_options *o, app **ret, fer_err *err)
{
    app *a = fer_calloc(1, sizeof *a);
    a->o = *o;
    a->clock = fer_clock_system();
    a->log = o->log;
    a->start_ms = a->clock->wall_ms(a->clock);
    a->processors = machine_processors();
    atomic_init(&a->db, NULL);
    init_accounts(a);
    fer_code c = set_up(a, err);
    if (c != FER_OK) {
        app_free(a);
        return c;
    }
    *ret = a;
    return FER_OK;
}

/* The threads around one database. */
typedef struct keeper {
    app *a;
    fer_thread opener, committer, maintenance, reloader;
    fer_code open_code;
    fer_err open_err;
} keeper;

static void reloader_main(void *arg)
{
    live_config_run(arg);
}

static void committer_main(void *arg)
{
    tsdb_run_committer(arg);
}

/* In Linux a priority is the thread's own: requests go before merges where processors are short. */
static void maintenance_main(void *arg)
{
    enum { MERGE_NICE = 10 };
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), MERGE_NICE);
    tsdb_run_maintenance(arg);
}

/* Starts the threads that the database needs; on failure none runs. */
static fer_code start_keepers(keeper *k, tsdb *db)
{
    FER_TRY(fer_thread_start(&k->committer, "committer", committer_main, db, &k->open_err));
    fer_code c =
        fer_thread_start(&k->maintenance, "maintenance", maintenance_main, db, &k->open_err);
    if (c != FER_OK) {
        tsdb_stop_committer(db);
        fer_thread_join(&k->committer);
    }
    return c;
}

static size_t max_exemplars(app *a)
{
    const config *c = live_config_take(a->config);
    size_t n = max_exemplars_of(a, c);
    config_free(c);
    return n;
}

/* Beside the one that reads the log, which they keep waiting once it has made the series; on a single processor they would but
 * take turns. */
static unsigned replay_threads(const app *a)
{
    return a->processors == 1 ? 0 : a->processors;
}

static int64_t ooo_window_ms(app *a)
{
    const config *c = live_config_take(a->config);
    int64_t ms = config_ooo_window_ms(c);
    config_free(c);
    return ms;
}

/* With the series that a checkpoint leaves out goes what the log told of their families. */
static void follow_checkpoints(app *a)
{
    tsdb *db = app_db(a);
    tsdb_maintenance_stats st;
    if (db == NULL)
        return;
    tsdb_maintenance_stats_get(db, &st);
    if (st.checkpoints != a->checkpoints_seen)
        metadata_store_log_again(rw_metadata_store(a->receiver));
    a->checkpoints_seen = st.checkpoints;
}

static void take_metadata(void *arg, const metadata_family *m)
{
    app *a = arg;
    metadata_store_put(rw_metadata_store(a->receiver), m);
}

static void give_memory_back(void *arg)
{
    app *a = arg;
    follow_checkpoints(a);
    rw_receiver_rest(a->receiver);
    otlp_receiver_rest(a->otlp);
    fer_mem_rest();
    http_server_rest(a->http);
}

static fer_code open_db(keeper *k)
{
    app *a = k->a;
    tsdb_options t = {
        .path = a->o.data_path,
        .fs = vfs_posix(),
        .clock = a->clock,
        .rng = fer_rng_system(),
        .log = a->log,
        .account = &a->memory_head,
        .sync = a->o.wal_sync,
        .no_lockfile = a->o.no_lockfile,
        .min_block_ms = a->o.min_block_ms,
        .max_block_ms = a->o.max_block_ms,
        .retention_ms = a->o.retention_ms,
        .retention_bytes = a->o.retention_bytes,
        .retention_percent = a->o.retention_percent,
        .maintenance_share = 0.01,
        .keep_overlapping = a->o.keep_overlapping,
        .chunk_segment_bytes = a->o.chunk_segment_bytes,
        .delay_compact_file = a->o.delay_compact_file,
        .max_exemplars = max_exemplars(a),
        .replay_threads = replay_threads(a),
        .ooo_window_ms = ooo_window_ms(a),
        .on_rest = give_memory_back,
        .on_rest_arg = a,
        .on_metadata = take_metadata,
        .on_metadata_arg = a,
    };
    tsdb *db;
    FER_TRY(tsdb_open(&t, &a->replay, &db, &k->open_err));
    fer_code c = start_keepers(k, db);
    if (c != FER_OK) {
        fer_code ignored = tsdb_close(db, NULL);
        (void)ignored;
        return c;
    }
    active_queries_open(a->active, vfs_posix(), a->o.data_path);
    atomic_store_explicit(&a->db, db, memory_order_release);
    /* As of a reload meanwhile. */
    tsdb_set_max_exemplars(db, max_exemplars(a));
    if (tsdb_set_ooo_window(db, ooo_window_ms(a), &k->open_err) != FER_OK)
        LOGE(a->log, "The window for samples out of order is not in force", "err", k->open_err.msg);
    LOGI(a->log, "Server is ready to receive web requests.");
    return FER_OK;
}

static void opener_main(void *arg)
{
    keeper *k = arg;
    k->open_code = open_db(k);
    if (k->open_code != FER_OK)
        app_stop(k->a);
}

/* After the loop. The committer goes on until no handler stages any more, nor waits for it. */
static fer_code close_db(keeper *k, fer_err *err)
{
    tsdb *db = app_db(k->a);
    if (db == NULL)
        return FER_OK;
    tsdb_stop_maintenance(db);
    http_server_end_handlers(k->a->http);
    fer_thread_join(&k->maintenance);
    tsdb_stop_committer(db);
    fer_thread_join(&k->committer);
    atomic_store(&k->a->db, NULL);
    return tsdb_close(db, err);
}

static void stop_reloader(keeper *k)
{
    live_config_stop(k->a->config);
    fer_thread_join(&k->reloader);
}

fer_code app_run(app *a, fer_err *err)
{
    keeper k = {.a = a};
    for (size_t i = 0; i < a->o.n_listen; i++)
        LOGI(a->log, "Listening on", "address", a->o.listen[i], "port",
             LOG_INT(http_server_port(a->http, i)));
    warn_if_open(a);
    FER_TRY(fer_thread_start(&k.reloader, "reloader", reloader_main, a->config, err));
    fer_code run = fer_thread_start(&k.opener, "opener", opener_main, &k, err);
    if (run != FER_OK) {
        stop_reloader(&k);
        return run;
    }
    run = http_server_run(a->http, err);
    stop_reloader(&k);
    fer_thread_join(&k.opener);
    fer_code closed = close_db(&k, run == FER_OK ? err : NULL);
    if (k.open_code != FER_OK) {
        if (err != NULL)
            *err = k.open_err;
        return k.open_code;
    }
    if (run == FER_OK && closed == FER_OK)
        LOGI(a->log, "See you next time!");
    return run != FER_OK ? run : closed;
}

void app_stop(app *a)
{
    http_server_stop(a->http, STOP_GRACE_MS);
}

void app_free(app *a)
{
    if (a == NULL)
        return;
    http_server_free(a->http);
    web_gate_free(a->gatekeeper);
    origin_policy_free(a->origins);
    fer_free(a->route_prefix);
    rw_receiver_free(a->receiver);
    otlp_receiver_free(a->otlp);
    query_gate_free(a->gate);
    query_gate_free(a->read_gate);
    active_queries_free(a->active);
    client_costs_free(a->costs);
    query_log_free(a->query_log);
    live_config_free(a->config);
    fer_free(a);
}

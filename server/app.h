/* app.h - the server as a whole: what the endpoints share, and its life.
 *
 * Life: app_new() binds the sockets; app_run() serves at once (/-/healthy answers, everything that
 * needs data answers 503), opens the database on its own thread (replay), starts the committer and
 * maintenance, and is then ready. SIGTERM and SIGINT stop it: no new requests, those in flight finish, everything
 * staged is synced, the database closes.
 *
 * Threads: fields are set before app_run() or once while opening (db, by an atomic store) and do not
 * change; what changes has its own lock in its module.
 */
#ifndef FERULA_SERVER_APP_H
#define FERULA_SERVER_APP_H

#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "promql/promql.h"
#include "server/http/http.h"
#include "tsdb/tsdb.h"

typedef struct config config;                 /* server/config/config.h */
typedef struct live_config live_config;       /* server/config/live.h */
typedef struct rw_receiver rw_receiver;       /* server/remote/write.h */
typedef struct otlp_receiver otlp_receiver;   /* server/otlp/receive.h */
typedef struct query_gate query_gate;         /* server/api/gate.h */
typedef struct origin_policy origin_policy;   /* server/api/origin.h */
typedef struct active_queries active_queries; /* server/api/active.h */
typedef struct client_costs client_costs;     /* server/api/client_costs.h */
typedef struct query_log query_log;           /* server/api/query_log.h */
typedef struct web_gate web_gate;             /* server/web_gate.h */

/* A flag and its effective value, for /api/v1/status/flags; names without dashes. */
typedef struct app_flag {
    const char *name;
    const char *value;
} app_flag;

/* The messages of remote write; bits. */
typedef enum app_rw_message { APP_RW_V1 = 1, APP_RW_V2 = 2 } app_rw_message;
/* Full names, as the flag and Content-Type have them; several bits: joined by ", ". */
const char *app_rw_message_name(unsigned messages);

typedef struct app_options {
    const char *version; /* of Ferula: "0.1.0" */
    const char **listen;
    size_t n_listen;
    unsigned max_connections;
    int64_t idle_timeout_ms;     /* of connections without a request; 0: the default */
    const char *web_config_file; /* "" or NULL: plain HTTP for everybody */
    const char *config_file;     /* NULL: none, the defaults serve */
    int64_t auto_reload_ms;      /* how often to look whether its files have changed; 0: never */
    const char *data_path;
    int64_t retention_ms;     /* 0: no limit of time */
    uint64_t retention_bytes; /* 0: no limit of size */
    double retention_percent; /* of the file system; wins over retention_bytes; 0: none */
    int64_t min_block_ms, max_block_ms;
    /* retention_ms and max_block_ms are what follows from the others, the configuration may change them */
    bool default_retention, default_max_block;
    uint64_t chunk_segment_bytes;   /* 0: the default */
    const char *delay_compact_file; /* "": none */
    bool keep_overlapping;          /* blocks that overlap are not merged */
    wal_sync_mode wal_sync;
    bool no_lockfile;
    bool enable_remote_write_receiver;
    bool enable_otlp_receiver;
    unsigned rw_messages; /* app_rw_message bits that the receiver takes */
    const char *external_url, *route_prefix, *page_title;
    unsigned max_notification_subscribers;
    const char *cors_origin; /* a regular expression of origins; "": none but the own */
    bool enable_lifecycle;
    bool enable_search;
    uint64_t search_max_limit; /* 0: none */
    bool enable_admin_api;
    int64_t query_timeout_ms;
    uint64_t query_max_samples;
    unsigned query_max_concurrency;
    int64_t query_lookback_ms;
    uint64_t read_sample_limit, read_frame_bytes; /* remote read; a limit of 0: none */
    unsigned read_concurrency;                    /* 0: no limit */
    promql_features features;
    bool exemplar_storage;      /* feature exemplar-storage */
    bool zero_at_start;         /* feature created-timestamp-zero-ingestion */
    bool otlp_add_deltas;       /* feature otlp-deltatocumulative */
    bool otlp_native_delta;     /* feature otlp-native-delta-ingestion */
    int64_t memory_limit_bytes; /* of the whole ledger; 0: 75 % of the cgroup or machine */
    const app_flag *flags;
    size_t n_flags;
    fer_log *log;
} app_options;

/* As Prometheus: 15 days with default_retention; blocks of a tenth of the time kept, 31 days at most, with
 * default_max_block. */
void app_fill_retention(app_options *o);

typedef struct app {
    app_options o;
    fer_clock *clock;
    fer_log *log;
    int64_t start_ms;
    unsigned processors; /* machine_processors() at the start */

    /* The ledger (DESIGN D9). */
    fer_account memory; /* root */
    fer_account memory_head, memory_ingest, memory_queries, memory_http;

    live_config *config;  /* requests take theirs: query_run.config */
    promql_limits limits; /* without what the configuration says: query_run.limits */
    http_server *http;
    origin_policy *origins;
    web_gate *gatekeeper; /* NULL without --web.config.file */
    char *route_prefix;   /* "" or "/x" */
    rw_receiver *receiver;
    uint64_t checkpoints_seen; /* maintenance's thread */
    otlp_receiver *otlp;
    query_gate *gate;      /* --query.max-concurrency */
    query_gate *read_gate; /* --storage.remote.read-concurrent-limit */
    active_queries *active;
    client_costs *costs;
    query_log *query_log;

    _Atomic(tsdb *) db; /* NULL until replayed */
    tsdb_progress replay;
    _Atomic unsigned notification_subscribers;
    int exit_code;
} app;

/* The texts in o live as long as the app. A failure says what could not be done: configuration
 * (file:line), address, directory. */
FER_MUST_CHECK fer_code app_new(const app_options *o, app **ret, fer_err *err);
/* Serves until told to stop; FER_OK after a clean stop. */
FER_MUST_CHECK fer_code app_run(app *a, fer_err *err);
/* Any thread: as SIGTERM. */
void app_stop(app *a);
void app_free(app *a);

/* The database, or NULL while it is being opened. */
static inline tsdb *app_db(app *a)
{
    return atomic_load_explicit(&a->db, memory_order_acquire);
}

#endif

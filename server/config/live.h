/* live.h - the configuration in force, and how another takes its place.
 *
 * A reload reads the whole file before anything changes: either all of it is in force, or nothing of it.
 * Readers take the configuration once a request and keep it while they work.
 * SIGHUP asks for a reload; it happens on the thread in live_config_run(), which may also look at the files now and
 * then and reload when they have changed (--config.auto-reload-interval).
 * Threads: any.
 */
#ifndef FERULA_SERVER_CONFIG_LIVE_H
#define FERULA_SERVER_CONFIG_LIVE_H

#include "base/clock.h"
#include "server/config/config.h"

typedef struct live_config live_config;

/* Loads the file (NULL: the defaults); failures as config_load(). path and log outlive *ret. */
FER_MUST_CHECK fer_code live_config_new(const char *path, fer_log *log, fer_clock *clock,
                                        live_config **ret, fer_err *err);
/* When nobody runs in it; NULL is fine. */
void live_config_free(live_config *l);

/* The configuration in force; the caller gives it back by config_free(). */
const config *live_config_take(live_config *l);

/* Called with each configuration before a reload puts it in force; what is not FER_OK refuses it. One at a time. */
typedef fer_code (*live_apply_fn)(void *arg, const config *c, fer_err *err);
void live_config_on_reload(live_config *l, live_apply_fn fn, void *arg);

/* Loads the file anew. On failure what was in force stays. */
FER_MUST_CHECK fer_code live_config_reload(live_config *l, fer_err *err);

/* Before live_config_run(): looks for changes so often; 0: never. What failed to load is tried again each time. */
void live_config_watch(live_config *l, int64_t interval_ms);
/* Reloads whenever asked, until stopped; failures go to the log. */
void live_config_run(live_config *l);
void live_config_ask(live_config *l);
void live_config_stop(live_config *l);

typedef struct live_config_state {
    bool ok;           /* the newest load */
    int64_t loaded_ms; /* wall time of the newest load that succeeded */
    int64_t tried_ms;  /* and of the newest of all */
} live_config_state;
live_config_state live_config_state_get(live_config *l);

#endif

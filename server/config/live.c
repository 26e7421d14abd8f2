/* live.c - a counted reference under a lock, and a thread that waits to be asked. */
#include "server/config/live.h"

#include "base/mem.h"
#include "base/thread.h"
#include "server/config/config_files.h"

struct live_config {
    const char *path;
    fer_log *log;
    fer_clock *clock;
    fer_mutex loading; /* one reload at a time; held while the file is read */
    fer_mutex mu;      /* the fields below */
    fer_cond wake;
    const config *now;
    live_config_state state;
    bool asked, stop;
    int64_t watch_ms;    /* before the thread runs; 0: it does not look */
    uint64_t sum;        /* of the files in force; loading */
    live_apply_fn apply; /* under `loading` */
    void *apply_arg;
};

/* Of the files as they are now, among them those that the configuration in force names. */
static uint64_t files_sum(live_config *l)
{
    const config *c = live_config_take(l);
    uint64_t sum = config_files_sum(l->path, config_watched(c));
    config_free(c);
    return sum;
}

/* Loads and puts in force; under `loading`, or before anybody knows l. */
static fer_code load(live_config *l, fer_err *err)
{
    const config *next;
    uint64_t before = l->path == NULL || l->watch_ms == 0 ? 0 : config_files_sum(l->path, NULL);
    fer_code c = config_load(l->path, l->log, &next, err);
    if (c == FER_OK && l->apply != NULL && (c = l->apply(l->apply_arg, next, err)) != FER_OK)
        config_free(next);
    fer_mutex_lock(&l->mu);
    l->state.ok = c == FER_OK;
    l->state.tried_ms = l->clock->wall_ms(l->clock);
    const config *old = NULL;
    if (c == FER_OK) {
        old = l->now;
        l->now = next;
        l->state.loaded_ms = l->state.tried_ms;
    }
    fer_mutex_unlock(&l->mu);
    config_free(old);
    /* What was written while it was read is found at the next look. */
    if (c == FER_OK && before != 0)
        l->sum = config_files_sum(l->path, NULL) == before ? files_sum(l) : 0;
    return c;
}

void live_config_watch(live_config *l, int64_t interval_ms)
{
    l->watch_ms = l->path == NULL ? 0 : interval_ms;
    if (l->watch_ms != 0)
        l->sum = files_sum(l);
}

static void tell_loaded(live_config *l)
{
    if (l->path == NULL)
        LOGI(l->log, "No configuration file, the defaults serve");
    else
        LOGI(l->log, "Completed loading of configuration file", "filename", l->path);
}

fer_code live_config_new(const char *path, fer_log *log, fer_clock *clock, live_config **ret,
                         fer_err *err)
{
    live_config *l = fer_calloc(1, sizeof *l);
    l->path = path;
    l->log = log;
    l->clock = clock;
    fer_mutex_init(&l->loading, "config loading", 0);
    fer_mutex_init(&l->mu, "config", 0);
    fer_cond_init(&l->wake);
    fer_code c = load(l, err);
    if (c != FER_OK) {
        live_config_free(l);
        return c;
    }
    tell_loaded(l);
    *ret = l;
    return FER_OK;
}

void live_config_free(live_config *l)
{
    if (l == NULL)
        return;
    config_free(l->now);
    fer_cond_done(&l->wake);
    fer_mutex_done(&l->mu);
    fer_mutex_done(&l->loading);
    fer_free(l);
}

const config *live_config_take(live_config *l)
{
    fer_mutex_lock(&l->mu);
    const config *c = config_ref(l->now);
    fer_mutex_unlock(&l->mu);
    return c;
}

void live_config_on_reload(live_config *l, live_apply_fn fn, void *arg)
{
    fer_mutex_lock(&l->loading);
    l->apply = fn;
    l->apply_arg = arg;
    fer_mutex_unlock(&l->loading);
}

fer_code live_config_reload(live_config *l, fer_err *err)
{
    fer_mutex_lock(&l->loading);
    fer_code c = load(l, err);
    fer_mutex_unlock(&l->loading);
    if (c == FER_OK)
        tell_loaded(l);
    else
        LOGE(l->log, "Error reloading config", "err", err->msg);
    return c;
}

/* Reloads when the files are not those in force. */
static void look(live_config *l)
{
    fer_err err;
    fer_mutex_lock(&l->loading);
    bool changed = files_sum(l) != l->sum;
    fer_mutex_unlock(&l->loading);
    if (!changed)
        return;
    LOGI(l->log, "Configuration file change detected, reloading the configuration.");
    fer_code told = live_config_reload(l, &err);
    (void)told; /* it is in the log and in the state */
}

/* Waits until asked, or until it is time to look; under mu. Whether asked. */
static bool wait_for_work(live_config *l)
{
    while (!l->asked && !l->stop) {
        if (l->watch_ms == 0)
            fer_cond_wait(&l->wake, &l->mu);
        else if (!fer_cond_wait_ns(&l->wake, &l->mu, (uint64_t)l->watch_ms * 1000000))
            break;
    }
    bool asked = l->asked;
    l->asked = false;
    return asked;
}

void live_config_run(live_config *l)
{
    fer_mutex_lock(&l->mu);
    while (!l->stop) {
        bool asked = wait_for_work(l);
        if (l->stop)
            break;
        fer_mutex_unlock(&l->mu);
        fer_err err;
        if (asked) {
            fer_code told = live_config_reload(l, &err);
            (void)told; /* it is in the log and in the state */
        } else {
            look(l);
        }
        fer_mutex_lock(&l->mu);
    }
    fer_mutex_unlock(&l->mu);
}

static void wake(live_config *l, bool *flag)
{
    fer_mutex_lock(&l->mu);
    *flag = true;
    fer_mutex_unlock(&l->mu);
    fer_cond_signal(&l->wake);
}

void live_config_ask(live_config *l)
{
    wake(l, &l->asked);
}

void live_config_stop(live_config *l)
{
    wake(l, &l->stop);
}

live_config_state live_config_state_get(live_config *l)
{
    fer_mutex_lock(&l->mu);
    live_config_state s = l->state;
    fer_mutex_unlock(&l->mu);
    return s;
}

/* live.c - a counted reference under a lock, and a thread that waits to be asked. */
#include "server/config/live.h"

#include "base/mem.h"
#include "base/thread.h"

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
};

/* Loads and puts in force; under `loading`, or before anybody knows l. */
static fer_code load(live_config *l, fer_err *err)
{
    const config *next;
    fer_code c = config_load(l->path, l->log, &next, err);
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
    return c;
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

fer_code live_config_reload(live_config *l, fer_err *err)
{
    fer_mutex_lock(&l->loading);
    fer_code c = load(l, err);
    fer_mutex_unlock(&l->loading);
    if (c == FER_OK)
        LOGI(l->log, "Completed loading of configuration file", "filename",
             l->path == NULL ? "" : l->path);
    else
        LOGE(l->log, "Error reloading config", "err", err->msg);
    return c;
}

void live_config_run(live_config *l)
{
    fer_mutex_lock(&l->mu);
    while (!l->stop) {
        if (!l->asked) {
            fer_cond_wait(&l->wake, &l->mu);
            continue;
        }
        l->asked = false;
        fer_mutex_unlock(&l->mu);
        fer_err err;
        fer_code told = live_config_reload(l, &err);
        (void)told; /* it is in the log and in the state */
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

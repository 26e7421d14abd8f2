/* commit_wait.c - waiting until the open batch is durable. */
#include <stdatomic.h>

#include "tsdb/maintenance/maintenance_int.h"

enum { RANK_COMMIT_WAIT = 75 };
/* A log that fails tells those who wait after a second. */
#define WAIT_MAX_NS (10 * 1000000000ULL)

/* Held by whoever waits and by the committer, who may be later than the other has patience. */
typedef struct commit_wait {
    _Atomic uint32_t refs;
    fer_mutex mu;
    fer_cond told;
    bool done; /* under mu */
    fer_code code;
} commit_wait;

static commit_wait *wait_new(void)
{
    commit_wait *w = fer_calloc(1, sizeof *w);
    atomic_init(&w->refs, 2);
    fer_mutex_init(&w->mu, "commit wait", RANK_COMMIT_WAIT);
    fer_cond_init(&w->told);
    return w;
}

static void wait_drop(commit_wait *w)
{
    if (atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) != 1)
        return;
    fer_cond_done(&w->told);
    fer_mutex_done(&w->mu);
    fer_free(w);
}

static void on_done(void *arg, fer_code code)
{
    commit_wait *w = arg;
    fer_mutex_lock(&w->mu);
    w->done = true;
    w->code = code;
    fer_cond_signal(&w->told);
    fer_mutex_unlock(&w->mu);
    wait_drop(w);
}

/* t: NULL for none. *ret_alone: nobody else commits it. */
static fer_code stage(committer *c, const tombstones *t, commit_wait *w, bool *ret_alone,
                      fer_err *err)
{
    fer_mutex_lock(&c->h->mu);
    bool full = committer_is_full(c);
    *ret_alone = !c->running;
    if (!full) {
        if (t != NULL)
            committer_add_stones(c, t->v, t->n);
        committer_add_wait(c, on_done, w);
    }
    fer_mutex_unlock(&c->h->mu);
    fer_cond_signal(&c->wake);
    return full ? fer_fail(err, FER_BUSY, "too much is waiting for the disk") : FER_OK;
}

static fer_code wait_told(commit_wait *w, fer_err *err)
{
    fer_mutex_lock(&w->mu);
    bool in_time = true;
    while (!w->done && in_time)
        in_time = fer_cond_wait_ns(&w->told, &w->mu, WAIT_MAX_NS);
    fer_code code = w->done ? w->code : FER_BUSY;
    fer_mutex_unlock(&w->mu);
    if (code == FER_OK)
        return FER_OK;
    return fer_fail(err, code, "the log could not be written: %s", fer_code_name(code));
}

fer_code maintenance_commit(tsdb *db, const tombstones *t, fer_err *err)
{
    bool alone;
    commit_wait *w = wait_new();
    fer_code code = stage(&db->c, t, w, &alone, err);
    if (code != FER_OK) {
        wait_drop(w);
    } else if (alone) {
        code = committer_step(&db->c, NULL, err);
    } else {
        code = wait_told(w, err);
    }
    wait_drop(w);
    return code;
}

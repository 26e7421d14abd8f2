/* delete.c - series deleted: in the blocks at once, in the head by way of the log.
 *
 * Maintenance is kept out until all is in force: else a block cut meanwhile would hold what is being deleted.
 */
#include <stdatomic.h>

#include "tsdb/block/block_delete.h"
#include "tsdb/head/head_delete.h"
#include "tsdb/tsdb_int.h"

enum { RANK_DELETION = 75 };
/* A log that fails tells those who wait after a second. */
#define WAIT_MAX_NS (10 * 1000000000ULL)

/* Held by whoever waits and by the committer, who may be later than the other has patience. */
typedef struct deletion_wait {
    _Atomic uint32_t refs;
    fer_mutex mu;
    fer_cond told;
    bool done; /* under mu */
    fer_code code;
} deletion_wait;

static deletion_wait *wait_new(void)
{
    deletion_wait *w = fer_calloc(1, sizeof *w);
    atomic_init(&w->refs, 2);
    fer_mutex_init(&w->mu, "deletion", RANK_DELETION);
    fer_cond_init(&w->told);
    return w;
}

static void wait_drop(deletion_wait *w)
{
    if (atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) != 1)
        return;
    fer_cond_done(&w->told);
    fer_mutex_done(&w->mu);
    fer_free(w);
}

static void on_done(void *arg, fer_code code)
{
    deletion_wait *w = arg;
    fer_mutex_lock(&w->mu);
    w->done = true;
    w->code = code;
    fer_cond_signal(&w->told);
    fer_mutex_unlock(&w->mu);
    wait_drop(w);
}

/* Into the open batch; *ret_alone: nobody else commits it. */
static fer_code stage(committer *c, const tombstones *t, deletion_wait *w, bool *ret_alone,
                      fer_err *err)
{
    fer_mutex_lock(&c->h->mu);
    bool full = committer_is_full(c);
    *ret_alone = !c->running;
    if (!full) {
        committer_add_stones(c, t->v, t->n);
        committer_add_wait(c, on_done, w);
    }
    fer_mutex_unlock(&c->h->mu);
    fer_cond_signal(&c->wake);
    return full ? fer_fail(err, FER_BUSY, "too much is waiting for the disk") : FER_OK;
}

static fer_code wait_told(deletion_wait *w, fer_err *err)
{
    fer_mutex_lock(&w->mu);
    bool in_time = true;
    while (!w->done && in_time)
        in_time = fer_cond_wait_ns(&w->told, &w->mu, WAIT_MAX_NS);
    fer_code code = w->done ? w->code : FER_BUSY;
    fer_mutex_unlock(&w->mu);
    if (code == FER_OK)
        return FER_OK;
    return fer_fail(err, code, "the deletion could not be written to the log: %s",
                    fer_code_name(code));
}

static fer_code commit(tsdb *db, const tombstones *t, fer_err *err)
{
    bool alone;
    deletion_wait *w = wait_new();
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

static fer_code delete_in_head(tsdb *db, int64_t mint, int64_t maxt, const matcher *m, size_t nm,
                               const fer_cancel *cancel, fer_err *err)
{
    tombstones t;
    tombstones_init(&t, &db->m.acct);
    fer_code code = head_stones_find(&db->h, mint, maxt, m, nm, cancel, &t, err);
    /* With samples out of order also for what the logs are told of those that went into blocks. */
    if (code == FER_OK && (t.n != 0 || committer_has_wbl(&db->c)))
        code = commit(db, &t, err);
    tombstones_done(&t);
    return code;
}

static fer_code delete_in_block(tsdb *db, block *b, int64_t mint, int64_t maxt, const matcher *m,
                                size_t nm, const fer_cancel *cancel, fer_err *err)
{
    block *fresh;
    fer_code code = block_delete(db->o.fs, db->path, b, mint, maxt, m, nm, cancel, &db->blocks.acct,
                                 &fresh, err);
    if (code != FER_OK)
        fer_err_prefix(err, "block %s: ", b->name);
    else if (fresh != NULL)
        block_set_replace(&db->blocks, &fresh, 1, &b, 1);
    return code;
}

/* One that fails does not keep the others from theirs; the first failure is told. */
static fer_code delete_all(tsdb *db, int64_t mint, int64_t maxt, const matcher *m, size_t nm,
                           const fer_cancel *cancel, fer_err *err)
{
    block_list l = block_set_all(&db->blocks);
    fer_code first = FER_OK;
    for (size_t i = 0; i < l.n; i++) {
        fer_err local = {0};
        if (!block_overlaps(l.v[i], mint, maxt))
            continue;
        fer_code code = delete_in_block(db, l.v[i], mint, maxt, m, nm, cancel, &local);
        if (code == FER_OK || first != FER_OK)
            continue;
        first = code;
        *err = local;
    }
    block_list_done(&l);
    fer_err local = {0};
    fer_code code = delete_in_head(db, mint, maxt, m, nm, cancel, &local);
    if (code != FER_OK && first == FER_OK) {
        first = code;
        *err = local;
    }
    return first;
}

fer_code tsdb_delete_series(tsdb *db, int64_t mint, int64_t maxt, const matcher *m, size_t nm,
                            const fer_cancel *cancel, fer_err *err)
{
    fer_err unused;
    if (db->o.read_only)
        return fer_fail(err, FER_UNSUPPORTED, "the database is open for reading only");
    if (mint > maxt)
        return FER_OK;
    maintenance_enter(&db->m);
    /* In blocks their deletion is durable; in the head it is known only of samples in order. */
    fer_code code = maintenance_cut_ooo(db, mint, maxt, err);
    if (code == FER_OK)
        code = delete_all(db, mint, maxt, m, nm, cancel, err == NULL ? &unused : err);
    maintenance_leave(&db->m);
    return code;
}

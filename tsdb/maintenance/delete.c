/* delete.c - series deleted: in the blocks at once, in the head by way of the log.
 *
 * Maintenance is kept out until all is in force: else a block cut meanwhile would hold what is being deleted.
 */
#include <string.h>

#include "tsdb/block/block_delete.h"
#include "tsdb/head/head_delete.h"
#include "tsdb/maintenance/maintenance_int.h"

static fer_code delete_in_head(tsdb *db, int64_t mint, int64_t maxt, const matcher *m, size_t nm,
                               const fer_cancel *cancel, fer_err *err)
{
    tombstones t;
    tombstones_init(&t, &db->m.acct);
    fer_code code = head_stones_find(&db->h, mint, maxt, m, nm, cancel, &t, err);
    if (code == FER_OK && t.n != 0)
        code = maintenance_commit(db, &t, err);
    tombstones_done(&t);
    return code;
}

/* The first block that is not served and may be again. */
typedef struct unserved {
    char name[ULID_CHARS + 1]; /* "": none */
} unserved;

static void note_unserved(void *arg, const damaged_block *d)
{
    unserved *u = arg;
    if (!d->aside && u->name[0] == '\0')
        memcpy(u->name, d->id.text, sizeof u->name);
}

static fer_code all_is_served(tsdb *db, int64_t mint, int64_t maxt, fer_err *err)
{
    unserved u = {""};
    block_set_each_damaged(&db->blocks, mint, maxt, note_unserved, &u);
    if (u.name[0] == '\0')
        return FER_OK;
    return fer_fail(err, FER_IO, "block %s cannot be read: nothing is deleted from it", u.name);
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

static void keep_first(fer_code *first, fer_err *err, fer_code code, const fer_err *of)
{
    if (code == FER_OK || *first != FER_OK)
        return;
    *first = code;
    *err = *of;
}

/* One that fails does not keep the others from theirs; the first failure is told. */
static fer_code delete_all(tsdb *db, int64_t mint, int64_t maxt, const matcher *m, size_t nm,
                           const fer_cancel *cancel, fer_err *err)
{
    block_list l = block_set_all(&db->blocks);
    fer_code first = FER_OK;
    fer_err local = {0};
    for (size_t i = 0; i < l.n; i++)
        if (block_overlaps(l.v[i], mint, maxt))
            keep_first(&first, err, delete_in_block(db, l.v[i], mint, maxt, m, nm, cancel, &local),
                       &local);
    block_list_done(&l);
    keep_first(&first, err, delete_in_head(db, mint, maxt, m, nm, cancel, &local), &local);
    keep_first(&first, err, all_is_served(db, mint, maxt, &local), &local);
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
    /* A folder that could not be removed is served by the next start. */
    if (code == FER_OK)
        code = block_set_clean(&db->blocks, db->o.fs, db->path, err);
    if (code == FER_OK)
        code = delete_all(db, mint, maxt, m, nm, cancel, err == NULL ? &unused : err);
    maintenance_leave(&db->m);
    return code;
}

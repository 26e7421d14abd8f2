#include "tsdb/block/block_delete.h"

#include "tsdb/block/block_select.h"
#include "tsdb/block/dir_file.h"

enum { CANCEL_EVERY = 4096 };

/* Adds what a deletion of [mint, maxt] takes of a series: nothing where no chunk is in that time. A series that cannot be
 * read has nothing to delete. */
static void add_series(const block *b, uint32_t ref, int64_t mint, int64_t maxt, tombstones *ret)
{
    index_series s;
    index_chunk c;
    bool any = false, touched = false;
    int64_t first = 0, last = 0;
    if (block_index_series(&b->index, ref, &s, NULL) != FER_OK)
        return;
    while (index_series_chunk(&s, &c) == FER_OK) {
        first = any ? first : c.mint;
        last = c.maxt;
        any = true;
        touched |= c.mint <= maxt && mint <= c.maxt;
    }
    if (touched)
        tombstones_add(ret, ref, mint > first ? mint : first, maxt < last ? maxt : last);
}

static fer_code find_stones(const block *b, int64_t mint, int64_t maxt, const matcher *m, size_t nm,
                            const fer_cancel *cancel, fer_account *acct, tombstones *ret,
                            fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *tmp = fer_arena_new(acct, 0);
    ref_list refs;
    str_list told = {0};
    query_ctx ctx = {.arena = tmp, .acct = acct};
    query_warnings *w = query_warnings_new(&ctx, &told);
    if (w == NULL)
        return fer_fail_budget(err, "deleting series");
    FER_TRY(block_select(b, tmp, cancel, w, m, nm, &refs, err));
    for (size_t i = 0; i < refs.n; i++) {
        fer_code code = i % CANCEL_EVERY == 0 ? fer_cancel_check(cancel) : FER_OK;
        if (code != FER_OK)
            return fer_fail(err, code, "deleting series: %s", fer_code_name(code));
        add_series(b, refs.v[i], mint, maxt, ret);
    }
    return FER_OK;
}

/* The tombstones of the block are those of t from now on. */
static fer_code store(vfs *fs, const char *dir, const block *b, const tombstones *t, fer_err *err)
{
    char path[PATH_MAX];
    block_meta meta = b->meta;
    meta.stats.tombstones = t->n;
    FER_TRY(dir_file_path(path, dir, b->name, err));
    FER_TRY(tombstones_store(t, fs, path, err));
    return block_meta_store(fs, path, &meta, err);
}

fer_code block_delete(vfs *fs, const char *dir, const block *b, int64_t mint, int64_t maxt,
                      const matcher *m, size_t nm, const fer_cancel *cancel, fer_account *acct,
                      block **ret, fer_err *err)
{
    tombstones t;
    *ret = NULL;
    tombstones_init(&t, acct);
    fer_code code = find_stones(b, mint, maxt, m, nm, cancel, acct, &t, err);
    if (code == FER_OK && t.n != 0) {
        tombstones_add_all(&t, b->stones.v, b->stones.n);
        tombstones_sort(&t);
        code = store(fs, dir, b, &t, err);
        if (code == FER_OK)
            code = block_open(fs, dir, b->name, acct, ret, err);
    }
    tombstones_done(&t);
    return code;
}

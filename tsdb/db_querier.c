#include "tsdb/db_querier.h"

#include "tsdb/block/block_querier.h"
#include "tsdb/head/head_querier.h"
#include "tsdb/head/ooo_series.h"
#include "tsdb/merge_querier.h"

static void note_damaged(void *arg, const damaged_block *d)
{
    query_warn(arg, "block %s is damaged and left out: %s", d->id.text, d->why);
}

static void count_damaged(void *arg, const damaged_block *d)
{
    (void)d;
    ++*(size_t *)arg;
}

/* Whether the head takes part: as in Prometheus it does unless all its samples are later, and none of those out of order
 * is in the range. */
static bool head_takes_part(head *h, int64_t mint, int64_t maxt)
{
    int64_t ooo_min, ooo_max;
    fer_mutex_lock(&h->publish);
    bool yes = h->min_time <= maxt ||
               (ooo_times(h, &ooo_min, &ooo_max) && ooo_min <= maxt && ooo_max >= mint);
    fer_mutex_unlock(&h->publish);
    return yes;
}

static fer_code add_head(merge_querier *m, query_warnings *w, head *h, const query_ctx *ctx,
                         int64_t mint, int64_t maxt, fer_err *err)
{
    querier *q;
    FER_TRY(head_querier_open(h, ctx, mint, maxt, w, &q, err));
    merge_querier_add(m, (merge_source){q, INT64_MAX});
    return FER_OK;
}

static fer_code add_blocks(merge_querier *m, query_warnings *w, block **v, size_t n,
                           const query_ctx *ctx, int64_t mint, int64_t maxt, fer_err *err)
{
    fer_code code = FER_OK;
    for (size_t i = 0; i < n; i++) {
        querier *q;
        if (code == FER_OK)
            code = block_querier_open(v[i], ctx, mint, maxt, w, &q, err);
        if (code == FER_OK)
            merge_querier_add(m, (merge_source){q, v[i]->meta.min_time});
        block_unref(v[i]); /* the querier holds its own */
    }
    return code;
}

static fer_code open_merged(head *h, block_set *blocks, block **v, size_t n, const query_ctx *ctx,
                            int64_t mint, int64_t maxt, querier **ret, fer_err *err)
{
    merge_querier *m;
    query_warnings *w;
    fer_code code = merge_querier_new(ctx, mint, maxt, n + 1, &m, &w, err);
    if (code != FER_OK) {
        for (size_t i = 0; i < n; i++)
            block_unref(v[i]);
        return code;
    }
    block_set_each_damaged(blocks, mint, maxt, note_damaged, w);
    if (head_takes_part(h, mint, maxt))
        code = add_head(m, w, h, ctx, mint, maxt, err);
    fer_code added = add_blocks(m, w, v, n, ctx, mint, maxt, code == FER_OK ? err : NULL);
    if (code == FER_OK)
        code = added;
    if (code != FER_OK) {
        querier_close(merge_querier_base(m));
        return code;
    }
    *ret = merge_querier_base(m);
    return FER_OK;
}

static fer_code open_once(head *h, block_set *blocks, const query_ctx *ctx, int64_t mint,
                          int64_t maxt, querier **ret, fer_err *err)
{
    size_t n, damaged = 0;
    block **v = block_set_get(blocks, mint, maxt, ctx->arena, &n);
    if (v == NULL)
        return fer_fail_budget(err, "selecting series");
    block_set_each_damaged(blocks, mint, maxt, count_damaged, &damaged);
    if (n == 0 && damaged == 0)
        return head_querier_open(h, ctx, mint, maxt, NULL, ret, err);
    return open_merged(h, blocks, v, n, ctx, mint, maxt, ret, err);
}

/* What leaves the head is in a listed block by then, and the head lets go only when the readers have ended that
 * were there when it was listed (maintenance.c). So all is in reach of a query whose list of blocks is
 * still the newest when it is a reader of the head. */
fer_code db_querier_open(head *h, block_set *blocks, const query_ctx *ctx, int64_t mint,
                         int64_t maxt, querier **ret, fer_err *err)
{
    for (;;) {
        querier *q;
        uint64_t changes = block_set_changes(blocks);
        FER_TRY(open_once(h, blocks, ctx, mint, maxt, &q, err));
        if (changes == block_set_changes(blocks)) {
            *ret = q;
            return FER_OK;
        }
        querier_close(q);
    }
}

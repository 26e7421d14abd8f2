#include "tsdb/maintenance/compact_head.h"

#include <string.h>

#include "tsdb/block/block_write.h"
#include "tsdb/head/head_export.h"

enum { SERIES_PER_CHECK = 64 };

static fer_code write_symbols(block_writer *w, const head_export *x, fer_err *err)
{
    const fer_str *texts;
    uint32_t n = head_export_symbols(x, &texts);
    for (uint32_t i = 0; i < n; i++)
        FER_TRY(block_writer_symbol(w, texts[i], err));
    return FER_OK;
}

static fer_code write_one(block_writer *w, const exported_series *s, fer_arena *tmp, fer_err *err)
{
    fer_arena_reset(tmp);
    block_chunk *c = ARENA_ARRAY(tmp, block_chunk, s->n_chunks);
    if (c == NULL)
        return fer_fail_budget(err, "writing a block");
    for (size_t i = 0; i < s->n_chunks; i++)
        c[i] = (block_chunk){s->chunks[i].mint, s->chunks[i].maxt, s->chunks[i].encoding,
                             s->chunks[i].bytes};
    return block_writer_series(w, s->labels, s->n_labels, c, s->n_chunks, err);
}

static fer_code write_series(const compact_options *o, block_writer *w, head_export *x,
                             fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *tmp = fer_arena_new(o->acct, 0);
    exported_series s;
    bool more = true;
    for (size_t k = 0;; k++) {
        if (k % SERIES_PER_CHECK == 0) {
            pace_point(o->pace, (double)k / (double)head_export_count(x));
            if (fer_cancel_check(o->cancel) != FER_OK)
                return fer_fail(err, FER_CANCELED, "writing a block was stopped");
        }
        FER_TRY(head_export_next(x, &s, &more, err));
        if (!more)
            return FER_OK;
        FER_TRY(write_one(w, &s, tmp, err));
    }
}

/* Closes the export: what it holds is not needed while the postings are written. */
static fer_code write_block(const compact_options *o, head_export *x, block_meta *meta,
                            fer_err *err)
{
    block_writer *w = NULL;
    fer_code code = block_writer_open(o->fs, o->dir, &meta->id, o->segment_bytes, o->acct, &w, err);
    if (code == FER_OK) {
        block_writer_count(w, o->counts);
        code = write_symbols(w, x, err);
    }
    if (code == FER_OK)
        code = write_series(o, w, x, err);
    head_export_close(x);
    if (code != FER_OK) {
        block_writer_abort(w);
        return code;
    }
    return block_writer_close(w, meta, err);
}

static fer_code give_meta(const compact_options *o, fer_arena *a, block_meta *meta, fer_err *err)
{
    meta->id = ulid_make(o->clock->wall_ms(o->clock), o->rng);
    meta->sources = ARENA_ARRAY(a, ulid, 1);
    if (meta->sources == NULL)
        return fer_fail_budget(err, "writing a block");
    meta->sources[0] = meta->id;
    return FER_OK;
}

/* As Prometheus marks such a block: with a hint, and a parent that is none. */
static fer_code mark_ooo(fer_arena *a, block_meta *meta, fer_err *err)
{
    meta->hints = ARENA_ARRAY(a, fer_str, 1);
    meta->parents = ARENA_ARRAY(a, block_parent, 1);
    if (meta->hints == NULL || meta->parents == NULL)
        return fer_fail_budget(err, "writing a block");
    meta->hints[0] = STR("from-out-of-order");
    memset(meta->parents[0].id.text, '0', ULID_CHARS);
    meta->n_hints = meta->n_parents = 1;
    return FER_OK;
}

static int64_t range_floor(int64_t t, int64_t range)
{
    int64_t q = t / range;
    return (t % range < 0 ? q - 1 : q) * range;
}

fer_code compact_each_range(int64_t range, int64_t min, int64_t max, compact_range_fn write,
                            void *arg, fer_err *err)
{
    for (int64_t t = range_floor(min, range); t <= max; t += range) {
        FER_TRY(write(arg, t, t + range, err));
        if (t > INT64_MAX - 2 * range)
            break;
    }
    return FER_OK;
}

fer_code compact_ooo(const compact_options *o, head *h, int64_t mint, int64_t maxt, fer_arena *a,
                     block_meta *ret, fer_err *err)
{
    block_meta meta = {.min_time = mint, .max_time = maxt, .level = 1, .n_sources = 1};
    FER_TRY(give_meta(o, a, &meta, err));
    FER_TRY(mark_ooo(a, &meta, err));
    ret->id = meta.id;
    head_export *x;
    FER_TRY(head_export_open_ooo(h, mint, maxt, o->acct, &x, err));
    if (head_export_count(x) == 0)
        head_export_close(x);
    else
        FER_TRY(write_block(o, x, &meta, err));
    *ret = meta;
    return FER_OK;
}

fer_code compact_head(const compact_options *o, head *h, int64_t mint, int64_t maxt, fer_arena *a,
                      block_meta *ret, fer_err *err)
{
    block_meta meta = {.min_time = mint, .max_time = maxt, .level = 1, .n_sources = 1};
    FER_TRY(give_meta(o, a, &meta, err));
    ret->id = meta.id;
    head_export *x;
    FER_TRY(head_export_open(h, mint, maxt, o->acct, &x, err));
    FER_TRY(write_block(o, x, &meta, err));
    *ret = meta;
    return FER_OK;
}

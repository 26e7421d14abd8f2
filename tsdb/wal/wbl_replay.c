#include "tsdb/wal/wbl_replay.h"

#include <stdlib.h>

#include "tsdb/hist_check.h"
#include "tsdb/wal/record_hist.h"
#include "tsdb/wal/wal.h"

typedef struct wbl_replayer {
    head *h;
    ref_map *refs;
    const replay_chunks *chunks;
    wbl_replay_stats *stats;
    fer_arena *record; /* of the record being decoded */
    uint64_t done;     /* chunks up to this place are in blocks */
} wbl_replayer;

static uint32_t slot_of(wbl_replayer *r, uint64_t ref)
{
    if (ref > r->stats->max_ref)
        r->stats->max_ref = ref;
    uint32_t slot = ref_map_get(r->refs, ref);
    r->stats->unknown_refs += slot == REF_NONE;
    return slot;
}

static void take_chunks(wbl_replayer *r)
{
    for (uint32_t i = 0; i < r->chunks->n_ooo; i++) {
        const replay_ooo_chunk *c = &r->chunks->ooo[i];
        uint32_t slot = ref_map_get(r->refs, c->ref);
        if (slot == REF_NONE) /* the series went with a block that has them */
            continue;
        ooo_attach(r->h, ooo_need(r->h, slot), &c->c);
        chunks_head_hold(r->h->files, c->c.file);
        r->stats->chunks++;
    }
}

static fer_code take_sample(wbl_replayer *r, uint64_t ref, int64_t t, double v,
                            const hist_sample *hist)
{
    uint32_t slot = slot_of(r, ref);
    r->stats->samples++;
    if (slot != REF_NONE && t != SAMPLE_T_NONE)
        (void)ooo_insert(r->h, ooo_need(r->h, slot), t, v, hist);
    return FER_OK;
}

static fer_code on_sample(void *arg, uint64_t ref, int64_t t, double v)
{
    return take_sample(arg, ref, t, v, NULL);
}

/* Start timestamps are not kept in the head. */
static fer_code on_sample_st(void *arg, uint64_t ref, int64_t t, int64_t st, double v)
{
    (void)st;
    return take_sample(arg, ref, t, v, NULL);
}

static fer_code on_histogram(void *arg, uint64_t ref, int64_t t, int64_t st, const hist_sample *s)
{
    (void)st;
    wbl_replayer *r = arg;
    fer_err err = {0};
    hist_sample taken = *s;
    if (hist_check(s, &err) == FER_OK && hist_lower(&taken, r->record))
        return take_sample(r, ref, t, 0, &taken);
    LOGW(r->h->log, "Histogram in the log of samples out of order left out", "ref", LOG_INT(ref),
         "time", LOG_INT(t), "err", err.msg);
    return FER_OK;
}

static int by_place(const void *key, const void *item)
{
    uint64_t place = *(const uint64_t *)key, at = ((const replay_ooo_chunk *)item)->place;
    return (place > at) - (place < at);
}

/* The chunk a marker names, if it was read back. */
static const replay_ooo_chunk *find_chunk(const wbl_replayer *r, uint64_t place)
{
    const replay_chunks *c = r->chunks;
    return c->n_ooo == 0 ? NULL : bsearch(&place, c->ooo, c->n_ooo, sizeof *c->ooo, by_place);
}

/* What was in chunks_head by then is in blocks. */
static void forget_done(wbl_replayer *r, uint64_t place)
{
    r->done = place;
    for (uint32_t i = 0; i < r->h->ooo->n; i++)
        ooo_forget_done(r->h, r->h->ooo->v[i], place);
}

static fer_code on_marker(void *arg, uint64_t ref, uint64_t place)
{
    wbl_replayer *r = arg;
    if (ref == 0) {
        forget_done(r, place);
        return FER_OK;
    }
    const replay_ooo_chunk *c = find_chunk(r, place);
    uint32_t slot = slot_of(r, ref);
    ooo_series *s = slot == REF_NONE ? NULL : ooo_find(r->h, slot);
    if (s == NULL)
        return FER_OK;
    if (c != NULL && place > r->done && ref_map_get(r->refs, c->ref) == slot)
        ooo_forget_logged(r->h, s);
    else if (place != 0)
        s->stays = true;
    return FER_OK;
}

static fer_code decode(wbl_replayer *r, fer_str rec, fer_err *err)
{
    const record_visitor v = {.arg = r, .sample = on_sample, .marker = on_marker};
    const record_hist_visitor hv = {.arg = r, .sample = on_sample_st, .histogram = on_histogram};
    switch (record_type_of(rec)) {
    case RECORD_SAMPLES:
    case RECORD_MMAP_MARKERS:
        return record_decode(rec, &v, err);
    case RECORD_HISTOGRAM_SAMPLES:
    case RECORD_FLOAT_HISTOGRAM_SAMPLES:
    case RECORD_CUSTOM_HISTOGRAM_SAMPLES:
    case RECORD_CUSTOM_FLOAT_HISTOGRAM_SAMPLES:
    case RECORD_SAMPLES_V2:
    case RECORD_HISTOGRAM_SAMPLES_V2:
    case RECORD_FLOAT_HISTOGRAM_SAMPLES_V2:
        return record_hist_decode(rec, r->record, &hv, err);
    default:
        return FER_OK; /* as Prometheus does */
    }
}

static fer_code on_record(void *arg, uint64_t segment, uint64_t offset, fer_str rec)
{
    wbl_replayer *r = arg;
    fer_err err = {0};
    fer_arena_reset(r->record);
    if (decode(r, rec, &err) != FER_OK) {
        r->stats->corruptions++;
        LOGW(r->h->log, "Damaged record in the log of samples out of order", "segment",
             LOG_INT(segment), "offset", LOG_INT(offset), "err", err.msg);
    }
    return FER_OK;
}

static void on_damage(void *arg, const wal_damage *d)
{
    wbl_replayer *r = arg;
    if (!d->torn)
        r->stats->corruptions++;
    wal_note_tear(&r->stats->tear, d);
    LOGW(r->h->log,
         d->torn ? "Unfinished write in the log of samples out of order"
                 : "Damage in the log of samples out of order",
         "segment", LOG_INT(d->segment), "offset", LOG_INT(d->offset), "lost_bytes",
         LOG_INT(d->lost_bytes), "err", d->why);
}

fer_code wbl_replay(head *h, vfs *fs, const char *wbl_dir, ref_map *refs,
                    const replay_chunks *chunks, wbl_replay_stats *ret, fer_err *err)
{
    wbl_replayer r = {h, refs, chunks, ret, fer_arena_new(NULL, 0), 0};
    fer_code code = FER_OK;
    take_chunks(&r);
    if (vfs_exists(fs, wbl_dir))
        code = wal_read(fs, wbl_dir, on_record, on_damage, &r, NULL, err);
    fer_arena_free(r.record);
    return code;
}

/* replay.c - records to series and samples.
 *
 * A series may have been logged under several refs (Prometheus does so after it forgot and met it
 * again): all lead to the slot that the first made. A ref logged with two label sets leads to the later.
 *
 * A series that the log names gets the chunks that chunks_head has under its ref, and samples of the log that lie in
 * one of them are skipped. Chunks that do not come behind what the series has are decoded, and their samples are late.
 *
 * What was not known durable when a write failed is in the log twice (wal.h), and of the first copy any part
 * may be missing. So a sample behind the newest of its series is not just skipped: if it is not there it is put
 * in its place. A deletion goes no further than the newest sample that its series had when it was logged.
 */
#include "tsdb/wal/replay.h"

#include <assert.h>
#include <string.h>

#include "tsdb/head/head_delete.h"
#include "tsdb/hist_check.h"
#include "tsdb/wal/record_hist.h"
#include "tsdb/wal/ref_map.h"
#include "tsdb/wal/replay_chunks.h"
#include "tsdb/wal/replay_lane.h"
#include "tsdb/wal/replay_progress.h"
#include "tsdb/wal/replay_series.h"
#include "tsdb/wal/wal.h"
#include "tsdb/wal/wbl_replay.h"

/* ---- records ---- */

/* A further ref of a series. */
typedef struct second_ref {
    uint64_t ref;
    uint32_t slot;
} second_ref;

typedef struct replayer {
    head *h;
    const replay_source *from;
    replay_series *series;
    replay_lanes *lanes;
    second_ref *second;
    size_t n_second, cap_second;
    fer_arena *record; /* of the record being decoded */
    ref_map refs;      /* to slots */
    replay_chunks chunks;
    replay_stats *stats;
    replay_progress progress;
    uint64_t max_ref;
    uint64_t skipped_types; /* bit per record type */
    uint64_t bad_hists;
} replayer;

static void see_ref(replayer *r, uint64_t ref)
{
    if (ref > r->max_ref)
        r->max_ref = ref;
}

static void note_second(replayer *r, uint64_t ref, uint32_t slot)
{
    if (r->n_second == r->cap_second) {
        r->cap_second = r->cap_second == 0 ? 64 : r->cap_second * 2;
        r->second = fer_realloc(r->second, r->cap_second * sizeof *r->second);
    }
    r->second[r->n_second++] = (second_ref){ref, slot};
}

static inline uint32_t slot_of(replayer *r, uint64_t ref)
{
    uint32_t slot = ref_map_get(&r->refs, ref);
    if (slot == SLOT_NONE) {
        see_ref(r, ref);
        r->stats->unknown_refs++;
    }
    return slot;
}

static fer_code on_series(void *arg, uint64_t ref, labels ls)
{
    replayer *r = arg;
    replay_series_take(r->series, ref, ls);
    return FER_OK;
}

static void on_slot(void *arg, uint64_t ref, uint32_t slot, const fer_err *err)
{
    replayer *r = arg;
    see_ref(r, ref);
    if (slot == SLOT_NONE) {
        r->stats->corruptions++;
        LOGW(r->h->log, "Series in the log left out", "ref", LOG_INT(ref), "err", err->msg);
        return;
    }
    *ref_map_put(&r->refs, ref) = slot;
    if (ref != head_ref(r->h, slot))
        note_second(r, ref, slot);
    uint32_t first = replay_chunks_take(&r->chunks, ref);
    if (first != REF_NONE)
        replay_lanes_chunks(r->lanes, slot, first);
}

static inline void take_float(replayer *r, uint64_t ref, int64_t t, double v)
{
    r->stats->samples++;
    uint32_t slot = slot_of(r, ref);
    if (slot != SLOT_NONE)
        replay_lanes_float(r->lanes, slot, t, v);
}

static fer_code take_floats(replayer *r, fer_str rec, fer_err *err)
{
    record_floats s;
    FER_TRY(record_floats_begin(&s, rec, err));
    while (rd_left(&s.left) != 0) {
        uint64_t ref;
        int64_t t;
        double v;
        if (record_floats_next(&s, &ref, &t, &v) != FER_OK)
            return record_floats_damaged(&s, rec, err);
        take_float(r, ref, t, v);
    }
    return FER_OK;
}

/* Start timestamps are not kept in the head. */
static fer_code on_sample_st(void *arg, uint64_t ref, int64_t t, int64_t st, double v)
{
    (void)st;
    take_float(arg, ref, t, v);
    return FER_OK;
}

static fer_code on_histogram(void *arg, uint64_t ref, int64_t t, int64_t st, const hist_sample *s)
{
    (void)st;
    replayer *r = arg;
    fer_err err = {0};
    if (hist_check(s, &err) == FER_OK) {
        hist_sample taken = *s;
        bool ok = hist_lower(&taken, r->record);
        assert(ok); /* the arena has no limit */
        (void)ok;
        r->stats->samples++;
        uint32_t slot = slot_of(r, ref);
        if (slot != SLOT_NONE)
            replay_lanes_hist(r->lanes, slot, t, &taken);
        return FER_OK;
    }
    if (r->bad_hists++ == 0)
        LOGW(r->h->log, "Histogram in the log left out", "ref", LOG_INT(ref), "time", LOG_INT(t),
             "err", err.msg);
    return FER_OK;
}

static fer_code on_exemplar(void *arg, uint64_t ref, int64_t t, double v, labels ls)
{
    replayer *r = arg;
    label l[LABELS_MAX];
    uint32_t slot = ref_map_get(&r->refs, ref);
    if (slot == SLOT_NONE || r->h->exemplars == NULL)
        return FER_OK;
    const exemplar e = {ls, v, t};
    exemplar_verdict seen = exemplar_store_add(r->h->exemplars, head_labels(r->h, slot, l), &e);
    (void)seen; /* what was logged twice is there once */
    return FER_OK;
}

static fer_code on_tombstone(void *arg, uint64_t ref, int64_t mint, int64_t maxt)
{
    replayer *r = arg;
    uint32_t slot = slot_of(r, ref);
    if (slot != SLOT_NONE)
        replay_lanes_deletion(r->lanes, slot, mint, maxt);
    return FER_OK;
}

static fer_code on_metadata(void *arg, const record_metadata *m)
{
    replayer *r = arg;
    label l[LABELS_MAX];
    uint32_t slot = ref_map_get(&r->refs, m->ref);
    if (slot == SLOT_NONE || r->from->on_metadata == NULL)
        return FER_OK;
    fer_str name = labels_get(head_labels(r->h, slot, l), STR("__name__"));
    fer_str family = m->family.n != 0 ? m->family : family_of(name, m->type);
    const metadata_family told = {family, m->type, m->help, m->unit, true};
    r->from->on_metadata(r->from->on_metadata_arg, &told);
    return FER_OK;
}

static fer_code decode(replayer *r, fer_str rec, fer_err *err)
{
    const record_visitor plain = {
        .arg = r, .series = on_series, .tombstone = on_tombstone, .metadata = on_metadata};
    const record_hist_visitor hist = {
        .arg = r, .sample = on_sample_st, .histogram = on_histogram, .exemplar = on_exemplar};
    fer_code code;
    switch (record_type_of(rec)) {
    case RECORD_SAMPLES:
        return take_floats(r, rec, err);
    case RECORD_SERIES:
        code = record_decode(rec, &plain, err);
        replay_series_flush(r->series);
        return code;
    case RECORD_TOMBSTONES:
    case RECORD_METADATA:
        return record_decode(rec, &plain, err);
    default:
        fer_arena_reset(r->record);
        return record_hist_decode(rec, r->record, &hist, err);
    }
}

static fer_code on_record(void *arg, uint64_t segment, uint64_t offset, fer_str rec)
{
    static const uint64_t read_types =
        1U << RECORD_SERIES | 1U << RECORD_SAMPLES | 1U << RECORD_TOMBSTONES |
        1U << RECORD_METADATA | 1U << RECORD_HISTOGRAM_SAMPLES |
        1U << RECORD_FLOAT_HISTOGRAM_SAMPLES | 1U << RECORD_CUSTOM_HISTOGRAM_SAMPLES |
        1U << RECORD_CUSTOM_FLOAT_HISTOGRAM_SAMPLES | 1U << RECORD_SAMPLES_V2 |
        1U << RECORD_HISTOGRAM_SAMPLES_V2 | 1U << RECORD_FLOAT_HISTOGRAM_SAMPLES_V2 |
        1U << RECORD_EXEMPLARS;
    replayer *r = arg;
    if (segment > r->h->wal_segment)
        r->h->wal_segment = segment;
    replay_progress_at(&r->progress, segment, offset);
    uint8_t type = record_type_of(rec);
    if (type >= 64 || !(read_types >> type & 1)) {
        r->stats->skipped++;
        r->skipped_types |= UINT64_C(1) << (type < 64 ? type : 0);
        return FER_OK;
    }
    fer_err err = {0};
    if (decode(r, rec, &err) != FER_OK) {
        r->stats->corruptions++;
        LOGW(r->h->log, "Damaged record in the log", "segment", LOG_INT(segment), "offset",
             LOG_INT(offset), "err", err.msg);
    }
    return FER_OK;
}

static void on_damage(void *arg, const wal_damage *d)
{
    replayer *r = arg;
    if (!d->torn) /* a write that a killed process did not finish is nothing wrong */
        r->stats->corruptions++;
    wal_note_tear(&r->stats->tear, d);
    LOGW(r->h->log, d->torn ? "Unfinished write in the log" : "Damage in the log", "segment",
         LOG_INT(d->segment), "offset", LOG_INT(d->offset), "lost_bytes", LOG_INT(d->lost_bytes),
         "err", d->why);
}

/* ---- the whole log ---- */

static fer_code set_range(vfs *fs, const char *dir, tsdb_progress *progress, fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *tmp = fer_arena_new(NULL, 0);
    uint64_t *seg;
    size_t n;
    FER_TRY(wal_list(fs, dir, tmp, &seg, &n, err));
    if (n != 0) {
        atomic_store(&progress->min, seg[0]);
        atomic_store(&progress->max, seg[n - 1]);
        atomic_store(&progress->current, seg[0]);
    }
    return FER_OK;
}

/* Which samples were logged under a further ref is not known: none is newer than the series'. */
static void keep_second_refs(replayer *r)
{
    fer_mutex_lock(&r->h->mu);
    for (size_t i = 0; i < r->n_second; i++)
        head_note_gone(r->h, r->second[i].ref, r->h->wal_segment,
                       head_stage_rec(r->h, r->second[i].slot)->t);
    fer_mutex_unlock(&r->h->mu);
}

static void finish_lanes(replayer *r)
{
    tombstones stones;
    tombstones_init(&stones, &r->h->acct);
    replay_lanes_close(r->lanes, r->stats, &stones);
    r->stats->deletions = stones.n;
    if (stones.n != 0)
        head_stones_add(r->h, stones.v, stones.n);
    tombstones_done(&stones);
}

static void finish(replayer *r)
{
    head *h = r->h;
    keep_second_refs(r);
    if (r->max_ref > h->last_ref)
        h->last_ref = r->max_ref;
    if (r->chunks.max_ref > h->last_ref)
        h->last_ref = r->chunks.max_ref;
    h->published = h->n_slots;
    h->staged_max = h->max_time;
    if (r->skipped_types != 0)
        LOGW(h->log, "Records of kinds this version does not read were left out of the head",
             "records", LOG_INT(r->stats->skipped), "type_bits", LOG_INT(r->skipped_types));
    if (r->chunks.skipped != 0)
        LOGW(h->log,
             "Chunks of kinds this version does not read in chunks_head were left out of the head",
             "chunks", LOG_INT(r->chunks.skipped));
    if (r->stats->unknown_refs != 0)
        LOGW(h->log, "Samples in the log without their series", "samples",
             LOG_INT(r->stats->unknown_refs));
}

/* What came out of order: chunks, then the log of its own. */
static fer_code read_ooo(replayer *r, vfs *fs, const char *wbl_dir, fer_err *err)
{
    wbl_replay_stats told = {0};
    fer_code code = wbl_replay(r->h, fs, wbl_dir, &r->refs, &r->chunks, &told, err);
    see_ref(r, told.max_ref);
    r->stats->ooo_samples = told.samples;
    r->stats->ooo_chunks = told.chunks;
    r->stats->unknown_refs += told.unknown_refs;
    r->stats->wbl_corruptions = told.corruptions;
    r->stats->wbl_tear = told.tear;
    return code;
}

static fer_code read_all(head *h, const replay_source *from, tsdb_progress *progress,
                         replay_stats *stats, fer_err *err)
{
    replayer r = {.h = h, .from = from, .stats = stats, .record = fer_arena_new(NULL, 0)};
    vfs *fs = from->fs;
    const char *wal_dir = from->wal_dir;
    fer_code code = FER_OK;
    ref_map_init(&r.refs, &h->acct);
    replay_chunks_load(&r.chunks, h);
    r.series = replay_series_new(h, on_slot, &r);
    r.lanes = replay_lanes_open(h, &r.chunks, from->threads);
    replay_progress_begin(&r.progress, fs, wal_dir, from->clock, h->log);
    if (vfs_exists(fs, wal_dir))
        code = wal_read(fs, wal_dir, on_record, on_damage, &r,
                        progress != NULL ? &progress->current : NULL, err);
    finish_lanes(&r);
    if (code == FER_OK)
        code = read_ooo(&r, fs, from->wbl_dir, err);
    finish(&r);
    replay_progress_done(&r.progress);
    replay_series_free(r.series);
    replay_chunks_done(&r.chunks);
    fer_free(r.second);
    fer_arena_free(r.record);
    ref_map_done(&r.refs);
    return code;
}

fer_code replay_log(head *h, const replay_source *from, tsdb_progress *progress, replay_stats *ret,
                    fer_err *err)
{
    *ret = (replay_stats){0};
    uint64_t begun = from->clock->mono_ns(from->clock);
    if (progress != NULL && vfs_exists(from->fs, from->wal_dir))
        FER_TRY(set_range(from->fs, from->wal_dir, progress, err));

    fer_code code = read_all(h, from, progress, ret, err);
    ret->ns = from->clock->mono_ns(from->clock) - begun;
    return code;
}

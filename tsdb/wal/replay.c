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
#include "tsdb/head/head_hist.h"
#include "tsdb/hist_check.h"
#include "tsdb/wal/record_hist.h"
#include "tsdb/wal/ref_map.h"
#include "tsdb/wal/replay_chunks.h"
#include "tsdb/wal/replay_progress.h"
#include "tsdb/wal/wal.h"

enum { LATE_MAX = 1 << 20 };

/* ---- records ---- */

/* A further ref of a series. */
typedef struct second_ref {
    uint64_t ref;
    uint32_t slot;
} second_ref;

typedef struct replayer {
    head *h;
    tombstones stones;
    second_ref *second;
    size_t n_second, cap_second;
    head_late *late; /* of LATE_MAX; NULL before the first */
    size_t n_late;
    fer_arena *late_hists;
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

/* Labels as the head wants them; a log written by others may hold a set out of order. */
static fer_code canonical(labels ls, label *copy, labels *ret, fer_err *err)
{
    bool sorted = true;
    for (size_t i = 0; i < ls.n; i++) {
        if (ls.l[i].value.n == 0 || (i > 0 && str_cmp(ls.l[i - 1].name, ls.l[i].name) >= 0))
            sorted = false;
    }
    *ret = ls;
    if (sorted)
        return FER_OK;
    if (ls.n > LABELS_MAX)
        return fer_fail(err, FER_LIMIT, "%zu labels, more than %d", ls.n, LABELS_MAX);
    memcpy(copy, ls.l, ls.n * sizeof *copy);
    return labels_canonical(copy, ls.n, false, ret, err);
}

static void note_second(replayer *r, uint64_t ref, uint32_t slot)
{
    if (r->n_second == r->cap_second) {
        r->cap_second = r->cap_second == 0 ? 64 : r->cap_second * 2;
        r->second = fer_realloc(r->second, r->cap_second * sizeof *r->second);
    }
    r->second[r->n_second++] = (second_ref){ref, slot};
}

static uint32_t slot_of(replayer *r, uint64_t ref)
{
    uint32_t slot = ref_map_get(&r->refs, ref);
    if (slot == SLOT_NONE) {
        see_ref(r, ref);
        r->stats->unknown_refs++;
    }
    return slot;
}

static int by_slot_and_time(const void *a, const void *b)
{
    const head_late *x = a, *y = b;
    if (x->slot != y->slot)
        return x->slot < y->slot ? -1 : 1;
    if (x->t != y->t)
        return x->t < y->t ? -1 : 1;
    return x->seq < y->seq ? -1 : 1;
}

/* Puts the late samples gathered so far into their series, each series decoded once. */
static void merge_late(replayer *r)
{
    size_t in = 0;
    if (r->n_late != 0)
        qsort(r->late, r->n_late, sizeof *r->late, by_slot_and_time);
    for (size_t from = 0, to; from < r->n_late; from = to) {
        for (to = from + 1; to < r->n_late && r->late[to].slot == r->late[from].slot; to++)
            ;
        in += head_merge(r->h, r->late + from, to - from);
    }
    r->stats->late_samples += in;
    r->stats->old_samples += r->n_late - in;
    r->n_late = 0;
    fer_arena_reset(r->late_hists);
}

/* h NULL: the float v. */
static void take_late(replayer *r, uint32_t slot, int64_t t, double v, const hist_sample *h)
{
    if (r->late == NULL)
        r->late = fer_alloc(LATE_MAX * sizeof *r->late);
    hist_sample *copy = NULL;
    if (h != NULL) {
        copy = ARENA_NEW(r->late_hists, hist_sample);
        bool ok = copy != NULL && hist_copy(h, r->late_hists, copy);
        assert(ok); /* the arena has no limit */
        (void)ok;
    }
    r->late[r->n_late] = (head_late){t, v, copy, slot, (uint32_t)r->n_late};
    if (++r->n_late == LATE_MAX)
        merge_late(r);
}

/* ---- chunks of chunks_head ---- */

static void read_chunk(const head *h, const full_chunk *c, samples *out)
{
    fer_err err = {0};
    fer_code code = head_full_decode(h, c, INT64_MIN, INT64_MAX, out, &err);
    if (code != FER_OK)
        LOGW(h->log, "A chunk of chunks_head cannot be read", "file", LOG_INT(c->file), "offset",
             LOG_INT(c->at), "err", err.msg);
}

/* Whether sample i is a histogram, which *ret then is until the next call. */
static bool narrow_at(replayer *r, const samples *s, size_t i, hist_sample *ret)
{
    if (s->type == NULL || s->type[i] == SAMPLE_FLOAT)
        return false;
    fer_arena_reset(r->record);
    bool ok = hist_narrow(s->h[i], s->type[i] == SAMPLE_FLOAT_HISTOGRAM, r->record, ret);
    assert(ok); /* the arena has no limit */
    return ok;
}

static void take_chunk(replayer *r, uint32_t slot, const full_chunk *c)
{
    stage_rec *rec = head_stage_rec(r->h, slot);
    pub_rec *s = head_pub_rec(r->h, slot);
    r->stats->chunks++;
    if (rec->t == SAMPLE_T_NONE || c->mint > rec->t) {
        if (s->open != 0) {
            head_finish_chunk(r->h, s);
            s->stays = true;
        }
        head_attach(r->h, slot, c);
        rec->t = full_maxt(c);
        return;
    }
    samples had;
    samples_init(&had, NULL);
    read_chunk(r->h, c, &had);
    for (size_t i = 0; i < had.n; i++) {
        hist_sample h;
        bool is_hist = narrow_at(r, &had, i, &h);
        take_late(r, slot, had.t[i], is_hist ? 0 : had.v[i], is_hist ? &h : NULL);
    }
    s->stays = true;
    samples_done(&had);
}

static void take_chunks(replayer *r, uint32_t slot, uint64_t ref)
{
    const replay_chunk *c = replay_chunks_take(&r->chunks, ref);
    for (; c != NULL; c = c->next == REF_NONE ? NULL : &r->chunks.v[c->next])
        take_chunk(r, slot, &c->c);
}

/* Whether the sample is in a chunk that was read back. */
static bool is_in_chunk(const head *h, uint32_t slot, int64_t t)
{
    slab_ref full = head_pub_rec(h, slot)->full;
    const full_list *list = full == 0 ? NULL : slab_ptr(&h->chunks, full);
    for (uint32_t i = list == NULL ? 0 : list->n; i-- > 0;)
        if (list->c[i].mint <= t && full_maxt(&list->c[i]) >= t)
            return list->c[i].file != 0;
    return false;
}

/* Series that end with a chunk read back: their newest value, which new samples are judged against. */
static void find_last_values(replayer *r)
{
    samples last;
    samples_init(&last, NULL);
    for (uint32_t slot = 0; slot < r->h->n_slots && r->stats->chunks != 0; slot++) {
        const pub_rec *s = head_pub_rec(r->h, slot);
        if (s->open != 0 || s->full == 0)
            continue;
        const full_list *list = slab_ptr(&r->h->chunks, s->full);
        samples_clear(&last);
        read_chunk(r->h, &list->c[list->n - 1], &last);
        if (last.n == 0)
            continue;
        hist_sample h;
        bool is_hist = narrow_at(r, &last, last.n - 1, &h);
        head_stage_rec(r->h, slot)->v = is_hist ? hist_mark(&h) : last.v[last.n - 1];
    }
    samples_done(&last);
}

/* ---- records, again ---- */

static fer_code on_series(void *arg, uint64_t ref, labels ls)
{
    replayer *r = arg;
    see_ref(r, ref);
    label copy[LABELS_MAX];
    fer_err err;
    head_key key;
    uint32_t slot;
    fer_code code = canonical(ls, copy, &ls, &err);
    if (code == FER_OK)
        code = head_find_labels(r->h, ls, &key, &slot, &err);
    if (code == FER_OK && slot == SLOT_NONE)
        code = head_create(r->h, &key, ref, &slot, &err);
    if (code != FER_OK) {
        r->stats->corruptions++;
        LOGW(r->h->log, "Series in the log left out", "ref", LOG_INT(ref), "err", err.msg);
        return FER_OK;
    }
    *ref_map_put(&r->refs, ref) = slot;
    if (ref != head_ref(r->h, slot))
        note_second(r, ref, slot);
    take_chunks(r, slot, ref);
    return FER_OK;
}

/* h NULL: the float v. */
static void take_sample(replayer *r, uint64_t ref, int64_t t, double v, const hist_sample *h)
{
    r->stats->samples++;
    uint32_t slot = slot_of(r, ref);
    if (slot == SLOT_NONE)
        return;
    stage_rec *rec = head_stage_rec(r->h, slot);
    if (t < r->h->min_valid_time || t == rec->t) {
        r->stats->old_samples++;
    } else if (t < rec->t) {
        if (is_in_chunk(r->h, slot, t))
            r->stats->old_samples++;
        else
            take_late(r, slot, t, v, h);
    } else {
        rec->t = t;
        rec->v = h == NULL ? v : hist_mark(h);
        if (h == NULL)
            head_append(r->h, slot, t, v);
        else
            head_append_hist(r->h, slot, t, h);
    }
}

static fer_code on_sample(void *arg, uint64_t ref, int64_t t, double v)
{
    take_sample(arg, ref, t, v, NULL);
    return FER_OK;
}

/* Start timestamps are not kept in the head. */
static fer_code on_sample_st(void *arg, uint64_t ref, int64_t t, int64_t st, double v)
{
    (void)st;
    take_sample(arg, ref, t, v, NULL);
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
        take_sample(r, ref, t, 0, &taken);
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
    if (slot == SLOT_NONE)
        return FER_OK;
    int64_t newest = head_stage_rec(r->h, slot)->t;
    if (maxt > newest)
        maxt = newest;
    if (maxt >= r->h->min_valid_time && mint <= maxt && newest != SAMPLE_T_NONE)
        tombstones_add(&r->stones, head_ref(r->h, slot), mint, maxt);
    return FER_OK;
}

static fer_code on_record(void *arg, uint64_t segment, uint64_t offset, fer_str rec)
{
    static const uint64_t read_types =
        1U << RECORD_SERIES | 1U << RECORD_SAMPLES | 1U << RECORD_TOMBSTONES;
    static const uint64_t hist_types =
        1U << RECORD_HISTOGRAM_SAMPLES | 1U << RECORD_FLOAT_HISTOGRAM_SAMPLES |
        1U << RECORD_CUSTOM_HISTOGRAM_SAMPLES | 1U << RECORD_CUSTOM_FLOAT_HISTOGRAM_SAMPLES |
        1U << RECORD_SAMPLES_V2 | 1U << RECORD_HISTOGRAM_SAMPLES_V2 |
        1U << RECORD_FLOAT_HISTOGRAM_SAMPLES_V2 | 1U << RECORD_EXEMPLARS;
    replayer *r = arg;
    if (segment > r->h->wal_segment)
        r->h->wal_segment = segment;
    replay_progress_at(&r->progress, segment, offset);
    uint8_t type = record_type_of(rec);
    if (type >= 64 || !((read_types | hist_types) >> type & 1)) {
        r->stats->skipped++;
        r->skipped_types |= UINT64_C(1) << (type < 64 ? type : 0);
        return FER_OK;
    }
    record_visitor v = {
        .arg = r, .series = on_series, .sample = on_sample, .tombstone = on_tombstone};
    const record_hist_visitor hv = {
        .arg = r, .sample = on_sample_st, .histogram = on_histogram, .exemplar = on_exemplar};
    fer_err err = {0};
    fer_arena_reset(r->record);
    if ((hist_types >> type & 1 ? record_hist_decode(rec, r->record, &hv, &err)
                                : record_decode(rec, &v, &err)) != FER_OK) {
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

static void finish(replayer *r)
{
    head *h = r->h;
    keep_second_refs(r);
    find_last_values(r);
    merge_late(r);
    r->stats->deletions = r->stones.n;
    if (r->stones.n != 0)
        head_stones_add(h, r->stones.v, r->stones.n);
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

static fer_code read_all(head *h, vfs *fs, const char *wal_dir, fer_clock *clock,
                         tsdb_progress *progress, replay_stats *stats, fer_err *err)
{
    replayer r = {.h = h,
                  .stats = stats,
                  .late_hists = fer_arena_new(NULL, 0),
                  .record = fer_arena_new(NULL, 0)};
    fer_code code = FER_OK;
    ref_map_init(&r.refs, &h->acct);
    tombstones_init(&r.stones, &h->acct);
    replay_chunks_load(&r.chunks, h);
    replay_progress_begin(&r.progress, fs, wal_dir, clock, h->log);
    if (vfs_exists(fs, wal_dir))
        code = wal_read(fs, wal_dir, on_record, on_damage, &r,
                        progress != NULL ? &progress->current : NULL, err);
    finish(&r);
    replay_progress_done(&r.progress);
    replay_chunks_done(&r.chunks);
    tombstones_done(&r.stones);
    fer_free(r.second);
    fer_free(r.late);
    fer_arena_free(r.late_hists);
    fer_arena_free(r.record);
    ref_map_done(&r.refs);
    return code;
}

fer_code replay_log(head *h, vfs *fs, const char *wal_dir, fer_clock *clock,
                    tsdb_progress *progress, replay_stats *ret, fer_err *err)
{
    *ret = (replay_stats){0};
    uint64_t begun = clock->mono_ns(clock);
    if (progress != NULL && vfs_exists(fs, wal_dir))
        FER_TRY(set_range(fs, wal_dir, progress, err));

    fer_code code = read_all(h, fs, wal_dir, clock, progress, ret, err);
    ret->ns = clock->mono_ns(clock) - begun;
    return code;
}

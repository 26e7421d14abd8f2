/* replay.c - records to series and samples.
 *
 * Refs of the log stand for slots in a map of pages of 256 refs: refs are handed out in order, so a page
 * is nearly always full and the one used last is mostly the one used next. The map goes after replay.
 *
 * A series may have been logged under several refs (Prometheus does so after it forgot and met it
 * again): all lead to the slot that the first made. A ref logged with two label sets leads to the later.
 *
 * What was not known durable when a write failed is in the log twice (wal.h), and of the first copy any part
 * may be missing. So a sample behind the newest of its series is not just skipped: if it is not there it is put
 * in its place. Deletions hold for all samples of their series in the log, and are applied at the end.
 */
#include "tsdb/replay.h"

#include <string.h>

#include "tsdb/record.h"
#include "tsdb/wal.h"

enum { REF_PAGE = 256, LATE_MAX = 1 << 20 };

/* ---- refs to slots ---- */

typedef struct ref_page {
    uint64_t number;
    uint32_t slot[REF_PAGE];
} ref_page;

typedef struct ref_map {
    head_table by_number;
    ref_page **pages;
    uint32_t n, cap;
    ref_page *last;
    fer_account *acct;
} ref_map;

static uint64_t hash_number(uint64_t number)
{
    return fer_hash_mix(0, number);
}

static ref_page *find_page(ref_map *m, uint64_t number)
{
    if (m->last != NULL && m->last->number == number)
        return m->last;
    table_probe probe = head_table_probe(&m->by_number, hash_number(number));
    uint32_t i;
    while ((i = table_probe_next(&probe)) != TABLE_NONE)
        if (m->pages[i]->number == number)
            return m->last = m->pages[i];
    return NULL;
}

static ref_page *make_page(ref_map *m, uint64_t number)
{
    ref_page *page = find_page(m, number);
    if (page != NULL)
        return page;
    fer_account_force(m->acct, sizeof *page);
    if (m->n == m->cap) {
        m->cap = m->cap == 0 ? 64 : m->cap * 2;
        m->pages = fer_realloc(m->pages, m->cap * sizeof *m->pages);
    }
    page = fer_alloc(sizeof *page);
    page->number = number;
    memset(page->slot, 0xff, sizeof page->slot);
    head_table_insert(&m->by_number, hash_number(number), m->n);
    m->pages[m->n++] = page;
    return m->last = page;
}

static void ref_map_done(ref_map *m)
{
    for (uint32_t i = 0; i < m->n; i++)
        fer_free(m->pages[i]);
    fer_free(m->pages);
    fer_account_release(m->acct, m->n * sizeof(ref_page));
    head_table_done(&m->by_number);
}

/* ---- records ---- */

typedef struct deletion {
    uint32_t slot;
    int64_t mint, maxt;
} deletion;

/* A further ref of a series. */
typedef struct second_ref {
    uint64_t ref;
    uint32_t slot;
} second_ref;

typedef struct replayer {
    head *h;
    deletion *del;
    size_t n_del, cap_del;
    second_ref *second;
    size_t n_second, cap_second;
    head_late *late; /* of LATE_MAX; NULL before the first */
    size_t n_late;
    ref_map refs;
    replay_stats *stats;
    uint64_t max_ref;
    uint64_t skipped_types; /* bit per record type */
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
    make_page(&r->refs, ref / REF_PAGE)->slot[ref % REF_PAGE] = slot;
    if (ref != head_ref(r->h, slot))
        note_second(r, ref, slot);
    return FER_OK;
}

static uint32_t slot_of(replayer *r, uint64_t ref)
{
    const ref_page *page = find_page(&r->refs, ref / REF_PAGE);
    uint32_t slot = page == NULL ? SLOT_NONE : page->slot[ref % REF_PAGE];
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
}

static void take_late(replayer *r, uint32_t slot, int64_t t, double v)
{
    if (r->late == NULL)
        r->late = fer_alloc(LATE_MAX * sizeof *r->late);
    r->late[r->n_late] = (head_late){t, v, slot, (uint32_t)r->n_late};
    if (++r->n_late == LATE_MAX)
        merge_late(r);
}

static fer_code on_sample(void *arg, uint64_t ref, int64_t t, double v)
{
    replayer *r = arg;
    r->stats->samples++;
    uint32_t slot = slot_of(r, ref);
    if (slot == SLOT_NONE)
        return FER_OK;
    stage_rec *rec = head_stage_rec(r->h, slot);
    if (t < r->h->min_valid_time || t == rec->t) {
        r->stats->old_samples++;
    } else if (t < rec->t) {
        take_late(r, slot, t, v);
    } else {
        rec->t = t;
        rec->v = v;
        head_append(r->h, slot, t, v);
    }
    return FER_OK;
}

static fer_code on_tombstone(void *arg, uint64_t ref, int64_t mint, int64_t maxt)
{
    replayer *r = arg;
    uint32_t slot = slot_of(r, ref);
    if (slot == SLOT_NONE)
        return FER_OK;
    if (r->n_del == r->cap_del) {
        r->cap_del = r->cap_del == 0 ? 64 : r->cap_del * 2;
        r->del = fer_realloc(r->del, r->cap_del * sizeof *r->del);
    }
    r->del[r->n_del++] = (deletion){slot, mint, maxt};
    return FER_OK;
}

static fer_code on_record(void *arg, uint64_t segment, uint64_t offset, fer_str rec)
{
    static const uint64_t read_types =
        1U << RECORD_SERIES | 1U << RECORD_SAMPLES | 1U << RECORD_TOMBSTONES;
    replayer *r = arg;
    if (segment > r->h->wal_segment)
        r->h->wal_segment = segment;
    uint8_t type = record_type_of(rec);
    if (type >= 64 || !(read_types >> type & 1)) {
        r->stats->skipped++;
        r->skipped_types |= UINT64_C(1) << (type < 64 ? type : 0);
        return FER_OK;
    }
    record_visitor v = {
        .arg = r, .series = on_series, .sample = on_sample, .tombstone = on_tombstone};
    fer_err err = {0};
    if (record_decode(rec, &v, &err) != FER_OK) {
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
    merge_late(r);
    for (size_t i = 0; i < r->n_del; i++)
        r->stats->deleted += head_delete(h, r->del[i].slot, r->del[i].mint, r->del[i].maxt);
    for (size_t i = 0; i < r->n_del; i++) /* a series without samples may be removed */
        if (head_pub_rec(h, r->del[i].slot)->open == 0)
            head_stage_rec(h, r->del[i].slot)->t = SAMPLE_T_NONE;
    if (r->max_ref > h->last_ref)
        h->last_ref = r->max_ref;
    h->published = h->n_slots;
    h->staged_max = h->max_time;
    if (r->skipped_types != 0)
        LOGW(h->log, "Records of kinds this version does not read were left out of the head",
             "records", LOG_INT(r->stats->skipped), "type_bits", LOG_INT(r->skipped_types));
    if (r->stats->unknown_refs != 0)
        LOGW(h->log, "Samples in the log without their series", "samples",
             LOG_INT(r->stats->unknown_refs));
}

static fer_code read_all(head *h, vfs *fs, const char *wal_dir, tsdb_progress *progress,
                         replay_stats *stats, fer_err *err)
{
    replayer r = {.h = h, .stats = stats};
    r.refs.acct = &h->acct;
    head_table_init(&r.refs.by_number, &h->acct);
    fer_code code = wal_read(fs, wal_dir, on_record, on_damage, &r,
                             progress != NULL ? &progress->current : NULL, err);
    finish(&r);
    fer_free(r.del);
    fer_free(r.second);
    fer_free(r.late);
    ref_map_done(&r.refs);
    return code;
}

fer_code replay_log(head *h, vfs *fs, const char *wal_dir, fer_clock *clock,
                    tsdb_progress *progress, replay_stats *ret, fer_err *err)
{
    *ret = (replay_stats){0};
    if (!vfs_exists(fs, wal_dir))
        return FER_OK;
    uint64_t begun = clock->mono_ns(clock);
    if (progress != NULL)
        FER_TRY(set_range(fs, wal_dir, progress, err));

    fer_code code = read_all(h, fs, wal_dir, progress, ret, err);
    ret->ns = clock->mono_ns(clock) - begun;
    return code;
}

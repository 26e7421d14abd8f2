/* replay_lane.c - items in batches, batches in rings, and what a lane does with them.
 *
 * A lane has a ring of batches. The reader fills one; full ones are taken by the lane's thread in order. Both wait until the other has
 * done half a ring, so that neither is woken for each batch. A batch tells the slots that were there when it was full, so the lane
 * knows every one it meets.
 */
#include "tsdb/wal/replay_lane.h"

#include <assert.h>
#include <string.h>

#include "tsdb/head/head_hist.h"
#include "tsdb/hist_check.h"

enum {
    BATCH_ITEMS = 2048,
    BATCHES = 8,          /* of a lane */
    PREFETCH_RECORD = 48, /* items ahead */
    PREFETCH_CHUNK = 12,
    HIST_BYTES_MAX = 256 * 1024, /* of a batch's histograms, about */
    LATE_MAX = 1 << 20           /* late samples kept at a time, over all lanes */
};

typedef enum item_kind { ITEM_FLOAT, ITEM_HIST, ITEM_CHUNKS, ITEM_DELETION } item_kind;

typedef struct item {
    int64_t t; /* of a deletion: mint */
    union {
        double v;
        const hist_sample *hist; /* in the batch's arena */
        int64_t maxt;
        uint32_t first_chunk;
    };
    uint32_t slot;
    uint32_t kind;
} item;

typedef struct item_batch {
    item v[BATCH_ITEMS];
    uint32_t n;
    lane_slots slots;
    fer_arena *hists; /* NULL before the first */
    size_t hist_bytes;
} item_batch;

typedef struct lane {
    head h;
    const replay_chunks *chunks;
    item_batch batch[BATCHES];
    uint32_t number, of;

    /* ---- the lane's thread only ---- */
    head_late *late; /* NULL before the first */
    size_t n_late, late_max;
    fer_arena *late_hists, *scratch;
    tombstones stones; /* slots for refs */
    replay_stats stats;

    bool has_thread;
    fer_thread thread;
    fer_mutex mu;
    fer_cond filled, taken;
    /* ---- under mu ---- */
    uint64_t n_filled, n_taken; /* batches so far */
    bool end;
} lane;

struct replay_lanes {
    head *h;
    uint32_t n;
    uint32_t run; /* of slots, that `of_run` is the lane of */
    lane *of_run;
    lane *v[REPLAY_THREADS_MAX];
};

/* ---- late samples ---- */

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
static void merge_late(lane *l)
{
    size_t in = 0;
    if (l->n_late != 0)
        qsort(l->late, l->n_late, sizeof *l->late, by_slot_and_time);
    for (size_t from = 0, to; from < l->n_late; from = to) {
        for (to = from + 1; to < l->n_late && l->late[to].slot == l->late[from].slot; to++)
            ;
        in += head_merge(&l->h, l->late + from, to - from);
    }
    l->stats.late_samples += in;
    l->stats.old_samples += l->n_late - in;
    l->n_late = 0;
    fer_arena_reset(l->late_hists);
}

static const hist_sample *copy_hist(const hist_sample *h, fer_arena *a)
{
    hist_sample *copy = ARENA_NEW(a, hist_sample);
    bool ok = copy != NULL && hist_copy(h, a, copy);
    assert(ok); /* the arena has no limit */
    (void)ok;
    return copy;
}

/* h NULL: the float v. */
static void take_late(lane *l, uint32_t slot, int64_t t, double v, const hist_sample *h)
{
    if (l->late == NULL) {
        fer_account_force(&l->h.acct, l->late_max * sizeof *l->late);
        l->late = fer_alloc(l->late_max * sizeof *l->late);
    }
    const hist_sample *copy = h == NULL ? NULL : copy_hist(h, l->late_hists);
    l->late[l->n_late] = (head_late){t, v, copy, slot, (uint32_t)l->n_late};
    if (++l->n_late == l->late_max)
        merge_late(l);
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
static bool narrow_at(lane *l, const samples *s, size_t i, hist_sample *ret)
{
    if (s->type == NULL || s->type[i] == SAMPLE_FLOAT)
        return false;
    fer_arena_reset(l->scratch);
    bool ok = hist_narrow(s->h[i], s->type[i] == SAMPLE_FLOAT_HISTOGRAM, l->scratch, ret);
    assert(ok); /* the arena has no limit */
    return ok;
}

static void take_chunk(lane *l, uint32_t slot, const full_chunk *c)
{
    pub_rec *s = head_pub_rec(&l->h, slot);
    int64_t newest = head_newest(&l->h, s);
    l->stats.chunks++;
    if (newest == SAMPLE_T_NONE || c->mint > newest) {
        if (s->open != 0) {
            head_finish_chunk(&l->h, s);
            s->stays = true;
        }
        head_attach(&l->h, slot, c);
        return;
    }
    samples had;
    samples_init(&had, NULL);
    read_chunk(&l->h, c, &had);
    for (size_t i = 0; i < had.n; i++) {
        hist_sample h;
        bool is_hist = narrow_at(l, &had, i, &h);
        take_late(l, slot, had.t[i], is_hist ? 0 : had.v[i], is_hist ? &h : NULL);
    }
    s->stays = true;
    samples_done(&had);
}

static void take_chunks(lane *l, uint32_t slot, uint32_t first)
{
    for (uint32_t i = first; i != REF_NONE; i = l->chunks->v[i].next)
        take_chunk(l, slot, &l->chunks->v[i].c);
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

/* The value of the newest sample, which is in a chunk read back. */
static double last_value(lane *l, const full_list *list, samples *tmp)
{
    hist_sample h;
    samples_clear(tmp);
    read_chunk(&l->h, &list->c[list->n - 1], tmp);
    if (tmp->n == 0)
        return 0;
    return narrow_at(l, tmp, tmp->n - 1, &h) ? hist_mark(&h) : tmp->v[tmp->n - 1];
}

/* What new samples are judged against. The mark of a histogram stands there already. */
static void note_newest(lane *l, uint32_t slot, samples *tmp)
{
    const pub_rec *s = head_pub_rec(&l->h, slot);
    stage_rec *rec = head_stage_rec(&l->h, slot);
    rec->t = head_newest(&l->h, s);
    if (s->open != 0 && !s->is_hist)
        rec->v = s->app.v;
    else if (s->open == 0 && s->full != 0)
        rec->v = last_value(l, slab_ptr(&l->h.chunks, s->full), tmp);
}

static void note_all_newest(lane *l)
{
    samples tmp;
    samples_init(&tmp, NULL);
    for (uint32_t at = l->number * LANE_SLOTS; at < l->h.n_slots; at += l->of * LANE_SLOTS)
        for (uint32_t slot = at; slot < at + LANE_SLOTS && slot < l->h.n_slots; slot++)
            note_newest(l, slot, &tmp);
    samples_done(&tmp);
}

/* ---- items ---- */

/* h NULL: the float v. The newest sample of a series stands in its chunks, so its stage_rec is not looked at until the end. */
static void take_sample(lane *l, uint32_t slot, int64_t t, double v, const hist_sample *h)
{
    int64_t newest = head_newest(&l->h, head_pub_rec(&l->h, slot));
    if (t < l->h.min_valid_time || t == newest) {
        l->stats.old_samples++;
    } else if (t < newest) {
        if (is_in_chunk(&l->h, slot, t))
            l->stats.old_samples++;
        else
            take_late(l, slot, t, v, h);
    } else if (h == NULL) {
        head_append(&l->h, slot, t, v);
    } else {
        head_stage_rec(&l->h, slot)->v = hist_mark(h);
        head_append_hist(&l->h, slot, t, h);
    }
}

static void take_deletion(lane *l, uint32_t slot, int64_t mint, int64_t maxt)
{
    int64_t newest = head_newest(&l->h, head_pub_rec(&l->h, slot));
    if (maxt > newest)
        maxt = newest;
    if (maxt >= l->h.min_valid_time && mint <= maxt && newest != SAMPLE_T_NONE)
        tombstones_add(&l->stones, slot, mint, maxt);
}

static inline void prefetch_item(const lane *l, const item_batch *b, uint32_t i)
{
    if (i + PREFETCH_RECORD < b->n)
        __builtin_prefetch(head_pub_rec(&l->h, b->v[i + PREFETCH_RECORD].slot), 1);
    if (i + PREFETCH_CHUNK < b->n)
        head_prefetch_open(&l->h, b->v[i + PREFETCH_CHUNK].slot);
}

static void take_batch(lane *l, const item_batch *b)
{
    head_show_slots(&l->h, &b->slots);
    for (uint32_t i = 0; i < b->n; i++) {
        const item *it = &b->v[i];
        prefetch_item(l, b, i);
        switch ((item_kind)it->kind) {
        case ITEM_FLOAT:
            take_sample(l, it->slot, it->t, it->v, NULL);
            break;
        case ITEM_HIST:
            take_sample(l, it->slot, it->t, 0, it->hist);
            break;
        case ITEM_CHUNKS:
            take_chunks(l, it->slot, it->first_chunk);
            break;
        case ITEM_DELETION:
            take_deletion(l, it->slot, it->t, it->maxt);
            break;
        }
    }
}

/* All items have been taken. */
static void finish(lane *l)
{
    note_all_newest(l);
    merge_late(l);
}

/* ---- the rings ---- */

static void lane_main(void *arg)
{
    lane *l = arg;
    fer_mutex_lock(&l->mu);
    for (;;) {
        while (l->n_filled - l->n_taken < BATCHES / 2 && !l->end)
            fer_cond_wait(&l->filled, &l->mu);
        if (l->n_taken == l->n_filled)
            break;
        while (l->n_taken != l->n_filled) {
            const item_batch *b = &l->batch[l->n_taken % BATCHES];
            fer_mutex_unlock(&l->mu);
            take_batch(l, b);
            fer_mutex_lock(&l->mu);
            if (l->n_filled - ++l->n_taken == BATCHES / 2)
                fer_cond_signal(&l->taken);
        }
    }
    fer_mutex_unlock(&l->mu);
    finish(l);
}

/* The batch the reader fills. */
static item_batch *filling(lane *l)
{
    return &l->batch[l->n_filled % BATCHES];
}

/* Hands the batch that was filled to the lane, and waits for room for the next. */
static void hand_over(const head *h, lane *l)
{
    head_note_slots(h, &filling(l)->slots);
    if (!l->has_thread) {
        take_batch(l, filling(l));
    } else {
        fer_mutex_lock(&l->mu);
        if (++l->n_filled - l->n_taken == BATCHES / 2)
            fer_cond_signal(&l->filled);
        if (l->n_filled - l->n_taken == BATCHES)
            while (l->n_filled - l->n_taken > BATCHES / 2)
                fer_cond_wait(&l->taken, &l->mu);
        fer_mutex_unlock(&l->mu);
    }
    item_batch *next = filling(l);
    next->n = 0;
    next->hist_bytes = 0;
    if (next->hists != NULL)
        fer_arena_reset(next->hists);
}

static inline lane *lane_of(replay_lanes *l, uint32_t slot)
{
    if (slot / LANE_SLOTS != l->run) {
        l->run = slot / LANE_SLOTS;
        l->of_run = l->v[head_lane_of(slot, l->n)];
    }
    return l->of_run;
}

static inline void put(const head *h, lane *l, const item *it)
{
    item_batch *b = filling(l);
    b->v[b->n++] = *it;
    if (b->n == BATCH_ITEMS)
        hand_over(h, l);
}

void replay_lanes_float(replay_lanes *l, uint32_t slot, int64_t t, double v)
{
    put(l->h, lane_of(l, slot), &(item){.t = t, .v = v, .slot = slot, .kind = ITEM_FLOAT});
}

void replay_lanes_hist(replay_lanes *l, uint32_t slot, int64_t t, const hist_sample *s)
{
    lane *to = lane_of(l, slot);
    item_batch *b = filling(to);
    if (b->hists == NULL)
        b->hists = fer_arena_new(NULL, 0);
    b->hist_bytes += sizeof *s + hist_copy_bytes(s);
    bool many = b->hist_bytes > HIST_BYTES_MAX;
    put(l->h, to, &(item){.t = t, .hist = copy_hist(s, b->hists), .slot = slot, .kind = ITEM_HIST});
    if (many && b == filling(to) && b->n != 0)
        hand_over(l->h, to);
}

void replay_lanes_chunks(replay_lanes *l, uint32_t slot, uint32_t first)
{
    put(l->h, lane_of(l, slot), &(item){.first_chunk = first, .slot = slot, .kind = ITEM_CHUNKS});
}

void replay_lanes_deletion(replay_lanes *l, uint32_t slot, int64_t mint, int64_t maxt)
{
    put(l->h, lane_of(l, slot),
        &(item){.t = mint, .maxt = maxt, .slot = slot, .kind = ITEM_DELETION});
}

/* ---- opening and closing ---- */

static lane *lane_new(head *h, const replay_chunks *chunks, uint32_t number, uint32_t of)
{
    lane *l = fer_calloc(1, sizeof *l);
    l->chunks = chunks;
    l->number = number;
    l->of = of;
    l->late_max = LATE_MAX / of;
    l->late_hists = fer_arena_new(NULL, 0);
    l->scratch = fer_arena_new(NULL, 0);
    tombstones_init(&l->stones, NULL);
    fer_mutex_init(&l->mu, "replay lane", RANK_REPLAY_LANE);
    fer_cond_init(&l->filled);
    fer_cond_init(&l->taken);
    head_split(h, &l->h, number, of);
    fer_account_force(&l->h.acct, sizeof *l);
    return l;
}

static void lane_free(lane *l)
{
    for (int i = 0; i < BATCHES; i++)
        fer_arena_free(l->batch[i].hists);
    size_t late = l->late == NULL ? 0 : l->late_max * sizeof *l->late;
    fer_account_release(&l->h.acct, sizeof *l + late);
    fer_free(l->late);
    fer_arena_free(l->late_hists);
    fer_arena_free(l->scratch);
    tombstones_done(&l->stones);
    fer_cond_done(&l->taken);
    fer_cond_done(&l->filled);
    fer_mutex_done(&l->mu);
    fer_free(l);
}

replay_lanes *replay_lanes_open(head *h, const replay_chunks *chunks, unsigned threads)
{
    if (threads > REPLAY_THREADS_MAX)
        threads = REPLAY_THREADS_MAX;
    replay_lanes *l = fer_calloc(1, sizeof *l);
    l->h = h;
    l->n = threads == 0 ? 1 : threads;
    l->run = UINT32_MAX;
    for (uint32_t k = 0; k < l->n; k++) {
        lane *one = l->v[k] = lane_new(h, chunks, k, l->n);
        one->has_thread = threads != 0 &&
                          fer_thread_start(&one->thread, "replay", lane_main, one, NULL) == FER_OK;
    }
    return l;
}

static void end(const head *h, lane *l)
{
    hand_over(h, l); /* the last batch, be it empty: it tells all slots */
    if (!l->has_thread) {
        finish(l);
        return;
    }
    fer_mutex_lock(&l->mu);
    l->end = true;
    fer_cond_signal(&l->filled);
    fer_mutex_unlock(&l->mu);
}

static void add_results(const head *h, const lane *l, replay_stats *stats, tombstones *stones)
{
    stats->chunks += l->stats.chunks;
    stats->old_samples += l->stats.old_samples;
    stats->late_samples += l->stats.late_samples;
    for (size_t i = 0; i < l->stones.n; i++) {
        const tombstone *t = &l->stones.v[i];
        tombstones_add(stones, head_ref(h, (uint32_t)t->ref), t->mint, t->maxt);
    }
}

void replay_lanes_close(replay_lanes *l, replay_stats *stats, tombstones *stones)
{
    for (uint32_t k = 0; k < l->n; k++)
        end(l->h, l->v[k]);
    for (uint32_t k = 0; k < l->n; k++) {
        if (l->v[k]->has_thread)
            fer_thread_join(&l->v[k]->thread);
        head_join(l->h, &l->v[k]->h);
        add_results(l->h, l->v[k], stats, stones);
        lane_free(l->v[k]);
    }
    fer_free(l);
}

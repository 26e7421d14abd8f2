/* commit.c - taking, writing, publishing, telling. */
#include "tsdb/wal/commit.h"

#include <assert.h>
#include <string.h>

#include "tsdb/head/head_delete.h"
#include "tsdb/head/head_hist.h"

enum {
    KEEP_BYTES = 2 * 1024 * 1024, /* a batch above this gives its memory back */
    PREFETCH_RECORD = 24,         /* samples ahead */
    PREFETCH_CHUNK = 12,
    PREFETCH_HIST = 8,
    PREFETCH_NUMBERS = 4,
    DELETION_RECORD_BYTES = 128 * 1024
};
#define MS_NS 1000000ULL
#define FAILED_WAIT_NS (1000 * MS_NS) /* how long a request waits for a failing log */
#define SYNC_EVERY_NS (1000 * MS_NS)  /* wal-sync=interval */
#define PAUSE_FIRST_NS (20 * MS_NS)
#define PAUSE_MAX_NS (1000 * MS_NS)
#define STAGING_BYTES_DEFAULT ((size_t)256 << 20)
/* A buffer holds what one staging budget lets in, and one request more. */
#define RECORD_BYTES_MAX ((size_t)1 << 40)

/* ---- batches ---- */

static batch *batch_new(void)
{
    batch *b = fer_calloc(1, sizeof *b);
    fer_buf_init(&b->series.bytes, RECORD_BYTES_MAX, NULL);
    fer_buf_init(&b->samples.bytes, RECORD_BYTES_MAX, NULL);
    fer_buf_init(&b->deletions.bytes, RECORD_BYTES_MAX, NULL);
    tombstones_init(&b->stones, NULL);
    fer_buf_init(&b->hists.bytes, RECORD_BYTES_MAX, NULL);
    fer_buf_init(&b->exemplars.bytes, RECORD_BYTES_MAX, NULL);
    fer_buf_init(&b->ooo.bytes, RECORD_BYTES_MAX, NULL);
    return b;
}

static void batch_free(batch *b)
{
    if (b == NULL)
        return;
    fer_buf_done(&b->series.bytes);
    fer_buf_done(&b->samples.bytes);
    fer_buf_done(&b->deletions.bytes);
    fer_buf_done(&b->hists.bytes);
    fer_buf_done(&b->exemplars.bytes);
    fer_buf_done(&b->ooo.bytes);
    fer_free(b->ooo.ends);
    fer_free(b->late);
    fer_free(b->series.ends);
    fer_free(b->samples.ends);
    fer_free(b->hists.ends);
    fer_free(b->exemplars.ends);
    fer_free(b->deletions.ends);
    tombstones_done(&b->stones);
    fer_arena_free(b->arena);
    fer_free(b->s);
    fer_free(b->waits);
    fer_free(b);
}

static void records_clear(batch_records *r)
{
    fer_buf_clear(&r->bytes);
    r->n = 0;
}

/* Takes a published batch back for the next round, or frees it when it has grown large. */
static void batch_recycle(committer *c, batch *b)
{
    size_t bytes = b->series.bytes.cap + b->samples.bytes.cap + b->hists.bytes.cap +
                   b->exemplars.bytes.cap + b->cap * sizeof *b->s + b->arena_bytes +
                   b->ooo.bytes.cap + b->cap_late * sizeof *b->late;
    if (c->spare != NULL || bytes > KEEP_BYTES || b->stones.n != 0) {
        batch_free(b);
        return;
    }
    records_clear(&b->series);
    records_clear(&b->samples);
    records_clear(&b->hists);
    records_clear(&b->exemplars);
    records_clear(&b->ooo);
    b->first_exemplar = b->last_exemplar = NULL;
    if (b->arena != NULL)
        fer_arena_reset(b->arena);
    b->next = NULL;
    b->n = b->n_waits = b->charged = b->arena_bytes = b->n_hists = b->n_late = 0;
    b->failed_since_ns = 0;
    c->spare = b;
}

static void records_end(batch_records *r)
{
    assert(!r->bytes.full);
    size_t begin = r->n == 0 ? 0 : r->ends[r->n - 1];
    if (r->bytes.n == begin)
        return;
    if (r->n == r->cap) {
        r->cap = r->cap == 0 ? 16 : r->cap * 2;
        r->ends = fer_realloc(r->ends, r->cap * sizeof *r->ends);
    }
    r->ends[r->n++] = r->bytes.n;
}

bool batch_end_record(batch_records *r, size_t min_bytes)
{
    size_t begin = r->n == 0 ? 0 : r->ends[r->n - 1];
    if (r->bytes.n - begin < min_bytes)
        return false;
    records_end(r);
    return true;
}

/* What the batch takes until it is durable: its records twice, for the log copies them. */
static size_t batch_bytes(const batch *b)
{
    return 2 * (b->series.bytes.n + b->samples.bytes.n + b->hists.bytes.n + b->exemplars.bytes.n +
                b->deletions.bytes.n + b->ooo.bytes.n) +
           b->arena_bytes + b->n_late * sizeof *b->late + b->n * sizeof *b->s +
           b->stones.n * sizeof *b->stones.v + b->n_waits * sizeof *b->waits;
}

void batch_put_hists_first(batch *b)
{
    size_t begin = 0;
    for (size_t i = 0; i < b->hists.n; i++) {
        fer_buf_put(&b->samples.bytes, b->hists.bytes.p + begin, b->hists.ends[i] - begin);
        records_end(&b->samples);
        begin = b->hists.ends[i];
    }
    records_clear(&b->hists);
}

static fer_arena *need_arena(batch *b)
{
    if (b->arena == NULL)
        b->arena = fer_arena_new(NULL, 0);
    return b->arena;
}

/* Arenas of batches have no limit. */
static void *take_bytes(batch *b, size_t n)
{
    void *p = fer_arena_alloc(need_arena(b), n);
    assert(p != NULL);
    b->arena_bytes += n;
    return p;
}

static fer_str copy_text(batch *b, fer_str s)
{
    char *p = take_bytes(b, s.n);
    if (s.n != 0)
        memcpy(p, s.p, s.n);
    return (fer_str){p, s.n};
}

static labels copy_labels(batch *b, labels ls)
{
    label *l = take_bytes(b, ls.n * sizeof *l);
    for (size_t i = 0; i < ls.n; i++)
        l[i] = (label){copy_text(b, ls.l[i].name), copy_text(b, ls.l[i].value)};
    return (labels){l, ls.n};
}

void batch_add_exemplar(batch *b, labels series, const exemplar *e)
{
    batch_exemplar *x = take_bytes(b, sizeof *x);
    *x = (batch_exemplar){NULL, copy_labels(b, series), {copy_labels(b, e->ls), e->v, e->t}};
    if (b->last_exemplar != NULL)
        b->last_exemplar->next = x;
    else
        b->first_exemplar = x;
    b->last_exemplar = x;
}

static const hist_sample *copy_hist(batch *b, const hist_sample *s)
{
    need_arena(b);
    hist_sample *copy = ARENA_NEW(b->arena, hist_sample);
    bool ok = copy != NULL && hist_copy(s, b->arena, copy);
    assert(ok); /* the arena has no limit */
    (void)ok;
    b->arena_bytes += sizeof *copy + hist_copy_bytes(s);
    return copy;
}

void batch_add_hist(batch *b, uint32_t slot, int64_t t, const hist_sample *s)
{
    b->n_hists++;
    batch_add_sample(b, slot | BATCH_HIST, t, 0);
    b->s[b->n - 1].hist = copy_hist(b, s);
}

void batch_add_ooo(batch *b, ooo_series *s, int64_t t, double v, const hist_sample *hist)
{
    if (b->n_late == b->cap_late) {
        b->cap_late = b->cap_late == 0 ? 64 : b->cap_late * 2;
        b->late = fer_realloc(b->late, b->cap_late * sizeof *b->late);
    }
    b->late[b->n_late++] = (batch_ooo){s, t, v, hist == NULL ? NULL : copy_hist(b, hist)};
    s->staged++;
}

/* ---- the committer ---- */

void committer_init(committer *c, head *h, wal *w, const tsdb_options *o)
{
    *c = (committer){.h = h, .log_files = w, .clock = o->clock, .log = o->log, .sync = o->sync};
    c->limit_bytes =
        o->staging_limit_bytes > 0 ? (size_t)o->staging_limit_bytes : STAGING_BYTES_DEFAULT;
    fer_account_init(&c->acct, "staging", o->account, 0);
    fer_cond_init(&c->wake);
    c->open = batch_new();
    wal_stats_get(w, &c->wal_told);
}

static void tell(batch *b, fer_code code)
{
    for (size_t i = 0; i < b->n_waits; i++)
        b->waits[i].done(b->waits[i].arg, code);
    b->n_waits = 0;
}

wal *committer_done(committer *c, fer_code code)
{
    for (batch *b = c->first, *next; b != NULL; b = next) {
        next = b->next;
        tell(b, code);
        batch_free(b);
    }
    tell(c->open, code);
    batch_free(c->open);
    batch_free(c->spare);
    fer_account_release(&c->acct, c->staged_bytes);
    fer_cond_done(&c->wake);
    return c->new_wbl != NULL ? c->new_wbl : c->wbl;
}

bool committer_is_full(const committer *c)
{
    return c->staged_bytes >= c->limit_bytes;
}

void committer_add_wait(committer *c, tsdb_done_fn done, void *arg)
{
    batch *b = c->open;
    if (b->n_waits == b->cap_waits) {
        b->cap_waits = b->cap_waits == 0 ? 16 : b->cap_waits * 2;
        b->waits = fer_realloc(b->waits, b->cap_waits * sizeof *b->waits);
    }
    b->waits[b->n_waits++] = (batch_wait){done, arg};

    size_t bytes = batch_bytes(b);
    fer_account_force(&c->acct, bytes - b->charged);
    c->staged_bytes += bytes - b->charged;
    b->charged = bytes;
}

void committer_add_stones(committer *c, const tombstone *v, size_t n)
{
    batch *b = c->open;
    bool begun = false;
    for (size_t i = 0; i < n; i++) {
        if (!begun)
            record_tombstones_begin(&b->deletions.bytes);
        record_tombstones_add(&b->deletions.bytes, v[i].ref, v[i].mint, v[i].maxt);
        begun = !batch_end_record(&b->deletions, DELETION_RECORD_BYTES);
    }
    batch_end_record(&b->deletions, 0);
    tombstones_add_all(&b->stones, v, n);
}

static void append_records(wal *w, const batch_records *r)
{
    size_t begin = 0;
    for (size_t i = 0; i < r->n; i++) {
        wal_append(w, (fer_str){r->bytes.p + begin, r->ends[i] - begin});
        begin = r->ends[i];
    }
}

/* Moves the open batch, if anybody waits for it, to the end of the waiting ones and its records to the
 * log. Series come first: every ref is told before its samples, and samples before their deletion. */
static void take_open(committer *c)
{
    batch *fresh = c->spare != NULL ? c->spare : batch_new();
    c->spare = NULL;
    fer_mutex_lock(&c->h->mu);
    batch *b = c->open;
    if (b->n_waits == 0 && b->ooo.n == 0) { /* markers may be alone */
        fer_mutex_unlock(&c->h->mu);
        c->spare = fresh;
        return;
    }
    b->slots_end = c->h->n_slots;
    c->open = fresh;
    if (c->new_wbl != NULL)
        c->wbl = c->new_wbl;
    c->new_wbl = NULL;
    fer_mutex_unlock(&c->h->mu);

    append_records(c->log_files, &b->series);
    append_records(c->log_files, &b->samples);
    append_records(c->log_files, &b->hists);
    append_records(c->log_files, &b->exemplars);
    append_records(c->log_files, &b->deletions);
    assert(b->ooo.n == 0 || c->wbl != NULL);
    append_records(c->wbl, &b->ooo);
    if (c->last != NULL)
        c->last->next = b;
    else
        c->first = b;
    c->last = b;
}

/* Samples out of order that were kept. */
typedef struct late_count {
    uint64_t floats, hists;
} late_count;

/* Those out of order. A dropped one is there already. */
static void publish_late(head *h, const batch *b, late_count *ret)
{
    for (size_t i = 0; i < b->n_late; i++) {
        const batch_ooo *x = &b->late[i];
        bool in = ooo_insert(h, x->series, x->t, x->v, x->hist);
        x->series->published++;
        ret->floats += in && x->hist == NULL;
        ret->hists += in && x->hist != NULL;
    }
}

/* What the samples behind the i-th will need. */
static inline void fetch_ahead(const head *h, const batch *b, size_t i)
{
    const batch_sample *s = &b->s[i];
    size_t left = b->n - i;
    if (left > PREFETCH_RECORD)
        __builtin_prefetch(head_pub_rec(h, s[PREFETCH_RECORD].slot & ~BATCH_HIST), 1);
    if (left > PREFETCH_CHUNK)
        head_prefetch_open(h, s[PREFETCH_CHUNK].slot & ~BATCH_HIST);
    if (left > PREFETCH_HIST && s[PREFETCH_HIST].slot & BATCH_HIST)
        head_prefetch_hist(h, s[PREFETCH_HIST].slot & ~BATCH_HIST);
    if (left > PREFETCH_NUMBERS && s[PREFETCH_NUMBERS].slot & BATCH_HIST)
        head_prefetch_hist_numbers(h, s[PREFETCH_NUMBERS].slot & ~BATCH_HIST);
}

/* Makes the batch's samples visible, as one. */
static void publish(committer *c, const batch *b, late_count *ret)
{
    head *h = c->h;
    fer_mutex_lock(&h->publish);
    for (size_t i = 0; i < b->n; i++) {
        fetch_ahead(h, b, i);
        const batch_sample *s = &b->s[i];
        if (s->slot & BATCH_HIST)
            head_append_hist(h, s->slot & ~BATCH_HIST, s->t, s->hist);
        else
            head_append(h, s->slot, s->t, s->v);
    }
    atomic_store_explicit(&h->published, b->slots_end, memory_order_relaxed);
    publish_late(h, b, ret);
    fer_mutex_unlock(&h->publish);
}

static void publish_exemplars(head *h, const batch *b)
{
    for (const batch_exemplar *x = b->first_exemplar; x != NULL; x = x->next) {
        exemplar_verdict seen = exemplar_store_add(h->exemplars, x->series, &x->e);
        (void)seen; /* the same may have come twice meanwhile */
    }
}

static size_t publish_all(committer *c)
{
    size_t n = 0;
    while (c->first != NULL) {
        batch *b = c->first;
        late_count late = {0};
        publish(c, b, &late);
        publish_exemplars(c->h, b);
        if (b->stones.n != 0)
            head_stones_add(c->h, b->stones.v, b->stones.n);
        c->first = b->next;
        if (c->first == NULL)
            c->last = NULL;

        fer_mutex_lock(&c->h->mu);
        c->h->count.samples_appended += b->n - b->n_hists + late.floats;
        c->h->count.hists_appended += b->n_hists + late.hists;
        c->h->count.ooo_appended += late.floats;
        c->h->count.ooo_hists_appended += late.hists;
        c->staged_bytes -= b->charged;
        c->commits++;
        fer_mutex_unlock(&c->h->mu);
        fer_account_release(&c->acct, b->charged);
        tell(b, FER_OK);
        batch_recycle(c, b);
        n++;
    }
    return n;
}

/* Tells those who waited long enough for a log that fails. */
static void give_up_waits(committer *c, fer_code code)
{
    uint64_t now = c->clock->mono_ns(c->clock);
    for (batch *b = c->first; b != NULL; b = b->next) {
        if (b->failed_since_ns == 0)
            b->failed_since_ns = now == 0 ? 1 : now;
        else if (now - b->failed_since_ns >= FAILED_WAIT_NS)
            tell(b, code);
    }
}

static fer_code sync_log(committer *c, fer_err *err)
{
    FER_TRY(wal_sync(c->log_files, err));
    if (c->wbl != NULL)
        FER_TRY(wal_sync(c->wbl, err));
    c->unsynced = false;
    c->synced_ns = c->clock->mono_ns(c->clock);
    return FER_OK;
}

static bool sync_is_due(const committer *c)
{
    return c->sync == WAL_SYNC_INTERVAL && c->unsynced &&
           c->clock->mono_ns(c->clock) - c->synced_ns >= SYNC_EVERY_NS;
}

/* Writes what is not written and syncs as the mode says. The log of samples out of order comes second: a series is
 * durable before a sample that only this log has. */
static fer_code make_durable(committer *c, fer_err *err)
{
    FER_TRY(wal_write(c->log_files, err));
    if (c->wbl != NULL && wal_pending_bytes(c->wbl) != 0 && c->sync == WAL_SYNC_GROUP)
        FER_TRY(wal_sync(c->log_files, err));
    if (c->wbl != NULL)
        FER_TRY(wal_write(c->wbl, err));
    switch (c->sync) {
    case WAL_SYNC_GROUP:
        return sync_log(c, err);
    case WAL_SYNC_INTERVAL:
        c->unsynced = true;
        return sync_is_due(c) ? sync_log(c, err) : FER_OK;
    case WAL_SYNC_NONE:
        wal_relax(c->log_files);
        if (c->wbl != NULL)
            wal_relax(c->wbl);
        return FER_OK;
    }
    return FER_OK;
}

static void note_outcome(committer *c, fer_code code, const fer_err *err)
{
    if (code != FER_OK && c->failures++ == 0)
        LOGE(c->log, "The log cannot be written; keeping what arrives and trying again", "err",
             err->msg);
    if (code == FER_OK && c->failures != 0) {
        LOGI(c->log, "The log is written again", "failures", LOG_INT(c->failures));
        c->failures = 0;
    }
    fer_mutex_lock(&c->h->mu);
    wal_stats_get(c->log_files, &c->wal_told);
    c->h->wal_segment = c->wal_told.segment;
    if (c->wbl != NULL)
        wal_stats_get(c->wbl, &c->wbl_told);
    fer_mutex_unlock(&c->h->mu);
}

static bool cut_is_due(committer *c)
{
    fer_mutex_lock(&c->h->mu);
    bool due = c->cut || c->cut_wbl;
    fer_mutex_unlock(&c->h->mu);
    return due;
}

/* Ends the segment when somebody asked for it. */
static fer_code cut_log(committer *c, fer_err *err)
{
    if (!cut_is_due(c))
        return FER_OK;
    fer_mutex_lock(&c->h->mu);
    bool cut = c->cut, cut_wbl = c->cut_wbl;
    fer_mutex_unlock(&c->h->mu);
    if (cut)
        FER_TRY(wal_cut(c->log_files, err));
    if (cut_wbl && c->wbl != NULL)
        FER_TRY(wal_cut(c->wbl, err));
    c->wbl_was_cut = cut_wbl;
    fer_mutex_lock(&c->h->mu);
    c->cut = c->cut && !cut;
    fer_mutex_unlock(&c->h->mu);
    return FER_OK;
}

/* All that was taken is published: what is in a segment that was ended, and nothing else. */
static void note_published(committer *c)
{
    if (!c->wbl_was_cut)
        return;
    c->wbl_was_cut = false;
    fer_mutex_lock(&c->h->publish);
    fer_mutex_lock(&c->h->mu);
    ooo_draw_line(c->h);
    if (c->wbl != NULL)
        c->wbl_segment = c->wbl_told.segment;
    c->cut_wbl = false;
    fer_mutex_unlock(&c->h->mu);
    fer_mutex_unlock(&c->h->publish);
}

/* Gives back what is kept for later, when somebody asked for it: by the batch that was open before, too, if nothing has
 * come to it. */
static void rest(committer *c)
{
    fer_mutex_lock(&c->h->mu);
    bool due = c->rest;
    c->rest = false;
    batch *empty = due && batch_bytes(c->open) == 0 ? c->open : NULL;
    if (empty != NULL)
        c->open = batch_new();
    fer_mutex_unlock(&c->h->mu);
    if (!due)
        return;
    batch_free(empty);
    batch_free(c->spare);
    c->spare = NULL;
    wal_rest(c->log_files);
    if (c->wbl != NULL)
        wal_rest(c->wbl);
    fer_mem_rest();
}

fer_code committer_step(committer *c, size_t *ret_batches, fer_err *err)
{
    if (ret_batches != NULL)
        *ret_batches = 0;
    rest(c);
    take_open(c);
    if (c->first == NULL && c->failures == 0 && !sync_is_due(c) && !cut_is_due(c))
        return FER_OK;

    fer_err local = {0};
    fer_code code = make_durable(c, &local);
    if (code == FER_OK)
        code = cut_log(c, &local);
    note_outcome(c, code, &local);
    if (code != FER_OK) {
        give_up_waits(c, code);
        if (err != NULL)
            *err = local;
        return code;
    }
    size_t n = publish_all(c);
    note_published(c);
    if (ret_batches != NULL)
        *ret_batches = n;
    return FER_OK;
}

static uint64_t pause_ns(unsigned failures)
{
    unsigned doublings = failures < 7 ? failures - 1 : 6;
    uint64_t ns = PAUSE_FIRST_NS << doublings;
    return ns < PAUSE_MAX_NS ? ns : PAUSE_MAX_NS;
}

/* Waits until there is something to do; false to end. */
static bool wait_for_work(committer *c)
{
    uint64_t until = 0;
    if (c->failures != 0)
        until = c->clock->mono_ns(c->clock) + pause_ns(c->failures);
    else if (c->unsynced)
        until = c->synced_ns + SYNC_EVERY_NS;

    fer_mutex_lock(&c->h->mu);
    while (!c->stop &&
           (c->failures != 0 || (c->open->n_waits == 0 && !c->cut && !c->cut_wbl && !c->rest))) {
        if (until == 0) {
            fer_cond_wait(&c->wake, &c->h->mu);
            continue;
        }
        uint64_t now = c->clock->mono_ns(c->clock);
        if (now >= until)
            break;
        fer_cond_wait_ns(&c->wake, &c->h->mu, until - now);
    }
    bool go_on = !c->stop;
    fer_mutex_unlock(&c->h->mu);
    return go_on;
}

static void set_running(committer *c, bool running)
{
    fer_mutex_lock(&c->h->mu);
    c->running = running;
    fer_mutex_unlock(&c->h->mu);
}

void committer_run(committer *c)
{
    set_running(c, true);
    while (wait_for_work(c)) {
        fer_code code = committer_step(c, NULL, NULL);
        (void)code; /* logged, and tried again after a pause */
    }
    fer_code code = committer_step(c, NULL, NULL);
    (void)code; /* tsdb_close() tries once more and tells */
    set_running(c, false);
}

void committer_stop(committer *c)
{
    fer_mutex_lock(&c->h->mu);
    c->stop = true;
    fer_mutex_unlock(&c->h->mu);
    fer_cond_broadcast(&c->wake);
}

uint64_t committer_commits(committer *c)
{
    fer_mutex_lock(&c->h->mu);
    uint64_t n = c->commits;
    fer_mutex_unlock(&c->h->mu);
    return n;
}

void committer_rest(committer *c)
{
    fer_mutex_lock(&c->h->mu);
    c->rest = true;
    fer_mutex_unlock(&c->h->mu);
    fer_cond_signal(&c->wake);
}

void committer_cut(committer *c)
{
    fer_mutex_lock(&c->h->mu);
    c->cut = true;
    fer_mutex_unlock(&c->h->mu);
    fer_cond_signal(&c->wake);
}

void committer_cut_wbl(committer *c)
{
    fer_mutex_lock(&c->h->mu);
    c->cut_wbl = true;
    fer_mutex_unlock(&c->h->mu);
    fer_cond_signal(&c->wake);
}

bool committer_has_wbl(committer *c)
{
    fer_mutex_lock(&c->h->mu);
    bool has = c->wbl_is_there;
    fer_mutex_unlock(&c->h->mu);
    return has;
}

bool committer_give_wbl(committer *c, wal *wbl)
{
    fer_mutex_lock(&c->h->mu);
    bool taken = !c->wbl_is_there;
    if (taken) {
        c->new_wbl = wbl;
        c->wbl_is_there = true;
        wal_stats_get(wbl, &c->wbl_told);
        c->wbl_segment = c->wbl_told.segment;
    }
    fer_mutex_unlock(&c->h->mu);
    return taken;
}

void committer_add_marker(committer *c, uint64_t ref, uint64_t place)
{
    fer_mutex_assert_held(&c->h->mu);
    batch *b = c->open;
    if (!b->markers_begun)
        record_markers_begin(&b->ooo.bytes);
    b->markers_begun = true;
    record_markers_add(&b->ooo.bytes, ref, place);
}

void committer_end_markers(committer *c)
{
    batch *b = c->open;
    if (b->markers_begun)
        batch_end_record(&b->ooo, 0);
    b->markers_begun = false;
}

/* head_querier.c - selecting, pinning, labels and samples of the head's series. */
#include "tsdb/head/head_querier_int.h"

#include <stdlib.h>
#include <string.h>

#include "tsdb/head/head_choice.h"
#include "tsdb/head/head_delete.h"
#include "tsdb/head/head_listing.h"
#include "tsdb/head/head_order.h"
#include "tsdb/head/head_pin.h"
#include "tsdb/head/head_select.h"
#include "tsdb/head/ooo_read.h"

enum {
    READ_AHEAD = 4,      /* series whose chunks are fetched while one is read */
    READ_AHEAD_FULL = 2, /* those in chunks_head, of which the fetched lists tell */
};

struct held_stones {
    held_stones *next;
    head_stones *stones;
};

/* The newest sample of a pin's open chunk. */
typedef struct newest {
    int64_t t;
    double v;
} newest;

/* What is deleted of a pinned series. */
typedef struct pinned_stones {
    slab_ref labels; /* of the pin, which no other series has */
    uint32_t n;
    const tombstone *v;
} pinned_stones;

typedef struct head_selection {
    selection base;
    head_querier *q;
    names_view *view;    /* of the labels pinned */
    head_pin *pins;      /* of the series */
    newest *newest;      /* likewise, with newest_only; else NULL */
    pinned_stones *gone; /* by labels; of the series that have deletions */
    size_t n_gone;
    head_hist_pins hist; /* of the series */
    ooo_pins ooo;        /* of the series that have samples out of order */
    head_choice choice;  /* wanted NULL: all labels are given */
    label_id *ids;       /* of the last labels call */
    uint32_t *pairs;     /* what they stand for */
    size_t n_ids;
    slab_ref *labels; /* of the series, where labels alone are asked for; then there are no pins */
} head_selection;

enum { SLOTS_AHEAD = 16 };

static fer_code no_memory(fer_err *err)
{
    return fer_fail_budget(err, "selecting series");
}

/* ---- labels ---- */

static const label_id *selection_labels_of(selection *base, size_t i, size_t *ret_n)
{
    head_selection *s = (head_selection *)base;
    fer_arena *a = s->q->base.ctx.arena;
    if (s->ids == NULL) {
        s->pairs = fer_arena_alloc(a, LABELS_MAX * sizeof *s->pairs);
        s->ids = s->pairs == NULL ? NULL : fer_arena_alloc(a, LABELS_MAX * sizeof *s->ids);
    }
    if (s->ids == NULL)
        return NULL;
    pair_cursor c = head_pairs(s->view->names, s->pins[i].labels);
    size_t n = 0;
    for (uint32_t pair; pair_cursor_next(&c, &pair);) {
        if (s->choice.wanted != NULL && !head_choice_has(s->choice.wanted, pair))
            continue;
        /* Most are those of the series looked at before. */
        if (n >= s->n_ids || s->pairs[n] != pair) {
            if (!names_view_pair(s->view, &s->q->base.ctx, pair, &s->ids[n])) {
                s->n_ids = 0;
                return NULL;
            }
            s->pairs[n] = pair;
        }
        n++;
    }
    s->n_ids = n > s->n_ids ? n : s->n_ids;
    *ret_n = n;
    return s->ids;
}

static uint64_t rest_hash_of(const selection *base, size_t i)
{
    const head_selection *s = (const head_selection *)base;
    return head_rest_hash(s->view->names, &s->choice, s->pins[i].labels);
}

static bool rest_equal_of(const selection *base, size_t i, size_t k)
{
    const head_selection *s = (const head_selection *)base;
    return head_rest_equal(s->view->names, &s->choice, s->pins[i].labels, s->pins[k].labels);
}

/* ---- samples ---- */

static fer_code read_open(const head_selection *s, const head_pin *pin, int64_t mint, int64_t maxt,
                          samples *out)
{
    if (pin->is_hist) {
        const head_hist_pin *c = &s->hist.v[pin->open - 1];
        return chunk_decode(c->encoding, c->bytes, mint, maxt, out);
    }
    uint8_t bytes[XOR_CHUNK_BYTES_SOFT];
    head_pin_open_bytes(s->q->h, pin, bytes);
    return xor_decode((fer_str){(const char *)bytes, pin->bytes}, pin->n, mint, maxt, out);
}

/* What of a chunk of chunks_head cannot be read is told and left out. */
static fer_code read_full(const head_querier *q, const full_chunk *c, int64_t mint, int64_t maxt,
                          samples *out)
{
    fer_err why = {0};
    fer_code code = head_full_decode(q->h, c, mint, maxt, out, &why);
    if ((code == FER_CORRUPT || code == FER_UNSUPPORTED) && c->file != 0) {
        query_warn(q->warnings, "head: %s", why.msg);
        return FER_OK;
    }
    return code;
}

static int by_pin(const void *a, const void *b)
{
    slab_ref x = ((const pinned_stones *)a)->labels, y = ((const pinned_stones *)b)->labels;
    return (x > y) - (x < y);
}

/* NULL when nothing of the series is deleted. */
static const pinned_stones *stones_of(const head_selection *s, const head_pin *pin)
{
    pinned_stones key = {.labels = pin->labels};
    return s->n_gone == 0 ? NULL : bsearch(&key, s->gone, s->n_gone, sizeof key, by_pin);
}

static fer_code read_in_order(const head_selection *s, const head_pin *pin,
                              const pinned_stones *gone, int64_t mint, int64_t maxt, samples *out)
{
    fer_code code = FER_OK;
    size_t from = out->n;
    const full_chunk *full = head_pin_full(s->q->h, pin);
    for (uint32_t k = 0; k < pin->n_full && code == FER_OK; k++) {
        const full_chunk *c = &full[k];
        if (k + 1 < pin->n_full && c[1].mint <= maxt) /* chunks of a series lie far apart */
            head_full_prefetch(s->q->h, c + 1);
        if (full_maxt(c) < mint || c->mint > maxt ||
            (gone != NULL && tombstones_cover(gone->v, gone->n, c->mint, full_maxt(c))))
            continue;
        code = read_full(s->q, c, mint, maxt, out);
    }
    if (code == FER_OK && pin->open != 0)
        code = read_open(s, pin, mint, maxt, out);
    if (code == FER_OK && gone != NULL)
        tombstones_apply(gone->v, gone->n, out, from);
    return code;
}

/* Fetches the first full chunk that will be read. */
static void prefetch_full(const head *h, const head_pin *pin, int64_t mint, int64_t maxt)
{
    const full_chunk *full = head_pin_full(h, pin);
    uint32_t k = 0;
    while (k < pin->n_full && full_maxt(&full[k]) < mint)
        k++;
    if (k < pin->n_full && full[k].mint <= maxt)
        head_full_prefetch(h, &full[k]);
}

static fer_code selection_read_of(selection *base, size_t i, int64_t mint, int64_t maxt,
                                  samples *out, fer_err *err)
{
    const head_selection *s = (const head_selection *)base;
    const head *h = s->q->h;
    const head_pin *pin = &s->pins[i];
    if (i + READ_AHEAD < base->n)
        head_pin_prefetch(h, &s->pins[i + READ_AHEAD]);
    if (i + READ_AHEAD_FULL < base->n)
        prefetch_full(h, &s->pins[i + READ_AHEAD_FULL], mint, maxt);
    const pinned_stones *gone = stones_of(s, pin);
    const ooo_pin *ooo = ooo_pins_find(&s->ooo, pin);
    if (s->newest != NULL && gone == NULL && ooo == NULL && pin->open != 0 && !pin->is_hist &&
        s->newest[i].t >= mint && s->newest[i].t <= maxt)
        return samples_add(out, s->newest[i].t, s->newest[i].v) == FER_OK
                   ? FER_OK
                   : fer_fail_budget(err, "reading samples");
    const in_order_pin in = {pin, &s->hist, gone == NULL ? NULL : gone->v,
                             gone == NULL ? 0 : gone->n};
    fer_code code = ooo != NULL ? ooo_read(h, &in, ooo, mint, maxt, s->q->warnings, out)
                                : read_in_order(s, pin, gone, mint, maxt, out);
    if (code == FER_LIMIT)
        return fer_fail_budget(err, "reading samples");
    if (code != FER_OK)
        return fer_fail(err, code, "a chunk of the head does not decode");
    return FER_OK;
}

static const selection_ops head_selection_ops = {.labels = selection_labels_of,
                                                 .read = selection_read_of};
static const selection_ops head_choice_ops = {.labels = selection_labels_of,
                                              .read = selection_read_of,
                                              .rest_hash = rest_hash_of,
                                              .rest_equal = rest_equal_of};

/* Leaves out the labels that nobody will look at. Under mu. */
static bool choose_labels(head_selection *s, const label_choice *c)
{
    if (c == NULL || !head_choice_pays(s->view->names, s->base.n))
        return true;
    s->base.ops = &head_choice_ops;
    return head_choice_make(s->view->names, c, s->q->base.ctx.arena, &s->choice);
}

/* ---- select ---- */

/* The deletions in force, NULL when there are none; *ret_ok false past the budget. Under publish. */
static const tombstones *stones_of_now(head_querier *q, bool *ret_ok)
{
    *ret_ok = true;
    if (q->h->stones == NULL)
        return NULL;
    for (held_stones *s = q->stones; s != NULL; s = s->next)
        if (s->stones == q->h->stones)
            return &s->stones->t;
    held_stones *s = ARENA_NEW(q->base.ctx.arena, held_stones);
    *ret_ok = s != NULL;
    if (s == NULL)
        return NULL;
    *s = (held_stones){q->stones, head_stones_take(q->h)};
    q->stones = s;
    return &s->stones->t;
}

/* Whether the series has a chunk in the range that is not deleted as a whole. The open chunk never is, as in
 * Prometheus. */
static bool has_kept_chunk(const head *h, const pub_rec *s, const tombstone *gone, size_t n,
                           int64_t mint, int64_t maxt)
{
    if (s->has_ooo || (s->open != 0 && s->min_t <= maxt && s->app.t >= mint))
        return true;
    const full_list *list = s->full == 0 ? NULL : slab_ptr(&h->chunks, s->full);
    for (uint32_t i = 0; list != NULL && i < list->n; i++) {
        const full_chunk *c = &list->c[i];
        if (c->mint <= maxt && full_maxt(c) >= mint &&
            !tombstones_cover(gone, n, c->mint, full_maxt(c)))
            return true;
    }
    return false;
}

/* Notes what is deleted of the slots' series, and drops those of which all in the range is. */
static fer_code drop_deleted(head_selection *s, const tombstones *t, slot_list *list, int64_t mint,
                             int64_t maxt, fer_err *err)
{
    const head *h = s->q->h;
    size_t kept = 0, room = list->n < t->n ? list->n : t->n;
    s->gone = fer_arena_alloc(s->q->base.ctx.arena, room * sizeof *s->gone);
    if (s->gone == NULL)
        return no_memory(err);
    for (size_t i = 0; i < list->n; i++) {
        size_t n;
        uint32_t slot = list->v[i];
        const tombstone *gone = tombstones_of(t, head_ref(h, slot), &n);
        if (gone != NULL && !has_kept_chunk(h, head_pub_rec(h, slot), gone, n, mint, maxt))
            continue;
        if (gone != NULL)
            s->gone[s->n_gone++] = (pinned_stones){head_series_labels(h, slot), (uint32_t)n, gone};
        list->v[kept++] = slot;
    }
    list->n = kept;
    return FER_OK;
}

/* Asks for the records of slots that come soon, which lie far from each other where few match. */
static void prefetch_slot(const head *h, const slot_list *list, size_t i)
{
    if (i < list->n)
        __builtin_prefetch(head_pub_rec(h, list->v[i]));
}

/* Drops the series without samples in the range. */
static void keep_overlapping(const head *h, slot_list *list, int64_t mint, int64_t maxt)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->n; i++) {
        prefetch_slot(h, list, i + SLOTS_AHEAD);
        const pub_rec *s = head_pub_rec(h, list->v[i]);
        if (head_overlaps(h, s, mint, maxt) ||
            (s->has_ooo && ooo_overlaps(h, ooo_find(h, list->v[i]), mint, maxt)))
            list->v[kept++] = list->v[i];
    }
    list->n = kept;
}

/* Pins the slot's series as number i, and those that have samples out of order once more. False past the budget. */
static bool pin_series(head_selection *s, const select_hints *hints, uint32_t slot, size_t i)
{
    const head *h = s->q->h;
    const xor_appender *open = &head_pub_rec(h, slot)->app;
    if (s->newest != NULL)
        s->newest[i] = (newest){open->t, open->v};
    return head_pin_take(h, slot, hints->mint, hints->maxt, &s->hist, &s->pins[i]) &&
           ooo_pins_add(&s->ooo, h, slot, s->q->base.ctx.arena);
}

static fer_code take_pins(head_selection *s, const select_hints *hints, const slot_list *list,
                          fer_err *err)
{
    fer_arena *a = s->q->base.ctx.arena;
    s->pins = fer_arena_alloc(a, list->n * sizeof *s->pins);
    if (hints->newest_only)
        s->newest = fer_arena_alloc(a, list->n * sizeof *s->newest);
    if (s->pins == NULL || (hints->newest_only && s->newest == NULL))
        return no_memory(err);
    for (size_t i = 0; i < list->n; i++) {
        prefetch_slot(s->q->h, list, i + SLOTS_AHEAD);
        if (!pin_series(s, hints, list->v[i], i))
            return no_memory(err);
    }
    return choose_labels(s, hints->labels) ? FER_OK : no_memory(err);
}

static fer_code take_labels(head_selection *s, const slot_list *list, fer_err *err)
{
    s->labels = fer_arena_alloc(s->q->base.ctx.arena, list->n * sizeof *s->labels);
    if (s->labels == NULL)
        return no_memory(err);
    for (size_t i = 0; i < list->n; i++) {
        prefetch_slot(s->q->h, list, i + SLOTS_AHEAD);
        s->labels[i] = head_series_labels(s->q->h, list->v[i]);
    }
    return FER_OK;
}

/* A pinned series' place in the order of refs. */
typedef struct ref_place {
    uint64_t ref;
    uint32_t at;
} ref_place;

static int by_ref(const void *a, const void *b)
{
    uint64_t ra = ((const ref_place *)a)->ref, rb = ((const ref_place *)b)->ref;
    return (ra > rb) - (ra < rb);
}

/* *ret: the refs of the slots where they are not ascending, else NULL. Slots are used again, so their order need
 * not be that of refs; a label's list mostly is. */
static fer_code note_order(const head *h, fer_arena *tmp, const slot_list *list, ref_place **ret,
                           fer_err *err)
{
    *ret = NULL;
    if (h->slots_in_ref_order || list->n == 0)
        return FER_OK;
    ref_place *order = fer_arena_alloc(tmp, list->n * sizeof *order);
    if (order == NULL)
        return no_memory(err);
    bool ascending = true;
    for (size_t i = 0; i < list->n; i++) {
        order[i] = (ref_place){head_ref(h, list->v[i]), (uint32_t)i};
        ascending = ascending && (i == 0 || order[i - 1].ref < order[i].ref);
    }
    *ret = ascending ? NULL : order;
    return FER_OK;
}

/* Puts item order[i] of n in place i. False past the budget. */
static bool permute(void *v, size_t size, const uint32_t *order, size_t n, fer_arena *tmp)
{
    if (v == NULL || n == 0)
        return true;
    char *copy = fer_arena_alloc(tmp, n * size), *to = v;
    if (copy == NULL)
        return false;
    memcpy(copy, v, n * size);
    for (size_t i = 0; i < n; i++)
        memcpy(to + i * size, copy + order[i] * size, size);
    return true;
}

/* Puts series order[i] in place i. */
static fer_code reorder(head_selection *s, const uint32_t *order, fer_arena *tmp, fer_err *err)
{
    size_t n = s->base.n;
    bool ok = permute(s->pins, sizeof *s->pins, order, n, tmp) &&
              permute(s->newest, sizeof *s->newest, order, n, tmp) &&
              permute(s->labels, sizeof *s->labels, order, n, tmp);
    return ok ? FER_OK : no_memory(err);
}

/* Puts the series in the order of refs; no lock. */
static fer_code put_in_order(head_selection *s, ref_place *places, fer_arena *tmp, fer_err *err)
{
    uint32_t *order = fer_arena_alloc(tmp, s->base.n * sizeof *order);
    if (order == NULL)
        return no_memory(err);
    qsort(places, s->base.n, sizeof *places, by_ref);
    for (size_t i = 0; i < s->base.n; i++)
        order[i] = places[i].at;
    return reorder(s, order, tmp, err);
}

/* Under both locks: the series that match and have samples, pinned. *ret_order: how to put them in order of
 * refs, or NULL when they are. */
static fer_code pin_matching(head_querier *q, head_select *sel, const select_hints *hints,
                             head_selection *s, ref_place **ret_order, fer_err *err)
{
    head *h = q->h;
    slot_list list;
    FER_TRY(head_select_slots(sel, &list, err));
    keep_overlapping(h, &list, hints->mint, hints->maxt);
    bool ok;
    const tombstones *stones = stones_of_now(q, &ok);
    if (!ok)
        return no_memory(err);
    if (stones != NULL)
        FER_TRY(drop_deleted(s, stones, &list, hints->mint, hints->maxt, err));
    FER_TRY(note_order(h, sel->tmp, &list, ret_order, err));
    if (hints->limit != 0 && !hints->sorted && *ret_order == NULL && list.n > hints->limit)
        list.n = hints->limit;

    s->view = names_view_now(h, &q->views, q->base.ctx.arena);
    if (s->view == NULL)
        return no_memory(err);
    s->base.n = list.n;
    return hints->labels_only ? take_labels(s, &list, err) : take_pins(s, hints, &list, err);
}

static fer_code sort_by_labels(head_selection *s, fer_arena *tmp, fer_err *err)
{
    size_t n = s->base.n;
    head_rows rows;
    slab_ref *of = fer_arena_alloc(tmp, n * sizeof *of);
    uint32_t *order = fer_arena_alloc(tmp, n * sizeof *order);
    if (of == NULL || order == NULL)
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        of[i] = s->pins[i].labels;
    FER_TRY(head_order(s->view->names, of, n, tmp, tmp, order, &rows, err));
    return reorder(s, order, tmp, err);
}

static fer_code select_series(querier *base, const select_hints *h, const matcher *m, size_t nm,
                              selection **ret, fer_err *err)
{
    head_querier *q = (head_querier *)base;
    select_hints hints = *h;
    if (hints.mint < base->mint)
        hints.mint = base->mint;
    if (hints.maxt > base->maxt)
        hints.maxt = base->maxt;
    head_selection *s = ARENA_NEW(base->ctx.arena, head_selection);
    if (q->warnings == NULL)
        q->warnings = query_warnings_new(&base->ctx, &base->warnings);
    if (s == NULL || q->warnings == NULL)
        return no_memory(err);
    s->base.ops = &head_selection_ops;
    s->q = q;
    s->hist.arena = base->ctx.arena;

    FER_CLEANUP(fer_arena_freep) fer_arena *tmp = fer_arena_new(base->ctx.acct, 0);
    head_select sel;
    const names_view *view = head_querier_view(q);
    if (view == NULL)
        return no_memory(err);
    FER_TRY(head_select_prepare(&sel, q->h, view->names, tmp, base->ctx.cancel, m, nm, err));
    ref_place *order = NULL;
    fer_mutex_lock(&q->h->publish);
    fer_mutex_lock(&q->h->mu);
    fer_code code = pin_matching(q, &sel, &hints, s, &order, err);
    fer_mutex_unlock(&q->h->mu);
    fer_mutex_unlock(&q->h->publish);
    if (code != FER_OK)
        return code;

    ooo_pins_sort(&s->ooo);
    if (s->n_gone != 0)
        qsort(s->gone, s->n_gone, sizeof *s->gone, by_pin);
    if (order != NULL && !hints.sorted)
        FER_TRY(put_in_order(s, order, tmp, err));
    selection *made = &s->base;
    if (hints.labels_only)
        FER_TRY(head_listing_new(s->view, &base->ctx, s->labels, s->base.n, hints.sorted, tmp,
                                 &made, err));
    else if (hints.sorted)
        FER_TRY(sort_by_labels(s, tmp, err));
    if (hints.limit != 0 && made->n > hints.limit)
        made->n = hints.limit;
    *ret = made;
    return FER_OK;
}

static fer_code label_names(querier *base, const matcher *m, size_t nm, uint64_t limit,
                            str_list *ret, fer_err *err)
{
    return head_texts(base, (fer_str){NULL, 0}, m, nm, limit, ret, err);
}

static fer_code label_values(querier *base, fer_str name, const matcher *m, size_t nm,
                             uint64_t limit, str_list *ret, fer_err *err)
{
    if (name.n == 0)
        return FER_OK;
    return head_texts(base, name, m, nm, limit, ret, err);
}

static void close_querier(querier *base)
{
    head_querier *q = (head_querier *)base;
    names_views_drop(q->h, q->views);
    q->views = NULL;
    for (held_stones *s = q->stones; s != NULL; s = s->next)
        head_stones_drop(s->stones);
    q->stones = NULL;
    fer_mutex_lock(&q->h->publish);
    head_reader_end(q->h, &q->reader);
    fer_mutex_unlock(&q->h->publish);
}

static const querier_ops head_querier_ops = {select_series, label_names, label_values,
                                             close_querier};

fer_code head_querier_open(head *h, const query_ctx *ctx, int64_t mint, int64_t maxt,
                           query_warnings *w, querier **ret, fer_err *err)
{
    head_querier *q = ARENA_NEW(ctx->arena, head_querier);
    if (q == NULL)
        return no_memory(err);
    q->base = (querier){.ops = &head_querier_ops, .ctx = *ctx, .mint = mint, .maxt = maxt};
    q->h = h;
    q->warnings = w;
    /* From now on, not from the first select: who gives up samples waits for readers (db_querier.c). */
    fer_mutex_lock(&h->publish);
    head_reader_begin(h, &q->reader);
    fer_mutex_unlock(&h->publish);
    *ret = &q->base;
    return FER_OK;
}

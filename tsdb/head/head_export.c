/* head_export.c - slots gathered in slices, sorted by the numbers of their symbols, pinned in batches.
 *
 * Symbols are numbered in order of text, so label sets compare as sequences of two numbers a label, and so does
 * the index of a block.
 */
#include "tsdb/head/head_export.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/varint.h"
#include "tsdb/chunk/chunk_encode.h"
#include "tsdb/head/head_delete.h"
#include "tsdb/head/head_pin.h"
#include "tsdb/head/ooo_read.h"

enum { SLICE = 256, OOO_CHUNK_SAMPLES = 120 };

typedef struct export_entry {
    uint64_t ref; /* tells whether the slot still is the same series */
    uint32_t slot;
    slab_ref labels;
} export_entry;

struct head_export {
    head *h;
    head_names *names;   /* of the labels in the entries; NULL before */
    head_stones *stones; /* in force when it opened; NULL: none */
    int64_t mint, last;  /* both in the range */
    fer_account *acct;
    fer_arena *arena;
    export_entry *e;
    size_t n, next, cap;

    label_id *ids; /* by pair of the head's dictionary; names and values apart */
    fer_str *symbols;
    uint32_t n_symbols;

    head_reader reader; /* of the batch pinned */
    bool reading;
    bool ooo;             /* what is frozen of samples out of order */
    head_pin pins[SLICE]; /* with ooo: labels and the list of frozen chunks */
    head_hist_pins hist;  /* of the batch pinned */
    size_t batch, pinned; /* its first entry, how many of it */

    label_id labels[LABELS_MAX]; /* of the series given last */
    exported_chunk *chunks;
    size_t cap_chunks;
    fer_buf bytes; /* of its chunks that are not the head's own */
};

static fer_code no_memory(fer_err *err)
{
    return fer_fail_budget(err, "exporting the head");
}

/* Chunks of a series on their way to its result. */
typedef struct cutting {
    head_export *x;
    exported_series *ret;
} cutting;

/* ---- series ---- */

/* Lets the names go that were kept so far, and keeps the present ones; `more` false: none. */
static void change_names(head_export *x, bool more)
{
    head *h = x->h;
    fer_mutex_lock(&h->publish);
    head_names *gone = x->names == NULL ? NULL : head_names_drop(h, x->names);
    x->names = more ? head_names_take(h) : NULL;
    fer_mutex_unlock(&h->publish);
    head_names_free(gone);
}

/* Takes the slots' series in; false when the head has other names meanwhile. */
static bool gather_slice(head_export *x, uint32_t from, uint32_t to)
{
    head *h = x->h;
    fer_mutex_lock(&h->publish);
    fer_mutex_lock(&h->mu);
    bool same = x->names == h->names;
    for (uint32_t slot = from; same && slot < to; slot++)
        if (head_overlaps(h, head_pub_rec(h, slot), x->mint, x->last))
            x->e[x->n++] = (export_entry){head_ref(h, slot), slot, head_series_labels(h, slot)};
    fer_mutex_unlock(&h->mu);
    fer_mutex_unlock(&h->publish);
    return same;
}

/* The records from place `from` on, 256 of them at most; *ret_more: there are others. The same result. */
static bool gather_ooo_slice(head_export *x, uint32_t from, bool *ret_more)
{
    head *h = x->h;
    fer_mutex_lock(&h->publish);
    fer_mutex_lock(&h->mu);
    bool same = x->names == h->names;
    const ooo_store *o = h->ooo;
    for (uint32_t i = from; same && i < o->n && i < from + SLICE && x->n < x->cap; i++) {
        uint32_t slot = o->v[i]->slot;
        if (ooo_frozen_overlaps(h, o->v[i], x->mint, x->last))
            x->e[x->n++] = (export_entry){head_ref(h, slot), slot, head_series_labels(h, slot)};
    }
    *ret_more = from + SLICE < o->n;
    fer_mutex_unlock(&h->mu);
    fer_mutex_unlock(&h->publish);
    return same;
}

/* Series that get a record meanwhile have nothing frozen. Deletions do not count: what they were about is in blocks
 * (delete.c), and what came out of order behind them stays. */
static fer_code gather_ooo(head_export *x, fer_err *err)
{
    head *h = x->h;
    change_names(x, true);
    fer_mutex_lock(&h->mu);
    x->cap = h->ooo->n;
    fer_mutex_unlock(&h->mu);
    x->e = fer_arena_alloc(x->arena, x->cap * sizeof *x->e);
    if (x->e == NULL)
        return no_memory(err);
    bool more = true;
    for (uint32_t from = 0; more;) {
        if (gather_ooo_slice(x, from, &more)) {
            from += SLICE;
            continue;
        }
        change_names(x, true);
        from = 0;
        x->n = 0;
        more = true;
    }
    return FER_OK;
}

static fer_code gather_slots(head_export *x, fer_err *err)
{
    head *h = x->h;
    change_names(x, true);
    fer_mutex_lock(&h->publish);
    uint32_t end = h->published;
    x->stones = head_stones_take(h);
    fer_mutex_unlock(&h->publish);
    x->e = fer_arena_alloc(x->arena, end * sizeof *x->e);
    if (x->e == NULL)
        return no_memory(err);
    for (uint32_t from = 0; from < end;) {
        uint32_t to = end - from < SLICE ? end : from + SLICE;
        if (gather_slice(x, from, to)) {
            from = to;
            continue;
        }
        change_names(x, true); /* from the start: all labels are of one numbering */
        from = 0;
        x->n = 0;
    }
    return FER_OK;
}

static int by_labels(const void *a, const void *b, void *arg)
{
    const head_export *x = arg;
    pair_cursor ca = head_pairs(x->names, ((const export_entry *)a)->labels);
    pair_cursor cb = head_pairs(x->names, ((const export_entry *)b)->labels);
    uint32_t pa, pb;
    for (;;) {
        bool more_a = pair_cursor_next(&ca, &pa), more_b = pair_cursor_next(&cb, &pb);
        if (!more_a || !more_b)
            return more_a - more_b;
        if (pa == pb)
            continue;
        label_id la = x->ids[pa], lb = x->ids[pb];
        if (la.name != lb.name)
            return la.name < lb.name ? -1 : 1;
        return la.value < lb.value ? -1 : 1;
    }
}

/* ---- symbols ---- */

/* A text on its way to a number. */
typedef struct symbol_use {
    fer_str text;
    uint32_t id; /* of a pair, for its value, or of a name */
    bool is_name;
} symbol_use;

static int by_text(const void *a, const void *b)
{
    return str_cmp(((const symbol_use *)a)->text, ((const symbol_use *)b)->text);
}

/* The texts of all labels in the export, those of equal names or pairs once. */
static size_t list_uses(const head_export *x, symbol_use *uses, uint8_t *seen_pair,
                        uint8_t *seen_name)
{
    const head_dict *d = &x->names->dict;
    size_t n = 0;
    for (size_t i = 0; i < x->n; i++) {
        pair_cursor c = head_pairs(x->names, x->e[i].labels);
        for (uint32_t pair; pair_cursor_next(&c, &pair);) {
            if (seen_pair[pair])
                continue;
            seen_pair[pair] = 1;
            uses[n++] = (symbol_use){dict_pair_value(d, pair), pair, false};
            uint32_t name = dict_pair_of(d, pair)->name;
            if (!seen_name[name])
                uses[n++] = (symbol_use){dict_name_text(d, name), name, true};
            seen_name[name] = 1;
        }
    }
    return n;
}

static void number_symbols(head_export *x, const symbol_use *uses, size_t n, uint32_t *name_ids)
{
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || !str_eq(uses[i].text, uses[i - 1].text))
            x->symbols[x->n_symbols++] = uses[i].text;
        if (uses[i].is_name)
            name_ids[uses[i].id] = x->n_symbols - 1;
        else
            x->ids[uses[i].id].value = x->n_symbols - 1;
    }
    for (size_t i = 0; i < n; i++)
        if (!uses[i].is_name)
            x->ids[uses[i].id].name = name_ids[dict_pair_of(&x->names->dict, uses[i].id)->name];
}

static fer_code make_symbols(head_export *x, fer_err *err)
{
    fer_mutex_lock(&x->h->mu);
    uint32_t n_pairs = x->names->dict.n_pairs, n_names = x->names->dict.n_names;
    fer_mutex_unlock(&x->h->mu);
    FER_CLEANUP(fer_arena_freep) fer_arena *tmp = fer_arena_new(x->acct, 0);
    symbol_use *uses = fer_arena_alloc(tmp, ((size_t)n_pairs + n_names) * sizeof *uses);
    uint8_t *seen_pair = fer_arena_calloc(tmp, n_pairs, 1);
    uint8_t *seen_name = fer_arena_calloc(tmp, n_names, 1);
    uint32_t *name_ids = ARENA_ARRAY(tmp, uint32_t, n_names);
    x->ids = fer_arena_alloc(x->arena, n_pairs * sizeof *x->ids);
    if (uses == NULL || seen_pair == NULL || seen_name == NULL || name_ids == NULL ||
        x->ids == NULL)
        return no_memory(err);
    size_t n = list_uses(x, uses, seen_pair, seen_name);
    if (n != 0)
        qsort(uses, n, sizeof *uses, by_text);
    x->symbols = fer_arena_alloc(x->arena, n * sizeof *x->symbols);
    if (x->symbols == NULL)
        return no_memory(err);
    number_symbols(x, uses, n, name_ids);
    return FER_OK;
}

/* ---- opening and closing ---- */

static fer_code prepare(head_export *x, fer_err *err)
{
    if (x->last < x->mint)
        return FER_OK;
    FER_TRY(x->ooo ? gather_ooo(x, err) : gather_slots(x, err));
    FER_TRY(make_symbols(x, err));
    if (x->n != 0)
        qsort_r(x->e, x->n, sizeof *x->e, by_labels, x);
    return FER_OK;
}

static fer_code open_export(head *h, int64_t mint, int64_t maxt, bool ooo, fer_account *acct,
                            head_export **ret, fer_err *err)
{
    head_export *x = fer_calloc(1, sizeof *x);
    x->h = h;
    x->ooo = ooo;
    x->acct = acct;
    x->mint = maxt == INT64_MIN ? INT64_MAX : mint;
    x->last = maxt == INT64_MIN ? INT64_MIN : maxt - 1;
    x->arena = fer_arena_new(acct, 0);
    x->hist.arena = fer_arena_new(acct, 0);
    fer_buf_init(&x->bytes, SIZE_MAX / 2, acct);
    fer_code code = prepare(x, err);
    if (code != FER_OK) {
        head_export_close(x);
        return code;
    }
    *ret = x;
    return FER_OK;
}

fer_code head_export_open(head *h, int64_t mint, int64_t maxt, fer_account *acct, head_export **ret,
                          fer_err *err)
{
    return open_export(h, mint, maxt, false, acct, ret, err);
}

fer_code head_export_open_ooo(head *h, int64_t mint, int64_t maxt, fer_account *acct,
                              head_export **ret, fer_err *err)
{
    return open_export(h, mint, maxt, true, acct, ret, err);
}

static void end_batch(head_export *x)
{
    if (!x->reading)
        return;
    fer_mutex_lock(&x->h->publish);
    head_reader_end(x->h, &x->reader);
    fer_mutex_unlock(&x->h->publish);
    x->reading = false;
}

void head_export_close(head_export *x)
{
    if (x == NULL)
        return;
    end_batch(x);
    change_names(x, false);
    head_stones_drop(x->stones);
    fer_arena_free(x->arena);
    fer_arena_free(x->hist.arena);
    fer_buf_done(&x->bytes);
    fer_account_release(x->acct, x->cap_chunks * sizeof *x->chunks);
    fer_free(x->chunks);
    fer_free(x);
}

uint32_t head_export_symbols(const head_export *x, const fer_str **ret)
{
    *ret = x->symbols;
    return x->n_symbols;
}

size_t head_export_count(const head_export *x)
{
    return x->n;
}

/* ---- one series ---- */

/* Nobody but who froze them drops them, so the series is there. */
static void pin_frozen(const head *h, uint32_t slot, head_pin *ret)
{
    const ooo_series *s = ooo_find(h, slot);
    *ret = (head_pin){.full = s->list, .n_full = s->frozen};
}

static fer_code pin_batch(head_export *x, fer_err *err)
{
    end_batch(x);
    fer_arena_reset(x->hist.arena);
    x->hist = (head_hist_pins){.arena = x->hist.arena};
    bool room = true;
    head *h = x->h;
    x->batch = x->next;
    x->pinned = x->n - x->next < SLICE ? x->n - x->next : SLICE;
    fer_mutex_lock(&h->publish);
    fer_mutex_lock(&h->mu); /* for the refs */
    for (size_t i = 0; i < x->pinned; i++) {
        const export_entry *e = &x->e[x->batch + i];
        x->pins[i] = (head_pin){0};
        if (x->ooo)
            pin_frozen(h, e->slot, &x->pins[i]);
        else if (head_ref(h, e->slot) == e->ref)
            room = room && head_pin_take(h, e->slot, x->mint, x->last, &x->hist, &x->pins[i]);
    }
    head_reader_begin(h, &x->reader);
    fer_mutex_unlock(&h->mu);
    fer_mutex_unlock(&h->publish);
    x->reading = true;
    return room ? FER_OK : no_memory(err);
}

/* Room for the chunks of a pin. */
static fer_code chunks_room(head_export *x, size_t n, fer_err *err)
{
    if (n <= x->cap_chunks)
        return FER_OK;
    size_t cap = n < 16 ? 16 : n + n / 4;
    if (!fer_account_charge(x->acct, (cap - x->cap_chunks) * sizeof *x->chunks))
        return no_memory(err);
    x->chunks = fer_realloc(x->chunks, cap * sizeof *x->chunks);
    x->cap_chunks = cap;
    return FER_OK;
}

static fer_code does_not_decode(fer_err *err)
{
    return fer_fail(err, FER_CORRUPT, "a chunk of the head does not decode");
}

/* What is deleted of a series; NULL with *ret_n 0 when nothing is. */
static const tombstone *stones_of(const head_export *x, uint64_t ref, size_t *ret_n)
{
    *ret_n = 0;
    return x->stones == NULL ? NULL : tombstones_of(&x->stones->t, ref, ret_n);
}

/* The place of the next chunk; NULL past the budget. */
static exported_chunk *next_place(head_export *x, const exported_series *ret)
{
    return chunks_room(x, ret->n_chunks + 1, NULL) == FER_OK ? &x->chunks[ret->n_chunks] : NULL;
}

/* A chunk encoded anew goes to the buffer. bytes.p stays NULL: it is set when all of the series' bytes are there. */
static fer_code keep_encoded(void *arg, const encoded_chunk *c)
{
    const cutting *k = arg;
    head_export *x = k->x;
    exported_chunk *out = next_place(x, k->ret);
    char *to = out == NULL ? NULL : fer_buf_room(&x->bytes, c->data.n);
    if (to == NULL)
        return FER_LIMIT;
    memcpy(to, c->data.p, c->data.n);
    x->bytes.n += c->data.n;
    *out = (exported_chunk){c->mint, c->maxt, {NULL, c->data.n}, c->n, c->encoding};
    k->ret->n_chunks++;
    return FER_OK;
}

/* Encodes the samples; none makes no chunk. */
static fer_code put_encoded(head_export *x, const samples *s, exported_series *ret, fer_err *err)
{
    cutting k = {x, ret};
    fer_code code = chunk_encode(s, 0, s->n, SIZE_MAX, keep_encoded, &k);
    return code == FER_LIMIT ? no_memory(err) : code;
}

/* Encodes the samples of a chunk that are in the range and not deleted. */
static fer_code cut_to_range(head_export *x, uint8_t encoding, fer_str chunk, exported_series *ret,
                             fer_err *err)
{
    samples s;
    size_t n_gone;
    const tombstone *gone = stones_of(x, ret->ref, &n_gone);
    samples_init(&s, x->acct);
    fer_code code = chunk_decode(encoding, chunk, x->mint, x->last, &s);
    tombstones_apply(gone, n_gone, &s, 0);
    if (code == FER_LIMIT)
        code = no_memory(err);
    else if (code != FER_OK)
        code = does_not_decode(err);
    else
        code = put_encoded(x, &s, ret, err);
    samples_done(&s);
    return code;
}

static fer_code take_whole(head_export *x, const exported_chunk *c, exported_series *ret,
                           fer_err *err)
{
    exported_chunk *out = next_place(x, ret);
    if (out == NULL)
        return no_memory(err);
    *out = *c;
    ret->n_chunks++;
    return FER_OK;
}

/* Whether all of the samples from mint to maxt go to the block as they are; *ret_none: not one of them does. */
static bool is_kept_whole(const head_export *x, uint64_t ref, int64_t mint, int64_t maxt,
                          bool *ret_none)
{
    size_t n_gone;
    const tombstone *gone = stones_of(x, ref, &n_gone);
    *ret_none = maxt < x->mint || mint > x->last || tombstones_cover(gone, n_gone, mint, maxt);
    return mint >= x->mint && maxt <= x->last && !tombstones_touch(gone, n_gone, mint, maxt);
}

/* A chunk with samples from mint to maxt. */
static fer_code take_chunk(head_export *x, int64_t mint, int64_t maxt, uint8_t encoding,
                           fer_str bytes, exported_series *ret, fer_err *err)
{
    bool none;
    if (!is_kept_whole(x, ret->ref, mint, maxt, &none))
        return none ? FER_OK : cut_to_range(x, encoding, bytes, ret, err);
    uint16_t n = be16_get((const uint8_t *)bytes.p);
    return take_whole(x, &(exported_chunk){mint, maxt, bytes, n, encoding}, ret, err);
}

static fer_code take_full(head_export *x, const full_chunk *c, exported_series *ret, fer_err *err)
{
    fer_str bytes;
    fer_err why = {0};
    bool none;
    (void)is_kept_whole(x, ret->ref, c->mint, full_maxt(c), &none);
    if (none)
        return FER_OK;
    fer_code code = head_full_bytes(x->h, c, &bytes, &why);
    if (code == FER_OK && bytes.n < 2)
        code = does_not_decode(&why);
    if (code == FER_OK)
        code = take_chunk(x, c->mint, full_maxt(c), c->encoding, bytes, ret, &why);
    if (code == FER_CORRUPT && c->file != 0) { /* what memory holds is right, or all is lost */
        LOGE(x->h->log, "A chunk of chunks_head is damaged and left out of a block", "ref",
             LOG_INT(ret->ref), "err", why.msg);
        return FER_OK;
    }
    return code == FER_OK ? FER_OK : fer_fail(err, code, "%s", why.msg);
}

/* The pin of floats does not tell the open chunk's times: it is encoded again, which most exports need anyway. */
static fer_code take_open(head_export *x, const head_pin *pin, exported_series *ret, fer_err *err)
{
    if (pin->is_hist) {
        const head_hist_pin *c = &x->hist.v[pin->open - 1];
        return take_chunk(x, c->mint, c->maxt, c->encoding, c->bytes, ret, err);
    }
    uint8_t bytes[XOR_CHUNK_BYTES_SOFT];
    head_pin_open_bytes(x->h, pin, bytes);
    return cut_to_range(x, CHUNK_XOR, (fer_str){(const char *)bytes, pin->bytes}, ret, err);
}

/* Encoded chunks stand one after another in the buffer, which does not move any more. */
static void place_bytes(head_export *x, size_t n)
{
    const char *p = x->bytes.p;
    for (size_t i = 0; i < n; i++) {
        if (x->chunks[i].bytes.p != NULL)
            continue;
        x->chunks[i].bytes.p = p;
        p += x->chunks[i].bytes.n;
    }
}

/* All of the series that is frozen, merged. */
static fer_code take_frozen(head_export *x, const head_pin *pin, exported_series *ret, fer_err *err)
{
    samples s;
    cutting k = {x, ret};
    samples_init(&s, x->acct);
    fer_code code =
        ooo_read_chunks(x->h, head_pin_full(x->h, pin), pin->n_full, x->mint, x->last, &s);
    if (code == FER_OK)
        code = chunk_encode(&s, 0, s.n, OOO_CHUNK_SAMPLES, keep_encoded, &k);
    samples_done(&s);
    if (code == FER_LIMIT)
        return no_memory(err);
    return code == FER_OK ? FER_OK : does_not_decode(err);
}

static fer_code take_chunks(head_export *x, const head_pin *pin, exported_series *ret, fer_err *err)
{
    fer_buf_clear(&x->bytes);
    ret->n_chunks = 0;
    const full_chunk *full = head_pin_full(x->h, pin);
    if (x->ooo)
        FER_TRY(take_frozen(x, pin, ret, err));
    for (uint32_t i = 0; i < pin->n_full && !x->ooo; i++)
        FER_TRY(take_full(x, &full[i], ret, err));
    if (pin->open != 0)
        FER_TRY(take_open(x, pin, ret, err));
    place_bytes(x, ret->n_chunks);
    ret->chunks = x->chunks;
    return FER_OK;
}

static void take_labels(head_export *x, slab_ref series_labels, exported_series *ret)
{
    pair_cursor c = head_pairs(x->names, series_labels);
    ret->n_labels = 0;
    for (uint32_t pair; pair_cursor_next(&c, &pair);)
        x->labels[ret->n_labels++] = x->ids[pair];
    ret->labels = x->labels;
}

fer_code head_export_next(head_export *x, exported_series *ret, bool *ret_more, fer_err *err)
{
    *ret_more = false;
    while (x->next < x->n && !*ret_more) {
        if (x->next == x->batch + x->pinned)
            FER_TRY(pin_batch(x, err));
        const export_entry *e = &x->e[x->next];
        *ret = (exported_series){.ref = e->ref};
        FER_TRY(take_chunks(x, &x->pins[x->next - x->batch], ret, err));
        take_labels(x, e->labels, ret);
        x->next++;
        *ret_more = ret->n_chunks != 0;
    }
    return FER_OK;
}

#include "tsdb/head/ooo_read.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tsdb/merge_samples.h"

/* ---- pinning ---- */

bool ooo_pin_take(const head *h, uint32_t slot, fer_arena *a, ooo_pin *ret)
{
    const ooo_series *s = ooo_find(h, slot);
    const pub_rec *in = head_pub_rec(h, slot);
    *ret = (ooo_pin){.labels = head_series_labels(h, slot),
                     .in_mint = in->min_t,
                     .in_maxt = in->app.t,
                     .list = s->list,
                     .hists = s->hists,
                     .n_open = s->n};
    (void)ooo_chunks(h, s, &ret->n_chunks);
    if (s->n == 0)
        return true;
    ooo_sample *copy = ARENA_ARRAY(a, ooo_sample, s->n);
    if (copy != NULL)
        memcpy(copy, slab_ptr(&h->chunks, s->open), s->n * sizeof *copy);
    ret->open = copy;
    return copy != NULL;
}

bool ooo_pins_add(ooo_pins *p, const head *h, uint32_t slot, fer_arena *a)
{
    if (!head_pub_rec(h, slot)->has_ooo)
        return true;
    if (p->n == p->cap) {
        uint32_t cap = p->cap == 0 ? 16 : p->cap * 2;
        ooo_pin *v = fer_arena_grow(a, p->v, p->cap * sizeof *v, cap * sizeof *v);
        if (v == NULL)
            return false;
        p->v = v;
        p->cap = cap;
    }
    return ooo_pin_take(h, slot, a, &p->v[p->n++]);
}

static int by_labels(const void *a, const void *b)
{
    slab_ref x = ((const ooo_pin *)a)->labels, y = ((const ooo_pin *)b)->labels;
    return (x > y) - (x < y);
}

void ooo_pins_sort(ooo_pins *p)
{
    if (p->n != 0)
        qsort(p->v, p->n, sizeof *p->v, by_labels);
}

const ooo_pin *ooo_pins_find(const ooo_pins *p, const head_pin *pin)
{
    ooo_pin key = {.labels = pin->labels};
    return p->n == 0 ? NULL : bsearch(&key, p->v, p->n, sizeof key, by_labels);
}

/* ---- reading ---- */

/* One chunk of the series, or what is open of it. */
typedef struct piece {
    int64_t mint, maxt;
    const full_chunk *full; /* NULL: open samples */
    bool in_order;
    uint32_t order;
} piece;

typedef struct reading {
    const head *h;
    const in_order_pin *in; /* this and pin NULL: full chunks alone */
    const ooo_pin *pin;
    query_warnings *warnings; /* NULL: damage is a failure */
    int64_t mint, maxt;
    samples *out;
    piece *v;
    sample_run *runs;
    uint32_t n;
} reading;

static void add_piece(reading *r, piece p)
{
    if (p.mint > r->maxt || p.maxt < r->mint)
        return;
    p.order = r->n;
    r->v[r->n++] = p;
}

static void add_full(reading *r, const full_chunk *c, uint32_t n, bool in_order)
{
    for (uint32_t i = 0; i < n; i++)
        add_piece(r, (piece){c[i].mint, full_maxt(&c[i]), &c[i], in_order, 0});
}

static int by_time(const void *a, const void *b)
{
    const piece *x = a, *y = b;
    if (x->mint != y->mint)
        return x->mint < y->mint ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static fer_code read_full(const reading *r, const full_chunk *c, int64_t mint, int64_t maxt)
{
    fer_err why = {0};
    fer_code code = head_full_decode(r->h, c, mint, maxt, r->out, &why);
    if ((code != FER_CORRUPT && code != FER_UNSUPPORTED) || c->file == 0)
        return code;
    if (r->warnings != NULL)
        query_warn(r->warnings, "head: %s", why.msg);
    else
        LOGE(r->h->log, "A chunk of chunks_head is damaged and left out", "err", why.msg);
    return FER_OK;
}

static fer_code read_open_in_order(const reading *r, int64_t mint, int64_t maxt)
{
    assert(r->in != NULL);
    const head_pin *pin = r->in->pin;
    if (pin->is_hist) {
        const head_hist_pin *c = &r->in->hist->v[pin->open - 1];
        return chunk_decode(c->encoding, c->bytes, mint, maxt, r->out);
    }
    uint8_t bytes[XOR_CHUNK_BYTES_SOFT];
    head_pin_open_bytes(r->h, pin, bytes);
    return xor_decode((fer_str){(const char *)bytes, pin->bytes}, pin->n, mint, maxt, r->out);
}

static fer_code read_open_ooo(const reading *r, int64_t mint, int64_t maxt)
{
    const ooo_pin *pin = r->pin;
    assert(pin != NULL);
    for (uint32_t i = 0; i < pin->n_open; i++)
        if (pin->open[i].t >= mint && pin->open[i].t <= maxt)
            FER_TRY(ooo_sample_read(r->h, &pin->open[i], pin->hists >> i & 1, r->out));
    return FER_OK;
}

static fer_code read_piece(const reading *r, const piece *p, int64_t mint, int64_t maxt)
{
    size_t from = r->out->n;
    assert(r->in != NULL || !p->in_order);
    if (p->full != NULL)
        FER_TRY(read_full(r, p->full, mint, maxt));
    else
        FER_TRY((p->in_order ? read_open_in_order : read_open_ooo)(r, mint, maxt));
    if (p->in_order)
        tombstones_apply(r->in->gone, r->in->n_gone, r->out, from);
    return FER_OK;
}

/* What was merged and lies outside the range goes again: which of two samples counts depends on those before. */
static void clip(const reading *r, size_t from)
{
    samples *s = r->out;
    size_t begin = from, end = s->n;
    while (begin < s->n && s->t[begin] < r->mint)
        begin++;
    while (end > begin && s->t[end - 1] > r->maxt)
        end--;
    samples_remove(s, end, s->n);
    samples_remove(s, from, begin);
}

/* Pieces that overlap, directly or by way of others. */
static fer_code read_group(const reading *r, const piece *v, uint32_t n)
{
    if (n == 1)
        return read_piece(r, v, r->mint, r->maxt);
    size_t from = r->out->n;
    for (uint32_t i = 0; i < n; i++) {
        size_t had = r->out->n;
        FER_TRY(read_piece(r, &v[i], INT64_MIN, INT64_MAX));
        r->runs[i] = (sample_run){had, r->out->n};
    }
    FER_TRY(merge_samples(r->out, from, r->runs, n));
    clip(r, from);
    return FER_OK;
}

static fer_code read_pieces(reading *r)
{
    fer_code code = FER_OK;
    if (r->n != 0)
        qsort(r->v, r->n, sizeof *r->v, by_time);
    for (uint32_t i = 0, to; i < r->n && code == FER_OK; i = to) {
        int64_t end = r->v[i].maxt;
        for (to = i + 1; to < r->n && r->v[to].mint <= end; to++)
            if (r->v[to].maxt > end)
                end = r->v[to].maxt;
        code = read_group(r, &r->v[i], to - i);
    }
    return code;
}

static void make_room(reading *r, uint32_t most)
{
    r->v = fer_alloc((most + 1) * sizeof *r->v);
    r->runs = fer_alloc((most + 1) * sizeof *r->runs);
}

static void give_room(reading *r)
{
    fer_free(r->v);
    fer_free(r->runs);
}

fer_code ooo_read(const head *h, const in_order_pin *in, const ooo_pin *pin, int64_t mint,
                  int64_t maxt, query_warnings *warnings, samples *out)
{
    reading r = {h, in, pin, warnings, mint, maxt, out, NULL, NULL, 0};
    make_room(&r, in->pin->n_full + pin->n_chunks + 2);
    add_full(&r, head_pin_full(h, in->pin), in->pin->n_full, true);
    if (in->pin->open != 0)
        add_piece(&r, (piece){pin->in_mint, pin->in_maxt, NULL, true, 0});
    if (pin->n_chunks != 0)
        add_full(&r, ((const full_list *)slab_ptr(&h->chunks, pin->list))->c, pin->n_chunks, false);
    if (pin->n_open != 0)
        add_piece(&r, (piece){pin->open[0].t, pin->open[pin->n_open - 1].t, NULL, false, 0});
    fer_code code = read_pieces(&r);
    give_room(&r);
    return code;
}

fer_code ooo_read_chunks(const head *h, const full_chunk *c, uint32_t n, int64_t mint, int64_t maxt,
                         samples *out)
{
    reading r = {.h = h, .mint = mint, .maxt = maxt, .out = out};
    make_room(&r, n);
    add_full(&r, c, n, false);
    fer_code code = read_pieces(&r);
    give_room(&r);
    return code;
}

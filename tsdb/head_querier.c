/* head_querier.c - selecting, pinning, labels and samples of the head's series. */
#include "tsdb/head_querier.h"

#include <string.h>

#include "tsdb/head_pin.h"
#include "tsdb/head_select.h"

/* Pair id to the query's label ids: open addressing, at most half full. */
typedef struct pair_map_entry {
    uint32_t pair; /* DICT_NONE: empty */
    label_id id;
} pair_map_entry;

typedef struct head_querier {
    querier base;
    head *h;
    head_reader reader;
    bool reading;             /* reader is in the head's list */
    query_warnings *warnings; /* NULL before the first select, unless given */
    pair_map_entry *map;
    uint32_t map_n, map_cap;
    uint32_t *names; /* the query's ids by the head's, SYM_NONE while not asked for */
    uint32_t n_names;
} head_querier;

typedef struct pinned {
    head_pin pin;
    int64_t newest_t; /* the newest sample of pin.open */
    double newest_v;
} pinned;

typedef struct head_selection {
    selection base;
    head_querier *q;
    pinned *series;
    bool newest_only;
    label_id *ids; /* of the last labels call */
} head_selection;

static fer_code no_memory(fer_err *err)
{
    return fer_fail_budget(err, "selecting series");
}

/* ---- labels ---- */

static pair_map_entry *map_place(pair_map_entry *map, uint32_t cap, uint32_t pair)
{
    uint32_t at = (pair * 2654435761U) & (cap - 1);
    while (map[at].pair != pair && map[at].pair != DICT_NONE)
        at = (at + 1) & (cap - 1);
    return &map[at];
}

static bool map_grow(head_querier *q)
{
    uint32_t cap = q->map_cap == 0 ? 64 : q->map_cap * 2;
    pair_map_entry *map = fer_arena_alloc(q->base.ctx.arena, cap * sizeof *map);
    if (map == NULL)
        return false;
    memset(map, 0xff, cap * sizeof *map);
    for (uint32_t i = 0; i < q->map_cap; i++)
        if (q->map[i].pair != DICT_NONE)
            *map_place(map, cap, q->map[i].pair) = q->map[i];
    q->map = map;
    q->map_cap = cap;
    return true;
}

/* The query's id of a label name of the head; SYM_NONE past the budget. */
static uint32_t name_id_of(head_querier *q, uint32_t name)
{
    if (name >= q->n_names) {
        uint32_t n = name + 64;
        uint32_t *p =
            fer_arena_grow(q->base.ctx.arena, q->names, q->n_names * sizeof *p, n * sizeof *p);
        if (p == NULL)
            return SYM_NONE;
        memset(p + q->n_names, 0xff, (n - q->n_names) * sizeof *p);
        q->names = p;
        q->n_names = n;
    }
    if (q->names[name] == SYM_NONE)
        q->names[name] = syms_intern(q->base.ctx.syms, dict_name_text(&q->h->dict, name));
    return q->names[name];
}

/* The query's ids of a pair; false past the budget. */
static bool label_id_of(head_querier *q, uint32_t pair, label_id *ret)
{
    if (q->map_n * 2 >= q->map_cap && !map_grow(q))
        return false;
    pair_map_entry *e = map_place(q->map, q->map_cap, pair);
    if (e->pair == DICT_NONE) {
        /* Copied: a result's texts are read after the querier has gone. */
        label_id id = {name_id_of(q, dict_pair_of(&q->h->dict, pair)->name),
                       syms_intern(q->base.ctx.syms, dict_pair_value(&q->h->dict, pair))};
        if (id.name == SYM_NONE || id.value == SYM_NONE)
            return false;
        *e = (pair_map_entry){pair, id};
        q->map_n++;
    }
    *ret = e->id;
    return true;
}

static const label_id *selection_labels_of(selection *base, size_t i, size_t *ret_n)
{
    head_selection *s = (head_selection *)base;
    if (s->ids == NULL)
        s->ids = fer_arena_alloc(s->q->base.ctx.arena, LABELS_MAX * sizeof *s->ids);
    if (s->ids == NULL)
        return NULL;
    pair_cursor c = head_pairs(s->q->h, s->series[i].pin.labels);
    size_t n = 0;
    for (uint32_t pair; pair_cursor_next(&c, &pair); n++)
        if (!label_id_of(s->q, pair, &s->ids[n]))
            return NULL;
    *ret_n = n;
    return s->ids;
}

/* ---- samples ---- */

static fer_code read_open(const head *h, const head_pin *pin, int64_t mint, int64_t maxt,
                          samples *out)
{
    uint8_t bytes[XOR_CHUNK_BYTES_SOFT];
    head_pin_open_bytes(h, pin, bytes);
    return xor_decode((fer_str){(const char *)bytes, pin->bytes}, pin->n, mint, maxt, out);
}

/* What of a chunk of chunks_head cannot be read is told and left out. */
static fer_code read_full(const head_querier *q, const full_chunk *c, int64_t mint, int64_t maxt,
                          samples *out)
{
    fer_str bytes;
    fer_err why = {0};
    fer_code code = head_full_bytes(q->h, c, &bytes, &why);
    if (code == FER_OK) {
        /* No further than the chunk was said to go: foreign bytes may go further. */
        code = xor_decode(bytes, 0, mint > c->mint ? mint : c->mint,
                          maxt < c->maxt ? maxt : c->maxt, out);
        if (code == FER_CORRUPT)
            fer_fail(&why, code, "a chunk of chunks_head does not decode");
    }
    if (code == FER_CORRUPT && c->file != 0) {
        query_warn(q->warnings, "head: %s", why.msg);
        return FER_OK;
    }
    return code;
}

static fer_code selection_read_of(selection *base, size_t i, int64_t mint, int64_t maxt,
                                  samples *out, fer_err *err)
{
    const head_selection *s = (const head_selection *)base;
    const head *h = s->q->h;
    const head_pin *pin = &s->series[i].pin;
    int64_t newest_t = s->series[i].newest_t;
    if (s->newest_only && pin->open != 0 && newest_t >= mint && newest_t <= maxt)
        return samples_add(out, newest_t, s->series[i].newest_v) == FER_OK
                   ? FER_OK
                   : fer_fail_budget(err, "reading samples");
    fer_code code = FER_OK;
    const full_chunk *full = head_pin_full(h, pin);
    for (uint32_t k = 0; k < pin->n_full && code == FER_OK; k++) {
        const full_chunk *c = &full[k];
        if (c->maxt < mint || c->mint > maxt)
            continue;
        code = read_full(s->q, c, mint, maxt, out);
    }
    if (code == FER_OK && pin->open != 0)
        code = read_open(h, pin, mint, maxt, out);
    if (code == FER_LIMIT)
        return fer_fail_budget(err, "reading samples");
    if (code != FER_OK)
        return fer_fail(err, code, "a chunk of the head does not decode");
    return FER_OK;
}

static const selection_ops head_selection_ops = {selection_labels_of, selection_read_of};

/* ---- select ---- */

static int by_ref(const void *a, const void *b, void *arg)
{
    uint64_t ra = head_ref(arg, *(const uint32_t *)a), rb = head_ref(arg, *(const uint32_t *)b);
    return (ra > rb) - (ra < rb);
}

/* Drops the series without samples in the range. */
static void keep_overlapping(const head *h, slot_list *list, int64_t mint, int64_t maxt)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->n; i++)
        if (head_overlaps(h, head_pub_rec(h, list->v[i]), mint, maxt))
            list->v[kept++] = list->v[i];
    list->n = kept;
}

static void pin_series(const head *h, uint32_t slot, const select_hints *hints, pinned *ret)
{
    const xor_appender *open = &head_pub_rec(h, slot)->app;
    head_pin_take(h, slot, hints->mint, hints->maxt, &ret->pin);
    ret->newest_t = open->t;
    ret->newest_v = open->v;
}

/* Under both locks: the series that match and have samples, pinned. */
static fer_code pin_matching(head_querier *q, head_select *sel, const select_hints *hints,
                             head_selection *s, fer_err *err)
{
    head *h = q->h;
    slot_list list;
    FER_TRY(head_select_slots(sel, &list, err));
    keep_overlapping(h, &list, hints->mint, hints->maxt);
    if (!h->slots_in_ref_order)
        qsort_r(list.v, list.n, sizeof *list.v, by_ref, h);
    if (hints->limit != 0 && !hints->sorted && list.n > hints->limit)
        list.n = hints->limit;

    s->series = fer_arena_alloc(q->base.ctx.arena, list.n * sizeof *s->series);
    if (s->series == NULL)
        return no_memory(err);
    for (size_t i = 0; i < list.n; i++)
        pin_series(h, list.v[i], hints, &s->series[i]);
    s->base.n = list.n;
    if (!q->reading) {
        head_reader_begin(h, &q->reader);
        q->reading = true;
    }
    return FER_OK;
}

/* labels_cmp() on pair ids: equal ids are equal labels. */
static int by_labels(const void *a, const void *b, void *arg)
{
    const head *h = arg;
    pair_cursor ca = head_pairs(h, ((const pinned *)a)->pin.labels);
    pair_cursor cb = head_pairs(h, ((const pinned *)b)->pin.labels);
    uint32_t pa, pb;
    for (;;) {
        bool more_a = pair_cursor_next(&ca, &pa), more_b = pair_cursor_next(&cb, &pb);
        if (!more_a || !more_b)
            return more_a - more_b;
        if (pa == pb)
            continue;
        int c = str_cmp(dict_pair_name(&h->dict, pa), dict_pair_name(&h->dict, pb));
        return c != 0 ? c : str_cmp(dict_pair_value(&h->dict, pa), dict_pair_value(&h->dict, pb));
    }
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
    s->newest_only = h->newest_only;

    FER_CLEANUP(fer_arena_freep) fer_arena *tmp = fer_arena_new(base->ctx.acct, 0);
    head_select sel;
    FER_TRY(head_select_prepare(&sel, q->h, tmp, base->ctx.cancel, m, nm, err));
    fer_mutex_lock(&q->h->publish);
    fer_mutex_lock(&q->h->mu);
    fer_code code = pin_matching(q, &sel, &hints, s, err);
    fer_mutex_unlock(&q->h->mu);
    fer_mutex_unlock(&q->h->publish);
    if (code != FER_OK)
        return code;

    if (hints.sorted)
        qsort_r(s->series, s->base.n, sizeof *s->series, by_labels, q->h);
    if (hints.limit != 0 && s->base.n > hints.limit)
        s->base.n = hints.limit;
    *ret = &s->base;
    return FER_OK;
}

/* ---- label names and values ---- */

/* Whether the head has published samples in the querier's range. Under publish. */
static bool in_range(const head_querier *q)
{
    return q->h->min_time <= q->base.maxt && q->h->max_time >= q->base.mint;
}

static bool pair_is_visible(const head *h, uint32_t pair)
{
    return postings_first(&h->dict.posts, &dict_pair_of(&h->dict, pair)->post) < h->published;
}

/* A growing list of texts of the dictionary: which are in it is decided under the locks, they are
 * sorted and copied without. */
typedef struct text_list {
    fer_arena *tmp;
    fer_str *v;
    size_t n, cap;
} text_list;

static fer_code text_add(text_list *l, fer_str text, fer_err *err)
{
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 64 : l->cap * 2;
        fer_str *v = fer_arena_grow(l->tmp, l->v, l->cap * sizeof *v, cap * sizeof *v);
        if (v == NULL)
            return no_memory(err);
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = text;
    return FER_OK;
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const fer_str *)a, *(const fer_str *)b);
}

static fer_code give_sorted(text_list *l, fer_arena *a, uint64_t limit, str_list *ret, fer_err *err)
{
    if (l->n != 0)
        qsort(l->v, l->n, sizeof *l->v, by_text);
    size_t n = limit != 0 && limit < l->n ? (size_t)limit : l->n;
    for (size_t i = 0; i < n; i++)
        if (str_list_add(ret, a, l->v[i]) != FER_OK)
            return no_memory(err);
    return FER_OK;
}

static fer_code all_names(const head *h, text_list *l, fer_err *err)
{
    for (uint32_t i = 0; i < h->dict.n_names; i++)
        if (pair_is_visible(h, dict_name_of(&h->dict, i)->pairs[0]))
            FER_TRY(text_add(l, dict_name_text(&h->dict, i), err));
    return FER_OK;
}

static fer_code all_values(const head *h, uint32_t name, text_list *l, fer_err *err)
{
    const dict_name *nm = dict_name_of(&h->dict, name);
    for (uint32_t i = 0; i < nm->n; i++)
        if (pair_is_visible(h, nm->pairs[i]))
            FER_TRY(text_add(l, dict_pair_value(&h->dict, nm->pairs[i]), err));
    return FER_OK;
}

/* Names of the slots' labels, or the values of `name` unless it is DICT_NONE; each once. */
static fer_code texts_of_slots(const head *h, slot_list list, uint32_t name, text_list *l,
                               fer_err *err)
{
    const head_dict *d = &h->dict;
    uint32_t n_bits = name == DICT_NONE ? d->n_names : d->n_pairs;
    uint64_t *seen = ARENA_ARRAY(l->tmp, uint64_t, n_bits / 64 + 1);
    if (seen == NULL)
        return no_memory(err);
    for (size_t i = 0; i < list.n; i++) {
        if (head_pub_rec(h, list.v[i])->labels == 0)
            continue;
        pair_cursor c = head_pairs(h, head_pub_rec(h, list.v[i])->labels);
        for (uint32_t pair; pair_cursor_next(&c, &pair);) {
            uint32_t pair_name = dict_pair_of(d, pair)->name;
            if (name != DICT_NONE && pair_name != name)
                continue;
            uint32_t at = name == DICT_NONE ? pair_name : pair;
            if (seen[at / 64] >> (at % 64) & 1)
                continue;
            seen[at / 64] |= UINT64_C(1) << (at % 64);
            fer_str text = name == DICT_NONE ? dict_name_text(d, at) : dict_pair_value(d, at);
            FER_TRY(text_add(l, text, err));
        }
    }
    return FER_OK;
}

/* Under both locks. `name` empty: label names. */
static fer_code collect_texts(head_querier *q, head_select *sel, fer_str name, text_list *l,
                              fer_err *err)
{
    head *h = q->h;
    uint32_t id = DICT_NONE;
    if (!in_range(q))
        return FER_OK;
    if (name.n != 0) {
        id = dict_name_find(&h->dict, name);
        if (id == DICT_NONE)
            return FER_OK;
    }
    if (sel->n == 0)
        return name.n == 0 ? all_names(h, l, err) : all_values(h, id, l, err);
    slot_list list;
    FER_TRY(head_select_slots(sel, &list, err));
    return texts_of_slots(h, list, id, l, err);
}

static fer_code label_texts(querier *base, fer_str name, const matcher *m, size_t nm,
                            uint64_t limit, str_list *ret, fer_err *err)
{
    head_querier *q = (head_querier *)base;
    FER_CLEANUP(fer_arena_freep) fer_arena *tmp = fer_arena_new(base->ctx.acct, 0);
    head_select sel;
    FER_TRY(head_select_prepare(&sel, q->h, tmp, base->ctx.cancel, m, nm, err));
    text_list texts = {.tmp = tmp};
    fer_mutex_lock(&q->h->publish);
    fer_mutex_lock(&q->h->mu);
    fer_code code = collect_texts(q, &sel, name, &texts, err);
    fer_mutex_unlock(&q->h->mu);
    fer_mutex_unlock(&q->h->publish);
    if (code != FER_OK)
        return code;
    return give_sorted(&texts, base->ctx.arena, limit, ret, err);
}

static fer_code label_names(querier *base, const matcher *m, size_t nm, uint64_t limit,
                            str_list *ret, fer_err *err)
{
    return label_texts(base, (fer_str){NULL, 0}, m, nm, limit, ret, err);
}

static fer_code label_values(querier *base, fer_str name, const matcher *m, size_t nm,
                             uint64_t limit, str_list *ret, fer_err *err)
{
    if (name.n == 0)
        return FER_OK;
    return label_texts(base, name, m, nm, limit, ret, err);
}

static void close_querier(querier *base)
{
    head_querier *q = (head_querier *)base;
    if (!q->reading)
        return;
    fer_mutex_lock(&q->h->publish);
    head_reader_end(q->h, &q->reader);
    fer_mutex_unlock(&q->h->publish);
    q->reading = false;
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
    *ret = &q->base;
    return FER_OK;
}

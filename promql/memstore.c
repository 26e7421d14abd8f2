#include "promql/memstore.h"

#include <assert.h>

#include "base/hash.h"

enum { TABLE_MIN = 64 };

struct memstore_series {
    memstore *owner;
    labels labels;
    uint64_t hash;
    samples samples;
};

struct memstore {
    storage base;
    fer_arena *arena; /* label texts, histograms, warnings, series */
    memstore_series **series;
    size_t n, cap;
    uint32_t *table; /* open addressing over series: index + 1, 0 free; a power of two */
    size_t n_slots;
    str_list warnings;
    fer_code read_fault;
};

/* ---- filling ---- */

static fer_code open_querier(storage *st, const query_ctx *ctx, int64_t mint, int64_t maxt,
                             querier **ret, fer_err *err);

memstore *memstore_new(void)
{
    memstore *m = fer_calloc(1, sizeof *m);
    m->base.open = open_querier;
    m->arena = fer_arena_new(NULL, 0);
    m->n_slots = TABLE_MIN;
    m->table = fer_calloc(m->n_slots, sizeof *m->table);
    return m;
}

void memstore_free(memstore *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->n; i++)
        samples_done(&m->series[i]->samples);
    fer_free(m->series);
    fer_free(m->table);
    fer_arena_free(m->arena);
    fer_free(m);
}

void memstore_freep(memstore **m)
{
    memstore_free(*m);
    *m = NULL;
}

storage *memstore_storage(memstore *m)
{
    return &m->base;
}

/* The slot of the series with these labels, or the free one where it belongs. */
static uint32_t *probe(memstore *m, uint64_t hash, labels ls)
{
    for (size_t i = hash & (m->n_slots - 1);; i = (i + 1) & (m->n_slots - 1)) {
        uint32_t *slot = &m->table[i];
        if (*slot == 0)
            return slot;
        const memstore_series *s = m->series[*slot - 1];
        if (s->hash == hash && labels_eq(s->labels, ls))
            return slot;
    }
}

static void grow_table(memstore *m)
{
    fer_free(m->table);
    m->n_slots *= 2;
    m->table = fer_calloc(m->n_slots, sizeof *m->table);
    for (size_t i = 0; i < m->n; i++)
        *probe(m, m->series[i]->hash, m->series[i]->labels) = (uint32_t)i + 1;
}

static labels copy_labels(fer_arena *a, labels ls)
{
    label *l = ARENA_ARRAY(a, label, ls.n);
    for (size_t i = 0; i < ls.n; i++)
        l[i] = (label){fer_arena_dup(a, ls.l[i].name), fer_arena_dup(a, ls.l[i].value)};
    return (labels){l, ls.n};
}

memstore_series *memstore_series_of(memstore *m, labels ls)
{
    uint64_t hash = labels_hash(ls);
    uint32_t *slot = probe(m, hash, ls);
    if (*slot != 0)
        return m->series[*slot - 1];

    memstore_series *s = ARENA_NEW(m->arena, memstore_series);
    s->owner = m;
    s->hash = hash;
    s->labels = copy_labels(m->arena, ls);
    samples_init(&s->samples, NULL);
    if (m->n == m->cap) {
        m->cap = m->cap == 0 ? TABLE_MIN : m->cap * 2;
        m->series = fer_realloc(m->series, m->cap * sizeof *m->series);
    }
    m->series[m->n++] = s;
    *slot = (uint32_t)m->n;
    if (m->n * 2 > m->n_slots)
        grow_table(m);
    return s;
}

static bool is_later(const memstore_series *s, int64_t t)
{
    return s->samples.n == 0 || t > s->samples.t[s->samples.n - 1];
}

fer_code memstore_add(memstore_series *s, int64_t t, double v)
{
    return is_later(s, t) ? samples_add(&s->samples, t, v) : FER_INVALID;
}

static void *copy_array(fer_arena *a, const void *p, size_t bytes)
{
    void *copy = fer_arena_alloc(a, bytes);
    if (bytes > 0)
        memcpy(copy, p, bytes);
    return copy;
}

fer_code memstore_add_histogram(memstore_series *s, int64_t t, sample_type type, const histogram *h)
{
    if (!is_later(s, t))
        return FER_INVALID;
    fer_arena *a = s->owner->arena;
    histogram *copy = ARENA_NEW(a, histogram);
    *copy = *h;
    copy->pos_spans = copy_array(a, h->pos_spans, h->n_pos_spans * sizeof *h->pos_spans);
    copy->neg_spans = copy_array(a, h->neg_spans, h->n_neg_spans * sizeof *h->neg_spans);
    copy->pos = copy_array(a, h->pos, h->n_pos * sizeof *h->pos);
    copy->neg = copy_array(a, h->neg, h->n_neg * sizeof *h->neg);
    copy->custom = copy_array(a, h->custom, h->n_custom * sizeof *h->custom);
    return samples_add_histogram(&s->samples, t, type, copy);
}

void memstore_set_start(memstore_series *s, int64_t st)
{
    fer_code code = samples_set_start(&s->samples, s->samples.n - 1, st);
    assert(code == FER_OK); /* without an account nothing is refused */
}

size_t memstore_n_series(const memstore *m)
{
    return m->n;
}

const memstore_series *memstore_series_at(const memstore *m, size_t i)
{
    return m->series[i];
}

labels memstore_series_labels(const memstore_series *s)
{
    return s->labels;
}

const samples *memstore_series_samples(const memstore_series *s)
{
    return &s->samples;
}

void memstore_warn(memstore *m, fer_str text)
{
    fer_code code = str_list_add(&m->warnings, m->arena, text, NULL);
    assert(code == FER_OK);
}

void memstore_fail_reads(memstore *m, fer_code code)
{
    m->read_fault = code;
}

/* ---- selections ---- */

typedef struct mem_querier {
    querier base;
    memstore *store;
} mem_querier;

typedef struct mem_selection {
    selection base;
    memstore *store;
    syms *syms;
    memstore_series **series;
    label_id *ids;              /* of the series asked for last; room for the longest label set */
    const label_choice *choice; /* the labels to give; NULL: all */
} mem_selection;

static bool series_matches(const memstore_series *s, const matcher *m, size_t nm)
{
    for (size_t i = 0; i < nm; i++)
        if (!matcher_matches(&m[i], labels_get(s->labels, m[i].name)))
            return false;
    return true;
}

/* The first sample at or after t. */
static size_t lower_bound(const samples *s, int64_t t)
{
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->t[mid] < t)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool has_data(const memstore_series *s, int64_t mint, int64_t maxt)
{
    size_t i = lower_bound(&s->samples, mint);
    return i < s->samples.n && s->samples.t[i] <= maxt;
}

static bool is_listed(const fer_str *names, size_t n, fer_str name)
{
    size_t i = 0;
    while (i < n && !str_eq(names[i], name))
        i++;
    return i < n;
}

static const label_id *selection_ids(selection *base, size_t i, size_t *ret_n)
{
    mem_selection *s = (mem_selection *)base;
    labels ls = s->series[i]->labels;
    size_t n = 0;
    for (size_t k = 0; k < ls.n; k++) {
        if (s->choice != NULL &&
            is_listed(s->choice->names, s->choice->n, ls.l[k].name) == s->choice->others)
            continue;
        s->ids[n].name = syms_intern_stable(s->syms, ls.l[k].name);
        s->ids[n].value = syms_intern_stable(s->syms, ls.l[k].value);
        if (s->ids[n].name == SYM_NONE || s->ids[n].value == SYM_NONE)
            return NULL;
        n++;
    }
    *ret_n = n;
    return s->ids;
}

/* Its labels from k on that are no metric's; .n 0 ends. */
static fer_str next_rest(labels ls, size_t *k)
{
    static const fer_str metric[] = {{"__name__", 8}, {"__type__", 8}, {"__unit__", 8}};
    while (*k < ls.n && is_listed(metric, 3, ls.l[*k].name))
        ++*k;
    return *k < ls.n ? ls.l[*k].name : (fer_str){NULL, 0};
}

/* The same for many series, so that they are compared. */
static uint64_t rest_hash(const selection *base, size_t i)
{
    labels ls = ((const mem_selection *)base)->series[i]->labels;
    uint64_t n = 0;
    for (size_t k = 0; next_rest(ls, &k).n != 0; k++)
        n++;
    return n << 32 | n;
}

static bool rest_equal(const selection *base, size_t i, size_t k)
{
    const mem_selection *s = (const mem_selection *)base;
    labels x = s->series[i]->labels, y = s->series[k]->labels;
    for (size_t a = 0, b = 0;; a++, b++) {
        fer_str p = next_rest(x, &a), q = next_rest(y, &b);
        if (!str_eq(p, q) || (p.n != 0 && !str_eq(x.l[a].value, y.l[b].value)))
            return false;
        if (p.n == 0)
            return true;
    }
}

static fer_code copy_sample(const samples *from, size_t i, samples *out)
{
    if (from->type != NULL && from->type[i] != SAMPLE_FLOAT)
        FER_TRY(samples_add_histogram(out, from->t[i], (sample_type)from->type[i], from->h[i]));
    else
        FER_TRY(samples_add(out, from->t[i], from->v[i]));
    return from->st == NULL ? FER_OK : samples_set_start(out, out->n - 1, from->st[i]);
}

static fer_code read_series(selection *base, size_t i, int64_t mint, int64_t maxt, samples *out,
                            fer_err *err)
{
    const mem_selection *s = (const mem_selection *)base;
    if (s->store->read_fault != FER_OK)
        return fer_fail(err, s->store->read_fault, "memstore: reading fails on request");
    const samples *from = &s->series[i]->samples;
    for (size_t k = lower_bound(from, mint); k < from->n && from->t[k] <= maxt; k++) {
        fer_code code = copy_sample(from, k, out);
        if (code != FER_OK)
            return fer_fail(err, code, "samples exceed the memory of the query");
    }
    return FER_OK;
}

static const selection_ops mem_selection_ops = {.labels = selection_ids, .read = read_series};
static const selection_ops mem_choice_ops = {
    .labels = selection_ids, .read = read_series, .rest_hash = rest_hash, .rest_equal = rest_equal};

static int by_labels(const void *a, const void *b)
{
    return labels_cmp((*(memstore_series *const *)a)->labels,
                      (*(memstore_series *const *)b)->labels);
}

static fer_code select_series(querier *base, const select_hints *h, const matcher *m, size_t nm,
                              selection **ret, fer_err *err)
{
    mem_querier *q = (mem_querier *)base;
    memstore *store = q->store;
    mem_selection *s = ARENA_NEW(q->base.ctx.arena, mem_selection);
    memstore_series **series = ARENA_ARRAY(q->base.ctx.arena, memstore_series *, store->n);
    if (s == NULL || series == NULL)
        return fer_fail_budget(err, "selection");

    size_t n = 0, most_labels = 0;
    for (size_t i = 0; i < store->n; i++) {
        if (!series_matches(store->series[i], m, nm))
            continue;
        series[n++] = store->series[i];
        if (store->series[i]->labels.n > most_labels)
            most_labels = store->series[i]->labels.n;
    }
    if (h->sorted && n > 0)
        qsort(series, n, sizeof *series, by_labels);
    if (h->limit != 0 && n > h->limit)
        n = (size_t)h->limit;

    *s = (mem_selection){.base = {h->labels == NULL ? &mem_selection_ops : &mem_choice_ops, n},
                         .choice = h->labels,
                         .store = store,
                         .syms = q->base.ctx.syms,
                         .series = series,
                         .ids = ARENA_ARRAY(q->base.ctx.arena, label_id, most_labels)};
    if (s->ids == NULL)
        return fer_fail_budget(err, "selection");
    *ret = &s->base;
    return FER_OK;
}

/* ---- label names and values ---- */

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const fer_str *)a, *(const fer_str *)b);
}

/* Sorts, drops doubles and what passes the limit. */
static void finish_list(str_list *l, uint64_t limit)
{
    if (l->n == 0)
        return;
    qsort(l->v, l->n, sizeof *l->v, by_text);
    size_t n = 1;
    for (size_t i = 1; i < l->n; i++)
        if (!str_eq(l->v[i], l->v[n - 1]))
            l->v[n++] = l->v[i];
    l->n = limit != 0 && n > limit ? (size_t)limit : n;
}

/* Names, or where `name` is given its values. */
static fer_code list_texts(querier *base, const fer_str *name, const matcher *m, size_t nm,
                           uint64_t limit, str_list *ret, fer_err *err)
{
    const memstore *store = ((mem_querier *)base)->store;
    str_list found = {0};
    for (size_t i = 0; i < store->n; i++) {
        const memstore_series *s = store->series[i];
        if (!series_matches(s, m, nm) || !has_data(s, base->mint, base->maxt))
            continue;
        for (size_t k = 0; k < s->labels.n; k++) {
            if (name != NULL && !str_eq(s->labels.l[k].name, *name))
                continue;
            fer_str text = name != NULL ? s->labels.l[k].value : s->labels.l[k].name;
            FER_TRY(str_list_add(&found, base->ctx.arena, text, err));
        }
    }
    finish_list(&found, limit);
    return str_list_unite(ret, base->ctx.arena, found.v, found.n, err);
}

static fer_code label_names(querier *base, const matcher *m, size_t nm, uint64_t limit,
                            str_list *ret, fer_err *err)
{
    return list_texts(base, NULL, m, nm, limit, ret, err);
}

static fer_code label_values(querier *base, fer_str name, const matcher *m, size_t nm,
                             uint64_t limit, str_list *ret, fer_err *err)
{
    return list_texts(base, &name, m, nm, limit, ret, err);
}

/* All memory is the query's arena. */
static void close_querier(querier *base)
{
    (void)base;
}

static const querier_ops mem_querier_ops = {select_series, label_names, label_values,
                                            close_querier};

static fer_code open_querier(storage *st, const query_ctx *ctx, int64_t mint, int64_t maxt,
                             querier **ret, fer_err *err)
{
    memstore *store = (memstore *)st;
    mem_querier *q = ARENA_NEW(ctx->arena, mem_querier);
    if (q == NULL)
        return fer_fail_budget(err, "querier");
    *q = (mem_querier){
        .base = {.ops = &mem_querier_ops, .ctx = *ctx, .mint = mint, .maxt = maxt},
        .store = store,
    };
    for (size_t i = 0; i < store->warnings.n; i++)
        FER_TRY(str_list_add(&q->base.warnings, ctx->arena, store->warnings.v[i], err));
    *ret = &q->base;
    return FER_OK;
}

/* head_cardinality.c - the top lists of /api/v1/status/tsdb.
 *
 * Walks the dictionary in slices, so that mu is held for moments only. The bytes of a label name are
 * counted as Prometheus does: name and value of each series that has it, as its label sets hold them.
 */
#include <string.h>

#include "tsdb/tsdb_int.h"

enum { SLICE = 2048 };

typedef struct top_item {
    uint64_t value;
    uint32_t id; /* of the name or pair */
} top_item;

/* The largest so many, as a heap with the least on top. */
typedef struct top_heap {
    top_item *v;
    size_t n, limit;
} top_heap;

static bool less(top_item a, top_item b)
{
    return a.value != b.value ? a.value < b.value : a.id > b.id;
}

static void sift_down(top_item *v, size_t n, size_t i)
{
    for (;;) {
        size_t least = i, l = 2 * i + 1, r = l + 1;
        if (l < n && less(v[l], v[least]))
            least = l;
        if (r < n && less(v[r], v[least]))
            least = r;
        if (least == i)
            return;
        top_item t = v[i];
        v[i] = v[least];
        v[least] = t;
        i = least;
    }
}

static void offer(top_heap *h, uint64_t value, uint32_t id)
{
    top_item item = {value, id};
    if (h->n < h->limit) {
        size_t i = h->n++;
        for (; i > 0 && less(item, h->v[(i - 1) / 2]); i = (i - 1) / 2)
            h->v[i] = h->v[(i - 1) / 2];
        h->v[i] = item;
    } else if (h->limit != 0 && less(h->v[0], item)) {
        h->v[0] = item;
        sift_down(h->v, h->n, 0);
    }
}

/* Largest first. */
static void sort_heap(top_heap *h)
{
    for (size_t n = h->n; n > 1; n--) {
        top_item t = h->v[0];
        h->v[0] = h->v[n - 1];
        h->v[n - 1] = t;
        sift_down(h->v, n - 1, 0);
    }
}

typedef struct walk {
    head *h;
    const head_dict *d; /* of names that are kept meanwhile */
    uint32_t metric;    /* id of __name__, or DICT_NONE */
    uint64_t *bytes;    /* by name */
    uint32_t n_names;
    top_heap metrics, values, sizes, pairs;
} walk;

/* A text in a label set of Prometheus: its length in one byte, or in four from 255 on. */
static uint64_t stored_bytes(fer_str s)
{
    return s.n + (s.n < 255 ? 1 : 4);
}

static void walk_pairs(walk *w)
{
    const head_dict *d = w->d;
    for (uint32_t at = 0, end = 1; at < end;) {
        fer_mutex_lock(&w->h->mu);
        end = d->n_pairs;
        for (uint32_t stop = end - at < SLICE ? end : at + SLICE; at < stop; at++) {
            const dict_pair *p = dict_pair_of(d, at);
            if (p->name >= w->n_names)
                continue; /* a name newer than the walk */
            offer(&w->pairs, p->post.n, at);
            if (p->name == w->metric)
                offer(&w->metrics, p->post.n, at);
            w->bytes[p->name] += p->post.n * (stored_bytes(dict_name_text(d, p->name)) +
                                              stored_bytes(dict_text_of(d, p->value)));
        }
        fer_mutex_unlock(&w->h->mu);
    }
}

static void walk_names(walk *w)
{
    fer_mutex_lock(&w->h->mu);
    for (uint32_t i = 0; i < w->n_names; i++) {
        offer(&w->values, dict_name_of(w->d, i)->n, i);
        offer(&w->sizes, w->bytes[i], i);
    }
    fer_mutex_unlock(&w->h->mu);
}

static bool heap_init(top_heap *h, fer_arena *a, size_t limit)
{
    h->limit = limit;
    h->v = ARENA_ARRAY(a, top_item, limit);
    return h->v != NULL;
}

typedef fer_str (*text_fn)(const head_dict *d, fer_arena *a, uint32_t id);

static fer_str name_text(const head_dict *d, fer_arena *a, uint32_t id)
{
    return fer_arena_dup(a, dict_name_text(d, id));
}

static fer_str value_text(const head_dict *d, fer_arena *a, uint32_t id)
{
    return fer_arena_dup(a, dict_pair_value(d, id));
}

static fer_str pair_text(const head_dict *d, fer_arena *a, uint32_t id)
{
    fer_str name = dict_pair_name(d, id), value = dict_pair_value(d, id);
    return fer_arena_printf(a, "%.*s=%.*s", STR_FMT(name), STR_FMT(value));
}

static bool give(const head_dict *d, top_heap *h, text_fn text, fer_arena *a, tsdb_top **ret,
                 size_t *ret_n)
{
    sort_heap(h);
    tsdb_top *t = ARENA_ARRAY(a, tsdb_top, h->n);
    if (t == NULL)
        return false;
    for (size_t i = 0; i < h->n; i++) {
        t[i] = (tsdb_top){text(d, a, h->v[i].id), h->v[i].value};
        if (t[i].name.p == NULL)
            return false;
    }
    *ret = t;
    *ret_n = h->n;
    return true;
}

static fer_code top_lists(head *h, const head_dict *d, size_t limit, fer_arena *a,
                          tsdb_cardinality *ret, fer_err *err)
{
    walk w = {.h = h, .d = d};
    fer_mutex_lock(&h->mu);
    w.metric = dict_name_find(d, STR("__name__"));
    w.n_names = d->n_names;
    fer_mutex_unlock(&h->mu);
    w.bytes = ARENA_ARRAY(a, uint64_t, w.n_names + 1);
    if (w.bytes == NULL || !heap_init(&w.metrics, a, limit) || !heap_init(&w.values, a, limit) ||
        !heap_init(&w.sizes, a, limit) || !heap_init(&w.pairs, a, limit))
        return fer_fail_budget(err, "cardinality");
    walk_pairs(&w);
    walk_names(&w);

    tsdb_cardinality c = {0};
    if (!give(d, &w.metrics, value_text, a, &c.series_by_metric, &c.n_series_by_metric) ||
        !give(d, &w.values, name_text, a, &c.values_by_label, &c.n_values_by_label) ||
        !give(d, &w.sizes, name_text, a, &c.bytes_by_label, &c.n_bytes_by_label) ||
        !give(d, &w.pairs, pair_text, a, &c.series_by_pair, &c.n_series_by_pair))
        return fer_fail_budget(err, "cardinality");
    *ret = c;
    return FER_OK;
}

fer_code tsdb_cardinality_get(tsdb *db, size_t limit, fer_arena *a, tsdb_cardinality *ret,
                              fer_err *err)
{
    head *h = &db->h;
    fer_mutex_lock(&h->publish);
    head_names *names = head_names_take(h);
    fer_mutex_unlock(&h->publish);
    fer_code code = top_lists(h, &names->dict, limit, a, ret, err);
    fer_mutex_lock(&h->publish);
    head_names *gone = head_names_drop(h, names);
    fer_mutex_unlock(&h->publish);
    head_names_free(gone);
    return code;
}

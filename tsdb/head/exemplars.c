/* exemplars.c - the ring, and a chained hash table of the series in it. Places are numbers into growing arrays. */
#include "tsdb/head/exemplars.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/varint.h"

#define NONE UINT32_MAX

/* Label sets are kept encoded: uvarint length and bytes of each name and value. */
typedef struct blob {
    uint8_t *p;
    uint32_t n, labels;
} blob;

typedef struct ring_entry {
    blob ls;
    double v;
    int64_t t;
    uint32_t series, next; /* next newer of the series */
} ring_entry;

typedef struct series_entry {
    blob ls;
    uint64_t hash;
    uint32_t oldest, newest; /* places in the ring */
    uint32_t n;              /* exemplars; 0: free */
    uint32_t chain;          /* next in the bucket, or among the free ones */
} series_entry;

struct exemplar_store {
    fer_mutex mu;
    fer_account *acct;
    const fer_hash_key *key;
    size_t max;
    ring_entry *ring;
    uint32_t n, cap, at; /* entries in use, room, the place of the next */
    series_entry *series;
    uint32_t n_series, cap_series, used_series, free_series;
    uint32_t *buckets; /* cap_series of them */
    uint64_t appended, out_of_order;
};

/* Two places can be added. */
static size_t bounded(size_t max)
{
    return max < UINT32_MAX / 2 ? max : UINT32_MAX / 2;
}

exemplar_store *exemplar_store_new(size_t max, const fer_hash_key *key, fer_account *acct)
{
    exemplar_store *s = fer_calloc(1, sizeof *s);
    s->max = bounded(max);
    s->acct = acct;
    s->key = key;
    s->free_series = NONE;
    fer_mutex_init(&s->mu, "exemplars", RANK_EXEMPLARS);
    return s;
}

/* ---- label sets ---- */

static size_t encode_str(uint8_t *to, fer_str s)
{
    size_t n = to == NULL ? uvarint_size(s.n) : uvarint_put(to, s.n);
    if (to != NULL && s.n != 0)
        memcpy(to + n, s.p, s.n);
    return n + s.n;
}

/* `to` NULL: only the length. */
static size_t encode(uint8_t *to, labels ls)
{
    size_t n = 0;
    for (size_t i = 0; i < ls.n; i++) {
        n += encode_str(to == NULL ? NULL : to + n, ls.l[i].name);
        n += encode_str(to == NULL ? NULL : to + n, ls.l[i].value);
    }
    return n;
}

static blob blob_of(exemplar_store *s, labels ls)
{
    blob b = {.n = (uint32_t)encode(NULL, ls), .labels = (uint32_t)ls.n};
    b.p = fer_alloc(b.n);
    encode(b.p, ls);
    fer_account_force(s->acct, b.n);
    return b;
}

static void blob_done(exemplar_store *s, blob *b)
{
    fer_account_release(s->acct, b->n);
    fer_free(b->p);
    *b = (blob){0};
}

static bool blob_equals(const blob *b, labels ls)
{
    if (b->labels != ls.n)
        return false;
    fer_rd r = rd_of((fer_str){(const char *)b->p, b->n});
    for (size_t i = 0; i < ls.n; i++) {
        fer_str name, value;
        if (rd_str(&r, &name) != FER_OK || rd_str(&r, &value) != FER_OK ||
            !str_eq(name, ls.l[i].name) || !str_eq(value, ls.l[i].value))
            return false;
    }
    return true;
}

/* Copies in the arena; false past the budget. */
static bool blob_decode(const blob *b, fer_arena *a, labels *ret)
{
    label *l = ARENA_ARRAY(a, label, b->labels);
    fer_str bytes = fer_arena_dup(a, (fer_str){(const char *)b->p, b->n});
    if (l == NULL || bytes.p == NULL)
        return false;
    fer_rd r = rd_of(bytes);
    for (uint32_t i = 0; i < b->labels; i++)
        if (rd_str(&r, &l[i].name) != FER_OK || rd_str(&r, &l[i].value) != FER_OK)
            return false;
    *ret = (labels){l, b->labels};
    return true;
}

static uint64_t hash_of(const exemplar_store *s, labels ls)
{
    uint64_t h = ls.n;
    for (size_t i = 0; i < ls.n; i++) {
        h = fer_hash_mix(h, fer_hash_keyed(s->key, ls.l[i].name.p, ls.l[i].name.n).lo);
        h = fer_hash_mix(h, fer_hash_keyed(s->key, ls.l[i].value.p, ls.l[i].value.n).lo);
    }
    return h;
}

/* ---- series ---- */

static uint32_t find_series(const exemplar_store *s, labels ls, uint64_t hash)
{
    if (s->cap_series == 0)
        return NONE;
    uint32_t i = s->buckets[hash & (s->cap_series - 1)];
    while (i != NONE && (s->series[i].hash != hash || !blob_equals(&s->series[i].ls, ls)))
        i = s->series[i].chain;
    return i;
}

static void enter(exemplar_store *s, uint32_t i)
{
    uint32_t *b = &s->buckets[s->series[i].hash & (s->cap_series - 1)];
    s->series[i].chain = *b;
    *b = i;
}

static void grow_series(exemplar_store *s)
{
    uint32_t cap = s->cap_series == 0 ? 64 : s->cap_series * 2;
    fer_account_force(s->acct, (cap - s->cap_series) * (sizeof *s->series + sizeof *s->buckets));
    s->series = fer_realloc(s->series, cap * sizeof *s->series);
    s->buckets = fer_realloc(s->buckets, cap * sizeof *s->buckets);
    s->cap_series = cap;
    memset(s->buckets, 0xff, cap * sizeof *s->buckets);
    for (uint32_t i = 0; i < s->used_series; i++) /* none is free when it grows */
        enter(s, i);
}

static uint32_t make_series(exemplar_store *s, labels ls, uint64_t hash)
{
    uint32_t i = s->free_series;
    if (i != NONE) {
        s->free_series = s->series[i].chain;
    } else {
        if (s->used_series == s->cap_series)
            grow_series(s);
        i = s->used_series++;
    }
    s->series[i] = (series_entry){.ls = blob_of(s, ls), .hash = hash};
    s->n_series++;
    enter(s, i);
    return i;
}

static void remove_series(exemplar_store *s, uint32_t i)
{
    series_entry *x = &s->series[i];
    uint32_t *link = &s->buckets[x->hash & (s->cap_series - 1)];
    while (*link != i)
        link = &s->series[*link].chain;
    *link = x->chain;
    blob_done(s, &x->ls);
    x->n = 0;
    x->chain = s->free_series;
    s->free_series = i;
    s->n_series--;
}

/* ---- the ring ---- */

/* Frees the entry at the place of the oldest of all, which is so of its series, too. */
static void forget(exemplar_store *s, uint32_t place)
{
    ring_entry *e = &s->ring[place];
    series_entry *x = &s->series[e->series];
    blob_done(s, &e->ls);
    x->oldest = e->next;
    if (--x->n == 0)
        remove_series(s, e->series);
}

static void take_place(exemplar_store *s)
{
    if (s->n == s->max) {
        forget(s, s->at);
        return;
    }
    if (s->n == s->cap) {
        uint32_t cap = s->cap == 0 ? 64 : s->cap * 2;
        if (cap > s->max)
            cap = (uint32_t)s->max;
        fer_account_force(s->acct, (cap - s->cap) * sizeof *s->ring);
        s->ring = fer_realloc(s->ring, cap * sizeof *s->ring);
        s->cap = cap;
    }
    s->n++;
}

static size_t count_runes(fer_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((uint8_t)s.p[i] & 0xc0) != 0x80;
    return n;
}

static bool is_too_long(labels ls)
{
    size_t runes = 0;
    for (size_t i = 0; i < ls.n; i++)
        runes += count_runes(ls.l[i].name) + count_runes(ls.l[i].value);
    return runes > EXEMPLAR_RUNES_MAX;
}

/* Whether a comes before b, which has other labels where time and value are the same. */
static bool is_before(const exemplar *a, const ring_entry *b)
{
    if (a->t != b->t)
        return a->t < b->t;
    return a->v < b->v;
}

static bool is_same_value(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static exemplar_verdict judge(const exemplar_store *s, uint32_t series, const exemplar *e)
{
    if (s->max == 0)
        return EXEMPLAR_OFF;
    if (is_too_long(e->ls))
        return EXEMPLAR_TOO_LONG;
    if (series == NONE)
        return EXEMPLAR_NEW;
    const ring_entry *newest = &s->ring[s->series[series].newest];
    if (newest->t == e->t && is_same_value(newest->v, e->v) && blob_equals(&newest->ls, e->ls))
        return EXEMPLAR_DUPLICATE;
    return is_before(e, newest) ? EXEMPLAR_OUT_OF_ORDER : EXEMPLAR_NEW;
}

exemplar_verdict exemplar_store_check(exemplar_store *s, labels series, const exemplar *e)
{
    uint64_t hash = hash_of(s, series);
    fer_mutex_lock(&s->mu);
    exemplar_verdict v = judge(s, find_series(s, series, hash), e);
    s->out_of_order += v == EXEMPLAR_OUT_OF_ORDER;
    fer_mutex_unlock(&s->mu);
    return v;
}

static void add(exemplar_store *s, labels ls, uint64_t hash, const exemplar *e)
{
    take_place(s); /* may remove the series */
    uint32_t series = find_series(s, ls, hash);
    if (series == NONE)
        series = make_series(s, ls, hash);
    series_entry *x = &s->series[series];
    s->ring[s->at] = (ring_entry){blob_of(s, e->ls), e->v, e->t, series, NONE};
    if (x->n == 0)
        x->oldest = s->at;
    else
        s->ring[x->newest].next = s->at;
    x->newest = s->at;
    x->n++;
    s->at = (uint32_t)((s->at + 1) % s->max);
    s->appended++;
}

exemplar_verdict exemplar_store_add(exemplar_store *s, labels series, const exemplar *e)
{
    uint64_t hash = hash_of(s, series);
    fer_mutex_lock(&s->mu);
    exemplar_verdict v = judge(s, find_series(s, series, hash), e);
    if (v == EXEMPLAR_NEW)
        add(s, series, hash, e);
    fer_mutex_unlock(&s->mu);
    return v;
}

/* A place of the old ring, whose oldest entry is at `first`, as one of a ring that begins with it. */
static uint32_t moved(const exemplar_store *s, uint32_t place, uint32_t first)
{
    return place == NONE ? NONE : (uint32_t)((place + s->max - first) % s->max);
}

/* The entries from `first` on go to the beginning of a ring that has room for no more. */
static void move_ring(exemplar_store *s, uint32_t first)
{
    ring_entry *ring = fer_alloc(s->n * sizeof *ring);
    for (uint32_t i = 0; i < s->n; i++) {
        ring[i] = s->ring[(first + i) % s->max];
        ring[i].next = moved(s, ring[i].next, first);
    }
    for (uint32_t i = 0; i < s->used_series; i++) {
        series_entry *x = &s->series[i];
        if (x->n == 0)
            continue;
        x->oldest = moved(s, x->oldest, first);
        x->newest = moved(s, x->newest, first);
    }
    fer_account_release(s->acct, (s->cap - s->n) * sizeof *ring);
    fer_free(s->ring);
    s->ring = ring;
    s->cap = s->n;
}

void exemplar_store_resize(exemplar_store *s, size_t max)
{
    max = bounded(max);
    fer_mutex_lock(&s->mu);
    uint32_t first = s->n == s->max ? s->at : 0;
    for (; s->n > max; s->n--) {
        forget(s, first);
        first = (uint32_t)((first + 1) % s->max);
    }
    if (max != s->max && s->max != 0)
        move_ring(s, first);
    if (max != s->max)
        s->at = max == 0 ? 0 : (uint32_t)(s->n % max);
    s->max = max;
    fer_mutex_unlock(&s->mu);
}

void exemplar_store_free(exemplar_store *s)
{
    if (s == NULL)
        return;
    for (uint32_t i = 0; i < s->n; i++)
        blob_done(s, &s->ring[i].ls);
    for (uint32_t i = 0; i < s->used_series; i++)
        if (s->series[i].n != 0)
            blob_done(s, &s->series[i].ls);
    fer_account_release(s->acct, s->cap * sizeof *s->ring +
                                     s->cap_series * (sizeof *s->series + sizeof *s->buckets));
    fer_free(s->ring);
    fer_free(s->series);
    fer_free(s->buckets);
    fer_mutex_done(&s->mu);
    fer_free(s);
}

/* ---- reading ---- */

static bool matches(labels ls, const exemplar_matchers *set)
{
    for (size_t i = 0; i < set->n; i++)
        if (!matcher_matches(&set->m[i], labels_get(ls, set->m[i].name)))
            return false;
    return true;
}

static bool matches_any(labels ls, const exemplar_matchers *sets, size_t n_sets)
{
    bool found = false;
    for (size_t i = 0; i < n_sets && !found; i++)
        found = matches(ls, &sets[i]);
    return found;
}

/* Those of the series in the range; false past the budget. */
static bool collect(const exemplar_store *s, const series_entry *x, int64_t mint, int64_t maxt,
                    fer_arena *a, exemplar_series *ret)
{
    ret->v = ARENA_ARRAY(a, exemplar, x->n);
    ret->n = 0;
    bool room = ret->v != NULL;
    for (uint32_t i = x->oldest; room && i != NONE && s->ring[i].t <= maxt; i = s->ring[i].next) {
        const ring_entry *e = &s->ring[i];
        exemplar *to = &ret->v[ret->n];
        if (e->t < mint)
            continue;
        *to = (exemplar){.v = e->v, .t = e->t};
        room = blob_decode(&e->ls, a, &to->ls);
        ret->n++;
    }
    return room;
}

static int by_labels(const void *x, const void *y)
{
    return labels_cmp(((const exemplar_series *)x)->series, ((const exemplar_series *)y)->series);
}

fer_code exemplar_store_select(exemplar_store *s, int64_t mint, int64_t maxt,
                               const exemplar_matchers *sets, size_t n_sets, fer_arena *a,
                               exemplar_series **ret, size_t *ret_n, fer_err *err)
{
    size_t n = 0;
    fer_mutex_lock(&s->mu);
    exemplar_series *v = ARENA_ARRAY(a, exemplar_series, s->n_series);
    bool room = v != NULL;
    for (uint32_t i = 0; i < s->used_series && room; i++) {
        const series_entry *x = &s->series[i];
        if (x->n == 0 || s->ring[x->newest].t < mint || s->ring[x->oldest].t > maxt)
            continue;
        room = blob_decode(&x->ls, a, &v[n].series);
        if (!room || !matches_any(v[n].series, sets, n_sets))
            continue;
        room = collect(s, x, mint, maxt, a, &v[n]);
        n += v[n].n != 0;
    }
    fer_mutex_unlock(&s->mu);
    if (!room)
        return fer_fail_budget(err, "reading exemplars");
    if (n != 0)
        qsort(v, n, sizeof *v, by_labels);
    *ret = v;
    *ret_n = n;
    return FER_OK;
}

void exemplar_stats_get(exemplar_store *s, exemplar_stats *ret)
{
    fer_mutex_lock(&s->mu);
    *ret = (exemplar_stats){.appended = s->appended,
                            .out_of_order = s->out_of_order,
                            .exemplars = s->n,
                            .series = s->n_series,
                            .max = s->max};
    if (s->n != 0)
        ret->oldest_t = s->ring[s->n == s->max ? s->at : 0].t;
    fer_mutex_unlock(&s->mu);
}

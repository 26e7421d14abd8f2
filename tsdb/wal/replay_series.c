/* replay_series.c - a ring of series, each a step behind the next.
 *
 *    n_done <= n_paired <= n_begun <= n_done + PAIR_BEHIND + MAKE_BEHIND
 */
#include "tsdb/wal/replay_series.h"

#include <string.h>

enum {
    LABELS = 32, /* series with more go one by one */
    PAIR_BEHIND = 6,
    MAKE_BEHIND = 4,
    RING = 16, /* with room for the one before them all */
    KEPT_BYTES = 4096
};

typedef struct entry {
    uint64_t ref;
    uint32_t n;
    uint32_t same; /* bit per label: it is that of the entry before, at the same place */
    label l[LABELS];
    uint64_t hash[LABELS]; /* of the pairs, where not the same */
    uint32_t name[LABELS], pair[LABELS];
    uint8_t bytes[5 * (LABELS + 1)]; /* the pairs, encoded */
    size_t n_bytes;
    uint64_t labels_hash; /* of those bytes */
} entry;

struct replay_series {
    head *h;
    replay_series_fn fn;
    void *arg;
    entry ring[RING];
    uint64_t n_begun, n_paired, n_done;
    head_key key;          /* of one that goes by itself */
    char kept[KEPT_BYTES]; /* the texts of the newest entry, once its record may have gone */
};

replay_series *replay_series_new(head *h, replay_series_fn fn, void *arg)
{
    replay_series *s = fer_calloc(1, sizeof *s);
    s->h = h;
    s->fn = fn;
    s->arg = arg;
    s->n_begun = s->n_paired = s->n_done = 1; /* before the first is one without labels */
    return s;
}

void replay_series_free(replay_series *s)
{
    fer_free(s);
}

static entry *entry_of(replay_series *s, uint64_t i)
{
    return &s->ring[i % RING];
}

/* ---- names and hashes ---- */

/* Whether a comes before b; mostly their first bytes tell. */
static inline bool ascend(fer_str a, fer_str b)
{
    if (a.n != 0 && b.n != 0 && a.p[0] != b.p[0])
        return (uint8_t)a.p[0] < (uint8_t)b.p[0];
    return str_cmp(a, b) < 0;
}

/* Each with its value behind its name, and the value's length between, of which foreign logs may have longer forms. */
static inline bool same_label(const label *a, const label *b)
{
    size_t to_value = (size_t)(a->value.p - a->name.p);
    return a->name.n == b->name.n && a->value.n == b->value.n &&
           to_value == (size_t)(b->value.p - b->name.p) &&
           memcmp(a->name.p, b->name.p, to_value + a->value.n) == 0;
}

/* Notes the labels, and which are those of the entry before. False when the others are not as the head wants labels. */
static bool compare(entry *e, labels ls, const entry *before)
{
    label *l = e->l;
    e->n = (uint32_t)ls.n;
    e->same = 0;
    for (uint32_t i = 0; i < e->n; i++) {
        l[i] = ls.l[i];
        if (i < before->n && same_label(&l[i], &before->l[i])) {
            e->same |= 1U << i;
            if (i == 0 || (e->same >> (i - 1) & 1))
                continue; /* in order there */
        }
        if (l[i].value.n == 0 || l[i].name.n > DICT_TEXT_MAX || l[i].value.n > DICT_TEXT_MAX ||
            (i > 0 && !ascend(l[i - 1].name, l[i].name)))
            return false;
    }
    return true;
}

static void find_names(replay_series *s, entry *e, const entry *before)
{
    head_dict *d = &s->h->names->dict;
    for (uint32_t i = 0; i < e->n; i++) {
        if (i < before->n && ((e->same >> i & 1) || str_eq(e->l[i].name, before->l[i].name)))
            e->name[i] = before->name[i];
        else
            e->name[i] = dict_name_make(d, e->l[i].name);
        if (e->same >> i & 1)
            continue;
        e->hash[i] = dict_pair_hash(d, e->name[i], e->l[i].value);
        dict_pair_prefetch(d, e->hash[i]);
    }
}

/* False, and nothing has happened, when it must go by itself. */
static bool begin(replay_series *s, uint64_t ref, labels ls)
{
    entry *e = entry_of(s, s->n_begun);
    const entry *before = entry_of(s, s->n_begun - 1);
    if (ls.n == 0 || ls.n > LABELS || !compare(e, ls, before))
        return false;
    e->ref = ref;
    find_names(s, e, before);
    s->n_begun++;
    return true;
}

/* ---- pairs ---- */

static void find_pairs(replay_series *s)
{
    entry *e = entry_of(s, s->n_paired);
    const entry *before = entry_of(s, s->n_paired - 1);
    head_names *names = s->h->names;
    for (uint32_t i = 0; i < e->n; i++)
        e->pair[i] = (e->same >> i & 1) ? before->pair[i]
                                        : dict_pair_make_hashed(&names->dict, e->name[i],
                                                                e->hash[i], e->l[i].value);
    e->n_bytes = head_encode_pairs(e->pair, e->n, e->bytes);
    e->labels_hash = head_hash_pairs(s->h, e->bytes, e->n_bytes);
    head_table_prefetch(&names->by_labels, e->labels_hash);
    s->n_paired++;
}

/* ---- series ---- */

static void find_series(replay_series *s)
{
    entry *e = entry_of(s, s->n_done);
    const head_pair_set set = {e->pair, e->n, {(const char *)e->bytes, e->n_bytes}, e->labels_hash};
    fer_err err = {0};
    uint32_t slot = head_find_set(s->h, &set);
    if (slot == SLOT_NONE && head_create_set(s->h, &set, e->ref, &slot, &err) != FER_OK)
        slot = SLOT_NONE;
    s->fn(s->arg, e->ref, slot, &err);
    s->n_done++;
}

static bool is_canonical(labels ls)
{
    for (size_t i = 0; i < ls.n; i++)
        if (ls.l[i].value.n == 0 || (i > 0 && !ascend(ls.l[i - 1].name, ls.l[i].name)))
            return false;
    return true;
}

/* Labels as the head wants them; a log written by others may hold a set out of order. */
static fer_code canonical(labels ls, label *copy, labels *ret, fer_err *err)
{
    *ret = ls;
    if (is_canonical(ls))
        return FER_OK;
    if (ls.n > LABELS_MAX)
        return fer_fail(err, FER_LIMIT, "%zu labels, more than %d", ls.n, LABELS_MAX);
    memcpy(copy, ls.l, ls.n * sizeof *copy);
    return labels_canonical(copy, ls.n, false, ret, err);
}

static void take_alone(replay_series *s, uint64_t ref, labels ls)
{
    label copy[LABELS_MAX];
    fer_err err = {0};
    uint32_t slot = SLOT_NONE;
    fer_code code = canonical(ls, copy, &ls, &err);
    if (code == FER_OK)
        code = head_find_labels(s->h, ls, &s->key, &slot, &err);
    if (code == FER_OK && slot == SLOT_NONE)
        code = head_create(s->h, &s->key, ref, &slot, &err);
    s->fn(s->arg, ref, code == FER_OK ? slot : SLOT_NONE, &err);
}

/* ---- all of it ---- */

void replay_series_take(replay_series *s, uint64_t ref, labels ls)
{
    if (!begin(s, ref, ls)) {
        replay_series_flush(s);
        take_alone(s, ref, ls);
        return;
    }
    if (s->n_begun - s->n_paired > PAIR_BEHIND)
        find_pairs(s);
    if (s->n_paired - s->n_done > MAKE_BEHIND)
        find_series(s);
}

/* The newest entry is what the next is compared with: its texts must live. */
static void keep_texts(replay_series *s)
{
    entry *e = entry_of(s, s->n_begun - 1);
    if (e->n == 0 || e->l[0].name.p == s->kept)
        return;
    const char *begin = e->l[0].name.p;
    const label *last = &e->l[e->n - 1];
    size_t n = (size_t)(last->value.p - begin) + last->value.n;
    if (n > sizeof s->kept) {
        e->n = 0;
        return;
    }
    memcpy(s->kept, begin, n);
    for (uint32_t i = 0; i < e->n; i++) {
        e->l[i].name.p = s->kept + (e->l[i].name.p - begin);
        e->l[i].value.p = s->kept + (e->l[i].value.p - begin);
    }
}

void replay_series_flush(replay_series *s)
{
    while (s->n_paired < s->n_begun)
        find_pairs(s);
    while (s->n_done < s->n_paired)
        find_series(s);
    keep_texts(s);
}

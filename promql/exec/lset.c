/* lset.c - label sets by ids: building, hashing, maps. */
#include "promql/exec/lset.h"

#include "base/hash.h"
#include "promql/exec/bits.h"

static inline uint64_t mix(uint64_t h, label_id l)
{
    return fer_hash_mix(h, (uint64_t)l.name << 32 | l.value);
}

uint64_t lset_hash(lset s)
{
    uint64_t h = s.n;
    for (size_t i = 0; i < s.n; i++)
        h = mix(h, s.l[i]);
    return h;
}

uint32_t lset_get(lset s, uint32_t name)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.l[i].name == name)
            return s.l[i].value;
    return 0;
}

fer_str lset_get_text(const query *q, lset s, uint32_t name)
{
    return syms_text(q->ctx.syms, lset_get(s, name));
}

lset lset_dup(query *q, lset s)
{
    label_id *l = fer_arena_alloc(q->scratch, (s.n == 0 ? 1 : s.n) * sizeof *l);
    if (l == NULL) {
        fer_fail_budget(q->err, "query");
        return (lset){NULL, 0};
    }
    if (s.n != 0)
        memcpy(l, s.l, s.n * sizeof *l);
    return (lset){l, s.n};
}

labels lset_texts(const query *q, lset s, fer_arena *a)
{
    label *l = ARENA_ARRAY(a, label, s.n == 0 ? 1 : s.n);
    for (size_t i = 0; l != NULL && i < s.n; i++) {
        l[i].name = syms_text(q->ctx.syms, s.l[i].name);
        l[i].value = syms_text(q->ctx.syms, s.l[i].value);
    }
    return (labels){l, l == NULL ? 0 : s.n};
}

fer_str lset_print(query *q, lset s)
{
    fer_buf out;
    fer_buf_init(&out, 64 * 1024, NULL);
    labels_print(&out, lset_texts(q, s, q->scratch));
    fer_str t = fer_arena_dup(q->scratch, fer_buf_str(&out));
    fer_buf_done(&out);
    return t.p == NULL ? STR("{}") : t;
}

fer_code lset_names_make(query *q, const fer_str *texts, size_t n, lset_names *ret)
{
    ret->n = n;
    ret->ids = QUERY_ARRAY(q, uint32_t, n);
    if (ret->ids == NULL)
        return QUERY_NOMEM(q);
    for (size_t i = 0; i < n; i++)
        if ((ret->ids[i] = query_sym(q, texts[i])) == SYM_NONE)
            return QUERY_NOMEM(q);
    return FER_OK;
}

static bool has_name(const lset_names *names, uint32_t id)
{
    for (size_t i = 0; i < names->n; i++)
        if (names->ids[i] == id)
            return true;
    return false;
}

static bool room(query *q, lset_buf *b, size_t n)
{
    return query_grow(q, &b->l, &b->cap, n, sizeof *b->l);
}

fer_code lset_set_to(query *q, lset_buf *b, lset s)
{
    if (!room(q, b, s.n))
        return QUERY_NOMEM(q);
    if (s.n != 0)
        memmove(b->l, s.l, s.n * sizeof *b->l);
    b->n = s.n;
    return FER_OK;
}

fer_code lset_keep(query *q, lset_buf *b, lset s, const lset_names *names)
{
    if (!room(q, b, s.n))
        return QUERY_NOMEM(q);
    b->n = 0;
    for (size_t i = 0; i < s.n; i++)
        if (has_name(names, s.l[i].name))
            b->l[b->n++] = s.l[i];
    return FER_OK;
}

fer_code lset_drop(query *q, lset_buf *b, lset s, const lset_names *names, bool drop_name)
{
    if (!room(q, b, s.n))
        return QUERY_NOMEM(q);
    b->n = 0;
    for (size_t i = 0; i < s.n; i++)
        if (!has_name(names, s.l[i].name) && !(drop_name && s.l[i].name == q->sym_name))
            b->l[b->n++] = s.l[i];
    return FER_OK;
}

static inline bool is_metric(const query *q, uint32_t name)
{
    return name == q->sym_name || name == q->sym_type || name == q->sym_unit;
}

fer_code lset_drop_metric(query *q, lset_buf *b, lset s)
{
    if (!room(q, b, s.n))
        return QUERY_NOMEM(q);
    b->n = 0;
    for (size_t i = 0; i < s.n; i++)
        if (!is_metric(q, s.l[i].name))
            b->l[b->n++] = s.l[i];
    return FER_OK;
}

bool lset_has_metric(const query *q, lset s)
{
    for (size_t i = 0; i < s.n; i++)
        if (is_metric(q, s.l[i].name))
            return true;
    return false;
}

fer_code lset_put(query *q, lset_buf *b, uint32_t name, uint32_t value)
{
    size_t i = 0;
    while (i < b->n && b->l[i].name != name)
        i++;
    if (i < b->n && value != 0) {
        b->l[i].value = value;
        return FER_OK;
    }
    if (i < b->n) {
        memmove(b->l + i, b->l + i + 1, (b->n - i - 1) * sizeof *b->l);
        b->n--;
        return FER_OK;
    }
    if (value == 0)
        return FER_OK;
    if (!room(q, b, b->n + 1))
        return QUERY_NOMEM(q);
    fer_str text = syms_text(q->ctx.syms, name);
    for (i = b->n; i > 0 && str_cmp(syms_text(q->ctx.syms, b->l[i - 1].name), text) > 0; i--)
        b->l[i] = b->l[i - 1];
    b->l[i] = (label_id){name, value};
    b->n++;
    return FER_OK;
}

/* ---- map ---- */

static uint32_t map_lookup(const lset_map *m, lset s, uint64_t h, size_t *ret_slot)
{
    size_t mask = m->n_slots - 1, i = h & mask;
    while (m->slots[i] != 0) {
        uint32_t at = m->slots[i] - 1;
        if (m->hashes[at] == h && lset_eq(m->keys[at], s))
            return at;
        i = (i + 1) & mask;
    }
    *ret_slot = i;
    return UINT32_MAX;
}

uint32_t lset_map_find(const lset_map *m, lset s)
{
    size_t slot;
    return m->n_slots == 0 ? UINT32_MAX : map_lookup(m, s, lset_hash(s), &slot);
}

static bool map_rehash(query *q, lset_map *m)
{
    size_t n = m->n_slots == 0 ? 16 : m->n_slots * 2;
    uint32_t *slots = QUERY_ARRAY(q, uint32_t, n);
    if (slots == NULL)
        return false;
    for (size_t at = 0; at < m->n; at++) {
        size_t i = m->hashes[at] & (n - 1);
        while (slots[i] != 0)
            i = (i + 1) & (n - 1);
        slots[i] = (uint32_t)at + 1;
    }
    m->slots = slots;
    m->n_slots = n;
    return true;
}

fer_code lset_map_add(query *q, lset_map *m, lset s, uint32_t *ret, bool *ret_new)
{
    if (m->n * 4 >= m->n_slots * 3 && !map_rehash(q, m))
        return QUERY_NOMEM(q);
    uint64_t h = lset_hash(s);
    size_t slot = 0;
    uint32_t at = map_lookup(m, s, h, &slot);
    *ret_new = at == UINT32_MAX;
    if (*ret_new) {
        size_t cap = m->cap;
        if (!query_grow(q, &m->hashes, &cap, m->n + 1, sizeof *m->hashes) ||
            !query_grow(q, &m->keys, &m->cap, m->n + 1, sizeof *m->keys))
            return QUERY_NOMEM(q);
        lset copy = lset_dup(q, s);
        if (copy.l == NULL)
            return QUERY_NOMEM(q);
        at = (uint32_t)m->n++;
        m->hashes[at] = h;
        m->keys[at] = copy;
        m->slots[slot] = at + 1;
    }
    *ret = at;
    return FER_OK;
}

/* ---- guard ---- */

typedef struct guard_slot {
    uint64_t hi, lo; /* both 0: free */
} guard_slot;

void lset_guard_init(lset_guard *g, size_t n_steps)
{
    *g = (lset_guard){.n_steps = n_steps};
}

static guard_slot guard_key(uint32_t group, lset s)
{
    guard_slot k = {(uint64_t)group << 32 | s.n, ~(uint64_t)s.n * 0x9e3779b97f4a7c15u};
    for (size_t i = 0; i < s.n; i++) {
        k.hi = mix(k.hi, s.l[i]);
        k.lo = fer_hash_mix(k.lo, (uint64_t)s.l[i].value << 32 | s.l[i].name);
    }
    k.lo |= 1; /* never free */
    return k;
}

/* The slot that holds the key, or the free one where it belongs. */
static size_t guard_find(const guard_slot *slots, size_t n, guard_slot k)
{
    size_t i = k.hi & (n - 1);
    while ((slots[i].lo != 0) && (slots[i].hi != k.hi || slots[i].lo != k.lo))
        i = (i + 1) & (n - 1);
    return i;
}

/* The steps are kept by slot, so they move when the table grows. */
static bool guard_grow(query *q, lset_guard *g)
{
    size_t n = g->n_slots == 0 ? 64 : g->n_slots * 2, words = bits_words(g->n_steps);
    guard_slot *slots = QUERY_ARRAY(q, guard_slot, n);
    uint64_t *has = words == 0 ? NULL : QUERY_ARRAY(q, uint64_t, n * words);
    if (slots == NULL || (words != 0 && has == NULL))
        return false;
    for (size_t i = 0; i < g->n_slots; i++) {
        if (g->slots[i].lo == 0)
            continue;
        size_t to = guard_find(slots, n, g->slots[i]);
        slots[to] = g->slots[i];
        if (words != 0)
            memcpy(has + to * words, g->has + i * words, words * sizeof *has);
    }
    g->slots = slots;
    g->has = has;
    g->n_slots = n;
    return true;
}

fer_code lset_guard_seen(query *q, lset_guard *g, uint32_t group, lset s, const uint64_t *has,
                         size_t *ret)
{
    if (g->n * 4 >= g->n_slots * 3 && !guard_grow(q, g))
        return QUERY_NOMEM(q);
    guard_slot k = guard_key(group, s);
    size_t i = guard_find(g->slots, g->n_slots, k), words = bits_words(g->n_steps);
    *ret = SIZE_MAX;
    if (g->slots[i].lo == 0) {
        g->slots[i] = k;
        g->n++;
    } else if (words == 0) {
        *ret = 0;
    } else {
        size_t step = bits_first_common(g->has + i * words, has, g->n_steps);
        *ret = step < g->n_steps ? step : SIZE_MAX;
    }
    if (words != 0)
        bits_or(g->has + i * words, has, g->n_steps);
    return FER_OK;
}

fer_code lset_guard_add(query *q, lset_guard *g, lset s, const uint64_t *has)
{
    size_t step;
    FER_TRY(lset_guard_seen(q, g, 0, s, has, &step));
    if (step != SIZE_MAX)
        return query_fail(q, "vector cannot contain metrics with the same labelset");
    return FER_OK;
}

/* ---- steps by set ---- */

fer_code lset_steps_add(query *q, lset_steps *m, lset s, uint64_t **ret)
{
    uint32_t at;
    bool is_new;
    FER_TRY(lset_map_add(q, &m->map, s, &at, &is_new));
    size_t words = bits_words(m->n_steps);
    if (!query_grow(q, &m->has, &m->cap, (at + 1) * words, sizeof *m->has))
        return QUERY_NOMEM(q);
    *ret = m->has + at * words;
    if (is_new)
        bits_zero(*ret, m->n_steps);
    return FER_OK;
}

uint64_t *lset_steps_find(const lset_steps *m, lset s)
{
    uint32_t at = lset_map_find(&m->map, s);
    return at == UINT32_MAX ? NULL : m->has + at * bits_words(m->n_steps);
}

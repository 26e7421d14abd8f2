#include "tsdb/block/block_select.h"

#include <stdlib.h>
#include <string.h>

#include "tsdb/head/value_set.h"

/* Reading a candidate's labels costs about so many steps through postings. */
enum { CANCEL_EVERY = 4096, LABEL_READ_COST = 64 };

/* The lists of the values that a matcher asks for or forbids. */
typedef struct list_set {
    value_set values;
    index_postings *lists; /* in the arena */
    size_t n, cap;
    uint64_t total; /* refs in all */
    bool damaged;   /* a list could not be read */
    bool late;      /* not filled: to be judged by the candidates' labels */
} list_set;

typedef struct selector {
    const block *b;
    const block_index *x;
    fer_arena *tmp;
    const fer_cancel *cancel;
    query_warnings *warnings;
} selector;

static fer_code no_memory(fer_err *err)
{
    return fer_fail_budget(err, "selecting series");
}

static fer_code may_go_on(const selector *s, size_t i, fer_err *err)
{
    if (i % CANCEL_EVERY != CANCEL_EVERY - 1)
        return FER_OK;
    fer_code code = fer_cancel_check(s->cancel);
    return code == FER_OK ? FER_OK
                          : fer_fail(err, code, "selecting series: %s", fer_code_name(code));
}

/* ---- matchers to lists ---- */

static fer_code add_list(selector *s, list_set *set, uint64_t off, fer_err *err)
{
    index_postings l;
    fer_err why = {0};
    if (block_index_postings(s->x, off, &l, &why) != FER_OK) {
        set->damaged = true;
        query_warn(s->warnings, "block %s: %s", s->b->name, why.msg);
        return FER_OK;
    }
    if (set->n == set->cap) {
        size_t cap = set->cap == 0 ? 8 : set->cap * 2;
        index_postings *v =
            fer_arena_grow(s->tmp, set->lists, set->cap * sizeof *v, cap * sizeof *v);
        if (v == NULL)
            return no_memory(err);
        set->lists = v;
        set->cap = cap;
    }
    set->lists[set->n++] = l;
    set->total += l.n;
    return FER_OK;
}

static fer_code add_listed(selector *s, list_set *set, size_t name, const fer_str *values, size_t n,
                           fer_err *err)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t off;
        fer_code code = block_index_value(s->x, name, values[i], &off);
        if (code == FER_OK)
            FER_TRY(add_list(s, set, off, err));
        else if (code != FER_NOTFOUND)
            set->damaged = true;
    }
    return FER_OK;
}

static fer_code add_judged(selector *s, list_set *set, size_t name, fer_err *err)
{
    index_values v;
    index_values_begin(&v, s->x, name);
    fer_str value;
    uint64_t off;
    fer_code code;
    for (size_t i = 0; (code = index_values_next(&v, &value, &off)) == FER_OK; i++) {
        FER_TRY(may_go_on(s, i, err));
        if (value_set_has(&set->values, value))
            FER_TRY(add_list(s, set, off, err));
    }
    set->damaged = set->damaged || code != FER_END;
    return FER_OK;
}

/* Values that can be looked up come first: where these leave few candidates, it is less work to judge the values
 * that the candidates have. */
static fer_code fill_listed(selector *s, list_set *set, fer_err *err)
{
    const fer_str *values;
    size_t name = block_index_name(s->x, set->values.m->name);
    size_t n = value_set_listed(&set->values, &values);
    if (name == INDEX_NONE || set->values.m->name.n == 0 || n == 0)
        return FER_OK;
    return add_listed(s, set, name, values, n, err);
}

static fer_code fill_judged(selector *s, list_set *set, uint64_t candidates, fer_err *err)
{
    const fer_str *values;
    size_t name = block_index_name(s->x, set->values.m->name);
    if (name == INDEX_NONE || set->values.m->name.n == 0 ||
        value_set_listed(&set->values, &values) != 0)
        return FER_OK;
    set->late = candidates < s->x->names[name].n / 2;
    return set->late ? FER_OK : add_judged(s, set, name, err);
}

static list_set *smaller(list_set *base, list_set *set)
{
    if (set->values.forbids || set->damaged || set->late)
        return base;
    return base == NULL || set->total < base->total ? set : base;
}

static bool is_listed(const list_set *set)
{
    const fer_str *values;
    return value_set_listed(&set->values, &values) != 0;
}

/* Fills the sets; *ret: the one to begin with, or NULL. */
static fer_code fill_sets(selector *s, list_set *sets, size_t n, list_set **ret, fer_err *err)
{
    list_set *base = NULL;
    for (size_t i = 0; i < n; i++) {
        FER_TRY(fill_listed(s, &sets[i], err));
        if (is_listed(&sets[i]))
            base = smaller(base, &sets[i]);
    }
    uint64_t candidates = base == NULL ? UINT64_MAX : base->total;
    for (size_t i = 0; i < n; i++) {
        FER_TRY(fill_judged(s, &sets[i], candidates, err));
        base = smaller(base, &sets[i]);
    }
    *ret = base;
    return FER_OK;
}

/* ---- candidates ---- */

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Sorts what did not come sorted, and drops what is there twice. */
static void make_set(ref_list *l, bool sorted)
{
    for (size_t i = 1; i < l->n && sorted; i++)
        sorted = l->v[i - 1] < l->v[i];
    if (sorted)
        return;
    qsort(l->v, l->n, sizeof *l->v, by_number);
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        if (n == 0 || l->v[n - 1] != l->v[i])
            l->v[n++] = l->v[i];
    l->n = n;
}

static fer_code candidates(selector *s, const index_postings *lists, size_t n, uint64_t total,
                           ref_list *ret, fer_err *err)
{
    ret->n = 0;
    ret->v = total > SIZE_MAX / sizeof *ret->v
                 ? NULL
                 : fer_arena_alloc(s->tmp, (size_t)total * sizeof *ret->v);
    if (ret->v == NULL)
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < lists[i].n; k++)
            ret->v[ret->n++] = index_posting(&lists[i], k);
    make_set(ret, true);
    return FER_OK;
}

static fer_code all_series(selector *s, ref_list *ret, fer_err *err)
{
    index_postings l;
    if (s->x->all == 0)
        return fer_fail(err, FER_CORRUPT, "index: no list of all series");
    FER_TRY(block_index_postings(s->x, s->x->all, &l, err));
    return candidates(s, &l, 1, l.n, ret, err);
}

/* ---- applying a set ---- */

/* The first position from `from` on whose ref is not below; both lists ascend, so the next is mostly near. */
static size_t gallop(const index_postings *l, size_t from, uint32_t ref)
{
    size_t step = 1, lo = from, hi = from;
    while (hi < l->n && index_posting(l, hi) < ref) {
        lo = hi + 1;
        hi = l->n - hi > step ? hi + step : l->n;
        step *= 2;
    }
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (index_posting(l, mid) < ref)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static size_t gallop_refs(const ref_list *l, size_t from, uint32_t ref)
{
    size_t step = 1, lo = from, hi = from;
    while (hi < l->n && l->v[hi] < ref) {
        lo = hi + 1;
        hi = l->n - hi > step ? hi + step : l->n;
        step *= 2;
    }
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (l->v[mid] < ref)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void set_bit(uint64_t *bits, size_t i)
{
    bits[i / 64] |= UINT64_C(1) << (i % 64);
}

/* Marks the candidates that are in the list, going along the shorter of the two. */
static void mark(const ref_list *c, const index_postings *l, uint64_t *bits)
{
    size_t at = 0;
    if (l->n < c->n) {
        for (uint32_t k = 0; k < l->n && at < c->n; k++) {
            uint32_t ref = index_posting(l, k);
            at = gallop_refs(c, at, ref);
            if (at < c->n && c->v[at] == ref)
                set_bit(bits, at);
        }
        return;
    }
    for (size_t i = 0; i < c->n && at < l->n; i++) {
        at = gallop(l, at, c->v[i]);
        if (at < l->n && index_posting(l, at) == c->v[i])
            set_bit(bits, i);
    }
}

static fer_code filter_by_lists(selector *s, const list_set *set, ref_list *c, fer_err *err)
{
    uint64_t *bits = ARENA_ARRAY(s->tmp, uint64_t, c->n / 64 + 1);
    if (bits == NULL)
        return no_memory(err);
    for (size_t i = 0; i < set->n; i++) {
        FER_TRY(may_go_on(s, i, err));
        mark(c, &set->lists[i], bits);
    }
    size_t kept = 0;
    for (size_t i = 0; i < c->n; i++)
        if ((bits[i / 64] >> (i % 64) & 1) != set->values.forbids)
            c->v[kept++] = c->v[i];
    c->n = kept;
    return FER_OK;
}

/* The value of the label `name` of a series, empty when it has none. */
static fer_code value_of(const selector *s, uint32_t ref, uint32_t name, fer_str *ret, fer_err *err)
{
    index_series series;
    uint32_t n, v;
    fer_code code;
    *ret = STR("");
    FER_TRY(block_index_series(s->x, ref, &series, err));
    while ((code = index_series_label(&series, &n, &v)) == FER_OK)
        if (n == name) {
            code = block_symbols_text(&s->x->symbols, v, ret);
            break;
        }
    return code == FER_OK || code == FER_END
               ? FER_OK
               : fer_fail(err, code, "index: a series does not decode");
}

static fer_code filter_by_labels(selector *s, const list_set *set, ref_list *c, fer_err *err)
{
    uint32_t name;
    bool known = block_symbols_find(&s->x->symbols, set->values.m->name, &name);
    size_t kept = 0;
    for (size_t i = 0; i < c->n; i++) {
        FER_TRY(may_go_on(s, i, err));
        fer_str value = STR("");
        fer_err why = {0};
        if (known && value_of(s, c->v[i], name, &value, &why) != FER_OK)
            query_warn(s->warnings, "block %s: %s: the series is left out", s->b->name, why.msg);
        else if (matcher_matches(set->values.m, value))
            c->v[kept++] = c->v[i];
    }
    c->n = kept;
    return FER_OK;
}

static fer_code apply(selector *s, const list_set *set, ref_list *c, fer_err *err)
{
    if (set->damaged || set->late)
        return filter_by_labels(s, set, c, err);
    if (set->n == 0) {
        if (!set->values.forbids)
            c->n = 0;
        return FER_OK;
    }
    if ((uint64_t)c->n * LABEL_READ_COST < set->n)
        return filter_by_labels(s, set, c, err);
    return filter_by_lists(s, set, c, err);
}

fer_code block_select(const block *b, fer_arena *tmp, const fer_cancel *cancel,
                      query_warnings *warnings, const matcher *m, size_t nm, ref_list *ret,
                      fer_err *err)
{
    selector s = {b, &b->index, tmp, cancel, warnings};
    list_set *sets = ARENA_ARRAY(tmp, list_set, nm), *base = NULL;
    if (sets == NULL)
        return no_memory(err);
    for (size_t i = 0; i < nm; i++)
        sets[i].values = value_set_of(&m[i]);
    FER_TRY(fill_sets(&s, sets, nm, &base, err));
    if (base == NULL)
        FER_TRY(all_series(&s, ret, err));
    else
        FER_TRY(candidates(&s, base->lists, base->n, base->total, ret, err));
    for (size_t i = 0; i < nm && ret->n != 0; i++)
        if (&sets[i] != base)
            FER_TRY(apply(&s, &sets[i], ret, err));
    return FER_OK;
}

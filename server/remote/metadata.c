/* metadata.c - a sorted array of families under one lock. */
#include "server/remote/metadata.h"

#include "base/thread.h"

typedef struct entry {
    metadata_family m; /* texts behind the struct */
    size_t bytes;
} entry;

struct metadata_store {
    fer_mutex mu;
    fer_account *acct;
    entry **v;
    size_t n, cap;
};

metadata_store *metadata_store_new(fer_account *acct)
{
    metadata_store *s = fer_calloc(1, sizeof *s);
    fer_mutex_init(&s->mu, "metadata", 0);
    s->acct = acct;
    return s;
}

static void free_entry(metadata_store *s, entry *e)
{
    fer_account_release(s->acct, e->bytes);
    fer_free(e);
}

void metadata_store_free(metadata_store *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->n; i++)
        free_entry(s, s->v[i]);
    fer_account_release(s->acct, s->cap * sizeof *s->v);
    fer_free(s->v);
    fer_mutex_done(&s->mu);
    fer_free(s);
}

/* The first place whose family is not below the name. */
static size_t lower_bound(const metadata_store *s, fer_str family)
{
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (str_cmp(s->v[mid]->m.family, family) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static fer_str copy_text(char **at, fer_str s)
{
    fer_str to = {*at, s.n};
    if (s.n != 0)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return to;
}

static entry *new_entry(metadata_store *s, const metadata_family *m)
{
    size_t bytes = sizeof(entry) + m->family.n + m->help.n + m->unit.n;
    if (!fer_account_charge(s->acct, bytes))
        return NULL;
    entry *e = fer_alloc(bytes);
    char *at = (char *)(e + 1);
    e->bytes = bytes;
    e->m.type = m->type;
    e->m.logged = m->logged;
    e->m.family = copy_text(&at, m->family);
    e->m.help = copy_text(&at, m->help);
    e->m.unit = copy_text(&at, m->unit);
    return e;
}

static bool make_room(metadata_store *s)
{
    if (s->n < s->cap)
        return true;
    if (s->n >= METADATA_FAMILIES_MAX)
        return false;
    size_t cap = s->cap == 0 ? 64 : s->cap * 2;
    if (!fer_account_charge(s->acct, (cap - s->cap) * sizeof *s->v))
        return false;
    s->v = fer_realloc(s->v, cap * sizeof *s->v);
    s->cap = cap;
    return true;
}

static bool same(const metadata_family *a, const metadata_family *b)
{
    return a->type == b->type && str_eq(a->help, b->help) && str_eq(a->unit, b->unit);
}

static entry *find(const metadata_store *s, fer_str family)
{
    size_t i = lower_bound(s, family);
    return i < s->n && str_eq(s->v[i]->m.family, family) ? s->v[i] : NULL;
}

static void insert(metadata_store *s, entry *e)
{
    size_t i = lower_bound(s, e->m.family);
    memmove(s->v + i + 1, s->v + i, (s->n - i) * sizeof *s->v);
    s->v[i] = e;
    s->n++;
}

static metadata_family cut(const metadata_family *m)
{
    metadata_family ret = *m;
    ret.family = str_head(m->family, METADATA_TEXT_BYTES_MAX);
    ret.help = str_head(m->help, METADATA_TEXT_BYTES_MAX);
    ret.unit = str_head(m->unit, METADATA_TEXT_BYTES_MAX);
    return ret;
}

/* What stands there then; NULL where there is no room. Its texts are cut. */
static const entry *put(metadata_store *s, const metadata_family *m)
{
    entry *known = find(s, m->family);
    if (known != NULL && same(&known->m, m))
        return known;
    if (known == NULL && !make_room(s))
        return NULL;
    entry *e = new_entry(s, m);
    if (e == NULL)
        return NULL;
    if (known != NULL) {
        s->v[lower_bound(s, m->family)] = e;
        free_entry(s, known);
    } else {
        insert(s, e);
    }
    return e;
}

void metadata_store_put(metadata_store *s, const metadata_family *m)
{
    const metadata_family short_one = cut(m);
    if (m->family.n == 0)
        return;
    fer_mutex_lock(&s->mu);
    put(s, &short_one);
    fer_mutex_unlock(&s->mu);
}

size_t metadata_store_put_all(metadata_store *s, metadata_family *v, size_t n)
{
    size_t left = 0;
    if (n == 0)
        return 0;
    fer_mutex_lock(&s->mu);
    for (size_t i = 0; i < n; i++) {
        const metadata_family m = cut(&v[i]);
        const entry *e = m.family.n == 0 ? NULL : put(s, &m);
        if (e != NULL && !e->m.logged)
            v[left++] = m;
    }
    fer_mutex_unlock(&s->mu);
    return left;
}

void metadata_store_staged(metadata_store *s, const metadata_family *v, size_t n)
{
    if (n == 0)
        return;
    fer_mutex_lock(&s->mu);
    for (size_t i = 0; i < n; i++) {
        entry *e = find(s, v[i].family);
        if (e != NULL && same(&e->m, &v[i]))
            e->m.logged = e->m.logged || v[i].logged;
    }
    fer_mutex_unlock(&s->mu);
}

void metadata_store_log_again(metadata_store *s)
{
    fer_mutex_lock(&s->mu);
    for (size_t i = 0; i < s->n; i++)
        s->v[i]->m.logged = false;
    fer_mutex_unlock(&s->mu);
}

void metadata_store_each(metadata_store *s, fer_str family,
                         bool (*fn)(void *arg, const metadata_family *m), void *arg)
{
    fer_mutex_lock(&s->mu);
    size_t i = family.n == 0 ? 0 : lower_bound(s, family);
    for (; i < s->n; i++) {
        if (family.n != 0 && !str_eq(s->v[i]->m.family, family))
            break;
        if (!fn(arg, &s->v[i]->m))
            break;
    }
    fer_mutex_unlock(&s->mu);
}

const char *metadata_type_name(uint32_t type)
{
    static const char *const names[] = {"unknown",        "counter", "gauge", "histogram",
                                        "gaugehistogram", "summary", "info",  "stateset"};
    return type < sizeof names / sizeof *names ? names[type] : names[0];
}

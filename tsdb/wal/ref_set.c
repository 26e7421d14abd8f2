/* ref_set.c */
#include "tsdb/wal/ref_set.h"

#include <stdlib.h>
#include <string.h>

void ref_set_init(ref_set *s, fer_account *acct)
{
    *s = (ref_set){.acct = acct};
}

void ref_set_done(ref_set *s)
{
    fer_free(s->r);
    fer_account_release(s->acct, s->cap * sizeof *s->r);
    ref_set_init(s, s->acct);
}

void ref_set_add(ref_set *s, uint64_t first, uint64_t last)
{
    if (s->n > 0 && s->r[s->n - 1].last + 1 == first) {
        s->r[s->n - 1].last = last;
        return;
    }
    if (s->n == s->cap) {
        size_t cap = s->cap == 0 ? 16 : s->cap + s->cap / 2;
        s->r = fer_realloc(s->r, cap * sizeof *s->r);
        fer_account_force(s->acct, (cap - s->cap) * sizeof *s->r);
        s->cap = cap;
    }
    s->r[s->n++] = (ref_range){first, last};
}

static int by_first(const void *a, const void *b)
{
    const ref_range *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

void ref_set_seal(ref_set *s)
{
    if (s->n == 0)
        return;
    qsort(s->r, s->n, sizeof *s->r, by_first);
    size_t kept = 0;
    for (size_t i = 1; i < s->n; i++) {
        ref_range *last = &s->r[kept];
        if (last->last == UINT64_MAX || s->r[i].first <= last->last + 1) {
            if (s->r[i].last > last->last)
                last->last = s->r[i].last;
        } else {
            s->r[++kept] = s->r[i];
        }
    }
    s->n = kept + 1;
    s->at = 0;
}

/* The first range that does not end before ref; s->n when there is none. */
static size_t find(const ref_set *s, uint64_t ref)
{
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->r[mid].last < ref)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool is_in(const ref_set *s, size_t at, uint64_t ref)
{
    return at < s->n && s->r[at].first <= ref && ref <= s->r[at].last;
}

bool ref_set_has(ref_set *s, uint64_t ref)
{
    if (is_in(s, s->at, ref))
        return true;
    if (is_in(s, s->at + 1, ref)) {
        s->at++;
        return true;
    }
    s->at = find(s, ref);
    return is_in(s, s->at, ref);
}

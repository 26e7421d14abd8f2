#include "tsdb/samples.h"

#include <assert.h>

enum { SAMPLES_CAP_MIN = 64 };

void samples_init(samples *s, fer_account *acct)
{
    *s = (samples){.acct = acct};
}

/* Bytes of one slot in all arrays there are. */
static size_t slot_bytes(const samples *s)
{
    size_t n = sizeof *s->t + sizeof *s->v;
    if (s->type != NULL)
        n += sizeof *s->type + sizeof *s->h;
    if (s->st != NULL)
        n += sizeof *s->st;
    return n;
}

static void drop_types(samples *s)
{
    if (s->type != NULL)
        fer_account_release(s->acct, s->cap * (sizeof *s->type + sizeof *s->h));
    fer_free(s->type);
    fer_free(s->h);
    s->type = NULL;
    s->h = NULL;
}

static void drop_starts(samples *s)
{
    if (s->st != NULL)
        fer_account_release(s->acct, s->cap * sizeof *s->st);
    fer_free(s->st);
    s->st = NULL;
}

void samples_clear(samples *s)
{
    s->n = 0;
    drop_types(s);
    drop_starts(s);
    if (s->histograms != NULL)
        fer_arena_reset(s->histograms);
}

void samples_done(samples *s)
{
    drop_types(s);
    drop_starts(s);
    fer_account_release(s->acct, s->cap * slot_bytes(s));
    fer_free(s->t);
    fer_free(s->v);
    fer_arena_free(s->histograms);
    *s = (samples){.acct = s->acct};
}

fer_code samples_reserve(samples *s, size_t extra)
{
    if (s->cap - s->n >= extra)
        return FER_OK;
    size_t cap = s->cap < SAMPLES_CAP_MIN ? SAMPLES_CAP_MIN : s->cap + s->cap / 2;
    if (cap - s->n < extra)
        cap = s->n + extra;
    if (!fer_account_charge(s->acct, (cap - s->cap) * slot_bytes(s)))
        return FER_LIMIT;

    s->t = fer_realloc(s->t, cap * sizeof *s->t);
    s->v = fer_realloc(s->v, cap * sizeof *s->v);
    if (s->type != NULL) {
        s->type = fer_realloc(s->type, cap * sizeof *s->type);
        s->h = fer_realloc(s->h, cap * sizeof *s->h);
    }
    if (s->st != NULL)
        s->st = fer_realloc(s->st, cap * sizeof *s->st);
    s->cap = cap;
    return FER_OK;
}

void samples_commit_floats(samples *s, size_t k)
{
    assert(s->cap - s->n >= k);
    if (s->type != NULL) {
        memset(s->type + s->n, SAMPLE_FLOAT, k * sizeof *s->type);
        for (size_t i = 0; i < k; i++)
            s->h[s->n + i] = NULL;
    }
    if (s->st != NULL && k > 0)
        memset(s->st + s->n, 0, k * sizeof *s->st);
    s->n += k;
}

fer_code samples_add(samples *s, int64_t t, double v)
{
    FER_TRY(samples_reserve(s, 1));
    s->t[s->n] = t;
    s->v[s->n] = v;
    samples_commit_floats(s, 1);
    return FER_OK;
}

static void close_gap(void *p, size_t item, size_t from, size_t to, size_t n)
{
    if (p != NULL)
        memmove((char *)p + from * item, (char *)p + to * item, (n - to) * item);
}

void samples_remove(samples *s, size_t from, size_t to)
{
    assert(from <= to && to <= s->n);
    if (from == to)
        return;
    close_gap(s->t, sizeof *s->t, from, to, s->n);
    close_gap(s->v, sizeof *s->v, from, to, s->n);
    close_gap(s->type, sizeof *s->type, from, to, s->n);
    close_gap((void *)s->h, sizeof *s->h, from, to, s->n);
    close_gap(s->st, sizeof *s->st, from, to, s->n);
    s->n -= to - from;
}

static void pick_items(void *p, size_t item, size_t from, const size_t *pick, size_t n, char *tmp)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < n; i++)
        memcpy(tmp + i * item, (const char *)p + pick[i] * item, item);
    memcpy((char *)p + from * item, tmp, n * item);
}

fer_code samples_pick(samples *s, size_t from, const size_t *pick, size_t n)
{
    assert(from <= s->n && n <= s->n - from);
    if (!fer_account_charge(s->acct, n * sizeof *s->t)) /* no item is larger */
        return FER_LIMIT;
    char *tmp = fer_alloc(n * sizeof *s->t);
    pick_items(s->t, sizeof *s->t, from, pick, n, tmp);
    pick_items(s->v, sizeof *s->v, from, pick, n, tmp);
    pick_items(s->type, sizeof *s->type, from, pick, n, tmp);
    pick_items((void *)s->h, sizeof *s->h, from, pick, n, tmp);
    pick_items(s->st, sizeof *s->st, from, pick, n, tmp);
    s->n = from + n;
    fer_free(tmp);
    fer_account_release(s->acct, n * sizeof *s->t);
    return FER_OK;
}

/* Makes type[] and h[], all floats so far. */
static fer_code need_types(samples *s)
{
    if (s->type != NULL)
        return FER_OK;
    if (!fer_account_charge(s->acct, s->cap * (sizeof *s->type + sizeof *s->h)))
        return FER_LIMIT;
    s->type = fer_calloc(s->cap, sizeof *s->type);
    s->h = fer_calloc(s->cap, sizeof *s->h);
    return FER_OK;
}

fer_code samples_reserve_histograms(samples *s, size_t extra)
{
    FER_TRY(samples_reserve(s, extra));
    return need_types(s);
}

fer_code samples_add_histogram(samples *s, int64_t t, sample_type type, const histogram *h)
{
    assert(type != SAMPLE_FLOAT && h != NULL);
    FER_TRY(samples_reserve_histograms(s, 1));
    s->t[s->n] = t;
    s->h[s->n] = h;
    samples_commit_histogram(s, type);
    return FER_OK;
}

fer_code samples_set_start(samples *s, size_t i, int64_t st)
{
    assert(i < s->n);
    if (s->st == NULL) {
        if (st == 0)
            return FER_OK;
        if (!fer_account_charge(s->acct, s->cap * sizeof *s->st))
            return FER_LIMIT;
        s->st = fer_calloc(s->cap, sizeof *s->st);
    }
    s->st[i] = st;
    return FER_OK;
}

fer_arena *samples_arena(samples *s)
{
    if (s->histograms == NULL)
        s->histograms = fer_arena_new(s->acct, 0);
    return s->histograms;
}

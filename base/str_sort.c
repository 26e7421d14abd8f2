/* str_sort.c - eight bytes at a time, the most significant first.
 *
 * Label values share long prefixes, so that comparing whole texts looks at the same bytes over and over. Here the
 * texts are sorted by the eight bytes at one depth, as numbers: by radix, or by insertion where they are few. What
 * is equal there is sorted by the next eight. Work is bounded by the bytes looked at, whatever the texts are.
 */
#include "base/str_sort.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

enum { KEY_BYTES = 8, FEW = 48, DEPTH_MAX = 4096 };

typedef struct keyed {
    uint64_t key; /* the bytes from the present depth on, zeros behind the end */
    const char *p;
    uint32_t n;
    uint32_t at; /* its place before */
} keyed;

static uint64_t key_at(const keyed *s, size_t depth)
{
    uint64_t key = 0;
    size_t left = s->n > depth ? s->n - depth : 0;
    if (left >= KEY_BYTES)
        memcpy(&key, s->p + depth, KEY_BYTES);
    else if (left != 0)
        memcpy(&key, s->p + depth, left);
    return __builtin_bswap64(key);
}

static void sort_few(keyed *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        keyed x = v[i];
        size_t k = i;
        for (; k > 0 && v[k - 1].key > x.key; k--)
            v[k] = v[k - 1];
        v[k] = x;
    }
}

/* One digit, least significant first; `at` begins as the count of each value. */
static void distribute(const keyed *from, keyed *to, size_t n, unsigned shift, size_t *at)
{
    size_t sum = 0;
    for (size_t d = 0; d < 256; d++) {
        size_t count = at[d];
        at[d] = sum;
        sum += count;
    }
    for (size_t i = 0; i < n; i++)
        to[at[from[i].key >> shift & 255]++] = from[i];
}

/* Not inlined: its counts would stand on the stack at every depth. */
static __attribute__((noinline)) void sort_keys(keyed *v, keyed *tmp, size_t n)
{
    if (n <= FEW) {
        sort_few(v, n);
        return;
    }
    size_t counts[KEY_BYTES][256] = {0};
    for (size_t i = 0; i < n; i++)
        for (unsigned b = 0; b < KEY_BYTES; b++)
            counts[b][v[i].key >> (8 * b) & 255]++;
    keyed *from = v, *to = tmp;
    for (unsigned b = 0; b < KEY_BYTES; b++) {
        if (counts[b][v[0].key >> (8 * b) & 255] == n)
            continue; /* all have the same byte */
        distribute(from, to, n, 8 * b, counts[b]);
        keyed *swap = from;
        from = to;
        to = swap;
    }
    if (from != v)
        memcpy(v, from, n * sizeof *v);
}

/* Of texts that are equal so far, puts those in front that end within the key, the shorter first: what another has
 * there are zero bytes of its own. How many. */
static size_t ended_first(keyed *v, keyed *tmp, size_t n, size_t depth)
{
    size_t ended = 0, rest = 0, first = 0;
    while (first < n && v[first].n > depth + KEY_BYTES)
        first++;
    if (first == n)
        return 0;
    for (size_t len = depth; len <= depth + KEY_BYTES; len++)
        for (size_t i = 0; i < n; i++)
            if (v[i].n == len)
                tmp[ended++] = v[i];
    for (size_t i = 0; i < n; i++)
        if (v[i].n > depth + KEY_BYTES)
            tmp[ended + rest++] = v[i];
    assert(ended + rest == n);
    memcpy(v, tmp, n * sizeof *v);
    return ended;
}

static int by_text(const void *a, const void *b)
{
    const keyed *x = a, *y = b;
    int c = str_cmp((fer_str){x->p, x->n}, (fer_str){y->p, y->n});
    return c != 0 ? c : (x->at > y->at) - (x->at < y->at);
}

static bool load_keys(keyed *v, size_t n, size_t depth)
{
    uint64_t differ = 0;
    for (size_t i = 0; i < n; i++) {
        v[i].key = key_at(&v[i], depth);
        differ |= v[i].key ^ v[0].key;
    }
    return differ != 0;
}

/* All are equal up to `depth`, and no shorter. */
static void sort_from(keyed *v, keyed *tmp, size_t n, size_t depth)
{
    while (n > 1 && !load_keys(v, n, depth)) { /* a prefix of all */
        size_t ended = ended_first(v, tmp, n, depth);
        v += ended;
        n -= ended;
        depth += KEY_BYTES;
    }
    if (n < 2)
        return;
    if (depth >= DEPTH_MAX) {
        qsort(v, n, sizeof *v, by_text);
        return;
    }
    sort_keys(v, tmp, n);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && v[to].key == v[from].key; to++)
            ;
        if (to - from == 1)
            continue;
        size_t ended = ended_first(v + from, tmp, to - from, depth);
        sort_from(v + from + ended, tmp, to - from - ended, depth + KEY_BYTES);
    }
}

static bool is_sorted(const fer_str *v, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (str_cmp(v[i - 1], v[i]) > 0)
            return false;
    return true;
}

/* The texts in order, with room behind them. */
static keyed *sorted(const fer_str *v, size_t n)
{
    keyed *k = fer_alloc(2 * n * sizeof *k);
    assert(n <= UINT32_MAX);
    for (size_t i = 0; i < n; i++) {
        assert(v[i].n <= UINT32_MAX);
        k[i] = (keyed){.p = v[i].p, .n = (uint32_t)v[i].n, .at = (uint32_t)i};
    }
    sort_from(k, k + n, n, 0);
    return k;
}

void str_sort_order(const fer_str *v, size_t n, uint32_t *order)
{
    keyed *k = is_sorted(v, n) ? NULL : sorted(v, n);
    for (size_t i = 0; i < n; i++)
        order[i] = k == NULL ? (uint32_t)i : k[i].at;
    fer_free(k);
}

void str_sort(fer_str *v, size_t n)
{
    if (is_sorted(v, n))
        return;
    keyed *k = sorted(v, n);
    for (size_t i = 0; i < n; i++)
        v[i] = (fer_str){k[i].p, k[i].n};
    fer_free(k);
}

bool str_contain_all(const fer_str *a, size_t an, const fer_str *b, size_t bn)
{
    size_t i = 0, j = 0;
    for (; j < bn && bn - j <= an - i; i++) {
        if (str_eq(a[i], b[j]))
            j++;
        else if (str_cmp(a[i], b[j]) > 0)
            return false;
    }
    return j == bn;
}

size_t str_unite(const fer_str *a, size_t an, const fer_str *b, size_t bn, fer_str *to)
{
    size_t i = 0, j = 0, n = 0;
    while (i < an && j < bn) {
        int c = str_cmp(a[i], b[j]);
        to[n++] = c <= 0 ? a[i] : b[j];
        i += c <= 0;
        j += c >= 0;
    }
    while (i < an)
        to[n++] = a[i++];
    while (j < bn)
        to[n++] = b[j++];
    return n;
}

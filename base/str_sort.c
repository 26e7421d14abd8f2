/* str_sort.c - eight bytes at a time, the most significant first.
 *
 * Label values share long prefixes, so that comparing whole texts looks at the same bytes over and over. Here what all
 * begin with is passed over, the texts are sorted by the eight bytes behind it, as numbers (key_sort.h), and what is
 * equal there is sorted by what follows in the same way. Work is bounded by the bytes looked at, whatever the texts are.
 */
#include "base/str_sort.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/key_sort.h"
#include "base/mem.h"

enum { KEY_BYTES = 8, DEPTH_MAX = 4096 };

typedef struct sorter {
    const fer_str *v; /* as given */
    key_item *tmp;    /* room for all */
} sorter;

static fer_str text_of(const sorter *s, const key_item *x)
{
    return s->v[x->at];
}

/* The bytes from `depth` on, zeros behind the end. */
static uint64_t key_at(fer_str s, size_t depth)
{
    uint64_t key = 0;
    size_t left = s.n > depth ? s.n - depth : 0;
    if (left >= KEY_BYTES)
        memcpy(&key, s.p + depth, KEY_BYTES);
    else if (left != 0)
        memcpy(&key, s.p + depth, left);
    return __builtin_bswap64(key);
}

/* How many of the first `most` bytes are equal. */
static size_t equal_bytes(const char *a, const char *b, size_t most)
{
    size_t i = 0;
    uint64_t x, y;
    for (; i + sizeof x <= most; i += sizeof x) {
        memcpy(&x, a + i, sizeof x);
        memcpy(&y, b + i, sizeof y);
        if (x != y)
            return i + (unsigned)__builtin_ctzll(x ^ y) / 8;
    }
    while (i < most && a[i] == b[i])
        i++;
    return i;
}

/* The length of what all texts begin with, which is at least `depth`. */
static size_t common_prefix(const sorter *s, const key_item *v, size_t n, size_t depth)
{
    fer_str first = text_of(s, &v[0]);
    size_t same = first.n - depth;
    for (size_t i = 1; i < n && same != 0; i++) {
        fer_str x = text_of(s, &v[i]);
        size_t most = x.n - depth < same ? x.n - depth : same;
        same = equal_bytes(first.p + depth, x.p + depth, most);
    }
    return depth + same;
}

/* The bits in which the keys differ. */
static uint64_t load_keys(const sorter *s, key_item *v, size_t n, size_t depth)
{
    uint64_t differ = 0;
    for (size_t i = 0; i < n; i++) {
        v[i].key = key_at(text_of(s, &v[i]), depth);
        differ |= v[i].key ^ v[0].key;
    }
    return differ;
}

/* Of texts that are equal so far, puts those in front that end within the key, the shorter first: what another has
 * there are zero bytes of its own. How many. */
static size_t ended_first(const sorter *s, key_item *v, size_t n, size_t depth)
{
    size_t ended = 0, rest = 0, first = 0;
    while (first < n && text_of(s, &v[first]).n > depth + KEY_BYTES)
        first++;
    if (first == n)
        return 0;
    for (size_t len = depth; len <= depth + KEY_BYTES; len++)
        for (size_t i = 0; i < n; i++)
            if (text_of(s, &v[i]).n == len)
                s->tmp[ended++] = v[i];
    for (size_t i = 0; i < n; i++)
        if (text_of(s, &v[i]).n > depth + KEY_BYTES)
            s->tmp[ended + rest++] = v[i];
    assert(ended + rest == n);
    memcpy(v, s->tmp, n * sizeof *v);
    return ended;
}

static int by_text(const void *a, const void *b, void *arg)
{
    const key_item *x = a, *y = b;
    int c = str_cmp(text_of(arg, x), text_of(arg, y));
    return c != 0 ? c : (x->at > y->at) - (x->at < y->at);
}

/* All are equal up to `depth`, and no shorter. */
static void sort_from(sorter *s, key_item *v, size_t n, size_t depth)
{
    uint64_t differ = 0;
    while (n > 1) {
        depth = common_prefix(s, v, n, depth);
        differ = load_keys(s, v, n, depth);
        if (differ != 0)
            break;
        size_t ended = ended_first(s, v, n, depth); /* zero bytes and ends alone */
        v += ended;
        n -= ended;
        depth += KEY_BYTES;
    }
    if (n < 2)
        return;
    if (depth >= DEPTH_MAX) {
        qsort_r(v, n, sizeof *v, by_text, s);
        return;
    }
    key_sort(v, s->tmp, n, differ);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && v[to].key == v[from].key; to++)
            ;
        if (to - from == 1)
            continue;
        size_t ended = ended_first(s, v + from, to - from, depth);
        sort_from(s, v + from + ended, to - from - ended, depth + KEY_BYTES);
    }
}

static bool is_sorted(const fer_str *v, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (str_cmp(v[i - 1], v[i]) > 0)
            return false;
    return true;
}

/* The texts' places in order, with room behind them. */
static key_item *sorted(const fer_str *v, size_t n)
{
    key_item *items = fer_alloc(2 * n * sizeof *items);
    sorter s = {v, items + n};
    assert(n <= UINT32_MAX);
    for (size_t i = 0; i < n; i++)
        items[i].at = (uint32_t)i;
    sort_from(&s, items, n, 0);
    return items;
}

void str_sort_order(const fer_str *v, size_t n, uint32_t *order)
{
    key_item *items = is_sorted(v, n) ? NULL : sorted(v, n);
    for (size_t i = 0; i < n; i++)
        order[i] = items == NULL ? (uint32_t)i : items[i].at;
    fer_free(items);
}

void str_sort(fer_str *v, size_t n)
{
    if (is_sorted(v, n))
        return;
    key_item *items = sorted(v, n);
    static_assert(sizeof(fer_str) <= sizeof *items, "the room behind them holds the texts");
    fer_str *old = (fer_str *)(items + n);
    memcpy(old, v, n * sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = old[items[i].at];
    fer_free(items);
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

/* topk_heap.c - a binary heap (Williams 1964) and a stable order of its entries. */
#include <math.h>
#include <string.h>

#include "promql/exec/topk.h"

/* a belongs above b. */
static inline bool above(topk_entry a, topk_entry b, bool bottom)
{
    return isnan(a.v) || (bottom ? a.v > b.v : a.v < b.v);
}

static void swap(topk_entry *h, size_t i, size_t j)
{
    topk_entry x = h[i];
    h[i] = h[j];
    h[j] = x;
}

void topk_push(topk_entry *h, size_t n, bool bottom, topk_entry e)
{
    h[n] = e;
    while (n > 0) {
        size_t parent = (n - 1) / 2;
        if (!above(h[n], h[parent], bottom))
            break;
        swap(h, n, parent);
        n = parent;
    }
}

bool topk_beats_top(const topk_entry *h, bool bottom, double v)
{
    double top = h[0].v;
    return (bottom ? top > v : top < v) || (isnan(top) && !isnan(v));
}

void topk_replace_top(topk_entry *h, size_t n, bool bottom, topk_entry e)
{
    h[0] = e;
    for (size_t i = 0;;) {
        size_t child = 2 * i + 1;
        if (child >= n)
            return;
        if (child + 1 < n && above(h[child + 1], h[child], bottom))
            child++;
        if (!above(h[child], h[i], bottom))
            return;
        swap(h, i, child);
        i = child;
    }
}

static void insertion_sort(topk_entry *h, size_t n, bool bottom)
{
    for (size_t i = 1; i < n; i++)
        for (size_t j = i; j > 0 && above(h[j - 1], h[j], bottom); j--)
            swap(h, j, j - 1);
}

enum { INSERTION_MAX = 12 };

void topk_sort(topk_entry *h, size_t n, bool bottom, topk_entry *tmp)
{
    if (n <= INSERTION_MAX) {
        insertion_sort(h, n, bottom);
        return;
    }
    size_t half = n / 2;
    topk_sort(h, half, bottom, tmp);
    topk_sort(h + half, n - half, bottom, tmp);
    memcpy(tmp, h, half * sizeof *h);
    size_t l = 0, r = half, to = 0;
    while (l < half && r < n)
        h[to++] = above(tmp[l], h[r], bottom) ? h[r++] : tmp[l++];
    memcpy(h + to, tmp + l, (half - l) * sizeof *h);
}

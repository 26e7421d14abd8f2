/* topk.h - the few largest or smallest values of a set, kept in a heap. */
#ifndef FERULA_PROMQL_EXEC_TOPK_H
#define FERULA_PROMQL_EXEC_TOPK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct topk_entry {
    double v;
    uint32_t series;
} topk_entry;

/* The worst entry is on top: the smallest of topk, the largest of bottomk, NaN before all. Of equal
 * values the one that came first stays. */
void topk_push(topk_entry *h, size_t n, bool bottom, topk_entry e); /* room for n + 1 */
bool topk_beats_top(const topk_entry *h, bool bottom, double v);
void topk_replace_top(topk_entry *h, size_t n, bool bottom, topk_entry e);
/* Best first, NaN last; tmp has room for n. The heap is no heap any more. */
void topk_sort(topk_entry *h, size_t n, bool bottom, topk_entry *tmp);

#endif

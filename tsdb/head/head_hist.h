/* head_hist.h - open chunks of histograms in the head.
 *
 * A series whose open chunk holds histograms has a head_hist in the slab instead of chunk bytes. Since such a chunk is
 * now and then written anew in a wider layout, readers take a copy of its bytes when they pin the series.
 *
 * Threads: all under head->publish.
 */
#ifndef FERULA_TSDB_HEAD_HIST_H
#define FERULA_TSDB_HEAD_HIST_H

#include "tsdb/chunk/chunk_hist.h"
#include "tsdb/head/head.h"

typedef struct head_hist {
    hist_chunk *c;
    hist_cut cut;
    size_t charged; /* memory of c on the head's account */
} head_hist;

/* Appends to the open chunk, or cuts it where Prometheus does. t is above the series' last; s is sound (hist_check.h)
 * and copied. */
void head_append_hist(head *h, uint32_t slot, int64_t t, const hist_sample *s);
/* For a sample that will come to a series of which head_prefetch_open() fetched the head_hist: has its chunk fetched, then what
 * that points to. */
void head_prefetch_hist(const head *h, uint32_t slot);
void head_prefetch_hist_numbers(const head *h, uint32_t slot);
/* The open chunk, which is one of histograms. */
static inline const hist_chunk *head_hist_open(const head *h, const pub_rec *s)
{
    return ((const head_hist *)slab_ptr(&h->chunks, s->open))->c;
}
/* For head_append.c: ends the open chunk, which is one of histograms, or forgets it. */
void head_hist_finish(head *h, pub_rec *s);
void head_hist_drop(head *h, pub_rec *s);
/* Frees what open chunks hold beside the slab. At the end of the head, without locks. */
void head_hist_done(head *h);

#endif

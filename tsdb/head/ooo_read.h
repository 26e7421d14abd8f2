/* ooo_read.h - a series with samples out of order, as a reader takes and reads it.
 *
 * All chunks of the series take part, those in order too, as Prometheus does it: sorted by their first times, those that
 * overlap are merged; where samples of one time meet, the choice is merge_samples()'s.
 * Threads: ooo_pin_take under both locks of the head; the rest without, as for pins (head_pin.h).
 */
#ifndef FERULA_TSDB_OOO_READ_H
#define FERULA_TSDB_OOO_READ_H

#include "tsdb/block/tombstones.h"
#include "tsdb/head/head_pin.h"
#include "tsdb/head/ooo_series.h"
#include "tsdb/query_warnings.h"

typedef struct ooo_pin {
    slab_ref labels;   /* of the series' pin, which no other has */
    slab_ref list;     /* full_list */
    uint32_t n_chunks; /* of it */
    uint32_t hists;    /* bit per open sample */
    uint32_t n_open;
    const ooo_sample *open;   /* a copy */
    int64_t in_mint, in_maxt; /* of the series' open chunk in order */
} ooo_pin;

/* Pins what the series has out of order. False past the arena's budget. */
bool ooo_pin_take(const head *h, uint32_t slot, fer_arena *a, ooo_pin *ret);

/* Those of a selection, by labels once sorted. */
typedef struct ooo_pins {
    ooo_pin *v;
    uint32_t n, cap;
} ooo_pins;

/* Pins the slot's series if it has samples out of order. False past the arena's budget. */
bool ooo_pins_add(ooo_pins *p, const head *h, uint32_t slot, fer_arena *a);
void ooo_pins_sort(ooo_pins *p);
/* NULL when the series of the pin has none. */
const ooo_pin *ooo_pins_find(const ooo_pins *p, const head_pin *pin);

/* What the series has in order. */
typedef struct in_order_pin {
    const head_pin *pin;
    const head_hist_pins *hist; /* where its open histograms are */
    const tombstone *
        gone; /* what is deleted of it: a deletion takes what is out of order from blocks (delete.c) */
    size_t n_gone;
} in_order_pin;

/* Appends the samples of [mint, maxt], those in order that are not deleted and the others. What of chunks_head cannot be read goes to
 * warnings. FER_LIMIT, FER_CORRUPT. */
FER_MUST_CHECK fer_code ooo_read(const head *h, const in_order_pin *in, const ooo_pin *pin,
                                 int64_t mint, int64_t maxt, query_warnings *warnings,
                                 samples *out);
/* Likewise without those in order; n_chunks of the pin's chunks and no open samples. */
FER_MUST_CHECK fer_code ooo_read_chunks(const head *h, const full_chunk *c, uint32_t n,
                                        int64_t mint, int64_t maxt, samples *out);

#endif

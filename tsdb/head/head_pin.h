/* head_pin.h - a series at one published commit: what a reader takes under the lock and reads without.
 *
 * A pin is 24 bytes: handles of the open chunk and of the list of full ones, their lengths, and the open
 * chunk's last byte, the only pinned byte that may still change. Open chunks of histograms are copied.
 * Threads: head_pin_take under publish; the rest without a lock while the reader is in the head's list
 * (head_reader_begin).
 */
#ifndef FERULA_TSDB_HEAD_PIN_H
#define FERULA_TSDB_HEAD_PIN_H

#include "tsdb/head/head.h"

/* A copy of an open chunk of histograms. */
typedef struct head_hist_pin {
    int64_t mint, maxt;
    fer_str bytes;
    uint8_t encoding;
} head_hist_pin;

/* Those of many pins. */
typedef struct head_hist_pins {
    fer_arena *arena;
    head_hist_pin *v;
    uint32_t n, cap;
} head_hist_pins;

typedef struct head_pin {
    slab_ref labels;
    slab_ref full; /* full_list */
    uint32_t n_full;
    uint32_t open; /* slab_ref, or 1 + place among the head_hist_pins; 0: nothing in the range */
    uint16_t bytes, whole; /* of the open chunk, with and without the byte being filled */
    uint16_t n;            /* samples */
    uint8_t tail;          /* the byte being filled */
    bool is_hist;          /* the open chunk is one of histograms */
} head_pin;

/* Pins the chunks that may have samples in [mint, maxt]. False when the arena of hist, where copies go, refuses. */
bool head_pin_take(const head *h, uint32_t slot, int64_t mint, int64_t maxt, head_hist_pins *hist,
                   head_pin *ret);
/* Has the processor fetch what reading the series will look at first: in a large head that is far away. */
void head_pin_prefetch(const head *h, const head_pin *pin);
/* The full chunks pinned: n_full of them. */
const full_chunk *head_pin_full(const head *h, const head_pin *pin);
/* Writes pin->bytes bytes of the open chunk, which is one of floats, with its count in front. */
void head_pin_open_bytes(const head *h, const head_pin *pin, uint8_t *out);

#endif

/* chunk_hist_state.h - what writers and readers of histogram chunks remember between samples, and the layout.
 *
 * Threads: one at a time.
 */
#ifndef FERULA_TSDB_CHUNK_HIST_STATE_H
#define FERULA_TSDB_CHUNK_HIST_STATE_H

#include <string.h>

#include "base/err.h"
#include "tsdb/chunk/bits.h"
#include "tsdb/hist_sample.h"

enum { HIST_HEADER_BYTES = 3 };

/* How one number's change is coded: its last difference (integer) or its window (float, and every sum). */
typedef struct hist_code {
    uint64_t delta;
    bits_window window;
} hist_code;

/* The same for the buckets of one side, whose numbers lie close together: of the two arrays there is the one for their kind. */
typedef struct hist_codes {
    uint64_t *deltas;
    bits_window *windows;
} hist_codes;

typedef struct hist_state {
    int64_t t;
    uint64_t t_delta;
    hist_sample last;             /* in the chunk's layout; its buckets are values[] */
    hist_num *values[HIST_SIDES]; /* NULL where there are no buckets */
    hist_codes codes[HIST_SIDES];
    hist_code count, zero_count, sum;
} hist_state;

/* A state before the first sample. */
static inline void hist_state_init(hist_state *s, bool is_float)
{
    const hist_code none = {.window = {BITS_NO_WINDOW, 0}};
    *s = (hist_state){
        .last = {.is_float = is_float}, .count = none, .zero_count = none, .sum = none};
}

/* Bytes of the array of n buckets. */
static inline size_t hist_codes_bytes(bool is_float, uint32_t n)
{
    return n * (is_float ? sizeof(bits_window) : sizeof(uint64_t));
}

/* Codes of n buckets of which none has changed; `array` has room for them. */
static inline hist_codes hist_codes_of(void *array, bool is_float, uint32_t n)
{
    if (!is_float)
        return (hist_codes){.deltas = n == 0 ? NULL : memset(array, 0, n * sizeof(uint64_t))};
    bits_window *w = array;
    for (uint32_t i = 0; i < n; i++)
        w[i] = (bits_window){BITS_NO_WINDOW, 0};
    return (hist_codes){.windows = w};
}

/* Writes schema, zero threshold, spans and bounds of s. */
void hist_layout_put(bits_out *out, const hist_sample *s);
/* Reads them into s; spans and bounds in the arena. FER_CORRUPT, also when there are more buckets than bits for them;
 * FER_UNSUPPORTED for an unknown schema; FER_LIMIT from the arena. */
FER_MUST_CHECK fer_code hist_layout_get(bits_in *in, hist_sample *s, fer_arena *arena);

#endif

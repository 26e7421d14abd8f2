/* chunk_hist_step.h - what a later sample of a histogram chunk has before and behind its buckets: reading.
 *
 * For those who read the buckets between hist_step_begin() and hist_step_end(). Threads: one at a time.
 */
#ifndef FERULA_TSDB_CHUNK_HIST_STEP_H
#define FERULA_TSDB_CHUNK_HIST_STEP_H

#include "tsdb/chunk/chunk_hist.h"

/* The next value of a float. */
static inline void hist_float_get(bits_in *in, hist_num *v, bits_window *w)
{
    v->u ^= bits_xor(in, w);
}

/* Adds the changes of time, count and zero count of an integer histogram. */
static inline void hist_step_integers(hist_iter *it)
{
    hist_state *s = &it->state;
    if (bits_skip_zeros(&it->in, BITS_FILL)) { /* all grow as before */
        s->last.count.u += s->count.delta;
        s->last.zero_count.u += s->zero_count.delta;
        return;
    }
    uint64_t *change[BITS_FILL] = {&s->t_delta, &s->count.delta, &s->zero_count.delta};
    bits_fast f = bits_fast_of(&it->in);
    int64_t x;
    unsigned k = 0;
    bool filled = bits_fill(&f);
    for (; filled && k < BITS_FILL && bits_fast_varbit(&f, &x); k++)
        *change[k] += (uint64_t)x;
    bits_fast_done(&it->in, &f);
    for (; k < BITS_FILL; k++) /* those behind a long one */
        *change[k] += (uint64_t)bits_varbit_int(&it->in);
    s->last.count.u += s->count.delta;
    s->last.zero_count.u += s->zero_count.delta;
}

/* Time, counts and sum. No bucket follows a stale sum. */
static inline void hist_step_begin(hist_iter *it)
{
    hist_state *s = &it->state;
    bits_in *in = &it->in;
    if (!it->is_float) {
        hist_step_integers(it);
    } else {
        s->t_delta += (uint64_t)bits_varbit_int(in);
        hist_float_get(in, &s->last.count, &s->count.window);
        hist_float_get(in, &s->last.zero_count, &s->zero_count.window);
    }
    s->t = (int64_t)((uint64_t)s->t + s->t_delta);
    s->last.sum = f64_of_bits(f64_bits(s->last.sum) ^ bits_xor(in, &s->sum.window));
}

/* The start timestamp; prev_t is the time of the sample before. FER_CORRUPT when anything of the sample was. */
FER_MUST_CHECK static inline fer_code hist_step_end(hist_iter *it, int64_t prev_t)
{
    if (it->has_starts)
        chunk_st_read(&it->starts, &it->in, it->i, it->state.t, prev_t);
    if (it->in.bad || (it->i > 0 && it->state.t <= prev_t))
        return FER_CORRUPT;
    it->t = it->state.t;
    it->st = it->starts.st;
    return FER_OK;
}

static inline histogram_reset_hint hist_step_hint(const hist_iter *it)
{
    if (it->header == HIST_HEADER_GAUGE)
        return HISTOGRAM_GAUGE;
    /* Whether the chunk before is still there nobody knows: so the first says nothing. */
    return it->i == 0 ? HISTOGRAM_RESET_UNKNOWN : HISTOGRAM_NO_RESET;
}

#endif

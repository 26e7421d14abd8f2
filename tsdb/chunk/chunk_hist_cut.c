/* When the head begins a new chunk of histograms: by bytes, since samples differ much in size. At a quarter of the
 * size wanted, the end is foreseen such that the rest of the head's range falls into chunks of equal length. */
#include <math.h>

#include "tsdb/chunk/chunk_hist.h"

enum { CUT_BYTES = 1024, CUT_SAMPLES_MIN = 10 };

static int64_t range_end(int64_t t, int64_t range_ms)
{
    int64_t begin = t / range_ms * range_ms;
    return begin > INT64_MAX - range_ms ? INT64_MAX : begin + range_ms;
}

/* Where a chunk that is now `1 / ratio` full should end, `end` at the latest. */
static int64_t foreseen_end(int64_t mint, int64_t maxt, int64_t end, double ratio)
{
    double chunks = (double)(end - mint) / ((double)(maxt - mint + 1) * ratio);
    return chunks <= 1 ? end : (int64_t)((double)mint + (double)(end - mint) / floor(chunks));
}

void hist_cut_begin(hist_cut *k, int64_t t, int64_t range_ms)
{
    *k = (hist_cut){.mint = t, .maxt = t, .next_at = range_end(t, range_ms)};
}

bool hist_cut_is_due(hist_cut *k, int64_t t, size_t bytes, uint32_t n, int64_t range_ms)
{
    const bool was_planned = k->is_planned;
    const int64_t planned = k->next_at;
    if (!was_planned && bytes >= CUT_BYTES / 4) {
        k->next_at = foreseen_end(k->mint, k->maxt, k->next_at, (double)CUT_BYTES / (double)bytes);
        k->is_planned = true;
    }
    /* The count in the header must not overflow, however small samples are. */
    bool is_full = t >= k->next_at || bytes >= (size_t)CUT_BYTES * 2 || n == UINT16_MAX;
    return is_full &&
           (n >= CUT_SAMPLES_MIN || t >= (was_planned ? range_end(k->mint, range_ms) : planned));
}

void hist_cut_appended(hist_cut *k, int64_t t, bool began, int64_t range_ms)
{
    k->maxt = t;
    if (!began)
        return;
    /* As in Prometheus, a chunk that did not come from this rule keeps what was planned for the one before. */
    k->mint = t;
    k->next_at = range_end(t, range_ms);
}

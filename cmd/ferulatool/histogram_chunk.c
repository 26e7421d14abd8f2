#include "cmd/ferulatool/histogram_chunk.h"

#include "tsdb/chunk/chunk_hist.h"

fer_code histogram_chunk_count(uint8_t encoding, fer_str data, uint64_t *ret_samples,
                               uint64_t *ret_buckets, fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    hist_iter it;
    uint64_t n = 0, buckets = 0;
    fer_code code = hist_iter_init(&it, encoding, data, 0, a);
    while (code == FER_OK && (code = hist_iter_next(&it)) == FER_OK) {
        const hist_side *s = it.sample.side;
        n++;
        if (!hist_is_stale(&it.sample))
            buckets += (uint64_t)s[HIST_POS].n_buckets + s[HIST_NEG].n_buckets;
    }
    if (code != FER_END)
        return fer_fail(err, code, "a histogram chunk does not decode");
    *ret_samples = n;
    *ret_buckets = buckets;
    return FER_OK;
}

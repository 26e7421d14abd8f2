#include "cmd/ferulatool/analyze_chunks.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/varint.h"
#include "cmd/ferulatool/histogram_chunk.h"
#include "tsdb/chunk/chunk_hist.h"
#include "tsdb/chunk/chunk_xor.h"
#include "tsdb/chunk/chunk_xor2.h"

enum { PERCENT = 100, WIDTH_PARTS = 10, STEP_FIRST = 10, STEP_LAST = 10000 };

void chunk_fill_done(chunk_fill *f)
{
    tally_done(&f->float_samples);
    tally_done(&f->float_bytes);
    tally_done(&f->histogram_samples);
    tally_done(&f->histogram_bytes);
    tally_done(&f->histogram_buckets);
}

fer_code chunk_fill_add(chunk_fill *f, const block *b, uint64_t ref, fer_err *err)
{
    uint8_t encoding;
    fer_str data;
    FER_TRY(block_chunks_get(&b->chunks, ref, &encoding, &data, err));
    f->chunks++;
    if (data.n < 2)
        return fer_fail(err, FER_CORRUPT, "a chunk of %zu bytes", data.n);
    if (encoding == CHUNK_XOR || encoding == CHUNK_XOR2) {
        tally_add(&f->float_samples, be16_get((const uint8_t *)data.p));
        tally_add(&f->float_bytes, data.n);
    } else if (chunk_is_histogram(encoding)) {
        uint64_t n_samples, buckets;
        FER_TRY(histogram_chunk_count(encoding, data, &n_samples, &buckets, err));
        tally_add(&f->histogram_samples, n_samples);
        tally_add(&f->histogram_bytes, data.n);
        tally_add(&f->histogram_buckets, buckets);
    }
    return FER_OK;
}

/* ---- bars ---- */

typedef struct range {
    uint64_t min, max, sum, n;
} range;

static range range_of(const tally *t)
{
    range r = {.min = UINT64_MAX};
    for (size_t i = 0; i < t->cap; i++) {
        const tally_count *c = &t->v[i];
        if (c->times == 0)
            continue;
        r.min = c->value < r.min ? c->value : r.min;
        r.max = c->value > r.max ? c->value : r.max;
        r.sum += c->value * c->times;
        r.n += c->times;
    }
    return r;
}

static int digits(uint64_t v)
{
    return snprintf(NULL, 0, "%" PRIu64, v);
}

/* A bar shows the numbers of its step; its label names the first and last of them one too high, as promtool's
 * does. */
static void print_bars(tool_out *o, const uint64_t *bars, size_t n, uint64_t start, uint64_t step,
                       uint64_t chunks)
{
    uint64_t longest = 0, end = start + (n - 1) * step;
    for (size_t i = 0; i < n; i++)
        longest = bars[i] > longest ? bars[i] : longest;
    for (size_t i = 0; i < n; i++) {
        fer_buf_printf(&o->b, "[%*" PRIu64 ", %*" PRIu64 "]: %*" PRIu64 " ", digits(end),
                       i * step + start + 1, digits(end + step), (i + 1) * step + start,
                       digits(longest), bars[i]);
        for (uint64_t k = 0; k < PERCENT * bars[i] / chunks; k++)
            fer_buf_putc(&o->b, '#');
        fer_buf_putc(&o->b, '\n');
    }
}

static void print_tally(tool_out *o, const char *what, const tally *t, uint64_t chunks)
{
    range r = range_of(t);
    if (r.n == 0) {
        fer_buf_printf(&o->b, "%s: N/A\n\n", what);
        return;
    }
    uint64_t step = STEP_FIRST;
    while (step < (r.max - r.min) / WIDTH_PARTS && step <= STEP_LAST)
        step *= 10;
    uint64_t start = r.min - r.min % step;
    size_t n = (size_t)((r.max - r.max % step + step - start) / step + 1);
    uint64_t *bars = fer_calloc(n, sizeof *bars);
    for (size_t i = 0; i < t->cap; i++)
        if (t->v[i].times != 0)
            bars[(t->v[i].value - start) / step] += t->v[i].times;
    fer_buf_printf(&o->b, "%s (min/avg/max): %" PRIu64 "/%" PRIu64 "/%" PRIu64 "\n", what, r.min,
                   r.sum / r.n, r.max);
    print_bars(o, bars, n, start, step, chunks);
    fer_buf_putc(&o->b, '\n');
    fer_free(bars);
}

void chunk_fill_print(const chunk_fill *f, tool_out *o)
{
    fer_buf_puts(&o->b, STR("\nCompaction analysis:\n\n"));
    print_tally(o, "samples per float chunk", &f->float_samples, f->chunks);
    print_tally(o, "bytes per float chunk", &f->float_bytes, f->chunks);
    print_tally(o, "samples per histogram chunk", &f->histogram_samples, f->chunks);
    print_tally(o, "bytes per histogram chunk", &f->histogram_bytes, f->chunks);
    print_tally(o, "buckets per histogram chunk", &f->histogram_buckets, f->chunks);
}

#include "tsdb/chunk/chunk_encode.h"

#include "tsdb/chunk/chunk_hist.h"
#include "tsdb/chunk/chunk_xor.h"

typedef struct encoder {
    const samples *s;
    size_t most;
    chunk_put_fn put;
    void *arg;
} encoder;

static sample_type type_of(const samples *s, size_t i)
{
    return s->type == NULL ? SAMPLE_FLOAT : (sample_type)s->type[i];
}

/* The end of the run of samples of one type that begins at `from`. */
static size_t run_end(const encoder *e, size_t from, size_t to)
{
    size_t i = from + 1;
    if (e->s->type == NULL)
        return to;
    while (i < to && type_of(e->s, i) == type_of(e->s, from))
        i++;
    return i;
}

static fer_code put_floats(const encoder *e, size_t from, size_t to)
{
    const samples *s = e->s;
    size_t bytes = 2 + (to - from + 1) * XOR_SAMPLE_BYTES_MAX;
    if (!fer_account_charge(s->acct, bytes))
        return FER_LIMIT;
    uint8_t *out = fer_calloc(bytes, 1);
    xor_appender a;
    xor_init(&a);
    for (size_t i = from; i < to; i++)
        xor_append(&a, out, s->t[i], s->v[i]);
    encoded_chunk c = {
        s->t[from], s->t[to - 1], {(const char *)out, xor_bytes(&a)}, a.n, CHUNK_XOR};
    fer_code code = e->put(e->arg, &c);
    fer_free(out);
    fer_account_release(s->acct, bytes);
    return code;
}

static fer_code put_hist(const encoder *e, const hist_chunk *c, int64_t mint)
{
    int64_t maxt;
    (void)hist_chunk_last(c, &maxt);
    encoded_chunk out = {mint, maxt, hist_chunk_bytes(c), (uint16_t)hist_chunk_count(c),
                         hist_chunk_encoding(c)};
    return e->put(e->arg, &out);
}

/* Appends the sample i to *c, the chunk at hand, or begins it. *mint is its first time. */
static fer_code add_hist(const encoder *e, size_t i, fer_arena *tmp, hist_chunk **c, int64_t *mint)
{
    const samples *s = e->s;
    fer_arena_reset(tmp);
    hist_sample h;
    if (!hist_narrow(s->h[i], s->type[i] == SAMPLE_FLOAT_HISTOGRAM, tmp, &h))
        return FER_LIMIT;
    hist_chunk *now =
        *c == NULL ? hist_chunk_new(NULL, s->t[i], &h) : hist_chunk_append(*c, s->t[i], &h);
    if (now == *c)
        return FER_OK;
    fer_code code = *c == NULL ? FER_OK : put_hist(e, *c, *mint);
    hist_chunk_free(*c);
    *c = now;
    *mint = s->t[i];
    return code;
}

static fer_code put_hists(const encoder *e, size_t from, size_t to)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *tmp = fer_arena_new(e->s->acct, 0);
    hist_chunk *c = NULL;
    int64_t mint = 0;
    fer_code code = FER_OK;
    for (size_t i = from; i < to && code == FER_OK; i++)
        code = add_hist(e, i, tmp, &c, &mint);
    if (code == FER_OK && c != NULL)
        code = put_hist(e, c, mint);
    hist_chunk_free(c);
    return code;
}

fer_code chunk_encode(const samples *s, size_t from, size_t to, size_t most, chunk_put_fn put,
                      void *arg)
{
    const encoder e = {s, most < XOR_SAMPLES_MAX ? most : XOR_SAMPLES_MAX, put, arg};
    while (from < to) {
        size_t end = run_end(&e, from, to);
        if (end - from > e.most)
            end = from + e.most;
        bool is_float = type_of(s, from) == SAMPLE_FLOAT;
        FER_TRY(is_float ? put_floats(&e, from, end) : put_hists(&e, from, end));
        from = end;
    }
    return FER_OK;
}

#include "promql/promqltest/load.h"

#include "promql/promqltest/histogram_text.h"
#include "promql/promqltest/nhcb.h"

/* ---- counter reset hints ---- */

/* A populated bucket of `before` holds less, or is gone. */
static bool bucket_shrank(const histogram *before, const histogram *now, bool negative,
                          fer_arena *a)
{
    bucket_list old = histogram_buckets(before, negative, a);
    bucket_list young = histogram_buckets(now, negative, a);
    size_t k = 0;
    for (size_t i = 0; i < old.n; i++) {
        while (k < young.n && young.v[k].index < old.v[i].index)
            k++;
        if (k == young.n || young.v[k].index != old.v[i].index || young.v[k].count < old.v[i].count)
            return true;
    }
    return false;
}

/* `now` goes into the chunk of `before`: a counter that did not reset, of the same layout. */
static bool same_chunk(const histogram *before, const histogram *now, fer_arena *a)
{
    if (before->reset_hint == HISTOGRAM_GAUGE || now->reset_hint == HISTOGRAM_RESET)
        return false;
    if (before->schema != now->schema || before->zero_threshold != now->zero_threshold ||
        before->n_custom != now->n_custom)
        return false;
    for (uint32_t i = 0; i < now->n_custom; i++)
        if (before->custom[i] != now->custom[i])
            return false;
    return now->count >= before->count && now->zero_count >= before->zero_count &&
           !bucket_shrank(before, now, false, a) && !bucket_shrank(before, now, true, a);
}

/* The histogram right before the end of the series, or NULL. */
static const histogram *last_histogram(const memstore_series *s)
{
    const samples *have = memstore_series_samples(s);
    return have->n == 0 || have->h == NULL ? NULL : have->h[have->n - 1];
}

static fer_code add_histogram(memstore_series *s, int64_t t, const histogram *h, fer_arena *a)
{
    histogram as_read = *h;
    const histogram *before = last_histogram(s);
    if (h->reset_hint != HISTOGRAM_GAUGE)
        as_read.reset_hint = before != NULL && same_chunk(before, h, a) ? HISTOGRAM_NO_RESET
                                                                        : HISTOGRAM_RESET_UNKNOWN;
    return memstore_add_histogram(s, t, SAMPLE_FLOAT_HISTOGRAM, &as_read);
}

/* ---- series ---- */

/* The sample is there already, the same: loading it again changes nothing. */
static bool is_stored(const memstore_series *s, int64_t t, const seq_value *v)
{
    const samples *have = memstore_series_samples(s);
    for (size_t i = have->n; i-- > 0 && have->t[i] >= t;) {
        if (have->t[i] != t)
            continue;
        const histogram *h = have->h == NULL ? NULL : have->h[i];
        if (v->h == NULL || h == NULL)
            return v->h == h && f64_bits(have->v[i]) == f64_bits(v->v);
        return histogram_text_same(v->h, h, false);
    }
    return false;
}

static fer_code add_value(memstore_series *s, int64_t t, const seq_value *v, fer_arena *a)
{
    if (is_stored(s, t, v))
        return FER_OK;
    return v->h == NULL ? memstore_add(s, t, v->v) : add_histogram(s, t, v->h, a);
}

static const start_seq *starts_of(const load_command *c, labels metric)
{
    for (size_t i = 0; i < c->n_starts; i++)
        if (labels_eq(c->starts[i].metric, metric))
            return &c->starts[i].offsets;
    return NULL;
}

static fer_code load_series(memstore *m, const load_command *c, const script_series *in,
                            fer_arena *a, fer_err *err)
{
    memstore_series *s = memstore_series_of(m, in->metric);
    const start_seq *starts = starts_of(c, in->metric);
    for (size_t i = 0; i < in->values.n; i++) {
        if (!in->values.v[i].present)
            continue;
        int64_t t = (int64_t)i * c->step_ms;
        if (add_value(s, t, &in->values.v[i], a) != FER_OK)
            return fer_fail(err, FER_INVALID, "line %u: value %zu is not behind those loaded",
                            in->line, i);
        if (starts != NULL && i < starts->n && starts->v[i].present)
            memstore_set_start(s, t + starts->v[i].ms);
    }
    return FER_OK;
}

static fer_code check_starts(const load_command *c, fer_err *err)
{
    for (size_t i = 0; i < c->n_starts; i++) {
        bool found = false;
        for (size_t k = 0; k < c->n_series && !found; k++)
            found = labels_eq(c->starts[i].metric, c->series[k].metric);
        if (!found)
            return fer_fail(err, FER_INVALID, "line %u: start timestamps without samples",
                            c->starts[i].line);
    }
    return FER_OK;
}

fer_code load_into(memstore *m, const load_command *c, fer_arena *a, fer_err *err)
{
    FER_TRY(check_starts(c, err));
    for (size_t i = 0; i < c->n_series; i++)
        FER_TRY(load_series(m, c, &c->series[i], a, err));
    if (!c->with_nhcb)
        return FER_OK;

    load_command native;
    FER_TRY(nhcb_convert(c, a, &native, err));
    for (size_t i = 0; i < native.n_series; i++)
        FER_TRY(load_series(m, &native, &native.series[i], a, err));
    return FER_OK;
}

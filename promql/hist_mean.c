/* hist_mean.c - means of native histograms. */
#include <float.h>
#include <math.h>

#include "promql/hist_math.h"
#include "tsdb/samples.h"

/* The largest magnitude among the numbers, as bits, and `than`. */
static uint64_t larger_bits(const double *v, uint32_t n, uint64_t than)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t magnitude = f64_bits(v[i]) & INT64_MAX;
        than = magnitude > than ? magnitude : than;
    }
    return than;
}

void hist_mean_init(hist_mean *m, fer_arena *a)
{
    hist_init(&m->h, a);
    hist_init(&m->tmp, a);
    hist_mean_begin(m);
}

void hist_mean_begin(hist_mean *m)
{
    m->n = 0;
    m->most = 0;
    m->incremental = false;
}

/* No number of the histogram is larger, nor any sum of some; NaN or infinite where one is not finite. */
static double most_of(const histogram *x)
{
    double single[] = {x->zero_count, x->count, x->sum};
    uint64_t most = larger_bits(single, sizeof single / sizeof *single, 0);
    most = larger_bits(x->pos, x->n_pos, most);
    most = larger_bits(x->neg, x->n_neg, most);
    most = larger_bits(x->custom, x->n_custom, most);
    return f64_of_bits(most) * ((double)x->n_pos + x->n_neg + 1);
}

static fer_code update(hist_mean *m, const histogram *x, unsigned *notes)
{
    const histogram *part;
    hist_scale(&m->h, (m->n - 1) / m->n);
    FER_TRY(hist_load(&m->tmp, x));
    hist_divide(&m->tmp, m->n);
    FER_TRY(hist_store(&m->tmp, m->h.a, &part));
    return hist_sum(&m->h, part, notes);
}

fer_code hist_mean_add(hist_mean *m, const histogram *x, unsigned *notes)
{
    m->most += most_of(x);
    if (m->n++ == 0)
        return hist_load(&m->h, x);
    if (m->incremental)
        return update(m, x, notes);
    if (m->most < DBL_MAX / 4) /* it cannot overflow */
        return hist_sum(&m->h, x, notes);
    FER_TRY(hist_assign(&m->tmp, &m->h));
    FER_TRY(hist_sum(&m->tmp, x, notes));
    if (!hist_overflows(&m->tmp)) {
        hist sum = m->tmp;
        m->tmp = m->h;
        m->h = sum;
        return FER_OK;
    }
    m->incremental = true;
    hist_divide(&m->h, m->n - 1);
    return update(m, x, notes);
}

void hist_mean_finish(hist_mean *m)
{
    if (!m->incremental)
        hist_divide(&m->h, m->n);
    hist_settle(&m->h);
}

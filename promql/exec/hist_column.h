/* hist_column.h - native histograms among the values of a series.
 *
 * A vec with histograms carries a second column: per step NULL for a float, else the histogram, which
 * lives until the operator that gave it is pulled again. Operators that make histograms own a
 * hist_column, whose arena is emptied for every series.
 */
#ifndef FERULA_PROMQL_EXEC_HIST_COLUMN_H
#define FERULA_PROMQL_EXEC_HIST_COLUMN_H

#include "promql/exec/hist_annotations.h"
#include "promql/exec/oper.h"
#include "promql/hist_math.h"

typedef struct hist_column {
    const histogram **h; /* per step */
    fer_arena *a;
    hist work; /* in `a`: for one histogram after the other */
} hist_column;

/* Empties the column, all floats; room for n steps at the first call. */
FER_MUST_CHECK fer_code hist_column_begin(query *q, hist_column *c, size_t n);
/* c->work becomes the value of step i. */
FER_MUST_CHECK fer_code hist_column_put(query *q, hist_column *c, size_t i);

/* FER_LIMIT of histogram arithmetic gets its text; other codes pass. */
FER_MUST_CHECK fer_code hist_checked(query *q, fer_code c);

/* What a histogram counts for among samples: its bytes as Prometheus holds it, 16 to a sample. */
uint64_t histogram_weight(const histogram *h);
/* Samples at their weights; h may be NULL. */
uint64_t samples_weight(const histogram *const *h, size_t n);
/* The values of a selector are samples looked at, at their steps. */
void counter_add_steps(counter *c, const vec *v, size_t n_steps);

static inline const histogram *vec_histogram(const vec *v, size_t i)
{
    return v->h == NULL ? NULL : v->h[i];
}

/* Leaves the floats alone; true when there was a histogram. */
bool vec_drop_histograms(vec *v, size_t n_steps);
/* Leaves the histograms alone. */
void vec_drop_floats(vec *v, size_t n_steps);

/* Samples as histogram_count() and its kin read them: count, sum and what is known of resets, without
 * buckets. *ret is parallel to the samples and lives until the next call. */
typedef struct hist_view {
    histogram *room;
    const histogram **h;
    size_t room_cap, h_cap;
} hist_view;

FER_MUST_CHECK fer_code hist_view_counts(query *q, hist_view *v, const samples *in,
                                         const histogram *const **ret);

#endif

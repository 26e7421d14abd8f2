/* hist_rate.c - changes of native histograms. */
#include "promql/exec/hist_rate.h"

#include "promql/func_range.h"

typedef const hist_rate_window window;

static const plan *place(window *w)
{
    return w->p->args[0];
}

static fer_code mixed_schemas(window *w)
{
    return anno_mixed_schemas(w->q, w->p, place(w), w->metric);
}

static bool is_gauge(const histogram *h)
{
    return h->reset_hint == HISTOGRAM_GAUGE;
}

static bool starts_anew(window *w, size_t i)
{
    return w->st != NULL && func_start_reset(w->st[i - 1], w->t[i - 1], w->st[i], w->t[i]);
}

/* Adds to or takes from; *ret whether that went. Of its notes only reconciled bounds matter here, resets
 * are seen to by the callers. */
static fer_code change(window *w, hist *to, const histogram *by, bool add, bool *ret)
{
    unsigned notes = 0;
    fer_code c = add ? hist_add(to, by, &notes) : hist_sub(to, by, &notes);
    *ret = c == FER_OK;
    if (c == FER_INVALID)
        return mixed_schemas(w);
    FER_TRY(hist_checked(w->q, c));
    return anno_notes(w->q, w->p, place(w), notes & HIST_RECONCILED,
                      add ? "addition" : "subtraction");
}

/* ---- between the first and the last sample ---- */

/* The schema all samples between the ends can be brought to; false when they are of two kinds. */
static bool common_schema(window *w, bool custom, int32_t *schema, bool *gauge)
{
    for (size_t i = 1; !w->alike && i + 1 < w->n; i++) {
        if (histogram_is_custom(w->h[i]) != custom)
            return false;
        *gauge = *gauge || is_gauge(w->h[i]);
        *schema = w->h[i]->schema < *schema ? w->h[i]->schema : *schema;
    }
    return true;
}

static fer_code note_overlap(window *w, size_t i, bool *seen)
{
    if (*seen || w->st == NULL || w->st[i] == 0 || w->st[i] >= w->t[i - 1] ||
        w->st[i] == w->st[i - 1])
        return FER_OK;
    *seen = true;
    return annotations_add_overlap(w->q->annos, w->p, place(w), query_quote(w->q, w->metric), 1,
                                   w->q->err);
}

static bool reset_at_second(window *w)
{
    if (w->next_reset != NULL)
        return w->next_reset[w->at + 1] == w->at + 1;
    return starts_anew(w, 1) || histogram_was_reset(w->h[1], w->h[0]);
}

static fer_code add_known_resets(window *w, bool *ret)
{
    size_t end = w->at + w->n;
    for (size_t i = w->next_reset[w->at + 1]; *ret && i < end; i = w->next_reset[i + 1])
        FER_TRY(change(w, w->work, w->h[i - w->at - 1], true, ret));
    return FER_OK;
}

/* What the counter held before each reset. */
static fer_code add_resets(window *w, const histogram *prev, bool *ret)
{
    bool overlap = false;
    if (w->next_reset != NULL && prev == w->h[0])
        return add_known_resets(w, ret);
    for (size_t i = 1; i < w->n; i++) {
        FER_TRY(note_overlap(w, i, &overlap));
        if (starts_anew(w, i) || histogram_was_reset(w->h[i], prev)) {
            FER_TRY(change(w, w->work, prev, true, ret));
            if (!*ret)
                return FER_OK;
        }
        prev = w->h[i];
    }
    return FER_OK;
}

static fer_code note_kind(window *w, bool gauge)
{
    if (w->counter)
        return gauge ? anno_not_counter(w->q, w->p, place(w), w->metric) : FER_OK;
    bool both = is_gauge(w->h[0]) && is_gauge(w->h[w->n - 1]);
    return both ? FER_OK : anno_not_gauge(w->q, w->p, place(w), w->metric);
}

/* The change over a window of at least two samples. */
static fer_code total_change(window *w, bool *ret)
{
    const histogram *prev = w->h[0], *last = w->h[w->n - 1];
    histogram nothing;
    bool gauge = is_gauge(prev) || is_gauge(last);
    *ret = false;
    if (w->counter && reset_at_second(w)) {
        /* The first sample does not count, so neither does its layout. */
        nothing = (histogram){
            .schema = w->h[1]->schema, .custom = w->h[1]->custom, .n_custom = w->h[1]->n_custom};
        prev = &nothing;
    }
    bool custom = histogram_is_custom(prev);
    if (histogram_is_custom(last) != custom) {
        if (w->counter)
            FER_TRY(note_kind(w, gauge));
        return mixed_schemas(w);
    }
    int32_t schema = last->schema < prev->schema ? last->schema : prev->schema;
    if (w->counter && !common_schema(w, custom, &schema, &gauge))
        return mixed_schemas(w);
    FER_TRY(hist_checked(w->q, hist_load(w->work, last)));
    hist_reduce(w->work, schema);
    FER_TRY(change(w, w->work, prev, false, ret));
    if (*ret && w->counter)
        FER_TRY(add_resets(w, prev, ret));
    if (!*ret)
        return FER_OK;
    FER_TRY(note_kind(w, gauge));
    w->work->reset_hint = HISTOGRAM_GAUGE;
    hist_compact(w->work);
    return FER_OK;
}

/* A counter that would have been below 0 at the start began later. */
static double least_to_zero(window *w, double to_start, double sampled)
{
    double first = w->h[0]->count, change = w->work->count.sum;
    if (!w->counter || !(change > 0) || !(first >= 0))
        return to_start;
    double to_zero = sampled * (first / change);
    return to_zero < to_start ? to_zero : to_start;
}

fer_code hist_rate(window *w, bool *ret)
{
    size_t last = w->n - 1;
    double to_start = (double)(w->t[0] - w->start) / 1000;
    double to_end = (double)(w->end - w->t[last]) / 1000;
    double sampled = (double)(w->t[last] - w->t[0]) / 1000;
    double average = last > 0 ? sampled / (double)last : 0, threshold = average * 1.1;
    bool started =
        w->counter && w->st != NULL && w->st[0] != 0 && w->st[0] > w->start && w->st[0] < w->t[0];
    *ret = false;
    if (last > 0)
        FER_TRY(total_change(w, ret));
    if (last > 0 ? !*ret : !started)
        return FER_OK;
    if (started) { /* it is known to have been 0 then */
        to_start = 0;
        sampled = (double)(w->t[last] - w->st[0]) / 1000;
        *ret = true;
        if (last > 0)
            FER_TRY(change(w, w->work, w->h[0], true, ret));
        else
            FER_TRY(hist_checked(w->q, hist_load(w->work, w->h[0])));
        if (!*ret)
            return FER_OK;
    } else {
        to_start = to_start >= threshold ? average / 2 : to_start;
        to_start = least_to_zero(w, to_start, sampled);
    }
    to_end = to_end >= threshold ? average / 2 : to_end;
    double factor = 1;
    if (sampled != 0)
        factor = (sampled + to_start + to_end) / sampled;
    hist_scale(w->work, w->per_second ? factor / w->range_s : factor);
    return FER_OK;
}

/* ---- anchored and smoothed ---- */

/* The histogram at the range's end: sample i, or with `smoothed` between a and b. */
static fer_code boundary(window *w, size_t i, bool between, size_t a, int64_t t,
                         const histogram **ret, bool *ret_there)
{
    unsigned added = 0, taken = 0;
    *ret_there = true;
    *ret = w->h[i];
    if (!between)
        return FER_OK;
    fer_code c = hist_between(w->other, w->h[a], w->t[a], w->h[a + 1], w->t[a + 1], t, w->counter,
                              &taken, &added);
    *ret_there = c == FER_OK;
    if (c == FER_INVALID)
        return mixed_schemas(w);
    FER_TRY(hist_checked(w->q, c));
    FER_TRY(anno_notes(w->q, w->p, place(w), taken & HIST_RECONCILED, "subtraction"));
    FER_TRY(anno_notes(w->q, w->p, place(w), added & HIST_RECONCILED, "addition"));
    return hist_checked(w->q, hist_store(w->other, w->other->a, ret));
}

/* What resets between the ends add, in w->other; *ret_any whether anything, *ret_ok whether that went. */
static fer_code corrections(window *w, size_t first, size_t last, const histogram *left,
                            const histogram *right, bool *ret_any, bool *ret_ok)
{
    const histogram *prev = left;
    size_t i = first + 1;
    *ret_any = false;
    *ret_ok = true;
    if (w->smoothed && w->t[first] < w->start &&
        histogram_was_reset(w->h[first + 1], w->h[first])) {
        prev = w->h[first + 1]; /* the reset is in the left end already */
        i++;
    }
    for (; i <= last && *ret_ok; i++) {
        const histogram *now = i == last ? right : w->h[i];
        if (histogram_was_reset(now, prev)) {
            if (*ret_any)
                FER_TRY(change(w, w->other, prev, true, ret_ok));
            else
                FER_TRY(hist_checked(w->q, hist_load(w->other, prev)));
            *ret_any = true;
        }
        prev = now;
    }
    return FER_OK;
}

/* The samples must be of one kind. */
static fer_code check_kinds(window *w, size_t first, size_t last, bool *ret)
{
    *ret = true;
    for (size_t i = first; i <= last; i++) {
        if (histogram_is_custom(w->h[i]) != histogram_is_custom(w->h[first])) {
            *ret = false;
            return mixed_schemas(w);
        }
        if (w->counter && is_gauge(w->h[i]))
            FER_TRY(anno_not_counter(w->q, w->p, place(w), w->metric));
    }
    return FER_OK;
}

static fer_code change_between(window *w, size_t first, size_t last, bool *ret)
{
    const histogram *left = NULL, *right = NULL;
    bool any = false;
    FER_TRY(check_kinds(w, first, last, ret));
    if (*ret)
        FER_TRY(
            boundary(w, first, w->smoothed && w->t[first] < w->start, first, w->start, &left, ret));
    if (*ret)
        FER_TRY(boundary(w, last, w->smoothed && last > 0 && w->t[last] > w->end, last - 1, w->end,
                         &right, ret));
    if (!*ret)
        return FER_OK;
    if (!w->counter && !(is_gauge(left) && is_gauge(right)))
        FER_TRY(anno_not_gauge(w->q, w->p, place(w), w->metric));
    FER_TRY(hist_checked(w->q, hist_load(w->work, right)));
    FER_TRY(change(w, w->work, left, false, ret));
    if (*ret && w->counter)
        FER_TRY(corrections(w, first, last, left, right, &any, ret));
    if (!*ret || !any)
        return FER_OK;
    const histogram *sum;
    FER_TRY(hist_checked(w->q, hist_store(w->other, w->other->a, &sum)));
    return change(w, w->work, sum, true, ret);
}

fer_code hist_rate_extended(window *w, bool *ret)
{
    size_t last = w->n - 1, first = 0;
    *ret = false;
    while (first < last && w->t[first] <= w->start)
        first++;
    first = first > 0 ? first - 1 : 0;
    for (size_t i = 0; w->smoothed && i < last; i++)
        if (w->t[i] >= w->end)
            last = i;
    if (w->t[last] <= w->start || (w->smoothed && w->t[first] > w->end))
        return FER_OK;
    FER_TRY(change_between(w, first, last, ret));
    if (!*ret)
        return FER_OK;
    if (w->per_second)
        hist_divide(w->work, w->range_s);
    w->work->reset_hint = HISTOGRAM_GAUGE;
    hist_compact(w->work);
    return FER_OK;
}

/* ---- the last two ---- */

fer_code hist_rate_last_two(window *w, bool *ret)
{
    size_t i = w->n - 1;
    const histogram *a = w->h[i - 1], *b = w->h[i];
    *ret = true;
    if (w->per_second && (is_gauge(a) || is_gauge(b)))
        FER_TRY(anno_not_counter(w->q, w->p, place(w), w->metric));
    if (!w->per_second && !(is_gauge(a) && is_gauge(b)))
        FER_TRY(anno_not_gauge(w->q, w->p, place(w), w->metric));
    FER_TRY(hist_checked(w->q, hist_load(w->work, b)));
    if (!w->per_second || !(starts_anew(w, i) || histogram_was_reset(b, a)))
        FER_TRY(change(w, w->work, a, false, ret));
    if (!*ret)
        return FER_OK;
    w->work->reset_hint = HISTOGRAM_GAUGE;
    hist_compact(w->work);
    if (w->per_second)
        hist_divide(w->work, (double)(w->t[i] - w->t[i - 1]) / 1000);
    return FER_OK;
}

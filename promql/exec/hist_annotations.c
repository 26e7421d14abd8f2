/* hist_annotations.c - warnings and infos about native histograms. */
#include "promql/exec/hist_annotations.h"

#include "promql/hist_math.h"

#define ADD(kind, ...) annotations_add(q->annos, (kind), by, at, q->err, __VA_ARGS__)

fer_code anno_mixed_floats(query *q, const plan *by, const plan *at, fer_str metric)
{
    return ADD(ANNO_WARNING, "encountered a mix of histograms and floats for metric name %.*s",
               STR_FMT(query_quote(q, metric)));
}

fer_code anno_mixed_floats_aggregation(query *q, const plan *by, const plan *at)
{
    return ADD(ANNO_WARNING, "encountered a mix of histograms and floats for aggregation");
}

fer_code anno_mixed_schemas(query *q, const plan *by, const plan *at, fer_str metric)
{
    return ADD(ANNO_WARNING,
               "vector contains a mix of histograms with exponential and custom buckets schemas "
               "for metric name %.*s",
               STR_FMT(query_quote(q, metric)));
}

fer_code anno_mixed_classic(query *q, const plan *by, const plan *at, fer_str metric)
{
    static const char about[] = "vector contains a mix of classic and native histograms";
    if (metric.n == 0)
        return ADD(ANNO_WARNING, "%s", about);
    return ADD(ANNO_WARNING, "%s for metric name %.*s", about, STR_FMT(query_quote(q, metric)));
}

fer_code anno_not_counter(query *q, const plan *by, const plan *at, fer_str metric)
{
    return ADD(ANNO_WARNING, "this native histogram metric is not a counter: %.*s",
               STR_FMT(query_quote(q, metric)));
}

fer_code anno_not_gauge(query *q, const plan *by, const plan *at, fer_str metric)
{
    return ADD(ANNO_WARNING, "this native histogram metric is not a gauge: %.*s",
               STR_FMT(query_quote(q, metric)));
}

fer_code anno_incompatible_layout(query *q, const plan *by, const char *sign)
{
    const plan *at = by;
    return ADD(ANNO_WARNING, "incompatible bucket layout encountered for binary operator %s", sign);
}

fer_code anno_notes(query *q, const plan *by, const plan *at, unsigned notes, const char *what)
{
    if ((notes & HIST_COLLISION) != 0)
        FER_TRY(ADD(ANNO_WARNING, "conflicting counter resets during histogram %s", what));
    if ((notes & HIST_RECONCILED) != 0)
        FER_TRY(ADD(ANNO_INFO, "mismatched custom buckets were reconciled during %s", what));
    return FER_OK;
}

fer_code anno_ignored_in_aggregation(query *q, const plan *by, const plan *at, const char *name)
{
    return ADD(ANNO_INFO, "ignored histogram in %s aggregation", name);
}

fer_code anno_ignored_in_range(query *q, const plan *by, const plan *at, fer_str metric)
{
    return ADD(ANNO_INFO,
               "ignored histograms in a range containing both floats and histograms for metric "
               "name %.*s",
               STR_FMT(query_quote(q, metric)));
}

fer_code anno_incompatible_types(query *q, const plan *by, const char *l, const char *sign,
                                 const char *r)
{
    const plan *at = by;
    return ADD(ANNO_INFO,
               "incompatible sample types encountered for binary operator \"%s\": %s %s %s", sign,
               l, sign, r);
}

fer_code anno_nan(query *q, const plan *by, const plan *at, const char *about, fer_str metric)
{
    if (metric.n == 0)
        return ADD(ANNO_INFO, "%s", about);
    return ADD(ANNO_INFO, "%s for metric name %.*s", about, STR_FMT(query_quote(q, metric)));
}

/* metrics_text.c - the classic text format. */
#include "server/api/metrics_text.h"

#include <inttypes.h>

#include "base/num.h"

void metrics_head(fer_buf *out, const char *type, const char *name, const char *help)
{
    fer_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_number(fer_buf *out, double v)
{
    if (fer_buf_room(out, NUM_TEXT_MAX + 1) == NULL)
        return;
    out->n += num_format_g(out->p + out->n, v);
    out->p[out->n++] = '\n';
}

void metrics_gauge(fer_buf *out, const char *name, const char *help, double v)
{
    metrics_head(out, "gauge", name, help);
    fer_buf_printf(out, "%s ", name);
    metrics_number(out, v);
}

void metrics_counter(fer_buf *out, const char *name, const char *help, double v)
{
    metrics_head(out, "counter", name, help);
    fer_buf_printf(out, "%s ", name);
    metrics_number(out, v);
}

void metrics_labelled(fer_buf *out, const char *name, const char *label_text, double v)
{
    fer_buf_printf(out, "%s{%s} ", name, label_text);
    metrics_number(out, v);
}

void metrics_summary(fer_buf *out, const char *name, const char *help, double sum, uint64_t count)
{
    metrics_head(out, "summary", name, help);
    fer_buf_printf(out, "%s_sum ", name);
    metrics_number(out, sum);
    fer_buf_printf(out, "%s_count %" PRIu64 "\n", name, count);
}

/* One without buckets but the last. */
void metrics_times(fer_buf *out, const char *name, const char *help, double sum, uint64_t count)
{
    metrics_head(out, "histogram", name, help);
    fer_buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum ", name, count, name);
    metrics_number(out, sum);
    fer_buf_printf(out, "%s_count %" PRIu64 "\n", name, count);
}

/* A histogram; the range of chunks is in ms, whatever its name says, as in Prometheus. */
void metrics_spread(fer_buf *out, const char *name, const char *help, const spread *t,
                    const spread_scale *scale)
{
    metrics_head(out, "histogram", name, help);
    uint64_t below = 0;
    double bound = scale->first;
    for (size_t i = 0; i < scale->n; i++, bound *= scale->factor) {
        char text[NUM_TEXT_MAX];
        below += t->counts[i];
        fer_buf_printf(out, "%s_bucket{le=\"%.*s\"} %" PRIu64 "\n", name,
                       (int)num_format_g(text, bound), text, below);
    }
    fer_buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum ", name, t->n, name);
    metrics_number(out, t->sum);
    fer_buf_printf(out, "%s_count %" PRIu64 "\n", name, t->n);
}

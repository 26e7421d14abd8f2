/* annotations.c - the set of warnings and infos of one query. */
#include "promql/annotations.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/num.h"

typedef struct anno {
    struct anno *next;
    anno_kind kind;
    fer_str text; /* without the position: the identity */
    src_range pos;
    uint32_t order;
    anno_monotonic *monotonic; /* NULL for the others */
    uint64_t count;            /* of overlaps, 0 for the others */
} anno;

/* A query has a handful of annotations, so a list does. Past the cap further texts are dropped: the
 * API shows ten. */
enum { ANNOS_MAX = 1000 };

struct annotations {
    fer_arena *a;
    anno *first, **last;
    size_t n;
};

annotations *annotations_new(fer_arena *a)
{
    annotations *an = ARENA_NEW(a, annotations);
    if (an != NULL) {
        an->a = a;
        an->last = &an->first;
    }
    return an;
}

static anno *find(annotations *an, anno_kind kind, fer_str text)
{
    for (anno *x = an->first; x != NULL; x = x->next)
        if (x->kind == kind && str_eq(x->text, text))
            return x;
    return NULL;
}

/* Prometheus evaluates a subquery into a selector that has no place in the text. */
static src_range place_of(const plan *at)
{
    return at->e->kind == EXPR_SUBQUERY ? (src_range){0, 0} : at->pos;
}

/* The annotation with this text, new or known; *ret NULL when there are too many. */
static fer_code get(annotations *an, anno_kind kind, fer_str text, const plan *by, const plan *at,
                    anno **ret, fer_err *err)
{
    if (an == NULL)
        return FER_UNSUPPORTED;
    anno *x = find(an, kind, text);
    *ret = x;
    if (x != NULL) {
        if (by->order >= x->order) {
            x->order = by->order;
            x->pos = place_of(at);
        }
        return FER_OK;
    }
    if (an->n == ANNOS_MAX)
        return FER_OK;
    x = ARENA_NEW(an->a, anno);
    if (x == NULL || (x->text = fer_arena_dup(an->a, text)).p == NULL)
        return fer_fail_budget(err, "query annotations");
    x->kind = kind;
    x->order = by->order;
    x->pos = place_of(at);
    *an->last = x;
    an->last = &x->next;
    an->n++;
    *ret = x;
    return FER_OK;
}

fer_code annotations_add(annotations *an, anno_kind kind, const plan *by, const plan *at,
                         fer_err *err, const char *fmt, ...)
{
    char text[4096];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    anno *x;
    return get(an, kind, (fer_str){text, len}, by, at, &x, err);
}

fer_code annotations_add_monotonic(annotations *an, const plan *by, const plan *at, fer_str metric,
                                   const anno_monotonic *m, fer_err *err)
{
    static const char about[] =
        "input to histogram_quantile needed to be fixed for monotonicity (see "
        "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)";
    char text[1024];
    int n = metric.n == 0 ? snprintf(text, sizeof text, "%s", about)
                          : snprintf(text, sizeof text, "%s for metric name \"%.*s\"", about,
                                     STR_FMT(str_head(metric, 512)));
    anno *x;
    FER_TRY(get(an, ANNO_INFO, (fer_str){text, (size_t)n}, by, at, &x, err));
    if (x == NULL)
        return FER_OK;
    if (x->monotonic == NULL) {
        x->monotonic = ARENA_NEW(an->a, anno_monotonic);
        if (x->monotonic == NULL)
            return fer_fail_budget(err, "query annotations");
        *x->monotonic = *m;
        return FER_OK;
    }
    anno_monotonic *o = x->monotonic;
    o->min_ms = m->min_ms < o->min_ms ? m->min_ms : o->min_ms;
    o->max_ms = m->max_ms > o->max_ms ? m->max_ms : o->max_ms;
    o->min_bucket = m->min_bucket < o->min_bucket ? m->min_bucket : o->min_bucket;
    o->max_bucket = m->max_bucket > o->max_bucket ? m->max_bucket : o->max_bucket;
    o->max_diff = m->max_diff > o->max_diff ? m->max_diff : o->max_diff;
    o->count += m->count + 1;
    return FER_OK;
}

fer_code annotations_add_overlap(annotations *an, const plan *by, const plan *at,
                                 fer_str metric_quoted, uint64_t count, fer_err *err)
{
    char text[1024];
    int n =
        snprintf(text, sizeof text,
                 "sample has start time that overlaps with previous sample timestamp for metric "
                 "%.*s",
                 STR_FMT(str_head(metric_quoted, 512)));
    anno *x;
    FER_TRY(get(an, ANNO_WARNING, (fer_str){text, (size_t)n}, by, at, &x, err));
    if (x != NULL)
        x->count += count;
    return FER_OK;
}

static void put_time(fer_buf *out, int64_t ms)
{
    int64_t s = ms / 1000;
    time_t t = (time_t)s;
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL)
        return;
    fer_buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                   tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void put_g(fer_buf *out, double v)
{
    char text[NUM_TEXT_MAX];
    fer_buf_put(out, text, num_format_g(text, v));
}

static void put_monotonic(fer_buf *out, const anno_monotonic *m)
{
    fer_buf_puts(out, STR(", from buckets "));
    put_g(out, m->min_bucket);
    fer_buf_puts(out, STR(" to "));
    put_g(out, m->max_bucket);
    fer_buf_printf(out, ", with a max diff of %.2g, over %" PRIu64 " samples from ", m->max_diff,
                   m->count + 1);
    put_time(out, m->min_ms);
    fer_buf_puts(out, STR(" to "));
    put_time(out, m->max_ms);
}

fer_code annotations_texts(const annotations *an, fer_str query, fer_arena *a, str_list *warnings,
                           str_list *infos, fer_err *err)
{
    fer_code c = FER_OK;
    fer_buf b;
    fer_buf_init(&b, 8192, NULL);
    for (const anno *x = an->first; x != NULL && c == FER_OK; x = x->next) {
        uint32_t line, col;
        promql_position(query, x->pos.start, &line, &col);
        fer_buf_clear(&b);
        fer_buf_puts(&b, x->kind == ANNO_INFO ? STR("PromQL info: ") : STR("PromQL warning: "));
        fer_buf_puts(&b, x->text);
        if (x->monotonic != NULL)
            put_monotonic(&b, x->monotonic);
        if (x->count > 1)
            fer_buf_printf(&b, " (%" PRIu64 " occurrences)", x->count);
        fer_buf_printf(&b, " (%" PRIu32 ":%" PRIu32 ")", line, col);
        c = str_list_add(x->kind == ANNO_INFO ? infos : warnings, a, fer_buf_str(&b), err);
    }
    fer_buf_done(&b);
    return c;
}

/* hist_testing.h - for tests of histograms: what was sent to the Prometheus that made testdata/histograms. Failures
 * assert. */
#ifndef FERULA_TSDB_HIST_TESTING_H
#define FERULA_TSDB_HIST_TESTING_H

#include <stdlib.h>

#include "tsdb/block/block_testing.h"
#include "tsdb/hist_sample.h"
#include "tsdb/samples.h"

enum { SENT_SERIES_MAX = 32, SENT_SAMPLES_MAX = 512 };

typedef struct sent_sample {
    int64_t t;
    hist_sample s;
} sent_sample;

typedef struct sent_series {
    char name[32];
    size_t n;
    sent_sample *v;
} sent_series;

typedef struct sent {
    fer_arena *a;
    size_t n;
    sent_series series[SENT_SERIES_MAX];
} sent;

/* Takes the next word of a line. */
static inline char *word(char **line)
{
    char *w = *line;
    char *end = w + strcspn(w, " \n");
    *line = *end == '\0' ? end : end + 1;
    *end = '\0';
    return w;
}

static inline uint64_t hex_word(char **line)
{
    return strtoull(word(line), NULL, 16);
}

static inline uint32_t count_items(const char *list)
{
    uint32_t n = strcmp(list, "-") != 0;
    for (; *list != '\0'; list++)
        n += *list == ',';
    return n;
}

static inline void parse_side(char **line, hist_side *side, fer_arena *a)
{
    char *p = word(line);
    side->n_spans = count_items(p);
    histogram_span *spans = ARENA_ARRAY(a, histogram_span, side->n_spans);
    for (uint32_t i = 0; i < side->n_spans; i++) {
        spans[i].offset = (int32_t)strtol(p, &p, 10);
        spans[i].length = (uint32_t)strtoul(p + 1, &p, 10);
        p++;
    }
    p = word(line);
    side->n_buckets = count_items(p);
    hist_num *buckets = ARENA_ARRAY(a, hist_num, side->n_buckets);
    for (uint32_t i = 0; i < side->n_buckets; i++, p++)
        buckets[i].u = strtoull(p, &p, 16);
    side->spans = spans;
    side->buckets = buckets;
    assert_true(hist_count_buckets(spans, side->n_spans) == side->n_buckets);
}

static inline sent_sample parse_sample(char *line, fer_arena *a)
{
    sent_sample x = {.t = strtoll(word(&line), NULL, 10)};
    x.s.is_float = *word(&line) == 'f';
    x.s.reset_hint = (uint8_t)strtol(word(&line), NULL, 10);
    x.s.schema = (int32_t)strtol(word(&line), NULL, 10);
    x.s.zero_threshold = f64_of_bits(hex_word(&line));
    x.s.zero_count.u = hex_word(&line);
    x.s.count.u = hex_word(&line);
    x.s.sum = f64_of_bits(hex_word(&line));
    parse_side(&line, &x.s.side[HIST_POS], a);
    parse_side(&line, &x.s.side[HIST_NEG], a);
    char *p = word(&line);
    x.s.n_custom = count_items(p);
    double *custom = ARENA_ARRAY(a, double, x.s.n_custom);
    for (uint32_t i = 0; i < x.s.n_custom; i++, p++)
        custom[i] = f64_of_bits(strtoull(p, &p, 16));
    x.s.custom = custom;
    return x;
}

static inline void sent_init(sent *x)
{
    memset(x, 0, sizeof *x);
    x->a = fer_arena_new(NULL, 0);
    fer_str s = read_file(vfs_posix(), FERULA_TESTDATA "/histograms/prometheus-3.5/sent.txt", x->a);
    char *p = fer_arena_alloc(x->a, s.n + 1);
    assert_non_null(p);
    memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    while (*p != '\0') {
        char *line = p;
        p += strcspn(p, "\n") + 1;
        const char *kind = word(&line);
        if (strcmp(kind, "series") == 0) {
            assert_true(x->n < SENT_SERIES_MAX);
            sent_series *series = &x->series[x->n++];
            snprintf(series->name, sizeof series->name, "%s", word(&line));
            series->v = ARENA_ARRAY(x->a, sent_sample, SENT_SAMPLES_MAX);
            continue;
        }
        sent_series *series = &x->series[x->n - 1];
        assert_true(series->n < SENT_SAMPLES_MAX);
        series->v[series->n++] = parse_sample(line, x->a);
    }
    assert_true(x->n > 10);
}

static inline void sent_done(sent *x)
{
    fer_arena_free(x->a);
}

static inline const sent_series *sent_find(const sent *x, const char *name)
{
    for (size_t i = 0; i < x->n; i++)
        if (strcmp(x->series[i].name, name) == 0)
            return &x->series[i];
    fail_msg("no series %s", name);
    return NULL;
}

/* Counts by bucket, those that are not zero. */
typedef struct bucket_walk {
    const histogram_span *spans;
    const double *counts;
    uint32_t n_spans, span, in_span, place;
    int64_t index;
} bucket_walk;

/* False behind the last bucket with a count. */
static inline bool next_in_use(bucket_walk *w, int64_t *index, double *count)
{
    while (w->span < w->n_spans) {
        if (w->in_span == 0)
            w->index += w->spans[w->span].offset;
        if (w->in_span == w->spans[w->span].length) {
            w->span++;
            w->in_span = 0;
            continue;
        }
        *index = w->index++;
        *count = w->counts[w->place++];
        if (++w->in_span == w->spans[w->span].length) {
            w->span++;
            w->in_span = 0;
        }
        if (*count != 0)
            return true;
    }
    return false;
}

static inline void assert_same_side(const histogram_span *sa, uint32_t na, const double *ca,
                                    const histogram_span *sb, uint32_t nb, const double *cb)
{
    bucket_walk a = {.spans = sa, .counts = ca, .n_spans = na};
    bucket_walk b = {.spans = sb, .counts = cb, .n_spans = nb};
    int64_t i = 0, k = 0;
    double x = 0, y = 0;
    while (next_in_use(&a, &i, &x)) {
        assert_true(next_in_use(&b, &k, &y));
        if (i != k || x != y)
            fail_msg("bucket %lld: %g, not bucket %lld: %g", (long long)i, x, (long long)k, y);
    }
    assert_false(next_in_use(&b, &k, &y));
}

/* The same but for empty buckets; stale markers are the same. */
static inline void assert_same_histogram(const histogram *a, const histogram *b)
{
    assert_true(f64_bits(a->sum) == f64_bits(b->sum));
    if (sample_is_stale(a->sum))
        return;
    assert_int_equal(a->schema, b->schema);
    assert_true(a->zero_threshold == b->zero_threshold && a->zero_count == b->zero_count);
    assert_true(a->count == b->count);
    assert_int_equal(a->n_custom, b->n_custom);
    for (uint32_t i = 0; i < a->n_custom; i++)
        assert_true(a->custom[i] == b->custom[i]);
    assert_same_side(a->pos_spans, a->n_pos_spans, a->pos, b->pos_spans, b->n_pos_spans, b->pos);
    assert_same_side(a->neg_spans, a->n_neg_spans, a->neg, b->neg_spans, b->n_neg_spans, b->neg);
}

#endif

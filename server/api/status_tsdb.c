/* status_tsdb.c - what the store tells of itself as JSON: the head's cardinality, the blocks. */
#include <inttypes.h>

#include "base/num.h"
#include "base/text.h"
#include "server/api/reply.h"
#include "server/api/status.h"
#include "tsdb/block/block_meta.h"

static void put_top(fer_buf *out, const char *key, const tsdb_top *v, size_t n)
{
    fer_buf_printf(out, ",\"%s\":[", key);
    for (size_t i = 0; i < n; i++) {
        fer_buf_puts(out, i == 0 ? STR("{\"name\":") : STR(",{\"name\":"));
        text_json(out, v[i].name);
        fer_buf_printf(out, ",\"value\":%" PRIu64 "}", v[i].value);
    }
    fer_buf_putc(out, ']');
}

/* `limit` of this endpoint: 10 unless told, 1 to 10,000. */
static bool top_limit(http_req *r, size_t *ret)
{
    enum { TOP_MAX = 10000 };
    fer_str s = http_req_param(r, "limit");
    int64_t v = 10;
    if (s.n != 0 && (!num_parse_i64(s, &v) || v < 1)) {
        api_error(r, API_BAD_DATA, "limit must be a positive number");
        return false;
    }
    if (v > TOP_MAX) {
        api_error(r, API_BAD_DATA, "limit must not exceed %d", TOP_MAX);
        return false;
    }
    *ret = (size_t)v;
    return true;
}

/* Not Prometheus': what a series of the head costs, by part of it. */
static void put_bytes_per_series(fer_buf *out, const tsdb_stats *st)
{
    uint64_t n = st->series == 0 ? 1 : st->series;
    const tsdb_top parts[] = {
        {STR("series"), (uint64_t)st->bytes_series / n},
        {STR("labels"), (uint64_t)st->bytes_labels / n},
        {STR("chunks"), (uint64_t)st->bytes_chunks / n},
        {STR("index"), (uint64_t)st->bytes_index / n},
        {STR("other"), (uint64_t)st->bytes_other / n},
    };
    put_top(out, "bytesPerSeriesByPart", parts, sizeof parts / sizeof *parts);
}

void api_status_tsdb(http_req *r, void *arg)
{
    app *a = arg;
    size_t limit;
    tsdb_stats st;
    tsdb_cardinality c;
    fer_err err;
    if (!top_limit(r, &limit))
        return;
    tsdb_stats_get(app_db(a), &st);
    if (tsdb_cardinality_get(app_db(a), limit, http_req_arena(r), &c, &err) != FER_OK) {
        api_error(r, API_INTERNAL, "%s", err.msg);
        return;
    }
    fer_buf out;
    api_begin(&out);
    fer_buf_printf(&out,
                   "{\"headStats\":{\"numSeries\":%" PRIu64 ",\"numLabelPairs\":%" PRIu64
                   ",\"chunkCount\":%" PRIu64 ",\"minTime\":%" PRId64 ",\"maxTime\":%" PRId64 "}",
                   st.series, st.label_pairs, st.chunks, st.min_time, st.max_time);
    put_top(&out, "seriesCountByMetricName", c.series_by_metric, c.n_series_by_metric);
    put_top(&out, "labelValueCountByLabelName", c.values_by_label, c.n_values_by_label);
    put_top(&out, "memoryInBytesByLabelName", c.bytes_by_label, c.n_bytes_by_label);
    put_top(&out, "seriesCountByLabelValuePair", c.series_by_pair, c.n_series_by_pair);
    put_bytes_per_series(&out, &st);
    fer_buf_putc(&out, '}');
    api_end(r, &out, NULL);
}

typedef struct block_answer {
    fer_buf out, text;
    const char *sep;
} block_answer;

/* JSON without the blanks between its parts. */
static void put_compact(fer_buf *out, fer_str json)
{
    bool inside = false;
    for (size_t i = 0; i < json.n; i++) {
        char c = json.p[i];
        if (!inside && (c == ' ' || c == '\t' || c == '\n'))
            continue;
        fer_buf_putc(out, c);
        if (c == '\\' && i + 1 < json.n)
            fer_buf_putc(out, json.p[++i]);
        else if (c == '"')
            inside = !inside;
    }
}

static void put_block(void *arg, const block_meta *m)
{
    block_answer *w = arg;
    fer_buf_puts(&w->out, str_of(w->sep));
    w->sep = ",";
    fer_buf_clear(&w->text);
    block_meta_print(&w->text, m);
    put_compact(&w->out, fer_buf_str(&w->text));
}

void api_status_blocks(http_req *r, void *arg)
{
    app *a = arg;
    block_answer w = {.sep = ""};
    fer_buf_init(&w.text, BLOCK_META_BYTES_MAX, NULL);
    api_begin(&w.out);
    fer_buf_puts(&w.out, STR("{\"blocks\":["));
    tsdb_each_block(app_db(a), put_block, &w);
    fer_buf_puts(&w.out, STR("]}"));
    fer_buf_done(&w.text);
    api_end(r, &w.out, NULL);
}

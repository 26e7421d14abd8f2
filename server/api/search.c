/* search.c - parameters, candidates from the index, scores, order, lines. */
#include "server/api/search.h"

#include <stdlib.h>

#include "base/num.h"
#include "base/text.h"
#include "base/utf8.h"
#include "server/api/params.h"
#include "server/api/reply.h"
#include "server/api/run.h"
#include "server/api/search_score.h"
#include "server/remote/metadata.h"
#include "server/remote/write.h"

enum { TERMS_MAX = 32, SHOWN_DEFAULT = 100, LINES_BYTES_MAX = 256 * 1024 * 1024 };

typedef enum search_kind { METRIC_NAMES, LABEL_NAMES, LABEL_VALUES } search_kind;
typedef enum search_order { BY_VALUE, BY_VALUE_DOWN, BY_SCORE } search_order;

typedef struct search {
    query_run *run;
    search_kind kind;
    fer_str label; /* whose values; empty: names */
    match_set *sets;
    size_t n_sets;
    search_text *terms;
    size_t n_terms;
    bool any_case, jaro_winkler, with_score, with_metadata;
    double threshold;
    search_order order;
    int64_t start_ms, end_ms, limit, batch;
} search;

typedef struct hit {
    fer_str text;
    double score;
} hit;

/* ---- parameters ---- */

/* `invalid limit "x": must be ...` */
static fer_code refuse(fer_err *err, const char *what, fer_str s, const char *after)
{
    fer_buf quoted;
    fer_buf_init(&quoted, 1024, NULL);
    text_quote(&quoted, str_head(s, 200));
    fer_fail(err, FER_INVALID, "invalid %s %.*s%s", what, (int)quoted.n, quoted.p, after);
    fer_buf_done(&quoted);
    return FER_INVALID;
}

static fer_code bool_param(http_req *r, const char *name, bool def, bool *ret, fer_err *err)
{
    fer_str s = http_req_param(r, name);
    *ret = def;
    if (s.n == 0 || api_parse_bool(s, ret))
        return FER_OK;
    return refuse(err, name, s, ": must be boolean");
}

static fer_code count_param(http_req *r, const char *name, int64_t def, int64_t *ret, fer_err *err)
{
    fer_str s = http_req_param(r, name);
    *ret = def;
    if (s.n == 0 || (num_parse_i64(s, ret) && *ret > 0))
        return FER_OK;
    return refuse(err, name, s, ": must be a positive integer");
}

static void read_text(search_text *to, fer_str s, bool any_case)
{
    uint32_t rune;
    to->n = 0;
    for (size_t i = 0; i < s.n && to->n < SEARCH_RUNES_MAX;) {
        size_t n = utf8_decode(str_from(s, i), &rune);
        if (n == 0) {
            n = 1;
            rune = 0xfffd;
        }
        to->r[to->n++] = any_case && rune >= 'A' && rune <= 'Z' ? rune | 0x20 : rune;
        i += n;
    }
}

static fer_code read_terms(http_req *r, search *q, fer_err *err)
{
    const fer_str *texts;
    size_t n = http_req_params(r, "search[]", &texts);
    if (n > TERMS_MAX)
        return fer_fail(err, FER_INVALID, "too many search[] terms: got %zu, maximum is %d", n,
                        TERMS_MAX);
    q->terms = ARENA_ARRAY(q->run->arena, search_text, n + 1);
    if (q->terms == NULL)
        return fer_fail_budget(err, "search");
    for (size_t i = 0; i < n; i++)
        if (texts[i].n != 0)
            read_text(&q->terms[q->n_terms++], texts[i], q->any_case);
    return FER_OK;
}

static fer_code read_fuzz(http_req *r, search *q, fer_err *err)
{
    fer_str threshold = http_req_param(r, "fuzz_threshold"), alg = http_req_param(r, "fuzz_alg");
    int64_t percent = 0;
    if (threshold.n != 0 && (!num_parse_i64(threshold, &percent) || percent < 0 || percent > 100))
        return refuse(err, "fuzz_threshold", threshold, ": must be 0-100");
    q->threshold = (double)percent / 100;
    q->jaro_winkler = str_eq(alg, STR("jarowinkler"));
    if (alg.n != 0 && !q->jaro_winkler && !str_eq(alg, STR("subsequence")))
        return refuse(err, "fuzz_alg", alg, ": must be one of [subsequence jarowinkler]");
    return FER_OK;
}

static fer_code read_order(http_req *r, search *q, fer_err *err)
{
    fer_str by = http_req_param(r, "sort_by"), dir = http_req_param(r, "sort_dir");
    const fer_str *terms;
    bool score = str_eq(by, STR("score")), down = str_eq(dir, STR("dsc"));
    if (dir.n != 0 && by.n == 0)
        return fer_fail(err, FER_INVALID, "sort_dir is only valid when sort_by is set");
    if (dir.n != 0 && score)
        return fer_fail(err, FER_INVALID, "sort_dir is not supported for sort_by=score");
    if (dir.n != 0 && !down && !str_eq(dir, STR("asc")))
        return refuse(err, "sort_dir", dir, ": must be \"asc\" or \"dsc\"");
    if (score && http_req_params(r, "search[]", &terms) == 0)
        return fer_fail(err, FER_INVALID, "sort_by=score requires search[] to be set");
    if (by.n != 0 && !score && !str_eq(by, STR("alpha")))
        return refuse(err, "sort_by", by, ": must be \"alpha\" or \"score\"");
    q->order = score ? BY_SCORE : down ? BY_VALUE_DOWN : BY_VALUE;
    return FER_OK;
}

static fer_code read_limits(http_req *r, search *q, fer_err *err)
{
    int64_t max = (int64_t)q->run->a->o.search_max_limit;
    int64_t def = max > 0 && max < SHOWN_DEFAULT ? max : SHOWN_DEFAULT;
    FER_TRY(count_param(r, "limit", def, &q->limit, err));
    if (max > 0 && q->limit > max)
        return fer_fail(err, FER_INVALID,
                        "limit %lld exceeds the configured maximum (%lld, see "
                        "--web.search.max-limit)",
                        (long long)q->limit, (long long)max);
    return count_param(r, "batch_size", SHOWN_DEFAULT, &q->batch, err);
}

static fer_code read_times(http_req *r, search *q, fer_err *err)
{
    fer_clock *clock = q->run->a->clock;
    int64_t now = clock->wall_ms(clock);
    FER_TRY(api_time_param(r, "start", now - 3600 * 1000, &q->start_ms, err));
    FER_TRY(api_time_param(r, "end", now, &q->end_ms, err));
    if (q->end_ms < q->start_ms)
        return fer_fail(err, FER_INVALID, "end timestamp must not be before start timestamp");
    return FER_OK;
}

static fer_code read_params(http_req *r, search *q, fer_err *err)
{
    bool exact_case;
    FER_TRY(http_req_parse_form(r, err));
    FER_TRY(read_times(r, q, err));
    FER_TRY(api_matchers(q->run, r, &q->sets, &q->n_sets, err));
    FER_TRY(bool_param(r, "case_sensitive", true, &exact_case, err));
    q->any_case = !exact_case;
    FER_TRY(read_terms(r, q, err));
    FER_TRY(read_fuzz(r, q, err));
    FER_TRY(bool_param(r, "include_score", false, &q->with_score, err));
    FER_TRY(read_order(r, q, err));
    FER_TRY(read_limits(r, q, err));
    if (q->kind == METRIC_NAMES)
        return bool_param(r, "include_metadata", false, &q->with_metadata, err);
    if (q->kind == LABEL_VALUES && q->label.n == 0)
        return fer_fail(err, FER_INVALID, "missing required parameter \"label\"");
    return FER_OK;
}

/* ---- finding ---- */

static bool term_fits(const search *q, const search_text *term, const search_text *text,
                      double *ret)
{
    if (!q->jaro_winkler)
        return search_subsequence(term, text, ret) && *ret >= q->threshold;
    if (search_substring(term, text, ret))
        return true;
    *ret = q->threshold > 0 ? search_jaro_winkler(term, text) : -1;
    return q->threshold > 0 && *ret >= q->threshold;
}

/* The best score of all terms; false when none fits. */
static bool fits(const search *q, fer_str value, double *ret)
{
    search_text text;
    double score;
    bool any = false;
    *ret = 1;
    if (q->n_terms == 0)
        return true;
    read_text(&text, value, q->any_case);
    for (size_t i = 0; i < q->n_terms; i++) {
        if (!term_fits(q, &q->terms[i], &text, &score))
            continue;
        *ret = any && *ret > score ? *ret : score;
        any = true;
    }
    return any;
}

static int cmp_hits(const void *pa, const void *pb, void *arg)
{
    const hit *a = pa, *b = pb;
    search_order order = *(const search_order *)arg;
    if (order == BY_SCORE && a->score != b->score)
        return a->score > b->score ? -1 : 1;
    int c = str_cmp(a->text, b->text);
    return order == BY_VALUE_DOWN ? -c : c;
}

static fer_code find_part(search *q, querier *from, const match_set *set, str_list *ret,
                          fer_err *err)
{
    const matcher *m = set == NULL ? NULL : set->m;
    size_t n = set == NULL ? 0 : set->n;
    return q->label.n == 0 ? querier_label_names(from, m, n, 0, ret, err)
                           : querier_label_values(from, q->label, m, n, 0, ret, err);
}

/* All hits in order, each text once. */
static fer_code find_hits(search *q, querier *from, hit **ret, size_t *ret_n, fer_err *err)
{
    size_t n = 0, cap = 0;
    hit *v = NULL;
    for (size_t i = 0; i < (q->n_sets == 0 ? 1 : q->n_sets); i++) {
        str_list part = {0};
        FER_TRY(find_part(q, from, q->n_sets == 0 ? NULL : &q->sets[i], &part, err));
        size_t bytes = cap * sizeof *v;
        cap = n + part.n + 1;
        v = fer_arena_grow(q->run->arena, v, bytes, cap * sizeof *v);
        if (v == NULL)
            return fer_fail_budget(err, "search");
        for (size_t k = 0; k < part.n; k++) {
            fer_code c = k % 1024 == 0 ? fer_cancel_check(q->run->ctx.cancel) : FER_OK;
            if (c != FER_OK)
                return fer_fail(err, c, "searching: %s", fer_code_name(c));
            if (fits(q, part.v[k], &v[n].score))
                v[n++].text = part.v[k];
        }
    }
    if (n != 0)
        qsort_r(v, n, sizeof *v, cmp_hits, &q->order);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || !str_eq(v[i].text, v[kept - 1].text))
            v[kept++] = v[i];
    *ret = v;
    *ret_n = kept;
    return FER_OK;
}

/* ---- lines ---- */

static void put_text_field(fer_buf *out, const char *name, fer_str s)
{
    if (s.n == 0)
        return;
    fer_buf_printf(out, ",\"%s\":", name);
    text_json(out, s);
}

static bool put_metadata(void *arg, const metadata_family *m)
{
    fer_buf *out = arg;
    put_text_field(out, "type", str_of(metadata_type_name(m->type)));
    put_text_field(out, "help", m->help);
    put_text_field(out, "unit", m->unit);
    return false;
}

static void put_hit(const search *q, fer_buf *out, const hit *h)
{
    char text[NUM_TEXT_MAX];
    fer_buf_puts(out, q->kind == LABEL_VALUES ? STR("{\"value\":") : STR("{\"name\":"));
    text_json(out, h->text);
    if (q->with_score) {
        fer_buf_puts(out, STR(",\"score\":"));
        fer_buf_put(out, text, num_format_json(text, h->score));
    }
    if (q->with_metadata)
        metadata_store_each(rw_metadata_store(q->run->a->receiver), h->text, put_metadata, out);
    fer_buf_putc(out, '}');
}

static void answer(http_req *r, const search *q, const hit *v, size_t n, const str_list *warnings)
{
    fer_buf out;
    fer_buf_init(&out, LINES_BYTES_MAX, NULL);
    size_t shown = (uint64_t)n > (uint64_t)q->limit ? (size_t)q->limit : n, at = 0;
    do { /* the first line comes always, with the warnings */
        size_t from = at;
        fer_buf_puts(&out, STR("{\"results\":["));
        for (; at < shown && at - from < (uint64_t)q->batch; at++) {
            if (at != from)
                fer_buf_putc(&out, ',');
            put_hit(q, &out, &v[at]);
        }
        fer_buf_putc(&out, ']');
        if (from == 0)
            api_put_notes(&out, "warnings", warnings);
        fer_buf_puts(&out, STR("}\n"));
    } while (at < shown);
    fer_buf_printf(&out, "{\"status\":\"success\",\"has_more\":%s}\n",
                   n > shown ? "true" : "false");
    if (out.full) {
        fer_buf_done(&out);
        api_error(r, API_INTERNAL, "the answer is larger than %d bytes", LINES_BYTES_MAX);
        return;
    }
    http_reply_buf(r, 200, "application/x-ndjson; charset=utf-8", &out);
}

static void run_search(http_req *r, search *q)
{
    fer_err err;
    querier *from = NULL;
    hit *v;
    size_t n;
    app *a = q->run->a;
    if (read_params(r, q, &err) != FER_OK) {
        api_error(r, API_BAD_DATA, "%s", err.msg);
        return;
    }
    fer_code c =
        storage_querier(tsdb_storage(app_db(a)), &q->run->ctx, q->start_ms, q->end_ms, &from, &err);
    if (c == FER_OK)
        c = find_hits(q, from, &v, &n, &err);
    if (c == FER_OK)
        answer(r, q, v, n, &from->warnings);
    else
        api_exec_error(r, c, &err);
    querier_close(from);
}

static void handle(http_req *r, app *a, search_kind kind, fer_str of)
{
    if (!a->o.enable_search) {
        api_error(r, API_UNAVAILABLE, "search API disabled");
        return;
    }
    search q = {.run = query_run_new(a, r, 0), .kind = kind, .label = of};
    run_search(r, &q);
    query_run_free(q.run);
}

void api_search_metric_names(http_req *r, void *arg)
{
    handle(r, arg, METRIC_NAMES, STR("__name__"));
}

void api_search_label_names(http_req *r, void *arg)
{
    handle(r, arg, LABEL_NAMES, STR(""));
}

void api_search_label_values(http_req *r, void *arg)
{
    handle(r, arg, LABEL_VALUES, http_req_param(r, "label"));
}

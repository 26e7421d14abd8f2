/* labels.c - label names, values and series: no samples are read. */
#include "server/api/labels.h"

#include <stdlib.h>

#include "base/text.h"
#include "base/utf8.h"
#include "server/api/params.h"
#include "server/api/reply.h"
#include "server/api/run.h"
#include "server/api/series_send.h"

typedef struct label_request {
    query_run *run;
    match_set *sets;
    size_t n_sets;
    int64_t start_ms, end_ms;
    uint64_t limit;
    querier *q;
} label_request;

static void request_done(label_request *l)
{
    querier_close(l->q);
    query_run_free(l->run);
}

/* Parameters and a querier; false when the request was answered with an error. `where` goes before the
 * error of a match[]: Prometheus names the parameter in the series call only. */
static bool request_begin(http_req *r, app *a, const char *where, label_request *l)
{
    fer_err err;
    *l = (label_request){.run = query_run_new(a, r, 0)};
    fer_code c = http_req_parse_form(r, &err);
    if (c == FER_OK)
        c = api_limit_param(r, &l->limit, &err);
    if (c == FER_OK)
        c = api_time_param(r, "start", API_MIN_TIME_MS, &l->start_ms, &err);
    if (c == FER_OK)
        c = api_time_param(r, "end", API_MAX_TIME_MS, &l->end_ms, &err);
    const char *before = "";
    if (c == FER_OK) {
        c = api_matchers(l->run, r, &l->sets, &l->n_sets, &err);
        before = where;
    }
    if (c != FER_OK) {
        api_error(r, API_BAD_DATA, "%s%s", before, err.msg);
    } else {
        c = storage_querier(tsdb_storage(app_db(a)), &l->run->ctx, l->start_ms, l->end_ms, &l->q,
                            &err);
        if (c != FER_OK)
            api_exec_error(r, c, &err);
    }
    if (c != FER_OK)
        request_done(l);
    return c == FER_OK;
}

/* One call, or the union over all match[]. `name` empty: names, else values. The limit is asked for
 * with one more, to know whether anything was cut. */
static fer_code collect(label_request *l, fer_str name, str_list *ret, fer_err *err)
{
    uint64_t limit = l->limit == 0 ? 0 : l->limit + 1;
    size_t calls = l->n_sets == 0 ? 1 : l->n_sets;
    for (size_t i = 0; i < calls; i++) {
        const matcher *m = l->n_sets == 0 ? NULL : l->sets[i].m;
        size_t nm = l->n_sets == 0 ? 0 : l->sets[i].n;
        FER_TRY(name.n == 0 ? querier_label_names(l->q, m, nm, limit, ret, err)
                            : querier_label_values(l->q, name, m, nm, limit, ret, err));
    }
    return FER_OK;
}

static fer_code cut(label_request *l, size_t *n, fer_err *err)
{
    if (l->limit == 0 || *n <= l->limit)
        return FER_OK;
    *n = l->limit;
    return str_list_add(&l->q->warnings, l->run->arena, API_TRUNCATED, err);
}

static void answer_strings(http_req *r, label_request *l, fer_str name)
{
    fer_err err = {0};
    str_list found = {0};
    fer_code c = collect(l, name, &found, &err);
    if (c == FER_OK)
        c = cut(l, &found.n, &err);
    if (c != FER_OK) {
        api_exec_error(r, c, &err);
        return;
    }
    fer_buf out;
    api_begin(&out);
    api_put_strings(&out, &found);
    api_end(r, &out, &l->q->warnings);
}

void api_labels(http_req *r, void *arg)
{
    label_request l;
    if (!request_begin(r, arg, "", &l))
        return;
    answer_strings(r, &l, STR(""));
    request_done(&l);
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Undoes the U__ escaping of names in URLs: _hex_ is a rune, __ an underscore. Text that is not so
 * escaped comes back as it is. */
static fer_str unescape_name(fer_arena *a, fer_str s)
{
    if (!str_has_prefix(s, STR("U__")))
        return s;
    char *out = fer_arena_alloc(a, s.n + 4);
    if (out == NULL)
        return s;
    size_t n = 0;
    for (size_t i = 3; i < s.n; i++) {
        if (s.p[i] != '_') {
            out[n++] = s.p[i];
            continue;
        }
        if (i + 1 < s.n && s.p[i + 1] == '_') {
            out[n++] = '_';
            i++;
            continue;
        }
        uint32_t rune = 0;
        size_t k = i + 1;
        while (k < s.n && hex_value(s.p[k]) >= 0 && k - i <= 6)
            rune = rune << 4 | (uint32_t)hex_value(s.p[k++]);
        size_t len = k < s.n && s.p[k] == '_' && k > i + 1 ? utf8_encode(rune, out + n) : 0;
        if (len == 0)
            return s;
        n += len;
        i = k;
    }
    return (fer_str){out, n};
}

void api_label_values(http_req *r, void *arg)
{
    label_request l;
    fer_str name = unescape_name(http_req_arena(r), http_req_wildcard(r));
    if (name.n == 0 || !utf8_valid(name)) {
        fer_buf quoted;
        fer_buf_init(&quoted, 4096, NULL);
        text_quote(&quoted, str_head(name, 500));
        api_error(r, API_BAD_DATA, "invalid label name: %.*s", (int)quoted.n, quoted.p);
        fer_buf_done(&quoted);
        return;
    }
    if (!request_begin(r, arg, "", &l))
        return;
    answer_strings(r, &l, name);
    request_done(&l);
}

static fer_code select_set(label_request *l, size_t set, selection **ret, fer_err *err)
{
    select_hints h = {.mint = l->start_ms,
                      .maxt = l->end_ms,
                      .func = STR("series"),
                      .sorted = l->n_sets > 1, /* one is answered as it comes, as by Prometheus */
                      .limit = l->limit == 0 ? 0 : l->limit + 1,
                      .labels_only = true};
    return querier_select(l->q, &h, l->sets[set].m, l->sets[set].n, ret, err);
}

static fer_code may_go_on(const label_request *l, size_t i, fer_err *err)
{
    fer_code c = i % 1024 == 0 ? fer_cancel_check(l->run->ctx.cancel) : FER_OK;
    return c == FER_OK ? FER_OK : fer_fail(err, c, "listing series: %s", fer_code_name(c));
}

/* ---- copied out of their selections: several may find a series, and out of order ---- */

typedef struct found {
    label_set *v;
    size_t n, cap;
} found;

static fer_code add_found(fer_arena *a, found *f, const label_id *ids, size_t n)
{
    if (f->n == f->cap) {
        size_t cap = f->cap == 0 ? 256 : f->cap * 2;
        label_set *v = fer_arena_grow(a, f->v, f->cap * sizeof *v, cap * sizeof *v);
        if (v == NULL)
            return FER_LIMIT;
        f->v = v;
        f->cap = cap;
    }
    label_id *copy = fer_arena_alloc(a, n * sizeof *copy);
    if (copy == NULL)
        return FER_LIMIT;
    memcpy(copy, ids, n * sizeof *copy);
    f->v[f->n++] = (label_set){copy, n};
    return FER_OK;
}

static fer_code add_selection(label_request *l, selection *s, found *to, fer_err *err)
{
    for (size_t i = 0; i < s->n; i++) {
        FER_TRY(may_go_on(l, i, err));
        size_t n;
        const label_id *ids = selection_labels(s, i, &n);
        if (ids == NULL || add_found(l->run->arena, to, ids, n) != FER_OK)
            return fer_fail_budget(err, "series");
    }
    return FER_OK;
}

static int cmp_series(const void *pa, const void *pb, void *arg)
{
    const label_set *a = pa, *b = pb;
    return label_ids_cmp(arg, a->l, a->n, b->l, b->n);
}

static void merge_found(label_request *l, found *f)
{
    if (f->n == 0)
        return;
    qsort_r(f->v, f->n, sizeof *f->v, cmp_series, l->run->ctx.syms);
    size_t n = 1;
    for (size_t i = 1; i < f->n; i++)
        if (cmp_series(&f->v[i], &f->v[n - 1], l->run->ctx.syms) != 0)
            f->v[n++] = f->v[i];
    f->n = n;
}

static fer_code list_series(label_request *l, series_list *ret, fer_err *err)
{
    found f = {0};
    for (size_t i = 0; i < l->n_sets; i++) {
        selection *s;
        FER_TRY(select_set(l, i, &s, err));
        if (s->in_memory && l->n_sets == 1) {
            *ret = (series_list){.s = s, .n = s->n};
            return FER_OK;
        }
        FER_TRY(add_selection(l, s, &f, err));
    }
    if (l->n_sets > 1)
        merge_found(l, &f);
    *ret = (series_list){.v = f.v, .n = f.n};
    return FER_OK;
}

/* Takes over what the request holds. */
static void answer_series(http_req *r, label_request *l)
{
    fer_err err = {0};
    series_list series = {0};
    fer_code c = list_series(l, &series, &err);
    if (c == FER_OK)
        c = cut(l, &series.n, &err);
    if (c != FER_OK) {
        api_exec_error(r, c, &err);
        request_done(l);
        return;
    }
    series.warnings = l->q->warnings;
    querier_close(l->q);
    series_send(r, l->run, &series);
}

void api_series(http_req *r, void *arg)
{
    label_request l;
    const fer_str *ignored;
    fer_err err;
    if (http_req_parse_form(r, &err) == FER_OK && http_req_params(r, "match[]", &ignored) == 0) {
        api_error(r, API_BAD_DATA, "no match[] parameter provided");
        return;
    }
    if (!request_begin(r, arg, "invalid parameter \"match[]\": ", &l))
        return;
    answer_series(r, &l);
}

void api_series_delete(http_req *r, void *arg)
{
    (void)arg;
    api_error(r, API_INTERNAL, "not implemented");
}

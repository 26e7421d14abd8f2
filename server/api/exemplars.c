/* exemplars.c - the exemplars of all series that a query's selectors name. */
#include "server/api/exemplars.h"

#include "base/num.h"
#include "base/text.h"
#include "server/api/params.h"
#include "server/api/reply.h"
#include "server/api/run.h"

enum { SELECTORS_MAX = 4096 };

/* The matchers of all selectors of a query. */
typedef struct selectors {
    exemplar_matchers v[SELECTORS_MAX];
    size_t n;
} selectors;

static void gather(const expr *e, selectors *ret);

static void gather_selector(const expr *e, selectors *ret)
{
    if (ret->n < SELECTORS_MAX)
        ret->v[ret->n++] = (exemplar_matchers){e->u.selector.matchers, e->u.selector.n_matchers};
}

static void gather_parts(const expr *e, selectors *ret)
{
    switch (e->kind) {
    case EXPR_CALL:
        for (size_t i = 0; i < e->u.call.n_args; i++)
            gather(e->u.call.args[i], ret);
        return;
    case EXPR_AGGREGATE:
        gather(e->u.aggregate.e, ret);
        if (e->u.aggregate.param != NULL)
            gather(e->u.aggregate.param, ret);
        return;
    case EXPR_BINARY:
        gather(e->u.binary.l, ret);
        gather(e->u.binary.r, ret);
        return;
    default:
        return;
    }
}

/* The parser bounds the depth. */
static void gather(const expr *e, selectors *ret)
{
    switch (e->kind) {
    case EXPR_SELECTOR:
        gather_selector(e, ret);
        return;
    case EXPR_MATRIX:
        gather_selector(e->u.matrix.selector, ret);
        return;
    case EXPR_SUBQUERY:
        gather(e->u.subquery.e, ret);
        return;
    case EXPR_UNARY:
        gather(e->u.unary.e, ret);
        return;
    case EXPR_PAREN:
        gather(e->u.paren, ret);
        return;
    default:
        gather_parts(e, ret);
    }
}

static fer_code take_times(http_req *r, int64_t *start, int64_t *end, fer_err *err)
{
    FER_TRY(api_time_param(r, "start", API_MIN_TIME_MS, start, err));
    FER_TRY(api_time_param(r, "end", API_MAX_TIME_MS, end, err));
    if (*end < *start)
        return fer_fail(err, FER_INVALID, "end timestamp must not be before start timestamp");
    return FER_OK;
}

static void put_labels(fer_buf *out, labels ls)
{
    fer_buf_putc(out, '{');
    for (size_t i = 0; i < ls.n; i++) {
        if (i != 0)
            fer_buf_putc(out, ',');
        text_json(out, ls.l[i].name);
        fer_buf_putc(out, ':');
        text_json(out, ls.l[i].value);
    }
    fer_buf_putc(out, '}');
}

static void put_exemplar(fer_buf *out, const exemplar *e)
{
    char text[NUM_TEXT_MAX];
    fer_buf_puts(out, STR("{\"labels\":"));
    put_labels(out, e->ls);
    fer_buf_puts(out, STR(",\"value\":\""));
    fer_buf_put(out, text, num_format_json(text, e->v));
    fer_buf_puts(out, STR("\",\"timestamp\":"));
    api_put_time(out, e->t);
    fer_buf_putc(out, '}');
}

static void send(http_req *r, const exemplar_series *v, size_t n)
{
    fer_buf out;
    api_begin(&out);
    fer_buf_putc(&out, '[');
    for (size_t i = 0; i < n; i++) {
        fer_buf_puts(&out, i == 0 ? STR("{\"seriesLabels\":") : STR(",{\"seriesLabels\":"));
        put_labels(&out, v[i].series);
        fer_buf_puts(&out, STR(",\"exemplars\":["));
        for (size_t k = 0; k < v[i].n; k++) {
            if (k != 0)
                fer_buf_putc(&out, ',');
            put_exemplar(&out, &v[i].v[k]);
        }
        fer_buf_puts(&out, STR("]}"));
    }
    fer_buf_putc(&out, ']');
    api_end(r, &out, NULL);
}

static void answer(http_req *r, query_run *run, const expr *e, int64_t start, int64_t end)
{
    fer_err err;
    exemplar_series *v;
    size_t n;
    selectors *found = ARENA_NEW(run->arena, selectors);
    if (found != NULL)
        gather(e, found);
    if (found != NULL && found->n == 0) {
        http_reply(r, 204, NULL, (fer_str){NULL, 0});
        return;
    }
    fer_code c = found == NULL ? fer_fail_budget(&err, "exemplars")
                               : tsdb_exemplars(app_db(run->a), start, end, found->v, found->n,
                                                run->arena, &v, &n, &err);
    if (c != FER_OK)
        api_exec_error(r, c, &err);
    else
        send(r, v, n);
}

void api_query_exemplars(http_req *r, void *arg)
{
    app *a = arg;
    fer_err err;
    int64_t start, end;
    if (take_times(r, &start, &end, &err) != FER_OK) {
        api_error(r, API_BAD_DATA, "%s", err.msg);
        return;
    }
    expr *e;
    query_run *run = query_run_new(a, r, 0);
    if (promql_parse(http_req_param(r, "query"), &a->limits.features, run->arena, &e, &err) !=
        FER_OK)
        api_error(r, API_BAD_DATA, "%s", err.msg);
    else
        answer(r, run, e, start, end);
    query_run_free(run);
}

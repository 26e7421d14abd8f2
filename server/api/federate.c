/* federate.c - matching, sorting by name, and lines of text as the socket drains. */
#include "server/api/federate.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/num.h"
#include "server/api/federate_format.h"
#include "server/api/federate_pb.h"
#include "server/api/reply.h"
#include "server/api/run.h"
#include "server/config/config.h"

enum { PIECE_BYTES = 64 * 1024 };

/* ---- text ---- */

/* A text in quotes: \, " and line ends escaped. */
static void put_quoted(fer_buf *out, fer_str text)
{
    fer_buf_putc(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '\\' || c == '"')
            fer_buf_putc(out, '\\');
        if (c == '\n')
            fer_buf_puts(out, STR("\\n"));
        else
            fer_buf_putc(out, c);
    }
    fer_buf_putc(out, '"');
}

static void put_label_name(fer_buf *out, name_escaping e, fer_str name)
{
    if (e == ESCAPE_NONE && !label_name_is_legacy(name))
        put_quoted(out, name);
    else
        federate_put_name(out, e, name);
}

/* ---- the series ---- */

typedef struct federated {
    selection *sel;
    size_t series;
    const label_id *l;
    size_t n;
    uint32_t name; /* of the metric */
} federated;

typedef struct federation {
    app *a;
    query_run *run;
    querier *q;
    int64_t mint, maxt;
    name_escaping escaping;
    bool protobuf;
    federate_pb pb;
    federated *v;
    size_t n, cap, next;
    uint32_t family; /* whose TYPE was written last */
    samples found;
} federation;

static void federation_free(void *arg)
{
    federation *f = arg;
    samples_done(&f->found);
    federate_pb_done(&f->pb);
    querier_close(f->q);
    query_run_free(f->run);
    fer_free(f);
}

static fer_code add_series(federation *f, selection *s, size_t i, uint32_t name_id)
{
    fer_arena *a = f->run->arena;
    federated one = {.sel = s, .series = i};
    const label_id *own = selection_labels(s, i, &one.n);
    if (own == NULL)
        return FER_LIMIT;
    size_t k = 0;
    while (k < one.n && own[k].name != name_id)
        k++;
    if (k == one.n)
        return FER_OK; /* a series without a name has no line */
    label_id *copy = ARENA_ARRAY(a, label_id, one.n);
    if (copy == NULL)
        return FER_LIMIT;
    memcpy(copy, own, one.n * sizeof *copy);
    one.l = copy;
    one.name = own[k].value;
    if (f->n == f->cap) {
        size_t cap = f->cap == 0 ? 256 : f->cap * 2;
        federated *v = fer_arena_grow(a, f->v, f->cap * sizeof *v, cap * sizeof *v);
        if (v == NULL)
            return FER_LIMIT;
        f->v = v;
        f->cap = cap;
    }
    f->v[f->n++] = one;
    return FER_OK;
}

static fer_code select_one(federation *f, fer_str text, fer_err *err)
{
    matcher *m;
    size_t n;
    selection *s;
    fer_code c = promql_parse_matchers(text, f->run->arena, &m, &n, err);
    if (c != FER_OK || n == 0) /* {} selects nothing, as in Prometheus */
        return c;
    select_hints h = {.mint = f->mint, .maxt = f->maxt, .sorted = true, .newest_only = true};
    FER_TRY(querier_select(f->q, &h, m, n, &s, err));
    uint32_t name_id = syms_intern(f->run->ctx.syms, STR("__name__"));
    if (name_id == SYM_NONE)
        return fer_fail_budget(err, "federation");
    for (size_t i = 0; i < s->n; i++) {
        FER_TRY(i % 1024 == 0 ? fer_cancel_check(f->run->ctx.cancel) : FER_OK);
        if (add_series(f, s, i, name_id) != FER_OK)
            return fer_fail_budget(err, "federation");
    }
    return FER_OK;
}

static int cmp_federated(const void *pa, const void *pb, void *arg)
{
    const federated *a = pa, *b = pb;
    const syms *s = arg;
    int c = a->name == b->name ? 0 : str_cmp(syms_text(s, a->name), syms_text(s, b->name));
    return c != 0 ? c : label_ids_cmp(s, a->l, a->n, b->l, b->n);
}

/* By name, then labels; what several match[] found once. */
static void sort_series(federation *f)
{
    if (f->n == 0)
        return;
    qsort_r(f->v, f->n, sizeof *f->v, cmp_federated, f->run->ctx.syms);
    size_t n = 1;
    for (size_t i = 1; i < f->n; i++)
        if (cmp_federated(&f->v[i], &f->v[n - 1], f->run->ctx.syms) != 0)
            f->v[n++] = f->v[i];
    f->n = n;
}

/* ---- lines ---- */

static void put_pair(const federation *f, fer_buf *out, bool *first, fer_str name, fer_str value)
{
    if (f->protobuf) {
        federate_pb_label(out, f->escaping, name, value);
        return;
    }
    fer_buf_putc(out, *first ? '{' : ',');
    *first = false;
    put_label_name(out, f->escaping, name);
    fer_buf_putc(out, '=');
    put_quoted(out, value);
}

static bool has_label(const federation *f, const federated *s, fer_str name)
{
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(syms_text(f->run->ctx.syms, s->l[i].name), name))
            return true;
    return false;
}

/* The external labels, and an empty instance, where the series has none of its own. */
static void put_added(const federation *f, const federated *s, fer_buf *out, bool *first)
{
    const fer_str instance = STR("instance");
    const config_label *external;
    size_t n = config_external_labels(f->run->config, &external);
    bool wanted = !has_label(f, s, instance);
    for (size_t i = 0; i < n; i++) {
        int c = str_cmp(external[i].name, instance);
        if (wanted && c > 0)
            put_pair(f, out, first, instance, STR(""));
        if (c >= 0)
            wanted = false;
        if (!has_label(f, s, external[i].name))
            put_pair(f, out, first, external[i].name, external[i].value);
    }
    if (wanted)
        put_pair(f, out, first, instance, STR(""));
}

static void put_labels(const federation *f, const federated *s, fer_buf *out, bool *first)
{
    const syms *y = f->run->ctx.syms;
    for (size_t i = 0; i < s->n; i++)
        if (!str_eq(syms_text(y, s->l[i].name), STR("__name__")))
            put_pair(f, out, first, syms_text(y, s->l[i].name), syms_text(y, s->l[i].value));
    put_added(f, s, out, first);
}

static void put_value(fer_buf *out, double v)
{
    char text[NUM_TEXT_MAX];
    size_t n = v == 0 ? (text[0] = '0', 1) : num_format_g(text, v);
    fer_buf_put(out, text, n);
}

static void put_line(federation *f, const federated *s, int64_t t, double v, fer_buf *out)
{
    const syms *y = f->run->ctx.syms;
    fer_str name = syms_text(y, s->name);
    bool quoted = f->escaping == ESCAPE_NONE && !metric_name_is_legacy(name), first = true;
    if (s->name != f->family) {
        fer_buf_puts(out, STR("# TYPE "));
        if (quoted)
            put_quoted(out, name);
        else
            federate_put_name(out, f->escaping, name);
        fer_buf_puts(out, STR(" untyped\n"));
        f->family = s->name;
    }
    if (quoted) {
        fer_buf_putc(out, '{');
        put_quoted(out, name);
        first = false;
    } else {
        federate_put_name(out, f->escaping, name);
    }
    put_labels(f, s, out, &first);
    fer_buf_puts(out, STR("} "));
    put_value(out, v);
    fer_buf_printf(out, " %" PRId64 "\n", t);
}

/* h NULL: a float. */
static void put_message(federation *f, const federated *s, int64_t t, double v, const histogram *h,
                        fer_buf *out)
{
    bool first = true;
    federate_pb_begin(&f->pb, f->escaping, syms_text(f->run->ctx.syms, s->name), h, out);
    put_labels(f, s, &f->pb.metric, &first);
    federate_pb_end(&f->pb, t, v, h);
}

/* The newest sample of the series, unless it says that there is none any more. */
static void put_newest(federation *f, const federated *s, fer_buf *out)
{
    size_t last = f->found.n;
    if (last-- == 0)
        return;
    bool is_float = f->found.type == NULL || f->found.type[last] == SAMPLE_FLOAT;
    const histogram *h = is_float ? NULL : f->found.h[last];
    double v = is_float ? f->found.v[last] : h->sum;
    if (sample_is_stale(v))
        return;
    if (f->protobuf)
        put_message(f, s, f->found.t[last], v, h, out);
    else if (is_float)
        put_line(f, s, f->found.t[last], v, out);
}

/* http_producer.next */
static fer_code next_piece(void *arg, fer_buf *out, bool *done)
{
    federation *f = arg;
    fer_err err;
    size_t begun = out->n;
    while (f->next < f->n && out->n - begun < PIECE_BYTES) {
        const federated *s = &f->v[f->next++];
        FER_TRY(fer_cancel_check(f->run->ctx.cancel));
        samples_clear(&f->found);
        FER_TRY(selection_read(s->sel, s->series, f->mint, f->maxt, &f->found, &err));
        put_newest(f, s, out);
    }
    *done = f->next == f->n;
    if (*done)
        federate_pb_flush(&f->pb, out);
    return out->full || federate_pb_full(&f->pb) ? FER_LIMIT : FER_OK;
}

/* ---- the request ---- */

static fer_code select_all(federation *f, http_req *r, fer_err *err)
{
    FER_TRY(http_req_parse_form(r, err));
    FER_TRY(
        storage_querier(tsdb_storage(app_db(f->a)), &f->run->ctx, f->mint, f->maxt, &f->q, err));
    const fer_str *texts;
    size_t n = http_req_params(r, "match[]", &texts);
    for (size_t i = 0; i < n; i++)
        FER_TRY(select_one(f, texts[i], err));
    sort_series(f);
    return FER_OK;
}

static _Atomic uint64_t total_errors, total_warnings;

void web_federate_totals(uint64_t *ret_errors, uint64_t *ret_warnings)
{
    *ret_errors = atomic_load(&total_errors);
    *ret_warnings = atomic_load(&total_warnings);
}

void web_federate(http_req *r, void *arg)
{
    app *a = arg;
    fer_err err = {0};
    federation *f = fer_calloc(1, sizeof *f);
    f->a = a;
    f->run = query_run_new(a, r, 0);
    f->maxt = a->clock->wall_ms(a->clock);
    f->mint = f->maxt - a->limits.lookback_ms + 1;
    f->protobuf = federate_negotiate(http_req_header(r, "Accept"), OFFER_PROTOBUF, &f->escaping) ==
                  EXPOSE_PROTOBUF;
    federate_pb_init(&f->pb, &f->run->acct);
    f->family = SYM_NONE;
    samples_init(&f->found, &f->run->acct);
    fer_code c = select_all(f, r, &err);
    if (c != FER_OK) {
        if (c != FER_INVALID)
            atomic_fetch_add(&total_errors, 1);
        http_reply_text(r, c == FER_INVALID ? 400 : 500, "%s", err.msg);
        federation_free(f);
        return;
    }
    atomic_fetch_add(&total_warnings, f->q->warnings.n);
    http_producer p = {next_piece, federation_free, f};
    http_reply_stream(
        r, 200, federate_content_type(f->protobuf ? EXPOSE_PROTOBUF : EXPOSE_TEXT, f->escaping),
        &p);
}

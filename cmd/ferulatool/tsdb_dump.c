/* tsdb_dump.c - `tsdb dump` and `tsdb dump-openmetrics`: samples as text, series by series.
 *
 * The database is opened read only, the log replayed into a head in memory. A series is read in spans of a
 * month, so memory grows with the number of series, and with that of the samples only of one series and span.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/num.h"
#include "base/text.h"
#include "cmd/ferulatool/db_path.h"
#include "cmd/ferulatool/out.h"
#include "cmd/ferulatool/tsdb_commands.h"
#include "promql/hist_stats.h"
#include "promql/parse.h"
#include "tsdb/tsdb.h"

#define SPAN_MS (INT64_C(31) * 24 * 60 * 60 * 1000)

typedef struct dump {
    fer_arena *a;
    tsdb *db;
    syms *syms;
    querier *q;
    int64_t mint, maxt;           /* asked for, ms, both inside */
    int64_t data_mint, data_maxt; /* of these, where data can be */
    selection **sel;
    size_t n_sel;
    size_t *at; /* the present series of each selection */
    bool openmetrics;
    tool_out o;
    fer_buf labels;
    samples s;
} dump;

/* ---- a sample ---- */

static size_t openmetrics_time(char *buf, size_t size, int64_t t)
{
    int n = snprintf(buf, size, "%.3f", (double)t / 1000);
    return n > 0 ? (size_t)n : 0;
}

static fer_code print_value(dump *d, size_t i, fer_err *err)
{
    char text[NUM_TEXT_MAX];
    const samples *s = &d->s;
    if (s->type == NULL || s->type[i] == SAMPLE_FLOAT) {
        fer_buf_put(&d->o.b, text, num_format_g(text, s->v[i]));
        return FER_OK;
    }
    FER_CLEANUP(fer_arena_freep) fer_arena *tmp = fer_arena_new(NULL, 0);
    fer_code code = hist_print(s->h[i], s->type[i] == SAMPLE_HISTOGRAM, tmp, &d->o.b);
    return code == FER_OK ? FER_OK : fer_fail(err, code, "a histogram cannot be printed");
}

/* OpenMetrics has no text for native histograms. */
static fer_code print_samples(dump *d, fer_err *err)
{
    char text[NUM_TEXT_MAX];
    for (size_t i = 0; i < d->s.n; i++) {
        if (d->openmetrics && d->s.type != NULL && d->s.type[i] != SAMPLE_FLOAT)
            continue;
        fer_buf_puts(&d->o.b, fer_buf_str(&d->labels));
        fer_buf_putc(&d->o.b, ' ');
        FER_TRY(print_value(d, i, err));
        fer_buf_putc(&d->o.b, ' ');
        size_t n = d->openmetrics ? openmetrics_time(text, sizeof text, d->s.t[i])
                                  : num_format_i64(text, d->s.t[i]);
        fer_buf_put(&d->o.b, text, n);
        fer_buf_putc(&d->o.b, '\n');
        out_line(&d->o);
    }
    return FER_OK;
}

/* ---- a series ---- */

static void print_plain_labels(dump *d, const label_id *ids, size_t n)
{
    label l[LABELS_MAX];
    for (size_t i = 0; i < n; i++)
        l[i] = (label){syms_text(d->syms, ids[i].name), syms_text(d->syms, ids[i].value)};
    labels_print(&d->labels, (labels){l, n});
}

/* name{a="b",c="d"}; names as they are, also those that OpenMetrics would have quoted. */
static void print_openmetrics_labels(dump *d, const label_id *ids, size_t n)
{
    size_t printed = 0;
    for (size_t i = 0; i < n; i++)
        if (str_eq(syms_text(d->syms, ids[i].name), STR("__name__")))
            fer_buf_puts(&d->labels, syms_text(d->syms, ids[i].value));
    fer_buf_putc(&d->labels, '{');
    for (size_t i = 0; i < n; i++) {
        fer_str name = syms_text(d->syms, ids[i].name);
        if (str_eq(name, STR("__name__")))
            continue;
        if (printed++ != 0)
            fer_buf_putc(&d->labels, ',');
        fer_buf_puts(&d->labels, name);
        fer_buf_putc(&d->labels, '=');
        text_quote(&d->labels, syms_text(d->syms, ids[i].value));
    }
    fer_buf_putc(&d->labels, '}');
}

static fer_code print_series(dump *d, selection *sel, size_t i, fer_err *err)
{
    size_t n;
    const label_id *ids = selection_labels(sel, i, &n);
    if (ids == NULL || n > LABELS_MAX)
        return fer_fail_budget(err, "the labels of a series");
    fer_buf_clear(&d->labels);
    if (d->openmetrics)
        print_openmetrics_labels(d, ids, n);
    else
        print_plain_labels(d, ids, n);
    for (int64_t t = d->data_mint; t <= d->data_maxt;) {
        int64_t end = d->data_maxt - t < SPAN_MS ? d->data_maxt : t + SPAN_MS - 1;
        samples_clear(&d->s);
        FER_TRY(selection_read(sel, i, t, end, &d->s, err));
        FER_TRY(print_samples(d, err));
        if (end == INT64_MAX)
            break;
        t = end + 1;
    }
    return FER_OK;
}

/* ---- all series ---- */

/* Orders the present series of two selections. */
static fer_code compare(const dump *d, size_t x, size_t y, int *ret, fer_err *err)
{
    size_t nx, ny;
    const label_id *a = selection_labels(d->sel[x], d->at[x], &nx);
    const label_id *b = selection_labels(d->sel[y], d->at[y], &ny);
    if (a == NULL || b == NULL)
        return fer_fail_budget(err, "the labels of a series");
    *ret = label_ids_cmp(d->syms, a, nx, b, ny);
    return FER_OK;
}

/* Sorted selections: the least series comes next, once, however many selections have it. */
static fer_code print_merged(dump *d, fer_err *err)
{
    for (;;) {
        size_t least = d->n_sel;
        for (size_t i = 0; i < d->n_sel; i++) {
            int c = -1;
            if (d->at[i] == d->sel[i]->n)
                continue;
            if (least != d->n_sel)
                FER_TRY(compare(d, i, least, &c, err));
            if (c < 0)
                least = i;
        }
        if (least == d->n_sel)
            return FER_OK;
        for (size_t i = 0; i < d->n_sel; i++) {
            int c = 1;
            if (i != least && d->at[i] != d->sel[i]->n)
                FER_TRY(compare(d, i, least, &c, err));
            d->at[i] += c == 0;
        }
        FER_TRY(print_series(d, d->sel[least], d->at[least], err));
        d->at[least]++;
    }
}

static fer_code print_all(dump *d, fer_err *err)
{
    if (d->n_sel != 1)
        return print_merged(d, err);
    for (size_t i = 0; i < d->sel[0]->n; i++)
        FER_TRY(print_series(d, d->sel[0], i, err));
    return FER_OK;
}

/* ---- opening ---- */

static fer_code open_db(dump *d, const char *path, fer_log *log, fer_err *err)
{
    FER_TRY(db_path_check(path, err));
    tsdb_options o = {.path = path,
                      .fs = vfs_posix(),
                      .clock = fer_clock_system(),
                      .rng = fer_rng_system(),
                      .log = log,
                      .read_only = true};
    FER_TRY(tsdb_open(&o, NULL, &d->db, err));
    tsdb_stats st;
    tsdb_stats_get(d->db, &st);
    int64_t first = st.blocks_min_time < st.min_time ? st.blocks_min_time : st.min_time;
    int64_t last = st.blocks_max_time > st.max_time ? st.blocks_max_time : st.max_time;
    d->data_mint = first > d->mint ? first : d->mint;
    d->data_maxt = last < d->maxt ? last : d->maxt;
    query_ctx ctx = {.arena = d->a, .syms = d->syms, .sweep = true};
    /* Up to the last sample, so that an empty head is not merged with the blocks. */
    return storage_querier(tsdb_storage(d->db), &ctx, d->mint, d->data_maxt, &d->q, err);
}

static fer_code select_all(dump *d, const char *const *match, size_t n, fer_err *err)
{
    select_hints h = {.mint = d->mint, .maxt = d->maxt, .sorted = n > 1};
    d->sel = ARENA_ARRAY(d->a, selection *, n);
    d->at = ARENA_ARRAY(d->a, size_t, n);
    for (size_t i = 0; i < n; i++) {
        matcher *m;
        size_t nm;
        FER_TRY(promql_parse_matchers(str_of(match[i]), d->a, &m, &nm, err));
        FER_TRY(querier_select(d->q, &h, m, nm, &d->sel[i], err));
    }
    d->n_sel = n;
    return FER_OK;
}

static fer_code run(dump *d, const cli_call *c, fer_log *log, fer_err *err)
{
    size_t n;
    const char *const *match = cli_texts(c, "match", &n);
    FER_TRY(open_db(d, cli_arg_text(c, 0), log, err));
    FER_TRY(select_all(d, match, n, err));
    FER_TRY(print_all(d, err));
    if (d->openmetrics)
        fer_buf_puts(&d->o.b, STR("# EOF\n"));
    return FER_OK;
}

static bool tell_warnings(const dump *d)
{
    const str_list *l = &d->q->warnings;
    for (size_t i = 0; i < l->n; i++)
        fprintf(stderr, "%.*s\n", STR_FMT(l->v[i]));
    return l->n != 0;
}

static int dump_run(const cli_call *c, bool openmetrics)
{
    fer_err err = {0};
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    dump d = {.a = a,
              .syms = syms_new(a),
              .mint = cli_int(c, "min-time"),
              .maxt = cli_int(c, "max-time"),
              .openmetrics = openmetrics};
    fer_log *log = fer_log_new(STDERR_FILENO, LOG_WARN, LOG_LOGFMT, fer_clock_system());
    out_open(&d.o);
    fer_buf_init(&d.labels, SIZE_MAX / 2, NULL);
    samples_init(&d.s, NULL);

    int exit_code = run(&d, c, log, &err) == FER_OK ? 0 : db_path_fail(&err);
    if (!out_close(&d.o) || (d.q != NULL && tell_warnings(&d)))
        exit_code = EXIT_FAILURE;
    querier_close(d.q);
    if (d.db != NULL && tsdb_close(d.db, &err) != FER_OK)
        exit_code = db_path_fail(&err);
    samples_done(&d.s);
    fer_buf_done(&d.labels);
    fer_log_free(log);
    return exit_code;
}

int tsdb_dump_run(const cli_call *c)
{
    return dump_run(c, false);
}

int tsdb_dump_openmetrics_run(const cli_call *c)
{
    return dump_run(c, true);
}

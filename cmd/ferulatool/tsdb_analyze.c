/* tsdb_analyze.c - `tsdb analyze`: which labels make the series of a block many.
 *
 * One pass over the series counts each label pair by its symbols; only what is printed becomes text. Memory
 * is 24 bytes a pair, up to three times that while the table grows; mapped bytes are forgotten behind the pass.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/ferulatool/analyze_chunks.h"
#include "cmd/ferulatool/analyze_pairs.h"
#include "cmd/ferulatool/db_path.h"
#include "cmd/ferulatool/go_text.h"
#include "cmd/ferulatool/out.h"
#include "cmd/ferulatool/tsdb_commands.h"
#include "promql/parse.h"
#include "tsdb/block/block_select.h"

enum { FORGET_EVERY = 16384 };

typedef struct analysis {
    fer_arena *a;
    block *b;
    size_t limit;
    const char *match; /* NULL: all series */
    bool extended;
    pair_table pairs;
    pair_table names;  /* by name alone */
    pair_table values; /* the same: values of a name counted, their length summed as `uncovered` */
    uint64_t series, entries;
    chunk_fill fill;
    str_list warnings; /* damage that cost no series, or did */
    tool_out o;
} analysis;

/* ---- counting ---- */

/* The block's time that the series' chunks do not span, and, if asked for, what they hold. */
static fer_code take_chunks(analysis *x, index_series *s, uint64_t *ret_uncovered, fer_err *err)
{
    index_chunk c;
    int64_t first = 0, last = 0;
    fer_code code;
    for (size_t i = 0; (code = index_series_chunk(s, &c)) == FER_OK; i++) {
        first = i == 0 ? c.mint : first;
        last = c.maxt;
        if (x->extended)
            FER_TRY(chunk_fill_add(&x->fill, x->b, c.ref, err));
    }
    if (code != FER_END)
        return fer_fail(err, FER_CORRUPT, "index: the chunks of a series do not decode");
    const block_meta *m = &x->b->meta;
    *ret_uncovered =
        (uint64_t)m->max_time - (uint64_t)m->min_time - ((uint64_t)last - (uint64_t)first);
    return FER_OK;
}

static fer_code take_series(analysis *x, uint64_t ref, fer_err *err)
{
    index_series s;
    uint64_t uncovered = 0;
    if (++x->series % FORGET_EVERY == 0)
        block_forget(x->b);
    FER_TRY(block_index_series(&x->b->index, ref, &s, err));
    index_series chunks = s;
    FER_TRY(take_chunks(x, &chunks, &uncovered, err));
    uint32_t name, value;
    fer_code code;
    while ((code = index_series_label(&s, &name, &value)) == FER_OK) {
        pair_table_add(&x->pairs, name, value, uncovered);
        pair_table_add(&x->names, name, 0, uncovered);
        x->entries++;
    }
    return code == FER_END
               ? FER_OK
               : fer_fail(err, FER_CORRUPT, "index: the labels of a series do not decode");
}

static fer_code take_all(analysis *x, fer_err *err)
{
    index_postings all;
    FER_TRY(block_index_postings(&x->b->index, x->b->index.all, &all, err));
    for (size_t i = 0; i < all.n; i++)
        FER_TRY(take_series(x, index_posting(&all, i), err));
    return FER_OK;
}

static fer_code take_matching(analysis *x, ref_list refs, fer_err *err)
{
    for (size_t i = 0; i < refs.n; i++)
        FER_TRY(take_series(x, refs.v[i], err));
    return FER_OK;
}

static fer_code take_values(analysis *x, fer_err *err)
{
    for (size_t i = 0; i < x->pairs.cap; i++) {
        const pair_count *p = &x->pairs.v[i];
        fer_str text;
        if (p->series == 0)
            continue;
        if (block_symbols_text(&x->b->index.symbols, p->value, &text) != FER_OK)
            return fer_fail(err, FER_CORRUPT, "index: a series has symbol %u, which is none",
                            p->value);
        pair_table_add(&x->values, p->name, 0, text.n);
    }
    return FER_OK;
}

/* ---- printing ---- */

static fer_code print_symbol(analysis *x, uint32_t symbol, fer_err *err)
{
    fer_str text;
    if (block_symbols_text(&x->b->index.symbols, symbol, &text) != FER_OK)
        return fer_fail(err, FER_CORRUPT, "index: a series has symbol %u, which is none", symbol);
    fer_buf_puts(&x->o.b, text);
    return FER_OK;
}

typedef enum item_text { TEXT_PAIR, TEXT_NAME, TEXT_VALUE } item_text;

static fer_code print_top(analysis *x, const char *head, top_items *t, item_text what, fer_err *err)
{
    fer_buf_printf(&x->o.b, "\n%s:\n", head);
    top_items_sort(t);
    for (size_t i = 0; i < t->n; i++) {
        fer_buf_printf(&x->o.b, "%" PRIu64 " ", t->v[i].metric);
        if (what != TEXT_VALUE)
            FER_TRY(print_symbol(x, t->v[i].name, err));
        if (what == TEXT_PAIR)
            fer_buf_putc(&x->o.b, '=');
        if (what != TEXT_NAME)
            FER_TRY(print_symbol(x, t->v[i].value, err));
        fer_buf_putc(&x->o.b, '\n');
        out_line(&x->o);
    }
    return FER_OK;
}

static uint64_t churn(const analysis *x, const pair_count *p)
{
    const block_meta *m = &x->b->meta;
    double range = (double)(int64_t)((uint64_t)m->max_time - (uint64_t)m->min_time);
    return range > 0 ? (uint64_t)((double)p->uncovered / range) : 0;
}

static uint64_t series_of(const analysis *x, const pair_count *p)
{
    (void)x;
    return p->series;
}

static uint64_t length_of(const analysis *x, const pair_count *p)
{
    (void)x;
    return p->uncovered;
}

typedef struct ranking {
    const char *head;
    const pair_table *from;
    uint64_t (*metric)(const analysis *x, const pair_count *p);
    item_text text;
    bool of_name; /* only pairs of the metric name */
} ranking;

static fer_code print_ranking(analysis *x, const ranking *r, fer_err *err)
{
    uint32_t name = 0;
    bool found = !r->of_name || block_symbols_find(&x->b->index.symbols, STR("__name__"), &name);
    top_items top;
    top_items_init(&top, x->limit);
    for (size_t i = 0; found && i < r->from->cap; i++) {
        const pair_count *p = &r->from->v[i];
        if (p->series != 0 && (!r->of_name || p->name == name))
            top_items_put(&top, (top_item){r->metric(x, p), p->name, p->value});
    }
    fer_code code = print_top(x, r->head, &top, r->text, err);
    top_items_done(&top);
    return code;
}

static fer_code print_rankings(analysis *x, fer_err *err)
{
    const ranking all[] = {
        {"Label pairs most involved in churning", &x->pairs, churn, TEXT_PAIR, false},
        {"Label names most involved in churning", &x->names, churn, TEXT_NAME, false},
        {"Most common label pairs", &x->pairs, series_of, TEXT_PAIR, false},
        {"Label names with highest cumulative label value length", &x->values, length_of, TEXT_NAME,
         false},
        {"Highest cardinality labels", &x->values, series_of, TEXT_NAME, false},
        {"Highest cardinality metric names", &x->pairs, series_of, TEXT_VALUE, true},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        FER_TRY(print_ranking(x, &all[i], err));
    return FER_OK;
}

static void print_head(analysis *x)
{
    const block_meta *m = &x->b->meta;
    fer_buf_printf(&x->o.b, "Block ID: %s\nDuration: ", m->id.text);
    go_duration(&x->o.b, (int64_t)((uint64_t)m->max_time - (uint64_t)m->min_time));
    fer_buf_printf(&x->o.b, "\nTotal Series: %" PRIu64 "\n", m->stats.series);
    if (x->match != NULL)
        fer_buf_printf(&x->o.b, "Matcher: %s\n", x->match);
}

/* ---- the whole ---- */

static fer_code count(analysis *x, const matcher *m, size_t nm, ref_list *refs, fer_err *err)
{
    if (x->match == NULL)
        return take_all(x, err);
    query_ctx ctx = {.arena = x->a};
    FER_TRY(
        block_select(x->b, x->a, NULL, query_warnings_new(&ctx, &x->warnings), m, nm, refs, err));
    return take_matching(x, *refs, err);
}

static fer_code analyze(analysis *x, const matcher *m, size_t nm, fer_err *err)
{
    ref_list refs = {0};
    print_head(x);
    FER_TRY(count(x, m, nm, &refs, err));
    FER_TRY(take_values(x, err));
    fer_buf_printf(&x->o.b, "Label names: %zu\n", x->names.n);
    if (x->match != NULL)
        fer_buf_printf(&x->o.b, "Matched series: %zu\n", refs.n);
    fer_buf_printf(&x->o.b, "Postings (unique label pairs): %zu\n", x->pairs.n);
    fer_buf_printf(&x->o.b, "Postings entries (total label pairs): %" PRIu64 "\n", x->entries);
    FER_TRY(print_rankings(x, err));
    if (x->extended)
        chunk_fill_print(&x->fill, &x->o);
    return FER_OK;
}

/* The block with the latest ULID time, the first of several; its time is in the first ten digits. */
static fer_code last_block(const char *dir, fer_arena *a, const char **ret, fer_err *err)
{
    enum { TIME_CHARS = 10 };
    ulid *v;
    size_t n;
    FER_TRY(db_path_blocks(dir, a, &v, &n, err));
    if (n == 0)
        return fer_fail(err, FER_NOTFOUND, "no blocks found");
    size_t last = 0;
    for (size_t i = 1; i < n; i++)
        if (memcmp(v[i].text, v[last].text, TIME_CHARS) > 0)
            last = i;
    *ret = v[last].text;
    return FER_OK;
}

static fer_code open_block(analysis *x, const char *dir, const char *id, fer_err *err)
{
    FER_TRY(db_path_check(dir, err));
    if (id == NULL)
        FER_TRY(last_block(dir, x->a, &id, err));
    fer_str path = fer_arena_printf(x->a, "%s/%s", dir, id);
    if (!vfs_exists(vfs_posix(), path.p))
        return fer_fail(err, FER_NOTFOUND, "invalid block ID %s", id);
    return block_open(vfs_posix(), dir, id, NULL, &x->b, err);
}

static fer_code run(analysis *x, const cli_call *c, fer_err *err)
{
    matcher *m = NULL;
    size_t nm = 0;
    if (x->match != NULL)
        FER_TRY(promql_parse_matchers(str_of(x->match), x->a, &m, &nm, err));
    FER_TRY(open_block(x, cli_arg_text(c, 0), cli_arg_text(c, 1), err));
    return analyze(x, m, nm, err);
}

int tsdb_analyze_run(const cli_call *c)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    int64_t limit = cli_int(c, "limit");
    const char *match = cli_text(c, "match");
    analysis x = {.a = a,
                  .limit = limit > 0 ? (size_t)limit : 0,
                  .match = match != NULL && match[0] != '\0' ? match : NULL,
                  .extended = cli_is_set(c, "extended")};
    fer_err err = {0};
    out_open(&x.o);
    int code = run(&x, c, &err) == FER_OK ? 0 : db_path_fail(&err);
    if (!out_close(&x.o) || x.warnings.n != 0)
        code = EXIT_FAILURE;
    for (size_t i = 0; i < x.warnings.n; i++)
        fprintf(stderr, "%.*s\n", STR_FMT(x.warnings.v[i]));
    block_unref(x.b);
    pair_table_done(&x.pairs);
    pair_table_done(&x.names);
    pair_table_done(&x.values);
    chunk_fill_done(&x.fill);
    return code;
}

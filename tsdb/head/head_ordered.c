/* head_ordered.c */
#include "tsdb/head/head_ordered.h"

#include "tsdb/head/head_order.h"

typedef struct head_ordered {
    selection base;
    const syms *known;
    label_id *ids;  /* of the last labels call */
    uint32_t *rows; /* of each series the number of labels, and their ranks */
    uint32_t *row;  /* where in `rows` that of a series begins */
    label_id *rank_ids;
    uint32_t first_value; /* the id of the value of the first rank; the others follow */
} head_ordered;

static const uint32_t *row_of(const head_ordered *s, size_t i)
{
    return s->rows + s->row[i];
}

/* Rows, ids and texts lie all over memory: asks for the row of a series that comes soon, for the ids of one that comes
 * sooner, and for the texts of one that is nearly there, but for what it shares with the one before. */
static void prefetch_rows(const head_ordered *s, size_t i)
{
    enum { TEXTS_AHEAD = 7, IDS_AHEAD = 14, ROWS_AHEAD = 24, LINE = 64 / sizeof(uint32_t) };
    const syms *known = s->known;
    if (i + ROWS_AHEAD < s->base.n) {
        __builtin_prefetch(row_of(s, i + ROWS_AHEAD));
        __builtin_prefetch(row_of(s, i + ROWS_AHEAD) + LINE);
    }
    if (i + IDS_AHEAD < s->base.n) {
        const uint32_t *row = row_of(s, i + IDS_AHEAD), *before = row_of(s, i + IDS_AHEAD - 1);
        for (uint32_t k = 1; k <= row[0]; k++) {
            if (k <= before[0] && row[k] == before[k])
                continue;
            __builtin_prefetch(&s->rank_ids[row[k]]);
            syms_prefetch(known, s->first_value + row[k]);
        }
    }
    if (i + TEXTS_AHEAD < s->base.n) {
        const uint32_t *row = row_of(s, i + TEXTS_AHEAD), *before = row_of(s, i + TEXTS_AHEAD - 1);
        for (uint32_t k = 1; k <= row[0]; k++)
            if (k > before[0] || row[k] != before[k])
                __builtin_prefetch(syms_text(known, s->first_value + row[k]).p);
    }
}

static const label_id *ordered_labels_of(selection *base, size_t i, size_t *ret_n)
{
    head_ordered *s = (head_ordered *)base;
    prefetch_rows(s, i);
    const uint32_t *row = row_of(s, i);
    for (uint32_t k = 0; k < row[0]; k++)
        s->ids[k] = s->rank_ids[row[k + 1]];
    *ret_n = row[0];
    return s->ids;
}

static fer_code ordered_read_of(selection *base, size_t i, int64_t mint, int64_t maxt, samples *out,
                                fer_err *err)
{
    (void)base;
    (void)i;
    (void)mint;
    (void)maxt;
    (void)out;
    return fer_fail(err, FER_UNSUPPORTED, "labels alone were asked for");
}

static const selection_ops head_ordered_ops = {.labels = ordered_labels_of,
                                               .read = ordered_read_of};

/* The query's ids by rank; false past the budget. */
static bool make_ids(head_ordered *s, names_view *view, const query_ctx *ctx, const head_rows *rows)
{
    s->rank_ids = fer_arena_alloc(ctx->arena, rows->n_pairs * sizeof *s->rank_ids);
    if (s->rank_ids == NULL)
        return false;
    for (uint32_t i = 0; i < rows->n_pairs; i++) {
        s->rank_ids[i].name = names_view_name(view, ctx, rows->pairs[i].name);
        if (s->rank_ids[i].name == SYM_NONE)
            return false;
    }
    s->first_value = syms_count(ctx->syms);
    for (uint32_t i = 0; i < rows->n_pairs; i++) {
        s->rank_ids[i].value = syms_add_stable(ctx->syms, rows->pairs[i].value);
        if (s->rank_ids[i].value == SYM_NONE)
            return false;
    }
    return true;
}

fer_code head_ordered_new(names_view *view, const query_ctx *ctx, const slab_ref *series, size_t n,
                          fer_arena *tmp, selection **ret, fer_err *err)
{
    head_rows rows;
    head_ordered *s = ARENA_NEW(ctx->arena, head_ordered);
    if (s == NULL)
        return fer_fail_budget(err, "selecting series");
    s->base = (selection){.ops = &head_ordered_ops, .n = n};
    s->known = ctx->syms;
    s->row = fer_arena_alloc(ctx->arena, n * sizeof *s->row);
    s->ids = fer_arena_alloc(ctx->arena, LABELS_MAX * sizeof *s->ids);
    if (s->row == NULL || s->ids == NULL)
        return fer_fail_budget(err, "selecting series");
    FER_TRY(head_order(view->names, series, n, ctx->arena, tmp, s->row, &rows, err));
    for (size_t i = 0; i < n; i++)
        s->row[i] = rows.begins[s->row[i]];
    s->rows = rows.v;
    if (!make_ids(s, view, ctx, &rows))
        return fer_fail_budget(err, "selecting series");
    *ret = &s->base;
    return FER_OK;
}

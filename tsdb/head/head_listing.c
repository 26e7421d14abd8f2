/* head_listing.c */
#include "tsdb/head/head_listing.h"

#include "tsdb/head/head_order.h"

typedef struct head_listing {
    selection base;
    const syms *known;
    label_id *ids; /* of the last labels call */
    head_rows rows;
    bool sorted;
    label_id *pair_ids;   /* by number */
    uint32_t first_value; /* the id of the value of the first pair; the others follow */
} head_listing;

static const uint32_t *row_of(const head_listing *s, size_t i)
{
    return s->rows.v + s->rows.begins[i];
}

/* Rows, ids and texts of sorted series lie all over memory: asks for the row of a series that comes soon, for the ids of one that comes
 * sooner, and for the texts of one that is nearly there, but for what it shares with the one before. */
static void prefetch_rows(const head_listing *s, size_t i)
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
            __builtin_prefetch(&s->pair_ids[row[k]]);
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

static const label_id *listing_labels_of(selection *base, size_t i, size_t *ret_n)
{
    head_listing *s = (head_listing *)base;
    if (s->sorted)
        prefetch_rows(s, i);
    const uint32_t *row = row_of(s, i);
    for (uint32_t k = 0; k < row[0]; k++)
        s->ids[k] = s->pair_ids[row[k + 1]];
    *ret_n = row[0];
    return s->ids;
}

static fer_code listing_read_of(selection *base, size_t i, int64_t mint, int64_t maxt, samples *out,
                                fer_err *err)
{
    (void)base;
    (void)i;
    (void)mint;
    (void)maxt;
    (void)out;
    return fer_fail(err, FER_UNSUPPORTED, "labels alone were asked for");
}

static const selection_ops head_listing_ops = {.labels = listing_labels_of,
                                               .read = listing_read_of};

/* The query's ids by number; false past the budget. */
static bool make_ids(head_listing *s, names_view *view, const query_ctx *ctx)
{
    const head_rows *rows = &s->rows;
    s->pair_ids = fer_arena_alloc(ctx->arena, rows->n_pairs * sizeof *s->pair_ids);
    if (s->pair_ids == NULL)
        return false;
    for (uint32_t i = 0; i < rows->n_pairs; i++) {
        s->pair_ids[i].name = names_view_name(view, ctx, rows->pairs[i].name);
        if (s->pair_ids[i].name == SYM_NONE)
            return false;
    }
    s->first_value = syms_count(ctx->syms);
    for (uint32_t i = 0; i < rows->n_pairs; i++) {
        s->pair_ids[i].value = syms_add_stable(ctx->syms, rows->pairs[i].value);
        if (s->pair_ids[i].value == SYM_NONE)
            return false;
    }
    return true;
}

/* Puts the beginnings of the rows in the order of labels. */
static fer_code sort_rows(head_listing *s, names_view *view, const slab_ref *series,
                          fer_arena *keep, fer_arena *tmp, fer_err *err)
{
    size_t n = s->base.n;
    uint32_t *order = fer_arena_alloc(tmp, n * sizeof *order), *begins;
    if (order == NULL)
        return fer_fail_budget(err, "selecting series");
    FER_TRY(head_order(view->names, series, n, keep, tmp, order, &s->rows, err));
    begins = fer_arena_alloc(keep, n * sizeof *begins);
    if (begins == NULL)
        return fer_fail_budget(err, "selecting series");
    for (size_t i = 0; i < n; i++)
        begins[i] = s->rows.begins[order[i]];
    s->rows.begins = begins;
    return FER_OK;
}

fer_code head_listing_new(names_view *view, const query_ctx *ctx, const slab_ref *series, size_t n,
                          bool sorted, fer_arena *tmp, selection **ret, fer_err *err)
{
    head_listing *s = ARENA_NEW(ctx->arena, head_listing);
    if (s == NULL)
        return fer_fail_budget(err, "selecting series");
    s->base = (selection){.ops = &head_listing_ops, .n = n, .in_memory = true};
    s->known = ctx->syms;
    s->sorted = sorted;
    s->ids = fer_arena_alloc(ctx->arena, LABELS_MAX * sizeof *s->ids);
    if (s->ids == NULL)
        return fer_fail_budget(err, "selecting series");
    FER_TRY(sorted ? sort_rows(s, view, series, ctx->arena, tmp, err)
                   : head_rows_read(view->names, series, n, ctx->arena, tmp, &s->rows, err));
    if (!make_ids(s, view, ctx))
        return fer_fail_budget(err, "selecting series");
    *ret = &s->base;
    return FER_OK;
}

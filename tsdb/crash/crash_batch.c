#include "tsdb/crash/crash_batch.h"

void crash_batch_begin(crash_batch *b)
{
    b->n_floats = b->n_hists = b->n_exemplars = b->n_metadata = 0;
}

size_t crash_batch_size(const crash_batch *b)
{
    return b->n_floats + b->n_hists;
}

static void add_exemplar(crash_batch *b, const tsdb_row *row, int series, int tick)
{
    size_t i = b->n_exemplars++;
    model_trace(series, tick, b->texts[i]);
    b->traces[i] = (label){STR("trace_id"), str_of(b->texts[i])};
    b->exemplars[i] = (tsdb_exemplar_row){
        .fp = row->fp, .raw = row->raw, .e = {{&b->traces[i], 1}, row->v, row->t}};
}

void crash_batch_add(crash_batch *b, test_db *t, const crash_model *m, int series, int tick)
{
    tsdb_row row = test_row(t, m->names[series], model_time(tick), model_value(series, tick));
    if (model_type_of(series) == MODEL_FLOAT) {
        b->floats[b->n_floats++] = row;
        if (!m->late[series][tick])
            add_exemplar(b, &row, series, tick);
        return;
    }
    size_t i = b->n_hists++;
    model_histogram(series, tick, &b->stores[i]);
    b->hists[i] = (tsdb_hist_row){
        .fp = row.fp, .raw = row.raw, .t = row.t, .h = b->stores[i].h, .before = b->n_floats};
}

void crash_batch_tell(crash_batch *b, int family, int version)
{
    size_t i = b->n_metadata++;
    b->metadata[i] = model_family_told(family, version, b->helps[i]);
}

fer_code crash_batch_stage(crash_batch *b, test_db *t)
{
    const tsdb_rows rows = {.floats = b->floats,
                            .n_floats = b->n_floats,
                            .hists = b->hists,
                            .n_hists = b->n_hists,
                            .exemplars = b->exemplars,
                            .n_exemplars = b->n_exemplars,
                            .metadata = b->metadata,
                            .n_metadata = b->n_metadata};
    FER_TRY(test_stage_rows(t, &rows));
    if (t->report.accepted != crash_batch_size(b))
        return fer_fail(&t->err, FER_INVALID, "a sample was refused");
    for (size_t i = 0; i < b->n_metadata; i++)
        if (!b->metadata[i].logged)
            return fer_fail(&t->err, FER_INVALID, "what is told of a family is not logged");
    return FER_OK;
}

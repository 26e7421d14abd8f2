/* crash_batch.h - samples of the model as one request: floats with exemplars, histograms of all kinds, and what is told of
 * families; for tests.
 *
 * Threads: one.
 */
#ifndef FERULA_TSDB_CRASH_BATCH_H
#define FERULA_TSDB_CRASH_BATCH_H

#include "tsdb/crash/crash_model.h"

typedef struct crash_batch {
    size_t n_floats, n_hists, n_exemplars, n_metadata;
    tsdb_row floats[MODEL_SERIES];
    tsdb_hist_row hists[MODEL_SERIES];
    tsdb_exemplar_row exemplars[MODEL_SERIES]; /* one for each float that does not come late */
    label traces[MODEL_SERIES];
    char texts[MODEL_SERIES][MODEL_TRACE_BYTES];
    model_hist stores[MODEL_SERIES];
    metadata_family metadata[MODEL_FAMILIES];
    char helps[MODEL_FAMILIES][MODEL_HELP_BYTES];
} crash_batch;

void crash_batch_begin(crash_batch *b);
/* The sample that the series has at the tick; t knows fingerprints. */
void crash_batch_add(crash_batch *b, test_db *t, const crash_model *m, int series, int tick);
void crash_batch_tell(crash_batch *b, int family, int version);
/* Samples. */
size_t crash_batch_size(const crash_batch *b);
/* Stages it; all must be accepted. */
FER_MUST_CHECK fer_code crash_batch_stage(crash_batch *b, test_db *t);

#endif

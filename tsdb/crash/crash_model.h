/* crash_model.h - what a database must hold after a crash: a ledger of what was sent, acknowledged, deleted and
 * expired, in counts of the disk's ops; for tests.
 *
 * Series i has at tick k one value, of the type that model_type_of(i) tells; a float, model_value(i, k), comes with an exemplar.
 * A crash behind `ops` ops must leave what was acknowledged before,
 * may leave what was sent before, and must not leave anything else. So it is with what is told of the series' families.
 */
#ifndef FERULA_TSDB_CRASH_MODEL_H
#define FERULA_TSDB_CRASH_MODEL_H

#include "tsdb/crash/crash_families.h"
#include "tsdb/tsdb_testing.h"

enum { MODEL_SERIES = 32, MODEL_TICKS = 96, MODEL_SPANS = 16, MODEL_NAME_BYTES = 8192 };

#define MODEL_TICK_MS INT64_C(10000)
/* A block cut from the head is six ticks long; windows of all sizes begin here. */
#define MODEL_BLOCK_MS (6 * MODEL_TICK_MS)
#define MODEL_BEGIN (INT64_C(1049000) * 27 * MODEL_BLOCK_MS)

typedef enum model_type {
    MODEL_FLOAT,
    MODEL_INT_HIST,
    MODEL_FLOAT_HIST,
    MODEL_CUSTOM_HIST
} model_type;

enum { MODEL_BUCKETS = 4, MODEL_TRACE_BYTES = 24, MODEL_EXEMPLARS = 4096 };

/* A histogram and the arrays it points to. */
typedef struct model_hist {
    hist_sample h;
    histogram_span span;
    hist_num buckets[MODEL_BUCKETS];
    double bounds[MODEL_BUCKETS];
} model_hist;

typedef enum demand { DEMAND_NOT, DEMAND_MAY, DEMAND_MUST } demand;
typedef uint8_t demands[MODEL_SERIES][MODEL_TICKS];
/* Of a database as it starts. */
typedef struct model_demands {
    demands samples;
    family_demand families[MODEL_FAMILIES];
} model_demands;

/* Ticks [from, to) of series [first, last] that go, all in `begun` and `done`, counts of ops. */
typedef struct model_span {
    bool expires; /* a block beyond retention: gone or there as a whole; may come back */
    int first, last, from, to;
    uint64_t begun, done;
} model_span;

typedef struct crash_model {
    int n_series, steady; /* those that are sent at every tick */
    int churn;            /* of the others a new one each so many ticks */
    char names[MODEL_SERIES][MODEL_NAME_BYTES];
    uint64_t sent[MODEL_SERIES][MODEL_TICKS]; /* UINT64_MAX: not */
    uint64_t acked[MODEL_SERIES][MODEL_TICKS];
    uint64_t again[MODEL_SERIES]
                  [MODEL_TICKS]; /* sent once more, behind a deletion; UINT64_MAX: not */
    uint64_t acked_again[MODEL_SERIES][MODEL_TICKS];
    bool late[MODEL_SERIES][MODEL_TICKS]; /* sent out of order: floats have no exemplar */
    model_span spans[MODEL_SPANS];
    int n_spans;
    model_family families[MODEL_FAMILIES];
} crash_model;

/* pad: bytes of a long label of each series, so that logs grow. A quarter of the series is steady. */
void crash_model_init(crash_model *m, int n_series, int churn, int pad);
int64_t model_time(int tick);
model_type model_type_of(int series);
double model_value(int series, int tick);
/* Has more or less buckets from tick to tick. */
void model_histogram(int series, int tick, model_hist *ret);
/* The trace_id of the exemplar; ret has room for MODEL_TRACE_BYTES. */
void model_trace(int series, int tick, char *ret);

/* Counts begin anew: what was acknowledged always was, what was not never will be. */
void crash_model_rebase(crash_model *m);
void crash_model_demand(const crash_model *m, uint64_t ops, model_demands *ret);

/* Compares with all that a querier gives. NULL or what is wrong, in the arena. seen becomes what is there, as demands. */
const char *crash_model_check(const crash_model *m, tsdb *db, demands want, demands seen,
                              fer_arena *a);
/* Exemplars: none that the model does not have, and all that was acknowledged before `ops` ops of samples the head still holds. */
const char *crash_model_check_exemplars(const crash_model *m, tsdb *db, uint64_t ops, fer_arena *a);
/* What expires may be there or not. */
void crash_model_let_expire(const crash_model *m, demands want);

#endif

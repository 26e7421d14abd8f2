/* crash_families.h - what a life tells of families of metrics, in counts of the disk's ops, and what the log must tell of them
 * after a crash; for tests.
 *
 * Two families, each with versions that count from 1: that of the steady series changes seldom, that of the others, which come
 * and go, often. The log tells of a family with the newest of its series, so a checkpoint keeps what it told of the steady
 * ones, while what it told of the others may go with a series: they are told again with the next request.
 */
#ifndef FERULA_TSDB_CRASH_FAMILIES_H
#define FERULA_TSDB_CRASH_FAMILIES_H

#include "tsdb/family.h"

enum { MODEL_STEADY, MODEL_CHANGING, MODEL_FAMILIES };
enum { MODEL_TELLINGS = 128, MODEL_HELP_BYTES = 32 };

typedef struct model_telling {
    int version;
    uint64_t sent, acked; /* acked: UINT64_MAX: not */
    uint64_t forgotten;   /* a checkpoint begins that may leave it out; UINT64_MAX: none */
} model_telling;

typedef struct model_family {
    model_telling v[MODEL_TELLINGS];
    int n;
} model_family;

/* Versions that the log may tell last; 0: nothing at all. */
typedef struct family_demand {
    int least, most;
} family_demand;

/* Of the series of the family. */
const char *model_family_series(int family);
int model_family_version(int family, int tick);
/* How it is told; help has room for MODEL_HELP_BYTES. */
metadata_family model_family_told(int family, int version, char *help);
/* The family's number; -1 when nobody tells such a thing. */
int model_family_of(const metadata_family *m, int *version);

void model_family_tell(model_family *f, int version, uint64_t ops);
/* All that was told so far. */
void model_family_acknowledge(model_family *f, uint64_t ops);
void model_family_forget(model_family *f, uint64_t begun);
/* As crash_model_rebase(). */
void model_family_rebase(model_family *f);
family_demand model_family_demand(const model_family *f, uint64_t ops);

#endif

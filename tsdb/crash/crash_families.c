#include "tsdb/crash/crash_families.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name, *series, *unit;
    uint32_t type;
    int ticks; /* of a version */
} families[MODEL_FAMILIES] = {
    [MODEL_STEADY] = {"s", "s_bucket", "seconds", FAMILY_HISTOGRAM, 20},
    [MODEL_CHANGING] = {"m", "m_total", "", FAMILY_COUNTER, 2},
};

const char *model_family_series(int family)
{
    return families[family].series;
}

int model_family_version(int family, int tick)
{
    return 1 + tick / families[family].ticks;
}

metadata_family model_family_told(int family, int version, char *help)
{
    snprintf(help, MODEL_HELP_BYTES, "%s, version %d", families[family].name, version);
    return (metadata_family){.family = str_of(families[family].name),
                             .type = families[family].type,
                             .help = str_of(help),
                             .unit = str_of(families[family].unit)};
}

static bool is_told(const metadata_family *m, int family, int version)
{
    char help[MODEL_HELP_BYTES];
    const metadata_family want = model_family_told(family, version, help);
    return m->type == want.type && str_eq(m->family, want.family) && str_eq(m->help, want.help) &&
           str_eq(m->unit, want.unit);
}

int model_family_of(const metadata_family *m, int *version)
{
    for (int f = 0; f < MODEL_FAMILIES; f++)
        for (int v = 1; v <= MODEL_TELLINGS; v++)
            if (is_told(m, f, v)) {
                *version = v;
                return f;
            }
    return -1;
}

/* ---- the ledger ---- */

void model_family_tell(model_family *f, int version, uint64_t ops)
{
    assert(f->n < MODEL_TELLINGS);
    f->v[f->n++] = (model_telling){version, ops, UINT64_MAX, UINT64_MAX};
}

void model_family_acknowledge(model_family *f, uint64_t ops)
{
    for (int i = 0; i < f->n; i++)
        if (f->v[i].acked == UINT64_MAX)
            f->v[i].acked = ops;
}

void model_family_forget(model_family *f, uint64_t begun)
{
    for (int i = 0; i < f->n; i++)
        if (f->v[i].forgotten == UINT64_MAX)
            f->v[i].forgotten = begun;
}

void model_family_rebase(model_family *f)
{
    for (int i = 0; i < f->n; i++) {
        if (f->v[i].acked != UINT64_MAX)
            f->v[i].sent = f->v[i].acked = 0;
        if (f->v[i].forgotten != UINT64_MAX)
            f->v[i].forgotten = 0;
    }
}

/* Whether it lies before a crash behind `ops` ops. */
static bool is_before(uint64_t at, uint64_t ops)
{
    return at < ops || at == 0;
}

family_demand model_family_demand(const model_family *f, uint64_t ops)
{
    family_demand d = {0, 0};
    for (int i = 0; i < f->n; i++) {
        const model_telling *t = &f->v[i];
        if (is_before(t->sent, ops))
            d.most = t->version;
        if (t->acked <= ops)
            d.least = is_before(t->forgotten, ops) ? 0 : t->version;
    }
    return d;
}

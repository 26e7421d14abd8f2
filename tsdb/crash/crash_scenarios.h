/* crash_scenarios.h - the lives whose crashes are looked at. */
#ifndef FERULA_TSDB_CRASH_SCENARIOS_H
#define FERULA_TSDB_CRASH_SCENARIOS_H

#include "tsdb/crash/crash_life.h"

typedef struct crash_scenario {
    const char *name;
    int n_series;
    int churn; /* ticks until a series gives way to another */
    int pad;   /* bytes of a label of each series */
    /* Makes what was there before; the database is not open, before and after. May be NULL. */
    void (*prepare)(crash_life *l);
    /* What is looked at, from the opening of the database to its closing. */
    void (*live)(crash_life *l);
    /* It restarts. What the disk does not give to a start is damage, told and left out: not for crash_faults.h. */
    bool restarts;
} crash_scenario;

extern const crash_scenario crash_scenarios[];
extern const size_t n_crash_scenarios;

#endif

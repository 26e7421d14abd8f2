/* metrics_idle.h - counters of Prometheus for parts that are there but never do what is counted, or are not there. */
#ifndef FERULA_SERVER_API_METRICS_IDLE_H
#define FERULA_SERVER_API_METRICS_IDLE_H

#include "base/buf.h"

/* Appends their families, each 0. Those whose zero would raise alarms (Alertmanagers that are connected) or that have
 * labels of things that are missing are left out. */
void metrics_idle_put(fer_buf *out);

#endif

/* status.h - /api/v1/status/... Handlers; arg is the app. */
#ifndef FERULA_SERVER_API_STATUS_H
#define FERULA_SERVER_API_STATUS_H

#include "server/app.h"

void api_status_buildinfo(http_req *r, void *arg);
void api_status_runtimeinfo(http_req *r, void *arg);
void api_status_flags(http_req *r, void *arg);
void api_status_config(http_req *r, void *arg);
void api_status_tsdb(http_req *r, void *arg);
/* The meta.json of each block served. */
void api_status_blocks(http_req *r, void *arg);
/* The families of /metrics as JSON of their protobuf messages. */
void api_self_metrics(http_req *r, void *arg);
/* What this server can do, as clients may ask. */
void api_features(http_req *r, void *arg);
void api_status_walreplay(http_req *r, void *arg);
/* /version: the same facts without the envelope. */
void api_version(http_req *r, void *arg);

/* The version of Prometheus whose behaviour this is: clients compare it (CLIENTS.md 1.5, T4). */
#define API_PROMETHEUS_VERSION "3.5.0"

#endif

/* metadata.h - /api/v1/metadata: type, help and unit of metric families as senders told them. Handler; arg is the app. */
#ifndef FERULA_SERVER_API_METADATA_H
#define FERULA_SERVER_API_METADATA_H

#include "server/app.h"

void api_metadata(http_req *r, void *arg);

#endif

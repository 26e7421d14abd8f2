/* exemplars.h - /api/v1/query_exemplars. Handler; arg is the app. */
#ifndef FERULA_SERVER_API_EXEMPLARS_H
#define FERULA_SERVER_API_EXEMPLARS_H

#include "server/app.h"

void api_query_exemplars(http_req *r, void *arg);

#endif

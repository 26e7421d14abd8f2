/* openapi.h - /api/v1/openapi.yaml: what the API takes, for programs that read OpenAPI. Handler; arg is the app. */
#ifndef FERULA_SERVER_API_OPENAPI_H
#define FERULA_SERVER_API_OPENAPI_H

#include "server/app.h"

/* OpenAPI 3.1.0, or 3.2.0 with openapi_version=3.2. */
void api_openapi(http_req *r, void *arg);
/* Appends the text. */
void openapi_put(fer_buf *out, const char *version, const char *route_prefix, bool newer);

#endif

/* parse_query.h - queries parsed and not run: /api/v1/format_query and /api/v1/parse_query. Handlers; arg
 * is the app. */
#ifndef FERULA_SERVER_API_PARSE_QUERY_H
#define FERULA_SERVER_API_PARSE_QUERY_H

#include "server/app.h"

/* The query as Prometheus lays it out. */
void api_format_query(http_req *r, void *arg);
/* The query's tree as JSON. */
void api_parse_query(http_req *r, void *arg);

#endif

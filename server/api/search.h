/* search.h - /api/v1/search/...: names and values that fit what somebody types, as lines of JSON.
 *
 * As Prometheus 3.13 has it, behind --enable-feature=search-api. Handlers; arg is the app. Query workers. */
#ifndef FERULA_SERVER_API_SEARCH_H
#define FERULA_SERVER_API_SEARCH_H

#include "server/app.h"

void api_search_metric_names(http_req *r, void *arg);
void api_search_label_names(http_req *r, void *arg);
void api_search_label_values(http_req *r, void *arg);

#endif

/* shapes.h - endpoints of parts that are not there yet, with Prometheus' empty answers, and metadata.
 * Handlers; arg is the app. */
#ifndef FERULA_SERVER_API_SHAPES_H
#define FERULA_SERVER_API_SHAPES_H

#include "server/app.h"

void api_metadata(http_req *r, void *arg);
/* No exemplars are stored: parameters are checked, the answer is empty. */
void api_query_exemplars(http_req *r, void *arg);
void api_rules(http_req *r, void *arg);
void api_alerts(http_req *r, void *arg);
void api_targets(http_req *r, void *arg);
void api_targets_metadata(http_req *r, void *arg);
void api_scrape_pools(http_req *r, void *arg);
void api_alertmanagers(http_req *r, void *arg);

#endif

/* targets.h - targets of scraping: there are none yet, so parameters are checked and the answers are Prometheus' empty
 * ones. Handlers; arg is the app. */
#ifndef FERULA_SERVER_API_TARGETS_H
#define FERULA_SERVER_API_TARGETS_H

#include "server/app.h"

void api_targets(http_req *r, void *arg);
void api_targets_metadata(http_req *r, void *arg);
void api_scrape_pools(http_req *r, void *arg);
void api_scrape_pool_config(http_req *r, void *arg);
void api_relabel_steps(http_req *r, void *arg);

#endif

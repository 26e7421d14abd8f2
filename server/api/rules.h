/* rules.h - rules, alerts and Alertmanagers: there are none yet, so parameters are checked and the answers are
 * Prometheus' empty ones. Handlers; arg is the app. */
#ifndef FERULA_SERVER_API_RULES_H
#define FERULA_SERVER_API_RULES_H

#include "server/app.h"

void api_rules(http_req *r, void *arg);
void api_alerts(http_req *r, void *arg);
void api_alertmanagers(http_req *r, void *arg);

#endif

/* web.h - what is not under /api/v1: the start page, health, lifecycle, /metrics. Handlers; arg is the app. */
#ifndef FERULA_SERVER_API_WEB_H
#define FERULA_SERVER_API_WEB_H

#include "server/app.h"

void web_start_page(http_req *r, void *arg);
void web_healthy(http_req *r, void *arg);
void web_ready(http_req *r, void *arg);
/* Says that quit and reload want POST or PUT. */
void web_lifecycle_get(http_req *r, void *arg);
void web_quit(http_req *r, void *arg);
void web_reload(http_req *r, void *arg);
void web_metrics(http_req *r, void *arg);
/* Appends the page of /metrics. */
void metrics_page(fer_buf *out, app *a);

#endif

/* api.h - the HTTP API: all routes of the server (FEATURES.md section 2).
 *
 * One endpoint family a file: api_query.c, api_labels.c, api_status.c, web.c (pages, health, metrics).
 */
#ifndef FERULA_SERVER_API_API_H
#define FERULA_SERVER_API_API_H

#include "server/app.h"

/* Registers every route with a->http. Before the server runs. */
void api_register(app *a);

#endif
